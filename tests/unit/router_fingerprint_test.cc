#include "protocol/masked_text.h"
#include "router/pg_query_parser.h"
#include "router/statement_cache.h"

#include <doctest/doctest.h>

#include <string>

namespace weir::router {

namespace {

const Statement& look_up(const char* text) {
    static StatementCache cache;
    static StatementPtr kept;
    kept = cache.find_or_analyse(text);
    return *kept;
}

const Fingerprint& only(const char* text) {
    const auto& found = look_up(text).fingerprints;
    REQUIRE(found.size() == 1);
    return *found[0];
}

std::uint64_t id(const char* text) {
    return only(text).id;
}

}  // namespace

TEST_CASE("Fingerprint: values make no difference, names do") {
    const auto first = id("SELECT a FROM t WHERE id = 5 AND b = 'x'");
    CHECK(id("select a from t where id = 77 and b = E'it\\'s'") == first);
    CHECK(id("SELECT a\n FROM t -- comment\n WHERE id = $1 AND b = $2") == first);
    CHECK(id("SELECT a FROM u WHERE id = 5 AND b = 'x'") != first);
    CHECK(id("SELECT b FROM t WHERE id = 5 AND b = 'x'") != first);
    CHECK_FALSE(only("SELECT a FROM t WHERE id = 5 AND b = 'x'").lexical);
    // As libpg_query itself has it: pganalyze and others use the same numbers.
    CHECK(fingerprint_text(id("SELECT 1")) == "50fde20626009aba");
}

TEST_CASE("Fingerprint: lists of values are one, whatever their length") {
    CHECK(id("SELECT * FROM t WHERE id IN (1)") == id("SELECT * FROM t WHERE id IN (1, -2, 3)"));
    CHECK(id("SELECT * FROM t WHERE id IN ($1)") == id("SELECT * FROM t WHERE id IN ($1, $2, $3)"));
    CHECK(
        id("INSERT INTO t VALUES (1, 'a')") ==
        id("INSERT INTO t VALUES (1, 'a'), (2, NULL), (-3, DEFAULT)")
    );
    CHECK(
        only("SELECT * FROM t WHERE id IN (7, 8, 9)").text ==
        "SELECT * FROM t WHERE id IN ($1, ...)"
    );
    CHECK(
        only("INSERT INTO t2 VALUES (1, 'a'), (2, 'b')").text ==
        "INSERT INTO t2 VALUES ($1, $2), ..."
    );
    CHECK(id("SELECT * FROM t WHERE id IN (1, a)") != id("SELECT * FROM t WHERE id IN (1)"));
    CHECK(only("SELECT ARRAY[1,2,3]").text == "SELECT ARRAY[$1, ...]");
}

TEST_CASE("Fingerprint: the text shown has parameters for values and no comment") {
    CHECK(
        only("SELECT  /* why */ a, $2 FROM t\n WHERE id = 5 AND b = 'x' ;").text ==
        "SELECT a, $2 FROM t WHERE id = $3 AND b = $4"
    );
    CHECK(only("SET search_path TO a, b").text == "SET search_path TO $1, $2");
    CHECK(only("SET LOCAL app.tenant = tenant_7").text == "SET LOCAL app.tenant = $1");
    CHECK(only("UPDATE t SET a = b WHERE c = 1").text == "UPDATE t SET a = b WHERE c = $1");
    CHECK(only("SET TRANSACTION READ ONLY").text == "SET TRANSACTION READ ONLY");
    CHECK(only("BEGIN").text == "BEGIN");
    CHECK(only("").text.empty());
}

TEST_CASE("Fingerprint: statements of one text have their own") {
    const auto& both = look_up("SELECT 1; UPDATE t SET a = 2");
    REQUIRE(both.fingerprints.size() == 2);
    CHECK(both.fingerprints[0]->id == id("SELECT 99"));
    CHECK(both.fingerprints[1]->text == "UPDATE t SET a = $1");
    CHECK(
        look_up("CREATE RULE r AS ON UPDATE TO t DO (SELECT 1; SELECT 2)").fingerprints.size() == 1
    );
}

TEST_CASE("Fingerprint: what PREPARE prepares is what EXECUTE runs") {
    const auto& prepare =
        look_up("PREPARE p (int, numeric(1, 2)) AS SELECT a FROM t WHERE id = $1");
    REQUIRE(prepare.prepares != nullptr);
    CHECK(prepare.prepares->id == id("SELECT a FROM t WHERE id = 4"));
    CHECK(look_up("SELECT 1").prepares == nullptr);
}

TEST_CASE("Fingerprint: by the words where the parser cannot read the text") {
    const auto& lexical = only("SELEC 1 FROM t WHERE \"secret\" = 'secret'");
    CHECK(lexical.lexical);
    CHECK(lexical.text == "SELEC $1 FROM t WHERE $2 = $3");
    CHECK(id("selec 22  from t where \"x\" = ''") == lexical.id);
    std::string text = "SELECT 1";
    while (text.size() < parser_text_limit + 100)
        text += " + 1";
    StatementCache cache;
    const auto long_one = cache.find_or_analyse(text)->fingerprints;
    REQUIRE(long_one.size() == 1);
    CHECK(long_one[0]->lexical);
    CHECK(long_one[0]->text.size() <= Fingerprint::text_limit + 4);
    // Under other rules a string may end elsewhere: nothing of it is shown.
    const auto unread =
        cache.find_or_analyse("SELECT 'it\\'s secret'", {.standard_conforming_strings = false});
    CHECK(unread->fingerprints[0]->text.find("secret") == std::string::npos);
}

// The texts that overflow libpg_query's stack in its other functions, at the longest length.
TEST_CASE("Fingerprint: nested to the limit") {
    StatementCache cache;
    const auto repeat = [&](std::string text, std::string_view more, std::string_view end) {
        const auto room = parser_text_limit - end.size() - more.size();
        while (text.size() < room)
            text += more;
        return cache.find_or_analyse(text + std::string(end))->fingerprints.size();
    };
    CHECK(repeat("SELECT 1", "+1", "") == 1);
    CHECK(repeat("SELECT a", "+a", "") == 1);
    CHECK(repeat("SELECT ", "(", "") == 1);
    CHECK(repeat("SELECT ", "NOT ", "a") == 1);
    CHECK(repeat("SELECT a", "::int", "") == 1);
    CHECK(repeat("SELECT a IN (b", ",b", ")") == 1);
    CHECK(repeat("SELECT a IN (1", ",1", ")") == 1);
    CHECK(repeat("SELECT 1", " UNION SELECT 1", "") == 1);
    CHECK(repeat("SELECT ", "f(", "") == 1);
    CHECK(repeat("SELECT ", "-", "a") == 1);
    CHECK(repeat("SELECT a", "[1]", "") == 1);
    CHECK(repeat("SELECT CASE", " WHEN a THEN b", " END") == 1);
    CHECK(repeat("INSERT INTO t VALUES (a)", ",(a)", "") == 1);
}

// Every place of SQL that may hold a secret: none is in the text, and another secret is the same
// fingerprint. What libpg_query itself keeps is among them.
TEST_CASE("Fingerprint: no secret is left, and none can be guessed") {
    const char* const places[] = {
        "SELECT * FROM t WHERE pw = 'S3CRET'",
        "SELECT * FROM t WHERE pw = E'S3CRET\\n'",
        "SELECT $$S3CRET$$, $x$S3CRET$x$",
        "SELECT U&'S3CRET!0041' UESCAPE '!'",
        "SELECT N'S3CRET'",
        "PREPARE p AS SELECT 'S3CRET'",
        "EXECUTE p('S3CRET')",
        "NOTIFY c, 'S3CRET'",
        "ALTER SYSTEM SET primary_conninfo = 'S3CRET'",
        "ALTER DATABASE d SET app.key TO S3CRET",
        "ALTER ROLE r SET app.key = 'S3CRET', S3CRET",
        "ALTER ROLE r PASSWORD 'S3CRET'",
        "CREATE USER r PASSWORD S3CRET",
        "SET app.key = 'S3CRET'",
        "SET SESSION app.key TO S3CRET",
        "SET LOCAL app.key = \"S3CRET\"",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (password 'S3CRET')",
        "CREATE USER MAPPING FOR r SERVER s OPTIONS (user 'x', password 'S3CRET')",
        "ALTER SERVER s OPTIONS (SET password 'S3CRET')",
        "CREATE SUBSCRIPTION s CONNECTION 'password=S3CRET' PUBLICATION p",
        "COMMENT ON TABLE t IS 'S3CRET'",
        "CREATE TABLE t (a text DEFAULT 'S3CRET')",
        "SELECT 1 /* S3CRET */ -- S3CRET",
        "/* S3CRET /* S3CRET */ */ SELECT 1",
        "DO $$BEGIN PERFORM 'S3CRET'; END$$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT S3CRET'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET app.key = S3CRET AS ''",
        "COPY t FROM PROGRAM 'curl S3CRET'",
        "COPY t TO '/S3CRET'",
        "CREATE VIEW v AS SELECT 'S3CRET'",
        "EXPLAIN SELECT 'S3CRET'",
        "DECLARE c CURSOR FOR SELECT 'S3CRET'",
        "SECURITY LABEL ON TABLE t IS 'S3CRET'",
        "SELECT 'S3CRET",
        "SELECT 1 /* S3CRET",
        "SELEC 'S3CRET'",
        "SELEC \"S3CRET\"",
        "INSERT INTO t VALUES ('S3CRET'), ('S3CRET')",
        "INSERT INTO t VALUES ('a'), (f('S3CRET'))",
        "SELECT 1; NOTIFY c, 'S3CRET'; SELECT 'S3CRET'",
        "PREPARE TRANSACTION 'S3CRET'",
        "SELECT 'a'\n 'S3CRET'",
        "SELECT 12'S3CRET'",
        "ALTER TABLE t ALTER a SET DEFAULT 'S3CRET'",
        "CREATE EVENT TRIGGER e ON ddl_command_start WHEN tag IN ('S3CRET') EXECUTE FUNCTION f()",
        "SET TIME ZONE 'S3CRET'",
        "SELECT set_config('a.b', 'S3CRET', true)",
    };
    StatementCache cache;
    for (std::string text : places) {
        CAPTURE(text);
        const auto first = cache.find_or_analyse(text)->fingerprints;
        for (auto at = text.find("S3CRET"); at != std::string::npos; at = text.find("S3CRET"))
            text.replace(at, 6, "OTHER7");
        const auto second = cache.find_or_analyse(text)->fingerprints;
        REQUIRE(first.size() == second.size());
        for (std::size_t i = 0; i < first.size(); ++i) {
            CHECK(first[i]->text.find("S3CRET") == std::string::npos);
            CHECK(first[i]->text.find("s3cret") == std::string::npos);
            CHECK(first[i]->text == second[i]->text);
            CHECK(first[i]->id == second[i]->id);
        }
    }
}

TEST_CASE("find_traceparent") {
    using protocol::find_traceparent;
    const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    CHECK(find_traceparent("SELECT 1 /*a='b',traceparent='" + good + "'*/") == good);
    CHECK(find_traceparent("traceparent=" + good) == good);
    CHECK(find_traceparent(good) == good);
    CHECK(find_traceparent("SELECT 1 /*traceparent='00-xyz'*/").empty());
    CHECK(find_traceparent("traceparent=" + good.substr(0, 54)).empty());
    CHECK(find_traceparent("traceparent=00-" + std::string(32, '0') + good.substr(35)).empty());
    CHECK(find_traceparent("").empty());
}

}  // namespace weir::router
