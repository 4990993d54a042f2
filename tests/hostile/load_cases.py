"""Load and resources: what costs the attacker little and must not cost the others much."""

import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

from console_cases import console_login
from expectations import sqlstates
from registry import MEBIBYTE, case, closes
from startup_cases import start_tls, tls_context
from wire import SYNC, Client, bind, execute, frame, parse, patience, query
from world import PASSWORD, wait_until


@case("load-tls-handshakes-1000", memory=128 * MEBIBYTE)
def tls_handshakes(world):
    """A transaction that runs meanwhile is served, statement by statement."""
    context = tls_context()
    counts = []

    def storm():
        done = 0
        for _ in range(125):
            try:
                with Client(world.weir.port, timeout=30) as client:
                    start_tls(client, context)
                    done += 1
            except (OSError, ssl.SSLError):
                continue
        counts.append(done)

    threads = [threading.Thread(target=storm) for _ in range(8)]
    slowest = 0.0
    with world.weir.connect(timeout=30) as client:
        client.query("begin")
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            start = time.monotonic()
            assert client.query("select 1").value == "1"
            slowest = max(slowest, time.monotonic() - start)
            time.sleep(0.005)
        assert client.query("commit").tags == ["COMMIT"]
    assert sum(counts) >= 990, f"{sum(counts)} of 1000 handshakes"
    assert slowest < 2 * patience(), f"a statement took {slowest:.1f} s"
    return f"slowest statement {slowest * 1000:.0f} ms"


@case("load-tls-renegotiation")
def renegotiation(world):
    """TLS 1.2 lets a client ask for handshake after handshake on one connection."""
    process = subprocess.Popen(
        ["openssl", "s_client", "-starttls", "postgres", "-tls1_2", "-connect",
         f"127.0.0.1:{world.weir.port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        time.sleep(0.7)
        process.stdin.write(b"R\n")
        process.stdin.flush()
        time.sleep(0.7)
        process.stdin.close()
        output = process.stdout.read().decode(errors="replace")
    finally:
        process.kill()
        process.wait()
    assert "RENEGOTIATING" in output, output[-500:]
    after = output.split("RENEGOTIATING", 1)[1]
    assert "no renegotiation" in after or "error" in after, f"renegotiated: {after[:300]}"


@case("load-tls-sni-garbage")
def sni_garbage(world):
    for name in ("x" * 63 + ".example", "-", "a.b", "xn--zz"):
        with Client(world.weir.port) as client:
            try:
                start_tls(client, name=name).login("app", "hostile")
                assert client.query("select 1").value == "1"
            except (ssl.SSLError, ConnectionError):
                pass
    # By hand: a server_name extension whose lengths lie.
    for lie in (0, 0xFFFF, 7):
        extension = struct.pack("!HHHBH", 0, 9, lie, 0, 0xFFF0) + b"abcd"
        body = (b"\x03\x03" + b"r" * 32 + b"\0" + struct.pack("!HH", 2, 0xC02F) + b"\1\0" +
                struct.pack("!H", len(extension)) + extension)
        hello = b"\1" + len(body).to_bytes(3, "big") + body
        with Client(world.weir.port) as client:
            client.send(struct.pack("!II", 8, 80877103))
            assert client.read(1) == b"S"
            client.try_send(b"\x16\x03\x01" + struct.pack("!H", len(hello)) + hello)
            data = client.rest()
            assert data[:1] in (b"", b"\x15"), data[:20]


@case("load-tls-alpn-garbage")
def alpn_garbage(world):
    for protocols in (["http/1.1"], ["h2", "spdy/3"], ["x" * 255]):
        context = tls_context()
        context.set_alpn_protocols(protocols)
        with Client(world.weir.port) as client:
            try:
                start_tls(client, context)
                client.send(struct.pack("!II", 8, 0))
                client.rest()
            except (ssl.SSLError, ConnectionError):
                continue
            raise AssertionError(f"a client that speaks {protocols} was welcomed")


@case("load-bind-4gib", memory=48 * MEBIBYTE)
def bind_of_4_gib(world):
    """The length of a message or a value that has overflowed 32 bits."""
    for length in ((1 << 32) - 1, (1 << 32) - 16, (1 << 31), (1 << 30) + 1):
        with world.weir.connect(timeout=8) as client:
            client.try_send(parse("", "select $1::text") + frame("B", b"\0\0\0\0\0\1", length))
            client.try_send(b"x" * 100_000)
            reply = closes(client.collect(""), sqlstates("load-bind-4gib"))
            assert reply.errors, "closed without an error"
    # As in CVE-2024-27304: the wrapped length is small and what follows looks like messages.
    with world.weir.connect(timeout=8) as client:
        inner = query("create table pwned(a int)")
        client.try_send(parse("", "select $1::text") + frame(
            "B", b"\0\0\0\0\0\1" + struct.pack("!I", 0xFFFFFFF0) + inner + b"\0\0") + SYNC)
        reply = client.collect()
        assert reply.errors, reply


@case("load-reload-bad-file")
def reload_bad_file(world):
    weir = world.weir
    good = open(weir.config).read()
    with weir.connect() as client:
        for bad in ("[pgweir]\nno_such_key = 1\n", "not toml at all [[[",
                    good.replace("workers = ", "workers = -"), "\0\xff" * 1000,
                    good.replace('pool_mode = "transaction"', 'pool_mode = "nonsense"')):
            before = len(weir.log_text())
            with open(weir.config, "w", encoding="latin1") as file:
                file.write(bad)
            weir.process.send_signal(signal.SIGHUP)
            wait_until("the log speaks of the file", lambda: len(weir.log_text()) > before)
            assert client.query("select 1").value == "1"
            with weir.connect() as other:
                assert other.query("select 2").value == "2"
            with open(weir.config, "w") as file:
                file.write(good)
            weir.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
        with weir.connect() as other:
            assert other.query("select 3").value == "3"


@case("load-out-of-descriptors")
def out_of_descriptors(world):
    weir = world.start("few-files", {"auth_type": "trust", "client_login_timeout": "20s"},
                       {"hostile": world.server()}, world.users(), limit_files=80)
    with weir.connect() as early:
        assert early.query("select 1").value == "1"
        crowd = []
        for _ in range(150):
            connection = socket.socket()
            connection.settimeout(2)
            connection.connect(("127.0.0.1", weir.port))
            crowd.append(connection)
        time.sleep(0.5)
        cpu = weir.cpu_seconds()
        time.sleep(1)
        used = weir.cpu_seconds() - cpu
        assert used < 0.3 * patience(), f"spins: {used:.2f} s of CPU in a second"
        assert early.query("select 2").value == "2", "a client that was there first"
        for connection in crowd:
            connection.close()

    def served():
        try:
            with weir.connect(timeout=2) as client:
                return client.query("select 3").value == "3"
        except (OSError, AssertionError) as error:
            return repr(error)

    wait_until("new clients are served again", served, 8)
    world.drop("few-files")


@case("load-stats-user")
def stats_user(world):
    client, reply = console_login(world, "viewer", PASSWORD)
    with client:
        assert reply.status == "I", reply
        assert client.query("show pools").rows is not None
        for command in ("pause", "resume", "kill hostile", "shutdown", "shutdown wait_for_clients",
                        "set default_pool_size = 1", "reload", "reconnect", "disable hostile",
                        "enable hostile", "suspend", "kill_client 1", "wait_close"):
            for data in (query(command), parse("", command) + bind() + execute() + SYNC):
                client.send(data)
                reply = client.collect()
                assert reply.sqlstate in sqlstates("load-stats-user"), f"{command}: {reply}"
        assert not client.query("show version").errors
    with world.guard("scram-sha-256").connect("app", "hostile", PASSWORD) as user:
        assert user.query("select 1").value == "1"


@case("load-many-portals", memory=64 * MEBIBYTE)
def many_portals(world):
    with world.weir.connect(timeout=60) as client:
        client.query("begin")
        client.send(parse("s", "select 1") + SYNC)
        client.collect()
        for start in range(0, 20_000, 1000):
            client.send(b"".join(bind(f"p{i}", "s") for i in range(start, start + 1000)) + SYNC)
            reply = client.collect()
            assert not reply.closed and reply.status in "TE", reply
            if reply.errors:
                assert reply.sqlstate in sqlstates("load-many-portals"), reply
                return f"limit: {reply.sqlstate}"
        client.send(execute("p19999") + SYNC)
        assert client.collect().value == "1"
        client.query("commit")


@case("load-many-statements", memory=256 * MEBIBYTE)
def many_statements(world):
    """Without an end: a clear error at some number."""
    with world.weir.connect(timeout=60) as client, world.weir.connect() as other:
        for start in range(0, 80_000, 2000):
            client.send(b"".join(parse(f"n{i}", f"select {i % 50}")
                                 for i in range(start, start + 2000)) + SYNC)
            reply = client.collect()
            if reply.errors:
                assert reply.sqlstate in sqlstates("load-many-statements"), reply
                assert reply.closed or client.query("select 1").value == "1"
                assert other.query("select 2").value == "2"
                return f"limit near {start}: {reply.sqlstate}"
            assert not reply.closed and reply.status == "I", reply
    raise AssertionError("80,000 statements of one client and no limit")


@case("load-many-settings", memory=64 * MEBIBYTE)
def many_settings(world):
    with world.weir.connect(timeout=60) as client:
        for start in range(0, 4000, 200):
            reply = client.query("; ".join(f"set hostile.name{i} = '{'v' * 500}'"
                                           for i in range(start, start + 200)))
            if reply.errors:
                assert reply.sqlstate in sqlstates("load-many-settings"), reply
                break
            assert not reply.closed, reply
        assert reply.closed or client.query("select 1").value == "1"
        with world.weir.connect() as other:
            seen = other.query("select current_setting('hostile.name1', true)")
            assert seen.value is None, seen.value


@case("load-many-notifications", memory=64 * MEBIBYTE)
def many_notifications(world):
    with world.weir.connect(timeout=60) as listener, world.weir.connect(timeout=60) as sender:
        assert not listener.query("listen flood").errors
        # The listener does not read meanwhile.
        for i in range(40):
            reply = sender.query("select pg_notify('flood', repeat('x', 7000) || g) from "
                                 f"generate_series({i * 100}, {i * 100 + 99}) g")
            assert not reply.errors, reply
        reply = listener.query("select 1")
        assert reply.value == "1" or reply.sqlstate, reply
