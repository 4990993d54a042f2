"""Which clients kept their server, and why, and how many of their transactions ran on a server that
they kept: from pgweir's log at debug, with the tests' names from the console, which shows the
application_name that pg_regress gives each psql."""

import pathlib
import re
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from wire import Client, Closed

# Of these PostgreSQL itself is asked when the transaction has ended, and the server is free again
# unless it says that the state is there (proxy/state_inquiry.cc).
ASKED = {"temporary object", "session advisory lock", "cursor WITH HOLD", "PREPARE", "LISTEN",
         "setting that cannot be carried"}
# State of the process that PostgreSQL does not show to anybody.
HIDDEN = {"loaded library", "setseed", "dblink", "replication origin", "replication slot",
          "backup"}
# Lifted as soon as PostgreSQL says that it cannot read the text either.
UNREAD = "unparsable text"
REASONS_IN = pathlib.Path(__file__).parents[2] / "router/statement.cc"
KEEPS = re.compile(r" C-(\d+) \S+@\S+ keeps its server: (.*)$")
LEAVES = re.compile(r" C-(\d+) \S+@\S+ need not keep its server: ")
LOGS_IN = re.compile(r" C (?!pgweir/)\S+ login attempt: ")
ENDS = re.compile(r" C-(\d+) \S+@\S+ has ended \(transactions=(\d+) pinned=(\d+) application=(.*)\)$")
CATALOG = re.compile(r" C-\d+ \S+@\S+ has read the catalog ")
CLOSES = re.compile(r" S-\d+ \S+ closing because: (.*?)(?: \(age=\d+s?\))?$")


@dataclass
class Pins:
    by_reason: Counter[str] = field(default_factory=Counter)
    details: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_test: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_test_and_detail: dict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter))
    lifted: int = 0
    logins: int = 0
    closed: Counter[str] = field(default_factory=Counter)  # servers, by reason
    transactions: Counter[str] = field(default_factory=Counter)  # by test
    pinned: Counter[str] = field(default_factory=Counter)  # those on a server that was kept
    catalog_reads: int = 0

    @property
    def total(self) -> int:
        return sum(self.by_reason.values())

    def share(self, test: str) -> float:
        """Of its transactions, those on a server that it did not keep."""
        return 1 - self.pinned[test] / max(self.transactions[test], 1)

    def share_of_all(self) -> float:
        return 1 - self.pinned.total() / max(self.transactions.total(), 1)

    def in_doubt(self) -> dict[str, str]:
        """Pins for what may be nothing: texts and functions of which it is not known what they do.
        "TEST/REASON", each with what it hangs on."""
        found: dict[str, list[str]] = defaultdict(list)
        for test, reasons in self.by_test_and_detail.items():
            for name in reasons:
                reason, _, detail = name.partition(": ")
                if reason not in ASKED | HIDDEN | {UNREAD}:
                    found[f"{test}/{reason}"].append(detail)
        return {name: ", ".join(filter(None, details)) for name, details in found.items()}

    def text(self) -> str:
        """A page for build/suites: reasons with their details, then tests."""
        lines = [f"{self.total} pins, {self.lifted} lifted", ""]
        for reason, count in self.by_reason.most_common():
            lines.append(f"{count:6}  {reason}")
            lines += [f"{'':8}{times:6}  {detail}"
                      for detail, times in self.details[reason].most_common(15) if detail]
        lines += ["", "servers closed"]
        lines += [f"{count:6}  {reason}" for reason, count in self.closed.most_common()]
        lines += ["", f"catalog read {self.catalog_reads} times", "",
                  "transactions on a server that was not kept, by test, and pins"]
        for test in sorted({*self.transactions, *self.by_test}):
            counts = ", ".join(f"{r} {n}" for r, n in self.by_test[test].most_common())
            lines.append(f"{test}: {self.share(test):.0%} of {self.transactions[test]}"
                         + (f"; {counts}" if counts else ""))
        return "\n".join(lines) + "\n"


def known_reasons() -> list[str]:
    """The longest first: in the log a reason is followed by its detail."""
    source = REASONS_IN.read_text()
    body = source.partition("text(PinReason")[2].partition("\n}")[0]
    return sorted(re.findall(r'return "([^"]+)"', body), key=len, reverse=True)


def split_reason(text: str, reasons: list[str]) -> tuple[str, str]:
    for reason in reasons:
        if text == reason or text.startswith(reason + " "):
            return reason, text[len(reason):].strip()
    return text.strip(), ""


def read_pins(log: pathlib.Path, seen: "Console") -> Pins:
    pins = Pins()
    # The program may be older or newer than this tree; then the console knows.
    reasons = sorted({*known_reasons(), *seen.reasons}, key=len, reverse=True)
    with open(log, encoding="utf-8", errors="replace") as lines:
        text = lines.read().splitlines()
        tests = dict(seen.tests)
        for line in text:
            if found := ENDS.search(line):
                if found[4].startswith("pg_regress/"):
                    tests.setdefault(found[1], found[4].removeprefix("pg_regress/"))
                test = tests.get(found[1], "(not seen)")
                pins.transactions[test] += int(found[2])
                pins.pinned[test] += int(found[3])
        for line in text:
            if found := KEEPS.search(line):
                reason, detail = split_reason(found[2], reasons)
                pins.by_reason[reason] += 1
                pins.details[reason][detail] += 1
                test = tests.get(found[1], "(not seen)")
                pins.by_test[test][reason] += 1
                pins.by_test_and_detail[test][f"{reason}: {detail}" if detail else reason] += 1
            elif LEAVES.search(line):
                pins.lifted += 1
            elif CATALOG.search(line):
                pins.catalog_reads += 1
            elif LOGS_IN.search(line):
                pins.logins += 1
            elif found := CLOSES.search(line):
                pins.closed[found[1]] += 1
    return pins


class Console:
    """Asks pgweir's console every now and then which client is which test. Use as a context manager."""

    def __init__(self, port: int, user: str, seconds: float = 0.1) -> None:
        self.port = port
        self.user = user
        self.seconds = seconds
        self.tests: dict[str, str] = {}  # by client id
        self.reasons: set[str] = set()
        self.failure = ""
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def __enter__(self) -> "Console":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def ask(self) -> None:
        try:
            with Client(self.port) as client:
                client.login(self.user, "pgweir")
                while not self.ended.wait(self.seconds):
                    self.note(client)
        except (OSError, Closed, AssertionError, LookupError) as error:
            self.failure = f"the console failed: {type(error).__name__} {error}"

    def note(self, client: Client) -> None:
        # ..., application_name, prepared_statements, id
        for row in rows(client, "SHOW CLIENTS"):
            if row[-3].startswith("pg_regress/"):
                self.tests[row[-1]] = row[-3].removeprefix("pg_regress/")
        # id, user, database, addr, port, application_name, reason, ...
        self.reasons.update(row[6] for row in rows(client, "SHOW PINS"))


def rows(client: Client, command: str) -> list[list[str]]:
    reply = client.query(command)
    if reply.errors or reply.closed:
        raise Closed(f"{command}: {reply}")
    return reply.rows
