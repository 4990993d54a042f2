"""The console, as an attacker would use it."""

from expectations import sqlstates
from registry import case, fails
from wire import Client, Closed, bind, describe, execute, parse, query, SYNC
from world import PASSWORD


def console_login(world, user, password, auth_type="scram-sha-256", database="pgbouncer"):
    client = Client(world.guard(auth_type).port)
    try:
        return client, client.login(user, database, password)
    except (Closed, AssertionError) as error:
        client.close()
        raise AssertionError(f"login of {user} to the console: {error}") from error


@case("admin-nonadmin-login")
def not_an_admin(world):
    for auth_type in ("plain", "md5", "scram-sha-256"):
        for database in ("pgbouncer", "pgweir"):
            for user in ("app", "scram_user") if auth_type != "md5" else ("md5_user",):
                client, reply = console_login(world, user, PASSWORD, auth_type, database)
                client.close()
                assert reply.closed and "Z" not in reply.kinds, f"{user} was let in: {reply}"
                assert reply.sqlstate in sqlstates("admin-nonadmin-login"), reply
    # Not as a user of that name either, but with the right to it.
    client, reply = console_login(world, "admin", PASSWORD)
    client.close()
    assert reply.status == "I", reply


@case("admin-wrong-pass")
def wrong_password(world):
    for auth_type in ("plain", "md5", "scram-sha-256"):
        for user in ("admin", "pgbouncer", "pgweir", "nobody"):
            client, reply = console_login(world, user, "wrong", auth_type)
            client.close()
            assert reply.closed and reply.sqlstate == "28P01", f"{user}: {reply}"


def admin(world):
    client, reply = console_login(world, "admin", PASSWORD)
    assert reply.status == "I", reply
    return client


SHOWS = ("clients servers pools databases users stats stats_totals stats_averages totals lists "
         "config state version help sockets active_sockets fds mem dns_hosts dns_zones "
         "peers peer_pools").split()


@case("admin-no-secrets")
def no_secrets(world):
    weir = world.guard("scram-sha-256")
    stored = [secret for secret in world.users().values()]
    with weir.connect("plain_user", "hostile", PASSWORD) as busy, admin(world) as client:
        assert busy.query("select 1").value == "1"
        shown = 0
        for name in SHOWS:
            client.send(query("show " + name))
            reply = client.collect()
            assert not reply.closed, f"show {name}: {reply}"
            shown += bool(reply.rows)
            said = repr(reply.messages)
            for secret in (PASSWORD, *stored):
                assert secret not in said and repr(secret)[1:-1] not in said, f"show {name}"
            assert "SCRAM-SHA-256$" not in said, f"show {name}"
        assert shown >= 10, f"only {shown} SHOW commands have rows"
    log = weir.log_text()
    assert PASSWORD not in log and "SCRAM-SHA-256$" not in log, "a secret in the log"


GARBAGE = [
    "", ";", ";;;", "garbage", "show", "show garbage", "show clients; drop table x",
    "pause nowhere", "kill nowhere", "kill_client x", "kill_client 99999999999999999999",
    "set", "set x", "set work_mem = 1", "set default_pool_size = 'many'",
    "set default_pool_size = -1", "set default_pool_size = 99999999999999999999",
    "set pool_mode = nonsense", "set auth_file = '/etc/shadow'x", "select 1", "begin; rollback",
    "show " + "x" * 100_000, "SHOW\tPOOLS\n\n", "/* comment */ show version", "-- only this",
    "'", "\"", "\\", "show 'pools", "show \"pools", "$$", "é", b"show \xff\xfe", b"\x01\x02",
    "wait_close nowhere", "shutdown nonsense", "reconnect nowhere", "enable nowhere",
    "disable nowhere", "resume nowhere", "(" * 5000,
]


@case("admin-garbage-commands")
def garbage(world):
    with admin(world) as client:
        for command in GARBAGE:
            client.send(query(command))
            reply = client.collect()
            assert not reply.closed and reply.status == "I", f"{command[:60]!r}: {reply}"
            for error in reply.errors:
                assert len(error.get("C", "")) == 5, f"{command[:60]!r}: {error}"
        assert client.query("show version").rows
    with admin(world) as client:
        client.try_send(b"\0\0\0\0\0garbage")
        reply = client.collect("")
        assert reply.closed, reply


@case("admin-extended-protocol")
def extended_protocol(world):
    with admin(world) as client:
        for sql in ("show version", "show pools", "show clients", "garbage", "", "show stats"):
            client.send(parse("", sql) + describe("S") + bind() + describe("P") + execute() + SYNC)
            reply = client.collect()
            assert not reply.closed and reply.status == "I", f"{sql}: {reply}"
        for data in (bind("nowhere", "nowhere") + SYNC, execute("nowhere") + SYNC,
                     describe("S", "nowhere") + SYNC, parse("a", "show $1") + SYNC,
                     parse("b", "show pools") + bind("", "b", ["x", "y"]) + execute() + SYNC):
            client.send(data)
            reply = client.collect()
            assert not reply.closed and reply.status == "I", reply
        fails(client.query("select no_such_thing"), ("42601", "42000", "0A000", "08P01", "42P01",
                                                     "42703", "26000"))
        assert client.query("show version").rows
