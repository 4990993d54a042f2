"""Somebody's test suite on PostgreSQL itself and through pgweir in transaction mode, test by test.
Fails unless pgweir passes whatever passes direct, less what the suite's exceptions explain."""

import argparse
import os
import pathlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from options import read_exceptions, setting
from recorded import Outcome, Recorded
from sandbox import Cluster, Sandbox, Weir

ROOT = pathlib.Path(__file__).parents[2]
CACHE = ROOT / "build/suites"


@dataclass(frozen=True)
class Suite:
    name: str
    about: str
    exceptions: pathlib.Path
    pool_size: int
    # Version and directory of the source in the cache; raises debian.NotServed.
    fetch: Callable[[], tuple[str, pathlib.Path]]
    # Prepares a cluster (its databases), once per run.
    prepare: Callable[[Cluster], None]
    # The run of the tests that match `pattern` on a port.
    start: Callable[[Sandbox, pathlib.Path, str, int, argparse.Namespace], Recorded]


def parse(suite: Suite, arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"./dev suites {suite.name}", description=suite.about,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, metavar="PATH",
                        default=ROOT / "build/release/pgweir", help="pgweir (build/release/pgweir)")
    parser.add_argument("--direct-only", action="store_true", help="only the baseline")
    parser.add_argument("--tests", metavar="PATTERN", help="these only, as its runner's -k or -n")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE",
                        help=f"a setting of pgweir (default_pool_size is {suite.pool_size}; "
                             "repeatable)")
    parser.add_argument("--stall", type=float, default=120, metavar="SECONDS",
                        help="a test that says nothing for this long hangs (120)")
    parser.add_argument("--source", type=pathlib.Path, metavar="DIRECTORY",
                        help="the suite's unpacked source, should the archive not serve it")
    return parser.parse_args(arguments)


class Comparison:
    def __init__(self, suite: Suite, sandbox: Sandbox, source: pathlib.Path,
                 options: argparse.Namespace) -> None:
        self.suite = suite
        self.sandbox = sandbox
        self.options = options
        self.kept = CACHE / suite.name
        os.chmod(sandbox.path, 0o755)
        self.source = sandbox.copy(source, "source")
        shutil.rmtree(self.kept, ignore_errors=True)
        self.kept.mkdir(parents=True)

    def direct(self) -> Outcome:
        cluster = Cluster(self.sandbox)
        self.suite.prepare(cluster)
        print(f"==> {self.suite.name}, direct", flush=True)
        run = self.start("direct", cluster.port)
        outcome = run.run(lambda: self.stalled(cluster, None))
        self.keep(run, cluster.process.log_path)
        cluster.stop()
        return outcome

    def through_pgweir(self, binary: pathlib.Path) -> Outcome:
        cluster = Cluster(self.sandbox)
        self.suite.prepare(cluster)
        settings = {"default_pool_size": self.suite.pool_size, **dict(self.options.set)}
        weir = Weir(self.sandbox, cluster, binary, settings)
        print(f"==> {self.suite.name}, through pgweir", flush=True)
        run = self.start("pgweir", weir.port)
        outcome = run.run(lambda: self.stalled(cluster, weir))
        try:
            weir.stop()
        except RuntimeError as error:
            outcome.problem = f"{outcome.problem} {error}".strip()
        self.keep(run, cluster.process.log_path, str(weir.log), str(weir.config))
        cluster.stop()
        return outcome

    def start(self, name: str, port: int) -> Recorded:
        return self.suite.start(self.sandbox, self.source, name, port, self.options)

    @staticmethod
    def stalled(cluster: Cluster, weir: Weir | None) -> str:
        """What the servers say while something hangs."""
        parts = [cluster.psql("select pid, datname, application_name, state, wait_event, query "
                              "from pg_stat_activity where backend_type = 'client backend'")]
        if weir is not None:
            for command in ("SHOW CLIENTS", "SHOW SERVERS", "SHOW PINS", "SHOW POOLS"):
                rows = "\n".join("\t".join(row) for row in weir.console(command))
                parts.append(f"{command}\n{rows}")
        return "\n".join(parts)

    def keep(self, run: Recorded, *others: str) -> None:
        for path in (str(run.record), str(run.output), *others):
            shutil.copy(path, self.kept)


def differing(direct: Outcome, weir: Outcome) -> list[str]:
    return sorted(test for test in weir.failed if test in direct.passed)


def lost(direct: Outcome, weir: Outcome) -> list[str]:
    return sorted(direct.passed - weir.passed - set(weir.failed))


def explanation(test: str, exceptions: dict[str, str]) -> str:
    """A test by its full name, or by the one that all its parameters share."""
    return exceptions.get(test) or exceptions.get(test.partition("[")[0], "")


def row(name: str, outcome: Outcome) -> str:
    return (f"{name:<8}{len(outcome.passed):>7} passed{len(outcome.failed):>6} failed"
            f"{len(outcome.skipped):>6} skipped{outcome.seconds:>7.0f} s")


def report(direct: Outcome, weir: Outcome | None, exceptions: dict[str, str]) -> str:
    lines = ["", row("direct", direct)]
    if weir is not None:
        lines.append(row("pgweir", weir))
        if not_run := lost(direct, weir):
            lines.append(f"{len(not_run)} tests did not run through pgweir: {' '.join(not_run[:10])}")
        for test in differing(direct, weir):
            reason = explanation(test, exceptions)
            lines.append(f"  {test}: " + (f"explained: {reason}" if reason else "FAILED"))
            if not reason:
                lines += [f"      {line}" for line in weir.failed[test].splitlines()[-6:]]
        lines += [f"  {test} fails direct only" for test in sorted(set(direct.failed) & weir.passed)]
        both = sorted(set(direct.failed) & set(weir.failed))
        lines += [f"  {test} fails direct, too" for test in both]
        needless = {entry for entry in exceptions if entry in weir.passed}
        lines += [f"{test} passes and need not be among the exceptions" for test in sorted(needless)]
    for name, outcome in (("direct", direct), ("pgweir", weir)):
        if outcome is not None and outcome.problem:
            lines.append(f"PROBLEM, {name}: {outcome.problem}")
    return "\n".join(lines)


def good(direct: Outcome, weir: Outcome | None, exceptions: dict[str, str]) -> bool:
    if direct.problem or not direct.passed:
        return False
    if weir is None:
        return True
    return not (weir.problem or lost(direct, weir)
                or any(not explanation(test, exceptions) for test in differing(direct, weir)))


def main(suite: Suite, arguments: list[str]) -> int:
    options = parse(suite, arguments)
    if not options.direct_only and not os.access(options.binary, os.X_OK):
        print(f"{options.binary} is not there; ./dev build makes it, --binary names another")
        return 2
    exceptions = read_exceptions(suite.exceptions)
    version, source = ("given", options.source) if options.source else suite.fetch()
    print(f"==> {suite.name} {version}", flush=True)
    with Sandbox() as sandbox:
        comparison = Comparison(suite, sandbox, source, options)
        direct = comparison.direct()
        weir = None
        if not options.direct_only and not direct.problem:
            # A rebuild during a long run must not change what is tested.
            weir = comparison.through_pgweir(sandbox.copy(options.binary, "pgweir"))
    print(report(direct, weir, exceptions))
    print(f"records and logs: {comparison.kept.relative_to(ROOT)}")
    return 0 if good(direct, weir, exceptions) else 1
