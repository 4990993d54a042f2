"""Prepared statements of both kinds, cursors, and what data a client sees."""

from grammar import deliver, identifier, quote, single, step

TEXTS = {
    "select name from which": (),
    "select $1::int + 1": ("41",),
    "select current_setting('work_mem'), $1::text": ("odd 'text'",),
    "select count(*), min(payload) from tenant_rows": (),
    "select current_user, session_user, $1": ("x",),
    "select date '2020-02-03', interval '1 day 2 hours', 0.1::float8 * 3, '\\x41ff'::bytea": (),
    "select * from which order by 1": (),
    "show DateStyle": (),
    "select 1/$1::int": ("0",),
    "select $1::no_such_type": ("1",),
    "select who, work_mem from settings_seen": (),
}
TEXT_LIST = tuple(TEXTS)
NAMES = ("p1", "p2", "p3", "Odd name", "p'5")
SQL_NAMES = ("q1", "q2", '"Q 3"')


@step("read", 5, tame=True)
def make_read(rng, scene):
    sql = rng.choice(TEXT_LIST)
    if "$1" in sql:
        return [(("params", sql, TEXTS[sql]),)]
    return [(single(rng, sql),)]


@step("behaviour", 3, tame=True)
def make_behaviour(rng, scene):
    """What settings do, not what they are."""
    return [(single(rng, rng.choice((
        "select date '2020-02-03', timestamptz '2020-02-03 04:05:06+00', interval '1 day 02:03:04'",
        "select 0.1::float8 * 3, 1e-7::float4, '\\x41ff'::bytea, '{null,1}'::text[]",
        "select name from which", "select count(*), string_agg(payload, ',' order by payload) "
        "from tenant_rows", "select '01/02/2003'::date::text", "select 'a\\nb', length('\\\\')",
        "create table pg_catalog.nowhere(a int)", "select current_schemas(false)"))),)]


@step("prepare", 4, tame=True)
def make_prepare(rng, scene):
    name = rng.choice(NAMES)
    scene.prepared.add(name)
    return [(("prepare", name, rng.choice(TEXT_LIST)),)]


@step("execute", 5, tame=True)
def make_execute(rng, scene):
    name = rng.choice(sorted(scene.prepared) or ["p1"])
    return [(("execute", name, rng.choice(((), ("41",)))),)]


@step("describe", 1.5, tame=True)
def make_describe(rng, scene):
    return [(("describe", rng.choice(sorted(scene.prepared) or ["p1"])),)]


@step("unnamed", 1, tame=True)
def make_unnamed(rng, scene):
    """The unnamed statement survives other clients, too."""
    sql = rng.choice(TEXT_LIST)
    return [(("prepare", "", sql),), (("describe", ""),), (("execute", "", TEXTS[sql]),)]


@step("prepare_in_pipeline", 2, tame=True)
def make_prepare_in_pipeline(rng, scene):
    name, sql = rng.choice(NAMES), rng.choice(TEXT_LIST)
    scene.prepared.add(name)
    operations = [("prepare", name, sql), ("describe", name), ("execute", name, TEXTS[sql])]
    if rng.random() < 0.5:
        operations.insert(0, ("params", f"deallocate {identifier(name)}", ()))
        operations.insert(1, ("sync",))
    if rng.random() < 0.3:
        operations.insert(rng.randint(0, 4), ("params", "select 1/0", ()))
    return [(("pipeline", tuple(operations)),)]


@step("deallocate_protocol", 1.5, tame=True)
def make_deallocate_protocol(rng, scene):
    """A driver closes its statement; libpq of this version has only SQL for it."""
    name = rng.choice(sorted(scene.prepared) or ["p1"])
    return [(single(rng, f"deallocate {rng.choice(('', 'prepare '))}{identifier(name)}"),)]


@step("deallocate_all", 0.7, tame=True)
def make_deallocate_all(rng, scene):
    return [(single(rng, "deallocate all"),)]


@step("sql_prepare", 3)
def make_sql_prepare(rng, scene):
    sql = rng.choice([text for text in TEXT_LIST if not text.startswith("show")])
    types = " (text)" if "$1" in sql and rng.random() < 0.5 else ""
    return [(single(rng, f"prepare {rng.choice(SQL_NAMES)}{types} as {sql}"),)]


@step("sql_execute", 3)
def make_sql_execute(rng, scene):
    name = rng.choice(SQL_NAMES)
    return [(single(rng, rng.choice((
        "execute {}", "execute {} ('41')", "explain (costs off) execute {}", "deallocate {}",
        "create temp table if not exists executed as execute {}")).format(name)),)]


@step("prepare_mixed", 1)
def make_prepare_mixed(rng, scene):
    """One namespace in PostgreSQL: prepared by the protocol, executed by SQL, and the other way."""
    return rng.choice((
        [(("prepare", "m1", "select name from which"),), (single(rng, "execute m1"),)],
        [(single(rng, "prepare m1 as select name from which"),), (("execute", "m1", ()),)],
        [(single(rng, "prepare m1 as select 1"),), (("prepare", "m1", "select 2"),)],
        [(("prepare", "m1", "select 2"),), (single(rng, "prepare m1 as select 1"),)],
        [(single(rng, "deallocate m1"),)]))


@step("ddl_result_type", 0.7, where="idle", tame=True)
def make_ddl_result_type(rng, scene):
    table = f"changing_{scene.client}"
    return [(("prepare", "changing", f"select * from {table}"),), (("execute", "changing", ()),),
            (single(rng, f"alter table {table} add b{rng.randint(1, 99)} int"),),
            (("execute", "changing", ()),), (("query", "deallocate all"),)]


@step("cursor", 3, where="block")
def make_cursor(rng, scene):
    name = rng.choice(("c1", '"C 2"'))
    return [(single(rng, f"declare {name} {rng.choice(('', 'scroll ', 'binary '))}cursor "
                    f"{rng.choice(('', '', 'with hold '))}for select i from generate_series(1, 9) i"),),
            (single(rng, f"fetch 2 from {name}"),)]


@step("tame_cursor", 1, where="block", tame=True)
def make_tame_cursor(rng, scene):
    return [(single(rng, "declare c3 cursor for select i from generate_series(1, 9) i"),),
            (single(rng, "fetch 2 from c3"),)]


@step("cursor_use", 2)
def make_cursor_use(rng, scene):
    name = rng.choice(("c1", '"C 2"', "c3"))
    return [(single(rng, rng.choice((
        "fetch 2 from {}", "fetch backward 1 from {}", "move 1 in {}", "close {}",
        "fetch all from {}")).format(name)),)]


@step("hold_cursor_idle", 1, where="idle")
def make_hold_cursor(rng, scene):
    return [(single(rng, "declare c1 cursor with hold for select name from which"),)]


@step("close_all", 0.7, tame=True)
def make_close_all(rng, scene):
    return [(single(rng, "close all"),)]


@step("insert", 3, tame=True)
def make_insert(rng, scene):
    table = f"mine_{scene.client}"
    note = quote(rng.choice(("a", "it''s", "ü", "")))
    return [(single(rng, rng.choice((
        f"insert into {table}(note) values ({note}) returning id, note, who, tenant",
        f"insert into {table}(note) select 'row ' || i from generate_series(1, 3) i",
        f"update {table} set note = 'changed' where id % 2 = 0 returning id",
        f"delete from {table} where id % 3 = 0",
        f"select id, note, who, tenant from {table} order by id limit 20",
        f"truncate {table}"))),)]


@step("sequence", 2, tame=True)
def make_sequence(rng, scene):
    return [(single(rng, f"select nextval('numbers_{scene.client}')"),)]


@step("sequence_state", 1.5, where="idle", tame=True)
def make_sequence_state(rng, scene):
    """Outside of a transaction 55000 is allowed, another client's value is not."""
    return [(single(rng, rng.choice(
        (f"select currval('numbers_{scene.client}')", "select lastval()"))),)]


@step("sequence_in_transaction", 2, where="idle", tame=True)
def make_sequence_in_transaction(rng, scene):
    n = f"'numbers_{scene.client}'"
    return deliver(rng, ["begin", f"select nextval({n})", "select lastval()",
                         f"select currval({n})", rng.choice(("commit", "rollback"))])


@step("sequence_in_string", 1, where="idle", tame=True)
def make_sequence_in_string(rng, scene):
    return [(("query", f"insert into mine_{scene.client} default values; "
              f"select currval('numbers_{scene.client}'), lastval()"),)]
