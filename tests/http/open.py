#!/usr/bin/env python3
"""HTTP without credentials: what is served, and input of the hostile kind (run by with_proxy)."""

import json
import os
import random
import time

from support import PATIENCE, connect, exchange, get, read_all, status

import psycopg


def well():
    """It answers, as soon as the connections of before have left their places."""
    end = time.monotonic() + PATIENCE
    while True:
        code, _, body = get("/healthz")
        if code == 200 or time.monotonic() > end:
            break
        time.sleep(0.05)
    assert (code, body) == (200, b"ok\n"), (code, body)


def check_paths():
    with psycopg.connect("") as client:
        client.execute("select 1")
        marks, fingerprint = run_marked()
        for path in ("/", "/tables", "/metrics", "/healthz", "/readyz", "/api/v1/status", "/api/v1/series",
                     "/api/v1/sessions", "/api/v1/queries", "/api/v1/queries?window=1m", "/api/v1/queries?window=all",
                     f"/api/v1/queries/{fingerprint}", "/api/v1/errors"):
            code, head, body = get(path)
            assert code == 200 and body, (path, code)
            for mark in marks:
                assert mark.encode() not in body, (path, mark)
            assert "Content-Security-Policy: " in head and "unsafe" not in head, head
            secret = os.environ["PGPASSWORD"].encode()
            assert secret not in body, path
        found = json.loads(get("/api/v1/status")[2])
        assert found["pools"][0]["database"] == os.environ["PGDATABASE"], found
        assert found["health"] == "ok", found["problems"]
        mine = json.loads(get("/api/v1/sessions")[2])["sessions"]
        assert [one["user"] for one in mine] == [os.environ["PGUSER"]], mine
    assert get("/nothing")[0] == 404
    assert get("/api/v1/nothing")[0] == 404
    assert get("/../etc/passwd")[0] == 404


def finished_with(part):
    """The row of /api/v1/queries whose text has this, as soon as it is there."""
    end = time.monotonic() + PATIENCE
    while True:
        found = json.loads(get("/api/v1/queries?window=5m")[2])
        for row in found["queries"]:
            if part in row["text"].lower():
                return row
        assert time.monotonic() < end, (part, found)
        time.sleep(0.05)


def run_marked():
    """Statements with values that must not be seen: literal, comment, parameter, password of one that fails."""
    marks = [f"mark{i}x{random.randrange(10 ** 12)}" for i in range(4)]
    with psycopg.connect("", autocommit=True) as client:
        for _ in range(3):
            client.execute(f"/* {marks[3]} */ select left('{marks[0]}', 4711)")
        client.execute("select upper(%s)", [marks[1]])
        try:
            client.execute(f"create role no_such_role in role no_other_role password '{marks[2]}'")
            assert False, "it was to fail"
        except psycopg.Error as error:
            assert error.sqlstate in ("42704", "42501"), error
    row = finished_with("select left(")
    assert (row["calls"], row["failed"], row["rows"]) == (3, 0, 3), row
    assert row["database"] == os.environ["PGDATABASE"] and row["user"] == os.environ["PGUSER"], row
    assert 0 < row["mean_ms"] <= row["max_ms"] <= row["total_ms"] and row["server_ms"] > 0, row
    assert finished_with("no_such_role")["failed"] == 1
    return marks, row["fingerprint"]


def number(metrics, series):
    (value,) = [line.rsplit(" ", 1)[1] for line in metrics.splitlines() if line.startswith(series + " ")]
    return float(value)


def check_queries():
    with psycopg.connect("", autocommit=True, application_name="asks") as client:
        client.execute("select ln(2.0)")
        try:
            client.execute("select ln(0.0)")
            assert False, "it was to fail"
        except psycopg.errors.InvalidArgumentForLogarithm:
            pass
        fingerprint = finished_with("select ln(")["fingerprint"]
        found = json.loads(get(f"/api/v1/queries/{fingerprint}")[2])
        assert found["fingerprint"] == fingerprint and "select ln(" in found["text"], found
        (row,) = found["queries"]
        assert (row["calls"], row["failed"]) == (1, 1), row
        assert row["errors_by_class"] == [["22", 1]] and row["applications"] == ["asks"], row
        assert sum(calls for _, calls in row["histogram"]) == 2 and row["trace_id"] == "", row
        assert found["sum"]["failed"] == 1 and found["sum"]["histogram"] == row["histogram"], found
        errors = json.loads(get("/api/v1/errors")[2])["errors"]
        assert any(one["sqlstate"] == "2201E" and one["from_server"] and one["fingerprint"] == fingerprint
                   for one in errors), errors
        assert b"select ln(" in get("/tables")[2]
        metrics = get("/metrics")[2].decode()
        assert 'pgweir_errors_total{sqlstate="2201E",from="server"} 1' in metrics, metrics
        pool = f'database="{os.environ["PGDATABASE"]}",user="{os.environ["PGUSER"]}"'
        # A deferred BEGIN is a query, answered here: nothing is measured of it.
        timed = number(metrics, f'pgweir_query_duration_seconds_bucket{{{pool},le="+Inf"}}')
        assert timed == number(metrics, f"pgweir_query_duration_seconds_count{{{pool}}}")
        assert 0 < timed <= number(metrics, f"pgweir_queries_total{{{pool}}}")
        for end in ("commit", "rollback"):
            assert number(metrics, f'pgweir_transaction_ends_total{{{pool},end="{end}"}}') > 0
    for path, wanted in (("0123456789abcdef", 404), ("0123456789abcde", 400), ("0123456789abcdeg", 400), ("", 400),
                         (fingerprint + "/x", 400), (fingerprint.upper() + "%20", 400)):
        assert get("/api/v1/queries/" + path)[0] == wanted, path
    for window in ("1", "15", "2m", "m", "all%20"):
        assert get("/api/v1/queries?window=" + window)[0] == 400, window


def check_host():
    answer = exchange(b"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert status(answer) == 421, answer[:200]


def check_ready():
    admin = f"dbname=pgbouncer user={os.environ['WEIR_ADMIN']}"
    with psycopg.connect(admin, autocommit=True) as console:
        console.execute("PAUSE")
        code, _, body = get("/readyz")
        assert code == 503 and b"paused" in body, (code, body)
        assert json.loads(get("/api/v1/status")[2])["health"] in ("ok", "critical")
        console.execute("RESUME")
    assert get("/readyz")[0] == 200


def check_hostile():
    for text, wanted in (
            (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 413),
            (b"DELETE / HTTP/1.1\r\n\r\n", 405),
            (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
            (b"GET /%00 HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 70000 + b"\r\n\r\n", 431),
            (b"GET /" + b"a" * 70000, 431),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
            (b"\x00\x00\x00\x08\x04\xd2\x16\x2f\r\n\r\n", 400)):
        answer = exchange(text)
        assert status(answer) == wanted, (text[:40], answer[:100])
    well()
    dice = random.Random(5)
    for _ in range(200):
        noise = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 200)))
        with connect() as connection:
            try:
                connection.sendall(b"GET / HTTP/1.1\r\n"[:dice.randrange(17)] + noise)
                if dice.randrange(2):
                    connection.shutdown(1)
            except OSError:
                pass  # it was quicker to end the connection
    well()


def check_pipelined():
    answer = exchange(b"GET /healthz HTTP/1.1\r\n\r\n" * 50 + b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 51, answer.count(b"HTTP/1.1")


def check_limit():
    # 20 at a time; the next are told, and those there go on.
    held = [connect() for _ in range(20)]
    end = time.monotonic() + PATIENCE
    while status(exchange(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) != 503:
        assert time.monotonic() < end, "the limit does not act"
    for connection in held:
        connection.close()
    while status(exchange(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n")) != 200:
        assert time.monotonic() < end, "places do not come back"


def check_stream():
    with connect() as connection:
        connection.sendall(b"GET /api/v1/stream HTTP/1.1\r\n\r\n")
        text = b""
        while text.count(b"data: {") < 3:
            part = connection.recv(65536)
            assert part, "the stream ended"
            text += part
    assert b"text/event-stream" in text


check_paths()
check_queries()
check_host()
check_ready()
check_hostile()
check_pipelined()
check_limit()
check_stream()
well()
