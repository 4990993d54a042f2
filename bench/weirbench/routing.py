"""What routing costs: a pgweir whose database has a replica, against one that has only the primary.

Reads run on the replica, and each is known after the first. The hosts' monitors run in the one with
routing; what they do by the clock is taken off the system calls, but not off the CPU."""

import glob
import os
import re

from . import counts
from .loads import clients_text
from .pgbench import pgbench
from .report import Row, interval, number
from .stats import median, median_interval, ratios


def routing(context):
    targets = {"off": context.wide("pgweir"),
               "on": context.keep("routed", lambda: context.sandbox.pgweir(pool=64, replica=True))}
    for clients in (1, 16):
        syscalls(context, targets, clients)
    instructions(context)
    cpu(context, targets)
    context.report.note("routing: pgweir's column is with routing on, the ratio is to routing off; "
                        + where_it_ran(context, targets["on"]))


def where_it_ran(context, target):
    """A figure of a pgweir that sends everything to the primary would be worth nothing."""
    rows = context.sandbox.console(target, "SHOW ROUTES")
    counted = {}
    for _, where, reason, count, _ in rows:
        if not reason.startswith("retried"):
            counted[where] = counted.get(where, 0) + int(count)
    share = counted.get("replica", 0) / max(sum(counted.values()), 1)
    if share < 0.9:
        raise RuntimeError(f"only {share:.1%} of transactions ran on the replica: {rows}")
    return f"{share:.1%} of its transactions ran on the replica"


def syscalls(context, targets, clients):
    few, many = (200, 1200) if clients == 1 else (50, 250)
    calls = {name: counts.calls_per_transaction(context.sandbox, target, clients, few, many)
             for name, target in targets.items()}
    on, off = sum(calls["on"].values()), sum(calls["off"].values())
    context.report.add(Row(f"routing: system calls per transaction, {clients_text(clients)}",
                           pgweir=f"{on:.2f}", ratio=f"{on / off:.3f}", budget="unchanged (<= +0.05)",
                           met=on - off <= 0.05))


def instructions(context):
    """Of the worker alone: the monitors, on the control thread, work by the clock, and under callgrind
    a transaction takes long."""
    per = {}
    for name in ("off", "on"):
        totals = [worker_instructions(context, transactions, replica=name == "on")
                  for transactions in (100, 600)]
        per[name] = (totals[1] - totals[0]) / 500
    context.report.add(Row("routing: the worker's instructions per transaction, 1 client",
                           pgweir=number(per["on"], 4), ratio=f"{per['on'] / per['off']:.3f}"))


def worker_instructions(context, transactions, replica):
    out = context.sandbox.path("threads.out")
    for old in glob.glob(out + "*"):
        os.unlink(old)
    with context.sandbox.wrapped("valgrind", "--tool=callgrind", "--separate-threads=yes",
                                 f"--callgrind-out-file={out}"):
        target = context.sandbox.pgweir(pool=64, replica=replica)
    pgbench(context.sandbox, target, 1, transactions=transactions)
    context.sandbox.stop(target)
    total = 0
    for path in glob.glob(out + "*"):
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        thread = re.search(r"^thread: (\d+)", text, re.M)
        counted = re.search(r"^totals: (\d+)", text, re.M)
        # The first is main's, which is the control thread.
        if thread and counted and thread.group(1) != "1":
            total += int(counted.group(1))
    if total == 0:
        raise RuntimeError(f"callgrind counted nothing:\n{target.last_words()}")
    return total


def cpu(context, targets):
    """Quads off, on, on, off: two pairs each, drift cancels; neighbours of a kind are the control."""
    runs, pairs, same = {"off": [], "on": []}, [], []
    for _ in range(context.cpu_quads):
        quad = [pgbench(context.sandbox, targets[name], 16,
                        seconds=context.cpu_seconds).cpu_per_transaction
                for name in ("off", "on", "on", "off")]
        runs["off"] += [quad[0], quad[3]]
        runs["on"] += quad[1:3]
        pairs += [(quad[1], quad[0]), (quad[2], quad[3])]
        same.append((quad[2], quad[1]))
    context.report.add(Row("routing: CPU per transaction, 16 clients, us",
                           pgweir=number(median(runs["on"])),
                           ratio=interval(*median_interval(ratios(pairs)))))
    context.report.add(Row("A/A control: routing on against itself, 16 clients",
                           pgweir=interval(*median_interval(ratios(same)))))
