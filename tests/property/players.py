"""Who does what next: picks clients and steps at random, within what the pool can serve."""

from collections import deque

import grammar
import probes  # noqa: F401  (registers its steps, as do the following)
import steps_functions  # noqa: F401
import steps_objects  # noqa: F401
import steps_settings  # noqa: F401
import steps_statements  # noqa: F401
import steps_transactions  # noqa: F401
from disabled_steps import disabled
from steps import Step
from values import ODD_TEXTS

ENDINGS = ("commit", "rollback")


class Players:
    def __init__(self, rng, timeline, wild_share):
        self.rng = rng
        self.timeline = timeline
        count = len(timeline.clients)
        self.users = ["boss" if rng.random() < 0.2 else "app" for _ in range(count)]
        self.tame = [rng.random() >= wild_share for _ in range(count)]
        self.scenes = [None] * count
        self.queues = [deque() for _ in range(count)]

    def next(self):
        """The next step; None if the one picked has nothing to do."""
        client = self.rng.choice(self.timeline.clients)
        if self.crowded(client):
            return self.release(client)
        if not client.connected:
            return self.connect(client)
        if client.transaction != "IDLE" and self.rng.random() < 0.08:
            return self.end_transaction(client)
        if self.rng.random() < 0.01:
            return self.leave(client)
        return self.act(client)

    def crowded(self, client):
        """No server would be left for it; mostly one is kept for those who share."""
        if client.holds_server:
            return False
        held = len(self.timeline.holders(self.users[client.number]))
        return held >= self.timeline.pool or (
            held >= self.timeline.pool - 2 and self.rng.random() < 0.5)

    def release(self, waiting):
        holders = self.timeline.holders(self.users[waiting.number])
        if not holders:
            return None
        client = self.rng.choice(holders)
        if client.transaction != "IDLE":
            return self.end_transaction(client)
        return self.leave(client)

    def end_transaction(self, client):
        self.queues[client.number].clear()
        return Step(client.number, "end", "run", (("query", self.rng.choice(ENDINGS)),))

    def act(self, client):
        queue = self.queues[client.number]
        scene = self.scenes[client.number]
        scene.block = client.transaction != "IDLE"
        scene.touched = client.touched
        if not queue:
            name, groups = grammar.choose(self.rng, scene)
            needs = tuple(sorted(client.touched)) if name == "custom_show" else ()
            made = [Step(client.number, name, "run", tuple(group), needs=needs)
                    for group in groups]
            # All of them or none: the later ones build on the earlier.
            if not any(disabled(step, scene.block) for step in made):
                queue.extend(made)
        return queue.popleft() if queue else None

    def connect(self, client):
        number = client.number
        self.queues[number].clear()
        user = self.users[number]
        self.scenes[number] = grammar.Scene(
            number, len(self.timeline.clients), user, self.tame[number])
        return Step(number, "connect", "connect", (), user, tuple(self.options(number).items()))

    def options(self, number):
        rng, chosen = self.rng, {}
        if rng.random() < 0.5:
            chosen["application_name"] = rng.choice((*ODD_TEXTS[:20], f"client {number}"))
        if rng.random() < 0.2:
            chosen["client_encoding"] = rng.choice(("UTF8", "LATIN1", "sql_ascii"))
        words = [word for word in (
            "-c work_mem=3MB", "-c DateStyle=German", "--search_path=s2,public", "-c search_path=s2",
            "-c extra_float_digits=0", "-c TimeZone=Asia/Tokyo", "-c statement_timeout=30min",
            "-c default_transaction_isolation=repeatable\\ read", "-c IntervalStyle=iso_8601")
            if rng.random() < 0.12]
        if not self.tame[number] and rng.random() < 0.3:
            words.append("-c app.tenant=t1")
        if words:
            chosen["options"] = " ".join(words)
        return chosen

    def leave(self, client):
        self.queues[client.number].clear()
        kind = self.rng.choice(("close", "drop", "drop", "drop in a query"))
        query = (("unanswered", "select pg_sleep(3)"),) if kind == "drop in a query" else ()
        return Step(client.number, kind, "leave", query)
