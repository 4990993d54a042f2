#!/usr/bin/env python3
"""Reads on replicas under load, against real streaming replicas: tests/routing/run.py PART [OPTIONS].

  own-writes  many clients write and read at once, one replica is behind: no stale read where none is
              allowed, and some with consistency = none
  lag         replay that is paused, delays that are known, an idle primary
  promotion   a replica is promoted by hand under load, and ten are, one after the other

Each part starts its own servers on loopback, prints what it has measured, and fails (1) if it does
not hold. Minutes, not seconds: CI has the short forms (integration.routing)."""

import argparse
import asyncio
import contextlib
import os
import pathlib
import signal
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/suites"), str(ROOT / "tests/hostile")]

import asyncpg  # noqa: E402
import psycopg  # noqa: E402
from replicas import PRIMARY_CONF, Replica  # noqa: E402
from sandbox import DATABASE, SUPERUSER, Cluster, Sandbox, Weir  # noqa: E402

SMALL = {"shared_buffers": "'16MB'", "autovacuum": "off"}


class World:
    """A primary, replicas and pgweir before them."""

    def __init__(self, sandbox: Sandbox, binary: pathlib.Path, replicas: int, *,
                 chain: bool = False, workers: int = 2, **database: object) -> None:
        os.chmod(sandbox.path, 0o755)
        self.primary = Cluster(sandbox, {**PRIMARY_CONF, **SMALL})
        self.replicas: list[Replica] = []
        for number in range(replicas):
            upstream = self.replicas[-1] if chain and self.replicas else None
            self.replicas.append(
                Replica(sandbox, self.primary, f"replica-{number + 1}", upstream=upstream))
        self.weir = Weir(sandbox, self.primary, sandbox.copy(binary, "pgweir"),
                         {"workers": workers, "default_pool_size": 40, "max_client_conn": 500},
                         [replica.port for replica in self.replicas], dict(database))

    def dsn(self, port: int) -> str:
        return f"host=127.0.0.1 port={port} user={SUPERUSER} dbname={DATABASE}"

    def connect(self, port: int | None = None) -> psycopg.Connection:
        return psycopg.connect(self.dsn(port or self.weir.port), autocommit=True)

    def hosts(self) -> dict[int, dict[str, str]]:
        """SHOW HOSTS by port."""
        names = ("cluster host role state reason detail since timeline lsn receive_lsn lag_bytes lag_ms"
                 " weight zone sync_state").split()
        rows = self.weir.console("SHOW HOSTS")
        return {int(row[1].rpartition(":")[2]): dict(zip(names, row)) for row in rows}

    def routes(self) -> dict[str, int]:
        """Transactions by what they ran on."""
        counts = {"replica": 0, "primary": 0, "retried": 0}
        for _, target, reason, count, _ in self.weir.console("SHOW ROUTES"):
            counts["retried" if reason.startswith("retried") else target] += int(count)
        return counts

    def wait_until_known(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while sum(host["state"] == "healthy" for host in self.hosts().values()) <= len(self.replicas):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the hosts are not all healthy: {self.hosts()}")
            time.sleep(0.1)


def last_host(connection: psycopg.Connection) -> int:
    """The port of the host that the transaction before ran on."""
    route = connection.execute("show pgweir.last_route", prepare=False).fetchone()[0]
    return int(route.split("host=")[1].split()[0].rpartition(":")[2])


class Verdict:
    def __init__(self) -> None:
        self.good = True

    def check(self, holds: bool, text: str) -> None:
        print(f"{'ok  ' if holds else 'FAIL'} {text}", flush=True)
        self.good &= holds


# --- own writes ---

class Clients:
    """Each has a row of its own; `newest` is what is known to be committed in each."""

    def __init__(self, world: World, count: int, consistency: str) -> None:
        self.world, self.count, self.consistency = world, count, consistency
        self.newest = [0] * count
        self.reads = self.stale = self.writes = 0

    async def run(self, seconds: float, others: bool) -> None:
        self.until = time.monotonic() + seconds
        await asyncio.gather(*(self.client(number, others) for number in range(self.count)))

    async def client(self, number: int, others: bool) -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.world.weir.port, user=SUPERUSER, database=DATABASE)
        await connection.execute(f"set pgweir.consistency = '{self.consistency}'")
        # Of the primary, whatever mode.
        value = self.newest[number] = await connection.fetchval(
            "/* pgweir: primary */ select n from counters where id = $1", number)
        while time.monotonic() < self.until:
            value += 1
            await connection.execute("update counters set n = $1 where id = $2", value, number)
            self.newest[number] = value
            self.writes += 1
            for each in range(3):
                # Its own, or what another one was told is committed.
                row = (number + 1 + each) % self.count if others else number
                least = self.newest[row]
                seen = await connection.fetchval("select n from counters where id = $1", row)
                self.reads += 1
                self.stale += seen < least
        await connection.close()


def own_writes(options: argparse.Namespace, verdict: Verdict) -> None:
    with Sandbox() as sandbox:
        world = World(sandbox, options.binary, 2, causal_wait=options.causal_wait)
        with world.connect(world.primary.port) as direct:
            direct.execute("create table counters (id int primary key, n int not null)")
            direct.execute("insert into counters select i, 0 from generate_series(0, 499) i")
        world.replicas[1].psql("alter system set recovery_min_apply_delay = '500ms'")
        world.replicas[1].psql("select pg_reload_conf()")
        world.wait_until_known()
        for consistency, others, seconds in (
                ("session", False, options.seconds), ("global", True, options.seconds / 2),
                ("strict", True, options.seconds / 10), ("none", False, options.seconds / 20)):
            before = world.routes()
            clients = Clients(world, options.clients, consistency)
            try:
                asyncio.run(clients.run(max(seconds, 3), others))
            except Exception as error:
                verdict.check(False, f"consistency {consistency}: {error!r}")
                print(f"pgweir {world.weir.process.popen.poll()}:\n{world.weir.process.last_words()}")
                continue
            after = world.routes()
            on_replicas = after["replica"] - before["replica"]
            wanted = clients.stale > 0 if consistency == "none" else clients.stale == 0
            verdict.check(
                wanted and clients.reads > 100,
                f"consistency {consistency}, {options.clients} clients"
                f"{' read what others wrote' if others else ''}, {max(seconds, 3):.0f} s: "
                f"{clients.writes} writes, {clients.reads} reads, {clients.stale} stale, "
                f"{100 * on_replicas / max(clients.reads, 1):.1f} % of reads on replicas")
        idle_after_switch(world, verdict)


def idle_after_switch(world: World, verdict: Verdict) -> None:
    with world.connect() as session, world.connect(world.primary.port) as direct:
        session.execute("update counters set n = n + 1 where id = 1")
        direct.execute("select pg_switch_wal()")
        time.sleep(5)
        hosts = world.hosts()
        for replica in world.replicas:
            lag = (hosts[replica.port]["lag_bytes"], hosts[replica.port]["lag_ms"])
            verdict.check(lag == ("0", "0"), f"after pg_switch_wal and 5 s idle, {replica.name}: "
                          f"lag {lag[0]} bytes, {lag[1]} ms")
        ports = set()
        for _ in range(20):
            session.execute("select n from counters where id = 1")
            ports.add(last_host(session))
        verdict.check(world.primary.port not in ports, "... and its writer reads on replicas")


# --- lag ---

@contextlib.contextmanager
def marker(world: World, seconds: float = 0.02):
    """Writes the time every few milliseconds, straight to the primary."""
    ended = threading.Event()

    def write() -> None:
        with world.connect(world.primary.port) as direct:
            while not ended.wait(seconds):
                direct.execute("update marker set at = %s", (time.time(),))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def lag(options: argparse.Namespace, verdict: Verdict) -> None:
    with Sandbox() as sandbox:
        world = World(sandbox, options.binary, 2, max_lag="2s")
        with world.connect(world.primary.port) as direct:
            direct.execute("create table marker (at float8)")
            direct.execute("insert into marker values (0)")
        world.wait_until_known()
        idle(world, verdict)
        with marker(world):
            time.sleep(1)
            paused(world, verdict)
    with Sandbox() as sandbox:
        world = World(sandbox, options.binary, 2, max_lag="60s")
        with world.connect(world.primary.port) as direct:
            direct.execute("create table marker (at float8)")
            direct.execute("insert into marker values (0)")
        world.wait_until_known()
        with marker(world):
            for delay in (500, 1000, 2000, 5000):
                delayed(world, delay, verdict)


def idle(world: World, verdict: Verdict) -> None:
    time.sleep(6)
    hosts = world.hosts()
    lags = [(hosts[r.port]["lag_bytes"], hosts[r.port]["lag_ms"]) for r in world.replicas]
    verdict.check(all(each == ("0", "0") for each in lags), f"idle for 6 s: lag {lags} (bytes, ms)")


def paused(world: World, verdict: Verdict) -> None:
    """One replica's replay stands still: reads leave it when its lag crosses max_lag (2 s)."""
    behind = world.replicas[0]
    reads: list[tuple[float, int]] = []
    ended = threading.Event()

    def read() -> None:
        with world.connect() as session:
            while not ended.wait(0.005):
                at = time.monotonic()
                session.execute("select at from marker")
                reads.append((at, last_host(session)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        time.sleep(1)
        behind.psql("select pg_wal_replay_pause()")
        with world.connect(behind.port) as direct:
            time.sleep(0.3)
            stands_at = direct.execute("select at from marker").fetchone()[0]
        crossing = stands_at + 2 - time.time() + time.monotonic()
        time.sleep(max(0, crossing - time.monotonic()) + 2)
        left = max(at for at, port in reads if port == behind.port)
        state = world.hosts()[behind.port]
        verdict.check(
            state["state"] == "lagging" and left - crossing < 0.15,
            f"replay paused: the last read there began {1000 * (left - crossing):+.0f} ms from the "
            f"crossing of max_lag; {state['state']} ({state['reason']}), lag {state['lag_ms']} ms")
        verdict.check(state["lag_bytes"] not in ("", "0"), f"... and {state['lag_bytes']} bytes")
        behind.psql("select pg_wal_replay_resume()")
        resumed = time.monotonic()
        deadline = resumed + 20
        back = None
        while back is None and time.monotonic() < deadline:
            time.sleep(0.05)
            back = next((at for at, port in reads if port == behind.port and at > resumed), None)
        verdict.check(back is not None and back - resumed >= 0.9,
                      f"... and it has reads again {back and back - resumed:.2f} s after replay went on "
                      "(hysteresis: 1 s below 80 % of the limit)")
    finally:
        ended.set()
        reader.join()


def delayed(world: World, delay: int, verdict: Verdict) -> None:
    """recovery_min_apply_delay, and a marker row's age there."""
    behind = world.replicas[0]
    behind.psql(f"alter system set recovery_min_apply_delay = '{delay}ms'")
    behind.psql("select pg_reload_conf()")
    time.sleep(delay / 1000 + 2)
    real, told = [], []
    with world.connect(behind.port) as direct:
        for _ in range(20):
            at = direct.execute("select at from marker").fetchone()[0]
            real.append(1000 * (time.time() - at))
            told.append(int(world.hosts()[behind.port]["lag_ms"] or -1))
            time.sleep(0.1)
    real_ms, told_ms = statistics.median(real), statistics.median(told)
    verdict.check(abs(told_ms - real_ms) <= 0.2 * real_ms,
                  f"delay of {delay} ms: a marker row is {real_ms:.0f} ms old there, reported "
                  f"{told_ms:.0f} ms ({100 * (told_ms / real_ms - 1):+.1f} %)")


# --- promotion ---

class Load:
    """Transactions of pgbench's kind from several threads; what fails is remembered."""

    def __init__(self, world: World, writers: int, readers: int) -> None:
        self.world = world
        self.ended = threading.Event()
        self.errors: list[tuple[str, float, float, str]] = []  # kind, began, failed, what
        self.done = {"write": 0, "read": 0}
        kinds = ["write"] * writers + ["read"] * readers
        self.threads = [threading.Thread(target=self.client, args=(kind, number))
                        for number, kind in enumerate(kinds)]
        for thread in self.threads:
            thread.start()

    def client(self, kind: str, number: int) -> None:
        with self.world.connect() as session:
            while not self.ended.is_set():
                began = time.monotonic()
                try:
                    self.transaction(session, kind, number)
                    self.done[kind] += 1
                except psycopg.Error as error:
                    self.errors.append((kind, began, time.monotonic(),
                                        f"{error.sqlstate} {str(error).splitlines()[0]}"))
                    if session.closed:
                        return
                    with contextlib.suppress(psycopg.Error):
                        session.execute("rollback")

    @staticmethod
    def transaction(session: psycopg.Connection, kind: str, number: int) -> None:
        row = number * 1000 + int(time.monotonic() * 1000) % 1000
        if kind == "read":
            session.execute("select abalance from pgbench_accounts where aid = %s", (row + 1,))
            return
        session.execute("begin")
        session.execute("update pgbench_accounts set abalance = abalance + 1 where aid = %s", (row + 1,))
        session.execute("select abalance from pgbench_accounts where aid = %s", (row + 1,))
        session.execute("update pgbench_tellers set tbalance = tbalance + 1 where tid = %s",
                        (number % 10 + 1,))
        session.execute("insert into pgbench_history (tid, bid, aid, delta) values (1, 1, %s, 1)",
                        (row + 1,))
        session.execute("commit")

    def stop(self) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()


def poll_promotion(world: World, replica: Replica) -> float:
    """Promotes; when an independent poller, every 5 ms, has seen recovery end."""
    with world.connect(replica.port) as direct:
        direct.execute("select pg_promote(false)")
        while direct.execute("select pg_is_in_recovery()").fetchone()[0]:
            time.sleep(0.005)
        return time.monotonic()


def promotion(options: argparse.Namespace, verdict: Verdict) -> None:
    with Sandbox() as sandbox:
        world = World(sandbox, options.binary, 2)
        sandbox.run(["/usr/lib/postgresql/15/bin/pgbench", "-iq", "-s", "1", "-h", "127.0.0.1", "-p",
                     str(world.primary.port), "-U", SUPERUSER, DATABASE])
        world.wait_until_known()
        load = Load(world, writers=8, readers=8)
        time.sleep(5)
        before = dict(load.done)
        seen = poll_promotion(world, world.replicas[0])
        time.sleep(8)
        load.stop()
        # It was open on the old primary when that was replaced.
        in_flight = [each for each in load.errors if each[0] == "write" and each[1] < seen + 0.2]
        others = [each for each in load.errors if each not in in_flight]
        verdict.check(not others and len(in_flight) <= 8,
                      f"promotion under load, 8 writing and 8 reading clients: {load.done} "
                      f"transactions ({before} before), {len(in_flight)} in flight on the old primary "
                      f"were told, {len(others)} other errors {others[:3]}")
        print("     told: " + str(sorted({each[3] for each in in_flight})))
        verdict.check(world.hosts()[world.primary.port]["state"] == "fenced",
                      "the old primary is fenced, though it runs")
    with Sandbox() as sandbox:
        follow(World(sandbox, options.binary, options.promotions, chain=True), verdict)


def follow(world: World, verdict: Verdict) -> None:
    """Each replica streams from the one before, and is promoted in turn."""
    with world.connect(world.primary.port) as direct:
        direct.execute("create table t (n int)")
        direct.execute("insert into t values (0)")
    world.wait_until_known(60)
    times = []
    for replica in world.replicas:
        ran: list[tuple[float, int]] = []
        ended = threading.Event()

        def write() -> None:
            session = world.connect()
            while not ended.is_set():
                # What is in flight when the primary is replaced ends with its connection.
                if session.closed:
                    session = world.connect()
                at = time.monotonic()
                with contextlib.suppress(psycopg.Error):
                    port = session.execute(
                        "update t set n = n + 1 returning inet_server_port()").fetchone()[0]
                    ran.append((at, port))
            session.close()

        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(1)
        seen = poll_promotion(world, replica)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and not any(port == replica.port for _, port in ran):
            time.sleep(0.005)
        ended.set()
        writer.join()
        first = min((at for at, port in ran if port == replica.port), default=None)
        times.append(1000 * (first - seen) if first else float("inf"))
        time.sleep(2)
    verdict.check(statistics.median(times) <= 200,
                  f"{len(times)} promotions in a chain: new transactions follow the end of recovery "
                  f"after {', '.join(f'{each:.0f}' for each in times)} ms, median "
                  f"{statistics.median(times):.0f}")


PARTS = {"own-writes": own_writes, "lag": lag, "promotion": promotion}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/pgweir")
    parser.add_argument("--seconds", type=float, default=600, help="of own-writes' first mode (600)")
    parser.add_argument("--clients", type=int, default=64, help="of own-writes (64)")
    parser.add_argument("--causal-wait", default="10ms", help="of own-writes (10ms)")
    parser.add_argument("--promotions", type=int, default=10, help="in a chain (10)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    verdict = Verdict()
    for name in PARTS if options.part == "all" else [options.part]:
        print(f"==> {name}", flush=True)
        PARTS[name](options, verdict)
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
