// Prepared statements of the protocol in transaction mode: what clients call them, what they are,
// and which server has them prepared.
//
//  StatementCatalog   all statements in use, shared by text, parameter types and scope
//  ClientStatements   one client's names
//  PreparedSet        what one server connection has prepared, least recently used first
#pragma once

#include "protocol/types.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace weir::protocol {

// Server-side names are this and the id. Clients never see them: see restore_names().
inline constexpr std::string_view server_name_prefix = "weir_";
// Behind the prefix: a name that the client has not prepared. No server ever has such a name.
inline constexpr std::string_view unknown_name_mark = "unknown:";

struct SharedStatement {
    std::uint32_t id = 0;
    std::string server_name;
    // Body of Parse behind the name: text, NUL, parameter types.
    std::string definition;
    // Parameters the meaning of names hangs on (search_path); part of the key.
    std::string scope;
    // Larger than what is kept: it lives on one server, with one client. No definition.
    bool resident = false;
    // Some server has accepted it: a Parse of the same needs no server.
    std::atomic<bool> proven{false};

    std::string_view text() const {
        return std::string_view(definition).substr(0, definition.find('\0'));
    }
};

using StatementRef = std::shared_ptr<SharedStatement>;

class StatementCatalog {
public:
    // The statement with this definition; it lives as long as anybody refers to it. Any thread.
    StatementRef find_or_add(std::string_view definition, std::string_view scope);
    // A statement too large to be kept; only its name is known.
    StatementRef resident();
    // How many statements are in use.
    std::size_t size() const;

private:
    struct Shard {
        mutable std::mutex mutex;
        std::unordered_multimap<std::size_t, std::weak_ptr<SharedStatement>> statements;
        std::size_t sweep_at = 64;
    };

    std::array<Shard, 16> shards_;
    std::atomic<std::uint32_t> next_id_{1};
};

class ClientStatements {
public:
    // The statement the client calls `name`, or nullptr.
    const StatementRef* find(std::string_view name) const;
    void add(std::string_view name, StatementRef statement);
    bool remove(std::string_view name);

    void clear() { names_.clear(); }

    std::size_t size() const { return names_.size(); }

    // The client's name of a statement, for texts; empty if it has none.
    std::string_view name_of(std::uint32_t id) const;

private:
    struct Hash {
        using is_transparent = void;

        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    boost::unordered_flat_map<std::string, StatementRef, Hash, std::equal_to<>> names_;
};

class PreparedSet {
public:
    // Marks it used now.
    bool contains(std::uint32_t id);
    // The server was sent a Parse for it.
    void add(StatementRef statement);
    void remove(std::uint32_t id);
    // The least recently used statement, removed from the set, if there are more than `limit`.
    std::optional<StatementRef> evict_over(std::size_t limit);
    // Forgets all but these.
    void keep_only(const std::vector<std::uint32_t>& ids);

    std::size_t size() const { return by_id_.size(); }

private:
    std::list<StatementRef> by_use_;  // most recent first
    boost::unordered_flat_map<std::uint32_t, std::list<StatementRef>::iterator> by_id_;
};

// `message` with the server-side names in it replaced by the client's.
std::string restore_names(std::string_view message, const ClientStatements& names);

}  // namespace weir::protocol
