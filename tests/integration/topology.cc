// The hosts of a cluster as operators and drivers meet them: RELOAD with others, weights, fences,
// lag alerts, what the primary serves, libpq's target_session_attrs.
#include "tests/integration/routed.h"

#include <set>

using namespace weir::test;
using namespace std::chrono_literals;

namespace {

constexpr int first_port = 4;

std::string port_text(const Cluster& cluster) {
    return std::to_string(cluster.port());
}

std::string port_text(const Replica& replica) {
    return std::to_string(replica.port());
}

// Where a few reads of this connection run.
std::set<std::string> ports(Pg& pg, int reads = 20) {
    std::set<std::string> seen;
    for (int i = 0; i < reads; ++i)
        seen.insert(Routed::port(pg));
    return seen;
}

std::string state_of(Pg& console, int port) {
    const auto hosts = console.exec("show hosts");
    for (int row = 0; row < hosts.rows(); ++row) {
        if (hosts.value(row, 1) == Routed::address(port)) {
            return hosts.value(row, 3) + ": " + hosts.value(row, 4);
        }
    }
    return "";
}

// RELOAD of the section with these values.
void reload(Routed& world, const Section& values) {
    auto& section = world.proxy.config().databases[world.database.name()];
    for (const auto& [key, value] : values)
        section[key] = value;
    world.proxy.rewrite();
    world.proxy.console().exec("RELOAD");
}

std::string list(const std::vector<std::string>& ports) {
    std::string text;
    for (const auto& port : ports)
        text += (text.empty() ? "127.0.0.1:" : ", 127.0.0.1:") + port;
    return text;
}

}  // namespace

TEST_CASE("topology: hosts come and go by RELOAD, and what runs on them ends well" * ours_only()) {
    Routed world({}, {}, port_of(first_port));
    Pg pg = world.connect();
    Pg console = world.proxy.console();
    const auto primary = port_text(world.cluster);
    const auto one = port_text(world.one);
    const auto two = port_text(world.two);
    pg.exec("create table t (a int)");
    pg.exec("insert into t values (1)");
    wait_until("both replicas have it", [&] {
        pg.exec("select a from t");
        return ports(pg).size() == 2;
    });
    // A transaction that reads stands open on the replica that goes.
    Pg reading = world.connect();
    do {
        static_cast<void>(reading.try_exec("rollback"));
        reading.exec("begin read only");
        reading.exec("select a from t");
    } while (!contains(route(reading), ':' + one));
    reload(world, {{"hosts", list({primary, two})}});
    CHECK(ports(pg) == std::set<std::string>{two});
    CHECK(state_of(console, world.one.port()) == "draining: no longer configured");
    CHECK(reading.value("select a from t") == "1");
    CHECK(contains(route(reading), ':' + one));
    reading.exec("commit");
    CHECK(Routed::port(reading) == two);
    wait_until("its connections are gone", [&] {
        return state_of(console, world.one.port()).empty();
    });
    wait_until("the monitor's, too", [&] {
        const auto left = world.one.admin().value(
            "select count(*) from pg_stat_activity where datname = '" + world.database.name() + "'"
        );
        return left == "0";
    });
    // It comes back in another place of the list, and the other goes.
    reload(world, {{"hosts", list({one, primary})}});
    wait_until("it has reads again", [&] { return ports(pg, 5) == std::set<std::string>{one}; });
    // The primary goes while somebody writes, and there is none: what is open ends well.
    Pg writing = world.connect();
    writing.exec("begin");
    writing.exec("insert into t values (2)");
    reload(world, {{"hosts", list({one, two})}});
    writing.exec("insert into t values (3)");
    writing.exec("commit");
    writing.send("insert into t values (4)");
    holds_for(
        "a write waits for a primary", [&] { return !writing.answered(); }, 300ms
    );
    reload(world, {{"hosts", list({two, primary, one})}});
    CHECK(writing.finish(20s).good());
    CHECK(
        pg.value("/* pgweir: primary */ select string_agg(a::text, ',' order by a) from t") ==
        "1,2,3,4"
    );
    wait_until("all three are there", [&] { return ports(pg).size() == 2; });
    // A change of weight and of max_lag goes the same way.
    reload(world, {{"hosts", list({primary, one, two})}, {"primary_reads", "always"}});
    wait_until("the primary serves reads, too", [&] { return ports(pg).size() == 3; });
}

TEST_CASE(
    "topology: weights, fences, alerts, primary_reads and target_session_attrs" * ours_only()
) {
    Routed world({{"lag_alert", "300ms"}, {"max_lag", "3s"}}, {}, port_of(first_port));
    auto& databases = world.proxy.config().databases;
    auto reports = databases[world.database.name()];
    reports["dbname"] = world.database.name();
    reports["route"] = "replica";
    databases["reports"] = reports;
    reload(world, {});
    Pg console = world.proxy.console();
    Pg pg = world.connect();
    const auto primary = port_text(world.cluster);
    const auto one = port_text(world.one);
    const auto two = port_text(world.two);
    wait_until("the other section knows them, too", [&] {
        const auto hosts = console.exec("show hosts");
        int healthy = 0;
        for (int row = 0; row < hosts.rows(); ++row)
            healthy += hosts.value(row, 3) == "healthy" ? 1 : 0;
        return healthy == 6;
    });

    // libpq looks at in_hot_standby and default_transaction_read_only.
    const auto login = [&](const std::string& attrs, const std::string& database) {
        const auto failed =
            login_error(world.proxy.conninfo(role_trust, "target_session_attrs=" + attrs, database)
            );
        return failed ? std::string(failed->what()) : std::string();
    };
    for (const char* attrs : {"any", "primary", "read-write", "prefer-standby"}) {
        CAPTURE(attrs);
        CHECK(login(attrs, world.database.name()) == "");
    }
    for (const char* attrs : {"any", "standby", "read-only", "prefer-standby"}) {
        CAPTURE(attrs);
        CHECK(login(attrs, "reports") == "");
    }
    CHECK(contains(login("standby", world.database.name()), "not in hot standby mode"));
    CHECK(contains(login("read-only", world.database.name()), "not read-only"));
    CHECK(contains(login("primary", "reports"), "hot standby mode"));
    CHECK(contains(login("read-write", "reports"), "read-only"));

    // Without a weight it gets no reads.
    console.exec("SET WEIGHT " + Routed::address(world.one.port()) + " = 0");
    CHECK(ports(pg) == std::set<std::string>{two});
    console.exec("SET WEIGHT " + Routed::address(world.one.port()) + " = 100");
    wait_until("it has reads again", [&] { return ports(pg).size() == 2; });

    // The primary is fenced: nothing is written there.
    console.exec("FENCE " + Routed::address(world.cluster.port()));
    CHECK(state_of(console, world.cluster.port()) == "fenced: FENCE");
    Pg writer = world.connect();
    writer.send("create table t (a int)");
    holds_for(
        "a write waits", [&] { return !writer.answered(); }, 300ms
    );
    console.exec("UNFENCE " + Routed::address(world.cluster.port()));
    CHECK(writer.finish(20s).good());

    // One falls behind: an alert, then no reads; and back again.
    world.one.admin().exec("select pg_wal_replay_pause()");
    wait_until("it is told", [&] {
        writer.exec("insert into t values (1)");
        return contains(world.proxy.log(), ':' + one + " is behind by ");
    });
    wait_until("it is lagging", [&] {
        writer.exec("insert into t values (1)");
        return state_of(console, world.one.port()) == "lagging: lag above max_lag";
    });
    wait_until("the other one has what was written", [&] { return Routed::port(writer) == two; });
    for (int i = 0; i < 20; ++i)
        CHECK(Routed::port(pg) != one);
    // With no replica left.
    console.exec("DRAIN " + Routed::address(world.two.port()));
    CHECK(ports(pg) == std::set<std::string>{primary});
    CHECK(contains(route(pg), "primary, no healthy replica"));
    reload(world, {{"primary_reads", "never"}});
    // Its session hears of that a moment after RELOAD.
    wait_until("a read waits for a replica", [&] {
        pg.send("select 1");
        sleep_ms(300);
        if (!pg.answered()) return true;
        pg.finish();
        return false;
    });
    world.one.admin().exec("select pg_wal_replay_resume()");
    CHECK(pg.finish(20s).good());
    CHECK(Routed::port(pg) == one);
    CHECK(contains(world.proxy.log(), ':' + one + " has caught up"));
}
