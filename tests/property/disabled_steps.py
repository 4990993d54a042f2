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
    "set-refused": Disabled(
        "a SET or RESET that PostgreSQL refuses (55P02, 42501) makes another client's next request "
        "fail", text="server_version|max_connections|lc_messages|session_replication_role|"
        "no_such_setting"),
    "odd-application-name": Disabled(
        "settings are sent to a server that still has the client_encoding of the client before: "
        "bytes above 127 arrive as others", kinds="connect", text=r"[^\x00-\x7f]"),
    "nonstandard-strings": Disabled(
        "with standard_conforming_strings = off, RESET ALL and DISCARD ALL are not understood: "
        "startup parameters are lost",
        text=r"andard_conforming_strings\W+(to\W+)?off"),
    "time-zone-local": Disabled(
        "SET TIME ZONE LOCAL goes to the server's value, not to that of the client's startup packet",
        text="time zone local"),
    "reset-in-block": Disabled(
        "inside of a transaction, RESET x, SET x TO DEFAULT and RESET ALL go to the server's value "
        "instead of the startup packet's", where="block", text=r"\breset\b|\bdefault\b"),
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
    "trigger": Disabled("what a trigger does behind an INSERT is not seen yet", kinds="trigger"),
    "view": Disabled("functions that a view calls are not seen yet", kinds="view_sets"),
    "domain": Disabled("what a domain's check does is not seen yet", kinds="domain_sets"),
    "protocol-statements": Disabled(
        "pg_prepared_statements shows pgweir's names, and those of others",
        kinds="probe_protocol_statements"),
    "abort-reset": Disabled(
        "RESET ALL in one string with ABORT resets to the server's value of a startup parameter",
        kinds="driver_reset", text="^ABORT; RESET ALL"),
    "long-reset": Disabled(
        "after the reset string of SET SESSION AUTHORIZATION DEFAULT to DISCARD SEQUENCES, "
        "default_transaction_isolation of the startup packet does not hold for the next statement",
        kinds="driver_reset", text="^SET SESSION AUTHORIZATION"),
}


def disabled(step, in_block):
    return any(entry.covers(step, in_block) for entry in DISABLED.values())
