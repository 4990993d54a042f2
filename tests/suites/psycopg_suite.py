"""./dev suites psycopg: psycopg 3's own test suite through pgweir in transaction mode.

Debian's source package gives the tests, python3-psycopg the library, in Python by libpq. Each test that
passes direct must pass through pgweir, less what psycopg_exceptions.txt explains. Records and logs are
kept in build/suites/psycopg."""

import argparse
import pathlib

import compared
from debian import fetch_source
from recorded import Recorded
from sandbox import SUPERUSER, Cluster, Sandbox

DATABASE = "psycopg_test"
# What needs minutes, a network or a type checker says nothing about a pooler.
MARKS = "not slow and not mypy and not dns and not proxy"


def prepare(cluster: Cluster) -> None:
    cluster.psql(f"create database {DATABASE} template template0")


def start(sandbox: Sandbox, source: pathlib.Path, name: str, port: int,
          options: argparse.Namespace) -> Recorded:
    # Debian's Python: its packages are not for another one that may come first.
    command = ["/usr/bin/python3", "-m", "pytest", "-p", "weir_pytest", "-p", "no:cacheprovider", "-q",
               "-m", MARKS, *(["-k", options.tests] if options.tests else []), "tests"]
    environment = {"PSYCOPG_IMPL": "python", "PSYCOPG_TEST_DSN":
                   f"host=127.0.0.1 port={port} user={SUPERUSER} dbname={DATABASE}"}
    return Recorded(sandbox, name, command, source, environment, options.stall)


SUITE = compared.Suite(
    name="psycopg", about=__doc__, pool_size=8, prepare=prepare, start=start,
    exceptions=pathlib.Path(__file__).parent / "psycopg_exceptions.txt",
    fetch=lambda: fetch_source(compared.CACHE, "psycopg3", "psycopg",
                               ["*/tests/*", "*/pyproject.toml", "*/LICENSE.txt"]))


def main(arguments: list[str]) -> int:
    return compared.main(SUITE, arguments)
