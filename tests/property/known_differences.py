"""Where a session through pgweir may look different from a direct one: decided, and documented.
Everything else that differs is a failure. Each rule counts how often it was needed."""

import re
from collections import Counter

from disabled_steps import DISABLED
from values import CUSTOM, NEVER, REACHED

COUNTS = Counter()
CUSTOM_NAMES = {name.encode() for name in (*CUSTOM, *NEVER, *REACHED)}
TEMP_SCHEMA = re.compile(rb"\bpg_(toast_)?temp_\d+")
ERRORS = ("FATAL_ERROR", "NONFATAL_ERROR")


def normalise(value):
    """The number of a backend's temporary schema is its own."""
    if isinstance(value, bytes):
        return TEMP_SCHEMA.sub(rb"pg_\1temp_N", value)
    if isinstance(value, dict):
        return {key: normalise(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(normalise(item) for item in value)
    return value


def forgive_placeholders(direct, proxied):
    """A custom setting leaves a placeholder that nothing removes: '' instead of NULL for a name
    that another client of the same server has used, and this one has not (or it would not be NULL
    directly). Changes `proxied`."""
    rows = zip(direct[3], proxied[3]) if len(direct) == len(proxied) == 5 else ()
    for expected, seen in rows:
        name = expected[0]
        if (name == seen[0] and name in CUSTOM_NAMES and expected[1] is None
                and seen[1] == b""):
            seen[1] = None
            COUNTS["'' instead of NULL for a custom setting of another client"] += 1
        elif ("placeholder-lost" in DISABLED and name == seen[0] and name in CUSTOM_NAMES
                and expected[1] == b"" and seen[1] is None):
            seen[1] = b""
            COUNTS["NULL instead of '' for a custom setting"] += 1


def forgive_sequence_state(direct, proxied):
    """Outside of a transaction another client may have used the server in between: currval and
    lastval then say 55000, never a value. Changes `proxied`."""
    expected, seen = direct["results"], proxied["results"]
    if (len(expected) == len(seen) == 1 and expected[0][0] == "TUPLES_OK" and seen[0][0] in ERRORS
            and seen[0][1].get("SQLSTATE") == b"55000" and proxied["transaction"] == "IDLE"
            and [column[0] for column in expected[0][2]] in ([b"currval"], [b"lastval"])):
        COUNTS["55000 instead of currval or lastval"] += 1
        proxied["results"] = expected


def forgive_healed_statement(step, direct, proxied):
    """A statement whose result type has changed is prepared anew where PostgreSQL says 0A000."""
    expected, seen = direct["results"], proxied["results"]
    described = bool(seen) and seen[0][0] == "COMMAND_OK" and proxied["transaction"] == "IDLE"
    if ((step.kind == "ddl_result_type" or described) and len(expected) == len(seen) == 1
            and expected[0][0] in ERRORS and expected[0][1].get("SQLSTATE") == b"0A000"
            and seen[0][0] in ("TUPLES_OK", "COMMAND_OK")):
        COUNTS["a statement prepared anew instead of 0A000"] += 1
        proxied["results"] = expected


def forgive_new_scope(direct, proxied, operation, scopes):
    """A statement that was prepared by the protocol under another search_path or role and never
    described: nobody knows which columns it had. Where the server does not have it, it is prepared
    by what the names mean now; PostgreSQL says 0A000 if the columns are others. Changes `proxied`."""
    items = operation[1] if operation[0] == "pipeline" else (operation,)
    moved = any(item[0] == "execute" and scopes.changed_since(item[1]) for item in items)
    expected, seen = direct["results"], proxied["results"]
    if not moved or len(expected) != len(seen) or direct["transaction"] != "IDLE":
        return
    for theirs, ours in zip(expected, seen):
        if (theirs[0] in ERRORS and theirs[1].get("SQLSTATE") == b"0A000" and ours[0] == "TUPLES_OK"):
            COUNTS["a statement of another search_path, never described, instead of 0A000"] += 1
            proxied["results"] = expected
            return


def forgive_names_of_other_scopes(direct, proxied, scopes):
    """In a transaction that has changed search_path or role, what was prepared under another one is
    left out. Changes `proxied`."""
    if not scopes.in_transaction:
        return
    expected, seen = direct["results"], proxied["results"]
    if direct["transaction"] == "IDLE" or len(expected) != len(seen):
        return
    for i, (theirs, ours) in enumerate(zip(expected, seen)):
        if (len(theirs) == len(ours) == 5 and [column[0] for column in theirs[2]][:1] == [b"name"]
                and [column[0] for column in theirs[2]][-1:] == [b"from_sql"]
                and len(ours[3]) < len(theirs[3]) and all(row in theirs[3] for row in ours[3])):
            COUNTS["statements of another role or search_path, in a transaction"] += 1
            seen[i] = theirs


def forgive_missing_temporary_schema(direct, proxied):
    """Without a temporary schema of the backend's, pg_temp.x is missing for another reason. Both
    are errors or notices. Changes `proxied`."""
    def missing(fields):
        return fields.get("MESSAGE_PRIMARY", b"").startswith(b'schema "pg_temp" does not exist')

    for pairs in (zip(direct["results"], proxied["results"]),
                  ((("", a), ("", b)) for a, b in zip(direct["notices"], proxied["notices"]))):
        for expected, seen in pairs:
            if (expected[0] == seen[0] and isinstance(expected[1], dict)
                    and isinstance(seen[1], dict) and missing(expected[1]) != missing(seen[1])
                    and b"does not exist" in expected[1]["MESSAGE_PRIMARY"]
                    and b"does not exist" in seen[1]["MESSAGE_PRIMARY"]):
                COUNTS["another word for a missing temporary object"] += 1
                seen[1].clear()
                seen[1].update(expected[1])


def forgive_temporary_schema(direct, proxied):
    """A backend that ever had a temporary table keeps its schema, empty, in the search path; so
    who comes to that server sees it, and who goes to another one does not. Changes both."""
    if direct[3][0][2] != proxied[3][0][2]:
        COUNTS["an empty temporary schema in current_schemas(true)"] += 1
        for result in (direct, proxied):
            result[3][0][2] = result[3][0][2].replace(b"pg_temp_N,", b"").replace(
                b"pg_temp_N", b"")


def reconcile(step, direct, proxied, operation, scopes):
    """Both outcomes of one operation, as they are to be compared."""
    direct, proxied = normalise(direct), normalise(proxied)
    pairs = list(zip(direct["results"], proxied["results"]))
    for expected, seen in pairs:
        if expected[0] != seen[0] or expected[0] != "TUPLES_OK" or not expected[3] or not seen[3]:
            continue
        columns = [column[0] for column in expected[2]]
        if columns == [b"n", b"current_setting"]:
            forgive_placeholders(expected, seen)
        elif columns == [b"current_user", b"session_user", b"current_schemas"]:
            forgive_temporary_schema(expected, seen)
    forgive_sequence_state(direct, proxied)
    forgive_healed_statement(step, direct, proxied)
    forgive_new_scope(direct, proxied, operation, scopes)
    forgive_names_of_other_scopes(direct, proxied, scopes)
    forgive_missing_temporary_schema(direct, proxied)
    return direct, proxied
