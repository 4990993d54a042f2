#include "proxy/health.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::proxy {

namespace {

using enum Severity;

// Clients wait for moments in every pool that is used well; this is when people notice.
constexpr std::chrono::seconds noticed_wait{1};
constexpr std::chrono::hours certificate_warning{24 * 14};

using Problems = std::vector<HealthProblem>;

std::string quoted(const std::string& name) {
    return name.find_first_of(" :/\"") == std::string::npos ? name : '"' + name + '"';
}

void judge_process(Problems& found, const StatusSnapshot& now) {
    if (now.shutting_down) found.push_back({critical, "pgweir", "is shutting down", ""});
    if (now.paused) found.push_back({critical, "pgweir", "all databases are paused", "RESUME"});
    if (now.max_clients > 0 && now.clients >= now.max_clients) {
        found.push_back(
            {critical,
             "pgweir",
             fmt::format("no more clients are let in: max_client_conn = {}", now.max_clients),
             "SHOW CLIENTS"}
        );
    } else if (now.max_clients > 0 && now.clients * 10 >= now.max_clients * 9) {
        found.push_back(
            {warning,
             "pgweir",
             fmt::format("nearly full: {} of {} clients", now.clients, now.max_clients),
             "SHOW CLIENTS"}
        );
    }
    if (now.last_reload_failed) {
        found.push_back({warning, "pgweir", "the last RELOAD failed: see the log", "RELOAD"});
    }
    for (const auto& [name, expiry] : now.certificate_expiry) {
        const auto left = expiry - now.time;
        if (left > certificate_warning) continue;
        const auto days = std::chrono::duration_cast<std::chrono::hours>(left).count() / 24;
        const bool over = left <= std::chrono::seconds(0);
        found.push_back(
            {over ? critical : warning,
             "certificate " + name,
             over ? std::string("has expired") : fmt::format("expires soon: in {} days", days),
             ""}
        );
    }
}

// Nothing is known yet in the first moments after a start.
bool is_unchecked(const HostStatus& host) {
    return host.view.reason == pool::HostReason::not_checked;
}

void judge_host(Problems& found, const HostStatus& host) {
    using pool::HostState;
    const auto& view = host.view;
    if (is_unchecked(host)) return;
    const auto part = fmt::format("host {} ({})", host.address, host.cluster);
    const auto add = [&](Severity severity, std::string_view what, std::string hint) {
        auto text = fmt::format("{}: {}", what, pool::text(view.reason));
        if (!view.detail.empty()) text += fmt::format(" ({})", view.detail);
        found.push_back({severity, part, std::move(text), std::move(hint)});
    };
    const bool was_primary = view.role == pool::HostRole::primary;
    switch (view.state) {
        case HostState::healthy:
            break;
        case HostState::lagging:
            add(warning, "lags behind, so it gets no reads", "SHOW HOSTS");
            break;
        case HostState::down:
            add(was_primary ? critical : warning, "is down", "SHOW HOSTS");
            break;
        case HostState::draining:
            add(warning, "takes no new transactions", "UNDRAIN " + quoted(host.address));
            break;
        case HostState::fenced:
            add(warning, "is fenced", "UNFENCE " + quoted(host.address));
            break;
    }
    if (view.replay_paused) {
        found.push_back({warning, part, "replay is paused", "select pg_wal_replay_resume()"});
    }
}

void judge_cluster(
    Problems& found, const ClusterStatus& cluster, const std::vector<HostStatus>& hosts
) {
    const bool too_early = std::any_of(hosts.begin(), hosts.end(), [&](const auto& host) {
        return host.cluster == cluster.name && is_unchecked(host);
    });
    if (cluster.primaries == 1 || too_early) return;
    found.push_back(
        {critical,
         "cluster " + cluster.name,
         cluster.primaries == 0 ? std::string("has no primary: nothing can be written")
                                : fmt::format("several primaries: {}", cluster.primaries),
         "SHOW HOSTS"}
    );
}

bool is_full(const PoolStatus& pool) {
    return std::any_of(pool.hosts.begin(), pool.hosts.end(), [](const auto& host) {
        return host.waiting > 0 && host.size > 0 && host.busy() >= host.size;
    });
}

void judge_pool(Problems& found, const PoolStatus& pool) {
    const auto part = fmt::format("pool {}/{}", pool.database, pool.user);
    if (pool.disabled) {
        found.push_back(
            {warning, part, "its database is disabled", "ENABLE " + quoted(pool.database)}
        );
    }
    if (pool.paused) {
        found.push_back(
            {pool.waiting > 0 ? critical : warning,
             part,
             "its database is paused",
             "RESUME " + quoted(pool.database)}
        );
        return;
    }
    if (!pool.login_failure.empty()) {
        found.push_back(
            {critical, part, "logins to its servers fail: " + pool.login_failure, "SHOW SERVERS"}
        );
    }
    if (pool.longest_wait < noticed_wait) return;
    const auto seconds = std::chrono::duration<double>(pool.longest_wait).count();
    found.push_back(
        {critical,
         part,
         fmt::format(
             "{}: {} clients, the first for {:.1f} s",
             is_full(pool) ? "clients wait, since all its servers are busy" : "clients wait",
             pool.waiting,
             seconds
         ),
         is_full(pool) ? "SHOW SERVERS" : "SHOW POOLS"}
    );
}

}  // namespace

std::string_view to_string(Severity severity) {
    return severity == critical ? "critical" : "warning";
}

std::vector<HealthProblem> find_health_problems(const StatusSnapshot& snapshot) {
    Problems found;
    judge_process(found, snapshot);
    for (const auto& cluster : snapshot.clusters)
        judge_cluster(found, cluster, snapshot.hosts);
    for (const auto& host : snapshot.hosts)
        judge_host(found, host);
    for (const auto& pool : snapshot.pools)
        judge_pool(found, pool);
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        return a.severity > b.severity;
    });
    return found;
}

std::vector<std::string> reasons_not_ready(const StatusSnapshot& snapshot) {
    std::vector<std::string> reasons;
    if (snapshot.shutting_down) reasons.emplace_back("pgweir is shutting down");
    if (snapshot.paused) reasons.emplace_back("all databases are paused");
    // What serves: clusters by their hosts, pools by their logins. Unused databases say nothing.
    std::size_t parts = 0;
    std::vector<std::string> broken;
    for (const auto& cluster : snapshot.clusters) {
        ++parts;
        const bool any =
            std::any_of(snapshot.hosts.begin(), snapshot.hosts.end(), [&](const auto& host) {
                return host.cluster == cluster.name && host.view.state == pool::HostState::healthy;
            });
        if (!any) broken.push_back("cluster " + cluster.name + ": no host is healthy");
    }
    for (const auto& pool : snapshot.pools) {
        ++parts;
        if (pool.login_failure.empty()) continue;
        broken.push_back(fmt::format("pool {}/{}: {}", pool.database, pool.user, pool.login_failure)
        );
    }
    if (parts > 0 && broken.size() == parts) {
        reasons.insert(reasons.end(), broken.begin(), broken.end());
    }
    return reasons;
}

}  // namespace weir::proxy
