#include "proxy/query_reports.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>

namespace weir::proxy {

namespace {

using SparseCounts = std::vector<std::pair<std::uint16_t, std::uint32_t>>;

SparseCounts sparse(const pool::FineCounts& counts) {
    SparseCounts found;
    for (std::size_t i = 0; i < pool::FineCounts::Scale::buckets; ++i) {
        if (const auto count = counts.count(i)) {
            found.emplace_back(static_cast<std::uint16_t>(i), static_cast<std::uint32_t>(count));
        }
    }
    return found;
}

std::size_t slots_of(QueryWindow window) {
    using enum QueryWindow;
    const auto minutes = window == minute ? 1U : window == five_minutes ? 5U : 15U;
    return minutes * 60U / static_cast<unsigned>(QueryReports::sample_period.count());
}

void add_errors(QueryRow& sum, const QueryRow& more) {
    for (const auto& [error_class, count] : more.errors) {
        auto known = std::find_if(sum.errors.begin(), sum.errors.end(), [&](const auto& error) {
            return error.first == error_class;
        });
        if (known == sum.errors.end()) {
            sum.errors.emplace_back(error_class, count);
        } else {
            known->second += count;
        }
    }
}

// Two workers' rows of the same statement.
void merge(QueryRow& sum, QueryRow&& more) {
    const bool one_has_calls = sum[QueryCounter::calls] == 0 || more[QueryCounter::calls] == 0;
    sum.min_time = one_has_calls ? std::max(sum.min_time, more.min_time)
                                 : std::min(sum.min_time, more.min_time);
    for (std::size_t i = 0; i < sum.counters.size(); ++i)
        sum.counters[i] += more.counters[i];
    sum.max_time = std::max(sum.max_time, more.max_time);
    sum.max_wait = std::max(sum.max_wait, more.max_wait);
    sum.longest_burst = std::max(sum.longest_burst, more.longest_burst);
    sum.times += more.times;
    add_errors(sum, more);
    sum.first_seen = std::min(sum.first_seen, more.first_seen);
    if (!more.trace_id.empty() && (sum.trace_id.empty() || more.last_seen > sum.last_seen)) {
        sum.trace_id = std::move(more.trace_id);
    }
    if (!more.parameter_types.empty() &&
        (sum.parameter_types.empty() || more.last_seen > sum.last_seen)) {
        sum.parameter_types = std::move(more.parameter_types);
    }
    sum.last_seen = std::max(sum.last_seen, more.last_seen);
    for (auto& name : more.applications) {
        const auto known = std::find(sum.applications.begin(), sum.applications.end(), name);
        if (known == sum.applications.end()) sum.applications.push_back(std::move(name));
    }
}

}  // namespace

struct QueryReports::Key {
    std::uint64_t fingerprint = 0;  // 0 = "other"
    std::string owner;              // database, NUL, user

    bool operator==(const Key&) const = default;

    friend std::size_t hash_value(const Key& key) {
        return static_cast<std::size_t>(key.fingerprint) ^ std::hash<std::string>{}(key.owner);
    }

    static Key of(const QueryRow& row) {
        if (row.is_other()) return {};
        return {row.fingerprint->id, row.database + '\0' + row.user};
    }
};

// What a row has said at a sample, or has gained between two.
struct QueryReports::Delta {
    QueryCounters counters{};
    SparseCounts times;
    std::uint64_t max_time = 0;
    router::FingerprintRef fingerprint;
    std::chrono::system_clock::time_point first_seen{}, last_seen{};

    bool is_empty() const {
        return counters[QueryCounter::calls] == 0 && counters[QueryCounter::failed_calls] == 0;
    }

    void add(const Delta& more) {
        for (std::size_t i = 0; i < counters.size(); ++i)
            counters[i] += more.counters[i];
        add_times(more.times);
        max_time = std::max(max_time, more.max_time);
        last_seen = std::max(last_seen, more.last_seen);
    }

    void add_times(const SparseCounts& more) {
        for (const auto& [bucket, count] : more) {
            const auto at =
                std::lower_bound(times.begin(), times.end(), bucket, [](const auto& a, auto b) {
                    return a.first < b;
                });
            if (at != times.end() && at->first == bucket) {
                at->second += count;
            } else {
                times.insert(at, {bucket, count});
            }
        }
    }

    // REQUIRES: is_later_than(older).
    void subtract(const Delta& older) {
        for (std::size_t i = 0; i < counters.size(); ++i)
            counters[i] -= std::min(counters[i], older.counters[i]);
        for (const auto& [bucket, count] : older.times) {
            const auto at =
                std::lower_bound(times.begin(), times.end(), bucket, [](const auto& a, auto b) {
                    return a.first < b;
                });
            if (at != times.end() && at->first == bucket) at->second -= std::min(at->second, count);
        }
        std::erase_if(times, [](const auto& count) { return count.second == 0; });
    }

    // Not one that has left the table and come back.
    bool is_later_than(const Delta& older) const {
        for (std::size_t i = 0; i < counters.size(); ++i) {
            if (counters[i] < older.counters[i]) return false;
        }
        return true;
    }
};

struct QueryReports::Slot {
    boost::unordered_flat_map<Key, Delta> rows;
    pool::TimePoint from{}, to{};
};

struct QueryReports::State {
    // By worker: what its rows said at the last sample.
    std::vector<boost::unordered_flat_map<Key, Delta>> last;
    pool::TimePoint sampled{};
    std::deque<Slot> slots;  // latest first

    // What worker's rows have gained since the last sample; its cumulative numbers into `now`.
    static void gain(
        const std::vector<QueryRow>& rows,
        const boost::unordered_flat_map<Key, Delta>& last,
        boost::unordered_flat_map<Key, Delta>& now,
        Slot& slot
    );
};

void QueryReports::State::gain(
    const std::vector<QueryRow>& rows,
    const boost::unordered_flat_map<Key, Delta>& last,
    boost::unordered_flat_map<Key, Delta>& now,
    Slot& slot
) {
    for (const auto& row : rows) {
        Delta total;
        total.counters = row.counters;
        total.times = sparse(row.times);
        total.max_time = row.max_time;
        total.fingerprint = row.fingerprint;
        total.first_seen = row.first_seen;
        total.last_seen = row.last_seen;
        now.emplace(Key::of(row), std::move(total));
    }
    // What rows that have left had at the last sample is not new in "other".
    Delta left;
    for (const auto& [key, older] : last) {
        const auto found = now.find(key);
        const bool stays = found != now.end() && found->second.is_later_than(older);
        if (!stays && key != Key{}) left.add(older);
    }
    for (const auto& [key, total] : now) {
        Delta gained = total;
        const auto older = last.find(key);
        if (older != last.end() && total.is_later_than(older->second)) {
            gained.subtract(older->second);
        }
        if (key == Key{}) gained.subtract(left);
        if (gained.is_empty()) continue;
        const auto [at, fresh] = slot.rows.try_emplace(key, gained);
        if (!fresh) at->second.add(gained);
    }
}

QueryReports::QueryReports(std::vector<QueryTable*> tables)
    : tables_(std::move(tables)),
      since_(std::chrono::system_clock::now()),
      state_(std::make_unique<State>()) {
    state_->last.resize(tables_.size());
    state_->sampled = pool::Clock::now();
}

QueryReports::~QueryReports() = default;

void QueryReports::sample(pool::TimePoint now) {
    snapshots_ = {};
    auto& slot = state_->slots.emplace_front();
    slot.from = std::exchange(state_->sampled, now);
    slot.to = now;
    const auto system = std::chrono::system_clock::now();
    for (std::size_t i = 0; i < tables_.size(); ++i) {
        boost::unordered_flat_map<Key, Delta> totals;
        State::gain(tables_[i]->rows(now, system), state_->last[i], totals, slot);
        state_->last[i] = std::move(totals);
    }
    const auto most = slots_of(QueryWindow::fifteen_minutes);
    if (state_->slots.size() > most) state_->slots.resize(most);
}

std::vector<QueryRow> QueryReports::rows(QueryWindow window) const {
    const auto now = pool::Clock::now();
    const auto system = std::chrono::system_clock::now();
    std::vector<QueryRow> rows;
    const auto other_last = [&] {
        std::stable_partition(rows.begin(), rows.end(), [](const QueryRow& row) {
            return !row.is_other();
        });
        return std::move(rows);
    };
    if (window == QueryWindow::since_start) {
        boost::unordered_flat_map<Key, std::size_t> places;
        for (const auto* table : tables_) {
            for (auto& row : table->rows(now, system)) {
                const auto [at, fresh] = places.try_emplace(Key::of(row), rows.size());
                if (fresh) {
                    rows.push_back(std::move(row));
                } else {
                    merge(rows[at->second], std::move(row));
                }
            }
        }
        return other_last();
    }
    Slot sum;
    for (std::size_t i = 0; i < tables_.size(); ++i) {
        boost::unordered_flat_map<Key, Delta> totals;
        State::gain(tables_[i]->rows(now, system), state_->last[i], totals, sum);
    }
    const auto most = std::min(slots_of(window), state_->slots.size());
    for (std::size_t i = 0; i < most; ++i) {
        for (const auto& [key, gained] : state_->slots[i].rows) {
            const auto [at, fresh] = sum.rows.try_emplace(key, gained);
            if (!fresh) at->second.add(gained);
        }
    }
    for (auto& [key, gained] : sum.rows) {
        auto& row = rows.emplace_back();
        row.fingerprint = gained.fingerprint;
        const auto at = key.owner.find('\0');
        if (at != std::string::npos) {
            row.database = key.owner.substr(0, at);
            row.user = key.owner.substr(at + 1);
        }
        row.counters = gained.counters;
        for (const auto& [bucket, count] : gained.times)
            row.times.add(bucket, count);
        if (!gained.times.empty()) {
            using Scale = pool::FineCounts::Scale;
            row.min_time = Scale::lower(gained.times.front().first) * 1000;
            row.max_time = std::min(
                gained.max_time, (Scale::lower(gained.times.back().first + 1U)) * 1000 - 1
            );
        }
        row.first_seen = gained.first_seen;
        row.last_seen = gained.last_seen;
    }
    return other_last();
}

std::chrono::duration<double> QueryReports::window_length(QueryWindow window) const {
    const auto now = pool::Clock::now();
    if (window == QueryWindow::since_start) return std::chrono::system_clock::now() - since_;
    const auto most = std::min(slots_of(window), state_->slots.size());
    const auto from = most == 0 ? state_->sampled : state_->slots[most - 1].from;
    return now - from;
}

std::vector<QueryRow> QueryReports::rows_of(std::uint64_t fingerprint) const {
    std::vector<QueryRow> found;
    for (const auto& row : *snapshot(QueryWindow::since_start)) {
        if (!row.is_other() && row.fingerprint->id == fingerprint) found.push_back(row);
    }
    return found;
}

// Each copies all rows, about 3 kB each: ten viewers cost what one does.
std::shared_ptr<const std::vector<QueryRow>> QueryReports::snapshot(QueryWindow window) const {
    auto& snapshot = snapshots_[static_cast<std::size_t>(window)];
    const auto now = pool::Clock::now();
    if (snapshot.rows == nullptr || now - snapshot.at > snapshot_age) {
        snapshot.rows = std::make_shared<const std::vector<QueryRow>>(rows(window));
        snapshot.at = now;
    }
    return snapshot.rows;
}

std::vector<ErrorRow> QueryReports::errors() const {
    const auto now = pool::Clock::now();
    const auto system = std::chrono::system_clock::now();
    std::vector<ErrorRow> sums;
    for (const auto* table : tables_) {
        for (auto& error : table->errors(now, system)) {
            const auto known = std::find_if(sums.begin(), sums.end(), [&](const ErrorRow& sum) {
                return sum.sqlstate == error.sqlstate && sum.database == error.database &&
                       sum.user == error.user && sum.from_server == error.from_server;
            });
            if (known == sums.end()) {
                sums.push_back(std::move(error));
                continue;
            }
            known->count += error.count;
            known->first_seen = std::min(known->first_seen, error.first_seen);
            if (error.last_seen > known->last_seen) {
                known->last_seen = error.last_seen;
                if (error.last_fingerprint) known->last_fingerprint = error.last_fingerprint;
            }
        }
    }
    return sums;
}

std::size_t QueryReports::size() const {
    std::size_t sum = 0;
    for (const auto* table : tables_)
        sum += table->size();
    return sum;
}

std::uint64_t QueryReports::evictions() const {
    std::uint64_t sum = 0;
    for (const auto* table : tables_)
        sum += table->evictions();
    return sum;
}

void QueryReports::reset() {
    snapshots_ = {};
    for (auto& last : state_->last)
        last.clear();
    state_->slots.clear();
    state_->sampled = pool::Clock::now();
    since_ = std::chrono::system_clock::now();
}

}  // namespace weir::proxy
