"""Hostile or broken servers: what they send never reaches a client out of step."""

import base64
import ssl
import struct
import time

from fake_server import (AUTHENTICATION_OK, READY, WELCOME, FakeServer, answers, error, result,
                         row, row_description)
from registry import MEBIBYTE, case
from wire import Client, Closed, frame, query
from world import PASSWORD, wait_until

FAKE_SETTINGS = {"auth_type": "trust", "server_login_retry": "100ms",
                 "server_connect_timeout": "2s", "query_wait_timeout": "4s",
                 "server_tls_sslmode": "disable"}


def with_fake(world, behaviour, test, settings=None, user="plain_user", database=None):
    """Runs test(weir, server) with a pgweir of its own whose one database is the fake server."""
    server = FakeServer(behaviour)
    weir = world.start("fake", {**FAKE_SETTINGS, **(settings or {})}, {
        "fake": {"host": "127.0.0.1", "port": server.port, "pool_size": 1, **(database or {})},
        "hostile": world.server()}, world.users())
    try:
        with weir.connect("app", "hostile") as good:
            assert good.query("select 'good'").value == "good"
            test(weir, server)
            # Whatever the one server does: clients of the other one do not notice.
            assert good.query("select 'good'").value == "good"
        assert not server.failures, server.failures
        wait_until("the server connections are closed", lambda: server.ends ==
                   server.connections or f"{server.ends} of {server.connections}", 8)
    finally:
        server.stop()
    world.drop("fake")


def client_gets_error(weir, server, data=None, rows_allowed=("good",)):
    """A query that the server answers with nonsense: an error or the end, and nothing of it."""
    with Client(weir.port, timeout=10) as client:
        reply = client.login("plain_user", "fake")
        assert reply.status == "I", f"the login failed: {reply}"
        assert client.query("select 'good'").value == "good"
        client.send(query("select 'nasty'"))
        reply = client.collect()
        assert reply.errors or reply.closed, f"the nonsense was believed: {reply}"
        for failure in reply.errors:
            assert len(failure.get("C", "")) == 5, failure
        for values in reply.rows:
            assert values == ["in order"], f"forwarded: {values}"
    return reply


def sends(name, data, then_close=False):
    def nasty(connection, server):
        connection.send(data)
        if then_close:
            raise Closed("as it should be")

    @case(name)
    def run(world):
        with_fake(world, answers(nasty), client_gets_error)


START = row_description() + row("in order")
sends("server-frame-len0", START + frame("D", b"", 0) + b"x" * 100)
sends("server-frame-len3", START + frame("D", b"", 3) + b"x" * 100)
sends("server-frame-len-neg", START + frame("D", b"", -1) + b"x" * 100)
sends("server-frame-over-1gb", START + frame("D", b"", (1 << 30) + 5) + b"x" * 100)
sends("server-unknown-type", START + frame("~", b"what") + READY)
sends("server-out-of-order", frame("2") + row("out of order") + READY)
sends("server-auth-after-login", frame("R", struct.pack("!I", 3)))
sends("server-garbage-in-results", START + bytes(range(0x80, 0x100)) * 20)
sends("server-bad-ready-status", frame("Z", b"Q"))
sends("server-empty-ready", frame("Z", b""))
sends("server-broken-parameter-status", frame("S", b"TimeZone") + result("in order"))
sends("server-huge-parameter-status", frame("S", b"x\0", 900 << 20))
sends("server-copy-unasked", frame("W", b"\0\0\0") + frame("d", b"data") + READY)
sends("server-eof-in-row", START + frame("D", b"\0\1\0\0", 200), then_close=True)
sends("server-eof-in-header", START + b"D\0\0", then_close=True)
sends("server-error-unterminated", error("SERROR", "C22000", "Mwhy", terminated=False) + READY)


def idle_nonsense(data):
    """After a good answer, while nobody owns the connection."""
    def nasty(connection, server):
        connection.send(result("in order"))
        time.sleep(0.2)
        connection.send(data)

    def test(weir, server):
        with Client(weir.port, timeout=10) as client:
            assert client.login("plain_user", "fake").status == "I"
            assert client.query("select 'nasty'").value == "in order"
            time.sleep(0.5)
            for _ in range(3):
                reply = client.query("select 'good'")
                assert reply.kinds == "TDCZ" and reply.value == "good", reply
            with Client(weir.port, timeout=10) as other:
                reply = other.login("plain_user", "fake")
                assert reply.status == "I", reply
                assert other.query("select 'good'").value == "good"

    return answers(nasty), test


def sends_while_idle(name, data, memory=48 * MEBIBYTE):
    @case(name, memory=memory)
    def run(world):
        with_fake(world, *idle_nonsense(data))


sends_while_idle("server-ready-twice", READY)
sends_while_idle("server-rows-while-idle", START + frame("C", b"SELECT 1\0") + READY)
sends_while_idle("server-notifications-while-idle",
                 frame("A", struct.pack("!I", 1) + b"channel\0" + b"x" * 7000 + b"\0") * 2000)


@case("server-bytes-after-ready")
def bytes_after_ready(world):
    """More than was asked for, in one segment with the answer: not the next client's."""
    def nasty(connection, server):
        connection.send(result("in order") + result("foreign"))

    def test(weir, server):
        with Client(weir.port, timeout=10) as client, Client(weir.port, timeout=10) as other:
            assert client.login("plain_user", "fake").status == "I"
            assert other.login("plain_user", "fake").status == "I"
            client.send(query("select 'nasty'"))
            reply = client.collect()
            assert all(values == ["in order"] for values in reply.rows), reply
            for _ in range(3):
                reply = other.query("select 'good'")
                assert reply.value == "good", f"another's rows: {reply}"

    with_fake(world, answers(nasty), test)


@case("server-error-without-sqlstate")
def error_without_sqlstate(world):
    def nasty(connection, server):
        connection.send(error("SERROR", "Mno code") + READY)

    def test(weir, server):
        with Client(weir.port, timeout=10) as client:
            assert client.login("plain_user", "fake").status == "I"
            reply = client.query("select 'nasty'")
            assert reply.errors or reply.closed, reply

    with_fake(world, answers(nasty), test)

    def at_login(connection, server):
        connection.startup()
        connection.send(error("SFATAL", "Mno code"))

    with_fake(world, at_login, login_fails)


@case("server-error-with-secret")
def error_with_secret(world):
    secret = "password=hunter2 host=db.internal"

    def nasty(connection, server):
        connection.send(error("SERROR", "C22000", "M" + secret, "D" + secret) + READY)

    def test(weir, server):
        with Client(weir.port, timeout=10) as client:
            assert client.login("plain_user", "fake").status == "I"
            assert client.query("select 'nasty'").sqlstate == "22000"
        assert "hunter2" not in weir.log_text(), "logged"

    with_fake(world, answers(nasty), test)

    def at_login(connection, server):
        connection.startup()
        connection.send(error("SFATAL", "C28000", "M" + secret, "D" + secret))

    def login_test(weir, server):
        login_fails(weir, server)
        assert "hunter2" not in weir.log_text(), "logged"

    with_fake(world, at_login, login_test)


# --- the login on the server ---

def login_fails(weir, server, seconds=9.0):
    """The client is told so, in time, with an SQLSTATE; and not by what the server has said last."""
    start = time.monotonic()
    cpu = weir.cpu_seconds()
    with Client(weir.port, timeout=12) as client:
        reply = client.login("plain_user", "fake")
        assert reply.closed and "Z" not in reply.kinds, f"let in: {reply}"
        for failure in reply.errors:
            assert len(failure.get("C", "")) == 5, failure
        assert reply.errors, "closed without a word"
    assert time.monotonic() - start < seconds, "took too long"
    assert weir.cpu_seconds() - cpu < 2.0, "burnt CPU"
    assert server.connections >= 1, "the server was never asked"
    return reply


def sasl(connection):
    """The client's first message; with the answer's nonce begun."""
    connection.startup()
    connection.send(frame("R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"))
    _, body = connection.message()
    return body.split(b"r=")[1]


def challenge(nonce, salt=b"salt" * 4, iterations=b"4096"):
    return frame("R", struct.pack("!I", 11) + b"r=" + nonce + b",s=" + base64.b64encode(salt) +
                 b",i=" + iterations)


def scram_case(name, play):
    @case(name)
    def run(world):
        with_fake(world, play, login_fails)


def iterations(connection, server):
    connection.send(challenge(sasl(connection) + b"more", iterations=str(1 << 31).encode()))


def long_nonce(connection, server):
    connection.send(challenge(sasl(connection) + b"x" * 100_000))


def foreign_nonce(connection, server):
    sasl(connection)
    connection.send(challenge(b"quite another nonce"))


def wrong_signature(connection, server):
    connection.send(challenge(sasl(connection) + b"more"))
    connection.message()
    connection.send(frame("R", struct.pack("!I", 12) + b"v=" + base64.b64encode(b"s" * 32)) +
                    WELCOME)


def no_signature(connection, server):
    connection.send(challenge(sasl(connection) + b"more"))
    connection.message()
    connection.send(WELCOME)


def scram_garbage(connection, server):
    sasl(connection)
    connection.send(frame("R", struct.pack("!I", 11) + bytes(range(256))))


scram_case("server-scram-iterations", iterations)
scram_case("server-scram-long-nonce", long_nonce)
scram_case("server-scram-foreign-nonce", foreign_nonce)
scram_case("server-scram-wrong-signature", wrong_signature)
scram_case("server-scram-no-signature", no_signature)
scram_case("server-scram-garbage", scram_garbage)


@case("server-asks-clear-text")
def clear_text(world):
    """A secret that is only known as a hash is never sent; a plain one only over loopback here."""
    heard = []

    def asks(connection, server):
        connection.startup()
        connection.send(frame("R", struct.pack("!I", 3)))
        heard.append(connection.message())

    def test(weir, server):
        for user in ("md5_user", "scram_user"):
            with Client(weir.port, timeout=12) as client:
                reply = client.login(user, "fake")
                assert reply.closed and reply.errors, f"{user}: {reply}"
        assert not heard, f"a secret was sent: {heard}"

    with_fake(world, asks, test)


scram_case("server-asks-gss", lambda connection, server: (
    connection.startup(), connection.send(frame("R", struct.pack("!I", 7)))))
scram_case("server-md5-short-salt", lambda connection, server: (
    connection.startup(), connection.send(frame("R", struct.pack("!I", 5) + b"ab"))))


@case("server-login-flood", memory=48 * MEBIBYTE)
def login_flood(world):
    def floods(connection, server):
        connection.startup()
        connection.send(AUTHENTICATION_OK)
        while True:
            connection.send(frame("S", b"name\0" + b"x" * 60_000 + b"\0") +
                            frame("N", b"SNOTICE\0M" + b"y" * 60_000 + b"\0\0"))

    with_fake(world, floods, login_fails)


@case("server-login-silent")
def login_silent(world):
    with_fake(world, lambda connection, server: connection.startup(), login_fails)


# --- TLS ---

def tls_settings(world, mode):
    return {"server_tls_sslmode": mode, "server_tls_ca_file": world.tls("ca.crt")}


@case("server-tls-refused")
def tls_refused(world):
    seen = []

    def refuses(connection, server):
        packet = connection.startup(b"N")
        seen.append(packet)
        connection.send(WELCOME)

    for mode in ("require", "verify-ca", "verify-full"):
        with_fake(world, refuses, login_fails, tls_settings(world, mode))
    assert not seen, "went on without TLS"


def tls_server(world, certificate, seen):
    def behaviour(connection, server):
        connection.startup(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.tls(f"{certificate}.crt"), world.tls(f"{certificate}.key"))
        connection.socket = context.wrap_socket(connection.socket, server_side=True)
        seen.append(connection.startup())
        connection.socket.settimeout(30)
        connection.send(WELCOME)
        while True:
            kind, _ = connection.message()
            if kind == "X":
                return
            if kind == "Q":
                connection.send(result("good"))
    return behaviour


@case("server-tls-wrong-name")
def tls_wrong_name(world):
    seen = []
    with_fake(world, tls_server(world, "other", seen), login_fails,
              tls_settings(world, "verify-full"))
    assert not seen, "logged in on a server with another name"

    def lets_in(weir, server):
        with Client(weir.port, timeout=10) as client:
            assert client.login("plain_user", "fake").status == "I"
            assert client.query("select 'good'").value == "good"

    # The name is what was wrong: verify-ca does not ask for it, and the right one is let in.
    with_fake(world, tls_server(world, "other", []), lets_in, tls_settings(world, "verify-ca"))
    with_fake(world, tls_server(world, "server", []), lets_in, tls_settings(world, "verify-full"))


@case("server-tls-bytes-after-answer")
def tls_bytes_after_answer(world):
    def injects(connection, server):
        connection.startup(b"S" + WELCOME)

    with_fake(world, injects, login_fails, tls_settings(world, "require"))


@case("server-tls-error-answer")
def tls_error_answer(world):
    def answers_error(connection, server):
        connection.startup(error("SFATAL", "C57P03", "Mforged by the network"))

    def test(weir, server):
        reply = login_fails(weir, server)
        assert "forged" not in repr(reply.messages), "a text that nobody has authenticated"
        assert "forged" not in weir.log_text()

    with_fake(world, answers_error, test, tls_settings(world, "require"))


@case("server-tls-garbage-handshake")
def tls_garbage(world):
    def garbage(connection, server):
        connection.startup(b"S")
        connection.read(5)
        connection.send(b"\x16\x03\x03\xff\xff" + bytes(range(256)) * 10)

    with_fake(world, garbage, login_fails, tls_settings(world, "require"))
