// SHOW PROBLEMS: which cause comes first, by what is known.
#include "proxy/problems.h"

#include <doctest/doctest.h>

using namespace weir::proxy;
using namespace std::chrono_literals;

namespace {

PoolFacts full_pool(std::size_t waiting) {
    PoolFacts pool;
    pool.database = "shop";
    pool.user = "app";
    pool.waiting = waiting;
    pool.servers = 2;
    pool.longest_wait = 3s;
    pool.limit = "pool_size";
    pool.used = 2;
    pool.allowed = 2;
    return pool;
}

SessionFacts session(std::int64_t id) {
    SessionFacts facts;
    facts.id = id;
    facts.database = "shop";
    facts.user = "app";
    facts.has_server = true;
    facts.server_process = static_cast<int>(1000 + id);
    return facts;
}

SessionFacts in_transaction(std::int64_t id, bool running, weir::pool::Duration since) {
    auto facts = session(id);
    facts.in_transaction = true;
    facts.running = running;
    facts.transaction_age = since;
    (running ? facts.running_for : facts.idle) = since;
    return facts;
}

std::string first(const ProblemFacts& facts) {
    const auto problems = find_problems(facts);
    return problems.empty() ? "" : std::string(problems.front().cause);
}

}  // namespace

TEST_CASE("problems: nothing is wrong") {
    CHECK(first({}) == "");
    ProblemFacts facts;
    facts.pools.push_back(full_pool(0));
    facts.sessions.push_back(in_transaction(1, true, 2s));
    facts.sessions.push_back(in_transaction(2, false, 2s));
    CHECK(first(facts) == "");
}

TEST_CASE("problems: what holds the servers comes before the pool that is full because of it") {
    ProblemFacts facts;
    facts.pools.push_back(full_pool(5));
    CHECK(first(facts) == "pool too small");
    CHECK(find_problems(facts).front().next == "SET default_pool_size = 4");
    facts.sessions.push_back(in_transaction(1, true, 2s));
    CHECK(first(facts) == "long transaction");
    facts.sessions.push_back(in_transaction(2, false, 2s));
    CHECK(first(facts) == "idle in transaction");
    CHECK(find_problems(facts).front().next == "CANCEL CLIENT 2");
    CHECK(find_problems(facts).size() == 3);
    // The idle one holds a lock that the other waits for.
    facts.blocked.push_back({"shop", 1001, {1002}});
    CHECK(first(facts) == "lock queue");
    CHECK(find_problems(facts).front().next == "CANCEL CLIENT 2");
    facts.pools.front().limit = "max_connections";
    CHECK(first(facts) == "max_connections reached");
    facts.pools.front().limit = "host_down";
    CHECK(first(facts) == "host down");
    facts.pools.front().limit = "paused";
    CHECK(first(facts) == "paused");
}

TEST_CASE("problems: whoever makes clients wait comes before what only looks bad") {
    ProblemFacts facts;
    facts.hosts.push_back({"other", "10.0.0.1:5432", "down", "connection refused", 5s});
    facts.sessions.push_back(in_transaction(1, false, 1h));
    facts.sessions.back().database = "elsewhere";
    facts.pools.push_back(full_pool(1));
    CHECK(first(facts) == "pool too small");
    facts.pools.front().waiting = 0;
    facts.pools.front().database = "elsewhere";
    CHECK(first(facts) == "host down");
    CHECK(find_problems(facts).back().cause == "idle in transaction");
}

TEST_CASE("problems: the head of a queue for locks is who waits for nobody") {
    ProblemFacts facts;
    facts.sessions.push_back(in_transaction(1, false, 1s));
    facts.blocked.push_back({"shop", 7, {8}});
    facts.blocked.push_back({"shop", 8, {1001}});
    facts.blocked.push_back({"shop", 9, {8, 1001}});
    const auto problems = find_problems(facts);
    REQUIRE(problems.size() == 1);
    CHECK(problems.front().object == "client 1 (shop/app)");
    CHECK(problems.front().affected == 3);
    // Somebody who is no client of ours.
    facts.sessions.clear();
    CHECK(find_problems(facts).front().next == "pg_terminate_backend(1001) on the server");
}
