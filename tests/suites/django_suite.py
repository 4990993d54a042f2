"""./dev suites django: the tests of Django's database layer, Django's own, through pgweir in
transaction mode, with psycopg2.

Debian's source package gives the tests, python3-django the library. Each test that passes direct must
pass through pgweir, less what django_exceptions.txt explains. Records and logs are kept in
build/suites/django."""

import argparse
import pathlib

import compared
from debian import fetch_source
from recorded import Recorded
from sandbox import Cluster, Sandbox

# Those in which the server does something; forms, templates and views say nothing about a pooler.
APPS = """
    aggregation aggregation_regress annotations backends base basic bulk_create cache constraints
    contenttypes_tests custom_columns custom_lookups custom_pk datatypes dates datetimes db_functions
    db_typecasts db_utils defer delete delete_regress distinct_on_fields expressions expressions_case
    expressions_window extra_regress fixtures force_insert_update foreign_object from_db_value
    get_or_create indexes inspectdb introspection lookup many_to_many migrate_signals migrations
    migrations2 model_fields model_indexes multiple_database null_fk ordering postgres_tests
    prefetch_related queries raw_query schema select_for_update select_related servers sessions_tests
    test_utils timezones transaction_hooks transactions update user_commands
""".split()


def prepare(cluster: Cluster) -> None:
    """Django would make them itself, and drop them at the end while pgweir still has servers there."""
    for name in ("django_default", "django_other"):
        cluster.psql(f"create database {name} template template0")


def start(sandbox: Sandbox, source: pathlib.Path, name: str, port: int,
          options: argparse.Namespace) -> Recorded:
    command = ["/usr/bin/python3", "-Wignore", "runtests.py", "--settings=weir_django", "--keepdb",
               "--parallel=1", "--noinput",
               *(["-k", options.tests] if options.tests else []), *APPS]
    return Recorded(sandbox, name, command, source / "tests", {"WEIR_PORT": str(port)}, options.stall)


SUITE = compared.Suite(
    name="django", about=__doc__, pool_size=5, prepare=prepare, start=start,
    exceptions=pathlib.Path(__file__).parent / "django_exceptions.txt",
    fetch=lambda: fetch_source(compared.CACHE, "python-django", "django", ["*/tests/*", "*/LICENSE"]))


def main(arguments: list[str]) -> int:
    return compared.main(SUITE, arguments)
