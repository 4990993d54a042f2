"""Slow and silent connections, and random input."""

import os
import random
import socket
import struct
import time

from registry import MEBIBYTE, case
from wire import SYNC, Client, bind, describe, execute, frame, parse, patience, query, startup
from world import wait_until

GOOD = startup([("user", "app"), ("database", "hostile")])


def serves(world, seconds=2.0, database="hostile"):
    """A new client is served soon."""
    start = time.monotonic()
    with world.weir.connect(database=database) as client:
        assert client.query("select 'served'").value == "served"
    took = time.monotonic() - start
    assert took < seconds * patience(), f"a good client was served only after {took:.1f} s"


@case("slow-reader", memory=40 * MEBIBYTE)
def slow_reader(world):
    sql = "select repeat('x', 10000) from generate_series(1, 20000)"
    slow = [world.weir.connect(database="hostile") for _ in range(3)]
    for client in slow:
        client.send(query(sql))
    with world.weir.connect(database="hostile") as other:
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            start = time.monotonic()
            assert other.query("select 1").value == "1"
            assert time.monotonic() - start < patience(), "others wait for the slow reader"
            time.sleep(0.02)
    # One reads all in the end, one leaves, one is reset.
    slow[1].close()
    slow[2].reset()
    slow[0].socket.settimeout(60 * patience())
    count = 0
    while True:
        kind, body = slow[0].message()
        count += kind == "D" and len(body) > 10000
        if kind == "Z":
            break
    assert count == 20000, count
    slow[0].close()


@case("slowloris-100-half-startup")
def half_startups(world):
    sockets = []
    for i in range(100):
        client = Client(world.weir.port, timeout=12)
        client.send(GOOD[:1 + i % (len(GOOD) - 1)])
        sockets.append(client)
    serves(world)
    start = time.monotonic()
    for client in sockets:
        data = client.rest()
        assert data[:1] in (b"", b"E"), data[:40]
        client.close()
    took = time.monotonic() - start
    assert took < 8 * patience(), (
        f"closed only after {took:.1f} s, client_login_timeout is {3 * patience()} s")
    serves(world)


@case("silent-connect-100")
def silent(world):
    sockets = [Client(world.weir.port) for _ in range(100)]
    for _ in range(20):
        serves(world)
    for client in sockets:
        client.close()


@case("connect-rst-500")
def connect_and_reset(world):
    for i in range(500):
        client = Client(world.weir.port)
        if i % 3 == 1:
            client.send(GOOD[:i % len(GOOD)])
        elif i % 3 == 2:
            client.send(GOOD + query("select 1"))
        client.reset()
    serves(world)


def idle_cpu(world):
    start = world.weir.cpu_seconds()
    time.sleep(1)
    return world.weir.cpu_seconds() - start


@case("startup-half-close")
def startup_half_close(world):
    """A FIN is no reason to spin, whether the server waits for the rest or hangs up."""
    clients = []
    for size in (0, 1, 5, len(GOOD) - 1, len(GOOD)):
        client = Client(world.weir.port, timeout=10)
        client.try_send(GOOD[:size])
        client.socket.shutdown(socket.SHUT_WR)
        clients.append(client)
    used = idle_cpu(world)
    assert used < 0.3 * patience(), f"spins: {used:.2f} s of CPU in a second"
    for client in clients:
        client.rest()
        client.close()


@case("query-half-close")
def query_half_close(world):
    for sql in ("select 'answer'", "select pg_sleep(0.3), 'answer'",
                "select repeat('x', 1000) from generate_series(1, 10000)"):
        client = world.weir.connect(database="one")
        client.send(query(sql))
        client.socket.shutdown(socket.SHUT_WR)
        data = client.rest()
        assert data == b"" or data[:1] in (b"T", b"E"), data[:40]
        client.close()
    client = world.weir.connect(database="one")
    client.query("begin")
    client.query("insert into kept values (1)")
    client.socket.shutdown(socket.SHUT_WR)
    client.rest()
    used = idle_cpu(world)
    assert used < 0.3 * patience(), f"spins: {used:.2f} s of CPU in a second"
    client.close()


def seeded():
    """The seed is printed with a failure; WEIR_SEED repeats it."""
    seed = int(os.environ.get("WEIR_SEED") or time.time_ns() % 1_000_000)
    return seed, random.Random(seed)


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        if not data:
            break
        kind = rng.randrange(5)
        at = rng.randrange(len(data))
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at:at + rng.randint(1, 8)]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif kind == 3 and len(data) > 4:
            data[0:4] = struct.pack("!I", rng.choice([0, 1, 7, 8, 9, 16, 9999, 1 << 31]))
        else:
            data[at:] = data[at:] * 2
    return bytes(data)


@case("fuzz-200-random-startups")
def fuzz_startups(world):
    seed, rng = seeded()
    with world.weir.connect() as other:
        for i in range(200):
            data = rng.randbytes(rng.randint(1, 400)) if i % 4 == 0 else mutate(rng, GOOD)
            client = Client(world.weir.port, timeout=1)
            client.try_send(data)
            try:
                client.socket.settimeout(0.02)
                client.socket.recv(1000)
            except OSError:
                pass
            client.reset() if rng.random() < 0.5 else client.close()
            assert world.weir.alive, f"seed {seed}, case {i}: {data!r}"
            if i % 20 == 0:
                assert other.query("select 1").value == "1", f"seed {seed}"
    serves(world)
    return f"seed {seed}"


def random_message(rng):
    name = rng.choice(["", "s1", "s2"])
    good = [
        query(rng.choice(["select 1", "begin", "rollback", "", ";", "select 1 / 0", "select 1; "
                          "select 2", "copy kept from stdin", "copy item to stdout", "show all",
                          "set application_name = 'fuzz'", "discard all", "listen fuzz"])),
        parse(name, rng.choice(["select $1::text", "begin", "commit", "select", ""])),
        bind("", name, ["v"] * rng.randrange(3)), describe(rng.choice("SP"), name), execute(),
        SYNC, frame("H"), frame("C", b"S" + name.encode() + b"\0"), frame("d", b"1\n"),
        frame("c"), frame("f", b"x\0"), frame("F", struct.pack("!IHHHH", 1598, 0, 0, 0, 0)),
    ]
    message = rng.choice(good)
    return mutate(rng, message) if rng.random() < 0.3 else message


@case("fuzz-150-random-messages")
def fuzz_messages(world):
    seed, rng = seeded()
    with world.weir.connect(database="two") as other:
        for i in range(150):
            client = world.weir.connect(database="hostile")
            sent = []
            for _ in range(rng.randint(1, 12)):
                sent.append(random_message(rng))
            data = b"".join(sent)
            client.try_send(data)
            client.socket.settimeout(0.05)
            try:
                while client.socket.recv(65536):
                    pass
            except OSError:
                pass
            client.reset() if rng.random() < 0.5 else client.close()
            assert world.weir.alive, f"seed {seed}, case {i}: {data!r}"
            if i % 10 == 0:
                assert other.query("select 1").value == "1", f"seed {seed}"
    wait_until(f"all servers are idle again (seed {seed})",
               lambda: world.cluster.backends("state <> 'idle'") or True, 10)
    serves(world)
    return f"seed {seed}"
