#!/usr/bin/env python3
"""The files of conf/monitoring without a server: they are generate.py's, promtool takes them, no
expression names a metric or a label that pgweir does not have, each alert has its runbook section.

usage: check.py ROOT PGWEIR
"""

import pathlib
import re
import subprocess
import sys

root, binary = pathlib.Path(sys.argv[1]), sys.argv[2]
monitoring = root / "conf" / "monitoring"
sys.path.insert(0, str(monitoring))
sys.dont_write_bytecode = True
import generate  # noqa: E402

problems = []


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        problems.append(f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}")
    return done.stdout


run(sys.executable, "-B", monitoring / "generate.py", "--check")
run("promtool", "check", "rules", monitoring / "alerts.yml")
run("promtool", "test", "rules", root / "tests" / "monitoring" / "alerts_test.yml")

metrics = {}
for line in run(binary, "--list-metrics").splitlines():
    name, kind, labels, _ = line.split("\t")
    names = [name] if kind != "histogram" else [name + end for end in ("_bucket", "_sum", "_count")]
    for each in names:
        metrics[each] = set(filter(None, labels.split(","))) | {"instance", "job", "le"}
metrics["up"] = {"job", "instance"}
if len(metrics) < 20:
    problems.append("pgweir --list-metrics lists nearly nothing")

WORDS = re.compile(r"\b(?:pgweir|process|up)[a-z0-9_]*\b(?![a-z0-9_]*\()")
SELECTOR = re.compile(r"\b([a-z][a-z0-9_]*)\{([^}]*)\}")


def check(where, expression):
    plain = re.sub(r'"[^"]*"', '""', expression)
    for name in WORDS.findall(plain):
        if name not in metrics:
            problems.append(f"{where}: there is no metric {name}")
    for name, inside in SELECTOR.findall(plain):
        for label in re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", inside):
            if name in metrics and label not in metrics[name]:
                problems.append(f"{where}: {name} has no label {label}")


for row, title, _, targets in generate.PANELS:
    for expression, _ in targets:
        check(f"panel {row}: {title}", expression)
for name, expression, *_ in generate.ALERTS:
    check(f"alert {name}", expression)
# Each alert links to its section, by the anchor that Markdown makes of the heading.
headings = re.findall(r"^## (.+)$", (monitoring / "runbook.md").read_text(), re.M)
anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
links = re.findall(r"^          runbook_url: (\S+)$", (monitoring / "alerts.yml").read_text(), re.M)
if len(links) != len(generate.ALERTS):
    problems.append("not every alert has a runbook_url")
for link in links:
    path, _, anchor = link.partition("#")
    if not (root / path).is_file() or anchor not in anchors:
        problems.append(f"{link} leads nowhere")
sections = re.findall(r"^## (\w+)$", (monitoring / "runbook.md").read_text(), re.M)
if sections != [alert[0] for alert in generate.ALERTS]:
    problems.append("runbook.md has not one section for each alert")

# The reference names every setting of the example file, and every metric.
reference = run(binary, "--reference")
for key in re.findall(r"^(?:# )?(\w+) = ", (root / "conf" / "pgweir.example.toml").read_text(), re.M):
    if f"| `{key}` |" not in reference:
        problems.append(f"the reference has no setting {key}")
for name in metrics:
    if name != "up" and f"| `{name}` |" not in reference and not re.search(r"_(bucket|sum|count)$", name):
        problems.append(f"the reference has no metric {name}")

# ... every alert and panel, and every command of the console's help.
for name, *_ in generate.ALERTS:
    if f"| `{name}` |" not in reference:
        problems.append(f"the reference has no alert {name}")
for _, title, _, _ in generate.PANELS:
    if f"| {title} |" not in reference:
        problems.append(f"the reference has no panel {title}")
for path in ("status", "series", "sessions", "queries", "errors"):
    if f"### `/api/v1/{path}" not in reference:
        problems.append(f"the reference has nothing of /api/v1/{path}")
if "\tSHOW PROBLEMS" not in reference or "| `pools` | `database`" not in reference:
    problems.append("the reference has no console")

print("\n".join(problems) or f"{len(generate.PANELS)} panels, {len(generate.ALERTS)} alerts: all is well")
sys.exit(1 if problems else 0)
