// Clusters: all databases that have several hosts, watched as long as this process runs. Control
// thread.
#pragma once

#include "pool/timeline_file.h"
#include "proxy/cluster.h"
#include "proxy/configuration.h"

#include <functional>
#include <map>

namespace weir::proxy {

class Clusters {
public:
    // What changes with a topology: told after the workers can see it.
    using RolesChanged = std::function<void(Cluster& cluster, const pool::TopologyRef& topology)>;

    Clusters(asio::io_context& io, pool::ServerLogin& login, std::size_t workers);

    // Begins to watch what is new, and goes on with the rest under other limits and as other users.
    // Hosts keep their places (conf::reloaded).
    void configure(const Configuration& configuration);

    void on_roles_changed(RolesChanged tell) { roles_changed_ = std::move(tell); }

    void stop();

    // Of the database, as clients call it; null if it has one host only.
    std::shared_ptr<Cluster> find(const std::string& database) const;

    const std::map<std::string, std::shared_ptr<Cluster>>& all() const { return clusters_; }

private:
    struct Login {
        std::vector<pool::ServerTarget> targets;
        pool::ServerCredentials credentials;
    };

    Login login_of(const std::string& name, const conf::DatabaseSettings& database) const;
    std::shared_ptr<Cluster> make(const std::string& name, pool::ClusterSettings settings);
    void remember(const std::string& cluster, const pool::ClusterMemory& memory);
    void published(const std::string& name, const pool::TopologyRef& topology);

    asio::io_context& io_;
    pool::ServerLogin& login_;
    const std::size_t workers_;
    Configuration configuration_;
    std::map<std::string, std::shared_ptr<Cluster>> clusters_;  // by section
    std::map<std::string, std::uint64_t> role_epochs_;          // told last
    // Of sections that are gone. Sessions may hold them still, but their end is this thread's.
    std::vector<std::shared_ptr<Cluster>> removed_;
    pool::ReadMemories memories_;
    bool memories_read_ = false;
    RolesChanged roles_changed_;
};

// The limits of one cluster for its policy; see conf::DatabaseSettings.
pool::ClusterSettings cluster_settings(
    const std::string& name, const conf::Settings& settings, const conf::DatabaseSettings& database
);

}  // namespace weir::proxy
