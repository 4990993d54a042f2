// SHOW HOSTS, ROUTES, CATALOG and CONSISTENCY: what is known of the clusters' hosts, where
// transactions went and why, and what that is decided by. All of it is ours; PgBouncer has none.
#include "proxy/admin_show.h"
#include "proxy/server.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::proxy {

namespace {

using enum ColumnType;

using Rows = std::vector<Row>;

template <class Number>
std::int64_t int_of(Number value) {
    return static_cast<std::int64_t>(value);
}

// Never below 0: what is shown goes on while it is shown.
template <class Unit>
std::int64_t age_in(pool::TimePoint since, const Clocks& now) {
    const auto age = std::chrono::duration_cast<Unit>(now.steady - since);
    return std::max<std::int64_t>(age.count(), 0);
}

// What is not known is NULL, which is never 0.
Value number_if(bool known, std::int64_t number) {
    return known ? Value(number) : Value();
}

std::string lsn_text(pool::Lsn lsn) {
    return lsn.known() ? pool::to_text(lsn) : std::string();
}

// --- HOSTS ---

struct HostUse {
    std::size_t servers = 0;
    std::size_t waiting = 0;
};

// Of all users and, for a section "*", of all databases.
HostUse use_of(
    const PoolSet& pools, const Cluster& cluster, std::size_t host, pool::TimePoint now
) {
    HostUse use;
    for (const auto& [name, entry] : pools.entries()) {
        if (entry->cluster.get() != &cluster) continue;
        const auto counts = entry->pools[host].counts(now);
        use.servers += counts.total();
        use.waiting += counts.waiting;
    }
    return use;
}

Row host_row(
    const Cluster& cluster,
    const pool::Topology& topology,
    std::size_t host,
    const HostUse& use,
    const Clocks& now
) {
    const auto& view = topology.hosts[host];
    const auto& load = *cluster.monitor()->loads()[host];
    const auto& lag = view.lag;
    const bool writes = view.role == pool::HostRole::primary;
    return {
        cluster.name(),
        cluster.addresses()[host],
        std::string(pool::text(view.role)),
        std::string(pool::text(view.state)),
        std::string(pool::text(view.reason)),
        view.detail,
        view.since == pool::TimePoint() ? std::string() : time_text(view.since, now),
        number_if(view.timeline != 0, view.timeline),
        lsn_text(writes ? view.insert_lsn : view.replay_lsn),
        lsn_text(view.receive_lsn),
        lag.bytes ? Value(int_of(*lag.bytes)) : Value(),
        lag.time ? Value(int_of(lag.time->count())) : Value(),
        std::int64_t{view.weight},
        view.zone,
        std::string(pool::text(view.sync_state)),
        std::int64_t{view.replay_paused},
        int_of(use.servers),
        int_of(use.waiting),
        std::int64_t{load.outstanding()},
        number_if(load.latency() > 0, int_of(load.latency())),
        int_of(load.served()),
        int_of(load.errors()),
        int_of(view.check_time.count()),
    };
}

// --- ROUTES ---

struct RouteLine {
    std::string_view target;
    std::string reason;
    std::uint64_t count;
};

// What all workers' sessions have counted, by reason; nothing for what has never been.
template <class Reason>
void add_routes(
    std::vector<RouteLine>& lines,
    const Cluster& cluster,
    std::string_view target,
    RouteCounters::ByReason<Reason> RouteCounters::*counters,
    std::string_view (*name)(Reason),
    std::string_view prefix = {}
) {
    for (std::size_t i = 0; i <= static_cast<std::size_t>(Reason::last); ++i) {
        std::uint64_t count = 0;
        for (const auto& worker : cluster.routes())
            count += (worker.*counters)[i].value();
        if (count == 0) continue;
        lines.push_back({target, fmt::format("{}{}", prefix, name(static_cast<Reason>(i))), count});
    }
}

void add_cluster(Rows& rows, const Cluster& cluster) {
    constexpr std::string_view on_replica = "replica", on_primary = "primary";
    std::vector<RouteLine> lines;
    using router::ReadReason;
    add_routes<ReadReason>(lines, cluster, on_replica, &RouteCounters::replica, router::text);
    add_routes<ReadReason>(lines, cluster, on_primary, &RouteCounters::primary, router::text);
    add_routes<pool::ChoiceReason>(
        lines, cluster, on_primary, &RouteCounters::reads_on_primary, pool::text
    );
    std::uint64_t transactions = 0;
    for (const auto& line : lines)
        transactions += line.count;
    // None more: they were counted when the replica had them.
    add_routes<router::ReplicaRefusal>(
        lines, cluster, on_primary, &RouteCounters::retried, router::text, "retried: "
    );
    for (const auto& line : lines) {
        const double share =
            transactions == 0 ? 0
                              : static_cast<double>(line.count) / static_cast<double>(transactions);
        rows.push_back({
            cluster.name(),
            std::string(line.target),
            line.reason,
            int_of(line.count),
            fmt::format("{:.1f}", 100 * share),
        });
    }
}

// --- CATALOG ---

Row catalog_row(const std::string& database, const CatalogState& state, const Clocks& now) {
    const auto snapshot = state.current();
    const bool is_there = snapshot.epoch != 0;
    // Null for one that is too large to be used.
    const auto* const catalog = snapshot.catalog.get();
    const auto count_if_read = [catalog](auto count) {
        return catalog == nullptr ? Value() : Value(int_of((catalog->reads().*count)()));
    };
    return {
        database,
        int_of(state.epoch()),
        int_of(snapshot.version),
        number_if(is_there, age_in<std::chrono::seconds>(snapshot.read_at, now)),
        count_if_read(&router::ReadCatalog::function_count),
        count_if_read(&router::ReadCatalog::relation_count),
        std::string(state_shown(state, snapshot)),
    };
}

// --- CONSISTENCY ---

Row consistency_row(Cluster& cluster, const conf::DatabaseSettings& section, const Clocks& now) {
    using std::chrono::milliseconds;
    const auto topology = cluster.monitor()->topology().get();
    const auto primary = topology == nullptr ? std::nullopt : topology->primary();
    const auto timeline = topology == nullptr ? pool::Timeline{0} : topology->timeline;
    const auto sampled = cluster.monitor()->samples().newest_started();
    const auto written = cluster.newest_write().at();
    std::uint64_t waits = 0, wait_time = 0;
    for (const auto& worker : cluster.routes()) {
        waits += worker.waits.value();
        wait_time += worker.wait_time.value();
    }
    return {
        cluster.name(),
        std::string(conf::to_string(section.consistency)),
        int_of(section.causal_wait.count()),
        number_if(sampled != pool::TimePoint(), age_in<milliseconds>(sampled, now)),
        primary ? lsn_text(topology->hosts[*primary].insert_lsn) : std::string(),
        number_if(timeline != 0, timeline),
        written ? Value(age_in<milliseconds>(*written, now)) : Value(),
        int_of(waits),
        int_of(wait_time),
    };
}

}  // namespace

Columns hosts_columns() {
    return {
        {"cluster", text},     {"host", text},        {"role", text},          {"state", text},
        {"reason", text},      {"detail", text},      {"since", text},         {"timeline", int8},
        {"lsn", text},  // a primary's insert LSN, a replica's replay LSN
        {"receive_lsn", text}, {"lag_bytes", int8},   {"lag_ms", int8},        {"weight", int4},
        {"zone", text},        {"sync_state", text},  {"replay_paused", int4}, {"servers", int4},
        {"waiting", int4},     {"outstanding", int4}, {"latency_us", int8},    {"served", int8},
        {"errors", int8},      {"check_us", int8},
    };
}

std::vector<Row> show_hosts(const ShowContext& context) {
    const Clocks now;
    Rows rows;
    auto& pools = context.server.pools();
    for (const auto& [name, cluster] : pools.clusters().all()) {
        const auto topology = cluster->monitor()->topology().get();
        if (topology == nullptr) continue;
        for (std::size_t host = 0; host < topology->hosts.size(); ++host) {
            const auto use = use_of(pools, *cluster, host, now.steady);
            const bool removed = topology->hosts[host].reason == pool::HostReason::removed;
            if (removed && use.servers == 0) continue;
            rows.push_back(host_row(*cluster, *topology, host, use, now));
        }
    }
    return rows;
}

// Since the start. `share`: of all transactions of the cluster, in percent.
Columns routes_columns() {
    return {
        {"cluster", text},
        {"target", text},
        {"reason", text},
        {"count", int8},
        {"share", text},
    };
}

std::vector<Row> show_routes(const ShowContext& context) {
    Rows rows;
    for (const auto& [name, cluster] : context.server.pools().clusters().all())
        add_cluster(rows, *cluster);
    return rows;
}

// `epoch` is now's; that of the snapshot is the same unless it is outdated. Without `functions` and
// `relations` there is none, or it is too large to be used.
Columns catalog_columns() {
    return {
        {"database", text},
        {"epoch", int8},
        {"version", int8},
        {"age", int8},
        {"functions", int8},
        {"relations", int8},
        {"state", text},
    };
}

std::vector<Row> show_catalog(const ShowContext& context) {
    const Clocks now;
    Rows rows;
    std::string_view last;
    // Ordered by database, whose users share one catalog.
    for (const auto& [name, entry] : context.server.pools().entries()) {
        if (!rows.empty() && name.database == last) continue;
        last = name.database;
        rows.push_back(catalog_row(name.database, *entry->catalog, now));
    }
    return rows;
}

Columns consistency_columns() {
    return {
        {"cluster", text},
        {"consistency", text},
        {"causal_wait_ms", int8},
        {"newest_sample_age_ms", int8},
        {"primary_lsn", text},
        {"timeline", int8},
        {"newest_write_age_ms", int8},
        {"waits", int8},
        {"wait_time_us", int8},
    };
}

std::vector<Row> show_consistency(const ShowContext& context) {
    const Clocks now;
    Rows rows;
    const auto& sections = context.server.settings().databases;
    for (const auto& [name, cluster] : context.server.pools().clusters().all()) {
        const auto section = sections.find(name);
        if (section == sections.end()) continue;
        rows.push_back(consistency_row(*cluster, section->second, now));
    }
    return rows;
}

std::string_view state_shown(const CatalogState& state, const CatalogState::Snapshot& snapshot) {
    if (snapshot.epoch == 0) return "none";
    return snapshot.epoch == state.epoch() ? "current" : "outdated";
}

}  // namespace weir::proxy
