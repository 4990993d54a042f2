// ServerPool with lend_policy rotate, which keeps sessions from the server they had last; and the
// count of pins.
#include "tests/unit/support/pool_world.h"

using namespace weir;
using namespace weir::pool;
using namespace weir::pool::world;
using namespace std::chrono_literals;

namespace {

PoolLimits rotating(std::size_t size) {
    auto limits = small(size);
    limits.lend_policy = LendPolicy::rotate;
    return limits;
}

// Has a server now or after the wake, and remembers it as a session does.
bool request(Client& client) {
    if (!client.request()) client.world.run();
    if (client.server == nullptr) return false;
    client.waiter.last_server = client.server->id();
    return true;
}

std::uint64_t use(Client& client) {
    REQUIRE(request(client));
    const auto id = client.server->id();
    client.give_back();
    client.world.network->advance(1ms);
    return id;
}

}  // namespace

TEST_CASE("ServerPool: rotate lends the server that was idle for longest, whoever's worker it is") {
    World world(rotating(3));
    for (int i = 0; i < 3; ++i)
        world.open();
    world.run();
    std::vector<std::uint64_t> servers;
    std::vector<Client*> holders;
    for (unsigned worker = 0; worker < worker_count; ++worker) {
        holders.push_back(&world.client(worker));
        REQUIRE(request(*holders.back()));
    }
    for (auto* holder : holders) {
        servers.push_back(holder->server->id());
        holder->give_back();
        world.network->advance(1ms);
    }
    auto& client = world.client(1);
    for (int round = 0; round < 6; ++round)
        CHECK(use(client) == servers[static_cast<std::size_t>(round % 3)]);
    CHECK(world.pool->repeats() == 0);
}

TEST_CASE("ServerPool: rotate does not lend a session its last server while there is another") {
    World world(rotating(2));
    world.open();
    world.open();
    world.run();
    auto& client = world.client(0);
    auto& other = world.client(2);
    const auto first = use(client);
    const auto second = use(client);
    CHECK(second != first);
    // The other one's turn comes to nothing if he has `first` now.
    REQUIRE(request(other));
    CHECK(other.server->id() == first);
    SUBCASE("the limit allows no third: the last one after all, and it is counted") {
        CHECK(use(client) == second);
        CHECK(world.pool->repeats() == 1);
    }
    SUBCASE("a third may be opened: the session waits for it") {
        world.pool->set_limits(rotating(3));
        CHECK_FALSE(request(client));
        CHECK(world.wanted >= 1);
        CHECK(world.counts().idle == 1);
        CHECK(servers_to_open(world.counts(), world.pool->limits()) == 1);
        const auto third = world.open();
        world.run();
        REQUIRE(client.server != nullptr);
        CHECK(client.server == third.get());
        CHECK(world.pool->repeats() == 0);
    }
    SUBCASE("another comes back before a third is opened") {
        world.pool->set_limits(rotating(3));
        CHECK_FALSE(request(client));
        other.give_back();
        world.run();
        REQUIRE(client.server != nullptr);
        CHECK(client.server->id() == first);
        CHECK(world.pool->repeats() == 0);
    }
    SUBCASE("who may have it takes it, before and after whoever may not") {
        world.pool->set_limits(rotating(3));
        CHECK_FALSE(request(client));
        auto& third = world.client(1);
        REQUIRE(request(third));
        CHECK(third.server->id() == second);
        CHECK(client.waits());
    }
    SUBCASE("nobody opens one: the session is not left waiting") {
        world.pool->set_limits(rotating(3));
        CHECK_FALSE(request(client));
        // Not at once: the opening may be about to begin, or under way.
        world.pool->lend_after_all(world.now());
        world.network->advance(1s);
        world.pool->opening_started();
        world.pool->lend_after_all(world.now());
        world.run();
        CHECK(client.server == nullptr);
        world.pool->opening_ended();
        world.pool->lend_after_all(world.now());
        world.run();
        REQUIRE(client.server != nullptr);
        CHECK(client.server->id() == second);
        CHECK(world.pool->repeats() == 1);
    }
    SUBCASE("the policy changes while it waits") {
        world.pool->set_limits(rotating(3));
        CHECK_FALSE(request(client));
        world.pool->set_limits(small(3));
        world.network->advance(1s);
        world.pool->lend_after_all(world.now());
        world.run();
        CHECK(client.server != nullptr);
    }
}

TEST_CASE("ServerPool: rotate gives a server that comes back to the longest waiter who may have it"
) {
    World world(rotating(2));
    const auto a = world.open();
    const auto b = world.open();
    world.run();
    auto& one = world.client(0);
    auto& two = world.client(1);
    auto& had_a = world.client(2);
    auto& had_b = world.client(0);
    had_a.waiter.last_server = a->id();
    had_b.waiter.last_server = b->id();
    one.waiter.last_server = b->id();
    two.waiter.last_server = a->id();
    REQUIRE(request(one));
    REQUIRE(request(two));
    CHECK_FALSE(request(had_a));
    CHECK_FALSE(request(had_b));
    SUBCASE("the first in the queue had another") {
        two.give_back();
        world.run();
        REQUIRE(had_a.server != nullptr);
        CHECK(had_a.server == b.get());
        CHECK(had_b.waits());
    }
    SUBCASE("the first in the queue had it") {
        one.give_back();
        world.run();
        REQUIRE(had_b.server != nullptr);
        CHECK(had_b.server == a.get());
        CHECK(had_a.waits());
        two.give_back();
        world.run();
        CHECK(had_a.server == b.get());
        CHECK(world.pool->repeats() == 0);
    }
    SUBCASE("the first in the queue had it, and waits for too long") {
        world.network->advance(1s);
        one.give_back();
        world.run();
        CHECK(had_a.server == a.get());
        CHECK(had_b.waits());
        CHECK(world.pool->repeats() == 1);
    }
    SUBCASE("all who wait had it: the longest waiter") {
        had_b.waiter.last_server = a->id();
        one.give_back();
        world.run();
        CHECK(had_a.server == a.get());
        CHECK(had_b.waits());
        CHECK(world.pool->repeats() == 1);
    }
    SUBCASE("the first in the queue had it, and another may come") {
        world.pool->set_limits(rotating(3));
        one.give_back();
        world.run();
        CHECK(had_a.waits());
        REQUIRE(had_b.server != nullptr);
        CHECK(had_b.server == a.get());
        CHECK(world.pool->repeats() == 0);
    }
    CHECK(world.pool->overtakings() == 0);
}

TEST_CASE("ServerPool: rotate after a pause serves all who wait") {
    World world(rotating(2));
    world.open();
    world.open();
    world.run();
    auto& one = world.client(0);
    auto& two = world.client(1);
    const auto had = use(one);
    world.pool->pause();
    CHECK_FALSE(request(one));
    CHECK_FALSE(request(two));
    world.pool->resume();
    world.run();
    REQUIRE(one.server != nullptr);
    REQUIRE(two.server != nullptr);
    CHECK(one.server->id() != had);
    CHECK(world.pool->repeats() == 0);
}

TEST_CASE("ServerPool: pins are counted up to max_pinned") {
    World world;
    CHECK_FALSE(world.pool->pins_full());
    CHECK(world.pool->try_start_pin());
    auto limits = small(5);
    limits.max_pinned = 2;
    world.pool->set_limits(limits);
    CHECK(world.pool->try_start_pin());
    CHECK(world.pool->pins_full());
    CHECK_FALSE(world.pool->try_start_pin());
    CHECK(world.pool->pinned() == 2);
    // What has happened already counts above the limit.
    world.pool->start_pin();
    CHECK(world.pool->pinned() == 3);
    world.pool->end_pin();
    CHECK(world.pool->pins_full());
    world.pool->end_pin();
    CHECK(world.pool->try_start_pin());
    world.pool->end_pin();
    world.pool->end_pin();
    CHECK(world.pool->pinned() == 0);
}
