#include "router/read_catalog_query.h"

#include "router/replica_functions.h"

#include <span>
#include <string_view>
#include <vector>

namespace weir::router {

namespace {

// Stored expressions are looked at as they are stored, with the oids of functions and relations:
// to have them as SQL (pg_get_viewdef) takes locks on all relations in them, so one open ALTER
// TABLE would stop the whole pooler.
constexpr std::string_view tables = R"(
read_builtin AS (
  SELECT pg_catalog.concat(':(?:funcid|opfuncid|aggfnoid|winfnoid) (?:', pg_catalog.string_agg(
      CASE WHEN sequence THEN NULL ELSE CAST(oid AS pg_catalog.text) END, '|'), ') ',
      -- current_setting() of what is computed, or of a setting of the node. (`[^(]` ends before its
      -- arguments, a constant is `:constvalue 9 [ 36 0 0 0 112 111 114 116 ]`.)
      '|:funcid (?:2077|3294) [^(]*:args [(](?:(?!{CONST )|{CONST [^}]* (?:@SETTINGS@) []]})'
    ) AS node,
    pg_catalog.concat(':funcid (?:', pg_catalog.string_agg(
      CASE WHEN sequence THEN CAST(oid AS pg_catalog.text) END, '|'), ') ') AS sequence
  FROM (
    SELECT oid, proname OPERATOR(pg_catalog.=)
      ANY (CAST(ARRAY['nextval', 'setval'] AS pg_catalog.name[])) AS sequence
    FROM pg_catalog.pg_proc
    WHERE pronamespace OPERATOR(pg_catalog.=) CAST('pg_catalog' AS pg_catalog.regnamespace)
      AND oid OPERATOR(pg_catalog.<) CAST('16384' AS pg_catalog.oid)
      AND (provolatile OPERATOR(pg_catalog.=) CAST('v' AS pg_catalog."char")
          AND proname OPERATOR(pg_catalog.<>)
            ALL (CAST(ARRAY[@HARMLESS@] AS pg_catalog.name[]))
        OR proname OPERATOR(pg_catalog.=) ANY (CAST(ARRAY[@NODE@] AS pg_catalog.name[])))) AS p),
read_relation AS (
  SELECT c.oid, c.relname, n.nspname, c.relkind, c.relpersistence,
    c.relkind OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['v', 'f'] AS pg_catalog."char"[]))
      OR c.relpersistence OPERATOR(pg_catalog.=) CAST('u' AS pg_catalog."char")
      OR c.relrowsecurity
      -- Of a materialized view that once had children, too.
      OR c.relhassubclass AS special
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE c.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
    AND c.relpersistence OPERATOR(pg_catalog.<>) CAST('t' AS pg_catalog."char")
    AND c.relkind OPERATOR(pg_catalog.=) ANY (
      CAST(ARRAY['r', 'p', 'v', 'm', 'f', 'S'] AS pg_catalog."char"[]))),
-- What runs when a relation is read. Of a materialized view nothing does.
read_tree AS (
  SELECT r.ev_class AS rel, CAST('pg_catalog.pg_rewrite' AS pg_catalog.regclass) AS classid,
    r.oid AS objid, CAST(r.ev_action AS pg_catalog.text) AS tree
  FROM pg_catalog.pg_rewrite r
  JOIN read_relation c ON c.oid OPERATOR(pg_catalog.=) r.ev_class
  WHERE r.ev_type OPERATOR(pg_catalog.=) CAST('1' AS pg_catalog."char")
    AND c.relkind OPERATOR(pg_catalog.=) CAST('v' AS pg_catalog."char")
  UNION ALL
  SELECT polrelid, CAST('pg_catalog.pg_policy' AS pg_catalog.regclass), oid,
    CAST(polqual AS pg_catalog.text)
  FROM pg_catalog.pg_policy),
read_mark AS (
  SELECT t.rel, pg_catalog.concat(
    CASE WHEN pg_catalog.bool_or(t.tree OPERATOR(pg_catalog.~) b.node) THEN 'B' END,
    CASE WHEN pg_catalog.bool_or(t.tree OPERATOR(pg_catalog.~) b.sequence) THEN 'S' END,
    CASE WHEN pg_catalog.bool_or(
      pg_catalog.strpos(t.tree, ':hasForUpdate true') OPERATOR(pg_catalog.>) 0) THEN 'L' END,
    -- Oids below 16384.
    CASE WHEN pg_catalog.bool_or(t.tree OPERATOR(pg_catalog.~)
      ':relid (?:[1-9][0-9]{0,3}|1[0-5][0-9]{3}'
      '|16[0-2][0-9][0-9]|163[0-7][0-9]|1638[0-3]) ')
    THEN 'C' END) AS marks
  FROM read_tree t, read_builtin b
  GROUP BY t.rel),
read_reach AS (
  SELECT t.rel, d.refclassid, d.refobjid
  FROM read_tree t
  JOIN pg_catalog.pg_depend d
    ON d.classid OPERATOR(pg_catalog.=) CAST(t.classid AS pg_catalog.oid)
    AND d.objid OPERATOR(pg_catalog.=) t.objid
  WHERE d.refobjid OPERATOR(pg_catalog.<>) t.rel),
-- Rows of a table may be made by a cast, and then its columns' domains are checked.
read_row AS (
  SELECT c.oid, c.reltype, a.atttypid
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
  WHERE c.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
    AND c.reltype OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
    AND t.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
    AND t.typtype OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['d', 'c'] AS pg_catalog."char"[]))),
)";

constexpr std::string_view rows = R"(
  UNION ALL
  SELECT 'B', CAST(nspname AS pg_catalog.text),
    pg_catalog.string_agg(CAST(relname AS pg_catalog.text), E'\n'), NULL, NULL
  FROM read_relation
  WHERE NOT special AND pg_catalog.strpos(CAST(relname AS pg_catalog.text), E'\n')
    OPERATOR(pg_catalog.=) 0
  GROUP BY nspname
  UNION ALL
  SELECT 'R', CAST(c.oid AS pg_catalog.text), CAST(c.nspname AS pg_catalog.text),
    CAST(c.relname AS pg_catalog.text),
    pg_catalog.concat(c.relkind, c.relpersistence, m.marks)
  FROM read_relation c LEFT JOIN read_mark m ON m.rel OPERATOR(pg_catalog.=) c.oid
  WHERE c.special
  UNION ALL
  SELECT 'E', pg_catalog.concat('r', d.rel), pg_catalog.concat('f', d.refobjid), NULL, NULL
  FROM read_reach d
  WHERE d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_proc' AS pg_catalog.regclass)
  UNION ALL
  SELECT 'E', pg_catalog.concat('r', d.rel),
    pg_catalog.concat('f', CAST(o.oprcode AS pg_catalog.oid)), NULL, NULL
  FROM read_reach d
  JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) d.refobjid
  WHERE d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_operator' AS pg_catalog.regclass)
  UNION ALL
  SELECT 'E', pg_catalog.concat('r', d.rel), pg_catalog.concat('t', d.refobjid), NULL, NULL
  FROM read_reach d
  WHERE d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_type' AS pg_catalog.regclass)
  UNION ALL
  SELECT 'E', pg_catalog.concat('r', d.rel), pg_catalog.concat('r', d.refobjid), NULL, NULL
  FROM read_reach d
  JOIN read_relation c ON c.oid OPERATOR(pg_catalog.=) d.refobjid
  WHERE c.special
    AND d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
  UNION ALL
  SELECT 'E', pg_catalog.concat('r', i.inhparent), pg_catalog.concat('r', i.inhrelid), NULL, NULL
  FROM pg_catalog.pg_inherits i
  JOIN read_relation c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
  WHERE c.special
  UNION ALL
  SELECT 'T', CAST(t.typname AS pg_catalog.text), CAST(t.oid AS pg_catalog.text),
    (SELECT pg_catalog.concat(
        CASE WHEN pg_catalog.bool_or(CAST(k.conbin AS pg_catalog.text)
          OPERATOR(pg_catalog.~) b.node) THEN 'B' END,
        CASE WHEN pg_catalog.bool_or(CAST(k.conbin AS pg_catalog.text)
          OPERATOR(pg_catalog.~) b.sequence) THEN 'S' END)
      FROM pg_catalog.pg_constraint k, read_builtin b
      WHERE k.contypid OPERATOR(pg_catalog.=) t.oid), NULL
  FROM pg_catalog.pg_type t
  WHERE t.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
    AND t.typcategory OPERATOR(pg_catalog.<>) CAST('A' AS pg_catalog."char")
    AND (t.typrelid OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid)
      OR t.oid OPERATOR(pg_catalog.=) ANY (SELECT reltype FROM read_row)
      OR EXISTS (SELECT 1 FROM pg_catalog.pg_class c
        WHERE c.oid OPERATOR(pg_catalog.=) t.typrelid
          AND c.relkind OPERATOR(pg_catalog.=) CAST('c' AS pg_catalog."char")))
  UNION ALL
  -- A domain's own domain, and a range's type.
  SELECT 'E', pg_catalog.concat('t', oid), pg_catalog.concat('t', typbasetype), NULL, NULL
  FROM pg_catalog.pg_type
  WHERE typbasetype OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  SELECT 'E', pg_catalog.concat('t', rngtypid), pg_catalog.concat('t', rngsubtype), NULL, NULL
  FROM pg_catalog.pg_range
  WHERE rngsubtype OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  -- A multirange's range. Through JSON, for not all versions have the column.
  SELECT 'E', pg_catalog.concat('t', multirange), pg_catalog.concat('t', rngtypid), NULL, NULL
  FROM (
    SELECT pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.->>) 'rngmultitypid' AS multirange, r.rngtypid
    FROM pg_catalog.pg_range r
    WHERE r.rngtypid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)) AS m
  WHERE multirange IS NOT NULL
  UNION ALL
  SELECT 'E', pg_catalog.concat('t', reltype), pg_catalog.concat('t', atttypid), NULL, NULL
  FROM read_row
  UNION ALL
  -- Checks of domains, and what they call.
  SELECT 'E', pg_catalog.concat('t', k.contypid), pg_catalog.concat('f',
    CASE WHEN o.oid IS NULL THEN d.refobjid ELSE CAST(o.oprcode AS pg_catalog.oid) END), NULL, NULL
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) k.oid
    AND d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_constraint' AS pg_catalog.regclass)
  LEFT JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) d.refobjid
    AND d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_operator' AS pg_catalog.regclass)
  WHERE k.contypid OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
    AND d.refclassid OPERATOR(pg_catalog.=) ANY (ARRAY[
      CAST('pg_catalog.pg_proc' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_operator' AS pg_catalog.regclass)])
  UNION ALL
  -- Arguments and results that are checked: of domains, and of rows with domains.
  SELECT 'E', pg_catalog.concat('f', u.oid), pg_catalog.concat('t', t.oid), NULL, NULL
  FROM users u
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) u.prorettype
    OR t.oid OPERATOR(pg_catalog.=) ANY (CAST(u.proargtypes AS pg_catalog.oid[]))
  WHERE t.oid OPERATOR(pg_catalog.=) ANY (
    SELECT oid FROM pg_catalog.pg_type
    WHERE typtype OPERATOR(pg_catalog.=) CAST('d' AS pg_catalog."char")
    UNION ALL SELECT reltype FROM read_row)
  UNION ALL
  SELECT DISTINCT 'O', CAST(o.oprname AS pg_catalog.text),
    CAST(CAST(o.oprcode AS pg_catalog.oid) AS pg_catalog.text),
    pg_catalog.concat(p.provolatile, (SELECT 'm' FROM pg_catalog.pg_amop m
      WHERE m.amopopr OPERATOR(pg_catalog.=) o.oid LIMIT 1)), NULL
  FROM pg_catalog.pg_operator o
  LEFT JOIN pg_catalog.pg_proc p
    ON p.oid OPERATOR(pg_catalog.=) CAST(o.oprcode AS pg_catalog.oid)
  WHERE o.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  SELECT 'K', CAST(t.typname AS pg_catalog.text), CAST(k.castfunc AS pg_catalog.text),
    CAST(k.castcontext AS pg_catalog.text), NULL
  FROM pg_catalog.pg_cast k
  JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) k.casttarget
  WHERE k.castfunc OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
)";

// As literals of an array.
std::string literals(const std::vector<std::string_view>& names) {
    std::string list;
    for (const std::string_view name : names) {
        if (!list.empty()) list += ',';
        list += '\'';
        list += name;
        list += '\'';
    }
    return list;
}

// As they stand in a constant, in any case: "(?:112|80) (?:111|79) ...", one or the other.
std::string constants_pattern(std::span<const std::string_view> names) {
    std::string pattern;
    for (const std::string_view name : names) {
        if (!pattern.empty()) pattern += '|';
        // Behind the length, so that it is the whole text.
        pattern += "0 0 0";
        for (const char c : name) {
            const bool letter = c >= 'a' && c <= 'z';
            pattern += letter ? " (?:" + std::to_string(c) + '|' + std::to_string(c - 32) + ')'
                              : ' ' + std::to_string(c);
        }
    }
    return pattern;
}

void fill_in(std::string& query, std::string_view place, const std::string& text) {
    query.replace(query.find(place), place.size(), text);
}

}  // namespace

std::string read_catalog_tables() {
    std::string query{tables};
    fill_in(query, "@NODE@", literals(stable_node_functions()));
    fill_in(query, "@SETTINGS@", constants_pattern(node_settings()));
    fill_in(query, "@HARMLESS@", literals(harmless_volatile_functions()));
    return query;
}

std::string read_catalog_rows() {
    return std::string{rows};
}

}  // namespace weir::router
