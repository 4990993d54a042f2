#!/usr/bin/env python3
"""Other people's test suites through pgweir: run.py SUITE [OPTIONS], or ./dev suites SUITE [OPTIONS].

  regress     PostgreSQL's own regression suite in transaction mode, compared with a direct run
  isolation   PostgreSQL's isolation tests, likewise
  psycopg     psycopg 3's own tests, each compared with a direct run
  django      Django's own tests of its database layer, each compared with a direct run
  rails       ActiveRecord's own tests, each compared with a direct run
  frameworks  migration tools, frameworks and drivers with their workarounds for poolers off

Everything runs in a temporary directory on loopback and is stopped at the end. What was fetched and
built, and what a run found, is kept in build/suites."""

import os
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The benchmark's processes and the hostile tests' client do for a suite, too.
sys.path[:0] = [os.path.join(ROOT, "bench"), os.path.join(ROOT, "tests/hostile")]

import django_suite  # noqa: E402
import frameworks_suite  # noqa: E402
import isolation  # noqa: E402
import psycopg_suite  # noqa: E402
import rails_suite  # noqa: E402
import regress  # noqa: E402
from debian import NotServed  # noqa: E402

SUITES = {"regress": regress.main, "isolation": isolation.main, "psycopg": psycopg_suite.main, "django": django_suite.main,
          "rails": rails_suite.main, "frameworks": frameworks_suite.main}


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(__doc__)
        return 0
    if name not in SUITES:
        print(f"no suite {name!r}; there are: {', '.join(SUITES)}", file=sys.stderr)
        return 2
    # What was started is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return SUITES[name](sys.argv[2:])
    except NotServed as error:
        print(f"not available: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
