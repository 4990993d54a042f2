// SHOW, RELOAD, RECONNECT, KILL, SHUTDOWN and their like while clients work. Columns,
// types and texts of SHOW are for proxy's own tests.
#include "tests/integration/console_table.h"
#include "tests/integration/fixture.h"

#include <chrono>
#include <csignal>

using namespace weir::test;

TEST_CASE("the console answers SHOW over the simple protocol") {
    const Fixture fixture{3};
    Pg client = fixture.connect("application_name=seen");
    client.exec("select 1");
    Pg console = fixture.proxy.console();
    const std::string name = fixture.database.name();
    CHECK(cell(console.exec("SHOW POOLS"), "database", name, "cl_active") == "1");
    CHECK(cell(console.exec("show pools;"), "database", name, "pool_mode") == "transaction");
    CHECK(cell(console.exec("SHOW DATABASES"), "name", name, "pool_size") == "3");
    CHECK(cell(console.exec("SHOW CLIENTS"), "application_name", "seen", "user") == role_trust);
    CHECK(cell(console.exec("SHOW SERVERS"), "database", name, "state") != "");
    CHECK(std::stoi(cell(console.exec("SHOW STATS"), "database", name, "total_xact_count")) >= 1);
    CHECK(cell(console.exec("SHOW CONFIG"), "key", "default_pool_size", "value") == "3");
    CHECK(cell(console.exec("SHOW LISTS"), "list", "databases", "items") != "");
    for (const char* what :
         {"STATS_TOTALS", "STATS_AVERAGES", "TOTALS", "USERS", "STATE", "VERSION"}) {
        if (proxy_is_pgbouncer() && std::string(what) == "STATE") continue;
        CAPTURE(what);
        CHECK(console.exec(std::string("SHOW ") + what).rows() >= 1);
    }
    CHECK(console.exec("SHOW POOLS").tag() == "SHOW");
    console.exec("SHOW HELP");
    CHECK_FALSE(console.take_notices().empty());
}

TEST_CASE(
    "SHOW counts what was done, and averages are those of the last stats_period" * ours_only()
) {
    const Fixture fixture{2, {{"stats_period", 1}}};
    const std::string name = fixture.database.name();
    Pg console = fixture.proxy.console();
    Pg client = fixture.connect();
    client.exec("select 1");
    const auto total = [&](const std::string& what) {
        return std::stoll(cell(console.exec("SHOW STATS"), "database", name, "total_" + what));
    };
    const auto transactions = total("xact_count");
    const auto queries = total("query_count");
    const auto transaction_time = total("xact_time");
    const auto query_time = total("query_time");
    const auto begun = std::chrono::steady_clock::now();
    client.exec("begin");
    sleep_ms(300);  // no server yet: no time of a transaction
    client.exec("select pg_sleep(0.2)");
    sleep_ms(300);  // idle in the transaction: of the transaction, not of a query
    client.exec("commit");
    const auto elapsed = std::chrono::duration_cast<std::chrono::microseconds>(
                             std::chrono::steady_clock::now() - begun
    )
                             .count();
    CHECK(total("xact_count") == transactions + 1);
    CHECK(total("query_count") == queries + 3);
    const auto in_transaction = total("xact_time") - transaction_time;
    CHECK(in_transaction >= 500'000);
    CHECK(in_transaction <= elapsed - 300'000);
    const auto in_queries = total("query_time") - query_time;
    CHECK(in_queries >= 200'000);
    CHECK(in_queries <= elapsed - 600'000);
    const auto average = [&] {
        const auto result = console.exec("SHOW STATS_AVERAGES");
        return std::stoll(cell(result, "database", name, "avg_query_count"));
    };
    wait_until("averages are there", [&] {
        for (int i = 0; i < 20; ++i)
            client.exec("select 1");
        return average() > 0;
    });
    wait_until("and end with the load", [&] { return average() == 0; });
}

TEST_CASE("SHOW tells no secrets" * ours_only()) {
    const Database database{Cluster::shared()};
    ProxyConfig config = Fixture::config(database, 2, {});
    config.databases["secretive"] = config.databases[database.name()];
    config.databases["secretive"]["user"] = std::string(role_trust);
    config.databases["secretive"]["password"] = std::string("hush-database");
    config.userlist.emplace_back("quiet", "hush-user");
    const Proxy proxy{config};
    Pg client{proxy.conninfo(role_trust, "", "secretive")};
    client.exec("select 1");
    Pg console = proxy.console();
    for (const char* topic :
         {"CLIENTS", "SERVERS", "POOLS", "DATABASES", "USERS", "CONFIG", "LISTS", "MEM"}) {
        CAPTURE(topic);
        const auto result = console.exec(std::string("SHOW ") + topic);
        REQUIRE(result.rows() > 0);
        for (int row = 0; row < result.rows(); ++row) {
            for (int i = 0; i < result.columns(); ++i) {
                CHECK(result.value(row, i).find("hush") == std::string::npos);
            }
        }
    }
    CHECK(proxy.log().find("hush") == std::string::npos);
}

TEST_CASE("errors on the console leave it usable") {
    const Fixture fixture;
    Pg console = fixture.proxy.console();
    for (const char* nonsense :
         {"nonsense", "SHOW NONSENSE", "PAUSE nowhere", "SET x", "KILL nowhere", "RESUME"}) {
        CAPTURE(nonsense);
        CHECK_FALSE(console.try_exec(nonsense).good());
        CHECK(console.exec("SHOW VERSION").rows() == 1);
    }
}

TEST_CASE("who is no admin is kept out, who may see only cannot act") {
    const Database database{Cluster::shared()};
    const Proxy proxy{Fixture::config(database, 2, {{"stats_users", role_scram}})};
    CHECK(login_error(proxy.conninfo(role_trust, "", "pgbouncer")));
    Pg watcher{proxy.conninfo(role_scram, "", "pgbouncer")};
    CHECK(watcher.exec("SHOW POOLS").rows() >= 1);
    for (const char* command :
         {"PAUSE", "RELOAD", "SHUTDOWN", "SET default_pool_size = 3", "RECONNECT"}) {
        CAPTURE(command);
        CHECK_FALSE(watcher.try_exec(command).good());
    }
    Pg client = proxy.connect();
    CHECK(client.value("select 1") == "1");
}

TEST_CASE("SHOW PINS says who keeps a server, and why" * ours_only()) {
    const Fixture fixture;
    Pg console = fixture.proxy.console();
    CHECK(console.exec("SHOW PINS").rows() == 0);
    Pg client = fixture.connect("application_name=keeper");
    client.exec("create temporary table kept (a int)");
    const Result pins = console.exec("SHOW PINS");
    REQUIRE(pins.rows() == 1);
    CHECK(pins.value(0, 5) == "keeper");
    CHECK(pins.value(0, 6) == "temporary object");
    CHECK(cell(pins, "application_name", "keeper", "detail") == "kept");
    CHECK(cell(pins, "application_name", "keeper", "statement") == "CREATE TABLE");
    CHECK(cell(pins, "application_name", "keeper", "state") == "idle");
    CHECK_FALSE(cell(pins, "application_name", "keeper", "since").empty());
    const Result servers = console.exec("SHOW SERVERS");
    const std::string server = cell(pins, "application_name", "keeper", "server_id");
    CHECK(cell(servers, "id", server, "ptr") == cell(pins, "application_name", "keeper", "link"));
    client.exec("begin");
    CHECK(
        cell(console.exec("SHOW PINS"), "application_name", "keeper", "state") ==
        "idle in transaction"
    );
    client.exec("commit");
    CHECK(cell(console.exec("SHOW PIN_COUNTS"), "reason", "temporary object", "begun") == "1");
    CHECK(cell(console.exec("SHOW PIN_COUNTS"), "reason", "temporary object", "left") == "0");
    client.drop();
    wait_until("the pin has ended", [&] {
        return cell(console.exec("SHOW PIN_COUNTS"), "reason", "temporary object", "left") == "1";
    });
    CHECK(console.exec("SHOW PINS").rows() == 0);
    const Result lending = console.exec("SHOW LENDING");
    const std::string name = fixture.database.name();
    CHECK(cell(lending, "database", name, "pinned") == "0");
    // CREATE TABLE; BEGIN and COMMIT.
    CHECK(cell(lending, "database", name, "pinned_xact_count") == "2");
    Pg seeder = fixture.connect();
    seeder.exec("select setseed(0.5)");
    seeder.drop();
    wait_until("its server is closed", [&] {
        return console.value(
                   "SELECT sum(closed) FROM close_counts WHERE reason = "
                   "'client left session state behind'"
               ) == "1";
    });
}

TEST_CASE("SHOW SETTINGS says what clients have set; custom values only if allowed" * ours_only()) {
    const Fixture fixture;
    Pg console = fixture.proxy.console();
    Pg client = fixture.connect("application_name=setter");
    Pg other = fixture.connect("application_name=other");
    client.exec("set work_mem = '77MB'");
    client.exec("set app.tenant = 'secret 4711'");
    other.exec("set datestyle = 'German'");
    const auto id = cell(console.exec("SHOW CLIENTS"), "application_name", "setter", "id");
    // PostgreSQL's own value is read back behind the answer to SET.
    wait_until("the values are known", [&] {
        return console.exec("SHOW SETTINGS " + id).rows() == 3;
    });
    const Result own = console.exec("SHOW SETTINGS " + id);
    CHECK(cell(own, "name", "work_mem", "setting") == "77MB");
    CHECK(cell(own, "name", "work_mem", "source") == "session");
    CHECK(cell(own, "name", "application_name", "source") == "startup");
    CHECK(cell(own, "name", "app.tenant", "setting") == "********");
    CHECK_THROWS(cell(own, "name", "DateStyle", "setting"));
    CHECK(cell(console.exec("SHOW SETTINGS"), "name", "DateStyle", "setting") == "German, DMY");
    CHECK(console.exec("SHOW SETTINGS 0").rows() == 0);
    CHECK(console.try_exec("SHOW POOLS " + id).sqlstate() == "08P01");
    console.exec("SET show_custom_settings = 1");
    CHECK(
        cell(console.exec("SHOW SETTINGS " + id), "name", "app.tenant", "setting") == "secret 4711"
    );
    client.exec("reset all");
    CHECK_THROWS(cell(console.exec("SHOW SETTINGS " + id), "name", "work_mem", "setting"));
}

TEST_CASE("the console speaks the extended protocol, described and binary" * ours_only()) {
    const Fixture fixture;
    RawClient console = RawClient::tcp(fixture.proxy.port());
    console.login("admin", "pgweir");
    const BackendMessages described =
        console.exchange(parse("s", "SHOW DATABASES") + describe_statement("s") + sync_message());
    CHECK(types(described) == "1tTZ");
    const std::string bind_binary =
        message('B', cstring("") + cstring("s") + int16(0) + int16(0) + int16(1) + int16(1));
    const BackendMessages rows = console.exchange(bind_binary + execute() + sync_message());
    CHECK(types(rows).starts_with("2D"));
    const auto names = first(described, 'T').column_names();
    const auto row = first(rows, 'D').row();
    REQUIRE(row.size() == names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == "pool_size") CHECK(row[i] == int32(5));
        if (names[i] == "name") CHECK(row[i] == fixture.database.name());
    }
}

TEST_CASE("DISABLE refuses new clients and serves those it has; ENABLE ends it") {
    const Fixture fixture{2};
    const std::string name = fixture.database.name();
    Pg client = fixture.connect();
    Pg console = fixture.proxy.console();
    console.exec("DISABLE " + name);
    const auto error = login_error(fixture.proxy.conninfo());
    REQUIRE(error);
    CHECK(std::string(error->what()).find("disabled") != std::string::npos);
    CHECK(client.value("select 1") == "1");
    console.exec("ENABLE " + name);
    CHECK_FALSE(login_error(fixture.proxy.conninfo()));
}

TEST_CASE("RECONNECT gives new servers at the next transaction") {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    const int pid = backend_pid(client);
    Pg console = fixture.proxy.console();
    console.exec("RECONNECT " + fixture.database.name());
    CHECK(console.exec("WAIT_CLOSE " + fixture.database.name()).good());
    CHECK(backend_pid(client) != pid);
}

TEST_CASE("KILL ends clients and servers of a database and leaves it paused") {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("begin");
    client.exec("select 1");
    Pg console = fixture.proxy.console();
    CHECK(console.exec("KILL " + fixture.database.name()).tag() == "KILL");
    CHECK_FALSE(client.try_exec("select 1").good());
    wait_until("its servers are gone", [&] { return fixture.database.backends() == 0; });
    console.exec("RESUME " + fixture.database.name());
    Pg next = fixture.connect();
    CHECK(next.value("select 1") == "1");
}

TEST_CASE("KILL_CLIENT ends one client" * ours_only()) {
    const Fixture fixture{2};
    Pg victim = fixture.connect("application_name=victim");
    Pg other = fixture.connect("application_name=other");
    Pg console = fixture.proxy.console();
    const std::string id = cell(console.exec("SHOW CLIENTS"), "application_name", "victim", "id");
    CHECK(console.exec("KILL_CLIENT " + id).tag() == "KILL_CLIENT");
    CHECK_FALSE(victim.try_exec("select 1").good());
    CHECK(other.value("select 1") == "1");
    CHECK_FALSE(console.try_exec("KILL_CLIENT 999999").good());
}

TEST_CASE("SET acts at once, for what can be changed") {
    const Fixture fixture{1};
    Pg console = fixture.proxy.console();
    console.exec("SET default_pool_size = 3");
    CHECK(cell(console.exec("SHOW CONFIG"), "key", "default_pool_size", "value") == "3");
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    one.exec("begin");
    one.exec("select 1");
    CHECK(two.value("select 1") == "1");
    one.exec("commit");
    CHECK_FALSE(console.try_exec("SET no_such_setting = 3").good());
}

TEST_CASE("RELOAD and SIGHUP: a new pool size counts at once, a bad file changes nothing") {
    Fixture fixture{1};
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    one.exec("begin");
    one.exec("select 1");
    two.send("select 'waiting'");
    holds_for(
        "it waits", [&] { return !two.answered(); }, std::chrono::milliseconds(100)
    );
    fixture.proxy.config().settings["default_pool_size"] = 2;
    fixture.proxy.reload();
    CHECK(two.finish().value() == "waiting");
    if (!proxy_is_pgbouncer()) {
        fixture.proxy.rewrite("[pgweir]\nno_such_setting = 1\n");
        Pg console = fixture.proxy.console();
        CHECK(console.try_exec("RELOAD").sqlstate() == "F0000");
        CHECK(cell(console.exec("SHOW CONFIG"), "key", "default_pool_size", "value") == "2");
    }
    CHECK(one.value("select 'undisturbed'") == "undisturbed");
    one.exec("commit");
}

TEST_CASE("RELOAD: a new database is there, one that was removed is gone") {
    Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("select 1");
    auto& databases = fixture.proxy.config().databases;
    databases["added"] = databases[fixture.database.name()];
    Pg console = fixture.proxy.console();
    fixture.proxy.rewrite();
    console.exec("RELOAD");
    Pg added{fixture.proxy.conninfo(role_trust, "", "added")};
    CHECK(added.value("select 1") == "1");
    CHECK(client.value("select 1") == "1");
    databases.erase("added");
    fixture.proxy.rewrite();
    console.exec("RELOAD");
    wait_until("it is gone", [&] {
        return login_error(fixture.proxy.conninfo(role_trust, "", "added")).has_value();
    });
    CHECK(client.value("select 1") == "1");
}

TEST_CASE("SHUTDOWN ends with exit code 0") {
    Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("select 1");
    Pg console = fixture.proxy.console();
    console.try_exec("SHUTDOWN");
    if (proxy_is_pgbouncer()) return;  // 1.18: exit code 1
    fixture.proxy.wait_for_good_end();
    CHECK_FALSE(client.try_exec("select 1").good());
}

TEST_CASE(
    "SHUTDOWN WAIT_FOR_SERVERS lets transactions end; WAIT_FOR_CLIENTS lets clients end" *
    ours_only()
) {
    SUBCASE("servers") {
        Fixture fixture{2};
        Pg client = fixture.connect();
        client.exec("begin");
        client.exec("select 1");
        Pg console = fixture.proxy.console();
        console.send("SHUTDOWN WAIT_FOR_SERVERS");
        sleep_ms(200);
        CHECK(client.exec("commit").tag() == "COMMIT");
        fixture.proxy.wait_for_good_end();
    }
    SUBCASE("clients") {
        Fixture fixture{2};
        auto client = std::make_unique<Pg>(fixture.proxy.conninfo());
        {
            Pg console = fixture.proxy.console();
            console.send("SHUTDOWN WAIT_FOR_CLIENTS");
            sleep_ms(200);
            CHECK(client->value("select 'still served'") == "still served");
            CHECK(login_error(fixture.proxy.conninfo()));
            client.reset();
        }
        fixture.proxy.wait_for_good_end();
    }
    SUBCASE("SIGINT is the first, SIGTERM the second") {
        Fixture fixture{2};
        Pg client = fixture.connect();
        client.exec("begin");
        client.exec("select 1");
        fixture.proxy.signal(SIGINT);
        sleep_ms(200);
        CHECK(client.exec("commit").tag() == "COMMIT");
        fixture.proxy.wait_for_good_end();
    }
}
