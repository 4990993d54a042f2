"""Makes a history that shows a difference as short as time allows: fewer clients, fewer steps."""

import time


class Shrinker:
    """`attempt(steps)` runs a history afresh and gives the Difference that it ends with, or None,
    and the steps that could be run."""

    def __init__(self, attempt, signature, seconds):
        self.attempt = attempt
        self.signature = signature
        self.deadline = time.monotonic() + seconds
        self.runs = 0
        self.difference = None
        self.ran = []

    def holds(self, steps):
        if time.monotonic() > self.deadline:
            return False
        self.runs += 1
        difference, ran = self.attempt(steps)
        if difference is None or difference.signature != self.signature:
            return False
        self.difference, self.ran = difference, ran
        return True

    def shrink(self, steps):
        """The shortest found; None if the difference does not come again."""
        if not self.holds(steps):
            return None
        steps = self.ran
        last = steps[-1]
        alone = [step for step in steps if step.client == last.client]
        if self.holds(alone):
            return self.without_chunks(self.ran)
        return self.without_chunks(self.without_clients(steps))

    def without_clients(self, steps):
        """Halves of the clients first, then one by one."""
        others = sorted({step.client for step in steps[:-1]} - {steps[-1].client})
        size = max(1, len(others) // 2)
        while True:
            at = 0
            while at < len(others):
                gone = set(others[at:at + size])
                fewer = [step for step in steps if step.client not in gone]
                if self.holds(fewer):
                    steps = self.ran
                    others = [client for client in others if client not in gone]
                else:
                    at += size
            if size == 1 or time.monotonic() > self.deadline:
                return steps
            size //= 2

    def without_chunks(self, steps):
        """Chunks of steps from the end on, ever smaller; the last step stays."""
        size = max(1, len(steps) // 2)
        while time.monotonic() < self.deadline:
            end = len(steps) - 1
            shorter = False
            while end > 0:
                start = max(0, end - size)
                fewer = steps[:start] + steps[end:]
                if self.holds(fewer):
                    steps = self.ran
                    shorter = True
                    start = min(start, len(steps) - 1)
                end = start
            if size == 1 and not shorter:
                break
            size = max(1, size // 2)
        return steps
