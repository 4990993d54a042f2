// What is seen of statements: statistics, the slow log, and that no value is anywhere.
#include "tests/integration/console_table.h"
#include "tests/integration/fixture.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

using namespace weir::test;

namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::size_t lines_of(const std::string& path) {
    const auto text = contents(path);
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

// The first line that has this in it, or nothing.
std::string line_with(const std::string& path, const std::string& what) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.find(what) != std::string::npos) return line;
    }
    return {};
}

// Everything that a table of the console shows, as one text.
std::string shown(Pg& console, const std::string& sql) {
    const Result result = console.try_exec(sql);
    std::string text = sql + ": " + result.error();
    for (int row = 0; row < result.rows(); ++row) {
        for (int column = 0; column < result.columns(); ++column)
            text += result.value(row, column) + '\n';
    }
    return text;
}

}  // namespace

TEST_CASE(
    "slow log: what took long is a line, with its parts and without its values" * ours_only()
) {
    const TempDir directory{"seeing"};
    const std::string path = (directory / "slow.json").string();
    const Fixture fixture{1, {{"slow_logfile", path}, {"log_min_duration", "100ms"}}};
    Pg client = fixture.connect("application_name=seer");
    const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    client.exec("select pg_sleep(0.2), 'S3CRET' as first /* traceparent='" + trace + "' */");
    wait_until("the line is written", [&] { return !line_with(path, "as first").empty(); });
    auto line = line_with(path, "as first");
    CAPTURE(line);
    CHECK(line.find(R"("query":"select pg_sleep($1), $2 as first")") != std::string::npos);
    CHECK(line.find(R"("traceparent":")" + trace) != std::string::npos);
    CHECK(line.find(R"("application":"seer")") != std::string::npos);
    CHECK(line.find(R"("rows":1)") != std::string::npos);
    CHECK(line.find(R"("role":"primary")") != std::string::npos);
    CHECK(line.find("S3CRET") == std::string::npos);
    // Who waits for a server is slow, too: by waiting.
    Pg holder = fixture.connect();
    holder.exec("begin");
    holder.exec("select 1");
    client.send("select count(*) from pg_am");
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    holder.exec("commit");
    client.finish();
    wait_until("the second line is written", [&] {
        return !line_with(path, "from pg_am").empty();
    });
    line = line_with(path, "from pg_am");
    CAPTURE(line);
    const auto number = [&](const std::string& name) {
        return std::stod(line.substr(line.find('"' + name + "\":") + name.size() + 3));
    };
    CHECK(number("wait_ms") >= 100);
    CHECK(number("duration_ms") + 0.01 >= number("wait_ms") + number("server_ms"));
    // A rotation: the old file has what was there, the new one what comes.
    REQUIRE(std::rename(path.c_str(), (path + ".1").c_str()) == 0);
    fixture.proxy.console().exec("RELOAD");
    wait_until("the file is there again", [&] { return std::ifstream(path).good(); });
    client.exec("select pg_sleep(0.2) as third");
    wait_until("the third line is written", [&] { return !line_with(path, "as third").empty(); });
    CHECK(line_with(path + ".1", "as third").empty());
    CHECK_FALSE(line_with(path + ".1", "as first").empty());
}

TEST_CASE("slow log: of a database and of a user; none with 0" * ours_only()) {
    const TempDir directory{"seeing"};
    const std::string path = (directory / "slow.json").string();
    Database database(Cluster::shared());
    auto config =
        Fixture::config(database, 2, {{"slow_logfile", path}, {"log_min_duration", "60s"}});
    config.users[role_trust] = {{"log_min_duration", "50ms"}};
    Proxy proxy(config);
    Pg(proxy.conninfo(role_trust)).exec("select pg_sleep(0.1)");
    wait_until("the line is written", [&] { return lines_of(path) == 1; });
    proxy.config().users[role_trust] = {{"log_min_duration", 0}};
    proxy.reload();
    wait_until("it is off", [&] {
        Pg client(proxy.conninfo(role_trust));
        const auto before = lines_of(path);
        client.exec("select pg_sleep(0.1)");
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        return lines_of(path) == before;
    });
}

TEST_CASE("slow log: pgbadger reads the text form" * ours_only()) {
    const TempDir directory{"seeing"};
    const std::string path = (directory / "slow.log").string();
    const Fixture fixture{
        2, {{"slow_logfile", path}, {"log_min_duration", "20ms"}, {"slow_log_format", "text"}}};
    Pg client = fixture.connect("application_name='a, b'");
    client.exec("select pg_sleep(0.05)");
    client.exec("select pg_sleep(0.06)");
    client.exec("select pg_sleep(0.05), relname from pg_class where relname <> 'S3CRET' limit 1");
    wait_until("the lines are written", [&] { return lines_of(path) == 6; });
    const std::string report = (directory / "report.json").string();
    CommandLine badger;
    badger.arguments = {
        "pgbadger",
        "--quiet",
        "--pid-dir",  // one at a time for each
        directory.path().string(),
        "--format",
        "stderr",
        "--prefix",
        "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
        "--extension",
        "json",
        "--outfile",
        report,
        path};
    run_or_throw(badger);
    const auto text = contents(report);
    CAPTURE(contents(path));
    CAPTURE(text.substr(0, 2000));
    CHECK(text.find(R"("query_total":3)") != std::string::npos);
    CHECK(text.find("a_ b") != std::string::npos);
    CHECK(text.find("pg_class") != std::string::npos);
    CHECK(text.find("S3CRET") == std::string::npos);
}

// Each place of SQL that may hold a secret; log_min_duration and verbose as low as they go. The
// console is asked for all that it has of statements.
TEST_CASE("no value of a statement is in log, slow log or console" * ours_only()) {
    const TempDir directory{"seeing"};
    const std::string path = (directory / "slow.json").string();
    const Fixture fixture{2, {{"slow_logfile", path}, {"log_min_duration", "1ms"}, {"verbose", 3}}};
    Pg client = fixture.connect();
    const char* const places[] = {
        "select pg_sleep(0.005), 'S3CRET'",
        "select $$S3CRET$$, pg_sleep(0.005)",
        "select E'S3CRET\\n', U&'S3CRET!0041' UESCAPE '!'",
        "select pg_sleep(0.005) /* S3CRET */ -- S3CRET",
        "prepare p as select 'S3CRET', pg_sleep($1)",
        "execute p(0.005 + length('S3CRET') - 6)",
        "notify c, 'S3CRET'",
        "alter system set search_path = 'S3CRET'",
        "alter database postgres set app.key to S3CRET",
        "alter role current_user set app.key = 'S3CRET'",
        "alter role nobody_of_that_name password 'S3CRET'",
        "create user u password S3CRET",
        "set app.key = 'S3CRET'",
        "set app.key to S3CRET",
        "set local app.key = \"S3CRET\"",
        "create server s foreign data wrapper w options (password 'S3CRET')",
        "create user mapping for current_user server s options (password 'S3CRET')",
        "create subscription s connection 'password=S3CRET' publication p",
        "comment on table nowhere is 'S3CRET'",
        "create temp table t (a text default 'S3CRET')",
        "do $$begin perform pg_sleep(0.005), 'S3CRET'; end$$",
        "create function pg_temp.f() returns text language sql as 'select ''S3CRET'''",
        "copy (select 'S3CRET') to program 'true S3CRET'",
        "declare c cursor with hold for select 'S3CRET'",
        "explain select 'S3CRET'",
        "selec 'S3CRET'",
        "select 'S3CRET",
        "select 'S3CRET'::int",
        "select 1/0, 'S3CRET'; select pg_sleep(0.005), 'S3CRET'",
        "insert into nowhere values ('S3CRET'), ('S3CRET')",
        "select set_config('app.key', 'S3CRET', false), pg_sleep(0.005)",
        "prepare transaction 'S3CRET'",
    };
    for (const char* text : places)
        static_cast<void>(client.try_exec(text));
    static_cast<void>(client.try_exec("select pg_sleep(0.005), $1", {"S3CRET"}));
    static_cast<void>(client.try_prepare("q", "select pg_sleep(0.005), 'S3CRET', $1::text"));
    static_cast<void>(client.try_exec_prepared("q", {"S3CRET"}));
    wait_until("the lines are written", [&] { return lines_of(path) >= 5; });
    Pg console = fixture.proxy.console();
    for (const char* table :
         {"CLIENTS",
          "SERVERS",
          "POOLS",
          "PINS",
          "PIN_COUNTS",
          "QUERIES",
          "SLOW",
          "ERRORS",
          "WAITS",
          "TRANSACTIONS",
          "PROBLEMS",
          "SETTINGS",
          "CATALOG"}) {
        const auto text = shown(console, std::string("SHOW ") + table);
        CAPTURE(text);
        CHECK(text.find("S3CRET") == std::string::npos);
        CHECK(text.find("s3cret") == std::string::npos);
    }
    for (const auto& text : {contents(path), fixture.proxy.log()}) {
        CHECK(text.find("S3CRET") == std::string::npos);
        CHECK(text.find("s3cret") == std::string::npos);
    }
}

TEST_CASE("log_parameters: the values of slow statements, and only then" * ours_only()) {
    const TempDir directory{"seeing"};
    const std::string path = (directory / "slow.json").string();
    const Fixture fixture{
        2, {{"slow_logfile", path}, {"log_min_duration", "1ms"}, {"log_parameters", true}}};
    Pg client = fixture.connect();
    client.exec("select pg_sleep(0.01), 'visible'");
    client.prepare("p", "select pg_sleep(0.01), $1::text");
    client.exec_prepared("p", {"it's"});
    wait_until("the lines are written", [&] {
        return contents(path).find("$1 = 'it''s'") != std::string::npos;
    });
    CHECK(contents(path).find("'visible'") != std::string::npos);
}

TEST_CASE(
    "SHOW QUERIES, QUERY, SLOW and ERRORS tell what ran; CANCEL QUERY and RESET QUERIES" *
    ours_only()
) {
    const Fixture fixture{2, {{"log_min_duration", "40ms"}}};
    Pg client = fixture.connect("application_name=reader");
    for (int i = 0; i < 5; ++i)
        client.exec(
            "select g, 'S3CRET' from generate_series(1, 3) g where g <> " + std::to_string(i + 10)
        );
    client.exec("select pg_sleep(0.05)");
    CHECK(client.try_exec("select 1 / 0").sqlstate() == "22012");
    Pg console = fixture.proxy.console();
    const auto row = "from queries where query like 'select g, $1%'";
    CHECK(console.value(std::string("select calls ") + row) == "5");
    CHECK(console.value(std::string("select rows ") + row) == "15");
    CHECK(console.value(std::string("select applications ") + row) == "reader");
    const auto id = console.value(std::string("select fingerprint ") + row);
    REQUIRE(id.size() == 16);
    CHECK(cell(console.exec("SHOW QUERIES 1m"), "fingerprint", id, "calls") == "5");
    CHECK(cell(console.exec("SHOW QUERY " + id), "name", "rows", "value") == "15");
    CHECK(cell(console.exec("SHOW QUERY " + id), "name", "fingerprint", "value") == id);
    // What a prepared statement's parameters are: the client has asked.
    client.prepare("typed", "select $1::int + $2::bigint as typed");
    CHECK(Result(PQdescribePrepared(client.raw(), "typed")).good());
    client.exec_prepared("typed", {{"1"}, {"2"}});
    wait_until("its types are shown", [&] {
        const auto typed =
            console.exec("select fingerprint from queries where query like '%as typed'");
        return typed.rows() == 1 &&
               cell(
                   console.exec("SHOW QUERY " + typed.value()), "name", "parameter types", "value"
               ) == "$1 integer, $2 bigint";
    });
    CHECK_FALSE(console.try_exec("SHOW QUERY nonsense").good());
    CHECK_FALSE(console.try_exec("SHOW QUERIES 2m").good());
    const auto slow = console.exec("SHOW SLOW");
    CHECK(cell(slow, "query", "select pg_sleep($1)", "application_name") == "reader");
    CHECK(std::stod(cell(slow, "query", "select pg_sleep($1)", "server_ms")) >= 40);
    CHECK(cell(console.exec("SHOW ERRORS"), "sqlstate", "22012", "count") == "1");
    CHECK(cell(console.exec("SHOW ERRORS"), "sqlstate", "22012", "source") == "server");

    const auto sleeping =
        console.value("select fingerprint from slow where query like '%pg_sleep%'");
    client.send("select pg_sleep(600)");
    wait_until("it runs", [&] {
        return fixture.database.backends("query like '%600%' and state = 'active'") == 1;
    });
    CHECK(console.exec("CANCEL QUERY " + id).tag() == "CANCEL 0");
    CHECK_FALSE(console.try_exec("CANCEL QUERY nonsense").good());
    CHECK(console.exec("CANCEL QUERY " + sleeping).tag() == "CANCEL 1");
    CHECK(client.finish().sqlstate() == "57014");
    CHECK(client.value("select 'lives'") == "lives");

    console.exec("RESET QUERIES");
    wait_until("all is forgotten", [&] {
        return console.value("select count(*) from queries where fingerprint = $1", {{id}}) == "0";
    });
    CHECK(console.exec("SHOW SLOW").rows() == 0);
    CHECK(console.exec("SHOW ERRORS").rows() == 0);
}
