// SHOW PROBLEMS: what is likely to be the trouble now, the likeliest first; each with its evidence
// and the command that tells or does more.
//
// A cause comes before its effects: a host that is down before the clients that wait for it, what
// holds servers (an idle or a long transaction, a queue behind locks) before the pool that is full
// because of it. "Pool too small" is what is left when nobody holds its servers for long.
#include "proxy/admin_show.h"
#include "proxy/problems.h"
#include "proxy/server.h"

#include <algorithm>

namespace weir::proxy {

namespace {

using enum ColumnType;

PoolFacts facts_of(Server& server, const PoolEntry& entry, pool::TimePoint now) {
    PoolFacts facts;
    facts.database = entry.pool.name().database;
    facts.user = entry.pool.name().user;
    for (const auto& pool : entry.pools) {
        const auto counts = pool.counts(now);
        facts.waiting += counts.waiting;
        facts.servers += counts.total();
        facts.longest_wait = std::max(facts.longest_wait, counts.oldest_wait);
    }
    const auto cause = wait_cause(server, entry);
    facts.limit = cause.limit;
    facts.used = cause.used;
    facts.allowed = cause.allowed;
    facts.login_error = cause.detail;
    return facts;
}

SessionFacts facts_of(const SessionView& view, pool::TimePoint now) {
    SessionFacts facts;
    facts.id = id_shown(view.id);
    facts.database = view.database;
    facts.user = view.user;
    facts.application = view.application_name;
    facts.server_process = static_cast<int>(view.server_process);
    facts.has_server = view.server_id != 0;
    facts.running = view.activity == "active";
    facts.in_transaction = view.in_transaction;
    if (view.in_transaction) facts.transaction_age = now - view.transaction_started;
    if (!facts.running) facts.idle = now - view.idle_since;
    if (facts.running) facts.running_for = now - view.request;
    return facts;
}

std::vector<HostFacts> hosts_of(Server& server) {
    std::vector<HostFacts> hosts;
    for (const auto& [name, cluster] : server.pools().clusters().all()) {
        const auto topology = cluster->monitor()->topology().get();
        if (topology == nullptr) continue;
        for (std::size_t i = 0; i < topology->hosts.size(); ++i) {
            const auto& view = topology->hosts[i];
            if (view.state != pool::HostState::down && view.state != pool::HostState::fenced) {
                continue;
            }
            hosts.push_back({
                name,
                cluster->addresses()[i],
                std::string(pool::text(view.state)),
                std::string(pool::text(view.reason)) +
                    (view.detail.empty() ? "" : ": " + view.detail),
                pool::Clock::now() - view.since,
            });
        }
    }
    return hosts;
}

}  // namespace

Columns problems_columns() {
    return {
        {"rank", int4},
        {"problem", text},
        {"object", text},
        {"since", float8},
        {"affected", int4},
        {"evidence", text},
        {"next", text},
    };
}

std::vector<Row> show_problems(const ShowContext& context) {
    const auto now = pool::Clock::now();
    ProblemFacts facts;
    for (const auto& [name, entry] : context.server.pools().entries())
        facts.pools.push_back(facts_of(context.server, *entry, now));
    for (const auto& view : context.sessions)
        facts.sessions.push_back(facts_of(view, now));
    facts.hosts = hosts_of(context.server);
    facts.blocked = context.blocked;
    std::vector<Row> rows;
    std::int64_t rank = 0;
    for (auto& problem : find_problems(facts)) {
        rows.push_back({
            ++rank,
            std::string(problem.cause),
            std::move(problem.object),
            std::chrono::duration<double>(problem.since).count(),
            static_cast<std::int64_t>(problem.affected),
            std::move(problem.evidence),
            std::move(problem.next),
        });
    }
    return rows;
}

}  // namespace weir::proxy
