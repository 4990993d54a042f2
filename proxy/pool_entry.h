// PoolEntry: the pools of one (database, user), one for each host, and what its sessions share:
// limits in force, the welcome, and which start-up settings PostgreSQL has accepted before.
#pragma once

#include "conf/settings.h"
#include "pool/replica_choice.h"
#include "pool/server_pool.h"
#include "proxy/catalog_state.h"
#include "proxy/pin_counts.h"

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <optional>

namespace weir::proxy {

class Cluster;

// What sessions need of the configuration; replaced as a whole by RELOAD.
struct SessionLimits {
    conf::PoolMode pool_mode = conf::PoolMode::transaction;
    bool defer_begin = true;
    std::size_t max_prepared_statements = 200;
    std::uint32_t max_packet_size = 2147483647;  // bytes of one message of a client's
    std::string server_check_query;              // empty = none; ";" stands for an empty query
    pool::Duration server_check_delay{};
    std::string server_reset_query;
    bool server_reset_query_always = false;
    bool strict_custom_settings = false;
    // Zero = off.
    pool::Duration query_timeout{};
    pool::Duration query_wait_timeout{};
    pool::Duration query_wait_notify{};
    pool::Duration idle_transaction_timeout{};
    pool::Duration transaction_timeout{};
    pool::Duration client_idle_timeout{};
    pool::Duration pin_idle_timeout{};
    pool::Duration client_login_timeout{};
    conf::PinNotice pin_notice = conf::PinNotice::off;
    // Of a cluster.
    conf::RouteTo route = conf::RouteTo::automatic;
    pool::Consistency consistency = pool::Consistency::session;
    pool::Duration causal_wait{};
    pool::ReadPolicy read_policy;
    bool log_disconnections = true;
    bool log_pooler_errors = true;
    // Statements are counted.
    bool query_stats = true;
    pool::Duration log_min_duration{};  // zero = off
    std::uint32_t log_sample_percent = 100;
    bool log_parameters = false;
    // Spans of statements are sent: of those whose traceparent says so, and of some others.
    bool traces = false;
    std::uint32_t trace_sample_percent = 0;

    // Sessions look at what their statements cost.
    bool meters() const {
        return query_stats || traces || log_min_duration > pool::Duration::zero();
    }

    // The nanoseconds from which on a statement may be a slow or a traced one.
    std::uint64_t noticed_from = ~std::uint64_t{0};

    // After log_min_duration or `traces` has changed.
    void set_noticed_from() {
        const bool logs = log_min_duration > pool::Duration::zero();
        noticed_from = traces ? 0
                       : logs ? static_cast<std::uint64_t>(log_min_duration.count())
                              : ~std::uint64_t{0};
    }
};

using SessionLimitsRef = std::shared_ptr<const SessionLimits>;

// What PostgreSQL said to a new session, and to settings in start-up packets. Any thread.
class WelcomeCache {
public:
    using Facts = std::vector<std::pair<std::string, std::string>>;

    // What each login asks for, made once.
    struct Known {
        Facts facts;  // ParameterStatus of a fresh session
        // The parameters of a fresh session.
        protocol::ParameterSetRef baseline;
        // The facts as messages.
        std::string messages;
    };

    // The parameters of a fresh session on the server that sent `welcome`.
    static protocol::ParameterSetRef baseline(const Facts& welcome);

    // The next client needs a server to know it.
    void outdate();
    // From a server; forgets what was accepted before if the server is another one now. Not
    // `current`: it was opened before the welcome became outdated.
    void learn(const Facts& welcome, bool current = true);
    // nullptr if no server was there yet.
    std::shared_ptr<const Known> known() const;
    // As known(), or nullptr if that is outdated.
    std::shared_ptr<const Known> current() const;
    // The parameters of a client with these settings, if PostgreSQL has accepted them before.
    protocol::ParameterSetRef accepted(const std::string& settings_key) const;
    void accept(const std::string& settings_key, protocol::ParameterSetRef parameters);

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const Known> known_;
    bool outdated_ = false;
    std::map<std::string, protocol::ParameterSetRef> accepted_;
};

struct PoolEntry {
    // `cluster`: null without one. REQUIRES: `hosts` is the number of its hosts, or 1.
    PoolEntry(
        const pool::PoolName& name,
        const std::vector<pool::EventLoop*>& workers,
        pool::PoolObserver& observer,
        std::shared_ptr<Cluster> of = nullptr,
        unsigned hosts = 1
    );

    // By host; one without a cluster. The control plane's.
    std::deque<pool::ServerPool> pools;

    // Any thread: of a host of a topology that is known.
    pool::ServerPool& of_host(std::size_t host) { return *by_host_[host]; }

    // Control thread, before a topology with so many hosts is published.
    void add_hosts(
        std::size_t hosts,
        const std::vector<pool::EventLoop*>& workers,
        pool::PoolObserver& observer
    );
    // The first of them. It also counts what clients do, whichever host serves them.
    pool::ServerPool& pool;
    const std::shared_ptr<Cluster> cluster;
    // The cluster's primary when its roles last changed. The control plane's.
    std::optional<std::size_t> primary;
    // On all hosts: whatever state they are in.
    std::size_t total(pool::TimePoint now) const;
    bool recycled() const;
    void recycle();
    void close_all_idle(pool::CloseReason reason);

    WelcomeCache welcome;
    // Of the database: its pools share it.
    std::shared_ptr<CatalogState> catalog = std::make_shared<CatalogState>();
    PinCounts pins;
    // Some client has asked for currval or lastval: from then on servers are cleaned of others'
    // values before a statement that may advance a sequence.
    std::atomic<bool> sequence_state_read{false};

    SessionLimitsRef limits() const {
        const std::lock_guard lock(mutex);
        return limits_;
    }

    void set_limits(SessionLimitsRef limits) {
        const std::lock_guard lock(mutex);
        limits_ = std::move(limits);
    }

private:
    // A place is written once.
    std::array<pool::ServerPool*, pool::most_hosts> by_host_{};
    mutable std::mutex mutex;
    SessionLimitsRef limits_ = std::make_shared<SessionLimits>();
};

}  // namespace weir::proxy
