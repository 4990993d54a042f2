#include "pool/cluster_policy.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace weir::pool;
using namespace std::chrono_literals;
using Kind = ClusterEvent::Kind;

namespace {

// Hosts a, b, c on port 1, seen on a clock that the test turns.
class Bench {
public:
    explicit Bench(ClusterSettings given = three(), const ClusterMemory& memory = {})
        : policy(std::move(given), memory) {}

    static ClusterSettings three() {
        ClusterSettings settings;
        settings.name = "app";
        for (const char* host : {"a", "b", "c"})
            settings.hosts.push_back({.host = host, .port = 1, .zone = {}});
        return settings;
    }

    HostSample sample(bool in_recovery, Timeline timeline) const {
        HostSample seen;
        seen.started = now;
        seen.answered = now;
        seen.knowledge = Knowledge::positions;
        seen.in_recovery = in_recovery;
        seen.system_identifier = 7;
        seen.timeline = timeline;
        return seen;
    }

    void primary(std::size_t host, Timeline timeline, std::uint64_t lsn) {
        HostSample seen = sample(false, timeline);
        seen.insert_lsn = Lsn{lsn};
        policy.observe(host, seen);
    }

    void replica(std::size_t host, Timeline timeline, std::uint64_t lsn) {
        HostSample seen = sample(true, timeline);
        seen.receive_lsn = seen.replay_lsn = Lsn{lsn};
        seen.receiving = true;
        policy.observe(host, seen);
    }

    void fail(std::size_t host, int times = 1) {
        for (int i = 0; i < times; ++i)
            policy.observe_failure(host, {HostReason::connection_lost, "unexpected eof"});
    }

    void evaluate(std::chrono::milliseconds later = 0ms) {
        now += later;
        events = policy.evaluate(now);
    }

    // A primary a on timeline 1 and replicas b and c, all well.
    void well() {
        primary(0, 1, 1000);
        replica(1, 1, 1000);
        replica(2, 1, 1000);
        evaluate();
        REQUIRE(states() == "healthy healthy healthy");
        REQUIRE(primary_index() == 0);
    }

    int primary_index() const {
        const auto primary = policy.topology().primary();
        return primary ? static_cast<int>(*primary) : -1;
    }

    const HostView& host(std::size_t index) const { return policy.topology().hosts[index]; }

    std::string states() const {
        std::string all;
        for (const HostView& each : policy.topology().hosts)
            all += (all.empty() ? "" : " ") + std::string(text(each.state));
        return all;
    }

    bool happened(Kind kind) const {
        return std::any_of(events.begin(), events.end(), [&](auto& event) {
            return event.kind == kind;
        });
    }

    ClusterPolicy policy;
    SteadyTime now{std::chrono::hours(1)};
    std::vector<ClusterEvent> events;
};

}  // namespace

TEST_CASE("ClusterPolicy: before the first check all are down, and nobody is primary") {
    Bench bench;
    bench.evaluate();
    CHECK(bench.states() == "down down down");
    CHECK(bench.host(0).reason == HostReason::not_checked);
    CHECK(bench.primary_index() == -1);
    CHECK_FALSE(bench.happened(Kind::no_primary));
}

TEST_CASE("ClusterPolicy: the primary counts at once, whoever else has not answered") {
    Bench bench;
    bench.fail(1, 5);
    bench.primary(0, 1, 1000);
    bench.evaluate();
    CHECK(bench.states() == "healthy down down");
    CHECK(bench.primary_index() == 0);
    CHECK(bench.happened(Kind::primary_changed));
    CHECK(bench.happened(Kind::memory_changed));
    CHECK((bench.policy.memory() == ClusterMemory{1, 7, "a:1", false}));
    CHECK(bench.host(1).detail == "unexpected eof");
}

TEST_CASE("ClusterPolicy: a replica without a primary is not healthy: its lag is not known") {
    Bench bench;
    bench.replica(1, 1, 1000);
    bench.evaluate();
    CHECK(bench.host(1).state == HostState::lagging);
    CHECK(bench.host(1).reason == HostReason::lag_unknown);
    CHECK_FALSE(bench.host(1).lag.time.has_value());
    // It was only not known, so it need not prove itself.
    bench.primary(0, 1, 1000);
    bench.evaluate(100ms);
    CHECK(bench.host(1).state == HostState::healthy);
}

TEST_CASE("ClusterPolicy: what a check left out is not healthy") {
    Bench bench;
    bench.well();
    bench.replica(1, 1, 0);
    bench.evaluate(100ms);
    CHECK(bench.host(1).reason == HostReason::lag_unknown);
    HostSample nothing = bench.sample(true, 1);
    nothing.in_recovery.reset();
    bench.policy.observe(2, nothing);
    bench.evaluate();
    CHECK(bench.host(2).state == HostState::down);
    CHECK(bench.host(2).role == HostRole::unknown);
}

TEST_CASE("ClusterPolicy: one failed check condemns nobody, three do, and two bring back") {
    Bench bench;
    bench.well();
    bench.fail(0);
    bench.fail(1);
    bench.evaluate(1s);
    CHECK(bench.states() == "healthy healthy healthy");
    CHECK(bench.primary_index() == 0);
    bench.fail(1, 2);
    bench.evaluate();
    CHECK(bench.states() == "healthy down healthy");
    CHECK(bench.happened(Kind::state_changed));
    bench.replica(1, 1, 1000);
    bench.evaluate();
    CHECK(bench.host(1).state == HostState::down);
    bench.replica(1, 1, 1000);
    bench.evaluate();
    CHECK(bench.states() == "healthy healthy healthy");
    CHECK(bench.host(1).healthy_since == bench.now);
}

TEST_CASE("ClusterPolicy: failures in a burst condemn only after a time of silence") {
    Bench bench;
    bench.well();
    bench.fail(0, 10);
    bench.evaluate(149ms);
    CHECK(bench.primary_index() == 0);
    bench.evaluate(1ms);
    CHECK(bench.primary_index() == -1);
    CHECK(bench.happened(Kind::no_primary));
    bench.evaluate();
    CHECK_FALSE(bench.happened(Kind::no_primary));
    // The replicas go on: they were up to date when it was last seen.
    CHECK(bench.host(1).state == HostState::healthy);
    bench.primary(0, 1, 2000);
    bench.primary(0, 1, 2000);
    bench.evaluate();
    CHECK(bench.primary_index() == 0);
}

TEST_CASE("ClusterPolicy: a promoted replica is primary at once, the old one is fenced for good") {
    Bench bench;
    bench.well();
    bench.primary(1, 2, 1100);
    bench.evaluate(50ms);
    CHECK(bench.primary_index() == 1);
    CHECK(bench.happened(Kind::primary_changed));
    CHECK(bench.happened(Kind::role_changed));
    CHECK((bench.policy.memory() == ClusterMemory{2, 7, "b:1", false}));
    CHECK(bench.policy.topology().timeline == 2);
    CHECK(bench.policy.topology().timeline_began == Lsn{1100});
    CHECK(bench.host(0).state == HostState::fenced);
    CHECK(bench.host(0).reason == HostReason::old_timeline);
    CHECK(bench.happened(Kind::alarm));
    // The other replica follows the old history until it is seen on the new one.
    CHECK(bench.host(2).reason == HostReason::other_timeline);
    bench.replica(2, 2, 1100);
    bench.evaluate(50ms);
    CHECK(bench.host(2).state == HostState::healthy);
    // Even alone it gets no write.
    bench.fail(1, 3);
    bench.primary(0, 1, 5000);
    bench.evaluate(200ms);
    CHECK(bench.primary_index() == -1);
    CHECK(bench.host(0).reason == HostReason::old_timeline);
    // Rewound, it is a replica like others.
    bench.replica(0, 2, 1100);
    bench.evaluate();
    CHECK(bench.host(0).role == HostRole::replica);
    CHECK(bench.host(0).state == HostState::healthy);
}

TEST_CASE("ClusterPolicy: a replica that receives a higher timeline condemns the primary, too") {
    Bench bench;
    bench.well();
    bench.replica(2, 3, 1000);
    bench.evaluate();
    CHECK(bench.primary_index() == -1);
    CHECK(bench.host(0).reason == HostReason::old_timeline);
    CHECK(bench.policy.memory().timeline == 3);
}

TEST_CASE("ClusterPolicy: what is remembered fences an old primary after a restart") {
    Bench bench(Bench::three(), {2, 7, "b:1", false});
    bench.primary(0, 1, 1000);
    bench.evaluate();
    CHECK(bench.primary_index() == -1);
    CHECK(bench.host(0).reason == HostReason::old_timeline);
    CHECK(bench.host(0).detail == "timeline 1, highest seen 2");
    bench.policy.forget_timeline();
    bench.evaluate();
    CHECK(bench.happened(Kind::memory_changed));
    CHECK(bench.primary_index() == 0);
    CHECK((bench.policy.memory() == ClusterMemory{1, 7, "a:1", false}));
}

TEST_CASE("ClusterPolicy: two primaries on one timeline: the current one stays") {
    Bench bench;
    bench.well();
    bench.primary(2, 1, 9000);
    bench.evaluate();
    CHECK(bench.primary_index() == 0);
    CHECK(bench.host(2).state == HostState::fenced);
    CHECK(bench.host(2).reason == HostReason::two_primaries);
    CHECK(bench.happened(Kind::alarm));
    bench.primary(2, 1, 9100);
    bench.evaluate();
    CHECK_FALSE(bench.happened(Kind::alarm));
    // Not even when it is alone.
    bench.fail(0, 3);
    bench.evaluate(1s);
    CHECK(bench.primary_index() == -1);
    CHECK(bench.host(2).reason == HostReason::two_primaries);

    SUBCASE("an operator may say that it is the one") {
        bench.policy.unfence(2);
        bench.evaluate();
        CHECK(bench.primary_index() == 2);
        // And then the other one loses when it comes back.
        bench.primary(0, 1, 1000);
        bench.primary(0, 1, 1000);
        bench.evaluate();
        CHECK(bench.primary_index() == 2);
        CHECK(bench.host(0).reason == HostReason::two_primaries);
    }
    SUBCASE("but not while the other one is there") {
        bench.primary(0, 1, 1000);
        bench.primary(0, 1, 1000);
        bench.evaluate();
        bench.policy.unfence(2);
        bench.evaluate();
        CHECK(bench.primary_index() == 0);
        CHECK(bench.host(2).reason == HostReason::two_primaries);
    }
    SUBCASE("it is forgiven as a replica") {
        bench.replica(2, 1, 1000);
        bench.evaluate();
        CHECK(bench.host(2).role == HostRole::replica);
        CHECK(bench.host(2).state == HostState::healthy);
    }
    SUBCASE("and when it has a higher timeline") {
        bench.primary(2, 2, 9200);
        bench.evaluate();
        CHECK(bench.primary_index() == 2);
    }
}

TEST_CASE("ClusterPolicy: two primaries on one timeline at the start") {
    SUBCASE("nobody can order them") {
        Bench bench;
        bench.primary(0, 1, 1000);
        bench.primary(1, 1, 2000);
        bench.evaluate();
        CHECK(bench.primary_index() == -1);
        CHECK(bench.states() == "fenced fenced down");
        bench.policy.unfence(1);
        bench.evaluate();
        CHECK(bench.primary_index() == 1);
    }
    SUBCASE("the remembered one is the current one") {
        Bench bench(Bench::three(), {1, 7, "b:1", false});
        bench.primary(0, 1, 1000);
        bench.primary(1, 1, 2000);
        bench.evaluate();
        CHECK(bench.primary_index() == 1);
    }
    SUBCASE("even if it does not answer yet") {
        Bench bench(Bench::three(), {1, 7, "b:1", false});
        bench.primary(0, 1, 1000);
        bench.evaluate();
        CHECK(bench.primary_index() == -1);
        CHECK(bench.host(0).reason == HostReason::two_primaries);
    }
    SUBCASE("a remembered host that is not in the list any more says nothing") {
        Bench bench(Bench::three(), {1, 7, "old-name:1", false});
        bench.primary(0, 1, 1000);
        bench.evaluate();
        CHECK(bench.primary_index() == 0);
    }
}

TEST_CASE("ClusterPolicy: a host of another system is refused") {
    Bench bench;
    bench.well();
    HostSample stranger = bench.sample(false, 9);
    stranger.system_identifier = 8;
    stranger.insert_lsn = Lsn{1};
    bench.policy.observe(2, stranger);
    bench.evaluate();
    CHECK(bench.primary_index() == 0);
    CHECK(bench.host(2).reason == HostReason::other_system);
    CHECK(bench.host(2).detail == "8 instead of 7");
    CHECK(bench.happened(Kind::alarm));
    CHECK(bench.policy.memory().timeline == 1);
    bench.policy.unfence(2);
    bench.evaluate();
    CHECK(bench.host(2).reason == HostReason::other_system);
}

TEST_CASE("ClusterPolicy: at the start the system that most hosts have is the cluster's") {
    Bench bench;
    HostSample stranger = bench.sample(false, 9);
    stranger.system_identifier = 8;
    bench.policy.observe(0, stranger);
    bench.primary(1, 1, 1000);
    bench.replica(2, 1, 1000);
    bench.evaluate();
    CHECK(bench.primary_index() == 1);
    CHECK(bench.host(0).reason == HostReason::other_system);
}

TEST_CASE("ClusterPolicy: memory that could not be read makes it believe a primary late") {
    ClusterMemory lost;
    lost.lost = true;
    SUBCASE("until every host has been heard") {
        Bench bench(Bench::three(), lost);
        bench.primary(0, 1, 1000);
        bench.replica(1, 1, 1000);
        bench.evaluate();
        CHECK(bench.primary_index() == -1);
        bench.primary(2, 2, 1000);
        bench.evaluate();
        CHECK(bench.primary_index() == 2);
        CHECK_FALSE(bench.policy.memory().lost);
    }
    SUBCASE("or a replica streams from it") {
        Bench bench(Bench::three(), lost);
        HostSample seen = bench.sample(false, 1);
        seen.downstreams.emplace();
        seen.downstreams->push_back({"b", "", true, SyncState::async, Lsn{1}});
        bench.policy.observe(0, seen);
        bench.evaluate();
        CHECK(bench.primary_index() == 0);
    }
    SUBCASE("or an operator says so") {
        Bench bench(Bench::three(), lost);
        bench.primary(0, 1, 1000);
        bench.policy.forget_timeline();
        bench.evaluate();
        CHECK(bench.primary_index() == 0);
    }
}

TEST_CASE("ClusterPolicy: a replica leaves at max_lag and comes back with hysteresis") {
    ClusterSettings settings = Bench::three();
    settings.max_lag = 1000ms;
    settings.lag_alert = 500ms;
    Bench bench(settings);
    bench.well();
    const auto run = [&](int rounds, std::uint64_t replayed) {
        for (int i = 0; i < rounds; ++i) {
            bench.now += 100ms;
            bench.primary(
                0, 1, 1000 + static_cast<std::uint64_t>((bench.now - SteadyTime(1h)) / 1ms)
            );
            bench.replica(1, 1, replayed);
            bench.evaluate();
        }
    };
    const auto primary_now = [&] {
        return 1000 + static_cast<std::uint64_t>((bench.now - SteadyTime(1h)) / 1ms);
    };
    run(5, 1000);
    CHECK_FALSE(bench.happened(Kind::lag_alert));
    run(1, 1000);
    CHECK(bench.happened(Kind::lag_alert));
    run(1, 1000);
    CHECK_FALSE(bench.happened(Kind::lag_alert));
    run(3, 1000);
    CHECK(bench.host(1).lag.time == 1000ms);
    CHECK(bench.host(1).state == HostState::healthy);
    run(1, 1000);
    CHECK(bench.host(1).state == HostState::lagging);
    CHECK(bench.host(1).reason == HostReason::lag_time);
    CHECK(bench.host(1).lag.bytes == 1100);
    // Just below the limit is not enough.
    run(1, primary_now() - 800);
    CHECK(bench.host(1).lag.time == 900ms);
    CHECK(bench.host(1).reason == HostReason::replay_behind);
    run(30, primary_now() - 800);
    CHECK(bench.host(1).state == HostState::lagging);
    // Well below, and for a while.
    for (int i = 0; i < 10; ++i)
        run(1, primary_now() + 50);
    CHECK(bench.host(1).state == HostState::lagging);
    run(1, primary_now() + 50);
    CHECK(bench.host(1).state == HostState::healthy);
    CHECK(bench.host(1).healthy_since == bench.now);
}

TEST_CASE("ClusterPolicy: lag in bytes; and no limit at all") {
    ClusterSettings settings = Bench::three();
    settings.max_lag = 0ms;
    settings.max_lag_bytes = 500;
    Bench bench(settings);
    bench.well();
    bench.now += 100ms;
    bench.primary(0, 1, 1501);
    bench.evaluate();
    CHECK(bench.host(1).reason == HostReason::lag_bytes);
    settings.max_lag_bytes = 0;
    bench.policy.configure(settings);
    bench.now += 3600s;
    bench.primary(0, 1, 1 << 30);
    bench.replica(1, 1, 1000);
    bench.evaluate();
    bench.evaluate(1s);
    CHECK(bench.host(1).state == HostState::healthy);
}

TEST_CASE("ClusterPolicy: replay that stands still while checks fail counts on the clock") {
    Bench bench;
    bench.well();
    for (int i = 0; i < 110; ++i) {
        bench.now += 100ms;
        bench.primary(0, 1, 1000 + static_cast<std::uint64_t>(i));
        bench.replica(2, 1, 1000 + static_cast<std::uint64_t>(i));
        bench.fail(1, i == 50 ? 1 : 0);
        bench.evaluate();
    }
    CHECK(bench.host(1).reason == HostReason::lag_time);
    CHECK(bench.host(2).state == HostState::healthy);
}

TEST_CASE("ClusterPolicy: hosts that RELOAD removes take nothing new, and new ones come behind") {
    Bench bench;
    bench.well();
    auto settings = bench.policy.settings();
    settings.hosts[1].removed = true;
    settings.hosts.push_back({.host = "d", .port = 1, .zone = {}});
    bench.policy.configure(settings);
    bench.evaluate();
    CHECK(bench.states() == "healthy draining healthy down");
    CHECK(bench.host(1).reason == HostReason::removed);
    bench.replica(3, 1, 1000);
    bench.evaluate();
    CHECK(bench.host(3).state == HostState::healthy);
    SUBCASE("it comes back as one that nobody has seen") {
        settings.hosts[1].removed = false;
        bench.policy.configure(settings);
        bench.evaluate();
        CHECK(bench.states() == "healthy down healthy healthy");
        bench.replica(1, 1, 1000);
        bench.evaluate();
        CHECK(bench.host(1).state == HostState::healthy);
    }
    SUBCASE("a primary that is removed is none, and another may follow it on its timeline") {
        settings.hosts[0].removed = true;
        bench.policy.configure(settings);
        bench.evaluate();
        CHECK(bench.primary_index() == -1);
        CHECK(bench.host(0).state == HostState::draining);
        CHECK(bench.happened(Kind::no_primary));
        bench.primary(2, 1, 2000);
        bench.evaluate();
        CHECK(bench.primary_index() == 2);
        // What is open there ends well, unless somebody was promoted.
        CHECK(bench.host(0).state == HostState::draining);
        bench.primary(3, 2, 3000);
        bench.evaluate();
        CHECK(bench.primary_index() == 3);
        CHECK(bench.host(0).reason == HostReason::old_timeline);
    }
}

TEST_CASE("ClusterPolicy: DRAIN, FENCE and SET WEIGHT") {
    Bench bench;
    bench.well();
    bench.policy.drain(1);
    bench.policy.set_weight(2, 5);
    bench.evaluate();
    CHECK(bench.host(1).state == HostState::draining);
    CHECK(bench.host(2).weight == 5);
    // A RELOAD that says nothing else leaves it, another weight does not.
    auto settings = bench.policy.settings();
    settings.hosts[2].weight = 100;
    bench.policy.configure(settings);
    CHECK(bench.policy.settings().hosts[2].weight == 5);
    settings.hosts[2].weight = 70;
    bench.policy.configure(settings);
    CHECK(bench.policy.settings().hosts[2].weight == 70);
    bench.policy.fence(1);
    bench.evaluate();
    CHECK(bench.host(1).reason == HostReason::operator_fenced);
    CHECK_FALSE(bench.happened(Kind::alarm));
    bench.policy.unfence(1);
    bench.policy.undrain(1);
    bench.evaluate();
    CHECK(bench.host(1).state == HostState::healthy);
    // A fenced primary is none; the promoted one takes over although it could not be ordered.
    bench.policy.fence(0);
    bench.evaluate();
    CHECK(bench.primary_index() == -1);
    CHECK(bench.host(0).role == HostRole::primary);
    bench.primary(1, 1, 2000);
    bench.evaluate();
    CHECK(bench.primary_index() == 1);
    bench.policy.unfence(0);
    bench.evaluate();
    CHECK(bench.primary_index() == 1);
    CHECK(bench.host(0).reason == HostReason::two_primaries);
}

TEST_CASE("ClusterPolicy: static roles: several primaries, and no rule about two of them") {
    ClusterSettings settings = Bench::three();
    settings.hosts[0].role = ConfiguredRole::primary;
    settings.hosts[1].role = ConfiguredRole::primary;
    settings.hosts[2].role = ConfiguredRole::replica;
    Bench bench(settings);
    for (std::size_t i = 0; i < 3; ++i) {
        HostSample answer;
        answer.started = answer.answered = bench.now;
        bench.policy.observe(i, answer);
    }
    bench.evaluate();
    CHECK(bench.policy.topology().primaries == std::vector<std::size_t>{0, 1});
    CHECK(bench.primary_index() == -1);
    CHECK(bench.states() == "healthy healthy healthy");
    CHECK_FALSE(bench.host(2).lag.time.has_value());
    // Where it speaks, and says the contrary, it is not believed.
    bench.replica(0, 1, 1);
    bench.primary(2, 1, 1);
    bench.evaluate();
    CHECK(bench.host(0).reason == HostReason::role_mismatch);
    CHECK(bench.host(2).reason == HostReason::role_mismatch);
    CHECK(bench.policy.topology().primaries == std::vector<std::size_t>{1});
    bench.fail(1, 3);
    bench.evaluate(1s);
    CHECK(bench.policy.topology().primaries.empty());
    CHECK(bench.happened(Kind::no_primary));
}

TEST_CASE("ClusterPolicy: a server that tells its role only (Aurora)") {
    Bench bench;
    const auto answer = [&](std::size_t host, bool in_recovery) {
        HostSample seen;
        seen.started = seen.answered = bench.now;
        seen.knowledge = Knowledge::role;
        seen.in_recovery = in_recovery;
        bench.policy.observe(host, seen);
    };
    answer(0, false);
    answer(1, true);
    bench.evaluate();
    CHECK(bench.primary_index() == 0);
    CHECK(bench.host(1).state == HostState::healthy);
    CHECK_FALSE(bench.host(1).lag.bytes.has_value());
    // Failover: the writer and a reader change places, one after the other.
    answer(0, true);
    bench.evaluate();
    CHECK(bench.primary_index() == -1);
    answer(1, false);
    bench.evaluate();
    CHECK(bench.primary_index() == 1);
}

TEST_CASE("ClusterPolicy: a standby cluster's leader is what its replicas are compared with") {
    ClusterSettings settings = Bench::three();
    for (ClusterHost& host : settings.hosts)
        host.role = ConfiguredRole::replica;
    settings.max_lag_bytes = 100;
    Bench bench(settings);
    HostSample leader = bench.sample(true, 1);
    leader.replay_lsn = leader.receive_lsn = Lsn{1000};
    leader.upstream_end = Lsn{1050};
    bench.policy.observe(0, leader);
    bench.replica(1, 1, 1000);
    bench.replica(2, 1, 900);
    bench.evaluate();
    CHECK(bench.host(0).state == HostState::lagging);  // behind all that is remembered: not known
    bench.now += 100ms;
    leader.started = bench.now;
    leader.replay_lsn = Lsn{1050};
    bench.policy.observe(0, leader);
    bench.replica(1, 1, 1050);
    bench.replica(2, 1, 900);
    bench.evaluate();
    CHECK(bench.states() == "healthy healthy lagging");
    CHECK(bench.host(2).lag.bytes == 150);
    CHECK(bench.policy.topology().primaries.empty());
}

TEST_CASE("ClusterPolicy: sync_state is the one of the row with the replica's name") {
    Bench bench;
    HostSample seen = bench.sample(false, 1);
    seen.insert_lsn = Lsn{1000};
    seen.downstreams.emplace();
    seen.downstreams->push_back({"one", "10.0.0.1", true, SyncState::sync, Lsn{1}});
    seen.downstreams->push_back({"walreceiver", "x", true, SyncState::async, Lsn{1}});
    seen.downstreams->push_back({"walreceiver", "c", true, SyncState::potential, Lsn{1}});
    bench.policy.observe(0, seen);
    for (const std::size_t host : {1, 2}) {
        HostSample replica = bench.sample(true, 1);
        replica.replay_lsn = Lsn{1000};
        replica.name_upstream = host == 1 ? "one" : "walreceiver";
        bench.policy.observe(host, replica);
    }
    bench.evaluate();
    CHECK(bench.host(0).downstreams == 3);
    CHECK(bench.host(1).sync_state == SyncState::sync);
    CHECK(bench.host(2).sync_state == SyncState::potential);
    // A brief check leaves it as it was.
    HostSample brief = bench.sample(false, 1);
    brief.brief = true;
    brief.system_identifier = 0;
    brief.insert_lsn = Lsn{1001};
    bench.policy.observe(0, brief);
    bench.evaluate();
    CHECK(bench.host(1).sync_state == SyncState::sync);
    CHECK(bench.host(0).system_identifier == 7);
}

TEST_CASE("ClusterPolicy: after pg_switch_wal on an idle primary nobody lags") {
    Bench bench;
    bench.well();
    bench.now += 100ms;
    bench.primary(0, 1, 0x4000028);
    bench.replica(1, 1, 0x4000000);
    bench.replica(2, 1, 0x4000000);
    bench.evaluate();
    for (int i = 0; i < 50; ++i) {
        bench.now += 100ms;
        bench.primary(0, 1, 0x4000028);
        bench.replica(1, 1, 0x4000000);
        bench.evaluate();
    }
    CHECK(bench.host(1).lag == Lag{0, 0ms, false});
    CHECK(bench.host(1).state == HostState::healthy);
}
