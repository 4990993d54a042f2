"""What an application does with SQLAlchemy: psycopg2, and asyncpg with its cache of prepared statements."""

import asyncio
import os
import sys

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, declarative_base

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from steps import COPY, main, step  # noqa: E402

ADDRESS = "{PGUSER}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
Base = declarative_base()


class Item(Base):
    __tablename__ = f"item_{COPY}"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String, unique=True)
    data = sa.Column(sa.JSON)
    kind = sa.Column(sa.Enum("small", "large", name=f"kind_{COPY}"))


engine = sa.create_engine(f"postgresql+psycopg2://{ADDRESS}", pool_size=3, pool_pre_ping=True)


def async_engine(**options):
    return create_async_engine(f"postgresql+asyncpg://{ADDRESS}", pool_size=5, **options)


@step
def create_all():
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    assert sa.inspect(engine).has_table(Item.__tablename__)


@step
def unit_of_work():
    with Session(engine) as session:
        session.add_all(Item(name=f"item {n}", data={"n": n}, kind="small") for n in range(300))
        session.commit()
        assert session.query(Item).count() == 300


@step
def savepoints():
    with Session(engine) as session, session.begin():
        session.add(Item(name="kept", kind="large"))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Item(name="kept", kind="large"))
        except sa.exc.IntegrityError:
            pass
        assert session.query(Item).filter_by(name="kept").count() == 1


@step
def server_side_cursor():
    with engine.connect().execution_options(stream_results=True, max_row_buffer=20) as connection:
        assert len(connection.execute(sa.select(Item.id)).all()) == 301


@step
def isolation_levels():
    """AUTOCOMMIT and the others are set on the connection, and reset when it goes back to the pool."""
    for level in ("SERIALIZABLE", "REPEATABLE READ", "READ COMMITTED", "AUTOCOMMIT"):
        with engine.connect().execution_options(isolation_level=level) as connection:
            shown = connection.execute(sa.text("show transaction_isolation")).scalar()
            assert shown == ("read committed" if level == "AUTOCOMMIT" else level.lower()), (level, shown)


@step
def two_phase():
    with engine.connect() as connection:
        transaction = connection.begin_twophase()
        connection.execute(sa.insert(Item).values(name="two phases"))
        transaction.prepare()
        transaction.commit()
    with Session(engine) as session:
        assert session.query(Item).filter_by(name="two phases").count() == 1


@step
def temporary_table():
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("create temp table scratch (a int)"))
        for number in range(20):
            connection.execute(sa.text("insert into scratch values (:n)"), {"n": number})
        assert connection.execute(sa.text("select count(*) from scratch")).scalar() == 20
        connection.execute(sa.text("drop table scratch"))


@step
def connection_setting():
    """A listener for new connections that sets something is what applications do."""
    own = sa.create_engine(f"postgresql+psycopg2://{ADDRESS}", pool_size=2)

    @sa.event.listens_for(own, "connect")
    def set_up(connection, _):
        with connection.cursor() as cursor:
            cursor.execute(f"set statement_timeout = '{COPY}7s'")
        connection.commit()

    for _ in range(20):
        with own.connect() as connection:
            assert connection.execute(sa.text("show statement_timeout")).scalar() == f"{COPY}7s"
    own.dispose()


@step
def reflection():
    table = sa.Table(Item.__tablename__, sa.MetaData(), autoload_with=engine)
    assert set(table.columns.keys()) == {"id", "name", "data", "kind"}


@step
async def asyncpg_sessions():
    """More tasks than servers, each with the same statements prepared."""
    own = async_engine()

    async def work(task):
        for round_ in range(10):
            async with AsyncSession(own) as session, session.begin():
                session.add(Item(name=f"task {task} {round_}", data={"task": task}, kind="large"))
                await session.flush()
                found = await session.execute(sa.select(Item).filter_by(name=f"task {task} {round_}"))
                assert found.scalar_one().data == {"task": task}

    await asyncio.gather(*(work(task) for task in range(10)))
    async with AsyncSession(own) as session:
        count = await session.scalar(sa.select(sa.func.count()).where(Item.name.like("task %")))
    assert count == 100, count
    await own.dispose()


@step
async def asyncpg_stream():
    own = async_engine()
    async with own.connect() as connection:
        result = await connection.stream(sa.select(Item.id).order_by(Item.id))
        assert len([row async for row in result]) > 300
    await own.dispose()


@step
async def asyncpg_isolation():
    own = async_engine(isolation_level="SERIALIZABLE")
    async with own.connect() as connection:
        shown = (await connection.execute(sa.text("show transaction_isolation"))).scalar()
        assert shown == "serializable", shown
    await own.dispose()


@step
async def asyncpg_after_ddl():
    """asyncpg's statements are prepared; the table changes under them, as direct."""
    own = async_engine()
    async with own.connect() as connection:
        for number in range(3):
            await connection.execute(sa.select(Item.id).limit(1))
            await connection.execute(sa.text(f"alter table {Item.__tablename__} add extra_{number} int"))
            await connection.commit()
        await connection.execute(sa.select(Item.id).limit(1))
    await own.dispose()


@step
async def asyncpg_listen():
    own = async_engine()
    heard = asyncio.Queue()
    async with own.connect() as connection, own.connect() as other:
        raw = await connection.get_raw_connection()
        await raw.driver_connection.add_listener(
            f"channel_{COPY}", lambda *arguments: heard.put_nowait(arguments[3]))
        for number in range(5):
            await other.execute(sa.text(f"notify channel_{COPY}, '{number}'"))
            await other.commit()
        assert [await asyncio.wait_for(heard.get(), 10) for _ in range(5)] == list("01234")
    await own.dispose()


main()
