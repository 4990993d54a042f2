#include "proxy/status_snapshot.h"

#include "proxy/admin_show.h"
#include "proxy/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

namespace weir::proxy {

namespace {

std::chrono::microseconds microseconds(pool::Duration time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time);
}

// Of a database without a list of hosts, as SHOW HOSTS would call it.
std::string single_host(const conf::Settings& settings, const std::string& database) {
    const auto* const found = conf::find_database(settings, database);
    if (found == nullptr) return "removed";
    const auto hosts = conf::server_hosts(settings, *found);
    const auto& host = hosts.front();
    const bool v6 = host.host.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", v6 ? "[" : "", host.host, v6 ? "]" : "", host.port);
}

PoolHostStatus pool_host(
    const pool::ServerPool& pool,
    const conf::Settings& settings,
    std::string host,
    pool::TimePoint now
) {
    PoolHostStatus status;
    status.host = std::move(host);
    pool.for_each_server([&](const pool::ServerConnection& server) {
        const auto state = state_shown(server, settings, now);
        status.active += state == "active";
        status.idle += state == "idle";
        status.used += state == "used";
        status.tested += state == "tested";
        status.being_canceled += state == "being_canceled";
        status.cancels += static_cast<std::size_t>(server.cancels);
    });
    const auto counts = pool.counts(now);
    status.closing = counts.closing;
    status.opening = counts.opening;
    status.waiting = counts.waiting;
    status.longest_wait = microseconds(counts.oldest_wait);
    const auto limits = pool.limits();
    status.size = limits.size;
    status.reserve = limits.reserve;
    return status;
}

std::vector<PinStatus> pins_of(const PinCounts& counts) {
    constexpr auto last = static_cast<std::size_t>(router::PinReason::last);
    std::vector<PinStatus> pins;
    for (std::size_t i = 0; i <= last; ++i) {
        const auto reason = static_cast<router::PinReason>(i);
        const PinStatus pin{
            reason,
            counts.value(reason, PinEvent::begun),
            counts.value(reason, PinEvent::lifted),
            counts.value(reason, PinEvent::left),
            counts.value(reason, PinEvent::refused)};
        if (pin.begun + pin.refused > 0) pins.push_back(pin);
    }
    return pins;
}

void add_totals(PoolStatus& status, const std::vector<pool::PoolCounters>& workers) {
    for (const auto& counters : workers) {
        status.totals[server_assignments] += counters.server_assignments.value();
        status.totals[transactions] += counters.transactions.value();
        status.totals[queries] += counters.queries.value();
        status.totals[bytes_received] += counters.bytes_received.value();
        status.totals[bytes_sent] += counters.bytes_sent.value();
        status.totals[transaction_time] += counters.transaction_time.value();
        status.totals[query_time] += counters.query_time.value();
        status.totals[wait_time] += counters.wait_time.value();
        status.totals[client_parses] += counters.client_parses.value();
        status.totals[server_parses] += counters.server_parses.value();
        status.totals[binds] += counters.binds.value();
        status.pinned_transactions += counters.pinned_transactions.value();
        status.commits += counters.commits.value();
        status.rollbacks += counters.rollbacks.value();
    }
}

PoolTimes pool_times(const std::vector<pool::PoolCounters>& workers) {
    pool::CoarseCounts transactions, queries, waits;
    for (const auto& counters : workers) {
        counters.transaction_times.add_to(transactions);
        counters.query_times.add_to(queries);
        counters.wait_times.add_to(waits);
    }
    return {time_counts(transactions), time_counts(queries), time_counts(waits)};
}

PoolStatus pool_status(Server& server, const PoolEntry& entry, pool::TimePoint now) {
    PoolStatus status;
    status.database = entry.pool.name().database;
    status.user = entry.pool.name().user;
    status.pool_mode = to_string(entry.limits()->pool_mode);
    for (std::size_t i = 0; i < entry.pools.size(); ++i) {
        auto host = entry.cluster ? entry.cluster->addresses()[i]
                                  : single_host(server.settings(), status.database);
        const auto& pool = entry.pools[i];
        const auto topology = entry.cluster ? entry.cluster->monitor()->topology().get() : nullptr;
        const bool removed = topology && topology->hosts[i].reason == pool::HostReason::removed;
        if (removed && pool.counts(now).total() == 0) continue;
        status.hosts.push_back(pool_host(pool, server.settings(), std::move(host), now));
        status.waiting += status.hosts.back().waiting;
        status.longest_wait = std::max(status.longest_wait, status.hosts.back().longest_wait);
        status.pinned += pool.pinned();
        const auto closed = pool.closed();
        std::transform(
            closed.begin(),
            closed.end(),
            status.closed.begin(),
            status.closed.begin(),
            std::plus<>()
        );
    }
    status.max_pinned = entry.pool.limits().max_pinned;
    // The two are not read at one moment.
    status.clients = std::max(entry.pool.clients(), status.waiting);
    add_totals(status, entry.pool.counters());
    status.pins = pins_of(entry.pins);
    status.paused = server.paused_all() || server.pools().is_paused(status.database);
    status.disabled = server.is_disabled(status.database);
    if (const auto failure = server.pools().login_failure(entry)) {
        status.login_failure = failure->message;
    }
    return status;
}

template <class Reason>
void add_routes(
    std::vector<RouteStatus>& routes,
    const Cluster& cluster,
    std::string_view target,
    RouteCounters::ByReason<Reason> RouteCounters::*counters,
    std::string_view (*name)(Reason)
) {
    for (std::size_t i = 0; i <= static_cast<std::size_t>(Reason::last); ++i) {
        std::uint64_t count = 0;
        for (const auto& worker : cluster.routes())
            count += (worker.*counters)[i].value();
        if (count == 0) continue;
        const auto reason = static_cast<Reason>(i);
        routes.push_back({cluster.name(), std::string(target), std::string(name(reason)), count});
    }
}

ClusterStatus cluster_status(const Cluster& cluster, const pool::Topology* topology) {
    ClusterStatus status;
    status.name = cluster.name();
    status.primaries = topology == nullptr ? 0 : topology->primaries.size();
    for (const auto& worker : cluster.routes()) {
        status.waits += worker.waits.value();
        status.wait_time += worker.wait_time.value();
    }
    using router::ReadReason;
    auto& routes = status.routes;
    add_routes<ReadReason>(routes, cluster, "replica", &RouteCounters::replica, router::text);
    add_routes<ReadReason>(routes, cluster, "primary", &RouteCounters::primary, router::text);
    add_routes<pool::ChoiceReason>(
        routes, cluster, "primary", &RouteCounters::reads_on_primary, pool::text
    );
    add_routes<router::ReplicaRefusal>(
        status.retries, cluster, "primary", &RouteCounters::retried, router::text
    );
    return status;
}

void add_clusters(StatusSnapshot& snapshot, Server& server) {
    for (const auto& [name, cluster] : server.pools().clusters().all()) {
        const auto topology = cluster->monitor()->topology().get();
        snapshot.clusters.push_back(cluster_status(*cluster, topology.get()));
        if (topology == nullptr) continue;
        for (std::size_t i = 0; i < topology->hosts.size(); ++i) {
            HostStatus host;
            host.cluster = name;
            host.address = cluster->addresses()[i];
            host.view = topology->hosts[i];
            const auto& load = *cluster->monitor()->loads()[i];
            host.outstanding = static_cast<unsigned>(load.outstanding());
            host.latency = static_cast<std::uint64_t>(load.latency());
            host.served = load.served();
            host.errors = load.errors();
            for (const auto& [pool_name, entry] : server.pools().entries()) {
                if (entry->cluster != cluster) continue;
                const auto counts = entry->pools[i].counts(snapshot.at);
                host.servers += counts.total();
                host.waiting += counts.waiting;
            }
            const bool removed = host.view.reason == pool::HostReason::removed;
            if (!removed || host.servers > 0) snapshot.hosts.push_back(std::move(host));
        }
    }
}

void add_listeners(StatusSnapshot& snapshot, const Server& server) {
    for (const auto& view : server.notifications().views()) {
        ++snapshot.listeners.connections;
        snapshot.listeners.channels += view.channels;
        snapshot.listeners.clients += view.clients;
        snapshot.listeners.notifications += view.notifications;
    }
}

void add_certificates(StatusSnapshot& snapshot, const Configuration& configuration) {
    const auto add = [&](const char* name, const auto& context) {
        const auto expiry = context ? context->certificate_expiry() : std::nullopt;
        if (expiry) snapshot.certificate_expiry.emplace(name, *expiry);
    };
    add("client", configuration.client_tls);
    add("http", configuration.http_tls);
}

WorkerStatus worker_status(Worker& worker) {
    const auto& figures = worker.figures();
    WorkerStatus status;
    status.clients = worker.sessions();
    pool::CoarseCounts delays;
    figures.delays.add_to(delays);
    status.delays = time_counts(delays);
    status.delay_sum = figures.delay_sum.value();
    status.stuck = microseconds(worker.probe_waits());
    status.exact_hits = figures.exact_hits.value();
    status.blind_hits = figures.blind_hits.value();
    status.misses = figures.misses.value();
    status.unkeyed = figures.unkeyed.value();
    status.evictions = figures.evictions.value();
    status.statements = figures.statements.value();
    status.statement_bytes = figures.statement_bytes.value();
    status.query_rows = worker.queries().size();
    status.query_evictions = worker.queries().evictions();
    return status;
}

LoginStatus login_status(const pool::LoginCounts& counts) {
    return {
        time_counts(counts.durations()),
        counts.total_time(),
        counts.failures(),
        counts.handshakes(),
        counts.failed_handshakes()};
}

std::vector<MemoryPart> memory_parts(Server& server, const std::vector<WorkerStatus>& workers) {
    std::size_t statements = 0, rows = 0, sessions = 0, servers = 0;
    for (const auto& worker : workers) {
        statements += worker.statement_bytes;
        rows += worker.query_rows;
        sessions += worker.clients;
    }
    for (const auto& [name, entry] : server.pools().entries()) {
        for (const auto& pool : entry->pools)
            pool.for_each_server([&](const pool::ServerConnection&) { ++servers; });
    }
    return {
        {"statement_cache", statements},
        {"query_stats", rows * sizeof(QueryEntry)},
        {"clients", sessions * sizeof(ClientSession)},
        {"servers", servers * sizeof(pool::ServerConnection)}};
}

MetricsDetail metrics_detail(Server& server) {
    MetricsDetail detail;
    for (const auto& worker : server.workers())
        detail.workers.push_back(worker_status(*worker));
    detail.client_logins = login_status(server.client_logins());
    detail.server_logins = login_status(server.pools().login_counts());
    std::set<const CatalogState*> catalogs;
    for (const auto& [name, entry] : server.pools().entries()) {
        if (!catalogs.insert(entry->catalog.get()).second) continue;
        detail.catalog_reads += entry->catalog->version();
        detail.catalogs += entry->catalog->version() > 0;
    }
    detail.memory = memory_parts(server, detail.workers);
    detail.traces = server.traces().counts();
    detail.slow_log_written = server.slow_log().written();
    detail.slow_log_dropped = server.slow_log().dropped();
    return detail;
}

// What a round of questions has found is a moment old; it goes on until the next one.
void add_oldest(StatusSnapshot& snapshot, const Lookout::ByPool& by_pool) {
    const auto age = [&](pool::TimePoint since) {
        return since == pool::TimePoint{} ? std::chrono::microseconds(0)
                                          : microseconds(snapshot.at - since);
    };
    for (auto& pool : snapshot.pools) {
        const auto found = by_pool.find({pool.database, pool.user});
        if (found == by_pool.end()) continue;
        pool.oldest_query = age(found->second.query);
        pool.oldest_transaction = age(found->second.transaction);
    }
}

}  // namespace

std::size_t PoolStatus::sum(std::size_t PoolHostStatus::*member) const {
    std::size_t sum = 0;
    for (const auto& host : hosts)
        sum += host.*member;
    return sum;
}

TimeCounts time_counts(const pool::CoarseCounts& times) {
    TimeCounts counts{};
    std::uint64_t before = 0;
    for (std::size_t i = 0; i < time_bounds.size(); ++i) {
        const auto below = times.below(time_bounds[i]);
        counts[i] = below - before;
        before = below;
    }
    counts.back() = times.total() - before;
    return counts;
}

std::vector<ErrorCount> error_counts(const std::vector<ErrorRow>& errors) {
    std::map<std::pair<std::string, bool>, std::uint64_t> sums;
    for (const auto& error : errors)
        sums[{error.sqlstate, error.from_server}] += error.count;
    std::vector<ErrorCount> counts;
    for (const auto& [key, count] : sums)
        counts.push_back({key.first, key.second, count});
    return counts;
}

StatusSnapshot take_snapshot(Server& server, SnapshotDetail detail) {
    const bool for_metrics = detail == SnapshotDetail::for_metrics;
    StatusSnapshot snapshot;
    snapshot.at = pool::Clock::now();
    snapshot.time = std::chrono::system_clock::now();
    snapshot.workers = server.workers().size();
    for (const auto& worker : server.workers())
        snapshot.worker_clients.push_back(worker->sessions());
    const auto counts = server.client_counts();
    snapshot.clients = counts.clients;
    snapshot.logging_in = counts.login;
    snapshot.max_clients = static_cast<std::size_t>(server.settings().max_client_conn);
    snapshot.accept_pauses = server.accept_pauses();
    snapshot.paused = server.paused_all();
    snapshot.shutting_down = server.shutting_down() != Shutdown::none;
    for (const auto& [name, entry] : server.pools().entries()) {
        snapshot.pools.push_back(pool_status(server, *entry, snapshot.at));
        if (for_metrics) snapshot.pools.back().times = pool_times(entry->pool.counters());
    }
    add_oldest(snapshot, server.lookout().oldest());
    if (for_metrics) {
        snapshot.errors = error_counts(server.queries().errors());
        snapshot.detail = metrics_detail(server);
    }
    add_clusters(snapshot, server);
    add_listeners(snapshot, server);
    const auto& reloads = server.reloads();
    snapshot.reloads = reloads.done;
    snapshot.failed_reloads = reloads.failed;
    snapshot.last_reload = reloads.last;
    snapshot.last_reload_failed = reloads.last_failed;
    add_certificates(snapshot, server.configuration());
    return snapshot;
}

}  // namespace weir::proxy
