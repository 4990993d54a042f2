#include "conf/settings.h"

#include <doctest/doctest.h>

namespace weir::conf {

TEST_CASE("find_database: the own entry, else *, else none") {
    Settings settings;
    CHECK(find_database(settings, "a") == nullptr);
    settings.databases["*"].host = "any";
    settings.databases["a"].host = "own";
    CHECK(find_database(settings, "a")->host == "own");
    CHECK(find_database(settings, "b")->host == "any");
    CHECK(server_dbname(*find_database(settings, "b"), "b") == "b");
    settings.databases["a"].dbname = "real";
    CHECK(server_dbname(*find_database(settings, "a"), "a") == "real");
    CHECK(server_host(settings, settings.databases["a"]) == "own");
    CHECK(server_host(settings, DatabaseSettings{}) == "/tmp");
    CHECK(is_console_database("pgbouncer"));
    CHECK(is_console_database("pgweir"));
    CHECK_FALSE(is_console_database("a"));
}

TEST_CASE("precedence: user, then database, then global") {
    Settings settings;
    settings.databases["d"];
    CHECK(effective_pool_mode(settings, "d", "u") == PoolMode::transaction);
    CHECK(effective_pool_size(settings, "d", "u") == 20);
    CHECK(effective_reserve_pool_size(settings, "d", "u") == 0);

    settings.databases["d"].pool_mode = PoolMode::statement;
    settings.databases["d"].pool_size = 5;
    settings.databases["d"].reserve_pool_size = 2;
    CHECK(effective_pool_mode(settings, "d", "u") == PoolMode::statement);
    CHECK(effective_pool_size(settings, "d", "u") == 5);
    CHECK(effective_reserve_pool_size(settings, "d", "u") == 2);

    settings.users["u"].pool_mode = PoolMode::session;
    settings.users["u"].pool_size = 0;
    settings.users["u"].reserve_pool_size = 0;
    CHECK(effective_pool_mode(settings, "d", "u") == PoolMode::session);
    CHECK(effective_pool_size(settings, "d", "u") == 0);
    CHECK(effective_reserve_pool_size(settings, "d", "u") == 0);
    CHECK(effective_pool_size(settings, "d", "other") == 5);
    CHECK(effective_pool_size(settings, "unknown", "other") == 20);
}

TEST_CASE("precedence: max_pinned of a database, also none, then the global one") {
    Settings settings;
    settings.max_pinned = 5;
    settings.databases["d"];
    CHECK(effective_max_pinned(settings, "d") == 5);
    CHECK(effective_max_pinned(settings, "unknown") == 5);
    settings.databases["d"].max_pinned = 0;
    CHECK(effective_max_pinned(settings, "d") == 0);
    settings.databases["d"].max_pinned = 2;
    CHECK(effective_max_pinned(settings, "d") == 2);
}

TEST_CASE("lend policy: server_round_robin is PgBouncer's way to say it") {
    Settings settings;
    CHECK(effective_lend_policy(settings) == LendPolicy::lifo);
    settings.server_round_robin = true;
    CHECK(effective_lend_policy(settings) == LendPolicy::round_robin);
    settings.lend_policy = LendPolicy::rotate;
    CHECK(effective_lend_policy(settings) == LendPolicy::rotate);
    settings.server_round_robin = false;
    settings.lend_policy = LendPolicy::round_robin;
    CHECK(effective_lend_policy(settings) == LendPolicy::round_robin);
}

TEST_CASE("precedence: min_pool_size stays within the pool") {
    Settings settings;
    settings.min_pool_size = 10;
    CHECK(effective_min_pool_size(settings, "d", "u") == 10);
    settings.users["u"].pool_size = 3;
    CHECK(effective_min_pool_size(settings, "d", "u") == 3);
    settings.users["u"].pool_size = 0;
    CHECK(effective_min_pool_size(settings, "d", "u") == 10);
    settings.databases["d"].min_pool_size = 0;
    CHECK(effective_min_pool_size(settings, "d", "u") == 0);
}

TEST_CASE("precedence: limits and timeouts of 0 are inherited") {
    Settings settings;
    settings.max_db_connections = 9;
    settings.max_db_client_connections = 8;
    settings.max_user_connections = 7;
    settings.max_user_client_connections = 6;
    settings.query_timeout = Milliseconds(50);
    settings.databases["d"].max_db_connections = 0;
    settings.users["u"].query_timeout = Milliseconds(0);
    settings.users["u"].max_user_connections = 0;
    CHECK(effective_max_db_connections(settings, "d") == 9);
    CHECK(effective_max_db_client_connections(settings, "d") == 8);
    CHECK(effective_max_user_connections(settings, "u") == 7);
    CHECK(effective_max_user_client_connections(settings, "u") == 6);
    CHECK(effective_query_timeout(settings, "u") == Milliseconds(50));

    settings.databases["d"].max_db_connections = 3;
    settings.databases["d"].max_db_client_connections = 4;
    settings.databases["d"].server_lifetime = Milliseconds(0);
    UserSettings& user = settings.users["u"];
    user.max_user_connections = 1;
    user.max_user_client_connections = 2;
    user.query_timeout = Milliseconds(10);
    user.idle_transaction_timeout = Milliseconds(11);
    user.transaction_timeout = Milliseconds(12);
    user.client_idle_timeout = Milliseconds(13);
    CHECK(effective_max_db_connections(settings, "d") == 3);
    CHECK(effective_max_db_client_connections(settings, "d") == 4);
    CHECK(effective_server_lifetime(settings, "d") == Milliseconds(0));
    CHECK(effective_server_lifetime(settings, "other") == std::chrono::hours(1));
    CHECK(effective_max_user_connections(settings, "u") == 1);
    CHECK(effective_max_user_client_connections(settings, "u") == 2);
    CHECK(effective_query_timeout(settings, "u") == Milliseconds(10));
    CHECK(effective_idle_transaction_timeout(settings, "u") == Milliseconds(11));
    CHECK(effective_transaction_timeout(settings, "u") == Milliseconds(12));
    CHECK(effective_client_idle_timeout(settings, "u") == Milliseconds(13));
}

}  // namespace weir::conf
