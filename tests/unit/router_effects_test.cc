// What a Statement says beyond kind and pin.
#include "router/pg_query_parser.h"
#include "router/statement.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace weir::router {

namespace {

using K = StatementKind;
using P = PinReason;
using Action = SettingChange::Action;

struct FlagRow {
    const char* text;
    bool Statement::*flag;
    bool expected;
};

const FlagRow flags[] = {
    {"SELECT 1", &Statement::is_read_only, true},
    {"SELECT a, random(), clock_timestamp() FROM t WHERE b = $1", &Statement::is_read_only, true},
    {"SHOW work_mem", &Statement::is_read_only, true},
    {"EXPLAIN ANALYZE SELECT 1", &Statement::is_read_only, true},
    {"COPY t TO STDOUT", &Statement::is_read_only, true},
    {"SELECT 1; SELECT 2", &Statement::is_read_only, true},
    {"SELECT 1; DELETE FROM t", &Statement::is_read_only, false},
    {"SELECT a FROM t FOR SHARE", &Statement::is_read_only, false},
    {"SELECT a FROM t FOR SHARE", &Statement::has_locking_clause, true},
    {"SELECT 1 WHERE EXISTS (SELECT 1 FROM t FOR UPDATE)", &Statement::has_locking_clause, true},
    {"WITH a AS (SELECT 1 FROM t FOR NO KEY UPDATE) SELECT 1",
     &Statement::has_locking_clause,
     true},
    {"COPY (SELECT 1 FROM t FOR UPDATE) TO STDOUT", &Statement::has_locking_clause, true},
    {"(SELECT 1 FROM t FOR UPDATE)", &Statement::has_locking_clause, true},
    {"SELECT a FROM t FOR READ ONLY", &Statement::has_locking_clause, false},
    {"SELECT * INTO x FROM t", &Statement::is_read_only, false},
    {"SELECT pg_sleep(1), pg_relation_size('t')", &Statement::is_read_only, true},
    {"SELECT * FROM t TABLESAMPLE SYSTEM (1)", &Statement::is_read_only, true},
    {"SELECT lo_create(0)", &Statement::is_read_only, false},
    {"SELECT nextval('s')", &Statement::is_read_only, false},
    {"SELECT txid_current()", &Statement::is_read_only, false},
    {"SELECT pg_advisory_unlock(1)", &Statement::is_read_only, false},
    {"SELECT weir_function()", &Statement::is_read_only, false},
    {"BEGIN", &Statement::is_read_only, false},
    {"EXPLAIN DELETE FROM t", &Statement::is_read_only, false},
    {"WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) TABLE a", &Statement::may_write, true},
    {"COPY (UPDATE t SET a = 1 RETURNING a) TO STDOUT", &Statement::may_write, true},
    {"SELECT 1", &Statement::may_write, false},
    {"BEGIN", &Statement::may_write, false},
    {"SET work_mem = 1", &Statement::may_write, false},
    {"TRUNCATE t", &Statement::may_write, true},
    {"GRANT a TO b", &Statement::may_write, true},
    {"COPY t FROM STDIN", &Statement::may_write, true},
    {"SELECT currval('s')", &Statement::reads_sequence_state, true},
    {"SELECT pg_catalog.lastval()", &Statement::reads_sequence_state, true},
    {"SELECT nextval('s')", &Statement::reads_sequence_state, false},
    {"SELECT nextval('s')", &Statement::may_advance_sequence, true},
    {"SELECT setval('s', 1)", &Statement::may_advance_sequence, true},
    {"INSERT INTO t DEFAULT VALUES", &Statement::may_advance_sequence, true},
    {"COPY t FROM STDIN", &Statement::may_advance_sequence, true},
    {"DO ''", &Statement::may_advance_sequence, true},
    {"SELECT 1", &Statement::may_advance_sequence, false},
    {"SELECT * FROM pg_prepared_statements", &Statement::reads_session_state, true},
    {"SELECT * FROM pg_catalog.pg_cursors", &Statement::reads_session_state, true},
    {"SELECT pg_listening_channels()", &Statement::reads_session_state, true},
    {"SELECT * FROM pg_class", &Statement::reads_session_state, false},
    {"NOTIFY a", &Statement::may_notify, true},
    {"SELECT pg_notify('a', '')", &Statement::may_notify, true},
    {"SELECT 1", &Statement::may_notify, false},
    {"SELECT pg_advisory_unlock_all()", &Statement::unlocks_advisory, true},
    {"DISCARD ALL", &Statement::unlocks_advisory, true},
    {"DISCARD ALL", &Statement::discard_all, true},
    {"DISCARD ALL", &Statement::reset_all, true},
    {"DISCARD ALL", &Statement::deallocate_all, true},
    {"DISCARD ALL", &Statement::discard_temp, true},
    {"DISCARD ALL", &Statement::discard_sequences, true},
    {"DISCARD ALL", &Statement::close_all, true},
    {"DISCARD ALL", &Statement::unlisten_all, true},
    {"DISCARD PLANS", &Statement::discard_all, false},
    {"DISCARD SEQUENCES", &Statement::discard_sequences, true},
    {"DISCARD TEMPORARY", &Statement::discard_temp, true},
    {"RESET ALL", &Statement::reset_all, true},
    {"RESET work_mem", &Statement::reset_all, false},
    {"DEALLOCATE ALL", &Statement::deallocate_all, true},
    {"DEALLOCATE \"all\"", &Statement::deallocate_all, false},
    {"CLOSE ALL", &Statement::close_all, true},
    {"UNLISTEN *", &Statement::unlisten_all, true},
    {"ALTER ROLE r SET work_mem = 1", &Statement::changes_new_sessions, true},
    {"ALTER USER r PASSWORD 'x'", &Statement::changes_new_sessions, true},
    {"DROP ROLE r", &Statement::changes_new_sessions, true},
    {"ALTER ROLE r RENAME TO s", &Statement::changes_new_sessions, true},
    {"GRANT a TO b", &Statement::changes_new_sessions, false},
    {"ALTER DATABASE d SET work_mem = 1", &Statement::changes_new_sessions, true},
    {"REVOKE CONNECT ON DATABASE d FROM r", &Statement::changes_new_sessions, true},
    {"GRANT SELECT ON t TO r", &Statement::changes_new_sessions, false},
    {"VACUUM t", &Statement::not_in_pipeline, true},
    {"ANALYZE t", &Statement::not_in_pipeline, false},
    {"CREATE DATABASE d", &Statement::not_in_pipeline, true},
    {"DROP DATABASE d", &Statement::not_in_pipeline, true},
    {"CREATE TABLESPACE s LOCATION '/x'", &Statement::not_in_pipeline, true},
    {"CREATE INDEX CONCURRENTLY ON t (a)", &Statement::not_in_pipeline, true},
    {"CREATE INDEX ON t (a)", &Statement::not_in_pipeline, false},
    {"DROP INDEX CONCURRENTLY i", &Statement::not_in_pipeline, true},
    {"REINDEX DATABASE d", &Statement::not_in_pipeline, true},
    {"ALTER SYSTEM RESET ALL", &Statement::not_in_pipeline, true},
    {"DISCARD ALL", &Statement::not_in_pipeline, true},
    {"COMMIT PREPARED 'x'", &Statement::not_in_pipeline, true},
    {"ALTER TABLE t DETACH PARTITION p CONCURRENTLY", &Statement::not_in_pipeline, true},
    {"ALTER TABLE t DETACH PARTITION p", &Statement::not_in_pipeline, false},
    {"DROP SUBSCRIPTION s", &Statement::not_in_pipeline, true},
    {"SELECT 1", &Statement::not_in_pipeline, false},
    {"not sql", &Statement::not_in_pipeline, true},
    {"CREATE TABLE t (a int)", &Statement::creates_relation, true},
    {"CREATE TABLE s.t (a int)", &Statement::creates_relation, false},
    {"SELECT * INTO x FROM t", &Statement::creates_relation, true},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''", &Statement::creates_relation, true},
    {"SET LOCAL search_path = pg_temp", &Statement::temp_search_path, true},
    {"SELECT set_config('search_path', $1, true)", &Statement::temp_search_path, true},
    {"SET search_path = a", &Statement::temp_search_path, false},
    {"SELECT a FROM t WHERE b = 'x'", &Statement::literals_matter, false},
    {"SET work_mem = '1MB'", &Statement::literals_matter, true},
    {"SELECT set_config('a.b', 'c', true)", &Statement::literals_matter, true},
    {"SELECT nextval('s')", &Statement::literals_matter, true},
    {"SELECT 's'::regclass", &Statement::literals_matter, true},
    {"SELECT dblink('x')", &Statement::literals_matter, true},
    {"LOAD 'x'", &Statement::literals_matter, true},
    {"PREPARE TRANSACTION 'x'", &Statement::literals_matter, true},
    {"CREATE FUNCTION f() RETURNS int LANGUAGE 'c' AS ''", &Statement::literals_matter, true},
};

struct NameRow {
    const char* text;
    const char* name;
};

const NameRow names[] = {
    {"PREPARE A AS SELECT 1", "a"},
    {"EXECUTE \"A\"", "A"},
    {"DEALLOCATE x", "x"},
    {"DEALLOCATE ALL", ""},
    {"DECLARE c CURSOR FOR SELECT 1", "c"},
    {"FETCH NEXT FROM c", "c"},
    {"CLOSE c", "c"},
    {"SAVEPOINT s", "s"},
    {"RELEASE SAVEPOINT s", "s"},
    {"ROLLBACK TO s", "s"},
    {"LISTEN \"Ch\"", "Ch"},
    {"UNLISTEN ch", "ch"},
    {"NOTIFY ch, 'x'", "ch"},
    {"SHOW work_mem", "work_mem"},
    {"PREPARE TRANSACTION 'gid'", "gid"},
    {"LOAD 'lib'", "lib"},
};

}  // namespace

TEST_CASE("Statement: channels and savepoints, in their order") {
    const auto scopes = [](std::string_view text) {
        std::string all;
        const StatementPtr statement = analyse(text);
        for (const auto& scope : statement->scopes)
            all += std::string(router::text(scope.kind)) + ' ' + scope.name + ';';
        return all;
    };
    CHECK(scopes("LISTEN a; UNLISTEN *; LISTEN \"B c\"") == "LISTEN a;UNLISTEN ;LISTEN B c;");
    CHECK(
        scopes("SAVEPOINT s; SELECT 1; ROLLBACK TO S; RELEASE \"T\"; UNLISTEN x") ==
        "SAVEPOINT s;ROLLBACK TO s;RELEASE T;UNLISTEN x;"
    );
    CHECK(scopes("BEGIN; SELECT 1; ROLLBACK") == "");
    // As PostgreSQL truncates it.
    CHECK(scopes("LISTEN " + std::string(70, 'x')) == "LISTEN " + std::string(63, 'x') + ";");
    for (const char* text : {"LISTEN a", "UNLISTEN a", "LISTEN a; UNLISTEN *;"}) {
        CHECK(analyse(text)->only_listens);
    }
    for (const char* text : {"", "SELECT 1", "LISTEN a; SELECT 1", "NOTIFY a"}) {
        CHECK_FALSE(analyse(text)->only_listens);
    }
}

TEST_CASE("Statement: flags") {
    for (const FlagRow& row : flags) {
        CAPTURE(row.text);
        CHECK((*analyse(row.text)).*row.flag == row.expected);
    }
}

TEST_CASE("Statement: names") {
    for (const NameRow& row : names) {
        CAPTURE(row.text);
        CHECK(analyse(row.text)->name == row.name);
    }
}

TEST_CASE("Statement: settings with their values") {
    struct Expected {
        const char* text;
        SettingChange change;
    };

    const Expected rows[] = {
        {"SET Work_Mem = '1MB'", {.name = "work_mem", .value = "1MB"}},
        {"SET work_mem = 64", {.name = "work_mem", .value = "64"}},
        {"SET x.y = 1.5", {.name = "x.y", .value = "1.5"}},
        {"SET x.y = -1", {.name = "x.y", .value = "-1"}},
        {"SET enable_seqscan = off", {.name = "enable_seqscan", .value = "off"}},
        {"SET enable_seqscan = true", {.name = "enable_seqscan", .value = "true"}},
        {"SET search_path = a, \"B\", \"c d\", 'e\"f'",
         {.name = "search_path", .value = "a, \"B\", \"c d\", \"e\"\"f\""}},
        {"SET DateStyle TO 'German', YMD", {.name = "datestyle", .value = "German, ymd"}},
        {"SET LOCAL a.b = ''", {.name = "a.b", .value = "", .is_local = true}},
        {"SET work_mem TO DEFAULT",
         {.name = "work_mem", .value = {}, .action = Action::to_default}},
        {"RESET SESSION AUTHORIZATION",
         {.name = "session_authorization", .value = {}, .action = Action::to_default}},
        {"SET NAMES", {.name = "client_encoding", .value = {}, .action = Action::to_default}},
        {"SET SESSION AUTHORIZATION 'u'", {.name = "session_authorization", .value = "u"}},
        {"SET ROLE NONE", {.name = "role", .value = "none"}},
        {"SET TIME ZONE INTERVAL '1' HOUR", {.name = "timezone", .value = {}}},
        {"SELECT set_config('A.b', 'c', false)",
         {.name = "a.b", .value = "c", .by_function = true}},
        {"SELECT set_config('a.b', $1, true)",
         {.name = "a.b", .value = {}, .is_local = true, .by_function = true}},
    };
    for (const Expected& row : rows) {
        CAPTURE(row.text);
        const StatementPtr statement = analyse(row.text);
        REQUIRE(statement->settings.size() == 1);
        CHECK(statement->settings[0].name == row.change.name);
        CHECK(
            statement->settings[0].value.value_or("(none)") == row.change.value.value_or("(none)")
        );
        CHECK(statement->settings[0] == row.change);
    }
}

TEST_CASE("Statement: a text of several statements") {
    const StatementPtr statement =
        analyse("BEGIN; SET LOCAL a.b = 1; /* x */; SELECT set_config('c.d', '2', false); COMMIT");
    CHECK(statement->kinds == std::vector<K>{K::begin, K::set, K::select, K::commit});
    CHECK_FALSE(statement->is_single());
    CHECK(statement->contains(K::commit));
    CHECK_FALSE(statement->contains(K::rollback));
    REQUIRE(statement->settings.size() == 2);
    CHECK(statement->settings[0].statement == 1);
    CHECK(statement->settings[1].statement == 2);
    CHECK(statement->pin == P::none);
}

TEST_CASE("Statement: the reset queries of drivers do not pin") {
    for (const char* text : {
             "DISCARD ALL",
             "RESET ALL",
             "DEALLOCATE ALL",
             "SET SESSION AUTHORIZATION DEFAULT; RESET ALL",
             "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
             "ROLLBACK; DISCARD ALL",
             "CLOSE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD PLANS; "
             "DISCARD SEQUENCES; DISCARD TEMP",
         }) {
        CAPTURE(text);
        CHECK(analyse(text)->pin == P::none);
    }
}

TEST_CASE("Statement: options of transactions") {
    const auto options = [](const char* text) {
        const StatementPtr statement = analyse(text);
        REQUIRE(statement->transaction);
        return *statement->transaction;
    };
    CHECK_FALSE(options("BEGIN").any());
    CHECK(
        options("BEGIN ISOLATION LEVEL READ UNCOMMITTED").isolation == Isolation::read_uncommitted
    );
    CHECK(options("BEGIN ISOLATION LEVEL READ COMMITTED").isolation == Isolation::read_committed);
    CHECK(options("BEGIN ISOLATION LEVEL REPEATABLE READ").isolation == Isolation::repeatable_read);
    CHECK(
        options("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").isolation == Isolation::serializable
    );
    CHECK(options("BEGIN READ ONLY").read_only == true);
    CHECK(options("BEGIN READ WRITE").read_only == false);
    CHECK(options("BEGIN NOT DEFERRABLE").deferrable == false);
    CHECK(options("BEGIN READ ONLY, READ WRITE").contradictory);
    CHECK(options("BEGIN READ ONLY, READ WRITE").read_only == false);
    CHECK_FALSE(options("BEGIN READ ONLY READ ONLY").contradictory);
    CHECK(options("COMMIT AND CHAIN").chain);
    CHECK_FALSE(options("COMMIT AND NO CHAIN").chain);
    CHECK(options("SET TRANSACTION SNAPSHOT 'x'").snapshot);
    // Only the first statement with options counts.
    CHECK(options("BEGIN READ ONLY; COMMIT; BEGIN READ WRITE").read_only == true);
    CHECK_FALSE(analyse("SELECT 1")->transaction);
}

TEST_CASE("Statement: all reasons of a text are known, and the first one") {
    const StatementPtr statement = analyse("LISTEN a; LOAD 'b'; SELECT setseed(0)");
    CHECK(statement->pin == P::listen);
    CHECK(statement->pin_detail == "a");
    CHECK(statement->pins.count() == 3);
    CHECK(statement->pins.test(static_cast<std::size_t>(P::load)));
    CHECK(statement->pins.test(static_cast<std::size_t>(P::setseed)));
}

// --- what a text reaches ---

namespace {

using Names = std::vector<std::string>;

bool has(const Names& list, const std::string& name) {
    for (const std::string& one : list)
        if (one == name) return true;
    return false;
}

struct ReachRow {
    const char* text;
    bool expected;
};

template <std::size_t count>
void check_flag(const ReachRow (&rows)[count], bool Statement::*flag) {
    for (const ReachRow& row : rows) {
        CAPTURE(row.text);
        CHECK((*analyse(row.text)).*flag == row.expected);
    }
}

}  // namespace

TEST_CASE("reach: relations of utility statements") {
    for (const char* text : {
             "REFRESH MATERIALIZED VIEW s.r",
             "REFRESH MATERIALIZED VIEW CONCURRENTLY r",
             "ANALYZE r",
             "ANALYZE a, r (b)",
             "VACUUM r",
             "VACUUM (FULL, ANALYZE) s.r",
             "REINDEX TABLE r",
             "REINDEX INDEX CONCURRENTLY r",
             "CLUSTER r USING i",
             "CLUSTER r",
             "CREATE INDEX ON r (a)",
             "ALTER TABLE r ADD COLUMN a int",
             "ALTER TABLE p ATTACH PARTITION r DEFAULT",
             "ALTER TABLE c INHERIT r",
             "ALTER TABLE r VALIDATE CONSTRAINT c",
             "CREATE TABLE p PARTITION OF r FOR VALUES IN (1)",
             "COPY r FROM STDIN",
             "TRUNCATE r CASCADE",
         }) {
        CAPTURE(text);
        const StatementPtr statement = analyse(text);
        CHECK(has(statement->relations, "r"));
        CHECK(statement->knows_relations);
        CHECK(statement->may_write);
    }
    for (const char* text : {
             "VACUUM",
             "VACUUM FULL",
             "ANALYZE",
             "CLUSTER",
             "REINDEX SCHEMA s",
             "REINDEX DATABASE d",
             "REINDEX SYSTEM d",
             "SELECT 1; ANALYZE",
         }) {
        CAPTURE(text);
        CHECK_FALSE(analyse(text)->knows_relations);
    }
    CHECK(analyse("SELECT 1")->knows_relations);
}

TEST_CASE("reach: functions and operators by name") {
    const auto statement = analyse(
        "SELECT lower(a), f(b), pg_catalog.upper(c), lower(d), a <+> b, a = b, a OPERATOR(s.=) b, "
        "max(a), nextval('s')"
    );
    CHECK(statement->functions == Names{"f"});
    CHECK(statement->operators == Names{"<+>", "="});
    CHECK(statement->builtin_functions == std::vector<std::string_view>{"lower", "max", "nextval"});
    // A procedure of that name is a user's.
    CHECK(analyse("CALL lower('a')")->functions == Names{"lower"});
    CHECK(analyse("CALL s.p(g(1))")->functions == Names{"p", "g"});
    CHECK(analyse("CREATE VIEW v AS SELECT f(lower(a)) FROM t")->functions.empty());
}

TEST_CASE("reach: names in a DO's body only may be functions") {
    const auto statement =
        analyse("DO 'BEGIN PERFORM f(log(1)); INSERT INTO t (a) VALUES (1); END'");
    CHECK(statement->functions.empty());
    for (const char* name : {"f", "log", "t"}) {
        CAPTURE(name);
        CHECK(has(statement->possible_functions, name));
    }
}

TEST_CASE("reach: functions that run SQL by a name or text") {
    for (const char* name : {
             "table_to_xml",
             "table_to_xmlschema",
             "table_to_xml_and_xmlschema",
             "schema_to_xml",
             "schema_to_xmlschema",
             "schema_to_xml_and_xmlschema",
             "database_to_xml",
             "database_to_xmlschema",
             "database_to_xml_and_xmlschema",
             "cursor_to_xml",
             "cursor_to_xmlschema",
             "query_to_xml",
             "ts_stat",
             "brin_summarize_new_values",
             "brin_summarize_range",
         }) {
        CAPTURE(name);
        const auto statement = analyse(std::string{"SELECT "} + name + "('t', true, true, '')");
        CHECK(statement->pin == P::dynamic_sql);
        CHECK(statement->literals_matter);
    }
    CHECK(analyse("SELECT fmgr_c_validator(1)")->pin == P::load);
}

TEST_CASE("reach: TRUNCATE") {
    const ReachRow rows[] = {
        {"TRUNCATE t", true},
        {"DO 'BEGIN TRUNCATE t; END'", true},
        {"DO LANGUAGE x 'y'; DO 'z'", true},
        {"DELETE FROM t", false},
        {"no sql", true},
    };
    check_flag(rows, &Statement::truncates);
}

TEST_CASE("reach: what event triggers may see") {
    const ReachRow rows[] = {
        {"CREATE SEQUENCE s", true},
        {"REFRESH MATERIALIZED VIEW v", true},
        {"SELECT 1 AS a INTO t", true},
        {"WITH a AS (SELECT 1) SELECT * INTO t FROM a", true},
        {"CREATE TABLE t AS SELECT 1", true},
        {"EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", true},
        {"CREATE SCHEMA s CREATE TABLE t (a int)", true},
        {"ALTER SEQUENCE s RESTART", true},
        {"ALTER TYPE t ADD VALUE 'a'", true},
        {"DROP TABLE t", true},
        {"DROP OWNED BY r", true},
        {"COMMENT ON TABLE t IS 'x'", true},
        {"GRANT SELECT ON t TO r", true},
        {"SECURITY LABEL ON TABLE t IS 'x'", true},
        {"IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y", true},
        {"REINDEX TABLE t", true},
        {"COMMIT PREPARED 'x'", true},
        {"DO 'BEGIN CREATE TABLE t (a int); END'", true},
        {"DO 'BEGIN EXECUTE a; END'", true},
        {"SELECT 1", false},
        {"INSERT INTO t SELECT 1", false},
        {"TRUNCATE t", false},
        {"VACUUM t", false},
        {"COMMIT", false},
    };
    check_flag(rows, &Statement::defines);
}

TEST_CASE("reach: DDL that can have no effect on later statements") {
    for (const char* text : {
             "DROP TRIGGER t ON r",
             "DROP FUNCTION f()",
             "COMMENT ON TABLE t IS 'x'",
             "GRANT SELECT ON t TO r",
             "REVOKE ALL ON SCHEMA s FROM r",
             "CREATE ROLE r",
             "ALTER ROLE r SET work_mem = 1",
             "ALTER DATABASE d SET work_mem = 1",
             "CREATE DATABASE d",
             "CREATE SEQUENCE s",
             "ALTER SEQUENCE s OWNED BY t.a",
             "CREATE SCHEMA s",
             "CREATE SCHEMA s CREATE TABLE t (a int)",
             "CREATE TABLE t (id bigserial PRIMARY KEY, a text NOT NULL DEFAULT 'x' UNIQUE, b "
             "my_enum, c timestamptz DEFAULT now(), d uuid DEFAULT gen_random_uuid(), CHECK (a > "
             "lower('b')), e int REFERENCES u (id), FOREIGN KEY (d) REFERENCES v)",
             "CREATE TABLE t (id int DEFAULT nextval('s'), a int GENERATED ALWAYS AS (id + 1) "
             "STORED, b int GENERATED BY DEFAULT AS IDENTITY)",
             "CREATE TABLE t (LIKE u)",
             "CREATE TABLE t (a int) PARTITION BY RANGE (a, (a + 1))",
             "CREATE TEMP TABLE t (a int)",
             "CREATE TABLE t AS SELECT f(a) FROM u",
             "SELECT f(a) INTO t FROM u",
             "CREATE INDEX i ON t (a, lower(b)) WHERE c IS NOT NULL",
             "CREATE UNIQUE INDEX CONCURRENTLY i ON t USING gin (a gin_trgm_ops)",
             "CREATE STATISTICS s ON a, b FROM t",
             "ALTER TABLE t ADD COLUMN a int DEFAULT 1, DROP COLUMN b",
             "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
             "ALTER TABLE t VALIDATE CONSTRAINT c",
             "ALTER TABLE t ADD PRIMARY KEY (a)",
             "ALTER TABLE t ALTER COLUMN a SET DEFAULT nextval('s')",
             "ALTER TABLE t ALTER COLUMN a DROP DEFAULT, ALTER a SET NOT NULL",
             "ALTER TABLE t ALTER COLUMN a TYPE int USING a::int",
             "ALTER TABLE t OWNER TO r",
             "ALTER TABLE t SET (fillfactor = 10)",
             "ALTER TABLE t DISABLE TRIGGER ALL",
             "ALTER TABLE t DETACH PARTITION p",
             "ALTER TABLE t RENAME COLUMN a TO b",
             "ALTER ROLE a RENAME TO b",
             "ALTER TYPE t ADD VALUE 'a'",
             "ALTER FUNCTION f() OWNER TO r",
             "REINDEX TABLE t",
             "REFRESH MATERIALIZED VIEW v",
             "ANALYZE t",
             "REASSIGN OWNED BY a TO b",
             "DO 'BEGIN DROP TABLE t; END'",
             "DO 'BEGIN CREATE TABLE t (a int); END'",
             "SELECT f(1)",
             "PREPARE TRANSACTION 'x'",
             "ROLLBACK PREPARED 'x'",
         }) {
        CAPTURE(text);
        const StatementPtr statement = analyse(text);
        CHECK(statement->parsed);
        CHECK_FALSE(statement->changes_catalog_effects);
    }
}

TEST_CASE("reach: DDL that may have an effect on later statements") {
    for (const char* text : {
             "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS ''",
             "CREATE PROCEDURE p() LANGUAGE sql AS ''",
             "CREATE TRIGGER t AFTER INSERT ON r EXECUTE FUNCTION f()",
             "CREATE RULE r AS ON INSERT TO t DO NOTHING",
             "CREATE VIEW v AS SELECT 1",
             "CREATE MATERIALIZED VIEW v AS SELECT 1",
             "CREATE POLICY p ON t",
             "ALTER POLICY p ON t USING (f())",
             "CREATE TYPE t AS ENUM ()",
             "CREATE TYPE t AS (a int)",
             "CREATE DOMAIN d AS int",
             "ALTER DOMAIN d ADD CHECK (f(VALUE))",
             "CREATE CAST (a AS b) WITH FUNCTION f(a)",
             "CREATE OPERATOR +% (FUNCTION = f)",
             "CREATE AGGREGATE a (int) (SFUNC = f, STYPE = int)",
             "CREATE EXTENSION e",
             "ALTER EXTENSION e UPDATE",
             "CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION f()",
             "ALTER EVENT TRIGGER e ENABLE",
             "CREATE FOREIGN TABLE t (a int) SERVER s",
             "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y",
             "ALTER TABLE t RENAME TO u",
             "ALTER FUNCTION f() RENAME TO g",
             "ALTER FUNCTION f() SET search_path = a",
             "ALTER TABLE t SET SCHEMA s",
             "ALTER TABLE t ENABLE TRIGGER ALL",
             "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
             "ALTER TABLE t ATTACH PARTITION p DEFAULT",
             "ALTER TABLE t INHERIT p",
             "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u",
             "ALTER TABLE t ADD COLUMN a int REFERENCES u",
             "ALTER TABLE t ADD COLUMN a int DEFAULT f()",
             "ALTER TABLE t ADD COLUMN a int DEFAULT currval('s')",
             "ALTER TABLE t ALTER COLUMN a SET DEFAULT set_config('a.b', 'c', false)",
             "ALTER TABLE t ADD CHECK (f(a) > 0)",
             "ALTER TABLE t ADD EXCLUDE (f(a) WITH =)",
             "CREATE TABLE t (a int DEFAULT f())",
             "CREATE TABLE t (a int CHECK (s.lower(a) > 0))",
             "CREATE TABLE t (a int, CHECK (pg_advisory_lock(a) IS NULL))",
             "CREATE TABLE t (a int DEFAULT lastval())",
             "CREATE TABLE t (a int, CHECK (t.f > 0))",
             "CREATE TABLE t (a int GENERATED ALWAYS AS (f(a)) STORED)",
             "CREATE TABLE t (LIKE u INCLUDING ALL)",
             "CREATE TABLE t (a int) INHERITS (u)",
             "CREATE TABLE t PARTITION OF u DEFAULT",
             "CREATE TABLE t (a int) PARTITION BY LIST (f(a))",
             "CREATE TABLE t OF u",
             "CREATE TABLE t (a int) USING columnar",
             "CREATE SCHEMA s CREATE VIEW v AS SELECT 1",
             "CREATE INDEX ON t (f(a))",
             "CREATE INDEX ON t (a) WHERE f(a)",
             "CREATE INDEX ON t USING bloom (a)",
             "CREATE STATISTICS s ON f(a), b FROM t",
             "DROP TABLE t; CREATE VIEW v AS SELECT 1",
             "COMMIT PREPARED 'x'",
             "DO 'BEGIN CREATE TRIGGER t AFTER INSERT ON r EXECUTE FUNCTION f(); END'",
             "DO 'BEGIN EXECUTE format(a); END'",
             "DO LANGUAGE plperl 'x'",
             "DO 'BEGIN END'; DO 'BEGIN END'",
             "no sql",
         }) {
        CAPTURE(text);
        const StatementPtr statement = analyse(text);
        CHECK(statement->changes_catalog_effects);
        CHECK(statement->defines);
    }
}

TEST_CASE("reach: a definition's own effects") {
    const ReachRow rows[] = {
        {"CREATE VIEW v AS SELECT a FROM t", false},
        {"CREATE VIEW v AS SELECT nextval('s')", true},
        {"CREATE VIEW v AS SELECT lastval()", true},
        {"CREATE VIEW v AS SELECT set_config('a.b', 'c', false)", true},
        {"COMMIT PREPARED 'x'", true},
    };
    check_flag(rows, &Statement::defines_effects);
}

TEST_CASE("reach: a transaction may end within") {
    const ReachRow rows[] = {
        {"CALL p()", true},
        {"DO 'BEGIN COMMIT; END'", true},
        {"SELECT 1; CALL p()", true},
        {"no sql", true},
        {"SELECT f()", false},
        {"COMMIT", false},
    };
    check_flag(rows, &Statement::may_end_transaction);
}

TEST_CASE("reach: a text goes on behind a transaction's end") {
    const ReachRow rows[] = {
        {"ROLLBACK; SELECT 1", true},
        {"BEGIN; COMMIT; BEGIN", true},
        {"END; COMMIT", true},
        {"PREPARE TRANSACTION 'x'; SELECT 1", true},
        {"ROLLBACK AND CHAIN", true},
        {"COMMIT AND CHAIN", true},
        {"SELECT 1; ABORT AND CHAIN", true},
        {"BEGIN; COMMIT", false},
        {"SELECT 1; ROLLBACK; ", false},
        {"COMMIT AND NO CHAIN", false},
        {"ROLLBACK TO a; SELECT 1", false},
        {"COMMIT PREPARED 'x'; SELECT 1", false},
        {"SELECT 1", false},
        // Not parsed: by words.
        {"ROLLBACK; SELEC 1", true},
        {"selec 1; Abort and Chain", true},
        {"SELEC 'rollback' -- commit\n, \"end\"", false},
        {"SELEC endless", false},
        {"SELEC 'open", true},
    };
    check_flag(rows, &Statement::goes_on_after_end);
    protocol::TextRules unreadable;
    unreadable.ascii_safe_encoding = false;
    CHECK(analyse("\x95\x5c'; ROLLBACK; SELECT 1", unreadable)->goes_on_after_end);
    CHECK_FALSE(analyse("SELECT '\x95\x5c' FROM endless, \x81send", unreadable)->goes_on_after_end);
}

TEST_CASE("reach: a long text goes on behind a transaction's end") {
    const std::string padding(parser_text_limit, ' ');
    CHECK(analyse("ROLLBACK; SELECT 1" + padding)->goes_on_after_end);
    CHECK(analyse("SELECT f(1); SELECT 'x'; COMMIT AND CHAIN" + padding)->goes_on_after_end);
    CHECK_FALSE(analyse("SELECT f('commit')" + padding)->goes_on_after_end);
    CHECK(analyse("SELECT f('commit')" + padding)->may_end_transaction);
    const auto known = analyse("SELECT lower('commit')" + padding);
    CHECK_FALSE(known->goes_on_after_end);
    CHECK_FALSE(known->may_end_transaction);
    CHECK(known->builtin_functions == std::vector<std::string_view>{"lower"});
}

}  // namespace weir::router
