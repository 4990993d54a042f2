"""A step of one client, as it is recorded, printed and run again."""

import json
from dataclasses import asdict, dataclass

# What probes ask: text to its name.
QUESTIONS = {}


@dataclass(frozen=True)
class Step:
    client: int
    kind: str
    action: str  # run, connect, leave
    operations: tuple
    # connect: the role and the startup parameters; leave: how
    user: str = ""
    options: tuple = ()
    needs: tuple = ()  # custom settings that the client must have used before

    def shown(self):
        if self.action == "connect":
            words = " ".join(f"{key}={value!r}" for key, value in self.options)
            return f"connect as {self.user} {words}".rstrip()
        if self.action == "leave":
            return f"leave ({self.kind})" + "".join(f" after {op[1]}" for op in self.operations)
        return " | ".join(operation_shown(operation) for operation in self.operations)

    def dump(self):
        return json.dumps(asdict(self), ensure_ascii=False)


def load(line):
    words = json.loads(line)
    for name in ("operations", "options", "needs"):
        words[name] = tuples(words[name])
    return Step(**words)


def tuples(value):
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def shortened(text, limit=400):
    return text if len(text) <= limit else text[:limit] + f"... ({len(text)} characters)"


def operation_shown(operation):
    name, *rest = operation
    if name in ("query", "params") and rest[0] in QUESTIONS:
        return f"{'' if name == 'query' else '[extended] '}probe of {QUESTIONS[rest[0]]}"
    if name == "query":
        return shortened(rest[0]) + ";"
    if name == "params":
        values = f" -- with {shortened(repr(list(rest[1])), 200)}" if rest[1] else ""
        return f"[extended] {shortened(rest[0])}{values}"
    if name == "pipeline":
        return "[pipeline: " + ", ".join(operation_shown(item) for item in rest[0]) + "]"
    return f"[{name}{' ' if rest else ''}{' '.join(repr(item) for item in rest)}]"
