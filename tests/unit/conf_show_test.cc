#include "conf/load_file.h"
#include "conf/show.h"
#include "tests/unit/conf_support.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

namespace weir::conf {

namespace {

const std::string example_path = std::string(WEIR_SOURCE_DIR) + "/conf/pgweir.example.toml";

std::string code_of(const protocol::Result<Settings>& result) {
    return result ? "ok" : std::string(result.error().code.text());
}

}  // namespace

TEST_CASE("example file: it is what the tables say") {
    if (std::getenv("WEIR_WRITE_EXAMPLE") != nullptr) std::ofstream(example_path) << example_toml();
    Read<std::string> text = read_file(example_path);
    REQUIRE(text.ok());
    CHECK(text.value == example_toml());
}

TEST_CASE("example file: it loads to the defaults, and every key stands in it") {
    Loaded loaded = load_file(example_path);
    CHECK(lines(loaded.problems.errors) == "");
    REQUIRE(loaded.ok());
    CHECK(*loaded.settings == Settings{});
    for (const Key<Settings>& key : global_keys()) {
        CAPTURE(key.name);
        CHECK(loaded.origins.contains("pgweir." + std::string(key.name)));
    }
}

TEST_CASE("example file: its commented sections are right, too") {
    // Without their "# " the sections must load: every key is known and its value fits.
    std::string text = example_toml();
    std::string sections;
    std::size_t at = text.find("\n# [databases.mydb]");
    REQUIRE(at != std::string::npos);
    std::string_view rest = std::string_view(text).substr(at + 1);
    while (!rest.empty()) {
        std::size_t end = rest.find('\n');
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        bool code = line.starts_with("# [") || line.find(" = ") != std::string_view::npos;
        if (code) sections += std::string(line.substr(2)) + '\n';
    }
    Loaded loaded = toml(sections);
    CHECK(lines(loaded.problems.errors) == "");
    for (const Key<DatabaseSettings>& key : database_keys()) {
        CAPTURE(key.name);
        CHECK(loaded.origins.contains("databases.mydb." + std::string(key.name)));
    }
    for (const Key<UserSettings>& key : user_keys()) {
        CAPTURE(key.name);
        CHECK(loaded.origins.contains("users.alice." + std::string(key.name)));
    }
}

TEST_CASE("config_rows: every key, sorted, in PgBouncer's spelling") {
    Settings settings;
    settings.query_wait_timeout = Milliseconds(2500);
    settings.listen_addr = {"127.0.0.1", "::1"};
    settings.databases["a"].password = Secret("hunter2");
    std::vector<ConfigRow> rows = config_rows(settings);
    CHECK(rows.size() == global_keys().size());
    CHECK(rows.front().key == "admin_users");
    auto row = [&](std::string_view key) {
        for (const ConfigRow& each : rows) {
            if (each.key == key) return each;
        }
        return ConfigRow{};
    };
    CHECK(row("query_wait_timeout").value == "2.5");
    CHECK(row("query_wait_timeout").default_value == "120");
    CHECK(row("query_wait_timeout").changeable);
    CHECK(row("listen_addr").value == "127.0.0.1, ::1");
    CHECK_FALSE(row("listen_addr").changeable);
    CHECK(row("log_connections").value == "1");
    CHECK(row("unix_socket_mode").value == "0777");
    CHECK(row("pool_mode").value == "transaction");
    for (const ConfigRow& each : rows)
        CHECK(each.value.find("hunter2") == std::string::npos);
}

TEST_CASE("with_setting: one key changes, the rest stays") {
    Settings settings;
    settings.databases["a"].host = "h";
    auto changed = with_setting(settings, " Default_Pool_Size", "7");
    REQUIRE(changed.has_value());
    CHECK(changed->default_pool_size == 7);
    settings.default_pool_size = 7;
    CHECK(*changed == settings);
    CHECK(with_setting(settings, "query_timeout", "250ms")->query_timeout == Milliseconds(250));
}

TEST_CASE("with_setting: what is refused, and how") {
    Settings settings;
    CHECK(code_of(with_setting(settings, "no_such", "1")) == "42704");
    CHECK(code_of(with_setting(settings, "", "1")) == "42704");
    CHECK(code_of(with_setting(settings, "listen_port", "1")) == "55P02");
    CHECK(code_of(with_setting(settings, "verbose", "9")) == "22023");
    CHECK(code_of(with_setting(settings, "min_pool_size", "21")) == "22023");
    CHECK(code_of(with_setting(settings, "client_tls_sslmode", "require")) == "22023");
    CHECK(
        with_setting(settings, "pool_mdoe", "x").error().message ==
        "unrecognized configuration parameter \"pool_mdoe\"; did you mean \"pool_mode\"?"
    );
}

TEST_CASE("global secrets: not shown, not set on the console, where it would be in the log") {
    Settings settings;
    settings.http_token = Secret("hunter2");
    for (const ConfigRow& row : config_rows(settings))
        CHECK(row.value.find("hunter2") == std::string::npos);
    const std::string text = to_toml(settings, Which::all, Secrets::hidden);
    CHECK(text.find("hunter2") == std::string::npos);
    CHECK(text.find("# http_token is set, and not shown") != std::string::npos);
    CHECK(to_toml(settings, Which::all, Secrets::written).find("hunter2") != std::string::npos);
    CHECK_FALSE(with_setting(settings, "http_token", "other").has_value());
}

TEST_CASE("to_toml: loads to the same settings; secrets only where they are asked for") {
    Loaded loaded = load_file(fixture("issue.ini"));
    REQUIRE(loaded.ok());
    Settings settings = *loaded.settings;
    settings.databases["we\"ird db"].password = Secret("hun\"ter2");
    settings.databases["we\"ird db"].user = "u\\n";
    settings.users["*"].query_timeout = Milliseconds(1500);
    settings.server_check_query = "";
    settings.listen_addr = {"a", "b"};
    settings.unix_socket_mode = 0640;

    for (Which keys : {Which::all, Which::changed}) {
        std::string text = to_toml(settings, keys, Secrets::written);
        CAPTURE(text);
        Loaded again = toml(text);
        CHECK(lines(again.problems.errors) == "");
        REQUIRE(again.ok());
        CHECK(*again.settings == settings);
    }
    std::string shown = to_toml(settings, Which::all, Secrets::hidden);
    CHECK(shown.find("ter2") == std::string::npos);
    CHECK(shown.find("# password is set, and not shown") != std::string::npos);
    REQUIRE(toml(shown).ok());
    CHECK(to_toml(Settings{}, Which::changed, Secrets::written) == "[pgweir]\n");
}

TEST_CASE("convert_to_toml: the same settings, and a comment for what is not taken over") {
    Read<std::string> source = read_file(fixture("everything.ini"));
    REQUIRE(source.ok());
    std::string repaired = source.value;
    repaired.replace(repaired.find("unix_socket_dir ="), 17, "unix_socket_dir = /s");
    Loaded loaded = load_pgbouncer_ini(repaired, fixture("everything.ini"));
    REQUIRE(loaded.ok());
    Read<std::string> text = convert_to_toml(loaded);
    REQUIRE(text.ok());
    CHECK(*toml(text.value).settings == *loaded.settings);
    CHECK(
        text.value.find("# Not taken over as it stands: pgbouncer.auth_query") != std::string::npos
    );
    CHECK(text.value.find("it's; a #secret") != std::string::npos);
    CHECK(text.value.find("Passwords are taken over") != std::string::npos);
}

TEST_CASE("convert_to_toml: what TOML cannot carry is said, not written") {
    Loaded loaded = ini("[databases]\na = host=x user=u password=\xe4\xf6\n");
    REQUIRE(loaded.ok());
    Read<std::string> text = convert_to_toml(loaded);
    CHECK_FALSE(text.ok());
    CHECK(text.value.empty());
}

}  // namespace weir::conf
