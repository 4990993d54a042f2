"""pgbench runs: how many transactions, how fast, how long each took."""

import dataclasses
import glob
import os
import re
import subprocess

from . import servers
from .stats import percentile


@dataclasses.dataclass
class Run:
    transactions: int
    tps: float
    seconds: float
    cpu_seconds: float = 0.0      # of the proxy, all threads
    latencies: list = dataclasses.field(default_factory=list)  # sorted, ms

    @property
    def cpu_per_transaction(self):
        """Microseconds."""
        return self.cpu_seconds / self.transactions * 1e6

    def latency(self, fraction):
        return percentile(self.latencies, fraction)


def pgbench(sandbox, target, clients, *, seconds=None, transactions=None, mode="simple",
            latencies=False, script=("-S",)):
    """One run of pgbench -S against `target` (a Process with a port)."""
    command = [f"{servers.PG_BIN}/pgbench", "-n", *script, "-M", mode, "-c", str(clients), "-j",
               "1", "-h", "127.0.0.1", "-p", str(target.port), "-U", servers.USER]
    command += ["-T", str(seconds)] if seconds else ["-t", str(transactions)]
    prefix = sandbox.path("latency")
    if latencies:
        command += ["-l", f"--log-prefix={prefix}", "--sampling-rate=0.2"]
    environment = dict(os.environ, PGSSLMODE="disable", PGPASSWORD=servers.PASSWORD, LC_ALL="C")
    before = target.cpu_seconds()
    done = subprocess.run([*command, servers.DATABASE], capture_output=True, text=True,
                          env=environment, cwd="/tmp", check=False)
    cpu = target.cpu_seconds() - before
    output = done.stdout + done.stderr
    count = re.search(r"transactions actually processed: (\d+)", output)
    tps = re.search(r"tps = ([\d.]+) \(without initial connection time\)", output)
    failed = re.search(r"number of failed transactions: (\d+)", output)
    if done.returncode != 0 or not count or not tps or int(failed.group(1) if failed else 0) > 0:
        raise RuntimeError(f"pgbench through {target.name} failed:\n{output[-2000:]}")
    rate = float(tps.group(1))
    number = int(count.group(1))
    return Run(number, rate, number / rate, cpu, read_latencies(prefix) if latencies else [])


def read_latencies(prefix):
    """Sorted milliseconds from pgbench's transaction logs, which are removed."""
    values = []
    for path in glob.glob(prefix + ".*"):
        with open(path, encoding="ascii") as file:
            values += [int(line.split()[2]) / 1000 for line in file]
        os.unlink(path)
    values.sort()
    return values
