#!/usr/bin/env python3
"""The Grafana dashboard, the alert rules and their runbook, from the one list below.

usage: generate.py [--check] [--runbook URL]

Writes dashboard.json, alerts.yml, runbook.md and reference.md (which is a part of
`pgweir --reference`) beside itself; with --check it only says whether
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
    ("Traffic", "Query time, p50 / p95 / p99", "s", [
        (f"histogram_quantile({quantile}, sum by (le, database, user) "
         "(rate(pgweir_query_duration_seconds_bucket[5m])))", f"p{name} {{{{database}}}}/{{{{user}}}}")
        for quantile, name in ((0.5, 50), (0.95, 95), (0.99, 99))]),
    ("Traffic", "Transaction time, p95", "s", [
        ("histogram_quantile(0.95, sum by (le, database, user) "
         "(rate(pgweir_transaction_duration_seconds_bucket[5m])))", "{{database}}/{{user}}")]),
    ("Traffic", "Wait for a server, p95", "s", [
        ("histogram_quantile(0.95, sum by (le, database, user) "
         "(rate(pgweir_client_wait_duration_seconds_bucket[5m])))", "{{database}}/{{user}}")]),
    ("Traffic", "Commits and rollbacks", "ops", [
        ("sum by (end) (rate(pgweir_transaction_ends_total[1m]))", "{{end}}")]),
    ("Traffic", "Errors by SQLSTATE", "ops", [
        ("topk(10, sum by (sqlstate, from) (rate(pgweir_errors_total[5m])))", "{{sqlstate}} {{from}}")]),
    ("Traffic", "Oldest query and transaction", "s", [
        ("pgweir_pool_oldest_query_seconds", "query {{database}}/{{user}}"),
        ("pgweir_pool_oldest_transaction_seconds", "transaction {{database}}/{{user}}")]),
    ("Traffic", "Bytes", "Bps", [
        ("sum(rate(pgweir_received_bytes_total[1m]))", "from clients"),
        ("sum(rate(pgweir_sent_bytes_total[1m]))", "to clients")]),
    ("Pools", "Clients by state", "none", [
        ("sum by (database, user, state) (pgweir_pool_clients)", "{{database}}/{{user}} {{state}}")]),
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
    ("Logins", "Logins", "ops", [
        ("sum by (side, result) (rate(pgweir_logins_total[5m]))", "{{side}} {{result}}")]),
    ("Logins", "Login time, p95", "s", [
        ("histogram_quantile(0.95, sum by (le, side) (rate(pgweir_login_duration_seconds_bucket[5m])))", "{{side}}")]),
    ("Logins", "Failed logins by SQLSTATE", "ops", [
        ("sum by (side, sqlstate) (rate(pgweir_login_failures_total[5m]))", "{{side}} {{sqlstate}}")]),
    ("Logins", "TLS handshakes", "ops", [
        ("sum by (side, version) (rate(pgweir_tls_handshakes_total[5m]))", "{{side}} {{version}}"),
        ("sum by (side) (rate(pgweir_tls_handshake_failures_total[5m]))", "{{side}} failed")]),
    ("Inside", "Statement cache: hits", "percentunit", [
        ('sum by (instance) (rate(pgweir_statement_cache_requests_total{result=~"exact_hit|blind_hit"}[5m])) / '
         "sum by (instance) (rate(pgweir_statement_cache_requests_total[5m]) > 0)", "{{instance}}")]),
    ("Inside", "Prepared statements a server had already", "percentunit", [
        ('1 - sum by (database, user) (rate(pgweir_parses_total{side="server"}[5m])) / '
         "sum by (database, user) (rate(pgweir_binds_total[5m]) > 0)", "{{database}}/{{user}}")]),
    ("Inside", "Catalog reads", "ops", [("rate(pgweir_catalog_reads_total[5m])", "{{instance}}")]),
    ("Inside", "Delay of the workers' loops, p99", "s", [
        ("histogram_quantile(0.99, sum by (le, instance, worker) "
         "(rate(pgweir_worker_loop_delay_seconds_bucket[5m])))", "{{instance}} {{worker}}"),
        ("pgweir_worker_loop_stuck_seconds > 0", "stuck: {{instance}} {{worker}}")]),
    ("Inside", "Memory by part", "bytes", [("pgweir_memory_bytes", "{{part}} {{instance}}")]),
    ("Inside", "Spans", "ops", [
        ("sum by (result) (rate(pgweir_trace_spans_total[5m]))", "{{result}}"),
        ("sum(rate(pgweir_trace_dropped_statements_total[5m]))", "dropped")]),
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
    ("PgweirSlowQueries", "sum by (instance, database, user) (rate(pgweir_query_duration_seconds_count[5m])) "
     '- sum by (instance, database, user) (rate(pgweir_query_duration_seconds_bucket{le="1.048576"}[5m])) > 0.1', "5m", "info",
     "{{ $value | humanize }} queries per second of {{ $labels.database }}/{{ $labels.user }} take over one second.",
     "Some queries are slow, whatever the mean says; the wait for a server counts.", "`SHOW SLOW` and `SHOW QUERIES` name them, with where their time goes."),
    ("PgweirP95", "histogram_quantile(0.95, sum by (instance, database, user, le) (rate(pgweir_query_duration_seconds_bucket[5m]))) > 0.1", "10m", "warning",
     "p95 of {{ $labels.database }}/{{ $labels.user }} is {{ $value | humanizeDuration }}.", "One query of twenty takes over 100 ms, waiting included.",
     "`SHOW QUERIES 5m`: is it wait, server or client? If it is the wait: PgweirPoolUse, PgweirClientsWait."),
    ("PgweirLongQuery", "pgweir_pool_oldest_query_seconds > 300", "0s", "warning", "A query of {{ $labels.database }}/{{ $labels.user }} has run for {{ $value | humanizeDuration }}.",
     "A query has run for more than five minutes and keeps its server, its locks and the server's xmin.",
     "`SHOW CLIENTS WHERE state = 'active'`, `SHOW TRANSACTIONS` (who blocks it); `CANCEL CLIENT id` ends it. `query_timeout` bounds such queries."),
    ("PgweirLongTransaction", "pgweir_pool_oldest_transaction_seconds > 300", "0s", "warning", "A transaction of {{ $labels.database }}/{{ $labels.user }} is open for {{ $value | humanizeDuration }}.",
     "It keeps a server from the pool and VACUUM from cleaning, even if nothing runs in it.",
     "`SHOW TRANSACTIONS` names client, age and last statement; `CANCEL IDLE_TX > 5min` ends those that idle. `idle_transaction_timeout` and `transaction_timeout` bound them."),
    ("PgweirErrorRate", 'sum by (instance) (rate(pgweir_errors_total[5m])) / sum by (instance) (rate(pgweir_queries_total[5m]) > 0) > 0.05', "5m", "warning",
     "{{ $value | humanizePercentage }} of the queries of {{ $labels.instance }} end with an error.", "More than one query of twenty fails, at a server or here.",
     "`SHOW ERRORS` has them by SQLSTATE, database and statement; a new release, a missing table, or errors of pgweir's own (`from=\"pgweir\"`)?"),
    ("PgweirDeadlocks", 'sum by (instance) (rate(pgweir_errors_total{sqlstate="40P01"}[5m])) * 300 > 3', "0s", "warning", "{{ $value | humanize }} deadlocks within five minutes.",
     "PostgreSQL has ended transactions that waited for each other (40P01).", "PostgreSQL's log has both statements; take locks in one order, retry the transaction."),
    ("PgweirPoolerErrors", 'sum by (instance, sqlstate) (rate(pgweir_errors_total{from="pgweir"}[5m])) > 0.1', "5m", "warning", "pgweir itself refuses requests with {{ $labels.sqlstate }}.",
     "No server within `query_wait_timeout` (08006, 57014), limits (53300), or something that cannot be done.", "`SHOW ERRORS` and the log say which; `SHOW PROBLEMS` the likely cause."),
    ("PgweirLogins", 'sum by (instance) (rate(pgweir_login_failures_total{side="client"}[5m])) > 1', "5m", "warning", "{{ $value | humanize }} logins per second of clients fail.",
     "Wrong passwords, unknown databases, full limits, or somebody who tries.", "The log names address, user and reason; panel \"Failed logins by SQLSTATE\": 28P01 is a password, 3D000 a database, 53300 a limit."),
    ("PgweirStatementCache", 'sum by (instance) (rate(pgweir_statement_cache_requests_total{result=~"exact_hit|blind_hit"}[5m])) / '
     "sum by (instance) (rate(pgweir_statement_cache_requests_total[5m]) > 1) < 0.95", "10m", "info", "Only {{ $value | humanizePercentage }} of the statements are known when they come.",
     "More than one statement of twenty has to be parsed, which costs CPU.", "Texts are made anew each time: names of tables or columns in them, lists of many lengths, comments with ids. `SHOW QUERIES` ends in texts that occur once."),
    ("PgweirPreparedMisses", '1 - sum by (instance, database, user) (rate(pgweir_parses_total{side="server"}[5m])) / sum by (instance, database, user) (rate(pgweir_binds_total[5m]) > 1) < 0.95', "10m", "info",
     "Servers of {{ $labels.database }}/{{ $labels.user }} know only {{ $value | humanizePercentage }} of the prepared statements they are to run.",
     "Statements are prepared again and again on servers.", "More statements than `max_prepared_statements`, servers that are renewed often, or a driver that prepares each statement for one use."),
    ("PgweirLoopDelay", "histogram_quantile(0.9, sum by (instance, worker, le) (rate(pgweir_worker_loop_delay_seconds_bucket[5m]))) > 0.05 or pgweir_worker_loop_stuck_seconds > 1", "1m", "warning",
     "Worker {{ $labels.worker }} of {{ $labels.instance }} is late by {{ $value | humanizeDuration }}.", "Whatever comes new to this worker waits: its core is overloaded or taken by others.",
     "CPU of the process and of the machine (steal, throttling by a cgroup); more `workers`, or more cores."),
    ("PgweirSpansLost", 'sum by (instance) (rate(pgweir_trace_dropped_statements_total[5m])) + sum by (instance) (rate(pgweir_trace_spans_total{result!="exported"}[5m])) > 0', "10m", "info",
     "Spans do not reach trace_endpoint.", "Traces have gaps. No statement is delayed by it.", "The log says what the endpoint answers; a lower `trace_sample_percent`, or a collector that is nearer."),
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


def reference():
    """Alerts and panels, as `pgweir --reference` shows them."""
    cell = lambda text: text.replace("|", "\\|")  # noqa: E731
    lines = ["## Alerts", "", "conf/monitoring/alerts.yml; what to do: runbook.md.", "",
             "| Alert | Severity | After | Expression | What it means |", "|---|---|---|---|---|"]
    lines += [f"| `{name}` | {severity} | {duration} | `{cell(expression)}` | {cell(meaning)} |"
              for name, expression, duration, severity, _, meaning, _ in ALERTS]
    lines += ["", "## Panels", "", "conf/monitoring/dashboard.json.", "",
              "| Row | Panel | Expressions |", "|---|---|---|"]
    lines += [f"| {row} | {cell(title)} | {'; '.join(f'`{cell(expression)}`' for expression, _ in targets)} |"
              for row, title, _, targets in PANELS]
    return "\n".join(lines) + "\n"


def main():
    arguments = sys.argv[1:]
    url = arguments[arguments.index("--runbook") + 1] if "--runbook" in arguments else RUNBOOK
    files = {"dashboard.json": dashboard(), "alerts.yml": rules(url), "runbook.md": runbook(),
             "reference.md": reference()}
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
