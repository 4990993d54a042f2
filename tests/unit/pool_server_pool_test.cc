// ServerPool on three workers that are run by hand: who gets which server, and when one is closed.
#include "tests/unit/support/pool_world.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <set>

using namespace weir;
using namespace weir::pool;
using namespace std::chrono_literals;
using namespace weir::pool::world;

TEST_CASE("ServerPool: a server is lent, given back, and lent on another worker") {
    World world;
    const auto server = world.open();
    world.run();
    CHECK(server->channel.loop() == world.loops[0].get());
    auto& a = world.client(0);
    auto& b = world.client(2);
    REQUIRE(a.request());
    CHECK(world.counts().active == 1);
    CHECK(world.counts().idle == 0);
    a.give_back();
    CHECK(world.counts().idle == 1);
    REQUIRE(b.request());
    CHECK(b.server == server.get());
    b.give_back();
    CHECK(server->home == 2);
    CHECK(world.wanted == 0);
}

TEST_CASE(
    "ServerPool: warm servers of the own worker first, with the client's settings if there is one"
) {
    World world;
    const auto wish = protocol::ParameterSet::make({{"application_name", "x", true}});
    std::vector<ServerRef> servers;
    for (int i = 0; i < 6; ++i)
        servers.push_back(world.open());
    world.run();
    servers[1]->parameters = wish;
    servers[3]->parameters = wish;
    auto& a = world.client(0);
    REQUIRE(a.request(wish));
    CHECK(a.server == servers[3].get());
    auto& b = world.client(0);
    REQUIRE(b.request(wish));
    // None with its settings on this worker: a warm one is worth more.
    CHECK(b.server == servers[0].get());
    auto& c = world.client(0);
    REQUIRE(c.request(wish));
    CHECK(c.server == servers[1].get());
    // Of which it is not certain what they have: nobody's wish.
    a.server->uncertain.push_back("search_path");
    a.give_back();
    b.server->parameters = wish;
    b.give_back();
    a.server = nullptr;
    REQUIRE(a.request(wish));
    CHECK(a.server == servers[0].get());
}

TEST_CASE("ServerPool: first come, first served, whoever's worker it is") {
    World world(small(1));
    world.open();
    auto& holder = world.client(1);
    REQUIRE(holder.request());
    std::vector<Client*> queue;
    for (unsigned i = 0; i < 9; ++i) {
        queue.push_back(&world.client(i % worker_count));
        CHECK(!queue.back()->request());
        world.network->advance(1s);
    }
    CHECK(world.counts().waiting == 9);
    CHECK(world.counts().oldest_wait == 9s);
    Client* last = &holder;
    for (auto* next : queue) {
        last->give_back();
        CHECK(next->granted());
        // Whoever asks now stands behind those who wait.
        CHECK(!last->request());
        world.run();
        CHECK(next->server != nullptr);
        last->leave();
        last = next;
    }
    CHECK(world.pool->overtakings() == 0);
    CHECK(world.counts().waiting == 0);
}

TEST_CASE("ServerPool: who leaves the queue after the grant passes the server on") {
    World world(small(1));
    world.open();
    auto& holder = world.client(0);
    auto& first = world.client(1);
    auto& second = world.client(2);
    REQUIRE(holder.request());
    first.request();
    second.request();
    SUBCASE("still waiting") {
        first.leave();
        CHECK(world.counts().waiting == 1);
        holder.give_back();
    }
    SUBCASE("granted, not collected, on another worker") {
        holder.give_back();
        CHECK(first.granted());
        first.leave();
    }
    CHECK(second.granted());
    world.run();
    CHECK(first.server == nullptr);
    REQUIRE(second.server != nullptr);
    second.give_back();
    CHECK(world.counts().idle == 1);
    CHECK(world.pool->overtakings() == 0);
}

TEST_CASE("ServerPool: the end of an idle server is seen, and its place is free when it is gone") {
    World world(small(1));
    const auto server = world.open();
    world.run();
    const int descriptor = 1'500'000'000;
    SUBCASE("it ends") {
        world.network->end(descriptor);
    }
    SUBCASE("it breaks off") {
        world.network->reset(descriptor);
    }
    SUBCASE("it says something nobody asked for") {
        world.network->send(descriptor, std::string("Z\0\0\0\5I", 6));
    }
    // A stream that fails has no event of its own here: somebody looks.
    world.loops[0]->resume_soon(server->channel.key());
    world.run();
    CHECK(server->state == ServerState::closing);
    CHECK(server->close_reason == CloseReason::server_closed);
    auto& client = world.client(1);
    CHECK(!client.request());
    // PostgreSQL may still have the backend.
    CHECK(world.wanted == 0);
    CHECK(servers_to_open(world.counts(), world.pool->limits()) == 0);
    world.close_retired();
    CHECK(world.wanted == 1);
    CHECK(servers_to_open(world.counts(), world.pool->limits()) == 1);
}

TEST_CASE("ServerPool: an idle server's notices and settings are taken in, by nobody's request") {
    World world;
    const auto server = world.open();
    world.run();
    const std::string status(
        "S\0\0\0\x17"
        "application_name\0x\0",
        24
    );
    world.network->send(1'500'000'000, status.substr(0, 9));
    world.run();
    CHECK(server->state == ServerState::idle);
    CHECK(server->parameters->value("application_name").empty());
    world.network->send(1'500'000'000, status.substr(9));
    world.run();
    CHECK(server->state == ServerState::idle);
    CHECK(server->parameters->value("application_name") == "x");
}

TEST_CASE("ServerPool: an event of an idle server that has been lent meanwhile is nobody's") {
    World world;
    // Its descriptor is the lower one: its event comes first.
    auto& trigger = world.client(0);
    auto& borrower = world.client(1);
    const auto server = world.open();
    world.run();
    trigger.ready = [&] {
        borrower.request();
    };
    world.network->send(trigger.descriptor, "x");
    world.network->send(borrower.descriptor + 1, std::string("N\0\0\0\5\0", 6));
    world.loops[0]->run_once(false);
    REQUIRE(borrower.server == server.get());
    CHECK(server->state == ServerState::active);
    // What came is still there for who has it now.
    CHECK(server->partial.empty());
    CHECK(server->read_while_idle());
    CHECK(world.counts().active == 1);
}

TEST_CASE("ServerPool: a server is lent again only when no cancel is under way to it") {
    World world(small(1));
    const auto server = world.open();
    auto& first = world.client(0);
    auto& second = world.client(1);
    REQUIRE(first.request());
    first.cancel();
    first.cancel();
    second.request();
    first.give_back();
    CHECK(server->state == ServerState::being_canceled);
    CHECK(world.counts().active == 1);
    world.run();
    CHECK(second.waits());
    world.pool->cancel_finished(server, true);
    world.canceled.pop_back();
    world.run();
    CHECK(server->state == ServerState::being_canceled);
    SUBCASE("certain") {
        world.finish_cancels(true);
        REQUIRE(second.server == server.get());
    }
    SUBCASE("uncertain: it is closed") {
        world.finish_cancels(false);
        CHECK(second.waits());
        CHECK(server->state == ServerState::closing);
        CHECK(server->close_reason == CloseReason::cancel_uncertain);
        world.close_retired();
        world.open();
        world.run();
        CHECK(second.server != nullptr);
    }
    SUBCASE("nobody waits any more") {
        second.leave();
        world.finish_cancels(true);
        CHECK(server->state == ServerState::idle);
    }
}

TEST_CASE(
    "ServerPool: a cancel that ends before the server is given back, uncertain: it is closed then"
) {
    World world(small(1));
    const auto server = world.open();
    auto& client = world.client(0);
    REQUIRE(client.request());
    client.cancel();
    world.finish_cancels(false);
    CHECK(server->state == ServerState::active);
    client.give_back();
    CHECK(server->close_reason == CloseReason::cancel_uncertain);
}

TEST_CASE("ServerPool: paused, nobody gets a server; resumed, all do in their order") {
    World world(small(3));
    for (int i = 0; i < 3; ++i)
        world.open();
    world.run();
    auto& holder = world.client(0);
    REQUIRE(holder.request());
    world.pool->pause();
    CHECK(world.pool->paused());
    std::vector<Client*> queue;
    for (unsigned i = 0; i < 5; ++i) {
        queue.push_back(&world.client(i % worker_count));
        CHECK(!queue.back()->request());
    }
    // What runs may end.
    holder.give_back();
    world.run();
    CHECK(world.counts().idle == 3);
    CHECK(world.counts().waiting == 5);
    world.pool->resume();
    world.run();
    for (std::size_t i = 0; i < 5; ++i) {
        CAPTURE(i);
        CHECK((queue[i]->server != nullptr) == (i < 3));
    }
    queue[1]->give_back();
    world.run();
    CHECK(queue[3]->server != nullptr);
    CHECK(world.pool->overtakings() == 0);
}

TEST_CASE("ServerPool: recycle closes idle servers now and lent ones when they come back") {
    World world;
    const auto idle = world.open();
    const auto lent = world.open();
    world.run();
    auto& client = world.client(1);
    REQUIRE(client.request());
    CHECK(client.server == lent.get());
    CHECK(world.pool->recycled());
    world.pool->recycle();
    CHECK(idle->state == ServerState::closing);
    CHECK(idle->close_reason == CloseReason::reconnect);
    CHECK(!world.pool->recycled());
    const auto fresh = world.open();
    CHECK(!world.pool->recycled());
    client.give_back();
    CHECK(lent->close_reason == CloseReason::reconnect);
    world.close_retired();
    CHECK(world.pool->recycled());
    CHECK(fresh->state == ServerState::idle);
}

TEST_CASE("ServerPool: lifetimes of servers that were opened together are spread") {
    auto limits = small(0);
    limits.server_lifetime = 1h;
    limits.server_idle_timeout = Duration::zero();
    std::set<Duration> seen;
    for (std::uint64_t i = 0; i < 256; ++i) {
        const auto lifetime = lifetime_of(i, limits);
        CHECK(lifetime <= 1h);
        CHECK(lifetime >= 48min);
        seen.insert(lifetime);
        // Neighbours are minutes apart.
        CHECK(std::chrono::abs(lifetime - lifetime_of(i + 1, limits)) > 1min);
    }
    CHECK(seen.size() == 256);

    World world(limits);
    for (int i = 0; i < 64; ++i)
        world.open();
    world.run();
    std::size_t most = 0;
    for (int minute = 0; minute <= 61; ++minute) {
        world.pool->close_stale(world.now());
        most = std::max(most, world.retired.size());
        world.close_retired();
        if (minute < 48) REQUIRE(world.counts().idle == 64);
        world.network->advance(1min);
    }
    CHECK(world.counts().idle == 0);
    // 64 in 12 minutes.
    CHECK(most <= 8);
    for (const auto reason : world.reasons)
        CHECK(reason == CloseReason::lifetime);
}

TEST_CASE("ServerPool: what is too old, too many or used once is closed when it is given back") {
    World world(small(2));
    const auto first = world.open();
    world.open();
    auto& a = world.client(0);
    auto& b = world.client(0);
    REQUIRE(a.request());
    REQUIRE(b.request());
    auto limits = world.pool->limits();
    CloseReason expected{};
    SUBCASE("too old") {
        world.network->advance(2h);
        expected = CloseReason::lifetime;
    }
    SUBCASE("too many") {
        limits.size = 1;
        expected = CloseReason::over_limit;
    }
    SUBCASE("used once") {
        limits.server_lifetime = Duration::zero();
        expected = CloseReason::used_once;
    }
    world.pool->set_limits(limits);
    a.give_back();
    REQUIRE(world.retired.size() == 1);
    CHECK(world.retired[0]->close_reason == expected);
    if (expected == CloseReason::over_limit) {
        // The other one is within the limit.
        b.give_back();
        CHECK(world.counts().idle == 1);
    }
}

TEST_CASE("ServerPool: idle too long is closed down to min_size, longest idle first") {
    auto limits = small(5);
    limits.min_size = 2;
    limits.server_idle_timeout = 10min;
    World world(limits);
    std::vector<ServerRef> servers;
    for (int i = 0; i < 5; ++i) {
        servers.push_back(world.open());
        servers.back()->last_used = world.now() - 20min + std::chrono::minutes(i * 3);
    }
    world.run();
    CHECK(world.pool->longest_idle() == servers[0]->last_used);
    world.pool->close_stale(world.now());
    // 20, 17 and 14 minutes; 11 as well, but then there would be one only.
    for (std::size_t i = 0; i < 5; ++i) {
        CAPTURE(i);
        CHECK((servers[i]->state == ServerState::closing) == (i < 3));
    }
    CHECK(!world.pool->longest_idle());
    CHECK(world.pool->close_one_idle(CloseReason::room_for_other_pool, 1));
    CHECK(servers[3]->close_reason == CloseReason::room_for_other_pool);
    CHECK(!world.pool->close_one_idle(CloseReason::room_for_other_pool, 1));
}

TEST_CASE("ServerPool: the failure of a login is told to all who wait") {
    World world(small(1));
    std::vector<Client*> queue;
    for (unsigned i = 0; i < worker_count; ++i) {
        queue.push_back(&world.client(i));
        CHECK(!queue.back()->request());
        CHECK(world.wanted == i + 1);
    }
    world.pool->fail_waiters(
        protocol::error(protocol::sqlstate::invalid_database, "no such database")
    );
    CHECK(world.counts().waiting == 0);
    world.run();
    for (auto* client : queue) {
        REQUIRE(client->failure);
        CHECK(client->failure->message == "no such database");
        CHECK(client->server == nullptr);
    }
}

TEST_CASE("Pool policy: how many servers to open") {
    struct Row {
        const char* name;
        PoolCounts counts;
        PoolLimits limits;
        std::size_t wanted;
    };

    const auto counts = [](std::size_t waiting,
                           std::size_t idle,
                           std::size_t active,
                           std::size_t closing,
                           std::size_t opening) {
        PoolCounts result;
        result.waiting = waiting;
        result.idle = idle;
        result.active = active;
        result.closing = closing;
        result.opening = opening;
        return result;
    };
    auto with_min = small(10);
    with_min.min_size = 4;
    auto with_reserve = small(3);
    with_reserve.reserve = 2;
    auto reserve_off = with_reserve;
    reserve_off.reserve_timeout = Duration::zero();
    auto needed = counts(0, 1, 1, 0, 0);
    needed.has_clients = true;
    auto long_wait = counts(5, 0, 3, 0, 0);
    long_wait.oldest_wait = 5s;
    auto short_wait = long_wait;
    short_wait.oldest_wait = 5s - 1ns;
    const Row rows[] = {
        {"nobody waits", counts(0, 0, 2, 0, 0), small(20), 0},
        {"one for each waiter", counts(3, 0, 2, 0, 0), small(20), 3},
        {"those under way count", counts(3, 0, 2, 0, 2), small(20), 1},
        {"up to the size", counts(9, 0, 18, 0, 0), small(20), 2},
        {"closing ones have their place", counts(9, 0, 10, 9, 1), small(20), 0},
        {"no limit", counts(9, 0, 1000, 0, 0), small(0), 8},
        {"logins at a time", counts(30, 0, 0, 0, 5), small(100), 3},
        {"min_size without clients", counts(0, 1, 1, 0, 0), with_min, 0},
        {"min_size with clients", needed, with_min, 2},
        {"reserve after a long wait", long_wait, with_reserve, 2},
        {"reserve not before", short_wait, with_reserve, 0},
        {"reserve off", long_wait, reserve_off, 0},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        CHECK(servers_to_open(row.counts, row.limits) == row.wanted);
    }
    CHECK(retry_pause(0, 15s) == Duration::zero());
    CHECK(retry_pause(1, 15s) == 100ms);
    CHECK(retry_pause(2, 15s) == 200ms);
    CHECK(retry_pause(40, 15s) == 15s);
}

// --- random interleavings ---

namespace {

class Chaos {
public:
    explicit Chaos(std::uint32_t seed) : random_(seed) {
        limits_.size = 3;
        limits_.reserve = seed % 3;
        limits_.min_size = seed % 2;
        limits_.parallel_logins = 2;
        world_.pool->set_limits(limits_);
        for (unsigned i = 0; i < 9; ++i)
            world_.client(i % worker_count);
        world_.pool->client_added();
    }

    void play(int steps) {
        for (int i = 0; i < steps; ++i) {
            CAPTURE(i);
            step();
            check();
        }
        end();
    }

private:
    bool one_in(std::uint32_t n) { return random_() % n == 0; }

    void step() {
        auto& client = *world_.clients[random_() % world_.clients.size()];
        switch (random_() % 16) {
            case 0:
                return world_.pool->close_stale(world_.now());
            case 1:
                return tick();
            case 2:
                return finish_opening();
            case 3:
                return world_.close_retired();
            case 4:
                return finish_cancel();
            case 5:
                return rare();
            case 6:
                return server_speaks();
            case 7:
            case 8:
            case 9:
                return world_.loops[random_() % worker_count]->run_once(false);
            default:
                return act(client);
        }
    }

    void act(Client& client) {
        if (client.server != nullptr) {
            if (one_in(8)) client.cancel();
            if (one_in(12)) return client.retire();
            return client.give_back();
        }
        if (client.waits() || client.granted()) {
            if (!one_in(4)) return;
            std::erase(queue_, &client);
            return client.leave();
        }
        const bool nobody_waits = queue_.empty();
        if (client.request()) {
            CHECK(nobody_waits);
            CHECK(!world_.pool->paused());
        } else {
            queue_.push_back(&client);
        }
    }

    void rare() {
        switch (random_() % 8) {
            case 0:
                return world_.pool->pause();
            case 1:
            case 2:
            case 3:
                return world_.pool->resume();
            case 4:
                return world_.pool->recycle();
            case 5:
                world_.pool->close_one_idle(CloseReason::room_for_other_pool, limits_.min_size);
                return;
            case 6:
                return world_.network->advance(std::chrono::minutes(random_() % 10));
            default:
                return world_.network->advance(3s);
        }
    }

    void server_speaks() {
        if (servers_.empty()) return;
        const int descriptor = servers_[random_() % servers_.size()];
        if (one_in(4)) return world_.network->end(descriptor);
        world_.network->send(descriptor, std::string("N\0\0\0\5\0", 6));
    }

    void tick() {
        auto wanted = servers_to_open(world_.counts(), limits_);
        for (; wanted > 0; --wanted) {
            world_.pool->opening_started();
            ++opening_;
        }
    }

    void finish_opening() {
        if (opening_ == 0) return;
        --opening_;
        if (one_in(6)) return world_.pool->opening_ended();
        const auto server = world_.finish_opening();
        const auto& transport = server->floating;
        if (transport) servers_.push_back(transport.descriptor());
    }

    void finish_cancel() {
        if (world_.canceled.empty()) return;
        const auto server = world_.canceled.back();
        world_.canceled.pop_back();
        world_.pool->cancel_finished(server, !one_in(5));
    }

    void check() {
        while (!queue_.empty() && !queue_.front()->waits())
            queue_.pop_front();
        // Those who have got a server were the first ones.
        for (const auto* client : queue_)
            REQUIRE(client->waits());
        const auto counts = world_.counts();
        REQUIRE(counts.waiting == queue_.size());
        REQUIRE(counts.total() <= limits_.size + limits_.reserve);
        REQUIRE(counts.opening == opening_);
        REQUIRE(counts.closing == world_.retired.size());
        if (!world_.pool->paused() && !queue_.empty()) REQUIRE(counts.idle == 0);
        REQUIRE(world_.pool->overtakings() == 0);
        std::set<const ServerConnection*> held;
        for (const auto& client : world_.clients) {
            const auto* server = client->granted() ? client->waiter.server : client->server;
            if (server == nullptr) continue;
            REQUIRE(held.insert(server).second);
            REQUIRE(server->state == ServerState::active);
        }
        REQUIRE(counts.active >= held.size());
    }

    // Everybody who still waits is served, and all comes to rest.
    void end() {
        world_.pool->resume();
        for (int i = 0; i < 200; ++i) {
            world_.run();
            for (auto& client : world_.clients) {
                if (client->server != nullptr) client->give_back();
            }
            while (!world_.canceled.empty())
                finish_cancel();
            world_.close_retired();
            tick();
            while (opening_ > 0)
                finish_opening();
            check();
        }
        CHECK(queue_.empty());
        const auto counts = world_.counts();
        CHECK(counts.active == 0);
        CHECK(counts.waiting == 0);
        CHECK(counts.closing == 0);
        CHECK(counts.idle <= limits_.size + limits_.reserve);
    }

    World world_;
    std::mt19937 random_;
    PoolLimits limits_;
    std::deque<Client*> queue_;
    std::vector<int> servers_;
    std::size_t opening_ = 0;
};

}  // namespace

TEST_CASE("ServerPool: random interleavings: exact limits, nobody is overtaken, nothing is lost") {
    for (std::uint32_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        Chaos(seed).play(400);
    }
}
