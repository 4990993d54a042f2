"""Many clients write and read at once, one replica is behind."""

import argparse
import asyncio
import time

import asyncpg
from sandbox import DATABASE, SUPERUSER, Sandbox
from routed import Verdict, World, last_host

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
