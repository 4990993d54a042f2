"""A primary, its replicas and pgweir before them; and how a part of run.py says what it found."""

import os
import pathlib
import time

import psycopg
from replicas import PRIMARY_CONF, Replica
from sandbox import DATABASE, SUPERUSER, Cluster, Sandbox, Weir

SMALL = {"shared_buffers": "'16MB'", "autovacuum": "off"}


class World:
    """A primary, replicas and pgweir before them."""

    def __init__(self, sandbox: Sandbox, binary: pathlib.Path, replicas: int, *,
                 chain: bool = False, workers: int = 2, state_file: str = "",
                 **database: object) -> None:
        self.sandbox = sandbox
        os.chmod(sandbox.path, 0o755)
        self.primary = Cluster(sandbox, {**PRIMARY_CONF, **SMALL})
        self.replicas: list[Replica] = []
        for number in range(replicas):
            upstream = self.replicas[-1] if chain and self.replicas else None
            self.replicas.append(
                Replica(sandbox, self.primary, f"replica-{number + 1}", upstream=upstream))
        self.binary = sandbox.copy(binary, "pgweir")
        self.settings = {"workers": workers, "default_pool_size": 40, "max_client_conn": 500,
                         "query_wait_timeout": "20s"}
        if state_file:
            self.settings["cluster_state_file"] = state_file
        self.database = dict(database)
        self.weir = self.start_weir()

    def start_weir(self) -> Weir:
        return Weir(self.sandbox, self.primary, self.binary, self.settings,
                    [replica.port for replica in self.replicas], self.database)

    def restart(self) -> None:
        """Another pgweir with the same configuration, on another port."""
        self.weir.stop()
        self.settings["query_wait_timeout"] = "2s"
        self.weir = self.start_weir()

    def dsn(self, port: int) -> str:
        return f"host=127.0.0.1 port={port} user={SUPERUSER} dbname={DATABASE}"

    def connect(self, port: int | None = None) -> psycopg.Connection:
        return psycopg.connect(self.dsn(port or self.weir.port), autocommit=True)

    def hosts(self) -> dict[int, dict[str, str]]:
        """SHOW HOSTS by port."""
        names = ("cluster host role state reason detail since timeline lsn receive_lsn lag_bytes lag_ms"
                 " weight zone sync_state").split()
        rows = self.weir.console("SHOW HOSTS")
        return {int(row[1].rpartition(":")[2]): dict(zip(names, row)) for row in rows}

    def routes(self) -> dict[str, int]:
        """Transactions by what they ran on."""
        counts = {"replica": 0, "primary": 0, "retried": 0}
        for _, target, reason, count, _ in self.weir.console("SHOW ROUTES"):
            counts["retried" if reason.startswith("retried") else target] += int(count)
        return counts

    def wait_until_known(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while sum(host["state"] == "healthy" for host in self.hosts().values()) <= len(self.replicas):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the hosts are not all healthy: {self.hosts()}")
            time.sleep(0.1)


def last_host(connection: psycopg.Connection) -> int:
    """The port of the host that the transaction before ran on."""
    route = connection.execute("show pgweir.last_route", prepare=False).fetchone()[0]
    return int(route.split("host=")[1].split()[0].rpartition(":")[2])


class Verdict:
    def __init__(self) -> None:
        self.good = True

    def check(self, holds: bool, text: str) -> None:
        print(f"{'ok  ' if holds else 'FAIL'} {text}", flush=True)
        self.good &= holds
