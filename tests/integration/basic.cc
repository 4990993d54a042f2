// Connecting, the three pool modes, and queries that just work.
#include "tests/integration/fixture.h"

#include <csignal>
#include <set>

using namespace weir::test;

TEST_CASE("a client connects over TCP and its queries work") {
    const Fixture fixture;
    Pg client = fixture.connect();
    CHECK(client.value("select 40 + 2") == "42");
    CHECK(client.value("select $1::int * 2", {"21"}) == "42");
    CHECK(client.exec("select generate_series(1, 1000)").rows() == 1000);
    client.prepare("double", "select $1::int * 2");
    CHECK(client.exec_prepared("double", {"4"}).value() == "8");
    CHECK(client.exec("").status() == PGRES_EMPTY_QUERY);
}

TEST_CASE("a client connects over the Unix socket") {
    const Fixture fixture;
    Pg client{fixture.proxy.unix_conninfo()};
    CHECK(client.value("select current_user") == role_trust);
}

TEST_CASE("a client connects over IPv6") {
    const Fixture fixture{5, {{"listen_addr", "127.0.0.1,::1"}}};
    Pg client{fixture.proxy.conninfo(role_trust, "host=::1")};
    CHECK(client.value("select 1") == "1");
}

TEST_CASE("servers are reached over TCP and over Unix sockets") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database);
    config.databases[database.name()]["host"] = Cluster::shared().socket_dir();
    const Proxy over_unix{config};
    Pg client = over_unix.connect();
    CHECK(client.value("select inet_server_port() is null") == "t");

    const Proxy over_tcp{ProxyConfig::for_database(database)};
    Pg other = over_tcp.connect();
    CHECK(other.value("select inet_server_port() is null") == "f");
}

TEST_CASE("the welcome is a real server's") {
    const Fixture fixture;
    const Pg client = fixture.connect();
    Pg direct = fixture.database.connect();
    for (const char* name :
         {"server_version",
          "server_encoding",
          "client_encoding",
          "DateStyle",
          "TimeZone",
          "integer_datetimes",
          "standard_conforming_strings"}) {
        CAPTURE(name);
        CHECK(client.parameter_status(name) == direct.parameter_status(name));
    }
}

TEST_CASE(
    "a startup packet that comes byte by byte, with the first query behind it" * ours_only()
) {
    const Fixture fixture;
    RawClient client = RawClient::tcp(fixture.proxy.port());
    const std::string startup_bytes =
        startup({{"user", role_trust}, {"database", fixture.database.name()}});
    SUBCASE("byte by byte") {
        client.send_in_chunks(startup_bytes + query("select 7"), 1);
    }
    SUBCASE("in one segment") {
        client.send(startup_bytes + query("select 7"));
    }
    client.receive_until('Z');
    CHECK(first_value(client.receive_until('Z')) == "7");
}

TEST_CASE("every query byte by byte is answered") {
    const Fixture fixture;
    RawClient client = fixture.raw();
    client.send_in_chunks(
        query("select 'slowly'") + extended("select 'surely'") + sync_message(), 1
    );
    CHECK(first_value(client.receive_until('Z')) == "slowly");
    CHECK(first_value(client.receive_until('Z')) == "surely");
}

TEST_CASE("protocol 3.2 and unknown _pq_ options are negotiated once" * ours_only()) {
    const Fixture fixture;
    RawClient client = RawClient::tcp(fixture.proxy.port());
    client.send(startup(
        {{"user", role_trust}, {"database", fixture.database.name()}, {"_pq_.unknown", "1"}}, 196610
    ));
    const BackendMessages messages = client.receive_until('Z');
    int negotiations = 0;
    for (const auto& message : messages)
        negotiations += message.type == 'v';
    CHECK(negotiations == 1);
    CHECK(first_value(client.simple("select 1")) == "1");
}

TEST_CASE("protocol 2.0 is refused") {
    const Fixture fixture;
    RawClient client = RawClient::tcp(fixture.proxy.port());
    client.send(startup({{"user", role_trust}}, 131072));
    const std::string answer = client.receive_to_end();
    CHECK(answer.find('Z') == std::string::npos);
}

TEST_CASE("GSSENCRequest is answered with N and the login goes on") {
    const Fixture fixture;
    RawClient client = RawClient::tcp(fixture.proxy.port());
    client.send(gssenc_request());
    CHECK(client.receive_bytes(1) == "N");
    client.send(ssl_request());
    CHECK(client.receive_bytes(1) == "N");
    client.login(role_trust, fixture.database.name());
    CHECK(first_value(client.simple("select 1")) == "1");
}

TEST_CASE("an unknown database is told, with PostgreSQL's SQLSTATE" * ours_only()) {
    const Fixture fixture;
    RawClient client = RawClient::tcp(fixture.proxy.port());
    const BackendMessages messages = client.try_login(role_trust, "nowhere");
    const BackendMessage& error = first(messages, 'E');
    CHECK(error.sqlstate() == "3D000");
    CHECK(error.error_field('S') == "FATAL");
}

TEST_CASE(
    "a database that PostgreSQL does not have is told, with PostgreSQL's SQLSTATE" * ours_only()
) {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database);
    config.databases[database.name()]["dbname"] = "not_there";
    const Proxy proxy{config};
    RawClient client = RawClient::tcp(proxy.port());
    const BackendMessages messages = client.try_login(role_trust, database.name());
    CHECK(first(messages, 'E').sqlstate() == "3D000");
}

TEST_CASE("transaction mode: two clients share one server") {
    const Fixture fixture{1};
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    const int pid = backend_pid(one);
    CHECK(backend_pid(two) == pid);
    CHECK(backend_pid(one) == pid);
    CHECK(fixture.database.backends() == 1);
}

TEST_CASE("transaction mode: a transaction stays on its server, others go elsewhere") {
    const Fixture fixture{2};
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    const std::string pid = in_transaction_pid(one);
    for (int i = 0; i < 20; ++i) {
        CHECK(two.value("select pg_backend_pid()") != pid);
        CHECK(one.value("select pg_backend_pid()") == pid);
    }
    one.exec("commit");
    CHECK(one.transaction_status() == 'I');
}

TEST_CASE("transaction mode: a client waits while the only server is in a transaction") {
    const Fixture fixture{1};
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    in_transaction_pid(one);
    two.send("select 'at last'");
    holds_for(
        "the second client waits", [&] { return !two.answered(); }, std::chrono::milliseconds(200)
    );
    one.exec("rollback");
    CHECK(two.finish().value() == "at last");
}

TEST_CASE("an error leaves the client and the server usable") {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    const int pid = backend_pid(client);
    CHECK(client.try_exec("select 1/0").sqlstate() == "22012");
    CHECK(client.try_exec("selec").sqlstate() == "42601");
    CHECK(client.transaction_status() == 'I');
    client.exec("begin");
    CHECK(client.try_exec("select 1/0").sqlstate() == "22012");
    CHECK(client.transaction_status() == 'E');
    CHECK(client.try_exec("select 1").sqlstate() == "25P02");
    client.exec("rollback");
    CHECK(backend_pid(client) == pid);
}

TEST_CASE("a syntax error does not keep the server" * ours_only()) {
    const Fixture fixture{1};
    Pg client = fixture.connect(), other = fixture.connect();
    for (const char* text : {"selec", "select 'a", "select 1; selec", "select $$"}) {
        CAPTURE(text);
        CHECK(client.try_exec(text).sqlstate() == "42601");
        CHECK(other.value("select 1") == "1");
        CHECK(client.try_exec(text, Parameters{}).sqlstate() == "42601");
        CHECK(other.value("select 2") == "2");
    }
}

TEST_CASE("session mode: a client keeps its server, the next one gets it clean") {
    const Fixture fixture{1, {{"pool_mode", "session"}}};
    int pid = 0;
    {
        Pg one = fixture.connect();
        pid = backend_pid(one);
        one.exec("create temp table mine as select 1");
        one.exec("set work_mem = '77MB'");
        one.exec("prepare p as select 1");
        CHECK(backend_pid(one) == pid);
        CHECK(one.value("select count(*) from mine") == "1");
    }
    Pg two = fixture.connect();
    CHECK(two.value("show work_mem") != "77MB");
    CHECK(two.value("select to_regclass('mine') is null") == "t");
    CHECK(two.value("select count(*) from pg_prepared_statements") == "0");
    CHECK(backend_pid(two) == pid);
}

TEST_CASE("session mode: the second client waits for the first one's end") {
    const Fixture fixture{1, {{"pool_mode", "session"}}};
    auto one = std::make_unique<Pg>(fixture.proxy.conninfo());
    one->exec("select 1");
    RawClient two = RawClient::tcp(fixture.proxy.port());
    two.send(startup({{"user", role_trust}, {"database", fixture.database.name()}}));
    two.send(query("select 2"));
    holds_for(
        "one server",
        [&] { return fixture.database.backends() <= 1; },
        std::chrono::milliseconds(200)
    );
    one.reset();
    two.receive_until('Z');
    CHECK(first_value(two.receive_until('Z')) == "2");
}

TEST_CASE("statement mode: queries work, a transaction block is refused") {
    const Fixture fixture{1, {{"pool_mode", "statement"}}};
    Pg client = fixture.connect();
    CHECK(client.value("select 1") == "1");
    CHECK(!client.try_exec("begin").good());
    Pg next = fixture.connect();
    CHECK(next.value("select 1") == "1");
    CHECK(next.transaction_status() == 'I');
}

TEST_CASE("a database's and a user's own pool_mode count") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database, 2);
    config.databases[database.name()]["pool_mode"] = "session";
    const Proxy proxy{config};
    Pg one = proxy.connect();
    Pg two = proxy.connect();
    CHECK(backend_pid(one) != backend_pid(two));
}

TEST_CASE("a hundred clients on a pool of three") {
    const Fixture fixture{3};
    std::vector<std::unique_ptr<Pg>> clients;
    for (int i = 0; i < 100; ++i) {
        clients.push_back(std::make_unique<Pg>(fixture.proxy.conninfo()));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i]->send("select " + std::to_string(i) + " from pg_sleep(0.001)");
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
        CHECK(clients[i]->finish().value() == std::to_string(i));
    }
    CHECK(fixture.database.backends() <= 3);
}

TEST_CASE("a login without a server to be had leaves the proxy alive") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database);
    config.databases[database.name()]["port"] = free_port();
    config.settings["server_connect_timeout"] = 2;
    config.settings["server_login_retry"] = 1;
    config.settings["query_wait_timeout"] = 2;
    Proxy proxy{config};
    const auto error = login_error(proxy.conninfo());
    CHECK(error.has_value());
    CHECK_FALSE(proxy.ended());
}

TEST_CASE("a PgBouncer ini runs as it stands" * ours_only()) {
    const Database database{Cluster::shared()};
    const TempDir directory{"ini"};
    const int port = free_port();
    write_file(directory / "userlist.txt", "\"app\" \"secret\"\n");
    write_file(
        directory / "pgbouncer.ini",
        "[databases]\nmydb = host=localhost port=" + std::to_string(Cluster::shared().port()) +
            " dbname=" + database.name() +
            "\n[pgbouncer]\nlisten_addr = *\nlisten_port = " + std::to_string(port) +
            "\nauth_type = md5\nauth_file = " + (directory / "userlist.txt").string() +
            "\nunix_socket_dir = " + directory.path().string() +
            "\npool_mode = transaction\nmax_client_conn = 1000\ndefault_pool_size = 25\n"
            "reserve_pool_size = 5\nreserve_pool_timeout = 3\nserver_idle_timeout = 600\n"
            "server_lifetime = 3600\nserver_connect_timeout = 15\nlog_connections = 1\n"
            "log_disconnections = 1\nlog_pooler_errors = 1\n"
    );
    ChildProcess process{
        CommandLine{
            .arguments = {proxy_program(), directory / "pgbouncer.ini"},
            .environment = {},
            .user = server_user(),
        },
        directory / "log"};
    const std::string conninfo =
        "host=127.0.0.1 port=" + std::to_string(port) + " dbname=mydb user=app password=secret";
    wait_until("the proxy accepts", [&] { return PQping(conninfo.c_str()) == PQPING_OK; });
    Pg client{conninfo};
    CHECK(client.value("select current_user") == "app");
    process.signal(SIGINT);
    CHECK(process.wait().good());
}

TEST_CASE("a bad configuration ends with exit code 2 and names every mistake" * ours_only()) {
    const TempDir directory{"bad"};
    write_file(
        directory / "pgweir.toml",
        "[pgweir]\nlisten_prot = 6432\npool_mode = \"sometimes\"\nmax_client_conn = \"many\"\n"
    );
    const CommandResult result = run_command(CommandLine{
        .arguments = {proxy_program(), directory / "pgweir.toml"}, .environment = {}, .user = ""});
    CHECK(result.status.code == 2);
    for (const char* word : {"listen_prot", "pool_mode", "max_client_conn", ":2", ":3", ":4"}) {
        CAPTURE(word);
        CHECK(result.output.find(word) != std::string::npos);
    }
}

TEST_CASE("SIGTERM with nobody there ends with exit code 0") {
    const Fixture fixture;
    { fixture.connect().exec("select 1"); }
    // ~Proxy checks the exit code and the sanitizers' silence.
}
