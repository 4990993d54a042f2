"""./dev suites rails: the tests of ActiveRecord, Rails' own, through pgweir in transaction mode, with
prepared statements and advisory locks as they are by default.

Debian's source package gives the tests and ActiveRecord itself. Each test that passes direct must
pass through pgweir, less what rails_exceptions.txt explains. Records and logs are kept in
build/suites/rails."""

import argparse
import pathlib

import compared
from debian import fetch_source
from recorded import Recorded
from sandbox import SUPERUSER, Cluster, Sandbox

DATABASES = ("activerecord_unittest", "activerecord_unittest2")
CONFIG = "default_connection: postgresql\nconnections:\n  postgresql:\n" + "".join(
    f"    {name}: {{host: 127.0.0.1, port: {{port}}, username: {SUPERUSER}, database: {database}, "
    f"min_messages: warning}}\n" for name, database in zip(("arunit", "arunit2"), DATABASES))


def prepare(cluster: Cluster) -> None:
    for name in DATABASES:
        cluster.psql(f"create database {name} template template0")


def start(sandbox: Sandbox, source: pathlib.Path, name: str, port: int,
          options: argparse.Namespace) -> Recorded:
    directory = source / "activerecord"
    (directory / "test/config.yml").write_text(CONFIG.replace("{port}", str(port)))
    # The order must be the same each time.
    command = ["ruby", str(sandbox.path / "recorders/weir_minitest.rb"), "--seed", "1",
               *(["-n", f"/{options.tests}/"] if options.tests else [])]
    environment = {"ARCONN": "postgresql", "PGHOST": "127.0.0.1", "PGPORT": str(port),
                   "PGUSER": SUPERUSER}
    return Recorded(sandbox, name, command, directory, environment, options.stall)


SUITE = compared.Suite(
    name="rails", about=__doc__, pool_size=5, prepare=prepare, start=start,
    exceptions=pathlib.Path(__file__).parent / "rails_exceptions.txt",
    fetch=lambda: fetch_source(compared.CACHE, "rails", "rails", ["*/activerecord/*", "*/tools/*"]))


def main(arguments: list[str]) -> int:
    return compared.main(SUITE, arguments)
