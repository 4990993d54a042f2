"""The cluster with its two databases - weir is reached through pgweir, oracle directly - and the
pgweir process. Everything in a temporary directory, on loopback, stopped by its own pid."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from psycopg import pq

import schema

BINARIES = "/usr/lib/postgresql/15/bin/"
PATIENCE = float(os.environ.get("WEIR_TEST_PATIENCE") or 1)
USERS = ("app", "boss")


def free_port():
    while True:
        port = random.SystemRandom().randint(10000, 20000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def demote():
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def conninfo(port, user, database, **more):
    def quoted(value):
        return "'" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'"

    words = {"host": "127.0.0.1", "port": port, "user": user, "dbname": database,
             "sslmode": "disable", "gssencmode": "disable", "connect_timeout": 20, **more}
    return " ".join(f"{key}={quoted(value)}" for key, value in words.items())


class Admin:
    """A connection of the test's own, for SQL that has to work."""

    def __init__(self, port, user="postgres", database="postgres"):
        self.pgconn = pq.PGconn.connect(
            conninfo(port, user, database, application_name="property admin").encode())
        assert self.pgconn.status == pq.ConnStatus.OK, self.pgconn.error_message

    def rows(self, sql):
        result = self.pgconn.exec_(sql.encode())
        assert result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK), (
            sql, result.error_message.decode())
        return [[(result.get_value(row, column) or b"").decode()
                 for column in range(result.nfields)] for row in range(result.ntuples)]

    def columns(self, sql):
        """Rows as dictionaries: the console's columns are asked for by name."""
        result = self.pgconn.exec_(sql.encode())
        assert result.status == pq.ExecStatus.TUPLES_OK, (sql, result.error_message.decode())
        names = [result.fname(i).decode() for i in range(result.nfields)]
        return [{name: (result.get_value(row, i) or b"").decode()
                 for i, name in enumerate(names)} for row in range(result.ntuples)]

    def close(self):
        self.pgconn.finish()


def started(what, process, condition, seconds=30):
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert process.poll() is None, f"{what} ended at its start"
        assert time.monotonic() < deadline, f"{what} does not accept connections"
        time.sleep(0.02)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except OSError:
        return False


def stop(process, number, seconds=20):
    """The exit code; None for one that had to be killed."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None
    return process.returncode


class World:
    def __init__(self, binary, clients, settings):
        self.directory = tempfile.mkdtemp(prefix="weir-property-")
        os.chmod(self.directory, 0o755)
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        # A copy: others can run it, and a build meanwhile does not matter.
        self.binary = f"{self.directory}/pgweir"
        shutil.copy(binary, self.binary)
        os.chmod(self.binary, 0o755)
        self.settings = settings
        self.weir = None
        self.console = None
        self.start_cluster()
        self.admin = Admin(self.cluster_port)
        self.admin.rows(schema.ROLES)
        self.admin.rows("create database template_of_both")
        owner = Admin(self.cluster_port, database="template_of_both")
        owner.rows(schema.statements(clients))
        owner.close()

    def start_cluster(self):
        data = f"{self.directory}/data"
        self.cluster_port = free_port()
        subprocess.run(
            [BINARIES + "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale", "C.UTF-8", "--no-sync"], check=True, capture_output=True, cwd="/",
            **demote())
        with open(f"{data}/postgresql.auto.conf", "w") as file:
            file.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.cluster_port}\n"
                f"unix_socket_directories = ''\nmax_connections = 200\nfsync = off\n"
                f"full_page_writes = off\nautovacuum = off\n")
        with open(f"{self.directory}/postgresql.log", "wb") as log:
            self.cluster = subprocess.Popen(
                [BINARIES + "postgres", "-D", data], stdout=log, stderr=log, cwd="/", **demote())
        started("PostgreSQL", self.cluster, lambda: pq.PGconn.ping(
            conninfo(self.cluster_port, "postgres", "postgres").encode()) == pq.Ping.OK)

    def fresh(self):
        """Both databases as they were made, and a new pgweir."""
        problems = self.stop_weir()
        for name in ("weir", "oracle"):
            self.admin.rows(f"drop database if exists {name} with (force)")
            self.admin.rows(f"create database {name} template template_of_both")
            self.admin.rows(schema.DATABASE_DEFAULTS.format(name=name))
        self.start_weir()
        return problems

    def ask_for_sequences(self):
        """Once somebody has asked for currval(), pgweir looks after all clients' values; who asks
        first may get 55000."""
        for user in USERS:
            client = pq.PGconn.connect(conninfo(self.weir_port, user, "weir").encode())
            client.exec_(b"select lastval()")
            client.finish()

    def start_weir(self):
        self.weir_port = free_port()
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.weir_port, "unix_socket_dir": "",
            "auth_type": "trust", "auth_file": f"{self.directory}/userlist.txt",
            "pool_mode": "transaction", "max_client_conn": 1000, "admin_users": "admin",
            "log_connections": False, "log_disconnections": False, **self.settings}
        with open(f"{self.directory}/userlist.txt", "w") as file:
            file.writelines(f'"{user}" ""\n' for user in (*USERS, "admin"))
        config = f"{self.directory}/pgweir.toml"
        with open(config, "w") as file:
            file.write("[pgweir]\n")
            file.writelines(f"{key} = {toml(value)}\n" for key, value in settings.items())
            file.write(f'[databases.weir]\nhost = "127.0.0.1"\nport = {self.cluster_port}\n')
        self.log_path = f"{self.directory}/pgweir.log"
        with open(self.log_path, "wb") as log:
            self.weir = subprocess.Popen(
                [self.binary, config], stdout=log, stderr=log, cwd="/", **demote())
        try:
            started("pgweir", self.weir, lambda: listens(self.weir_port))
            self.ask_for_sequences()
        except AssertionError as error:
            raise AssertionError(f"{error}:\n{self.log_text()}") from None
        self.console = Admin(self.weir_port, "admin", "pgweir")

    def log_text(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def stop_weir(self):
        """What was wrong with it."""
        if self.weir is None:
            return []
        self.console.close()
        code = stop(self.weir, signal.SIGINT)
        self.weir = None
        problems = [] if code == 0 else [
            f"pgweir ended with {code}, log:\n{self.log_text()[-3000:]}"]
        problems += [f"{mark} in pgweir's log" for mark in (
            "ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:",
            "ERROR: LeakSanitizer", "inside pgweir") if mark in self.log_text()]
        return problems

    def proxied(self, user, **more):
        return conninfo(self.weir_port, user, "weir", **more)

    def direct(self, user, **more):
        return conninfo(self.cluster_port, user, "oracle", **more)

    def stop(self):
        problems = self.stop_weir()
        self.admin.close()
        stop(self.cluster, signal.SIGINT)
        if not os.environ.get("WEIR_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)
        return problems


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
