// QueryTable: one worker's statistics of statements, and its errors.
//
// A row is found by (fingerprint id, owner) without a lock, an allocation or a system call, and its
// numbers have one writer; the control plane reads them while they change. The lock guards what a
// row is about: it is taken for a new row, an error, and by whoever reads.
//
// A row that was found stays what it is until the next begin_group(), or as long as `in_use` is not
// zero. Rows are never freed, only used again.
#pragma once

#include "pool/counters.h"
#include "pool/io/io_backend.h"
#include "proxy/query_stats.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <deque>
#include <mutex>

namespace weir::proxy {

struct QueryEntry {
    // --- the worker's ---
    std::uint64_t fingerprint_id = 0;
    std::uint32_t owner = 0;
    std::uint32_t in_use = 0;
    std::uint64_t group = 0;       // begin_group() at which it was last found
    std::uint64_t generation = 0;  // counts what it has been about
    std::uint64_t score = 0;       // of use, for eviction
    std::uint64_t scored_calls = 0;

    // --- the worker writes, anybody reads ---
    std::array<pool::Counter, QueryCounter::count> counters;
    pool::Counter min_time, max_time, max_wait, longest_burst;
    pool::Counter first_seen, last_seen;  // of the loop's clock
    pool::Counter trace_high, trace_low;
    pool::Counter applications;  // bit n: QueryTable's application n
    pool::FineHistogram times;

    // --- guarded by the table's lock; the worker may read ---
    router::FingerprintRef fingerprint;
    std::vector<std::pair<std::string, std::uint64_t>> errors;
    std::vector<protocol::Oid> parameter_types;

    // REQUIRES the table's lock.
    void clear();
};

// One execution that has ended. Durations are nanoseconds.
struct QueryExecution {
    std::uint64_t rows = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::uint64_t total_time = 0;
    std::uint64_t wait_time = 0;
    std::uint64_t server_time = 0;
    std::uint64_t client_time = 0;
    std::uint64_t application = 0;  // its bit
    bool on_replica = false;
};

class QueryTable {
public:
    explicit QueryTable(std::size_t max_rows = 2000);

    // --- the worker's thread ---

    // Who runs statements: a session asks once. Never fails: more owners than can be told apart
    // share one.
    std::uint32_t owner_of(std::string_view database, std::string_view user);
    // The bit of an application_name; what is empty has none, and those beyond the first 63 share
    // one.
    std::uint64_t application_bit(std::string_view name);

    // Rows found before may be used otherwise from here on.
    void begin_group() { ++group_; }

    // The row stays what it is until the next begin_group().
    void keep(QueryEntry& entry) { entry.group = group_; }

    // The row of a statement, as find() gives it; nullptr: there is none yet.
    [[gnu::hot]] QueryEntry* find_known(std::uint64_t fingerprint, std::uint32_t owner) {
        const auto found = by_key_.find(Key{fingerprint, owner});
        if (found == by_key_.end()) [[unlikely]]
            return nullptr;
        found->second->group = group_;
        return found->second;
    }

    // The row of a statement. Above the limit the least used rows make room; if none can, that of
    // "other".
    [[gnu::hot]] QueryEntry& find(
        const router::FingerprintRef& fingerprint, std::uint32_t owner, pool::TimePoint now
    ) {
        auto* const known = find_known(fingerprint->id, owner);
        if (known == nullptr) [[unlikely]]
            return add(fingerprint, owner, now);
        return *known;
    }

    [[gnu::hot]] static void record(
        QueryEntry& entry, const QueryExecution& execution, pool::TimePoint now
    );

    // What a call that ended with an error has cost; before record_error().
    static void record_failure(
        QueryEntry& entry, const QueryExecution& execution, pool::TimePoint now
    );

    // A call that ended with an error; `entry` may be null.
    void record_error(
        QueryEntry* entry,
        std::string_view sqlstate,
        std::uint32_t owner,
        bool from_server,
        pool::TimePoint now
    );
    // Empties all; running statements are counted in what comes then. Any thread may ask by
    // Worker::post.
    void reset();
    void set_parameter_types(QueryEntry& entry, std::vector<protocol::Oid> types);

    // --- any thread ---

    void set_max_rows(std::size_t rows) { max_rows_.store(rows, std::memory_order_relaxed); }

    // Rows now, "other" not among them.
    std::size_t size() const;
    // Statements that run. The worker's thread only.
    std::size_t in_use() const;

    // Rows that have left for others.
    std::uint64_t evictions() const { return evictions_.value(); }

    // What all rows say now; the last one is "other" if it has anything. `steady` and `system` are
    // the same moment by both clocks.
    std::vector<QueryRow> rows(pool::TimePoint steady, std::chrono::system_clock::time_point system)
        const;
    std::vector<ErrorRow> errors(
        pool::TimePoint steady, std::chrono::system_clock::time_point system
    ) const;

private:
    struct Key {
        std::uint64_t fingerprint;
        std::uint32_t owner;
        bool operator==(const Key&) const = default;
    };

    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            return key.fingerprint ^ (std::uint64_t{key.owner} * 0x9e3779b97f4a7c15U);
        }
    };

    struct Owner {
        std::string database;
        std::string user;
    };

    struct ErrorEntry {
        std::string sqlstate;
        std::uint32_t owner = 0;
        bool from_server = true;
        std::uint64_t count = 0;
        pool::TimePoint first_seen{}, last_seen{};
        router::FingerprintRef fingerprint;
    };

    [[gnu::cold]] QueryEntry& add(
        const router::FingerprintRef& fingerprint, std::uint32_t owner, pool::TimePoint now
    );
    void make_room(std::size_t limit);
    void fold_into_other(QueryEntry& entry);
    QueryRow row_of(const QueryEntry& entry) const;

    std::atomic<std::size_t> max_rows_;
    pool::Counter evictions_;
    std::uint64_t group_ = 0;
    boost::unordered_flat_map<Key, QueryEntry*, KeyHash> by_key_;

    mutable std::mutex mutex_;
    // Guarded by mutex_; the worker alone changes them:
    std::deque<QueryEntry> entries_;
    std::vector<QueryEntry*> free_;
    QueryEntry other_;
    std::vector<Owner> owners_;
    std::vector<std::string> applications_;
    std::vector<ErrorEntry> errors_;
};

}  // namespace weir::proxy
