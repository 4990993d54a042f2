// What single statements are and whether they pin: one row per text.
#include "router/pg_query_parser.h"
#include "router/statement.h"

#include <doctest/doctest.h>

#include <ostream>
#include <string>

namespace weir::router {

std::ostream& operator<<(std::ostream& out, StatementKind kind) {
    return out << text(kind);
}

std::ostream& operator<<(std::ostream& out, PinReason reason) {
    return out << text(reason);
}

namespace {

using K = StatementKind;
using P = PinReason;

struct Row {
    const char* text;
    K kind;
    P pin = P::none;
};

void check(const Row& row) {
    CAPTURE(row.text);
    const StatementPtr statement = analyse(row.text);
    CHECK(statement->kind() == row.kind);
    CHECK(statement->pin == row.pin);
    CHECK(statement->parsed == (row.kind != K::unknown));
}

const Row queries[] = {
    {"", K::empty},
    {";", K::empty},
    {" ; ;; -- nothing\n", K::empty},
    {"/* nothing */", K::empty},
    {"SELECT 1", K::select},
    {"select 1;", K::select},
    {"SELECT", K::select},
    {"VALUES (1), (2)", K::select},
    {"TABLE t", K::select},
    {"(SELECT 1) UNION ALL (SELECT 2) ORDER BY 1", K::select},
    {"WITH RECURSIVE a AS (SELECT 1 UNION SELECT * FROM a) SELECT * FROM a", K::select},
    {"SELECT * FROM t WHERE id = $1 FOR UPDATE", K::select},
    {"SELECT * INTO x FROM t", K::select},
    {"SELECT * INTO TEMP x FROM t", K::select, P::temp_object},
    {"SELECT * INTO LOCAL TEMPORARY TABLE x FROM t", K::select, P::temp_object},
    {"SELECT * INTO pg_temp.x FROM t", K::select, P::temp_object},
    {"SELECT lower(a), count(*), now(), coalesce(b, 'x') FROM t GROUP BY 1", K::select},
    {"SELECT pg_catalog.lower('A')", K::select},
    {"SELECT public.lower('A')", K::select, P::unknown_function},
    {"SELECT weir_function(1)", K::select, P::unknown_function},
    {"SELECT \"Lower\"('A')", K::select, P::unknown_function},
    {"SELECT * FROM weir_function(1) AS f", K::select, P::unknown_function},
    {"SELECT 1 WHERE EXISTS (SELECT weir_function())", K::select, P::unknown_function},
    {"SELECT CASE WHEN a THEN weir_function() END FROM t", K::select, P::unknown_function},
    {"SELECT sum(weir_function(a)) OVER (PARTITION BY b) FROM t", K::select, P::unknown_function},
    {"SELECT sum(a) FILTER (WHERE weir_function(a)) FROM t", K::select, P::unknown_function},
    {"SELECT sum(a) OVER w FROM t WINDOW w AS (ORDER BY weir_function(a))",
     K::select,
     P::unknown_function},
    {"SELECT * FROM a JOIN b ON weir_function(a.x)", K::select, P::unknown_function},
    {"SELECT 1 LIMIT weir_function()", K::select, P::unknown_function},
    {"SELECT 1 GROUP BY GROUPING SETS ((weir_function()))", K::select, P::unknown_function},
    {"SELECT DISTINCT ON (weir_function()) 1", K::select, P::unknown_function},
    {"SELECT 1 HAVING weir_function()", K::select, P::unknown_function},
    {"VALUES (weir_function())", K::select, P::unknown_function},
    {"SELECT 1 UNION SELECT weir_function()", K::select, P::unknown_function},
    {"SELECT weir_function() UNION SELECT 1", K::select, P::unknown_function},
    {"SELECT ARRAY[weir_function()]", K::select, P::unknown_function},
    {"SELECT ROW(weir_function())", K::select, P::unknown_function},
    {"SELECT (weir_function()).a", K::select, P::unknown_function},
    {"SELECT a[weir_function()] FROM t", K::select, P::unknown_function},
    {"SELECT weir_function()::text COLLATE \"C\"", K::select, P::unknown_function},
    {"SELECT xmlelement(name a, weir_function())", K::select, P::unknown_function},
    {"SELECT * FROM xmltable('/a' PASSING weir_function() COLUMNS b int)",
     K::select,
     P::unknown_function},
    {"SELECT * FROM t TABLESAMPLE SYSTEM (10)", K::select},
    {"SELECT * FROM t TABLESAMPLE system_rows (10)", K::select, P::unknown_function},
    {"SELECT * FROM t TABLESAMPLE BERNOULLI (weir_function())", K::select, P::unknown_function},
    {"SELECT * FROM ROWS FROM (generate_series(1, 2), weir_function())",
     K::select,
     P::unknown_function},
    {"SELECT * FROM LATERAL (SELECT weir_function()) AS x", K::select, P::unknown_function},
    {"SELECT weir_function FROM t", K::select},
    {"SELECT extract(year FROM now()), substring('abc' FROM 2), trim(both FROM ' a ')", K::select},
    {"SELECT position('a' IN 'b'), overlay('a' PLACING 'b' FROM 1), 'a' SIMILAR TO 'b'", K::select},
    {"SELECT now() AT TIME ZONE 'UTC', current_user, current_date, localtimestamp", K::select},
    {"SELECT a -> 'b' ->> 'c', a @> '{}', a || b, NOT a = ANY (b) FROM t", K::select},
    {"SELECT a <=> b FROM t", K::select, P::unknown_operator},
    {"SELECT a OPERATOR(pg_catalog.+) b FROM t", K::select},
    {"SELECT a OPERATOR(public.+) b FROM t", K::select, P::unknown_operator},
    {"SELECT a <~> ANY (b) FROM t", K::select, P::unknown_operator},
    {"SELECT a <~> ANY (SELECT b) FROM t", K::select, P::unknown_operator},
    {"SELECT a FROM t ORDER BY a USING <~>", K::select, P::unknown_operator},
    {"SELECT a FROM t ORDER BY a USING <", K::select},
    {"SELECT a BETWEEN 1 AND 2, a IN (1, 2), a LIKE 'x', a ILIKE 'x', a IS DISTINCT FROM 1 FROM t",
     K::select},
    {"SELECT a != 1, b <> 2 FROM t", K::select},
    {"SELECT uuid('x'), int4('1'), jsonb('1')", K::select},
    {"SELECT * FROM pg_temp.x", K::select, P::temp_object},
    {"SELECT * FROM pg_temp_3.x", K::select, P::temp_object},
    {"SELECT pg_temp.f()", K::select, P::unknown_function},
    {"SELECT * FROM pg_template", K::select},
    {"INSERT INTO t VALUES (1)", K::insert},
    {"INSERT INTO t SELECT * FROM u ON CONFLICT DO NOTHING RETURNING *", K::insert},
    {"INSERT INTO t VALUES (1) RETURNING weir_function()", K::insert, P::unknown_function},
    {"INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE weir_function() DO NOTHING",
     K::insert,
     P::unknown_function},
    {"UPDATE t SET a = 1 WHERE b = 2", K::update},
    {"UPDATE t SET (a, b) = (weir_function(), 2)", K::update, P::unknown_function},
    {"UPDATE pg_settings SET setting = 'x' WHERE name = 'work_mem'", K::update, P::set_config},
    {"UPDATE pg_catalog.pg_settings SET setting = 'x'", K::update, P::set_config},
    {"WITH x AS (UPDATE pg_settings SET setting = 'x' RETURNING 1) SELECT * FROM x",
     K::select,
     P::set_config},
    {"DELETE FROM t USING u WHERE t.a = u.a", K::delete_},
    {"DELETE FROM t WHERE weir_function()", K::delete_, P::unknown_function},
    {"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", K::merge},
    {"MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT VALUES (weir_function())",
     K::merge,
     P::unknown_function},
};

const Row session_functions[] = {
    {"SELECT pg_advisory_lock(1)", K::select, P::advisory_lock},
    {"SELECT pg_advisory_lock(1, 2)", K::select, P::advisory_lock},
    {"SELECT (1).pg_advisory_lock", K::select, P::advisory_lock},
    {"SELECT pg_catalog.pg_advisory_lock(1)", K::select, P::advisory_lock},
    {"SELECT PG_ADVISORY_LOCK(1)", K::select, P::advisory_lock},
    {"SELECT \"pg_advisory_lock\"(1)", K::select, P::advisory_lock},
    {"SELECT U&\"pg!005fadvisory_lock\" UESCAPE '!' (1)", K::select, P::advisory_lock},
    {"SELECT pg_advisory_lock_shared(1)", K::select, P::advisory_lock},
    {"SELECT pg_try_advisory_lock(1)", K::select, P::advisory_lock},
    {"SELECT pg_try_advisory_lock_shared(1)", K::select, P::advisory_lock},
    {"SELECT 1 FROM t WHERE pg_try_advisory_lock(t.id)", K::select, P::advisory_lock},
    {"EXPLAIN ANALYZE SELECT pg_advisory_lock(1)", K::explain, P::advisory_lock},
    {"SELECT pg_advisory_xact_lock(1)", K::select},
    {"SELECT pg_try_advisory_xact_lock(1)", K::select},
    {"SELECT pg_advisory_xact_lock_shared(1)", K::select},
    {"SELECT pg_try_advisory_xact_lock_shared(1, 2)", K::select},
    {"SELECT pg_advisory_unlock(1)", K::select},
    {"SELECT pg_advisory_unlock_all()", K::select},
    {"SELECT setseed(0.5)", K::select, P::setseed},
    {"SELECT dblink_connect('x')", K::select, P::dblink},
    {"SELECT * FROM dblink('x', 'SELECT 1') AS t (a int)", K::select, P::dblink},
    {"SELECT ext.dblink_exec('x')", K::select, P::dblink},
    {"SELECT pg_backup_start('x')", K::select, P::backup},
    {"SELECT pg_start_backup('x')", K::select, P::backup},
    {"SELECT pg_backup_stop()", K::select, P::backup},
    {"SELECT pg_replication_origin_session_setup('x')", K::select, P::replication_origin},
    {"SELECT pg_replication_origin_xact_setup('0/1', now())", K::select, P::replication_origin},
    {"SELECT pg_create_logical_replication_slot('a', 'b', true)", K::select, P::replication_slot},
    {"SELECT query_to_xml('SELECT 1', true, true, '')", K::select, P::dynamic_sql},
    {"SELECT * FROM ts_stat('SELECT 1')", K::select, P::dynamic_sql},
    {"SELECT ts_rewrite('a'::tsquery, 'SELECT 1')", K::select, P::dynamic_sql},
    {"SELECT binary_upgrade_set_next_pg_type_oid(1)", K::select, P::internal_function},
    {"SELECT nextval('s')", K::select},
    {"SELECT currval('s'), lastval()", K::select},
    {"SELECT pg_export_snapshot()", K::select},
    {"SELECT lo_create(0)", K::select},
    {"SELECT pg_notify('a', 'b')", K::select},
    {"SELECT pg_sleep(1)", K::select},
    {"SELECT set_config('work_mem', '1MB', true)", K::select},
    {"SELECT set_config('work_mem', '1MB', 'on')", K::select},
    {"SELECT set_config('work_mem', '1MB', 'T'::bool)", K::select},
    {"SELECT set_config('work_mem', '1MB', CAST('yes' AS boolean))", K::select},
    {"SELECT set_config('app.tenant', $1, true)", K::select},
    {"SELECT set_config('work_mem', '1MB', false)", K::select},
    {"SELECT set_config('work_mem', '1MB', 'f')", K::select},
    {"SELECT set_config('work_mem', '1MB', $1)", K::select},
    {"SELECT set_config('work_mem', '1MB', NOT false)", K::select},
    {"SELECT set_config('work_mem', '1MB', 'tx')", K::select},
    {"SELECT set_config($1, '1MB', true)", K::select, P::set_config},
    {"SELECT set_config(name, setting, true) FROM t", K::select, P::set_config},
    {"SELECT set_config(is_local => true, setting_name => 'a.b', new_value => 'c')",
     K::select,
     P::set_config},
    {"SELECT set_config('application_name', 'x', false)", K::select},
    {"SELECT set_config('ROLE', 'x', false)", K::select},
    {"SELECT set_config('role', 'x', true)", K::select},
    {"SELECT set_config('session_authorization', 'x', false)", K::select},
    {"SELECT set_config('search_path', 'pg_temp', true)", K::select},
    {"SELECT set_config('search_path', 'public', true)", K::select},
    {"SELECT set_config('transaction_isolation', 'serializable', false)", K::select},
};

const Row settings[] = {
    {"SET work_mem = '1MB'", K::set},
    {"SET SESSION work_mem TO 1000", K::set},
    {"SET app.tenant = 'x'", K::set},
    {"SET search_path TO a, b", K::set},
    {"SET search_path = pg_temp, a", K::set},
    {"SET search_path = pg_temp, a; CREATE TABLE t (x int)", K::set, P::temp_object},
    {"SET search_path = a; CREATE TABLE t (x int)", K::set},
    {"SET LOCAL search_path = \"PG_temp\"", K::set},
    {"SET LOCAL search_path = a", K::set},
    {"SET SCHEMA 'a'", K::set},
    {"SET work_mem FROM CURRENT", K::set},
    {"SET seed = 0.5", K::set, P::setseed},
    {"SET LOCAL work_mem = '1MB'", K::set},
    {"SET XML OPTION DOCUMENT", K::set},
    {"SET client_encoding = 'UTF8'", K::set},
    {"SET NAMES 'latin1'", K::set},
    {"SET DateStyle = 'ISO', 'DMY'", K::set},
    {"SET TIME ZONE 'UTC'", K::set},
    {"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE", K::set},
    {"SET timezone TO -7", K::set},
    {"SET TIME ZONE LOCAL", K::reset},
    {"SET intervalstyle = iso_8601", K::set},
    {"SET application_name = 'x'", K::set},
    {"SET \"Application_Name\" = 'x'", K::set},
    {"SET standard_conforming_strings = off", K::set},
    {"SET ROLE x", K::set},
    {"SET SESSION ROLE x", K::set},
    {"SET role = 'x'", K::set},
    {"SET ROLE NONE", K::set},
    {"SET LOCAL ROLE x", K::set},
    {"RESET ROLE", K::reset},
    {"SET SESSION AUTHORIZATION x", K::set},
    {"SET SESSION AUTHORIZATION 'x'", K::set},
    {"SET LOCAL SESSION AUTHORIZATION x", K::set},
    {"SET SESSION AUTHORIZATION DEFAULT", K::reset},
    {"RESET SESSION AUTHORIZATION", K::reset},
    {"SET work_mem TO DEFAULT", K::reset},
    {"SET LOCAL work_mem TO DEFAULT", K::reset},
    {"RESET work_mem", K::reset},
    {"RESET ALL", K::reset},
    {"RESET TIME ZONE", K::reset},
    {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", K::set_transaction},
    {"SET TRANSACTION READ ONLY, DEFERRABLE", K::set_transaction},
    {"SET TRANSACTION SNAPSHOT '0001-1'", K::set_transaction},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", K::set},
    {"SET transaction_read_only = on", K::set},
    {"SET CONSTRAINTS ALL DEFERRED", K::set_constraints},
    {"SHOW work_mem", K::show},
    {"SHOW ALL", K::show},
    {"SHOW TRANSACTION ISOLATION LEVEL", K::show},
};

const Row session_statements[] = {
    {"BEGIN", K::begin},
    {"START TRANSACTION READ ONLY", K::begin},
    {"BEGIN WORK ISOLATION LEVEL REPEATABLE READ", K::begin},
    {"COMMIT", K::commit},
    {"END", K::commit},
    {"COMMIT AND CHAIN", K::commit},
    {"ROLLBACK", K::rollback},
    {"ABORT", K::rollback},
    {"SAVEPOINT a", K::savepoint},
    {"RELEASE a", K::release},
    {"ROLLBACK TO SAVEPOINT a", K::rollback_to},
    {"PREPARE TRANSACTION 'x'", K::prepare_transaction},
    {"COMMIT PREPARED 'x'", K::commit_prepared},
    {"ROLLBACK PREPARED 'x'", K::rollback_prepared},
    {"PREPARE a AS SELECT 1", K::prepare, P::sql_prepare},
    {"EXECUTE a (1)", K::execute, P::sql_execute},
    {"EXPLAIN EXECUTE a", K::explain, P::sql_execute},
    {"CREATE TABLE x AS EXECUTE a", K::create_table_as, P::sql_execute},
    {"DEALLOCATE a", K::deallocate},
    {"DEALLOCATE PREPARE ALL", K::deallocate},
    {"DISCARD ALL", K::discard},
    {"DISCARD PLANS", K::discard},
    {"DISCARD SEQUENCES", K::discard},
    {"DISCARD TEMP", K::discard},
    {"DECLARE c CURSOR FOR SELECT 1", K::declare_cursor},
    {"DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1", K::declare_cursor},
    {"DECLARE c BINARY INSENSITIVE SCROLL CURSOR WITH HOLD FOR SELECT 1",
     K::declare_cursor,
     P::hold_cursor},
    {"DECLARE c CURSOR FOR SELECT weir_function()", K::declare_cursor, P::unknown_function},
    {"FETCH 10 FROM c", K::fetch},
    {"MOVE FORWARD ALL IN c", K::fetch},
    {"CLOSE c", K::close_portal},
    {"CLOSE ALL", K::close_portal},
    {"LISTEN a", K::listen, P::listen},
    {"UNLISTEN a", K::unlisten},
    {"UNLISTEN *", K::unlisten},
    {"NOTIFY a, 'b'", K::notify},
    {"LOCK TABLE t", K::lock},
    {"LOAD 'auto_explain'", K::load, P::load},
    {"DO $$ BEGIN END $$", K::do_},
    {"DO LANGUAGE plpgsql 'BEGIN PERFORM f(1); END'", K::do_},
    {"DO $$ BEGIN PERFORM pg_advisory_lock(1); END $$", K::do_, P::advisory_lock},
    {"DO $$ BEGIN EXECUTE 'select ' || 1; END $$", K::do_, P::dynamic_sql},
    {"DO LANGUAGE plpython3u 'pass'", K::do_, P::unknown_function},
    {"DO 'BEGIN END'; DO 'BEGIN END'", K::do_, P::do_block},
    {"CALL p(1)", K::call, P::call},
    {"COPY t FROM STDIN", K::copy_in},
    {"COPY t (a, b) FROM STDIN WITH (FORMAT csv)", K::copy_in},
    {"COPY t TO STDOUT", K::copy_out},
    {"COPY (SELECT 1) TO STDOUT", K::copy_out},
    {"COPY (SELECT weir_function()) TO STDOUT", K::copy_out, P::unknown_function},
    {"COPY (DELETE FROM t RETURNING setseed(1)) TO STDOUT", K::copy_out, P::setseed},
    {"COPY t FROM STDIN WHERE weir_function(a)", K::copy_in, P::unknown_function},
    {"COPY t FROM '/tmp/x'", K::copy_file},
    {"COPY t TO PROGRAM 'cat'", K::copy_file},
    {"EXPLAIN SELECT 1", K::explain},
    {"EXPLAIN (ANALYZE, BUFFERS) SELECT weir_function()", K::explain, P::unknown_function},
    {"EXPLAIN CREATE TEMP TABLE x AS SELECT 1", K::explain},
    {"EXPLAIN ANALYZE CREATE TEMP TABLE x AS SELECT 1", K::explain, P::temp_object},
    {"EXPLAIN ANALYZE DECLARE c CURSOR WITH HOLD FOR SELECT 1", K::explain},
    {"VACUUM", K::vacuum},
    {"ANALYZE t", K::vacuum},
    {"REINDEX TABLE t", K::reindex},
    {"CLUSTER", K::cluster},
    {"REFRESH MATERIALIZED VIEW v", K::refresh},
    {"CHECKPOINT", K::checkpoint},
    {"ALTER SYSTEM SET work_mem = 1", K::alter_system},
    {"TRUNCATE t RESTART IDENTITY", K::truncate},
};

const Row definitions[] = {
    {"CREATE TABLE t (a int)", K::create_table},
    {"CREATE TABLE t (a int DEFAULT weir_function())", K::create_table},
    {"CREATE TABLE p PARTITION OF t FOR VALUES IN (weir_function())",
     K::create_table,
     P::unknown_function},
    {"CREATE TEMP TABLE t (a int)", K::create_table, P::temp_object},
    {"CREATE TEMPORARY TABLE IF NOT EXISTS t (a int)", K::create_table, P::temp_object},
    {"CREATE LOCAL TEMP TABLE t (a int) ON COMMIT DELETE ROWS", K::create_table, P::temp_object},
    {"CREATE GLOBAL TEMPORARY TABLE t (a int)", K::create_table, P::temp_object},
    {"CREATE TEMP TABLE t (a int) ON COMMIT DROP", K::create_table},
    {"CREATE TABLE pg_temp.t (a int)", K::create_table, P::temp_object},
    {"CREATE TABLE pg_temp.t (a int) ON COMMIT DROP", K::create_table},
    {"CREATE UNLOGGED TABLE t (a int)", K::create_table},
    {"CREATE FOREIGN TABLE t (a int) SERVER s", K::create_table},
    {"CREATE TABLE t AS SELECT 1", K::create_table_as},
    {"CREATE TEMP TABLE t AS SELECT 1", K::create_table_as, P::temp_object},
    {"CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1", K::create_table_as},
    {"CREATE TABLE t AS SELECT weir_function()", K::create_table_as, P::unknown_function},
    {"CREATE MATERIALIZED VIEW v AS SELECT 1", K::create_table_as},
    {"CREATE VIEW v AS SELECT weir_function()", K::create_view},
    {"CREATE TEMP VIEW v AS SELECT 1", K::create_view, P::temp_object},
    {"CREATE OR REPLACE TEMPORARY RECURSIVE VIEW v (a) AS SELECT 1",
     K::create_view,
     P::temp_object},
    {"CREATE VIEW v AS SELECT * FROM pg_temp.x", K::create_view, P::temp_object},
    {"CREATE SEQUENCE s", K::create_sequence},
    {"CREATE TEMP SEQUENCE s", K::create_sequence, P::temp_object},
    {"CREATE INDEX ON t (a)", K::create_index},
    {"CREATE INDEX ON t (weir_function(a))", K::create_index, P::unknown_function},
    {"CREATE INDEX ON t (a) WHERE weir_function(a)", K::create_index, P::unknown_function},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", K::create_function},
    {"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT weir_function(); END",
     K::create_function},
    {"CREATE PROCEDURE f() LANGUAGE plpgsql AS $$ BEGIN END $$", K::create_function},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE C AS 'x', 'y'", K::create_function, P::load},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS ''", K::create_function, P::load},
    {"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS ''",
     K::create_function,
     P::temp_object},
    {"CREATE TYPE pg_temp.x AS (a int)", K::ddl, P::temp_object},
    {"CREATE TYPE pg_temp.x AS ENUM ()", K::ddl, P::temp_object},
    {"CREATE TYPE pg_temp.x AS RANGE (SUBTYPE = int)", K::ddl, P::temp_object},
    {"CREATE TYPE pg_temp.x", K::ddl, P::temp_object},
    {"CREATE DOMAIN pg_temp.x AS int", K::ddl, P::temp_object},
    {"CREATE TYPE x AS (a int)", K::ddl},
    {"CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1", K::ddl},
    {"CREATE EXTENSION x", K::ddl, P::load},
    {"ALTER EXTENSION x UPDATE", K::ddl, P::load},
    {"ALTER TABLE t ADD COLUMN a int DEFAULT weir_function()", K::ddl, P::unknown_function},
    {"ALTER TABLE t ADD CHECK (weir_function(a))", K::ddl, P::unknown_function},
    {"ALTER TABLE t ALTER a TYPE int USING weir_function(a)", K::ddl, P::unknown_function},
    {"ALTER TABLE t ALTER a SET DEFAULT 1, DROP COLUMN b", K::ddl},
    {"ALTER DOMAIN d ADD CHECK (weir_function(VALUE))", K::ddl, P::unknown_function},
    {"CREATE RULE r AS ON INSERT TO t DO NOTIFY a", K::ddl},
    {"CREATE RULE r AS ON INSERT TO t DO ALSO SELECT weir_function()", K::ddl},
    {"CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION weir_function()", K::ddl},
    {"DROP TABLE t", K::ddl},
    {"ALTER ROLE r SET work_mem = 1", K::ddl},
    {"GRANT SELECT ON t TO r", K::ddl},
    {"COMMENT ON TABLE t IS 'x'", K::ddl},
    {"CREATE DATABASE d", K::ddl},
    {"CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", K::ddl},
    {"REASSIGN OWNED BY a TO b", K::ddl},
};

const Row unparsable[] = {
    {"SELEC 1", K::unknown, P::unparsable},
    {"SELECT 'abc", K::unknown, P::unparsable},
    {"SELECT /* abc", K::unknown, P::unparsable},
    {"SELECT $a$ abc $b$", K::unknown, P::unparsable},
    {"SELECT 1; SELEC 2", K::unknown, P::unparsable},
    {"SELECT * FROM t WHERE", K::unknown, P::unparsable},
    {"WAIT FOR LSN '0/1'", K::unknown, P::unparsable},
    {"MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE RETURNING *",
     K::unknown,
     P::unparsable},
    {"SELECT 0x10", K::unknown, P::unparsable},
    {"\xff\xfe\x01", K::unknown, P::unparsable},
};

}  // namespace

TEST_CASE("analyse: queries and the functions in every place of them") {
    for (const Row& row : queries)
        check(row);
}

TEST_CASE("analyse: functions with an effect on the session") {
    for (const Row& row : session_functions)
        check(row);
}

TEST_CASE("analyse: SET, RESET, SHOW") {
    for (const Row& row : settings)
        check(row);
}

TEST_CASE("analyse: transactions, cursors, prepared statements and other utility statements") {
    for (const Row& row : session_statements)
        check(row);
}

TEST_CASE("analyse: definitions") {
    for (const Row& row : definitions)
        check(row);
}

TEST_CASE("analyse: what the parser refuses is opaque") {
    for (const Row& row : unparsable)
        check(row);
    CHECK(analyse(std::string_view{"SELECT 1\0; SELECT 2", 19})->pin == P::unparsable);
    // What says the same under any rules is read.
    const protocol::TextRules old_strings{.standard_conforming_strings = false};
    const protocol::TextRules unsafe{.ascii_safe_encoding = false};
    CHECK(analyse("SELECT '\\'", old_strings)->pin == P::unknown_encoding);
    CHECK(analyse("SELECT '\xc3\xa4'", unsafe)->pin == P::unknown_encoding);
    CHECK(analyse("SELECT '\xc3\xa4'", old_strings)->pin == P::none);
    CHECK(analyse("SELECT '\\'", unsafe)->pin == P::none);
    CHECK(analyse("DISCARD ALL", old_strings)->discard_all);
    CHECK(analyse("DISCARD ALL", unsafe)->discard_all);
}

TEST_CASE("text: every kind and reason has one of its own") {
    for (int i = 0; i <= static_cast<int>(K::last); ++i)
        for (int j = 0; j < i; ++j)
            CHECK(text(static_cast<K>(i)) != text(static_cast<K>(j)));
    for (int i = 0; i <= static_cast<int>(P::last); ++i)
        for (int j = 0; j < i; ++j)
            CHECK(text(static_cast<P>(i)) != text(static_cast<P>(j)));
}

TEST_CASE("self_test: the installed libpg_query has the layout of the headers") {
    std::string why;
    CHECK_MESSAGE(self_test(why), why);
}

}  // namespace weir::router
