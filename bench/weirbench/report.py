"""The rows that were measured, as one Markdown table and for the terminal."""

import dataclasses
import datetime
import math
import os
import platform
import subprocess

COLUMNS = ["what", "direct", "PgBouncer", "HAProxy", "pgweir", "ratio [95 %]", "budget", "met"]


def number(value, digits=3):
    """A float with `digits` significant digits, never in exponent notation."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def interval(middle, low, high):
    if math.isnan(low):
        return f"{middle:.3f}"
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


@dataclasses.dataclass
class Row:
    what: str
    direct: str = ""
    pgbouncer: str = ""
    haproxy: str = ""
    pgweir: str = ""
    ratio: str = ""
    budget: str = ""
    met: object = None   # True, False, None (there is no budget), or a text: why it is not judged

    def cells(self):
        verdict = {True: "met", False: "**not met**", None: ""}.get(self.met, self.met)
        return [self.what, self.direct, self.pgbouncer, self.haproxy, self.pgweir, self.ratio,
                self.budget, verdict]


@dataclasses.dataclass
class Report:
    command: str
    rows: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)

    def add(self, row):
        self.rows.append(row)
        named = [f"{name} {cell}" for name, cell in zip(COLUMNS[1:], row.cells()[1:]) if cell]
        print(f"  {row.what}: " + ", ".join(named), flush=True)

    def note(self, text):
        self.notes.append(text)
        print(f"  note: {text}", flush=True)

    def failed(self):
        return [row for row in self.rows if row.met is False]

    def markdown(self, root, started):
        lines = [f"# bench {started:%Y-%m-%d %H:%M} commit {commit(root)}", ""]
        lines += [f"- {key}: {value}" for key, value in machine()]
        lines += [f"- command: `{self.command}`",
                  f"- load average at the end: {' '.join(f'{x:.2f}' for x in os.getloadavg())}",
                  "- ratio: pgweir / PgBouncer where nothing else is said, median of neighbouring "
                  "rounds with its 95 % bootstrap interval", ""]
        table = [COLUMNS, ["---"] * len(COLUMNS)] + [row.cells() for row in self.rows]
        lines += ["| " + " | ".join(cells) + " |" for cells in table]
        if self.notes:
            lines += ["", "Notes:", ""] + [f"- {note}" for note in self.notes]
        return "\n".join(lines) + "\n"

    def write(self, root, started):
        folder = os.path.join(root, "bench", "results")
        os.makedirs(folder, exist_ok=True)
        name = f"{started:%Y-%m-%d}-{commit(root)}"
        path, again = os.path.join(folder, name + ".md"), 1
        while os.path.exists(path):
            again += 1
            path = os.path.join(folder, f"{name}-{again}.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.markdown(root, started))
        return path


def commit(root):
    def git(*arguments):
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True,
                              check=False)
        return done.stdout.strip()
    head = git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "--untracked-files=no")
    return head + ("-dirty" if changed else "")


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "missing"
    return (done.stdout or done.stderr).strip().splitlines()[0]


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    yield "date", datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    yield "machine", f"{os.cpu_count()} x {model}, kernel {platform.release()}"
    yield "PostgreSQL", first_line(["/usr/lib/postgresql/15/bin/postgres", "--version"])
    yield "PgBouncer", first_line(["/usr/sbin/pgbouncer", "--version"])
    yield "HAProxy", first_line(["/usr/sbin/haproxy", "-v"])
