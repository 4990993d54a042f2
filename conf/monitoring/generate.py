#!/usr/bin/env python3
"""The Grafana dashboard, the alert rules and their runbook, from the one list below.

usage: generate.py [--check] [--runbook URL]

Writes dashboard.json, alerts.yml and runbook.md beside itself; with --check it only says whether
they are what it would write. That no expression names a metric that pgweir does not have is tested
(tests/monitoring) against `pgweir --list-metrics`.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
# Where alerts point to: give it the address where you keep the page, by --runbook URL.
RUNBOOK = "conf/monitoring/runbook.md"

# Panels: (row, title, unit, [(expression, legend), ...]).
PANELS = [
    ("Now", "Problems: hosts down or fenced", "none", [
        ("sum(pgweir_host_up == bool 0)", "down"),
        ('sum(pgweir_host_state{state="fenced"})', "fenced")]),
    ("Now", "Clients", "none", [
        ("pgweir_clients", "clients {{instance}}"), ("pgweir_clients_limit", "limit {{instance}}")]),
    ("Now", "Clients that wait", "none", [
        ('sum by (database, user) (pgweir_pool_clients{state="waiting"})', "{{database}}/{{user}}")]),
    ("Now", "Longest wait", "s", [
        ("pgweir_pool_longest_wait_seconds", "{{database}}/{{user}}")]),
    ("Traffic", "Transactions", "ops", [
        ("sum by (database, user) (rate(pgweir_transactions_total[1m]))", "{{database}}/{{user}}")]),
    ("Traffic", "Queries", "ops", [
        ("sum by (database, user) (rate(pgweir_queries_total[1m]))", "{{database}}/{{user}}")]),
    ("Traffic", "Query time, mean", "s", [
        ("sum by (database, user) (rate(pgweir_query_seconds_total[1m])) / "
         "sum by (database, user) (rate(pgweir_queries_total[1m]) > 0)", "{{database}}/{{user}}")]),
    ("Traffic", "Wait for a server, mean", "s", [
        ("sum by (database, user) (rate(pgweir_client_wait_seconds_total[1m])) / "
         "sum by (database, user) (rate(pgweir_server_assignments_total[1m]) > 0)",
         "{{database}}/{{user}}")]),
    ("Traffic", "Bytes", "Bps", [
        ("sum(rate(pgweir_received_bytes_total[1m]))", "from clients"),
        ("sum(rate(pgweir_sent_bytes_total[1m]))", "to clients")]),
    ("Pools", "Servers by state", "none", [
        ("sum by (database, user, host, state) (pgweir_pool_servers > 0)",
         "{{database}}/{{user}} {{host}} {{state}}")]),
    ("Pools", "Use of pools", "percentunit", [
        ('sum by (database, user, host) (pgweir_pool_servers{state=~"active|tested|being_canceled|'
         'opening|closing"}) / sum by (database, user, host) (pgweir_pool_size)', "{{database}}/{{user}} {{host}}")]),
    ("Pools", "Pinned clients", "none", [
        ("pgweir_pool_pinned_clients", "{{database}}/{{user}}"),
        ('sum by (reason) (rate(pgweir_pins_total{event="begun"}[5m]))', "{{reason}}, per second")]),
    ("Hosts", "Role and state", "none", [
        ('pgweir_host_role{role="primary"} == 1', "{{cluster}} {{host}} is primary"),
        ('pgweir_host_state{state!="healthy"} == 1', "{{cluster}} {{host}} {{state}}")]),
    ("Hosts", "Replica lag", "s", [("pgweir_host_lag_seconds", "{{cluster}} {{host}}")]),
    ("Hosts", "Replica lag in bytes", "bytes", [("pgweir_host_lag_bytes", "{{cluster}} {{host}}")]),
    ("Hosts", "Requests", "ops", [
        ("sum by (cluster, host) (rate(pgweir_host_requests_total[1m]))", "{{cluster}} {{host}}")]),
    ("Hosts", "Latency", "s", [("pgweir_host_latency_seconds", "{{cluster}} {{host}}")]),
    ("Hosts", "Lost requests", "ops", [
        ("sum by (cluster, host) (rate(pgweir_host_errors_total[5m]))", "{{cluster}} {{host}}")]),
    ("Routes", "Where transactions go", "ops", [
        ("sum by (cluster, target, reason) (rate(pgweir_routes_total[1m]))",
         "{{cluster}} {{target}}: {{reason}}")]),
    ("Routes", "Reads that replicas refused", "ops", [
        ("sum by (cluster, reason) (rate(pgweir_route_retries_total[5m]))", "{{cluster}} {{reason}}")]),
    ("Process", "CPU", "percentunit", [("rate(process_cpu_seconds_total[1m])", "{{instance}}")]),
    ("Process", "Memory", "bytes", [("process_resident_memory_bytes", "{{instance}}")]),
    ("Process", "Descriptors", "none", [
        ("process_open_fds", "open {{instance}}"), ("process_max_fds", "limit {{instance}}")]),
]

# Alerts: name, expression, for, severity, what it says, what it means, what to do.
ALERTS = [
    ("PgweirDown", 'up{job="pgweir"} == 0', "1m", "critical", "pgweir {{ $labels.instance }} does not answer.",
     "Prometheus gets no answer from `http_listen`. Clients may still be served: the page is apart from them.",
     "Look at the process and its log; `psql ... pgbouncer -c 'SHOW STATE'` says whether the console answers."),
    ("PgweirHostDown", "pgweir_host_up == 0", "30s", "critical", "{{ $labels.host }} of {{ $labels.cluster }} is down.",
     "The monitor's connection to the host fails, or is not answered in time.",
     "`SHOW HOSTS` has the reason. If it was the primary, writes wait (up to `query_wait_timeout`) until there is another."),
    ("PgweirHostFenced", 'pgweir_host_state{state="fenced"} == 1', "0s", "warning", "{{ $labels.host }} is fenced.",
     "An operator has fenced it, or it claims to be primary on an older or the same timeline as another one.",
     "`SHOW HOSTS` says which. After it was rebuilt: `UNFENCE host`."),
    ("PgweirNoPrimary", "pgweir_cluster_primaries != 1", "10s", "critical", "{{ $labels.cluster }} has {{ $value }} primaries.",
     "Nobody may be written to (0), or several hosts say that they are primary by configuration.",
     "Look at the failover tool (Patroni, repmgr); `SHOW HOSTS` shows what each host says."),
    ("PgweirReplicaLag1s", "pgweir_host_lag_seconds > 1", "1m", "info", "{{ $labels.host }} lags by {{ $value }} s.",
     "Reads that need newer data go to the primary or wait (`causal_wait`).",
     "Long queries on the replica, a slow disk or network, or a burst of writes. `SHOW HOSTS` has lag in bytes, too."),
    ("PgweirReplicaLag5s", "pgweir_host_lag_seconds > 5", "1m", "warning", "{{ $labels.host }} lags by {{ $value }} s.",
     "As PgweirReplicaLag1s; the primary has most of the reads by now.", "As PgweirReplicaLag1s."),
    ("PgweirReplicaLag10s", "pgweir_host_lag_seconds > 10", "1m", "critical", "{{ $labels.host }} lags by {{ $value }} s.",
     "Beyond the default of `max_lag`: the host gets no reads.", "As PgweirReplicaLag1s; is replay paused (`pgweir_host_replay_paused`)?"),
    ("PgweirPoolUse", 'sum by (instance, database, user, host) (pgweir_pool_servers{state=~"active|tested|being_canceled|opening|closing"}) '
     "/ sum by (instance, database, user, host) (pgweir_pool_size) > 0.8", "5m", "warning", "{{ $labels.database }}/{{ $labels.user }} uses {{ $value | humanizePercentage }} of its pool.",
     "Soon clients will wait.", "`SHOW SERVERS` shows what the servers do: long transactions, pins (`SHOW PINS`), or simply more load than `default_pool_size` is for."),
    ("PgweirClientsWait", 'sum by (instance, database, user) (pgweir_pool_clients{state="waiting"}) > 0', "1m", "warning", "{{ $value }} clients of {{ $labels.database }}/{{ $labels.user }} wait for a server.",
     "All servers of the pool are busy, paused, or cannot be opened.", "`SHOW POOLS`, `SHOW SERVERS`; on the status page: which pool is full, and since when."),
    ("PgweirLongWait", "pgweir_pool_longest_wait_seconds > 5", "30s", "critical", "A client of {{ $labels.database }}/{{ $labels.user }} has waited {{ $value }} s.",
     "Clients see it as a hanging application; after `query_wait_timeout` they get an error.", "As PgweirClientsWait."),
    ("PgweirLoginFailed", "pgweir_pool_login_failed == 1", "1m", "critical", "Logins to servers of {{ $labels.database }}/{{ $labels.user }} fail.",
     "PostgreSQL refuses the login, has no connection left, or cannot be reached.", "The log has PostgreSQL's own words; the status page and `SHOW POOLS` show the pool."),
    ("PgweirSlow", "sum by (instance, database, user) (rate(pgweir_query_seconds_total[5m])) / sum by (instance, database, user) (rate(pgweir_queries_total[5m]) > 0) > 1", "5m", "warning",
     "Queries of {{ $labels.database }}/{{ $labels.user }} take {{ $value }} s on average.", "The mean of all queries of five minutes is over one second.",
     "Is it the wait for a server (PgweirClientsWait) or the server? `pg_stat_activity` on the host."),
    ("PgweirPinned", "sum by (instance, database, user) (pgweir_pool_pinned_clients) / sum by (instance, database, user) (pgweir_pool_size) > 0.5", "10m", "warning",
     "Half of the servers of {{ $labels.database }}/{{ $labels.user }} are kept by clients.", "Pinned clients keep a server beyond the transaction; the rest share what is left.",
     "`SHOW PINS` says who and why; `max_pinned` and `pin_idle_timeout` bound it."),
    ("PgweirRecoveryConflicts", 'sum by (instance, cluster) (rate(pgweir_route_retries_total{reason=~".*conflict.*"}[5m])) > 0.1', "10m", "warning", "Replicas of {{ $labels.cluster }} cancel reads.",
     "Replay takes away what a read on a replica uses; pgweir runs such reads on the primary.", "`hot_standby_feedback` or `max_standby_streaming_delay` on the replicas; reports to a replica of their own."),
    ("PgweirLostRequests", "sum by (instance, cluster, host) (rate(pgweir_host_errors_total[5m])) > 0.1", "5m", "critical", "{{ $labels.host }} loses connections under requests.",
     "Server connections end while something runs there.", "PostgreSQL's log on the host: crashes, `pg_terminate_backend`, the network."),
    ("PgweirErrorBudget", "(sum by (instance) (rate(pgweir_host_errors_total[1h])) / sum by (instance) (rate(pgweir_host_requests_total[1h])) > 14.4 * 0.001) and "
     "(sum by (instance) (rate(pgweir_host_errors_total[5m])) / sum by (instance) (rate(pgweir_host_requests_total[5m])) > 14.4 * 0.001)", "2m", "critical",
     "The month's budget of lost requests (99.9 %) burns 14 times too fast.", "In two windows more than 1.44 % of the requests ended with their connection.", "As PgweirLostRequests, by host."),
    ("PgweirClientsFull", "pgweir_clients / pgweir_clients_limit > 0.9", "5m", "warning", "{{ $value | humanizePercentage }} of max_client_conn are in use.",
     "At 100 % new clients are refused (53300).", "`SHOW CLIENTS`; raise `max_client_conn`, or find who leaks connections."),
    ("PgweirReloadFailed", "pgweir_config_last_reload_successful == 0", "0s", "warning", "The last RELOAD failed.",
     "The file has a mistake; the settings from before are in force.", "`pgweir --check FILE` tells all mistakes."),
    ("PgweirCertificateExpiry", "pgweir_certificate_expiry_timestamp_seconds - time() < 14 * 86400", "1h", "warning", "The certificate {{ $labels.certificate }} expires in {{ $value | humanizeDuration }}.",
     "Clients that verify it will not connect any more.", "Replace the file and `RELOAD`."),
]


def dashboard():
    panels, y, x, last = [], 0, 0, None
    for number, (row, title, unit, targets) in enumerate(PANELS, 1):
        if row != last:
            y, x, last = y + (8 if x else 0), 0, row
            panels.append({"id": 1000 + number, "type": "row", "title": row, "collapsed": False,
                           "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
            y += 1
        panels.append({
            "id": number, "type": "timeseries", "title": title, "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"h": 8, "w": 8, "x": x, "y": y},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"lineWidth": 1, "fillOpacity": 8}}, "overrides": []},
            "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
            "targets": [{"refId": chr(65 + i), "expr": expression, "legendFormat": legend}
                        for i, (expression, legend) in enumerate(targets)]})
        x += 8
        if x == 24:
            x, y = 0, y + 8
    return json.dumps({
        "title": "pgweir", "uid": "pgweir", "schemaVersion": 39, "version": 1, "tags": ["pgweir", "postgresql"], "timezone": "",
        "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "panels": panels,
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "current": {}}]},
        "annotations": {"list": [{
            "name": "Failover", "enable": True, "iconColor": "red", "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "expr": 'changes(pgweir_host_role{role="primary"}[1m]) > 0', "titleFormat": "role of {{host}} changed"}]},
    }, indent=1) + "\n"


def rules(runbook_url):
    lines = ["# Made by generate.py of the list in it.", "groups:", "  - name: pgweir", "    rules:"]
    for name, expression, duration, severity, summary, _, _ in ALERTS:
        lines += [f"      - alert: {name}", f"        expr: {json.dumps(expression)}", f"        for: {duration}",
                  "        labels:", f"          severity: {severity}", "        annotations:",
                  f"          summary: {json.dumps(summary)}", f"          runbook_url: {runbook_url}#{name.lower()}"]
    return "\n".join(lines) + "\n"


def runbook():
    text = "# Runbook\n\nMade by `generate.py`. One section for each alert of `alerts.yml`, which link here.\n"
    for name, expression, duration, severity, _, meaning, action in ALERTS:
        text += (f"\n## {name}\n\n*{severity}*, after {duration}: `{expression}`\n\n"
                 f"**What it means.** {meaning}\n\n**What to do.** {action}\n")
    return text


def main():
    arguments = sys.argv[1:]
    url = arguments[arguments.index("--runbook") + 1] if "--runbook" in arguments else RUNBOOK
    files = {"dashboard.json": dashboard(), "alerts.yml": rules(url), "runbook.md": runbook()}
    wrong = 0
    for name, text in files.items():
        path = HERE / name
        if "--check" in arguments:
            if not path.exists() or path.read_text() != text:
                print(f"{path} is not what generate.py writes")
                wrong = 1
        else:
            path.write_text(text)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
