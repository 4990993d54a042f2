// Replica choice: which host serves a read that a replica may serve. Pure.
//
// Two hosts are drawn by weight, and the one with less to do takes it ("power of two choices"):
// no host is overrun by many workers that all see the same best one, and none starves. Lag and a
// host's recent return lower its weight instead of cutting it off.
#pragma once

#include "pool/consistency.h"
#include "pool/host_load.h"
#include "pool/topology.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::pool {

enum class PrimaryReads : std::uint8_t {
    never,     // not even if no replica can
    fallback,  // if no replica can
    always,    // as one among the replicas
};

struct ReadPolicy {
    PrimaryReads primary_reads = PrimaryReads::fallback;
    std::optional<std::uint32_t> primary_weight;  // with always; unset = the host's own
    std::string zone;                             // of this process; empty = none is preferred
    std::chrono::milliseconds max_lag{10000};     // 0 = any; the limit itself is in the states
    std::uint64_t max_lag_bytes = 0;              // 0 = any
    std::chrono::milliseconds slow_start{10000};  // until a host that came back has all its weight
};

// Why that host, or none.
enum class ChoiceReason : std::uint8_t {
    replica,        // the replica that had to be: there was one, or the draw fell on it alone
    less_loaded,    // of the two drawn it has less to do
    primary_share,  // the primary, by primary_reads = always
    hinted,         // the host that the client has named
    no_replica,     // the primary: no replica is healthy
    not_replayed,   // the primary: no healthy replica has what the read needs
    need_unknown,   // the primary: what the read needs is not known yet
    nobody,         // no host: no replica qualifies, and the primary may not or cannot
    last = nobody,
};

std::string_view text(ChoiceReason reason);

struct HostChoice {
    std::optional<std::size_t> host;  // index in Topology::hosts
    ChoiceReason reason = ChoiceReason::nobody;
    // A healthy replica would have qualified but for what the read needs: waiting (causal_wait) can
    // help.
    bool worth_waiting = false;
};

// Random bits: xorshift, a few instructions; one for each worker. Tests seed it.
class ChoiceRandom {
public:
    explicit ChoiceRandom(std::uint64_t seed = 0x9e3779b97f4a7c15) : state_(seed | 1) {}

    // At least 0 and below 1.
    double next() {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return static_cast<double>(state_ >> 11) * 0x1.0p-53;
    }

private:
    std::uint64_t state_;
};

// The weight a host has now: its own, lowered by its lag and while it starts slowly. 0 = no reads.
double weight_now(const HostView& host, const ReadPolicy& policy, SteadyTime now);

// `loads` in the order of topology.hosts. `need` absent: not known yet, so no replica qualifies.
// REQUIRES: loads.size() >= topology.hosts.size() <= 64. Does not allocate.
HostChoice choose_for_read(
    const Topology& topology,
    std::span<const HostLoad* const> loads,
    const std::optional<LsnToken>& need,
    const ReadPolicy& policy,
    SteadyTime now,
    ChoiceRandom& random
);

}  // namespace weir::pool
