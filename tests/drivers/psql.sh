#!/usr/bin/env bash
# psql through the proxy: queries, scripts, transactions, COPY, errors, \d, \watch's cancel, console.
set -euo pipefail
export PATH=/usr/lib/postgresql/15/bin:$PATH
psql=(psql -X -v ON_ERROR_STOP=1 -At)

# same WHAT EXPECTED ACTUAL
same() {
    [[ $2 == "$3" ]] || {
        printf 'FAILED: %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3" >&2
        exit 1
    }
    printf 'ok: %s\n' "$1"
}

same "a query" 42 "$("${psql[@]}" -c 'select 40 + 2')"
same "the user" "$PGUSER" "$("${psql[@]}" -c 'select current_user')"
same "the Unix socket" 1 "$(PGHOST=$WEIR_SOCKET_DIR "${psql[@]}" -c 'select 1')"
same "TLS is used" t "$("${psql[@]}" -c '\conninfo' | grep -q TLS && echo t)"

"${psql[@]}" -q -c 'create table psql_test (a int primary key, b text)'
same "a script in one transaction" 3 "$("${psql[@]}" -q -1 <<'SQL'
insert into psql_test values (1, 'one'), (2, 'two');
insert into psql_test values (3, 'three');
select count(*) from psql_test;
SQL
)"
same "\\copy in" 1000 "$(seq 4 1003 | awk '{print $1 "\tx"}' >"/tmp/weir-psql.$$"
    "${psql[@]}" -q -c "\\copy psql_test from '/tmp/weir-psql.$$'" \
        -c "select count(*) from psql_test where b = 'x'"
    rm -f "/tmp/weir-psql.$$")"
same "\\copy out" 1003 "$("${psql[@]}" -c '\copy psql_test to stdout' | wc -l)"
same "an error's SQLSTATE" 22012 "$(psql -X -At -v VERBOSITY=sqlstate -c 'select 1/0' 2>&1 |
    grep -o 22012)"
same "an error in a script" 7 "$(psql -X -At -q <<'SQL' 2>/dev/null
begin;
select 1/0;
rollback;
select 7;
SQL
)"
same "a notice" 1 "$("${psql[@]}" -c "do \$\$ begin raise notice 'seen'; end \$\$" 2>&1 | grep -c seen)"
same "\\d" 2 "$("${psql[@]}" -c '\d psql_test' | grep -cE '^(a|b)\|')"
same "\\gdesc" 'a|integer' "$("${psql[@]}" <<<'select 1 as a \gdesc')"
same "fetch by cursor" 1003 "$("${psql[@]}" -v FETCH_COUNT=100 <<<'select a from psql_test' | wc -l)"

# Ctrl-C: psql sends a CancelRequest and goes on.
coproc CANCELLED { exec psql -X -At -c 'select pg_sleep(60)' -c "select 'after'" 2>&1; }
cancelled_pid=$CANCELLED_PID
sleep 1
kill -INT "$cancelled_pid"
cancelled=$(cat <&"${CANCELLED[0]}") || true
same "cancel by Ctrl-C" 1 "$(grep -c 'canceling statement due to user request' <<<"$cancelled")"

console() { PGDATABASE=pgbouncer PGUSER=$WEIR_ADMIN "${psql[@]}" "$@"; }
same "the console's SHOW POOLS" 1 "$(console -c 'SHOW POOLS' | grep -c "^$PGDATABASE|$PGUSER|")"
same "several SHOWs on one connection" ok "$(console -c 'SHOW STATS' -c 'SHOW CLIENTS' \
    -c 'SHOW SERVERS' >/dev/null && echo ok)"

# What psql asks by itself is answered on the console, too.
if [[ ${WEIR_PROXY:-} != pgbouncer ]]; then
    for command in '\d' '\d+' '\d pools' '\d+ pools' '\dt' '\dv' '\di' '\ds' '\l' '\l+' '\du' '\du+' '\dn' \
        '\dn+' '\df' '\dT' '\dp' '\dx' '\db' '\dg' '\dS pg_class' '\conninfo' '\drds' '\dA' '\dC' '\do' \
        '\des' '\dew' '\dRp' '\dRs' '\dL' '\dO' '\dD' '\dc' '\dF' '\dy' '\encoding'; do
        errors=$(console -v ON_ERROR_STOP=0 -c "$command" 2>&1 >/dev/null |
            grep -v 'Did not find\|does not support' || true)
        same "the console's $command" "" "$errors"
    done
    same "the console's \\d of a table" 1 "$(console -c '\d pools' | grep -c '^cl_waiting|integer')"
    same "the console's \\gdesc" 'cl_waiting|integer' \
        "$(console <<<'select cl_waiting from pools \gdesc')"
    same "the console's \\l" 1 "$(console -c '\l' | grep -c "^$PGDATABASE|")"
    same "a query on the console" "$PGUSER" "$(console -c "select \"user\" from pools
        where database = '$PGDATABASE' and \"user\" ~ '^$PGUSER\$'")"
fi
