"""The frontend/backend protocol as raw bytes: builders for messages, right and wrong ones, and a
client that does nothing on its own."""

import base64
import hashlib
import hmac
import os
import socket
import struct

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)
PROTOCOL_3 = 0x00030000


def patience():
    """Factor on all deadlines: WEIR_TEST_PATIENCE, more than 1 for sanitizers."""
    return float(os.environ.get("WEIR_TEST_PATIENCE") or 1)


def text(value):
    return value if isinstance(value, bytes) else value.encode()


def frame(kind, body=b"", length=None):
    """A message; `length` is what the header claims if that is not the truth."""
    claimed = len(body) + 4 if length is None else length
    return text(kind) + struct.pack("!I", claimed & 0xFFFFFFFF) + body


def startup(params, version=PROTOCOL_3, tail=b"\0", length=None):
    body = struct.pack("!I", version)
    for name, value in params:
        body += text(name) + b"\0" + text(value) + b"\0"
    body += tail
    claimed = len(body) + 4 if length is None else length
    return struct.pack("!I", claimed & 0xFFFFFFFF) + body


def cancel_request(pid, secret):
    return struct.pack("!IIi", 12 + len(secret), 80877102, pid) + secret


def query(sql):
    return frame("Q", text(sql) + b"\0")


def parse(name, sql, oids=()):
    body = text(name) + b"\0" + text(sql) + b"\0" + struct.pack("!H", len(oids))
    return frame("P", body + b"".join(struct.pack("!I", oid) for oid in oids))


def bind(portal="", statement="", values=(), count=None):
    body = text(portal) + b"\0" + text(statement) + b"\0" + struct.pack("!H", 0)
    body += struct.pack("!H", len(values) if count is None else count)
    for value in values:
        body += struct.pack("!i", -1) if value is None else (
            struct.pack("!I", len(text(value))) + text(value))
    return frame("B", body + struct.pack("!H", 0))


def describe(kind, name=""):
    return frame("D", text(kind) + text(name) + b"\0")


def close(kind, name=""):
    return frame("C", text(kind) + text(name) + b"\0")


def execute(portal="", rows=0):
    return frame("E", text(portal) + b"\0" + struct.pack("!I", rows))


SYNC = frame("S")
FLUSH = frame("H")
TERMINATE = frame("X")
COPY_DONE = frame("c")


def copy_data(data):
    return frame("d", text(data))


def copy_fail(why):
    return frame("f", text(why) + b"\0")


def extended(sql, values=()):
    return parse("", sql) + bind("", "", values) + describe("P") + execute() + SYNC


class Closed(Exception):
    """The peer has closed or reset the connection."""


class Reply:
    """The messages up to and with ReadyForQuery, or up to the end of the connection."""

    def __init__(self, messages, closed):
        self.messages = messages
        self.closed = closed

    @property
    def kinds(self):
        return "".join(kind for kind, _ in self.messages)

    @property
    def errors(self):
        return [error_fields(body) for kind, body in self.messages if kind == "E"]

    @property
    def sqlstate(self):
        """Of the first error; '' if there is none."""
        return self.errors[0].get("C", "") if self.errors else ""

    @property
    def status(self):
        """Transaction status of ReadyForQuery; '' if the connection has ended."""
        last = self.messages[-1] if self.messages else ("", b"")
        return last[1].decode() if last[0] == "Z" else ""

    @property
    def rows(self):
        return [row_values(body) for kind, body in self.messages if kind == "D"]

    @property
    def value(self):
        """The first column of the first row."""
        rows = self.rows
        assert rows, f"no row but {self}"
        return rows[0][0]

    @property
    def tags(self):
        return [body[:-1].decode() for kind, body in self.messages if kind == "C"]

    def __repr__(self):
        shown = [f"{error.get('C')} {error.get('M')}" for error in self.errors]
        return f"messages {self.kinds[:80]!r} errors {shown[:3]}{' closed' if self.closed else ''}"


def error_fields(body):
    return {field[:1].decode(): field[1:].decode(errors="replace")
            for field in body.split(b"\0") if field}


def row_values(body):
    values, at = [], 2
    for _ in range(struct.unpack_from("!H", body)[0]):
        size = struct.unpack_from("!i", body, at)[0]
        at += 4
        values.append(None if size < 0 else body[at:at + size].decode(errors="replace"))
        at += max(size, 0)
    return values


class Client:
    """One connection; everything that is sent is the caller's choice."""

    def __init__(self, port, timeout=10.0):
        """`timeout` is multiplied by the patience."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout * patience())
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.parameters = {}
        self.pid = 0
        self.secret = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Ends with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionError, BrokenPipeError) as error:
            raise Closed(str(error)) from error

    def try_send(self, data):
        """Sends what the peer still takes: it may well have closed by now."""
        try:
            self.socket.sendall(data)
            return True
        except (ConnectionError, BrokenPipeError):
            return False

    def read(self, size):
        while len(self.buffer) < size:
            try:
                more = self.socket.recv(262144)
            except ConnectionError as error:
                raise Closed(str(error)) from error
            if not more:
                raise Closed(f"end of the connection, {len(self.buffer)} bytes unread")
            self.buffer += more
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def message(self):
        header = self.read(5)
        kind, length = header[:1].decode("latin1"), struct.unpack("!I", header[1:])[0]
        assert 4 <= length < 1 << 30, f"a frame out of step: {header!r} {self.buffer[:40]!r}"
        return kind, self.read(length - 4)

    def collect(self, until="Z"):
        """Messages up to one of the kinds in `until`, or to the end of the connection."""
        messages = []
        while True:
            try:
                kind, body = self.message()
            except Closed:
                return Reply(messages, True)
            messages.append((kind, body))
            if kind == "S":
                name, value = body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode(errors="replace")
            if kind == "K":
                self.pid, self.secret = struct.unpack("!i", body[:4])[0], body[4:]
            if kind in until:
                return Reply(messages, False)

    def rest(self):
        """All that comes until the peer closes. A timeout is a failure: the peer hangs."""
        data, self.buffer = self.buffer, b""
        while True:
            try:
                more = self.socket.recv(262144)
            except ConnectionError:
                return data
            if not more:
                return data
            data += more

    def query(self, sql):
        self.send(query(sql))
        return self.collect()

    def login(self, user, database, password=None, params=()):
        """The whole login; the reply ends with ReadyForQuery if it was granted."""
        self.send(startup([("user", user), ("database", database), *params]))
        return self.authenticate(user, password)

    def authenticate(self, user, password=None):
        messages = []
        while True:
            reply = self.collect("RZ")
            messages += reply.messages
            if reply.closed or not reply.messages or reply.messages[-1][0] == "Z":
                return Reply(messages, reply.closed)
            body = reply.messages[-1][1]
            kind = struct.unpack("!I", body[:4])[0]
            if kind == 0:
                continue
            assert password is not None, f"asked for a password (authentication {kind})"
            if kind == 3:
                self.send(frame("p", text(password) + b"\0"))
            elif kind == 5:
                inner = hashlib.md5(text(password) + text(user)).hexdigest().encode()
                outer = hashlib.md5(inner + body[4:8]).hexdigest().encode()
                self.send(frame("p", b"md5" + outer + b"\0"))
            elif kind == 10:
                scram = Scram(password)
                self.send(scram.initial_response())
                reply = self.collect("RZ")
                messages += reply.messages
                if reply.closed:
                    return Reply(messages, True)
                self.send(scram.response(reply.messages[-1][1][4:]))
            elif kind != 12:
                raise AssertionError(f"unexpected authentication request {kind}")


class Scram:
    """SCRAM-SHA-256 from the client's side, with everything open to be spoilt."""

    def __init__(self, password, nonce=b"rOprNGfwEbeRWgbNEkqO"):
        self.password = text(password)
        self.nonce = nonce
        self.header = b"n,,"
        self.bare = b"n=,r=" + nonce
        self.mechanism = b"SCRAM-SHA-256"

    def first(self):
        return self.header + self.bare

    def initial_response(self, length=None):
        first = self.first()
        size = len(first) if length is None else length
        return frame("p", self.mechanism + b"\0" + struct.pack("!I", size & 0xFFFFFFFF) + first)

    def response(self, challenge, nonce=None, change=lambda proof: proof):
        fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password, base64.b64decode(fields[b"s"]),
            int(fields[b"i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        stored = hashlib.sha256(client_key).digest()
        without = (b"c=" + base64.b64encode(self.header) + b",r=" +
                   (fields[b"r"] if nonce is None else nonce))
        signature = hmac.digest(stored, self.bare + b"," + challenge + b"," + without, "sha256")
        proof = change(bytes(a ^ b for a, b in zip(client_key, signature)))
        return frame("p", without + b",p=" + base64.b64encode(proof))
