#include "tests/unit/conf_support.h"

#include <doctest/doctest.h>

namespace weir::conf {

TEST_CASE("load_toml: an empty file gives the defaults") {
    Loaded loaded = toml("");
    REQUIRE(loaded.ok());
    CHECK(*loaded.settings == Settings{});
    CHECK(loaded.settings->pool_mode == PoolMode::transaction);
}

TEST_CASE("load_toml: each kind of value") {
    Loaded loaded = toml(R"(
        [pgweir]
        workers = 3
        defer_begin = false
        listen_addr = ["127.0.0.1", "::1"]
        unix_socket_mode = "0750"
        pool_mode = "session"
        query_timeout = 2.5
        query_wait_timeout = "250ms"
        client_idle_timeout = "1h"
        server_lifetime = 7
        tcp_user_timeout = 90
        admin_users = "alice, bob"
        auth_file = "/u"

        [databases.app]
        host = "db"
        port = 5433
        user = "u"
        password = "p"
        pool_size = 0
        pool_mode = "statement"
        server_lifetime = 0

        [databases."*"]

        [users."odd name"]
        query_timeout = "3s"
    )");
    CHECK(lines(loaded.problems.errors) == "");
    CHECK(lines(loaded.problems.warnings) == "");
    REQUIRE(loaded.ok());
    const Settings& s = *loaded.settings;
    CHECK(s.workers == 3);
    CHECK_FALSE(s.defer_begin);
    CHECK(s.listen_addr == std::vector<std::string>{"127.0.0.1", "::1"});
    CHECK(s.unix_socket_mode == 0750);
    CHECK(s.pool_mode == PoolMode::session);
    CHECK(s.query_timeout == Milliseconds(2500));
    CHECK(s.query_wait_timeout == Milliseconds(250));
    CHECK(s.client_idle_timeout == std::chrono::hours(1));
    CHECK(s.server_lifetime == std::chrono::seconds(7));
    CHECK(s.tcp_user_timeout == Milliseconds(90));
    CHECK(s.admin_users == std::vector<std::string>{"alice", "bob"});
    const DatabaseSettings& app = s.databases.at("app");
    CHECK(app.host == "db");
    CHECK(app.port == 5433);
    CHECK(app.password == Secret("p"));
    CHECK(app.pool_size == 0);
    CHECK(app.pool_mode == PoolMode::statement);
    CHECK(app.server_lifetime == Milliseconds(0));
    CHECK_FALSE(app.min_pool_size.has_value());
    CHECK(s.databases.contains("*"));
    CHECK(s.users.at("odd name").query_timeout == std::chrono::seconds(3));
    CHECK(loaded.origins.at("databases.app.port").line == 18);
}

TEST_CASE("load_toml: all problems at once, each with its line") {
    Loaded loaded = toml(R"([pgweir]
pool_mdoe = "session"
pool_mode = "sesion"
max_client_conn = "100"
default_pool_size = 5
min_pool_size = 10
log_stats = 1
query_timeout = "5 weeks"
auth_query = "x"
listen_addr = [1]
listen_port = 70000
unix_socket_mode = 0o10000
stats_period = true
query_wait_timeout = inf

[databases.app]
hots = "db"
port = 0

[database.app]
host = "db"

[users]
alice = 3

[pgbouncer]
x = 1
)");
    REQUIRE_FALSE(loaded.ok());
    std::string all = lines(loaded.problems.errors);
    CAPTURE(all);
    for (const char* expected :
         {"t.toml:2: pgweir.pool_mdoe: unknown key; did you mean \"pool_mode\"?",
          "t.toml:3: pgweir.pool_mode: is not one of the choices; allowed: session, transaction, "
          "statement",
          "t.toml:4: pgweir.max_client_conn: is a text; allowed: 1 to 10000000",
          "t.toml:6: pgweir.min_pool_size: is 10, above default_pool_size 5",
          "t.toml:7: pgweir.log_stats: is a number; allowed: true or false",
          "t.toml:8: pgweir.query_timeout: has an unknown unit; allowed: 0 to 365d",
          "t.toml:9: pgweir.auth_query: a setting of PgBouncer's that does not exist here yet",
          "t.toml:10: pgweir.listen_addr: is an array; allowed: a list of texts",
          "t.toml:11: pgweir.listen_port: is out of range; allowed: 1 to 65535",
          "t.toml:12: pgweir.unix_socket_mode: is out of range; allowed: 0000 to 0777",
          "t.toml:13: pgweir.stats_period: is a boolean",
          "t.toml:14: pgweir.query_wait_timeout: is a number",
          "t.toml:17: databases.app.hots: unknown key; did you mean \"host\"?",
          "t.toml:18: databases.app.port: is out of range; allowed: 1 to 65535",
          "t.toml:20: database: unknown key or section; did you mean \"databases\"?",
          "t.toml:24: users.alice: must be a table: [users.NAME]",
          "t.toml:26: pgbouncer: unknown key or section; in TOML it is called \"pgweir\""}) {
        CAPTURE(expected);
        CHECK(all.find(expected) != std::string::npos);
    }
    CHECK(loaded.problems.errors.size() == 17);
}

TEST_CASE("load_toml: a global key outside its section is explained") {
    Loaded loaded = toml("pool_mode = \"session\"\n");
    CHECK(
        lines(loaded.problems.errors) ==
        "t.toml:1: pool_mode: unknown key or section; it belongs under [pgweir]\n"
    );
}

TEST_CASE("load_toml: what is not TOML is one problem with its line") {
    for (const char* text : {"[pgweir]\nx = = 1\n", "\n[pgweir", "a\n\xff", "a = 1\na = 2\n"}) {
        Loaded loaded = toml(text);
        REQUIRE_FALSE(loaded.ok());
        CHECK(loaded.problems.errors.size() == 1);
        CHECK(loaded.problems.errors[0].place.line >= 1);
        CHECK(loaded.problems.errors[0].text.starts_with("is not TOML: "));
    }
}

TEST_CASE("load_toml: a deep nesting is refused, not a crash") {
    std::string text = "[pgweir]\nlisten_addr = " + std::string(100000, '[');
    CHECK_FALSE(toml(text).ok());
}

TEST_CASE("load_toml: secrets never stand in a problem") {
    Loaded loaded = toml("[databases.a]\npassword = [\"hunter2\"]\nuser = 3\nport = \"hunter2\"\n");
    CHECK(loaded.problems.errors.size() == 3);
    CHECK(lines(loaded.problems.errors).find("hunter2") == std::string::npos);
}

TEST_CASE("load_toml: pins and lending") {
    Loaded loaded = toml(R"(
        [pgweir]
        auth_type = "trust"
        max_pinned = 3
        pin_idle_timeout = "5m"
        pin_notice = "first"
        strict_custom_settings = true
        listen_lost = "notice"
        lend_policy = "rotate"

        [databases.app]
        host = "db"
        max_pinned = 0
    )");
    CHECK(lines(loaded.problems.errors) == "");
    REQUIRE(loaded.ok());
    CHECK(loaded.settings->max_pinned == 3);
    CHECK(loaded.settings->pin_idle_timeout == std::chrono::minutes(5));
    CHECK(loaded.settings->pin_notice == PinNotice::first);
    CHECK(loaded.settings->strict_custom_settings);
    CHECK(loaded.settings->listen_lost == ListenLost::notice);
    CHECK(loaded.settings->lend_policy == LendPolicy::rotate);
    CHECK(loaded.settings->databases.at("app").max_pinned == 0);
    CHECK(toml("[pgweir]\nlend_policy = \"fifo\"\n").problems.errors.size() == 1);
    CHECK(toml("[pgweir]\npin_notice = \"once\"\n").problems.errors.size() == 1);
    CHECK(toml("[pgweir]\nlisten_lost = \"ignore\"\n").problems.errors.size() == 1);
    CHECK(toml("[pgweir]\nmax_pinned = -1\n").problems.errors.size() == 1);
}

}  // namespace weir::conf
