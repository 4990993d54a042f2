"""Hosts die at random, and come back; an old primary comes back beside the new one."""

import argparse
import asyncio
import random
import signal
import time

import asyncpg
import psycopg
from replicas import Replica
from sandbox import DATABASE, SUPERUSER, Cluster, Sandbox
from source import PG_BIN
from routed import Verdict, World

READERS_AND_WRITERS = 12


class Clients:
    """Each has a row of its own. `known` is what was committed, `perhaps` what may have been."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.known = [0] * READERS_AND_WRITERS
        self.perhaps: list[set[int]] = [set() for _ in range(READERS_AND_WRITERS)]
        self.reads = self.writes = self.reconnects = self.interrupted_reads = 0
        self.wrong: list[str] = []
        self.failed_reads: dict[str, int] = {}
        # One that the primary was serving as it died is told; one on a replica never is.
        self.primary_died: list[float] = []
        self.failed_writes: dict[str, int] = {}
        self.ended = False

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(host="127.0.0.1", port=self.world.weir.port, user=SUPERUSER,
                                     database=DATABASE)

    async def client(self, number: int) -> None:
        connection = await self.connect()
        value = 0
        while not self.ended:
            if connection.is_closed():
                self.reconnects += 1
                connection = await self.connect()
            value += 1
            try:
                await connection.execute("update counters set n = $1 where id = $2", value, number)
                self.known[number] = value
                self.perhaps[number].clear()
                self.writes += 1
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                # Not known whether it took effect.
                self.perhaps[number].add(value)
                self.note(self.failed_writes, error)
                continue
            for _ in range(4):
                try:
                    seen = await connection.fetchval("select n from counters where id = $1", number)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                    now = time.monotonic()
                    if not any(0 <= now - died < 2 for died in self.primary_died):
                        self.note(self.failed_reads, error)
                    self.interrupted_reads += 1
                    break
                self.reads += 1
                if seen != self.known[number] and seen not in self.perhaps[number]:
                    self.wrong.append(f"row {number}: {seen} instead of {self.known[number]}")
        await connection.close()

    @staticmethod
    def note(where: dict[str, int], error: Exception) -> None:
        name = f"{getattr(error, 'sqlstate', None)} {str(error).splitlines()[0] if str(error) else ''}"
        where[name] = where.get(name, 0) + 1


def die(server: Cluster | Replica) -> None:
    """As in a crash: immediate shutdown."""
    server.process.stop(signal.SIGQUIT)


def come_back(world: World, server: Cluster | Replica) -> None:
    world.sandbox.processes.remove(server.process)
    if isinstance(server, Replica):
        server.start()
        return
    server.process = world.sandbox.start(
        server.name, [f"{PG_BIN}/postgres", "-D", str(world.sandbox.path / server.name)], server.port)
    server.wait_until_ready()


async def dying(world: World, clients: Clients, seconds: float, seed: int) -> dict[str, int]:
    tasks = [asyncio.create_task(clients.client(number)) for number in range(READERS_AND_WRITERS)]
    chance = random.Random(seed)
    deaths = {"primary": 0, "replica": 0}
    until = time.monotonic() + seconds
    await asyncio.sleep(1)
    while time.monotonic() < until:
        server = chance.choice([world.primary, *world.replicas, *world.replicas])
        deaths["primary" if server is world.primary else "replica"] += 1
        if server is world.primary:
            clients.primary_died.append(time.monotonic())
        await asyncio.to_thread(die, server)
        await asyncio.sleep(chance.uniform(0.1, 1.5))
        await asyncio.to_thread(come_back, world, server)
        await asyncio.sleep(chance.uniform(0.5, 2))
    await asyncio.sleep(1)
    clients.ended = True
    await asyncio.gather(*tasks)
    return deaths


def hosts(options: argparse.Namespace, verdict: Verdict) -> None:
    with Sandbox() as sandbox:
        world = World(sandbox, options.binary, 2)
        with world.connect(world.primary.port) as direct:
            direct.execute("create table counters (id int primary key, n int not null)")
            direct.execute("insert into counters select i, 0 from generate_series(0, 99) i")
        world.wait_until_known()
        clients = Clients(world)
        deaths = asyncio.run(dying(world, clients, options.dying, options.seed))
        print(f"     writes that failed: {clients.failed_writes}")
        verdict.check(
            not clients.wrong and clients.reads > 100,
            f"hosts died at random for {options.dying:.0f} s (seed {options.seed}): {deaths}; "
            f"{clients.writes} writes, {clients.reads} reads, {len(clients.wrong)} wrong "
            f"{clients.wrong[:3]}; {clients.reconnects} connections made anew")
        verdict.check(not clients.failed_reads,
                      f"... no read failed but {clients.interrupted_reads} as the primary died under "
                      f"them {clients.failed_reads or ''}")
        world.wait_until_known()
        verdict.check(True, "... and all are healthy again")
    with Sandbox() as sandbox:
        old_primary(World(sandbox, options.binary, 2,
                          state_file=str(sandbox.path / "clusters.state")), verdict)


def old_primary(world: World, verdict: Verdict) -> None:
    """It crashes, a replica is promoted, and it comes back as if nothing had been: two primaries. Also
    for a pgweir that has just started, and where the new one is down."""
    with world.connect(world.primary.port) as direct:
        direct.execute("create table t (n int)")
    world.wait_until_known()
    old, new = world.primary, world.replicas[0]
    with world.connect() as session:
        session.execute("insert into t values (1)")
    die(old)
    new.psql("select pg_promote()")
    with world.connect() as session:
        port = session.execute("insert into t values (2) returning inet_server_port()").fetchone()[0]
    verdict.check(port == new.port, "the primary died and a replica was promoted: writes go there")
    come_back(world, old)
    deadline = time.monotonic() + 10
    while world.hosts()[old.port]["state"] != "fenced" and time.monotonic() < deadline:
        time.sleep(0.05)
    state = world.hosts()[old.port]
    verdict.check(state["state"] == "fenced", f"... the old one comes back: {state['state']} "
                  f"({state['reason']}: {state['detail']})")
    die(new)
    world.restart()
    deadline = time.monotonic() + 10
    while world.hosts()[old.port]["state"] == "down" and time.monotonic() < deadline:
        time.sleep(0.05)
    state = world.hosts()[old.port]
    verdict.check(state["state"] == "fenced", "... the new one dies, pgweir is started anew and sees only "
                  f"the old one: {state['state']} ({state['reason']}: {state['detail']})")
    try:
        with world.connect() as session:
            port = session.execute("insert into t values (3) returning inet_server_port()").fetchone()[0]
    except psycopg.Error as error:
        port = str(error).splitlines()[0]
    verdict.check(port != old.port, f"... nothing is written there: {port}")
    come_back(world, new)
    with world.connect() as session:
        port = session.execute("insert into t values (4) returning inet_server_port()").fetchone()[0]
        rows = session.execute("/* pgweir: primary */ select array_agg(n order by n) from t").fetchone()[0]
    verdict.check(port == new.port and rows == [1, 2, 4], f"... the new one is back: {rows}")
