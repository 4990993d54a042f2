"""Steps that the program is known not to pass yet, with the reason. An empty table is the aim;
`run.py --enable NAME` takes one of them after all."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Disabled:
    reason: str
    kinds: str = ""        # names of steps, with spaces between; empty for all
    text: str = ""         # a regular expression that a step's text holds; empty for all
    where: str = "any"     # any, idle (outside of a transaction), block

    def covers(self, step, in_block):
        return ((not self.kinds or step.kind in self.kinds.split())
                and self.where in ("any", "block" if in_block else "idle")
                and (not self.text or re.search(self.text, step.shown(), re.IGNORECASE) is not None))


DISABLED = {
    "odd-application-name": Disabled(
        "of a startup packet with another client_encoding than the server's, bytes above 127 are "
        "converted before they become question marks: more of them", kinds="connect", text=r"[^\x00-\x7f]"),
    "nonstandard-strings": Disabled(
        "a statement that was prepared under another standard_conforming_strings is prepared again, on "
        "another server, by the rules of now: other values, and its warnings",
        text=r"andard_conforming_strings\W+(to\W+)?off"),
    # The following are no steps but comparisons that are left out (NOTHING).
    "statement-name": Disabled(
        "42P05, and 08P01 for a Bind that does not fit, name another statement of the client's that "
        "has the same text", kinds="NOTHING"),
    "placeholder-lost": Disabled(
        "NULL (for SHOW: 42704) instead of '' for a custom setting that the client itself has "
        "RESET, on another server", kinds="custom_show", text="show"),
}


def disabled(step, in_block):
    return any(entry.covers(step, in_block) for entry in DISABLED.values())
