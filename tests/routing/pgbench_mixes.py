"""pgbench's own scripts during a promotion by hand: whose client is told, and was it in flight?

A client of pgbench ends at its first error, and says in which command of which script. The old primary
is looked at every few milliseconds meanwhile: at most the transactions that stood open there when
it was replaced may fail, and each only with the words for that."""

import contextlib
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field

import psycopg
from sandbox import DATABASE, SUPERUSER, clean_environment
from source import PG_BIN
from routed import Verdict, World

SCRIPTS = {"TPC-B": ["-b", "tpcb-like"], "-S": ["-S"],
           "mix": ["-b", "tpcb-like@1", "-b", "select-only@9"]}
CLIENTS = 4  # of each script and protocol
# Of tpcb-like: what comes before is \\set, which runs nothing on a server.
FIRST_STATEMENT = 5
ABORTED = re.compile(r"client (\d+) (?:script \d+ )?aborted in command (\d+)(.*)")
TOLD = ("terminating the transaction because its server is no longer the primary",
        "perhaps the backend died while processing")


@dataclass
class Run:
    """One pgbench."""

    name: str
    popen: subprocess.Popen
    aborted: list[tuple[int, str]] = field(default_factory=list)  # command, what it was told
    transactions: int = 0
    problem: str = ""

    def finish(self) -> None:
        out, err = self.popen.communicate(timeout=60)
        found = re.search(r"number of transactions actually processed: (\d+)", out)
        self.transactions = int(found.group(1)) if found else 0
        for line in err.splitlines():
            if match := ABORTED.search(line):
                self.aborted.append((int(match.group(2)), match.group(3)))
            elif "error" in line.lower() and "Run was aborted" not in line:
                self.problem += line + "\n"
        if not found:
            self.problem += err


class InFlight(threading.Thread):
    """The transactions of pgbench's clients that stand open on the primary, every 2 ms."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.connection = world.connect(world.primary.port)
        self.ended = threading.Event()
        self.seen: list[tuple[float, dict[str, int]]] = []

    def run(self) -> None:
        with contextlib.suppress(psycopg.Error):
            while not self.ended.wait(0.002):
                at = time.monotonic()
                rows = self.connection.execute(
                    "select application_name, count(*) from pg_stat_activity "
                    "where application_name like 'pgbench %' and state <> 'idle' group by 1")
                self.seen.append((at, dict(rows.fetchall())))

    def most(self, name: str, since: float, until: float) -> int:
        return max((counts.get(name, 0) for at, counts in self.seen if since <= at <= until),
                   default=0)


def start(world: World, script: str, protocol: str, seconds: int, rate: int) -> Run:
    name = f"pgbench {script} {protocol}"
    command = [f"{PG_BIN}/pgbench", "-n", "-c", str(CLIENTS), "-j", "1", "-T", str(seconds), "-M",
               protocol, *SCRIPTS[script], *(["-R", str(rate)] if rate else []), "-h", "127.0.0.1", "-p", str(world.weir.port), "-U", SUPERUSER,
               DATABASE]
    environment = dict(clean_environment(world.weir.config.parent), PGAPPNAME=name)
    return Run(name, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, env=environment))


def mixes(world: World, chain: bool, rate: int, poll_promotion, verdict: Verdict) -> None:
    world.sandbox.run([f"{PG_BIN}/pgbench", "-iq", "-s", "10", "-h", "127.0.0.1", "-p",
                       str(world.primary.port), "-U", SUPERUSER, DATABASE])
    world.wait_until_known()
    watch = InFlight(world)
    watch.start()
    before = world.routes()
    runs = [start(world, script, protocol, 16, rate)
            for script in SCRIPTS for protocol in ("simple", "extended", "prepared")]
    time.sleep(5)
    seen = poll_promotion(world, world.replicas[0])
    for run in runs:
        run.finish()
    watch.ended.set()
    watch.join()
    routes = world.routes()
    judge(world, watch, runs, seen, verdict, " in a chain" if chain else "")
    on_replicas = routes["replica"] - before["replica"]
    total = sum(routes[each] - before[each] for each in ("replica", "primary"))
    print(f"     {100 * on_replicas / max(total, 1):.0f} % of {total} transactions were routed to replicas; "
          + ", ".join(f"{run.name.removeprefix('pgbench ')} {run.transactions}" for run in runs))
    with world.connect() as direct:
        # All clients that went on wrote on the new primary: they would not have without it.
        after = direct.execute("select inet_server_port(), count(*) from pgbench_history").fetchone()
    verdict.check(after[0] == world.replicas[0].port, f"... the new primary has {after[1]} transfers")


def judge(world: World, watch: InFlight, runs: list[Run], seen: float, verdict: Verdict,
          where: str) -> None:
    problems = [run.name + ": " + run.problem for run in runs if run.problem]
    beyond = []
    told = 0
    for run in runs:
        told += len(run.aborted)
        # From the promotion to when pgweir has followed it.
        open_there = watch.most(run.name, seen - 0.3, seen + 0.5)
        if len(run.aborted) > open_there:
            beyond.append(f"{run.name}: {len(run.aborted)} told, {open_there} in flight")
        for command, words in run.aborted:
            reads_only = " -S " in run.name + " "
            if reads_only or command < FIRST_STATEMENT - 1 or not any(each in words for each in TOLD):
                beyond.append(f"{run.name}: command {command}{words}")
    most = sum(watch.most(run.name, seen - 0.3, seen + 0.5) for run in runs)
    verdict.check(
        not beyond and not problems,
        f"promotion{where} under pgbench, {len(runs)} x {CLIENTS} clients (TPC-B, -S, 1:9 mix; simple, "
        f"extended, prepared): {told} were told, of {most} in flight on the old primary at the most; "
        f"other errors: {beyond + problems or 'none'}")
    verdict.check(any(run.transactions for run in runs if "-S" in run.name), "... readers read")
