"""A PostgreSQL client of a few lines: logs in, runs queries, is notified, leaves."""

import socket
import ssl
import struct

from . import servers

STARTUP = 196608
SSL_REQUEST = struct.pack("!II", 8, 80877103)
TERMINATE = b"X\0\0\0\4"


def startup_packet(user=servers.USER, database=servers.DATABASE, **settings):
    body = struct.pack("!I", STARTUP)
    named = {"user": user, "database": database} | settings
    for word in (word for pair in named.items() for word in pair):
        body += word.encode() + b"\0"
    body += b"\0"
    return struct.pack("!I", len(body) + 4) + body


def message_of(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


def query_message(sql):
    return message_of(b"Q", sql.encode() + b"\0")


def extended_messages(sql):
    """The unnamed statement and portal, without parameters, as a driver sends them: in one go."""
    return (message_of(b"P", b"\0" + sql.encode() + b"\0\0\0") + message_of(b"B", bytes(8))
            + message_of(b"D", b"P\0") + message_of(b"E", bytes(5)) + message_of(b"S", b""))


def tls_context():
    """Encrypts, and believes any certificate: it was made a moment ago by ourselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # No tickets are used: each handshake is a full one.
    return context


class RawClient:
    """Blocking. `secret` answers SCRAM; `context` makes it TLS; `settings` go into the startup
    packet."""

    def __init__(self, port, secret=None, context=None, timeout=60, settings=None):
        self.buffer = b""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket.sendall(SSL_REQUEST)
            if self.socket.recv(1) != b"S":
                raise RuntimeError("the proxy offers no TLS")
            self.socket = context.wrap_socket(self.socket)
        self.socket.sendall(startup_packet(**(settings or {})))
        self.authenticate(secret)
        self.until_ready()

    def message(self):
        while True:
            received = self.received_message()
            if received:
                return received
            self.receive()

    def received_message(self):
        """(kind, body) of a message that has come in whole, or None: does not wait."""
        if len(self.buffer) < 5:
            return None
        length = struct.unpack_from("!I", self.buffer, 1)[0] + 1
        if len(self.buffer) < length:
            return None
        whole, self.buffer = self.buffer[:length], self.buffer[length:]
        return whole[:1], whole[5:]

    def receive(self):
        received = self.socket.recv(65536)
        if not received:
            raise RuntimeError("the proxy has closed the connection")
        self.buffer += received

    def expect(self, wanted):
        kind, body = self.message()
        if kind == b"E":
            raise RuntimeError("the proxy says: " + body.replace(b"\0", b" ").decode())
        if kind != wanted:
            raise RuntimeError(f"message {kind!r} instead of {wanted!r}")
        return body

    def authenticate(self, secret):
        body = self.expect(b"R")
        method = struct.unpack_from("!I", body)[0]
        if method == 0:
            return
        if method != 10 or secret is None:
            raise RuntimeError(f"authentication method {method} was not expected")
        nonce, first = secret.client_first()
        payload = b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first
        self.socket.sendall(b"p" + struct.pack("!I", len(payload) + 4) + payload)
        server_first = self.expect(b"R")[4:]
        final, signature = secret.client_final(nonce, server_first)
        self.socket.sendall(b"p" + struct.pack("!I", len(final) + 4) + final)
        if self.expect(b"R")[4:] != b"v=" + signature.encode():
            raise RuntimeError("the proxy's SCRAM signature is wrong")
        self.expect(b"R")

    def until_ready(self):
        while True:
            kind, body = self.message()
            if kind == b"E":
                raise RuntimeError("the proxy says: " + body.replace(b"\0", b" ").decode())
            if kind == b"Z":
                return

    def query(self, sql):
        self.socket.sendall(query_message(sql))
        self.until_ready()

    def extended_query(self, sql):
        self.socket.sendall(extended_messages(sql))
        self.until_ready()

    def close(self):
        """Says goodbye and waits until the proxy has closed, so that its work is done."""
        try:
            self.socket.sendall(TERMINATE)
            while self.socket.recv(4096):
                pass
        except (OSError, ssl.SSLError):
            pass
        self.socket.close()
