"""./dev suites frameworks: migration tools, frameworks and drivers through pgweir in transaction mode,
with their workarounds for poolers off.

Each runs on PostgreSQL itself first, and then through pgweir. A migration: three copies at once on a
pool of 5; one must work, none may hang, the schema must be the one that a single direct run makes, and
no advisory lock may stay. An application's test: three copies at once; each step that works direct
must work through pgweir, less what frameworks_exceptions.txt explains. What cannot be had here is said.
Outputs and logs are kept in build/suites/frameworks."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

from weirbench.process import as_server_user

from debian import run
from frameworks_tools import APPLICATIONS, MIGRATIONS, Application, Migration, Tool
from options import read_exceptions, setting
from sandbox import SUPERUSER, Cluster, Sandbox, Weir, clean_environment
from source import PG_BIN

ROOT = pathlib.Path(__file__).parents[2]
CACHE = ROOT / "build/suites"
KEPT = CACHE / "frameworks"
HERE = pathlib.Path(__file__).parent / "frameworks"
EXCEPTIONS = pathlib.Path(__file__).parent / "frameworks_exceptions.txt"
COPIES = 3
POOL_SIZE = 5


def parse(arguments: list[str]) -> argparse.Namespace:
    names = [tool.name for tool in (*MIGRATIONS, *APPLICATIONS)]
    parser = argparse.ArgumentParser(prog="./dev suites frameworks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, metavar="PATH",
                        default=ROOT / "build/release/pgweir", help="pgweir (build/release/pgweir)")
    parser.add_argument("--tools", nargs="+", metavar="NAME", choices=names, default=names,
                        help=f"these only, of: {' '.join(names)}")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="KEY=VALUE",
                        help=f"a setting of pgweir (default_pool_size is {POOL_SIZE}; repeatable)")
    parser.add_argument("--patience", type=float, default=180, metavar="SECONDS",
                        help="what takes longer hangs (180)")
    return parser.parse_args(arguments)


# --- what can be had ---


def installed(package: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                          capture_output=True, text=True, check=False)
    return done.stdout == "installed"


def install_modules() -> tuple[pathlib.Path, str]:
    """As the lock file says, once. The second value is npm's complaint."""
    target = CACHE / "frameworks-node"
    lock = HERE / "node/package-lock.json"
    kept = target / "package-lock.json"
    if kept.exists() and kept.read_bytes() == lock.read_bytes():
        return target, ""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, target)
    try:
        # Install scripts would fetch programs from elsewhere.
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"],
            cwd=target)
    except (RuntimeError, FileNotFoundError) as error:
        shutil.rmtree(target, ignore_errors=True)
        return target, " ".join(str(error).split())[:300]
    return target, ""


def missing(tool: Tool, npm_failure: str) -> str:
    """Why the tool cannot be had; empty if it can."""
    packages = [package for package in tool.packages if not installed(package)]
    if packages:
        return f"not installed: {' '.join(packages)}"
    return npm_failure if tool.modules else ""


# --- running ---


@dataclass
class Ended:
    """One process. `status` is None if it hung and was ended."""

    status: int | None
    output: str

    def text(self) -> str:
        return f"[{'hung' if self.status is None else self.status}]\n{self.output}"

    @property
    def last_line(self) -> str:
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        errors = [line for line in lines if re.search(r"error|fail|exception", line, re.IGNORECASE)]
        return (errors or lines or ["(no output)"])[-1][:200]


@dataclass
class Place:
    """Where a tool connects to."""

    name: str  # direct, pgweir
    port: int
    database: str


class Bench:
    """The servers, and where the tools run."""

    def __init__(self, sandbox: Sandbox, binary: pathlib.Path, modules: pathlib.Path,
                 options: argparse.Namespace) -> None:
        self.sandbox = sandbox
        self.patience = options.patience
        os.chmod(sandbox.path, 0o755)
        self.files = sandbox.copy(HERE, "frameworks")
        self.node = sandbox.path / "frameworks-node"
        if modules.exists():
            shutil.copytree(modules, self.node, symlinks=True)
            for directory in ("node", "knex", "prisma", "node_pg_migrate"):
                (self.files / directory / "node_modules").symlink_to(self.node / "node_modules")
        self.cluster = Cluster(sandbox)
        self.weir = Weir(sandbox, self.cluster, binary,
                         {"default_pool_size": POOL_SIZE, **dict(options.set)})
        self.outputs = 0

    def place(self, tool: Tool, name: str) -> Place:
        database = re.sub(r"\W", "_", f"{tool.name}_{name}")
        self.cluster.psql(f"create database {database} template template0")
        return Place(name, self.weir.port if name == "pgweir" else self.cluster.port, database)

    def environment(self, place: Place, copy: int) -> dict[str, str]:
        return dict(
            clean_environment(self.sandbox.path), LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1",
            PATH=f"{PG_BIN}:{os.environ['PATH']}", PGHOST="127.0.0.1", PGPORT=str(place.port),
            PGUSER=SUPERUSER, PGDATABASE=place.database, WEIR_COPY=str(copy), NO_COLOR="1",
            # Prisma would ask for news, and fetch programs that are not used (prisma.config.mjs).
            CHECKPOINT_DISABLE="1", PRISMA_QUERY_ENGINE_LIBRARY="/bin/true",
            PRISMA_SCHEMA_ENGINE_BINARY="/bin/true",
            DATABASE_URL=f"postgres://{SUPERUSER}@127.0.0.1:{place.port}/{place.database}")

    def run(self, tool: Tool, place: Place, command: tuple[str, ...], copies: int = 1) -> list[Ended]:
        """`copies` at once."""
        started = []
        for copy in range(1, copies + 1):
            self.outputs += 1
            path = self.sandbox.path / f"output-{self.outputs}"
            with open(path, "wb") as output:
                process = subprocess.Popen(
                    as_server_user([word.format(node=self.node) for word in command]),
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                    cwd=self.files / tool.directory, env=self.environment(place, copy))
            started.append((process, path))
        deadline = time.monotonic() + self.patience
        ended = [self.wait(process, path, deadline) for process, path in started]
        self.keep(tool, place, command, ended)
        return ended

    def wait(self, process: subprocess.Popen, output: pathlib.Path, deadline: float) -> Ended:
        try:
            status = process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
            with open(output, "a", encoding="utf-8") as file:
                file.write(f"\n{self.state()}\n")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return Ended(status, output.read_text(errors="replace"))

    @staticmethod
    def keep(tool: Tool, place: Place, command: tuple[str, ...], ended: list[Ended]) -> None:
        with open(KEPT / f"{tool.name}.{place.name}.txt", "a", encoding="utf-8") as file:
            for copy, one in enumerate(ended, 1):
                file.write(f"=== {' '.join(command)} ({copy} of {len(ended)}) {one.text()}\n")

    def schema(self, place: Place) -> str:
        """Everything pg_dump tells, straight from the server, less what differs between two runs."""
        dump = self.sandbox.run([
            f"{PG_BIN}/pg_dump", "-s", "-h", "127.0.0.1", "-p", str(self.cluster.port), "-U",
            SUPERUSER, place.database])
        return "\n".join(line for line in dump.splitlines()
                         if not line.startswith(("--", "\\restrict", "\\unrestrict")))

    def advisory_locks(self, place: Place) -> str:
        return self.cluster.psql(
            "select coalesce(string_agg(format('%s/%s/%s', classid, objid, pid), ' '), '') from pg_locks "
            "where locktype = 'advisory' and database = "
            f"(select oid from pg_database where datname = '{place.database}')")

    def state(self) -> str:
        """What the servers say of a tool that hung, before it is ended."""
        return self.cluster.psql("select pid, datname, state, wait_event, query from pg_stat_activity "
                                 "where backend_type = 'client backend'")


# --- judging ---


@dataclass
class Result:
    tool: str
    direct: str = ""
    weir: str = ""
    problems: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    missing: str = ""

    def explain(self, exceptions: dict[str, str]) -> None:
        """An exception's name is the tool's and the step's; it holds for all copies."""
        problems, self.problems = self.problems, []
        for problem in problems:
            step = re.split(r" \(copy \d+\)|:", problem)[0]
            reason = exceptions.get(f"{self.tool} {step}")
            if reason is None:
                self.problems.append(problem)
            else:
                self.explained.append(f"{problem}; explained: {reason}")


def migrate(bench: Bench, tool: Migration, place: Place) -> tuple[list[Ended], list[str]]:
    """Three at once and what follows. The second value is what is wrong."""
    together = bench.run(tool, place, tool.up, COPIES)
    wrong = []
    if any(one.status is None for one in together):
        wrong.append("it hung")
    if not any(one.status == 0 for one in together):
        wrong.append(f"no copy worked: {together[0].last_line}")
    for what, command in (("once more", tool.up), ("check", tool.check)):
        if command:
            ended, = bench.run(tool, place, command)
            if ended.status != 0:
                wrong.append(f"{what}: {ended.last_line}")
    if locks := bench.advisory_locks(place):
        wrong.append(f"advisory locks are left: {locks}")
    return together, wrong


def try_migration(bench: Bench, tool: Migration) -> Result:
    result = Result(tool.name)
    alone = bench.place(tool, "alone")
    bench.run(tool, alone, tool.up)
    oracle = bench.schema(alone)
    for name in ("direct", "pgweir"):
        place = bench.place(tool, name)
        together, wrong = migrate(bench, tool, place)
        if bench.schema(place) != oracle:
            wrong.append("the schema is not what one direct run makes")
            (KEPT / f"{tool.name}.{name}.schema.sql").write_text(bench.schema(place))
            (KEPT / f"{tool.name}.alone.schema.sql").write_text(oracle)
        if tool.down:
            ended, = bench.run(tool, place, tool.down)
            if ended.status != 0:
                wrong.append(f"down: {ended.last_line}")
        worked = sum(one.status == 0 for one in together)
        said = f"{worked} of {COPIES} work"
        if name == "direct":
            result.direct = said + (" (!)" if wrong else "")
            # What three copies at once do direct as well is the tool's own affair.
            direct_wrong = wrong
        else:
            result.weir = said
            kinds = {text.partition(":")[0] for text in direct_wrong}
            result.problems = [text for text in wrong if text.partition(":")[0] not in kinds]
    return result


def steps(ended: list[Ended]) -> dict[str, str]:
    """By copy and step: empty if it worked, else why not."""
    found = {}
    for copy, one in enumerate(ended, 1):
        for line in one.output.splitlines():
            if line.startswith("ok "):
                found[f"{line[3:]} (copy {copy})"] = ""
            elif line.startswith("FAILED "):
                name, _, why = line[7:].partition(":")
                found[f"{name} (copy {copy})"] = why.strip()
    return found


def try_application(bench: Bench, tool: Application) -> Result:
    result = Result(tool.name)
    direct_place = bench.place(tool, "direct")
    weir_place = bench.place(tool, "pgweir")
    if tool.directory == "django":
        for place in (direct_place, weir_place):
            bench.run(tool, Place(place.name, bench.cluster.port, place.database), MIGRATIONS[1].up)
    direct_ended = bench.run(tool, direct_place, tool.command, COPIES)
    weir_ended = bench.run(tool, weir_place, tool.command, COPIES)
    direct, weir = steps(direct_ended), steps(weir_ended)
    for name, found in (("direct", direct), ("weir", weir)):
        setattr(result, name, f"{sum(not why for why in found.values())}/{len(found)} steps")
    if not direct:
        result.problems.append(f"nothing works direct: {direct_ended[0].last_line}")
    for step, why in direct.items():
        if not why and step not in weir:
            result.problems.append(f"{step}: not reached, {weir_ended[0].last_line}")
        elif not why and weir[step]:
            result.problems.append(f"{step}: {weir[step]}")
    result.problems += [f"copy {copy} hung" for copy, one in enumerate(weir_ended, 1)
                        if one.status is None]
    if locks := bench.advisory_locks(weir_place):
        result.problems.append(f"advisory locks are left: {locks}")
    failing = [step for step, why in direct.items() if why]
    if failing:
        result.direct += f" (fails direct: {', '.join(failing)})"
    return result


def table(results: list[Result]) -> str:
    lines = [""]
    for result in results:
        if result.missing:
            lines.append(f"{result.tool:<18} not available: {result.missing}")
            continue
        verdict = "FAILED" if result.problems else "ok"
        lines.append(f"{result.tool:<18} {verdict:<7} direct: {result.direct}; pgweir: {result.weir}")
        lines += [f"    {problem}" for problem in result.problems + result.explained]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if not os.access(options.binary, os.X_OK):
        print(f"{options.binary} is not there; ./dev build makes it, --binary names another")
        return 2
    exceptions = read_exceptions(EXCEPTIONS)
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    modules, npm_failure = install_modules()
    results = []
    with Sandbox() as sandbox:
        bench = Bench(sandbox, sandbox.copy(options.binary, "pgweir"), modules, options)
        for tool in (*MIGRATIONS, *APPLICATIONS):
            if tool.name not in options.tools:
                continue
            if why := missing(tool, npm_failure):
                results.append(Result(tool.name, missing=why))
                continue
            print(f"==> {tool.name}", flush=True)
            attempt = try_migration if isinstance(tool, Migration) else try_application
            results.append(attempt(bench, tool))
            results[-1].explain(exceptions)
        try:
            bench.weir.stop()
        except RuntimeError as error:
            results.append(Result("pgweir", problems=[str(error)]))
        shutil.copy(bench.weir.log, KEPT)
        shutil.copy(bench.cluster.process.log_path, KEPT)
    print(table(results))
    print(f"outputs and logs: {KEPT.relative_to(ROOT)}")
    return 1 if any(result.problems for result in results) else 0
