"""Scenarios of session state that pgbench can play: tenants, SQL's PREPARE, drivers' resets."""

from .scenarios import Scenario, measure, script_load

ACCOUNT = "\\set aid random(1, :accounts)\n"
TENANT = "\\set tenant random(1, 1000)\n"

# Divides by zero, so fails, if the session is not what its client has made it.
TENANT_READ = ("SELECT abalance / (current_setting('app.tenant') = :tenant::text)::int"
               " FROM pgbench_accounts WHERE aid = :aid;\n")
READ = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"


def tenant_script(local):
    set_tenant = f"SELECT set_config('app.tenant', :tenant::text, {local});\n"
    return ACCOUNT + TENANT + "BEGIN;\n" + set_tenant + TENANT_READ + "COMMIT;\n"


# Each client its own tenant, once, as an application server that serves one tenant does.
SESSION_TENANT = ("\\if :ready = 0\n\\set tenant :client_id + 1\nSET app.tenant = :tenant;\n"
                  "\\set ready 1\n\\endif\n" + ACCOUNT + TENANT_READ)

# All clients use one name for statements that differ: each must run its own.
SQL_PREPARE = ("\\if :ready = 0\n"
               "PREPARE q (int) AS SELECT abalance, :client_id AS owner"
               " FROM pgbench_accounts WHERE aid = $1;\n"
               "\\set ready 1\n\\endif\n" + ACCOUNT + "EXECUTE q (:aid) \\gset\n"
               "\\if :owner <> :client_id\nSELECT 1 / 0;\n\\endif\n")

# One borrow of a pooled connection: a transaction, and the reset with which a driver gives it back.
BORROW = ACCOUNT + "BEGIN;\n" + READ + "COMMIT;\n"
ASYNCPG_RESET = "SELECT pg_advisory_unlock_all()\\; CLOSE ALL\\; UNLISTEN *\\; RESET ALL;\n"


def tenants(context):
    local, session = tenant_script("true"), tenant_script("false")
    measure(context, [
        Scenario("tenants: set_config(..., true) per transaction",
                 script_load("tenant-local", local)),
        Scenario("tenants: set_config(..., true), prepared",
                 script_load("tenant-local", local, "prepared"), lead=False),
        Scenario("tenants: set_config(..., false) per transaction",
                 script_load("tenant-session", session), lead=False),
        Scenario("tenants: SET once, then reads",
                 script_load("tenant-set", SESSION_TENANT), lead=False),
    ])


def sql_prepare(context):
    measure(context, [Scenario("sql-prepare: PREPARE once, EXECUTE per transaction",
                               script_load("sql-prepare", SQL_PREPARE))])


def driver_reset(context):
    measure(context, [
        Scenario("driver reset: BEGIN, SELECT, COMMIT, DISCARD ALL",
                 script_load("reset-discard", BORROW + "DISCARD ALL;\n")),
        Scenario("driver reset: BEGIN, SELECT, COMMIT, asyncpg's reset",
                 script_load("reset-asyncpg", BORROW + ASYNCPG_RESET), lead=False),
    ])
