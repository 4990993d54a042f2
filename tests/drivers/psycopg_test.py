"""psycopg 3 through the proxy. The connection comes from libpq's environment variables."""

import os
import threading
import time

import psycopg
import pytest
from pgcli.pgexecute import PGExecute

POOL_SIZE = int(os.environ["WEIR_POOL_SIZE"])
# PgBouncer 1.18 cannot keep prepared statements apart.
ours_only = pytest.mark.skipif(
    os.environ.get("WEIR_PROXY") == "pgbouncer", reason="PgBouncer 1.18 cannot"
)


def connect(**options):
    if os.environ.get("WEIR_PROXY") == "pgbouncer":
        options.setdefault("prepare_threshold", None)
    return psycopg.connect("", **options)


def test_types_come_back():
    with connect() as connection:
        row = connection.execute(
            "select %s::int, %s::text, %s::float8, %s::timestamptz is null, %s::int[], %s::jsonb",
            (1, "zwölf", 1.5, None, [1, 2, 3], '{"a": 1}'),
        ).fetchone()
    assert row == (1, "zwölf", 1.5, True, [1, 2, 3], {"a": 1})


def test_binary_results():
    with connect() as connection:
        cursor = connection.cursor(binary=True)
        assert cursor.execute("select 7::int8, 'x'::text").fetchone() == (7, "x")


@ours_only
def test_prepared_statements_on_all_servers():
    """More connections than servers, each with statements psycopg prepares by itself."""
    connections = [connect(autocommit=True, prepare_threshold=0) for _ in range(3 * POOL_SIZE)]
    for round_ in range(5):
        for number, connection in enumerate(connections):
            row = connection.execute("select %s::int, %s::int", (number, round_)).fetchone()
            assert row == (number, round_)
    for connection in connections:
        connection.close()


def test_transactions_and_savepoints():
    with connect(autocommit=True) as connection:
        connection.execute("create table psycopg_tx (a int primary key)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            with connection.transaction():
                connection.execute("insert into psycopg_tx values (1), (1)")
        with connection.transaction():
            connection.execute("insert into psycopg_tx values (1)")
            with pytest.raises(psycopg.errors.DivisionByZero):
                with connection.transaction():
                    connection.execute("insert into psycopg_tx values (2)")
                    connection.execute("select 1/0")
        assert connection.execute("select a from psycopg_tx").fetchall() == [(1,)]


def test_copy_both_ways():
    with connect() as connection:
        connection.execute("create temp table psycopg_copy (a int, b text) on commit drop")
        with connection.cursor().copy("copy psycopg_copy from stdin") as copy:
            for number in range(10000):
                copy.write_row((number, "text"))
        with connection.cursor().copy("copy psycopg_copy to stdout") as copy:
            rows = list(copy.rows())
    assert len(rows) == 10000 and rows[-1] == ("9999", "text")


def test_cancel():
    with connect(autocommit=True) as connection:
        timer = threading.Timer(0.5, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(60)")
        timer.join()
        assert connection.execute("select 1").fetchone() == (1,)


def test_notices_and_diagnostics():
    with connect(autocommit=True) as connection:
        notices = []
        connection.add_notice_handler(lambda diagnostic: notices.append(diagnostic.message_primary))
        connection.execute("do $$ begin raise notice 'heard'; end $$")
        assert notices == ["heard"]
        with pytest.raises(psycopg.errors.UndefinedTable) as caught:
            connection.execute("select * from nowhere")
        assert caught.value.diag.sqlstate == "42P01"
        assert caught.value.diag.statement_position is not None


@ours_only
@pytest.mark.skipif(not psycopg.Pipeline.is_supported(), reason="libpq without pipeline mode")
def test_pipeline():
    with connect(autocommit=True) as connection:
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", (n,)) for n in range(500)]
            assert [cursor.fetchone()[0] for cursor in cursors] == list(range(500))
        with pytest.raises(psycopg.errors.DivisionByZero):
            with connection.pipeline():
                connection.execute("select 1/0")
        assert connection.execute("select 'alive'").fetchone() == ("alive",)


def test_server_side_cursor():
    with connect() as connection:
        with connection.cursor("named") as cursor:
            cursor.itersize = 100
            cursor.execute("select generate_series(1, 1000)")
            assert sum(row[0] for row in cursor) == 500500


def test_many_threads():
    errors = []

    def work(number):
        try:
            with connect(autocommit=True) as connection:
                for i in range(50):
                    assert connection.execute("select %s::int", (number * i,)).fetchone() == (number * i,)
        except Exception as error:  # shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_client_that_goes_away_in_a_transaction_leaves_nothing():
    connection = connect()
    connection.execute("create table psycopg_gone (a int)")
    os.close(connection.fileno())
    with connect(autocommit=True) as other:
        deadline = time.monotonic() + 10
        while other.execute("select to_regclass('psycopg_gone')").fetchone() != (None,):
            assert time.monotonic() < deadline
        other.execute("create table psycopg_gone (a int)")


@ours_only
@pytest.mark.parametrize("database", ["pgweir", os.environ["PGDATABASE"]])
def test_pgcli_gets_what_it_asks_for(database):
    """What pgcli (which is psycopg) asks when it connects, and for its completions: the console
    answers it as a database does."""
    user = os.environ["WEIR_ADMIN" if database == "pgweir" else "PGUSER"]
    client = PGExecute(database, user, os.environ["PGPASSWORD"], os.environ["PGHOST"],
                       os.environ["PGPORT"], None)
    tables = {name for _, name in client.tables()}
    for rows in (client.search_path, client.schemata, client.views, client.table_columns,
                 client.view_columns, client.databases, client.functions, client.datatypes,
                 client.foreignkeys):
        list(rows())
    if database == "pgweir":
        assert {"pools", "clients", "queries"} <= tables
    assert database in client.databases()
    assert client.full_databases()[1][0] == "Name"
