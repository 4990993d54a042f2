#include "pool/server_pool.h"

#include <algorithm>
#include <cassert>

namespace weir::pool {

namespace {

// How many of a worker's warm servers are looked at for one that has the client's settings.
constexpr int settings_search_depth = 8;
// Under rotate: how long a session waits for another server than its last one.
constexpr auto rotate_patience = std::chrono::milliseconds(100);

}  // namespace

ServerPool::ServerPool(PoolName name, std::vector<EventLoop*> workers, PoolObserver& observer)
    : name_(std::move(name)),
      workers_(std::move(workers)),
      observer_(observer),
      counters_(workers_.size()),
      idle_(workers_.size()) {}

// --- workers ---

ServerConnection* ServerPool::lend(
    Waiter& waiter,
    const protocol::ParameterSetRef& wish,
    unsigned worker,
    ChannelHandler& handler,
    TimePoint now
) {
    ServerConnection* server = nullptr;
    bool wanted = false;
    {
        const std::lock_guard lock(mutex_);
        if (!paused_ && waiters_.empty() && idle_count_ > 0) {
            if (waiter.preferred_server != 0) server = find_idle(waiter.preferred_server);
            if (server == nullptr) {
                server = rotates() ? pick_rotated(waiter.last_server, !another_may_come())
                                   : pick_idle(worker, wish);
            }
        }
        if (server != nullptr) {
            take(*server);
            server->used = true;
            if (server->channel && server->channel.loop() != workers_[worker]) {
                server->floating = server->channel.loop()->steal(server->channel);
            }
        } else {
            waiter.state = Waiter::State::waiting;
            waiter.server = nullptr;
            waiter.failure.reset();
            waiter.wish = wish;
            waiter.since = now;
            waiter.ticket = next_ticket_++;
            waiters_.push_back(waiter);
            peaks_.waiting = std::max(peaks_.waiting, waiters_.size());
            // What those before him do not want may be his.
            if (rotates()) rotate_waiters(now);
            wanted = waiter.state == Waiter::State::waiting && more_might_open();
        }
    }
    if (wanted) observer_.servers_wanted(*this);
    if (server != nullptr) server->attach(*workers_[worker], handler);
    return server;
}

ServerPool::Collected ServerPool::collect(Waiter& waiter, ChannelHandler& handler) {
    Collected collected;
    {
        const std::lock_guard lock(mutex_);
        if (waiter.state == Waiter::State::none || waiter.state == Waiter::State::waiting) {
            return collected;
        }
        waiter.state = Waiter::State::none;
        peaks_.wait = std::max(peaks_.wait, waiter.loop->now() - waiter.since);
        collected.server = std::exchange(waiter.server, nullptr);
        collected.failure = std::move(waiter.failure);
    }
    if (collected.server != nullptr) collected.server->attach(*waiter.loop, handler);
    return collected;
}

void ServerPool::leave(Waiter& waiter, unsigned worker, TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (waiter.state == Waiter::State::waiting) waiters_.erase(waiters_.iterator_to(waiter));
    peaks_.wait = std::max(peaks_.wait, now - waiter.since);
    if (waiter.state == Waiter::State::granted) {
        auto& server = *waiter.server;
        // Whoever takes it next expects it on a loop or floating; both are fine here.
        put_back(server, worker, now);
    }
    waiter.state = Waiter::State::none;
    waiter.server = nullptr;
}

void ServerPool::give_back(ServerConnection& server, unsigned worker, TimePoint now) {
    const std::lock_guard lock(mutex_);
    assert(server.state == ServerState::active);
    if (server.cancels > 0) {
        server.state = ServerState::being_canceled;
        server.home = worker;
        ++server.epoch;
        server.channel.set_handler(server);
        return;
    }
    put_back(server, worker, now);
}

void ServerPool::retire(ServerConnection& server, CloseReason reason, bool gone) {
    const std::lock_guard lock(mutex_);
    if (gone && server.channel) {
        server.channel.close();
    }
    retire_locked(server, reason);
}

void ServerPool::cancel_started(ServerConnection& server) {
    const std::lock_guard lock(mutex_);
    ++server.cancels;
}

bool ServerPool::try_start_pin() {
    const std::lock_guard lock(mutex_);
    if (no_pin_left()) return false;
    ++pinned_;
    return true;
}

void ServerPool::start_pin() {
    const std::lock_guard lock(mutex_);
    ++pinned_;
}

void ServerPool::end_pin() {
    const std::lock_guard lock(mutex_);
    assert(pinned_ > 0);
    --pinned_;
}

bool ServerPool::pins_full() const {
    const std::lock_guard lock(mutex_);
    return no_pin_left();
}

// --- control plane ---

void ServerPool::cancel_finished(const ServerRef& server, bool certain) {
    const std::lock_guard lock(mutex_);
    assert(server->cancels > 0);
    --server->cancels;
    if (!certain) server->doomed = CloseReason::cancel_uncertain;
    if (server->state != ServerState::being_canceled || server->cancels > 0) return;
    // Its stream is on its worker's loop: only there it can be passed on.
    const auto home = server->home;
    workers_[home]->post([this, server, home, epoch = server->epoch] {
        const std::lock_guard again(mutex_);
        if (server->state != ServerState::being_canceled || server->epoch != epoch) return;
        server->state = ServerState::active;
        put_back(*server, home, workers_[home]->now());
    });
}

void ServerPool::add(ServerRef server) {
    const std::lock_guard lock(mutex_);
    server->generation = generation_;
    server->lifetime = lifetime_of(opened_++, limits_);
    server->state = ServerState::active;
    ++active_count_;
    if (active_count_ > peaks_.active) peaks_.active = active_count_;
    all_.push_back(server);
    peaks_.total = std::max(peaks_.total, total());
    const auto home = next_home_++ % static_cast<unsigned>(workers_.size());
    put_back(*server, home, Clock::now());
}

void ServerPool::gone(ServerConnection& server) {
    bool wanted = false;
    {
        const std::lock_guard lock(mutex_);
        assert(server.state == ServerState::closing);
        const auto found = std::find_if(all_.begin(), all_.end(), [&](const ServerRef& other) {
            return other.get() == &server;
        });
        assert(found != all_.end());
        --closing_count_;
        all_.erase(found);
        wanted = !waiters_.empty();
    }
    if (wanted) observer_.servers_wanted(*this);
}

void ServerPool::opening_started() {
    const std::lock_guard lock(mutex_);
    ++opening_;
    peaks_.total = std::max(peaks_.total, total());
}

void ServerPool::opening_ended() {
    const std::lock_guard lock(mutex_);
    assert(opening_ > 0);
    --opening_;
}

void ServerPool::fail_waiters(const protocol::Error& failure) {
    const std::lock_guard lock(mutex_);
    while (!waiters_.empty()) {
        auto& waiter = waiters_.front();
        waiters_.pop_front();
        waiter.state = Waiter::State::failed;
        waiter.failure = std::make_unique<protocol::Error>(failure);
        waiter.loop->wake_channel(waiter.channel);
    }
}

void ServerPool::pause() {
    const std::lock_guard lock(mutex_);
    paused_ = true;
}

void ServerPool::resume() {
    bool wanted = false;
    {
        const std::lock_guard lock(mutex_);
        paused_ = false;
        if (rotates()) rotate_waiters(Clock::now());
        while (!rotates() && !waiters_.empty() && idle_count_ > 0) {
            auto& waiter = waiters_.front();
            waiters_.pop_front();
            grant_idle(waiter, *pick_idle(0, waiter.wish));
        }
        wanted = !waiters_.empty();
    }
    if (wanted) observer_.servers_wanted(*this);
}

bool ServerPool::paused() const {
    const std::lock_guard lock(mutex_);
    return paused_;
}

void ServerPool::lend_after_all(TimePoint now) {
    const std::lock_guard lock(mutex_);
    // Whatever the policy is now: it may have been rotate when they began to wait.
    if (opening_ == 0) rotate_waiters(now);
}

void ServerPool::recycle() {
    const std::lock_guard lock(mutex_);
    ++generation_;
    for (const auto& server : std::vector<ServerRef>(all_)) {
        if (server->state == ServerState::idle) retire_idle(*server, CloseReason::reconnect);
    }
}

std::uint64_t ServerPool::generation() const {
    const std::lock_guard lock(mutex_);
    return generation_;
}

bool ServerPool::recycled() const {
    const std::lock_guard lock(mutex_);
    return std::all_of(all_.begin(), all_.end(), [this](const ServerRef& server) {
        return server->generation == generation_;
    });
}

void ServerPool::close_stale(TimePoint now) {
    const std::lock_guard lock(mutex_);
    // Longest idle first, so that what is over the limit goes in that order.
    std::vector<ServerRef> idle;
    for (const auto& server : all_) {
        if (server->state == ServerState::idle) idle.push_back(server);
    }
    std::sort(idle.begin(), idle.end(), [](const ServerRef& a, const ServerRef& b) {
        return a->last_used < b->last_used;
    });
    for (const auto& server : idle) {
        auto reason = staleness(*server, now);
        const auto kept = all_.size() - closing_count_;
        if (!reason && limits_.server_idle_timeout > Duration::zero() && kept > limits_.min_size &&
            now - server->last_used > limits_.server_idle_timeout) {
            reason = CloseReason::idle_timeout;
        }
        if (reason) retire_idle(*server, *reason);
    }
}

std::optional<TimePoint> ServerPool::longest_idle() const {
    const std::lock_guard lock(mutex_);
    if (all_.size() - closing_count_ <= limits_.min_size) return std::nullopt;
    std::optional<TimePoint> longest;
    for (const auto& list : idle_) {
        for (const auto& server : list) {
            if (!longest || server.last_used < *longest) longest = server.last_used;
        }
    }
    return longest;
}

bool ServerPool::close_one_idle(CloseReason reason, std::size_t keep) {
    const std::lock_guard lock(mutex_);
    if (all_.size() - closing_count_ <= keep) return false;
    ServerConnection* longest = nullptr;
    for (auto& list : idle_) {
        for (auto& server : list) {
            if (longest == nullptr || server.last_used < longest->last_used) longest = &server;
        }
    }
    if (longest == nullptr) return false;
    retire_idle(*longest, reason);
    return true;
}

void ServerPool::close_all_idle(CloseReason reason) {
    const std::lock_guard lock(mutex_);
    for (auto& list : idle_) {
        while (!list.empty())
            retire_idle(list.front(), reason);
    }
}

void ServerPool::set_limits(const PoolLimits& limits) {
    const std::lock_guard lock(mutex_);
    limits_ = limits;
}

PoolLimits ServerPool::limits() const {
    const std::lock_guard lock(mutex_);
    return limits_;
}

PoolCounts ServerPool::counts(TimePoint now) const {
    const std::lock_guard lock(mutex_);
    PoolCounts counts;
    counts.waiting = waiters_.size();
    counts.idle = idle_count_;
    counts.active = active_count_;
    counts.closing = closing_count_;
    counts.opening = opening_;
    counts.has_clients = clients() > 0;
    if (!waiters_.empty()) counts.oldest_wait = now - waiters_.front().since;
    return counts;
}

PoolPeaks ServerPool::peaks() const {
    const std::lock_guard lock(mutex_);
    return peaks_;
}

void ServerPool::reset_peaks() {
    const std::lock_guard lock(mutex_);
    peaks_ = {waiters_.size(), active_count_, total(), {}};
}

std::uint64_t ServerPool::overtakings() const {
    const std::lock_guard lock(mutex_);
    return overtakings_;
}

std::uint64_t ServerPool::repeats() const {
    const std::lock_guard lock(mutex_);
    return repeats_;
}

std::size_t ServerPool::pinned() const {
    const std::lock_guard lock(mutex_);
    return pinned_;
}

CloseCounts ServerPool::closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
}

// --- under the lock ---

bool ServerPool::more_might_open() const {
    if (limits_.size == 0) return true;
    // The reserve is looked at by the control plane's tick, when the wait is long enough.
    return total() < limits_.size && opening_ < limits_.parallel_logins;
}

ServerConnection* ServerPool::pick_idle(unsigned worker, const protocol::ParameterSetRef& wish) {
    // One that needs nothing; else one on which others have not left names of custom settings.
    const auto from_list = [&](IdleList& list) -> ServerConnection* {
        int looked_at = 0;
        ServerConnection* clean = nullptr;
        for (auto& server : list) {
            if (server.parameters == wish && server.uncertain.empty()) return &server;
            if (clean == nullptr && !protocol::has_foreign_custom(*server.parameters, *wish)) {
                clean = &server;
            }
            if (++looked_at == settings_search_depth) break;
        }
        if (clean != nullptr) return clean;
        return list.empty() ? nullptr : &list.front();
    };
    if (auto* server = from_list(idle_[worker])) return server;
    for (auto& list : idle_) {
        if (auto* server = from_list(list)) return server;
    }
    return nullptr;
}

ServerConnection* ServerPool::find_idle(std::uint64_t id) {
    for (auto& list : idle_) {
        for (auto& server : list)
            if (server.id() == id) return &server;
    }
    return nullptr;
}

bool ServerPool::another_may_come() const {
    return opening_ > 0 || limits_.size == 0 || total() < limits_.size;
}

// The server that was idle for longest and is not `last_server`; that one if need be and `repeat`.
ServerConnection* ServerPool::pick_rotated(std::uint64_t last_server, bool repeat) {
    ServerConnection* longest = nullptr;
    ServerConnection* last = nullptr;
    for (auto& list : idle_) {
        for (auto& server : list) {
            if (server.id() == last_server) {
                last = &server;
            } else if (longest == nullptr || server.last_used < longest->last_used) {
                longest = &server;
            }
        }
    }
    if (longest != nullptr || last == nullptr || !repeat) return longest;
    ++repeats_;
    return last;
}

// Whoever waits gets an idle server that he may have, the longest waiter first. Those who wait too
// long, and all if no other server can come, may have any.
void ServerPool::rotate_waiters(TimePoint now) {
    const auto serve = [&](bool all_repeat) {
        for (auto next = waiters_.begin(); next != waiters_.end() && idle_count_ > 0;) {
            auto& waiter = *next;
            const bool repeat = all_repeat || now - waiter.since >= rotate_patience;
            auto* const server = pick_rotated(waiter.last_server, repeat);
            if (server == nullptr) {
                ++next;
                continue;
            }
            next = waiters_.erase(next);
            grant_idle(waiter, *server);
        }
    };
    if (paused_) return;
    serve(false);
    if (!another_may_come()) serve(true);
}

// REQUIRES: not in the queue any more.
void ServerPool::grant_idle(Waiter& waiter, ServerConnection& server) {
    take(server);
    if (server.channel) server.floating = server.channel.loop()->steal(server.channel);
    grant(waiter, server, nullptr);
}

void ServerPool::take(ServerConnection& server) {
    idle_[server.home].erase(IdleList::s_iterator_to(server));
    --idle_count_;
    ++active_count_;
    if (active_count_ > peaks_.active) peaks_.active = active_count_;
    server.state = ServerState::active;
    ++server.epoch;
}

void ServerPool::grant(Waiter& waiter, ServerConnection& server, EventLoop* owner) {
    // With rotate it is the servers' turn that counts.
    if (waiter.ticket < last_ticket_ && !rotates()) ++overtakings_;
    last_ticket_ = waiter.ticket;
    server.state = ServerState::active;
    ++server.epoch;
    waiter.state = Waiter::State::granted;
    waiter.server = &server;
    server.used = true;
    if (waiter.loop == owner) {
        // Until it is collected its events are nobody's: who held it may be gone.
        server.channel.set_handler(server);
        owner->resume_soon(waiter.channel);
        return;
    }
    if (server.channel) server.detach();
    waiter.loop->wake_channel(waiter.channel);
}

void ServerPool::make_idle(ServerConnection& server, unsigned worker, TimePoint now) {
    server.state = ServerState::idle;
    ++server.epoch;
    server.home = worker;
    server.last_used = now;
    server.client_id.store(0, std::memory_order_relaxed);
    --active_count_;
    ++idle_count_;
    if (limits_.lend_policy == LendPolicy::lifo) {
        idle_[worker].push_front(server);
    } else {
        idle_[worker].push_back(server);
    }
    if (server.channel) {
        server.channel.set_handler(server);
        // What came since the last read raised its edge already.
        if (server.channel.may_read()) workers_[worker]->resume_later(server.channel.key());
        return;
    }
    workers_[worker]->post([this, ref = server.shared_from_this(), epoch = server.epoch] {
        register_idle(ref, epoch);
    });
}

// An active (or tested) server is free: the caller's loop has its stream, or none has.
void ServerPool::put_back(ServerConnection& server, unsigned worker, TimePoint now) {
    if (server.state == ServerState::testing) server.state = ServerState::active;
    server.until_settled.reset();
    auto* const owner = server.channel ? server.channel.loop() : nullptr;
    if (const auto reason = staleness(server, now)) {
        retire_locked(server, *reason);
        return;
    }
    if (rotates() && !waiters_.empty()) {
        make_idle(server, worker, now);
        rotate_waiters(now);
        if (!waiters_.empty() && idle_count_ > 0) observer_.servers_wanted(*this);
        return;
    }
    if (!paused_ && !waiters_.empty()) {
        auto& waiter = waiters_.front();
        waiters_.pop_front();
        grant(waiter, server, owner);
        return;
    }
    make_idle(server, worker, now);
}

std::optional<CloseReason> ServerPool::staleness(const ServerConnection& server, TimePoint now)
    const {
    if (server.generation != generation_) return CloseReason::reconnect;
    if (server.doomed) return server.doomed;
    // A server that no session has used yet is never too old: it would be opened for nothing.
    if (limits_.server_lifetime == Duration::zero() && server.used) return CloseReason::used_once;
    if (limits_.server_lifetime > Duration::zero() &&
        now - server.connected_at() > server.lifetime) {
        return CloseReason::lifetime;
    }
    const auto kept = all_.size() - closing_count_;
    if (limits_.size > 0 && kept > limits_.size + limits_.reserve) return CloseReason::over_limit;
    return std::nullopt;
}

// REQUIRES: the stream is on the loop of this thread, or on none.
void ServerPool::retire_locked(ServerConnection& server, CloseReason reason) {
    assert(server.state != ServerState::closing && server.state != ServerState::idle);
    if (server.channel) server.detach();
    --active_count_;
    ++closing_count_;
    server.state = ServerState::closing;
    server.close_reason = reason;
    ++closed_[static_cast<std::size_t>(reason)];
    ++server.epoch;
    observer_.server_retired(server.shared_from_this());
}

void ServerPool::retire_idle(ServerConnection& server, CloseReason reason) {
    take(server);
    if (server.channel) server.floating = server.channel.loop()->steal(server.channel);
    retire_locked(server, reason);
}

void ServerPool::register_idle(const ServerRef& server, std::uint64_t epoch) {
    const std::lock_guard lock(mutex_);
    if (server->state != ServerState::idle || server->epoch != epoch || server->channel) return;
    server->attach(*workers_[server->home], *server);
}

bool ServerPool::claim_for_test(ServerConnection& server, std::uint64_t key) {
    const std::lock_guard lock(mutex_);
    // Only while it is idle is its channel the lock's. A server that is being canceled is read when
    // it is idle again, or found dead then.
    if (server.state != ServerState::idle) return false;
    if (!server.channel || server.channel.key() != key) return false;
    take(server);
    server.state = ServerState::testing;
    return true;
}

}  // namespace weir::pool
