#include "pool/cluster_policy.h"

#include <algorithm>
#include <map>
#include <utility>

namespace weir::pool {

using Kind = ClusterEvent::Kind;
using Level = ClusterEvent::Level;

ClusterPolicy::ClusterPolicy(ClusterSettings settings, ClusterMemory memory)
    : settings_(std::move(settings)), memory_(std::move(memory)), hosts_(settings_.hosts.size()) {
    for (const auto& host : settings_.hosts)
        configured_weights_.push_back(host.weight);
    topology_.cluster = settings_.name;
    topology_.hosts.resize(hosts_.size());
    for (std::size_t i = 0; i < hosts_.size(); ++i)
        show(i, {});
}

std::string ClusterPolicy::name(std::size_t host) const {
    const ClusterHost& configured = settings_.hosts[host];
    return configured.host + ':' + std::to_string(configured.port);
}

void ClusterPolicy::report(Kind kind, Level level, std::size_t host, std::string text) {
    events_.push_back({kind, level, host, std::move(text)});
}

// --- what is seen ---

void ClusterPolicy::observe(std::size_t host, const HostSample& sample) {
    Host& seen = hosts_[host];
    HostSample before = std::exchange(seen.sample, sample);
    HostSample& now = seen.sample;
    if (now.brief && seen.seen) {
        now.system_identifier = before.system_identifier;
        now.wal_segment_size = before.wal_segment_size;
        now.upstream = std::move(before.upstream);
        now.upstream_end = before.upstream_end;
        now.name_upstream = std::move(before.name_upstream);
        now.receiving = before.receiving;
        now.replay_paused = before.replay_paused;
        now.downstreams = std::move(before.downstreams);
    }
    // Without a receiver a replica knows its timeline only from its last restartpoint. It never
    // goes back to an older one.
    const bool stays_replica = before.in_recovery == true && now.in_recovery == true;
    if (stays_replica && before.system_identifier == now.system_identifier) {
        now.timeline = std::max(now.timeline, before.timeline);
    }
    if (now.in_recovery == true) seen.lost_election = false;
    seen.failures = 0;
    ++seen.successes;
    if (!seen.seen || seen.successes >= settings_.successes_until_up) seen.reachable = true;
    seen.seen = true;
}

void ClusterPolicy::observe_failure(std::size_t host, CheckFailure failure) {
    Host& failed = hosts_[host];
    ++failed.failures;
    failed.successes = 0;
    failed.failure = std::move(failure);
}

void ClusterPolicy::judge_reachable(Host& host, SteadyTime now) const {
    if (host.failures < settings_.failures_until_down) return;
    if (now - host.sample.answered >= settings_.least_silence) host.reachable = false;
}

// --- an operator's words ---

void ClusterPolicy::fence(std::size_t host) {
    hosts_[host].fenced = true;
}

void ClusterPolicy::unfence(std::size_t host) {
    hosts_[host].fenced = false;
    if (!std::exchange(hosts_[host].lost_election, false)) return;
    // His word is that this one is the primary, if the other is gone or fenced.
    if (primaries_.empty()) memory_.primary.clear();
}

void ClusterPolicy::drain(std::size_t host) {
    hosts_[host].drained = true;
}

void ClusterPolicy::undrain(std::size_t host) {
    hosts_[host].drained = false;
}

void ClusterPolicy::set_weight(std::size_t host, std::uint32_t weight) {
    settings_.hosts[host].weight = weight;
}

void ClusterPolicy::forget_timeline() {
    memory_ = {};
    primaries_.clear();
    for (Host& host : hosts_)
        host.lost_election = false;
    report(Kind::memory_changed, Level::info, 0, settings_.name + ": the timeline is forgotten");
}

void ClusterPolicy::configure(ClusterSettings settings) {
    const std::size_t before = hosts_.size();
    for (std::size_t i = 0; i < before; ++i) {
        auto& weight = settings.hosts[i].weight;
        // Not for a SET of something else: an operator's word holds.
        if (std::exchange(configured_weights_[i], weight) == weight) {
            weight = settings_.hosts[i].weight;
        }
        // Nobody has looked at it meanwhile.
        if (is_removed(i) && !settings.hosts[i].removed) hosts_[i] = {};
    }
    settings_ = std::move(settings);
    hosts_.resize(settings_.hosts.size());
    topology_.hosts.resize(hosts_.size());
    for (std::size_t i = before; i < hosts_.size(); ++i) {
        configured_weights_.push_back(settings_.hosts[i].weight);
        show(i, {});
    }
}

// --- who is what ---

bool ClusterPolicy::is_static() const {
    return std::any_of(settings_.hosts.begin(), settings_.hosts.end(), [](auto& host) {
        return host.role == ConfiguredRole::primary && !host.removed;
    });
}

bool ClusterPolicy::only_replicas() const {
    return std::all_of(settings_.hosts.begin(), settings_.hosts.end(), [](auto& host) {
        return host.role == ConfiguredRole::replica || host.removed;
    });
}

bool ClusterPolicy::is_primary(std::size_t host) const {
    return std::find(primaries_.begin(), primaries_.end(), host) != primaries_.end();
}

bool ClusterPolicy::is_other_system(const Host& host) const {
    return memory_.system_identifier != 0 && host.sample.system_identifier != 0 &&
           host.sample.system_identifier != memory_.system_identifier;
}

bool ClusterPolicy::claims_primary(std::size_t host) const {
    return !is_removed(host) && hosts_[host].reachable && hosts_[host].sample.in_recovery == false;
}

bool ClusterPolicy::is_candidate(std::size_t host) const {
    const Host& claimant = hosts_[host];
    if (settings_.hosts[host].role != ConfiguredRole::automatic || !claims_primary(host) ||
        claimant.fenced || claimant.lost_election || is_other_system(claimant)) {
        return false;
    }
    if (memory_.lost && !is_supported(host)) return false;
    // Where the server has no timelines, its word counts.
    if (claimant.sample.knowledge != Knowledge::positions) return true;
    return claimant.sample.timeline != 0 && claimant.sample.timeline == memory_.timeline;
}

bool ClusterPolicy::is_supported(std::size_t host) const {
    const auto& downstreams = hosts_[host].sample.downstreams;
    if (downstreams && std::any_of(downstreams->begin(), downstreams->end(), [](auto& each) {
            return each.streaming;
        })) {
        return true;
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (!is_removed(i) && !hosts_[i].seen) return false;
    }
    return true;
}

HostRole ClusterPolicy::role_of(std::size_t host) const {
    switch (settings_.hosts[host].role) {
        case ConfiguredRole::primary:
            return HostRole::primary;
        case ConfiguredRole::replica:
            return HostRole::replica;
        case ConfiguredRole::automatic:
            break;
    }
    const auto& in_recovery = hosts_[host].sample.in_recovery;
    if (!in_recovery) return HostRole::unknown;
    return *in_recovery ? HostRole::replica : HostRole::primary;
}

// The one that most hosts have, of those that a host has which claims to be primary; the first in
// the configuration's order if there are several.
void ClusterPolicy::learn_system_identifier() {
    if (memory_.system_identifier != 0 || is_static()) return;
    std::map<std::uint64_t, std::size_t> votes;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (hosts_[i].reachable && !is_removed(i)) ++votes[hosts_[i].sample.system_identifier];
    }
    std::size_t most = 0;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const std::uint64_t own = hosts_[i].sample.system_identifier;
        if (own == 0 || !claims_primary(i) || votes[own] <= most) continue;
        most = votes[own];
        memory_.system_identifier = own;
    }
    if (most > 0) report(Kind::memory_changed, Level::info, 0, settings_.name + ": new system");
}

// A replica's timeline counts, too: it comes from a primary, whether or not that is one of these.
void ClusterPolicy::raise_timeline() {
    if (is_static()) return;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        Host& host = hosts_[i];
        if (!host.reachable || is_removed(i) || is_other_system(host)) continue;
        if (host.sample.timeline <= memory_.timeline) continue;
        memory_.timeline = host.sample.timeline;
        memory_.primary.clear();
        // What it lost was an election on an older timeline.
        host.lost_election = false;
        report(
            Kind::memory_changed,
            Level::info,
            i,
            settings_.name + ": timeline " + std::to_string(memory_.timeline)
        );
    }
}

void ClusterPolicy::lose(std::size_t host, const std::string& winner) {
    hosts_[host].lost_election = true;
    report(
        Kind::alarm,
        Level::error,
        host,
        name(host) + " claims to be primary on timeline " +
            std::to_string(hosts_[host].sample.timeline) + ", as " + winner + " does: fenced"
    );
}

// At most one: all candidates are on the same timeline, and their histories cannot be ordered.
std::vector<std::size_t> ClusterPolicy::elect_one() {
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (is_candidate(i)) candidates.push_back(i);
    }
    const auto wins = [&](std::size_t winner) {
        for (const std::size_t each : candidates) {
            if (each != winner) lose(each, name(winner));
        }
        return std::vector<std::size_t>{winner};
    };
    // The current one; else the one that was it before a restart of this process.
    for (const std::size_t each : candidates) {
        if (is_primary(each)) return wins(each);
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (memory_.primary != name(i)) continue;
        if (std::find(candidates.begin(), candidates.end(), i) != candidates.end()) return wins(i);
        // Where there are no timelines, and where it says itself that it is a replica now, others
        // may follow it; else they are on the same timeline, and not because they followed it.
        const bool stepped_down = hosts_[i].reachable && hosts_[i].sample.in_recovery == true;
        if (stepped_down || hosts_[i].fenced || is_removed(i) || memory_.timeline == 0) continue;
        for (const std::size_t each : candidates)
            lose(each, name(i));
        return {};
    }
    if (candidates.size() == 1) return candidates;
    for (const std::size_t each : candidates)
        lose(each, "another host");
    return {};
}

void ClusterPolicy::take_primaries(std::vector<std::size_t> primaries) {
    const std::vector<std::size_t> before = std::exchange(primaries_, std::move(primaries));
    if (primaries_.empty()) {
        if (before.empty()) return;
        report(Kind::no_primary, Level::error, before.front(), settings_.name + " has no primary");
        return;
    }
    const std::size_t host = primaries_.front();
    const HostSample& sample = hosts_[host].sample;
    if (!is_static()) {
        if (elected_timeline_ != sample.timeline) {
            elected_timeline_ = sample.timeline;
            timeline_began_ = reachable(sample.insert_lsn, sample.wal_segment_size);
            if (timeline_began_.known()) lags_.primary_changed(timeline_began_);
        }
        if (memory_.primary != name(host) || memory_.lost) {
            memory_.primary = name(host);
            memory_.lost = false;
            report(Kind::memory_changed, Level::info, host, settings_.name + ": new primary");
        }
    }
    if (before == primaries_) return;
    std::string text = name(host) + " is the primary of " + settings_.name;
    if (sample.timeline != 0) text += ", on timeline " + std::to_string(sample.timeline);
    report(Kind::primary_changed, Level::info, host, std::move(text));
}

void ClusterPolicy::elect() {
    if (!is_static()) return take_primaries(elect_one());
    std::vector<std::size_t> primaries;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        const bool here = settings_.hosts[i].role == ConfiguredRole::primary && !is_removed(i) &&
                          hosts_[i].reachable && !hosts_[i].fenced &&
                          hosts_[i].sample.in_recovery != true;
        if (here) primaries.push_back(i);
    }
    take_primaries(std::move(primaries));
}

std::vector<ClusterEvent> ClusterPolicy::evaluate(SteadyTime now) {
    for (Host& host : hosts_)
        judge_reachable(host, now);
    learn_system_identifier();
    raise_timeline();
    elect();
    feed_lag_tracker();
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        judge_lag(i, now);
        show(i, now);
    }
    topology_.made_at = now;
    topology_.primaries = primaries_;
    topology_.timeline = memory_.timeline;
    topology_.timeline_began = timeline_began_;
    return std::exchange(events_, {});
}

}  // namespace weir::pool
