"""Loads in alternating rounds: throughput, latency, CPU per transaction, waiting."""

import math

from .pgbench import pgbench
from .report import Row, interval, number
from .stats import median, median_interval, ratios

PAIRS_NEEDED = 40
CPU_MEDIAN, CPU_UPPER = 1.00, 1.05
WAITING_LIMIT = 1.1
NARROW_POOL = 5


def clients_text(count):
    return f"{count} client" + ("s" if count > 1 else "")


# --- CPU per transaction ---

def cpu(context):
    """Quads PgBouncer, pgweir, pgweir, PgBouncer: two pairs each, drift cancels, and neighbours of
    the same kind are the A/A control."""
    for clients in (16, 64):
        rounds = {"pgbouncer": [], "pgweir": []}
        pairs, same = [], {"pgbouncer": [], "pgweir": []}
        previous = None
        for _ in range(context.cpu_quads):
            for name in ("pgbouncer", "pgweir", "pgweir", "pgbouncer"):
                run = pgbench(context.sandbox, context.wide(name), clients,
                              seconds=context.cpu_seconds)
                rounds[name].append(run.cpu_per_transaction)
                if previous == name:
                    same[name].append((rounds[name][-1], rounds[name][-2]))
                previous = name
            pairs += [(rounds["pgweir"][-2], rounds["pgbouncer"][-2]),
                      (rounds["pgweir"][-1], rounds["pgbouncer"][-1])]
        add_cpu_rows(context, clients, rounds, pairs, same)


def add_cpu_rows(context, clients, rounds, pairs, same):
    middle, low, high = median_interval(ratios(pairs))
    met = middle <= CPU_MEDIAN and high <= CPU_UPPER
    if len(pairs) < PAIRS_NEEDED:
        met = f"{len(pairs)} pairs, {PAIRS_NEEDED} needed"
    context.report.add(Row(
        f"CPU per transaction, {clients_text(clients)}, us",
        pgbouncer=number(median(rounds["pgbouncer"])), pgweir=number(median(rounds["pgweir"])),
        ratio=interval(middle, low, high),
        budget=f"<= {CPU_MEDIAN:.2f}, upper <= {CPU_UPPER:.2f}", met=met,
    ))
    for name, column in (("pgbouncer", "pgbouncer"), ("pgweir", "pgweir")):
        control = median_interval(ratios(same[name]))
        context.report.add(Row(f"A/A control: {name} against itself, {clients_text(clients)}",
                               **{column: interval(*control)}))


# --- throughput and latency, everybody ---

def load(context):
    targets = {"direct": context.sandbox.postgres}
    targets |= {name: context.wide(name) for name in ("pgbouncer", "haproxy", "pgweir")}
    runs = rounds_of(context, targets, context.load_rounds, 16)
    for what, value in (
        ("tps, 16 clients", lambda run: run.tps),
        ("latency p50, 16 clients, ms", lambda run: run.latency(0.50)),
        ("latency p99, 16 clients, ms", lambda run: run.latency(0.99)),
        ("CPU per transaction, same rounds, us", lambda run: run.cpu_per_transaction),
    ):
        add_row(context, what, runs, value, skip=("direct",) if what.startswith("CPU") else ())


def rounds_of(context, targets, rounds, clients, **options):
    """{name: runs}; each round begins with another target."""
    names, runs = list(targets), {name: [] for name in targets}
    for number_of_round in range(rounds):
        first = number_of_round % len(names)
        for name in names[first:] + names[:first]:
            runs[name].append(pgbench(
                context.sandbox, targets[name], clients, seconds=context.load_seconds,
                latencies=True, **options
            ))
    return runs


def add_row(context, what, runs, value, skip=(), over="pgbouncer"):
    cells = {name: number(median([value(run) for run in of])) for name, of in runs.items()
             if name not in skip}
    pairs = [(value(ours), value(theirs)) for ours, theirs in zip(runs["pgweir"], runs[over])]
    context.report.add(Row(what, **cells, ratio=interval(*median_interval(ratios(pairs)))))


# --- prepared statements ---

def prepared(context):
    targets = {"direct": context.sandbox.postgres, "pgweir": context.wide("pgweir")}
    runs = rounds_of(context, targets, context.load_rounds, 16, mode="prepared")
    for what, value in (
        ("prepared: tps, 16 clients (ratio to direct)", lambda run: run.tps),
        ("prepared: latency p50, ms (ratio to direct)", lambda run: run.latency(0.50)),
        ("prepared: latency p99, ms (ratio to direct)", lambda run: run.latency(0.99)),
    ):
        add_row(context, what, runs, value, over="direct")
    context.report.add(Row(
        "prepared: CPU per transaction, us",
        pgweir=number(median([run.cpu_per_transaction for run in runs["pgweir"]]))))
    context.report.note("prepared mode is compared with direct connections: Debian's PgBouncer "
                        "1.18 has no prepared statements in transaction mode")


# --- more clients than servers ---

def spread(run):
    return run.latency(0.99) / run.latency(0.50)


def waiting(context):
    clients = 10 * NARROW_POOL
    targets = {name: context.narrow(name) for name in ("pgbouncer", "pgweir")}
    runs = rounds_of(context, targets, context.waiting_rounds, clients)
    pairs = [(spread(ours), spread(theirs))
             for ours, theirs in zip(runs["pgweir"], runs["pgbouncer"])]
    middle, low, high = median_interval(ratios(pairs))
    context.report.add(Row(
        f"waiting: p99/p50, {clients} clients on {NARROW_POOL} servers",
        pgbouncer=number(median([spread(run) for run in runs["pgbouncer"]])),
        pgweir=number(median([spread(run) for run in runs["pgweir"]])),
        ratio=interval(middle, low, high), budget=f"<= {WAITING_LIMIT}",
        met=middle <= WAITING_LIMIT if not math.isnan(middle) else None,
    ))
    for what, value in (("waiting: tps", lambda run: run.tps),
                        ("waiting: latency p50, ms", lambda run: run.latency(0.50)),
                        ("waiting: latency p99, ms", lambda run: run.latency(0.99)),
                        ("waiting: CPU per transaction, us", lambda run: run.cpu_per_transaction)):
        add_row(context, what, runs, value)


def workers2(context):
    clients = 10 * NARROW_POOL
    targets = {"pgbouncer": context.narrow("pgbouncer"),
               "pgweir": context.narrow("pgweir", workers=2)}
    runs = rounds_of(context, targets, context.waiting_rounds, clients)
    for what, value in (("tps", lambda run: run.tps),
                        ("latency p50, ms", lambda run: run.latency(0.50)),
                        ("latency p99, ms", lambda run: run.latency(0.99)),
                        ("CPU per transaction, us", lambda run: run.cpu_per_transaction)):
        add_row(context, f"2 workers, {clients} clients on {NARROW_POOL} servers: {what}", runs,
                value)
