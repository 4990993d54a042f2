"""Names and parameters with SQL in them, and with line ends for the log."""

from expectations import sqlstates
from registry import case
from wire import Client, Closed, startup

PAYLOAD = "'; create table pwned(a int); --"


def try_parameters(world, params, user="app", database="hostile", shows=None):
    """Logs in; a session that is granted runs statements on several servers, with PAYLOAD dead."""
    with Client(world.weir.port) as client:
        client.send(startup([("user", user), ("database", database), *params]))
        try:
            reply = client.authenticate("app")
        except Closed:
            return None
        if reply.status != "I":
            assert reply.closed and reply.errors, f"neither refused nor let in: {reply}"
            return reply
        for _ in range(3):
            for sql in ("select 1", "begin", "select 2", "commit"):
                answer = client.query(sql)
                assert not answer.errors, f"{sql}: {answer}"
        if shows:
            name, value = shows
            seen = client.query(f"show {name}").value
            assert seen == value, f"{name} is {seen!r}, not {value!r}"
        return reply


def refused_or_literal(name, params, shows=None, **login):
    @case(name, direct=True)
    def run(world):
        reply = try_parameters(world, params, shows=shows, **login)
        if world.direct or reply is None:
            return
        # PostgreSQL is the yardstick: what it takes is taken, what it refuses is refused so.
        with Client(world.cluster.port) as direct:
            direct.send(startup([("user", login.get("user", "app")),
                                 ("database", login.get("database", "hostile")), *params]))
            expected = direct.authenticate("app")
        assert (reply.status == "I") == (expected.status == "I"), f"{reply}; directly: {expected}"


def always_refused(name, **login):
    @case(name)
    def run(world):
        reply = try_parameters(world, [], **login)
        assert reply is not None, "closed without an error"
        assert reply.status == "", f"let in: {reply}"
        assert reply.sqlstate in sqlstates(name), reply


refused_or_literal("inj-app-name-quote", [("application_name", PAYLOAD)],
                   shows=("application_name", PAYLOAD))
refused_or_literal("inj-client-encoding", [("client_encoding", "UTF8" + PAYLOAD)])
refused_or_literal("inj-search-path", [("search_path", "public" + PAYLOAD)])
refused_or_literal("inj-datestyle", [("datestyle", "ISO" + PAYLOAD)])
refused_or_literal("inj-timezone-backslash", [("timezone", "UTC\\" + PAYLOAD)])
refused_or_literal("inj-param-name", [("work_mem = '64kB" + PAYLOAD, "1MB")])
refused_or_literal("inj-options", [("options", "-c application_name=x'" +
                                    PAYLOAD.replace(" ", "\\ "))])
always_refused("inj-user-quote", user="app" + PAYLOAD)
always_refused("inj-user-semicolon", user="app; create table pwned(a int)")
always_refused("inj-db-quote", database='hostile"' + PAYLOAD)
always_refused("inj-db-keyword", database="* host=127.0.0.1 user=postgres")
always_refused("inj-db-path", database="../../etc/passwd")


@case("inj-nonutf8-appname", direct=True)
def not_utf8(world):
    """PostgreSQL replaces the bytes at a login; SET has them refused."""
    reply = try_parameters(world, [("application_name", b"\xff\xfe\xc3\x28 name")])
    assert reply is not None, "closed without an error"
    assert reply.status == "I" or reply.sqlstate in sqlstates("inj-nonutf8-appname"), reply


@case("inj-search-path-list", direct=True)
def search_path_list(world):
    """A list must not become one name by quoting, nor a name a list."""
    for given in ('pg_catalog, public', '"$user", public', '"a, b", public', '"a""b"', "''"):
        reply = try_parameters(world, [("search_path", given)])
        with Client(world.cluster.port) as direct, Client(world.weir.port) as client:
            expected = direct.login("app", "hostile", params=[("search_path", given)])
            reply = client.login("app", "hostile", params=[("search_path", given)])
            assert reply.status == expected.status, f"{given}: {reply}; directly {expected}"
            if reply.status != "I":
                continue
            for sql in ("select current_schemas(true)", "select current_schemas(false)"):
                seen, wanted = client.query(sql).rows, direct.query(sql).rows
                assert seen == wanted, f"{given}: {seen}; directly {wanted}"


@case("inj-scs-off")
def standard_conforming_strings_off(world):
    """Where a backslash escapes a quote, settings must still reach the server as they are."""
    hostile = "\\" + PAYLOAD
    params = [("standard_conforming_strings", "off"), ("application_name", hostile)]
    with Client(world.weir.port) as first, world.weir.connect(database="two") as second:
        reply = first.login("app", "two", params=params)
        if reply.status != "I":
            assert reply.errors, reply
            return
        for _ in range(3):
            # Texts that cannot be read pin: the first client may keep a server for himself.
            assert second.query("show application_name").value == ""
            assert second.query("select E'a\\'b', 'c\\d'").rows == [["a'b", "c\\d"]]
            assert first.query("show application_name").value == hostile
            assert first.query("select 'a\\'b'").value == "a'b"
        reply = first.query("set application_name = 'x\\\\\\'; create table pwned(a int); --'")
        assert not reply.errors, reply
        second.query("select 1")
        assert first.query("show application_name").value == "x\\" + PAYLOAD


@case("log-injection")
def log_injection(world):
    line = "x\nFAKELINE 1\r\nFAKELINE 2\x1b[31m\x85FAKELINE 3"
    for user, database, params in ((line, "hostile", []), ("app", line, []),
                                   ("app", "hostile", [("application_name", line)]),
                                   ("app", "hostile", [(line, "1")]),
                                   ("app", "hostile", [("options", "-c work_mem=" + line)])):
        with Client(world.weir.port) as client:
            client.send(startup([("user", user), ("database", database), *params]))
            try:
                if client.authenticate("app").status == "I":
                    client.query("select 1")
            except Closed:
                pass
    with open(world.weir.log_path, "rb") as file:
        log = file.read()
    assert b"\nFAKELINE" not in log and b"\rFAKELINE" not in log, "a line of the log is forged"
    assert b"\x1b[31m" not in log, "an escape sequence in the log"
