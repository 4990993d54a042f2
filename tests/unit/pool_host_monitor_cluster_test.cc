// Monitors of a real primary and real streaming replicas: what they see, and how soon.
#include "pool/cluster_monitor.h"
#include "tests/support/replica.h"
#include "tests/unit/support/login_bench.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;
using Kind = pool::ClusterEvent::Kind;
using pool::HostState;

namespace {

constexpr int first_port = 27500;

Cluster& primary() {
    static Cluster cluster(options_for_replicas());
    return cluster;
}

class Watched : public Bench {
public:
    explicit Watched(std::vector<int> ports, const std::string& user = role_trust) {
        pool::ClusterSettings settings;
        settings.name = "app";
        settings.max_lag = 600ms;
        settings.return_after = 200ms;
        std::vector<pool::ServerTarget> targets;
        for (const int port : ports) {
            settings.hosts.push_back({.host = "127.0.0.1", .port = port, .zone = {}});
            pool::ServerTarget& target = targets.emplace_back();
            target.host = "127.0.0.1";
            target.port = port;
            target.database = "postgres";
            target.user = user;
            target.settings = std::make_shared<conf::Settings>();
        }
        pool::ClusterMonitor::Observer observer;
        observer.happened = [this](const pool::ClusterEvent& event) {
            events.push_back(event);
        };
        observer.remember = [this](const std::string&, const pool::ClusterMemory& now) {
            memory = now;
        };
        observer.published = [this](const pool::TopologyRef& now) {
            topology = now;
            if (awaited && now->primary() == awaited && taken_over == pool::SteadyTime()) {
                taken_over = pool::Clock::now();
            }
        };
        monitor = std::make_shared<pool::ClusterMonitor>(
            io, login, settings, memory, pool::MonitorOptions(), observer
        );
        monitor->configure_logins(targets, {});
        monitor->start();
    }

    ~Watched() {
        monitor->stop();
        run_until([this] { return monitor.use_count() == 1; }, 1s);
        run_until([] { return false; }, 50ms);
    }

    bool all_healthy() {
        return run_until([this] {
            return topology && topology->primary() &&
                   std::all_of(topology->hosts.begin(), topology->hosts.end(), [](auto& host) {
                       return host.may_read();
                   });
        });
    }

    bool reaches(std::size_t host, HostState state, std::chrono::milliseconds patience = 20s) {
        return run_until([&] { return topology->hosts[host].state == state; }, patience);
    }

    const pool::HostView& host(std::size_t index) const { return topology->hosts[index]; }

    void run_for(std::chrono::milliseconds time) {
        run_until([] { return false; }, time);
    }

    pool::ServerLogin login{threads};
    std::vector<pool::ClusterEvent> events;
    pool::ClusterMemory memory;
    pool::TopologyRef topology;
    std::optional<std::size_t> awaited;
    pool::SteadyTime taken_over{};
    std::shared_ptr<pool::ClusterMonitor> monitor;
};

void write_row() {
    // Else the WAL writer may take 200 ms before a replica gets anything.
    primary().admin().exec("set synchronous_commit = on");
    primary().admin().exec("create table if not exists marker (at timestamptz)");
    primary().admin().exec("insert into marker values (clock_timestamp())");
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

TEST_CASE("Monitor, PostgreSQL 15: roles, positions and lag, as an ordinary user") {
    Replica one(primary(), first_port, "one");
    Replica two(primary(), first_port + 1, "two");
    Watched watched({primary().port(), first_port, first_port + 1});
    REQUIRE(watched.all_healthy());
    CHECK(watched.topology->primary() == 0);
    CHECK(watched.topology->timeline == 1);
    CHECK(watched.host(0).role == pool::HostRole::primary);
    CHECK(watched.host(0).knowledge == pool::Knowledge::positions);
    CHECK(watched.host(0).system_identifier != 0);
    CHECK(watched.memory.system_identifier == watched.host(0).system_identifier);
    for (const std::size_t replica : {1, 2}) {
        CHECK(watched.host(replica).role == pool::HostRole::replica);
        CHECK(watched.host(replica).system_identifier == watched.host(0).system_identifier);
        CHECK(watched.host(replica).replay_lsn.known());
        CHECK(watched.run_until([&] {
            return watched.host(replica).receiving && watched.host(replica).lag.time.has_value();
        }));
    }

    // routing.md 3.1: on an idle primary the insert LSN stands behind a segment's header.
    primary().admin().exec("select pg_switch_wal()");
    CHECK(watched.run_until([&] { return (watched.host(0).insert_lsn.value & 0xffffff) == 0x28; }));
    // The primary may write something of its own (its running transactions) at any moment.
    CHECK(watched.run_until([&] {
        return watched.host(1).lag == pool::Lag{0, 0ms, false} &&
               watched.host(1).state == HostState::healthy;
    }));

    // A session that has written now reads on a replica soon after.
    write_row();
    pool::SessionToken session;
    session.wrote(pool::Clock::now());
    watched.monitor->request_sample();
    auto wait = std::make_unique<pool::ClusterMonitor::Wait>(watched.monitor);
    const auto started = pool::Clock::now();
    REQUIRE(watched.run_until([&] {
        return session.need(watched.monitor->samples()) &&
               pool::has_replayed(*watched.topology, 1, *session.need(watched.monitor->samples()));
    }));
    MESSAGE("readable on a replica after us: " << (pool::Clock::now() - started) / 1us);
    wait.reset();
    CHECK(one.admin().value("select count(*) from marker") != "0");

    SUBCASE("replay is paused: traffic leaves at max_lag, and returns") {
        one.admin().exec("select pg_wal_replay_pause()");
        write_row();
        REQUIRE(watched.reaches(1, HostState::lagging, 3s));
        CHECK(watched.host(1).reason == pool::HostReason::lag_time);
        CHECK(watched.host(1).lag.time >= 600ms);
        CHECK(watched.host(1).lag.time <= 900ms);
        CHECK(watched.host(1).lag.bytes > 0);
        CHECK(watched.host(2).state == HostState::healthy);
        CHECK(watched.host(1).replay_paused);
        one.admin().exec("select pg_wal_replay_resume()");
        REQUIRE(watched.reaches(1, HostState::healthy, 3s));
    }
    SUBCASE("the receiver is gone: the lag is not 0") {
        one.admin().exec("alter system set primary_conninfo = 'host=127.0.0.1 port=1'");
        one.admin().exec("select pg_reload_conf()");
        watched.run_until([&] { return !watched.host(1).receiving; });
        write_row();
        REQUIRE(watched.reaches(1, HostState::lagging, 3s));
        CHECK(watched.host(1).lag.bytes > 0);
        CHECK(watched.host(1).detail == "it receives nothing");
    }
    SUBCASE("a replica dies: the primary is not delayed, and it is told within a second") {
        one.stop(false);
        const auto died = pool::Clock::now();
        REQUIRE(watched.reaches(1, HostState::down, 3s));
        MESSAGE("down after ms: " << (pool::Clock::now() - died) / 1ms);
        watched.run_for(500ms);
        CHECK(watched.topology->primary() == 0);
        CHECK(watched.topology->made_at - watched.host(0).seen_at < 300ms);
        one.start();
        REQUIRE(watched.reaches(1, HostState::healthy));
    }
}

TEST_CASE("Monitor, PostgreSQL 15: pg_monitor sees more, and needs no other right") {
    primary().admin().exec("create role watcher login in role pg_monitor");
    primary().admin().exec("alter system set synchronous_standby_names = 'one'");
    primary().admin().exec("select pg_reload_conf()");
    Replica one(primary(), first_port, "one");
    Replica two(primary(), first_port + 1, "two");
    Watched watched({primary().port(), first_port, first_port + 1}, "watcher");
    REQUIRE(watched.all_healthy());
    watched.run_until([&] { return watched.host(1).sync_state == pool::SyncState::sync; }, 5s);
    CHECK(watched.host(0).downstreams == 2);
    CHECK(watched.host(1).sync_state == pool::SyncState::sync);
    CHECK(watched.host(2).sync_state == pool::SyncState::async);
    CHECK(watched.host(1).timeline == 1);
    CHECK(watched.host(1).upstream == "127.0.0.1:" + std::to_string(primary().port()));
    primary().admin().exec("alter system reset synchronous_standby_names");
    primary().admin().exec("select pg_reload_conf()");
}

TEST_CASE("Monitor, PostgreSQL 15: the lag in ms is the real delay of a row") {
    Replica slow(primary(), first_port, "slow", {"recovery_min_apply_delay = 700ms"});
    Watched watched({primary().port(), first_port});
    watched.run_until([&] { return watched.topology && watched.topology->primary() == 0; });
    Pg reader(slow.conninfo());
    std::vector<double> errors;
    const auto end = pool::Clock::now() + 6s;
    const auto measured_from = pool::Clock::now() + 2s;
    while (pool::Clock::now() < end) {
        write_row();
        watched.run_for(20ms);
        if (pool::Clock::now() < measured_from || !watched.host(1).lag.time) continue;
        const double real = std::stod(
            reader.value("select extract(epoch from clock_timestamp() - max(at)) from marker")
        );
        const auto told = static_cast<double>(watched.host(1).lag.time->count()) / 1000;
        errors.push_back(std::abs(told - real) / real);
    }
    REQUIRE(errors.size() > 20);
    MESSAGE("median error: " << median(errors));
    CHECK(median(errors) < 0.2);
}

TEST_CASE("Monitor, PostgreSQL 15: a promotion is followed, compared with a poller every 5 ms") {
    const char* const wanted = std::getenv("WEIR_PROMOTIONS");
    const int rounds = wanted != nullptr ? std::atoi(wanted) : 3;
    std::vector<double> behind;
    for (int round = 0; round < rounds; ++round) {
        Replica replica(primary(), first_port, "replica");
        Watched watched({primary().port(), first_port});
        REQUIRE(watched.all_healthy());
        // A check has just ended: begin anywhere between two.
        watched.run_for(std::chrono::milliseconds(round * 37 % 100));
        watched.awaited = 1;
        std::atomic<bool> promoted{false};
        pool::SteadyTime recovery_ended{};
        std::thread poller([&] {
            Pg own(replica.conninfo());
            while (own.value("select pg_is_in_recovery()") == "t")
                std::this_thread::sleep_for(5ms);
            recovery_ended = pool::Clock::now();
            promoted = true;
        });
        replica.promote();
        const bool seen =
            watched.run_until([&] { return promoted && watched.taken_over != pool::SteadyTime(); });
        poller.join();
        REQUIRE(seen);
        behind.push_back(
            std::chrono::duration<double, std::milli>(watched.taken_over - recovery_ended).count()
        );
        // The old primary still answers, and gets nothing any more.
        CHECK(watched.topology->hosts[0].state == HostState::fenced);
        CHECK(watched.topology->hosts[0].reason == pool::HostReason::old_timeline);
        CHECK(watched.memory.timeline == 2);
    }
    std::string all;
    for (const double each : behind)
        all += " " + std::to_string(each);
    MESSAGE("ms after the poller:" << all << ", median " << median(behind));
    CHECK(median(behind) < 200);
}
