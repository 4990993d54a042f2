"""A run of somebody's tests that records each one (recorders/): what it came to, and what hung."""

import json
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from weirbench.process import as_server_user

from sandbox import Sandbox, clean_environment

RECORDERS = pathlib.Path(__file__).parent / "recorders"
MOST_HANGS = 10


@dataclass
class Outcome:
    """What one run found."""

    passed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)  # with what it said
    hung: list[str] = field(default_factory=list)  # are in `failed`, too
    seconds: float = 0.0
    problem: str = ""  # why the counts mean nothing

    @property
    def ran(self) -> int:
        return len(self.passed) + len(self.skipped) + len(self.failed)

    def read(self, record: pathlib.Path) -> None:
        """A test's last line counts, and a failure before it."""
        lines = record.read_text().splitlines() if record.exists() else []
        outcomes: dict[str, tuple[str, str]] = {}
        for line in map(json.loads, lines):
            if outcomes.get(line["test"], ("",))[0] != "failed":
                outcomes[line["test"]] = (line["outcome"], line["text"])
        for test, (outcome, text) in outcomes.items():
            if outcome == "passed":
                self.passed.add(test)
            elif outcome == "skipped":
                self.skipped.add(test)
            elif test in self.hung:
                self.failed[test] = "it hung"
            else:
                # 'started' only: the run ended in the middle of it.
                self.failed[test] = text or outcome


class Recorded:
    """`command` under way as often as needed: a test that is silent for `stall_seconds` is taken for
    hung, the run is ended by its process group and goes on after it."""

    def __init__(self, sandbox: Sandbox, name: str, command: list[str], directory: pathlib.Path,
                 environment: dict[str, str], stall_seconds: float) -> None:
        self.command = command
        self.directory = directory
        self.stall_seconds = stall_seconds
        self.record = sandbox.path / f"{name}.jsonl"
        self.output = sandbox.path / f"{name}.out"
        recorders = sandbox.path / "recorders"
        if not recorders.exists():
            sandbox.copy(RECORDERS, "recorders")
        self.environment = dict(
            clean_environment(sandbox.path), PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8",
            WEIR_RECORD=str(self.record), **environment)
        self.environment["PYTHONPATH"] = ":".join(
            filter(None, [environment.get("PYTHONPATH"), str(recorders)]))
        sandbox.write(self.record.name, "")

    def run(self, on_stall: Callable[[], str]) -> Outcome:
        outcome = Outcome()
        start = time.monotonic()
        while True:
            status = self.run_once(outcome, on_stall)
            if status is not None or len(outcome.hung) >= MOST_HANGS:
                break
        outcome.seconds = time.monotonic() - start
        outcome.read(self.record)
        if status is None:
            outcome.problem = f"{len(outcome.hung)} tests hung, the rest was not run"
        elif status not in (0, 1) or outcome.ran == 0:
            # 1: some failed. All else is a failure of its own set-up.
            outcome.problem = f"it ended with {status}:\n{self.last_words()}"
        return outcome

    def last_words(self) -> str:
        return "".join(self.output.read_text(errors="replace").splitlines(keepends=True)[-30:])

    def run_once(self, outcome: Outcome, on_stall: Callable[[], str]) -> int | None:
        """None: a test hung."""
        started = time.time()
        with open(self.output, "ab") as output:
            process = subprocess.Popen(
                as_server_user(self.command), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.directory, env=self.environment, start_new_session=True)
        try:
            while process.poll() is None:
                time.sleep(0.2)
                if time.time() - max(started, self.last_sign()) > self.stall_seconds:
                    outcome.hung.append(self.last_test())
                    print(f"    HANGS {outcome.hung[-1]}\n{on_stall()}", flush=True)
                    return None
            return process.returncode
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def last_sign(self) -> float:
        """While it is starting up (collecting, creating databases) its output counts, too."""
        return max(path.stat().st_mtime for path in (self.record, self.output))

    def last_test(self) -> str:
        lines = self.record.read_text().splitlines()
        return json.loads(lines[-1])["test"] if lines else "(before the first test)"
