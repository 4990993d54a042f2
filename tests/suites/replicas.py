"""Streaming replicas of a sandbox's PostgreSQL, for reads that pgweir sends to them."""

import time

from weirbench.process import free_port

from sandbox import SUPERUSER, Cluster, Sandbox
from source import PG_BIN

PRIMARY_CONF = {"wal_level": "replica", "max_wal_senders": "10", "wal_keep_size": "'1GB'"}
# Without hot_standby_feedback: what replicas still read would keep VACUUM from its work, and the plans
# that tests show hang on that.
REPLICA_CONF = {"hot_standby": "on", "hot_standby_feedback": "off"}


class Replica:
    """A copy of `primary` that streams from it. `upstream`: cascading, from that replica."""

    def __init__(self, sandbox: Sandbox, primary: Cluster, name: str,
                 settings: dict[str, str] | None = None, upstream: "Replica | None" = None) -> None:
        self.sandbox = sandbox
        self.name = f"{primary.name}-{name}"
        self.port = free_port()
        self.data = sandbox.path / self.name
        source = upstream.port if upstream else primary.port
        sandbox.run([f"{PG_BIN}/pg_basebackup", "-D", str(self.data), "-R", "-c", "fast", "--no-sync", "-d",
                     f"host=127.0.0.1 port={source} user={SUPERUSER} application_name={name}"])
        lines = {**REPLICA_CONF, "port": str(self.port), **(settings or {})}
        sandbox.run(["sh", "-c", 'cat >>"$1"', "sh", str(self.data / "postgresql.auto.conf")],
                    "".join(f"{key} = {value}\n" for key, value in lines.items()))
        self.start()

    def start(self) -> None:
        self.process = self.sandbox.start(
            self.name, [f"{PG_BIN}/postgres", "-D", str(self.data)], self.port)
        deadline = time.monotonic() + 60
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

    def stop(self) -> None:
        self.sandbox.stop(self.process)
