#include "proxy/worker.h"

#include "proxy/client_session.h"

#include <algorithm>
#include <latch>

namespace weir::proxy {

Worker::Worker(
    unsigned index,
    std::unique_ptr<pool::IoBackend> backend,
    protocol::StatementCatalog& catalog,
    SessionObserver& observer
)
    : index_(index),
      catalog_(catalog),
      observer_(observer),
      random_(index + 1),
      loop_(std::move(backend)) {}

Worker::~Worker() = default;

std::uint32_t Worker::draw(std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(random_);
}

void Worker::start() {
    thread_ = std::thread([this] { loop_.run(); });
}

void Worker::stop(const protocol::Error& why) {
    if (!thread_.joinable()) return;
    loop_.post([this, why] {
        std::vector<std::uint64_t> ids;
        for (const auto& [id, session] : sessions_)
            ids.push_back(id);
        for (const auto id : ids) {
            if (auto* session = find(id)) session->end(why);
        }
        bury_dead();
    });
    loop_.stop();
    thread_.join();
    // What was posted last runs here, now that the loop is nobody's.
    loop_.run_once(false);
    bury_dead();
}

void Worker::begin(std::unique_ptr<SessionStart> start) {
    session_count_.fetch_add(1, std::memory_order_relaxed);
    loop_.post([this, start = std::move(start)]() mutable {
        const auto id = start->id;
        auto session = std::make_unique<ClientSession>(*this, std::move(*start));
        auto& begun = *session;
        sessions_.emplace(id, std::move(session));
        begun.begin();
    });
}

ClientSession* Worker::find(std::uint64_t id) {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second.get();
}

void Worker::with_session(std::uint64_t id, std::function<void(ClientSession&)> action) {
    loop_.post([this, id, action = std::move(action)] {
        if (auto* session = find(id)) action(*session);
    });
}

void Worker::with_sessions(
    std::vector<std::uint64_t> ids, std::function<void(ClientSession&)> action
) {
    loop_.post([this, ids = std::move(ids), action = std::move(action)] {
        for (const auto id : ids) {
            if (auto* session = find(id)) action(*session);
        }
    });
}

void Worker::with_all_sessions(
    std::function<void(ClientSession&)> visit, std::function<void()> done
) {
    loop_.post([this, visit = std::move(visit), done = std::move(done)] {
        std::vector<std::uint64_t> ids;
        ids.reserve(sessions_.size());
        for (const auto& [id, session] : sessions_)
            ids.push_back(id);
        for (const auto id : ids) {
            if (auto* session = find(id)) visit(*session);
        }
        if (done) done();
    });
}

void Worker::probe() {
    if (probed_.load(std::memory_order_acquire) != 0) return;
    const auto sent = pool::Clock::now();
    probed_.store(sent.time_since_epoch().count(), std::memory_order_release);
    loop_.post([this, sent] {
        using std::chrono::duration_cast;
        using std::chrono::microseconds;
        const auto waited = duration_cast<microseconds>(pool::Clock::now() - sent);
        auto& f = figures_;
        f.delays.record(static_cast<std::uint64_t>(waited.count()));
        f.delay_sum.add(static_cast<std::uint64_t>(waited.count()));
        const auto& counters = statements_.counters();
        f.exact_hits.set(counters.exact_hits);
        f.blind_hits.set(counters.blind_hits);
        f.misses.set(counters.misses);
        f.unkeyed.set(counters.unkeyed);
        f.evictions.set(counters.evictions);
        f.statements.set(statements_.entries());
        f.statement_bytes.set(statements_.bytes());
        probed_.store(0, std::memory_order_release);
    });
}

pool::Duration Worker::probe_waits() const {
    const pool::TimePoint sent{pool::Duration(probed_.load(std::memory_order_acquire))};
    return sent == pool::TimePoint{} ? pool::Duration::zero() : pool::Clock::now() - sent;
}

void Worker::hear(const PoolEntry* of, std::vector<ListenerEvent> events) {
    loop_.post([this, of, events = std::move(events)] {
        for (const auto& event : events)
            pass_on(of, event);
    });
}

void Worker::pass_on(const PoolEntry* of, const ListenerEvent& event) {
    if (const auto* answer = std::get_if<ListenerAnswer>(&event)) {
        if (auto* session = find(answer->session)) session->listener_answered(*answer);
        return;
    }
    // A session may end while it is told, and with it its place in the table.
    const auto* notification = std::get_if<NotificationRef>(&event);
    const auto ids = notification != nullptr ? channels_.listening_to(of, (*notification)->channel)
                                             : channels_.listening(of);
    for (const auto id : ids) {
        auto* const session = find(id);
        if (session == nullptr) continue;
        if (notification != nullptr) {
            session->notified(*notification);
        } else {
            session->listener_lost(std::get<ListenerLost>(event));
        }
    }
}

void Worker::bury(ClientSession& session) {
    const auto id = session.id();
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    dead_.push_back(std::move(found->second));
    sessions_.erase(found);
    session_count_.fetch_sub(1, std::memory_order_relaxed);
    // It may still be on the stack: it is destroyed by the loop's next turn.
    if (dead_.size() == 1) loop_.post([this] { bury_dead(); });
    observer_.session_ended(id);
}

void Worker::bury_dead() {
    dead_.clear();
}

}  // namespace weir::proxy
