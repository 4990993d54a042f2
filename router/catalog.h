// Catalog: what the functions and relations of one database may do to the session that uses them.
//
// A snapshot of the server's catalogs: the rows of catalog_query(), closed over what each function
// calls and each relation reaches. Immutable, shared by threads.
#pragma once

#include "router/session_effects.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::router {

// One row of catalog_query(). `kind` and what the columns are:
//   f  function: oid, name, "language/extension" (of none: "language/"), body. Those of pg_catalog
//      with an effect are among them.
//   s  function by oid has a SET clause: oid, setting, value
//   a  function by oid may be called as t.name, without parentheses: oid
//   u  a relation uses a function: relation, oid, "r" if to read it is enough or else "w"
//   r  a relation reaches another: relation, relation, "r" or "w"
//   p  function uses function: oid, oid
//   e  function is reached without any name in the text: oid, by what
//   v  function of an event trigger: oid
struct CatalogRow {
    char kind = 0;
    std::string a, b, c, d;
};

// One SELECT of five text columns, in the order of CatalogRow, for any role and any search_path.
std::string_view catalog_query();

class Catalog {
public:
    static std::shared_ptr<const Catalog> build(std::vector<CatalogRow> rows);

    // Names are as PostgreSQL stores them: folded unless quoted. Overloads and namesakes in several
    // schemas are one, and what one of them may do they all may. The lookups do not allocate.

    // Null if no user has made a function of this name; built-in ones of the name are not in it.
    const SessionEffects* function(std::string_view name) const;

    // A function that is called as t.name. Null if there is none with an effect.
    const SessionEffects* attribute(std::string_view name) const;

    bool has_attribute_effects() const { return !attributes_.empty(); }

    // What any use of the relation may do: triggers, defaults, checks, rules, and what is below.
    // Null for nothing.
    const SessionEffects* relation(std::string_view name) const;

    // The same if it is only read, by SELECT without FOR UPDATE: views, policies. Null for nothing.
    const SessionEffects* reading(std::string_view name) const;

    // No function of a user, and no relation, has an effect.
    bool is_harmless() const { return harmless_; }

    bool has_relation_effects() const { return !relations_.empty(); }

    // What any text may do without naming it: casts, operators, types' functions, domain checks.
    // C functions in these roles count as the computations they have to be.
    const SessionEffects& everywhere() const { return everywhere_; }

    // What event triggers add to any DDL.
    const SessionEffects& on_ddl() const { return on_ddl_; }

private:
    friend class CatalogBuilder;

    struct RelationEffects {
        SessionEffects reading;
        SessionEffects any_use;
    };

    struct NameHash {
        using is_transparent = void;

        std::size_t operator()(std::string_view name) const {
            return std::hash<std::string_view>{}(name);
        }
    };

    template <class Value>
    using ByName = std::unordered_map<std::string, Value, NameHash, std::equal_to<>>;

    ByName<SessionEffects> functions_;
    ByName<SessionEffects> attributes_;  // those with an effect
    ByName<RelationEffects> relations_;  // those with an effect
    SessionEffects everywhere_;
    SessionEffects on_ddl_;
    bool harmless_ = true;
};

}  // namespace weir::router
