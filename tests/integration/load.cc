// pgbench with far more clients than servers: no errors, the balances add up, whatever happens.
// WEIR_LOAD_SECONDS is the length of each run (default 4), WEIR_LOAD_CLIENTS their number (100).
#include "tests/integration/fixture.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>

using namespace weir::test;

namespace {

int from_environment(const char* name, int otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::atoi(text);
}

int seconds() {
    return from_environment("WEIR_LOAD_SECONDS", 4);
}

int client_count() {
    return from_environment("WEIR_LOAD_CLIENTS", 100);
}

// pgbench's tables at scale 5, owned by the role the load runs as.
void fill(const Fixture& fixture) {
    run_or_throw(CommandLine{
        .arguments =
            {pg_program("pgbench"),
             "-i",
             "-q",
             "-s",
             "5",
             Cluster::shared().conninfo(fixture.database.name(), role_trust)},
        .environment = {},
        .user = "",
    });
}

CommandLine pgbench(const Fixture& fixture, std::vector<std::string> more) {
    CommandLine command{
        .arguments = {pg_program("pgbench"), "-n", "-T", std::to_string(seconds())},
        .environment = {},
        .user = "",
    };
    command.arguments.insert(command.arguments.end(), more.begin(), more.end());
    command.arguments.push_back(fixture.proxy.conninfo());
    return command;
}

void check_balances(const Fixture& fixture) {
    Pg direct = fixture.database.connect();
    const std::string history = direct.value("select coalesce(sum(delta), 0) from pgbench_history");
    for (const char* sum :
         {"select sum(bbalance) from pgbench_branches",
          "select sum(tbalance) from pgbench_tellers",
          "select sum(abalance) from pgbench_accounts"}) {
        CAPTURE(sum);
        CHECK(direct.value(sum) == history);
    }
}

// Runs to the end while it watches the limit.
void run_within_limit(const Fixture& fixture, const CommandLine& command, int limit) {
    const TempDir logs{"load"};
    ChildProcess load{command, logs / "log"};
    int most = 0;
    while (!load.ended()) {
        most = std::max(most, fixture.database.backends());
        sleep_ms(20);
    }
    CHECK_MESSAGE(load.wait().good(), load.output());
    CHECK_MESSAGE(
        load.output().find("number of failed transactions: 0 ") != std::string::npos, load.output()
    );
    CHECK(most <= limit);
    CHECK(most >= 1);
}

}  // namespace

TEST_CASE("TPC-B with many clients on a pool of twenty: 0 errors, the balances add up") {
    const Fixture fixture{20};
    fill(fixture);
    const std::string clients = std::to_string(client_count());
    SUBCASE("simple") {
        run_within_limit(fixture, pgbench(fixture, {"-c", clients, "-M", "simple"}), 20);
    }
    SUBCASE("extended") {
        run_within_limit(fixture, pgbench(fixture, {"-c", clients, "-M", "extended"}), 20);
    }
    check_balances(fixture);
}

TEST_CASE("TPC-B, prepared, clients >> servers: no deadlock" * ours_only()) {
    const Fixture fixture{20};
    fill(fixture);
    run_within_limit(
        fixture, pgbench(fixture, {"-c", std::to_string(client_count()), "-M", "prepared"}), 20
    );
    check_balances(fixture);
}

TEST_CASE("a connection for each transaction") {
    const Fixture fixture{5};
    fill(fixture);
    run_within_limit(fixture, pgbench(fixture, {"-c", "10", "-C", "-S"}), 5);
}

TEST_CASE("RELOAD under load disturbs nobody") {
    Fixture fixture{10};
    fill(fixture);
    const TempDir logs{"load"};
    ChildProcess load{pgbench(fixture, {"-c", "50"}), logs / "log"};
    int pool_size = 10;
    while (!load.ended()) {
        pool_size = pool_size == 10 ? 5 : 10;
        fixture.proxy.config().settings["default_pool_size"] = pool_size;
        fixture.proxy.reload();
        sleep_ms(100);
    }
    CHECK_MESSAGE(load.wait().good(), load.output());
    check_balances(fixture);
}

TEST_CASE("PAUSE and RESUME under load disturb nobody") {
    Fixture fixture{10};
    fill(fixture);
    const TempDir logs{"load"};
    ChildProcess load{pgbench(fixture, {"-c", "50"}), logs / "log"};
    Pg console = fixture.proxy.console();
    while (!load.ended()) {
        console.exec("PAUSE");
        wait_until("the servers are gone", [&] { return fixture.database.backends() == 0; });
        console.exec("RESUME");
        sleep_ms(100);
    }
    CHECK_MESSAGE(load.wait().good(), load.output());
    check_balances(fixture);
}

TEST_CASE("a client killed with -9 under load: the balances add up, the rest goes on") {
    const Fixture fixture{10};
    fill(fixture);
    const TempDir logs{"load"};
    ChildProcess steady{pgbench(fixture, {"-c", "20"}), logs / "steady"};
    for (int i = 0; i < 3; ++i) {
        ChildProcess victim{pgbench(fixture, {"-c", "20"}), logs / "victim"};
        sleep_ms(500);
        victim.signal(SIGKILL);
        CHECK(victim.wait().signal == SIGKILL);
    }
    CHECK_MESSAGE(steady.wait().good(), steady.output());
    wait_until("no transaction is left", [&] {
        return fixture.database.backends("xact_start is not null") == 0;
    });
    check_balances(fixture);
    CHECK(fixture.database.backends() <= 10);
}

TEST_CASE("servers terminated under load: the balances add up, nothing is stuck") {
    const Fixture fixture{10};
    fill(fixture);
    const TempDir logs{"load"};
    // pgbench's clients end at an error: new ones must come.
    for (int round = 0; round < 2; ++round) {
        ChildProcess load{pgbench(fixture, {"-c", "30"}), logs / "log"};
        while (!load.ended()) {
            sleep_ms(150);
            fixture.database.terminate("pid % 3 = 0");
        }
    }
    check_balances(fixture);
    Pg next = fixture.connect();
    CHECK(next.value("select 'served'") == "served");
    CHECK(fixture.database.backends() <= 10);
}

TEST_CASE("each client sees its own data only, under load on few servers" * ours_only()) {
    const Fixture fixture{2};
    const TempDir logs{"load"};
    // Settings, prepared statements and results of each client carry its number.
    write_file(
        logs / "script.sql",
        "set application_name = 'client:client_id';\n"
        "select 1 / (current_setting('application_name') = 'client:client_id')::int;\n"
        "begin;\nselect set_config('search_path', 'schema:client_id', true);\n"
        "select 1 / (current_setting('search_path') = 'schema:client_id')::int;\ncommit;\n"
    );
    run_within_limit(fixture, pgbench(fixture, {"-c", "40", "-f", logs / "script.sql"}), 2);
}
