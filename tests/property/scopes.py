"""What names mean to one client: whether its role or search_path may have changed, in the transaction
under way and since each of its statements was prepared. From the texts of its steps alone."""

import re

# The steps also spell names in two halves.
CHANGES = re.compile(r"\brole\b|'le'|session\s+(session\s+)?auth|'?ssion_auth|arch_path|become"
                     r"|reset\s+all|discard|rollback", re.IGNORECASE)


class Scopes:
    def __init__(self):
        self.count = 0  # of possible changes
        self.in_transaction = False
        self.prepared = {}  # name: count when it was prepared
        self.described = set()

    def note(self, operation):
        """Before the operation runs."""
        name, *rest = operation
        if name == "pipeline":
            for item in rest[0]:
                self.note(item)
        elif name == "prepare":
            self.prepared[rest[0]] = self.count
            self.described.discard(rest[0])
        elif name == "describe":
            self.described.add(rest[0])
        elif CHANGES.search(str(rest)):
            self.count += 1
            self.in_transaction = True

    def settle(self, transaction):
        """The operation has been answered."""
        if transaction == "IDLE" and self.in_transaction:
            # What was rolled back, or was for the transaction only, is undone.
            self.count += 1
            self.in_transaction = False

    def changed_since(self, name):
        """It was never described, and may mean something else than when it was prepared."""
        return name not in self.described and self.prepared.get(name, self.count) != self.count
