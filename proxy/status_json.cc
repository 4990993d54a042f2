#include "proxy/status_json.h"

#include "proxy/version.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace weir::proxy {

namespace {

using Json = nlohmann::json;

// Names are bytes of others: what is not UTF-8 becomes U+FFFD.
std::string dumped(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Three digits behind the point say all there is to say.
double rounded(double value) {
    return std::round(value * 1000) / 1000;
}

EpochTime epoch_of(pool::TimePoint time, const StatusSnapshot& now) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now.at - time).count();
    return epoch_time(now.time) - age;
}

double milliseconds(std::chrono::microseconds time) {
    return static_cast<double>(time.count()) / 1000;
}

// The word for a row, and its colour on the page.
std::string_view pool_state(const PoolStatus& pool) {
    if (pool.disabled) return "disabled";
    if (pool.paused) return "paused";
    if (!pool.login_failure.empty()) return "login fails";
    if (pool.longest_wait >= std::chrono::seconds(1)) return "waiting";
    const bool full = std::any_of(pool.hosts.begin(), pool.hosts.end(), [](const auto& host) {
        return host.size > 0 && host.busy() >= host.size;
    });
    return full ? "full" : "ok";
}

Json pool_host_json(const PoolHostStatus& host) {
    return {
        {"host", host.host},
        {"active", host.active},
        {"idle", host.idle + host.used},
        {"opening", host.opening},
        {"closing", host.closing},
        {"busy", host.busy()},
        {"size", host.size},
        {"reserve", host.reserve},
        {"waiting", host.waiting},
        {"longest_wait_ms", milliseconds(host.longest_wait)},
    };
}

Json pool_json(const PoolStatus& pool, const Activity& now) {
    std::size_t busy = 0, size = 0;
    Json hosts = Json::array();
    for (const auto& host : pool.hosts) {
        busy += host.busy();
        size += host.size;
        hosts.push_back(pool_host_json(host));
    }
    return {
        {"database", pool.database},
        {"user", pool.user},
        {"mode", pool.pool_mode},
        {"state", pool_state(pool)},
        {"clients", pool.clients},
        {"waiting", pool.waiting},
        {"peak_waiting", now.peak_waiting},
        {"longest_wait_ms", milliseconds(pool.longest_wait)},
        {"oldest_query_ms", milliseconds(pool.oldest_query)},
        {"oldest_transaction_ms", milliseconds(pool.oldest_transaction)},
        {"busy", busy},
        {"peak_busy", now.peak_busy},
        {"size", size},
        {"idle", pool.sum(&PoolHostStatus::idle) + pool.sum(&PoolHostStatus::used)},
        {"pinned", pool.pinned},
        {"max_pinned", pool.max_pinned},
        {"transactions", rounded(now.transactions)},
        {"queries", rounded(now.queries)},
        {"query_us", rounded(now.query_time)},
        {"wait_us", rounded(now.wait_time)},
        {"login_failure", pool.login_failure},
        {"hosts", std::move(hosts)},
    };
}

Json pools_json(const StatusSnapshot& snapshot, const StatusHistory& history) {
    std::vector<std::pair<const PoolStatus*, Activity>> pools;
    for (const auto& pool : snapshot.pools)
        pools.emplace_back(&pool, history.pool(pool.database, pool.user));
    std::stable_sort(pools.begin(), pools.end(), [](const auto& a, const auto& b) {
        return std::pair(a.first->waiting, a.second.queries) >
               std::pair(b.first->waiting, b.second.queries);
    });
    if (pools.size() > most_pools) pools.resize(most_pools);
    Json json = Json::array();
    for (const auto& [pool, activity] : pools)
        json.push_back(pool_json(*pool, activity));
    return json;
}

Json host_json(const HostStatus& host, const Activity& activity, const StatusSnapshot& now) {
    const auto& view = host.view;
    Json json{
        {"cluster", host.cluster},
        {"host", host.address},
        {"role", pool::text(view.role)},
        {"state", pool::text(view.state)},
        {"reason", pool::text(view.reason)},
        {"detail", view.detail},
        {"since", view.since == pool::TimePoint{} ? Json() : Json(epoch_of(view.since, now))},
        {"lag_bytes", view.lag.bytes ? Json(*view.lag.bytes) : Json()},
        {"lag_ms", view.lag.time ? Json(view.lag.time->count()) : Json()},
        {"lag_at_least", view.lag.at_least},
        {"replay_paused", view.replay_paused},
        {"weight", view.weight},
        {"zone", view.zone},
        {"timeline", view.timeline},
        {"servers", host.servers},
        {"waiting", host.waiting},
        {"outstanding", host.outstanding},
        {"peak_outstanding", activity.peak_busy},
        {"requests", rounded(activity.queries)},
        {"errors", rounded(activity.errors)},
        {"latency_us", host.latency},
        {"check_us", view.check_time.count()},
    };
    return json;
}

Json problems_json(const StatusHistory& history) {
    Json json = Json::array();
    for (const auto& [problem, since] : history.problems()) {
        json.push_back({
            {"severity", to_string(problem.severity)},
            {"part", problem.part},
            {"what", problem.what},
            {"hint", problem.hint},
            {"since", since},
        });
    }
    return json;
}

Json events_json(const StatusHistory& history) {
    Json json = Json::array();
    for (const auto& event : history.events())
        json.push_back({{"time", event.time}, {"kind", event.kind}, {"text", event.text}});
    return json;
}

Json routes_json(const StatusSnapshot& snapshot) {
    Json json = Json::array();
    const auto add = [&json](const RouteStatus& route, bool retried) {
        json.push_back({
            {"cluster", route.cluster},
            {"target", route.target},
            {"reason", route.reason},
            {"count", route.count},
            {"retried", retried},
        });
    };
    for (const auto& cluster : snapshot.clusters) {
        for (const auto& route : cluster.routes)
            add(route, false);
        for (const auto& route : cluster.retries)
            add(route, true);
    }
    return json;
}

Json pins_json(const StatusSnapshot& snapshot) {
    Json json = Json::array();
    for (const auto& pool : snapshot.pools) {
        for (const auto& pin : pool.pins) {
            if (json.size() >= most_pools) return json;
            json.push_back({
                {"database", pool.database},
                {"user", pool.user},
                {"reason", router::text(pin.reason)},
                {"begun", pin.begun},
                {"lifted", pin.lifted},
                {"left", pin.left},
                {"refused", pin.refused},
            });
        }
    }
    return json;
}

Json point_json(const StatusPoint& point) {
    return {
        {"time", point.time},
        {"transactions", rounded(point.transactions)},
        {"queries", rounded(point.queries)},
        {"query_us", rounded(point.query_time)},
        {"wait_us", rounded(point.wait_time)},
        {"bytes_in", rounded(point.bytes_in)},
        {"bytes_out", rounded(point.bytes_out)},
        {"on_replicas", rounded(point.on_replicas)},
        {"host_errors", rounded(point.host_errors)},
        {"clients", point.clients},
        {"waiting", point.waiting},
        {"active", point.active},
        {"lag_ms", point.lag_ms < 0 ? Json() : Json(rounded(point.lag_ms))},
    };
}

std::string_view health_word(const StatusHistory& history) {
    if (history.problems().empty()) return "ok";
    return to_string(history.problems().front().problem.severity);
}

}  // namespace

std::string status_json(const StatusSnapshot& snapshot, const StatusHistory& history) {
    Json hosts = Json::array();
    for (const auto& host : snapshot.hosts)
        hosts.push_back(host_json(host, history.host(host.cluster, host.address), snapshot));
    Json json{
        {"time", epoch_time(snapshot.time)},
        {"version", version()},
        {"workers", snapshot.workers},
        {"health", health_word(history)},
        {"health_since", history.health_since()},
        {"problems", problems_json(history)},
        {"clients", snapshot.clients},
        {"clients_limit", snapshot.max_clients},
        {"logging_in", snapshot.logging_in},
        {"now", history.points().empty() ? Json() : point_json(history.points().back())},
        {"pools", pools_json(snapshot, history)},
        {"pools_total", snapshot.pools.size()},
        {"hosts", std::move(hosts)},
        {"routes", routes_json(snapshot)},
        {"pins", pins_json(snapshot)},
        {"events", events_json(history)},
    };
    return dumped(json);
}

std::string series_json(const StatusHistory& history) {
    Json json = Json::object();
    for (const auto& point : history.points()) {
        const auto fields = point_json(point);
        for (const auto& [name, value] : fields.items())
            json[name].push_back(value);
    }
    return dumped(json);
}

std::string sessions_json(
    const std::vector<SessionView>& sessions, pool::TimePoint now, std::size_t most
) {
    std::vector<const SessionView*> shown;
    for (const auto& view : sessions) {
        if (view.server_id != 0 || view.wait.count() > 0 || view.activity != "idle") {
            shown.push_back(&view);
        }
    }
    std::sort(shown.begin(), shown.end(), [](const auto* a, const auto* b) {
        return a->request < b->request;
    });
    const auto total = shown.size();
    if (shown.size() > most) shown.resize(most);
    Json rows = Json::array();
    const auto age_ms = [now](pool::TimePoint since) {
        return since == pool::TimePoint{}
                   ? Json()
                   : Json(std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count()
                     );
    };
    for (const auto* view : shown) {
        const auto& statement = view->fingerprint;
        const auto transaction = view->in_transaction ? age_ms(view->transaction_started) : Json();
        rows.push_back({
            {"id", view->id},
            {"database", view->database},
            {"user", view->user},
            {"application", view->application_name},
            {"address", view->address},
            {"port", view->port},
            {"state", view->state},
            {"activity", view->activity},
            {"pin", view->pin},
            {"age_ms", age_ms(view->request)},
            {"wait_ms", std::chrono::duration_cast<std::chrono::milliseconds>(view->wait).count()},
            {"waits_for", name_of(view->waits_for)},
            {"transaction_ms", transaction},
            {"has_server", view->server_id != 0},
            {"running", view->running},
            {"fingerprint", statement ? router::fingerprint_text(statement->id) : ""},
            {"text", statement ? statement->text : ""},
        });
    }
    return dumped({{"sessions", std::move(rows)}, {"total", total}});
}

}  // namespace weir::proxy
