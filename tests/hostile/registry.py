"""Which function runs which case, and checks that many of them use."""

import socket
import struct

from wire import Client, error_fields

CASES = {}
MEBIBYTE = 1 << 20


class Case:
    def __init__(self, run, memory, direct):
        self.run = run
        self.memory = memory  # how much memory of a process may grow meanwhile
        self.direct = direct  # PostgreSQL itself passes it, too


def case(name, memory=64 * MEBIBYTE, direct=False):
    """The decorated function runs the case called `name` with the World, and asserts."""
    def register(run):
        assert name not in CASES, name
        CASES[name] = Case(run, memory, direct)
        return run
    return register


def refused(data, codes=(), may_be_silent=True, before=b""):
    """All that a peer has sent until it closed: an ErrorResponse at most, and no ReadyForQuery."""
    assert data.startswith(before), f"unexpected answer {data[:80]!r}"
    data = data[len(before):]
    errors = []
    while data:
        kind, length = data[:1], struct.unpack("!I", data[1:5])[0]
        assert kind in b"ERNSKv", f"unexpected message {kind!r} in {data[:80]!r}"
        assert kind != b"R" or struct.unpack("!I", data[5:9])[0] != 0, "was let in"
        if kind == b"E":
            errors.append(error_fields(data[5:length + 1]))
        data = data[length + 1:]
    assert errors or may_be_silent, "closed without an error"
    for error in errors:
        state = error.get("C", "")
        assert len(state) == 5, f"no SQLSTATE in {error}"
        assert not codes or state in codes, f"{state} {error.get('M')}: expected {codes}"
        assert error.get("S") == "FATAL", f"an end that is not FATAL: {error}"
    return errors


def send_refused(port, data, codes=(), may_be_silent=False, half_close=False, timeout=8.0):
    """Sends bytes on a new connection; they are refused."""
    with Client(port, timeout=timeout) as client:
        client.try_send(data)
        if half_close:
            client.socket.shutdown(socket.SHUT_WR)
        return refused(client.rest(), codes, may_be_silent)


def closes(reply, codes=()):
    """The reply ends with the connection; an error in it is one of `codes`."""
    assert reply.closed, f"the connection goes on: {reply}"
    assert "Z" not in reply.kinds, f"was served: {reply}"
    if codes and reply.errors:
        assert reply.sqlstate in codes, f"{reply}: expected {codes}"
    return reply


def fails(reply, codes):
    """An error, and the connection goes on."""
    assert not reply.closed, f"the connection has ended: {reply}"
    assert reply.sqlstate in codes, f"{reply}: expected {codes}"
    return reply
