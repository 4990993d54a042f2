// PgBouncer's exporter (prometheus-community/pgbouncer_exporter): its names, labels and meanings,
// so that dashboards and alerts made for it go on.
#include "proxy/metrics.h"
#include "proxy/version.h"

#include <array>
#include <map>

namespace weir::proxy {

namespace {

using enum MetricKind;

constexpr std::string_view of_pool = "database,user";

constexpr auto table = std::to_array<MetricDescriptor>({
    {"pgbouncer_up", gauge, "", "Always 1: it is PgBouncer itself that answers."},
    {"pgbouncer_version_info", info, "version", "Always 1; the version is a label."},
    {"pgbouncer_config_max_client_connections", gauge, "", "max_client_conn."},
    {"pgbouncer_config_max_user_connections", gauge, "", "max_user_connections."},
    {"pgbouncer_pools", gauge, "", "Pools there are."},
    {"pgbouncer_used_clients", gauge, "", "Clients that are logged in."},
    {"pgbouncer_login_clients", gauge, "", "Clients that log in."},
    {"pgbouncer_used_servers", gauge, "", "Server connections."},
    {"pgbouncer_stats_queries_pooled_total", counter, "database", "Queries."},
    {"pgbouncer_stats_queries_duration_seconds_total", counter, "database", "Time in queries."},
    {"pgbouncer_stats_received_bytes_total", counter, "database", "Bytes from clients."},
    {"pgbouncer_stats_sent_bytes_total", counter, "database", "Bytes to clients."},
    {"pgbouncer_stats_client_wait_seconds_total", counter, "database", "Time of waiting."},
    {"pgbouncer_stats_sql_transactions_pooled_total", counter, "database", "Transactions."},
    {"pgbouncer_stats_server_in_transaction_seconds_total",
     counter,
     "database",
     "Time in transactions."},
    {"pgbouncer_pools_client_active_connections", gauge, of_pool, "cl_active of SHOW POOLS."},
    {"pgbouncer_pools_client_waiting_connections", gauge, of_pool, "cl_waiting."},
    {"pgbouncer_pools_client_active_cancel_connections", gauge, of_pool, "cl_active_cancel_req."},
    {"pgbouncer_pools_client_waiting_cancel_connections", gauge, of_pool, "cl_waiting_cancel_req."},
    {"pgbouncer_pools_server_active_connections", gauge, of_pool, "sv_active."},
    {"pgbouncer_pools_server_active_cancel_connections", gauge, of_pool, "sv_active_cancel."},
    {"pgbouncer_pools_server_being_canceled_connections", gauge, of_pool, "sv_being_canceled."},
    {"pgbouncer_pools_server_idle_connections", gauge, of_pool, "sv_idle."},
    {"pgbouncer_pools_server_used_connections", gauge, of_pool, "sv_used."},
    {"pgbouncer_pools_server_testing_connections", gauge, of_pool, "sv_tested."},
    {"pgbouncer_pools_server_login_connections", gauge, of_pool, "sv_login."},
    {"pgbouncer_pools_client_maxwait_seconds", gauge, of_pool, "maxwait, with its fraction."},
});

double seconds(std::uint64_t microseconds) {
    return static_cast<double>(microseconds) / 1e6;
}

void add_pool(MetricCollector& out, const PoolStatus& pool) {
    const auto add = [&](std::string_view name, std::size_t value) {
        out.add(name, {pool.database, pool.user}, static_cast<double>(value));
    };
    const auto sum = [&pool](auto member) {
        return pool.sum(member);
    };
    add("pgbouncer_pools_client_active_connections", pool.clients - pool.waiting);
    add("pgbouncer_pools_client_waiting_connections", pool.waiting);
    add("pgbouncer_pools_client_active_cancel_connections", sum(&PoolHostStatus::cancels));
    add("pgbouncer_pools_client_waiting_cancel_connections", 0);
    add("pgbouncer_pools_server_active_connections", sum(&PoolHostStatus::active));
    add("pgbouncer_pools_server_active_cancel_connections", sum(&PoolHostStatus::cancels));
    add("pgbouncer_pools_server_being_canceled_connections", sum(&PoolHostStatus::being_canceled));
    add("pgbouncer_pools_server_idle_connections", sum(&PoolHostStatus::idle));
    add("pgbouncer_pools_server_used_connections", sum(&PoolHostStatus::used));
    add("pgbouncer_pools_server_testing_connections", sum(&PoolHostStatus::tested));
    add("pgbouncer_pools_server_login_connections", sum(&PoolHostStatus::opening));
    out.add(
        "pgbouncer_pools_client_maxwait_seconds",
        {pool.database, pool.user},
        seconds(static_cast<std::uint64_t>(pool.longest_wait.count()))
    );
}

void add_database(MetricCollector& out, std::string_view name, const Totals& totals) {
    const auto real = [&totals](Statistic statistic) {
        return static_cast<double>(totals[statistic]);
    };
    out.add("pgbouncer_stats_queries_pooled_total", {name}, real(queries));
    out.add("pgbouncer_stats_queries_duration_seconds_total", {name}, seconds(totals[query_time]));
    out.add("pgbouncer_stats_received_bytes_total", {name}, real(bytes_received));
    out.add("pgbouncer_stats_sent_bytes_total", {name}, real(bytes_sent));
    out.add("pgbouncer_stats_client_wait_seconds_total", {name}, seconds(totals[wait_time]));
    out.add("pgbouncer_stats_sql_transactions_pooled_total", {name}, real(transactions));
    out.add(
        "pgbouncer_stats_server_in_transaction_seconds_total",
        {name},
        seconds(totals[transaction_time])
    );
}

}  // namespace

std::span<const MetricDescriptor> pgbouncer_metric_table() {
    return table;
}

std::vector<prometheus::MetricFamily> collect_pgbouncer_metrics(
    const StatusSnapshot& snapshot, const conf::Settings& settings
) {
    MetricCollector out(table);
    const auto pools =
        bounded_pools(snapshot.pools, static_cast<std::size_t>(settings.metrics_max_pools));
    std::map<std::string, Totals> databases;
    std::size_t servers = 0;
    for (const auto& pool : pools) {
        add_pool(out, pool);
        auto& totals = databases[pool.database];
        for (std::size_t i = 0; i < statistic_count; ++i)
            totals[i] += pool.totals[i];
        for (const auto& host : pool.hosts)
            servers += host.busy() + host.idle + host.used;
    }
    for (const auto& [name, totals] : databases)
        add_database(out, name, totals);
    out.add("pgbouncer_up", {}, 1);
    out.add("pgbouncer_version_info", {version()}, 1);
    out.add("pgbouncer_config_max_client_connections", {}, settings.max_client_conn);
    out.add("pgbouncer_config_max_user_connections", {}, settings.max_user_connections);
    out.add("pgbouncer_pools", {}, static_cast<double>(snapshot.pools.size()));
    out.add("pgbouncer_used_clients", {}, static_cast<double>(snapshot.clients));
    out.add("pgbouncer_login_clients", {}, static_cast<double>(snapshot.logging_in));
    out.add("pgbouncer_used_servers", {}, static_cast<double>(servers));
    return out.take();
}

}  // namespace weir::proxy
