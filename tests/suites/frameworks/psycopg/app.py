"""What an application does with psycopg 3: it prepares what it has seen five times, and pipelines."""

import asyncio
import os
import sys

import psycopg
from psycopg.rows import dict_row

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from steps import COPY, main, step  # noqa: E402

TABLE = f"psycopg_item_{COPY}"
connection = psycopg.connect("", autocommit=True)


@step
def tables():
    connection.execute("set client_min_messages = warning")
    connection.execute(f"drop table if exists {TABLE}")
    connection.execute(f"create table {TABLE} (id int primary key, name text, data jsonb)")


@step
def prepared_after_five():
    with psycopg.connect("") as own:
        for number in range(200):
            own.execute(f"insert into {TABLE} values (%s, %s)", (number, f"item {number}"))
            own.commit()
        for number in range(200):
            row = own.execute(f"select name from {TABLE} where id = %s", (number,)).fetchone()
            assert row == (f"item {number}",)
            own.commit()


@step
def its_own_prepared_statements():
    with psycopg.connect("", prepare_threshold=0, autocommit=True) as own:
        own.execute(f"select name from {TABLE} where id = %s", (1,))
        names = own.execute("select name from pg_prepared_statements where statement like %s",
                            (f"%{TABLE}%",)).fetchall()
        assert [name[:4] for name, in names] == ["_pg3"], names


@step
def deallocates_all_after_a_rollback():
    with psycopg.connect("", prepare_threshold=0) as own:
        for number in range(20):
            row = own.execute(f"select name from {TABLE} where id = %s", (number,)).fetchone()
            assert row == (f"item {number}",)
            own.rollback()


@step
def more_than_it_keeps_prepared():
    """Over prepared_max it deallocates the oldest, in SQL."""
    with psycopg.connect("", prepare_threshold=0, autocommit=True) as own:
        own.prepared_max = 10
        for round_ in range(3):
            for number in range(40):
                assert own.execute(f"select {number} + %s::int", (round_,)).fetchone() == (number + round_,)


@step
def changed_table():
    """Direct its next use is refused; pgweir may prepare it anew, for psycopg reads the columns each time."""
    for number in range(3):
        with psycopg.connect("", prepare_threshold=0, autocommit=True) as own:
            row = own.execute(f"select * from {TABLE} where id = %s", (1,)).fetchone()
            assert len(row) == 3 + number
            own.execute(f"alter table {TABLE} add extra_{number} int")
            try:
                row = own.execute(f"select * from {TABLE} where id = %s", (1,)).fetchone()
                assert len(row) == 4 + number
            except psycopg.errors.FeatureNotSupported:
                pass


@step
def pipeline():
    with connection.pipeline():
        cursors = [connection.execute("select %s::int", (number,)) for number in range(300)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(300))


@step
def pipeline_with_transaction_and_error():
    try:
        with connection.pipeline(), connection.transaction():
            connection.execute(f"delete from {TABLE}")
            connection.execute("select 1/0")
    except psycopg.errors.DivisionByZero:
        pass
    assert connection.execute(f"select count(*) from {TABLE}").fetchone() == (200,)


@step
def nested_transactions():
    with connection.transaction():
        connection.execute(f"update {TABLE} set name = 'outer' where id = 1")
        with connection.transaction(force_rollback=True):
            connection.execute(f"update {TABLE} set name = 'inner' where id = 1")
        try:
            with connection.transaction():
                connection.execute("select 1/0")
        except psycopg.errors.DivisionByZero:
            pass
    assert connection.execute(f"select name from {TABLE} where id = 1").fetchone() == ("outer",)


@step
def named_cursors():
    with psycopg.connect("") as own, own.cursor("scrolling", scrollable=True, row_factory=dict_row) as cursor:
        cursor.execute(f"select id from {TABLE} order by id")
        cursor.scroll(100)
        assert cursor.fetchone() == {"id": 100}
        cursor.scroll(0, mode="absolute")
        assert len(cursor.fetchall()) == 200
    with connection.cursor("held", withhold=True) as cursor:
        cursor.execute(f"select id from {TABLE} order by id")
        assert [cursor.fetchone()[0] for _ in range(50)] == list(range(50))


@step
def two_phases():
    with psycopg.connect("") as own:
        xid = own.xid(1, f"global {COPY}", "branch")
        own.tpc_begin(xid)
        own.execute(f"update {TABLE} set name = 'two phases' where id = 2")
        own.tpc_prepare()
        own.tpc_commit()
        assert own.execute(f"select name from {TABLE} where id = 2").fetchone() == ("two phases",)


@step
def copy_between_tables():
    with psycopg.connect("") as own, psycopg.connect("") as other:
        other.execute(f"create temp table target (id int, name text)")
        with own.cursor().copy(f"copy (select id, name from {TABLE}) to stdout (format binary)") as out, \
                other.cursor().copy("copy target from stdin (format binary)") as into:
            for block in out:
                into.write(block)
        assert other.execute("select count(*) from target").fetchone() == (200,)


@step
def settings_of_the_connection():
    with psycopg.connect("", options="-c statement_timeout=12345 -c app.copy=x", application_name="psy") as own:
        own.autocommit = True
        own.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        own.read_only = True
        for _ in range(10):
            assert own.execute("show statement_timeout").fetchone() == ("12345ms",)
            assert own.execute("select current_setting('app.copy')").fetchone() == ("x",)
            with own.transaction():
                assert own.execute("show transaction_isolation").fetchone() == ("serializable",)
                assert own.execute("show transaction_read_only").fetchone() == ("on",)
        own.execute("set timezone = 'Asia/Tokyo'")
        assert own.info.timezone.key == "Asia/Tokyo"
        assert own.info.parameter_status("application_name") == "psy"


@step
def client_encoding():
    with psycopg.connect("", client_encoding="latin1", autocommit=True) as own:
        for _ in range(5):
            assert own.execute("select %s::text", ("zwölf",)).fetchone() == ("zwölf",)
        own.execute("set client_encoding = utf8")
        assert own.execute("select 'zwölf €'").fetchone() == ("zwölf €",)


@step
async def asynchronous_notifications():
    own = await psycopg.AsyncConnection.connect("", autocommit=True)
    await own.execute(f"listen psycopg_{COPY}")

    async def hear():
        heard = []
        async for message in own.notifies():
            heard.append(message.payload)
            if len(heard) == 5:
                return heard

    task = asyncio.create_task(hear())
    await asyncio.sleep(0.1)
    for number in range(5):
        connection.execute("select pg_notify(%s, %s)", (f"psycopg_{COPY}", str(number)))
    assert await asyncio.wait_for(task, 20) == list("01234")
    await own.close()


@step
async def cancelled_task():
    own = await psycopg.AsyncConnection.connect("", autocommit=True)
    task = asyncio.create_task(own.execute("select pg_sleep(30)"))
    await asyncio.sleep(0.3)
    own.cancel()
    try:
        await task
        raise AssertionError("not cancelled")
    except psycopg.errors.QueryCanceled:
        pass
    assert await (await own.execute("select 1")).fetchone() == (1,)
    await own.close()


@step
def enum_and_composite_types():
    from psycopg.types.composite import CompositeInfo, register_composite
    from psycopg.types.enum import EnumInfo, register_enum

    connection.execute(f"drop type if exists mood_{COPY}, pair_{COPY}")
    connection.execute(f"create type mood_{COPY} as enum ('happy', 'sad')")
    connection.execute(f"create type pair_{COPY} as (a int, b text)")
    register_enum(EnumInfo.fetch(connection, f"mood_{COPY}"), connection)
    register_composite(CompositeInfo.fetch(connection, f"pair_{COPY}"), connection)
    row = connection.execute(f"select 'happy'::mood_{COPY}, (1, 'x')::pair_{COPY}").fetchone()
    assert row[0].name == "happy" and tuple(row[1]) == (1, "x")


main()
