// Texts that pgweir answers itself on a client's normal connection, since PostgreSQL cannot know:
// SHOW pgweir.last_route and the like, EXPLAIN ROUTE.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

struct OwnQuery {
    enum class Kind : std::uint8_t { last_route, route, consistency, lsn_token, explain_route };

    Kind kind = Kind::last_route;
    std::string sql;  // of explain_route: the rest of the text

    std::string_view column() const;
    std::string_view tag() const;

    bool operator==(const OwnQuery&) const = default;
};

// None if the text is PostgreSQL's. A text that is none of ours costs a look at its first letters.
std::optional<OwnQuery> own_query(std::string_view text);

// The statements and portals of a client that are such queries, by name; "" is the unnamed one.
struct OwnNames {
    static constexpr std::size_t most = 64;

    std::map<std::string, OwnQuery, std::less<>> statements;
    std::map<std::string, OwnQuery, std::less<>> portals;  // until the next Sync
};

}  // namespace weir::proxy
