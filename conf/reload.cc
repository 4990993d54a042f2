#include "conf/reload.h"

#include "conf/keys.h"

#include <algorithm>

namespace weir::conf {

namespace {

// What server connections carry: the rest of a database's settings only governs the pool.
bool same_connection(const DatabaseSettings& a, const DatabaseSettings& b) {
    return a.host == b.host && a.port == b.port && a.dbname == b.dbname && a.user == b.user &&
           a.password == b.password && a.connect_query == b.connect_query &&
           a.client_encoding == b.client_encoding && a.datestyle == b.datestyle &&
           a.timezone == b.timezone;
}

bool same_addresses(const DatabaseSettings& a, const DatabaseSettings& b) {
    return std::equal(
        a.hosts.begin(),
        a.hosts.end(),
        b.hosts.begin(),
        b.hosts.end(),
        [](const HostSettings& one, const HostSettings& other) {
            return one.host == other.host && one.port == other.port;
        }
    );
}

void compare_databases(const Settings& running, const Settings& loaded, ReloadDiff& diff) {
    for (const auto& [name, before] : running.databases) {
        auto now = loaded.databases.find(name);
        if (now == loaded.databases.end()) {
            diff.databases_removed.push_back(name);
            continue;
        }
        if (!same_addresses(before, now->second)) {
            diff.needs_restart.push_back("databases." + name + ".hosts");
        }
        if (!same_connection(before, now->second)) {
            diff.databases_reconnect.push_back(name);
        } else if (before != now->second) {
            diff.databases_changed.push_back(name);
        }
    }
    for (const auto& [name, database] : loaded.databases) {
        if (!running.databases.contains(name)) diff.databases_added.push_back(name);
    }
}

void compare_users(const Settings& running, const Settings& loaded, ReloadDiff& diff) {
    for (const auto& [name, before] : running.users) {
        auto now = loaded.users.find(name);
        if (now == loaded.users.end() || before != now->second) diff.users_changed.push_back(name);
    }
    for (const auto& [name, user] : loaded.users) {
        if (!running.users.contains(name)) diff.users_changed.push_back(name);
    }
}

}  // namespace

bool ReloadDiff::empty() const {
    return *this == ReloadDiff{};
}

ReloadDiff compare(const Settings& running, const Settings& loaded) {
    ReloadDiff diff;
    for (const Key<Settings>& key : global_keys()) {
        if (key.get(running) == key.get(loaded)) continue;
        (key.live ? diff.changed : diff.needs_restart).emplace_back(key.name);
        diff.client_tls_changed |= key.name.starts_with("client_tls");
        diff.server_tls_changed |= key.name.starts_with("server_tls");
    }
    compare_databases(running, loaded, diff);
    compare_users(running, loaded, diff);
    return diff;
}

Settings reloaded(const Settings& running, const Settings& loaded) {
    Settings settings = loaded;
    for (const Key<Settings>& key : global_keys()) {
        if (!key.live) key.set(settings, key.get(running));
    }
    for (auto& [name, database] : settings.databases) {
        const auto before = running.databases.find(name);
        if (before == running.databases.end() || same_addresses(before->second, database)) continue;
        database.hosts = before->second.hosts;
        database.host = before->second.host;
        database.port = before->second.port;
    }
    return settings;
}

}  // namespace weir::conf
