// A ServerPool on three workers that are run by hand, and sessions as it sees them.
#pragma once

#include "pool/io/memory_backend.h"
#include "pool/server_pool.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace weir::pool::world {

inline constexpr unsigned worker_count = 3;

class World;

// A session as the pool sees it.
class Client final : public ChannelHandler {
public:
    Client(World& world, unsigned worker);

    // True if it has a server at once.
    bool request(const protocol::ParameterSetRef& wish = protocol::ParameterSet::none());
    void give_back();
    void retire(CloseReason reason = CloseReason::killed);
    void leave();
    void cancel();

    void on_ready(std::uint64_t) override {
        if (ready) ready();
    }

    void on_wake(std::uint64_t) override;

    bool waits() const { return waiter.state == Waiter::State::waiting; }

    bool granted() const { return waiter.state == Waiter::State::granted; }

    World& world;
    const unsigned worker;
    const int descriptor;
    Channel channel;
    Waiter waiter;
    ServerConnection* server = nullptr;
    std::unique_ptr<protocol::Error> failure;
    std::function<void()> ready;
};

class World final : public PoolObserver {
public:
    explicit World(PoolLimits limits = {}) {
        for (unsigned i = 0; i < worker_count; ++i) {
            loops.push_back(std::make_unique<EventLoop>(std::make_unique<MemoryBackend>(network)));
        }
        pool = std::make_unique<ServerPool>(
            PoolName{"db", "user"},
            std::vector<EventLoop*>{loops[0].get(), loops[1].get(), loops[2].get()},
            *this
        );
        pool->set_limits(limits);
    }

    ~World() {
        for (auto& client : clients) {
            if (client->server != nullptr) client->retire();
            if (client->waits() || client->granted()) client->leave();
        }
        finish_cancels(true);
        run();
        pool->close_all_idle(CloseReason::shutdown);
        run();
        close_retired();
        CHECK(pool->counts(now()).total() == 0);
        canceled.clear();
    }

    void servers_wanted(ServerPool&) override { ++wanted; }

    void server_retired(ServerRef server) override { retired.push_back(std::move(server)); }

    TimePoint now() const { return network->now(); }

    PoolCounts counts() const { return pool->counts(now()); }

    // The pool's home for servers that nobody waits for goes round the workers.
    ServerRef open() {
        pool->opening_started();
        return finish_opening();
    }

    ServerRef finish_opening() {
        ServerIdentity identity;
        identity.welcome = {{"application_name", ""}};
        auto server = std::make_shared<ServerConnection>(
            *pool, std::move(identity), Transport(network->connect())
        );
        pool->add(server);
        pool->opening_ended();
        return server;
    }

    Client& client(unsigned worker) {
        clients.push_back(std::make_unique<Client>(*this, worker));
        return *clients.back();
    }

    void run() {
        for (int i = 0; i < 4; ++i) {
            for (auto& loop : loops)
                loop->run_once(false);
        }
    }

    void close_retired() {
        for (auto& server : std::exchange(retired, {})) {
            reasons.push_back(server->close_reason);
            if (server->floating) network_closed.insert(server->floating.release());
            pool->gone(*server);
        }
    }

    void finish_cancels(bool certain) {
        for (auto& server : std::exchange(canceled, {}))
            pool->cancel_finished(server, certain);
        run();
    }

    std::shared_ptr<MemoryNetwork> network = std::make_shared<MemoryNetwork>();
    std::vector<std::unique_ptr<EventLoop>> loops;
    std::unique_ptr<ServerPool> pool;
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<ServerRef> retired;
    std::vector<ServerRef> canceled;
    std::vector<CloseReason> reasons;
    std::set<int> network_closed;
    std::size_t wanted = 0;
};

inline Client::Client(World& its_world, unsigned its_worker)
    : world(its_world), worker(its_worker), descriptor(world.network->connect()) {
    channel = world.loops[worker]->add(Transport(descriptor), *this);
    waiter.loop = world.loops[worker].get();
    waiter.channel = channel.key();
}

inline bool Client::request(const protocol::ParameterSetRef& wish) {
    REQUIRE(server == nullptr);
    server = world.pool->lend(waiter, wish, worker, *this, world.now());
    if (server != nullptr) CHECK(server->channel.loop() == waiter.loop);
    return server != nullptr;
}

inline void Client::give_back() {
    world.pool->give_back(*std::exchange(server, nullptr), worker, world.now());
}

inline void Client::retire(CloseReason reason) {
    world.pool->retire(*std::exchange(server, nullptr), reason, false);
}

inline void Client::leave() {
    world.pool->leave(waiter, worker, world.now());
}

inline void Client::cancel() {
    world.pool->cancel_started(*server);
    world.canceled.push_back(server->shared_from_this());
}

inline void Client::on_wake(std::uint64_t) {
    auto collected = world.pool->collect(waiter, *this);
    if (collected.server != nullptr) {
        CHECK(server == nullptr);
        server = collected.server;
        CHECK(server->channel.loop() == waiter.loop);
    }
    if (collected.failure) failure = std::move(collected.failure);
}

inline PoolLimits small(std::size_t size) {
    PoolLimits limits;
    limits.size = size;
    return limits;
}

}  // namespace weir::pool::world
