// Cluster: a database's primary and replicas, as its sessions and operators see them: what is known
// of the hosts, who waits for that to change, and how often what was routed where.
#pragma once

#include "pool/cluster_monitor.h"
#include "pool/counters.h"
#include "pool/io/event_loop.h"
#include "pool/replica_choice.h"
#include "router/read_reason.h"
#include "router/replica_refusal.h"

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace weir::proxy {

// Transactions routed by one worker's sessions; those that are routed again are counted again.
struct alignas(64) RouteCounters {
    template <class Reason>
    using ByReason = std::array<pool::Counter, static_cast<std::size_t>(Reason::last) + 1>;

    // On the primary since the statement has to be there ...
    ByReason<router::ReadReason> primary;
    // ... since no replica would do, or the primary serves reads, too ...
    ByReason<pool::ChoiceReason> reads_on_primary;
    // ... since a replica had refused it (again: it was counted among `replica`) ...
    ByReason<router::ReplicaRefusal> retried;
    // ... and by the reason why a replica may have it.
    ByReason<router::ReadReason> replica;
    // Those that waited until a host was known, or had what they need (causal_wait).
    pool::Counter waits;
    pool::Counter wait_time;  // in microseconds
};

class Cluster {
public:
    // `addresses`: what operators call the hosts, in the monitor's order. `monitor` is not started
    // here. Control thread.
    Cluster(
        std::string name,
        const std::vector<std::string>& addresses,
        std::shared_ptr<pool::ClusterMonitor> monitor,
        std::size_t workers
    );

    // The section of the configuration: a database, or "*".
    const std::string& name() const { return name_; }

    // Any thread for hosts of a topology that is known; else the control thread.
    const std::vector<std::string>& addresses() const { return addresses_; }

    // Control thread, before a topology with these hosts is published. REQUIRES: those there are in
    // their places, new ones behind them, at most pool::most_hosts.
    void add_addresses(const std::vector<std::string>& addresses);

    const std::shared_ptr<pool::ClusterMonitor>& monitor() const { return monitor_; }

    pool::NewestWrite& newest_write() { return newest_write_; }

    RouteCounters& routes(unsigned worker) { return routes_[worker]; }

    const std::vector<RouteCounters>& routes() const { return routes_; }

    // That worker's thread: what is known now; null until something is. Good until the next call.
    const pool::TopologyRef& topology(unsigned worker) {
        auto& mine = topologies_[worker].newest;
        monitor_->topology().refresh(mine);
        return mine;
    }

    // Any thread: wakes the channel when something is known that was not when this was called.
    void wait(pool::EventLoop& loop, std::uint64_t channel);
    // Control thread: after each publication.
    void wake_waiting();

private:
    struct alignas(64) WorkersTopology {
        pool::TopologyRef newest;
    };

    const std::string name_;
    std::vector<std::string> addresses_;  // never moves: see its capacity
    const std::shared_ptr<pool::ClusterMonitor> monitor_;
    pool::NewestWrite newest_write_;
    std::vector<RouteCounters> routes_;        // by worker
    std::vector<WorkersTopology> topologies_;  // by worker
    std::mutex mutex_;
    std::vector<std::pair<pool::EventLoop*, std::uint64_t>> waiting_;  // guarded by mutex_
    std::atomic<bool> somebody_waits_{false};
};

}  // namespace weir::proxy
