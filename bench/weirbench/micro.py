"""The micro benchmarks (bench/micro_*.cc): time and allocations by Google Benchmark, instructions
per repetition by callgrind."""

import json
import os
import re
import subprocess

from .report import Row, number

# Nanoseconds of design section 10 for what runs once per transaction.
BUDGETS = {"classify/exact_hit": 300, "classify/literal_blind_hit": 300, "route/known_read": 300}


def micro(context):
    binary = context.micro_binary
    if not binary or not os.path.exists(binary):
        context.report.note("micro benchmarks: not built (WEIR_BENCH)")
        return
    done = subprocess.run(
        [binary, "--benchmark_format=json",
         f"--benchmark_min_time={0.1 if context.quick else 1}"],
        capture_output=True, text=True, check=True)
    for benchmark in json.loads(done.stdout)["benchmarks"]:
        name = benchmark["name"]
        count = instructions(binary, name)
        allocations = benchmark.get("allocations", 0)
        budget = BUDGETS.get(name)
        context.report.add(Row(
            f"micro {name}: ns; instructions; allocations",
            pgweir=f"{number(benchmark['cpu_time'])}; {number(count, 4)}; {allocations:.2f}",
            budget=f"<= {budget} ns, 0 allocations" if budget else "",
            met=(benchmark["cpu_time"] <= budget and allocations < 0.005) if budget else None,
        ))


def instructions(binary, name, few=1000, many=3000):
    """Per repetition: two runs of different length, so that start-up cancels out."""
    totals = []
    for repeat in (few, many):
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary,
             f"--repeat={repeat}", name], capture_output=True, text=True, check=False)
        collected = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or not collected:
            raise RuntimeError(f"callgrind of {name} failed:\n{done.stderr[-1000:]}")
        totals.append(int(collected.group(1)))
    return (totals[1] - totals[0]) / (many - few)
