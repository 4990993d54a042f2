"""What one client does to his session is not seen by the next: on one server after he has left, on
two while he stays, by simple and by extended protocol, in and outside of transactions."""

from registry import case
from wire import TERMINATE, extended, query

# name: (user, statements, probe). The probe gives on every other client what it gives on a fresh
# connection to PostgreSQL; for the first client, who stays, it gives what his statements led to.
LEAKS = {
    "leak-set-guc": ("app", ["set work_mem = '77MB'"], "show work_mem"),
    "leak-search-path": ("app", ["set search_path = pg_catalog"], "show search_path"),
    "leak-set-role": ("app", ["set role victim"], "select current_user"),
    "leak-session-auth": ("boss", ["set session authorization victim"],
                          "select session_user, current_user"),
    "leak-temp-table": ("app", ["create temp table leaked(a int)"],
                        "select count(*) from pg_class where relname = 'leaked' and "
                        "pg_table_is_visible(oid)"),
    "leak-prepare-sql": ("app", ["prepare leaked as select 'leaked'"],
                         "execute leaked"),
    "leak-advisory-lock": ("app", ["select pg_advisory_lock(4711)"],
                           "select count(*) from pg_locks where locktype = 'advisory' and "
                           "pid = pg_backend_pid()"),
    "leak-listen": ("app", ["listen leaked"], "select * from pg_listening_channels()"),
    "leak-with-hold-cursor": ("app", ["begin",
                                      "declare leaked cursor with hold for select 'leaked'",
                                      "commit"], "fetch 1 from leaked"),
    "leak-custom-guc-tenant": ("app", ["set app.tenant = '42'"],
                               # PostgreSQL never forgets the name: '' instead of NULL.
                               "select coalesce(nullif(current_setting('app.tenant', true), ''), "
                               "'none')"),
    "leak-read-only-default": ("app", ["set default_transaction_read_only = on"],
                               "insert into kept values (1)"),
    "leak-set-config-fn": ("app", ["select set_config('work_mem', '77MB', false)"],
                           "show work_mem"),
    "leak-seed-currval": ("app", ["select nextval('counter'), setseed(0.5)"],
                          "select currval('counter') > 0"),
    "leak-load-discard-role-in-do": ("app", ["do $$ begin execute 'set role victim'; end $$"],
                                     "select current_user"),
}


def shown(reply):
    """What a probe has shown, without what differs from run to run."""
    return reply.sqlstate, reply.rows if not reply.errors else None, reply.tags


def run_statements(client, statements, make):
    for sql in statements:
        client.send(make(sql))
        reply = client.collect()
        assert not reply.errors, f"{sql}: {reply}"


def in_transaction(statements):
    return statements if "begin" in statements else ["begin", *statements, "commit"]


def leave(client, how):
    if how == "reset":
        client.reset()
    else:
        client.send(TERMINATE)
        client.close()


def variants(statements):
    yield "simple", statements, query
    yield "extended", statements, extended
    yield "transaction", in_transaction(statements), query
    if "begin" not in statements:
        yield "one string", ["; ".join(["select 1", *statements])], query


def check_leak(world, user, statements, probe):
    with world.cluster.connect(user) as fresh:
        expected = shown(fresh.query(probe))
    for how, listed, make in variants(statements):
        with world.cluster.connect(user) as fresh:
            run_statements(fresh, listed, make)
            own = shown(fresh.query(probe))
        for end in ("terminate", "reset"):
            first = world.weir.connect(user, "one")
            second = world.weir.connect(user, "one")
            run_statements(first, listed, make)
            leave(first, end)
            for _ in range(2):
                seen = shown(second.query(probe))
                assert seen == expected, f"{how}, {end}: {seen}, on a fresh one {expected}"
            second.close()
        with world.weir.connect(user, "two") as first, world.weir.connect(user, "two") as second:
            run_statements(first, listed, make)
            for _ in range(3):
                seen = shown(second.query(probe))
                assert seen == expected, f"{how}: {seen}, on a fresh one {expected}"
            seen = shown(first.query(probe))
            assert seen == own, f"{how}: lost to its own client: {seen}, directly {own}"


def register_leak(name, user, statements, probe):
    @case(name)
    def run(world):
        check_leak(world, user, statements, probe)


for case_name, leak in LEAKS.items():
    register_leak(case_name, *leak)


@case("leak-client-encoding")
def client_encoding(world):
    with world.weir.connect(database="one") as plain, \
            world.weir.connect(database="one", client_encoding="LATIN1") as latin:
        for _ in range(3):
            latin.send(query("select '\xe9'".encode("latin1")))
            reply = latin.collect()
            row = dict(reply.messages)["D"]
            assert row.endswith(b"\xe9") and len(row) == 7, row
            plain.send(query("select 'é'"))
            row = dict(plain.collect().messages)["D"]
            assert row.endswith("é".encode()), row
            plain.send(query(b"select '\xe9'"))
            assert plain.collect().sqlstate == "22021", "bytes of another encoding were taken"
        plain.query("set client_encoding = 'LATIN1'")
        latin.query("set client_encoding = 'UTF8'")
        assert plain.parameters["client_encoding"] == "LATIN1"
        assert latin.parameters["client_encoding"] == "UTF8"
        assert latin.query("show client_encoding").value == "UTF8"
        assert plain.query("show client_encoding").value == "LATIN1"


@case("leak-appname-datestyle-tz")
def tracked_parameters(world):
    wanted = [
        {"application_name": "first", "DateStyle": "German", "TimeZone": "Asia/Tokyo"},
        {"application_name": "second's", "DateStyle": "SQL, DMY", "TimeZone": "UTC"},
    ]
    clients = [world.weir.connect(database="one", **params) for params in wanted]
    clients.append(world.weir.connect(database="one"))
    sql = ("select current_setting('application_name'), current_setting('DateStyle'), "
           "current_setting('TimeZone')")
    expected = [["first", "German, DMY", "Asia/Tokyo"], ["second's", "SQL, DMY", "UTC"]]
    with world.cluster.connect() as fresh:
        expected.append(fresh.query(sql).rows[0])
    for _ in range(3):
        for client, values in zip(clients, expected):
            assert client.query(sql).rows[0] == values, values
    clients[0].query("set timezone = 'Europe/Rome'")
    expected[0][2] = "Europe/Rome"
    for order in ((2, 0, 1), (1, 0, 2)):
        for at in order:
            assert clients[at].query(sql).rows[0] == expected[at], expected[at]
    # A rolled back SET is none, and a SET LOCAL ends with its transaction.
    for statements in (("begin", "set timezone = 'Asia/Seoul'", "rollback"),
                       ("begin", "set local timezone = 'Asia/Seoul'", "commit")):
        for statement in statements:
            clients[0].query(statement)
        for at in (0, 2, 0, 1):
            assert clients[at].query(sql).rows[0] == expected[at], (statements, expected[at])
    for client in clients:
        client.close()
