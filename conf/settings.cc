#include "conf/settings.h"

#include <algorithm>
#include <functional>

namespace weir::conf {

namespace {

template <class Owner, class T>
T own_or(const Owner* owner, std::optional<T> Owner::*member, T inherited) {
    return owner != nullptr && owner->*member ? *(owner->*member) : inherited;
}

// PgBouncer's rule for limits and timeouts: only a value above 0 counts as set.
template <class Owner, class T>
T positive_or(const Owner* owner, std::optional<T> Owner::*member, T inherited) {
    T own = own_or(owner, member, T{});
    return own > T{} ? own : inherited;
}

}  // namespace

std::string_view to_string(PoolMode mode) {
    switch (mode) {
        case PoolMode::session:
            return "session";
        case PoolMode::transaction:
            return "transaction";
        case PoolMode::statement:
            return "statement";
    }
    return "?";
}

std::string_view to_string(AuthType type) {
    switch (type) {
        case AuthType::trust:
            return "trust";
        case AuthType::any:
            return "any";
        case AuthType::plain:
            return "plain";
        case AuthType::md5:
            return "md5";
        case AuthType::scram_sha_256:
            return "scram-sha-256";
    }
    return "?";
}

std::string_view to_string(SslMode mode) {
    switch (mode) {
        case SslMode::disable:
            return "disable";
        case SslMode::allow:
            return "allow";
        case SslMode::prefer:
            return "prefer";
        case SslMode::require:
            return "require";
        case SslMode::verify_ca:
            return "verify-ca";
        case SslMode::verify_full:
            return "verify-full";
    }
    return "?";
}

std::string_view to_string(LendPolicy policy) {
    switch (policy) {
        case LendPolicy::lifo:
            return "lifo";
        case LendPolicy::round_robin:
            return "round_robin";
        case LendPolicy::rotate:
            return "rotate";
    }
    return "?";
}

std::string_view to_string(HostRole role) {
    switch (role) {
        case HostRole::automatic:
            return "auto";
        case HostRole::primary:
            return "primary";
        case HostRole::replica:
            return "replica";
    }
    return "?";
}

std::string_view to_string(RouteTo route) {
    switch (route) {
        case RouteTo::automatic:
            return "auto";
        case RouteTo::primary:
            return "primary";
        case RouteTo::replica:
            return "replica";
    }
    return "?";
}

std::string_view to_string(Consistency consistency) {
    switch (consistency) {
        case Consistency::none:
            return "none";
        case Consistency::session:
            return "session";
        case Consistency::global:
            return "global";
        case Consistency::strict:
            return "strict";
    }
    return "?";
}

std::string_view to_string(PrimaryReads reads) {
    switch (reads) {
        case PrimaryReads::never:
            return "never";
        case PrimaryReads::fallback:
            return "fallback";
        case PrimaryReads::always:
            return "always";
    }
    return "?";
}

bool is_console_database(std::string_view name) {
    return name == "pgbouncer" || name == "pgweir";
}

const DatabaseSettings* find_database(const Settings& settings, std::string_view name) {
    auto found = settings.databases.find(name);
    if (found == settings.databases.end()) found = settings.databases.find("*");
    return found == settings.databases.end() ? nullptr : &found->second;
}

const UserSettings* find_user(const Settings& settings, std::string_view user) {
    auto found = settings.users.find(user);
    return found == settings.users.end() ? nullptr : &found->second;
}

std::string_view server_dbname(const DatabaseSettings& database, std::string_view name) {
    return database.dbname ? std::string_view(*database.dbname) : name;
}

std::string_view server_host(const Settings& settings, const DatabaseSettings& database) {
    return database.host.empty() ? settings.unix_socket_dir : database.host;
}

std::vector<HostSettings> server_hosts(const Settings& settings, const DatabaseSettings& database) {
    std::vector<HostSettings> hosts = database.hosts;
    if (hosts.empty()) {
        hosts.push_back({.host = database.host, .port = database.port, .role = HostRole::primary});
    }
    for (HostSettings& host : hosts) {
        if (host.host.empty()) host.host = settings.unix_socket_dir;
    }
    return hosts;
}

RouteTo effective_route(const DatabaseSettings& database) {
    const auto removed = std::count_if(
        database.hosts.begin(), database.hosts.end(), std::mem_fn(&HostSettings::removed)
    );
    const bool several = database.hosts.size() > static_cast<std::size_t>(removed) + 1;
    return database.route.value_or(several ? RouteTo::automatic : RouteTo::primary);
}

RouteTo effective_route(
    const Settings& settings, const DatabaseSettings& database, std::string_view user
) {
    const UserSettings* found = find_user(settings, user);
    const bool for_reports = database.route == RouteTo::replica;
    if (found == nullptr || !found->route || for_reports) return effective_route(database);
    return *found->route;
}

Consistency effective_consistency(
    const Settings& settings, const DatabaseSettings& database, std::string_view user
) {
    const UserSettings* found = find_user(settings, user);
    return found != nullptr && found->consistency ? *found->consistency : database.consistency;
}

PoolMode effective_pool_mode(
    const Settings& settings, std::string_view database, std::string_view user
) {
    PoolMode mode =
        own_or(find_database(settings, database), &DatabaseSettings::pool_mode, settings.pool_mode);
    return own_or(find_user(settings, user), &UserSettings::pool_mode, mode);
}

int effective_pool_size(
    const Settings& settings, std::string_view database, std::string_view user
) {
    int size = own_or(
        find_database(settings, database), &DatabaseSettings::pool_size, settings.default_pool_size
    );
    return own_or(find_user(settings, user), &UserSettings::pool_size, size);
}

int effective_max_pinned(const Settings& settings, std::string_view database) {
    return own_or(
        find_database(settings, database), &DatabaseSettings::max_pinned, settings.max_pinned
    );
}

LendPolicy effective_lend_policy(const Settings& settings) {
    const bool in_turn = settings.server_round_robin && settings.lend_policy == LendPolicy::lifo;
    return in_turn ? LendPolicy::round_robin : settings.lend_policy;
}

int effective_reserve_pool_size(
    const Settings& settings, std::string_view database, std::string_view user
) {
    int size = own_or(
        find_database(settings, database),
        &DatabaseSettings::reserve_pool_size,
        settings.reserve_pool_size
    );
    return own_or(find_user(settings, user), &UserSettings::reserve_pool_size, size);
}

int effective_min_pool_size(
    const Settings& settings, std::string_view database, std::string_view user
) {
    int minimum = own_or(
        find_database(settings, database), &DatabaseSettings::min_pool_size, settings.min_pool_size
    );
    int size = effective_pool_size(settings, database, user);
    return size == 0 ? minimum : std::min(minimum, size);
}

Milliseconds effective_server_lifetime(const Settings& settings, std::string_view database) {
    return own_or(
        find_database(settings, database),
        &DatabaseSettings::server_lifetime,
        settings.server_lifetime
    );
}

int effective_max_db_connections(const Settings& settings, std::string_view database) {
    return positive_or(
        find_database(settings, database),
        &DatabaseSettings::max_db_connections,
        settings.max_db_connections
    );
}

int effective_max_db_client_connections(const Settings& settings, std::string_view database) {
    return positive_or(
        find_database(settings, database),
        &DatabaseSettings::max_db_client_connections,
        settings.max_db_client_connections
    );
}

int effective_max_user_connections(const Settings& settings, std::string_view user) {
    return positive_or(
        find_user(settings, user),
        &UserSettings::max_user_connections,
        settings.max_user_connections
    );
}

int effective_max_user_client_connections(const Settings& settings, std::string_view user) {
    return positive_or(
        find_user(settings, user),
        &UserSettings::max_user_client_connections,
        settings.max_user_client_connections
    );
}

Milliseconds effective_query_timeout(const Settings& settings, std::string_view user) {
    return positive_or(
        find_user(settings, user), &UserSettings::query_timeout, settings.query_timeout
    );
}

Milliseconds effective_idle_transaction_timeout(const Settings& settings, std::string_view user) {
    return positive_or(
        find_user(settings, user),
        &UserSettings::idle_transaction_timeout,
        settings.idle_transaction_timeout
    );
}

Milliseconds effective_transaction_timeout(const Settings& settings, std::string_view user) {
    return positive_or(
        find_user(settings, user), &UserSettings::transaction_timeout, settings.transaction_timeout
    );
}

Milliseconds effective_log_min_duration(
    const Settings& settings, std::string_view database, std::string_view user
) {
    const auto duration = own_or(
        find_database(settings, database),
        &DatabaseSettings::log_min_duration,
        settings.log_min_duration
    );
    return own_or(find_user(settings, user), &UserSettings::log_min_duration, duration);
}

Milliseconds effective_client_idle_timeout(const Settings& settings, std::string_view user) {
    return positive_or(
        find_user(settings, user), &UserSettings::client_idle_timeout, settings.client_idle_timeout
    );
}

}  // namespace weir::conf
