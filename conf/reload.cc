#include "conf/reload.h"

#include "conf/keys.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::conf {

namespace {

// What server connections carry: the rest of a database's settings only governs the pool.
bool same_connection(const DatabaseSettings& a, const DatabaseSettings& b) {
    return a.host == b.host && a.port == b.port && a.dbname == b.dbname && a.user == b.user &&
           a.password == b.password && a.connect_query == b.connect_query &&
           a.client_encoding == b.client_encoding && a.datestyle == b.datestyle &&
           a.timezone == b.timezone;
}

// The running hosts keep their places, since pools are known by them; new ones follow. Nullopt:
// that is only possible by a restart.
std::optional<std::vector<HostSettings>> merged_hosts(
    const std::vector<HostSettings>& running, const std::vector<HostSettings>& loaded
) {
    if (running.empty() != loaded.empty()) return std::nullopt;
    std::vector<HostSettings> merged = running;
    for (HostSettings& host : merged)
        host.removed = true;
    for (const HostSettings& host : loaded) {
        const auto same = std::find_if(merged.begin(), merged.end(), [&](const auto& other) {
            return other.host == host.host && other.port == host.port;
        });
        if (same == merged.end()) {
            merged.push_back(host);
        } else {
            *same = host;
        }
    }
    if (merged.size() > most_hosts) return std::nullopt;
    return merged;
}

void compare_databases(const Settings& running, const Settings& loaded, ReloadDiff& diff) {
    for (const auto& [name, before] : running.databases) {
        auto now = loaded.databases.find(name);
        if (now == loaded.databases.end()) {
            diff.databases_removed.push_back(name);
            continue;
        }
        auto merged = now->second;
        if (auto hosts = merged_hosts(before.hosts, merged.hosts)) {
            merged.hosts = std::move(*hosts);
        } else {
            diff.needs_restart.push_back("databases." + name + ".hosts");
        }
        if (!same_connection(before, merged)) {
            diff.databases_reconnect.push_back(name);
        } else if (before != merged) {
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
        if (before == running.databases.end()) continue;
        if (auto hosts = merged_hosts(before->second.hosts, database.hosts)) {
            database.hosts = std::move(*hosts);
            continue;
        }
        database.hosts = before->second.hosts;
        database.host = before->second.host;
        database.port = before->second.port;
    }
    return settings;
}

}  // namespace weir::conf
