#!/usr/bin/env python3
"""HTTPS with a token: who may look at what (run by with_proxy with WEIR_HTTP_TOKEN)."""

import base64
import concurrent.futures
import os

from support import exchange, get

TOKEN = os.environ["WEIR_HTTP_TOKEN"]


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


PATHS = ("/", "/tables", "/metrics", "/api/v1/status", "/api/v1/series", "/api/v1/sessions", "/api/v1/stream",
         "/api/v1/queries", "/api/v1/queries/0123456789abcdef", "/api/v1/errors", "/nothing")


def check_refused(path):
    code, head, body = get(path, tls=True)
    assert code == 401 and "WWW-Authenticate: Basic" in head and len(body) < 100, (path, code)
    assert get(path, "Authorization: Bearer wrong", tls=True)[0] == 401


# Each wrong answer takes half a second of waiting: together.
with concurrent.futures.ThreadPoolExecutor(len(PATHS)) as together:
    list(together.map(check_refused, PATHS))
assert get("/healthz", tls=True)[0] == 200
assert get("/readyz", tls=True)[0] == 200
for field in (f"Authorization: Bearer {TOKEN}", basic("anybody", TOKEN)):
    assert get("/metrics", field, tls=True)[0] == 200, field
    code, _, body = get("/api/v1/status", field, tls=True)
    assert code == 200 and TOKEN.encode() not in body
assert b"pgweir_certificate_expiry_timestamp_seconds{certificate=\"http\"}" in \
    get("/metrics", f"Authorization: Bearer {TOKEN}", tls=True)[2]
# A plain request to the TLS port, and nonsense: the connection ends, others go on.
assert not exchange(b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
assert get("/healthz", tls=True)[0] == 200
