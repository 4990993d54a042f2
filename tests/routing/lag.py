"""Replay that is paused, delays that are known, an idle primary."""

import argparse
import contextlib
import statistics
import threading
import time

from sandbox import Sandbox
from routed import Verdict, World, last_host

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
