#include "proxy/clusters.h"

#include "conf/machine.h"
#include "proxy/log.h"

#include <algorithm>

namespace weir::proxy {

namespace {

pool::ConfiguredRole configured(conf::HostRole role) {
    switch (role) {
        case conf::HostRole::primary:
            return pool::ConfiguredRole::primary;
        case conf::HostRole::replica:
            return pool::ConfiguredRole::replica;
        case conf::HostRole::automatic:
            break;
    }
    return pool::ConfiguredRole::automatic;
}

void log_event(const std::string& cluster, const pool::ClusterEvent& event) {
    using Level = pool::ClusterEvent::Level;
    if (event.kind == pool::ClusterEvent::Kind::memory_changed) return;
    const auto level = event.level == Level::error     ? spdlog::level::err
                       : event.level == Level::warning ? spdlog::level::warn
                                                       : spdlog::level::info;
    log_of(LogComponent::routing)
        .log(level, "cluster {}: {}", printable(cluster), printable(event.text));
}

std::vector<std::string> addresses_of(const pool::ClusterSettings& settings) {
    std::vector<std::string> addresses;
    for (const auto& host : settings.hosts)
        addresses.push_back(host.host + ':' + std::to_string(host.port));
    return addresses;
}

}  // namespace

pool::ClusterSettings cluster_settings(
    const std::string& name, const conf::Settings& settings, const conf::DatabaseSettings& database
) {
    pool::ClusterSettings cluster;
    cluster.name = name;
    cluster.max_lag = database.max_lag;
    cluster.max_lag_bytes = static_cast<std::uint64_t>(database.max_lag_bytes);
    cluster.lag_alert = database.lag_alert;
    for (const auto& host : conf::server_hosts(settings, database)) {
        pool::ClusterHost each;
        each.host = host.host;
        each.port = host.port;
        each.weight = static_cast<std::uint32_t>(host.weight);
        each.zone = host.zone;
        each.role = configured(host.role);
        each.removed = host.removed;
        cluster.hosts.push_back(std::move(each));
    }
    return cluster;
}

Clusters::Clusters(asio::io_context& io, pool::ServerLogin& login, std::size_t workers)
    : io_(io), login_(login), workers_(workers) {}

void Clusters::configure(const Configuration& configuration) {
    configuration_ = configuration;
    const auto& settings = *configuration.settings;
    if (!std::exchange(memories_read_, true) && !settings.cluster_state_file.empty()) {
        memories_ = pool::read_timeline_file(settings.cluster_state_file);
        if (!memories_.wrong.empty()) {
            log_of(LogComponent::routing)
                .error(
                    "cluster_state_file: {}; until FORGET TIMELINE a primary is believed only if a "
                    "replica streams from it, or if every host answers",
                    memories_.wrong
                );
        }
    }
    // Of a section that is gone nobody is left to ask.
    std::erase_if(clusters_, [&](const auto& named) {
        const auto found = settings.databases.find(named.first);
        const bool gone = found == settings.databases.end() || found->second.hosts.empty();
        if (gone) {
            named.second->monitor()->stop();
            removed_.push_back(named.second);
            role_epochs_.erase(named.first);
        }
        return gone;
    });
    for (const auto& [name, database] : settings.databases) {
        if (database.hosts.empty()) continue;
        auto wanted = cluster_settings(name, settings, database);
        auto login = login_of(name, database);
        auto& cluster = clusters_[name];
        const bool fresh = cluster == nullptr;
        if (fresh) {
            cluster = make(name, std::move(wanted));
        } else {
            cluster->add_addresses(addresses_of(wanted));
            cluster->monitor()->configure(std::move(wanted));
        }
        cluster->monitor()->configure_logins(login.targets, login.credentials);
        if (fresh) cluster->monitor()->start();
    }
}

Clusters::Login Clusters::login_of(const std::string& name, const conf::DatabaseSettings& database)
    const {
    Login login;
    const auto& user = database.monitor_user ? database.monitor_user : database.user;
    pool::PoolName pool{name, user ? *user : conf::process_owner()};
    // Nobody can say which databases "*" will mean.
    const bool any = name == "*" && !database.dbname;
    for (; pool.host < database.hosts.size(); ++pool.host) {
        auto target = server_target(configuration_, pool);
        if (any) target.database = "postgres";
        login.targets.push_back(std::move(target));
    }
    static const pool::ScramKeys no_keys;
    login.credentials = credentials_of_user(configuration_, pool.user, no_keys);
    const auto& password = database.monitor_user ? database.monitor_password : database.password;
    if (password) login.credentials.password = std::string(password->reveal());
    return login;
}

std::shared_ptr<Cluster> Clusters::make(const std::string& name, pool::ClusterSettings settings) {
    pool::ClusterMemory memory;
    const auto remembered = memories_.clusters.find(name);
    if (remembered != memories_.clusters.end()) memory = remembered->second;
    if (!memories_.wrong.empty()) memory.lost = true;
    const auto addresses = addresses_of(settings);
    pool::ClusterMonitor::Observer observer;
    observer.happened = [name](const pool::ClusterEvent& event) {
        log_event(name, event);
    };
    observer.remember = [this](const std::string& cluster, const pool::ClusterMemory& now) {
        remember(cluster, now);
    };
    observer.published = [this, name](const pool::TopologyRef& topology) {
        published(name, topology);
    };
    auto monitor = std::make_shared<pool::ClusterMonitor>(
        io_, login_, std::move(settings), memory, pool::MonitorOptions{}, std::move(observer)
    );
    return std::make_shared<Cluster>(name, addresses, std::move(monitor), workers_);
}

// Before anything is written to a new primary. A few hundred bytes, when a role moves.
void Clusters::remember(const std::string& cluster, const pool::ClusterMemory& memory) {
    memories_.clusters.insert_or_assign(cluster, memory);
    const auto& path = configuration_.settings->cluster_state_file;
    if (path.empty()) return;
    const auto failed = pool::write_timeline_file(path, memories_.clusters);
    if (!failed.empty()) log_of(LogComponent::routing).error("cluster_state_file: {}", failed);
}

void Clusters::published(const std::string& name, const pool::TopologyRef& topology) {
    const auto found = clusters_.find(name);
    if (found == clusters_.end()) return;
    const auto cluster = found->second;
    cluster->wake_waiting();
    auto& told = role_epochs_[name];
    if (std::exchange(told, topology->role_epoch) == topology->role_epoch) return;
    if (roles_changed_) roles_changed_(*cluster, topology);
}

void Clusters::stop() {
    for (const auto& [name, cluster] : clusters_)
        cluster->monitor()->stop();
}

std::shared_ptr<Cluster> Clusters::find(const std::string& database) const {
    auto found = clusters_.find(database);
    // A section of its own, even without hosts, comes before "*".
    if (found == clusters_.end() && !configuration_.settings->databases.contains(database)) {
        found = clusters_.find("*");
    }
    return found == clusters_.end() ? nullptr : found->second;
}

}  // namespace weir::proxy
