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

}  // namespace weir::router
