"""Hostile or broken servers: what they send never reaches a client out of step."""

import base64
import ssl
import struct
import time

from fake_server import (AUTHENTICATION_OK, READY, WELCOME, FakeServer, answers, converse, error,
                         result, row, row_description)
from expectations import sqlstates
from registry import MEBIBYTE, case
from wire import Client, Closed, frame, patience, query, startup
from world import wait_until

# Seconds. A server is given up when it does not answer for 10 s after a client has left.
WAIT_TIMEOUT, CONNECT_TIMEOUT, SHORT, GIVEN_UP = 1.0, 0.7, 1.0, 13.0
FAKE_SETTINGS = {"auth_type": "trust", "server_login_retry": "100ms",
                 "server_connect_timeout": CONNECT_TIMEOUT * patience(),
                 "query_wait_timeout": WAIT_TIMEOUT * patience(),
                 "server_tls_sslmode": "disable"}


def with_fake(world, behaviour, test, settings=None, kept=0):
    """Runs test(weir, server) with a pgweir of its own, one of whose databases is the fake server.
    All its connections but `kept` have to be closed while pgweir runs, the others at its end."""
    server = FakeServer(behaviour)
    weir = world.start("fake", {**FAKE_SETTINGS, **(settings or {})}, {
        "fake": {"host": "127.0.0.1", "port": server.port, "pool_size": 1},
        "hostile": world.server()}, world.users())
    try:
        with weir.connect("app", "hostile") as good:
            assert good.query("select 'good'").value == "good"
            test(weir, server)
            # Whatever the one server does: clients of the other one do not notice.
            assert good.query("select 'good'").value == "good"
        assert not server.failures, server.failures
        wait_until(f"all server connections but {kept} are closed", lambda: server.ends + kept ==
                   server.connections or f"{server.ends} of {server.connections}", 8)
        world.check()
        world.drop("fake")
        wait_until("the server connections are closed at the end", lambda: server.ends ==
                   server.connections or f"{server.ends} of {server.connections}", 3)
    finally:
        server.stop()


def client_gets_error(weir, codes):
    """A query that the server answers with nonsense: an error, the end, and nothing of it. Without
    codes: just the end."""
    with Client(weir.port, timeout=10) as client:
        reply = client.login("plain_user", "fake")
        assert reply.status == "I", f"the login failed: {reply}"
        assert client.query("select 'good'").value == "good"
        client.send(query("select 'nasty'"))
        reply = client.collect()
        assert reply.closed, f"the nonsense was believed: {reply}"
        if codes:
            assert reply.sqlstate in codes and len(reply.errors) == 1, reply
            # What is in order may come through, up to the nonsense.
            assert reply.kinds in ("E", "TE", "TDE"), f"forwarded: {reply}"
        for values in reply.rows:
            assert values == ["in order"], f"forwarded: {values}"


def sends(name, data, then_close=False):
    def nasty(connection, server):
        connection.send(data)
        if then_close:
            raise Closed("as it should be")

    @case(name)
    def run(world):
        with_fake(world, answers(nasty),
                  lambda weir, server: client_gets_error(weir, sqlstates(name)))


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


def idle_nonsense(data, dropped):
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
        assert not dropped or server.connections == 2, "the connection is still used"

    return answers(nasty), test


def sends_while_idle(name, data, dropped=True, memory=48 * MEBIBYTE):
    @case(name, memory=memory)
    def run(world):
        with_fake(world, *idle_nonsense(data, dropped), kept=1)


sends_while_idle("server-ready-twice", READY)
sends_while_idle("server-rows-while-idle", START + frame("C", b"SELECT 1\0") + READY)
sends_while_idle("server-notifications-while-idle",
                 frame("A", struct.pack("!I", 1) + b"channel\0" + b"x" * 7000 + b"\0") * 2000,
                 dropped=False)


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
            assert server.connections == 2, "the connection is still used"

    with_fake(world, answers(nasty), test, kept=1)


@case("server-error-without-sqlstate")
def error_without_sqlstate(world):
    def nasty(connection, server):
        connection.send(error("SERROR", "Mno code") + READY)

    def test(weir, server):
        with Client(weir.port, timeout=10) as client:
            assert client.login("plain_user", "fake").status == "I"
            reply = client.query("select 'nasty'")
            assert reply.kinds == "EZ" and reply.errors[0]["M"] == "no code", reply

    with_fake(world, answers(nasty), test, kept=1)

    def at_login(connection, server):
        connection.startup()
        connection.send(error("SFATAL", "Mno code"))

    with_fake(world, at_login, lambda weir, server: login_fails(
        weir, server, sqlstates("server-error-without-sqlstate")))


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

    with_fake(world, answers(nasty), test, kept=1)

    def at_login(connection, server):
        connection.startup()
        connection.send(error("SFATAL", "C28000", "M" + secret, "D" + secret))

    def login_test(weir, server):
        login_fails(weir, server, ("28000",))
        assert "hunter2" not in weir.log_text(), "logged"

    with_fake(world, at_login, login_test)


# --- servers that fall silent ---

def falls_silent(connection, server):
    """Takes all that is sent and says nothing more, until pgweir gives it up."""
    while True:
        connection.message()


@case("server-silent-in-query")
def silent_in_query(world):
    """Neither an answer to the query nor to the cancel request: no reason to keep the pool's one
    place for ever."""
    def test(weir, server):
        client = Client(weir.port, timeout=10)
        assert client.login("plain_user", "fake").status == "I"
        client.send(query("select 'nasty'"))
        time.sleep(0.2)
        client.reset()
        with Client(weir.port, timeout=GIVEN_UP) as other:
            reply = other.login("plain_user", "fake")
            assert reply.status == "I", reply
            reply = other.query("select 'good'")
            assert reply.rows == [["good"]], reply
        assert server.cancels == 1, f"{server.cancels} cancel requests"
        assert (server.connections, server.ends) == (2, 1), "the silent server is still there"

    with_fake(world, answers(falls_silent), test,
              {"query_wait_timeout": 2 * GIVEN_UP * patience()}, kept=1)


@case("server-silent-after-login")
def silent_after_login(world):
    """A welcome, and then nothing: the client's login has its limit, and so has leaving."""
    def behaviour(connection, server):
        connection.startup()
        connection.send(WELCOME)
        falls_silent(connection, server)

    def test(weir, server):
        with Client(weir.port, timeout=12) as client:
            reply = client.login("plain_user", "fake")
            assert reply.closed and "Z" not in reply.kinds or reply.status == "I", reply
            if reply.status == "I":
                client.send(query("select 1"))
                time.sleep(0.2)
        client = Client(weir.port, timeout=12)
        client.try_send(startup([("user", "plain_user"), ("database", "fake")]))
        time.sleep(0.3)
        client.close()
        wait_until("the silent servers are given up", lambda: server.ends == server.connections
                   or f"{server.ends} of {server.connections}", GIVEN_UP)

    with_fake(world, behaviour, test, {
        "client_login_timeout": SHORT * patience()})


# --- the login on the server ---

def login_fails(weir, server, codes, logged="login to the server failed"):
    """The client is told so, in time, with an SQLSTATE; the log says why."""
    start = time.monotonic()
    cpu = weir.cpu_seconds()
    with Client(weir.port, timeout=12) as client:
        reply = client.login("plain_user", "fake")
        assert reply.closed and "Z" not in reply.kinds, f"let in: {reply}"
        assert reply.sqlstate in codes, reply
    assert time.monotonic() - start < (WAIT_TIMEOUT + 2) * patience(), "took too long"
    assert weir.cpu_seconds() - cpu < patience(), "burnt CPU"
    wait_until(f"the log says: {logged}", lambda: logged in weir.log_text() or
               weir.log_text()[-500:], 2)
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


def login_case(name, play, logged, settings=None, memory=64 * MEBIBYTE):
    @case(name, memory=memory)
    def run(world):
        with_fake(world, play, lambda weir, server: login_fails(
            weir, server, sqlstates(name), logged), settings(world) if settings else None)


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


login_case("server-scram-iterations", iterations, "invalid or excessive SCRAM iteration count")
login_case("server-scram-long-nonce", long_nonce, "SCRAM message too long")
login_case("server-scram-foreign-nonce", foreign_nonce, "invalid SCRAM nonce")
login_case("server-scram-wrong-signature", wrong_signature, "invalid server signature")
login_case("server-scram-no-signature", no_signature, "SASL out of order")
login_case("server-scram-garbage", scram_garbage, "SCRAM")


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


def floods(connection, server):
    connection.startup()
    connection.send(AUTHENTICATION_OK)
    while True:
        connection.send(frame("S", b"name\0" + b"x" * 60_000 + b"\0") +
                        frame("N", b"SNOTICE\0M" + b"y" * 60_000 + b"\0\0"))


login_case("server-asks-gss", lambda connection, server: (
    connection.startup(), connection.send(frame("R", struct.pack("!I", 7)))), "not supported")
login_case("server-md5-short-salt", lambda connection, server: (
    connection.startup(), connection.send(frame("R", struct.pack("!I", 5) + b"ab"))),
    "invalid AuthenticationMD5Password message")
login_case("server-login-flood", floods, "the server sends too much", memory=48 * MEBIBYTE)
login_case("server-login-silent", lambda connection, server: connection.startup(),
           "connect timeout")


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
        with_fake(world, refuses, lambda weir, server: login_fails(
            weir, server, sqlstates("server-tls-refused"), "server refused TLS"),
                  tls_settings(world, mode))
    assert not seen, "went on without TLS"


def tls_server(world, certificate, seen):
    def behaviour(connection, server):
        connection.startup(b"S")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.tls(f"{certificate}.crt"), world.tls(f"{certificate}.key"))
        connection.socket = context.wrap_socket(connection.socket, server_side=True)
        seen.append(connection.startup())
        converse(connection, server, None)
    return behaviour


@case("server-tls-wrong-name")
def tls_wrong_name(world):
    seen = []
    with_fake(world, tls_server(world, "other", seen), lambda weir, server: login_fails(
        weir, server, sqlstates("server-tls-wrong-name"), "TLS"),
              tls_settings(world, "verify-full"))
    assert not seen, "logged in on a server with another name"

    def lets_in(weir, server):
        with Client(weir.port, timeout=10) as client:
            assert client.login("plain_user", "fake").status == "I"
            assert client.query("select 'good'").value == "good"

    # The name is what was wrong: verify-ca does not ask for it, and the right one is let in.
    with_fake(world, tls_server(world, "other", []), lets_in, tls_settings(world, "verify-ca"),
              kept=1)
    with_fake(world, tls_server(world, "server", []), lets_in, tls_settings(world, "verify-full"),
              kept=1)


login_case("server-tls-bytes-after-answer", lambda connection, server: connection.startup(
    b"S" + WELCOME), "received unencrypted data after SSL response",
    lambda world: tls_settings(world, "require"))


@case("server-tls-error-answer")
def tls_error_answer(world):
    def answers_error(connection, server):
        connection.startup(error("SFATAL", "C57P03", "Mforged by the network"))

    def test(weir, server):
        reply = login_fails(weir, server, sqlstates("server-tls-error-answer"))
        assert "forged" not in repr(reply.messages), "a text that nobody has authenticated"
        assert "forged" not in weir.log_text()

    with_fake(world, answers_error, test, tls_settings(world, "require"))


def tls_garbage(connection, server):
    connection.startup(b"S")
    connection.read(5)
    connection.send(b"\x16\x03\x03\xff\xff" + bytes(range(256)) * 10)


login_case("server-tls-garbage-handshake", tls_garbage, "TLS handshake with the server failed",
           lambda world: tls_settings(world, "require"))
