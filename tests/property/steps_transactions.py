"""Steps that open, divide and end transactions, and errors."""

from grammar import deliver, single, step
from steps_settings import FORMS, setting

ENDS = ("commit", "commit", "commit", "rollback", "end", "abort", "commit and chain",
        "rollback and chain", "commit work")
ERRORS = ("select 1/0", "selec 1", "select no_such_column", "select * from no_such_table",
          "insert into which values ('a', 'b', 'c')", "select 'x'::int", "fetch 1 from no_cursor",
          "rollback to no_such_savepoint", "execute no_such_statement", "",
          "do $$ begin raise notice 'told'; raise exception 'raised'; end $$")
TAME_ERRORS = ERRORS[:6]


@step("begin", 4, where="idle", tame=True)
def make_begin(rng, scene):
    return [(single(rng, rng.choice((
        "begin", "begin", "begin", "start transaction", "begin isolation level repeatable read",
        "begin read only", "begin transaction isolation level serializable, read write"))),)]


@step("end", 5, where="block", tame=True)
def make_end(rng, scene):
    return [(single(rng, rng.choice(ENDS)),)]


@step("end_idle", 0.4, where="idle", tame=True)
def make_end_idle(rng, scene):
    return [(single(rng, rng.choice(("commit", "rollback", "commit and chain"))),)]


@step("begin_again", 0.3, where="block", tame=True)
def make_begin_again(rng, scene):
    return [(single(rng, "begin"),)]


@step("set_transaction", 1, tame=True)
def make_set_transaction(rng, scene):
    return [(single(rng, "set transaction " + rng.choice(
        ("read only", "isolation level serializable", "read write", "deferrable"))),)]


@step("savepoint", 3, where="block", tame=True)
def make_savepoint(rng, scene):
    name = rng.choice(("a", "b", "a"))
    return [(single(rng, rng.choice(("savepoint {}", "savepoint {}", "rollback to {}",
                                     "rollback to savepoint {}", "release {}")).format(name)),)]


@step("savepoint_around_set", 2, where="block", tame=True)
def make_savepoint_around_set(rng, scene):
    name, value = setting(rng, scene)
    local = rng.choice(("", "local "))
    return deliver(rng, [
        "savepoint s", f"set {local}{name} = {value}",
        rng.choice(("rollback to s", "release s", "select 1/0"))])


@step("error", 1.5, tame=True)
def make_error(rng, scene):
    return [(single(rng, rng.choice(TAME_ERRORS if scene.tame else ERRORS)),)]


@step("set_in_transaction", 3, where="idle", tame=True)
def make_set_in_transaction(rng, scene):
    """A whole transaction around settings, delivered in any way."""
    statements = [rng.choice(("begin", "begin read only", "start transaction"))]
    inside = type(scene)(**{**scene.__dict__, "block": True})
    for _ in range(rng.randint(1, 3)):
        name, value = setting(rng, inside)
        statements.append(rng.choice((*FORMS[:3], "set local {name} = {value}")).format(
            name=name, value=value))
    statements += rng.choice(([], [], ["select 1/0"]))
    statements.append(rng.choice(ENDS[:6]))
    return deliver(rng, statements)


@step("implicit_transaction", 2, where="idle", tame=True)
def make_implicit_transaction(rng, scene):
    """A string of several is one transaction: an error undoes its settings, too."""
    first, second = setting(rng, scene), setting(rng, scene)
    statements = [f"set {first[0]} = {first[1]}", "select 1", f"set local {second[0]} = {second[1]}",
                  f"show {second[0]}"]
    if rng.random() < 0.4:
        statements.insert(rng.randint(1, 4), rng.choice(("select 1/0", "begin", "commit")))
    return [(("query", "; ".join(statements)),)]


@step("string_with_blocks", 1.5, where="idle", tame=True)
def make_string_with_blocks(rng, scene):
    name, value = setting(rng, scene)
    other, other_value = rng.choice((("application_name", "'in string'"), ("DateStyle", "german")))
    return [(("query", "; ".join(rng.choice((
        ["begin", f"set {other} = {other_value}", "commit", f"set {name} = {value}"],
        [f"set {name} = {value}", "begin", "select 2"],
        ["begin", f"set local {other} = {other_value}", f"show {other}", "commit", "select 1/0"],
        ["select 1", "begin", f"set {other} = {other_value}", "rollback"],
        ["begin", "select 1/0", "commit"])))),)]


@step("pipeline_with_error", 2, tame=True)
def make_pipeline_with_error(rng, scene):
    name, value = rng.choice((("application_name", "'pipelined'"), ("DateStyle", "'SQL, DMY'"),
                              ("TimeZone", "'Asia/Tokyo'")))
    operations = [("params", f"set {name} = {value}", ()), ("params", f"show {name}", ()),
                  ("params", "select $1::text", ("p",))]
    operations.insert(rng.randint(0, 3), ("params", rng.choice(("select 1/0", "selec")), ()))
    operations.insert(rng.randint(0, 4), ("sync",))
    if rng.random() < 0.3:
        operations.insert(rng.randint(0, 5), ("params", rng.choice(("begin", "commit")), ()))
    return [(("pipeline", tuple(operations)),)]


@step("cancel_self", 0.5)
def make_cancel_self(rng, scene):
    return [(single(rng, "select pg_cancel_backend(pg_backend_pid()), pg_sleep(1)"),)]
