#include "pool/lag_tracker.h"

#include <algorithm>

namespace weir::pool {

using std::chrono::duration_cast;

void LagTracker::primary_was_at(SteadyTime started, Lsn insert, std::uint32_t segment_size) {
    if (!insert.known()) return;
    const Lsn lsn = reachable(insert, segment_size);
    if (!samples_.empty() && started < samples_.back().last) return;
    // A crash loses what was inserted and never flushed.
    primary_changed(lsn);
    if (!samples_.empty()) {
        Sample& newest = samples_.back();
        if (lsn == newest.lsn) {
            newest.last = started;
            return;
        }
        // The newest is always kept as it is; it gives way to the next if it came too soon.
        const bool soon = samples_.size() > 1 &&
                          newest.last - samples_[samples_.size() - 2].last < options_.resolution;
        if (soon) {
            newest = {started, started, lsn};
            return;
        }
    }
    samples_.push_back({started, started, lsn});
    if (samples_.size() > options_.capacity) thin_out();
}

void LagTracker::thin_out() {
    // The gap between two samples may be this share of their age, so an hour costs hardly more
    // samples than a minute. The oldest stays: it says how far back is known.
    for (int share = 32; samples_.size() > options_.capacity * 3 / 4; share /= 2) {
        const auto now = samples_.back().last;
        std::size_t kept = 1;
        for (std::size_t i = 1; i + 1 < samples_.size(); ++i) {
            const Sample& next = samples_[i + 1];
            const auto gap = next.first - samples_[kept - 1].last;
            if (share > 0 && gap * share > now - next.first) samples_[kept++] = samples_[i];
        }
        samples_[kept++] = samples_.back();
        samples_.resize(kept);
    }
}

void LagTracker::primary_changed(Lsn began) {
    const auto beyond = [&](const Sample& sample) {
        return sample.lsn > began;
    };
    samples_.erase(std::find_if(samples_.begin(), samples_.end(), beyond), samples_.end());
}

Lag LagTracker::lag_of(Lsn replay, SteadyTime seen, SteadyTime now) const {
    if (samples_.empty() || !replay.known()) return {};
    Lag lag;
    const Sample& newest = samples_.back();
    lag.bytes = bytes_between(replay, newest.lsn);
    // What a later look would show is not known: an old look at the replica counts in full.
    const auto age = std::max(now - seen, SteadyTime::duration::zero());
    const auto unseen = age > options_.fresh ? age : SteadyTime::duration::zero();
    const auto with_age = [&](SteadyTime::duration behind) {
        return duration_cast<Milliseconds>(std::max(behind, SteadyTime::duration::zero()) + unseen);
    };
    if (replay >= newest.lsn) {
        // The primary may have gone on since it was last seen.
        const auto silent = now - newest.last;
        lag.time = silent > options_.fresh ? duration_cast<Milliseconds>(silent) : Milliseconds(0);
        if (unseen > silent) lag.time = with_age(SteadyTime::duration::zero());
        return lag;
    }
    // The first sample that is beyond `replay`; the one before it has been replayed.
    const auto beyond = std::upper_bound(
        samples_.begin(),
        samples_.end(),
        replay,
        [](Lsn lsn, const Sample& sample) { return lsn < sample.lsn; }
    );
    if (beyond == samples_.begin()) {
        lag.time = with_age(seen - beyond->first);
        lag.at_least = true;
        return lag;
    }
    // Between two looks at the primary its LSN is taken to have risen evenly.
    const Sample& replayed = *std::prev(beyond);
    const auto gap = static_cast<double>((beyond->first - replayed.last).count());
    const double share = static_cast<double>(replay.value - replayed.lsn.value) /
                         static_cast<double>(beyond->lsn.value - replayed.lsn.value);
    const auto after = SteadyTime::duration(static_cast<SteadyTime::duration::rep>(gap * share));
    lag.time = with_age(seen - (replayed.last + after));
    return lag;
}

}  // namespace weir::pool
