#!/usr/bin/env python3
"""Reads on replicas under load, against real streaming replicas: tests/routing/run.py PART [OPTIONS].

  own-writes  many clients write and read at once, one replica is behind: no stale read where none is
              allowed, and some with consistency = none
  lag         replay that is paused, delays that are known, an idle primary
  promotion   a replica is promoted by hand under pgbench and under a load of our own, and ten are, one
              after the other
  hosts       hosts die at random and come back; an old primary comes back beside the new one

Each part starts its own servers on loopback, prints what it has measured, and fails (1) if it does
not hold. Minutes, not seconds: CI has the short forms (integration.routing)."""

import argparse
import pathlib
import signal
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/suites"), str(ROOT / "tests/hostile")]

from hosts import hosts  # noqa: E402
from lag import lag  # noqa: E402
from own_writes import own_writes  # noqa: E402
from promotion import promotion  # noqa: E402
from routed import Verdict  # noqa: E402

PARTS = {"own-writes": own_writes, "lag": lag, "promotion": promotion, "hosts": hosts}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/pgweir")
    parser.add_argument("--seconds", type=float, default=600, help="of own-writes' first mode (600)")
    parser.add_argument("--clients", type=int, default=64, help="of own-writes (64)")
    parser.add_argument("--causal-wait", default="10ms", help="of own-writes (10ms)")
    parser.add_argument("--promotions", type=int, default=10, help="in a chain (10)")
    parser.add_argument("--rate", type=int, default=0,
                        help="transactions/s of each pgbench of promotion (0: as many as can be)")
    parser.add_argument("--dying", type=float, default=60, help="seconds of hosts (60)")
    parser.add_argument("--seed", type=int, default=1, help="of hosts (1)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    verdict = Verdict()
    for name in PARTS if options.part == "all" else [options.part]:
        print(f"==> {name}", flush=True)
        PARTS[name](options, verdict)
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
