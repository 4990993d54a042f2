// SearchPath: the schemas in which a session finds names that have none.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::router {

struct SearchPath {
    // In order, without "$user" (it is the role, if there is a role to ask) and without pg_temp.
    std::vector<std::string> schemas;
    // pg_catalog is in it; else it is looked at first.
    bool names_pg_catalog = false;

    bool operator==(const SearchPath&) const = default;

    // Of the setting's value as SHOW gives it. None if it is no list of names.
    // `role`: current_user; empty: unknown, and a path with "$user" is none.
    static std::optional<SearchPath> parse(std::string_view setting, std::string_view role);
};

// Null: not known, so any schema may be meant.
using SearchPathPtr = std::shared_ptr<const SearchPath>;

}  // namespace weir::router
