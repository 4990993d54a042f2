"""asyncpg through the proxy: always extended protocol, binary, named statements."""

import asyncio
import datetime
import os

import asyncpg
import pytest

POOL_SIZE = int(os.environ["WEIR_POOL_SIZE"])
pgbouncer = os.environ.get("WEIR_PROXY") == "pgbouncer"
ours_only = pytest.mark.skipif(pgbouncer, reason="PgBouncer 1.18 cannot")


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def connect(**options):
    if pgbouncer:
        options["statement_cache_size"] = 0
    return await asyncpg.connect(ssl="prefer", **options)


def test_types_come_back():
    async def main():
        connection = await connect()
        moment = datetime.datetime(2026, 11, 21, 9, 23, 56, tzinfo=datetime.timezone.utc)
        row = await connection.fetchrow(
            "select $1::int, $2::text, $3::timestamptz, $4::numeric::text, $5::bytea",
            1, "zwölf", moment, 12, b"\0\xff",
        )
        assert tuple(row) == (1, "zwölf", moment, "12", b"\0\xff")
        await connection.close()

    run(main())


@ours_only
def test_prepared_statements_on_all_servers():
    async def main():
        connections = [await connect() for _ in range(3 * POOL_SIZE)]
        for round_ in range(10):
            results = await asyncio.gather(
                *(c.fetchval("select $1::int", n) for n, c in enumerate(connections))
            )
            assert results == list(range(len(connections))), round_
        await asyncio.gather(*(c.close() for c in connections))

    run(main())


@ours_only
def test_explicit_prepare_and_introspection():
    async def main():
        connection = await connect()
        statement = await connection.prepare("select $1::int as n, 'x'::text as t")
        assert [a.name for a in statement.get_attributes()] == ["n", "t"]
        assert await statement.fetchval(5) == 5
        # An unknown type makes asyncpg look into the catalogs.
        await connection.execute("create type mood as enum ('sad', 'ok')")
        assert await connection.fetchval("select 'ok'::mood") == "ok"
        await connection.execute("drop type mood")
        await connection.close()

    run(main())


@ours_only
def test_transactions_and_cursors():
    async def main():
        connection = await connect()
        await connection.execute("create table asyncpg_tx (a int primary key)")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.execute("insert into asyncpg_tx values (1), (1)")
        async with connection.transaction(isolation="serializable"):
            await connection.executemany("insert into asyncpg_tx values ($1)", [(n,) for n in range(100)])
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with connection.transaction():
                    await connection.execute("select 1/0")
            total = 0
            async for row in connection.cursor("select a from asyncpg_tx", prefetch=10):
                total += row["a"]
            assert total == 4950
        assert await connection.fetchval("select count(*) from asyncpg_tx") == 100
        await connection.close()

    run(main())


@ours_only
def test_copy():
    async def main():
        connection = await connect()
        await connection.execute("create table asyncpg_copy (a int, b text)")
        tag = await connection.copy_records_to_table(
            "asyncpg_copy", records=[(n, "text") for n in range(10000)]
        )
        assert tag == "COPY 10000"
        assert await connection.fetchval("select sum(a) from asyncpg_copy") == 49995000
        await connection.close()

    run(main())


def test_cancel_by_timeout():
    async def main():
        connection = await connect()
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetch("select pg_sleep(60)", timeout=0.5)
        assert await connection.fetchval("select 1") == 1
        await connection.close()

    run(main())


def test_errors_and_notices():
    async def main():
        connection = await connect()
        heard = []
        connection.add_log_listener(lambda _, message: heard.append(message.message))
        await connection.execute("do $$ begin raise warning 'heard'; end $$")
        await asyncio.sleep(0)
        assert heard == ["heard"]
        with pytest.raises(asyncpg.UndefinedTableError) as caught:
            await connection.fetch("select * from nowhere")
        assert caught.value.sqlstate == "42P01"
        await connection.close()

    run(main())


@ours_only
def test_asyncpg_pool_with_its_reset_query():
    async def main():
        async with asyncpg.create_pool(min_size=2, max_size=10, ssl="prefer") as pool:
            for _ in range(5):
                results = await asyncio.gather(*(pool.fetchval("select $1::int", n) for n in range(30)))
                assert results == list(range(30))

    run(main())


@ours_only
def test_console_by_the_extended_protocol():
    async def main():
        console = await connect(user=os.environ["WEIR_ADMIN"], database="pgbouncer")
        pools = await console.fetch("SHOW POOLS")
        assert os.environ["PGDATABASE"] in [row["database"] for row in pools]
        databases = await console.fetch("SHOW DATABASES")
        assert all(isinstance(row["pool_size"], int) for row in databases)
        assert (await console.fetch("SHOW STATS"))[0]["total_xact_count"] is not None
        with pytest.raises(asyncpg.PostgresError):
            await console.fetch("SHOW NONSENSE")
        assert len(await console.fetch("SHOW VERSION")) == 1
        # Queries, with parameters, in binary; asyncpg asks for each type that it does not know.
        sums = await console.fetch(
            "SELECT database, sum(cl_active) AS clients, avg(maxwait) * 1.5 AS wait FROM pools"
            " WHERE maxwait < $1 AND database = ANY($2) GROUP BY 1",
            1000,
            [os.environ["PGDATABASE"], "nope"],
        )
        assert [(type(row["clients"]), float(row["wait"]) >= 0) for row in sums] == [(int, True)]
        assert await console.fetchval("select 2.5::float8 + $1::float8", 1.5) == 4.0
        assert await console.fetchval("select $1::bool", True) is True
        with pytest.raises(asyncpg.UndefinedColumnError):
            await console.fetch("select nope from pools")
        async with console.transaction():
            assert await console.fetchval("select count(*) from clients") >= 1
        await console.reset()
        await console.close()

    run(main())
