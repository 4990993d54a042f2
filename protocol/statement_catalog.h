// Prepared statements of the protocol in transaction mode: what clients call them, what they are,
// and which server has them prepared.
//
//  StatementCatalog   all statements in use, shared by text, parameter types and scope
//  ClientStatements   names that clients have given: one client's, or those of PREPARE on one
//  server PreparedSet        what one server connection has prepared, least recently used first
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
    // Made by PREPARE: text() is all of that, and servers have it under the client's name.
    bool from_sql = false;
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
    // The same for what PREPARE `name` makes.
    StatementRef find_or_add_sql(
        std::string_view name, std::string_view prepare_text, std::string_view scope
    );
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

    StatementRef find_or_make(
        std::string_view definition, std::string_view scope, std::string_view sql_name
    );

    std::array<Shard, 16> shards_;
    std::atomic<std::uint32_t> next_id_{1};
};

class ClientStatements {
public:
    struct Entry {
        StatementRef statement;
        // columns_key() of what the client was told that it returns; 0 = nothing.
        std::uint64_t columns = 0;
    };

    // What the client calls `name`, or nullptr; good until the next change.
    const Entry* entry(std::string_view name) const;

    // The statement the client calls `name`, or nullptr.
    const StatementRef* find(std::string_view name) const {
        const auto* found = entry(name);
        return found != nullptr ? &found->statement : nullptr;
    }

    // The client was told what this statement returns.
    void set_columns(std::uint32_t id, std::uint64_t columns);
    void add(std::string_view name, StatementRef statement);
    bool remove(std::string_view name);

    void clear() {
        names_.clear();
        from_sql_ = 0;
    }

    std::size_t size() const { return names_.size(); }

    bool empty() const { return names_.empty(); }

    // Some were made by PREPARE.
    bool has_sql() const { return from_sql_ > 0; }

    // Calls visit(name, statement) for each; nothing may be added or removed meanwhile.
    template <class Visit>
    void for_each(Visit&& visit) const {
        for (const auto& [name, entry] : names_)
            visit(name, entry.statement);
    }

    // The client's name of a statement, for texts; empty if it has none.
    std::string_view name_of(std::uint32_t id) const;

private:
    struct Hash {
        using is_transparent = void;

        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    boost::unordered_flat_map<std::string, Entry, Hash, std::equal_to<>> names_;
    std::size_t from_sql_ = 0;
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

// Stands for names and types of a RowDescription's columns, as PostgreSQL compares them when a plan
// is made again (equalTupleDescs); never 0. `body` of RowDescription, or empty for NoData.
std::uint64_t columns_key(Bytes body);

// `message` with the server-side names in it replaced by the client's.
std::string restore_names(std::string_view message, const ClientStatements& names);

}  // namespace weir::protocol
