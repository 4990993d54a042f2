#include "conf/keys.h"
#include "conf/reload.h"

#include <doctest/doctest.h>

namespace weir::conf {

using Names = std::vector<std::string>;

TEST_CASE("compare: the same settings differ in nothing") {
    Settings settings;
    settings.databases["a"].password = Secret("x");
    CHECK(compare(settings, settings).empty());
}

TEST_CASE("compare: what acts at once, and what waits for a restart") {
    Settings running;
    Settings loaded;
    loaded.default_pool_size = 7;
    loaded.listen_port = 7000;
    loaded.workers = 4;
    ReloadDiff diff = compare(running, loaded);
    CHECK(diff.changed == Names{"default_pool_size"});
    CHECK(diff.needs_restart == Names{"workers", "listen_port"});
    CHECK_FALSE(diff.empty());
    CHECK_FALSE(diff.client_tls_changed);
    Settings next = reloaded(running, loaded);
    CHECK(next.default_pool_size == 7);
    CHECK(next.listen_port == 6432);
    CHECK(next.workers == 0);
}

TEST_CASE("compare: databases") {
    struct Row {
        const char* name;
        void (*change)(DatabaseSettings&);
        bool reconnect;
    };

    for (const Row& row : {
             Row{"host", [](DatabaseSettings& d) { d.host = "x"; }, true},
             {"port", [](DatabaseSettings& d) { d.port = 1; }, true},
             {"dbname", [](DatabaseSettings& d) { d.dbname = "x"; }, true},
             {"user", [](DatabaseSettings& d) { d.user = "x"; }, true},
             {"password", [](DatabaseSettings& d) { d.password = Secret("x"); }, true},
             {"connect_query", [](DatabaseSettings& d) { d.connect_query = "x"; }, true},
             {"client_encoding", [](DatabaseSettings& d) { d.client_encoding = "x"; }, true},
             {"datestyle", [](DatabaseSettings& d) { d.datestyle = "x"; }, true},
             {"timezone", [](DatabaseSettings& d) { d.timezone = "x"; }, true},
             {"pool_size", [](DatabaseSettings& d) { d.pool_size = 1; }, false},
             {"pool_mode", [](DatabaseSettings& d) { d.pool_mode = PoolMode::session; }, false},
             {"lifetime", [](DatabaseSettings& d) { d.server_lifetime = Milliseconds(1); }, false},
         }) {
        CAPTURE(row.name);
        Settings running;
        running.databases["a"];
        running.databases["gone"];
        Settings loaded;
        row.change(loaded.databases["a"]);
        loaded.databases["new"];
        ReloadDiff diff = compare(running, loaded);
        CHECK(diff.databases_added == Names{"new"});
        CHECK(diff.databases_removed == Names{"gone"});
        CHECK(diff.databases_reconnect == (row.reconnect ? Names{"a"} : Names{}));
        CHECK(diff.databases_changed == (row.reconnect ? Names{} : Names{"a"}));
    }
}

TEST_CASE("reloaded: hosts keep their places, those that are gone as removed, new ones behind them"
) {
    Settings running;
    running.databases["a"].hosts = {{.host = "x"}, {.host = "y"}};
    Settings loaded;
    loaded.databases["a"].hosts = {{.host = "z", .weight = 5}, {.host = "y", .zone = "here"}};
    auto diff = compare(running, loaded);
    CHECK(diff.databases_changed == Names{"a"});
    CHECK(diff.needs_restart.empty());
    const auto next = reloaded(running, loaded);
    const std::vector<HostSettings> merged = {
        {.host = "x", .removed = true},
        {.host = "y", .zone = "here"},
        {.host = "z", .weight = 5},
    };
    CHECK(next.databases.at("a").hosts == merged);
    CHECK(effective_route(next.databases.at("a")) == RouteTo::automatic);
    // The same file again changes nothing, and the first one brings the first host back.
    CHECK(compare(next, loaded).empty());
    const auto back = reloaded(next, running).databases.at("a").hosts;
    CHECK_FALSE(back[0].removed);
    CHECK(back[2].removed);

    SUBCASE("several instead of one, and one instead of several, need a restart") {
        Settings single;
        single.databases["a"].host = "x";
        for (const auto& [before, after] :
             {std::pair(running, single), std::pair(single, running)}) {
            CHECK(compare(before, after).needs_restart == Names{"databases.a.hosts"});
            CHECK(
                reloaded(before, after).databases.at("a").hosts == before.databases.at("a").hosts
            );
        }
    }
    SUBCASE("there are places for so many") {
        loaded.databases["a"].hosts.clear();
        for (std::size_t i = 1; i < most_hosts; ++i)
            loaded.databases["a"].hosts.push_back({.host = "h" + std::to_string(i)});
        CHECK(compare(running, loaded).needs_restart == Names{"databases.a.hosts"});
        CHECK(reloaded(running, loaded).databases.at("a").hosts.size() == 2);
    }
}

TEST_CASE("compare: users and TLS") {
    Settings running;
    running.users["gone"];
    running.users["same"].pool_size = 1;
    running.users["other"].pool_size = 1;
    Settings loaded = running;
    loaded.users.erase("gone");
    loaded.users["other"].pool_size = 2;
    loaded.users["new"];
    loaded.client_tls_ca_file = "x";
    ReloadDiff diff = compare(running, loaded);
    CHECK(diff.users_changed == Names{"gone", "other", "new"});
    CHECK(diff.client_tls_changed);
    CHECK_FALSE(diff.server_tls_changed);
    loaded = running;
    loaded.server_tls_sslmode = SslMode::require;
    diff = compare(running, loaded);
    CHECK(diff.server_tls_changed);
    CHECK_FALSE(diff.client_tls_changed);
}

}  // namespace weir::conf
