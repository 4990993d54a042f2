"""What the suites' command lines share: pgweir's settings, and the lists of expected differences."""

import argparse
import json
import pathlib


def setting(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"not KEY=VALUE: {text}")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def read_exceptions(path: pathlib.Path) -> dict[str, str]:
    """Lines of `TEST: REASON`; a test's name may hold colons, but none with a space behind it."""
    exceptions = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            test, colon, reason = line.partition(": ")
            if not (colon and reason.strip()):
                raise ValueError(f"{path.name}: a test without its reason: {line}")
            exceptions[test.strip()] = reason.strip()
    return exceptions
