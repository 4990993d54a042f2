"""Which clients kept their server, and why: from pgweir's log at debug, with the tests' names from
the console, which shows the application_name that pg_regress gives each psql."""

import pathlib
import re
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from wire import Client, Closed

REASONS_IN = pathlib.Path(__file__).parents[2] / "router/statement.cc"
KEEPS = re.compile(r" C-(\d+) \S+@\S+ keeps its server: (.*)$")
LEAVES = re.compile(r" C-(\d+) \S+@\S+ need not keep its server: ")
LOGS_IN = re.compile(r" C (?!pgweir/)\S+ login attempt: ")
CLOSES = re.compile(r" S-\d+ \S+ closing because: (.*?)(?: \(age=\d+s?\))?$")


@dataclass
class Pins:
    by_reason: Counter[str] = field(default_factory=Counter)
    details: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    by_test: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lifted: int = 0
    logins: int = 0
    closed: Counter[str] = field(default_factory=Counter)  # servers, by reason

    @property
    def total(self) -> int:
        return sum(self.by_reason.values())

    def text(self) -> str:
        """A page for build/suites: reasons with their details, then tests."""
        lines = [f"{self.total} pins, {self.lifted} lifted", ""]
        for reason, count in self.by_reason.most_common():
            lines.append(f"{count:6}  {reason}")
            lines += [f"{'':8}{times:6}  {detail}"
                      for detail, times in self.details[reason].most_common(15) if detail]
        lines += ["", "servers closed"]
        lines += [f"{count:6}  {reason}" for reason, count in self.closed.most_common()]
        lines += ["", "by test"]
        for test in sorted(self.by_test):
            counts = ", ".join(f"{r} {n}" for r, n in self.by_test[test].most_common())
            lines.append(f"{test}: {counts}")
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
        for line in lines:
            if found := KEEPS.search(line):
                reason, detail = split_reason(found[2], reasons)
                pins.by_reason[reason] += 1
                pins.details[reason][detail] += 1
                pins.by_test[seen.tests.get(found[1], "(not seen)")][reason] += 1
            elif LEAVES.search(line):
                pins.lifted += 1
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
