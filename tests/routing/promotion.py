"""A replica is promoted by hand under load, and several are, one after the other."""

import argparse
import contextlib
import statistics
import threading
import time

import psycopg
from pgbench_mixes import mixes
from replicas import Replica
from sandbox import DATABASE, SUPERUSER, Sandbox
from routed import Verdict, World

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
    for chain in (False, True):
        with Sandbox() as sandbox:
            world = World(sandbox, options.binary, 2, chain=chain)
            mixes(world, chain, options.rate, poll_promotion, verdict)
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
