"""State that PostgreSQL keeps in the server process: temporary objects, locks, channels."""

from grammar import identifier, quote, single, step

CHANNELS = ("ch1", "ch2", "ch3", "Odd Channel", "Ch1")


@step("temp_table", 3)
def make_temp_table(rng, scene):
    name = rng.choice(("t1", "t2", "which"))
    end = rng.choice(("", " on commit drop", " on commit preserve rows", " on commit delete rows"))
    return [(single(rng, rng.choice((
        f"create temp table {name}(a int){end}", f"create temporary table {name}{end} as select 1 as a",
        f"create table pg_temp.{name}(a int)", f"select 'temp'::text as name into temp {name}",
        f"create temp view {name} as select 'view'::text as name",
        "create temp sequence ts"))),)]


@step("temp_table_use", 3)
def make_temp_table_use(rng, scene):
    name = rng.choice(("t1", "t2"))
    return [(single(rng, rng.choice((
        f"insert into pg_temp.{name} values (1), (2)", f"select * from pg_temp.{name}",
        f"drop table if exists pg_temp.{name}", "drop table pg_temp.which",
        "drop view pg_temp.which", f"drop table {name}", "discard temp",
        f"alter table pg_temp.{name} add b text", "drop sequence if exists pg_temp.ts"))),)]


@step("temp_dropped_at_commit", 2, where="idle")
def make_temp_dropped(rng, scene):
    return [(single(rng, sql),) for sql in (
        "begin", "create temp table gone(a int) on commit drop", "insert into gone values (1)",
        "select a from gone", rng.choice(("commit", "rollback")))]


@step("advisory", 3)
def make_advisory(rng, scene):
    """Keys of its own may be waited for; shared ones are only tried."""
    own = rng.choice((f"{scene.client + 1000}", f"{scene.client}, 1", f"{(scene.client << 33) + 5}"))
    shared = rng.choice(("1", "2", "1, 2"))
    return [(single(rng, rng.choice((
        f"select pg_advisory_lock({own})", f"select pg_advisory_lock_shared({own})",
        f"select pg_catalog.pg_advisory_lock({own})",
        f"select pg_try_advisory_lock({shared})", f"select pg_try_advisory_lock_shared({shared})",
        f"select pg_advisory_unlock({own})", f"select pg_advisory_unlock({shared})",
        f"select pg_advisory_unlock_shared({shared})", f"select pg_advisory_unlock({own})",
        f"select pg_try_advisory_lock(i) from generate_series(10, 12) i",
        "select pg_advisory_unlock_all()"))),)]


@step("advisory_transaction", 2, tame=True)
def make_advisory_transaction(rng, scene):
    own, shared = f"{scene.client + 1000}", rng.choice(("1", "2", "1, 2"))
    return [(single(rng, rng.choice((
        f"select pg_advisory_xact_lock({own})", f"select pg_try_advisory_xact_lock({shared})",
        f"select pg_advisory_xact_lock_shared({own})",
        f"select pg_try_advisory_xact_lock_shared({shared})"))),)]


@step("listen", 3)
def make_listen(rng, scene):
    channel = rng.choice(CHANNELS)
    return [(single(rng, rng.choice(("listen {}", "listen {}", "unlisten {}")).format(
        identifier(channel))),)]


@step("notify", 3, tame=True)
def make_notify(rng, scene):
    channel = rng.choice(CHANNELS)
    payload = quote(f"from {scene.client} " + rng.choice(("", "it''s", "x" * 200)))
    return [(single(rng, rng.choice((
        f"notify {identifier(channel)}, {payload}", f"notify {identifier(channel)}",
        f"select pg_notify({quote(channel)}, {payload})"))),)]


@step("unlisten_all", 0.7, tame=True)
def make_unlisten_all(rng, scene):
    return [(single(rng, "unlisten *"),)]


@step("discard", 1.5, where="idle", tame=True)
def make_discard(rng, scene):
    scene.prepared.clear()
    return [(single(rng, rng.choice((
        "discard all", "discard all", "discard temp", "discard plans", "discard sequences"))),)]


@step("driver_reset", 2, where="idle", tame=True)
def make_driver_reset(rng, scene):
    """What drivers and their pools send between two users of a connection."""
    return [(rng.choice((
        ("query", "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;"),
        ("query", "DISCARD ALL"),
        ("query", "RESET ALL; RESET ROLE"),
        ("query", "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; CLOSE ALL; "
                  "UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; "
                  "DISCARD SEQUENCES"),
        ("query", "ABORT; RESET ALL;"))),)]


@step("setseed", 0.7)
def make_setseed(rng, scene):
    return [(single(rng, "select setseed(0.25)"),), (single(rng, "select random(), random()"),)]
