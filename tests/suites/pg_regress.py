"""One run of pg_regress on an existing database: its report, read test by test, and its diffs."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from weirbench.process import as_server_user

from sandbox import DATABASE, SUPERUSER, Sandbox, clean_environment
from schedule import Schedule

PG_REGRESS = "/usr/lib/postgresql/15/lib/pgxs/src/test/regress/pg_regress"
LINE = re.compile(r"^(?:test|    ) +(\S+) +\.\.\. (ok|FAILED|failed \(ignored\))(.*?) +\d+ ms$")


@dataclass
class Outcome:
    """What one run found."""

    directory: pathlib.Path  # results/*.out, regression.diffs, regression.out
    passed: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)  # with what pg_regress says besides
    ignored: set[str] = field(default_factory=set)  # failed, and may
    seconds: float = 0.0
    routes: str = ""  # transactions by host and reason, where there are replicas
    problem: str = ""  # why the counts mean nothing

    @property
    def ran(self) -> set[str]:
        return self.passed | set(self.failed) | self.ignored

    def diffs(self) -> dict[str, str]:
        """regression.diffs by test."""
        path = self.directory / "regression.diffs"
        if not path.exists():
            return {}
        parts: dict[str, str] = {}
        for part in re.split(r"^(?=diff )", path.read_text(errors="replace"), flags=re.MULTILINE):
            if found := re.search(r"/results/(\S+)\.out$", part.partition("\n")[0]):
                parts[found[1]] = part
        return parts


@dataclass(frozen=True)
class Files:
    """In the sandbox: what every run reads."""

    input: pathlib.Path  # sql, expected, data
    libraries: pathlib.Path
    bin: pathlib.Path  # psql
    schedule: Schedule


def kill_group(process: subprocess.Popen) -> None:
    """pg_regress leads a session of its own: its psqls are in it, nobody else."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


class PgRegress:
    """A pg_regress under way. `stall_seconds` without a result ends it: something hangs."""

    def __init__(self, sandbox: Sandbox, files: Files, name: str, max_connections: int,
                 stall_seconds: float) -> None:
        self.sandbox = sandbox
        self.files = files
        self.name = name
        self.max_connections = max_connections
        self.stall_seconds = stall_seconds
        self.last_line = 0.0
        self.stalled = False

    def command(self, port: int, directory: pathlib.Path) -> list[str]:
        schedule = directory / "schedule"
        self.files.schedule.write(schedule)
        return [PG_REGRESS, "--use-existing", f"--inputdir={self.files.input}",
                f"--outputdir={directory}", f"--bindir={self.files.bin}",
                f"--dlpath={self.files.libraries}", f"--schedule={schedule}",
                f"--max-connections={self.max_connections}", "--host=127.0.0.1", f"--port={port}",
                f"--user={SUPERUSER}", f"--dbname={DATABASE}"]

    def run(self, port: int, on_stall: Callable[[pathlib.Path], None]) -> Outcome:
        directory = self.sandbox.directory(self.name)
        outcome = Outcome(directory)
        start = self.last_line = time.monotonic()
        process = subprocess.Popen(
            as_server_user(self.command(port, directory)), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory,
            env=clean_environment(self.sandbox.path), start_new_session=True)
        ended = threading.Event()
        watch = threading.Thread(target=self.watch, args=(process, ended, directory, on_stall))
        watch.start()
        try:
            output = [self.read(line, outcome) for line in process.stdout]
        except BaseException:
            kill_group(process)
            raise
        finally:
            process.wait()
            ended.set()
            watch.join()
        outcome.seconds = time.monotonic() - start
        (directory / "output.txt").write_text("".join(output))
        outcome.problem = self.problem(outcome, output, process.returncode)
        return outcome

    def read(self, line: str, outcome: Outcome) -> str:
        self.last_line = time.monotonic()
        if found := LINE.match(line.rstrip()):
            test, result, more = found.groups()
            if result == "ok":
                outcome.passed.add(test)
            elif result == "FAILED":
                outcome.failed[test] = more.strip()
                print(f"    FAILED {test} {more.strip()}".rstrip(), flush=True)
            else:
                outcome.ignored.add(test)
        return line

    def watch(self, process: subprocess.Popen, ended: threading.Event, directory: pathlib.Path,
              on_stall: Callable[[pathlib.Path], None]) -> None:
        while not ended.wait(1):
            if time.monotonic() - self.last_line > self.stall_seconds:
                self.stalled = True
                try:
                    on_stall(directory)
                finally:
                    kill_group(process)
                return

    def problem(self, outcome: Outcome, output: list[str], status: int) -> str:
        missing = [test for test in self.files.schedule.tests if test not in outcome.ran]
        if self.stalled:
            return (f"nothing ended for {self.stall_seconds:.0f} s; not done: {' '.join(missing[:20])} "
                    f"(stall.txt)")
        if missing:
            return f"{len(missing)} tests did not run: {' '.join(missing[:20])}\n{''.join(output[-5:])}"
        # 0: all passed, 1: some failed; all else is a failure of its own set-up.
        if status != (1 if outcome.failed else 0):
            return f"pg_regress ended with {status}:\n{''.join(output[-5:])}"
        return ""
