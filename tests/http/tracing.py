#!/usr/bin/env python3
"""Spans of traced statements, sent to a small receiver that checks them by OTLP's JSON (run by
with_proxy): which statements, their parents, times and attributes; no value of a statement; a
receiver that refuses, hangs or is gone costs spans, which are counted, and no statement.

usage: tracing.py. Environment: that of tests/drivers/with_proxy, WEIR_HTTP_PORT.
"""

import http.server
import json
import os
import queue
import re
import threading
import time
import urllib.request

import psycopg

PATIENCE = 20 * int(os.environ.get("WEIR_TEST_PATIENCE", "1"))
POOL = int(os.environ["WEIR_POOL_SIZE"])
SECRET = "sq-7f31-secret"
PARENT = "b7ad6b7169203331"
KINDS = {"internal": 1, "server": 2, "client": 3}


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies = queue.Queue()  # of all requests, in order
    answers = queue.Queue()  # (status, body) of the next ones; else 200
    held = threading.Event()  # set: requests are answered

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json", self.headers
        self.bodies.put(body.decode())
        self.held.wait()
        try:
            status, text = self.answers.get_nowait()
        except queue.Empty:
            status, text = 200, "{}"
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())
        except OSError:
            pass

    def log_message(self, *_):
        pass


def uint64(text):
    assert isinstance(text, str) and re.fullmatch(r"\d{1,20}", text), text
    return int(text)


def attributes(pairs):
    found = {}
    for pair in pairs:
        assert set(pair) == {"key", "value"} and len(pair["value"]) == 1, pair
        (kind, value), = pair["value"].items()
        assert kind in ("stringValue", "intValue") and isinstance(value, str), pair
        assert pair["key"] not in found, pair
        found[pair["key"]] = int(value) if kind == "intValue" else value
    return found


def check_span(span):
    """By opentelemetry/proto/trace/v1/trace.proto and the JSON mapping of OTLP."""
    known = {"traceId", "spanId", "parentSpanId", "flags", "name", "kind", "startTimeUnixNano",
             "endTimeUnixNano", "attributes", "status"}
    assert set(span) <= known, span
    assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and int(span["traceId"], 16), span
    assert re.fullmatch("[0-9a-f]{16}", span["spanId"]) and int(span["spanId"], 16), span
    if "parentSpanId" in span:
        assert re.fullmatch("[0-9a-f]{16}", span["parentSpanId"]), span
    assert isinstance(span["flags"], int) and span["flags"] & 1, span
    assert span["kind"] in KINDS.values() and span["name"], span
    assert uint64(span["startTimeUnixNano"]) <= uint64(span["endTimeUnixNano"]), span
    if "status" in span:
        assert span["status"]["code"] == 2 and isinstance(span["status"]["message"], str), span
    span["attributes"] = attributes(span["attributes"])
    return span


def spans_of(body):
    assert SECRET not in body, body
    request = json.loads(body)
    spans = []
    assert set(request) == {"resourceSpans"}
    for resource in request["resourceSpans"]:
        about = attributes(resource["resource"]["attributes"])
        assert about["service.name"] == "weir test" and about["service.instance.id"], about
        for scope in resource["scopeSpans"]:
            assert scope["scope"]["name"] == "pgweir" and scope["scope"]["version"], scope
            spans += [check_span(span) for span in scope["spans"]]
    return spans


class Spans:
    """What has come, by trace."""

    def __init__(self):
        self.all = []

    def wait_for(self, what, found):
        end = time.monotonic() + PATIENCE
        while True:
            hits = [span for span in self.all if found(span)]
            if hits:
                return hits
            try:
                self.all += spans_of(Receiver.bodies.get(timeout=max(0.1, end - time.monotonic())))
            except queue.Empty:
                raise SystemExit(f"did not come: {what}; there are {self.all}") from None

    def of(self, trace, names):
        """The spans of one trace, by name: all of `names` and no other."""
        self.wait_for(f"trace {trace}", lambda span: span["traceId"] == trace and span["kind"] == KINDS["server"])
        spans = [span for span in self.all if span["traceId"] == trace]
        assert sorted(span["name"] for span in spans) == sorted(names), spans
        return spans


def trace(number):
    return f"{number:032x}"


def parent_of(number, flags="01"):
    return f"00-{trace(number)}-{PARENT}-{flags}"


def settle(admin, client, **settings):
    for name, value in settings.items():
        admin.execute(f"SET {name} = '{value}'")
    client.execute("select 0")  # its worker has heard of it by then


def metric(name):
    with urllib.request.urlopen(f"http://127.0.0.1:{os.environ['WEIR_HTTP_PORT']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


def wait_metric(name, least):
    end = time.monotonic() + PATIENCE
    while metric(name) < least:
        assert time.monotonic() < end, f"{name} stays below {least}"
        time.sleep(0.05)


def check_traced(client, spans):
    database = client.info.dbname
    client.execute(f"select '{SECRET}', count(*) from generate_series(1, 3) /*traceparent='{parent_of(1)}'*/")
    client.execute(f"select %s::text /*traceparent='{parent_of(2)}'*/", [SECRET])
    client.execute(f"select 1 /*traceparent='{parent_of(3, '00')}'*/")  # its trace is not sampled
    client.execute("select 2")
    try:
        client.execute(f"select 1/(length('{SECRET}') - {len(SECRET)}) /*traceparent='{parent_of(4)}'*/")
        raise SystemExit("no division by zero")
    except psycopg.errors.DivisionByZero:
        pass
    client.execute(f"set application_name = 'traceparent={parent_of(5)}'")
    client.execute("select 5")
    client.execute("reset application_name")
    for number in (1, 2):
        outer, inner = sorted(spans.of(trace(number), ["SELECT", "SELECT"]), key=lambda span: span["kind"])
        assert (outer["kind"], inner["kind"]) == (KINDS["server"], KINDS["client"])
        assert outer["parentSpanId"] == PARENT and inner["parentSpanId"] == outer["spanId"]
        assert outer["flags"] == 0x301 and inner["flags"] == 0x101
        assert uint64(outer["startTimeUnixNano"]) <= uint64(inner["startTimeUnixNano"])
        assert uint64(inner["endTimeUnixNano"]) <= uint64(outer["endTimeUnixNano"])
        assert abs(uint64(outer["endTimeUnixNano"]) / 1e9 - time.time()) < 3600
        for span in (outer, inner):
            found = span["attributes"]
            assert found["db.system.name"] == "postgresql" and found["db.namespace"] == database, found
            assert "$1" in found["db.query.text"] and found["db.query.summary"] == "SELECT", found
            assert re.fullmatch("[0-9a-f]{16}", found["pgweir.fingerprint"]) and "status" not in span
        assert outer["attributes"]["pgweir.rows"] == 1 and outer["attributes"]["client.port"] > 0
        assert inner["attributes"]["server.address"] and inner["attributes"]["pgweir.server.process_id"] > 0
    failed = spans.of(trace(4), ["SELECT", "SELECT"])
    for span in failed:
        assert span["status"]["code"] == 2 and span["attributes"]["db.response.status_code"] == "22012", span
    spans.wait_for("application_name", lambda span: span["traceId"] == trace(5))
    # In order: what was not to come would be there by now.
    assert not any(span["traceId"] == trace(3) for span in spans.all)
    assert {span["traceId"] for span in spans.all} <= {trace(number) for number in (1, 2, 4, 5)}


def check_wait(spans):
    """More clients than servers: a span for the wait."""
    holders = [psycopg.connect("") for _ in range(POOL)]
    for holder in holders:
        holder.execute("select 1")
    waiter = psycopg.connect("", autocommit=True)
    thread = threading.Thread(target=lambda: waiter.execute(f"select 6 /*traceparent='{parent_of(6)}'*/"))
    before = metric('pgweir_trace_spans_total{result="exported"}')
    thread.start()
    with psycopg.connect("dbname=pgbouncer user=" + os.environ["WEIR_ADMIN"], autocommit=True) as admin:
        while not any(row[3] for row in admin.execute("SHOW POOLS").fetchall()):
            time.sleep(0.01)
    for holder in holders:
        holder.close()
    thread.join()
    waiter.close()
    found = spans.of(trace(6), ["SELECT", "SELECT", "wait for a server"])
    wait = next(span for span in found if span["kind"] == KINDS["internal"])
    assert uint64(wait["endTimeUnixNano"]) > uint64(wait["startTimeUnixNano"])
    wait_metric('pgweir_trace_spans_total{result="exported"}', before + 3)


def check_sampling(client, admin, spans):
    settle(admin, client, trace_sample_percent=100)
    for _ in range(3):
        client.execute("select pg_backend_pid()")
    settle(admin, client, trace_sample_percent=0)
    traces = set()
    while len(traces) < 3:
        new = spans.wait_for("samples", lambda span: "pg_backend_pid" in span["attributes"].get("db.query.text", "")
                             and span["traceId"] not in traces)
        assert all("parentSpanId" not in span for span in new if span["kind"] == KINDS["server"]), new
        traces |= {span["traceId"] for span in new}


def check_refusals(client):
    """503: the same again; 400: never again; what is rejected is counted."""
    while not Receiver.bodies.empty():
        Receiver.bodies.get()
    Receiver.answers.put((503, ""))
    client.execute(f"select 8 /*traceparent='{parent_of(8)}'*/")
    first, second = (Receiver.bodies.get(timeout=PATIENCE) for _ in range(2))
    assert first == second and len(spans_of(first)) == 2
    Receiver.answers.put((400, "no"))
    client.execute(f"select 9 /*traceparent='{parent_of(9)}'*/")
    wait_metric('pgweir_trace_spans_total{result="rejected"}', 2)
    Receiver.answers.put((200, '{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "no"}}'))
    client.execute(f"select 10 /*traceparent='{parent_of(10)}'*/")
    wait_metric('pgweir_trace_spans_total{result="rejected"}', 3)
    assert Receiver.bodies.qsize() == 2


def check_hanging(client, admin):
    """The receiver takes requests and answers none: statements run on, the queue stays bounded."""
    Receiver.held.clear()
    settle(admin, client, trace_sample_percent=100)
    for _ in range(12):
        client.execute("select 1;" * 1000)
    settle(admin, client, trace_sample_percent=0)
    assert metric("pgweir_trace_dropped_statements_total") > 0
    assert 0 < metric("pgweir_trace_queue_statements") <= 8192
    exported = metric('pgweir_trace_spans_total{result="exported"}')
    Receiver.held.set()
    wait_metric('pgweir_trace_spans_total{result="exported"}', exported + 8000)


def check_gone(client, admin, server):
    """Nobody listens any more, then nobody is asked."""
    server.shutdown()
    server.server_close()
    for _ in range(20):
        client.execute(f"select 11 /*traceparent='{parent_of(11)}'*/")
    settle(admin, client, trace_endpoint="")
    client.execute(f"select 12 /*traceparent='{parent_of(12)}'*/")


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Receiver.held.set()
    with psycopg.connect("dbname=pgbouncer user=" + os.environ["WEIR_ADMIN"], autocommit=True) as admin:
        with psycopg.connect("", autocommit=True) as client:
            client.execute(f"select 0 /*traceparent='{parent_of(99)}'*/")  # off: nowhere
            settle(admin, client, trace_service_name="weir test",
                   trace_endpoint=f"http://127.0.0.1:{server.server_port}/v1/traces")
            spans = Spans()
            check_traced(client, spans)
            check_wait(spans)
            check_sampling(client, admin, spans)
            check_refusals(client)
            check_hanging(client, admin)
            check_gone(client, admin, server)
    print(f"{len(spans.all)} spans were looked at")


main()
