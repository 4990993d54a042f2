#include "proxy/metrics.h"

#include "proxy/log.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace weir::proxy {

namespace {

using enum MetricKind;

constexpr std::string_view pool_labels = "database,user";
constexpr std::string_view server_labels = "database,user,host";
constexpr std::string_view host_labels = "cluster,host";

constexpr auto table = std::to_array<MetricDescriptor>({
    {"pgweir_build_info", info, "version", "Always 1; the version is a label."},
    {"pgweir_workers", gauge, "", "Worker threads."},
    {"pgweir_worker_clients", gauge, "worker", "Clients of each worker thread."},
    {"pgweir_paused", gauge, "", "1 while all databases are paused (PAUSE)."},
    {"pgweir_shutting_down", gauge, "", "1 from the beginning of a shutdown."},
    {"pgweir_clients", gauge, "", "Clients that are logged in, those of the console among them."},
    {"pgweir_clients_limit", gauge, "", "max_client_conn."},
    {"pgweir_clients_logging_in", gauge, "", "Clients between connecting and being logged in."},
    {"pgweir_logins_total",
     counter,
     "side,result",
     "Logins: of clients to us (client), and ours "
     "to servers (server), those of monitors among them; ok or failed."},
    {"pgweir_login_failures_total", counter, "side,sqlstate", "Those that failed, by SQLSTATE."},
    {"pgweir_login_duration_seconds",
     histogram,
     "side",
     "How long logins took that succeeded, from "
     "the connection on."},
    {"pgweir_tls_handshakes_total",
     counter,
     "side,version",
     "TLS handshakes that succeeded, by the "
     "version agreed on."},
    {"pgweir_tls_handshake_failures_total", counter, "side", "TLS handshakes that failed."},
    {"pgweir_worker_loop_delay_seconds",
     histogram,
     "worker",
     "How long something new waited for its "
     "turn on a worker; asked once a second."},
    {"pgweir_worker_loop_stuck_seconds",
     gauge,
     "worker",
     "How long the last of these questions waits "
     "by now; 0 once it is answered."},
    {"pgweir_statement_cache_requests_total",
     counter,
     "result",
     "Texts of statements that were looked "
     "up: exact_hit (the same text), blind_hit (but for its values), miss (parsed), unkeyed (too "
     "long or unreadable)."},
    {"pgweir_statement_cache_evictions_total",
     counter,
     "",
     "Statements that made room for others."},
    {"pgweir_statement_cache_entries", gauge, "", "Statements that are remembered."},
    {"pgweir_catalog_reads_total",
     counter,
     "",
     "Times a database's catalog of functions, views and triggers was read, and read anew after "
     "DDL."},
    {"pgweir_catalogs", gauge, "", "Databases whose catalog is known."},
    {"pgweir_query_stats_rows", gauge, "", "Rows of SHOW QUERIES, of all workers."},
    {"pgweir_query_stats_evictions_total",
     counter,
     "",
     "Rows that left for others and count as "
     "\"other\"."},
    {"pgweir_memory_bytes",
     gauge,
     "part",
     "Memory of some parts, by the size of what is in them: "
     "statement_cache, query_stats, clients, servers."},
    {"pgweir_trace_spans_total",
     counter,
     "result",
     "Spans for trace_endpoint: exported, rejected by "
     "it, or failed (given up after several tries)."},
    {"pgweir_trace_dropped_statements_total",
     counter,
     "",
     "Traced statements without spans: the "
     "queue was full."},
    {"pgweir_trace_queue_statements", gauge, "", "Traced statements that wait to be sent."},
    {"pgweir_slow_log_statements_total",
     counter,
     "result",
     "Slow statements for slow_logfile: written, "
     "or dropped since the disk was slow."},
    {"pgweir_accept_pauses_total",
     counter,
     "",
     "Times accepting paused: no descriptors or memory."},

    {"pgweir_pool_clients",
     gauge,
     "database,user,state",
     "Clients of a pool: active (with a "
     "server), waiting for one, or idle."},
    {"pgweir_pool_longest_wait_seconds",
     gauge,
     pool_labels,
     "How long the client that waits "
     "longest for a server has waited; 0 while nobody waits."},
    {"pgweir_pool_oldest_query_seconds",
     gauge,
     pool_labels,
     "How long the oldest query has run, as "
     "of a few seconds ago; 0 while none has run for a second."},
    {"pgweir_pool_oldest_transaction_seconds",
     gauge,
     pool_labels,
     "The same of the oldest open "
     "transaction."},
    {"pgweir_pool_servers",
     gauge,
     "database,user,host,state",
     "Server connections of a pool on one "
     "host: active, idle, used (to be checked before use), tested, being_canceled, opening, "
     "closing."},
    {"pgweir_pool_size",
     gauge,
     server_labels,
     "Server connections the pool may have on one host, "
     "without its reserve; absent without a limit."},
    {"pgweir_pool_waiting_clients",
     gauge,
     server_labels,
     "Clients that wait for a server of this "
     "host."},
    {"pgweir_pool_paused", gauge, pool_labels, "1 while the pool's database is paused."},
    {"pgweir_pool_login_failed", gauge, pool_labels, "1 while logins to the pool's servers fail."},
    {"pgweir_pool_pinned_clients",
     gauge,
     pool_labels,
     "Clients that keep their server beyond the "
     "transaction."},
    {"pgweir_pins_total",
     counter,
     "database,user,reason,event",
     "Clients that began to keep their "
     "server (begun), need it no more (lifted), left with it (left), or were refused by max_pinned "
     "(refused)."},

    {"pgweir_servers_closed_total", counter, "database,user,reason", "Servers closed, by reason."},

    {"pgweir_transactions_total", counter, pool_labels, "Transactions that have ended."},
    {"pgweir_transaction_ends_total",
     counter,
     "database,user,end",
     "Those that ended well (commit), "
     "and those that did not (rollback)."},
    {"pgweir_pinned_transactions_total",
     counter,
     pool_labels,
     "Those of clients that kept their "
     "server."},
    {"pgweir_queries_total",
     counter,
     pool_labels,
     "Queries: simple ones, and Syncs with work "
     "before them."},
    {"pgweir_transaction_seconds_total", counter, pool_labels, "Time in transactions."},
    {"pgweir_query_seconds_total",
     counter,
     pool_labels,
     "Time in queries, from the request to the "
     "end of its answer."},
    {"pgweir_client_wait_seconds_total",
     counter,
     pool_labels,
     "Time clients have waited for a "
     "server."},
    {"pgweir_transaction_duration_seconds", histogram, pool_labels, "How long transactions took."},
    {"pgweir_query_duration_seconds", histogram, pool_labels, "How long queries took."},
    {"pgweir_client_wait_duration_seconds",
     histogram,
     pool_labels,
     "How long clients have waited "
     "each time a server was lent to them."},
    {"pgweir_errors_total",
     counter,
     "sqlstate,from",
     "Errors that clients were told, of a server (server) "
     "or our own (pgweir), of all databases; not counted without query_stats."},
    {"pgweir_server_assignments_total",
     counter,
     pool_labels,
     "Times a server was lent to a "
     "client."},
    {"pgweir_received_bytes_total", counter, pool_labels, "Bytes from clients."},
    {"pgweir_sent_bytes_total", counter, pool_labels, "Bytes to clients."},
    {"pgweir_parses_total",
     counter,
     "database,user,side",
     "Prepared statements: as clients have "
     "sent them (client), and as servers have got them (server)."},
    {"pgweir_binds_total", counter, pool_labels, "Bind messages of clients."},

    {"pgweir_host_up", gauge, host_labels, "0 while the host does not answer."},
    {"pgweir_host_state",
     gauge,
     "cluster,host,state",
     "1 for the state the host is in: healthy, "
     "lagging, down, draining, fenced."},
    {"pgweir_host_role",
     gauge,
     "cluster,host,role",
     "1 for the role the host has: primary, "
     "replica, unknown."},
    {"pgweir_host_lag_bytes",
     gauge,
     host_labels,
     "WAL a replica has still to replay; absent while "
     "that is not known."},
    {"pgweir_host_lag_seconds",
     gauge,
     host_labels,
     "Age of what a replica shows; absent while that "
     "is not known."},
    {"pgweir_host_timeline", gauge, host_labels, "The host's timeline."},
    {"pgweir_host_replay_paused", gauge, host_labels, "1 while replay is paused on a replica."},
    {"pgweir_host_weight", gauge, host_labels, "Its share of the reads."},
    {"pgweir_host_servers", gauge, host_labels, "Server connections to the host."},
    {"pgweir_host_waiting_clients", gauge, host_labels, "Clients that wait for the host."},
    {"pgweir_host_outstanding_requests", gauge, host_labels, "Requests under way."},
    {"pgweir_host_latency_seconds",
     gauge,
     host_labels,
     "Smoothed time of a request; absent while "
     "that is not known."},
    {"pgweir_host_check_seconds", gauge, host_labels, "Time of the last check of the host."},
    {"pgweir_host_requests_total", counter, host_labels, "Requests the host has served."},
    {"pgweir_host_errors_total", counter, host_labels, "Requests that ended with the connection."},
    {"pgweir_cluster_primaries",
     gauge,
     "cluster",
     "Hosts that may be written to: 1 unless "
     "something is wrong."},
    {"pgweir_routes_total",
     counter,
     "cluster,target,reason",
     "Transactions by where they went and "
     "why."},
    {"pgweir_route_retries_total",
     counter,
     "cluster,reason",
     "Reads that a replica refused and the "
     "primary has run."},
    {"pgweir_route_waits_total",
     counter,
     "cluster",
     "Transactions that waited for a host: for a "
     "primary, or for a replica that has what they need."},
    {"pgweir_route_wait_seconds_total", counter, "cluster", "How long they waited."},

    {"pgweir_listening_connections", gauge, "", "Connections that LISTEN for clients."},
    {"pgweir_listening_clients", gauge, "", "Clients that LISTEN."},
    {"pgweir_listening_channels", gauge, "", "Channels that are listened to."},
    {"pgweir_notifications_total",
     counter,
     "",
     "Notifications that have come, over the listening "
     "connections there are now."},

    {"pgweir_reloads_total", counter, "result", "Reloads of the configuration: ok or failed."},
    {"pgweir_config_last_reload_successful", gauge, "", "0 after a reload that failed."},
    {"pgweir_config_last_reload_success_timestamp_seconds",
     gauge,
     "",
     "When the configuration in "
     "force was read."},
    {"pgweir_certificate_expiry_timestamp_seconds",
     gauge,
     "certificate",
     "When our certificate "
     "towards clients (client) or on this page (http) ends."},

    {"process_cpu_seconds_total", counter, "", "CPU time, user and system."},
    {"process_start_time_seconds", gauge, "", "When the process began."},
    {"process_resident_memory_bytes", gauge, "", "Memory in RAM."},
    {"process_virtual_memory_bytes", gauge, "", "Address space."},
    {"process_open_fds", gauge, "", "Open descriptors."},
    {"process_max_fds", gauge, "", "Descriptors allowed."},
});

std::vector<std::string> split(std::string_view labels) {
    std::vector<std::string> names;
    while (!labels.empty()) {
        const auto end = std::min(labels.find(','), labels.size());
        names.emplace_back(labels.substr(0, end));
        labels.remove_prefix(std::min(end + 1, labels.size()));
    }
    return names;
}

prometheus::MetricType type_of(MetricKind kind) {
    switch (kind) {
        case counter:
            return prometheus::MetricType::Counter;
        case histogram:
            return prometheus::MetricType::Histogram;
        default:
            return prometheus::MetricType::Gauge;
    }
}

}  // namespace

std::string_view to_string(MetricKind kind) {
    switch (kind) {
        case counter:
            return "counter";
        case histogram:
            return "histogram";
        default:
            return "gauge";
    }
}

std::span<const MetricDescriptor> metric_table() {
    return table;
}

// --- MetricCollector ---

MetricCollector::MetricCollector(std::span<const MetricDescriptor> of) : table_(of) {
    for (const auto& metric : of) {
        places_.emplace(metric.name, families_.size());
        families_.push_back(
            {std::string(metric.name), std::string(metric.help), type_of(metric.kind), {}}
        );
    }
}

prometheus::ClientMetric& MetricCollector::sample(std::string_view name, Labels values) {
    const auto found = places_.find(name);
    if (found == places_.end()) throw std::logic_error("no such metric: " + std::string(name));
    const auto names = split(table_[found->second].labels);
    if (names.size() != values.size()) {
        throw std::logic_error("not the labels of this metric: " + std::string(name));
    }
    auto& samples = families_[found->second].metric;
    auto& sample = samples.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) {
        // Names of databases and users come from outside; a scrape with one byte that is not UTF-8
        // is refused as a whole.
        sample.label.push_back({names[i], printable(values.begin()[i])});
    }
    return sample;
}

void MetricCollector::add(std::string_view name, Labels values, double value) {
    auto& metric = sample(name, values);
    // One of the two is looked at.
    metric.counter.value = value;
    metric.gauge.value = value;
}

void MetricCollector::add_histogram(
    std::string_view name,
    Labels values,
    std::span<const double> bounds,
    std::span<const std::uint64_t> counts,
    double sum
) {
    auto& histogram = sample(name, values).histogram;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        histogram.sample_count += counts[i];
        const double bound = i < bounds.size() ? bounds[i] : HUGE_VAL;
        histogram.bucket.push_back({histogram.sample_count, bound});
    }
    histogram.sample_sum = sum;
}

std::vector<prometheus::MetricFamily> MetricCollector::take() {
    std::vector<prometheus::MetricFamily> filled;
    for (auto& family : families_) {
        if (!family.metric.empty()) filled.push_back(std::move(family));
    }
    families_.clear();
    return filled;
}

}  // namespace weir::proxy
