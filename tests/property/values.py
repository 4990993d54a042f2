"""Settings and values: ordinary, odd, and wrong ones (an error is a result, too)."""

ODD_TEXTS = (
    "", " ", "x", "it's", "back\\slash", "trailing\\", 'quo"te', "$1", "%s %", "a;b", "-- c", "/*",
    "NULL", "default", "new\nline", "tab\t", '{"j": [1, 2]}', "ünïcödé", "☃", "a, b", "1e400",
    "Ω≈ç", "long " * 60, "v" * 5000)

# Not so odd: row-level security hangs on these.
TENANTS = ("t0", "t1", "t2", "t3", "t4", "nobody")

CUSTOM = ("app.tenant", "app.user_id", "app.k$x", "myext.deep.name", "app.from_role")
# Set by nobody's own words, but by what a statement reaches.
REACHED = {"app.by_view": "setting_set", "app.by_clause": "f_clause_keeps",
           "app.by_check": "checked", "app.by_operator": "===",
           "app.tenant": "f_caught f_failing triggered_"}
NEVER = ("app.never", "other.never")

# Values as they stand in SET; all of them also work in set_config() without their quotes.
REPORTED = {
    "DateStyle": ("'ISO, DMY'", "german", "'SQL'", "'YMD'", "'Postgres, MDY'", "nonsense"),
    "TimeZone": ("'UTC'", "'Europe/Berlin'", "-3.5", "'<-03>+03'", "'Asia/Tokyo'", "'no/where'"),
    "IntervalStyle": ("postgres", "iso_8601", "sql_standard", "'verbose'"),
    "standard_conforming_strings": ("on", "off"),
    "default_transaction_read_only": ("on", "off", "'false'", "off"),
    "client_encoding": ("'UTF8'", "'LATIN1'", "'utf-8'", "'EUC_JP'", "'SQL_ASCII'", "'WIN1252'",
                        "'nonsense'"),
    "application_name": ("'first'", "'it''s'", "'a b'", "''", "'%s'"),
}

OTHERS = {
    "work_mem": ("'4MB'", "1234", "'77kB'", "'1 GB'", "'2 bananas'", "1"),
    "maintenance_work_mem": ("'64MB'", "'80MB'"),
    "statement_timeout": ("'1h'", "0", "3540000", "'59min'"),
    "lock_timeout": ("'10min'", "0", "'1d'"),
    "idle_in_transaction_session_timeout": ("'1h'", "0"),
    "default_transaction_isolation": ("'repeatable read'", "'serializable'", "'read committed'"),
    "default_transaction_deferrable": ("on", "off"),
    "row_security": ("on", "on", "off"),
    "extra_float_digits": ("0", "3", "-5", "99"),
    "bytea_output": ("escape", "hex"),
    "client_min_messages": ("warning", "notice", "error"),
    "enable_seqscan": ("off", "on"),
    "enable_hashjoin": ("off", "true"),
    "random_page_cost": ("1.1", "4", "'2.5'"),
    "plan_cache_mode": ("force_custom_plan", "force_generic_plan", "auto"),
    "check_function_bodies": ("off", "on"),
    "xmloption": ("document", "content"),
    "xmlbinary": ("hex", "base64"),
    "backslash_quote": ("on", "off", "safe_encoding"),
    "array_nulls": ("off", "on"),
    "transform_null_equals": ("off",),
    "constraint_exclusion": ("on", "partition"),
    "default_tablespace": ("''", "'no_such_space'"),
    "geqo_threshold": ("5", "12"),
    "max_connections": ("5",),
    "session_replication_role": ("replica", "origin"),
    "server_version": ("'1'",),
    "no_such_setting": ("1",),
    "lc_messages": ("'C'",),
}

SEARCH_PATHS = (
    "public", '"$user", public', "s1, public", "s2, s1", '"Odd Schema", public', "''",
    "pg_catalog", "no_such_schema, public", "public, pg_catalog", "'s1,public'", "'S2'",
    '"quo""te", s2', "s2")

ROLES = ("victim", "tenant_role", '"Odd ""x"" Role"', "none", "stranger", "no_such_role", "app")

# What the probe reads: all of the above that exist, and a few that follow from others.
PROBED = (*REPORTED, *(name for name in OTHERS if name != "no_such_setting"), "search_path", "role",
          "session_authorization", "is_superuser", "transaction_isolation",
          "transaction_read_only", "transaction_deferrable", *CUSTOM,
          *(name for name in REACHED if name not in CUSTOM), *NEVER)


def touched_by(text):
    """The custom settings that a statement's text may leave a trace of."""
    lowered = text.lower()
    return {name for name in CUSTOM if name in lowered} | {
        name for name, marks in REACHED.items() if any(mark in lowered for mark in marks.split())}
