// CatalogReach: which names a statement meets by those that it names: a view's tables, a table's
// triggers and what is in their functions' bodies.
//
// For deciding whether a snapshot still holds for a statement after DDL that changed other things:
// what a name reaches by itself has changed only if the DDL had that name.
#pragma once

#include "router/changed_names.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace weir::router {

struct Statement;

class CatalogReach {
public:
    // --- while it is built ---

    // Whoever meets `user` meets `used`; both by name_hash().
    void add_use(std::uint32_t user, std::uint32_t used) { uses_[user].push_back(used); }

    // The same, between relations.
    void add_below(std::uint32_t relation, std::uint32_t below) {
        add_use(relation, below);
        below_[relation].push_back(below);
    }

    // Met by every statement without being named; by every one that defines something.
    void add_everywhere(std::uint32_t name) { everywhere_.push_back(name); }

    void add_on_ddl(std::uint32_t name) { on_ddl_.push_back(name); }

    void finish();

    // --- then; any thread ---

    // Whether the statement may meet something that has changed. True if that is not known.
    // REQUIRES: complete(changed).
    bool meets(const Statement& statement, const ChangedNames& changed) const;

    // DDL of a table changes what inherits from it, too; that of a function which is met without
    // being named (an operator's) changes anything.
    void complete(ChangedNames& changed) const;

private:
    using Names = std::vector<std::uint32_t>;
    using Uses = std::unordered_map<std::uint32_t, Names>;

    Uses uses_;
    Uses below_;
    Names everywhere_;  // sorted
    Names on_ddl_;
};

}  // namespace weir::router
