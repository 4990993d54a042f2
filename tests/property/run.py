#!/usr/bin/python3
"""Random sessions of many clients through few servers; each step also runs on a direct connection,
and every visible result, notice, notification and setting is compared.

Rounds start with new databases and a new pgweir. A difference is run again, shortened, printed and
kept as a file that --replay takes; the exit code is 1 then."""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter

import known_differences
import steps as step_files
from disabled_steps import DISABLED, disabled
from players import Players
from shrink import Shrinker
from timeline import Difference, Timeline
from world import World


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="repeats a run (random, printed)")
    parser.add_argument("--minutes", type=float, help="how long (0.5, unless --steps)")
    parser.add_argument("--steps", type=int, help="how many")
    parser.add_argument("--round", type=int, default=1500, help="steps in a round (1500)")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--pool", type=int, default=4, help="servers for each of two users (4)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--wild", type=float, default=0.35,
                        help="share of clients that do anything, also what pins (0.35)")
    parser.add_argument("--binary", default=os.environ.get("WEIR_BINARY"),
                        help="pgweir (WEIR_BINARY)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="a setting of pgweir's (repeatable)")
    parser.add_argument("--only", action="append", metavar="KIND",
                        help="these steps besides probes and transactions (repeatable)")
    parser.add_argument("--enable", action="append", default=[], metavar="NAME",
                        help="an entry of disabled_steps.py to take after all, or 'all'")
    parser.add_argument("--shrink-seconds", type=float, default=90)
    parser.add_argument("--replay", metavar="FILE", help="runs a kept history")
    arguments = parser.parse_args()
    if not arguments.binary or not os.access(arguments.binary, os.X_OK):
        parser.error("--binary or WEIR_BINARY must name the program")
    return arguments


def settings_of(arguments):
    settings = {"workers": arguments.workers, "default_pool_size": arguments.pool,
                # Never the server that was used last: what it holds shows at once.
                "server_round_robin": True}
    for item in arguments.set:
        key, _, value = item.partition("=")
        settings[key] = (value == "true" if value in ("true", "false")
                         else int(value) if value.isdigit() else value)
    return settings


class Run:
    def __init__(self, arguments):
        self.arguments = arguments
        self.seed = arguments.seed
        if self.seed is None:
            self.seed = random.SystemRandom().randrange(10**9)
        self.world = World(arguments.binary, arguments.clients, settings_of(arguments))
        self.steps = self.skipped = self.unpinned = self.rounds = 0
        self.pins = Counter()

    def timeline(self):
        self.problems(self.world.fresh())
        return Timeline(self.world, self.arguments.clients, self.arguments.pool)

    def problems(self, found):
        for problem in found:
            raise AssertionError(problem)

    def all(self):
        """The first difference with its history, or None."""
        minutes = self.arguments.minutes
        if minutes is None and self.arguments.steps is None:
            minutes = 0.5
        deadline = time.monotonic() + minutes * 60 if minutes else None
        limit = self.arguments.steps
        while not (deadline and time.monotonic() >= deadline) and not (
                limit and self.steps >= limit):
            size = min(self.arguments.round, limit - self.steps) if limit else self.arguments.round
            found = self.round(random.Random(f"{self.seed}/{self.rounds}"), size, deadline)
            if found:
                return found
            self.rounds += 1
        return None

    def round(self, rng, size, deadline):
        timeline = self.timeline()
        players = Players(rng, timeline, self.arguments.wild)
        history = []
        try:
            while timeline.done < size and not (deadline and time.monotonic() >= deadline):
                step = players.next()
                if (step is None or not timeline.admissible(step)
                        or step.action == "connect" and disabled(step, False)):
                    timeline.skipped += 1
                    continue
                history.append(step)
                timeline.run(step)
        except Difference as difference:
            return difference, history
        finally:
            self.count(timeline)
            timeline.close()
        return None

    def count(self, timeline):
        self.steps += timeline.done
        self.skipped += timeline.skipped
        self.unpinned += timeline.unpinned
        self.pins.update(timeline.pins)

    def attempt(self, history):
        """(the difference at the history's last step or None, the steps that could be run)."""
        timeline = self.timeline()
        ran = []
        try:
            for step in history:
                if timeline.admissible(step):
                    ran.append(step)
                timeline.run(step)
        except Difference as difference:
            return (difference if difference.step == history[-1] else None), ran
        finally:
            timeline.close()
        return None, ran

    def report(self, difference, history):
        print(f"\nDIFFERENCE in round {self.rounds} after {len(history)} steps, at a step "
              f"'{difference.step.kind}' of client {difference.step.client}:\n  {difference}\n",
              flush=True)
        shrinker = Shrinker(self.attempt, difference.signature, self.arguments.shrink_seconds)
        short = shrinker.shrink(history)
        if short is None:
            print("It did not come again when the history was run again (timing?). Its end, and "
                  "the client's own steps:")
            short = history
            shown = [s for s in history[:-40] if s.client == difference.step.client] + history[-40:]
        else:
            print(f"History, shortened in {shrinker.runs} runs to {len(short)} steps:")
            shown = short
            difference = shrinker.difference
        for step in shown:
            print(f"  client {step.client}: {step.shown()}")
        print(f"\n  {difference}")
        with tempfile.NamedTemporaryFile("w", prefix="weir-property-", suffix=".jsonl",
                                         delete=False) as file:
            file.writelines(step.dump() + "\n" for step in short)
        print(f"\nrun it again: {sys.argv[0]} --replay {file.name}")

    def summary(self):
        share = self.unpinned / self.steps if self.steps else 0
        print(f"{self.steps} steps in {self.rounds} rounds, {share:.0%} of them by clients that "
              f"kept no server, {self.skipped} skipped")
        for title, counts in (("pins", self.pins), ("known differences",
                                                    known_differences.COUNTS)):
            for name, count in sorted(counts.items(), key=lambda item: -item[1]):
                print(f"  {title}: {name}: {count}")


def main():
    arguments = parse_arguments()
    # Also then the servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))
    choose_steps(arguments)
    run = Run(arguments)
    print(f"seed {run.seed}", flush=True)
    found = None
    try:
        if arguments.replay:
            with open(arguments.replay) as file:
                history = [step_files.load(line) for line in file]
            difference, _ = run.attempt(history)
            print(difference or "no difference")
            return 1 if difference else 0
        found = run.all()
        if found:
            run.report(*found)
    finally:
        problems = run.world.stop()
    run.summary()
    for name, entry in DISABLED.items():
        print(f"  switched off: {name}: {entry.reason}")
    for problem in problems:
        print(problem)
    print(f"seed {run.seed}: {'FAILED' if found or problems else 'no difference'}")
    return 1 if found or problems else 0


def choose_steps(arguments):
    import grammar
    for name in list(DISABLED):
        if name in arguments.enable or "all" in arguments.enable:
            del DISABLED[name]
    if arguments.only:
        kept = {*arguments.only, "probe", "begin", "end"}
        unknown = kept - set(grammar.MAKERS)
        if unknown:
            sys.exit(f"no such steps: {', '.join(sorted(unknown))}; "
                     f"there are {', '.join(sorted(grammar.MAKERS))}")
        for name in set(grammar.MAKERS) - kept:
            del grammar.MAKERS[name]


if __name__ == "__main__":
    sys.exit(main())
