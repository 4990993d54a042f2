// Statistics as the console shows them: totals per database, and averages over the last whole
// stats_period.
#pragma once

#include "pool/io/io_backend.h"

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace weir::proxy {

class PoolSet;

// In the order of SHOW STATS. Times in microseconds.
enum Statistic : std::size_t {
    server_assignments,
    transactions,
    queries,
    bytes_received,
    bytes_sent,
    transaction_time,
    query_time,
    wait_time,
    client_parses,
    server_parses,
    binds,
    statistic_count,
};

using Totals = std::array<std::uint64_t, statistic_count>;
using DatabaseTotals = std::map<std::string, Totals>;

// What all workers have done for each database that has pools.
DatabaseTotals collect_totals(const PoolSet& pools);
Totals sum_of(const DatabaseTotals& databases);

// As PgBouncer: counts, bytes and wait_time per second; transaction_time and query_time per
// transaction and query.
Totals average(const Totals& older, const Totals& newer, pool::Duration between);

class StatsSampler {
public:
    explicit StatsSampler(pool::TimePoint start) : newer_at_(start) {}

    // The end of a period.
    void sample(DatabaseTotals totals, pool::TimePoint now);

    pool::TimePoint last() const { return newer_at_; }

    // Over the last whole period; zeros before its end.
    Totals average_of(const std::string& database) const;
    Totals average_of_all() const;

private:
    DatabaseTotals older_;
    DatabaseTotals newer_;
    pool::TimePoint older_at_{};
    pool::TimePoint newer_at_;
    bool whole_ = false;
};

}  // namespace weir::proxy
