// CatalogRow: what the server tells of its catalogs, row by row.
#pragma once

#include <string>

namespace weir::router {

// One row of catalog_query(). `kind` and what the columns are:
//   f  function: oid, name,
//   "language/extension/volatility/arguments/defaults/variadic/marks/schema"
//      (without an extension "language//..."), body. An aggregate's volatility is that of its
//      parts; variadic is t or f. Those of pg_catalog with an effect are among them, as
//      "internal//-".
//   s  function by oid has a SET clause: oid, setting, value
//   a  function by oid may be called as t.name, without parentheses: oid
//   n  a name that may be called like a function, and has no effect (a type, a function of
//      information_schema, one of pg_catalog in a version after 15): name
//   o  an operator of a user: name
//   u  a relation uses a function: relation, oid, "r" if to read it is enough or else "w"
//   r  a relation reaches another: relation, relation, "r", "w", or "t" if only TRUNCATE does
//   p  function uses function: oid, oid
//   e  function is reached without any name in the text: oid, by what
//   v  function of an event trigger: oid
// For reading (read_catalog.h). Marks of an expression or query that is stored: B calls a function
// of pg_catalog that a replica must not run, S one that advances a sequence, C reads a system
// catalog, L has a locking clause.
//   B  the relations of a schema with nothing special: schema, names (one a line; a name with a
//      line feed in it is not told, and so not known)
//   R  any other relation: oid, schema, name, relkind and relpersistence and marks
//   T  a user's type: name, oid, marks of its checks
//   O  a user's operator: name, oid of its function, provolatile of that and "m" if it is in an
//      operator family
//   K  a user's cast by a function: name of the target type, oid, castcontext
//   E  one reaches another by being read or called: two of "r", "f" and "t" with an oid
struct CatalogRow {
    char kind = 0;
    std::string a, b, c, d;
};

}  // namespace weir::router
