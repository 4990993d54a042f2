"""Processes that this benchmark starts, and what the kernel knows of them."""

import os
import pwd
import signal
import socket
import subprocess
import time

SERVER_USER = "postgres"


def as_server_user(command):
    """PostgreSQL and PgBouncer refuse to run as root. setpriv becomes the command itself, so the
    pid is the server's; it is killed should this program die without a word."""
    prefix = ["setpriv", "--pdeathsig", "KILL"]
    if os.geteuid() == 0:
        prefix += [f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--init-groups"]
    return [*prefix, "--", *command]


def own_to_server_user(path):
    if os.geteuid() == 0:
        user = pwd.getpwnam(SERVER_USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def free_port():
    """A loopback port above 20000 that nobody listens on now."""
    for _ in range(200):
        port = 20001 + int.from_bytes(os.urandom(2), "big") % 12000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port above 20000")


class Process:
    """A server under test. stop() ends it by its own pid and waits."""

    def __init__(self, name, command, log_path, environment=None):
        self.name = name
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(
                as_server_user(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env=environment, cwd="/tmp",
            )

    @property
    def pid(self):
        return self.popen.pid

    def check_alive(self):
        if self.popen.poll() is not None:
            raise RuntimeError(f"{self.name} ended by itself:\n{self.last_words()}")

    def last_words(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    def wait_for_port(self, port, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen on {port}:\n{self.last_words()}")

    def stop(self, how=signal.SIGINT, seconds=10):
        if self.popen.poll() is not None:
            return
        self.popen.send_signal(how)
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    # --- what the kernel knows ---

    def cpu_seconds(self):
        """CPU time of all threads that live now, to the nanosecond."""
        total = 0
        tasks = f"/proc/{self.pid}/task"
        for task in os.listdir(tasks):
            try:
                with open(f"{tasks}/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
            except FileNotFoundError:
                pass  # ended between listdir and open
        return total / 1e9

    def memory(self):
        """Resident bytes: {'rss': ..., 'anonymous': ...}."""
        values = {}
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                key, _, rest = line.partition(":")
                if key in ("VmRSS", "RssAnon"):
                    values[key] = int(rest.split()[0]) * 1024
        return {"rss": values["VmRSS"], "anonymous": values["RssAnon"]}


def busy_and_total():
    """CPU seconds of the whole machine since boot: (busy, total)."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(value) for value in file.readline().split()[1:9]]
    per_second = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - ticks[3] - ticks[4]) / per_second, sum(ticks) / per_second
