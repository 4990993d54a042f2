"""What PostgreSQL itself sees of a load: CPU, requests, connections. Seen from here, a proxy and no
proxy at all are measured alike, and a proxy cannot hide what it adds."""

import os
import re
import signal
import subprocess
import time

from . import servers

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def stat_fields(pid):
    """/proc/PID/stat from the third field on: the second, a name, may hold anything."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def processes(postgres):
    """The postmaster and its children, which are all there are."""
    pids = [postgres.pid]
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(stat_fields(name)[1]) == postgres.pid:
                pids.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            pass  # ended between listdir and open
    return pids


def cpu_seconds(postgres):
    """CPU time of all PostgreSQL's processes, also of backends that have ended: the kernel adds
    those to their parent's, in ticks."""
    total = 0
    for pid in processes(postgres):
        try:
            with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    ended_user, ended_system = stat_fields(postgres.pid)[13:15]
    return total / 1e9 + (int(ended_user) + int(ended_system)) / TICKS_PER_SECOND


def connections(sandbox):
    """Server connections to the loads' database at this moment."""
    return int(sandbox.ask("select count(*) from pg_stat_activity "
                           f"where datname = '{servers.DATABASE}'"))


def settled_connections(sandbox):
    """The same when those of earlier loads have ended: a backend does in its own time."""
    before, count = None, connections(sandbox)
    while count != before:
        time.sleep(0.2)
        before, count = count, connections(sandbox)
    return count


# --- requests ---

def requests(sandbox, run):
    """How often PostgreSQL's backends received something while run() ran. A backend reads all that
    has arrived at once, so what a proxy sends in one piece counts once: these are round trips."""
    path = sandbox.path("strace-backends.txt")
    pids = processes(sandbox.postgres)
    command = ["strace", "-c", "-f", "-e", "trace=recvfrom", "-o", path]
    strace = subprocess.Popen([*command, *(word for pid in pids for word in ("-p", str(pid)))],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until_all_traced(strace, pids)
        run()
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait(timeout=30)
    return successful_calls(path)


def wait_until_all_traced(strace, pids):
    deadline = time.monotonic() + 10
    waiting = list(pids)
    while waiting:
        if strace.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("strace could not attach to PostgreSQL")
        waiting = [pid for pid in waiting if not traced_or_gone(pid)]
        time.sleep(0.02)


def traced_or_gone(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return re.search(r"^TracerPid:\s+(\d+)", file.read(), re.M).group(1) != "0"
    except (FileNotFoundError, ProcessLookupError):
        return True


def successful_calls(path):
    """Calls less those that found nothing to read; strace -c leaves the errors out if none."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words and words[-1] == "recvfrom":
                return int(words[3]) - (int(words[4]) if len(words) == 6 else 0)
    return 0
