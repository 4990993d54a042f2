// Catalog: what the functions and relations of one database may do to the session that uses them.
//
// A snapshot of the server's catalogs: the rows of catalog_query(), closed over what each function
// calls and each relation reaches. Immutable, shared by threads.
#pragma once

#include "router/catalog_reach.h"
#include "router/catalog_row.h"
#include "router/read_catalog.h"
#include "router/session_effects.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weir::router {

// One SELECT of five text columns, in the order of CatalogRow, for any role and any search_path.
std::string_view catalog_query();

// What a caller makes of a Statement. Names are as PostgreSQL stores them: folded unless quoted.
// Overloads and namesakes in several schemas are one, and what one of them may do they all may.
//
// - Every name in Statement::functions counts with function(), and every one in `operators`: one
//   that is not known is newer than the snapshot, and may do anything until it is known. Those in
//   `possible_functions` count with function() if they are there. Those in `builtin_functions`
//   count with function(), too, if has_overload_effects(). Those in ReadFacts::attributes count
//   with attribute().
// - Every name in Statement::relations counts with reading(), or, if the text may do more than
//   read, with relation(), or truncating() if it `truncates`. One that is not there has no effect:
//   most relations have none, and so their names are not kept. That is safe for names newer than
//   the snapshot, too, as long as whatever gives a relation an effect outdates the snapshot
//   (Statement::changes_catalog_effects, SessionEffects::changes_effects): a table made by anything
//   else has nothing to run. Until a transaction that did so has ended, what it runs after that is
//   not known at all.
// - A statement that `defines` counts with on_ddl(), and if it reaches any effect by its names, its
//   result has that effect for those who use it: the snapshot is outdated.
// - everywhere() counts for all. If is_plain(), nothing but `functions`, `operators` and
//   `possible_functions` has to be looked up.
class Catalog {
public:
    static std::shared_ptr<const Catalog> build(std::vector<CatalogRow> rows);

    // The lookups do not allocate.

    // Null if no user has made a function of this name; built-in ones of the name are not in it.
    const SessionEffects* function(std::string_view name) const;

    // Whether anything outside of pg_catalog may be called by this name: a function, procedure or
    // aggregate, or a type, as in type(x). Without a function() it is a type, or
    // information_schema's.
    bool knows_function(std::string_view name) const;

    // A user has made an operator of this name. Its effects are in everywhere().
    bool knows_operator(std::string_view name) const { return operators_.contains(name); }

    // A function of a user that has an effect is named like one of PostgreSQL's own.
    bool has_overload_effects() const { return overload_effects_; }

    // A function that is called as t.name; by attribute_hash(name, false). Null if there is none
    // with an effect.
    const SessionEffects* attribute(std::uint32_t hash) const;

    bool has_attribute_effects() const { return !attributes_.empty(); }

    // What any use of the relation may do: triggers, defaults, checks, rules, and what is below.
    // Null for nothing.
    const SessionEffects* relation(std::string_view name) const;

    // The same if it is only read, by SELECT without FOR UPDATE: views, policies. Null for nothing.
    const SessionEffects* reading(std::string_view name) const;

    // What TRUNCATE of it, with CASCADE or not, may do: the same, and what is below the tables
    // that refer to it. Null for nothing.
    const SessionEffects* truncating(std::string_view name) const;

    // No function of a user, and no relation, has an effect, or uses a sequence's state.
    bool is_harmless() const { return harmless_; }

    // No text that calls no user's function, and is no DDL, reaches anything.
    bool is_plain() const { return plain_; }

    // Or reads currval or lastval, or (by reading alone) takes a sequence's next value; that
    // writing does so is known from its text.
    bool has_relation_effects() const { return !relations_.empty(); }

    // What any text may do without naming it: casts, operators, types' functions, domain checks.
    // C functions in these roles count as the computations they have to be.
    const SessionEffects& everywhere() const { return everywhere_; }

    // What is against running it on a replica.
    const ReadCatalog& reads() const { return reads_; }

    // Which names are met by which.
    const CatalogReach& reach() const { return reach_; }

    // What event triggers add to any DDL.
    const SessionEffects& on_ddl() const { return on_ddl_; }

private:
    friend class CatalogBuilder;

    struct RelationEffects {
        SessionEffects reading;
        SessionEffects any_use;
        SessionEffects truncating;
    };

    struct NameHash {
        using is_transparent = void;

        std::size_t operator()(std::string_view name) const {
            return std::hash<std::string_view>{}(name);
        }
    };

    template <class Value>
    using ByName = std::unordered_map<std::string, Value, NameHash, std::equal_to<>>;
    using Names = std::unordered_set<std::string, NameHash, std::equal_to<>>;

    const RelationEffects* find_relation(std::string_view name) const;

    ByName<SessionEffects> functions_;
    std::unordered_map<std::uint32_t, SessionEffects> attributes_;  // those with an effect
    ByName<RelationEffects> relations_;                             // those with an effect
    Names other_functions_;                                         // types and the like
    Names operators_;
    SessionEffects everywhere_;
    SessionEffects on_ddl_;
    ReadCatalog reads_;
    CatalogReach reach_;
    bool overload_effects_ = false;
    bool harmless_ = true;
    bool plain_ = true;
};

}  // namespace weir::router
