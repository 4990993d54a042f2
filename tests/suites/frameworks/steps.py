"""The steps of an application's test: each runs though another has failed, and says `ok NAME` or
`FAILED NAME: why`, which is what the two runs are compared by."""

import asyncio
import inspect
import os
import sys
import traceback

COPY = os.environ["WEIR_COPY"]  # several run at once: each has tables of its own
STEPS = []


def step(function):
    STEPS.append(function)
    return function


def main(*arguments):
    failed = False
    for function in STEPS:
        try:
            if inspect.iscoroutinefunction(function):
                asyncio.run(function(*arguments))
            else:
                function(*arguments)
            print(f"ok {function.__name__}", flush=True)
        except Exception as error:
            failed = True
            traceback.print_exc()
            why = " ".join(str(error).split())[:300]
            print(f"FAILED {function.__name__}: {type(error).__name__} {why}", flush=True)
    sys.exit(1 if failed else 0)
