#include "proxy/admin_stats.h"

#include "proxy/pool_set.h"

#include <utility>

namespace weir::proxy {

namespace {

// A total that went down belongs to a database that went away and came back.
std::uint64_t growth(const Totals& older, const Totals& newer, std::size_t statistic) {
    return newer[statistic] >= older[statistic] ? newer[statistic] - older[statistic]
                                                : newer[statistic];
}

Totals find_or_zero(const DatabaseTotals& databases, const std::string& name) {
    const auto found = databases.find(name);
    return found == databases.end() ? Totals{} : found->second;
}

}  // namespace

DatabaseTotals collect_totals(const PoolSet& pools) {
    DatabaseTotals databases;
    for (const auto& [name, entry] : pools.entries()) {
        auto& totals = databases[name.database];
        for (const auto& counters : entry->pool.counters()) {
            totals[server_assignments] += counters.server_assignments.value();
            totals[transactions] += counters.transactions.value();
            totals[queries] += counters.queries.value();
            totals[bytes_received] += counters.bytes_received.value();
            totals[bytes_sent] += counters.bytes_sent.value();
            totals[transaction_time] += counters.transaction_time.value();
            totals[query_time] += counters.query_time.value();
            totals[wait_time] += counters.wait_time.value();
            totals[client_parses] += counters.client_parses.value();
            totals[server_parses] += counters.server_parses.value();
            totals[binds] += counters.binds.value();
        }
    }
    return databases;
}

Totals sum_of(const DatabaseTotals& databases) {
    Totals sum{};
    for (const auto& [name, totals] : databases) {
        for (std::size_t i = 0; i < statistic_count; ++i)
            sum[i] += totals[i];
    }
    return sum;
}

Totals average(const Totals& older, const Totals& newer, pool::Duration between) {
    Totals averages{};
    const std::chrono::duration<double> seconds = between;
    if (seconds.count() <= 0) return averages;
    for (std::size_t i = 0; i < statistic_count; ++i) {
        const auto grown = static_cast<double>(growth(older, newer, i));
        averages[i] = static_cast<std::uint64_t>(grown / seconds.count());
    }
    const auto each = [&](Statistic time, Statistic count) {
        const auto number = growth(older, newer, count);
        return number == 0 ? 0 : growth(older, newer, time) / number;
    };
    averages[transaction_time] = each(transaction_time, transactions);
    averages[query_time] = each(query_time, queries);
    return averages;
}

void StatsSampler::sample(DatabaseTotals totals, pool::TimePoint now) {
    older_ = std::exchange(newer_, std::move(totals));
    older_at_ = std::exchange(newer_at_, now);
    whole_ = true;
}

Totals StatsSampler::average_of(const std::string& database) const {
    if (!whole_) return {};
    return average(
        find_or_zero(older_, database), find_or_zero(newer_, database), newer_at_ - older_at_
    );
}

Totals StatsSampler::average_of_all() const {
    if (!whole_) return {};
    return average(sum_of(older_), sum_of(newer_), newer_at_ - older_at_);
}

}  // namespace weir::proxy
