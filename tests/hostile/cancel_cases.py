"""Cancel requests."""

import os
import time

from registry import case
from wire import Client, cancel_request, patience, query
from world import wait_until


def cancel(world, client, wait=True):
    with Client(world.weir.port, timeout=5) as request:
        request.send(cancel_request(client.pid, client.secret))
        if wait:
            return request.rest()
    return b""


def running(world, marker):
    wait_until(f"{marker} runs", lambda: world.cluster.backends(
        f"state = 'active' and query like '%{marker}%'") == 1)


@case("cancel-close-early-x20")
def close_early(world):
    with world.weir.connect() as client:
        for i in range(20):
            client.send(query("select pg_sleep(0.02)"))
            request = Client(world.weir.port)
            request.send(cancel_request(client.pid, client.secret))
            request.reset() if i % 2 else request.close()
            reply = client.collect()
            assert reply.status == "I" and reply.sqlstate in ("", "57014"), reply


@case("cancel-wrong-key")
def wrong_key(world):
    with world.weir.connect() as client:
        client.send(query("select pg_sleep(0.7), 'through'"))
        size = len(client.secret)
        for pid, secret in ((client.pid, os.urandom(size)), (client.pid, b"\0" * size),
                            (client.pid + 1, client.secret), (client.pid, client.secret[:-1]),
                            (client.pid, client.secret + b"\0"), (0, client.secret),
                            (client.pid, client.secret[:-1] +
                             bytes([client.secret[-1] ^ 1]))):
            with Client(world.weir.port, timeout=5) as request:
                request.try_send(cancel_request(pid, secret))
                assert b"Z" not in request.rest()[:1]
        reply = client.collect()
        assert not reply.errors and reply.rows[0][1] == "through", reply


@case("cancel-right-key", direct=True)
def right_key(world):
    with world.weir.connect() as client:
        for sql in ("select pg_sleep(20), 'marker 1'", "begin", "select pg_sleep(20), 'marker 2'"):
            client.send(query(sql))
            if sql == "begin":
                assert client.collect().tags == ["BEGIN"]
                continue
            running(world, "marker")
            start = time.monotonic()
            assert cancel(world, client) == b""
            reply = client.collect()
            assert reply.sqlstate == "57014", reply
            assert time.monotonic() - start < 5 * patience()
        assert reply.status == "E", reply
        assert client.query("rollback").tags == ["ROLLBACK"]


@case("cancel-while-waiting")
def cancel_of_a_waiter(world):
    """Who waits for a server has no query that runs: the queue gives him up, and nobody else."""
    with world.weir.connect(database="one") as owner, \
            world.weir.connect(database="one") as waiter, \
            world.weir.connect(database="one") as next_one:
        # A lone BEGIN takes no server yet.
        owner.query("begin")
        assert owner.query("select 'has one'").value == "has one"
        waiter.send(query("select 'waited'"))
        time.sleep(0.1)
        next_one.send(query("select 'next'"))
        time.sleep(0.1)
        assert cancel(world, waiter) == b""
        reply = waiter.collect()
        assert reply.sqlstate == "57014" and reply.status == "I", reply
        assert owner.query("select 'mine'").value == "mine"
        owner.query("commit")
        assert next_one.collect().value == "next"
        assert waiter.query("select 'lives'").value == "lives"


@case("cancel-after-done-hits-no-one")
def late_cancel(world):
    """On one server: whoever cancels late must not hit the one who has it now."""
    with world.weir.connect(database="one") as idle, world.weir.connect(database="one") as busy:
        for i in range(10):
            assert idle.query(f"select 'idle {i}'").value == f"idle {i}"
            busy.send(query(f"select pg_sleep(0.15), 'busy {i}'"))
            running(world, f"busy {i}")
            for _ in range(3):
                cancel(world, idle)
            reply = busy.collect()
            assert not reply.errors and reply.rows[0][1] == f"busy {i}", reply
        # As late as can be: sent just when the answer arrives.
        for i in range(50):
            idle.send(query("select 1"))
            cancel(world, idle, wait=False)
            reply = idle.collect()
            assert reply.sqlstate in ("", "57014"), reply
            reply = busy.query(f"select 'next {i}'")
            assert not reply.errors, f"another client was hit: {reply}"


@case("cancel-keys-unpredictable")
def unpredictable(world):
    pids, secrets = [], []
    for _ in range(20):
        with world.weir.connect() as client:
            pids.append(client.pid)
            secrets.append(client.secret)
    assert len(set(secrets)) == 20 and min(map(len, secrets)) >= 4, secrets
    numbers = [int.from_bytes(secret[:4], "big") for secret in secrets]
    steps = {b - a for a, b in zip(numbers, numbers[1:])}
    assert len(steps) == 19, f"secrets go by steps: {numbers}"
    assert len(set(pids)) == 20, pids
    ones = sum(bin(number).count("1") for number in numbers)
    assert 220 < ones < 420, f"not random: {numbers}"


@case("cancel-flood-200")
def flood(world):
    with world.weir.connect(database="two") as client, world.weir.connect(database="two") as other:
        client.send(query("select pg_sleep(20), 'marker'"))
        running(world, "marker")
        requests = []
        for i in range(200):
            request = Client(world.weir.port, timeout=5)
            right = i == 150
            request.send(cancel_request(client.pid, client.secret if right else os.urandom(4)))
            requests.append(request)
            if i % 50 == 0:
                assert other.query("select 1").value == "1"
        assert client.collect().sqlstate == "57014"
        for request in requests:
            assert request.rest() == b""
            request.close()
        # The right key, 200 times: one client's cancels do not use up the servers.
        requests = []
        for i in range(200):
            if i % 20 == 0:
                client.send(query("select pg_sleep(0.05)"))
            request = Client(world.weir.port, timeout=5)
            request.send(cancel_request(client.pid, client.secret))
            requests.append(request)
            if i % 20 == 19:
                assert client.collect().sqlstate in ("", "57014")
                assert other.query("select 1").value == "1"
        for request in requests:
            request.rest()
            request.close()
    assert world.cluster.backends() < 60
