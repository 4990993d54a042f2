"""Loads that leave something in their session, measured in two forms.

Even: as many clients as servers. PgBouncer keeps such a session only in session mode, where it can
serve no more clients than that, so here it is compared with pgweir in transaction mode.
Crowd: many clients on the same servers. PgBouncer's session mode would let most of them wait for
others to leave; what pgweir gives is compared with a connection for each client.

`direct` always has as many connections as clients. Errors are part of the result: a load that fails
through a target is reported as failed there, and goes on elsewhere."""

import dataclasses
import typing

from . import backends
from .pgbench import LoadFailed, pgbench
from .report import Row, interval, number
from .stats import median, median_interval, ratios

SERVERS = 8
CROWD = 32
# A client that waits longer for a server waits for somebody who keeps it: the load has failed.
SERVER_WAIT_SECONDS = 5
FIGURES = (
    ("tps", lambda run: run.tps),
    ("latency p50, ms", lambda run: run.latency(0.50)),
    ("latency p99, ms", lambda run: run.latency(0.99)),
    ("proxy CPU per transaction, us", lambda run: run.cpu_per_transaction),
    ("server CPU per transaction, us", lambda run: run.server_cpu_per_transaction),
)


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    load: typing.Callable  # (context, target, clients, seconds=... or transactions=...) -> Run
    crowd: bool = True
    lead: bool = True      # part of --quick
    counted: tuple = (5, 45)  # transactions of each client, in the two runs that count requests


def script_load(name, script, mode="simple"):
    """A load of pgbench's. The script knows :accounts, :client_id and :ready, which is 0 until it
    sets it: what a client does once stands under it."""
    def load(context, target, clients, **limits):
        path = context.sandbox.write(f"{name}.sql", script)
        accounts = 100_000 * context.sandbox.scale
        run = pgbench(context.sandbox, target, clients, mode=mode, latencies=True, sampling=1.0,
                      skip_first=True, **limits,
                      script=("-f", path, "-D", "ready=0", "-D", f"accounts={accounts}"))
        if "seconds" in limits:
            check_all_served(run, clients)
        return run
    return load


def check_all_served(run, clients):
    """Where clients keep their servers, the others get one when the run ends, and no error: a high
    throughput of a few."""
    average = run.transactions / clients
    served = sum(count > average / 20 for count in run.by_client.values())
    if served < clients:
        raise LoadFailed(f"error: {served} of {clients} clients were served, the others waited for "
                         "a server until those had left")


def measure(context, scenarios):
    """A part of bench/run: all these scenarios, in --quick the lead ones in the even form."""
    for scenario in scenarios:
        if context.quick and not scenario.lead:
            continue
        even = Comparison(context, scenario, SERVERS, {
            "direct": context.sandbox.postgres, "pgbouncer": context.stateful("pgbouncer"),
            "pgweir": context.stateful("pgweir")}, "pgbouncer")
        even.run()
        even.add_rows()
        if scenario.crowd and not context.quick:
            crowd = Comparison(context, scenario, CROWD, {
                "direct": context.sandbox.postgres, "pgweir": context.stateful("pgweir")}, "direct")
            crowd.run()
            crowd.add_rows()
    context.note_once(f"`direct` has as many connections as clients, the proxies have {SERVERS} "
                      "servers. PgBouncer is in session mode with server_reset_query = DISCARD "
                      "ALL; with more clients than servers it `queues` there: the others wait "
                      "until one leaves. Ratios to `direct` are said to be")
    context.note_once("server CPU: all processes of PostgreSQL, the start of direct connections "
                      "included. Requests: how often a backend received something; what `direct` "
                      "has not is extra round trips (or, in one piece with others, saved ones)")


class Comparison:
    """One scenario, one number of clients, several targets; pgweir is the last of them."""

    def __init__(self, context, scenario, clients, targets, over):
        self.context, self.scenario, self.clients = context, scenario, clients
        self.targets, self.over = targets, over
        self.runs = {name: [] for name in targets}
        self.failures = {}
        self.requests = {}

    # --- measuring ---

    def run(self):
        """Counts first. Every other round goes backwards: drift cancels, and each second run of
        pgweir directly follows one of the same kind, the A/A control."""
        names = list(self.targets)
        for name in names:
            self.attempt(name, self.count_requests)
        for number_of_round in range(self.context.state_rounds):
            for name in names if number_of_round % 2 == 0 else reversed(names):
                self.attempt(name, self.measure_once)

    def attempt(self, name, what):
        """A target that has failed once is left alone: each failure may take long."""
        if name in self.failures:
            return
        try:
            what(name)
        except LoadFailed as problem:
            self.failures[name] = str(problem)
            self.targets[name].check_alive()

    def measure_once(self, name):
        self.runs[name].append(self.load(name, seconds=self.context.state_seconds))

    def load(self, name, **limits):
        return self.scenario.load(self.context, self.targets[name], self.clients, **limits)

    def count_requests(self, name):
        """The difference of two runs, so that logins and what is done once cancel out."""
        few, many = self.scenario.counted
        self.load(name, transactions=few)  # opens the servers, fills the caches
        before, after = (backends.requests(self.context.sandbox,
                                           lambda n=n: self.load(name, transactions=n))
                         for n in (few, many))
        self.requests[name] = (after - before) / self.clients / (many - few)

    # --- reporting ---

    def title(self, figure, ratio=""):
        to_direct = ratio and self.over == "direct"
        return f"{self.name()}: {figure}" + (" (ratio to direct)" if to_direct else "")

    def name(self):
        servers = f" on {SERVERS} servers" if self.clients > SERVERS else ""
        return f"{self.scenario.name}, {self.clients} clients{servers}"

    def add_rows(self):
        for figure, value in FIGURES:
            self.add_figure(figure, value)
        self.add_requests()
        if self.over == "pgbouncer":
            self.add_control("tps", lambda run: run.tps)
            self.add_control("proxy CPU", lambda run: run.cpu_per_transaction)
        for name, text in self.failures.items():
            self.context.report.note(f"{self.name()}: {name} failed: {first_error(text)}")

    def add_figure(self, figure, value):
        cells = {name: number(median([value(run) for run in runs]))
                 for name, runs in self.runs.items() if runs and name not in self.failures}
        ratio = self.ratio(value)
        if figure.startswith("proxy"):
            cells.pop("direct", None)
            ratio = ratio if self.over != "direct" else ""
        row = Row(self.title(figure, ratio), **cells, ratio=ratio)
        if figure == "tps":
            row.budget, row.met = "0 errors", "pgweir" not in self.failures
            for name in self.failures:
                setattr(row, name, "failed")
            if "pgbouncer" not in self.targets:
                row.pgbouncer = "queues"
        if cells or row.met is not None:
            self.context.report.add(row)

    def ratio(self, value):
        if "pgweir" in self.failures or self.over in self.failures:
            return ""
        pairs = zip(self.runs["pgweir"], self.runs[self.over])
        return interval(*median_interval(ratios([(value(a), value(b)) for a, b in pairs])))

    def add_requests(self):
        cells = {name: f"{value:.2f}" for name, value in self.requests.items()
                 if name not in self.failures}
        ratio = ""
        if "direct" in cells and "pgweir" in cells:
            ratio = f"{self.requests['pgweir'] - self.requests['direct']:+.2f} to direct"
        self.context.report.add(Row(self.title("requests to PostgreSQL per transaction"), **cells,
                                    ratio=ratio))

    def add_control(self, figure, value):
        runs = self.runs["pgweir"]
        pairs = [(value(runs[n + 1]), value(runs[n])) for n in range(0, len(runs) - 1, 2)]
        if pairs and "pgweir" not in self.failures:
            self.context.report.add(Row(
                f"A/A control: {self.scenario.name}, pgweir against itself, {figure}",
                pgweir=interval(*median_interval(ratios(pairs)))))


def first_error(text):
    """What tells most of a failed load's output."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "ERROR" in line or "FATAL" in line or "error:" in line]
    return (telling or lines)[0]
