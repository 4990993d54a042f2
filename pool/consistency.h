// Consistency: what a read must find on a replica, in positions of the WAL.
//
// A session that may have written needs any insert LSN of the primary that was asked for *after*
// its CommandComplete had arrived: that is an upper bound of its commit record. One sampler per
// cluster asks for all sessions together (CommitSamples); nothing is added to a client's
// connection. Pure but for the atomics of CommitSamples and NewestWrite.
#pragma once

#include "pool/topology.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::pool {

enum class Consistency : std::uint8_t {
    none,     // whatever the replica has
    session,  // what this session has written
    global,   // what any session of this database has written through this process
    strict,   // what was committed anywhere when the read arrived
};

// A position on a timeline. Timeline 0: on whichever it is now (from SET pgweir.min_lsn = '0/1').
struct LsnToken {
    Lsn lsn;  // invalid: nothing is needed
    Timeline timeline = 0;

    bool operator==(const LsnToken&) const = default;
};

// "2:0/16B3748", or "0/16B3748" without a timeline; "" for no need. What SHOW pgweir.lsn_token
// says and SET pgweir.min_lsn takes.
std::string to_text(const LsnToken& token);
std::optional<LsnToken> parse_lsn_token(std::string_view text);

// The token on the topology's timeline: after a change everything that has survived stands before
// the new timeline's beginning, so what was needed beyond it is gone, and that much is enough.
LsnToken on_current_timeline(const LsnToken& token, const Topology& topology);

// One answer of the primary.
struct CommitSample {
    SteadyTime started{};  // before the query was sent
    Lsn lsn;               // lowered to what replay can reach
    Timeline timeline = 0;
};

// The primary's newest insert LSNs. One writer (the control plane), any readers, no lock.
class CommitSamples {
public:
    // REQUIRES: `sample.started` is not before that of any sample before.
    void add(const CommitSample& sample);

    // The earliest remembered sample that was started after `event`: the lowest upper bound for
    // what had been committed by then. nullopt: there is none yet; ask for one and wait, or use the
    // primary.
    std::optional<CommitSample> first_after(SteadyTime event) const;

    // When the newest was started; the epoch if there is none.
    SteadyTime newest_started() const;

private:
    static constexpr std::uint64_t kept = 256;

    // A sequence lock: `version` is 2 * serial + 2 when the values are the serial's, and odd
    // while they are written.
    struct alignas(32) Slot {
        std::atomic<std::uint64_t> version{0};
        std::atomic<SteadyTime::rep> started{0};
        std::atomic<std::uint64_t> lsn{0};
        std::atomic<Timeline> timeline{0};
    };

    bool read(std::uint64_t serial, CommitSample& sample) const;

    std::array<Slot, kept> slots_;
    std::atomic<std::uint64_t> count_{0};
};

// When any session of a database may have committed last; for consistency = global. Any thread.
class NewestWrite {
public:
    void wrote(SteadyTime completed);

    // nullopt: nobody has written.
    std::optional<SteadyTime> at() const;

private:
    std::atomic<SteadyTime::rep> newest_{0};
};

// What one session needs. Its worker's thread.
class SessionToken {
public:
    // A transaction that could write has ended at `completed`: the arrival of its CommandComplete
    // (or of its error: what came before it may have been committed).
    void wrote(SteadyTime completed) { dirty_since_ = completed; }

    bool is_dirty() const { return dirty_since_.has_value(); }

    // SET pgweir.min_lsn: raises what is needed.
    void need_at_least(const LsnToken& token);

    // What a read under consistency = session needs, as far as it is known: takes a sample for what
    // was written if there is one. nullopt: no sample is late enough yet.
    std::optional<LsnToken> need(const CommitSamples& samples);

    // A new session, or DISCARD ALL.
    void clear() { *this = SessionToken(); }

private:
    LsnToken token_;
    std::optional<SteadyTime> dirty_since_;  // later than what token_ covers
};

// What a read that arrived at `arrived` needs. nullopt: not known until a sample comes that is
// started after sample_wanted_after().
std::optional<LsnToken> read_need(
    Consistency consistency,
    SessionToken& session,
    const NewestWrite& database,
    const CommitSamples& samples,
    SteadyTime arrived
);

// The host has what the read needs, by what was last seen of it. The primary always has; a replica
// of which the position, or of which the timeline is another, never. State and lag are not judged
// here (HostView::may_read).
bool has_replayed(const Topology& topology, std::size_t host, const LsnToken& need);

}  // namespace weir::pool
