"""Writes down what each test came to, one JSON line each, as soon as it is known: WEIR_RECORD names the
file. What stands in it already is not run again, so that a run which hung can go on after the test that
did. This is loaded into other people's test runs: standard library only."""

import json
import os
import time


class Recorder:
    def __init__(self) -> None:
        path = os.environ["WEIR_RECORD"]
        self.known = read(path)
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115: open until the process ends

    def write(self, test: str, outcome: str, text: str = "") -> None:
        line = {"test": test, "outcome": outcome, "text": text[-4000:], "at": time.time()}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()


def read(path: str) -> set[str]:
    if not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as lines:
        return {json.loads(line)["test"] for line in lines}
