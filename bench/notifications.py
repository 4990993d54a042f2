#!/usr/bin/env python3
"""How long notifications take to many listening clients, through pgweir and directly.

Starts a PostgreSQL and a pgweir of its own on loopback. Two cases: every client listens to the same
channel (time to each of them), and each to one of its own (time to the one that is meant).
usage: bench/notifications.py [--clients 1000] [--notifications 200] [--binary build/release/pgweir]
"""

import argparse
import os
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time

PG = "/usr/lib/postgresql/15/bin/"


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = struct.pack("!i", 196608) + b"user\0app\0database\0app\0\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.buffer = b""
        self.until_ready()

    def messages(self):
        while len(self.buffer) >= 5:
            size = struct.unpack("!i", self.buffer[1:5])[0] + 1
            if len(self.buffer) < size:
                return
            kind, body = self.buffer[:1], self.buffer[5:size]
            self.buffer = self.buffer[size:]
            yield kind, body

    def until_ready(self):
        while True:
            for kind, body in self.messages():
                if kind == b"E":
                    raise RuntimeError(body)
                if kind == b"Z":
                    return
            data = self.socket.recv(65536)
            if not data:
                raise RuntimeError("closed")
            self.buffer += data

    def query(self, text):
        self.socket.sendall(message(b"Q", text.encode() + b"\0"))
        self.until_ready()


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] * 1e3


def measure(port, notify_port, clients, count, shared):
    listeners = []
    poll = select.epoll()
    by_fd = {}
    for i in range(clients):
        client = Client(port)
        client.query("listen everybody" if shared else f"listen own_{i}")
        listeners.append(client)
        by_fd[client.socket.fileno()] = client
        poll.register(client.socket, select.EPOLLIN)
    notifier = Client(notify_port)
    times = []
    for n in range(count):
        channel = "everybody" if shared else f"own_{(n * 37) % clients}"
        begin = time.perf_counter()
        notifier.query(f"notify {channel}, '{n}'")
        left = clients if shared else 1
        while left:
            for fd, _ in poll.poll(10):
                client = by_fd[fd]
                client.buffer += client.socket.recv(65536)
                now = time.perf_counter()
                for kind, _ in client.messages():
                    assert kind == b"A", kind
                    times.append(now - begin)
                    left -= 1
        time.sleep(0.01)
    for client in listeners:
        client.socket.close()
    return times


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--clients", type=int, default=1000)
    arguments.add_argument("--notifications", type=int, default=200)
    arguments.add_argument("--binary", default="build/release/pgweir")
    options = arguments.parse_args()
    directory = tempfile.mkdtemp(prefix="weir_notify_", dir="/tmp")
    os.chmod(directory, 0o755)
    root = os.geteuid() == 0
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    data = directory + "/data"
    os.mkdir(data)
    if root:
        shutil.chown(data, "postgres", "postgres")
    processes = []
    try:
        subprocess.run(as_user + [PG + "initdb", "-A", "trust", "-U", "app", "-N", data],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        processes.append(subprocess.Popen(
            as_user + [PG + "postgres", "-D", data, "-p", "16543", "-c", "max_connections=1200",
                       "-c", "unix_socket_directories=", "-c", "fsync=off"],
            stderr=subprocess.DEVNULL, cwd="/"))
        with open(directory + "/weir.toml", "w", encoding="ascii") as file:
            file.write('[pgweir]\nlisten_addr = "127.0.0.1"\nlisten_port = 16544\n'
                       'auth_type = "trust"\nmax_client_conn = 1200\nunix_socket_dir = ""\n'
                       'log_connections = false\nlog_disconnections = false\n'
                       f'auth_file = "{directory}/users"\n'
                       '[databases.app]\nhost = "127.0.0.1"\nport = 16543\ndbname = "postgres"\n')
        with open(directory + "/users", "w", encoding="ascii") as file:
            file.write('"app" ""\n')
        time.sleep(2)
        subprocess.run(as_user + [PG + "createdb", "-h", "127.0.0.1", "-p", "16543", "-U", "app",
                                  "-T", "template0", "app"], check=True, cwd="/")
        with open(directory + "/weir.toml", "r+", encoding="ascii") as file:
            text = file.read().replace('dbname = "postgres"', 'dbname = "app"')
            file.seek(0)
            file.truncate()
            file.write(text)
        run_as = as_user
        shutil.copy(options.binary, directory + "/pgweir")
        processes.append(subprocess.Popen(run_as + [directory + "/pgweir", directory + "/weir.toml"],
                                          stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          cwd="/"))
        time.sleep(1)
        for shared in (False, True):
            count = options.notifications if not shared else options.notifications // 4
            for name, port in (("direct", 16543), ("pgweir", 16544), ("direct", 16543),
                               ("pgweir", 16544)):
                times = measure(port, 16543, options.clients, count, shared)
                print(f"{'one channel' if shared else 'own channels':13} {name:7} "
                      f"p50 {percentile(times, 0.5):8.3f} ms   p99 {percentile(times, 0.99):8.3f} ms"
                      f"   max {max(times) * 1e3:8.3f} ms", flush=True)
                time.sleep(1)
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
