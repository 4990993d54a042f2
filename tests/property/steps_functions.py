"""Settings, roles and locks changed by what a statement reaches: functions, procedures, DO, views,
triggers, domains, operators."""

from grammar import quote, single, step
from steps_settings import custom_value, literal
from values import CUSTOM


def custom(rng):
    name = rng.choice(CUSTOM)
    return quote(name), literal(rng, custom_value(rng, name))


@step("function_sets", 4)
def make_function_sets(rng, scene):
    name, value = rng.choice((custom(rng), ("'work_mem'", "'21MB'"), ("'DateStyle'", "'german'"),
                              ("'search_path'", "'s2, public'"), ("'role'", "'victim'")))
    return [(single(rng, rng.choice((
        f"select f_set({name}, {value}, false)", f"select f_set({name}, {value}, true)",
        f"select f_sql_set({name}, {value})", f"select f_nested({name}, {value})",
        f"select * from f_set({name}, {value}, false)",
        f"select public.f_set({name}, {value}, false) where random() >= 0",
        "select f_set_statement('23MB')", "select f_set_statement('two bananas')"))),)]


@step("function_with_clause", 2)
def make_function_with_clause(rng, scene):
    return [(single(rng, rng.choice((
        "select f_clause(), current_setting('work_mem')", "select f_clause_keeps()",
        "select pure(1), f_definer()"))),)]


@step("function_catches", 2)
def make_function_catches(rng, scene):
    return [(single(rng, rng.choice((
        "select f_caught('v')", "select f_failing('v')", "select f_become('victim')",
        "select f_become('stranger')", "select f_become('no_such_role')"))),)]


@step("function_holds", 2)
def make_function_holds(rng, scene):
    """Locks, channels, statements and tables out of a function's body."""
    return [(single(rng, rng.choice((
        f"select f_lock({scene.client + 1000})", "select f_listen('ch1')",
        "select f_prepare('q1')", "select f_temp('t1')", "select f_temp_dropped('t2')",
        f"select f_notify('ch2', 'from {scene.client} by function')"))),)]


@step("call", 2)
def make_call(rng, scene):
    name, value = rng.choice((custom(rng), ("'work_mem'", "'22'"), ("'TimeZone'", "'PST8PDT'")))
    return [(single(rng, rng.choice(("call p_set({}, {})", "call p_rolled_back({}, {})")).format(
        name, value)),)]


@step("do", 2.5)
def make_do(rng, scene):
    body = rng.choice((
        "perform set_config('app.tenant', 't1', false)", "set work_mem = '19MB'",
        "perform set_config('work_mem', '18MB', true)", "set role victim",
        f"perform pg_advisory_lock({scene.client + 1000})", "raise notice 'done'",
        "execute 'prepare q2 as select 2'", "execute 'listen ch3'",
        "set local search_path = s1; raise exception 'undone'",
        "create temp table if not exists t1(a int)", "null"))
    return [(single(rng, f"do $$ begin {body}; end $$"),)]


@step("trigger", 3, tame=True)
def make_trigger(rng, scene):
    """A plain INSERT, and the session is another one."""
    note = rng.choice(("role", "tenant", "local", "work_mem", "lock", "listen", "notify", "plain"))
    return [(single(rng, f"insert into triggered_{scene.client} values ('{note}')"),)]


@step("view_sets", 1, tame=True)
def make_view_sets(rng, scene):
    return [(single(rng, "select value from setting_set"),)]


@step("domain_sets", 1, tame=True)
def make_domain_sets(rng, scene):
    return [(single(rng, "select 'by domain'::checked"),)]


@step("operator_sets", 1, tame=True)
def make_operator_sets(rng, scene):
    return [(single(rng, f"select 1 === {rng.randint(1, 2)}"),)]
