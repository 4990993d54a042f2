// ClusterPolicy: lag, and from all that is known to each host's state and view.
#include "pool/cluster_policy.h"

#include <algorithm>
#include <string>

namespace weir::pool {

using Kind = ClusterEvent::Kind;
using Level = ClusterEvent::Level;
using std::chrono::milliseconds;

void ClusterPolicy::feed_lag_tracker() {
    if (primaries_.size() == 1) {
        const HostSample& sample = hosts_[primaries_.front()].sample;
        lags_.primary_was_at(sample.started, sample.insert_lsn, sample.wal_segment_size);
        return;
    }
    // A standby cluster: its leader's upstream is none of these hosts, but what the receivers were
    // told of its end is as good as its own word.
    if (!only_replicas()) return;
    Lsn end = lags_.newest();
    SteadyTime seen{};
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const Host& host = hosts_[i];
        if (!host.reachable || is_removed(i)) continue;
        end = std::max({end, host.sample.upstream_end, host.sample.receive_lsn});
        seen = std::max(seen, host.sample.started);
    }
    lags_.primary_was_at(seen, end);
}

HostReason ClusterPolicy::limit_exceeded(const Host& host, double share) const {
    const Lag& lag = host.lag;
    if (!lag.bytes || !lag.time) return HostReason::lag_unknown;
    const auto below = [&](auto value, auto limit) {
        return static_cast<double>(value) <= static_cast<double>(limit) * share;
    };
    if (settings_.max_lag.count() > 0) {
        if (!below(lag.time->count(), settings_.max_lag.count())) return HostReason::lag_time;
        if (lag.at_least) return HostReason::lag_unknown;
    }
    if (settings_.max_lag_bytes > 0 && !below(*lag.bytes, settings_.max_lag_bytes)) {
        return HostReason::lag_bytes;
    }
    return HostReason::none;
}

void ClusterPolicy::judge_lag(std::size_t index, SteadyTime now) {
    Host& host = hosts_[index];
    host.lag = {};
    if (role_of(index) != HostRole::replica || !host.seen || is_removed(index)) {
        host.lag_reason = HostReason::lag_unknown;
        return;
    }
    // Where a server has no WAL positions (Aurora), its lag is no reason to shun it, but reads that
    // need a position never qualify there (consistency.h).
    if (host.sample.knowledge != Knowledge::positions) {
        host.lag_reason = HostReason::none;
        return;
    }
    host.lag = lags_.lag_of(host.sample.replay_lsn, host.sample.started, now);
    const HostReason exceeded = limit_exceeded(host, 1.0);
    if (exceeded != HostReason::none) {
        host.lag_reason = exceeded;
        host.caught_up = false;
    } else if (host.lag_reason == HostReason::lag_unknown) {
        // It was not found lagging, only not known.
        host.lag_reason = HostReason::none;
    } else if (host.lag_reason != HostReason::none) {
        if (limit_exceeded(host, settings_.return_share) != HostReason::none) {
            host.caught_up = false;
        } else if (!host.caught_up) {
            host.caught_up = true;
            host.caught_up_since = now;
        }
        const bool long_enough =
            host.caught_up && now - host.caught_up_since >= settings_.return_after;
        host.lag_reason = long_enough ? HostReason::none : HostReason::replay_behind;
    }
    alert_lag(index);
}

void ClusterPolicy::alert_lag(std::size_t index) {
    Host& host = hosts_[index];
    const auto limit = settings_.lag_alert;
    if (limit.count() == 0 || !host.lag.time) return;
    const auto behind = std::to_string(host.lag.time->count()) + " ms, " +
                        std::to_string(host.lag.bytes.value_or(0)) + " bytes";
    if (!host.lag_alerted && *host.lag.time > limit) {
        host.lag_alerted = true;
        report(Kind::lag_alert, Level::warning, index, name(index) + " is behind by " + behind);
    } else if (host.lag_alerted && static_cast<double>(host.lag.time->count()) <=
 static_cast<double>(limit.count()) * settings_.return_share) {
        host.lag_alerted = false;
        report(Kind::lag_alert_over, Level::info, index, name(index) + " has caught up: " + behind);
    }
}

// For a host that answers, is not fenced by an operator and not of another system.
ClusterPolicy::Verdict ClusterPolicy::verdict_on_role(std::size_t index) const {
    const Host& host = hosts_[index];
    const ConfiguredRole configured = settings_.hosts[index].role;
    const auto& in_recovery = host.sample.in_recovery;
    if (configured != ConfiguredRole::automatic) {
        const bool mismatch =
            in_recovery && *in_recovery == (configured == ConfiguredRole::primary);
        if (mismatch) return {HostState::fenced, HostReason::role_mismatch, {}};
        return {};
    }
    if (!in_recovery) return {HostState::down, HostReason::check_failed, "its role is not known"};
    if (*in_recovery || is_primary(index)) return {};
    if (host.lost_election) return {HostState::fenced, HostReason::two_primaries, {}};
    std::string detail = "timeline " + std::to_string(host.sample.timeline) + ", highest seen " +
                         std::to_string(memory_.timeline);
    if (is_static()) detail = "not configured as a primary, while others are";
    const auto reason = is_static() ? HostReason::role_mismatch : HostReason::old_timeline;
    return {HostState::fenced, reason, std::move(detail)};
}

ClusterPolicy::Verdict ClusterPolicy::verdict(std::size_t index) const {
    const Host& host = hosts_[index];
    if (host.fenced) return {HostState::fenced, HostReason::operator_fenced, {}};
    if (is_removed(index)) {
        // What still runs on a primary that another one has replaced is not in its history.
        const bool replaced = !is_static() && host.sample.in_recovery == false &&
                              host.sample.timeline < memory_.timeline;
        if (replaced) return {HostState::fenced, HostReason::old_timeline, {}};
        return {HostState::draining, HostReason::removed, {}};
    }
    if (!host.reachable) return {HostState::down, host.failure.reason, host.failure.detail};
    if (is_other_system(host)) {
        return {
            HostState::fenced,
            HostReason::other_system,
            std::to_string(host.sample.system_identifier) + " instead of " +
                std::to_string(memory_.system_identifier)};
    }
    if (Verdict on_role = verdict_on_role(index); on_role.state != HostState::healthy) {
        return on_role;
    }
    if (host.drained) return {HostState::draining, HostReason::operator_drained, {}};
    if (role_of(index) != HostRole::replica) return {};
    // On a timeline that the primary has left, the same LSN is another history.
    const bool left_behind =
        !is_static() && host.sample.timeline != 0 && host.sample.timeline < memory_.timeline;
    if (left_behind) {
        return {
            HostState::lagging,
            HostReason::other_timeline,
            "timeline " + std::to_string(host.sample.timeline)};
    }
    if (host.lag_reason == HostReason::none) return {};
    std::string detail = host.sample.replay_paused ? "replay is paused" : "";
    if (host.sample.receiving == false) detail = "it receives nothing";
    return {HostState::lagging, host.lag_reason, std::move(detail)};
}

SyncState ClusterPolicy::sync_state_of(std::size_t index) const {
    if (primaries_.size() != 1 || is_primary(index)) return SyncState::unknown;
    const auto& downstreams = hosts_[primaries_.front()].sample.downstreams;
    const std::string& own_name = hosts_[index].sample.name_upstream;
    if (!downstreams || own_name.empty()) return SyncState::unknown;
    const Downstream* named = nullptr;
    const Downstream* addressed = nullptr;
    std::size_t with_name = 0;
    for (const Downstream& each : *downstreams) {
        if (each.application_name != own_name) continue;
        ++with_name;
        named = &each;
        if (each.client_address == settings_.hosts[index].host) addressed = &each;
    }
    if (with_name == 1) return named->sync_state;
    return addressed != nullptr ? addressed->sync_state : SyncState::unknown;
}

void ClusterPolicy::show_sample(std::size_t index, HostView& view) const {
    const Host& host = hosts_[index];
    const HostSample& sample = host.sample;
    view.seen_at = sample.started;
    view.knowledge = sample.knowledge;
    view.timeline = sample.timeline;
    view.system_identifier = sample.system_identifier;
    view.insert_lsn = sample.insert_lsn;
    view.receive_lsn = sample.receive_lsn;
    view.replay_lsn = sample.replay_lsn;
    view.lag = host.lag;
    view.replay_paused = sample.replay_paused;
    view.receiving = sample.receiving.value_or(false);
    view.sync_state = sync_state_of(index);
    view.downstreams =
        sample.downstreams ? static_cast<std::uint32_t>(sample.downstreams->size()) : 0;
    view.upstream = sample.upstream;
    view.failures = host.failures;
    view.check_time =
        std::chrono::duration_cast<std::chrono::microseconds>(sample.answered - sample.started);
}

void ClusterPolicy::show(std::size_t index, SteadyTime now) {
    const ClusterHost& configured = settings_.hosts[index];
    HostView& view = topology_.hosts[index];
    view.host = configured.host;
    view.port = configured.port;
    view.zone = configured.zone;
    view.weight = configured.weight;
    view.static_role = configured.role != ConfiguredRole::automatic;
    show_sample(index, view);
    const HostRole role = role_of(index);
    if (role != view.role) {
        const bool news = view.role != HostRole::unknown && hosts_[index].seen;
        view.role = role;
        const std::string text = name(index) + " is a " + std::string(pool::text(role)) + " now";
        if (news) report(Kind::role_changed, Level::info, index, text);
    }
    Verdict found = verdict(index);
    view.reason = found.reason;
    view.detail = std::move(found.detail);
    if (found.state == view.state) return;
    const bool by_rule =
        found.state == HostState::fenced && found.reason != HostReason::operator_fenced;
    const bool worse = found.state == HostState::down || found.state == HostState::fenced;
    view.state = found.state;
    view.since = now;
    if (view.state == HostState::healthy) view.healthy_since = now;
    std::string text = name(index) + " is " + std::string(pool::text(view.state));
    if (view.reason != HostReason::none) text += ": " + std::string(pool::text(view.reason));
    if (!view.detail.empty()) text += " (" + view.detail + ')';
    const Level level = by_rule ? Level::error : worse ? Level::warning : Level::info;
    report(by_rule ? Kind::alarm : Kind::state_changed, level, index, std::move(text));
}

}  // namespace weir::pool
