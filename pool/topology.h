// Topology: what is known of one cluster at one time, as plain values. Immutable once published.
//
// Made by ClusterPolicy on the control plane, read by workers (PublishedTopology) and the console.
#pragma once

#include "pool/lsn.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::pool {

// All times of this proxy: no server's clock is ever compared with it.
using SteadyTime = std::chrono::steady_clock::time_point;

// Of one cluster, those that RELOAD has removed included.
inline constexpr std::size_t most_hosts = 64;

// Timelines start at 1; 0 = not known.
using Timeline = std::uint32_t;

enum class HostRole : std::uint8_t {
    unknown,  // never answered
    primary,
    replica,
};

enum class HostState : std::uint8_t {
    healthy,
    lagging,   // a replica that is too far behind, or of which that is not known
    down,      // does not answer
    draining,  // takes no new transactions, by an operator's word
    fenced,    // takes nothing, and never a write
};

// Why a host is in its state.
enum class HostReason : std::uint8_t {
    none,              // it is healthy
    not_checked,       // no check has ended yet
    connect_failed,    // it cannot be reached, or the login failed
    connection_lost,   // the monitor's connection ended
    check_timeout,     // it did not answer in time
    check_failed,      // it answered with an error
    lag_time,          // more than max_lag
    lag_bytes,         // more than max_lag_bytes
    lag_unknown,       // nothing to compare with: no primary has been seen, or no replay LSN
    replay_behind,     // replay has not come back far enough yet to be trusted again
    other_timeline,    // it follows a history that the primary has left
    other_system,      // its system identifier is not the cluster's
    old_timeline,      // claims to be primary on a timeline below the highest seen
    two_primaries,     // claims to be primary on the same timeline as the one there is
    role_mismatch,     // its configured role is not what it says
    operator_drained,  // DRAIN
    operator_fenced,   // FENCE
    removed,           // RELOAD has taken it from the configuration; it is not looked at any more
};

// What the monitor can learn from a host.
enum class Knowledge : std::uint8_t {
    none,       // nothing but that it answers: the role is the configured one
    role,       // pg_is_in_recovery() only: lag cannot be measured (Aurora)
    positions,  // the WAL's positions, too
};

// synchronous_standby_names, as the primary sees a replica. unknown: it could not be told.
enum class SyncState : std::uint8_t { unknown, async, potential, sync, quorum };

std::string_view text(HostRole role);
std::string_view text(HostState state);
std::string_view text(HostReason reason);
std::string_view text(Knowledge knowledge);
std::string_view text(SyncState state);

// A replica's distance to the primary. Absent = not known, which is never 0.
struct Lag {
    std::optional<std::uint64_t> bytes;
    std::optional<std::chrono::milliseconds> time;
    bool at_least = false;  // `time` is a lower bound: older than what is remembered

    bool operator==(const Lag&) const = default;
};

struct HostView {
    // --- as configured ---
    std::string host;
    int port = 0;
    std::string zone;
    std::uint32_t weight = 0;  // share of reads; 0 = none
    bool static_role = false;

    // --- as judged ---
    HostRole role = HostRole::unknown;
    HostState state = HostState::down;
    HostReason reason = HostReason::not_checked;
    std::string detail;          // of the reason, for people; may be empty
    SteadyTime since{};          // when it came into its state
    SteadyTime healthy_since{};  // for slow start; meaningless unless healthy

    // --- as seen, when the last check that succeeded began ---
    SteadyTime seen_at{};
    Knowledge knowledge = Knowledge::none;
    Timeline timeline = 0;
    std::uint64_t system_identifier = 0;  // 0 = not known
    Lsn insert_lsn;                       // a primary's, as it said
    Lsn receive_lsn;                      // a replica's
    Lsn replay_lsn;                       // a replica's
    Lag lag;                              // a replica's
    bool replay_paused = false;
    bool receiving = false;  // a replica's receiver is connected, as far as is known
    SyncState sync_state = SyncState::unknown;
    std::uint32_t downstreams = 0;  // replicas that stream from it
    std::string upstream;           // "host:port" a replica streams from; empty = not known
    std::uint32_t failures = 0;     // checks failed in a row
    std::chrono::microseconds check_time{};  // how long the last check took

    // May begin a transaction that only reads, its lag and consistency apart.
    bool may_read() const { return state == HostState::healthy; }
};

struct Topology {
    std::string cluster;
    std::uint64_t epoch = 0;       // counts publications
    std::uint64_t role_epoch = 0;  // counts those in which a role, state or weight changed
    SteadyTime made_at{};
    std::vector<HostView> hosts;  // in the configuration's order
    // Who may be written to. Several only where roles are static; empty: nobody at this time.
    std::vector<std::size_t> primaries;
    Timeline timeline = 0;  // the primary's, or the highest ever seen
    // The position at which the timeline above was first seen as primary: everything that has
    // survived the change to it stands before. Invalid: there was no change.
    Lsn timeline_began;

    // The only primary, or nullopt if there is none or several.
    std::optional<std::size_t> primary() const {
        return primaries.size() == 1 ? std::optional(primaries.front()) : std::nullopt;
    }

    bool is_primary(std::size_t host) const {
        for (const std::size_t each : primaries) {
            if (each == host) return true;
        }
        return false;
    }
};

using TopologyRef = std::shared_ptr<const Topology>;

// The newest Topology, from the control plane to any thread. A reader that has the newest pays one
// atomic load.
class PublishedTopology {
public:
    // Control plane. `topology->epoch` is above that of all before.
    void publish(TopologyRef topology) {
        const std::uint64_t epoch = topology->epoch;
        const std::lock_guard lock(mutex_);
        newest_ = std::move(topology);
        epoch_.store(epoch, std::memory_order_release);
    }

    // Any thread: replaces `mine` if there is a newer one. Null until the first is published.
    void refresh(TopologyRef& mine) const {
        const std::uint64_t epoch = epoch_.load(std::memory_order_acquire);
        if (mine != nullptr ? mine->epoch == epoch : epoch == 0) return;
        const std::lock_guard lock(mutex_);
        mine = newest_;
    }

    TopologyRef get() const {
        const std::lock_guard lock(mutex_);
        return newest_;
    }

private:
    std::atomic<std::uint64_t> epoch_{0};
    mutable std::mutex mutex_;
    TopologyRef newest_;  // guarded by mutex_
};

}  // namespace weir::pool
