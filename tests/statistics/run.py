#!/usr/bin/python3
"""SHOW QUERIES against pg_stat_statements: one PostgreSQL, seen only through pgweir.

    tests/statistics/run.py --binary build/release/pgweir

pgbench in its three modes, and the drivers that are there (psycopg, asyncpg, node-postgres, JDBC).
For each statement: calls and rows have to be equal; where it takes more than 5 ms on average the
server's time has to agree within 5 %; below that the difference is shown. Exit code 1 if not."""

import argparse
import asyncio
import collections
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))

from weirbench import servers  # noqa: E402
from weirbench.pgbench import pgbench  # noqa: E402

LONG_MS = 5.0
MOST_DIFFERENCE = 0.05
HERE = os.path.dirname(os.path.abspath(__file__))
# What both count, and in the same way. pg_stat_statements counts a prepared utility statement at its
# first execution only, so that BEGIN, COMMIT and SET cannot be compared.
COMPARED = re.compile(r"\(*(select|insert|update|delete|with|values|copy|table)\b")
# Mostly pgweir's own: the catalog of the database, and what SET has made of a value.
OF_PGWEIR = re.compile(r"pg_catalog\.|current_setting|pg_stat_activity|pg_locks")

Numbers = collections.namedtuple("Numbers", "calls rows milliseconds")


# --- the loads ---

def conninfo(target):
    return (f"host=127.0.0.1 port={target.port} user={servers.USER} dbname={servers.DATABASE} "
            "sslmode=disable gssencmode=disable")


def run_pgbench(sandbox, target):
    for mode in ("simple", "extended", "prepared"):
        pgbench(sandbox, target, 4, transactions=100, mode=mode, script=())


def run_psycopg(_, target):
    import psycopg

    with psycopg.connect(conninfo(target), autocommit=True) as pg:
        pg.execute("create table mixed (id int primary key, name text)")
        with pg.cursor() as cursor:
            cursor.executemany("insert into mixed values (%s, %s)",
                               [(i, f"name {i}") for i in range(200)])
            with cursor.copy("copy mixed (id, name) from stdin") as copy:
                for i in range(1000, 3000):
                    copy.write_row((i, f"copied {i}"))
            with cursor.copy("copy (select id from mixed) to stdout") as copy:
                collections.deque(copy.rows(), maxlen=0)
        for i in range(50):
            # Unprepared at first, then prepared.
            pg.execute("select name from mixed where id = %s", (i,)).fetchall()
            pg.execute(f"select id from mixed where id in ({i}, {i + 1}, {i + 2})").fetchall()
        for _ in range(20):
            pg.execute("select pg_sleep(0.02), 'psycopg'")
        with pg.transaction():
            pg.execute("update mixed set name = 'x' where id < 10")
            pg.execute("delete from mixed where id = 5")
        for _ in range(5):
            pg.execute("select sum(a.id * b.id) from mixed a, mixed b where b.id < 100")
        try:
            pg.execute("select 1 / (id - 1) from mixed order by id")
        except psycopg.errors.DivisionByZero:
            pass


def run_asyncpg(_, target):
    import asyncpg

    async def load():
        pg = await asyncpg.connect(host="127.0.0.1", port=target.port, user=servers.USER,
                                   database=servers.DATABASE, ssl=False)
        for i in range(50):
            await pg.fetch("select id, name from mixed where id = $1::int", i)
        await pg.executemany("update mixed set name = $2 where id = $1",
                             [(i, f"again {i}") for i in range(30)])
        async with pg.transaction():
            async for _ in pg.cursor("select id from mixed order by id desc limit 300",
                                     prefetch=100):
                pass
        for _ in range(10):
            await pg.fetchval("select pg_sleep($1), 'asyncpg'", 0.02)
        await pg.close()

    asyncio.run(load())


def run_node(sandbox, target):
    modules = sandbox.path("node")
    subprocess.run([f"{ROOT}/tests/drivers/install_node_modules", f"{ROOT}/tests/drivers/node",
                    modules], check=True)
    subprocess.run(["node", f"{HERE}/load.js", str(target.port), servers.USER, servers.DATABASE],
                   check=True, env={**os.environ, "NODE_PATH": f"{modules}/node_modules"})


def run_jdbc(_, target):
    subprocess.run(["java", "-cp", "/usr/share/java/postgresql.jar", f"{HERE}/Load.java",
                    str(target.port), servers.USER, servers.DATABASE], check=True)


LOADS = {"pgbench": run_pgbench, "psycopg": run_psycopg, "asyncpg": run_asyncpg, "node": run_node,
         "jdbc": run_jdbc}


def available(name):
    if name == "node":
        return shutil.which("node") and shutil.which("npm")
    if name == "jdbc":
        return shutil.which("java") and os.path.exists("/usr/share/java/postgresql.jar")
    return True


# --- what was counted ---

def key_of(text):
    """The same for both: the numbers of parameters, the lengths of lists, case and white space do
    not count."""
    text = " ".join(text.lower().split()).rstrip("; ")
    text = re.sub(r"-?\s*\$\d+", "$", text)
    text = re.sub(r"\$(\s*,\s*(\$|\.\.\.))+", "$", text)
    return re.sub(r"\s*([(),=<>*/+-])\s*", r"\1", text)


def collect(rows):
    found = collections.defaultdict(lambda: Numbers(0, 0, 0.0))
    for text, calls, count, milliseconds in rows:
        key = key_of(text)
        if COMPARED.match(key):
            before = found[key]
            found[key] = Numbers(before.calls + int(calls), before.rows + int(count),
                                 before.milliseconds + float(milliseconds))
    return found


def of_postgres(sandbox):
    shown = sandbox.run_quietly(
        [f"{servers.PG_BIN}/psql", "-XAtq", "-F", "\t", "-h", "127.0.0.1", "-p",
         str(sandbox.postgres.port), "-U", "postgres", "-c",
         "select translate(query, E'\\n\\t', '  '), calls, rows, total_exec_time "
         "from pg_stat_statements s join pg_database d on d.oid = s.dbid "
         f"where d.datname = '{servers.DATABASE}'"])
    return collect([line.split("\t") for line in shown.splitlines()])


def of_pgweir(sandbox, target):
    return collect(sandbox.console(
        target, "select query, calls, rows, server_ms from queries "
                f"where database = '{servers.DATABASE}'"))


def compare(ours, theirs):
    """Prints a line per statement; the number of those that differ."""
    wrong = 0
    print(f"{'calls':>7} {'rows':>8} {'mean ms':>9} {'time':>8}  statement")
    for key in sorted(ours.keys() | theirs.keys(), key=lambda key: -ours[key].milliseconds):
        mine, other = ours[key], theirs[key]
        if OF_PGWEIR.search(key):
            continue
        verdict = []
        if mine.calls != other.calls:
            verdict.append(f"CALLS {mine.calls} / {other.calls}")
        if mine.rows != other.rows:
            verdict.append(f"ROWS {mine.rows} / {other.rows}")
        mean = other.milliseconds / max(other.calls, 1)
        difference = mine.milliseconds / other.milliseconds - 1 if other.milliseconds else 0.0
        if mean > LONG_MS and abs(difference) > MOST_DIFFERENCE:
            verdict.append("TIME")
        # Below the limit: what the executor does not see (network, parse, plan, commit), per call.
        extra = (mine.milliseconds - other.milliseconds) / max(other.calls, 1)
        shown = f"{difference:+8.1%}" if mean > LONG_MS else f"{extra:+6.2f}ms"
        print(f"{mine.calls:7} {mine.rows:8} {mean:9.3f} {shown:>8}  {key[:90]}"
              + "".join(f"  <== {text}" for text in verdict))
        wrong += bool(verdict)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "release", "pgweir"))
    parser.add_argument("--only", default=",".join(LOADS), help="loads: " + ", ".join(LOADS))
    chosen = parser.parse_args()
    with servers.Sandbox(chosen.binary, scale=1, preload="pg_stat_statements") as sandbox:
        sandbox.run_quietly(
            [f"{servers.PG_BIN}/psql", "-Xq", "-h", "127.0.0.1", "-p", str(sandbox.postgres.port),
             "-U", "postgres", "-c", "create extension pg_stat_statements",
             "-c", "select pg_stat_statements_reset()"])
        target = sandbox.pgweir(pool=4, workers=2, stats_users=servers.USER)
        for name in chosen.only.split(","):
            if available(name):
                print(f"{name} ...", flush=True)
                LOADS[name](sandbox, target)
            else:
                print(f"{name}: is not installed")
        ours, theirs = of_pgweir(sandbox, target), of_postgres(sandbox)
        wrong = compare(ours, theirs)
    print(f"{len(ours)} statements, {wrong} of them differ")
    sys.exit(1 if wrong or not ours else 0)


if __name__ == "__main__":
    main()
