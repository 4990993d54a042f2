#include "proxy/lookout.h"

#include "proxy/server.h"

namespace weir::proxy {

namespace {

// Transactions that matter here are minutes old.
constexpr unsigned ticks_per_round = 5;

void keep_older(pool::TimePoint& oldest, pool::TimePoint since) {
    if (since == pool::TimePoint{}) return;
    if (oldest == pool::TimePoint{} || since < oldest) oldest = since;
}

}  // namespace

void Lookout::tick() {
    for (const auto& worker : server_.workers())
        worker->probe();
    if (ticks_++ % ticks_per_round == 0) ask();
}

void Lookout::ask() {
    const auto limit = pool::Clock::now() - least_age;
    std::vector<std::uint64_t> sessions;
    for (const auto& [name, entry] : server_.pools().entries()) {
        for (const auto& pool : entry->pools) {
            pool.for_each_server([&](const pool::ServerConnection& server) {
                if (server.state != pool::ServerState::active) return;
                const auto since = server.request_since.load(std::memory_order_relaxed);
                const auto client = server.client_id.load(std::memory_order_relaxed);
                if (client == 0 || pool::TimePoint(pool::Duration(since)) > limit) return;
                sessions.push_back(client);
            });
        }
    }
    answered_ = std::exchange(asked_, std::make_shared<Round>());
    if (sessions.empty()) return;
    server_.visit_sessions(sessions, [round = asked_, limit](ClientSession& session) {
        const auto view = session.view();
        const auto& pool = session.entry().pool.name();
        const std::lock_guard lock(round->mutex);
        auto& oldest = round->oldest[{pool.database, pool.user}];
        if (view.running && view.query_started <= limit) {
            keep_older(oldest.query, view.query_started);
        }
        if (view.in_transaction && view.transaction_started <= limit) {
            keep_older(oldest.transaction, view.transaction_started);
        }
    });
}

Lookout::ByPool Lookout::oldest() const {
    ByPool all;
    for (const auto* const round : {answered_.get(), asked_.get()}) {
        const std::lock_guard lock(round->mutex);
        // The newer one where it has an answer, and where it has none, too, once it is complete:
        // then it has become the older one.
        for (const auto& [name, oldest] : round->oldest)
            all.insert_or_assign(name, oldest);
    }
    return all;
}

}  // namespace weir::proxy
