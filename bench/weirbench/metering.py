"""What statistics of statements cost: a pgweir that keeps them, against one that does not; and that
their memory has a bound."""

import os

from . import counts, servers
from .loads import clients_text
from .pgbench import pgbench
from .report import Row, interval, number
from .stats import median, median_interval, ratios

OFF = {"query_stats": False, "log_min_duration": "0s"}
TEXTS = 1_000_000
MEMORY_LIMIT_MB = 64


def statistics(context):
    instructions(context)
    for mode in ("simple", "prepared"):
        cpu(context, mode)
    memory(context)
    context.report.note("statistics: pgweir's column is with statistics and the slow log on (the "
                        "default), the ratio is to query_stats = false, log_min_duration = 0")


def instructions(context):
    per = {}
    for name, settings in (("off", OFF), ("on", {})):
        totals = [counts.instructions_of_run(context.sandbox, context, "pgweir", 1, n, **settings)
                  for n in (100, 600)]
        per[name] = (totals[1] - totals[0]) / 500
    context.report.add(Row("statistics: user-space instructions per transaction, 1 client",
                           pgweir=number(per["on"], 4), ratio=f"{per['on'] / per['off']:.3f}"))


def cpu(context, mode):
    """Quads off, on, on, off: two pairs each, drift cancels; neighbours of a kind are the control."""
    targets = {"on": context.wide("pgweir"),
               "off": context.keep("no statistics", lambda: context.sandbox.pgweir(pool=64, **OFF))}
    runs, pairs, same = {"off": [], "on": []}, [], []
    for _ in range(context.cpu_quads):
        quad = [pgbench(context.sandbox, targets[name], 16, seconds=context.cpu_seconds,
                        mode=mode).cpu_per_transaction
                for name in ("off", "on", "on", "off")]
        runs["off"] += [quad[0], quad[3]]
        runs["on"] += quad[1:3]
        pairs += [(quad[1], quad[0]), (quad[2], quad[3])]
        same.append((quad[2], quad[1]))
    context.report.add(Row(
        f"statistics: CPU per transaction, {mode}, {clients_text(16)}, us",
        pgweir=number(median(runs["on"])), ratio=interval(*median_interval(ratios(pairs)))))
    context.report.add(Row(
        f"A/A control: statistics on against itself, {mode}, {clients_text(16)}",
        pgweir=interval(*median_interval(ratios(same)))))


def memory(context):
    """Each text is a statement of its own to the fingerprint: it names another relation."""
    texts = TEXTS // 20 if context.quick else TEXTS
    target = context.sandbox.pgweir(pool=2, stats_users=servers.USER)
    try:
        path = context.sandbox.path("texts.sql")
        before = resident_mb(target)
        with open(path, "w", encoding="ascii") as file:
            for i in range(texts):
                file.write(f"with c{i} as (select 1) select from c{i};\n")
        context.sandbox.run_quietly(
            [f"{servers.PG_BIN}/psql", "-Xq", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-h",
             "127.0.0.1", "-p", str(target.port), "-U", servers.USER, "-d", servers.DATABASE,
             "-f", path])
        os.unlink(path)
        rows = context.sandbox.console(
            target, "select count(*), sum(calls) from queries where query like 'with c%' "
                    "or query = 'other'")
        if int(rows[0][1]) < texts:
            raise RuntimeError(f"statistics have lost calls: {rows}, {texts} texts")
        grown = resident_mb(target) - before
    finally:
        context.sandbox.stop(target)
    context.report.add(Row(
        f"statistics: memory after {texts} distinct texts, {rows[0][0]} rows, MB",
        pgweir=number(grown), budget=f"<= {MEMORY_LIMIT_MB}", met=grown <= MEMORY_LIMIT_MB))


def resident_mb(process):
    return process.memory()["rss"] / 2**20
