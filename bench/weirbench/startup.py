"""What frameworks do when they connect: a preamble of settings, then their work, short or long."""

import multiprocessing
import time

from . import backends
from .pgbench import LoadFailed, Run
from .raw_client import RawClient
from .scenarios import Scenario, measure, script_load

ACCOUNT = "select abalance from pgbench_accounts where aid = {}"


class Framework:
    """The startup packet, the statements after it, and the protocol of a framework's driver."""

    def __init__(self, settings, preamble, extended):
        self.settings, self.preamble, self.extended = settings, preamble, extended

    def visit(self, port, aid):
        """One short-lived process: connect, preamble, a handful of statements, disconnect."""
        client = RawClient(port, settings=self.settings)
        try:
            ask = client.extended_query if self.extended else client.query
            for statement in self.preamble:
                ask(statement)
            for n in range(2):
                ask(ACCOUNT.format(aid + n))
            for statement in ("begin", ACCOUNT.format(aid + 2), "commit"):
                ask(statement)
        finally:
            client.close()


FRAMEWORKS = (
    Framework({"client_encoding": "UTF8", "DateStyle": "ISO", "TimeZone": "Europe/Berlin"},
              ["SET extra_float_digits = 3", "SET application_name = 'PostgreSQL JDBC Driver'",
               "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"], True),
    Framework({},
              ["SET client_min_messages TO 'warning'", "SET standard_conforming_strings = on",
               "SET intervalstyle = iso_8601", "SET SESSION timezone TO 'UTC'",
               "SHOW max_identifier_length"], False),
    Framework({"client_encoding": "UTF8"},
              ["SET client_encoding TO 'UTF8'", "SELECT set_config('TimeZone', 'UTC', false)",
               "SET default_transaction_isolation TO 'read committed'"], False),
)

# The same settings kept for long, by three kinds of clients; the read fails if one is missing.
LONG_LIVED = r"""\if :ready = 0
\set kind :client_id % 3
SET application_name = 'framework-:kind';
\if :kind = 0
SET extra_float_digits = 3;
SET timezone = 'Europe/Berlin';
SET intervalstyle = 'postgres';
\elif :kind = 1
SET client_min_messages TO 'warning';
SET standard_conforming_strings = on;
SET intervalstyle = iso_8601;
SET SESSION timezone TO 'UTC';
\else
SET timezone = 'Asia/Tokyo';
SET default_transaction_isolation TO 'read committed';
SET intervalstyle = 'postgres';
\endif
\set ready 1
\endif
\set aid random(1, :accounts)
BEGIN;
SELECT abalance / ((current_setting('application_name') = 'framework-' || :kind)
    AND (current_setting('intervalstyle') = 'iso_8601') = (:kind = 1))::int
    FROM pgbench_accounts WHERE aid = :aid;
COMMIT;
"""


def startup(context):
    measure(context, [
        Scenario("framework start-up: connect, preamble, 5 statements, leave", visits, crowd=False,
                 counted=(3, 15)),
        Scenario("framework, long-lived: preamble once, then transactions",
                 script_load("framework", LONG_LIVED), lead=False),
    ])
    context.note_once("a framework start-up counts as one transaction, its connecting included; "
                      "the clients are Python processes, which need most of the CPU: compare the "
                      "CPU and the requests rather than tps")


# --- visits, by a process for each client ---

def visits(context, target, clients, seconds=None, transactions=None):
    """A load as pgbench's are, of visits instead of transactions."""
    accounts = 100_000 * context.sandbox.scale
    server_before = backends.cpu_seconds(context.sandbox.postgres)
    before, begun = target.cpu_seconds(), time.monotonic()
    deadline = begun + seconds if seconds else None
    results = multiprocessing.SimpleQueue()
    visitors = [
        multiprocessing.Process(target=visitor, daemon=True, args=(
            results, target.port, number * accounts // clients, deadline, transactions))
        for number in range(clients)
    ]
    for process in visitors:
        process.start()
    latencies, errors = collect(results, clients)
    for process in visitors:
        process.join()
    elapsed, cpu = time.monotonic() - begun, target.cpu_seconds() - before
    if errors:
        raise LoadFailed(f"a visit to {target.name} failed:\n{errors[0]}")
    server_cpu = backends.cpu_seconds(context.sandbox.postgres) - server_before
    latencies.sort()
    return Run(len(latencies), len(latencies) / elapsed, elapsed, cpu, latencies, server_cpu)


def visitor(results, port, first_aid, deadline, transactions):
    """In a process of its own: visits as one framework after the other, and tells how long each
    took, in ms. All clients do, so that servers change hands between frameworks."""
    latencies, error = [], None
    try:
        while len(latencies) < transactions if transactions else time.monotonic() < deadline:
            begun = time.monotonic()
            number = first_aid + len(latencies)
            FRAMEWORKS[number % len(FRAMEWORKS)].visit(port, 1 + number % 90_000)
            latencies.append((time.monotonic() - begun) * 1e3)
    except Exception as problem:  # whatever it was, somebody waits for the answer
        error = f"error: {problem!r}"
    results.put((latencies, error))


def collect(results, clients):
    latencies, errors = [], []
    for _ in range(clients):
        some, error = results.get()
        latencies += some
        errors += [error] if error else []
    return latencies, errors
