#include "pool/replica_choice.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace weir::pool {

std::string_view text(ChoiceReason reason) {
    switch (reason) {
        case ChoiceReason::replica:
            return "replica";
        case ChoiceReason::less_loaded:
            return "replica, the less loaded of two";
        case ChoiceReason::primary_share:
            return "primary, by its share of the reads";
        case ChoiceReason::hinted:
            return "host of the hint";
        case ChoiceReason::no_replica:
            return "primary, no healthy replica";
        case ChoiceReason::not_replayed:
            return "primary, no replica has replayed far enough";
        case ChoiceReason::need_unknown:
            return "primary, the position needed is not known yet";
        case ChoiceReason::nobody:
            return "no host";
    }
    return "?";
}

namespace {

// What lag and slow start leave of a weight at the least: a trickle keeps the host's latency known.
constexpr double least_share = 0.05;
// Times that differ by less are taken as equal, so that noise does not decide for all.
constexpr double noise = 1.25;

// Without initialisers: arrays of them are made for each read.
struct Candidate {
    std::size_t host;
    double weight;
};

// Those that may serve the read, with their weights.
struct Candidates {
    std::array<Candidate, most_hosts> each;
    std::size_t count = 0;
    double total = 0;

    void add(std::size_t host, double weight) {
        each[count++] = {host, weight};
        total += weight;
    }

    const Candidate& draw(ChoiceRandom& random) const {
        double at = random.next() * total;
        for (std::size_t i = 0; i + 1 < count; ++i) {
            at -= each[i].weight;
            if (at < 0) return each[i];
        }
        return each[count - 1];
    }
};

// The time a further request would take, as a multiple of what one alone takes.
double cost(const Candidate& candidate, const HostLoad& load, double mean_weight, double latency) {
    // A host of twice the weight is expected to have twice as much to do at a time.
    const double waiting = load.outstanding() * mean_weight / candidate.weight;
    return (1 + waiting) * latency;
}

// `a` unless `b` clearly has less to do.
const Candidate& less_loaded(
    const Candidate& a,
    const Candidate& b,
    std::span<const HostLoad* const> loads,
    double mean_weight
) {
    double latency_a = loads[a.host]->latency();
    double latency_b = loads[b.host]->latency();
    // Not known yet: as fast as the other.
    if (latency_a <= 0) latency_a = latency_b > 0 ? latency_b : 1;
    if (latency_b <= 0) latency_b = latency_a;
    const double cost_a = cost(a, *loads[a.host], mean_weight, latency_a);
    const double cost_b = cost(b, *loads[b.host], mean_weight, latency_b);
    return cost_b * noise < cost_a ? b : a;
}

// What is left of the way to a limit: 1 without lag, 0 at the limit.
double room(double lag, double limit) {
    return limit > 0 ? std::clamp(1 - lag / limit, 0.0, 1.0) : 1;
}

}  // namespace

double weight_now(const HostView& host, const ReadPolicy& policy, SteadyTime now) {
    double share = 1;
    if (host.lag.time) {
        const auto lag = static_cast<double>(host.lag.time->count());
        share = std::min(share, room(lag, static_cast<double>(policy.max_lag.count())));
    }
    if (host.lag.bytes) {
        const auto lag = static_cast<double>(*host.lag.bytes);
        share = std::min(share, room(lag, static_cast<double>(policy.max_lag_bytes)));
    }
    const std::chrono::duration<double, std::milli> healthy_for = now - host.healthy_since;
    const auto slow_start = static_cast<double>(policy.slow_start.count());
    if (healthy_for.count() < slow_start) share *= healthy_for.count() / slow_start;
    return host.weight * std::max(share, least_share);
}

HostChoice choose_for_read(
    const Topology& topology,
    std::span<const HostLoad* const> loads,
    const std::optional<LsnToken>& need,
    const ReadPolicy& policy,
    SteadyTime now,
    ChoiceRandom& random
) {
    assert(loads.size() >= topology.hosts.size() && topology.hosts.size() <= most_hosts);
    Candidates near;
    Candidates all;
    HostChoice choice;
    std::optional<std::size_t> primary;
    const auto add = [&](std::size_t host, double weight) {
        if (weight <= 0) return;
        all.add(host, weight);
        if (topology.hosts[host].zone == policy.zone) near.add(host, weight);
    };
    for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
        const HostView& host = topology.hosts[i];
        if (!host.may_read()) continue;
        if (topology.is_primary(i)) {
            if (!primary) primary = i;
            if (policy.primary_reads != PrimaryReads::always) continue;
            add(i, policy.primary_weight.value_or(host.weight));
        } else if (host.role == HostRole::replica && host.weight > 0) {
            if (need && has_replayed(topology, i, *need)) {
                add(i, weight_now(host, policy, now));
            } else {
                choice.worth_waiting = true;
            }
        }
    }
    const Candidates& from = !policy.zone.empty() && near.count > 0 ? near : all;
    if (from.count == 0) {
        if (!primary || policy.primary_reads == PrimaryReads::never) return choice;
        choice.host = primary;
        choice.reason = !need                  ? ChoiceReason::need_unknown
                        : choice.worth_waiting ? ChoiceReason::not_replayed
                                               : ChoiceReason::no_replica;
        return choice;
    }
    const Candidate& first = from.draw(random);
    const Candidate& second = from.draw(random);
    const double mean_weight = from.total / static_cast<double>(from.count);
    const Candidate& chosen = less_loaded(first, second, loads, mean_weight);
    choice.host = chosen.host;
    choice.worth_waiting = false;
    choice.reason = topology.is_primary(chosen.host) ? ChoiceReason::primary_share
                    : first.host == second.host      ? ChoiceReason::replica
                                                     : ChoiceReason::less_loaded;
    return choice;
}

}  // namespace weir::pool
