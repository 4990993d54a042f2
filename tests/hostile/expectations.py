"""The one table: every case of hostile input and what must happen. `run.py` fails if one of them
has neither a function nor a reason in NOT_YET.

After every case the process lives, other clients are served, no server connection is stuck or
dirty, memory and descriptors are back (World.check). The SQLSTATEs that a text names are the ones
the case takes (sqlstates()). "FATAL XXXXX" is an ErrorResponse of that severity, after which the
connection ends and no ReadyForQuery has been sent; "ERROR XXXXX" is one after which the same
connection is in step and usable."""

import re


def group(title, cases):
    return [(title, name, text) for name, text in cases.items()]


BAD_LENGTH = "FATAL 08P01 at once, never ReadyForQuery"
BAD_LAYOUT = "FATAL 08P01, never ReadyForQuery"
NO_VERSION = "FATAL 0A000, never ReadyForQuery"
NO_USER = "FATAL 28000, never ReadyForQuery"

STARTUP = group("Startup packets", {
    "start-len0": BAD_LENGTH,
    "start-len3": BAD_LENGTH,
    "start-len4": BAD_LENGTH,
    "start-len7": BAD_LENGTH,
    "start-len-neg": BAD_LENGTH,
    "start-len-2^31-1": BAD_LENGTH,
    "start-len-10001": BAD_LENGTH,
    "start-http": BAD_LENGTH,
    "start-ssh": BAD_LENGTH,
    "start-tls-hello-raw": "FATAL 08P01 or just the end, never ReadyForQuery",
    "start-ver2": NO_VERSION,
    "start-ver4": NO_VERSION,
    "start-ver-garbage": NO_VERSION,
    "start-no-terminator": BAD_LAYOUT,
    "start-no-user": NO_USER,
    "start-empty-user": NO_USER,
    "start-odd-params": BAD_LAYOUT,
    "start-bytes-after-term": BAD_LAYOUT,
    "start-user-200KB-name": BAD_LENGTH,
    "start-cancel-short": "closed without a word or FATAL 08P01; nothing is cancelled",
    "start-cancel-long": "closed without a word or FATAL 08P01; nothing is cancelled",
    "start-query-before-startup": "FATAL 08P01, nothing is run",
    "start-x-then-eof": "the end, no leak",
    "start-double-ssl-request": "2nd SSLRequest closed before the handshake, N or error behind "
                                "it; never loops forever",
    "start-negotiate-version": "3.2 and _pq_ options: one NegotiateProtocolVersion, then let in",
})

TLS = group("TLS", {
    "tls-inject-cve-2021-23214": "bytes before the handshake are not interpreted: FATAL 08P01 in "
                                 "plain text or just the end",
    "tls-normal": "TLS login works with 1.2 and 1.3",
    "tls-after-S-plaintext": "plaintext startup after S: closed, with a TLS alert at most",
    "tls-old-version": "TLS 1.0 and 1.1 fail in the handshake",
}) + group("GSS encryption", {
    "gssenc-request": "answers N, then plain and TLS logins work",
    "gssenc-inject": "bytes after GSSENCRequest: FATAL 08P01, or N and processed as plain",
})

BAD_PASSWORD_MESSAGE = "FATAL 08P01 in the place of every password, nobody let in"
BAD_SASL = "FATAL 08P01, nobody let in"

AUTHENTICATION = group("Authentication messages", {
    "auth-query-instead-of-password": BAD_PASSWORD_MESSAGE,
    "auth-parse-bind-early": BAD_PASSWORD_MESSAGE,
    "auth-len0": BAD_PASSWORD_MESSAGE,
    "auth-len3": BAD_PASSWORD_MESSAGE,
    "auth-len-2^31-1": BAD_PASSWORD_MESSAGE,
    "auth-len-2^32-1": BAD_PASSWORD_MESSAGE,
    "auth-70KB-password": BAD_PASSWORD_MESSAGE,
    "auth-empty": "FATAL 28P01 as a password, FATAL 08P01 as a SASL message",
    "auth-no-nul": BAD_PASSWORD_MESSAGE,
    "auth-sasl-garbage": BAD_SASL,
    "auth-sasl-unknown-mech": BAD_SASL,
    "auth-sasl-len-mismatch": BAD_SASL,
    "auth-sasl-len-neg": BAD_SASL,
    "auth-sasl-cbind-y-downgrade": BAD_SASL,
    "auth-sasl-nul-in-nonce": BAD_SASL,
    "auth-sasl-authzid": "FATAL 08P01 or 0A000, nobody let in",
    "auth-sasl-m-ext": "FATAL 08P01 or 0A000, nobody let in",
    "auth-terminate": "FATAL 08P01 or just the end",
    "auth-scram-nonce-tamper": BAD_SASL,
    "auth-scram-proof-short": BAD_SASL,
    "auth-scram-proof-huge": BAD_SASL,
    "auth-wrong-password": "FATAL 28P01 without detail; the right one is let in",
    "auth-user-enum": "unknown user: the same question, the same shape of the SCRAM challenge, "
                      "the same 28P01",
    "auth-user-mock-salt-stable": "the salt for an unknown user is the same on 2 tries, another "
                                  "for another user",
})

AS_DIRECT = "let in with the value as a literal or refused, as PostgreSQL does; nothing executed"

NAMES = group("Injection by names and parameters", {
    "inj-app-name-quote": "passed as a literal; nothing executed",
    "inj-client-encoding": AS_DIRECT,
    "inj-search-path": AS_DIRECT,
    "inj-search-path-list": "a list arrives as the list it is, a quoted name as one name",
    "inj-datestyle": AS_DIRECT,
    "inj-timezone-backslash": AS_DIRECT,
    "inj-param-name": AS_DIRECT,
    "inj-options": AS_DIRECT,
    "inj-user-quote": "FATAL 28P01 or 28000; nothing executed",
    "inj-user-semicolon": "FATAL 28P01 or 28000; nothing executed",
    "inj-db-quote": "FATAL 3D000 or 08P01; nothing executed",
    "inj-db-keyword": "FATAL 3D000 or 08P01; no connection string is made of it",
    "inj-db-path": "FATAL 3D000 or 08P01; no file is looked for",
    "inj-nonutf8-appname": "let in with the bytes replaced, or FATAL 22021; nothing executed",
    "inj-scs-off": "settings reach the server as they are where a backslash escapes a quote",
    "inj-auth-query-user": "quoted user via auth_query must not authenticate",
}) + group("Logs", {
    "log-injection": "newline, ESC and C1 in user, database and parameters are escaped in the log",
})

ENDS = "FATAL 08P01, the end; other clients unaffected"
ENDS_OR_GOES_ON = "08P01, then the end or in step; other clients unaffected"
GOES_ON = "ERROR 08P01, in step; other clients unaffected"

MESSAGES = group("Messages after login", {
    "msg-unknown-type": ENDS,
    "msg-type-nul": ENDS,
    "msg-len0": ENDS,
    "msg-len3": ENDS,
    "msg-len-neg": ENDS,
    "msg-len-2^32-1": ENDS,
    "msg-backend-type-D": ENDS,
    "msg-auth-p-after-login": ENDS,
    "msg-startup-again": ENDS,
    "msg-ssl-again": ENDS,
    "msg-Q-no-nul": ENDS_OR_GOES_ON,
    "msg-Q-empty-body": ENDS_OR_GOES_ON,
    "msg-parse-truncated": ENDS_OR_GOES_ON,
    "msg-parse-neg-params": ENDS_OR_GOES_ON,
    "msg-describe-bad-kind": ENDS_OR_GOES_ON,
    "msg-close-bad-kind": ENDS_OR_GOES_ON,
    "msg-nul-in-query": ENDS_OR_GOES_ON,
    "msg-bind-huge-count": GOES_ON,
    "msg-bind-param-len-neg2": GOES_ON,
    "msg-bind-param-len-huge": GOES_ON,
    "msg-execute-unknown-portal": "ERROR 34000, in step; other clients unaffected",
    "msg-bind-unknown-stmt": "ERROR 26000, in step; other clients unaffected",
    "msg-functioncall-bad": GOES_ON,
    "msg-len-2^31-1-trickle": "a length of 2 GiB allocates no 2 GiB and blocks nobody",
    "msg-one-byte-chunks": "a valid query byte by byte works, simple and extended",
    "msg-two-queries-one-packet": "two Q in one packet: two answers in order",
    "msg-pipeline-1000": "1000 pipelined P/B/E/S answered in order",
    "msg-query-64MB-literal": "works, as text and as a parameter, in bounded memory",
    "msg-flood-sync": "50,000 Sync messages answered one by one",
    "msg-flush-without-sync": "Flush delivers ParseComplete, BindComplete, the rows",
}) + group("Extended protocol", {
    "ext-error-skip-to-sync": "after an error all is skipped until Sync: one ErrorResponse, one "
                              "ReadyForQuery",
    "ext-error-skip-query": "a Query between the error and the Sync is skipped, too: one "
                            "ReadyForQuery",
}) + group("Slow clients", {
    "slow-reader": "clients that never read 200 MB stall and balloon nobody; who reads late "
                   "gets all of it",
}) + group("Many objects", {
    "many-prepared-5000": "5000 named prepared statements of one client work",
})

CANCEL = group("Cancel requests", {
    "cancel-close-early-x20": "a cancel client that does not wait for EOF harms nobody",
    "cancel-wrong-key": "seven almost right keys cancel nothing; socket closed",
    "cancel-right-key": "cancels the running query with 57014, also in a transaction",
    "cancel-while-waiting": "a client that waits for a server gets 57014 and lives",
    "cancel-after-done-hits-no-one": "a late cancel never hits another client of the same server",
    "cancel-keys-unpredictable": "20 connections: pid and secret neither sequential nor constant",
    "cancel-flood-200": "200 cancel requests, right and wrong, use up no server",
})

LEAK = "the second client does not see it, the first still does"

LEAKS = group("Leaks from one client to the next", {
    "leak-set-guc": LEAK,
    "leak-search-path": LEAK,
    "leak-set-role": LEAK,
    "leak-session-auth": LEAK,
    "leak-temp-table": LEAK,
    "leak-prepare-sql": LEAK,
    "leak-advisory-lock": LEAK,
    "leak-listen": LEAK,
    "leak-with-hold-cursor": LEAK,
    "leak-custom-guc-tenant": LEAK,
    "leak-read-only-default": LEAK,
    "leak-set-config-fn": LEAK,
    "leak-seed-currval": LEAK,
    "leak-load-discard-role-in-do": LEAK,
    "leak-client-encoding": "client B gets its own client_encoding",
    "leak-appname-datestyle-tz": "tracked parameters follow the client, through SET, ROLLBACK "
                                 "and SET LOCAL",
})

LEAVING = group("Clients that leave", {
    "txn-disconnect-rolls-back": "gone in a transaction: no open transaction, no lock, no row",
    "txn-disconnect-settings": "gone in a transaction 40 times on a server that had others' "
                               "settings: none is seen, the costs do not grow",
    "txn-rst-mid-query": "gone while a query runs: cancelled within 6 s, no dirty server",
    "txn-failed-state-kept": "22012 and status E, then 25P02, COMMIT rolls back",
    "txn-disconnect-failed-xact": "gone in a failed transaction: the next client is clean",
}) + group("COPY", {
    "copy-disconnect-in": "gone in COPY IN: nothing stored, no server in copy state",
    "copy-fail": "CopyFail: ERROR 57014, ready again",
    "copy-query-during-copy-in": "Q during COPY IN: error, then usable or closed, nothing stored",
    "copy-baddata-continue": "ERROR 22P02 in COPY; d and c that follow are ignored, in step",
    "copy-out-disconnect": "gone in COPY OUT: server closed or drained",
    "copy-d-outside": "CopyData, CopyDone, CopyFail outside of COPY are ignored, in step",
}) + group("Slow and silent connections", {
    "slowloris-100-half-startup": "good clients are served; the others closed after "
                                  "client_login_timeout",
    "silent-connect-100": "100 silent sockets block nobody",
    "connect-rst-500": "500 times connect and RST: descriptors are back",
    "startup-half-close": "FIN after startup: no spin, the end",
    "query-half-close": "FIN after a query: the answer or the end, no spin",
}) + group("Random input", {
    "fuzz-200-random-startups": "no crash, other clients served",
    "fuzz-150-random-messages": "no crash, other clients served",
})

CONSOLE = group("The console", {
    "admin-nonadmin-login": "neither admin nor stats user: FATAL 28000, 28P01, 42501 or 08P01",
    "admin-wrong-pass": "FATAL 28P01",
    "admin-no-secrets": "no SHOW has a password or a secret in it, nor has the log",
    "admin-garbage-commands": "an answer or an error with an SQLSTATE, the console survives",
    "admin-extended-protocol": "P/D/B/E to the console: an answer or ERROR, in step",
})

NONSENSE = "server dropped; client: 08P01, nothing behind the nonsense is forwarded"
IDLE_NONSENSE = "server dropped; no client sees any of it"
NO_LOGIN = "refused, the log says why; the client: 57014, 08006, 08001 or 08P01"

SERVERS = group("Hostile or broken servers", {
    "server-frame-len0": NONSENSE,
    "server-frame-len3": NONSENSE,
    "server-frame-len-neg": NONSENSE,
    "server-frame-over-1gb": NONSENSE,
    "server-unknown-type": NONSENSE,
    "server-out-of-order": NONSENSE,
    "server-auth-after-login": NONSENSE,
    "server-garbage-in-results": NONSENSE,
    "server-bad-ready-status": NONSENSE,
    "server-empty-ready": NONSENSE,
    "server-broken-parameter-status": NONSENSE,
    "server-huge-parameter-status": NONSENSE,
    "server-copy-unasked": NONSENSE,
    "server-error-unterminated": NONSENSE,
    "server-eof-in-row": "server dropped; a row that was begun cannot be ended: the connection is",
    "server-eof-in-header": "server dropped; client: 08006",
    "server-ready-twice": IDLE_NONSENSE,
    "server-rows-while-idle": IDLE_NONSENSE,
    "server-bytes-after-ready": IDLE_NONSENSE,
    "server-notifications-while-idle": "given to no client, bounded memory",
    "server-silent-in-query": "the client leaves: the server is cancelled, given up after "
                              "10 s, the next client gets another one",
    "server-silent-after-login": "client_login_timeout holds, the server is given up, pgweir "
                                 "can be stopped",
    "server-scram-iterations": NO_LOGIN + "; bounded work",
    "server-scram-long-nonce": NO_LOGIN,
    "server-scram-foreign-nonce": NO_LOGIN,
    "server-scram-wrong-signature": NO_LOGIN,
    "server-scram-no-signature": NO_LOGIN,
    "server-scram-garbage": NO_LOGIN,
    "server-asks-clear-text": "a secret known as a hash only is never sent; refused",
    "server-asks-gss": NO_LOGIN,
    "server-md5-short-salt": NO_LOGIN,
    "server-login-flood": NO_LOGIN + "; bounded memory",
    "server-login-silent": NO_LOGIN + "; after server_connect_timeout",
    "server-tls-refused": NO_LOGIN + "; with require and above nothing is sent in plain text",
    "server-tls-wrong-name": NO_LOGIN + "; with verify-full, while verify-ca lets in",
    "server-tls-bytes-after-answer": NO_LOGIN,
    "server-tls-error-answer": NO_LOGIN + "; the text is not shown",
    "server-tls-garbage-handshake": NO_LOGIN,
    "server-error-without-sqlstate": "no crash; in a session forwarded, at login 57014, 08006, "
                                     "08001 or 08P01",
    "server-error-with-secret": "no crash, forwarded to the one who asked, never logged",
})

BOUNDED = "works in bounded memory, or 53400 or 54000; others served"

LOAD = group("Load and resources", {
    "load-tls-handshakes-1000": "1000 handshakes: a transaction's statements take under 2 s",
    "load-tls-renegotiation": "refused",
    "load-tls-sni-garbage": "a TLS alert or ignored, no crash",
    "load-tls-alpn-garbage": "refused",
    "load-bind-4gib": "refused by length with 08P01, no allocation; what follows is not run",
    "load-auth-query": "NULL, two rows, another user's row, search_path shadowing: refused",
    "load-reload-bad-file": "every bad file is told in the log, the old settings stay",
    "load-out-of-descriptors": "accepting pauses and resumes, no spinning",
    "load-stats-user": "every command but SHOW by a stats user: 42501, 0A000 or 08P01",
    "load-many-portals": BOUNDED,
    "load-many-statements": "53400 or 54000 at some number; others served",
    "load-many-settings": BOUNDED,
    "load-many-notifications": BOUNDED,
})

EXPECTATIONS = (STARTUP + TLS + AUTHENTICATION + NAMES + MESSAGES + CANCEL + LEAKS + LEAVING +
                CONSOLE + SERVERS + LOAD)

# Cases of ../shared/hostile.md about what does not exist yet, each with the reason.
NOT_YET = {
    "inj-auth-query-user": "auth_query is not among the settings that act so far; the issue "
                           "that brings it brings this case",
    "load-auth-query": "auth_query is not among the settings that act so far; the issue that "
                       "brings it brings this case",
}


def sqlstates(name):
    """The SQLSTATEs that the case's text names."""
    text = next(text for _, case, text in EXPECTATIONS if case == name)
    return tuple(re.findall(r"\b(?=[A-Z]*\d)[0-9A-Z]{5}\b", text))
