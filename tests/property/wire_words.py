"""PostgreSQL's names for what a client sees, as libpq and Python spell them."""

from psycopg import pq

# The settings that PostgreSQL 15 reports.
REPORTED = (
    "application_name", "client_encoding", "DateStyle", "default_transaction_read_only",
    "in_hot_standby", "integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding",
    "server_version", "session_authorization", "standard_conforming_strings", "TimeZone")

# Source file, line and function are left out: nobody's program hangs on them.
DIAGNOSTICS = {field.name: field for field in pq.DiagnosticField
               if field.name not in ("SOURCE_FILE", "SOURCE_LINE", "SOURCE_FUNCTION")}

ENCODINGS = {"UTF8": "utf-8", "LATIN1": "latin-1", "SQL_ASCII": "utf-8", "EUC_JP": "euc_jp",
             "WIN1252": "cp1252", "LATIN9": "iso8859-15"}


def python_encoding(name):
    return ENCODINGS.get(name, "ascii")
