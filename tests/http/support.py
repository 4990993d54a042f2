"""A raw HTTP client."""

import os
import socket
import ssl

PORT = int(os.environ["WEIR_HTTP_PORT"])
PATIENCE = 10 * int(os.environ.get("WEIR_TEST_PATIENCE", "1"))


def connect(tls=False):
    raw = socket.create_connection(("127.0.0.1", PORT), PATIENCE)
    if not tls:
        return raw
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context.wrap_socket(raw)


def read_all(connection):
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return b"".join(parts)


def exchange(text, tls=False):
    """What comes back until the server closes."""
    with connect(tls) as connection:
        try:
            connection.sendall(text)
        except (ConnectionResetError, BrokenPipeError):
            pass
        return read_all(connection)


def get(path, *fields, tls=False):
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *fields]
    answer = exchange(("\r\n".join(lines) + "\r\n\r\n").encode(), tls)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


def status(answer):
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else None
