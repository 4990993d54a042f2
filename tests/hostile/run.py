#!/usr/bin/env python3
"""Hostile and broken input against pgweir: sends the raw bytes, and checks what must happen and
what must hold afterwards. Starts its own PostgreSQL and pgweir; stops them by itself.

    WEIR_BINARY=build/release/pgweir tests/hostile/run.py [--only NAME]... [--group TEXT]
        [--part I/N] [--list]

WEIR_WORKERS: worker threads (2). WEIR_TEST_PATIENCE: factor on the deadlines. WEIR_KEEP=1 keeps
the directory. --direct runs the cases that hold for PostgreSQL, too, on PostgreSQL itself."""

import argparse
import os
import sys
import time
import traceback

import registry
from expectations import EXPECTATIONS, NOT_YET
from world import World

# Each registers its cases.
import auth_cases  # noqa: F401
import cancel_cases  # noqa: F401
import console_cases  # noqa: F401
import injection_cases  # noqa: F401
import leak_cases  # noqa: F401
import leave_cases  # noqa: F401
import load_cases  # noqa: F401
import message_cases  # noqa: F401
import server_cases  # noqa: F401
import slow_cases  # noqa: F401
import startup_cases  # noqa: F401


def part(text):
    index, _, count = text.partition("/")
    if not 1 <= int(index) <= int(count):
        raise ValueError
    return int(index), int(count)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="run this case (repeatable)")
    parser.add_argument("--group", help="run the groups whose title contains this")
    parser.add_argument("--part", type=part, default=(1, 1), metavar="I/N",
                        help="of the chosen cases, every Nth from the Ith (1/1)")
    parser.add_argument("--list", action="store_true", help="print the table and end")
    parser.add_argument("--direct", action="store_true", help="on PostgreSQL itself")
    parser.add_argument("--verbose", action="store_true", help="print where a failure came from")
    return parser.parse_args()


def check_table():
    """Every expectation has a function or a reason, and nothing else has."""
    names = [name for _, name, _ in EXPECTATIONS]
    missing = [n for n in names if n not in registry.CASES and n not in NOT_YET]
    unknown = [n for n in registry.CASES if n not in names or n in NOT_YET]
    if missing or unknown or len(names) != len(set(names)):
        sys.exit(f"the table does not fit the functions: missing {missing}, unknown {unknown}")


def chosen(arguments):
    for group, name, expectation in EXPECTATIONS:
        if arguments.only and name not in arguments.only:
            continue
        if arguments.group and arguments.group.lower() not in group.lower():
            continue
        if arguments.direct and not (name in registry.CASES and registry.CASES[name].direct):
            continue
        yield name, expectation


def run_case(world, case, direct):
    if direct:
        return case.run(world)
    world.weir  # the checks need one
    world.settle()
    note = case.run(world)
    world.settle_new()
    world.check(case.memory)
    return note


def run_all(world, arguments):
    passed = failed = not_yet = 0
    index, count = arguments.part
    for name, expectation in list(chosen(arguments))[index - 1::count]:
        if name in NOT_YET:
            print(f"later {name}: {NOT_YET[name]}", flush=True)
            not_yet += 1
            continue
        start = time.monotonic()
        try:
            note = run_case(world, registry.CASES[name], arguments.direct)
        except Exception as error:  # whatever goes wrong is this case's failure
            failed += 1
            print(f"FAIL  {name} ({time.monotonic() - start:.1f} s): {expectation}\n"
                  f"      {type(error).__name__}: {error}", flush=True)
            if arguments.verbose:
                traceback.print_exc()
            world.replace_broken()
        else:
            passed += 1
            more = f" [{note}]" if note else ""
            print(f"ok    {name} ({time.monotonic() - start:.1f} s): {expectation}{more}",
                  flush=True)
    return passed, failed, not_yet


def main():
    arguments = parse_arguments()
    check_table()
    if arguments.list:
        for group, name, expectation in EXPECTATIONS:
            print(f"{group}: {name}: {NOT_YET.get(name, expectation)}")
        return 0
    if not os.access(os.environ.get("WEIR_BINARY", ""), os.X_OK):
        sys.exit("WEIR_BINARY must name the program")
    world = World(direct=arguments.direct)
    try:
        passed, failed, not_yet = run_all(world, arguments)
    finally:
        problems = world.stop()
    for problem in problems:
        failed += 1
        print(f"FAIL  at the end: {problem}")
    print(f"{passed} passed, {failed} failed, {not_yet} not yet")
    if passed + failed == 0:
        print("no case was run")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
