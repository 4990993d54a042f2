"""Exact figures: system calls per transaction by strace, user-space instructions by callgrind.

Both are differences of two runs that differ only in the number of transactions, so that logins,
start-up and shut-down cancel out."""

import collections
import os
import re
import signal
import subprocess
import time

from .pgbench import pgbench
from .report import Row, number

SYSCALL_BUDGET = {1: 6.0, 16: 4.3}
# A wake-up that found two sockets ready in one run and one in the other.
SLACK = 0.02
IDLE_SECONDS = 2


def strace_counts(sandbox, target, run):
    """Calls by name while run() runs."""
    path = sandbox.path("strace.txt")
    if os.path.exists(path):
        os.unlink(path)
    strace = subprocess.Popen(["strace", "-c", "-f", "-o", path, "-p", str(target.pid)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, start_new_session=True)
    try:
        wait_until_traced(strace, target)
        run()
    finally:
        strace.send_signal(signal.SIGINT)
        strace.communicate(timeout=30)
    counts = collections.Counter()
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if len(words) >= 5 and re.fullmatch(r"[\d.]+", words[0]) and words[-1] != "total":
                counts[words[-1]] += int(words[3])
    return counts


def wait_until_traced(strace, target):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if strace.poll() is not None:
            raise RuntimeError("strace could not attach: " + strace.stderr.read().decode())
        tracers = []
        for task in os.listdir(f"/proc/{target.pid}/task"):
            with open(f"/proc/{target.pid}/task/{task}/status", encoding="ascii") as file:
                tracers += [line.split()[1] for line in file if line.startswith("TracerPid:")]
        if tracers and all(tracer != "0" for tracer in tracers):
            return
        time.sleep(0.02)
    raise RuntimeError(f"strace did not attach to {target.name}")


def calls_per_transaction(sandbox, target, clients, few, many):
    """{name: calls per transaction}; `few` and `many` are transactions per client. What the proxy
    does by the clock (maintenance, statistics) is measured while it is idle and taken off: strace
    slows the transactions down, not the clock."""
    pgbench(sandbox, target, clients, transactions=few)  # opens the servers
    by_clock = strace_counts(sandbox, target, lambda: time.sleep(IDLE_SECONDS))
    measured, seconds = [], []
    for transactions in (few, many):
        begun = time.monotonic()
        measured.append(strace_counts(
            sandbox, target, lambda n=transactions: pgbench(sandbox, target, clients, transactions=n)
        ))
        seconds.append(time.monotonic() - begun)
    longer = seconds[1] - seconds[0]
    per = clients * (many - few)
    calls = {}
    for name in measured[0] | measured[1]:
        count = measured[1][name] - measured[0][name] - by_clock[name] / IDLE_SECONDS * longer
        if abs(count / per) >= 0.005:
            calls[name] = count / per
    return calls


def syscalls(context):
    report = context.report
    for clients, budget in SYSCALL_BUDGET.items():
        few, many = (200, 1200) if clients == 1 else (50, 250)
        if not context.quick:
            few, many = few * 3, many * 5
        cells, breakdown = {}, []
        for name in ("pgbouncer", "pgweir"):
            calls = calls_per_transaction(context.sandbox, context.wide(name), clients, few, many)
            cells[name] = sum(calls.values())
            ordered = sorted(calls.items(), key=lambda item: -item[1])
            breakdown.append(f"{name} " + ", ".join(f"{k} {v:.2f}" for k, v in ordered))
        report.add(Row(
            f"system calls per transaction, {clients} client" + ("s" if clients > 1 else ""),
            pgbouncer=f"{cells['pgbouncer']:.2f}", pgweir=f"{cells['pgweir']:.2f}",
            ratio=f"{cells['pgweir'] / cells['pgbouncer']:.3f}",
            budget=f"<= {budget}", met=cells["pgweir"] <= budget + SLACK,
        ))
        report.note(f"system calls, {clients} client(s): " + "; ".join(breakdown))


def instructions(context):
    """User-space instructions per transaction of the whole proxy, and where they are spent."""
    sandbox, report = context.sandbox, context.report
    for clients in (1, 16):
        few, many = (100, 600) if clients == 1 else (20, 120)
        cells = {}
        for name in ("pgbouncer", "pgweir"):
            totals = [instructions_of_run(sandbox, context, name, clients, n)
                      for n in (few, many)]
            cells[name] = (totals[1] - totals[0]) / (clients * (many - few))
        report.add(Row(
            f"user-space instructions per transaction, {clients} client"
            + ("s" if clients > 1 else ""),
            pgbouncer=number(cells["pgbouncer"], 4), pgweir=number(cells["pgweir"], 4),
            ratio=f"{cells['pgweir'] / cells['pgbouncer']:.3f}",
        ))


def instructions_of_run(sandbox, context, name, clients, transactions, **options):
    with sandbox.wrapped("valgrind", "--tool=callgrind",
                         "--callgrind-out-file=" + (context.callgrind_file or "/dev/null")):
        target = getattr(sandbox, name)(pool=64, **options)
    pgbench(sandbox, target, clients, transactions=transactions)
    sandbox.stop(target)
    with open(target.log_path, encoding="utf-8", errors="replace") as log:
        collected = re.findall(r"Collected : (\d+)", log.read())
    if not collected:
        raise RuntimeError(f"callgrind counted nothing:\n{target.last_words()}")
    return int(collected[-1])
