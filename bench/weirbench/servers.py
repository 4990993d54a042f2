"""PostgreSQL, PgBouncer, HAProxy and pgweir, each with the same pool and settings."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time

from . import scram
from .process import Process, as_server_user, free_port, own_to_server_user

PG_BIN = "/usr/lib/postgresql/15/bin"
USER = "bench"
PASSWORD = "bench-password"
DATABASE = "bench"
MAX_CLIENTS = 6000


class Sandbox:
    """A temporary directory and all that runs in it. Use as a context manager."""

    def __init__(self, binary, scale, preload=""):
        self.binary_given = binary
        self.scale = scale
        self.preload = preload
        self.processes = []
        self.wrapper = []
        self.directory = None
        self.standby = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="weir-bench.")
        own_to_server_user(self.directory)
        try:
            # The build tree may lie where the servers' user cannot read.
            self.binary = self.path("pgweir")
            shutil.copy(self.binary_given, self.binary)
            os.chmod(self.binary, 0o755)
            self.secret = scram.Secret(PASSWORD)
            self.write("userlist.txt", f'"{USER}" "{self.secret.text()}"\n')
            self.postgres = self.start_postgres()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        while self.processes:
            self.processes.pop().stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        own_to_server_user(path)
        return path

    def start(self, name, command, port, environment=None):
        number = len(os.listdir(self.directory))
        process = Process(name, [*self.wrapper, *command], self.path(f"{name}-{number}.log"), environment)
        self.processes.append(process)
        process.wait_for_port(port)
        process.port = port
        return process

    @contextlib.contextmanager
    def wrapped(self, *command):
        """What is started inside runs under this command."""
        self.wrapper = list(command)
        try:
            yield
        finally:
            self.wrapper = []

    def stop(self, process):
        process.stop()
        self.processes.remove(process)

    # --- PostgreSQL ---

    def start_postgres(self):
        data = self.path("data")
        self.run_quietly([f"{PG_BIN}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N",
                          "-E", "UTF8", "--locale", "C.UTF-8"])
        port = free_port()
        with open(f"{data}/postgresql.auto.conf", "w", encoding="utf-8") as conf:
            conf.write(
                f"listen_addresses = '127.0.0.1'\nport = {port}\n"
                f"unix_socket_directories = '{self.directory}'\nmax_connections = 300\n"
                "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
                "autovacuum = off\nshared_buffers = '256MB'\nmax_wal_size = '4GB'\n"
                f"shared_preload_libraries = '{self.preload}'\n"
            )
        postgres = self.start("postgres", [f"{PG_BIN}/postgres", "-D", data], port)
        # It listens before it is ready.
        while subprocess.run([f"{PG_BIN}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)],
                             check=False).returncode != 0:
            postgres.check_alive()
            time.sleep(0.1)
        self.run_quietly([f"{PG_BIN}/psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(port),
                          "-U", "postgres", "-c", f"create role {USER} login",
                          "-c", f"create database {DATABASE} owner {USER}"])
        self.run_quietly([f"{PG_BIN}/pgbench", "-i", "-q", "-s", str(self.scale), "-h",
                          "127.0.0.1", "-p", str(port), "-U", USER, DATABASE])
        return postgres

    def replica(self):
        """The one that streams from the PostgreSQL of all loads."""
        if self.standby is None:
            data, port = self.path("replica"), free_port()
            self.run_quietly([f"{PG_BIN}/pg_basebackup", "-D", data, "-R", "-c", "fast", "-d",
                              f"host=127.0.0.1 port={self.postgres.port} user=postgres"])
            self.run_quietly(["sh", "-c", 'printf "port = %s\n" "$2" >>"$1"', "sh",
                              f"{data}/postgresql.auto.conf", str(port)])
            self.standby = self.start("replica", [f"{PG_BIN}/postgres", "-D", data], port)
        return self.standby

    def console(self, proxy, command):
        shown = self.run_quietly([f"{PG_BIN}/psql", "-XAtq", "-F", "\t", "-h", "127.0.0.1", "-p",
                                  str(proxy.port), "-U", USER, "-d", "pgweir", "-c", command])
        return [line.split("\t") for line in shown.splitlines()]

    def run_quietly(self, command):
        done = subprocess.run(as_server_user(command), capture_output=True, text=True, cwd="/tmp",
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    def ask(self, sql):
        """What psql shows for it, as the superuser and in another database than the loads'."""
        return self.run_quietly([f"{PG_BIN}/psql", "-X", "-At", "-h", "127.0.0.1", "-p",
                                 str(self.postgres.port), "-U", "postgres", "-c", sql]).strip()

    # --- proxies ---

    def pgbouncer(self, pool, auth="trust", tls=None, **settings):
        port = free_port()
        options = {
            "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "",
            "auth_type": auth, "auth_file": self.path("userlist.txt"), "pool_mode": "transaction",
            "default_pool_size": pool, "max_client_conn": MAX_CLIENTS,
            "server_tls_sslmode": "disable", "listen_backlog": 1024, "log_stats": 0,
        } | settings
        if tls:
            options |= {"client_tls_sslmode": "require", "client_tls_key_file": tls[0],
                        "client_tls_cert_file": tls[1]}
        text = (f"[databases]\n{DATABASE} = host=127.0.0.1 port={self.postgres.port}\n[pgbouncer]\n"
                + "".join(f"{key} = {value}\n" for key, value in options.items()))
        path = self.write(f"pgbouncer-{port}.ini", text)
        return self.start("pgbouncer", [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", path],
                          port)

    def haproxy(self):
        port = free_port()
        path = self.write(f"haproxy-{port}.cfg", (
            f"global\n  nbthread 1\n  maxconn {MAX_CLIENTS}\n"
            "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n"
            f"  timeout server 1h\nlisten bench\n  bind 127.0.0.1:{port}\n"
            f"  server postgres 127.0.0.1:{self.postgres.port}\n"
        ))
        return self.start("haproxy", [shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f",
                                      path], port)

    def pgweir(self, pool, workers=1, auth="trust", tls=None, environment=None, replica=False,
               **settings):
        """With `replica` the database has one, which serves the reads."""
        port = free_port()
        options = {
            "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "",
            "auth_type": auth, "auth_file": self.path("userlist.txt"), "pool_mode": "transaction",
            "default_pool_size": pool, "max_client_conn": MAX_CLIENTS, "workers": workers,
            "server_tls_sslmode": "disable", "listen_backlog": 1024, "log_stats": False,
        } | ({"stats_users": USER} if replica else {}) | settings
        if tls:
            options |= {"client_tls_sslmode": "require", "client_tls_key_file": tls[0],
                        "client_tls_cert_file": tls[1]}
        lines = []
        for key, value in options.items():
            quoted = f'"{value}"' if isinstance(value, str) else str(value).lower()
            lines.append(f"{key} = {quoted}\n")
        place = f'host = "127.0.0.1"\nport = {self.postgres.port}\n'
        if replica:
            ports = (self.postgres.port, self.replica().port)
            place = f'hosts = ["127.0.0.1:{ports[0]}", "127.0.0.1:{ports[1]}"]\nmonitor_user = "postgres"\n'
        text = "[pgweir]\n" + "".join(lines) + f"[databases.{DATABASE}]\n{place}"
        path = self.write(f"pgweir-{port}.toml", text)
        return self.start("pgweir", [self.binary, path], port, environment)

    def certificate(self):
        """(key, certificate) for localhost; elliptic, as one would choose today."""
        key, certificate = self.path("server.key"), self.path("server.crt")
        if not os.path.exists(key):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                 "-keyout", key, "-out", certificate], capture_output=True, check=True)
            own_to_server_user(key)
            own_to_server_user(certificate)
        return key, certificate
