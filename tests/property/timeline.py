"""One time line: many clients, each with a session through pgweir and one directly on PostgreSQL.
Runs steps on both and says where they differ."""

import time

import known_differences
from disabled_steps import DISABLED
from scopes import Scopes
from session import Connection, Stuck
from steps import shortened
from values import touched_by
from world import PATIENCE

WAIT_SECONDS = 5 * PATIENCE
LOCKS = ("select classid, objid, objsubid, mode, count(*) from pg_locks l join pg_database d "
         "on d.oid = l.database where locktype = 'advisory' and datname = '{}' "
         "group by 1, 2, 3, 4 order by 1, 2, 3, 4")


class Difference(Exception):
    def __init__(self, step, what, direct, proxied):
        super().__init__(what)
        self.step, self.what, self.direct, self.proxied = step, what, direct, proxied

    @property
    def signature(self):
        """Two runs have found the same when this is the same."""
        return self.step.kind, self.what

    def __str__(self):
        return (f"{self.what}\n    direct:  {shortened(str(self.direct), 2000)}\n"
                f"    proxied: {shortened(str(self.proxied), 2000)}")


class Client:
    def __init__(self, number):
        self.number = number
        self.user = None
        self.direct = self.proxied = None
        self.touched = set()
        self.scopes = Scopes()
        self.pinned = None  # the reason by which pgweir keeps a server for it
        self.port = 0

    @property
    def connected(self):
        return self.direct is not None

    @property
    def transaction(self):
        return self.direct.transaction

    @property
    def holds_server(self):
        return self.connected and (self.pinned is not None or self.transaction != "IDLE")


class Timeline:
    def __init__(self, world, clients, pool):
        self.world = world
        self.pool = pool
        self.clients = [Client(i) for i in range(clients)]
        self.pins = {}
        self.done = self.skipped = 0
        self.unpinned = 0  # steps that ran while the client kept no server

    def holders(self, user):
        return [c for c in self.clients if c.user == user and c.holds_server]

    def admissible(self, step):
        """Whether the step can run now, and would not wait for a server forever."""
        client = self.clients[step.client]
        if (step.action == "connect") == client.connected:
            return False
        if not set(step.needs) <= client.touched:
            return False
        user = step.user or client.user
        return (step.action == "leave" or client.holds_server
                or len(self.holders(user)) < self.pool)

    def run(self, step):
        """False if it does not fit; raises Difference."""
        if not self.admissible(step):
            self.skipped += 1
            return False
        client = self.clients[step.client]
        self.unpinned += client.pinned is None
        getattr(self, "_" + step.action)(client, step)
        self.done += 1
        self.read_pins()
        return True

    def read_pins(self):
        pins = {int(row["port"]): row["reason"] for row in self.world.console.columns("SHOW PINS")}
        for client in self.clients:
            before, client.pinned = client.pinned, pins.get(client.port)
            if client.pinned and client.pinned != before:
                self.pins[client.pinned] = self.pins.get(client.pinned, 0) + 1

    def close(self):
        for client in self.clients:
            if client.connected:
                client.direct.close()
                client.proxied.close()
                client.direct = None

    # --- actions ---

    def _connect(self, client, step):
        options = dict(step.options)
        direct = Connection(self.world.direct(step.user, **options))
        proxied = Connection(self.world.proxied(step.user, **options))
        if direct.failure or proxied.failure:
            self.compare(step, "login", direct.failure, proxied.failure)
            return
        client.user, client.direct, client.proxied = step.user, direct, proxied
        client.port = proxied.port
        client.touched = touched_by(options.get("options", ""))
        client.scopes = Scopes()
        self.compare_parameters(step, direct.parameters(), proxied.parameters())

    def _run(self, client, step):
        for operation in step.operations:
            client.touched |= touched_of(operation)
            client.scopes.note(operation)
            try:
                direct = client.direct.run(operation)
            except Stuck as error:
                raise AssertionError(f"PostgreSQL itself gives {error}: {step.shown()}") from None
            try:
                proxied = client.proxied.run(operation)
            except Stuck as error:
                raise Difference(step, "no answer", direct, str(error)) from None
            self.compare_outcomes(step, direct, proxied, operation, client.scopes)
            client.scopes.settle(direct["transaction"])
            self.compare_notifications(client, step)

    def _leave(self, client, step):
        for operation in step.operations:
            client.proxied.run(operation)
        if step.kind == "close":
            client.direct.close()
            client.proxied.close()
        else:
            client.direct.drop()
            client.proxied.drop()
        client.direct = client.proxied = client.user = client.pinned = None
        client.port = 0
        self.wait_for_locks(step)

    def wait_for_locks(self, step):
        """What the client has held is free again before the next step, on both sides."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            direct = self.world.admin.rows(LOCKS.format("oracle"))
            proxied = self.world.admin.rows(LOCKS.format("weir"))
            if direct == proxied:
                return
            if time.monotonic() > deadline:
                raise Difference(step, "advisory locks after a client has left", direct, proxied)
            time.sleep(0.005)

    # --- comparison ---

    def compare(self, step, what, direct, proxied):
        if direct != proxied:
            raise Difference(step, what, direct, proxied)

    def compare_outcomes(self, step, direct, proxied, operation, scopes):
        direct, proxied = known_differences.reconcile(step, direct, proxied, operation, scopes)
        if len(direct["results"]) != len(proxied["results"]):
            raise Difference(step, "number of results", direct["results"], proxied["results"])
        for expected, seen in zip(direct["results"], proxied["results"]):
            self.compare_result(step, expected, seen)
        self.compare(step, "notices", direct["notices"], proxied["notices"])
        self.compare(step, "transaction status", direct["transaction"], proxied["transaction"])
        self.compare_parameters(step, direct["parameters"], proxied["parameters"])

    def compare_result(self, step, direct, proxied):
        if direct[0] != proxied[0]:
            raise Difference(step, "status of a result", direct, proxied)
        if len(direct) != 5:
            if "statement-name" in DISABLED and direct[1].get("SQLSTATE") in (b"08P01", b"42P05"):
                return
            for name in {**direct[1], **proxied[1]}:
                if direct[1].get(name) != proxied[1].get(name):
                    raise Difference(step, f"{name} of an error", direct[1], proxied[1])
            return
        for what, expected, seen in zip(("", "command tag", "columns", "rows", "types"),
                                        direct, proxied):
            if what == "rows" and len(expected) == len(seen) > 3:
                different = [pair for pair in zip(expected, seen) if pair[0] != pair[1]]
                expected, seen = [a for a, _ in different], [b for _, b in different]
            self.compare(step, what, expected, seen)

    def compare_parameters(self, step, direct, proxied):
        names = [name for name in direct if direct[name] != proxied[name]]
        self.compare(step, "ParameterStatus" + "".join(f" {name}" for name in names),
                     {name: direct[name] for name in names},
                     {name: proxied[name] for name in names})

    def compare_notifications(self, client, step):
        """In order, and own ones before the client's own ReadyForQuery; others' may take a while."""
        direct = client.direct.take_notifications()
        proxied = client.proxied.take_notifications()
        deadline = time.monotonic() + WAIT_SECONDS
        while (len(proxied) < len(direct) and not direct[len(proxied)][2]
               and time.monotonic() < deadline):
            proxied += client.proxied.take_notifications(seconds=0.05)
        self.compare(step, "notifications", [item[:2] for item in direct],
                     [item[:2] for item in proxied])
        self.compare(step, "own notifications' process", direct, proxied)


def touched_of(operation):
    """A pipeline's and a statement's texts and values; questions of a probe leave nothing."""
    if operation[0] == "pipeline":
        return set().union(*(touched_of(item) for item in operation[1]))
    if len(operation) > 2 and operation[0] == "params" and operation[2][:1] and (
            "with ordinality" in operation[1]):
        return set()
    return set().union(*(touched_by(str(item)) for item in operation[1:]))

