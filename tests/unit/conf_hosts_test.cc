#include "conf/host_list.h"
#include "conf/reload.h"
#include "conf/show.h"
#include "conf/validate.h"
#include "tests/unit/conf_support.h"

#include <doctest/doctest.h>

namespace weir::conf {

namespace {

std::vector<HostSettings> hosts_of(const Loaded& loaded, const char* database = "app") {
    CHECK(lines(loaded.problems.errors) == "");
    REQUIRE(loaded.ok());
    return loaded.settings->databases.at(database).hosts;
}

std::string wrong(const char* text) {
    return read_host_list(text).wrong;
}

}  // namespace

TEST_CASE("hosts: one host as text") {
    struct Row {
        const char* text;
        const char* host;
        int port;
    };

    for (const Row& row : {
             Row{"10.0.0.1:5433", "10.0.0.1", 5433},
             {"db1", "db1", 5432},
             {" db1:1 ", "db1", 1},
             {"[::1]:65535", "::1", 65535},
             {"[fe80::1%eth0]", "fe80::1%eth0", 5432},
             {"fe80::1", "fe80::1", 5432},
             {"/run/postgresql", "/run/postgresql", 5432},
             {"/run/postgresql:5433", "/run/postgresql", 5433},
         }) {
        CAPTURE(row.text);
        const auto read = read_host(row.text);
        CHECK(read.wrong == "");
        CHECK((read.value == HostSettings{.host = row.host, .port = row.port}));
        // Said again, it is the same.
        CHECK(read_host_list(host_list_text({read.value})).value.at(0) == read.value);
    }
}

TEST_CASE("hosts: what is no host") {
    CHECK(wrong("db1:0").starts_with("has \"db1:0\", with a port that is out of range"));
    CHECK(wrong("db1:65536").starts_with("has \"db1:65536\", with a port that is out of range"));
    CHECK(wrong("db1:x").starts_with("has \"db1:x\", with a port that is not a whole number"));
    CHECK(wrong("db1:").starts_with("has \"db1:\", with a port"));
    CHECK(wrong("a,:5432") == "has \":5432\", without a host");
    CHECK(wrong("[::1") == "has \"[::1\", without a closing bracket");
    CHECK(wrong("[::1]x") == "has \"[::1]x\", with something behind the bracket");
    CHECK(wrong("[]:1") == "has \"[]:1\", without a host");
    CHECK(wrong("") == "");
}

TEST_CASE("hosts: texts, tables, both together, and the ini file say the same") {
    const auto expected = std::vector<HostSettings>{
        {.host = "10.0.0.1", .port = 5432}, {.host = "::1", .port = 5433}};
    CHECK(
        hosts_of(toml("[databases.app]\nhosts = [\"10.0.0.1:5432\", \"[::1]:5433\"]")) == expected
    );
    CHECK(hosts_of(toml("[databases.app]\nhosts = \"10.0.0.1, [::1]:5433\"")) == expected);
    CHECK(
        hosts_of(toml("[databases.app]\nhosts = [\"10.0.0.1\", { host = \"::1\", port = 5433 }]")
        ) == expected
    );
    CHECK(
        hosts_of(toml("[[databases.app.hosts]]\nhost = \"10.0.0.1\"\n"
                      "[[databases.app.hosts]]\nhost = \"::1\"\nport = 5433\n")) == expected
    );
    CHECK(hosts_of(ini("[databases]\napp = hosts=10.0.0.1:5432,[::1]:5433\n")) == expected);
    CHECK(hosts_of(ini("[databases]\napp = hosts='10.0.0.1:5432, [::1]:5433'\n")) == expected);
}

TEST_CASE("hosts: every key of a table") {
    const auto hosts = hosts_of(toml(R"(
        [pgweir]
        zone = "a"
        [[databases.app.hosts]]
        host = "db1"
        port = 6000
        weight = 0
        zone = "a"
        role = "replica"
        [[databases.app.hosts]]
        role = "primary"
    )"));
    REQUIRE(hosts.size() == 2);
    CHECK((hosts[0] == HostSettings{"db1", 6000, 0, "a", HostRole::replica}));
    CHECK((hosts[1] == HostSettings{.role = HostRole::primary}));
}

TEST_CASE("hosts: all problems at once, each at its own line") {
    const Loaded loaded = toml(R"([databases.app]
host = "db0"
port = 5433
hosts = [
  "db1:0",
  5,
  { host = "db2", prot = 1, weight = -1, role = "standby" },
  "db3",
  "db3:5432",
]
)");
    CHECK(
        lines(loaded.problems.errors) ==
        "t.toml:5: databases.app.hosts[0]: has \"db1:0\", with a port that is out of range; "
        "allowed: 1 to 65535\n"
        "t.toml:6: databases.app.hosts[1]: is a number; allowed: a list of texts like "
        "\"10.0.0.1:5432\", \"[::1]:5432\" or \"db1\", or of tables with host, port, weight, zone "
        "and role\n"
        "t.toml:7: databases.app.hosts[2].prot: unknown key; did you mean \"port\"?\n"
        "t.toml:7: databases.app.hosts[2].role: is not one of the choices; allowed: auto, primary, "
        "replica\n"
        "t.toml:7: databases.app.hosts[2].weight: is out of range; allowed: 0 to 10000\n"
        "t.toml:2: databases.app.host: cannot be together with hosts\n"
        "t.toml:3: databases.app.port: cannot be together with hosts\n"
        "t.toml:9: databases.app.hosts[4]: is there twice\n"
    );
}

TEST_CASE("hosts: the keys that go with them, in both formats") {
    const Loaded typed = toml(R"(
        [databases.app]
        hosts = ["a", "b"]
        route = "replica"
        consistency = "strict"
        causal_wait = "10ms"
        max_lag = "500ms"
        max_lag_bytes = 4294967296
        lag_alert = 2
        primary_reads = "always"
        primary_reads_weight = 20
        monitor_user = "watch"
        monitor_password = "w"
    )");
    const Loaded flat = ini(
        "[pgbouncer]\npool_mode = transaction\n[databases]\napp = hosts=a,b route=replica "
        "consistency=strict causal_wait=10ms max_lag=500ms max_lag_bytes=4294967296 lag_alert=2 "
        "primary_reads=always primary_reads_weight=20 monitor_user=watch monitor_password=w\n"
    );
    REQUIRE(typed.ok());
    REQUIRE(flat.ok());
    CHECK(*typed.settings == *flat.settings);
    const DatabaseSettings& app = typed.settings->databases.at("app");
    CHECK(app.route == RouteTo::replica);
    CHECK(app.consistency == Consistency::strict);
    CHECK(app.causal_wait == Milliseconds(10));
    CHECK(app.max_lag == Milliseconds(500));
    CHECK(app.max_lag_bytes == 4294967296);
    CHECK(app.primary_reads == PrimaryReads::always);
    const Read<std::string> converted = convert_to_toml(flat);
    REQUIRE(converted.ok());
    CHECK(converted.value.find("hosts = [\"a:5432\", \"b:5432\"]") != std::string::npos);
}

TEST_CASE("hosts: wrong choices say what is allowed") {
    const Loaded loaded =
        toml("[databases.app]\nroute = \"standby\"\nconsistency = \"all\"\nprimary_reads = 1");
    CHECK(
        lines(loaded.problems.errors) ==
        "t.toml:3: databases.app.consistency: is not one of the choices; allowed: none, session, "
        "global, strict\n"
        "t.toml:4: databases.app.primary_reads: is a number; allowed: never, fallback, always\n"
        "t.toml:2: databases.app.route: is not one of the choices; allowed: auto, primary, "
        "replica\n"
    );
}

TEST_CASE("hosts: rules over several keys") {
    Settings settings;
    settings.auth_file = "/users";
    DatabaseSettings& app = settings.databases["app"];
    app.hosts = {{.host = "a"}, {.host = "b"}};
    CHECK(validate(settings).errors.empty());
    CHECK(validate(settings).warnings.empty());
    const auto warned = [&] {
        const auto warnings = validate(settings).warnings;
        return warnings.size() == 1 ? warnings[0].key : std::to_string(warnings.size());
    };
    app.hosts = {{.host = "a", .role = HostRole::replica}};
    CHECK(warned() == "databases.app.hosts");
    app.route = RouteTo::replica;
    CHECK(validate(settings).warnings.empty());
    app.hosts[0].zone = "a";
    CHECK(warned() == "databases.app.hosts[0].zone");
    settings.zone = "b";
    app.causal_wait = Milliseconds(1);
    app.consistency = Consistency::none;
    CHECK(warned() == "databases.app.causal_wait");
    app.causal_wait = Milliseconds(0);
    app.primary_reads_weight = 1;
    CHECK(warned() == "databases.app.primary_reads_weight");
    app.primary_reads_weight.reset();
    app.monitor_password = Secret("x");
    CHECK(warned() == "databases.app.monitor_password");
    app.monitor_password.reset();
    app.hosts.assign(65, {});
    for (int i = 0; i < 65; ++i)
        app.hosts[static_cast<std::size_t>(i)] = {.host = "h", .port = i + 1};
    REQUIRE(validate(settings).errors.size() == 1);
    CHECK(validate(settings).errors[0].text == "has 65 hosts; allowed: up to 64");
    app.hosts.clear();
    REQUIRE(validate(settings).errors.size() == 1);
    CHECK(validate(settings).errors[0].key == "databases.app.route");
}

TEST_CASE("hosts: server_hosts and the default route") {
    Settings settings;
    DatabaseSettings app;
    app.port = 5433;
    auto hosts = server_hosts(settings, app);
    REQUIRE(hosts.size() == 1);
    CHECK((hosts[0] == HostSettings{.host = "/tmp", .port = 5433, .role = HostRole::primary}));
    CHECK(effective_route(app) == RouteTo::primary);
    app.hosts = {{.host = "a"}};
    CHECK(effective_route(app) == RouteTo::primary);
    app.hosts.push_back({.port = 5434});
    CHECK(effective_route(app) == RouteTo::automatic);
    hosts = server_hosts(settings, app);
    CHECK(hosts[0].role == HostRole::automatic);
    CHECK(hosts[1].host == "/tmp");
    app.route = RouteTo::primary;
    CHECK(effective_route(app) == RouteTo::primary);
}

TEST_CASE("hosts: a user's route and consistency come before the database's, but for reports") {
    Settings settings;
    DatabaseSettings app;
    app.hosts = {{.host = "a"}, {.host = "b"}};
    auto& job = settings.users["job"];
    job.route = RouteTo::primary;
    job.consistency = Consistency::strict;
    CHECK(effective_route(settings, app, "other") == RouteTo::automatic);
    CHECK(effective_route(settings, app, "job") == RouteTo::primary);
    CHECK(effective_consistency(settings, app, "other") == Consistency::session);
    CHECK(effective_consistency(settings, app, "job") == Consistency::strict);
    app.route = RouteTo::replica;
    CHECK(effective_route(settings, app, "job") == RouteTo::replica);
}

TEST_CASE("hosts: written as TOML they are the same, short where that says all") {
    Settings settings;
    settings.zone = "z";
    DatabaseSettings& app = settings.databases["app"];
    for (const auto& hosts : std::vector<std::vector<HostSettings>>{
             {{.host = "a"}, {.host = "::1", .port = 1}},
             {{.host = "a"}, {.host = "b\"c", .weight = 1, .zone = "z", .role = HostRole::replica}},
             {{.port = 5433}, {}},
             {{.host = "/run/pg", .port = 5433}, {.host = "@abstract"}},
         }) {
        app.hosts = hosts;
        const std::string text = to_toml(settings, Which::changed, Secrets::written);
        CAPTURE(text);
        const Loaded again = toml(text);
        CHECK(lines(again.problems.errors) == "");
        REQUIRE(again.ok());
        CHECK(*again.settings == settings);
    }
    CHECK(host_list_toml({{.host = "a"}}) == "[\"a:5432\"]");
    CHECK(host_list_toml({{.host = "a", .weight = 7}}) == "[{ host = \"a\", weight = 7 }]");
}

TEST_CASE("hosts: how they are used acts at once, and one instead of several after a restart") {
    Settings running;
    running.databases["app"].hosts = {{.host = "a"}, {.host = "b"}};
    Settings loaded = running;
    loaded.databases["app"].hosts[1].weight = 7;
    loaded.databases["app"].max_lag_bytes = 8;
    CHECK(compare(running, loaded).databases_changed == std::vector<std::string>{"app"});
    CHECK(compare(running, loaded).databases_reconnect.empty());
    CHECK(compare(running, loaded).needs_restart.empty());
    CHECK(reloaded(running, loaded) == loaded);

    const std::vector<std::string> hosts{"databases.app.hosts"};
    auto& app = loaded.databases["app"];
    app.hosts.clear();
    app.host = "alone";
    app.port = 6000;
    CHECK(compare(running, loaded).needs_restart == hosts);
    CHECK(reloaded(running, loaded).databases.at("app").host.empty());
    CHECK(reloaded(running, loaded).databases.at("app").hosts.size() == 2);
    CHECK(reloaded(running, loaded).databases.at("app").max_lag_bytes == 8);
}

TEST_CASE("hosts: each has a pool of its own in the estimate of descriptors") {
    Settings settings;
    settings.databases["app"].user = "u";
    const auto one = estimate_descriptors(settings, 1);
    settings.databases["app"].hosts = {{.host = "a"}, {.host = "b"}, {.host = "c"}};
    const auto three = estimate_descriptors(settings, 1);
    CHECK(three.servers == 3 * one.servers);
    CHECK(three.others == one.others + 3);
}

}  // namespace weir::conf
