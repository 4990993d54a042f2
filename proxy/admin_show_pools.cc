// SHOW POOLS, DATABASES, USERS, LISTS and MEM: what there is now, counted.
#include "proxy/admin_show.h"
#include "proxy/server.h"

#include <algorithm>
#include <optional>
#include <set>

namespace weir::proxy {

namespace {

using enum ColumnType;

using Rows = std::vector<Row>;

const std::string console_pool_mode = "statement";
// PgBouncer's, and true of nothing; tools expect a number.
constexpr std::int64_t console_pool_size = 2;

std::string console_name() {
    return std::string(console_database);
}

std::int64_t number(std::size_t count) {
    return static_cast<std::int64_t>(count);
}

Value text_or_null(const std::optional<std::string>& value) {
    return value ? Value(*value) : Value();
}

Value mode_or_null(const std::optional<conf::PoolMode>& mode) {
    return mode ? Value(std::string(to_string(*mode))) : Value();
}

std::int64_t count_of(const std::map<std::string, std::size_t>& counts, const std::string& name) {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : number(found->second);
}

// --- POOLS ---

struct ServerCounts {
    std::int64_t active = 0, idle = 0, used = 0, tested = 0, being_canceled = 0, cancels = 0;
};

ServerCounts count_servers(
    const PoolEntry& entry, const conf::Settings& settings, pool::TimePoint now
) {
    ServerCounts counts;
    for (const auto& pool : entry.pools) {
        pool.for_each_server([&](const pool::ServerConnection& server) {
            const auto state = state_shown(server, settings, now);
            counts.active += state == "active";
            counts.idle += state == "idle";
            counts.used += state == "used";
            counts.tested += state == "tested";
            counts.being_canceled += state == "being_canceled";
            counts.cancels += server.cancels;
        });
    }
    return counts;
}

// Of all hosts together; SHOW HOSTS tells them apart.
pool::PoolCounts count_pools(const PoolEntry& entry, pool::TimePoint now) {
    pool::PoolCounts sum;
    for (const auto& pool : entry.pools) {
        const auto counts = pool.counts(now);
        sum.waiting += counts.waiting;
        sum.opening += counts.opening;
        sum.oldest_wait = std::max(sum.oldest_wait, counts.oldest_wait);
    }
    return sum;
}

Row pool_row(const PoolEntry& entry, const conf::Settings& settings, pool::TimePoint now) {
    const auto& pool = entry.pool;
    const auto counts = count_pools(entry, now);
    const auto servers = count_servers(entry, settings, now);
    // Idle clients count as active, as in PgBouncer. The two are not read at one moment.
    const auto clients = std::max(pool.clients(), counts.waiting);
    const auto longest =
        std::chrono::duration_cast<std::chrono::microseconds>(counts.oldest_wait).count();
    return {
        pool.name().database,
        pool.name().user,
        number(clients - counts.waiting),
        number(counts.waiting),
        // Every cancel has its own connection at once: none waits.
        servers.cancels,
        std::int64_t{0},
        servers.active,
        servers.cancels,
        servers.being_canceled,
        servers.idle,
        servers.used,
        servers.tested,
        number(counts.opening),
        longest / 1000000,
        longest % 1000000,
        std::string(to_string(entry.limits()->pool_mode)),
        Value(),  // load_balance_hosts: for lists of hosts
    };
}

Row console_pool_row(std::size_t clients) {
    Row row{console_name(), console_name(), number(clients)};
    while (row.size() < 15)
        row.emplace_back(std::int64_t{0});
    row.emplace_back(console_pool_mode);
    row.emplace_back();
    return row;
}

// --- DATABASES, USERS and LISTS ---

// Servers there are, by database or by user.
std::map<std::string, std::size_t> servers_by(
    const PoolSet& pools, std::string pool::PoolName::*member
) {
    const auto now = pool::Clock::now();
    std::map<std::string, std::size_t> totals;
    for (const auto& [name, entry] : pools.entries()) {
        totals[name.*member] += entry->total(now);
    }
    return totals;
}

// Configured, or used by way of "*".
std::set<std::string> database_names(Server& server) {
    std::set<std::string> names;
    for (const auto& [name, database] : server.settings().databases) {
        if (name != "*") names.insert(name);
    }
    for (const auto& [name, entry] : server.pools().entries()) {
        if (conf::find_database(server.settings(), name.database) != nullptr) {
            names.insert(name.database);
        }
    }
    return names;
}

std::int64_t seconds(conf::Milliseconds time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

Row database_row(
    const std::string& name, Server& server, std::int64_t servers, std::int64_t clients
) {
    const auto& settings = server.settings();
    const auto& database = *conf::find_database(settings, name);
    return {
        name,
        database.host.empty() ? Value() : Value(database.host),
        std::int64_t{database.port},
        std::string(conf::server_dbname(database, name)),
        text_or_null(database.user),
        std::int64_t{database.pool_size.value_or(settings.default_pool_size)},
        std::int64_t{database.min_pool_size.value_or(settings.min_pool_size)},
        std::int64_t{database.reserve_pool_size.value_or(settings.reserve_pool_size)},
        seconds(conf::effective_server_lifetime(settings, name)),
        mode_or_null(database.pool_mode),
        Value(),  // load_balance_hosts
        std::int64_t{conf::effective_max_db_connections(settings, name)},
        servers,
        std::int64_t{conf::effective_max_db_client_connections(settings, name)},
        clients,
        std::int64_t{server.pools().is_paused(name)},
        std::int64_t{server.is_disabled(name)},
    };
}

Row console_database_row(const ShowContext& context) {
    const auto& settings = context.server.settings();
    return {
        console_name(),
        Value(),
        std::int64_t{settings.listen_port},
        console_name(),
        console_name(),
        console_pool_size,
        std::int64_t{settings.min_pool_size},
        std::int64_t{settings.reserve_pool_size},
        seconds(settings.server_lifetime),
        console_pool_mode,
        Value(),
        std::int64_t{settings.max_db_connections},
        std::int64_t{0},
        std::int64_t{settings.max_db_client_connections},
        number(context.console_clients.size()),
        std::int64_t{0},
        std::int64_t{0},
    };
}

// Configured, on the list, or in use.
std::set<std::string> user_names(Server& server) {
    std::set<std::string> names{console_name()};
    for (const auto& [name, user] : server.settings().users)
        names.insert(name);
    for (const auto& [name, secret] : *server.configuration().users)
        names.insert(name);
    for (const auto& [name, entry] : server.pools().entries())
        names.insert(name.user);
    for (const auto& [name, count] : server.client_counts().by_user)
        names.insert(name);
    return names;
}

// PgBouncer's "%9d"; an empty text where nothing is set.
std::string padded(const std::optional<int>& size) {
    if (!size) return {};
    auto digits = std::to_string(*size);
    return std::string(digits.size() < 9 ? 9 - digits.size() : 0, ' ') + digits;
}

}  // namespace

Columns pools_columns() {
    return {
        {"database", text},
        {"user", text},
        {"cl_active", int4},
        {"cl_waiting", int4},
        {"cl_active_cancel_req", int4},
        {"cl_waiting_cancel_req", int4},
        {"sv_active", int4},
        {"sv_active_cancel", int4},
        {"sv_being_canceled", int4},
        {"sv_idle", int4},
        {"sv_used", int4},
        {"sv_tested", int4},
        {"sv_login", int4},
        {"maxwait", int4},
        {"maxwait_us", int4},
        {"pool_mode", text},
        {"load_balance_hosts", text},
    };
}

std::vector<Row> show_pools(const ShowContext& context) {
    const auto now = pool::Clock::now();
    Rows rows;
    for (const auto& [name, entry] : context.server.pools().entries()) {
        rows.push_back(pool_row(*entry, context.server.settings(), now));
    }
    rows.push_back(console_pool_row(context.console_clients.size()));
    return rows;
}

Columns databases_columns() {
    return {
        {"name", text},
        {"host", text},
        {"port", int4},
        {"database", text},
        {"force_user", text},
        {"pool_size", int4},
        {"min_pool_size", int4},
        {"reserve_pool_size", int4},
        {"server_lifetime", int4},
        {"pool_mode", text},
        {"load_balance_hosts", text},
        {"max_connections", int4},
        {"current_connections", int4},
        {"max_client_connections", int4},
        {"current_client_connections", int4},
        {"paused", int4},
        {"disabled", int4},
    };
}

std::vector<Row> show_databases(const ShowContext& context) {
    auto& server = context.server;
    const auto clients = server.client_counts().by_database;
    const auto servers = servers_by(server.pools(), &pool::PoolName::database);
    Rows rows;
    for (const auto& name : database_names(server)) {
        rows.push_back(database_row(name, server, count_of(servers, name), count_of(clients, name))
        );
    }
    rows.push_back(console_database_row(context));
    return rows;
}

Columns users_columns() {
    return {
        {"name", text},
        {"pool_size", text},
        {"reserve_pool_size", text},
        {"pool_mode", text},
        {"max_user_connections", int4},
        {"current_connections", int4},
        {"max_user_client_connections", int4},
        {"current_client_connections", int4},
    };
}

std::vector<Row> show_users(const ShowContext& context) {
    auto& server = context.server;
    const auto& settings = server.settings();
    const auto clients = server.client_counts().by_user;
    const auto servers = servers_by(server.pools(), &pool::PoolName::user);
    const conf::UserSettings unset;
    Rows rows;
    for (const auto& name : user_names(server)) {
        const auto* found = conf::find_user(settings, name);
        const auto& user = found != nullptr ? *found : unset;
        rows.push_back({
            name,
            padded(user.pool_size),
            padded(user.reserve_pool_size),
            mode_or_null(user.pool_mode),
            std::int64_t{conf::effective_max_user_connections(settings, name)},
            count_of(servers, name),
            std::int64_t{conf::effective_max_user_client_connections(settings, name)},
            count_of(clients, name),
        });
    }
    return rows;
}

std::vector<Row> show_lists(const ShowContext& context) {
    auto& server = context.server;
    const auto counts = server.client_counts();
    std::size_t servers = 0;
    for (const auto& [user, total] : servers_by(server.pools(), &pool::PoolName::user)) {
        servers += total;
    }
    const auto row = [](const char* name, std::size_t items) -> Row {
        return {std::string(name), number(items)};
    };
    // Peers and a cache of names do not exist here; unused clients and servers are not kept.
    return {
        row("databases", database_names(server).size() + 1),
        row("users", user_names(server).size()),
        row("peers", 0),
        row("pools", server.pools().entries().size() + 1),
        row("peer_pools", 0),
        row("free_clients", 0),
        row("used_clients", counts.clients),
        row("login_clients", counts.login),
        row("free_servers", 0),
        row("used_servers", servers),
        row("dns_names", 0),
        row("dns_zones", 0),
        row("dns_queries", 0),
        row("dns_pending", 0),
    };
}

// PgBouncer's caches are slabs of one kind of object. Here these are single allocations, none kept
// for later; what they refer to (buffers, statements) is not part of the numbers.
std::vector<Row> show_mem(const ShowContext& context) {
    auto& server = context.server;
    std::size_t sessions = 0;
    for (const auto& worker : server.workers())
        sessions += worker->sessions();
    std::size_t servers = 0;
    for (const auto& [name, entry] : server.pools().entries()) {
        for (const auto& pool : entry->pools)
            pool.for_each_server([&servers](const pool::ServerConnection&) { ++servers; });
    }
    const auto row = [](const char* name, std::size_t size, std::size_t used) -> Row {
        return {
            std::string(name), number(size), number(used), std::int64_t{0}, number(size * used)};
    };
    return {
        row("user_cache", sizeof(conf::UserList::value_type), server.configuration().users->size()),
        row("db_cache", sizeof(conf::DatabaseSettings), server.settings().databases.size()),
        row("pool_cache", sizeof(PoolEntry), server.pools().entries().size()),
        row("server_cache", sizeof(pool::ServerConnection), servers),
        row("client_cache", sizeof(ClientSession), sessions),
    };
}

}  // namespace weir::proxy
