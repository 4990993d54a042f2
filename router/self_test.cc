// Whether libpg_query's trees are what this program was compiled for.
#include "router/pg_query_parser.h"
#include "router/pg_query_tree.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace weir::router {

namespace {

struct Check {
    const char* text;
    bool (*holds)(const Statement&);
};

using Kind = StatementKind;

bool names(const Statement& statement, std::string_view relation) {
    const auto& names = statement.relations;
    return std::find(names.begin(), names.end(), relation) != names.end();
}

// Each looks at fields far into a node, so that another layout shows.
constexpr Check checks[] = {
    {"SELECT 1",
     [](const Statement& s) {
         return s.is_read_only && s.kind() == Kind::select;
     }},
    {"SELECT a FROM t WHERE b IN (SELECT weir_f(c) FROM u) ORDER BY 1 LIMIT 2 OFFSET 3",
     [](const Statement& s) {
         return s.pin == PinReason::unknown_function && s.pin_detail == "weir_f";
     }},
    {"SELECT a FROM t FOR UPDATE",
     [](const Statement& s) {
         return s.has_locking_clause;
     }},
    {"WITH x AS (DELETE FROM t RETURNING setseed(0.1)) SELECT * FROM x",
     [](const Statement& s) {
         return s.may_write && s.pin == PinReason::setseed;
     }},
    {"INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = weir_f() RETURNING a",
     [](const Statement& s) {
         return s.kind() == Kind::insert && s.pin == PinReason::unknown_function;
     }},
    {"UPDATE t SET (a, b) = (SELECT 1, weir_f()) FROM u WHERE t.a = u.a",
     [](const Statement& s) {
         return s.pin == PinReason::unknown_function;
     }},
    {"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = weir_f()",
     [](const Statement& s) {
         return s.kind() == Kind::merge && s.pin == PinReason::unknown_function;
     }},
    {"SELECT set_config('App.X', 'v', true)",
     [](const Statement& s) {
         return s.pin == PinReason::none && s.settings.size() == 1 &&
                s.settings[0].name == "app.x" && s.settings[0].value == "v" &&
                s.settings[0].is_local;
     }},
    {"SET LOCAL datestyle = 'ISO', 'DMY'",
     [](const Statement& s) {
         return s.kind() == Kind::set && s.settings.size() == 1 && s.settings[0].is_local &&
                s.settings[0].value == "ISO, DMY";
     }},
    {"RESET work_mem",
     [](const Statement& s) {
         return s.settings.size() == 1 && s.settings[0].action == SettingChange::Action::to_default;
     }},
    {"START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
     [](const Statement& s) {
         return s.kind() == Kind::begin && s.transaction &&
                s.transaction->isolation == Isolation::serializable &&
                s.transaction->read_only == true && s.transaction->deferrable == true;
     }},
    {"ROLLBACK AND CHAIN",
     [](const Statement& s) {
         return s.kind() == Kind::rollback && s.transaction && s.transaction->chain;
     }},
    {"CREATE TEMP TABLE weir_t (a int)",
     [](const Statement& s) {
         return s.kind() == Kind::create_table && s.pin == PinReason::temp_object &&
                s.pin_detail == "weir_t";
     }},
    {"CREATE TEMP TABLE weir_t ON COMMIT DROP AS SELECT 1",
     [](const Statement& s) {
         return s.kind() == Kind::create_table_as && s.pin == PinReason::none;
     }},
    {"CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)",
     [](const Statement& s) {
         return s.not_in_pipeline;
     }},
    {"ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
     [](const Statement& s) {
         return s.not_in_pipeline;
     }},
    {"ALTER TABLE t ADD COLUMN a int CHECK (weir_f(a))",
     [](const Statement& s) {
         return s.pin == PinReason::unknown_function;
     }},
    {"VACUUM",
     [](const Statement& s) {
         return s.not_in_pipeline && !s.knows_relations;
     }},
    {"ANALYZE weir_t (a)",
     [](const Statement& s) {
         return !s.not_in_pipeline && s.knows_relations && names(s, "weir_t");
     }},
    {"REINDEX TABLE CONCURRENTLY weir_t",
     [](const Statement& s) {
         return names(s, "weir_t");
     }},
    {"CLUSTER weir_t USING weir_i",
     [](const Statement& s) {
         return names(s, "weir_t");
     }},
    {"REFRESH MATERIALIZED VIEW CONCURRENTLY weir_t",
     [](const Statement& s) {
         return names(s, "weir_t");
     }},
    {"ALTER TABLE a ATTACH PARTITION weir_t FOR VALUES IN (1)",
     [](const Statement& s) {
         return names(s, "weir_t") && s.changes_catalog_effects;
     }},
    {"CREATE TABLE t (a int DEFAULT 1, CHECK (a > 0)) PARTITION BY LIST (a)",
     [](const Statement& s) {
         return s.defines && !s.changes_catalog_effects;
     }},
    {"CREATE TABLE t (a int DEFAULT weir_f())",
     [](const Statement& s) {
         return s.changes_catalog_effects && s.functions.empty();
     }},
    {"CREATE TABLE t (a int) PARTITION BY LIST (weir_f(a))",
     [](const Statement& s) {
         return s.changes_catalog_effects;
     }},
    {"CREATE TABLE t (LIKE u INCLUDING DEFAULTS)",
     [](const Statement& s) {
         return s.changes_catalog_effects;
     }},
    {"CREATE TABLE t (a int) INHERITS (u)",
     [](const Statement& s) {
         return s.changes_catalog_effects;
     }},
    {"CREATE STATISTICS s ON (weir_f(a)), b FROM t",
     [](const Statement& s) {
         return s.changes_catalog_effects;
     }},
    {"ALTER TABLE t ADD COLUMN a int, DISABLE TRIGGER b, ADD EXCLUDE (c WITH =)",
     [](const Statement& s) {
         return s.changes_catalog_effects;
     }},
    {"ALTER TABLE t ADD COLUMN a int, DISABLE TRIGGER b, VALIDATE CONSTRAINT c",
     [](const Statement& s) {
         return !s.changes_catalog_effects;
     }},
    {"ALTER TABLE t RENAME COLUMN a TO b",
     [](const Statement& s) {
         return !s.changes_catalog_effects;
     }},
    {"DECLARE weir_c CURSOR WITH HOLD FOR SELECT 1",
     [](const Statement& s) {
         return s.pin == PinReason::hold_cursor && s.name == "weir_c";
     }},
    {"COPY t (a) FROM STDIN WHERE a > 1",
     [](const Statement& s) {
         return s.kind() == Kind::copy_in;
     }},
    {"COPY (SELECT weir_f()) TO STDOUT",
     [](const Statement& s) {
         return s.kind() == Kind::copy_out && s.pin == PinReason::unknown_function;
     }},
    {"EXPLAIN (ANALYZE) SELECT weir_f()",
     [](const Statement& s) {
         return s.kind() == Kind::explain && s.pin == PinReason::unknown_function;
     }},
    {"PREPARE weir_p (int) AS SELECT $1",
     [](const Statement& s) {
         return s.pin == PinReason::sql_prepare && s.name == "weir_p";
     }},
    {"DISCARD ALL",
     [](const Statement& s) {
         return s.discard_all;
     }},
    {"DISCARD TEMP",
     [](const Statement& s) {
         return s.discard_temp && !s.discard_all;
     }},
    {"CALL weir_f(1)",
     [](const Statement& s) {
         return s.pin == PinReason::call;
     }},
    {"LISTEN weir_c",
     [](const Statement& s) {
         return s.name == "weir_c";
     }},
    {"SELECT FROM WHERE",
     [](const Statement& s) {
         return s.pin == PinReason::unparsable;
     }},
};

}  // namespace

bool self_test(std::string& why) {
    const int library = weir_tree_library_version();
    if (library / 10000 != weir_tree_header_version() / 10000) {
        why = "libpg_query is of PostgreSQL " + std::to_string(library / 10000) +
              ", this program was compiled for " +
              std::to_string(weir_tree_header_version() / 10000);
        return false;
    }
    for (const Check& check : checks) {
        if (check.holds(*analyse(check.text))) continue;
        why = std::string{"libpg_query's tree of this statement is not as expected: "} + check.text;
        return false;
    }
    return true;
}

}  // namespace weir::router
