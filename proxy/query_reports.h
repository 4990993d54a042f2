// QueryReports: what console, metrics and status page show of statements. The control thread's.
//
// Since start: the workers' tables, added up when somebody asks. Windows: what was added between
// samples, which are taken every sample_period while the process runs.
#pragma once

#include "proxy/query_table.h"
#include "proxy/slow_log.h"

#include <array>
#include <deque>
#include <map>
#include <memory>

namespace weir::proxy {

class QueryReports {
public:
    static constexpr std::chrono::seconds sample_period{15};
    static constexpr std::chrono::milliseconds snapshot_age{500};

    // REQUIRES: the tables live longer.
    explicit QueryReports(std::vector<QueryTable*> tables);
    ~QueryReports();

    // Every sample_period.
    void sample(pool::TimePoint now);

    // One row for each (fingerprint, database, user), in no order; "other" is the last one, if it
    // has anything. Of a window: those that were called in it. A window ends now and is at most
    // one sample_period longer than its name says (shorter soon after the start): see
    // window_length().
    std::vector<QueryRow> rows(QueryWindow window) const;
    std::chrono::duration<double> window_length(QueryWindow window) const;
    // The same, not older than snapshot_age: all that look share it. Never null.
    std::shared_ptr<const std::vector<QueryRow>> snapshot(QueryWindow window) const;
    // Those of one fingerprint; several if several users run it. Of the snapshot since start.
    std::vector<QueryRow> rows_of(std::uint64_t fingerprint) const;
    // By SQLSTATE, database, user and side.
    std::vector<ErrorRow> errors() const;
    // Rows in the tables, and those that have left them.
    std::size_t size() const;
    std::uint64_t evictions() const;

    // RESET QUERIES: all starts anew. The workers' tables are emptied by whoever calls this.
    void reset();

    // When counting began: the start, or the last reset.
    std::chrono::system_clock::time_point since() const { return since_; }

private:
    struct Key;
    struct Delta;
    struct Slot;
    struct State;

    struct Snapshot {
        pool::TimePoint at{};
        std::shared_ptr<const std::vector<QueryRow>> rows;
    };

    std::vector<QueryTable*> tables_;
    std::chrono::system_clock::time_point since_;
    std::unique_ptr<State> state_;
    mutable std::array<Snapshot, 4> snapshots_;  // by window; dropped by the next sample
};

}  // namespace weir::proxy
