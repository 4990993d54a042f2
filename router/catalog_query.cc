// The query that reads a database's catalogs for catalog.h.
//
// Names and operators are qualified, and neither IN, CASE x WHEN nor USING is there: whoever may
// create an operator in a schema of the search_path could give them another meaning. It reads what
// every role may read. Columns that only some of the supported versions have are not used.
#include "router/builtins.h"
#include "router/catalog.h"
#include "router/read_catalog_query.h"

#include <string>

namespace weir::router {

namespace {

// @BUILTINS@: the functions of pg_catalog with an effect, as literals in an array; @ADVANCING@:
// those of them that only advance a sequence. Where only writing gets (a default, a trigger), these
// are not looked for: nearly every table has one, and what writes says so itself.
constexpr std::string_view query_template = R"(
WITH
builtin AS (
  SELECT oid, proname, prosrc,
    proname OPERATOR(pg_catalog.=) ANY (CAST(ARRAY[@ADVANCING@] AS pg_catalog.name[])) AS advances
  FROM pg_catalog.pg_proc
  WHERE proname OPERATOR(pg_catalog.=) ANY (CAST(ARRAY[@BUILTINS@] AS pg_catalog.name[]))
    AND pronamespace OPERATOR(pg_catalog.=) CAST('pg_catalog' AS pg_catalog.regnamespace)
    AND oid OPERATOR(pg_catalog.<) CAST('16384' AS pg_catalog.oid)),
-- Expressions are stored with the oids of their functions; pg_depend does not have built-in ones.
-- None of these is an aggregate, and operators made of them are below.
pattern AS (
  SELECT pg_catalog.concat(':funcid (?:',
    pg_catalog.string_agg(CAST(oid AS pg_catalog.text), '|'), ') ') AS when_read,
    pg_catalog.concat(':funcid (?:', pg_catalog.string_agg(
      CASE WHEN advances THEN NULL ELSE CAST(oid AS pg_catalog.text) END, '|'), ') ') AS when_written
  FROM builtin),
tree AS (
  SELECT CAST('pg_catalog.pg_rewrite' AS pg_catalog.regclass) AS classid, oid AS objid,
    CAST(ev_action AS pg_catalog.text) AS a, CAST(ev_qual AS pg_catalog.text) AS b, true AS read
  FROM pg_catalog.pg_rewrite WHERE ev_class OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  SELECT CAST('pg_catalog.pg_attrdef' AS pg_catalog.regclass), oid,
    CAST(adbin AS pg_catalog.text), NULL, false FROM pg_catalog.pg_attrdef
  UNION ALL
  SELECT CAST('pg_catalog.pg_constraint' AS pg_catalog.regclass), oid,
    CAST(conbin AS pg_catalog.text), NULL, false FROM pg_catalog.pg_constraint
  WHERE conbin IS NOT NULL AND oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  SELECT CAST('pg_catalog.pg_policy' AS pg_catalog.regclass), oid,
    CAST(polqual AS pg_catalog.text), CAST(polwithcheck AS pg_catalog.text), true
  FROM pg_catalog.pg_policy
  UNION ALL
  SELECT CAST('pg_catalog.pg_trigger' AS pg_catalog.regclass), oid,
    CAST(tgqual AS pg_catalog.text), NULL, false FROM pg_catalog.pg_trigger WHERE tgqual IS NOT NULL
  UNION ALL
  SELECT CAST('pg_catalog.pg_type' AS pg_catalog.regclass), oid,
    CAST(typdefaultbin AS pg_catalog.text), NULL, false FROM pg_catalog.pg_type
  WHERE typdefaultbin IS NOT NULL
  UNION ALL
  SELECT CAST('pg_catalog.pg_proc' AS pg_catalog.regclass), oid,
    CAST(proargdefaults AS pg_catalog.text), NULL, true FROM pg_catalog.pg_proc
  WHERE proargdefaults IS NOT NULL
    AND oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  -- Through JSON, for not all versions have the column.
  SELECT CAST('pg_catalog.pg_statistic_ext' AS pg_catalog.regclass), oid,
    pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'stxexprs', NULL, false
  FROM pg_catalog.pg_statistic_ext s),
hit AS (
  SELECT classid, objid, read, pg_catalog.concat(a, ' ', b) AS expressions FROM tree, pattern
  WHERE read AND (a OPERATOR(pg_catalog.~) when_read OR b OPERATOR(pg_catalog.~) when_read)
    OR NOT read AND a OPERATOR(pg_catalog.~) when_written
  OFFSET 0),  -- few: the next one looks at them for each function
use AS (
  SELECT classid, objid, refobjid AS fn FROM pg_catalog.pg_depend
  WHERE refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_proc' AS pg_catalog.regclass)
    AND refobjid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION
  SELECT CAST(hit.classid AS pg_catalog.oid), hit.objid, builtin.oid FROM hit, builtin
  WHERE (hit.read OR NOT builtin.advances)
    AND hit.expressions OPERATOR(pg_catalog.~) pg_catalog.concat(':funcid ', builtin.oid, ' ')),
extension_of AS (
  SELECT d.objid, x.extname FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_extension x ON x.oid OPERATOR(pg_catalog.=) d.refobjid
  WHERE d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_extension' AS pg_catalog.regclass)
    AND d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_proc' AS pg_catalog.regclass)
    AND d.deptype OPERATOR(pg_catalog.=) CAST('e' AS pg_catalog."char")),
users AS (
  SELECT p.oid, p.proname, p.prosrc, p.proconfig, p.pronargs, p.proargtypes, p.prorettype,
    p.pronargdefaults, p.provariadic, p.provolatile, p.proargdefaults, p.pronamespace, l.lanname
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
  WHERE p.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)),
-- The most volatile of its parts.
aggregate AS (
  SELECT CAST(g.aggfnoid AS pg_catalog.oid) AS oid,
    pg_catalog.max(CAST(q.provolatile AS pg_catalog.text)) AS volatility
  FROM pg_catalog.pg_aggregate g, pg_catalog.unnest(ARRAY[g.aggtransfn, g.aggfinalfn,
    g.aggcombinefn, g.aggserialfn, g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn
    ]) AS part
  JOIN pg_catalog.pg_proc q ON q.oid OPERATOR(pg_catalog.=) CAST(part AS pg_catalog.oid)
  WHERE CAST(g.aggfnoid AS pg_catalog.oid) OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  GROUP BY g.aggfnoid),
@READ_TABLES@answer(kind, a, b, c, d) AS (
  SELECT 'f', CAST(u.oid AS pg_catalog.text), CAST(u.proname AS pg_catalog.text),
    pg_catalog.concat(u.lanname, '/', x.extname, '/',
      -- An aggregate's own row says that it is immutable.
      COALESCE(g.volatility, CAST(u.provolatile AS pg_catalog.text)), '/',
      u.pronargs, '/', u.pronargdefaults, '/',
      u.provariadic OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid), '/',
      CASE WHEN CAST(u.proargdefaults AS pg_catalog.text) OPERATOR(pg_catalog.~)
        (SELECT node FROM read_builtin) THEN 'B' END,
      CASE WHEN CAST(u.proargdefaults AS pg_catalog.text) OPERATOR(pg_catalog.~)
        (SELECT sequence FROM read_builtin) THEN 'S' END, '/', n.nspname),
    CASE WHEN u.lanname OPERATOR(pg_catalog.=) CAST('internal' AS pg_catalog.name)
      THEN (SELECT CAST(pg_catalog.max(builtin.proname) AS pg_catalog.text) FROM builtin
            WHERE builtin.prosrc OPERATOR(pg_catalog.=) u.prosrc)
      WHEN u.lanname OPERATOR(pg_catalog.=) CAST('c' AS pg_catalog.name) THEN NULL
      -- A BEGIN ATOMIC or RETURN body is a tree: its text is the end of the function's definition.
      WHEN u.prosrc OPERATOR(pg_catalog.=) ''
        AND u.lanname OPERATOR(pg_catalog.=) CAST('sql' AS pg_catalog.name)
      THEN pg_catalog.substring(pg_catalog.pg_get_functiondef(u.oid),
        E'\n[ ]*((BEGIN ATOMIC|RETURN ).*)')
      ELSE u.prosrc END
  FROM users u
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) u.pronamespace
  LEFT JOIN aggregate g ON g.oid OPERATOR(pg_catalog.=) u.oid
  LEFT JOIN extension_of x ON x.objid OPERATOR(pg_catalog.=) u.oid
  UNION ALL
  SELECT 'f', CAST(oid AS pg_catalog.text), CAST(proname AS pg_catalog.text), 'internal//-',
    CAST(proname AS pg_catalog.text)
  FROM builtin
  UNION ALL
  SELECT 'n', CAST(proname AS pg_catalog.text), NULL, NULL, NULL FROM pg_catalog.pg_proc
  WHERE oid OPERATOR(pg_catalog.<) CAST('16384' AS pg_catalog.oid)
    AND (pronamespace OPERATOR(pg_catalog.<>) CAST('pg_catalog' AS pg_catalog.regnamespace)
      -- Of versions after the one that builtin_names.inc is from.
      OR oid OPERATOR(pg_catalog.>=) CAST('6100' AS pg_catalog.oid)
        AND CAST(pg_catalog.current_setting('server_version_num') AS pg_catalog.int4)
          OPERATOR(pg_catalog.>=) 160000)
  UNION ALL
  SELECT 'n', CAST(typname AS pg_catalog.text), NULL, NULL, NULL FROM pg_catalog.pg_type
  WHERE typrelid OPERATOR(pg_catalog.=) CAST('0' AS pg_catalog.oid)
    AND typcategory OPERATOR(pg_catalog.<>) CAST('A' AS pg_catalog."char")
    AND typnamespace OPERATOR(pg_catalog.<>) CAST('pg_catalog' AS pg_catalog.regnamespace)
  UNION ALL
  SELECT DISTINCT 'o', CAST(oprname AS pg_catalog.text), NULL, NULL, NULL
  FROM pg_catalog.pg_operator WHERE oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  SELECT 's', CAST(u.oid AS pg_catalog.text),
    pg_catalog.split_part(setting, '=', 1),
    pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') OPERATOR(pg_catalog.+) 1), NULL
  FROM users u, pg_catalog.unnest(u.proconfig) AS setting
  UNION ALL
  SELECT 'a', CAST(u.oid AS pg_catalog.text), NULL, NULL, NULL
  FROM users u JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) u.proargtypes[0]
  WHERE u.pronargs OPERATOR(pg_catalog.=) CAST(1 AS pg_catalog.int2)
    AND (t.typtype OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['c', 'd'] AS pg_catalog."char"[]))
      OR t.typname OPERATOR(pg_catalog.=) ANY (CAST(ARRAY['record', 'any', 'anyelement',
        'anynonarray', 'anycompatible', 'anycompatiblenonarray'] AS pg_catalog.name[])))
  UNION ALL
  -- Policies and what a view is are met by reading, too; index expressions by ANALYZE. An index is
  -- a relation, too, for REINDEX.
  SELECT 'u', CAST(c.relname AS pg_catalog.text), CAST(n.fn AS pg_catalog.text), n.mode, NULL
  FROM (
    SELECT t.tgrelid, use.fn, 'w' FROM use
    JOIN pg_catalog.pg_trigger t ON t.oid OPERATOR(pg_catalog.=) use.objid
    WHERE use.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_trigger' AS pg_catalog.regclass)
      AND NOT t.tgisinternal
      AND t.tgenabled OPERATOR(pg_catalog.<>) CAST('D' AS pg_catalog."char")
    UNION ALL
    SELECT r.ev_class, use.fn,
      CASE WHEN r.ev_type OPERATOR(pg_catalog.=) CAST('1' AS pg_catalog."char")
      THEN 'r' ELSE 'w' END
    FROM use JOIN pg_catalog.pg_rewrite r ON r.oid OPERATOR(pg_catalog.=) use.objid
    WHERE use.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_rewrite' AS pg_catalog.regclass)
    UNION ALL
    SELECT d.adrelid, use.fn, 'w'
    FROM use JOIN pg_catalog.pg_attrdef d ON d.oid OPERATOR(pg_catalog.=) use.objid
    WHERE use.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_attrdef' AS pg_catalog.regclass)
    UNION ALL
    SELECT k.conrelid, use.fn, 'w'
    FROM use JOIN pg_catalog.pg_constraint k ON k.oid OPERATOR(pg_catalog.=) use.objid
    WHERE use.classid OPERATOR(pg_catalog.=)
        CAST('pg_catalog.pg_constraint' AS pg_catalog.regclass)
      AND k.conrelid OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
    UNION ALL
    SELECT p.polrelid, use.fn, 'r'
    FROM use JOIN pg_catalog.pg_policy p ON p.oid OPERATOR(pg_catalog.=) use.objid
    WHERE use.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_policy' AS pg_catalog.regclass)
    UNION ALL
    -- Of a partition key the table itself depends on the function.
    SELECT use.objid, use.fn, 'w' FROM use
    WHERE use.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
    UNION ALL
    SELECT i.indrelid, use.fn, 'w'
    FROM use JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) use.objid
    WHERE use.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
    UNION ALL
    SELECT s.stxrelid, use.fn, 'w'
    FROM use JOIN pg_catalog.pg_statistic_ext s ON s.oid OPERATOR(pg_catalog.=) use.objid
    WHERE use.classid OPERATOR(pg_catalog.=)
      CAST('pg_catalog.pg_statistic_ext' AS pg_catalog.regclass)
    UNION ALL
    SELECT f.ftrelid, w.fdwhandler, 'r'
    FROM pg_catalog.pg_foreign_table f
    JOIN pg_catalog.pg_foreign_server s ON s.oid OPERATOR(pg_catalog.=) f.ftserver
    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) s.srvfdw
    UNION ALL
    SELECT rel, m.amhandler, 'r'
    FROM pg_catalog.pg_am m
    JOIN pg_catalog.pg_class c ON c.relam OPERATOR(pg_catalog.=) m.oid
    LEFT JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) c.oid,
    pg_catalog.unnest(ARRAY[c.oid, i.indrelid]) AS rel
    WHERE m.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  ) AS n(rel, fn, mode)
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) n.rel
  UNION ALL
  SELECT 'r', CAST(f.relname AS pg_catalog.text), CAST(t.relname AS pg_catalog.text), n.mode, NULL
  FROM (
    SELECT r.ev_class, d.refobjid,
      CASE WHEN r.ev_type OPERATOR(pg_catalog.=) CAST('1' AS pg_catalog."char")
      THEN 'r' ELSE 'w' END
    FROM pg_catalog.pg_rewrite r
    JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) r.oid
    WHERE d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_rewrite' AS pg_catalog.regclass)
      AND d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
      AND d.deptype OPERATOR(pg_catalog.=) CAST('n' AS pg_catalog."char")
      AND r.ev_class OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
      AND d.refobjid OPERATOR(pg_catalog.<>) r.ev_class
    UNION
    -- A policy reads what it names.
    SELECT p.polrelid, d.refobjid, 'r'
    FROM pg_catalog.pg_policy p
    JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) p.oid
    WHERE d.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_policy' AS pg_catalog.regclass)
      AND d.refclassid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_class' AS pg_catalog.regclass)
      AND d.refobjid OPERATOR(pg_catalog.<>) p.polrelid
    UNION
    SELECT inhparent, inhrelid, 'r' FROM pg_catalog.pg_inherits
    UNION
    -- Triggers of the parent are run for a row that goes to the partition (they are copied), but
    -- foreign keys' actions are noted on both.
    SELECT confrelid, conrelid, 'w' FROM pg_catalog.pg_constraint
    WHERE contype OPERATOR(pg_catalog.=) CAST('f' AS pg_catalog."char")
      AND pg_catalog.concat(confupdtype, confdeltype) OPERATOR(pg_catalog.~) '[cnd]'
      AND confrelid OPERATOR(pg_catalog.<>) conrelid
    UNION
    -- TRUNCATE ... CASCADE goes by every foreign key, and fires its own triggers only.
    SELECT confrelid, conrelid, 't' FROM pg_catalog.pg_constraint
    WHERE contype OPERATOR(pg_catalog.=) CAST('f' AS pg_catalog."char")
      AND confrelid OPERATOR(pg_catalog.<>) conrelid
      AND EXISTS (SELECT 1 FROM pg_catalog.pg_trigger
        WHERE tgtype OPERATOR(pg_catalog.&) CAST(32 AS pg_catalog.int2)
          OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.int2))
  ) AS n(source, target, mode)
  JOIN pg_catalog.pg_class f ON f.oid OPERATOR(pg_catalog.=) n.source
  JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) n.target
  WHERE t.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
    OR t.relname OPERATOR(pg_catalog.=) CAST('pg_settings' AS pg_catalog.name)
  UNION ALL
  -- Defaults of arguments; an aggregate's parts, which may be built-in.
  SELECT 'p', CAST(objid AS pg_catalog.text), CAST(fn AS pg_catalog.text), NULL, NULL FROM use
  WHERE classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_proc' AS pg_catalog.regclass)
  UNION ALL
  SELECT 'p', CAST(CAST(g.aggfnoid AS pg_catalog.oid) AS pg_catalog.text),
    CAST(CAST(part AS pg_catalog.oid) AS pg_catalog.text), NULL, NULL
  FROM pg_catalog.pg_aggregate g, pg_catalog.unnest(ARRAY[g.aggtransfn, g.aggfinalfn,
    g.aggcombinefn, g.aggserialfn, g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn, g.aggmfinalfn
    ]) AS part
  WHERE g.aggfnoid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
    AND part OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
  UNION ALL
  SELECT 'v', CAST(evtfoid AS pg_catalog.text), NULL, NULL, NULL FROM pg_catalog.pg_event_trigger
  WHERE evtenabled OPERATOR(pg_catalog.<>) CAST('D' AS pg_catalog."char")
  UNION ALL
  -- Functions are seldom depended on by other classes than those above: all of these are met
  -- without a name (operators, casts, types, their checks and defaults, operator classes, ranges,
  -- conversions, text search, transforms).
  SELECT 'e', CAST(fn AS pg_catalog.text),
    CAST(CAST(classid AS pg_catalog.regclass) AS pg_catalog.text), NULL, NULL
  FROM use
  LEFT JOIN pg_catalog.pg_constraint k ON k.oid OPERATOR(pg_catalog.=) use.objid
    AND use.classid OPERATOR(pg_catalog.=) CAST('pg_catalog.pg_constraint' AS pg_catalog.regclass)
  WHERE k.contypid OPERATOR(pg_catalog.<>) CAST('0' AS pg_catalog.oid)
    OR use.classid OPERATOR(pg_catalog.<>) ALL (ARRAY[
      CAST('pg_catalog.pg_constraint' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_trigger' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_rewrite' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_attrdef' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_policy' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_class' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_statistic_ext' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_proc' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_event_trigger' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_foreign_data_wrapper' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_am' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_language' AS pg_catalog.regclass),
      CAST('pg_catalog.pg_publication_rel' AS pg_catalog.regclass)])
  UNION ALL
  -- Built-in ones in those roles that pg_depend does not have.
  SELECT 'e', CAST(builtin.oid AS pg_catalog.text), 'pg_operator', NULL, NULL
  FROM builtin JOIN pg_catalog.pg_operator o
    ON CAST(o.oprcode AS pg_catalog.oid) OPERATOR(pg_catalog.=) builtin.oid
  WHERE o.oid OPERATOR(pg_catalog.>=) CAST('16384' AS pg_catalog.oid)
  UNION ALL
  SELECT 'e', CAST(builtin.oid AS pg_catalog.text), 'pg_cast', NULL, NULL
  FROM builtin JOIN pg_catalog.pg_cast k ON k.castfunc OPERATOR(pg_catalog.=) builtin.oid
@READ_ROWS@)
SELECT CAST(kind AS pg_catalog.text), COALESCE(a, ''), COALESCE(b, ''), COALESCE(c, ''),
  COALESCE(d, '')
FROM answer)";

bool only_advances(const FunctionEffect& effect) {
    return effect.may_advance_sequence && effect.pin == PinReason::none;
}

bool counts(const FunctionEffect& effect) {
    return effect.pin != PinReason::none || effect.unlocks_advisory ||
           effect.reads_sequence_state || effect.may_advance_sequence;
}

void put(std::string& query, std::string_view place, std::string_view text) {
    query.replace(query.find(place), place.size(), text);
}

void fill_in(std::string& query, std::string_view place, bool (*wanted)(const FunctionEffect&)) {
    std::string names;
    for (const FunctionEffect& effect : known_function_effects()) {
        if (!wanted(effect)) continue;
        if (!names.empty()) names += ',';
        names += '\'';
        names += effect.name;
        names += '\'';
    }
    put(query, place, names);
}

std::string write_query() {
    std::string query{query_template};
    fill_in(query, "@BUILTINS@", counts);
    fill_in(query, "@ADVANCING@", only_advances);
    put(query, "@READ_TABLES@", read_catalog_tables());
    put(query, "@READ_ROWS@", read_catalog_rows());
    return query;
}

}  // namespace

std::string_view catalog_query() {
    static const std::string query = write_query();
    return query;
}

}  // namespace weir::router
