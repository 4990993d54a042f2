#!/usr/bin/env python3
"""A real Prometheus over pgweir under load (run by with_proxy): /metrics passes promtool, series are
there, every panel's expression is evaluated, an alert fires and ends.

usage: with_prometheus.py ROOT. Environment: that of tests/drivers/with_proxy, WEIR_HTTP_PORT.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

import psycopg

ROOT = pathlib.Path(sys.argv[1])
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "conf" / "monitoring"))
import generate  # noqa: E402

PATIENCE = 20 * int(os.environ.get("WEIR_TEST_PATIENCE", "1"))
HTTP = f"127.0.0.1:{os.environ['WEIR_HTTP_PORT']}"
POOL = int(os.environ["WEIR_POOL_SIZE"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
        return answer.read().decode(), answer.headers


def wait_for(what, check):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.2)
    raise SystemExit(f"did not come: {what}")


class Load:
    """Clients that run small transactions until stop()."""

    def __init__(self, clients):
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        with psycopg.connect("", autocommit=True) as connection:
            while not self.stopping.is_set():
                connection.execute("select count(*) from generate_series(1, %s)", [100])
                time.sleep(0.005)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def check_metrics_text():
    text, headers = get(f"http://{HTTP}/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, f"promtool check metrics: {done.stdout}{done.stderr}"
    text, headers = get(f"http://{HTTP}/metrics", {"Accept": "application/openmetrics-text; version=1.0.0"})
    assert headers["Content-Type"].startswith("application/openmetrics-text"), headers
    assert text.endswith("# EOF\n")


def configure(directory, port):
    # The alerts of the repository, without their patience.
    rules = re.sub(r"for: \w+", "for: 0s", (ROOT / "conf/monitoring/alerts.yml").read_text())
    (directory / "alerts.yml").write_text(rules)
    (directory / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(directory / "alerts.yml")],
        "scrape_configs": [{"job_name": "pgweir", "static_configs": [{"targets": [HTTP]}]}],
    }))
    return subprocess.Popen(
        ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"])


class Prometheus:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def api(self, path, **parameters):
        try:
            text, _ = get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{parameters}: {error.read().decode()}") from error
        except OSError:
            return None  # not up yet
        return json.loads(text)["data"]

    def query(self, expression):
        found = self.api("query", query=expression)
        return found["result"] if found else []

    def firing(self, name):
        alerts = (self.api("alerts") or {"alerts": []})["alerts"]
        return [alert for alert in alerts if alert["labels"]["alertname"] == name and alert["state"] == "firing"]


def check_alert(prometheus):
    """More clients than servers, none of which comes back: PgweirClientsWait."""
    holders = [psycopg.connect("") for _ in range(POOL)]
    for holder in holders:
        holder.execute("select 1")
    waiter = threading.Thread(target=lambda: psycopg.connect("").execute("select 1"), daemon=True)
    waiter.start()
    alert = wait_for("PgweirClientsWait fires", lambda: prometheus.firing("PgweirClientsWait"))[0]
    assert alert["annotations"]["runbook_url"].endswith("#pgweirclientswait"), alert
    for holder in holders:
        holder.close()
    waiter.join()
    wait_for("PgweirClientsWait ends", lambda: not prometheus.firing("PgweirClientsWait"))


def make_trouble():
    """An error, and a client that is not let in."""
    with psycopg.connect("", autocommit=True) as connection:
        try:
            connection.execute("select 1/0")
        except psycopg.errors.DivisionByZero:
            pass
    try:
        psycopg.connect("password=wrong")
    except psycopg.OperationalError:
        return
    raise SystemExit("a wrong password is as good as the right one")


def check_panels(prometheus):
    filled = 0
    for row, title, _, targets in generate.PANELS:
        for expression, _ in targets:
            # Without several hosts there are no series of hosts and routes; nobody pins, no loop is stuck.
            wanted = row in ("Traffic", "Pools", "Logins", "Inside", "Process") and not re.search("pins|stuck", expression)
            if wanted:
                wait_for(f"panel {title}: {expression}", lambda: prometheus.query(expression))  # noqa: B023
            filled += bool(wanted or prometheus.query(expression))
    print(f"{sum(len(panel[3]) for panel in generate.PANELS)} expressions evaluated, {filled} with series")


def main():
    check_metrics_text()
    with tempfile.TemporaryDirectory(prefix="weir-prometheus-") as name:
        port = free_port()
        process = configure(pathlib.Path(name), port)
        try:
            prometheus = Prometheus(port)
            load = Load(3)
            make_trouble()
            wait_for("queries are counted", lambda: prometheus.query("rate(pgweir_queries_total[10s]) > 0"))
            wait_for("rates over a minute", lambda: prometheus.query("rate(pgweir_queries_total[1m]) > 0"))
            check_panels(prometheus)
            load.stop()
            check_alert(prometheus)
        finally:
            process.terminate()
            process.wait()


main()
