// ServerPool with four workers on threads of their own and a control plane: for ThreadSanitizer,
// and for what only shows when things really happen at once. No sockets.
#include "pool/server_pool.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <random>
#include <thread>
#include <unordered_map>

using namespace weir;
using namespace weir::pool;
using namespace std::chrono_literals;

namespace {

constexpr unsigned storm_workers = 4;
constexpr std::size_t sessions_per_worker = 8;
constexpr std::size_t pool_size = 6;
constexpr auto duration = 2s;

class StormBackend;

// Which backend has which stream: one at most.
struct Registry {
    std::mutex mutex;
    std::unordered_map<int, std::pair<StormBackend*, std::uint64_t>> streams;
    std::atomic<std::uint64_t> violations{0};
};

// Streams on which nothing ever comes, but which say now and then that something might have.
class StormBackend final : public IoBackend {
public:
    StormBackend(Registry& registry, unsigned seed) : registry_(registry), random_(seed) {}

    void add(int descriptor, std::uint64_t key) override {
        const std::lock_guard lock(registry_.mutex);
        const bool fresh = registry_.streams.emplace(descriptor, std::pair{this, key}).second;
        if (!fresh) ++registry_.violations;
    }

    void want_write(int, std::uint64_t, bool) override {}

    void remove(int descriptor) override {
        const std::lock_guard lock(registry_.mutex);
        if (registry_.streams.erase(descriptor) != 1) ++registry_.violations;
    }

    std::size_t wait(std::span<IoEvent> events, std::optional<Duration> timeout) override {
        {
            std::unique_lock lock(mutex_);
            if (!woken_ && timeout.value_or(1ms) > Duration::zero()) {
                // Not the steady clock: GCC's ThreadSanitizer knows only this one well.
                woken_up_.wait_until(lock, std::chrono::system_clock::now() + 1ms);
            }
            woken_ = false;
        }
        const std::lock_guard lock(registry_.mutex);
        std::size_t filled = 0;
        for (const auto& [descriptor, place] : registry_.streams) {
            if (filled == 4 || filled == events.size()) break;
            if (place.first != this || random_() % 8 != 0) continue;
            events[filled] = {};
            events[filled].key = place.second;
            events[filled++].readable = true;
        }
        return filled;
    }

    void wake() override {
        {
            const std::lock_guard lock(mutex_);
            woken_ = true;
        }
        woken_up_.notify_one();
    }

    IoResult recv(int, std::span<std::byte>) override { return {IoStatus::want_read}; }

    IoResult send(int, Bytes bytes) override { return {IoStatus::ok, bytes.size()}; }

    void close(int descriptor) override {
        const std::lock_guard lock(registry_.mutex);
        const auto place = registry_.streams.find(descriptor);
        if (place == registry_.streams.end()) return;
        if (place->second.first != this) ++registry_.violations;
        registry_.streams.erase(place);
    }

    TimePoint now() override { return Clock::now(); }

private:
    Registry& registry_;
    std::mt19937 random_;
    std::mutex mutex_;
    std::condition_variable woken_up_;
    bool woken_ = false;
};

struct Storm;

// Borrows a server, keeps it for some turns, gives it back; and again until the storm is over.
class StormSession final : public ChannelHandler {
public:
    StormSession(Storm& storm, unsigned worker, std::uint64_t id);

    void begin();

    void on_ready(std::uint64_t) override {}

    void on_wake(std::uint64_t) override;

private:
    void next();
    void got(ServerConnection& server);
    void release();
    void again();

    Storm& storm_;
    const unsigned worker_;
    const std::uint64_t id_;
    std::mt19937 random_;
    Channel channel_;
    Waiter waiter_;
    ServerConnection* server_ = nullptr;
    bool waiting_ = false;
    bool over_ = false;
    std::uint32_t turns_ = 0;
};

struct Storm final : PoolObserver {
    Storm() {
        std::vector<EventLoop*> workers;
        for (unsigned i = 0; i < storm_workers; ++i) {
            loops.push_back(
                std::make_unique<EventLoop>(std::make_unique<StormBackend>(registry, i + 1))
            );
            workers.push_back(loops.back().get());
        }
        pool = std::make_unique<ServerPool>(PoolName{"db", "user"}, std::move(workers), *this);
        limits.size = pool_size;
        limits.parallel_logins = 3;
        pool->set_limits(limits);
        for (unsigned i = 0; i < storm_workers * sessions_per_worker; ++i) {
            sessions.push_back(
                std::make_unique<StormSession>(*this, i % storm_workers, std::uint64_t{i} + 1)
            );
        }
    }

    void servers_wanted(ServerPool&) override {}

    void server_retired(ServerRef server) override {
        const std::lock_guard lock(mutex);
        retired.push_back(std::move(server));
    }

    // One turn of the control plane.
    void control();
    void open();
    void disturb();

    Registry registry;
    std::vector<std::unique_ptr<EventLoop>> loops;
    std::unique_ptr<ServerPool> pool;
    PoolLimits limits;
    std::vector<std::unique_ptr<StormSession>> sessions;
    std::mt19937 random{7};
    int next_descriptor = 1'600'000'000;
    std::mutex mutex;
    std::vector<ServerRef> retired;   // guarded by mutex
    std::vector<ServerRef> canceled;  // guarded by mutex
    std::atomic<bool> over{false};
    std::atomic<std::size_t> sessions_over{0};
    std::atomic<std::uint64_t> lent{0};
    std::atomic<std::uint64_t> shared{0};  // two had the same server at once
    std::atomic<std::uint64_t> left{0};
    std::atomic<std::uint64_t> failed{0};
};

StormSession::StormSession(Storm& storm, unsigned worker, std::uint64_t id)
    : storm_(storm), worker_(worker), id_(id), random_(static_cast<std::uint32_t>(id)) {}

// On its worker's thread, as all that follows.
void StormSession::begin() {
    auto& loop = *storm_.loops[worker_];
    channel_ = loop.add(Transport(1'700'000'000 + static_cast<int>(id_)), *this);
    waiter_.loop = &loop;
    waiter_.channel = channel_.key();
    next();
}

void StormSession::again() {
    storm_.loops[worker_]->resume_later(channel_.key());
}

void StormSession::on_wake(std::uint64_t) {
    if (over_) return;
    if (waiting_) {
        auto collected = storm_.pool->collect(waiter_, *this);
        if (collected.server == nullptr && !collected.failure) return;
        waiting_ = false;
        if (collected.failure) {
            ++storm_.failed;
            return again();
        }
        return got(*collected.server);
    }
    if (server_ == nullptr) return next();
    if (turns_-- > 0) return again();
    release();
}

void StormSession::next() {
    if (storm_.over) {
        over_ = true;
        channel_.close();
        ++storm_.sessions_over;
        return;
    }
    auto* server =
        storm_.pool->lend(waiter_, protocol::ParameterSet::none(), worker_, *this, Clock::now());
    if (server != nullptr) return got(*server);
    waiting_ = true;
    if (random_() % 8 != 0) return;
    storm_.loops[worker_]->post([this] {
        if (!waiting_) return;
        storm_.pool->leave(waiter_, worker_, Clock::now());
        waiting_ = false;
        ++storm_.left;
        again();
    });
}

void StormSession::got(ServerConnection& server) {
    server_ = &server;
    // The holder's fields: no lock, no atomics.
    if (server.unnamed_owner != 0) ++storm_.shared;
    server.unnamed_owner = id_;
    ++server.unnamed_serial;
    ++storm_.lent;
    turns_ = random_() % 4;
    again();
}

void StormSession::release() {
    auto& server = *std::exchange(server_, nullptr);
    server.partial.clear();
    if (server.unnamed_owner != id_) ++storm_.shared;
    server.unnamed_owner = 0;
    if (random_() % 16 == 0) {
        storm_.pool->cancel_started(server);
        const std::lock_guard lock(storm_.mutex);
        storm_.canceled.push_back(server.shared_from_this());
    }
    if (random_() % 64 == 0) {
        storm_.pool->retire(server, CloseReason::killed, random_() % 2 == 0);
    } else {
        storm_.pool->give_back(server, worker_, Clock::now());
    }
    again();
}

void Storm::control() {
    std::vector<ServerRef> closed, finished;
    {
        const std::lock_guard lock(mutex);
        closed.swap(retired);
        finished.swap(canceled);
    }
    for (const auto& server : finished)
        pool->cancel_finished(server, random() % 8 != 0);
    for (const auto& server : closed) {
        server->floating.release();
        pool->gone(*server);
    }
    open();
}

void Storm::open() {
    auto wanted = servers_to_open(pool->counts(Clock::now()), limits);
    for (; wanted > 0; --wanted) {
        pool->opening_started();
        auto server = std::make_shared<ServerConnection>(
            *pool, ServerIdentity{}, Transport(next_descriptor++)
        );
        pool->add(std::move(server));
        pool->opening_ended();
    }
}

void Storm::disturb() {
    switch (random() % 64) {
        case 0:
            return pool->pause();
        case 1:
            return pool->recycle();
        case 2:
            return pool->close_stale(Clock::now());
        case 3:
            pool->close_one_idle(CloseReason::room_for_other_pool, 0);
            return;
        case 4:
            return pool->fail_waiters(
                protocol::error(protocol::sqlstate::cannot_connect_now, "storm")
            );
        default:
            return pool->resume();
    }
}

}  // namespace

TEST_CASE("ServerPool: a storm on four workers") {
    Storm storm;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < storm_workers; ++i) {
        threads.emplace_back([&storm, i] { storm.loops[i]->run(); });
    }
    for (std::size_t i = 0; i < storm.sessions.size(); ++i) {
        storm.loops[i % storm_workers]->post([&storm, i] { storm.sessions[i]->begin(); });
    }
    const auto end = Clock::now() + duration;
    std::size_t most = 0;
    while (Clock::now() < end) {
        storm.control();
        storm.disturb();
        const auto counts = storm.pool->counts(Clock::now());
        most = std::max(most, counts.total());
        std::this_thread::sleep_for(200us);
    }
    storm.over = true;
    // Those who wait are served first.
    const auto patience = Clock::now() + 60s;
    while (storm.sessions_over < storm.sessions.size() && Clock::now() < patience) {
        storm.pool->resume();
        storm.control();
        std::this_thread::sleep_for(200us);
    }
    CHECK(storm.sessions_over == storm.sessions.size());
    for (auto& loop : storm.loops)
        loop->stop();
    for (auto& thread : threads)
        thread.join();
    // What was posted last.
    const auto settle = [&] {
        for (int i = 0; i < 3; ++i) {
            storm.control();
            for (auto& loop : storm.loops)
                loop->run_once(false);
        }
    };
    settle();
    const auto counts = storm.pool->counts(Clock::now());
    CHECK(counts.active == 0);
    CHECK(counts.waiting == 0);
    CHECK(counts.closing == 0);
    CHECK(storm.pool->overtakings() == 0);
    CHECK(storm.shared == 0);
    CHECK(storm.registry.violations == 0);
    CHECK(most <= pool_size);
    CHECK(storm.lent > 1000);
    MESSAGE(
        "lent ", storm.lent.load(), ", left ", storm.left.load(), ", failed ", storm.failed.load()
    );
    storm.pool->close_all_idle(CloseReason::shutdown);
    settle();
    CHECK(storm.pool->counts(Clock::now()).total() == 0);
    CHECK(storm.registry.streams.empty());
}
