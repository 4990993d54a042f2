"""Startup packets, TLS and GSS encryption."""

import socket
import ssl
import struct
import time

from expectations import sqlstates
from registry import case, refused, send_refused
from wire import GSSENC_REQUEST, SSL_REQUEST, Client, cancel_request, patience, query, startup

GOOD = [("user", "app"), ("database", "hostile")]
VIOLATION = ("08P01",)

# Sent as the first bytes of a connection; refused at once.
FIRST_BYTES = {
    "start-len0": struct.pack("!I", 0) + b"\0" * 8,
    "start-len3": struct.pack("!I", 3) + b"\0" * 8,
    "start-len4": struct.pack("!I", 4),
    "start-len7": struct.pack("!I", 7) + b"\0\3\0",
    "start-len-neg": struct.pack("!i", -1) + b"\0\3\0\0",
    "start-len-2^31-1": struct.pack("!I", (1 << 31) - 1) + b"\0\3\0\0user\0app\0",
    "start-len-10001": struct.pack("!II", 10001, 0x00030000) + b"user\0app\0" * 10,
    "start-http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "start-ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "start-ver2": startup([], 0x00020000, b"app\0" * 70),
    "start-ver4": startup(GOOD, 0x00040000),
    "start-ver-garbage": startup(GOOD, 0x7A6B5C4D),
    "start-no-terminator": startup(GOOD, tail=b""),
    "start-no-user": startup([("database", "hostile")]),
    "start-empty-user": startup([("user", ""), ("database", "hostile")]),
    "start-odd-params": startup(GOOD, tail=b"application_name\0\0"),
    "start-bytes-after-term": startup(GOOD, tail=b"\0application_name\0x\0"),
    "start-user-200KB-name": startup([("user", "u" * 200_000), ("database", "hostile")]),
}


# PostgreSQL waits for the bytes that a bearable length announces, and has another form of error
# for version 2.
UNLIKE_POSTGRESQL = ("start-len-10001", "start-ver2")


def register_first_bytes(name, data):
    @case(name, direct=name not in UNLIKE_POSTGRESQL)
    def run(world):
        # PostgreSQL hangs up on a broken length without a word.
        send_refused(world.weir.port, data, sqlstates(name), may_be_silent=world.direct)


for case_name, first_bytes in FIRST_BYTES.items():
    register_first_bytes(case_name, first_bytes)


@case("start-tls-hello-raw")
def tls_hello_raw(world):
    """TLS without SSLRequest and without ALPN, as a browser would try."""
    with Client(world.weir.port) as client:
        context = tls_context()
        try:
            client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
            client.try_send(startup(GOOD))
            refused(client.rest(), VIOLATION)
        except (ssl.SSLError, ConnectionError):
            pass
    # The beginning of a hello, and then nothing more.
    with Client(world.weir.port) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"r" * 32)
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()


@case("start-cancel-short", direct=True)
def cancel_short(world):
    for packet in (struct.pack("!II", 8, 80877102), struct.pack("!III", 12, 80877102, 1),
                   struct.pack("!IIIH", 14, 80877102, 1, 1)):
        send_refused(world.weir.port, packet, VIOLATION, may_be_silent=True)


@case("start-cancel-long", direct=True)
def cancel_long(world):
    for size in (257, 5000, 9980):
        send_refused(world.weir.port, cancel_request(1, b"k" * size), VIOLATION,
                     may_be_silent=True)


@case("start-query-before-startup", direct=True)
def query_first(world):
    send_refused(world.weir.port, query("create table pwned(a int)"), VIOLATION,
                 may_be_silent=world.direct)


@case("start-x-then-eof", direct=True)
def one_byte_and_end(world):
    for data in (b"X", b"\0", b"\0\0\0", startup(GOOD)[:-1]):
        for _ in range(20):
            send_refused(world.weir.port, data, may_be_silent=True, half_close=True)


@case("start-double-ssl-request")
def double_ssl_request(world):
    with Client(world.weir.port) as client:
        client.send(SSL_REQUEST)
        assert client.read(1) == b"S"
        # The second one arrives where a TLS record is expected, and so does everything else.
        client.try_send(SSL_REQUEST * 50)
        data = client.rest()
        assert b"Z" not in data[:1] and len(data) < 1000, data[:80]
    with Client(world.weir.port) as client:
        secure = start_tls(client)
        secure.send(SSL_REQUEST)
        answer = secure.read(1)
        assert answer in (b"N", b"E"), answer
        secure.try_send(SSL_REQUEST * 50)
        assert len(secure.rest()) < 1000


@case("start-negotiate-version")
def negotiate_version(world):
    """The one packet with a higher version that is welcome: what it asks for beyond 3.0 is told."""
    for version, options, told in ((0x00030002, [], None), (0x00030000, [("_pq_.x", "1")], 1),
                                   (0x00030063, [("_pq_.x", "1"), ("_pq_.y", "2")], 2)):
        with Client(world.weir.port) as client:
            client.send(startup(GOOD + options, version))
            reply = client.authenticate("app")
            assert reply.status == "I", reply
            bodies = [body for kind, body in reply.messages if kind == "v"]
            assert len(bodies) <= 1, f"{len(bodies)} times negotiated"
            assert told is None or bodies, f"{version:x} {options}: nothing is told: {reply}"
            if bodies:
                assert struct.unpack_from("!I", bodies[0], 4)[0] == len(options), bodies[0]
            assert client.query("select 1").value == "1"


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def start_tls(client, context=None, name="localhost"):
    client.send(SSL_REQUEST)
    answer = client.read(1)
    assert answer == b"S", f"TLS is not offered: {answer!r}"
    assert not client.buffer
    client.socket = (context or tls_context()).wrap_socket(client.socket, server_hostname=name)
    return client


@case("tls-inject-cve-2021-23214")
def inject_before_handshake(world):
    """What is sent before the handshake, in the same segment, is never taken for encrypted."""
    with Client(world.weir.port) as client:
        client.send(SSL_REQUEST + startup(GOOD) + query("create table pwned(a int)"))
        refused(client.rest(), VIOLATION)
    # In one segment with the beginning of a real handshake behind it.
    with Client(world.weir.port) as client:
        client.send(SSL_REQUEST + b"\0" * 5 + b"\x16\x03\x01\x00\x05hello")
        refused(client.rest(), VIOLATION)


@case("tls-normal", direct=True)
def tls_login(world):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = tls_context()
        context.minimum_version = context.maximum_version = version
        with Client(world.weir.port) as client:
            start_tls(client, context).login("app", "hostile")
            assert client.query("select 40 + 2").value == "42"
            big = client.query("select repeat('x', 3000000)")
            assert len(big.value) == 3_000_000


@case("tls-after-S-plaintext", direct=True)
def plaintext_after_s(world):
    with Client(world.weir.port) as client:
        client.send(SSL_REQUEST)
        assert client.read(1) == b"S"
        client.try_send(startup(GOOD) + query("create table pwned(a int)"))
        data = client.rest()
        assert data[:1] in (b"", b"\x15"), f"plain text was answered: {data[:40]!r}"


@case("tls-old-version", direct=True)
def old_versions(world):
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        context = tls_context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        with Client(world.weir.port) as client:
            try:
                start_tls(client, context)
            except (ssl.SSLError, ConnectionError):
                continue
            raise AssertionError(f"{version.name} was accepted")


@case("gssenc-request")
def gssenc(world):
    with Client(world.weir.port) as client:
        client.send(GSSENC_REQUEST)
        assert client.read(1) == b"N"
        reply = client.login("app", "hostile")
        assert reply.status == "I", reply
    with Client(world.weir.port) as client:
        client.send(GSSENC_REQUEST)
        assert client.read(1) == b"N"
        start_tls(client).login("app", "hostile")
        assert client.query("select 1").value == "1"


@case("gssenc-inject")
def gssenc_inject(world):
    with Client(world.weir.port) as client:
        client.send(GSSENC_REQUEST + startup(GOOD) + query("select 'in plain'"))
        start = time.monotonic()
        client.socket.settimeout(8 * patience())
        data = client.socket.recv(1000)
        assert data[:1] in (b"", b"E", b"N"), data[:40]
        if data[:1] == b"E":
            refused(data, VIOLATION)
        assert time.monotonic() - start < 8 * patience()
    # Again and again: never an endless conversation.
    with Client(world.weir.port) as client:
        client.send(GSSENC_REQUEST)
        assert client.read(1) == b"N"
        client.send(GSSENC_REQUEST)
        assert len(client.rest()) < 1000
