// What a function's body may do to the session, by its words.
#include "router/function_body.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::router {

namespace {

using P = PinReason;

struct BodyRow {
    const char* language;
    const char* body;
    std::vector<P> pins;
    std::vector<std::string> touches = {};
};

std::string names_of(const decltype(SessionEffects::pins)& pins) {
    std::string listed;
    for (std::size_t i = 0; i < pins.size(); ++i) {
        if (!pins[i]) continue;
        listed += text(static_cast<PinReason>(i));
        listed += ' ';
    }
    return listed;
}

void check(const BodyRow& row) {
    CAPTURE(row.language);
    CAPTURE(row.body);
    const SessionEffects effects = effects_of_body(row.language, row.body).effects;
    decltype(SessionEffects::pins) expected;
    for (const P reason : row.pins)
        expected.set(static_cast<std::size_t>(reason));
    CHECK(names_of(effects.pins) == names_of(expected));
    CHECK(effects.touches == row.touches);
}

bool contains(const std::vector<std::string>& listed, const char* name) {
    return std::binary_search(listed.begin(), listed.end(), std::string{name});
}

}  // namespace

TEST_CASE("function body: what has no effect") {
    const BodyRow rows[] = {
        {"sql", "", {}},
        {"sql", "SELECT a + 1 FROM t WHERE lower(b) = 'x'", {}},
        {"sql", "UPDATE t SET role = 'x', search_path = 1 WHERE a = 2", {}},
        {"sql", "INSERT INTO t(a) VALUES (1) ON CONFLICT DO UPDATE SET a = 2", {}},
        {"sql", "INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING", {}},
        {"sql",
         "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 1 "
         "WHEN NOT MATCHED THEN DO NOTHING",
         {}},
        {"sql", "SELECT 1 -- SET role = x\n/* ; SET a = b; EXECUTE x */", {}},
        {"sql", "SELECT '; SET role = x; EXECUTE y'", {}},
        {"sql", "SELECT $x$; SET role = x; LISTEN y$x$", {}},
        {"sql", "SELECT current_setting('role'), pg_advisory_xact_lock(1), random()", {}},
        {"sql", "SELECT temp, temporary FROM temp", {}},
        {"sql", "WITH hold AS (SELECT 1) SELECT * FROM hold", {}},
        {"sql", "SELECT \"set\", \"execute\", \"listen\" FROM \"load\"", {}},
        {"sql", "SELECT t.execute, t.temp FROM t", {}},
        {"sql", "SELECT pg_settings.name FROM pg_catalog.pg_settings", {}},
        {"sql", "SET LOCAL work_mem = '1MB'; SET CONSTRAINTS ALL DEFERRED; SELECT 1", {}},
        {"sql", "SET TRANSACTION READ ONLY; SET transaction_isolation = 'serializable'", {}},
        {"sql", "SELECT CASE WHEN a THEN listen ELSE load END FROM t", {}},
        {"plpgsql",
         "DECLARE comment text; load int := 1; temp record; BEGIN comment := 'x'; load = 2;"
         " SELECT a INTO temp FROM t; RETURN NEW; END",
         {}},
        {"plpgsql", "BEGIN SELECT a INTO b FROM t; GET DIAGNOSTICS n = ROW_COUNT; END", {}},
        {"plpgsql",
         "#variable_conflict use_column\nBEGIN NOTIFY x; PERFORM pg_notify('a', ''); END",
         {}},
        {"internal", "int4in", {}},
    };
    for (const BodyRow& row : rows)
        check(row);
}

TEST_CASE("function body: settings") {
    const BodyRow rows[] = {
        {"sql", "SELECT set_config('App.Tenant', $1, true)", {}, {"app.tenant"}},
        {"sql", "SELECT pg_catalog.set_config('role', $1, false)", {}, {"role"}},
        {"sql", "SELECT set_config($$a.b$$, '', true)", {}, {"a.b"}},
        {"sql", "SELECT set_config(E'a.b', '', true)", {}, {"a.b"}},
        {"sql", "SELECT set_config(E'a\\x62', '', true)", {P::set_config}},
        {"sql", "SELECT set_config('a' || 'b', '', true)", {P::set_config}},
        {"sql", "SELECT set_config($1, '', true)", {P::set_config}},
        {"sql", "SELECT set_config(setting_name => 'a', '', true)", {P::set_config}},
        {"sql", "SELECT \"set_config\"('a', '', true)", {}, {"a"}},
        {"sql", "SELECT set_config('search_path', 'a', false)", {}, {"search_path"}},
        {"sql",
         "SELECT set_config('search_path', 'pg_temp, ' || f('x'), false), 'b'",
         {P::temp_object},
         {"search_path"}},
        {"sql", "SELECT set_config('search_path', f(a), false), 'pg_temp'", {}, {"search_path"}},
        {"sql", "SELECT set_config('seed', '0.5', false)", {P::setseed}},
        {"sql", "SELECT other.set_config('a.b', '', true)", {}},
        {"sql", "set role x", {}, {"role"}},
        {"sql", "SET SESSION work_mem = 1; SET LOCAL app.x = 'y'", {}, {"app.x", "work_mem"}},
        {"sql", "SET \"Work_Mem\" TO 1", {}, {"work_mem"}},
        {"sql", "SET SESSION AUTHORIZATION x", {}, {"role", "session_authorization"}},
        {"sql", "SET TIME ZONE 'UTC'; SET NAMES 'latin1'", {}, {"client_encoding", "timezone"}},
        {"sql", "SET SCHEMA 'x'; SET XML OPTION DOCUMENT", {}, {"search_path", "xmloption"}},
        {"sql", "SET search_path TO public, pg_temp", {P::temp_object}, {"search_path"}},
        {"sql", "SET search_path = 'pg_temp'", {P::temp_object}, {"search_path"}},
        {"sql", "SET work_mem FROM CURRENT", {}, {"work_mem"}},
        {"sql",
         "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
         {},
         {"default_transaction_deferrable",
          "default_transaction_isolation",
          "default_transaction_read_only"}},
        {"sql", "RESET work_mem; RESET TIME ZONE", {}, {"timezone", "work_mem"}},
        {"sql", "RESET ALL", {P::set_config}},
        {"sql", "UPDATE pg_settings SET setting = '1' WHERE name = 'x'", {P::set_config}},
        {"sql", "UPDATE ONLY pg_catalog.pg_settings SET setting = '1'", {P::set_config}},
        {"plpgsql",
         "BEGIN IF a THEN SET a.b = 1; ELSE SET c.d = 1; END IF; END",
         {},
         {"a.b", "c.d"}},
        {"plpgsql", "BEGIN LOOP SET a.b = 1; END LOOP; END", {}, {"a.b"}},
        {"plpgsql", "<<x>> BEGIN <<y>> SET role TO x; END", {}, {"role"}},
        {"plpgsql", "BEGIN x; EXCEPTION WHEN others THEN RESET role; END", {}, {"role"}},
        {"plpgsql",
         "DECLARE a int; BEGIN SET b.c = 1; DECLARE d int; BEGIN SET e.f = 1; END; END",
         {},
         {"b.c", "e.f"}},
        {"plpgsql", "BEGIN /* comment */ -- another\n SET a.b = 1; END", {}, {"a.b"}},
        {"sql", "BEGIN ATOMIC SELECT set_config('a.b'::text, 'c'::text, false); END", {}, {"a.b"}},
        {"sql", "SELECT set_config('a.b'::text || 'c', 'd', false)", {P::set_config}},
    };
    for (const BodyRow& row : rows)
        check(row);
}

TEST_CASE("function body: pins") {
    const BodyRow rows[] = {
        {"sql", "SELECT pg_advisory_lock(1)", {P::advisory_lock}},
        {"sql", "SELECT PG_CATALOG.Pg_Try_Advisory_Lock (1)", {P::advisory_lock}},
        {"sql", "SELECT setseed(0.5)", {P::setseed}},
        {"sql", "SELECT query_to_xml($1, true, true, '')", {P::dynamic_sql}},
        {"sql", "SELECT * FROM public.dblink_connect('x')", {P::dblink}},
        {"plpgsql", "BEGIN EXECUTE format('SET x = %s', y); END", {P::dynamic_sql}},
        {"plpgsql", "BEGIN EXECUTE 'SET ' || y; END", {P::dynamic_sql}},
        {"plpgsql", "BEGIN RETURN QUERY EXECUTE q USING a; END", {P::dynamic_sql}},
        {"plpgsql", "BEGIN FOR r IN EXECUTE q LOOP NULL; END LOOP; END", {P::dynamic_sql}},
        {"plpgsql", "BEGIN OPEN c FOR EXECUTE (q); END", {P::dynamic_sql}},
        {"plpgsql", "BEGIN EXECUTE 'SELECT 1'; END", {}},
        {"plpgsql", "BEGIN EXECUTE 'SELECT 1' INTO a USING b; END", {}},
        {"plpgsql", "BEGIN EXECUTE 'SET role = ''x''; LISTEN y'; END", {P::listen}, {"role"}},
        {"plpgsql",
         "BEGIN EXECUTE $q$SELECT pg_advisory_lock(1)$q$ USING a; END",
         {P::advisory_lock}},
        {"plpgsql", "BEGIN FOR r IN EXECUTE 'SELECT 1' LOOP NULL; END LOOP; END", {}},
        {"plpgsql", "BEGIN EXECUTE E'SELECT \\x31'; END", {P::dynamic_sql}},
        {"plpgsql", "BEGIN EXECUTE 'a'\n'b'; END", {P::dynamic_sql}},
        {"sql", "GRANT EXECUTE ON FUNCTION f() TO x; REVOKE EXECUTE, SELECT ON t FROM y", {}},
        {"sql", "CREATE TRIGGER a BEFORE INSERT ON t EXECUTE FUNCTION f()", {}},
        {"sql", "CREATE TRIGGER a BEFORE INSERT ON t EXECUTE PROCEDURE f()", {}},
        {"plpgsql", "BEGIN EXECUTE function INTO a; END", {P::dynamic_sql}},
        {"sql", "LISTEN a", {P::listen}},
        {"plpgsql", "BEGIN UNLISTEN *; END", {P::listen}},
        {"sql", "PREPARE a AS SELECT 1", {P::sql_prepare}},
        {"sql", "PREPARE TRANSACTION 'x'", {}},
        {"sql", "DEALLOCATE a", {P::sql_prepare}},
        {"sql", "DISCARD TEMP", {P::unknown_function}},
        {"sql", "LOAD 'x'", {P::load}},
        {"sql", "CREATE EXTENSION x", {P::load}},
        {"sql", "CREATE FUNCTION f() RETURNS int LANGUAGE C AS 'x'", {P::load}},
        {"sql", "CREATE TEMP TABLE x (a int)", {P::temp_object}},
        {"sql", "CREATE LOCAL TEMPORARY TABLE x (a int) ON COMMIT DROP", {P::temp_object}},
        {"sql", "CREATE OR REPLACE TEMP VIEW x AS SELECT 1", {P::temp_object}},
        {"sql", "SELECT 1 AS a INTO TEMP x FROM t", {P::temp_object}},
        {"sql", "CREATE TABLE pg_temp.x (a int)", {P::temp_object}},
        {"sql", "DROP TABLE \"pg_temp_3\".x", {P::temp_object}},
        {"sql", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", {P::hold_cursor}},
        {"sql", "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1; SET role = x", {}, {"role"}},
        {"sql", "DO $$BEGIN PERFORM pg_advisory_lock(1); END$$", {P::advisory_lock}},
        {"sql", "DO LANGUAGE plpgsql 'BEGIN NULL; END'", {}},
        {"sql", "DO LANGUAGE plperl 'x'", {P::do_block}},
        {"sql", "DO 'x' LANGUAGE plpython3u", {P::do_block}},
        {"sql", "SELECT 'never closed", {P::unknown_function}},
        {"sql", "SELECT U&\"f\\0061\"()", {P::unknown_function}},
        {"c", "x", {P::unknown_function}},
        {"plpython3u", "pass", {P::unknown_function}},
        {"internal", "set_config", {P::set_config}},
    };
    for (const BodyRow& row : rows)
        check(row);
}

TEST_CASE("function body: unlocking and DDL") {
    CHECK(effects_of_body("sql", "SELECT pg_advisory_unlock_all()").effects.unlocks_advisory);
    CHECK_FALSE(effects_of_body("sql", "SELECT pg_advisory_lock(1)").effects.unlocks_advisory);
    for (const char* body :
         {"CREATE TABLE t (a int)",
          "ALTER TABLE t ADD b int",
          "DROP VIEW v",
          "COMMENT ON TABLE t IS 'x'",
          "GRANT SELECT ON t TO x",
          "REVOKE ALL ON t FROM x",
          "SELECT 1 AS a INTO t FROM s",
          "REFRESH MATERIALIZED VIEW m",
          "SELECT 1; SECURITY LABEL ON TABLE t IS 'x'"}) {
        CAPTURE(body);
        const BodyEffects effects = effects_of_body("sql", body);
        CHECK(effects.effects.changes_catalog);
        CHECK(effects.writes);
    }
    for (const char* body :
         {"INSERT INTO t SELECT 1", "SELECT comment, security FROM t", "SELECT 'CREATE TABLE t'"})
        CHECK_FALSE(effects_of_body("sql", body).effects.changes_catalog);
    CHECK_FALSE(effects_of_body("plpgsql", "BEGIN SELECT 1 INTO t; END").effects.changes_catalog);
}

TEST_CASE("function body: the names in it") {
    const BodyEffects effects = effects_of_body(
        "plpgsql",
        "BEGIN PERFORM s.F(1), \"Quoted \"\"x\"(2), f(3); CALL p (x); INSERT INTO t(a) SELECT b"
        " FROM Other; EXECUTE 'SELECT inner_call(c) FROM deep'; END"
    );
    for (const char* name : {"f", "Quoted \"x", "p", "t", "inner_call"}) {
        CAPTURE(name);
        CHECK(contains(effects.calls, name));
        CHECK(contains(effects.words, name));
    }
    for (const char* name : {"other", "deep", "b", "s"}) {
        CAPTURE(name);
        CHECK(contains(effects.words, name));
        CHECK_FALSE(contains(effects.calls, name));
    }
    CHECK(std::count(effects.calls.begin(), effects.calls.end(), "f") == 1);
    CHECK(effects.writes);
    CHECK_FALSE(effects_of_body("sql", "SELECT f(a) FROM t").writes);
    CHECK(effects_of_body("sql", "SELECT a FROM t FOR UPDATE").writes);
    const std::string longest(63, 'a');
    CHECK(contains(effects_of_body("sql", "SELECT " + longest + "bc()").calls, longest.c_str()));
}

TEST_CASE("function body: texts in texts end at a limit") {
    std::string body = "SET app.deep = 1";
    for (int depth = 0; depth < 3; ++depth) {
        std::string quoted;
        for (const char c : body)
            quoted.append(c == '\'' ? 2 : 1, c);
        body = "DO 'BEGIN " + quoted + "; END'";
    }
    CHECK(effects_of_body("sql", body).effects.touches == std::vector<std::string>{"app.deep"});
    std::string deeper = "SELECT 1";
    for (int depth = 0; depth < 8; ++depth) {
        const std::string tag = "$d" + std::to_string(depth) + "$";
        deeper = "DO " + tag + deeper + tag;
    }
    CHECK(effects_of_body("sql", deeper).effects.has(P::do_block));
}

TEST_CASE("function body: more settings than are listed") {
    std::string body;
    for (std::size_t i = 0; i < SessionEffects::max_touches; ++i)
        body += "SET app.s" + std::to_string(i) + " = 1; ";
    const SessionEffects most = effects_of_body("sql", body).effects;
    CHECK(most.touches.size() == SessionEffects::max_touches);
    CHECK(most.pins.none());
    const SessionEffects more = effects_of_body("sql", body + "SET app.more = 1").effects;
    CHECK(more.touches.size() == SessionEffects::max_touches);
    CHECK(more.has(P::set_config));
}

TEST_CASE("session effects: merging") {
    SessionEffects a;
    CHECK_FALSE(a.any());
    SessionEffects b;
    b.touch("X");
    b.touch("a");
    b.touch("x");
    CHECK(b.touches == std::vector<std::string>{"a", "x"});
    CHECK(a.merge(b));
    CHECK_FALSE(a.merge(b));
    b.unlocks_advisory = true;
    CHECK(a.merge(b));
    b.changes_catalog = true;
    CHECK(a.merge(b));
    b.pin(P::listen);
    CHECK(a.merge(b));
    CHECK(a == b);
    CHECK_FALSE(a.merge(SessionEffects{}));
}

}  // namespace weir::router
