// Counter: a plain number with one writer and any reader. PoolCounters: what one worker has done
// for one pool; the console adds the workers' up.
#pragma once

#include "pool/histogram.h"

#include <atomic>
#include <cstdint>

namespace weir::pool {

// One thread adds or sets, any thread reads. No read-modify-write: the writer is alone.
class Counter {
public:
    void add(std::uint64_t amount) {
        value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }

    void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }

    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// Times in microseconds; the histograms have what the counters of the same name add up.
struct alignas(64) PoolCounters {
    Counter server_assignments;
    Counter transactions;
    Counter pinned_transactions;  // those of clients that were pinned at their end
    Counter foreign_settings;     // sessions that came to a server with custom names of others
    Counter queries;
    Counter bytes_received;  // from clients
    Counter bytes_sent;      // to clients
    Counter transaction_time;
    Counter query_time;
    Counter wait_time;
    Counter client_parses;
    Counter server_parses;
    Counter binds;
    Counter commits;    // transactions that ended well, and
    Counter rollbacks;  // ... those that did not
    CoarseHistogram transaction_times;
    CoarseHistogram query_times;
    CoarseHistogram wait_times;
};

}  // namespace weir::pool
