#include "pool/replica_choice.h"

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <vector>

using namespace weir::pool;
using namespace std::chrono_literals;

namespace {

// A primary at index 0 and replicas behind it, all healthy for long.
class ChoiceBench {
public:
    explicit ChoiceBench(std::size_t replicas) : loads(replicas + 1) {
        topology.timeline = 1;
        topology.primaries = {0};
        topology.hosts.resize(replicas + 1);
        for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
            HostView& host = topology.hosts[i];
            host.state = HostState::healthy;
            host.role = i == 0 ? HostRole::primary : HostRole::replica;
            host.weight = 100;
            host.timeline = 1;
            host.replay_lsn = Lsn{1000};
            host.lag = {0, 0ms, false};
            pointers.push_back(&loads[i]);
        }
    }

    HostChoice choose(const std::optional<LsnToken>& need = LsnToken()) {
        return choose_for_read(topology, pointers, need, policy, now, random);
    }

    // Shares of `draws` choices.
    std::vector<double> shares(int draws = 20000) {
        std::vector<double> shares(topology.hosts.size());
        for (int i = 0; i < draws; ++i)
            shares[choose().host.value()] += 1.0 / draws;
        return shares;
    }

    Topology topology;
    std::deque<HostLoad> loads;
    std::vector<const HostLoad*> pointers;
    ReadPolicy policy;
    SteadyTime now{std::chrono::hours(1)};
    ChoiceRandom random{42};
};

bool near(double value, double expected, double tolerance = 0.02) {
    return std::abs(value - expected) <= tolerance;
}

}  // namespace

TEST_CASE("choose_for_read: idle replicas share by weight, the primary takes none") {
    ChoiceBench bench(3);
    bench.topology.hosts[1].weight = 100;
    bench.topology.hosts[2].weight = 200;
    bench.topology.hosts[3].weight = 700;
    const auto shares = bench.shares();
    CHECK(shares[0] == 0);
    CHECK(near(shares[1], 0.1));
    CHECK(near(shares[2], 0.2));
    CHECK(near(shares[3], 0.7));
    bench.topology.hosts[3].weight = 0;
    CHECK(bench.shares()[3] == 0);
}

TEST_CASE("choose_for_read: latencies that are nearly the same are the same") {
    ChoiceBench bench(2);
    bench.loads[1].began();
    bench.loads[1].ended(100us);
    bench.loads[2].began();
    bench.loads[2].ended(110us);
    CHECK(near(bench.shares()[1], 0.5));
}

TEST_CASE("choose_for_read: a slow replica gets a trickle, so that it is seen to recover") {
    ChoiceBench bench(2);
    bench.loads[1].began();
    bench.loads[1].ended(100us);
    bench.loads[2].began();
    bench.loads[2].ended(1000us);
    // Only where both draws fall on it.
    CHECK(near(bench.shares()[2], 0.25));
}

TEST_CASE("choose_for_read: outstanding work evens out, by weight") {
    ChoiceBench bench(3);
    bench.topology.hosts[3].weight = 200;
    // 400 clients, none of whom is served.
    for (int i = 0; i < 400; ++i)
        bench.loads[bench.choose().host.value()].began();
    CHECK(std::abs(static_cast<int>(bench.loads[1].outstanding()) - 100) <= 12);
    CHECK(std::abs(static_cast<int>(bench.loads[2].outstanding()) - 100) <= 12);
    CHECK(std::abs(static_cast<int>(bench.loads[3].outstanding()) - 200) <= 16);
}

TEST_CASE("choose_for_read: a stuck replica is avoided while the others are not") {
    ChoiceBench bench(3);
    for (int i = 0; i < 50; ++i)
        bench.loads[2].began();
    const auto shares = bench.shares();
    CHECK(near(shares[2], 1.0 / 9));
    CHECK(near(shares[1], 4.0 / 9));
}

TEST_CASE("choose_for_read: lag is a falling weight, the limit is in the state") {
    ChoiceBench bench(2);
    bench.policy.max_lag = 1000ms;
    bench.topology.hosts[2].lag.time = 500ms;
    CHECK(near(bench.shares()[2], 1.0 / 3));
    bench.topology.hosts[2].lag.time = 999ms;
    CHECK(near(bench.shares()[2], 0.05 / 1.05));
    bench.topology.hosts[2].lag.time = 0ms;
    bench.policy.max_lag_bytes = 1000;
    bench.topology.hosts[2].lag.bytes = 750;
    CHECK(near(bench.shares()[2], 0.2));
    bench.topology.hosts[2].state = HostState::lagging;
    CHECK(bench.shares()[2] == 0);
    // Without limits lag does not count.
    bench.topology.hosts[2].state = HostState::healthy;
    bench.policy.max_lag = 0ms;
    bench.policy.max_lag_bytes = 0;
    bench.topology.hosts[2].lag = {1 << 30, 3600s, false};
    CHECK(near(bench.shares()[2], 0.5));
}

TEST_CASE("choose_for_read: a replica that came back starts slowly") {
    ChoiceBench bench(2);
    bench.topology.hosts[2].healthy_since = bench.now;
    CHECK(near(bench.shares()[2], 0.05 / 1.05));
    bench.now += 5s;
    CHECK(near(bench.shares()[2], 1.0 / 3));
    bench.now += 5s;
    CHECK(near(bench.shares()[2], 0.5));
}

TEST_CASE("choose_for_read: the own zone first, others only if it has none") {
    ChoiceBench bench(3);
    bench.topology.hosts[1].zone = "here";
    bench.topology.hosts[2].zone = "there";
    bench.policy.zone = "here";
    CHECK(bench.shares()[1] == doctest::Approx(1));
    bench.topology.hosts[1].state = HostState::lagging;
    const auto shares = bench.shares();
    CHECK(near(shares[2], 0.5));
    CHECK(near(shares[3], 0.5));
    // A need that the near one has not met, too.
    bench.topology.hosts[1].state = HostState::healthy;
    bench.topology.hosts[1].replay_lsn = Lsn{10};
    const auto choice = bench.choose(LsnToken{Lsn{500}, 1});
    CHECK(choice.host != 1);
}

TEST_CASE("choose_for_read: what a read needs") {
    ChoiceBench bench(2);
    bench.topology.hosts[1].replay_lsn = Lsn{400};
    auto choice = bench.choose(LsnToken{Lsn{500}, 1});
    CHECK(choice.host == 2);
    CHECK(choice.reason == ChoiceReason::replica);
    CHECK_FALSE(choice.worth_waiting);
    choice = bench.choose(LsnToken{Lsn{5000}, 1});
    CHECK(choice.host == 0);
    CHECK(choice.reason == ChoiceReason::not_replayed);
    CHECK(choice.worth_waiting);
    choice = bench.choose(std::nullopt);
    CHECK(choice.host == 0);
    CHECK(choice.reason == ChoiceReason::need_unknown);
    CHECK(choice.worth_waiting);
}

TEST_CASE("choose_for_read: primary_reads") {
    ChoiceBench bench(2);
    for (const auto state :
         {HostState::lagging, HostState::down, HostState::draining, HostState::fenced}) {
        bench.topology.hosts[1].state = state;
        bench.topology.hosts[2].state = state;
        bench.policy.primary_reads = PrimaryReads::fallback;
        auto choice = bench.choose();
        CHECK(choice.host == 0);
        CHECK(choice.reason == ChoiceReason::no_replica);
        CHECK_FALSE(choice.worth_waiting);
        bench.policy.primary_reads = PrimaryReads::never;
        choice = bench.choose();
        CHECK_FALSE(choice.host);
        CHECK(choice.reason == ChoiceReason::nobody);
    }
    bench.policy.primary_reads = PrimaryReads::fallback;
    bench.topology.hosts[0].state = HostState::draining;
    CHECK_FALSE(bench.choose().host);
    bench.topology.primaries.clear();
    CHECK_FALSE(bench.choose().host);
}

TEST_CASE("choose_for_read: primary_reads = always, with a weight of its own") {
    ChoiceBench bench(2);
    bench.policy.primary_reads = PrimaryReads::always;
    CHECK(near(bench.shares()[0], 1.0 / 3));
    bench.policy.primary_weight = 50;
    CHECK(near(bench.shares()[0], 0.2));
    bench.policy.primary_weight = 0;
    CHECK(bench.shares()[0] == 0);
    bench.policy.primary_weight = 50;
    bench.topology.hosts[1].state = HostState::down;
    bench.topology.hosts[2].state = HostState::down;
    const auto choice = bench.choose();
    CHECK(choice.host == 0);
    CHECK(choice.reason == ChoiceReason::primary_share);
}

TEST_CASE("choose_for_read: the same seed makes the same choices") {
    ChoiceBench one(5);
    ChoiceBench other(5);
    for (int i = 0; i < 100; ++i)
        CHECK(one.choose().host == other.choose().host);
}

TEST_CASE("HostLoad: the average follows what is new") {
    HostLoad load;
    CHECK(load.latency() == 0);
    load.began();
    load.ended(100us);
    CHECK(load.latency() == doctest::Approx(100));
    for (int i = 0; i < 64; ++i) {
        load.began();
        load.ended(1000us);
    }
    CHECK(load.latency() > 980);
    load.began();
    CHECK(load.outstanding() == 1);
    load.failed();
    CHECK(load.outstanding() == 0);
    CHECK(load.errors() == 1);
    CHECK(load.served() == 65);
    load.forget_latency();
    CHECK(load.latency() == 0);
}
