"""./dev suites regress: PostgreSQL 15's own regression suite through pgweir in transaction mode.

First on PostgreSQL itself, for the baseline; then through a pgweir, each round on a new cluster. Fails
unless pgweir passes whatever passes direct, less what regress_exceptions.txt explains, and where a
client kept its server without state in PostgreSQL, less what regress_pins.txt explains. Results, diffs,
logs, the pins by reason and the transactions by test are kept in build/suites/regress."""

import argparse
import os
import pathlib
import shutil
from dataclasses import dataclass, field

import source
from options import read_exceptions, setting
from pg_regress import Files, Outcome, PgRegress
from pins import Console, Pins, read_pins
from replicas import PRIMARY_CONF, Replica
from sandbox import SUPERUSER, Cluster, Sandbox, Weir
from schedule import read_schedule

ROOT = pathlib.Path(__file__).parents[2]
CACHE = ROOT / "build/suites"
KEPT = CACHE / "regress"
MOST_ADOPTED = 8
EXCEPTIONS = pathlib.Path(__file__).parent / "regress_exceptions.txt"
DOUBTS = pathlib.Path(__file__).parent / "regress_pins.txt"


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev suites regress", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, metavar="PATH",
                        default=ROOT / "build/release/pgweir", help="pgweir (build/release/pgweir)")
    parser.add_argument("--direct-only", action="store_true", help="only the baseline")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="runs through pgweir (1)")
    parser.add_argument("--tests", nargs="+", metavar="NAME",
                        help="these only, with what they depend on")
    parser.add_argument("--max-connections", type=int, default=8, metavar="N",
                        help="tests at a time (8)")
    parser.add_argument("--replicas", type=int, default=0, metavar="N",
                        help="streaming replicas that serve reads, consistency = session (0)")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE",
                        help="a setting of pgweir (default_pool_size is 12; repeatable)")
    parser.add_argument("--stall", type=float, default=900, metavar="SECONDS",
                        help="end a run in which no test ended for this long (900)")
    return parser.parse_args(arguments)


@dataclass
class Findings:
    direct: Outcome
    # Expected files that the direct run replaced, since the server is newer than the source.
    adopted: list[str] = field(default_factory=list)
    rounds: list[tuple[Outcome, Pins]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def differing(self, round_: Outcome) -> list[str]:
        return sorted(test for test in round_.failed if test in self.direct.passed)

    def unexplained_pins(self) -> dict[str, str]:
        explained = read_exceptions(DOUBTS)
        return {name: detail for _, pins in self.rounds for name, detail in pins.in_doubt().items()
                if name not in explained and name.partition("/")[2] not in explained}


class Regress:
    def __init__(self, sandbox: Sandbox, suite: source.Suite, options: argparse.Namespace) -> None:
        self.sandbox = sandbox
        self.options = options
        schedule = read_schedule(suite.regress / "parallel_schedule")
        if options.tests:
            schedule = schedule.with_needs(options.tests)
        self.total = len(schedule.tests)
        self.same_version = suite.version == suite.server_version
        os.chmod(sandbox.path, 0o755)
        self.files = Files(
            sandbox.copy(suite.regress, "input"), sandbox.copy(suite.libraries, "libraries"),
            sandbox.copy(suite.bin / "psql", "psql").parent, schedule)

    def pg_regress(self, name: str) -> PgRegress:
        return PgRegress(self.sandbox, self.files, name, self.options.max_connections,
                         self.options.stall)

    # --- direct ---

    def run_direct(self, name: str) -> Outcome:
        cluster = Cluster(self.sandbox)
        print(f"==> {self.total} tests, direct", flush=True)
        outcome = self.pg_regress(name).run(
            cluster.port, lambda directory: self.write_stall(directory, cluster, None))
        keep(outcome, cluster.process.log_path)
        cluster.stop()
        return outcome

    def baseline(self) -> Findings:
        """What fails direct has a second try with its own output as what is expected: a newer minor
        version of the server says some things in other words. More than a few are another matter."""
        first = self.run_direct("direct")
        if first.problem or not first.failed:
            return Findings(first, problems=[first.problem] if first.problem else [])
        if self.same_version or len(first.failed) > MOST_ADOPTED:
            return Findings(first, problems=[f"{len(first.failed)} tests fail direct"])
        adopted = sorted(first.failed)
        for test in adopted:
            # It must be the only one: a second expected file could hide a difference.
            for other in (self.files.input / "expected").glob(f"{test}_[0-9].out"):
                other.unlink()
            shutil.copy(first.directory / f"results/{test}.out",
                        self.files.input / f"expected/{test}.out")
        print(f"    expected from the direct run: {' '.join(adopted)}; once more", flush=True)
        second = self.run_direct("direct-again")
        return Findings(second, adopted, problems=[second.problem] if second.problem else [])

    # --- through pgweir ---

    def run_round(self, number: int, binary: pathlib.Path) -> tuple[Outcome, Pins]:
        cluster = Cluster(self.sandbox, PRIMARY_CONF if self.options.replicas else None)
        replicas = [Replica(self.sandbox, cluster, f"replica-{i + 1}")
                    for i in range(self.options.replicas)]
        weir = Weir(self.sandbox, cluster, binary, dict(self.options.set),
                    [replica.port for replica in replicas])
        print(f"==> {self.total} tests through pgweir, round {number}", flush=True)
        with Console(weir.port, SUPERUSER) as console:
            outcome = self.pg_regress(f"pgweir-{number}").run(
                weir.port, lambda directory: self.write_stall(directory, cluster, weir))
        outcome.routes = read_routes(weir) if replicas else ""
        try:
            weir.stop()
        except RuntimeError as error:
            outcome.problem = f"{outcome.problem} {error}".strip()
        pins = read_pins(weir.log, console)
        outcome.problem = f"{outcome.problem} {console.failure}".strip()
        if pins.logins < self.total:
            outcome.problem += f" {pins.logins} logins for {self.total} tests: not run through pgweir"
        keep(outcome, str(weir.config), str(weir.log), cluster.process.log_path,
             *(replica.process.log_path for replica in replicas))
        (KEPT / outcome.directory.name / "pins.txt").write_text(pins.text())
        for replica in replicas:
            replica.stop()
        cluster.stop()
        return outcome, pins

    def write_stall(self, directory: pathlib.Path, cluster: Cluster, weir: Weir | None) -> None:
        """What the servers say while something hangs."""
        parts = [cluster.psql("select pid, application_name, state, wait_event, query "
                              "from pg_stat_activity where backend_type = 'client backend'")]
        if weir is not None:
            for command in ("SHOW CLIENTS", "SHOW SERVERS", "SHOW PINS", "SHOW POOLS"):
                rows = "\n".join("\t".join(row) for row in weir.console(command))
                parts.append(f"{command}\n{rows}")
        (directory / "stall.txt").write_text("\n\n".join(parts) + "\n")


def read_routes(weir: Weir) -> str:
    """How many transactions ran where, and why."""
    rows = weir.console("SHOW ROUTES")
    return "\n".join("  " + "  ".join(row) for row in rows)


def keep(outcome: Outcome, *others: str, kept: pathlib.Path = KEPT) -> None:
    """Copies a run's files, and one diff per test, to `kept`."""
    target = kept / outcome.directory.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(outcome.directory, target)
    for other in others:
        shutil.copy(other, target)
    (target / "diffs").mkdir()
    for test, diff in outcome.diffs().items():
        (target / f"diffs/{test}.diff").write_text(diff)


def table(findings: Findings, total: int, exceptions: dict[str, str]) -> str:
    def row(name: str, outcome: Outcome, more: str = "") -> str:
        passed = len(outcome.passed | outcome.ignored)
        return f"{name:<12} {passed:>3}/{total}  {outcome.seconds:5.0f} s  {more}".rstrip()

    adopted = f"expected from itself: {' '.join(findings.adopted)}" if findings.adopted else ""
    lines = ["", row("direct", findings.direct, adopted)]
    for number, (outcome, pins) in enumerate(findings.rounds, 1):
        lines.append(row(f"pgweir {number}", outcome,
                         f"{pins.share_of_all():.0%} of {pins.transactions.total()} transactions on a "
                         f"server that was not kept; {pins.total} pins, {pins.lifted} lifted; catalog "
                         f"read {pins.catalog_reads} times"))
        if outcome.routes:
            lines.append(outcome.routes)
    seen = sorted({test for outcome, _ in findings.rounds for test in findings.differing(outcome)})
    for test in seen:
        times = sum(test in outcome.failed for outcome, _ in findings.rounds)
        lines.append(f"  {test}: failed in {times} of {len(findings.rounds)}"
                     + (f"; explained: {exceptions[test]}" if test in exceptions else ""))
    if findings.rounds:
        pins = findings.rounds[0][1]
        lines.append("pins by reason, round 1: " + (", ".join(
            f"{reason} {count}"
            for reason, count in pins.by_reason.most_common()) or "none"))
        lines.append("share of transactions on a server that was not kept, by test, where it is not all: "
                     + " ".join(f"{test} {pins.share(test):.0%}" for test in sorted(pins.pinned)
                                if pins.pinned[test]))
    for name, detail in findings.unexplained_pins().items():
        lines.append(f"PIN WITHOUT STATE: {name}" + (f" ({detail})" if detail else ""))
    if len({frozenset(outcome.failed) for outcome, _ in findings.rounds}) > 1:
        lines.append("the rounds do not agree")
    for test in sorted(set(exceptions) - set(seen)):
        if findings.rounds and all(test in outcome.passed for outcome, _ in findings.rounds):
            lines.append(f"{test} passes and need not be in {EXCEPTIONS.name}")
    lines += [f"PROBLEM: {problem}" for problem in findings.problems]
    lines.append(f"results and diffs: {KEPT.relative_to(ROOT)}")
    return "\n".join(lines)


def good(findings: Findings, exceptions: dict[str, str]) -> bool:
    return (not findings.problems and not findings.direct.failed
            and not findings.unexplained_pins()
            and not any(set(findings.differing(outcome)) - set(exceptions)
                        for outcome, _ in findings.rounds))


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if not options.direct_only and not os.access(options.binary, os.X_OK):
        print(f"{options.binary} is not there; ./dev build makes it, --binary names another")
        return 2
    exceptions = read_exceptions(EXCEPTIONS)
    suite = source.prepare(CACHE)
    print(f"==> PostgreSQL {suite.server_version}, tests of {suite.version}"
          + ("" if suite.psql_fits else ", psql of the server's version"), flush=True)
    with Sandbox() as sandbox:
        try:
            regress = Regress(sandbox, suite, options)
        except ValueError as error:
            print(f"./dev suites regress: {error}")
            return 2
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        findings = regress.baseline()
        if not options.direct_only and not findings.problems:
            # A rebuild during a long run must not change what is tested.
            binary = sandbox.copy(options.binary, "pgweir")
            for number in range(1, options.rounds + 1):
                outcome, pins = regress.run_round(number, binary)
                findings.rounds.append((outcome, pins))
                if outcome.problem:
                    findings.problems.append(f"round {number}: {outcome.problem}")
    print(table(findings, regress.total, exceptions))
    return 0 if good(findings, exceptions) else 1
