// ServerPool: the servers of one (database, user) on one host, shared by all workers.
//
// Workers lend and give back under one short lock. Opening and closing are the control plane's:
// it alone decides, so the limits are exact, and it is told by PoolObserver.
//
// Fairness: a server that comes back goes to the longest waiter, whoever's worker that is on; an
// arrival never overtakes a waiter. overtakings() counts the times it did and must stay 0.
//
// LendPolicy::rotate is for tests of what follows a session to another server: there a server goes
// to the longest waiter that did not have it last. Who could only have his last one again waits
// while another may come; if none can he has it after all, which repeats() counts.
#pragma once

#include "pool/counters.h"
#include "pool/pool_policy.h"
#include "pool/server_connection.h"
#include "protocol/error.h"

#include <mutex>
#include <optional>

namespace weir::pool {

namespace bi = boost::intrusive;

// A session's place in the queue. Lives in the session; leaves the queue by ServerPool::leave().
class Waiter : public bi::list_base_hook<> {
public:
    enum class State : std::uint8_t { none, waiting, granted, failed };

    // Where to wake the session.
    EventLoop* loop = nullptr;
    std::uint64_t channel = 0;
    protocol::ParameterSetRef wish;
    // The id of the server the session had last; the session's.
    std::uint64_t last_server = 0;
    // The id of the server that it is best served by, if that is idle; 0 = any will do.
    std::uint64_t preferred_server = 0;

    // Guarded by the pool's lock while waiting; the session's after it was woken.
    State state = State::none;
    ServerConnection* server = nullptr;
    std::unique_ptr<protocol::Error> failure;  // of State::failed
    TimePoint since{};
    std::uint64_t ticket = 0;
};

// The control plane, as pools see it. Any thread, also under a pool's lock: must only post.
class PoolObserver {
public:
    // Somebody waits and a server more might be opened.
    virtual void servers_wanted(ServerPool& pool) = 0;
    // `server` was taken out of use; its stream is in `floating` (empty if the server is gone).
    virtual void server_retired(ServerRef server) = 0;

protected:
    ~PoolObserver() = default;
};

struct PoolName {
    std::string database;  // as clients call it
    std::string user;
    unsigned host = 0;  // of a cluster, in the order of its settings
    auto operator<=>(const PoolName&) const = default;
};

class ServerPool {
public:
    ServerPool(PoolName name, std::vector<EventLoop*> workers, PoolObserver& observer);
    ServerPool(const ServerPool&) = delete;
    ServerPool& operator=(const ServerPool&) = delete;

    const PoolName& name() const { return name_; }

    PoolCounters& counters(unsigned worker) { return counters_[worker]; }

    const std::vector<PoolCounters>& counters() const { return counters_; }

    std::size_t workers() const { return workers_.size(); }

    // --- workers ---

    // A server now, if possible one that has the settings `wish`, or nullptr: then `waiter` is in
    // the queue, and its channel is woken when it is granted a server or failed. The server is
    // attached to the worker's loop for `handler`.
    [[gnu::hot]] ServerConnection* lend(
        Waiter& waiter,
        const protocol::ParameterSetRef& wish,
        unsigned worker,
        ChannelHandler& handler,
        TimePoint now
    );

    struct Collected {
        ServerConnection* server = nullptr;        // granted, attached for the handler
        std::unique_ptr<protocol::Error> failure;  // or why there will be none
    };

    // After the wake; neither of the two if the waiter still waits.
    Collected collect(Waiter& waiter, ChannelHandler& handler);
    // Leaves the queue. A server that was granted meanwhile is passed on.
    void leave(Waiter& waiter, unsigned worker, TimePoint now);
    // REQUIRES: lent, attached to this worker's loop, in sync, no transaction, nothing unread that
    // matters, parameters known or uncertain.
    [[gnu::hot]] void give_back(ServerConnection& server, unsigned worker, TimePoint now);
    // The server leaves the pool; its stream goes to the control plane. `gone`: the peer has
    // closed it already.
    void retire(ServerConnection& server, CloseReason reason, bool gone);
    // Counts a cancel under way to a server that the caller holds.
    void cancel_started(ServerConnection& server);
    // A client begins to keep its server beyond its transactions; it ends with end_pin(). False:
    // as many as max_pinned allows do.
    [[nodiscard]] bool try_start_pin();
    // The same for one that cannot be refused any more, above the limit if need be.
    void start_pin();
    void end_pin();
    // try_start_pin() would say no.
    bool pins_full() const;

    // --- control plane (any thread) ---

    // `certain`: PostgreSQL has closed the cancel connection, so no signal is under way any more;
    // otherwise the server is closed instead of being lent again.
    void cancel_finished(const ServerRef& server, bool certain);
    // A fresh server: to the longest waiter, or idle on some worker.
    void add(ServerRef server);
    // The backend has ended: its place is free.
    void gone(ServerConnection& server);
    void opening_started();
    void opening_ended();
    // All waiters get this error.
    void fail_waiters(const protocol::Error& failure);
    void pause();
    void resume();
    bool paused() const;
    // Whoever has waited for another server than his last one (rotate) for a while, and none is
    // being opened, gets what is idle.
    void lend_after_all(TimePoint now);
    // All servers of now are closed as soon as they are idle.
    void recycle();
    // Closes idle servers: over their lifetime, idle too long, dirty or over the limit.
    void close_stale(TimePoint now);
    // Closes the server idle for longest, down to `keep` servers. False: there is none.
    bool close_one_idle(CloseReason reason, std::size_t keep);
    // When the longest-idle server went idle; none: no idle server above min_size.
    std::optional<TimePoint> longest_idle() const;
    void close_all_idle(CloseReason reason);
    void set_limits(const PoolLimits& limits);
    PoolLimits limits() const;
    PoolCounts counts(TimePoint now) const;

    void client_added() { clients_.fetch_add(1, std::memory_order_relaxed); }

    void client_removed() { clients_.fetch_sub(1, std::memory_order_relaxed); }

    std::size_t clients() const { return clients_.load(std::memory_order_relaxed); }

    // Since the start or reset_peaks().
    PoolPeaks peaks() const;
    void reset_peaks();
    std::uint64_t overtakings() const;
    // Under rotate: a session was lent the server it had last.
    std::uint64_t repeats() const;
    std::size_t pinned() const;
    // Since the start.
    CloseCounts closed() const;
    // No server of a generation before this one is left (RECONNECT, WAIT_CLOSE).
    bool recycled() const;
    // Servers of an earlier one are dirty.
    std::uint64_t generation() const;

    // Calls visit(const ServerConnection&) for each server under the lock: only what never changes
    // and what the lock guards may be looked at.
    template <class Visit>
    void for_each_server(Visit&& visit) const {
        const std::lock_guard lock(mutex_);
        for (const auto& server : all_)
            visit(*server);
    }

private:
    friend class ServerConnection;
    using IdleList = bi::list<ServerConnection>;
    using WaiterList = bi::list<Waiter, bi::constant_time_size<true>>;

    // All below: REQUIRES the lock.
    [[gnu::hot]] ServerConnection* pick_idle(
        unsigned worker, const protocol::ParameterSetRef& wish
    );
    [[gnu::cold]] ServerConnection* find_idle(std::uint64_t id);
    [[gnu::cold]] ServerConnection* pick_rotated(std::uint64_t last_server, bool repeat);
    [[gnu::cold]] void rotate_waiters(TimePoint now);
    [[gnu::hot]] void take(ServerConnection& server);
    void grant_idle(Waiter& waiter, ServerConnection& server);
    void grant(Waiter& waiter, ServerConnection& server, EventLoop* owner);
    [[gnu::hot]] void make_idle(ServerConnection& server, unsigned worker, TimePoint now);
    [[gnu::hot]] void put_back(ServerConnection& server, unsigned worker, TimePoint now);
    void retire_locked(ServerConnection& server, CloseReason reason);
    void retire_idle(ServerConnection& server, CloseReason reason);
    [[gnu::hot]] std::optional<CloseReason> staleness(const ServerConnection& server, TimePoint now)
        const;

    std::size_t total() const { return all_.size() + opening_; }

    bool more_might_open() const;
    bool another_may_come() const;

    bool rotates() const { return limits_.lend_policy == LendPolicy::rotate; }

    bool no_pin_left() const { return limits_.max_pinned > 0 && pinned_ >= limits_.max_pinned; }

    void register_idle(const ServerRef& server, std::uint64_t epoch);
    bool claim_for_test(ServerConnection& server, std::uint64_t key);

    const PoolName name_;
    const std::vector<EventLoop*> workers_;
    PoolObserver& observer_;
    std::vector<PoolCounters> counters_;
    std::atomic<std::size_t> clients_{0};

    mutable std::mutex mutex_;
    // Guarded by mutex_:
    std::vector<ServerRef> all_;  // whatever state, until gone()
    std::vector<IdleList> idle_;  // per worker; longest idle at the back
    std::size_t idle_count_ = 0;
    std::size_t active_count_ = 0;
    std::size_t closing_count_ = 0;
    std::size_t opening_ = 0;
    WaiterList waiters_;  // longest first
    PoolLimits limits_;
    bool paused_ = false;
    unsigned next_home_ = 0;
    std::uint64_t generation_ = 0;
    std::uint64_t next_ticket_ = 1;
    std::uint64_t last_ticket_ = 0;
    std::uint64_t overtakings_ = 0;
    std::uint64_t repeats_ = 0;
    CloseCounts closed_{};
    std::size_t pinned_ = 0;
    std::uint64_t opened_ = 0;
    PoolPeaks peaks_;
};

}  // namespace weir::pool
