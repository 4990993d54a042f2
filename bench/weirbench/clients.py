"""What a client costs that only exists or only logs in: memory when idle, CPU per login."""

import re
import time

from .counts import strace_counts
from .raw_client import RawClient, tls_context
from .report import Row, interval, number
from .stats import median, median_interval, ratios

IDLE_BUDGET = {"plain": 2048, "TLS": 16384}
LOGIN_LIMIT = 1.0


# --- memory ---

def idle(context):
    count = context.idle_clients
    for kind in ("plain", "TLS"):
        certificate = context.sandbox.certificate() if kind == "TLS" else None
        results = {}
        for name in ("pgbouncer", "pgweir"):
            target = getattr(context.sandbox, name)(pool=8, tls=certificate)
            try:
                results[name] = idle_memory(target, count, kind == "TLS")
            finally:
                context.sandbox.stop(target)
        ours, theirs = results["pgweir"], results["pgbouncer"]
        budget = IDLE_BUDGET[kind]
        for state in ("fresh", "used"):
            context.report.add(Row(
                f"memory per idle client, {kind}, "
                + ("logged in only" if state == "fresh" else "after a query")
                + f" ({count:,} clients), bytes",
                pgbouncer=number(theirs[state], 4), pgweir=number(ours[state], 4),
                ratio=f"{ours[state] / theirs[state]:.3f}", budget=f"<= {budget:,}",
                met=ours[state] <= budget,
            ))
        context.report.note(
            f"idle {kind} client: resident memory of the proxy only; the kernel's slab grew by "
            f"{ours['slab']:,.0f} bytes per client (both ends of its connection, this benchmark's "
            f"side included); pgweir's resident memory was {ours['base'] / 1e6:.1f} MB before and "
            f"{ours['after_leaving'] / 1e6:.1f} MB after all had left"
        )


def slab():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"^Slab:\s+(\d+)", file.read(), re.M).group(1)) * 1024


def idle_memory(target, count, tls):
    """Bytes per client: {'fresh', 'used', 'slab'}, and in all: {'base', 'after_leaving'}."""
    def connect():
        return RawClient(target.port, context=context)

    context = tls_context() if tls else None
    # Its pool, its welcome and its caches exist when the first client has left.
    for _ in range(50):
        first = connect()
        first.query("select 1")
        first.close()
    time.sleep(0.2)
    base, base_slab = target.memory()["rss"], slab()
    clients = []
    try:
        clients.extend(connect() for _ in range(count))
        time.sleep(0.5)
        fresh, fresh_slab = target.memory()["rss"], slab()
        for client in clients:
            client.query("select 1")
        time.sleep(0.5)
        used = target.memory()["rss"]
    finally:
        for client in clients:
            client.socket.close()
    time.sleep(1)
    return {"fresh": (fresh - base) / count, "used": (used - base) / count,
            "slab": (fresh_slab - base_slab) / count, "base": base,
            "after_leaving": target.memory()["rss"]}


# --- logins ---

def cpu_per_login(target, count, secret, context):
    before = target.cpu_seconds()
    for _ in range(count):
        RawClient(target.port, secret, context).close()
    time.sleep(0.05)  # what happens after the socket is closed
    return (target.cpu_seconds() - before) / count * 1e6


def login(context):
    for kind in ("SCRAM", "trust", "TLS and SCRAM"):
        scram = "SCRAM" in kind
        tls = context.sandbox.certificate() if "TLS" in kind else None
        options = {"auth": "scram-sha-256" if scram else "trust", "tls": tls}
        targets = {name: getattr(context.sandbox, name)(pool=8, **options)
                   for name in ("pgbouncer", "pgweir")}
        figures = {name: [] for name in targets}
        secret = context.sandbox.secret if scram else None
        client_tls = tls_context() if tls else None
        count = context.logins // 3 if tls else context.logins
        for target in targets.values():
            cpu_per_login(target, 20, secret, client_tls)
        pairs = []
        for block in range(context.login_blocks):
            order = ["pgbouncer", "pgweir"]
            for name in order if block % 2 == 0 else reversed(order):
                figures[name].append(cpu_per_login(targets[name], count, secret, client_tls))
            pairs.append((figures["pgweir"][-1], figures["pgbouncer"][-1]))
        if kind == "SCRAM":
            login_calls(context, targets, secret)
        for target in targets.values():
            context.sandbox.stop(target)
        middle, low, high = median_interval(ratios(pairs))
        budgeted = kind == "SCRAM"
        context.report.add(Row(
            f"CPU per login, {kind}, us",
            pgbouncer=number(median(figures["pgbouncer"])),
            pgweir=number(median(figures["pgweir"])), ratio=interval(middle, low, high),
            budget=f"<= {LOGIN_LIMIT:.1f}" if budgeted else "",
            met=middle <= LOGIN_LIMIT if budgeted else None,
        ))


def login_calls(context, targets, secret, count=100):
    cells, breakdown = {}, []
    for name, target in targets.items():
        calls = strace_counts(context.sandbox, target,
                              lambda t=target: cpu_per_login(t, count, secret, None))
        cells[name] = sum(calls.values()) / count
        breakdown.append(f"{name} " + ", ".join(
            f"{call} {times / count:.2f}" for call, times in calls.most_common()
            if times / count >= 0.05))
    context.report.add(Row(
        "system calls per login, SCRAM", pgbouncer=f"{cells['pgbouncer']:.1f}",
        pgweir=f"{cells['pgweir']:.1f}", ratio=f"{cells['pgweir'] / cells['pgbouncer']:.3f}"))
    context.report.note("system calls per login: " + "; ".join(breakdown))
