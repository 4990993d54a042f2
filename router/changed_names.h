// ChangedNames: what DDL since a catalog snapshot may have given another meaning.
#pragma once

#include "router/read_facts.h"

#include <cstdint>
#include <string_view>
#include <unordered_set>

namespace weir::router {

// Of a relation, function or type as PostgreSQL stores it, without its schema. Two names of one
// hash are taken for one, which only makes more of what has changed.
inline std::uint32_t name_hash(std::string_view name) {
    return attribute_hash(name, false);
}

struct ChangedNames {
    // More than this, and it is `anything`.
    static constexpr std::size_t max_names = 20000;

    bool anything = false;  // also what is met without being named
    std::unordered_set<std::uint32_t> names;

    static ChangedNames all() { return {true, {}}; }

    template <class Hashes>
    void add(const Hashes& hashes) {
        if (anything) return;
        names.insert(hashes.begin(), hashes.end());
        if (names.size() > max_names) add_anything();
    }

    void add_anything() {
        anything = true;
        names.clear();
    }

    void add_all_of(const ChangedNames& more) {
        if (more.anything) add_anything();
        add(more.names);
    }
};

}  // namespace weir::router
