"""A temporary directory with PostgreSQL clusters, a pgweir, and what a run needs to read and write.

Every run has a cluster of its own, copied from one that initdb made: what another run left behind
(roles, a tablespace, prepared transactions) would be counted as this one's failures."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from weirbench.process import Process, as_server_user, free_port, own_to_server_user

from source import PG_BIN

DATABASE = "regression"
SUPERUSER = "postgres"
# pg_regress sets the first group when it makes the database itself. The second one it gives to psql
# by the environment, of which a proxy need not pass on everything (PGOPTIONS).
DATABASE_SETTINGS = {
    "lc_messages": "C", "lc_monetary": "C", "lc_numeric": "C", "lc_time": "C", "bytea_output": "hex",
    "timezone_abbreviations": "Default",
    "intervalstyle": "postgres_verbose", "timezone": "PST8PDT", "datestyle": "Postgres, MDY",
}
POSTGRESQL_CONF = """
listen_addresses = '127.0.0.1'
max_connections = 200
max_prepared_transactions = 2
fsync = off
log_line_prefix = '%m %b[%p] %q%a '
log_lock_waits = on
"""


class Sandbox:
    """Use as a context manager: what was started is stopped by its own pid."""

    def __init__(self) -> None:
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="weir-suites."))
        self.processes: list[Process] = []
        self.clusters = 0
        own_to_server_user(self.path)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        while self.processes:
            self.processes.pop().stop()
        shutil.rmtree(self.path, ignore_errors=True)

    def directory(self, name: str) -> pathlib.Path:
        path = self.path / name
        path.mkdir()
        own_to_server_user(path)
        return path

    def copy(self, source: pathlib.Path, name: str) -> pathlib.Path:
        """For the servers' user, who may not be able to read the work tree."""
        target = self.path / name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        self.give_to_server_user(target)
        return target

    @staticmethod
    def give_to_server_user(target: pathlib.Path) -> None:
        own_to_server_user(target)
        for directory, names, files in os.walk(target):
            for name in names + files:
                own_to_server_user(os.path.join(directory, name))

    def write(self, name: str, text: str) -> pathlib.Path:
        path = self.path / name
        path.write_text(text)
        own_to_server_user(path)
        return path

    def run(self, command: list[str], given: str = "") -> str:
        """As the servers' user; `given` is what it can read."""
        done = subprocess.run(as_server_user(command), capture_output=True, text=True, cwd="/tmp",
                              check=False, env=clean_environment(self.path), input=given)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        return done.stdout

    def psql(self, port: int, sql: str, database: str = "postgres") -> str:
        return self.run([
            f"{PG_BIN}/psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(port),
            "-U", SUPERUSER, "-d", database, "-c", sql]).strip()

    def start(self, name: str, command: list[str], port: int) -> Process:
        process = Process(name, command, str(self.path / f"{name}.log"), clean_environment(self.path))
        self.processes.append(process)
        process.wait_for_port(port)
        return process

    def stop(self, process: Process) -> None:
        process.stop(seconds=60)
        self.processes.remove(process)


def clean_environment(home: pathlib.Path) -> dict[str, str]:
    """Without the user's own PG* variables, ~/.psqlrc, language."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("PG", "LC_", "LANG"))}
    return dict(kept, HOME=str(home), LC_ALL="C")


class Cluster:
    """One PostgreSQL with the empty database `regression`."""

    def __init__(self, sandbox: Sandbox, settings: dict[str, str] | None = None) -> None:
        self.sandbox = sandbox
        template = sandbox.path / "template"
        if not template.exists():
            sandbox.run([f"{PG_BIN}/initdb", "-D", str(template), "-U", SUPERUSER, "-A", "trust",
                         "-N", "-E", "UTF8", "--no-locale"])
        sandbox.clusters += 1
        self.name = f"postgres-{sandbox.clusters}"
        data = sandbox.path / self.name
        sandbox.run(["cp", "-a", str(template), str(data)])
        self.port = free_port()
        with open(data / "postgresql.auto.conf", "a", encoding="ascii") as conf:
            conf.write(POSTGRESQL_CONF + f"port = {self.port}\n"
                       f"unix_socket_directories = '{sandbox.path}'\n")
            conf.writelines(f"{key} = {value}\n" for key, value in (settings or {}).items())
        self.process = sandbox.start(self.name, [f"{PG_BIN}/postgres", "-D", str(data)], self.port)
        self.wait_until_ready()
        self.create_database()

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Its port answers while it is still starting up."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.psql("select 1")
                return
            except RuntimeError:
                self.process.check_alive()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def psql(self, sql: str, database: str = "postgres") -> str:
        return self.sandbox.psql(self.port, sql, database)

    def create_database(self) -> None:
        self.psql(f"create database {DATABASE} template template0")
        for name, value in DATABASE_SETTINGS.items():
            self.psql(f"alter database {DATABASE} set {name} to '{value}'")
        left = self.psql(
            "select (select count(*) from pg_class where oid >= 16384), "
            "(select count(*) from pg_roles where oid >= 16384), "
            "(select count(*) from pg_tablespace where oid >= 16384), "
            "(select count(*) from pg_prepared_xacts)", DATABASE)
        if left != "0|0|0|0":
            raise RuntimeError(f"the new database is not empty: {left}")

    def stop(self) -> None:
        self.sandbox.stop(self.process)
        shutil.rmtree(self.sandbox.path / self.name, ignore_errors=True)


class Weir:
    """pgweir in transaction mode before a cluster. The tests come as its superuser only. With
    `replica_ports` what reads in the database `regression` may go there."""

    def __init__(self, sandbox: Sandbox, cluster: Cluster, binary: pathlib.Path,
                 settings: dict[str, object], replica_ports: list[int] | None = None,
                 database: dict[str, object] | None = None) -> None:
        self.sandbox = sandbox
        self.port = free_port()
        name = cluster.name.replace("postgres", "pgweir")
        everything = {
            "listen_addr": "127.0.0.1", "listen_port": self.port, "unix_socket_dir": "",
            "auth_type": "trust", "auth_file": str(self.write_users()),
            "admin_users": SUPERUSER, "pool_mode": "transaction", "default_pool_size": 12,
            "max_client_conn": 200, "verbose": 1, **settings}
        # JSON's strings, numbers and booleans are TOML's, too.
        text = "[pgweir]\n" + "".join(
            f"{key} = {json.dumps(value)}\n" for key, value in everything.items())
        text += f'\n[databases."*"]\nhost = "127.0.0.1"\nport = {cluster.port}\n'
        if replica_ports:
            hosts = [f"127.0.0.1:{port}" for port in [cluster.port, *replica_ports]]
            section = {"hosts": hosts, "monitor_user": SUPERUSER, **(database or {})}
            text += f"\n[databases.{DATABASE}]\n" + "".join(
                f"{key} = {json.dumps(value)}\n" for key, value in section.items())
        self.config = sandbox.write(f"{name}.toml", text)
        self.process = sandbox.start(name, [str(binary), str(self.config)], self.port)
        self.log = pathlib.Path(self.process.log_path)

    def write_users(self) -> pathlib.Path:
        return self.sandbox.write("userlist.txt", f'"{SUPERUSER}" ""\n')

    def console(self, command: str) -> list[list[str]]:
        shown = self.sandbox.run([
            f"{PG_BIN}/psql", "-XAtq", "-F", "\t", "-h", "127.0.0.1", "-p", str(self.port), "-U",
            SUPERUSER, "-d", "pgweir", "-c", command])
        return [line.split("\t") for line in shown.splitlines()]

    def stop(self) -> None:
        """Raises RuntimeError unless it is still the process that was started."""
        self.process.check_alive()
        self.sandbox.stop(self.process)
        if self.process.popen.returncode != 0:
            raise RuntimeError(f"pgweir ended with {self.process.popen.returncode}:\n"
                               f"{self.process.last_words()}")
