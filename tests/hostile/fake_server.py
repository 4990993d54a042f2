"""A PostgreSQL server that misbehaves: threads on a loopback port, one behaviour per port."""

import socket
import struct
import threading

from wire import Client, Closed, frame

SSL_CODE, GSS_CODE, CANCEL_CODE = 80877103, 80877104, 80877102

AUTHENTICATION_OK = frame("R", struct.pack("!I", 0))
READY = frame("Z", b"I")
PARAMETERS = {
    "server_version": "15.5", "server_encoding": "UTF8", "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY", "TimeZone": "UTC", "IntervalStyle": "postgres",
    "integer_datetimes": "on", "standard_conforming_strings": "on", "application_name": "",
    "is_superuser": "off", "session_authorization": "app",
}
WELCOME = (AUTHENTICATION_OK +
           b"".join(frame("S", f"{name}\0{value}\0".encode())
                    for name, value in PARAMETERS.items()) +
           frame("K", struct.pack("!II", 4242, 4711)) + READY)


def error(*fields, terminated=True):
    body = b"".join(field.encode() + b"\0" for field in fields)
    return frame("E", body + (b"\0" if terminated else b""))


def row_description():
    return frame("T", struct.pack("!H", 1) + b"answer\0" + struct.pack("!IHIhih", 0, 0, 25, -1,
                                                                       -1, 0))


def row(text):
    data = text.encode()
    return frame("D", struct.pack("!HI", 1, len(data)) + data)


def result(text):
    return row_description() + row(text) + frame("C", b"SELECT 1\0") + READY


def empty_catalog():
    """The answer to what pgweir reads before the first request: nothing there has an effect."""
    return (frame("C", b"SET\0") * 2 + row_description() + frame("C", b"SELECT 0\0") + READY)


class CancelRequest(Exception):
    """The connection was for a cancel request; it is closed without an answer."""


class Connection(Client):
    """The server's end: reads what pgweir sends."""

    def __init__(self, accepted):
        self.socket = accepted
        self.socket.settimeout(30)
        self.buffer = b""
        self.parameters = {}

    def startup_packet(self):
        size = struct.unpack("!I", self.read(4))[0]
        return self.read(size - 4)

    def startup(self, tls_answer=b"N"):
        """Reads up to the StartupMessage; SSLRequest gets `tls_answer`."""
        while True:
            packet = self.startup_packet()
            code = struct.unpack("!I", packet[:4])[0]
            if code in (SSL_CODE, GSS_CODE):
                self.send(tls_answer)
                if tls_answer != b"N":
                    return packet
            elif code == CANCEL_CODE:
                raise CancelRequest
            else:
                return packet


class FakeServer:
    """Accepts connections and runs `behaviour(connection, server)` on each, in a thread."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.connections = 0
        self.cancels = 0  # cancel requests; not among the connections
        self.ends = 0     # connections that pgweir has closed, as they have noticed
        self.failures = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self.serve, args=(accepted,), daemon=True).start()

    def serve(self, accepted):
        connection = Connection(accepted)
        try:
            self.behaviour(connection, self)
            connection.socket.settimeout(30)
            while connection.socket.recv(65536):
                pass
            self.ended()
        except CancelRequest:
            with self.lock:
                self.cancels += 1
                self.connections -= 1
        except (Closed, OSError):
            self.ended()
        except Exception as problem:
            self.failures.append(repr(problem))
        finally:
            connection.close()

    def ended(self):
        with self.lock:
            self.ends += 1

    def stop(self):
        self.listener.close()


def converse(connection, server, nasty):
    """Lets in and answers; `nasty(connection, server)` answers a Query with "nasty" in it."""
    connection.send(WELCOME)
    while True:
        kind, body = connection.message()
        if kind == "X":
            return
        if kind == "Q" and b"pg_catalog.pg_proc" in body:
            connection.send(empty_catalog())
        elif kind == "Q" and b"nasty" in body:
            nasty(connection, server)
        elif kind == "Q":
            connection.send(result("good"))
        elif kind in "PBDE":
            connection.send({"P": frame("1"), "B": frame("2"), "D": frame("n"),
                             "E": frame("C", b"SET\0")}[kind])
        elif kind == "S":
            connection.send(READY)


def answers(nasty):
    """A server that is good until a Query with "nasty" in it, which `nasty` is called for."""
    def behaviour(connection, server):
        connection.startup()
        converse(connection, server, nasty)
    return behaviour
