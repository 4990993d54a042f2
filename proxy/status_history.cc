#include "proxy/status_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

// A count that went down is one that began anew.
double growth(std::uint64_t before, std::uint64_t now) {
    return static_cast<double>(now >= before ? now - before : now);
}

double per(double amount, double count) {
    return count > 0 ? amount / count : 0;
}

}  // namespace

EpochTime epoch_time(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

// --- peaks ---

void StatusHistory::Peaks::add(std::uint64_t tens, std::size_t value) {
    // Slots from after the last one up to this one are of fifteen minutes ago, or older. A clock
    // that was set back goes on with the slot there is.
    if (tens > last_) {
        const auto skipped = std::min<std::uint64_t>(tens - last_, slots);
        for (std::uint64_t i = 0; i < skipped; ++i)
            highest_[(tens - i) % slots] = 0;
        last_ = tens;
    }
    auto& slot = highest_[last_ % slots];
    slot = std::max(slot, static_cast<std::uint32_t>(value));
}

std::uint32_t StatusHistory::Peaks::highest() const {
    return *std::max_element(highest_.begin(), highest_.end());
}

// --- one second ---

void StatusHistory::add(const StatusSnapshot& snapshot) {
    ++round_;
    const bool first = round_ == 1;
    const double elapsed = first ? 0 : snapshot.seconds_since(last_);
    last_ = snapshot.at;
    StatusPoint point;
    point.time = epoch_time(snapshot.time);
    track_pools(snapshot, elapsed, point);
    track_hosts(snapshot, elapsed, point);
    track_routes(snapshot, elapsed, point);
    point.clients = static_cast<double>(snapshot.clients);
    notice(snapshot, point.time);
    judge(snapshot, point.time);
    if (first) return;  // there is nothing to compare with
    points_.push_back(point);
    if (points_.size() > seconds) points_.pop_front();
}

void StatusHistory::track_pools(
    const StatusSnapshot& snapshot, double elapsed, StatusPoint& point
) {
    const auto tens = static_cast<std::uint64_t>(point.time / 10000);
    double query_time_sum = 0, wait_time_sum = 0, lent = 0;
    for (const auto& pool : snapshot.pools) {
        auto& tracked = pools_[{pool.database, pool.user}];
        const auto grown = [&](Statistic statistic) {
            return growth(tracked.totals[statistic], pool.totals[statistic]);
        };
        const double seen = tracked.seen + 1 == round_ && elapsed > 0 ? 1 / elapsed : 0;
        tracked.now.transactions = grown(transactions) * seen;
        tracked.now.queries = grown(queries) * seen;
        tracked.now.query_time = per(grown(query_time), grown(queries));
        tracked.now.wait_time = per(grown(wait_time), grown(server_assignments));
        if (seen > 0) {
            query_time_sum += grown(query_time);
            wait_time_sum += grown(wait_time);
            lent += grown(server_assignments);
        }
        point.transactions += tracked.now.transactions;
        point.queries += tracked.now.queries;
        point.bytes_in += grown(bytes_received) * seen;
        point.bytes_out += grown(bytes_sent) * seen;
        std::size_t busy = 0;
        for (const auto& host : pool.hosts)
            busy += host.busy();
        point.active += static_cast<double>(busy);
        point.waiting += static_cast<double>(pool.waiting);
        tracked.busy.add(tens, busy);
        tracked.waiting.add(tens, pool.waiting);
        tracked.totals = pool.totals;
        tracked.seen = round_;
    }
    std::erase_if(pools_, [this](const auto& pool) { return pool.second.seen != round_; });
    point.query_time = per(query_time_sum, point.queries * elapsed);
    point.wait_time = per(wait_time_sum, lent);
}

void StatusHistory::track_hosts(
    const StatusSnapshot& snapshot, double elapsed, StatusPoint& point
) {
    const auto tens = static_cast<std::uint64_t>(point.time / 10000);
    for (const auto& host : snapshot.hosts) {
        auto& tracked = hosts_[{host.cluster, host.address}];
        const double seen = tracked.seen + 1 == round_ && elapsed > 0 ? 1 / elapsed : 0;
        tracked.now.queries = growth(tracked.totals[queries], host.served) * seen;
        tracked.now.errors = growth(tracked.totals[binds], host.errors) * seen;
        tracked.now.query_time = static_cast<double>(host.latency);
        tracked.totals[queries] = host.served;
        tracked.totals[binds] = host.errors;
        tracked.busy.add(tens, host.outstanding);
        tracked.waiting.add(tens, host.waiting);
        tracked.seen = round_;
        point.host_errors += tracked.now.errors;
        if (host.view.role != pool::HostRole::replica || !host.view.lag.time) continue;
        point.lag_ms = std::max(point.lag_ms, static_cast<double>(host.view.lag.time->count()));
    }
    std::erase_if(hosts_, [this](const auto& host) { return host.second.seen != round_; });
}

void StatusHistory::track_routes(
    const StatusSnapshot& snapshot, double elapsed, StatusPoint& point
) {
    std::uint64_t count = 0;
    for (const auto& cluster : snapshot.clusters) {
        for (const auto& route : cluster.routes) {
            if (route.target == "replica") count += route.count;
        }
    }
    if (elapsed > 0) point.on_replicas = growth(replica_transactions_, count) / elapsed;
    replica_transactions_ = count;
}

// --- problems ---

void StatusHistory::judge(const StatusSnapshot& snapshot, EpochTime now) {
    std::vector<OpenProblem> open;
    for (auto& problem : find_health_problems(snapshot)) {
        const auto same = [&](const OpenProblem& other) {
            return other.problem.identity() == problem.identity();
        };
        const auto before = std::find_if(problems_.begin(), problems_.end(), same);
        if (before == problems_.end())
            add_event({now, "problem", problem.part + ' ' + problem.what});
        open.push_back({std::move(problem), before == problems_.end() ? now : before->since});
    }
    for (const auto& old : problems_) {
        const bool there = std::any_of(open.begin(), open.end(), [&](const OpenProblem& other) {
            return other.problem.identity() == old.problem.identity();
        });
        if (!there)
            add_event({now, "solved", "no more: " + old.problem.part + ' ' + old.problem.what});
    }
    problems_ = std::move(open);
    const int health =
        problems_.empty() ? 0 : static_cast<int>(problems_.front().problem.severity) + 1;
    if (health != health_) health_since_ = now;
    health_ = health;
}

// --- events ---

void StatusHistory::add_event(StatusEvent event) {
    events_.push_back(std::move(event));
    if (events_.size() > most_events) events_.pop_front();
}

void StatusHistory::notice(const StatusSnapshot& snapshot, EpochTime now) {
    if (round_ > 1) {
        if (snapshot.reloads != reloads_) add_event({now, "reload", "configuration reloaded"});
        if (snapshot.failed_reloads != failed_reloads_) {
            add_event({now, "reload", "reload failed: see the log"});
        }
        if (snapshot.paused != paused_) {
            add_event({now, "pause", snapshot.paused ? "all databases paused" : "resumed"});
        }
    }
    reloads_ = snapshot.reloads;
    failed_reloads_ = snapshot.failed_reloads;
    paused_ = snapshot.paused;
    for (const auto& host : snapshot.hosts)
        notice_host(host, now);
}

void StatusHistory::notice_host(const HostStatus& host, EpochTime now) {
    using pool::HostRole;
    using pool::HostState;
    const std::pair seen(host.view.role, host.view.state);
    const auto [known, is_new] = known_hosts_.try_emplace({host.cluster, host.address}, seen);
    const auto before = std::exchange(known->second, seen);
    if (is_new || before == seen || before.first == HostRole::unknown) return;
    const auto name = fmt::format("{} ({})", host.address, host.cluster);
    if (before.first != seen.first && seen.first == HostRole::primary) {
        add_event({now, "failover", name + " is the primary now"});
    } else if (before.first != seen.first) {
        add_event({now, "host", fmt::format("{} is a {} now", name, pool::text(seen.first))});
    }
    if (before.second == seen.second) return;
    const bool by_operator = seen.second == HostState::fenced || before.second == HostState::fenced;
    add_event(
        {now,
         by_operator ? "fence" : "host",
         fmt::format("{}: {} to {}", name, pool::text(before.second), pool::text(seen.second))}
    );
}

// --- looking ---

Activity StatusHistory::pool(const std::string& database, const std::string& user) const {
    const auto found = pools_.find({database, user});
    if (found == pools_.end()) return {};
    auto activity = found->second.now;
    activity.peak_busy = found->second.busy.highest();
    activity.peak_waiting = found->second.waiting.highest();
    return activity;
}

Activity StatusHistory::host(const std::string& cluster, const std::string& address) const {
    const auto found = hosts_.find({cluster, address});
    if (found == hosts_.end()) return {};
    auto activity = found->second.now;
    activity.peak_busy = found->second.busy.highest();
    activity.peak_waiting = found->second.waiting.highest();
    return activity;
}

}  // namespace weir::proxy
