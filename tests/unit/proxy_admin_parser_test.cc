// The console's language and who may say what.
#include "proxy/admin_commands.h"
#include "proxy/admin_parser.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::proxy;

namespace {

std::string described(const AdminCommand& command) {
    return std::to_string(static_cast<int>(command.verb)) + "/" + command.argument + "/" +
           command.value;
}

std::string with(AdminVerb verb, const std::string& argument = "", const std::string& value = "") {
    return described({verb, argument, value, ""});
}

}  // namespace

TEST_CASE("admin parser: one command") {
    struct Row {
        const char* text;
        std::string expected;
    };

    const Row rows[] = {
        {"SHOW POOLS", with(AdminVerb::show, "POOLS")},
        {"show pools;", with(AdminVerb::show, "pools")},
        {" \t\r\nShOw\n pools \n; ", with(AdminVerb::show, "pools")},
        {"select version", with(AdminVerb::show, "version")},
        {"SHOW", with(AdminVerb::show)},
        {"PAUSE", with(AdminVerb::pause)},
        {"pause MyDb", with(AdminVerb::pause, "MyDb")},
        {"pause \"My \"\"Db\"\"; --\"", with(AdminVerb::pause, "My \"Db\"; --")},
        {"pause my-db", with(AdminVerb::pause, "my-db")},
        {"pause db--a comment", with(AdminVerb::pause, "db")},
        {"pause sch\xc3\xb6n", with(AdminVerb::pause, "sch\xc3\xb6n")},
        {"/* a /* nested */ one */ resume -- x\n db", with(AdminVerb::resume, "db")},
        {"RESUME", with(AdminVerb::resume)},
        {"disable a", with(AdminVerb::disable, "a")},
        {"enable a", with(AdminVerb::enable, "a")},
        {"reconnect", with(AdminVerb::reconnect)},
        {"kill a", with(AdminVerb::kill, "a")},
        {"kill_client 17", with(AdminVerb::kill_client, "17")},
        {"reload", with(AdminVerb::reload)},
        {"shutdown wait_for_clients", with(AdminVerb::shutdown, "wait_for_clients")},
        {"wait_close a", with(AdminVerb::wait_close, "a")},
        {"set a = b", with(AdminVerb::set, "a", "b")},
        {"SET a=5;", with(AdminVerb::set, "a", "5")},
        {"set a TO 'it''s'", with(AdminVerb::set, "a", "it's")},
        {"set a = ''", with(AdminVerb::set, "a", "")},
        {"set \"a\" to \"b c\"", with(AdminVerb::set, "a", "b c")},
        {"set a = 2.5", with(AdminVerb::set, "a", "2.5")},
        {"set a = -1", with(AdminVerb::set, "a", "-1")},
        {"DRAIN 127.0.0.1:5433", with(AdminVerb::drain, "127.0.0.1:5433")},
        {"drain \"127.0.0.1:5433\";", with(AdminVerb::drain, "127.0.0.1:5433")},
        {"undrain db-1.example.com", with(AdminVerb::undrain, "db-1.example.com")},
        {"fence ::1:5432", with(AdminVerb::fence, "::1:5432")},
        {"unfence \"/run/pg:5432\"", with(AdminVerb::unfence, "/run/pg:5432")},
        {"drain", with(AdminVerb::drain)},
        {"set weight db1:5432 = 50", with(AdminVerb::set_weight, "db1:5432", "50")},
        {"SET WEIGHT \"db1:5432\" TO '50'", with(AdminVerb::set_weight, "db1:5432", "50")},
        {"set weight=5", with(AdminVerb::set, "weight", "5")},
        {"forget timeline", with(AdminVerb::forget_timeline)},
        {"FORGET TIMELINE \"*\";", with(AdminVerb::forget_timeline, "*")},
        {"explain route db select 1", with(AdminVerb::explain_route, "db", " select 1")},
        {"EXPLAIN ROUTE \"my db\"\nselect ')'; x",
         with(AdminVerb::explain_route, "my db", "\nselect ')'; x")},
        {"explain route db", with(AdminVerb::explain_route, "db", "")},
    };
    for (const auto& row : rows) {
        CAPTURE(row.text);
        const auto commands = parse_admin(row.text);
        REQUIRE(commands.has_value());
        REQUIRE(commands->size() == 1);
        CHECK(described(commands->front()) == row.expected);
    }
}

TEST_CASE("admin parser: none and several") {
    for (const char* text : {"", " ", ";", " ; ;", "-- nothing", "/* nothing */"}) {
        CAPTURE(text);
        const auto commands = parse_admin(text);
        REQUIRE(commands.has_value());
        CHECK(commands->empty());
    }
    const auto commands = parse_admin("show pools; ; pause a;set x=1");
    REQUIRE(commands.has_value());
    REQUIRE(commands->size() == 3);
    CHECK(commands->at(0).text == "show pools;");
    CHECK(described(commands->at(1)) == with(AdminVerb::pause, "a"));
    CHECK(described(commands->at(2)) == with(AdminVerb::set, "x", "1"));
}

TEST_CASE("admin parser: queries, and what clients say to every server") {
    struct Row {
        const char* text;
        std::string expected;
    };

    const Row rows[] = {
        {"SELECT 1, 2", with(AdminVerb::sql, "", "SELECT 1, 2")},
        {"select 1", with(AdminVerb::sql, "", "select 1")},
        {"select version()", with(AdminVerb::sql, "", "select version()")},
        {"select ';' from \"a;b\"", with(AdminVerb::sql, "", "select ';' from \"a;b\"")},
        {"show clients where wait > 1",
         with(AdminVerb::sql, "", "SELECT * FROM clients where wait > 1")},
        {"SHOW pools ORDER BY 1;", with(AdminVerb::sql, "", "SELECT * FROM pools ORDER BY 1")},
        {"begin", with(AdminVerb::begin, "BEGIN")},
        {"START TRANSACTION READ ONLY", with(AdminVerb::begin, "START TRANSACTION")},
        {"commit", with(AdminVerb::commit)},
        {"ROLLBACK;", with(AdminVerb::rollback)},
        {"set session characteristics as transaction read only", with(AdminVerb::ignore, "SET")},
        {"set datestyle = iso, mdy", with(AdminVerb::ignore, "SET")},
        {"show transaction isolation level", with(AdminVerb::show, "transaction_isolation")},
        {"reset all", with(AdminVerb::ignore, "RESET")},
        {"discard all", with(AdminVerb::ignore, "DISCARD ALL")},
        {"CANCEL CLIENT 5", with(AdminVerb::cancel_client, "5")},
        {"cancel idle_tx > 5min", with(AdminVerb::cancel_idle_tx, "", "5m")},
        {"cancel idle_tx '90s';", with(AdminVerb::cancel_idle_tx, "", "90s")},
    };
    for (const auto& row : rows) {
        CAPTURE(row.text);
        const auto commands = parse_admin(row.text);
        REQUIRE(commands.has_value());
        REQUIRE(commands->size() == 1);
        CHECK(described(commands->front()) == row.expected);
    }
    const auto several = parse_admin("show pools; select ';'; pause db; select 2");
    REQUIRE(several.has_value());
    REQUIRE(several->size() == 4);
    CHECK(several->at(3).shift == 33);
    CHECK(several->at(1).text == " select ';'");
}

TEST_CASE("admin parser: what is not understood is told with its text") {
    for (const char* text :
         {"nonsense",
          "show pools now",
          "set x",
          "set x y",
          "set x =",
          "set = 1",
          "set x = 1 2",
          "reload it",
          "pause 'db'",
          "show pools)",
          "\"pause",
          "/* no end",
          "set a = 'no end",
          "show pools; nonsense",
          "drain a b",
          "drain /run/pg:5432",
          "set weight a 5",
          "set weight a = b c",
          "forget",
          "forget timeline a b",
          "explain",
          "explain route",
          "explain route 'db' select 1",
          "suspend"}) {
        CAPTURE(text);
        const auto commands = parse_admin(text);
        REQUIRE_FALSE(commands.has_value());
        CHECK(commands.error().code == protocol::sqlstate::protocol_violation);
        CHECK(commands.error().message.starts_with("invalid command '"));
        CHECK(commands.error().message.ends_with("', use SHOW HELP;"));
    }
    CHECK(parse_admin("foo bar").error().message == "invalid command 'foo bar', use SHOW HELP;");
    const auto longest = parse_admin(std::string(200000, 'x') + " y z").error().message;
    CHECK(longest.size() < 1000);
}

TEST_CASE("admin parser: arguments have PgBouncer's limits") {
    const auto name = [](std::size_t size) {
        return std::string(size, 'a');
    };
    CHECK(parse_admin("pause " + name(63)).has_value());
    CHECK(parse_admin("pause " + name(64)).error().message == "bad arguments");
    CHECK(parse_admin("set x = " + name(255)).has_value());
    CHECK(parse_admin("set x = " + name(256)).error().message == "bad arguments");
    CHECK(parse_admin("set " + name(64) + " = 1").error().message == "bad arguments");
    CHECK(parse_admin("set \"\" = 1").error().message == "bad arguments");
    // Names of hosts are longer.
    CHECK(parse_admin("drain " + name(259)).has_value());
    CHECK(parse_admin("drain " + name(260)).error().message == "bad arguments");
    CHECK(parse_admin("set weight " + name(259) + " = 1").has_value());
    CHECK(parse_admin("set weight " + name(260) + " = 1").error().message == "bad arguments");
    CHECK(parse_admin("explain route " + name(64) + " select").error().message == "bad arguments");
}

TEST_CASE("admin parser: any bytes end in an answer") {
    std::uint32_t state = 1;
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (int i = 0; i < 24; ++i) {
            state = state * 1664525U + 1013904223U;
            constexpr std::string_view letters = "\"'-/*;= \nsetoshowPAUSE\xff\x01.";
            text.push_back(letters[(state >> 16U) % letters.size()]);
        }
        const auto commands = parse_admin(text);
        if (!commands) CHECK_FALSE(commands.error().message.empty());
    }
}

TEST_CASE("admin rights: who may run what") {
    for (const char* text :
         {"cancel client 1",
          "cancel idle_tx > 1s",
          "disable a",
          "drain a:1",
          "enable a",
          "explain route a select 1",
          "fence a:1",
          "forget timeline",
          "kill",
          "kill_client 1",
          "pause",
          "reconnect",
          "reload",
          "resume",
          "set default_pool_size = 3",
          "set weight timezone = 3",
          "shutdown",
          "shutdown wait_for_clients",
          "undrain a:1",
          "unfence a:1",
          "wait_close"}) {
        CAPTURE(text);
        const auto command = parse_admin(text)->front();
        CHECK(may_run(AdminRights::all, command));
        CHECK_FALSE(may_run(AdminRights::watch, command));
    }
    for (const char* text :
         {"show pools",
          "show config",
          "select version",
          "select * from pools",
          "begin",
          "reset all",
          "show help",
          "show hosts",
          "show routes",
          "set client_encoding = utf8",
          "SET TimeZone TO 'x'"}) {
        CAPTURE(text);
        const auto command = parse_admin(text)->front();
        CHECK(may_run(AdminRights::all, command));
        CHECK(may_run(AdminRights::watch, command));
    }
}

TEST_CASE("admin commands: every topic has as many columns as PgBouncer's") {
    const std::pair<const char*, std::size_t> widths[] = {
        {"clients", 21},
        {"servers", 21},
        {"pools", 17},
        {"databases", 17},
        {"users", 8},
        {"stats", 23},
        {"stats_totals", 12},
        {"stats_averages", 12},
        {"totals", 2},
        {"lists", 2},
        {"config", 4},
        {"state", 2},
        {"version", 1},
        {"peers", 4},
        {"peer_pools", 5},
        {"help", 0},
        {"timezone", 1},
        {"client_encoding", 1}};
    for (const auto& [topic, width] : widths) {
        CAPTURE(topic);
        const auto* show = find_show(topic);
        REQUIRE(show != nullptr);
        CHECK(show->columns.size() == width);
    }
    CHECK(find_show("FDS") == nullptr);
    CHECK(find_show("") == nullptr);
    const auto& stats = find_show("STATS")->columns;
    CHECK(stats[1].name == "total_server_assignment_count");
    CHECK(stats[12].name == "avg_server_assignment_count");
    CHECK(stats[22].name == "avg_bind_count");
    CHECK(stats[22].type == ColumnType::numeric);
    CHECK(find_show("stats_totals")->columns[11].name == "bind_count");
    CHECK(find_show("stats_averages")->columns[4].name == "avg_recv");
}

TEST_CASE("admin stats: averages as PgBouncer's") {
    Totals older{}, newer{};
    newer[transactions] = 100;
    newer[queries] = 400;
    newer[bytes_received] = 5000;
    newer[transaction_time] = 2000;
    newer[query_time] = 1200;
    newer[wait_time] = 70;
    const auto averages = average(older, newer, std::chrono::seconds(10));
    CHECK(averages[transactions] == 10);
    CHECK(averages[queries] == 40);
    CHECK(averages[bytes_received] == 500);
    CHECK(averages[transaction_time] == 20);
    CHECK(averages[query_time] == 3);
    CHECK(averages[wait_time] == 7);
    CHECK(averages[binds] == 0);
    CHECK(average(older, newer, {}) == Totals{});
    CHECK(average(newer, newer, std::chrono::seconds(1)) == Totals{});

    const auto start = pool::TimePoint{} + std::chrono::hours(1);
    StatsSampler sampler(start);
    CHECK(sampler.average_of("a") == Totals{});
    sampler.sample({{"a", newer}}, start + std::chrono::seconds(10));
    CHECK(sampler.average_of("a") == averages);
    CHECK(sampler.average_of("b") == Totals{});
    CHECK(sampler.average_of_all() == averages);
    sampler.sample({{"a", newer}}, start + std::chrono::seconds(20));
    CHECK(sampler.average_of("a") == Totals{});
    CHECK(sampler.last() == start + std::chrono::seconds(20));
}
