// The console as SQL, who waits and whose transactions are open, CANCEL, and SHOW PROBLEMS on
// injected incidents: the right cause comes first.
#include "tests/integration/console_table.h"
#include "tests/integration/fixture.h"

#include <algorithm>
#include <deque>
#include <optional>

using namespace weir::test;

namespace {

std::string first_problem(Pg& console) {
    const auto problems = console.exec("SHOW PROBLEMS");
    return problems.rows() == 0 ? "" : problems.value(0, 1);
}

void wait_for_problem(Pg& console, const std::string& cause) {
    wait_until("the first problem is " + cause, [&] { return first_problem(console) == cause; });
}

std::string client_id(Pg& console, const std::string& application) {
    return console.value("select id from clients where application_name = $1", {{application}});
}

// Clients that wait behind others, ended together.
struct Waiting {
    Waiting(const Proxy& proxy, int count, const std::string& sql) {
        for (int i = 0; i < count; ++i) {
            clients.push_back(proxy.connect());
            clients.back().send(sql);
        }
    }

    void finish() {
        for (auto& client : clients)
            client.finish();
        clients.clear();
    }

    std::deque<Pg> clients;
};

}  // namespace

TEST_CASE("every SHOW is a table for queries" * ours_only()) {
    const Fixture fixture{3};
    Pg client = fixture.connect("application_name=seen");
    client.exec("select 1");
    Pg console = fixture.proxy.console();
    const std::string name = fixture.database.name();
    const auto sums = console.exec(
        "SELECT database, sum(cl_active) AS clients, count(*) FROM pools GROUP BY 1 ORDER BY 1"
    );
    CHECK(sums.tag() == "SELECT " + std::to_string(sums.rows()));
    CHECK(cell(sums, "database", name, "clients") == "1");
    const auto shown =
        console.exec("SHOW CLIENTS WHERE application_name = 'seen' ORDER BY wait DESC LIMIT 10");
    REQUIRE(shown.rows() == 1);
    CHECK(shown.columns() == 21);
    CHECK(shown.tag() == "SHOW");
    CHECK(
        console.value("select count(*) from clients c join pools p on p.database = c.database"
                      " and p.user = c.user where c.application_name = 'seen'") == "1"
    );
    // The extended protocol, with parameters.
    CHECK(
        console.value(
            "select value from config where key = $1 limit $2", {{"default_pool_size"}, {"1"}}
        ) == "3"
    );
    console.prepare("p", "select count(*) from clients where wait > $1 and id <> all(array[1,2])");
    CHECK(console.exec_prepared("p", {{"100000"}}).value() == "0");
    // Each table can be asked.
    const auto tables = console.exec("select table_name from information_schema.tables order by 1");
    REQUIRE(tables.rows() > 20);
    for (int row = 0; row < tables.rows(); ++row) {
        CAPTURE(tables.value(row, 0));
        const auto show = console.exec("SHOW " + tables.value(row, 0));
        const auto query = console.exec("SELECT * FROM \"" + tables.value(row, 0) + '"');
        CHECK(show.columns() == query.columns());
    }
    // Several statements, errors with SQLSTATE and position, transactions.
    CHECK(console.exec("select 1; select 2;").value() == "2");
    CHECK(console.try_exec("select nope from pools").sqlstate() == "42703");
    CHECK(console.try_exec("select * from nope").sqlstate() == "42P01");
    CHECK(console.try_exec("select nope from pools").error().find("LINE 1") != std::string::npos);
    CHECK_FALSE(console.try_exec("pragma database_list").good());
    CHECK_FALSE(console.try_exec("select load_extension('x')").good());
    CHECK(console.exec("begin").tag() == "BEGIN");
    CHECK(console.transaction_status() == 'T');
    CHECK_FALSE(console.try_exec("select nope").good());
    CHECK(console.try_exec("show version").sqlstate() == "25P02");
    CHECK(console.exec("commit").tag() == "ROLLBACK");
    CHECK(console.transaction_status() == 'I');
    CHECK(
        console
            .try_exec("with recursive n(i) as (select 1 union all select i + 1 from n)"
                      " select count(*) from n")
            .sqlstate() == "57014"
    );
    CHECK(console.exec("SHOW VERSION").rows() == 1);
}

TEST_CASE("who may only see may ask, too, and end nothing" * ours_only()) {
    const Database database{Cluster::shared()};
    const Proxy proxy{Fixture::config(database, 2, {{"stats_users", role_scram}})};
    Pg watcher{proxy.conninfo(role_scram, "", "pgweir")};
    CHECK(watcher.value("select count(*) from databases where name = 'nope'") == "0");
    CHECK(watcher.exec("SHOW PROBLEMS").rows() == 0);
    for (const char* command : {"CANCEL CLIENT 1", "CANCEL IDLE_TX > 1s", "TRACE CLIENT 1"}) {
        CAPTURE(command);
        CHECK_FALSE(watcher.try_exec(command).good());
    }
}

TEST_CASE(
    "an idle transaction makes others wait, is seen, and ends without its client" * ours_only()
) {
    const Fixture fixture{1};
    Pg console = fixture.proxy.console();
    Pg owner{fixture.database.connect()};
    owner.exec("create table t (a int); grant all on t to public");
    Pg holder = fixture.connect("application_name=holder");
    holder.exec("begin");
    holder.exec("insert into t values (1)");
    Waiting waiting{fixture.proxy, 2, "select 1"};
    wait_until("two wait", [&] { return console.exec("SHOW WAITS").rows() == 2; });
    const auto waits = console.exec("SHOW WAITS");
    CHECK(cell(waits, "waits_for", "server connection", "limit") == "pool_size");
    CHECK(cell(waits, "waits_for", "server connection", "allowed") == "1");
    const auto open = console.exec("SHOW TRANSACTIONS");
    REQUIRE(open.rows() == 1);
    CHECK(cell(open, "application_name", "holder", "state") == "idle in transaction");
    CHECK(std::stoi(cell(open, "application_name", "holder", "server_pid")) > 0);
    wait_for_problem(console, "idle in transaction");
    const auto problems = console.exec("SHOW PROBLEMS");
    const auto next = cell(problems, "rank", "1", "next");
    CHECK(next == "CANCEL CLIENT " + client_id(console, "holder"));
    CHECK(console.exec(next).tag() == "CANCEL 1");
    waiting.finish();
    // The client lives, hears of it once, and nothing was committed.
    CHECK(holder.try_exec("insert into t values (2)").sqlstate() == "25P03");
    CHECK(holder.try_exec("select 1").sqlstate() == "25P02");
    CHECK(holder.exec("rollback").tag() == "ROLLBACK");
    CHECK(holder.value("select count(*) from t") == "0");
    CHECK(console.exec("SHOW PROBLEMS").rows() == 0);
    // By age; a transaction that is younger stays, and so does one that hangs on its server.
    holder.exec("begin");
    holder.exec("insert into t values (3)");
    CHECK(console.exec("CANCEL IDLE_TX > 5min;").tag() == "CANCEL 0");
    CHECK(console.exec("CANCEL IDLE_TX > 0s").tag() == "CANCEL 1");
    // COMMIT is never told to have been done.
    CHECK(holder.try_exec("commit").sqlstate() == "25P03");
    CHECK(holder.value("select count(*) from t") == "0");
    holder.exec("create temporary table kept (a int)");
    holder.exec("begin");
    holder.exec("insert into t values (4)");
    CHECK(console.exec("CANCEL IDLE_TX > 0s").tag() == "CANCEL 0");
    CHECK_FALSE(console.try_exec("CANCEL CLIENT " + client_id(console, "holder")).good());
    holder.exec("commit");
    CHECK(holder.value("select count(*) from t") == "1");
    CHECK_FALSE(console.try_exec("CANCEL CLIENT 999999").good());
    CHECK_FALSE(console.try_exec("CANCEL IDLE_TX > soon").good());
}

TEST_CASE("CANCEL CLIENT ends a running and a waiting query" * ours_only()) {
    const Fixture fixture{1};
    Pg console = fixture.proxy.console();
    Pg runs = fixture.connect("application_name=runs");
    Pg waits = fixture.connect("application_name=waits");
    runs.send("select pg_sleep(60)");
    wait_until("it runs", [&] {
        return console.value("select count(*) from pools where sv_active = 1") == "1";
    });
    waits.send("select 1");
    wait_until("it waits", [&] { return console.exec("SHOW WAITS").rows() == 1; });
    for (const std::string name : {"waits", "runs"}) {
        CAPTURE(name);
        CHECK(console.exec("CANCEL CLIENT " + client_id(console, name)).tag() == "CANCEL 1");
        auto& client = name == "runs" ? runs : waits;
        const auto failed = client.finish();
        CHECK(failed.sqlstate() == "57014");
    }
    CHECK(runs.value("select 1") == "1");
    CHECK(waits.value("select 1") == "1");
}

TEST_CASE("SHOW TRANSACTIONS BLOCKING names who is waited for" * ours_only()) {
    const Fixture fixture{3};
    Pg console = fixture.proxy.console();
    Pg holder = fixture.connect("application_name=holder");
    holder.exec("create table t (a int)");
    holder.exec("begin");
    holder.exec("lock table t");
    Pg waiter = fixture.connect("application_name=waiter");
    waiter.exec("begin");
    waiter.send("insert into t values (1)");
    const auto client = "(client " + client_id(console, "holder") + ")";
    wait_until("it waits for the holder", [&] {
        const auto shown = console.exec("SHOW TRANSACTIONS BLOCKING");
        return shown.rows() == 2 && cell(shown, "application_name", "holder", "blocked_by") == "" &&
               cell(shown, "application_name", "waiter", "blocked_by").find(client) !=
                   std::string::npos;
    });
    // Nobody is asked for nothing.
    const auto shown = console.exec("SHOW TRANSACTIONS");
    CHECK(cell(shown, "application_name", "waiter", "blocked_by") == "");
    CHECK_FALSE(console.try_exec("SHOW TRANSACTIONS blocked").good());
    holder.exec("commit");
    waiter.finish();
}

TEST_CASE("log_level: a component's lines, by SET" * ours_only()) {
    const Fixture fixture{1};
    Pg console = fixture.proxy.console();
    const auto pin = [&](const std::string& name) {
        Pg client = fixture.connect("application_name=" + name);
        client.exec("create temporary table " + name + " (a int)");
    };
    const auto logs = [&](const std::string& what) {
        return fixture.proxy.log().find(what) != std::string::npos;
    };
    pin("quiet");
    console.exec("SET log_level = 'pins=debug'");
    CHECK(console.value("select value from config where key = 'log_level'") == "pins=debug");
    pin("loud");
    wait_until("it is in the log", [&] { return logs("keeps its server"); });
    // Of no other component, and not of the time before.
    CHECK_FALSE(logs("new connection to server"));
    console.exec("SET log_level = 'pool=debug'");
    console.exec("RECONNECT");
    pin("again");
    wait_until("it is in the log", [&] { return logs("new connection to server"); });
    for (const char* wrong : {"'pool=loud'", "'lake=debug'"})
        CHECK_FALSE(console.try_exec(std::string("SET log_level = ") + wrong).good());
}

TEST_CASE("TRACE CLIENT shows a client's messages, and nothing of what is in them" * ours_only()) {
    const Fixture fixture{2};
    Pg console = fixture.proxy.console();
    Pg watcher = fixture.proxy.console();
    Pg other = fixture.connect();
    std::optional<Pg> client(fixture.connect("application_name=traced"));
    const auto trace = "TRACE CLIENT " + client_id(console, "traced");
    watcher.send(trace + " FOR 5min");
    // It cannot be told when it has begun; but nobody may trace the client twice then.
    wait_until("the trace has begun", [&] {
        Pg second = fixture.proxy.console();
        second.send(trace + " FOR 1ms");
        return second.finish().error().find("traced already") != std::string::npos;
    });
    const std::string sql = "select 'S3CRET' from generate_series(1, 1000)";
    client->exec(sql);
    other.exec(sql);
    client->prepare("p", "select $1::text");
    client->exec_prepared("p", {{"S3CRET"}});
    client.reset();
    const auto rows = watcher.finish();
    REQUIRE(rows.good());
    REQUIRE(rows.columns() == 7);
    std::vector<std::string> seen;
    for (int row = 0; row < rows.rows(); ++row) {
        seen.push_back(rows.value(row, 1) + ' ' + rows.value(row, 2) + ' ' + rows.value(row, 4));
        for (int column = 0; column < rows.columns(); ++column)
            CHECK(rows.value(row, column).find("S3CRET") == std::string::npos);
        const bool of_server = rows.value(row, 1).find("server") != std::string::npos;
        CHECK(rows.is_null(row, 6) != of_server);
    }
    const auto size = std::to_string(sql.size() + 6);
    REQUIRE(seen.size() > 10);
    CHECK(seen[0] == "client -> pgweir Query 1");
    CHECK(rows.value(0, 5) == size);
    CHECK(seen[1] == "pgweir -> server Query 1");
    const auto times = [&](const std::string& what) {
        return std::count(seen.begin(), seen.end(), what);
    };
    // Both ways, and once: the other client is not seen.
    int passed = 0;
    for (int row = 0; row < rows.rows(); ++row) {
        const bool is_row = rows.value(row, 2) == "DataRow";
        if (is_row && rows.value(row, 1) == "pgweir -> client") {
            passed += std::stoi(rows.value(row, 4));
        }
    }
    CHECK(passed == 1001);
    CHECK(times("client -> pgweir Query 1") == 1);
    CHECK(times("client -> pgweir Parse 1") == 1);
    // The client's, and those of pgweir itself.
    CHECK(times("pgweir -> server Parse 1") >= 1);
    CHECK(times("client -> pgweir Bind 1") == 1);
    CHECK(times("client -> pgweir Terminate 1") == 1);
    CHECK(times("pgweir -> client ReadyForQuery 1") == 3);
    // By both protocols; ended by its time, and by a cancel.
    Pg again = fixture.connect("application_name=again");
    const auto trace_again = "TRACE CLIENT " + client_id(console, "again");
    CHECK(console.exec(trace_again + " FOR 30ms ;", Parameters{}).tag() == "TRACE");
    watcher.send(trace_again);
    watcher.cancel();
    CHECK(watcher.finish().sqlstate() == "57014");
    wait_until("it is over", [&] { return console.try_exec(trace_again + " FOR 1ms").good(); });
    for (const char* wrong : {"999999", "1 FOR soon", "1 FOR 0s", "1 FOR 1h"})
        CHECK_FALSE(console.try_exec(std::string("TRACE CLIENT ") + wrong).good());
}

TEST_CASE(
    "SHOW PROBLEMS names a pool that is too small, a long transaction, a lock queue" * ours_only()
) {
    const Fixture fixture{3};
    Pg console = fixture.proxy.console();
    CHECK(first_problem(console) == "");
    {
        // Many short statements: nobody holds a server for long.
        Waiting crowd{fixture.proxy, 12, "select pg_sleep(0.3)"};
        wait_for_problem(console, "pool too small");
        CHECK(
            cell(console.exec("SHOW PROBLEMS"), "rank", "1", "next") == "SET default_pool_size = 6"
        );
        crowd.finish();
    }
    {
        Pg works = fixture.connect();
        works.exec("begin");
        works.send("select pg_sleep(3)");
        Pg second = fixture.connect();
        second.exec("begin");
        second.send("select pg_sleep(3)");
        Pg third = fixture.connect();
        third.exec("begin");
        third.send("select pg_sleep(3)");
        Waiting behind{fixture.proxy, 2, "select 1"};
        wait_for_problem(console, "long transaction");
        works.finish();
        second.finish();
        third.finish();
        works.exec("commit");
        second.exec("commit");
        third.exec("commit");
        behind.finish();
    }
    Pg owner{fixture.database.connect()};
    owner.exec("create table t (a int); insert into t values (1); grant all on t to public");
    Pg locks = fixture.connect("application_name=locks");
    locks.exec("begin");
    locks.exec("update t set a = 2");
    Waiting queue{fixture.proxy, 3, "update t set a = 3"};
    wait_for_problem(console, "lock queue");
    const auto problems = console.exec("SHOW PROBLEMS");
    CHECK(cell(problems, "rank", "1", "next") == "CANCEL CLIENT " + client_id(console, "locks"));
    locks.exec("commit");
    queue.finish();
}

TEST_CASE("SHOW PROBLEMS names a full server and a host that is down" * ours_only()) {
    Cluster::Options options;
    options.max_connections = 8;
    Cluster cluster{options};
    const Database database{cluster};
    const Proxy proxy{Fixture::config(database, 5, {{"server_login_retry", 1}})};
    Pg console = proxy.console();
    {
        std::deque<Pg> others;
        while (others.size() < 8) {
            try {
                others.push_back(Pg{cluster.conninfo(database.name(), role_trust)});
            } catch (const PgError&) {
                break;
            }
        }
        others.pop_back();
        Pg one = proxy.connect();
        one.exec("begin");
        one.exec("select 1");
        Waiting behind{proxy, 2, "select 1"};
        wait_for_problem(console, "max_connections reached");
        others.clear();
        one.exec("commit");
        behind.finish();
    }
    cluster.stop();
    Pg client = proxy.connect();
    client.send("select 1");
    wait_for_problem(console, "host down");
    cluster.start();
    client.finish();
}
