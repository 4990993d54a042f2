"""Messages after login, the extended protocol and many objects."""

import struct
import time

from expectations import sqlstates
from registry import MEBIBYTE, case, closes, fails
from wire import (FLUSH, SSL_REQUEST, SYNC, bind, close, copy_data, describe, execute,
                  frame, parse, patience, query, startup)


def outcome(world, data, expect_end, codes):
    """Sends bytes after a login, while another client works; then the connection has ended, or
    it is in step and usable."""
    with world.weir.connect() as other, world.weir.connect(timeout=8) as client:
        assert other.query("select 1").value == "1"
        client.try_send(data)
        if expect_end:
            reply = client.collect("")
            closes(reply, codes)
            assert reply.errors, "closed without an error"
        else:
            client.try_send(SYNC)
            reply = client.collect()
            fails(reply, codes)
            while True:
                # An answer of its own for the Sync, where the message had one already.
                client.send(query("select 'in step'"))
                last = client.collect()
                if last.rows:
                    break
                assert not last.closed, last
            assert last.value == "in step", last
        assert other.query("select 2").value == "2"


def ends(name, data):
    # PostgreSQL tells a broken length to its log only.
    @case(name, direct="-len" not in name)
    def run(world):
        outcome(world, data, True, sqlstates(name))


def goes_on(name, data):
    @case(name, direct=True)
    def run(world):
        outcome(world, data, False, sqlstates(name))


def ends_or_goes_on(name, data):
    """PostgreSQL answers with an error and goes on, a proxy may also end the connection."""
    @case(name, direct=True)
    def run(world):
        with world.weir.connect() as other, world.weir.connect(timeout=8) as client:
            client.try_send(data)
            client.try_send(SYNC)
            reply = client.collect()
            assert reply.sqlstate in sqlstates(name), reply
            assert other.query("select 2").value == "2"
            if reply.closed:
                return
            client.try_send(query("select 'in step'"))
            for _ in range(3):
                last = client.collect()
                if last.closed or last.rows:
                    break
            assert last.closed or last.value == "in step", last


ends("msg-unknown-type", frame("~", b"what\0"))
ends("msg-type-nul", frame(b"\0", b"what\0"))
ends("msg-len0", frame("Q", b"", 0) + b"x" * 64)
ends("msg-len3", frame("Q", b"", 3) + b"x" * 64)
ends("msg-len-neg", frame("Q", b"select 1\0", -5))
ends("msg-len-2^32-1", frame("Q", b"select 1\0", (1 << 32) - 1))
ends("msg-backend-type-D", frame("T", b"\0\1") + frame("D", b"\0\0"))
ends("msg-auth-p-after-login", frame("p", b"secret\0"))
ends("msg-startup-again", startup([("user", "boss"), ("database", "hostile")]))
ends("msg-ssl-again", SSL_REQUEST)
ends_or_goes_on("msg-Q-no-nul", frame("Q", b"create table pwned(a int)"))
ends_or_goes_on("msg-Q-empty-body", frame("Q", b""))
ends_or_goes_on("msg-parse-truncated", frame("P", b"name\0select 1"))
ends_or_goes_on("msg-parse-neg-params", frame("P", b"\0select 1\0" + struct.pack("!h", -1)))
goes_on("msg-bind-huge-count", parse("", "select 1") + bind(count=65535))
goes_on("msg-bind-param-len-neg2", parse("", "select $1::text") + frame(
    "B", b"\0\0\0\0\0\1" + struct.pack("!i", -2) + b"\0\0"))
goes_on("msg-bind-param-len-huge", parse("", "select $1::text") + frame(
    "B", b"\0\0\0\0\0\1" + struct.pack("!i", (1 << 31) - 1) + b"x\0\0"))
ends_or_goes_on("msg-describe-bad-kind", describe("Q", "x"))
ends_or_goes_on("msg-close-bad-kind", close("Q", "x"))
goes_on("msg-execute-unknown-portal", execute("nowhere"))
goes_on("msg-bind-unknown-stmt", bind("", "nowhere"))
goes_on("msg-functioncall-bad", frame("F", b"\0\0"))
ends_or_goes_on("msg-nul-in-query", frame("Q", b"select 1\0; create table pwned(a int)\0"))


@case("msg-len-2^31-1-trickle", memory=48 * MEBIBYTE)
def two_gibibytes_in_a_trickle(world):
    for kind in "QPBdF":
        with world.weir.connect(timeout=8) as client, world.weir.connect() as other:
            client.try_send(frame(kind, b"", (1 << 31) - 1))
            for _ in range(20):
                if not client.try_send(b"x" * 50):
                    break
                start = time.monotonic()
                assert other.query("select 1").value == "1"
                assert time.monotonic() - start < 2 * patience(), "others wait"
            client.reset()


@case("msg-one-byte-chunks", direct=True)
def byte_by_byte(world):
    with world.weir.connect() as client:
        for data in (query("select 'query'"), parse("", "select 'query'") + bind() +
                     describe("P") + execute() + SYNC):
            for at in range(len(data)):
                client.send(data[at:at + 1])
                if at % 16 == 0:
                    time.sleep(0.001)
            reply = client.collect()
            assert reply.value == "query" and reply.status == "I", reply


@case("msg-two-queries-one-packet", direct=True)
def two_in_one(world):
    with world.weir.connect() as client:
        client.send(query("select 1") + query("select 2"))
        assert [client.collect().value, client.collect().value] == ["1", "2"]


@case("msg-pipeline-1000", direct=True)
def pipeline(world):
    with world.weir.connect(timeout=30) as client:
        client.send(b"".join(
            parse("", "select $1::text") + bind("", "", [str(i)]) + execute() + SYNC
            for i in range(1000)))
        for i in range(1000):
            reply = client.collect()
            assert reply.kinds == "12DCZ" and reply.value == str(i), f"{i}: {reply}"


@case("msg-query-64MB-literal", memory=96 * MEBIBYTE)
def large_query(world):
    with world.weir.connect(timeout=60) as client:
        reply = client.query("select length('" + "x" * (64 * MEBIBYTE) + "')")
        assert reply.value == str(64 * MEBIBYTE), reply
        assert client.query("select 1").value == "1"
    with world.weir.connect(timeout=60) as client:
        client.send(parse("", "select length($1)") + bind("", "", ["y" * (64 * MEBIBYTE)]) +
                    execute() + SYNC)
        reply = client.collect()
        assert reply.value == str(64 * MEBIBYTE), reply
        assert client.query("select 1").value == "1"


@case("msg-flood-sync", direct=True)
def sync_flood(world):
    """One answer for each, in bounded memory; the answers are read meanwhile."""
    with world.weir.connect(timeout=60) as client, world.weir.connect() as other:
        answers = 0
        for _ in range(50):
            client.send(SYNC * 1000)
            for _ in range(1000):
                kind, body = client.message()
                assert (kind, body) == ("Z", b"I"), (kind, body)
                answers += 1
            assert answers % 10000 or other.query("select 1").value == "1"
        assert client.query("select 'after'").value == "after"
    # And all at once, with nobody reading at first.
    with world.weir.connect(timeout=60) as client:
        client.send(SYNC * 50_000)
        for _ in range(50_000):
            assert client.message() == ("Z", b"I")
        assert client.query("select 'after'").value == "after"


@case("msg-flush-without-sync", direct=True)
def flush(world):
    with world.weir.connect() as client:
        client.send(parse("", "select 1") + FLUSH)
        assert client.message()[0] == "1"
        client.send(bind() + FLUSH)
        assert client.message()[0] == "2"
        client.send(execute() + FLUSH)
        assert client.message()[0] == "D" and client.message()[0] == "C"
        client.send(SYNC)
        assert client.collect().status == "I"
    # Left without Sync: the server must not stay in this state.
    client = world.weir.connect()
    client.send(parse("", "insert into kept values (1)") + bind() + execute() + FLUSH)
    assert client.message()[0] == "1"
    client.reset()


@case("ext-error-skip-to-sync", direct=True)
def skip_to_sync(world):
    good = parse("", "select 'ran'") + bind() + execute()
    for bad in (parse("", "select wrong syntax here ("), parse("", "select no_such_column"),
                parse("", "select 1 / 0") + bind() + execute(), bind("", "nowhere"),
                execute("nowhere"), describe("S", "nowhere")):
        with world.weir.connect() as client:
            client.send(bad + good + good + copy_data("x") + FLUSH + close("S", "nowhere") +
                        SYNC + query("select 'after'"))
            reply = client.collect()
            assert reply.kinds.count("E") == 1 and "D" not in reply.kinds, reply
            assert reply.status == "I", reply
            assert client.collect().value == "after"


@case("ext-error-skip-query", direct=True)
def skip_query(world):
    for first in (b"", parse("", "select 'ran'") + bind() + execute()):
        with world.weir.connect() as client:
            client.send(first + parse("", "select wrong syntax here (") +
                        query("select 'skipped'") + SYNC + query("select 'after'"))
            reply = client.collect()
            assert reply.kinds.count("E") == 1 and reply.status == "I", reply
            reply = client.collect()
            assert reply.kinds == "TDCZ" and reply.value == "after", f"out of step: {reply}"


@case("many-prepared-5000", memory=96 * MEBIBYTE)
def many_prepared(world):
    with world.weir.connect(timeout=60) as client:
        for start in range(0, 5000, 500):
            client.send(b"".join(parse(f"s{i}", f"select {i}, $1::text")
                                 for i in range(start, start + 500)) + SYNC)
            reply = client.collect()
            assert not reply.errors and reply.status == "I", reply
        for i in (0, 17, 2500, 4999):
            client.send(bind("", f"s{i}", ["v"]) + execute() + SYNC)
            reply = client.collect()
            assert reply.rows == [[str(i), "v"]], reply
        assert client.query("select 1").value == "1"
