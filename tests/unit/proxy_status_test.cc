// What is made of snapshots: metrics, problems, history.
#include "proxy/health.h"
#include "proxy/metrics.h"
#include "proxy/status_history.h"
#include "proxy/status_json.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace weir;
using namespace weir::proxy;

namespace {

using std::chrono::seconds;

StatusSnapshot snapshot_at(int second) {
    StatusSnapshot snapshot;
    snapshot.at = pool::TimePoint(seconds(1000 + second));
    snapshot.time = std::chrono::system_clock::time_point(seconds(1'700'000'000 + second));
    snapshot.workers = 2;
    snapshot.worker_clients = {1, 2};
    snapshot.clients = 3;
    snapshot.max_clients = 100;
    PoolStatus pool;
    pool.database = "shop";
    pool.user = "al\"ice\xff";
    pool.pool_mode = "transaction";
    pool.clients = 3;
    pool.hosts.push_back({.host = "db1:5432", .active = 2, .idle = 1, .size = 2});
    pool.totals[queries] = static_cast<std::uint64_t>(second) * 10;
    pool.totals[query_time] = static_cast<std::uint64_t>(second) * 5000;
    snapshot.pools.push_back(pool);
    return snapshot;
}

HostStatus host_in(pool::HostState state, pool::HostRole role = pool::HostRole::replica) {
    HostStatus host;
    host.cluster = "shop";
    host.address = "db2:5432";
    host.view.state = state;
    host.view.role = role;
    host.view.reason = pool::HostReason::none;
    return host;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("metric_table: names are unique and say what they are") {
    std::set<std::string_view> names;
    for (const auto table : {metric_table(), pgbouncer_metric_table()}) {
        for (const auto& metric : table) {
            CAPTURE(metric.name);
            CHECK(names.insert(metric.name).second);
            CHECK(metric.name.ends_with("_total") == (metric.kind == MetricKind::counter));
            CHECK(metric.name.ends_with("_info") == (metric.kind == MetricKind::info));
            CHECK(metric.help.ends_with('.'));
        }
    }
}

TEST_CASE("MetricCollector: a name or labels that the table does not have are a mistake of ours") {
    MetricCollector out(metric_table());
    CHECK_THROWS(out.add("pgweir_no_such_thing", {}, 1));
    CHECK_THROWS(out.add("pgweir_workers", {"label"}, 1));
}

TEST_CASE("metrics: both forms, with names of any bytes") {
    const auto families = collect_metrics(snapshot_at(1), conf::Settings());
    const auto plain = metrics_text(families, MetricFormat::prometheus_text);
    CHECK(has(plain, "pgweir_queries_total{database=\"shop\",user=\"al\\\"ice\\\\xff\"} 10"));
    CHECK(has(plain, "# TYPE pgweir_queries_total counter"));
    const auto open = metrics_text(families, MetricFormat::openmetrics);
    CHECK(has(open, "# TYPE pgweir_queries counter"));
    CHECK(has(open, "pgweir_queries_total{database=\"shop\",user=\"al\\\"ice\\\\xff\"} 10"));
    CHECK(open.ends_with("# EOF\n"));
    CHECK(metric_format("application/openmetrics-text;version=1.0.0") == MetricFormat::openmetrics);
    CHECK(metric_format("text/plain") == MetricFormat::prometheus_text);
}

TEST_CASE("bounded_pools: the rest is one row, and the sum is the same") {
    std::vector<PoolStatus> pools(5, snapshot_at(1).pools.front());
    const auto bounded = bounded_pools(pools, 2);
    REQUIRE(bounded.size() == 3);
    CHECK(bounded.back().database == "_other");
    CHECK(bounded.back().totals[queries] == 30);
    CHECK(bounded.back().hosts.front().active == 6);
    CHECK(bounded_pools(pools, 5).size() == 5);
}

TEST_CASE("time_counts: each time is in one of them, a bound is above itself") {
    pool::CoarseCounts times;
    for (const std::uint64_t time : {0U, 63U, 64U, 255U, 256U, 16'777'215U, 16'777'216U, ~0U})
        times.record(time);
    CHECK(time_counts(times) == TimeCounts{2, 2, 1, 0, 0, 0, 0, 0, 0, 1, 2});
}

TEST_CASE("metrics: histograms, ends of transactions, errors by SQLSTATE") {
    auto snapshot = snapshot_at(1);
    auto& pool = snapshot.pools.front();
    pool.user = "alice";
    pool.commits = 5;
    pool.rollbacks = 2;
    pool.times.emplace();
    pool.times->queries = {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 4};
    std::vector<ErrorRow> errors(3);
    for (auto& error : errors)
        error.sqlstate = "22012";
    errors[0].count = 1;
    errors[1].database = "c";
    errors[1].count = 2;
    errors[2].from_server = false;
    errors[2].count = 7;
    snapshot.errors = error_counts(errors);
    CHECK(snapshot.errors.size() == 2);
    conf::Settings settings;
    for (const auto format : {MetricFormat::prometheus_text, MetricFormat::openmetrics}) {
        const auto text = metrics_text(collect_metrics(snapshot, settings), format);
        const std::string name = "\npgweir_query_duration_seconds";
        const std::string labels = "{database=\"shop\",user=\"alice\"";
        CHECK(has(text, name + "_bucket" + labels + ",le=\"6.4e-05\"} 1\n"));
        CHECK(has(text, name + "_bucket" + labels + ",le=\"0.000256\"} 3\n"));
        CHECK(has(text, name + "_bucket" + labels + ",le=\"16.777216\"} 3\n"));
        CHECK(has(text, name + "_bucket" + labels + ",le=\"+Inf\"} 7\n"));
        CHECK(has(text, name + "_count" + labels + "} 7\n"));
        CHECK(has(text, name + "_sum" + labels + "} 0.005\n"));
        CHECK(has(text, "_ends_total" + labels + ",end=\"commit\"} 5\n"));
        CHECK(has(text, "_ends_total" + labels + ",end=\"rollback\"} 2\n"));
        CHECK(has(text, "pgweir_errors_total{sqlstate=\"22012\",from=\"server\"} 3\n"));
        CHECK(has(text, "pgweir_errors_total{sqlstate=\"22012\",from=\"pgweir\"} 7\n"));
    }
    snapshot.pools.push_back(pool);
    settings.metrics_max_pools = 0;
    const auto rest = metrics_text(collect_metrics(snapshot, settings), MetricFormat::openmetrics);
    CHECK(has(rest, "_duration_seconds_count{database=\"_other\",user=\"_other\"} 14\n"));
    CHECK(has(rest, "_ends_total{database=\"_other\",user=\"_other\",end=\"rollback\"} 4\n"));
}

TEST_CASE("find_health_problems: each state of things, the worst first") {
    auto snapshot = snapshot_at(1);
    CHECK(find_health_problems(snapshot).empty());
    CHECK(reasons_not_ready(snapshot).empty());
    snapshot.hosts = {host_in(pool::HostState::fenced)};
    snapshot.clusters.push_back({.name = "shop", .primaries = 1});
    snapshot.pools.front().waiting = 4;
    snapshot.pools.front().longest_wait = seconds(3);
    snapshot.pools.front().hosts.front().waiting = 4;
    const auto problems = find_health_problems(snapshot);
    REQUIRE(problems.size() == 2);
    CHECK(problems[0].severity == Severity::critical);
    CHECK(has(problems[0].what, "all its servers are busy"));
    CHECK(problems[1].hint == "UNFENCE \"db2:5432\"");
    snapshot.clusters.front().primaries = 0;
    CHECK(find_health_problems(snapshot).front().part == "cluster shop");
}

TEST_CASE("reasons_not_ready: one broken part of several is none") {
    auto snapshot = snapshot_at(1);
    snapshot.pools.push_back(snapshot.pools.front());
    snapshot.pools[0].login_failure = "no route to host";
    CHECK(reasons_not_ready(snapshot).empty());
    snapshot.pools[1].login_failure = "no route to host";
    CHECK(reasons_not_ready(snapshot).size() == 2);
    snapshot.shutting_down = true;
    CHECK(reasons_not_ready(snapshot).front() == "pgweir is shutting down");
}

TEST_CASE("StatusHistory: rates, peaks, and fifteen minutes at most") {
    StatusHistory history;
    for (int second = 0; second < 1000; ++second) {
        auto snapshot = snapshot_at(second);
        if (second == 500) snapshot.pools.front().hosts.front().active = 7;
        history.add(snapshot);
    }
    CHECK(history.points().size() == StatusHistory::seconds);
    CHECK(history.points().back().queries == doctest::Approx(10));
    CHECK(history.points().back().query_time == doctest::Approx(500));
    const PoolStatus pool = snapshot_at(0).pools.front();
    CHECK(history.pool(pool.database, pool.user).peak_busy == 7);
    for (int second = 1000; second < 2000; ++second)
        history.add(snapshot_at(second));
    CHECK(history.pool(pool.database, pool.user).peak_busy == 2);
    CHECK(history.pool("none", "none").queries == 0);
}

TEST_CASE("StatusHistory: counters that begin anew make no spike, pools that go are forgotten") {
    StatusHistory history;
    history.add(snapshot_at(100));
    auto restarted = snapshot_at(101);
    restarted.pools.front().totals[queries] = 3;
    history.add(restarted);
    CHECK(history.points().back().queries == doctest::Approx(3));
    auto gone = snapshot_at(102);
    gone.pools.clear();
    history.add(gone);
    CHECK(history.points().back().queries == 0);
    history.add(snapshot_at(103));
    CHECK(history.points().back().queries == 0);
}

TEST_CASE("StatusHistory: since when a problem is there, failover and fence as events") {
    StatusHistory history;
    auto first = snapshot_at(0);
    first.clusters.push_back({.name = "shop", .primaries = 1});
    first.hosts = {host_in(pool::HostState::healthy)};
    history.add(first);
    CHECK(history.problems().empty());
    for (int second = 1; second < 4; ++second) {
        auto fenced = first;
        fenced.at += seconds(second);
        fenced.time += seconds(second);
        fenced.hosts = {host_in(pool::HostState::fenced)};
        history.add(fenced);
    }
    REQUIRE(history.problems().size() == 1);
    CHECK(history.problems().front().since == epoch_time(first.time + seconds(1)));
    CHECK(history.health_since() == epoch_time(first.time + seconds(1)));
    CHECK(history.events().front().kind == "fence");
    auto promoted = first;
    promoted.at += seconds(5);
    promoted.time += seconds(5);
    promoted.hosts = {host_in(pool::HostState::healthy, pool::HostRole::primary)};
    history.add(promoted);
    CHECK(history.problems().empty());
    std::set<std::string> kinds;
    for (const auto& event : history.events())
        kinds.insert(event.kind);
    CHECK(kinds == std::set<std::string>{"fence", "problem", "failover", "solved"});
}

TEST_CASE("status_json: whatever bytes names have, it is JSON in UTF-8") {
    StatusHistory history;
    history.add(snapshot_at(0));
    history.add(snapshot_at(1));
    const auto json = status_json(snapshot_at(1), history);
    CHECK(has(json, "\"health\":\"ok\""));
    CHECK(has(json, "al\\\"ice\xef\xbf\xbd"));
    CHECK(has(series_json(history), "\"queries\":[10.0]"));
}
