"""Clients that leave in the middle, and COPY."""

import time

from registry import MEBIBYTE, case, fails
from wire import COPY_DONE, SYNC, TERMINATE, copy_data, copy_fail, patience, query
from world import wait_until

LOCK = "select 1 from pg_locks where relation = 'item'::regclass and granted"


def kept(world):
    with world.cluster.connect() as client:
        return int(client.query("select count(*) from kept").value)


def leave(client, how):
    if how == "reset":
        return client.reset()
    if how == "terminate":
        client.send(TERMINATE)
    return client.close()


def nothing_open(world):
    wait_until("no transaction and no statement is left", lambda: world.cluster.backends(
        "state <> 'idle' or backend_xid is not null") or True)
    with world.cluster.connect() as client:
        wait_until("no lock is left", lambda: len(client.query(
            "select 1 from pg_locks where locktype in ('tuple', 'transactionid') or mode in "
            "('RowExclusiveLock', 'AccessExclusiveLock')").rows) or True)


@case("txn-disconnect-rolls-back")
def disconnect_rolls_back(world):
    before = kept(world)
    for database in ("one", "hostile"):
        for how in ("terminate", "close", "reset"):
            client = world.weir.connect(database=database)
            client.query("begin")
            assert client.query("insert into kept values (1)").tags == ["INSERT 0 1"]
            client.query("lock table item in access exclusive mode")
            leave(client, how)
            nothing_open(world)
            with world.weir.connect(database=database) as other:
                assert other.query("select count(*) from item").value == "1000"
    assert kept(world) == before


@case("txn-disconnect-settings")
def disconnect_with_settings(world):
    """What was brought to the server goes with the transaction: brought again, once, each time."""
    settings = {"search_path": "pg_catalog", "work_mem": "77MB", "TimeZone": "Asia/Tokyo"}
    probe = ("select current_setting('search_path'), current_setting('work_mem'), "
             "current_setting('TimeZone')")
    with world.cluster.connect() as direct:
        expected = direct.query(probe).rows
    with world.weir.connect(database="one", **settings) as first:
        assert first.query(probe).rows == [list(settings.values())]
    start = time.monotonic()
    for how in ("terminate", "close", "reset", "close") * 10:
        client = world.weir.connect(database="one")
        client.query("begin")
        assert client.query(probe).rows == expected
        leave(client, how)
        assert time.monotonic() - start < 5 * patience(), "it takes longer and longer"
    with world.weir.connect(database="one") as other:
        assert other.query(probe).rows == expected


@case("txn-rst-mid-query")
def rst_mid_query(world):
    for how in ("reset", "close", "terminate"):
        client = world.weir.connect(database="one")
        client.query("begin")
        client.query("update item set payload = 'changed' where id = 7")
        client.send(query("select pg_sleep(30), 'marker'"))
        wait_until("the query runs", lambda: world.cluster.backends(
            "state = 'active' and query like '%marker%'") == 1)
        leave(client, how)
        start = time.monotonic()
        nothing_open(world)
        with world.weir.connect(database="one") as other:
            assert other.query("select payload from item where id = 7").value[0] == "x"
        assert time.monotonic() - start < 6 * patience(), "the query went on"


@case("txn-failed-state-kept", direct=True)
def failed_state(world):
    with world.weir.connect() as client:
        client.query("begin")
        reply = client.query("select 1 / 0")
        assert (reply.sqlstate, reply.status) == ("22012", "E"), reply
        reply = client.query("select 1")
        assert (reply.sqlstate, reply.status) == ("25P02", "E"), reply
        assert client.query("commit").tags == ["ROLLBACK"]
        assert client.query("select 1").status == "I"


@case("txn-disconnect-failed-xact")
def gone_in_failed(world):
    for how in ("terminate", "close", "reset"):
        client = world.weir.connect(database="one")
        client.query("begin")
        client.query("select 1 / 0")
        leave(client, how)
        with world.weir.connect(database="one") as other:
            reply = other.query("select 'clean'")
            assert reply.value == "clean" and reply.status == "I", reply


def start_copy(client, sql="copy kept from stdin"):
    client.send(query(sql))
    kind, _ = client.message()
    assert kind == "G", kind


@case("copy-disconnect-in")
def copy_disconnect(world):
    before = kept(world)
    for how in ("terminate", "close", "reset"):
        for partial in (b"", b"d\0\0\0\xff12\n"):
            client = world.weir.connect(database="one")
            start_copy(client)
            client.send(copy_data("1\n2\n3\n") + partial)
            time.sleep(0.05)
            leave(client, how)
            with world.weir.connect(database="one") as other:
                assert other.query("select 'clean'").value == "clean"
            nothing_open(world)
    assert kept(world) == before, "rows of a COPY that nobody ended"


@case("copy-fail", direct=True)
def copy_failed(world):
    before = kept(world)
    with world.weir.connect() as client:
        start_copy(client)
        client.send(copy_data("1\n") + copy_fail("changed my mind"))
        reply = fails(client.collect(), ("57014",))
        assert reply.status == "I", reply
        assert client.query("select 1").value == "1"
    assert kept(world) == before


@case("copy-query-during-copy-in")
def query_during_copy(world):
    before = kept(world)
    with world.weir.connect(timeout=8) as client:
        start_copy(client)
        client.send(copy_data("1\n") + query("select 'during'"))
        reply = client.collect()
        assert reply.errors and "D" not in reply.kinds, reply
        if not reply.closed:
            client.send(SYNC)
            client.collect()
            client.try_send(query("select 'after'"))
            while not reply.closed and "D" not in reply.kinds:
                reply = client.collect()
            assert reply.closed or reply.value == "after", reply
    assert kept(world) == before


@case("copy-baddata-continue", direct=True)
def bad_data(world):
    before = kept(world)
    with world.weir.connect(timeout=20) as client:
        start_copy(client)
        client.send(copy_data("not a number\n"))
        for _ in range(200):
            client.send(copy_data("1\n" * 1000))
        client.send(COPY_DONE)
        reply = fails(client.collect(), ("22P02",))
        assert reply.status == "I", reply
        for i in range(3):
            assert client.query(f"select {i}").value == str(i)
    assert kept(world) == before


@case("copy-out-disconnect", memory=48 * MEBIBYTE)
def copy_out_disconnect(world):
    for how in ("close", "reset", "terminate"):
        client = world.weir.connect(database="one")
        client.send(query("copy (select repeat('x', 1000) from generate_series(1, 200000)) "
                          "to stdout"))
        assert client.message()[0] == "H"
        leave(client, how)
        with world.weir.connect(database="one", timeout=15) as other:
            assert other.query("select 'clean'").value == "clean"
    nothing_open(world)


@case("copy-d-outside", direct=True)
def copy_data_outside(world):
    with world.weir.connect(timeout=8) as client:
        for data in (copy_data("1\n"), copy_data("1\n") * 50 + COPY_DONE, copy_fail("why"),
                     COPY_DONE):
            client.send(data + query("select 'in step'"))
            reply = client.collect()
            assert reply.kinds == "TDCZ" and reply.value == "in step", reply
