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
    "search-path-spelling": Disabled(
        "search_path of a startup packet is written anew: 's2, public' for 's2,public'",
        text="search_path=s2,public"),
    "odd-application-name": Disabled(
        "settings are sent to a server that still has the client_encoding of the client before: "
        "bytes above 127 arrive as others", kinds="connect", text=r"[^\x00-\x7f]"),
    "nonstandard-strings": Disabled(
        "with standard_conforming_strings = off, RESET ALL and DISCARD ALL are not understood: "
        "startup parameters are lost",
        text=r"andard_conforming_strings\W+(to\W+)?off"),
    "blocks-in-a-string": Disabled(
        "after a string of BEGIN, SET, COMMIT and more, RESET ALL goes to the server's values "
        "instead of the startup packet's",
        text=r"(^|; )(begin|start transaction|commit|end)\b.*;."),
    # The following are no steps but comparisons that are left out (NOTHING).
    "statement-name": Disabled(
        "42P05, and 08P01 for a Bind that does not fit, name another statement of the client's that "
        "has the same text", kinds="NOTHING"),
    "channels-in-block": Disabled(
        "pg_listening_channels() shows the client's own channels only in the first statement of a "
        "transaction", where="block", text="of channels|pg_listening_channels"),
    "placeholder-lost": Disabled(
        "NULL (for SHOW: 42704) instead of '' for a custom setting that the client itself has "
        "RESET, on another server", kinds="custom_show", text="show"),
}


def disabled(step, in_block):
    return any(entry.covers(step, in_block) for entry in DISABLED.values())
