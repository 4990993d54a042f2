// Clients that keep a server beyond their transactions: how many may, for how long, what they are
// told. And lend_policy rotate, which shows what does not need the same server.
#include "tests/integration/console_table.h"
#include "tests/integration/fixture.h"

#include <set>
#include <vector>

using namespace weir::test;

namespace {

// Of Result::error(), which is the message with its detail and hint.
bool says(const Result& result, std::string_view text) {
    return result.error().find(text) != std::string::npos;
}

std::string lending(const Fixture& fixture, const std::string& column) {
    Pg console = fixture.proxy.console();
    return cell(console.exec("SHOW LENDING"), "database", fixture.database.name(), column);
}

}  // namespace

TEST_CASE(
    "max_pinned: one client more is refused, lives, and may when another has left" * ours_only()
) {
    const Fixture fixture{4, {{"max_pinned", 2}}};
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    Pg three = fixture.connect();
    one.exec("create temp table t (a int)");
    two.exec("select pg_advisory_lock(1)");
    const Result refused = three.try_exec("create temp table t (a int)");
    CHECK(refused.sqlstate() == "53400");
    CHECK(says(refused, "too many pinned connections"));
    CHECK(says(refused, "temporary object, t"));
    CHECK(says(refused, "max_pinned"));
    // By each way of asking, and nothing of it has run.
    CHECK(three.try_exec("create temp table t as select $1::int", {"1"}).sqlstate() == "53400");
    three.prepare("s", "create temp table t (a int)");
    CHECK(three.try_exec_prepared("s").sqlstate() == "53400");
    CHECK(three.value("select to_regclass('pg_temp.t') is null") == "t");
    CHECK(lending(fixture, "pinned") == "2");
    // Those who may, may more.
    one.exec("create temp table u (a int)");
    two.drop();
    wait_until("the pin has ended", [&] { return lending(fixture, "pinned") == "1"; });
    three.exec("create temp table t (a int)");
    three.exec("insert into t values (3)");
    CHECK(three.value("select a from t") == "3");
    CHECK(lending(fixture, "pinned") == "2");
    Pg console = fixture.proxy.console();
    CHECK(cell(console.exec("SHOW PIN_COUNTS"), "reason", "temporary object", "refused") == "3");
}

TEST_CASE("max_pinned: a transaction fails with the request, and is rolled back" * ours_only()) {
    const Fixture fixture{3, {{"max_pinned", 1}}};
    fixture.database.connect().exec("create table kept (a int); grant all on kept to public");
    Pg holder = fixture.connect();
    holder.exec("create temp table t (a int)");
    Pg client = fixture.connect();
    SUBCASE("that has a server") {
        client.exec("begin");
        client.exec("insert into kept values (1)");
        CHECK(client.try_exec("create temp table t (a int)").sqlstate() == "53400");
    }
    SUBCASE("that has none yet") {
        client.exec("begin");
        CHECK(client.try_exec("create temp table t (a int)").sqlstate() == "53400");
    }
    CHECK(client.transaction_status() == 'E');
    CHECK(client.try_exec("select 1").sqlstate() == "25P02");
    CHECK(client.exec("commit").tag() == "ROLLBACK");
    CHECK(client.transaction_status() == 'I');
    CHECK(client.value("select count(*) from kept") == "0");
    // A savepoint brings it back.
    client.exec("begin");
    client.exec("insert into kept values (2)");
    client.exec("savepoint s");
    CHECK(client.try_exec("create temp table t (a int)").sqlstate() == "53400");
    client.exec("rollback to s");
    client.exec("insert into kept values (3)");
    CHECK(client.exec("commit").tag() == "COMMIT");
    CHECK(client.value("select sum(a) from kept") == "5");
}

TEST_CASE(
    "max_pinned: in a pipeline the refusal stands behind what was asked before" * ours_only()
) {
    const Fixture fixture{3, {{"max_pinned", 1}}};
    Pg holder = fixture.connect();
    holder.exec("create temp table t (a int)");
    RawClient client = fixture.raw();
    const std::string pins = "create temp table t (a int)";
    const auto run = [](const std::string& sql) {
        return parse("", sql) + bind_message("", "") + execute();
    };
    const BackendMessages answer = client.exchange(
        run("select 1") + flush_message() + run(pins) + run("select 2") + sync_message()
    );
    CHECK(types(answer) == "12DCEZ");
    CHECK(first(answer, 'E').sqlstate() == "53400");
    CHECK(types(client.exchange(run("select 1") + sync_message())) == "12DCZ");
}

TEST_CASE("max_pinned of a database; changed while running" * ours_only()) {
    const Database database{Cluster::shared()};
    ProxyConfig config = Fixture::config(database, 4, {{"max_pinned", 1}});
    config.databases[database.name()]["max_pinned"] = 2;
    const Proxy proxy{config};
    std::vector<Pg> clients;
    for (int i = 0; i < 4; ++i)
        clients.push_back(proxy.connect());
    clients[0].exec("create temp table t (a int)");
    clients[1].exec("create temp table t (a int)");
    CHECK(clients[2].try_exec("create temp table t (a int)").sqlstate() == "53400");
    // A database's own setting stays what it is.
    proxy.console().exec("SET max_pinned = 3");
    CHECK(clients[2].try_exec("create temp table t (a int)").sqlstate() == "53400");
}

TEST_CASE(
    "pin_idle_timeout ends who keeps a server and does nothing, and nobody else" * ours_only()
) {
    const Fixture fixture{3, {{"pin_idle_timeout", 1.0}}};
    Pg idle = fixture.connect();
    Pg pinned = fixture.connect();
    Pg in_transaction = fixture.connect();
    idle.exec("select 1");
    in_transaction.exec("begin");
    in_transaction.exec("create temp table t (a int)");
    RawClient watched = fixture.raw();
    watched.exchange(query("select pg_advisory_lock(7)"));
    pinned.exec("create temp table t (a int)");
    const BackendMessages messages = watched.receive_messages_to_end();
    const auto& error = first(messages, 'E');
    CHECK(error.sqlstate() == "57P05");
    CHECK(error.error_field('S') == "FATAL");
    CHECK(error.error_field('M').find("pin_idle_timeout") != std::string::npos);
    CHECK(error.error_field('M').find("session advisory lock") != std::string::npos);
    CHECK(error.error_field('H').find("SHOW PINS") != std::string::npos);
    // The lock went with the server.
    Pg direct = fixture.database.connect();
    wait_until("the lock is free", [&] {
        return direct.value("select count(*) from pg_locks where locktype = 'advisory'") == "0";
    });
    wait_until("the other pin has ended", [&] { return lending(fixture, "pinned") == "1"; });
    CHECK_FALSE(pinned.try_exec("select 1").good());
    CHECK(idle.value("select 1") == "1");
    CHECK(in_transaction.value("select count(*) from t") == "0");
    in_transaction.exec("commit");
}

TEST_CASE("pin_notice tells a client that it keeps its server" * ours_only()) {
    const std::string text = "pgweir keeps this server connection for the session: ";
    SUBCASE("off") {
        const Fixture fixture;
        Pg client = fixture.connect();
        client.exec("create temp table t (a int)");
        CHECK(client.take_notices().empty());
    }
    SUBCASE("first") {
        const Fixture fixture{3, {{"pin_notice", "first"}}};
        Pg client = fixture.connect();
        client.exec("select 1");
        CHECK(client.take_notices().empty());
        client.exec("create temp table t (a int)");
        const auto notices = client.take_notices();
        REQUIRE(notices.size() == 1);
        CHECK(notices[0].find("NOTICE:  " + text + "temporary object") != std::string::npos);
        CHECK(notices[0].find("DETAIL:  t") != std::string::npos);
        client.exec("create temp table u (a int)");
        CHECK(client.take_notices().empty());
    }
    SUBCASE("always: each time it begins") {
        const Fixture fixture{3, {{"pin_notice", "always"}}};
        Pg client = fixture.connect();
        for (int i = 0; i < 2; ++i) {
            // PostgreSQL does not know it either, so the pin is lifted.
            CHECK(client.try_exec("selec 1").sqlstate() == "42601");
            const auto notices = client.take_notices();
            REQUIRE(notices.size() == 1);
            CHECK(notices[0].find(text + "unparsable text") != std::string::npos);
        }
    }
}

TEST_CASE("rotate: no transaction runs on the server of the one before" * ours_only()) {
    const Fixture fixture{2, {{"lend_policy", "rotate"}}};
    Pg client = fixture.connect();
    std::set<int> pids;
    int last = 0;
    for (int i = 0; i < 20; ++i) {
        const int pid = i % 2 == 0 ? backend_pid(client) : std::stoi(in_transaction_pid(client));
        if (i % 2 != 0) client.exec("commit");
        CAPTURE(i);
        CHECK(pid != last);
        last = pid;
        pids.insert(pid);
    }
    CHECK(pids.size() == 2);
    CHECK(lending(fixture, "repeats") == "0");
    // A pinned one keeps its server.
    client.exec("create temp table t (a int)");
    const int kept = backend_pid(client);
    CHECK(backend_pid(client) == kept);
    CHECK(backend_pid(client) == kept);
    // The other server is all that is left for others: they are not left waiting.
    Pg other = fixture.connect();
    CHECK(backend_pid(other) == backend_pid(other));
    CHECK(std::stoi(lending(fixture, "repeats")) >= 1);
}

TEST_CASE("rotate: a limit over all pools leaves nobody waiting" * ours_only()) {
    const Fixture fixture{5, {{"lend_policy", "rotate"}, {"max_db_connections", 1}}};
    Pg client = fixture.connect();
    for (int i = 0; i < 3; ++i)
        CHECK(client.value("select 1") == "1");
    CHECK(std::stoi(lending(fixture, "repeats")) >= 2);
}

TEST_CASE("rotate: many clients, few servers, all are served" * ours_only()) {
    const Fixture fixture{3, {{"lend_policy", "rotate"}}};
    fixture.database.connect().exec("create table done (a int); grant all on done to public");
    std::vector<Pg> clients;
    for (int i = 0; i < 12; ++i)
        clients.push_back(fixture.connect());
    for (int round = 0; round < 10; ++round) {
        for (auto& client : clients)
            client.send("insert into done values (1)");
        for (auto& client : clients)
            CHECK(client.finish().good());
    }
    CHECK(clients[0].value("select count(*) from done") == "120");
    CHECK(fixture.database.backends() <= 3);
}
