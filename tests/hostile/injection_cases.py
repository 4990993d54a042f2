"""Names and parameters with SQL in them, and with line ends for the log."""

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


def always_refused(name, codes, **login):
    @case(name)
    def run(world):
        reply = try_parameters(world, [], **login)
        assert reply is None or reply.status == "", f"let in: {reply}"
        assert reply is None or reply.sqlstate in codes, reply


refused_or_literal("inj-app-name-quote", [("application_name", PAYLOAD)],
                   shows=("application_name", PAYLOAD))
refused_or_literal("inj-client-encoding", [("client_encoding", "UTF8" + PAYLOAD)])
refused_or_literal("inj-search-path", [("search_path", "public" + PAYLOAD)])
refused_or_literal("inj-datestyle", [("datestyle", "ISO" + PAYLOAD)])
refused_or_literal("inj-timezone-backslash", [("timezone", "UTC\\" + PAYLOAD)])
refused_or_literal("inj-param-name", [("work_mem = '64kB" + PAYLOAD, "1MB")])
refused_or_literal("inj-options", [("options", "-c application_name=x'" +
                                    PAYLOAD.replace(" ", "\\ "))])
always_refused("inj-user-quote", ("28P01", "28000"), user="app" + PAYLOAD)
always_refused("inj-user-semicolon", ("28P01", "28000"), user="app; create table pwned(a int)")
always_refused("inj-db-quote", ("3D000", "08P01"), database='hostile"' + PAYLOAD)
always_refused("inj-db-keyword", ("3D000", "08P01"), database="* host=127.0.0.1 user=postgres")
always_refused("inj-db-path", ("3D000", "08P01"), database="../../etc/passwd")
refused_or_literal("inj-nonutf8-appname", [("application_name", b"\xff\xfe\xc3\x28 name")])


@case("inj-scs-off")
def standard_conforming_strings_off(world):
    """Where a backslash escapes a quote, settings must still reach the server as they are."""
    hostile = "\\" + PAYLOAD
    params = [("standard_conforming_strings", "off"), ("application_name", hostile)]
    with Client(world.weir.port) as first, world.weir.connect(database="one") as second:
        reply = first.login("app", "one", params=params)
        if reply.status != "I":
            assert reply.errors, reply
            return
        for _ in range(3):
            # One server, two clients: the settings travel to and fro.
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
