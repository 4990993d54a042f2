// Fills the table of metrics.cc.
#include "proxy/metrics.h"
#include "proxy/version.h"

#include <algorithm>
#include <array>

namespace weir::proxy {

namespace {

template <class Number>
double real(Number number) {
    return static_cast<double>(number);
}

double seconds(std::uint64_t microseconds) {
    return real(microseconds) / 1e6;
}

double seconds(std::chrono::microseconds time) {
    return real(time.count()) / 1e6;
}

double epoch(std::chrono::system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

void add_process(MetricCollector& out, const ProcessStatus& process) {
    out.add("process_cpu_seconds_total", {}, process.cpu_seconds);
    out.add("process_start_time_seconds", {}, process.start_time);
    out.add("process_resident_memory_bytes", {}, real(process.resident_bytes));
    out.add("process_virtual_memory_bytes", {}, real(process.virtual_bytes));
    out.add("process_open_fds", {}, real(process.open_descriptors));
    out.add("process_max_fds", {}, real(process.most_descriptors));
}

void add_server(MetricCollector& out, const StatusSnapshot& now) {
    out.add("pgweir_build_info", {version()}, 1);
    out.add("pgweir_workers", {}, real(now.workers));
    for (std::size_t i = 0; i < now.worker_clients.size(); ++i)
        out.add("pgweir_worker_clients", {std::to_string(i)}, real(now.worker_clients[i]));
    out.add("pgweir_paused", {}, now.paused);
    out.add("pgweir_shutting_down", {}, now.shutting_down);
    out.add("pgweir_clients", {}, real(now.clients));
    out.add("pgweir_clients_limit", {}, real(now.max_clients));
    out.add("pgweir_clients_logging_in", {}, real(now.logging_in));
    out.add("pgweir_accept_pauses_total", {}, real(now.accept_pauses));
    out.add("pgweir_listening_connections", {}, real(now.listeners.connections));
    out.add("pgweir_listening_clients", {}, real(now.listeners.clients));
    out.add("pgweir_listening_channels", {}, real(now.listeners.channels));
    out.add("pgweir_notifications_total", {}, real(now.listeners.notifications));
    out.add("pgweir_reloads_total", {"ok"}, real(now.reloads));
    out.add("pgweir_reloads_total", {"failed"}, real(now.failed_reloads));
    out.add("pgweir_config_last_reload_successful", {}, !now.last_reload_failed);
    if (now.last_reload) {
        const auto when = epoch(*now.last_reload);
        out.add("pgweir_config_last_reload_success_timestamp_seconds", {}, when);
    }
    for (const auto& [name, expiry] : now.certificate_expiry)
        out.add("pgweir_certificate_expiry_timestamp_seconds", {name}, epoch(expiry));
}

const std::array<double, time_bounds.size()>& bounds_in_seconds() {
    static const auto bounds = [] {
        std::array<double, time_bounds.size()> all{};
        std::transform(time_bounds.begin(), time_bounds.end(), all.begin(), [](auto bound) {
            return seconds(bound);
        });
        return all;
    }();
    return bounds;
}

void add_logins(MetricCollector& out, std::string_view side, const LoginStatus& logins) {
    std::uint64_t done = 0, failed = 0;
    for (const auto count : logins.durations)
        done += count;
    for (const auto& [sqlstate, count] : logins.failures) {
        out.add("pgweir_login_failures_total", {side, sqlstate}, real(count));
        failed += count;
    }
    out.add("pgweir_logins_total", {side, "ok"}, real(done));
    out.add("pgweir_logins_total", {side, "failed"}, real(failed));
    out.add_histogram(
        "pgweir_login_duration_seconds",
        {side},
        bounds_in_seconds(),
        logins.durations,
        seconds(logins.total_time)
    );
    for (const auto& [version, count] : logins.handshakes)
        out.add("pgweir_tls_handshakes_total", {side, version}, real(count));
    out.add("pgweir_tls_handshake_failures_total", {side}, real(logins.failed_handshakes));
}

void add_workers(MetricCollector& out, const std::vector<WorkerStatus>& workers) {
    WorkerStatus all;
    for (std::size_t i = 0; i < workers.size(); ++i) {
        const auto& worker = workers[i];
        const auto name = std::to_string(i);
        out.add_histogram(
            "pgweir_worker_loop_delay_seconds",
            {name},
            bounds_in_seconds(),
            worker.delays,
            seconds(worker.delay_sum)
        );
        out.add("pgweir_worker_loop_stuck_seconds", {name}, seconds(worker.stuck));
        all.exact_hits += worker.exact_hits;
        all.blind_hits += worker.blind_hits;
        all.misses += worker.misses;
        all.unkeyed += worker.unkeyed;
        all.evictions += worker.evictions;
        all.statements += worker.statements;
        all.query_rows += worker.query_rows;
        all.query_evictions += worker.query_evictions;
    }
    constexpr std::string_view requests = "pgweir_statement_cache_requests_total";
    out.add(requests, {"exact_hit"}, real(all.exact_hits));
    out.add(requests, {"blind_hit"}, real(all.blind_hits));
    out.add(requests, {"miss"}, real(all.misses));
    out.add(requests, {"unkeyed"}, real(all.unkeyed));
    out.add("pgweir_statement_cache_evictions_total", {}, real(all.evictions));
    out.add("pgweir_statement_cache_entries", {}, real(all.statements));
    out.add("pgweir_query_stats_rows", {}, real(all.query_rows));
    out.add("pgweir_query_stats_evictions_total", {}, real(all.query_evictions));
}

void add_detail(MetricCollector& out, const MetricsDetail& detail) {
    add_logins(out, "client", detail.client_logins);
    add_logins(out, "server", detail.server_logins);
    add_workers(out, detail.workers);
    out.add("pgweir_catalog_reads_total", {}, real(detail.catalog_reads));
    out.add("pgweir_catalogs", {}, real(detail.catalogs));
    for (const auto& part : detail.memory)
        out.add("pgweir_memory_bytes", {part.name}, real(part.bytes));
    const auto& traces = detail.traces;
    out.add("pgweir_trace_spans_total", {"exported"}, real(traces.exported));
    out.add("pgweir_trace_spans_total", {"rejected"}, real(traces.rejected));
    out.add("pgweir_trace_spans_total", {"failed"}, real(traces.failed));
    out.add("pgweir_trace_dropped_statements_total", {}, real(traces.dropped));
    out.add("pgweir_trace_queue_statements", {}, real(traces.queued));
    out.add("pgweir_slow_log_statements_total", {"written"}, real(detail.slow_log_written));
    out.add("pgweir_slow_log_statements_total", {"dropped"}, real(detail.slow_log_dropped));
}

void add_pool_hosts(MetricCollector& out, const PoolStatus& pool) {
    for (const auto& host : pool.hosts) {
        const std::array<std::pair<std::string_view, std::size_t>, 7> states{
            {{"active", host.active},
             {"idle", host.idle},
             {"used", host.used},
             {"tested", host.tested},
             {"being_canceled", host.being_canceled},
             {"opening", host.opening},
             {"closing", host.closing}}};
        for (const auto& [state, count] : states) {
            out.add(
                "pgweir_pool_servers", {pool.database, pool.user, host.host, state}, real(count)
            );
        }
        const MetricCollector::Labels labels{pool.database, pool.user, host.host};
        if (host.size > 0) out.add("pgweir_pool_size", labels, real(host.size));
        out.add("pgweir_pool_waiting_clients", labels, real(host.waiting));
    }
}

void add_times(
    MetricCollector& out,
    std::string_view name,
    const PoolStatus& pool,
    const TimeCounts& counts,
    std::uint64_t sum
) {
    out.add_histogram(name, {pool.database, pool.user}, bounds_in_seconds(), counts, seconds(sum));
}

void add_pool_times(MetricCollector& out, const PoolStatus& pool) {
    if (!pool.times) return;
    const auto& times = *pool.times;
    const auto& totals = pool.totals;
    add_times(
        out,
        "pgweir_transaction_duration_seconds",
        pool,
        times.transactions,
        totals[transaction_time]
    );
    add_times(out, "pgweir_query_duration_seconds", pool, times.queries, totals[query_time]);
    add_times(out, "pgweir_client_wait_duration_seconds", pool, times.waits, totals[wait_time]);
}

void add_pool_totals(MetricCollector& out, const PoolStatus& pool) {
    const MetricCollector::Labels labels{pool.database, pool.user};
    const auto& totals = pool.totals;
    out.add("pgweir_transactions_total", labels, real(totals[transactions]));
    out.add("pgweir_pinned_transactions_total", labels, real(pool.pinned_transactions));
    out.add("pgweir_queries_total", labels, real(totals[queries]));
    out.add("pgweir_transaction_seconds_total", labels, seconds(totals[transaction_time]));
    out.add("pgweir_query_seconds_total", labels, seconds(totals[query_time]));
    out.add("pgweir_client_wait_seconds_total", labels, seconds(totals[wait_time]));
    out.add("pgweir_server_assignments_total", labels, real(totals[server_assignments]));
    out.add("pgweir_received_bytes_total", labels, real(totals[bytes_received]));
    out.add("pgweir_sent_bytes_total", labels, real(totals[bytes_sent]));
    const std::string_view database = pool.database, user = pool.user;
    out.add("pgweir_parses_total", {database, user, "client"}, real(totals[client_parses]));
    out.add("pgweir_parses_total", {database, user, "server"}, real(totals[server_parses]));
    out.add("pgweir_binds_total", labels, real(totals[binds]));
    out.add("pgweir_transaction_ends_total", {database, user, "commit"}, real(pool.commits));
    out.add("pgweir_transaction_ends_total", {database, user, "rollback"}, real(pool.rollbacks));
}

void add_pool(MetricCollector& out, const PoolStatus& pool) {
    const MetricCollector::Labels labels{pool.database, pool.user};
    const std::string_view database = pool.database, user = pool.user;
    // What is counted here is not counted at one moment.
    const auto not_waiting = pool.clients - pool.waiting;
    const auto active = std::min(not_waiting, pool.sum(&PoolHostStatus::active));
    out.add("pgweir_pool_clients", {database, user, "active"}, real(active));
    out.add("pgweir_pool_clients", {database, user, "waiting"}, real(pool.waiting));
    out.add("pgweir_pool_clients", {database, user, "idle"}, real(not_waiting - active));
    out.add("pgweir_pool_longest_wait_seconds", labels, seconds(pool.longest_wait));
    out.add("pgweir_pool_oldest_query_seconds", labels, seconds(pool.oldest_query));
    out.add("pgweir_pool_oldest_transaction_seconds", labels, seconds(pool.oldest_transaction));
    out.add("pgweir_pool_paused", labels, pool.paused);
    out.add("pgweir_pool_login_failed", labels, !pool.login_failure.empty());
    out.add("pgweir_pool_pinned_clients", labels, real(pool.pinned));
    for (const auto& pin : pool.pins) {
        const auto reason = router::text(pin.reason);
        out.add("pgweir_pins_total", {database, user, reason, "begun"}, real(pin.begun));
        out.add("pgweir_pins_total", {database, user, reason, "lifted"}, real(pin.lifted));
        out.add("pgweir_pins_total", {database, user, reason, "left"}, real(pin.left));
        out.add("pgweir_pins_total", {database, user, reason, "refused"}, real(pin.refused));
    }
    for (std::size_t i = 0; i < pool.closed.size(); ++i) {
        if (pool.closed[i] == 0) continue;
        const auto reason = pool::text(static_cast<pool::CloseReason>(i));
        out.add("pgweir_servers_closed_total", {database, user, reason}, real(pool.closed[i]));
    }
    add_pool_hosts(out, pool);
    add_pool_totals(out, pool);
    add_pool_times(out, pool);
}

void add_host_figures(MetricCollector& out, const HostStatus& host) {
    const MetricCollector::Labels labels{host.cluster, host.address};
    const auto& view = host.view;
    if (view.lag.bytes) out.add("pgweir_host_lag_bytes", labels, real(*view.lag.bytes));
    if (view.lag.time)
        out.add("pgweir_host_lag_seconds", labels, real(view.lag.time->count()) / 1e3);
    if (view.timeline != 0) out.add("pgweir_host_timeline", labels, view.timeline);
    out.add("pgweir_host_replay_paused", labels, view.replay_paused);
    out.add("pgweir_host_weight", labels, view.weight);
    out.add("pgweir_host_servers", labels, real(host.servers));
    out.add("pgweir_host_waiting_clients", labels, real(host.waiting));
    out.add("pgweir_host_outstanding_requests", labels, host.outstanding);
    if (host.latency > 0) out.add("pgweir_host_latency_seconds", labels, seconds(host.latency));
    out.add("pgweir_host_check_seconds", labels, seconds(view.check_time));
    out.add("pgweir_host_requests_total", labels, real(host.served));
    out.add("pgweir_host_errors_total", labels, real(host.errors));
}

void add_host(MetricCollector& out, const HostStatus& host) {
    using pool::HostRole;
    using pool::HostState;
    const auto& view = host.view;
    const std::string_view cluster = host.cluster, address = host.address;
    out.add("pgweir_host_up", {cluster, address}, view.state != HostState::down);
    for (const auto state :
         {HostState::healthy,
          HostState::lagging,
          HostState::down,
          HostState::draining,
          HostState::fenced}) {
        out.add("pgweir_host_state", {cluster, address, pool::text(state)}, view.state == state);
    }
    for (const auto role : {HostRole::primary, HostRole::replica, HostRole::unknown})
        out.add("pgweir_host_role", {cluster, address, pool::text(role)}, view.role == role);
    add_host_figures(out, host);
}

void add_cluster(MetricCollector& out, const ClusterStatus& cluster) {
    const std::string_view name = cluster.name;
    out.add("pgweir_cluster_primaries", {name}, real(cluster.primaries));
    for (const auto& route : cluster.routes)
        out.add("pgweir_routes_total", {name, route.target, route.reason}, real(route.count));
    for (const auto& retry : cluster.retries)
        out.add("pgweir_route_retries_total", {name, retry.reason}, real(retry.count));
    out.add("pgweir_route_waits_total", {name}, real(cluster.waits));
    out.add("pgweir_route_wait_seconds_total", {name}, seconds(cluster.wait_time));
}

void add_up(TimeCounts& sum, const TimeCounts& counts) {
    for (std::size_t i = 0; i < sum.size(); ++i)
        sum[i] += counts[i];
}

// Adds what `pool` has to `sum`. Hosts of many databases are one there.
void add_up(PoolStatus& sum, const PoolStatus& pool) {
    sum.clients += pool.clients;
    sum.waiting += pool.waiting;
    sum.longest_wait = std::max(sum.longest_wait, pool.longest_wait);
    sum.oldest_query = std::max(sum.oldest_query, pool.oldest_query);
    sum.oldest_transaction = std::max(sum.oldest_transaction, pool.oldest_transaction);
    sum.pinned += pool.pinned;
    sum.pinned_transactions += pool.pinned_transactions;
    sum.commits += pool.commits;
    sum.rollbacks += pool.rollbacks;
    if (pool.times) {
        if (!sum.times) sum.times.emplace();
        add_up(sum.times->transactions, pool.times->transactions);
        add_up(sum.times->queries, pool.times->queries);
        add_up(sum.times->waits, pool.times->waits);
    }
    for (std::size_t i = 0; i < statistic_count; ++i)
        sum.totals[i] += pool.totals[i];
    if (sum.login_failure.empty()) sum.login_failure = pool.login_failure;
    auto& all = sum.hosts.front();
    for (const auto& host : pool.hosts) {
        for (const auto member :
             {&PoolHostStatus::active,
              &PoolHostStatus::idle,
              &PoolHostStatus::used,
              &PoolHostStatus::tested,
              &PoolHostStatus::being_canceled,
              &PoolHostStatus::closing,
              &PoolHostStatus::opening,
              &PoolHostStatus::waiting,
              &PoolHostStatus::cancels}) {
            all.*member += host.*member;
        }
    }
}

}  // namespace

std::vector<PoolStatus> bounded_pools(std::vector<PoolStatus> pools, std::size_t most) {
    if (pools.size() <= most) return pools;
    PoolStatus rest;
    rest.database = rest.user = "_other";
    rest.pool_mode = pools.front().pool_mode;
    rest.hosts.emplace_back().host = "_other";
    for (std::size_t i = most; i < pools.size(); ++i)
        add_up(rest, pools[i]);
    pools.resize(most);
    pools.push_back(std::move(rest));
    return pools;
}

std::vector<prometheus::MetricFamily> collect_metrics(
    const StatusSnapshot& snapshot, const conf::Settings& settings
) {
    MetricCollector out(metric_table());
    add_server(out, snapshot);
    const auto most = static_cast<std::size_t>(settings.metrics_max_pools);
    for (const auto& pool : bounded_pools(snapshot.pools, most))
        add_pool(out, pool);
    for (const auto& host : snapshot.hosts)
        add_host(out, host);
    for (const auto& cluster : snapshot.clusters)
        add_cluster(out, cluster);
    for (const auto& error : snapshot.errors) {
        const std::string_view side = error.from_server ? "server" : "pgweir";
        out.add("pgweir_errors_total", {error.sqlstate, side}, real(error.count));
    }
    if (snapshot.detail) add_detail(out, *snapshot.detail);
    if (snapshot.process) add_process(out, *snapshot.process);
    return out.take();
}

}  // namespace weir::proxy
