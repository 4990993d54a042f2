// LagTracker: how far replicas are behind, measured on this process's clock only.
//
// It remembers when the primary's insert LSN was where. A replica's lag is the time since the
// primary was last seen no further than the replica has replayed. That is right while the primary
// is idle, while a receiver is disconnected, while replay is paused, and whatever the servers'
// clocks say. Control plane.
#pragma once

#include "pool/topology.h"

#include <chrono>
#include <cstddef>
#include <vector>

namespace weir::pool {

class LagTracker {
public:
    using Milliseconds = std::chrono::milliseconds;

    struct Options {
        // When there are more, samples are thinned out the more the older they are, so that the
        // time that is covered has no end and the error stays a small share of the lag. At least 8.
        std::size_t capacity = 512;
        // Samples that come faster replace each other; bounds the error of a reported lag.
        Milliseconds resolution{50};
        // How old the newest sample may be for "replayed all of it" to mean no lag.
        Milliseconds fresh{1500};
    };

    LagTracker() : LagTracker(Options()) {}

    explicit LagTracker(const Options& options) : options_(options) {}

    // The primary's insert LSN was `insert` at `started` (when the query was sent) or later;
    // lowered to what replay can reach. What is older than the newest is ignored; what was seen
    // beyond `insert` is forgotten.
    void primary_was_at(
        SteadyTime started, Lsn insert, std::uint32_t segment_size = default_wal_segment_size
    );

    // Another primary has taken over, and its first insert LSN is `began`: what the old one wrote
    // beyond is no history of the cluster.
    void primary_changed(Lsn began);

    // Nothing is known of the primary any more.
    void forget() { samples_.clear(); }

    // Lag of a replica that had replayed up to `replay` at `seen`, as of `now` >= `seen`. Nothing
    // is known without a sample of the primary or with an invalid `replay`; the time is a lower
    // bound for a replica that is behind everything that is remembered.
    Lag lag_of(Lsn replay, SteadyTime seen, SteadyTime now) const;

    bool empty() const { return samples_.empty(); }

    // Where the primary was last; invalid if nothing is known.
    Lsn newest() const { return samples_.empty() ? Lsn() : samples_.back().lsn; }

    std::size_t size() const { return samples_.size(); }

private:
    // The primary was at `lsn` from `first` to `last`, as far as was seen.
    struct Sample {
        SteadyTime first;
        SteadyTime last;
        Lsn lsn;
    };

    void thin_out();

    Options options_;
    std::vector<Sample> samples_;  // oldest first, LSNs strictly rising
};

}  // namespace weir::pool
