#include "proxy/query_table.h"

#include <algorithm>

namespace weir::proxy {

namespace {

using Counter = QueryCounter;

// Owners and SQLSTATEs that are told apart; further ones share a row.
constexpr std::size_t owner_limit = 10'000;
constexpr std::size_t error_limit = 1'000;
constexpr std::size_t error_class_limit = 16;
constexpr std::size_t application_limit = 63;
constexpr std::size_t entry_limit = std::size_t{1} << 32U;
// So many of the rows make room at once (the rest of a hundred stays).
constexpr std::size_t evicted_percent = 5;

void add_class(
    std::vector<std::pair<std::string, std::uint64_t>>& errors,
    std::string_view error_class,
    std::uint64_t count
) {
    const auto known = std::find_if(errors.begin(), errors.end(), [&](const auto& error) {
        return error.first == error_class;
    });
    if (known != errors.end()) {
        known->second += count;
    } else if (errors.size() < error_class_limit) {
        errors.emplace_back(error_class, count);
    } else {
        errors.back().second += count;
    }
}

std::uint64_t ticks(pool::TimePoint time) {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
}

void take_max(pool::Counter& counter, std::uint64_t value) {
    if (value > counter.value()) counter.set(value);
}

}  // namespace

std::string_view QueryCounter::name(Index index) {
    static constexpr std::array<std::string_view, count> names{
        "calls",
        "failed_calls",
        "rows",
        "bytes_in",
        "bytes_out",
        "total_time",
        "wait_time",
        "server_time",
        "client_time",
        "replica_calls",
        "retries",
        "pins",
        "repeat_bursts",
        "repeat_calls",
        "repeat_time",
    };
    return names[index];
}

QueryTable::QueryTable(std::size_t max_rows) : max_rows_(max_rows) {
    // What cannot be told apart any more.
    owners_.push_back({});
    other_.generation = 1;
}

std::uint32_t QueryTable::owner_of(std::string_view database, std::string_view user) {
    for (std::size_t i = 1; i < owners_.size(); ++i) {
        if (owners_[i].database == database && owners_[i].user == user) {
            return static_cast<std::uint32_t>(i);
        }
    }
    if (owners_.size() >= owner_limit) return 0;
    const std::lock_guard lock(mutex_);
    owners_.push_back({std::string(database), std::string(user)});
    return static_cast<std::uint32_t>(owners_.size() - 1);
}

std::uint64_t QueryTable::application_bit(std::string_view name) {
    if (name.empty()) return 0;
    const auto found = std::find(applications_.begin(), applications_.end(), name);
    auto index = static_cast<std::size_t>(found - applications_.begin());
    if (found == applications_.end()) {
        if (applications_.size() >= application_limit) return std::uint64_t{1} << application_limit;
        const std::lock_guard lock(mutex_);
        applications_.emplace_back(name);
    }
    return std::uint64_t{1} << index;
}

void QueryTable::record(QueryEntry& entry, const QueryExecution& execution, pool::TimePoint now) {
    auto& counters = entry.counters;
    if (counters[Counter::calls].value() == 0) [[unlikely]] {
        const bool first = counters[Counter::failed_calls].value() == 0;
        if (first || entry.min_time.value() > execution.total_time) {
            entry.min_time.set(execution.total_time);
        }
        if (entry.first_seen.value() == 0) entry.first_seen.set(ticks(now));
    } else if (entry.min_time.value() > execution.total_time) {
        entry.min_time.set(execution.total_time);
    }
    counters[Counter::calls].add(1);
    counters[Counter::rows].add(execution.rows);
    counters[Counter::bytes_in].add(execution.bytes_in);
    counters[Counter::bytes_out].add(execution.bytes_out);
    counters[Counter::total_time].add(execution.total_time);
    counters[Counter::server_time].add(execution.server_time);
    if (execution.wait_time != 0) {
        // A wait that began before the statement was looked at is no part of its time.
        const auto waited = std::min(execution.wait_time, execution.total_time);
        counters[Counter::wait_time].add(waited);
        take_max(entry.max_wait, waited);
    }
    if (execution.client_time != 0) counters[Counter::client_time].add(execution.client_time);
    if (execution.on_replica) counters[Counter::replica_calls].add(1);
    take_max(entry.max_time, execution.total_time);
    entry.times.record(execution.total_time / 1000);
    entry.last_seen.set(ticks(now));
    entry.applications.set(entry.applications.value() | execution.application);
}

void QueryTable::record_failure(
    QueryEntry& entry, const QueryExecution& execution, pool::TimePoint now
) {
    auto& counters = entry.counters;
    const bool first =
        counters[Counter::calls].value() == 0 && counters[Counter::failed_calls].value() == 0;
    if (first || entry.min_time.value() > execution.total_time) {
        entry.min_time.set(execution.total_time);
    }
    take_max(entry.max_time, execution.total_time);
    take_max(entry.max_wait, execution.wait_time);
    entry.times.record(execution.total_time / 1000);
    counters[Counter::total_time].add(execution.total_time);
    counters[Counter::server_time].add(execution.server_time);
    counters[Counter::client_time].add(execution.client_time);
    counters[Counter::wait_time].add(execution.wait_time);
    counters[Counter::bytes_in].add(execution.bytes_in);
    counters[Counter::bytes_out].add(execution.bytes_out);
    if (execution.on_replica) counters[Counter::replica_calls].add(1);
    entry.last_seen.set(ticks(now));
    entry.applications.set(entry.applications.value() | execution.application);
}

void QueryTable::record_error(
    QueryEntry* entry,
    std::string_view sqlstate,
    std::uint32_t owner,
    bool from_server,
    pool::TimePoint now
) {
    const std::lock_guard lock(mutex_);
    if (entry != nullptr) {
        entry->counters[Counter::failed_calls].add(1);
        entry->last_seen.set(ticks(now));
        add_class(entry->errors, sqlstate.substr(0, 2), 1);
    }
    auto found = std::find_if(errors_.begin(), errors_.end(), [&](const ErrorEntry& error) {
        return error.owner == owner && error.from_server == from_server &&
               error.sqlstate == sqlstate;
    });
    if (found == errors_.end()) {
        if (errors_.size() < error_limit) {
            errors_.push_back({std::string(sqlstate), owner, from_server, 0, now, now, nullptr});
            found = std::prev(errors_.end());
        } else {
            // The last one stands for all that there is no room for.
            found = std::prev(errors_.end());
            found->sqlstate = "other";
            found->owner = 0;
        }
    }
    ++found->count;
    found->last_seen = now;
    if (entry != nullptr) found->fingerprint = entry->fingerprint;
}

void QueryTable::set_parameter_types(QueryEntry& entry, std::vector<protocol::Oid> types) {
    if (&entry == &other_ || entry.parameter_types == types) return;
    const std::lock_guard lock(mutex_);
    entry.parameter_types = std::move(types);
}

// --- rows come and go ---

QueryEntry& QueryTable::add(
    const router::FingerprintRef& fingerprint, std::uint32_t owner, pool::TimePoint now
) {
    const auto limit = max_rows_.load(std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    if (by_key_.size() >= limit) make_room(limit);
    if (by_key_.size() >= limit) return other_;
    if (free_.empty()) {
        free_.push_back(&entries_.emplace_back());
    }
    auto& entry = *free_.back();
    free_.pop_back();
    entry.fingerprint_id = fingerprint->id;
    entry.fingerprint = fingerprint;
    entry.owner = owner;
    entry.group = group_;
    entry.first_seen.set(ticks(now));
    entry.last_seen.set(ticks(now));
    by_key_.emplace(Key{fingerprint->id, owner}, &entry);
    return entry;
}

// The least used rows leave: a row's score is its calls since the last time, and half of what it
// was then. REQUIRES the lock.
void QueryTable::make_room(std::size_t limit) {
    std::vector<QueryEntry*> candidates;
    candidates.reserve(by_key_.size());
    for (const auto& [key, entry] : by_key_) {
        const auto calls = entry->counters[Counter::calls].value() +
                           entry->counters[Counter::failed_calls].value();
        entry->score = entry->score / 2 + 2 * (calls - entry->scored_calls);
        entry->scored_calls = calls;
        if (entry->in_use == 0 && entry->group != group_) candidates.push_back(entry);
    }
    const auto over = by_key_.size() - std::min(by_key_.size(), limit);
    const auto wanted = over + std::max<std::size_t>(1, limit * evicted_percent / 100);
    const auto count = std::min(wanted, candidates.size());
    if (count == 0) return;
    std::nth_element(
        candidates.begin(),
        candidates.begin() + static_cast<std::ptrdiff_t>(count - 1),
        candidates.end(),
        [](const QueryEntry* a, const QueryEntry* b) {
            return a->score != b->score ? a->score < b->score
                                        : a->last_seen.value() < b->last_seen.value();
        }
    );
    for (std::size_t i = 0; i < count; ++i) {
        auto& entry = *candidates[i];
        by_key_.erase(Key{entry.fingerprint_id, entry.owner});
        fold_into_other(entry);
        free_.push_back(&entry);
        evictions_.add(1);
    }
}

// REQUIRES the lock.
void QueryTable::fold_into_other(QueryEntry& entry) {
    const bool fresh = other_.first_seen.value() == 0;
    for (std::size_t i = 0; i < entry.counters.size(); ++i) {
        other_.counters[i].add(entry.counters[i].value());
    }
    if (entry.counters[Counter::calls].value() + entry.counters[Counter::failed_calls].value() >
        0) {
        if (fresh || other_.min_time.value() > entry.min_time.value()) {
            other_.min_time.set(entry.min_time.value());
        }
    }
    take_max(other_.max_time, entry.max_time.value());
    take_max(other_.max_wait, entry.max_wait.value());
    take_max(other_.longest_burst, entry.longest_burst.value());
    take_max(other_.last_seen, entry.last_seen.value());
    if (fresh || other_.first_seen.value() > entry.first_seen.value()) {
        other_.first_seen.set(entry.first_seen.value());
    }
    other_.applications.set(other_.applications.value() | entry.applications.value());
    other_.times.add(entry.times);
    for (const auto& [error_class, count] : entry.errors)
        add_class(other_.errors, error_class, count);
    entry.clear();
}

void QueryEntry::clear() {
    score = scored_calls = 0;
    ++generation;
    for (auto& counter : counters)
        counter.set(0);
    for (auto* counter :
         {&min_time,
          &max_time,
          &max_wait,
          &longest_burst,
          &first_seen,
          &last_seen,
          &trace_high,
          &trace_low,
          &applications})
        counter->set(0);
    times.clear();
    fingerprint.reset();
    errors.clear();
    parameter_types.clear();
}

void QueryTable::reset() {
    const std::lock_guard lock(mutex_);
    erase_if(by_key_, [this](const auto& known) {
        auto& entry = *known.second;
        const bool stays = entry.in_use > 0 || entry.group == group_;
        const auto fingerprint = entry.fingerprint;
        const auto generation = entry.generation;
        entry.clear();
        if (stays) {
            // What runs stays what it is; its numbers begin anew.
            entry.fingerprint = fingerprint;
            entry.generation = generation;
        } else {
            free_.push_back(&entry);
        }
        return !stays;
    });
    other_.clear();
    errors_.clear();
}

// --- reading ---

std::size_t QueryTable::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size() - free_.size();
}

std::size_t QueryTable::in_use() const {
    const std::lock_guard lock(mutex_);
    std::size_t sum = other_.in_use;
    for (const auto& entry : entries_)
        sum += entry.in_use;
    return sum;
}

QueryRow QueryTable::row_of(const QueryEntry& entry) const {
    QueryRow row;
    row.fingerprint = entry.fingerprint;
    if (entry.fingerprint != nullptr) {
        row.database = owners_[entry.owner].database;
        row.user = owners_[entry.owner].user;
    }
    for (std::size_t i = 0; i < row.counters.size(); ++i)
        row.counters[i] = entry.counters[i].value();
    row.min_time = entry.min_time.value();
    row.max_time = entry.max_time.value();
    row.max_wait = entry.max_wait.value();
    row.longest_burst = entry.longest_burst.value();
    entry.times.add_to(row.times);
    row.errors = entry.errors;
    row.parameter_types = entry.parameter_types;
    if (const auto high = entry.trace_high.value(), low = entry.trace_low.value();
        high != 0 || low != 0) {
        row.trace_id = router::fingerprint_text(high) + router::fingerprint_text(low);
    }
    const auto applications = entry.applications.value();
    for (std::size_t i = 0; i < applications_.size(); ++i) {
        if ((applications >> i & 1U) != 0) row.applications.push_back(applications_[i]);
    }
    if ((applications >> application_limit) != 0) row.applications.emplace_back("...");
    return row;
}

std::vector<QueryRow> QueryTable::rows(
    pool::TimePoint steady, std::chrono::system_clock::time_point system
) const {
    const auto seen = [&](const pool::Counter& at) {
        const pool::TimePoint time{pool::Duration(static_cast<pool::Duration::rep>(at.value()))};
        return system -
               std::chrono::duration_cast<std::chrono::system_clock::duration>(steady - time);
    };
    const auto add = [&](const QueryEntry& entry, std::vector<QueryRow>& rows) {
        const bool used = entry.counters[Counter::calls].value() > 0 ||
                          entry.counters[Counter::failed_calls].value() > 0;
        if (!used) return;
        auto& row = rows.emplace_back(row_of(entry));
        row.first_seen = seen(entry.first_seen);
        row.last_seen = seen(entry.last_seen);
    };
    // A few at a time: a worker that has a new statement does not wait for all of them. What went
    // to "other" meanwhile would be counted twice: then it is read again, in the end at once.
    constexpr std::size_t few = 32;
    for (int attempt = 0;; ++attempt) {
        std::vector<QueryRow> rows;
        const auto before = evictions_.value();
        const std::size_t at_once = attempt < 3 ? few : entry_limit;
        for (std::size_t begin = 0;; begin += at_once) {
            const std::lock_guard lock(mutex_);
            const auto end = std::min(begin + at_once, entries_.size());
            for (auto i = begin; i < end; ++i) {
                if (entries_[i].fingerprint != nullptr) add(entries_[i], rows);
            }
            if (end < entries_.size()) continue;
            if (evictions_.value() != before && at_once == few) break;
            add(other_, rows);
            return rows;
        }
    }
}

std::vector<ErrorRow> QueryTable::errors(
    pool::TimePoint steady, std::chrono::system_clock::time_point system
) const {
    const auto seen = [&](pool::TimePoint time) {
        return system -
               std::chrono::duration_cast<std::chrono::system_clock::duration>(steady - time);
    };
    std::vector<ErrorRow> rows;
    const std::lock_guard lock(mutex_);
    for (const auto& error : errors_) {
        auto& row = rows.emplace_back();
        row.sqlstate = error.sqlstate;
        row.database = owners_[error.owner].database;
        row.user = owners_[error.owner].user;
        row.from_server = error.from_server;
        row.count = error.count;
        row.first_seen = seen(error.first_seen);
        row.last_seen = seen(error.last_seen);
        row.last_fingerprint = error.fingerprint;
    }
    return rows;
}

}  // namespace weir::proxy
