"""./dev suites isolation: PostgreSQL 15's isolation tests through pgweir in transaction mode.

First on PostgreSQL itself, then through a pgweir, each on a new cluster. The tester asks PostgreSQL
which of its sessions wait for a lock, by the process ids of its connections; behind a pooler a session
has none of its own. So it is built from its source with one question changed: it asks by the sessions'
application_name, in both runs. Fails unless pgweir passes whatever passes direct; what
isolation_exceptions.txt names is not run through pgweir. Results, diffs and logs are kept in
build/suites/isolation."""

import argparse
import dataclasses
import pathlib
import re
import shutil

from debian import fetch_source, installed_version, run
from options import read_exceptions, setting
from pg_regress import Files, Outcome, PgRegress
from regress import CACHE, ROOT, keep
from sandbox import DATABASE, SUPERUSER, Cluster, Sandbox, Weir
from schedule import Schedule, read_schedule
from source import PACKAGE, PG_BIN

KEPT = CACHE / "isolation"
EXCEPTIONS = pathlib.Path(__file__).parent / "isolation_exceptions.txt"
PG_ISOLATION = pathlib.Path("/usr/lib/postgresql/15/lib/pgxs/src/test/isolation/pg_isolation_regress")
PIDS = re.compile(r'(initPQExpBuffer\(&wait_query\);).*?"\}\'\)"\);', re.DOTALL)
BY_NAME = r'''\1
	appendPQExpBufferStr(&wait_query,
		"SELECT coalesce(bool_or(pg_catalog.pg_isolation_test_session_is_blocked(w.pid, "
		"(SELECT array_agg(a.pid) FROM pg_stat_activity a WHERE a.datname = current_database()))), "
		"false) FROM pg_stat_activity w WHERE w.application_name = left($1, 63) "
		"AND w.state = 'active'");'''
PID_TEXT = 'conns[i].backend_pid_str = psprintf("%d", conns[i].backend_pid);'
NAME_TEXT = 'conns[i].backend_pid_str = psprintf("%s/%s", getenv("PGAPPNAME"), sessionname);'


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev suites isolation", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, metavar="PATH",
                        default=ROOT / "build/release/pgweir", help="pgweir (build/release/pgweir)")
    parser.add_argument("--tests", nargs="+", metavar="NAME", help="these only")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE",
                        help="a setting of pgweir (default_pool_size is 12; repeatable)")
    parser.add_argument("--stall", type=float, default=400, metavar="SECONDS",
                        help="end a run in which no test ended for this long (400)")
    return parser.parse_args(arguments)


def build_tester(source: pathlib.Path, version: str) -> pathlib.Path:
    """A directory with pg_isolation_regress and the tester, which it looks for beside itself."""
    target = CACHE / f"isolationtester-{version}-for-{installed_version(PACKAGE)}"
    if (target / "isolationtester").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    text = (source / "isolationtester.c").read_text()
    changed, times = PIDS.subn(BY_NAME, text)
    if times != 1 or changed.count(PID_TEXT) != 1:
        raise RuntimeError("isolationtester.c is not what it was: see BY_NAME in isolation.py")
    (target / "isolationtester.c").write_text(changed.replace(PID_TEXT, NAME_TEXT))
    for name in ("isolationtester.h", "specparse.c", "specscanner.c"):
        shutil.copy(source / name, target)
    library = run([f"{PG_BIN}/pg_config", "--libdir"]).strip()
    includes = [run([f"{PG_BIN}/pg_config", option]).strip()
                for option in ("--includedir-server", "--includedir")]
    run(["gcc", "-O1", "-w", *(f"-I{path}" for path in includes), f"-I{includes[1]}/internal", "-I.",
         "isolationtester.c", "specparse.c", "-o", "isolationtester",
         "-L/usr/lib/postgresql/15/lib", f"-L{library}", "-lpgfeutils", "-lpgcommon", "-lpgport",
         "-lpq", "-lm"], cwd=target)
    shutil.copy(PG_ISOLATION, target)
    return target


class Isolation(PgRegress):
    def command(self, port: int, directory: pathlib.Path) -> list[str]:
        schedule = directory / "schedule"
        self.files.schedule.write(schedule)
        return [f"{self.files.bin}/pg_isolation_regress", "--use-existing",
                f"--inputdir={self.files.input}", f"--outputdir={directory}",
                f"--bindir={PG_BIN}", f"--schedule={schedule}", "--host=127.0.0.1",
                f"--port={port}", f"--user={SUPERUSER}", f"--dbname={DATABASE}"]


def run_direct(sandbox: Sandbox, files: Files, options: argparse.Namespace) -> Outcome:
    cluster = Cluster(sandbox)
    print(f"==> {len(files.schedule.tests)} tests, direct", flush=True)
    outcome = Isolation(sandbox, files, "direct", 1, options.stall).run(cluster.port, lambda _: None)
    keep(outcome, cluster.process.log_path, kept=KEPT)
    cluster.stop()
    return outcome


def run_through(sandbox: Sandbox, files: Files, options: argparse.Namespace) -> Outcome:
    cluster = Cluster(sandbox)
    weir = Weir(sandbox, cluster, sandbox.copy(options.binary, "pgweir"), dict(options.set))
    print(f"==> {len(files.schedule.tests)} tests through pgweir", flush=True)
    outcome = Isolation(sandbox, files, "through", 1, options.stall).run(weir.port, lambda _: None)
    try:
        weir.stop()
    except RuntimeError as error:
        outcome.problem = f"{outcome.problem} {error}".strip()
    keep(outcome, str(weir.config), str(weir.log), cluster.process.log_path, kept=KEPT)
    cluster.stop()
    return outcome


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    exceptions = read_exceptions(EXCEPTIONS)
    CACHE.mkdir(parents=True, exist_ok=True)
    version, root = fetch_source(CACHE, PACKAGE, "isolation",
                                 ["*/src/test/isolation/*", "*/COPYRIGHT"])
    source = root / "src/test/isolation"
    schedule = read_schedule(source / "isolation_schedule")
    if options.tests:
        schedule = Schedule([[test] for test in options.tests])
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    left_out = set(exceptions)
    proxied = Schedule([[test for test in group if test not in left_out]
                        for group in schedule.groups if set(group) - left_out])
    with Sandbox() as sandbox:
        sandbox.path.chmod(0o755)
        files = Files(sandbox.copy(source, "input"), sandbox.path,
                      sandbox.copy(build_tester(source, version), "tester"), schedule)
        direct = run_direct(sandbox, files, options)
        through = run_through(sandbox, dataclasses.replace(files, schedule=proxied), options)
    for name, outcome in (("direct", direct), ("pgweir", through)):
        print(f"{name:<8} {len(outcome.passed)}/{len(schedule.tests)}  {outcome.seconds:.0f} s"
              + (f"  PROBLEM: {outcome.problem}" if outcome.problem else ""))
    differing = sorted(test for test in through.failed if test in direct.passed)
    for test in differing:
        print(f"  {test}: differs")
    for test in sorted(left_out & set(schedule.tests)):
        print(f"  {test} not run: {exceptions[test]}")
    print(f"results and diffs: {KEPT.relative_to(ROOT)}")
    return 1 if direct.problem or through.problem or differing else 0
