#include "pool/consistency.h"

#include <algorithm>
#include <charconv>

namespace weir::pool {

std::string to_text(const LsnToken& token) {
    if (!token.lsn.known()) return {};
    if (token.timeline == 0) return to_text(token.lsn);
    return std::to_string(token.timeline) + ':' + to_text(token.lsn);
}

std::optional<LsnToken> parse_lsn_token(std::string_view text) {
    LsnToken token;
    if (text.empty()) return token;
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        const char* const end = text.data() + colon;
        const auto [stop, code] = std::from_chars(text.data(), end, token.timeline);
        if (code != std::errc() || stop != end || token.timeline == 0) return std::nullopt;
        text.remove_prefix(colon + 1);
    }
    const auto lsn = parse_lsn(text);
    if (!lsn) return std::nullopt;
    token.lsn = *lsn;
    if (!token.lsn.known()) token.timeline = 0;
    return token;
}

LsnToken on_current_timeline(const LsnToken& token, const Topology& topology) {
    // An unknown or later timeline than any seen: taken as it is, so that it is waited for.
    const bool older = token.timeline != 0 && token.timeline < topology.timeline;
    if (!older || !topology.timeline_began.known()) return token;
    return {std::min(token.lsn, topology.timeline_began), topology.timeline};
}

// --- CommitSamples ---

void CommitSamples::add(const CommitSample& sample) {
    const std::uint64_t serial = count_.load(std::memory_order_relaxed);
    Slot& slot = slots_[serial % kept];
    slot.version.store(2 * serial + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    slot.started.store(sample.started.time_since_epoch().count(), std::memory_order_relaxed);
    slot.lsn.store(sample.lsn.value, std::memory_order_relaxed);
    slot.timeline.store(sample.timeline, std::memory_order_relaxed);
    slot.version.store(2 * serial + 2, std::memory_order_release);
    count_.store(serial + 1, std::memory_order_release);
}

// False: it has been overwritten meanwhile.
bool CommitSamples::read(std::uint64_t serial, CommitSample& sample) const {
    const Slot& slot = slots_[serial % kept];
    if (slot.version.load(std::memory_order_acquire) != 2 * serial + 2) return false;
    sample.started = SteadyTime(SteadyTime::duration(slot.started.load(std::memory_order_relaxed)));
    sample.lsn = Lsn{slot.lsn.load(std::memory_order_relaxed)};
    sample.timeline = slot.timeline.load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    return slot.version.load(std::memory_order_relaxed) == 2 * serial + 2;
}

std::optional<CommitSample> CommitSamples::first_after(SteadyTime event) const {
    const std::uint64_t count = count_.load(std::memory_order_acquire);
    CommitSample sample;
    if (count == 0 || !read(count - 1, sample) || sample.started <= event) {
        // Overwritten: the writer has gone once around since `count`, so ask again.
        const std::uint64_t later = count_.load(std::memory_order_acquire);
        return later > count + kept / 2 ? first_after(event) : std::nullopt;
    }
    // By halves: samples before `low` are too early or gone, `high` is late enough.
    std::uint64_t low = count > kept ? count - kept : 0;
    std::uint64_t high = count - 1;
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        CommitSample looked;
        if (read(middle, looked) && looked.started > event) {
            high = middle;
            sample = looked;
        } else {
            low = middle + 1;
        }
    }
    return sample;
}

SteadyTime CommitSamples::newest_started() const {
    const std::uint64_t count = count_.load(std::memory_order_acquire);
    CommitSample sample;
    if (count == 0 || !read(count - 1, sample)) return {};
    return sample.started;
}

// --- NewestWrite ---

void NewestWrite::wrote(SteadyTime completed) {
    const auto time = completed.time_since_epoch().count();
    auto newest = newest_.load(std::memory_order_relaxed);
    while (newest < time && !newest_.compare_exchange_weak(newest, time, std::memory_order_release)
    ) {
    }
}

std::optional<SteadyTime> NewestWrite::at() const {
    const auto newest = newest_.load(std::memory_order_acquire);
    if (newest == 0) return std::nullopt;
    return SteadyTime(SteadyTime::duration(newest));
}

// --- SessionToken ---

void SessionToken::need_at_least(const LsnToken& token) {
    if (!token.lsn.known()) return;
    // On another timeline the number alone says nothing: the later timeline counts.
    const bool comparable =
        token.timeline == token_.timeline || token.timeline == 0 || token_.timeline == 0;
    if (comparable ? token.lsn > token_.lsn : token.timeline > token_.timeline) token_ = token;
}

std::optional<LsnToken> SessionToken::need(const CommitSamples& samples) {
    if (!dirty_since_) return token_;
    const auto sample = samples.first_after(*dirty_since_);
    if (!sample) return std::nullopt;
    need_at_least({sample->lsn, sample->timeline});
    dirty_since_.reset();
    return token_;
}

namespace {

// What a sample says, but no less than the session's own token.
std::optional<LsnToken> bounded(
    const std::optional<CommitSample>& sample, SessionToken& session, const CommitSamples& samples
) {
    const auto own = session.need(samples);
    if (!sample || !own) return std::nullopt;
    SessionToken both;
    both.need_at_least(*own);
    both.need_at_least({sample->lsn, sample->timeline});
    return both.need(samples);
}

}  // namespace

std::optional<LsnToken> read_need(
    Consistency consistency,
    SessionToken& session,
    const NewestWrite& database,
    const CommitSamples& samples,
    SteadyTime arrived
) {
    switch (consistency) {
        case Consistency::none:
            return LsnToken();
        case Consistency::session:
            return session.need(samples);
        case Consistency::global:
            if (const auto written = database.at()) {
                return bounded(samples.first_after(*written), session, samples);
            }
            return session.need(samples);
        case Consistency::strict:
            return bounded(samples.first_after(arrived), session, samples);
    }
    return std::nullopt;
}

bool has_replayed(const Topology& topology, std::size_t host, const LsnToken& need) {
    if (!need.lsn.known() || topology.is_primary(host)) return true;
    const HostView& view = topology.hosts[host];
    if (!view.replay_lsn.known()) return false;
    const LsnToken now = on_current_timeline(need, topology);
    // A replica on an older timeline has the old history, unless the need is older still.
    const bool left_behind = view.timeline != 0 && view.timeline < now.timeline;
    return !left_behind && view.replay_lsn >= now.lsn;
}

}  // namespace weir::pool
