"""pgbench runs: how many transactions, how fast, how long each took."""

import collections
import dataclasses
import glob
import os
import re
import subprocess

from . import backends, servers
from .stats import percentile

# Beyond the time of the load itself: under callgrind, fixed numbers of transactions take long.
PATIENCE_SECONDS = 300


class LoadFailed(RuntimeError):
    """A load met an error, or did not end. Who measures what may fail says so in the row."""


@dataclasses.dataclass
class Run:
    transactions: int
    tps: float
    seconds: float
    cpu_seconds: float = 0.0      # of the proxy, all threads
    latencies: list = dataclasses.field(default_factory=list)  # sorted, ms
    server_cpu_seconds: float = 0.0  # of PostgreSQL, all processes
    by_client: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    @property
    def cpu_per_transaction(self):
        """Microseconds."""
        return self.cpu_seconds / self.transactions * 1e6

    @property
    def server_cpu_per_transaction(self):
        """Microseconds."""
        return self.server_cpu_seconds / self.transactions * 1e6

    def latency(self, fraction):
        return percentile(self.latencies, fraction)


def pgbench(sandbox, target, clients, *, seconds=None, transactions=None, mode="simple",
            latencies=False, script=("-S",), skip_first=False, sampling=0.2):
    """One run of pgbench, -S or another script, against `target` (a Process with a port). Latencies
    and transactions by client are of a sample. `skip_first` leaves each client's first transaction
    out of the latencies: it prepares the rest."""
    command = [f"{servers.PG_BIN}/pgbench", "-n", *script, "-M", mode, "-c", str(clients), "-j",
               "1", "-h", "127.0.0.1", "-p", str(target.port), "-U", servers.USER]
    command += ["-T", str(seconds)] if seconds else ["-t", str(transactions)]
    prefix = sandbox.path("latency")
    if latencies:
        command += ["-l", f"--log-prefix={prefix}", f"--sampling-rate={sampling}"]
    environment = dict(os.environ, PGSSLMODE="disable", PGPASSWORD=servers.PASSWORD, LC_ALL="C")
    server_before = backends.cpu_seconds(sandbox.postgres)
    before = target.cpu_seconds()
    try:
        done = subprocess.run([*command, servers.DATABASE], capture_output=True, text=True,
                              env=environment, cwd="/tmp", check=False,
                              timeout=(seconds or 0) + PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise LoadFailed(f"pgbench through {target.name} did not end") from None
    cpu = target.cpu_seconds() - before
    server_cpu = backends.cpu_seconds(sandbox.postgres) - server_before
    output = done.stdout + done.stderr
    count = re.search(r"transactions actually processed: (\d+)", output)
    tps = re.search(r"tps = ([\d.]+) \(without initial connection time\)", output)
    failed = re.search(r"number of failed transactions: (\d+)", output)
    if done.returncode != 0 or not count or not tps or int(failed.group(1) if failed else 0) > 0:
        for path in glob.glob(prefix + ".*"):
            os.unlink(path)
        raise LoadFailed(f"pgbench through {target.name} failed:\n{output[-2000:]}")
    rate = float(tps.group(1))
    number = int(count.group(1))
    values, by_client = read_log(prefix, skip_first) if latencies else ([], collections.Counter())
    return Run(number, rate, number / rate, cpu, values, server_cpu, by_client)


def read_log(prefix, skip_first):
    """(sorted milliseconds, transactions by client) from pgbench's transaction logs, which are
    removed."""
    values, by_client = [], collections.Counter()
    for path in glob.glob(prefix + ".*"):
        with open(path, encoding="ascii") as file:
            for words in map(str.split, file):
                by_client[words[0]] += 1
                if not (skip_first and words[1] == "1"):
                    values.append(int(words[2]) / 1000)
        os.unlink(path)
    values.sort()
    return values, by_client
