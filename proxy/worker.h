// Worker: one thread, one EventLoop, its sessions and what they share without locks.
#pragma once

#include "pool/counters.h"
#include "pool/io/event_loop.h"
#include "pool/server_connection.h"
#include "protocol/message_writer.h"
#include "protocol/statement_catalog.h"
#include "proxy/channel_table.h"
#include "proxy/session_meter.h"
#include "proxy/session_trace.h"
#include "proxy/slow_log.h"
#include "proxy/worker_routing.h"
#include "router/statement_cache.h"

#include <boost/intrusive/list.hpp>

#include <atomic>
#include <functional>
#include <random>
#include <thread>
#include <vector>

namespace weir::proxy {

class ClientSession;
struct SessionStart;

// The control plane, as sessions see it. Any thread.
class SessionObserver {
public:
    // Ask PostgreSQL to cancel what runs on `server`; ServerPool::cancel_finished follows.
    virtual void cancel_query(pool::ServerRef server) = 0;
    // The session is gone; `id` is SessionStart::id.
    virtual void session_ended(std::uint64_t id) = 0;
    // To the listening connection of the session's pool. Answers come by Worker::hear.
    virtual void ask_listener(ListenerRequest request) = 0;
    // Sessions of this role and database (both as PostgreSQL calls them; empty: any) that begin
    // from now on are not what servers of before are.
    virtual void sessions_changed(const std::vector<router::NewSessions>& whose) = 0;

    // Runs `job` on a thread that may be busy for a while; where there is none, at once.
    virtual void run_aside(std::function<void()> job) { job(); }

    // A statement took as long as log_min_duration. `logged`: to the file, too.
    virtual void statement_was_slow(SlowStatement statement, bool logged) {
        static_cast<void>(statement);
        static_cast<void>(logged);
    }

    // A statement that is traced has ended, well or not. Without `parameters`.
    virtual void statement_traced(SlowStatement statement) { static_cast<void>(statement); }

protected:
    ~SessionObserver() = default;
};

// What a worker has said of itself when it was last asked (Worker::probe). Any thread reads.
struct WorkerFigures {
    pool::CoarseHistogram delays;  // how long each probe has waited for its turn, microseconds
    pool::Counter delay_sum;
    // router::StatementCache::Counters, and its size.
    pool::Counter exact_hits, blind_hits, misses, unkeyed, evictions, statements, statement_bytes;
};

class Worker {
public:
    Worker(
        unsigned index,
        std::unique_ptr<pool::IoBackend> backend,
        protocol::StatementCatalog& catalog,
        SessionObserver& observer
    );
    ~Worker();

    unsigned index() const { return index_; }

    pool::EventLoop& loop() { return loop_; }

    protocol::StatementCatalog& catalog() { return catalog_; }

    SessionObserver& observer() { return observer_; }

    void start();
    // Ends all sessions with `why` and joins the thread.
    void stop(const protocol::Error& why);

    // Any thread: begins the session on this worker.
    void begin(std::unique_ptr<SessionStart> start);
    // Any thread: runs `action` on the session's thread if the session still exists.
    void with_session(std::uint64_t id, std::function<void(ClientSession&)> action);
    // The same for each of these that still exists.
    void with_sessions(std::vector<std::uint64_t> ids, std::function<void(ClientSession&)> action);
    // Any thread: runs `visit` for all sessions on the worker's thread, then `done`.
    void with_all_sessions(std::function<void(ClientSession&)> visit, std::function<void()> done);

    // Any thread: what the listening connection of this pool has to say, in order.
    void hear(const PoolEntry* of, std::vector<ListenerEvent> events);

    // The control thread, once a second: asks the loop for its figures, unless the last probe is
    // still waiting for its turn.
    void probe();
    // How long that one has waited by now; zero: none waits.
    pool::Duration probe_waits() const;

    const WorkerFigures& figures() const { return figures_; }

    std::size_t sessions() const { return session_count_.load(std::memory_order_relaxed); }

    // --- the worker's thread ---

    router::StatementCache& statements() { return statements_; }

    // The statements of the group that is looked at, as far as they reach anything.
    std::vector<std::shared_ptr<const void>>& planned() { return planned_; }

    // Statistics of the statements that sessions here run.
    QueryTable& queries() { return queries_; }

    // The statements of the group that is looked at; empty between groups.
    std::vector<PlannedUse>& planned_uses() { return planned_uses_; }

    static constexpr std::size_t kept_uses = 64;

    // For a session whose statements run; empty. It gives it back when none runs any more.
    std::unique_ptr<RunningStatements> take_running() {
        if (spare_running_.empty()) return std::make_unique<RunningStatements>();
        auto running = std::move(spare_running_.back());
        spare_running_.pop_back();
        return running;
    }

    void give_back(std::unique_ptr<RunningStatements> running) {
        // What a long pipeline has taken is not kept.
        if (running->uses.capacity() > kept_uses) return;
        running->uses.clear();
        running->head = 0;
        spare_running_.push_back(std::move(running));
    }

    // A number below `limit`, by chance.
    std::uint32_t draw(std::uint32_t limit);

    // Of the sessions whose messages are noted; hardly ever one.
    std::vector<std::pair<const ClientSession*, std::shared_ptr<SessionTrace>>>& traces() {
        return traces_;
    }

    // Of sessions whose databases are clusters.
    WorkerRouting& routing() {
        if (routing_ == nullptr) routing_ = std::make_unique<WorkerRouting>(index_ + 1);
        return *routing_;
    }

    // Which sessions here listen to what.
    ChannelTable& channels() { return channels_; }

    // Scratch for one turn of one session; empty between turns.
    protocol::MessageWriter& to_client() { return to_client_; }

    protocol::MessageWriter& to_server() { return to_server_; }

    // Destroys the session when nobody is on its stack any more.
    void bury(ClientSession& session);
    void bury_dead();

private:
    ClientSession* find(std::uint64_t id);
    void pass_on(const PoolEntry* of, const ListenerEvent& event);

    const unsigned index_;
    protocol::StatementCatalog& catalog_;
    SessionObserver& observer_;
    router::StatementCache statements_;
    std::vector<std::shared_ptr<const void>> planned_;
    QueryTable queries_;
    std::vector<PlannedUse> planned_uses_;
    std::vector<std::unique_ptr<RunningStatements>> spare_running_;
    std::minstd_rand random_;
    std::unique_ptr<WorkerRouting> routing_;
    std::vector<std::pair<const ClientSession*, std::shared_ptr<SessionTrace>>> traces_;
    ChannelTable channels_;
    protocol::MessageWriter to_client_;
    protocol::MessageWriter to_server_;
    pool::EventLoop loop_;
    boost::unordered_flat_map<std::uint64_t, std::unique_ptr<ClientSession>> sessions_;
    std::vector<std::unique_ptr<ClientSession>> dead_;
    std::atomic<std::size_t> session_count_{0};
    WorkerFigures figures_;
    // When the probe that waits was sent, by the steady clock; 0 = none.
    std::atomic<pool::TimePoint::rep> probed_{0};
    std::thread thread_;
};

}  // namespace weir::proxy
