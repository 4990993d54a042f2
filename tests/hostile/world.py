"""What the cases run against: a PostgreSQL cluster and pgweir processes of their own in a temporary
directory, and the checks that hold after every case."""

import hashlib
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from wire import Client, Closed, patience

BINARIES = "/usr/lib/postgresql/15/bin/"
ADMIN_NAME = "hostile admin"
PASSWORD = "s3cret\\pa'ss"
POOL_SIZE = 4

# What must be the same for a client on any server of the pool as on a fresh connection.
FINGERPRINT = (
    "select concat_ws('|', current_user, session_user, current_setting('search_path'), "
    "current_setting('default_transaction_read_only'), current_setting('DateStyle'), "
    "current_setting('TimeZone'), current_setting('client_encoding'), "
    "current_setting('work_mem'), current_setting('statement_timeout'), "
    "current_setting('standard_conforming_strings'), current_setting('row_security'), "
    "coalesce(current_setting('app.tenant', true), 'none'), "
    "(select count(*) from pg_prepared_statements where from_sql), "
    "(select count(*) from pg_cursors where is_holdable), "
    "(select count(*) from pg_listening_channels()), "
    "(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), "
    "pg_my_temp_schema())")


def free_port():
    while True:
        port = random.randint(20001, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until(what, condition, seconds=5.0):
    """Asks until the condition holds; its last value is part of the failure."""
    deadline = time.monotonic() + seconds * patience()
    while True:
        value = condition()
        if value is True:
            return
        assert time.monotonic() < deadline, f"not in time: {what} (last seen: {value})"
        time.sleep(0.01)


def demote():
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam("postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def make_tls(directory):
    """An authority, and certificates by it for localhost and for another name."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=directory, capture_output=True)

    key = ["-newkey", "rsa:2048", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj",
            "/CN=hostile test authority")
    for name, subject, alternative in (
            ("server", "localhost", "DNS:localhost,IP:127.0.0.1"),
            ("other", "other.example", "DNS:other.example")):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={subject}")
        with open(f"{directory}/{name}.ext", "w") as file:
            file.write(f"subjectAltName={alternative}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    for name in os.listdir(directory):
        os.chmod(f"{directory}/{name}", 0o600)
        if os.geteuid() == 0:
            shutil.chown(f"{directory}/{name}", "postgres", "postgres")


class Cluster:
    """One PostgreSQL server that trusts everybody, on loopback."""

    def __init__(self, directory):
        self.port = free_port()
        self.data = f"{directory}/data"
        subprocess.run(
            [BINARIES + "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale", "C.UTF-8", "--no-sync"], check=True, capture_output=True, cwd="/",
            **demote())
        with open(f"{self.data}/postgresql.auto.conf", "w") as file:
            file.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                f"unix_socket_directories = ''\nmax_connections = 200\nfsync = off\n"
                f"full_page_writes = off\nautovacuum = off\nssl = on\n"
                f"ssl_cert_file = '{directory}/tls/server.crt'\n"
                f"ssl_key_file = '{directory}/tls/server.key'\n")
        self.log = open(f"{directory}/postgresql.log", "wb")
        self.process = subprocess.Popen(
            [BINARIES + "postgres", "-D", self.data], stdout=self.log, stderr=self.log, cwd="/",
            **demote())
        wait_until("PostgreSQL accepts connections", self.accepts, 30)
        self.admin = self.connect("postgres", "postgres", application_name=ADMIN_NAME)
        for sql in ("create database hostile", "create role app login", "create role other login",
                    "create role victim", "create role boss login superuser",
                    "grant victim to app", "create role plain_user login",
                    "create role md5_user login", "create role scram_user login"):
            self.run(sql)
        with self.connect("postgres", "hostile", application_name=ADMIN_NAME) as owner:
            for sql in SCHEMA:
                reply = owner.query(sql)
                assert not reply.errors, reply

    def accepts(self):
        assert self.process.poll() is None, "PostgreSQL ended at its start"
        try:
            self.connect("postgres", "postgres").close()
            return True
        except (OSError, AssertionError, Closed) as error:
            return str(error)

    def connect(self, user="app", database="hostile", password=None, timeout=10.0, **params):
        client = Client(self.port, timeout)
        reply = client.login(user, database, password, params=params.items())
        assert reply.status == "I", reply
        return client

    def run(self, sql):
        """By the superuser on a connection of its own; the reply."""
        reply = self.admin.query(sql)
        assert not reply.errors, reply
        return reply

    def value(self, sql):
        return self.run(sql).value

    def backends(self, condition="true"):
        return int(self.value(
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and "
            f"application_name <> '{ADMIN_NAME}' and pid <> pg_backend_pid() and ({condition})"))

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


SCHEMA = [
    "grant all on schema public to public",
    "create table kept(id int)",
    "grant all on kept to public",
    "create sequence counter",
    "grant all on sequence counter to public",
    "create table item(id int primary key, payload text)",
    "insert into item select i, repeat('x', 1000) from generate_series(1, 1000) i",
    "grant all on item to public",
    "create function become(role text) returns void language plpgsql as "
    "$$ begin execute format('set role %I', role); end $$",
]


class Weir:
    """One pgweir process and its log."""

    def __init__(self, directory, name, settings, databases, users, limit_files=0):
        self.name = name
        self.port = free_port()
        self.directory = tempfile.mkdtemp(prefix=name + "-", dir=directory)
        self.config = f"{self.directory}/pgweir.toml"
        self.log_path = f"{self.directory}/log"
        self.settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.port,
            "unix_socket_dir": "", "workers": int(os.environ.get("WEIR_WORKERS") or 2),
            "pool_mode": "transaction", "auth_file": f"{self.directory}/userlist.txt",
            "max_client_conn": 5000, "default_pool_size": POOL_SIZE, "admin_users": "admin",
            "stats_users": "viewer", **settings}
        self.databases = databases
        with open(f"{self.directory}/userlist.txt", "w") as file:
            for user, secret in users.items():
                quoted = secret.replace('"', '""')
                file.write(f'"{user}" "{quoted}"\n')
        self.write_config()
        if os.geteuid() == 0:
            for path in (self.directory, self.config, f"{self.directory}/userlist.txt"):
                shutil.chown(path, "postgres", "postgres")
        command = [f"{directory}/pgweir", self.config]
        if limit_files:
            command = ["prlimit", f"--nofile={limit_files}:{limit_files}", *command]
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd="/",
                                        **demote())
        self.base_files = None
        self.base_memory = None
        wait_until(f"pgweir {name} accepts connections", self.accepts, 15)

    def write_config(self, extra=""):
        def value(item):
            if isinstance(item, bool):
                return "true" if item else "false"
            if isinstance(item, int):
                return str(item)
            return '"' + str(item).replace("\\", "\\\\").replace('"', '\\"') + '"'

        def table(title, section):
            return f"[{title}]\n" + "".join(f"{k} = {value(v)}\n" for k, v in section.items())

        with open(self.config, "w") as file:
            file.write(table("pgweir", self.settings) + extra)
            for name, section in self.databases.items():
                file.write(table(f'databases."{name}"', section))

    def accepts(self):
        assert self.process.poll() is None, "pgweir ended at its start:\n" + self.log_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        except OSError as error:
            return str(error)

    def log_text(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    @property
    def alive(self):
        return self.process.poll() is None

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(field + r":\s+(\d+)", file.read())[1]) * 1024

    def reset_peak(self):
        try:
            with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            pass

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self, user="app", database="hostile", password=None, timeout=10.0, **params):
        client = Client(self.port, timeout=timeout)
        reply = client.login(user, database, password, params=params.items())
        assert reply.status == "I", f"login refused: {reply}"
        return client

    def stop(self):
        """The exit code of an orderly stop."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20 * patience())
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return "killed: it did not stop"
        self.log.close()
        return self.process.returncode


class World:
    """The cluster, the processes, and what is checked after each case."""

    def __init__(self, direct=False):
        self.direct = direct
        self.directory = tempfile.mkdtemp(prefix="weir-hostile-")
        os.chmod(self.directory, 0o755)
        os.mkdir(f"{self.directory}/tls")
        make_tls(f"{self.directory}/tls")
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
            shutil.chown(f"{self.directory}/tls", "postgres", "postgres")
        # A copy: others can run it, and a build meanwhile does not matter.
        shutil.copy(os.environ["WEIR_BINARY"], f"{self.directory}/pgweir")
        os.chmod(f"{self.directory}/pgweir", 0o755)
        self.proxies = {}
        self.cluster = Cluster(self.directory)
        with self.cluster.connect() as client:
            self.clean = client.query(FINGERPRINT).value

    def tls(self, name):
        return f"{self.directory}/tls/{name}"

    def server(self, **more):
        return {"host": "127.0.0.1", "port": self.cluster.port, "dbname": "hostile", **more}

    def start(self, name, settings, databases, users, limit_files=0):
        weir = Weir(self.directory, name, settings, databases, users, limit_files)
        self.proxies[name] = weir
        return weir

    def users(self):
        md5 = "md5" + hashlib.md5((PASSWORD + "md5_user").encode()).hexdigest()
        self.cluster.run(f"alter role scram_user password $p${PASSWORD}$p$")
        scram = self.cluster.value("select rolpassword from pg_authid where rolname = 'scram_user'")
        return {"app": PASSWORD, "other": PASSWORD, "boss": PASSWORD, "admin": PASSWORD,
                "viewer": PASSWORD, "plain_user": PASSWORD, "md5_user": md5, "scram_user": scram}

    @property
    def weir(self):
        """Trusts everybody and offers TLS; most cases run here. With --direct: PostgreSQL."""
        if self.direct:
            return self.cluster
        return self.proxies.get("trust") or self.start("trust", {
            "auth_type": "trust", "client_login_timeout": 3 * patience(),
            "query_wait_timeout": 20 * patience(),
            **self.client_tls()},
            {"hostile": self.server(), "one": self.server(pool_size=1),
             "two": self.server(pool_size=2)}, self.users())

    def guard(self, auth_type):
        """Asks for passwords."""
        name = "guard-" + auth_type
        return self.proxies.get(name) or self.start(name, {
            "auth_type": auth_type, "client_login_timeout": 3 * patience(), **self.client_tls()},
            {"hostile": self.server()}, self.users())

    def client_tls(self):
        return {"client_tls_sslmode": "allow", "client_tls_cert_file": self.tls("server.crt"),
                "client_tls_key_file": self.tls("server.key")}

    # --- after every case ---

    def settle(self):
        """Measures what the checks compare with."""
        self.settle_new()
        for weir in self.proxies.values():
            weir.reset_peak()

    def settle_new(self):
        """Processes that the case has started: measured after it, for the next ones."""
        for weir in self.proxies.values():
            if weir.base_files is None:
                self.fill_pool(weir)
                weir.base_memory = weir.memory()
                weir.base_files = self.own_files(weir)

    def replace_broken(self):
        """After a failure: the next cases start with new processes."""
        for weir in self.proxies.values():
            weir.stop()
        self.proxies.clear()
        try:
            self.cluster.run("select pg_terminate_backend(pid) from pg_stat_activity where "
                             f"backend_type = 'client backend' and pid <> pg_backend_pid() and "
                             f"application_name <> '{ADMIN_NAME}'")
        except Exception as error:
            print(f"      PostgreSQL: {error}")

    def own_files(self, weir):
        """Descriptors besides those of its server connections (a fake server's count, too).

        The descriptors are listed first and once: a server connection that is opened meanwhile is
        not among them, and cannot be taken off from those that are."""
        base = f"/proc/{weir.process.pid}/fd"
        inodes = []
        for name in os.listdir(base):
            try:
                inodes.append(os.readlink(f"{base}/{name}"))
            except OSError:
                continue  # closed since
        servers = set() if weir.name.startswith("fake") else self.server_sockets()
        return sum(inode not in servers for inode in inodes)

    def server_sockets(self):
        """Sockets of all processes that are connected to the cluster, as /proc/PID/fd names them."""
        with open("/proc/net/tcp") as file:
            lines = [line.split() for line in file.readlines()[1:]]
        return {f"socket:[{fields[9]}]" for fields in lines
                if int(fields[2].split(":")[1], 16) == self.cluster.port}

    def fill_pool(self, weir):
        """Every server of the pool, each in a transaction of a client of its own: all clean?"""
        if weir.name.startswith("fake"):
            return
        user, password = ("app", PASSWORD) if weir.name.startswith("guard") else ("app", None)
        database = "hostile" if "hostile" in weir.databases else next(iter(weir.databases))
        clients = []
        try:
            for _ in range(POOL_SIZE):
                client = weir.connect(user, database, password, timeout=15)
                clients.append(client)
                reply = client.query("begin")
                assert reply.tags == ["BEGIN"], reply
                seen = client.query(FINGERPRINT)
                assert not seen.errors, seen
                assert seen.value == self.clean, f"a dirty server: {seen.value} not {self.clean}"
        finally:
            for client in clients:
                client.try_send(b"X\0\0\0\4")
                client.close()

    def check(self, memory_bound=None):
        """Alive, serving, clean, no descriptor and no memory lost."""
        for weir in list(self.proxies.values()):
            assert weir.alive, (f"pgweir {weir.name} ended with {weir.process.returncode}\n" +
                                weir.log_text()[-3000:])
            if weir.base_files is None:
                continue
            self.fill_pool(weir)
            base = weir.base_files
            wait_until(f"descriptors of {weir.name} are back at {base}",
                       lambda: self.own_files(weir) <= base or self.own_files(weir), 8)
            if memory_bound and patience() == 1:
                grown = weir.memory("VmHWM") - weir.base_memory
                assert grown < memory_bound, f"memory of {weir.name} grew by {grown >> 20} MiB"
        wait_until("no server is active or in a transaction",
                   lambda: self.cluster.backends("state <> 'idle'") or True, 8)
        wait_until("no advisory lock is left", lambda: int(self.cluster.value(
            "select count(*) from pg_locks where locktype = 'advisory'")) or True)
        assert self.cluster.value("select count(*) from pg_tables where tablename = 'pwned'"
                                  ) == "0", "injected SQL has run"
        assert self.cluster.value("select count(*) from pg_database where datname = 'pwned'"
                                  ) == "0", "injected SQL has run"

    def drop(self, name):
        """A process that only one case needed."""
        code = self.proxies.pop(name).stop()
        assert code == 0, f"pgweir {name} ended with {code}"

    def stop(self):
        problems = []
        for weir in self.proxies.values():
            code = weir.stop()
            if code != 0:
                problems.append(f"pgweir {weir.name} ended with {code}: {weir.log_text()[-2000:]}")
            for mark in ("ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:",
                         "ERROR: LeakSanitizer", "inside pgweir"):
                if mark in weir.log_text():
                    problems.append(f"pgweir {weir.name}: {mark} in its log")
        self.cluster.stop()
        if not os.environ.get("WEIR_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)
        return problems
