// ClusterPolicy: from the monitors' samples to roles and states. A state machine without sockets
// or clocks of its own: whoever calls says what time it is. Control plane.
//
// What it holds to:
// - One failed check condemns nobody; a replica's checks never change what is known of the primary.
// - What is not known is not healthy: no LSN, no primary to compare with, no system identifier of
//   the cluster's.
// - Writes go to one host: the highest timeline ever seen wins, is remembered, and a host that
//   claims to be primary below it is fenced even when it is alone (routing.md 4.3).
#pragma once

#include "pool/cluster_settings.h"
#include "pool/host_sample.h"
#include "pool/lag_tracker.h"
#include "pool/topology.h"

#include <cstddef>
#include <string>
#include <vector>

namespace weir::pool {

// What happened, for the log. The caller logs each at its level with text().
struct ClusterEvent {
    enum class Kind : std::uint8_t {
        role_changed,     // of a host
        state_changed,    // of a host
        primary_changed,  // `host` is the primary now
        no_primary,       // nobody is
        alarm,            // an operator must look: two primaries, another system
        lag_alert,        // above lag_alert
        lag_alert_over,   // back below
        memory_changed,   // write memory() to the state file, before the topology is published
    };
    enum class Level : std::uint8_t { info, warning, error };

    Kind kind = Kind::state_changed;
    Level level = Level::info;
    std::size_t host = 0;  // index; meaningless for no_primary and memory_changed
    std::string text;      // "10.0.0.1:5432 is the primary now, on timeline 2"
};

// How a check failed.
struct CheckFailure {
    HostReason reason = HostReason::check_failed;
    std::string detail;  // of the error; never a secret
};

class ClusterPolicy {
public:
    // `memory` is what the state file had; default: nothing is remembered.
    ClusterPolicy(ClusterSettings settings, ClusterMemory memory);

    // A check of `host` has ended well. REQUIRES (here and below): host < the number of hosts.
    void observe(std::size_t host, const HostSample& sample);
    // A check of `host` has failed, or its connection is lost.
    void observe_failure(std::size_t host, CheckFailure failure);
    // Judges all hosts as of `now` and returns what has changed since the last time. After each
    // observe, and at least every few intervals, since lag grows by itself.
    std::vector<ClusterEvent> evaluate(SteadyTime now);

    // As of the last evaluate(). Its epoch is 0: whoever publishes counts.
    const Topology& topology() const { return topology_; }

    const ClusterMemory& memory() const { return memory_; }

    const ClusterSettings& settings() const { return settings_; }

    // Some host may become primary, or is one by its configured role.
    bool expects_primary() const { return !only_replicas(); }

    // --- an operator's words; each takes effect with the next evaluate() ---
    void fence(std::size_t host);
    // Lifts FENCE and the fence of the loser of two primaries. A host on an old timeline, or of
    // another system, stays fenced: FORGET TIMELINE lifts that.
    void unfence(std::size_t host);
    void drain(std::size_t host);
    void undrain(std::size_t host);
    // 0 = no reads. Holds until the settings change it.
    void set_weight(std::size_t host, std::uint32_t weight);
    // The highest timeline and the system identifier are what the hosts say now.
    void forget_timeline();

    // RELOAD: limits, weights, zones and roles; hosts that are removed, or are there again.
    // REQUIRES: the same hosts and ports in the same order, new ones behind them.
    void configure(ClusterSettings settings);

private:
    struct Host {
        HostSample sample;       // the newest; brief ones are merged into it
        bool seen = false;       // a check has ended well, at least once
        bool reachable = false;  // as judged with hysteresis
        unsigned failures = 0;   // in a row
        unsigned successes = 0;  // in a row
        CheckFailure failure{HostReason::not_checked, {}};
        SteadyTime failed_at{};
        bool drained = false;
        bool fenced = false;         // by an operator
        bool lost_election = false;  // two primaries on one timeline, and it was the other
        HostReason lag_reason = HostReason::lag_unknown;  // none = it is not lagging
        SteadyTime caught_up_since{};                     // well within the limits since
        bool caught_up = false;
        bool lag_alerted = false;
        Lag lag;
    };

    struct Verdict {
        HostState state = HostState::healthy;
        HostReason reason = HostReason::none;
        std::string detail;
    };

    // Roles (cluster_policy.cc)
    bool is_removed(std::size_t host) const { return settings_.hosts[host].removed; }

    bool is_static() const;
    bool only_replicas() const;
    bool claims_primary(std::size_t host) const;
    bool is_candidate(std::size_t host) const;
    bool is_supported(std::size_t host) const;
    bool is_other_system(const Host& host) const;
    bool is_primary(std::size_t host) const;
    void judge_reachable(Host& host, SteadyTime now) const;
    void learn_system_identifier();
    void raise_timeline();
    void elect();
    std::vector<std::size_t> elect_one();
    void lose(std::size_t host, const std::string& winner);
    void take_primaries(std::vector<std::size_t> primaries);
    HostRole role_of(std::size_t host) const;
    void report(
        ClusterEvent::Kind kind, ClusterEvent::Level level, std::size_t host, std::string text
    );
    std::string name(std::size_t host) const;

    // States and lag (cluster_policy_states.cc)
    void feed_lag_tracker();
    void judge_lag(std::size_t host, SteadyTime now);
    HostReason limit_exceeded(const Host& host, double share) const;
    Verdict verdict(std::size_t host) const;
    Verdict verdict_on_role(std::size_t host) const;
    SyncState sync_state_of(std::size_t host) const;
    void show(std::size_t host, SteadyTime now);
    void show_sample(std::size_t host, HostView& view) const;
    void alert_lag(std::size_t host);

    ClusterSettings settings_;
    std::vector<std::uint32_t> configured_weights_;
    ClusterMemory memory_;
    LagTracker lags_;
    std::vector<Host> hosts_;
    std::vector<std::size_t> primaries_;
    Topology topology_;
    std::vector<ClusterEvent> events_;  // since the last evaluate()
    Lsn timeline_began_;
    Timeline elected_timeline_ = 0;  // the primary's at its election
};

}  // namespace weir::pool
