// What a database's functions and relations may do to the session, transitively.
#include "router/catalog.h"
#include "router/read_facts.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace weir::router {

namespace {

using P = PinReason;

// Rows as the server's query gives them. Functions are numbered from 20001 in order.
class Rows {
public:
    std::string function(
        const std::string& name, const std::string& body, const std::string& language = "sql/"
    ) {
        const std::string oid = std::to_string(++last_oid_);
        add('f', oid, name, language, body);
        return oid;
    }

    Rows& add(
        char kind, std::string a, std::string b = "", std::string c = "", std::string d = ""
    ) {
        rows_.push_back({kind, std::move(a), std::move(b), std::move(c), std::move(d)});
        return *this;
    }

    std::shared_ptr<const Catalog> build() const { return Catalog::build(rows_); }

private:
    std::vector<CatalogRow> rows_;
    int last_oid_ = 20000;
};

bool pins(const SessionEffects* effects, P reason) {
    return effects != nullptr && effects->has(reason);
}

using Names = std::vector<std::string>;

const char* const locks = "SELECT pg_advisory_lock(1)";

}  // namespace

TEST_CASE("catalog: an empty database") {
    const auto catalog = Catalog::build({});
    CHECK(catalog->function("f") == nullptr);
    CHECK(catalog->relation("t") == nullptr);
    CHECK(catalog->reading("t") == nullptr);
    CHECK_FALSE(catalog->has_relation_effects());
    CHECK_FALSE(catalog->has_attribute_effects());
    CHECK_FALSE(catalog->everywhere().any());
    CHECK_FALSE(catalog->on_ddl().any());
}

TEST_CASE("catalog: functions by name") {
    Rows rows;
    rows.function("harmless", "SELECT 1");
    rows.function("Locks", locks);
    rows.function("calls", "SELECT s.\"Locks\"()");
    rows.function("calls_folded", "SELECT Locks()");
    rows.function("calls_calls", "BEGIN PERFORM calls(); END", "plpgsql/");
    rows.function("opaque", "", "c/");
    rows.function("python", "pass", "plpython3u/");
    rows.add('f', "2880", "pg_advisory_lock", "internal/", "pg_advisory_lock");
    const auto catalog = rows.build();
    REQUIRE(catalog->function("harmless") != nullptr);
    CHECK_FALSE(catalog->function("harmless")->any());
    CHECK(pins(catalog->function("Locks"), P::advisory_lock));
    CHECK(catalog->function("locks") == nullptr);
    CHECK(pins(catalog->function("calls"), P::advisory_lock));
    CHECK_FALSE(catalog->function("calls_folded")->any());
    CHECK(pins(catalog->function("calls_calls"), P::advisory_lock));
    CHECK(pins(catalog->function("opaque"), P::unknown_function));
    CHECK(pins(catalog->function("python"), P::unknown_function));
    // A built-in function is no user's.
    CHECK(catalog->function("pg_advisory_lock") == nullptr);
}

TEST_CASE("catalog: overloads and namesakes are one") {
    Rows rows;
    rows.function("f", "SELECT 1");
    rows.function("f", "SET app.x = 1");
    rows.function("lower", "SET app.y = 1");
    rows.function("g", "SELECT f(1), lower('A')");
    const auto catalog = rows.build();
    CHECK(catalog->function("f")->touches == Names{"app.x"});
    CHECK(catalog->function("g")->touches == Names{"app.x", "app.y"});
}

TEST_CASE("catalog: recursion") {
    Rows rows;
    rows.function("self", "SELECT self(1)");
    rows.function("ping", "SELECT pong()");
    rows.function("pong", "SELECT ping(); LISTEN a");
    const auto catalog = rows.build();
    CHECK_FALSE(catalog->function("self")->any());
    CHECK(pins(catalog->function("ping"), P::listen));
    CHECK(pins(catalog->function("pong"), P::listen));
}

TEST_CASE("catalog: triggers reach other tables") {
    Rows rows;
    const std::string first =
        rows.function("first", "BEGIN INSERT INTO log(a) VALUES (1); RETURN NEW; END", "plpgsql/");
    const std::string second =
        rows.function("second", "BEGIN PERFORM set_config('role', 'x', false); END", "plpgsql/");
    rows.function("writer", "INSERT INTO data VALUES (1)");
    rows.function("reader", "SELECT a FROM data");
    rows.add('u', "data", first, "w").add('u', "log", second, "w");
    const auto catalog = rows.build();
    REQUIRE(catalog->relation("data") != nullptr);
    CHECK(catalog->relation("data")->touches == Names{"role"});
    CHECK(catalog->relation("log")->touches == Names{"role"});
    // A trigger does not fire when the table is read.
    CHECK(catalog->reading("data") == nullptr);
    CHECK(catalog->function("writer")->touches == Names{"role"});
    CHECK_FALSE(catalog->function("reader")->any());
    CHECK(catalog->relation("other") == nullptr);
    CHECK(catalog->has_relation_effects());
}

TEST_CASE("catalog: harmless triggers leave nothing") {
    Rows rows;
    const std::string oid =
        rows.function("stamp", "BEGIN NEW.a := now(); RETURN NEW; END", "plpgsql/");
    rows.add('u', "t", oid, "w");
    const auto catalog = rows.build();
    CHECK(catalog->relation("t") == nullptr);
    CHECK_FALSE(catalog->has_relation_effects());
}

TEST_CASE("catalog: views and policies are met by reading") {
    Rows rows;
    const std::string oid = rows.function("locking", locks);
    const std::string trigger = rows.function("changed", "LISTEN a");
    rows.add('u', "guarded", oid, "r").add('u', "base", trigger, "w");
    rows.add('r', "inner_view", "guarded", "r").add('r', "outer_view", "inner_view", "r");
    rows.add('r', "base_view", "base", "r");
    rows.add('r', "with_rule", "base", "w");
    rows.function("reads_view", "SELECT * FROM outer_view");
    const auto catalog = rows.build();
    for (const char* name : {"guarded", "inner_view", "outer_view"}) {
        CAPTURE(name);
        CHECK(pins(catalog->reading(name), P::advisory_lock));
        CHECK(pins(catalog->relation(name), P::advisory_lock));
    }
    CHECK(catalog->reading("base_view") == nullptr);
    CHECK(pins(catalog->relation("base_view"), P::listen));
    CHECK(catalog->reading("with_rule") == nullptr);
    CHECK(pins(catalog->relation("with_rule"), P::listen));
    CHECK(pins(catalog->function("reads_view"), P::advisory_lock));
}

TEST_CASE("catalog: foreign keys in a ring, and partitions") {
    Rows rows;
    const std::string oid = rows.function("on_child", "BEGIN SET app.x = 1; END", "plpgsql/");
    rows.add('r', "parent", "child", "w").add('r', "child", "parent", "w");
    rows.add('u', "child", oid, "w");
    rows.add('r', "whole", "part", "r").add('u', "part", oid, "w");
    const auto catalog = rows.build();
    for (const char* name : {"parent", "child", "whole", "part"}) {
        CAPTURE(name);
        REQUIRE(catalog->relation(name) != nullptr);
        CHECK(catalog->relation(name)->touches == Names{"app.x"});
        CHECK(catalog->reading(name) == nullptr);
    }
}

TEST_CASE("catalog: a view of pg_settings is a way to set") {
    Rows rows;
    rows.add('r', "my_settings", "pg_settings", "r");
    const auto catalog = rows.build();
    CHECK(catalog->reading("my_settings") == nullptr);
    CHECK(pins(catalog->relation("my_settings"), P::set_config));
}

TEST_CASE("catalog: aggregates and built-in functions behind them") {
    Rows rows;
    const std::string aggregate = rows.function("collect", "aggregate_dummy", "internal/");
    rows.function("uses", "SELECT collect(a) FROM t");
    rows.add('f', "2078", "set_config", "internal/", "set_config");
    rows.add('p', aggregate, "2078");
    rows.add('p', aggregate, "1234");  // a built-in function without effects has no row
    rows.add('u', "with_default", "2078", "w");
    const auto catalog = rows.build();
    CHECK(pins(catalog->function("collect"), P::set_config));
    CHECK(pins(catalog->function("uses"), P::set_config));
    CHECK(pins(catalog->relation("with_default"), P::set_config));
}

TEST_CASE("catalog: what is reached without a name") {
    Rows rows;
    const std::string in_c = rows.function("my_type_in", "", "c/");
    const std::string check =
        rows.function("check_domain", "BEGIN RETURN looked(1); END", "plpgsql/");
    rows.function("looked", "SET role = x");
    rows.add('e', in_c, "pg_type");
    CHECK_FALSE(rows.build()->everywhere().any());
    rows.add('e', check, "pg_constraint");
    const auto catalog = rows.build();
    CHECK(catalog->everywhere().touches == Names{"role"});
    CHECK(catalog->everywhere().pins.none());
    // By its name it is as opaque as any other.
    CHECK(pins(catalog->function("my_type_in"), P::unknown_function));
}

TEST_CASE("catalog: event triggers") {
    Rows rows;
    const std::string oid = rows.function("log_ddl", "BEGIN LISTEN a; END", "plpgsql/");
    rows.function("migrates", "CREATE TABLE t (a int)");
    rows.function("selects", "SELECT 1");
    rows.add('v', oid);
    const auto catalog = rows.build();
    CHECK(catalog->on_ddl().has(P::listen));
    CHECK(pins(catalog->function("migrates"), P::listen));
    CHECK_FALSE(catalog->function("selects")->any());
}

TEST_CASE("catalog: functions that are called like a column") {
    Rows rows;
    const std::string oid = rows.function("locked", locks);
    rows.function("uses", "SELECT t.locked FROM t");
    rows.add('a', oid).add('a', rows.function("full_name", "SELECT 'x'"));
    const auto catalog = rows.build();
    CHECK(pins(catalog->attribute(attribute_hash("locked", false)), P::advisory_lock));
    CHECK(catalog->attribute(attribute_hash("full_name", false)) == nullptr);
    CHECK(pins(catalog->function("uses"), P::advisory_lock));
    CHECK(catalog->has_attribute_effects());
}

TEST_CASE("catalog: SET clauses of functions") {
    Rows rows;
    const std::string custom = rows.function("custom", "SELECT 1");
    const std::string path = rows.function("path", "SELECT 1");
    const std::string maker = rows.function("maker", "CREATE TABLE t (a int)");
    const std::string old = rows.function("old", "SELECT 1");
    rows.add('s', custom, "App.X", "1").add('s', path, "search_path", "a, pg_temp");
    rows.add('s', maker, "search_path", "\"pg_temp\"");
    rows.add('s', old, "standard_conforming_strings", "off");
    const auto catalog = rows.build();
    CHECK(catalog->function("custom")->touches == Names{"app.x"});
    CHECK_FALSE(catalog->function("path")->any());
    CHECK(pins(catalog->function("maker"), P::temp_object));
    CHECK(pins(catalog->function("old"), P::unknown_encoding));
}

TEST_CASE("catalog: C functions of extensions") {
    struct Row {
        const char* extension;
        const char* function;
        P reason;
    };

    const Row rows[] = {
        {"pg_trgm", "similarity", P::none},
        {"uuid-ossp", "uuid_generate_v4", P::none},
        {"vector", "l2_distance", P::none},
        {"adminpack", "pg_file_write", P::none},
        {"xml2", "xslt_process", P::none},
        {"xml2", "xpath_table", P::dynamic_sql},
        {"tablefunc", "normal_rand", P::none},
        {"tablefunc", "crosstab", P::dynamic_sql},
        {"tablefunc", "crosstab4", P::dynamic_sql},
        {"refint", "check_foreign_key", P::dynamic_sql},
        {"dblink", "dblink_get_pkey", P::dblink},
        {"isn", "isn_weak", P::unknown_function},
        {"isn", "is_valid", P::none},
        {"pgrouting", "_pgr_dijkstra", P::dynamic_sql},
        {"hypopg", "hypopg_create_index", P::unknown_function},
        {"", "mine", P::unknown_function},
    };
    for (const Row& row : rows) {
        CAPTURE(row.extension);
        CAPTURE(row.function);
        Rows catalog_rows;
        catalog_rows.function(row.function, "", std::string{"c/"} + row.extension);
        const auto catalog = catalog_rows.build();
        const SessionEffects* effects = catalog->function(row.function);
        REQUIRE(effects != nullptr);
        SessionEffects expected;
        expected.pin(row.reason);
        expected.reads_sequences = expected.may_advance_sequence =
            row.reason == P::dynamic_sql || row.reason == P::unknown_function;
        CHECK(*effects == expected);
    }
    Rows trgm;
    trgm.function("set_limit", "", "c/pg_trgm");
    CHECK(trgm.build()->function("set_limit")->touches == Names{"pg_trgm.similarity_threshold"});
}

TEST_CASE("catalog: names that are known, and those that are not") {
    Rows rows;
    rows.function("harmless", "SELECT 1");
    rows.add('n', "my_domain").add('n', "_pg_expandarray").add('o', "<->");
    const auto catalog = rows.build();
    CHECK(catalog->knows_function("harmless"));
    CHECK(catalog->knows_function("my_domain"));
    CHECK(catalog->knows_function("_pg_expandarray"));
    CHECK(catalog->function("my_domain") == nullptr);
    CHECK_FALSE(catalog->knows_function("made_later"));
    CHECK(catalog->knows_operator("<->"));
    CHECK_FALSE(catalog->knows_operator("<+>"));
    CHECK(catalog->is_plain());
    CHECK(catalog->is_harmless());
}

TEST_CASE("catalog: a user's function with the name of a built-in one") {
    Rows harmless;
    harmless.function("log", "SELECT 1");
    CHECK_FALSE(harmless.build()->has_overload_effects());
    Rows rows;
    rows.function("log", "SELECT set_config('role', $1, false)");
    const auto catalog = rows.build();
    CHECK(catalog->has_overload_effects());
    CHECK(catalog->function("log")->touches == Names{"role"});
    CHECK_FALSE(catalog->is_plain());
}

TEST_CASE("catalog: TRUNCATE goes by every foreign key") {
    Rows rows;
    const std::string oid = rows.function("on_child", locks);
    rows.function("empties", "TRUNCATE parent CASCADE");
    rows.function("deletes", "DELETE FROM parent");
    rows.add('r', "parent", "child", "t").add('r', "child", "grandchild", "t");
    rows.add('u', "grandchild", oid, "w").add('r', "parent_of_parts", "parent", "r");
    const auto catalog = rows.build();
    for (const char* name : {"grandchild", "child", "parent", "parent_of_parts"}) {
        CAPTURE(name);
        CHECK(pins(catalog->truncating(name), P::advisory_lock));
        CHECK(catalog->reading(name) == nullptr);
    }
    CHECK(catalog->relation("parent") == nullptr);
    CHECK(catalog->truncating("other") == nullptr);
    CHECK(pins(catalog->function("empties"), P::advisory_lock));
    CHECK_FALSE(catalog->function("deletes")->any());
    CHECK_FALSE(catalog->is_plain());
}

TEST_CASE("catalog: sequences are reached, but not by every table that has one") {
    Rows rows;
    rows.add('f', "1574", "nextval", "internal/", "nextval");
    rows.add('f', "1575", "currval", "internal/", "currval");
    const std::string writes = rows.function("audit", "INSERT INTO log VALUES (1)");
    const std::string last =
        rows.function("last", "BEGIN NEW.a := lastval(); RETURN NEW; END", "plpgsql/");
    rows.add('u', "audited", writes, "w");
    CHECK_FALSE(rows.build()->has_relation_effects());
    CHECK(rows.build()->is_plain());
    rows.add('u', "with_default", "1575", "w").add('u', "with_trigger", last, "w");
    rows.add('u', "next_view", "1574", "r").add('u', "writing_view", writes, "r");
    rows.add('r', "view_of_default", "with_default", "r");
    const auto catalog = rows.build();
    for (const char* name : {"with_default", "with_trigger", "view_of_default"}) {
        CAPTURE(name);
        REQUIRE(catalog->relation(name) != nullptr);
        CHECK(catalog->relation(name)->reads_sequences);
        CHECK_FALSE(catalog->relation(name)->any());
        CHECK(catalog->reading(name) == nullptr);
    }
    for (const char* name : {"next_view", "writing_view"}) {
        CAPTURE(name);
        REQUIRE(catalog->reading(name) != nullptr);
        CHECK(catalog->reading(name)->may_advance_sequence);
        CHECK_FALSE(catalog->reading(name)->any());
    }
    CHECK(catalog->relation("audited") == nullptr);
    CHECK(catalog->has_relation_effects());
    CHECK_FALSE(catalog->is_plain());
    CHECK_FALSE(catalog->is_harmless());
}

TEST_CASE("catalog: what cannot be seen may use sequences") {
    Rows rows;
    rows.function("dynamic", "BEGIN EXECUTE a; END", "plpgsql/");
    rows.function("python", "pass", "plpython3u/");
    const auto catalog = rows.build();
    CHECK(catalog->function("dynamic")->reads_sequences);
    CHECK(catalog->function("python")->may_advance_sequence);
}

TEST_CASE("catalog: DDL in a body that makes nothing with an effect") {
    struct Row {
        const char* body;
        bool changes_effects;
    };

    const Row bodies[] = {
        {"CREATE TEMP TABLE x (a int, b text)", false},
        {"CREATE TABLE x AS SELECT * FROM a JOIN b USING (c) WHERE d LIKE 'e'", false},
        {"DROP TABLE x", false},
        {"CREATE UNIQUE INDEX x ON y (a, b DESC)", false},
        {"CREATE INDEX x ON y (f(a))", true},
        {"CREATE INDEX x ON y (a) WHERE f(b)", true},
        {"GRANT SELECT ON x TO y", false},
        {"CREATE SEQUENCE x", false},
        {"CREATE TABLE x (a int DEFAULT f())", true},
        {"CREATE TABLE x PARTITION OF y DEFAULT", true},
        {"CREATE TRIGGER x AFTER INSERT ON y EXECUTE FUNCTION z()", true},
        {"DROP TABLE x; CREATE VIEW x AS SELECT 1", true},
        {"ALTER TABLE x ENABLE TRIGGER y", true},
        {"CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'", true},
    };
    for (const Row& row : bodies) {
        CAPTURE(row.body);
        Rows rows;
        rows.function("f", row.body);
        CHECK(rows.build()->function("f")->changes_catalog);
        CHECK(rows.build()->function("f")->changes_effects == row.changes_effects);
    }
}

TEST_CASE("catalog: a long chain of calls, in any order of rows") {
    Rows rows;
    constexpr int length = 2000;
    for (int i = 0; i < length; ++i)
        rows.function("f" + std::to_string(i), "SELECT f" + std::to_string(i + 1) + "()");
    rows.function("f" + std::to_string(length), locks);
    const auto catalog = rows.build();
    CHECK(pins(catalog->function("f0"), P::advisory_lock));
}

TEST_CASE("catalog: the query's names hold under any search_path") {
    const std::string query{catalog_query()};
    CHECK(query.find("'pg_advisory_lock'") != std::string::npos);
    CHECK(query.find("'lower'") == std::string::npos);
    // What reads or moves a sequence, and what runs SQL from a name, is looked for.
    for (const char* name : {"'currval'", "'lastval'", "'nextval'", "'table_to_xml'"}) {
        CAPTURE(name);
        CHECK(query.find(name) != std::string::npos);
    }
    CHECK(query.find('@') == std::string::npos);
    // A client's session may have standard_conforming_strings = off.
    for (auto at = query.find('\\'); at != std::string::npos; at = query.find('\\', at + 1))
        CHECK(query.substr(at - 2, 2) == "E'");
    for (const char* unqualified : {" = ", " <> ", " >= ", " || ", " IN (", " USING ", "::"}) {
        CAPTURE(unqualified);
        CHECK(query.find(unqualified) == std::string::npos);
    }
}

}  // namespace weir::router
