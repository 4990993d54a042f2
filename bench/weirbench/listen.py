"""Many clients listen, one notifies: how long a notification takes, how many servers it needs."""

import contextlib
import dataclasses
import selectors
import time

from . import backends
from .pgbench import LoadFailed
from .raw_client import RawClient, query_message
from .report import Row, interval, number
from .scenarios import SERVERS, first_error
from .stats import median, median_interval, percentile, ratios

LISTENERS = 50
CHANNEL = "weirbench"
# Listening takes no time, unless there is no server to listen on.
LISTEN_SECONDS = 3
DELIVERY_SECONDS = 5
COUNTED = 50  # notifications

FIGURES = (
    ("notifications/s", lambda round_: len(round_.latencies) / round_.listeners / round_.seconds),
    ("delivery p50, ms", lambda round_: percentile(round_.latencies, 0.50)),
    ("delivery p99, ms", lambda round_: percentile(round_.latencies, 0.99)),
    ("proxy CPU per delivery, us", lambda round_: round_.cpu / len(round_.latencies) * 1e6),
    ("server CPU per delivery, us", lambda round_: round_.server_cpu / len(round_.latencies) * 1e6),
)


@dataclasses.dataclass
class Round:
    listeners: int
    seconds: float
    latencies: list     # sorted, ms, of each delivery to each listener
    cpu: float
    server_cpu: float


class Audience:
    """Clients that listen on one target, and one that notifies them."""

    def __init__(self, target, listeners):
        self.target = target
        self.selector = selectors.DefaultSelector()
        self.notifier = RawClient(target.port)
        self.listeners = [RawClient(target.port) for _ in range(listeners)]
        for client in [self.notifier, *self.listeners]:
            self.selector.register(client.socket, selectors.EVENT_READ, client)

    def close(self):
        self.selector.close()
        for client in [self.notifier, *self.listeners]:
            client.socket.close()

    def listen(self):
        """All at once: where a listener keeps a server, the later ones wait, and are counted."""
        for client in self.listeners:
            client.socket.sendall(query_message(f"LISTEN {CHANNEL}"))
        listening = len(self.until(b"Z", self.listeners, LISTEN_SECONDS))
        if listening < len(self.listeners):
            raise LoadFailed(f"error: {listening} of {len(self.listeners)} clients could LISTEN, "
                             f"the others waited for a server for more than {LISTEN_SECONDS} s")

    def notify(self, number_of_notification):
        """Milliseconds to each listener."""
        payload = str(number_of_notification)
        begun = time.monotonic()
        self.notifier.socket.sendall(query_message(f"NOTIFY {CHANNEL}, '{payload}'"))
        ending = b"\0" + payload.encode() + b"\0"
        arrived = self.until(b"A", self.listeners, DELIVERY_SECONDS, begun, ending)
        if len(arrived) < len(self.listeners):
            raise LoadFailed(f"error: a notification reached {len(arrived)} of "
                             f"{len(self.listeners)} within {DELIVERY_SECONDS} s")
        self.notifier.until_ready()
        return arrived

    def until(self, kind, clients, seconds, begun=None, ending=b""):
        """Milliseconds since `begun` at which each of these clients got such a message."""
        begun = begun or time.monotonic()
        waiting, times = set(map(id, clients)), []
        while waiting and time.monotonic() < begun + seconds:
            for key, _ in self.selector.select(0.1):
                client = key.data
                client.receive()
                if id(client) in waiting and has_got(client, kind, ending):
                    waiting.discard(id(client))
                    times.append((time.monotonic() - begun) * 1e3)
        return times


def has_got(client, kind, ending):
    while received := client.received_message():
        if received[0] == b"E":
            raise LoadFailed("error: " + received[1].replace(b"\0", b" ").decode())
        if received[0] == kind and received[1].endswith(ending):
            return True
    return False


# --- measuring ---

def listen(context):
    """Even: as many clients as servers. Crowd: PgBouncer is given the servers it needs."""
    forms = [(SERVERS - 1, SERVERS)]
    if not context.quick:
        forms.append((LISTENERS, LISTENERS + 1))
    for listeners, pgbouncer_servers in forms:
        with contextlib.ExitStack() as stack:
            targets = {"direct": context.sandbox.postgres}
            for name, pool in (("pgbouncer", pgbouncer_servers), ("pgweir", SERVERS)):
                targets[name] = context.start_stateful(name, pool)
                stack.callback(context.sandbox.stop, targets[name])
            comparison = Comparison(context, targets, listeners)
            comparison.run(stack)
            comparison.add_rows()
    context.note_once(f"listen: pgweir has {SERVERS} servers; PgBouncer, in session mode, has as "
                      "many as there are clients. One Python process reads all the listeners in "
                      "turn, and its time is part of the later deliveries'")


class Comparison:
    """One audience on each target; they take turns."""

    def __init__(self, context, targets, listeners):
        self.context, self.targets, self.listeners = context, targets, listeners
        self.rounds = {name: [] for name in targets}
        self.audiences, self.used, self.requests, self.failures = {}, {}, {}, {}

    def run(self, stack):
        for name in self.targets:
            self.attempt(name, lambda name: self.gather(name, stack))
        for number_of_round in range(self.context.state_rounds):
            names = list(self.targets)
            for name in names if number_of_round % 2 == 0 else reversed(names):
                self.attempt(name, self.measure_round)

    def attempt(self, name, what):
        """A target that has failed once is left alone."""
        if name in self.failures:
            return
        try:
            what(name)
        except (OSError, RuntimeError) as problem:
            self.failures[name] = str(problem)
            self.targets[name].check_alive()

    def gather(self, name, stack):
        before = backends.settled_connections(self.context.sandbox)
        audience = self.audiences[name] = Audience(self.targets[name], self.listeners)
        stack.callback(audience.close)
        try:
            audience.listen()
            audience.notify("first")
        finally:
            self.used[name] = backends.connections(self.context.sandbox) - before
        self.requests[name] = backends.requests(
            self.context.sandbox,
            lambda: [audience.notify(f"counted {n}") for n in range(COUNTED)]) / COUNTED

    def measure_round(self, name):
        audience, postgres = self.audiences[name], self.context.sandbox.postgres
        latencies = []
        server_before, before = backends.cpu_seconds(postgres), audience.target.cpu_seconds()
        begun = time.monotonic()
        while time.monotonic() < begun + self.context.state_seconds:
            latencies += audience.notify(len(latencies))
        seconds, cpu = time.monotonic() - begun, audience.target.cpu_seconds() - before
        server_cpu = backends.cpu_seconds(postgres) - server_before
        self.rounds[name].append(
            Round(self.listeners, seconds, sorted(latencies), cpu, server_cpu))

    # --- reporting ---

    def add_rows(self):
        title = f"listen: {self.listeners} listeners, 1 notifier: "
        for figure, value in FIGURES:
            self.add_figure(title + figure, value)
        self.context.report.add(Row(title + "server connections used",
                                    **{name: str(count) for name, count in self.used.items()}))
        self.context.report.add(Row(
            title + "requests to PostgreSQL per notification",
            **{name: f"{count:.2f}" for name, count in self.requests.items()}))
        self.add_control(title)
        for name, text in self.failures.items():
            self.context.report.note(f"{title}{name} failed: " + first_error(text))

    def add_control(self, title):
        """Each second round of pgweir directly follows one of the same kind."""
        rounds = self.rounds["pgweir"]
        for figure, value in FIGURES[1:3]:
            pairs = [(value(rounds[n + 1]), value(rounds[n])) for n in range(0, len(rounds) - 1, 2)]
            if pairs and "pgweir" not in self.failures:
                self.context.report.add(Row(f"A/A control: {title}{figure}",
                                            pgweir=interval(*median_interval(ratios(pairs)))))

    def add_figure(self, what, value):
        cells = {name: number(median([value(each) for each in rounds]))
                 for name, rounds in self.rounds.items() if rounds and name not in self.failures}
        if "proxy" in what:
            cells.pop("direct", None)
        row = Row(what, **cells)
        if not {"pgweir", "pgbouncer"} & set(self.failures):
            pairs = zip(self.rounds["pgweir"], self.rounds["pgbouncer"])
            row.ratio = interval(*median_interval(ratios([(value(a), value(b)) for a, b in pairs])))
        if what.endswith(FIGURES[0][0]):
            row.budget, row.met = "0 errors", "pgweir" not in self.failures
            for name in self.failures:
                setattr(row, name, "failed")
        if cells or row.met is not None:
            self.context.report.add(row)

