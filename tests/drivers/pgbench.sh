#!/usr/bin/env bash
# pgbench through the proxy, every protocol mode and -C; all transactions succeed, all adds up.
# PGBENCH_MODES: which modes (default: all three).
set -euo pipefail
export PATH=/usr/lib/postgresql/15/bin:$PATH

pgbench -i -q -s 2 2>&1 | tail -n 1

run() {
    local output
    output=$(pgbench -n "$@" 2>&1) || {
        printf 'FAILED: pgbench %s\n%s\n' "$*" "$output" >&2
        exit 1
    }
    grep -q 'number of failed transactions: 0 ' <<<"$output" || {
        printf 'FAILED: pgbench %s: failed transactions\n%s\n' "$*" "$output" >&2
        exit 1
    }
    printf 'ok: pgbench %s: %s\n' "$*" "$(grep -o 'tps = [0-9.]*' <<<"$output")"
}

for mode in ${PGBENCH_MODES:-simple extended prepared}; do
    run -M "$mode" -c 25 -t 30
    run -M "$mode" -c 25 -S -t 100
done
run -M simple -C -c 5 -S -t 10

sums=$(psql -X -At -c "select (select sum(bbalance) from pgbench_branches) =
    (select sum(delta) from pgbench_history) and (select sum(abalance) from pgbench_accounts) =
    (select sum(delta) from pgbench_history)")
[[ $sums == t ]] || {
    printf 'FAILED: the balances do not add up\n' >&2
    exit 1
}
printf 'ok: the balances add up\n'
