"""Questions to a session about everything it may hold."""

from grammar import step
from steps import QUESTIONS
from values import PROBED

SETTINGS = ("select n, pg_catalog.current_setting(n, true) from pg_catalog.unnest($1::text[]) "
            "with ordinality u(n, i) order by i")
# Names of the protocol's statements: `disabled_steps.py` says whether pgweir shows its own.
STATEMENTS = ("select name, statement, parameter_types::text, from_sql "
              "from pg_catalog.pg_prepared_statements where from_sql order by name collate \"C\"")
ALL_STATEMENTS = STATEMENTS.replace(" where from_sql", "")
HELD = {
    "who": "select current_user, session_user, pg_catalog.current_schemas(true)::text",
    "statements": STATEMENTS,
    "cursors": "select name, statement, is_holdable, is_binary, is_scrollable "
               "from pg_catalog.pg_cursors where name <> '' order by name collate \"C\"",
    "channels": "select c from pg_catalog.pg_listening_channels() c order by c collate \"C\"",
    "locks": "select classid, objid, objsubid, mode, granted from pg_catalog.pg_locks "
             "where locktype = 'advisory' and pid = pg_catalog.pg_backend_pid() "
             "order by 1, 2, 3, 4",
    "temporary": "select relname, relkind from pg_catalog.pg_class "
                 "where relnamespace = pg_catalog.pg_my_temp_schema() and relkind <> 'i' "
                 "order by relname collate \"C\"",
}
QUESTIONS.update({text: name for name, text in HELD.items()}, **{SETTINGS: "settings"})
ARRAY = "{" + ",".join(f'"{name}"' for name in PROBED) + "}"


def operations(rng):
    """All questions, or some, one by one or in a pipeline."""
    asked = [("params", SETTINGS, (ARRAY,))]
    names = rng.sample(sorted(HELD), rng.randint(0, len(HELD)))
    asked += [("params", HELD[name], ()) for name in names]
    rng.shuffle(asked)
    if rng.random() < 0.3:
        return (("pipeline", tuple(asked)),)
    return tuple(("query", item[1]) if not item[2] and rng.random() < 0.5 else item
                 for item in asked)


@step("probe", 12, tame=True)
def make_probe(rng, scene):
    return [operations(rng)]


@step("probe_protocol_statements", 1, tame=True)
def make_probe_protocol_statements(rng, scene):
    return [(("query", ALL_STATEMENTS),)]
