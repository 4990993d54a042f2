// Clients and servers that go away in the middle.
#include "tests/integration/fixture.h"

#include <csignal>

using namespace weir::test;

namespace {

// No transaction open and no lock held but by those who look.
bool all_quiet(const Database& database) {
    return database.backends("xact_start is not null or state = 'active'") == 0;
}

void wait_until_quiet(const Fixture& fixture) {
    wait_until("no transaction is left", [&] { return all_quiet(fixture.database); });
}

}  // namespace

TEST_CASE("a client that leaves mid-transaction: rolled back, no lock left, server kept") {
    const Fixture fixture{1};
    Pg setup = fixture.connect();
    setup.exec("create table t (a int); insert into t values (1)");
    const int pid = backend_pid(setup);
    RawClient client = fixture.raw();
    client.simple("begin; update t set a = 2; lock table t in access exclusive mode");
    SUBCASE("Terminate") {
        client.send(terminate_message());
    }
    SUBCASE("close") {
        client.close();
    }
    SUBCASE("RST") {
        client.reset();
    }
    SUBCASE("FIN") {
        client.half_close();
    }
    wait_until_quiet(fixture);
    CHECK(setup.value("select a from t") == "1");
    // PgBouncer closes such a server; ours is rolled back and goes on.
    if (!proxy_is_pgbouncer()) CHECK(backend_pid(setup) == pid);
}

TEST_CASE("a client that leaves in a failed transaction") {
    const Fixture fixture{1};
    {
        Pg client = fixture.connect();
        client.exec("begin");
        client.try_exec("select 1/0");
        client.drop();
    }
    Pg next = fixture.connect();
    CHECK(next.value("select 1") == "1");
    CHECK(next.transaction_status() == 'I');
}

TEST_CASE("a client that leaves while its query runs: the query is cancelled" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.send(query("select pg_sleep(600)"));
    wait_until("it runs", [&] {
        return fixture.database.backends("query like '%600%' and state = 'active'") == 1;
    });
    SUBCASE("close") {
        client.close();
    }
    SUBCASE("RST") {
        client.reset();
    }
    Pg next = fixture.connect();
    CHECK(next.value("select 'served'") == "served");
    wait_until_quiet(fixture);
    CHECK(fixture.database.backends() <= 1);
}

TEST_CASE("a client that leaves amid a large result") {
    const Fixture fixture{1};
    {
        RawClient client = fixture.raw();
        client.send(query("select repeat('x', 1000) from generate_series(1, 1000000)"));
        client.receive_bytes(100000);
        client.reset();
    }
    Pg next = fixture.connect();
    CHECK(next.value("select 'served'") == "served");
    wait_until_quiet(fixture);
}

TEST_CASE("a client that leaves mid COPY IN stores nothing") {
    const Fixture fixture{1};
    Pg next = fixture.connect();
    next.exec("create table t (a int)");
    {
        RawClient client = fixture.raw();
        client.send(query("copy t from stdin") + copy_data("1\n2\n"));
        client.receive_until('G');
        client.close();
    }
    CHECK(next.value("select count(*) from t") == "0");
    wait_until_quiet(fixture);
}

TEST_CASE("a client that leaves mid COPY OUT") {
    const Fixture fixture{1};
    {
        RawClient client = fixture.raw();
        client.send(query("copy (select generate_series(1, 10000000)) to stdout"));
        client.receive_bytes(100000);
        client.reset();
    }
    Pg next = fixture.connect();
    CHECK(next.value("select 'served'") == "served");
    wait_until_quiet(fixture);
}

TEST_CASE("a client that leaves while it waits") {
    const Fixture fixture{1};
    Pg holder = fixture.connect();
    holder.exec("begin");
    for (int i = 0; i < 10; ++i) {
        RawClient waiter = fixture.raw();
        waiter.send(query("select 'abandoned'"));
        if (i % 2 == 0) waiter.reset();
    }
    Pg next = fixture.connect();
    next.send("select 'served'");
    holder.exec("commit");
    CHECK(next.finish().value() == "served");
}

TEST_CASE("half a message and gone, at every cut") {
    Fixture fixture{1};
    const std::string bytes = extended("select 1") + sync_message();
    for (std::size_t cut = 1; cut < bytes.size(); cut += 3) {
        RawClient client = fixture.raw();
        client.send(std::string_view(bytes).substr(0, cut));
        client.close();
    }
    Pg next = fixture.connect();
    CHECK(next.value("select 1") == "1");
    wait_until_quiet(fixture);
    CHECK_FALSE(fixture.proxy.ended());
}

TEST_CASE("a half-closed socket still gets its answer") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.send(query("select 'answer' from pg_sleep(0.1)"));
    client.half_close();
    const BackendMessages messages = client.receive_messages_to_end();
    // Answer and close, or close: never a desynchronised connection.
    if (!messages.empty()) CHECK(first_value(messages) == "answer");
    Pg next = fixture.connect();
    CHECK(next.value("select 1") == "1");
}

TEST_CASE("an idle server that is terminated is not felt") {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("select 1");
    for (int i = 0; i < 5; ++i) {
        CHECK(fixture.database.terminate() >= 1);
        wait_until("it is gone", [&] { return fixture.database.backends() == 0; });
        // The proxy reads of its death in its own time.
        sleep_ms(50);
        CHECK(client.value("select 1") == "1");
    }
}

TEST_CASE("a server that is terminated mid-query: the client gets an error with a SQLSTATE") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.send(query("select pg_sleep(600)"));
    // Not what pgweir asks for itself before it: that is tried again on another server.
    wait_until("it runs", [&] {
        return fixture.database.backends("state = 'active' and query like '%pg_sleep%'") == 1;
    });
    fixture.database.terminate();
    const BackendMessages messages = client.receive_messages_to_end();
    const BackendMessage& error = first(messages, 'E');
    CHECK(error.sqlstate().size() == 5);
    if (!proxy_is_pgbouncer()) CHECK(error.sqlstate() == "57P01");
    Pg next = fixture.connect();
    CHECK(next.value("select 'served'") == "served");
}

TEST_CASE("a backend killed with -9: every client is told, and served again after recovery") {
    Cluster::Options options;
    options.max_connections = 30;
    Cluster cluster{options};
    const Database database{cluster};
    const Proxy proxy{[&] {
        ProxyConfig config = ProxyConfig::for_database(database, 3);
        config.settings["server_login_retry"] = 1;
        return config;
    }()};
    RawClient client = RawClient::tcp(proxy.port());
    client.login(role_trust, database.name());
    const int pid = std::stoi(first_value(client.simple("begin; select pg_backend_pid()")));
    client.send(query("select pg_sleep(600)"));
    wait_until("its query runs", [&] {
        return database.backends("state = 'active' and query like '%pg_sleep(600)%'") == 1;
    });
    ::kill(pid, SIGKILL);
    const BackendMessages messages = client.receive_messages_to_end();
    REQUIRE(!messages.empty());
    CHECK(first(messages, 'E').sqlstate().size() == 5);
    wait_until(
        "clients are served again",
        [&] {
            try {
                Pg next = proxy.connect();
                return next.value("select 'served'") == "served";
            } catch (const PgError&) {
                return false;
            }
        },
        std::chrono::seconds(30)
    );
    // The superuser's connection died as well.
    cluster.stop();
    cluster.start();
}

TEST_CASE("five hundred connections that come and go leave no descriptor behind") {
    Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("select 1");
    const int before = open_descriptors(fixture.proxy.pid());
    for (int i = 0; i < 500; ++i) {
        RawClient visitor = RawClient::tcp(fixture.proxy.port());
        if (i % 3 == 0) visitor.reset();
        if (i % 3 == 1) visitor.send(ssl_request());
    }
    wait_until("the descriptors are back", [&] {
        return open_descriptors(fixture.proxy.pid()) <= before + 2;
    });
    CHECK(client.value("select 1") == "1");
}

TEST_CASE("a PostgreSQL that is restarted is found again") {
    Cluster::Options options;
    options.max_connections = 30;
    Cluster cluster{options};
    const Database database{cluster};
    const Proxy proxy{Fixture::config(database, 2, {{"server_login_retry", 1}})};
    Pg client = proxy.connect();
    client.exec("select 1");
    cluster.stop();
    cluster.start();
    wait_until("clients are served again", [&] {
        try {
            Pg next = proxy.connect();
            return next.value("select 1") == "1";
        } catch (const PgError&) {
            return false;
        }
    });
}
