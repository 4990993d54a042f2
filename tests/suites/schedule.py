"""PostgreSQL's parallel_schedule: which tests there are, in which groups, and what they need."""

import pathlib
import re
from dataclasses import dataclass, field


@dataclass
class Schedule:
    groups: list[list[str]]
    ignored: list[str] = field(default_factory=list)  # may fail
    needs: dict[str, set[str]] = field(default_factory=dict)

    @property
    def tests(self) -> list[str]:
        return [test for group in self.groups for test in group]

    def with_needs(self, wanted: list[str]) -> "Schedule":
        """Only these tests and what they depend on, in the order and the groups of the whole."""
        unknown = [test for test in wanted if test not in self.tests]
        if unknown:
            raise ValueError(f"no such test: {', '.join(unknown)}")
        # "Most test scripts can be run after running just test_setup and possibly create_index."
        chosen = {"test_setup", "create_index"}
        waiting = list(wanted)
        while waiting:
            test = waiting.pop()
            chosen.add(test)
            waiting += self.needs.get(test, set()) - chosen
        groups = [[test for test in group if test in chosen] for group in self.groups]
        return Schedule([group for group in groups if group],
                        [test for test in self.ignored if test in chosen], self.needs)

    def write(self, path: pathlib.Path) -> None:
        lines = [f"ignore: {test}" for test in self.ignored]
        lines += [f"test: {' '.join(group)}" for group in self.groups]
        path.write_text("\n".join(lines) + "\n")


def read_schedule(path: pathlib.Path) -> Schedule:
    """Its comments say what depends on what: "# join depends on create_misc"."""
    schedule = Schedule([])
    for line in path.read_text().splitlines():
        if line.startswith("test:"):
            schedule.groups.append(line.removeprefix("test:").split())
        elif line.startswith("ignore:"):
            schedule.ignored += line.removeprefix("ignore:").split()
        elif found := re.match(r"# (\w+) depends on ([\w, ]+)$", line):
            schedule.needs.setdefault(found[1], set()).update(re.findall(r"\w+", found[2]))
    names = set(schedule.tests)
    for test, needed in schedule.needs.items():
        needed &= names  # "many of the tests in later groups depend on ..."
        needed.discard(test)
    return schedule
