// Limits of the pools: exact, global over all workers, also in a storm; first come, first served.
#include "tests/integration/fixture.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <random>
#include <vector>

using namespace weir::test;

namespace {

using Clients = std::vector<std::unique_ptr<Pg>>;

Clients connect_many(const Fixture& fixture, int count, const std::string& user = role_trust) {
    Clients clients;
    for (int i = 0; i < count; ++i) {
        clients.push_back(std::make_unique<Pg>(fixture.proxy.conninfo(user)));
    }
    return clients;
}

int finish_all(Clients& clients, int limit, const Database& database) {
    int most = 0;
    for (auto& client : clients) {
        while (!client->answered()) {
            most = std::max(most, database.backends());
            if (most > limit) break;
        }
        CHECK(client->finish().good());
    }
    return std::max(most, database.backends());
}

}  // namespace

TEST_CASE("default_pool_size is never exceeded and fully used") {
    const Fixture fixture{4};
    Clients clients = connect_many(fixture, 20);
    for (auto& client : clients)
        client->send("select pg_sleep(0.05)");
    CHECK(finish_all(clients, 4, fixture.database) == 4);
}

TEST_CASE("pool_size of a database counts before default_pool_size") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database, 10);
    config.databases[database.name()]["pool_size"] = 2;
    const Proxy proxy{config};
    Clients clients;
    for (int i = 0; i < 8; ++i)
        clients.push_back(std::make_unique<Pg>(proxy.conninfo()));
    for (auto& client : clients)
        client->send("select pg_sleep(0.05)");
    CHECK(finish_all(clients, 2, database) == 2);
}

TEST_CASE("max_db_connections holds over all users; an idle server makes room") {
    const Fixture fixture{5, {{"max_db_connections", 3}}};
    Clients clients = connect_many(fixture, 5, role_trust);
    for (auto& client : clients)
        client->send("select pg_sleep(0.02)");
    CHECK(finish_all(clients, 3, fixture.database) == 3);
    // All three are app's and idle; another user is not shut out.
    Clients others = connect_many(fixture, 3, role_scram);
    for (auto& client : others)
        client->send("select pg_sleep(0.02)");
    CHECK(finish_all(others, 3, fixture.database) <= 3);
}

TEST_CASE("max_user_connections holds over all databases") {
    const Database one{Cluster::shared()};
    const Database two{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(one, 5);
    config.databases[two.name()] = ProxyConfig::for_database(two, 5).databases[two.name()];
    config.settings["max_user_connections"] = 3;
    const Proxy proxy{config};
    Clients clients;
    for (int i = 0; i < 10; ++i) {
        clients.push_back(std::make_unique<Pg>(
            proxy.conninfo(role_trust, "", i % 2 == 0 ? one.name() : two.name())
        ));
    }
    for (auto& client : clients)
        client->send("select pg_sleep(0.03)");
    // Both in one look: servers go from one database to the other meanwhile.
    Pg direct = one.connect();
    const std::string both = "select count(*) from pg_stat_activity where usename = '" +
                             std::string(role_trust) + "' and datname in ('" + one.name() + "', '" +
                             two.name() + "')";
    for (auto& client : clients) {
        while (!client->answered())
            REQUIRE(std::stoi(direct.value(both)) <= 3);
        CHECK(client->finish().good());
    }
}

TEST_CASE("max_client_conn: one more is refused, and let in when one has left") {
    const Fixture fixture{2, {{"max_client_conn", 5}}};
    Clients clients = connect_many(fixture, 5);
    const auto error = login_error(fixture.proxy.conninfo());
    REQUIRE(error);
    CHECK(std::string(error->what()).find("no more connections allowed") != std::string::npos);
    clients.pop_back();
    wait_until("there is room again", [&] { return !login_error(fixture.proxy.conninfo()); });
    for (auto& client : clients)
        CHECK(client->value("select 1") == "1");
}

TEST_CASE("the reserve pool opens after reserve_pool_timeout, and not before") {
    const Fixture fixture{1, {{"reserve_pool_size", 2}, {"reserve_pool_timeout", 1}}};
    Clients clients = connect_many(fixture, 3);
    clients[0]->exec("begin");
    clients[0]->exec("select 1");
    clients[1]->send("select pg_backend_pid()");
    holds_for(
        "no reserve yet",
        [&] { return fixture.database.backends() <= 1; },
        std::chrono::milliseconds(500)
    );
    CHECK(clients[1]->finish().good());
    CHECK(fixture.database.backends() == 2);
    clients[0]->exec("commit");
}

TEST_CASE("query_wait_timeout ends a wait, and the pool goes on") {
    const Fixture fixture{1, {{"query_wait_timeout", 1}}};
    Pg holder = fixture.connect();
    holder.exec("begin");
    holder.exec("select 1");
    RawClient waiter = fixture.raw();
    waiter.send(query("select 1"));
    const BackendMessages messages = waiter.receive_messages_to_end();
    CHECK(first(messages, 'E').error_field('M').find("query_wait_timeout") != std::string::npos);
    CHECK(first(messages, 'E').sqlstate().size() == 5);
    holder.exec("commit");
    Pg next = fixture.connect();
    CHECK(next.value("select 1") == "1");
}

TEST_CASE("first come, first served, across workers") {
    const Fixture fixture{1};
    fixture.database.connect().exec("create sequence turn; grant all on turn to public");
    Pg holder = fixture.connect();
    holder.exec("begin");
    holder.exec("select 1");
    Clients waiters = connect_many(fixture, 16);
    for (auto& waiter : waiters) {
        waiter->send("select nextval('turn')");
        // Far enough apart for the order of arrival to be the order of sending.
        sleep_ms(20 * patience());
    }
    holder.exec("commit");
    for (std::size_t i = 0; i < waiters.size(); ++i) {
        CAPTURE(i);
        CHECK(waiters[i]->finish().value() == std::to_string(i + 1));
    }
}

TEST_CASE("min_pool_size servers are there once somebody has come") {
    const Fixture fixture{5, {{"min_pool_size", 3}}};
    Pg client = fixture.connect();
    client.exec("select 1");
    wait_until("three servers", [&] { return fixture.database.backends() == 3; });
    holds_for(
        "and no more",
        [&] { return fixture.database.backends() <= 3; },
        std::chrono::milliseconds(300)
    );
}

TEST_CASE("server_idle_timeout closes what is idle") {
    const Fixture fixture{3, {{"server_idle_timeout", 1}}};
    Clients clients = connect_many(fixture, 3);
    for (auto& client : clients)
        client->send("select pg_sleep(0.05)");
    for (auto& client : clients)
        client->finish();
    CHECK(fixture.database.backends() >= 1);
    wait_until("the idle ones are gone", [&] { return fixture.database.backends() == 0; });
    CHECK(clients[0]->value("select 1") == "1");
}

TEST_CASE("server_lifetime closes what is old, between transactions") {
    const Fixture fixture{1, {{"server_lifetime", 1}}};
    Pg client = fixture.connect();
    const int pid = backend_pid(client);
    wait_until("a new server", [&] {
        sleep_ms(100);
        return backend_pid(client) != pid;
    });
}

TEST_CASE("a server at its max_connections: waiters go on with what there is" * ours_only()) {
    Cluster::Options options;
    options.max_connections = 8;
    options.settings = {"superuser_reserved_connections = 4"};
    Cluster cluster{options};
    const Database database{cluster};
    const Proxy proxy{Fixture::config(database, 10, {{"server_login_retry", 1}})};
    Clients clients;
    for (int i = 0; i < 20; ++i)
        clients.push_back(std::make_unique<Pg>(proxy.conninfo()));
    for (auto& client : clients)
        client->send("select pg_sleep(0.05)");
    for (auto& client : clients)
        CHECK(client->finish().good());
}

TEST_CASE("a storm of connects, cancels and kills: the limit holds exactly" * ours_only()) {
    Fixture fixture{5};
    Pg setup = fixture.connect();
    setup.exec("create table t (a int)");
    const TempDir logs{"storm"};
    const std::string conninfo = fixture.proxy.conninfo();
    write_file(logs / "script.sql", "select pg_sleep(0.002);\n");
    // Clients that come and go in a process of their own.
    ChildProcess load{
        CommandLine{
            .arguments =
                {pg_program("pgbench"),
                 "-n",
                 "-C",
                 "-c",
                 "20",
                 "-T",
                 "6",
                 "-f",
                 logs / "script.sql",
                 conninfo},
            .environment = {},
            .user = "",
        },
        logs / "load"};
    std::mt19937 random{42};
    const auto roll = [&](unsigned sides) {
        return static_cast<int>(random() % sides);
    };
    std::vector<std::unique_ptr<RawClient>> clients;
    int most = 0;
    while (!load.ended()) {
        most = std::max(most, fixture.database.backends());
        REQUIRE(most <= 5);
        if (clients.size() < 40) {
            auto client = std::make_unique<RawClient>(RawClient::tcp(fixture.proxy.port()));
            client->login(role_trust, fixture.database.name());
            client->send(
                query(roll(2) == 0 ? "begin; insert into t values (1)" : "select pg_sleep(0.05)")
            );
            clients.push_back(std::move(client));
        }
        const auto index = static_cast<std::size_t>(roll(static_cast<unsigned>(clients.size())));
        if (roll(3) == 0) {
            RawClient canceler = RawClient::tcp(fixture.proxy.port());
            canceler.send(cancel_request(clients[index]->key_pid(), clients[index]->key_secret()));
        } else {
            if (roll(2) == 0) clients[index]->reset();
            clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(index));
        }
    }
    clients.clear();
    CHECK(most >= 4);
    CHECK(load.wait().good());
    CAPTURE(load.output());
    wait_until("nothing is stuck", [&] {
        return fixture.database.backends("xact_start is not null") == 0;
    });
    CHECK(setup.value("select count(*) from t") == "0");
    CHECK_FALSE(fixture.proxy.ended());
}

TEST_CASE("a storm of killed servers: the limit holds, clients get SQLSTATEs") {
    Fixture fixture{4, {{"server_login_retry", 1}}};
    std::vector<std::unique_ptr<Pg>> clients;
    int killed = 0;
    int errors = 0;
    const Deadline end{std::chrono::seconds(4)};
    while (!end.passed()) {
        while (clients.size() < 12) {
            clients.push_back(std::make_unique<Pg>(fixture.proxy.conninfo()));
            clients.back()->send("select pg_sleep(0.01)");
        }
        REQUIRE(fixture.database.backends() <= 4);
        if (killed < 40) killed += fixture.database.terminate("pid % 2 = 0");
        for (auto& client : clients) {
            if (!client->answered()) continue;
            const Result result = client->finish();
            if (result.good()) {
                client->send("select pg_sleep(0.01)");
            } else {
                ++errors;
                CHECK_MESSAGE(result.sqlstate() == "57P01", result.error());
                client.reset();
            }
        }
        std::erase(clients, nullptr);
    }
    CHECK(killed > 0);
    for (auto& client : clients)
        client->finish();
    Pg next = fixture.connect();
    CHECK(next.value("select 'served'") == "served");
}
