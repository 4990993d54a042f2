// CancelRequest: the right query, on the right server, and nobody else's.
#include "tests/integration/fixture.h"

#include <memory>
#include <set>
#include <vector>

using namespace weir::test;

namespace {

void send_cancel(const Fixture& fixture, std::uint32_t pid, const std::string& key) {
    RawClient canceler = RawClient::tcp(fixture.proxy.port());
    canceler.send(cancel_request(pid, key));
    // PostgreSQL answers with the end of the connection.
    CHECK(canceler.receive_to_end().empty());
}

void wait_for_running(const Fixture& fixture, const std::string& text, int count = 1) {
    wait_until(text + " runs", [&] {
        return fixture.database.backends("state = 'active' and query like '%" + text + "%'") ==
               count;
    });
}

}  // namespace

TEST_CASE("a running query is cancelled with 57014, and the client lives") {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    for (int i = 0; i < 3; ++i) {
        client.send("select pg_sleep(60)");
        wait_for_running(fixture, "pg_sleep");
        client.cancel();
        CHECK(client.finish().sqlstate() == "57014");
        CHECK(client.value("select 1") == "1");
    }
    CHECK(fixture.database.backends() <= 1);
}

TEST_CASE("a waiting client gets 57014 and lives" * ours_only()) {
    const Fixture fixture{1};
    Pg holder = fixture.connect();
    holder.exec("begin");
    holder.exec("select 'holds the server'");  // BEGIN alone does not
    Pg waiter = fixture.connect();
    waiter.send("select 'never run'");
    sleep_ms(100);
    waiter.cancel();
    CHECK(waiter.finish().sqlstate() == "57014");
    holder.exec("commit");
    CHECK(waiter.value("select 'lives'") == "lives");
}

TEST_CASE("a cancelled waiter does not lose another waiter's place" * ours_only()) {
    const Fixture fixture{1};
    Pg holder = fixture.connect();
    holder.exec("begin");
    holder.exec("select 'holds the server'");  // BEGIN alone does not
    Pg first_waiter = fixture.connect();
    first_waiter.send("select 1");
    sleep_ms(50);
    Pg second_waiter = fixture.connect();
    second_waiter.send("select 2");
    sleep_ms(50);
    first_waiter.cancel();
    CHECK(first_waiter.finish().sqlstate() == "57014");
    holder.exec("commit");
    CHECK(second_waiter.finish().value() == "2");
}

TEST_CASE("a late cancel hits nobody") {
    const Fixture fixture{1};
    Pg late = fixture.connect();
    late.exec("select 1");
    Pg other = fixture.connect();
    other.send("select 'undisturbed' from pg_sleep(0.5)");
    wait_for_running(fixture, "undisturbed");
    for (int i = 0; i < 5; ++i)
        late.cancel();
    CHECK(other.finish().value() == "undisturbed");
    CHECK(late.value("select 1") == "1");
}

TEST_CASE("a cancel of an idle client in a transaction hits nobody") {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    client.exec("begin");
    client.exec("select 1");
    client.cancel();
    sleep_ms(100);
    CHECK(client.value("select 2") == "2");
    CHECK(client.transaction_status() == 'T');
    client.exec("commit");
}

TEST_CASE("a wrong key cancels nothing") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.send(query("select 'done' from pg_sleep(0.5)"));
    wait_for_running(fixture, "pg_sleep");
    std::string wrong = client.key_secret();
    wrong.back() = static_cast<char>(wrong.back() ^ 1);
    send_cancel(fixture, client.key_pid(), wrong);
    send_cancel(fixture, client.key_pid() + 1, client.key_secret());
    send_cancel(fixture, 0, std::string(4, '\0'));
    CHECK(first_value(client.receive_until('Z')) == "done");
}

TEST_CASE("keys are not to be guessed") {
    const Fixture fixture{1};
    std::set<std::string> keys;
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(std::make_unique<RawClient>(fixture.raw()));
        keys.insert(clients.back()->key_secret());
    }
    CHECK(keys.size() == 20);
}

TEST_CASE("cancels do not queue behind the pool") {
    const Fixture fixture{3};
    std::vector<std::unique_ptr<Pg>> clients;
    for (int i = 0; i < 3; ++i) {
        clients.push_back(std::make_unique<Pg>(fixture.proxy.conninfo()));
        clients.back()->send("select pg_sleep(60)");
    }
    Pg waiter = fixture.connect();
    waiter.send("select 'served'");
    wait_for_running(fixture, "pg_sleep", 3);
    for (const auto& client : clients)
        client->cancel();
    for (const auto& client : clients)
        CHECK(client->finish().sqlstate() == "57014");
    CHECK(waiter.finish().value() == "served");
}

TEST_CASE(
    "cancel over the Unix socket, by a peer that does not wait for the answer" * ours_only()
) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.send(query("select pg_sleep(60)"));
    wait_for_running(fixture, "pg_sleep");
    for (int i = 0; i < 20; ++i) {
        RawClient impatient = RawClient::unix_socket(fixture.proxy.socket_path());
        impatient.send(cancel_request(client.key_pid(), client.key_secret()));
        impatient.close();
    }
    CHECK(first(client.receive_until('Z'), 'E').sqlstate() == "57014");
    Pg next = fixture.connect();
    for (int i = 0; i < 10; ++i)
        CHECK(next.value("select 1") == "1");
}

TEST_CASE("two hundred cancels do not exhaust anything") {
    Fixture fixture{2};
    RawClient client = fixture.raw();
    client.simple("select 1");
    const int descriptors = open_descriptors(fixture.proxy.pid());
    for (int i = 0; i < 200; ++i)
        send_cancel(fixture, client.key_pid(), client.key_secret());
    CHECK(first_value(client.simple("select 1")) == "1");
    wait_until("the descriptors are back", [&] {
        return open_descriptors(fixture.proxy.pid()) <= descriptors + 2;
    });
    CHECK(fixture.database.backends() <= 2);
}

TEST_CASE("a cancel race never hits the next user of the server") {
    const Fixture fixture{1};
    Pg victim = fixture.connect();
    Pg next = fixture.connect();
    for (int i = 0; i < 60; ++i) {
        victim.send("select pg_sleep(0.002)");
        next.send("select 'mine' from pg_sleep(0.002)");
        victim.cancel();
        victim.finish();
        const Result result = next.finish();
        CAPTURE(i);
        REQUIRE(result.good());
        REQUIRE(result.value() == "mine");
    }
}

TEST_CASE("a cancelled COPY and a cancelled pipeline stay in step") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.send(query(
        "copy (select repeat('x', 9000), pg_sleep(0.01) from generate_series(1, 6000)) to stdout"
    ));
    client.receive_until('H');
    send_cancel(fixture, client.key_pid(), client.key_secret());
    CHECK(first(client.receive_until('Z'), 'E').sqlstate() == "57014");
    client.send(
        extended("select pg_sleep(60)") + extended("select 'skipped'") + sync_message() +
        extended("select 'next'") + sync_message()
    );
    wait_for_running(fixture, "pg_sleep");
    send_cancel(fixture, client.key_pid(), client.key_secret());
    CHECK(first(client.receive_until('Z'), 'E').sqlstate() == "57014");
    CHECK(first_value(client.receive_until('Z')) == "next");
}
