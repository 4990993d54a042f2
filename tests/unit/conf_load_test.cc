#include "conf/load_file.h"
#include "tests/unit/conf_support.h"

#include <doctest/doctest.h>

#include <random>

namespace weir::conf {

TEST_CASE("format_of: by ending, else by sections") {
    struct Row {
        const char* path;
        const char* text;
        Format expected;
    };

    for (Row row : {
             Row{"a.ini", "[pgweir]\n", Format::ini},
             {"A.TOML", "[pgbouncer]\n", Format::toml},
             {"conf", "# x\n[databases]\na = host=b\n[pgbouncer]\n", Format::ini},
             {"conf", "[databases]\na = host=b\n", Format::ini},
             {"conf", "[databases]\na = {host = \"b\"}\n[pgweir]\n", Format::toml},
             {"conf", "[databases.a]\n", Format::toml},
             {"conf", "; c\n", Format::ini},
             {"conf", "", Format::toml},
         }) {
        CAPTURE(row.text);
        CHECK(format_of(row.path, row.text) == row.expected);
    }
}

TEST_CASE("load_file: a file that cannot be read is one problem") {
    Loaded loaded = load_file("/nonexistent/pgweir.toml");
    CHECK_FALSE(loaded.ok());
    CHECK(
        lines(loaded.problems.errors) ==
        "/nonexistent/pgweir.toml: cannot be read: No such file or directory\n"
    );
    CHECK(load_file("/").problems.errors.at(0).text == "cannot be read: is a directory");
}

TEST_CASE("load_file: an ini file with its includes") {
    Loaded loaded = load_file(fixture("issue.ini"));
    REQUIRE(loaded.ok());
    CHECK(loaded.settings->max_client_conn == 1000);
}

TEST_CASE("loaders: no input crashes them") {
    std::mt19937 random(20261121);
    Read<std::string> text = read_file(fixture("everything.ini"));
    Read<std::string> example =
        read_file(std::string(WEIR_SOURCE_DIR) + "/conf/pgweir.example.toml");
    REQUIRE(text.ok());
    REQUIRE(example.ok());
    auto byte = [&] {
        return static_cast<char>(random() & 0xff);
    };
    for (int round = 0; round < 300; ++round) {
        for (std::string mutated : {text.value, example.value}) {
            for (int change = 0; change < 5; ++change)
                mutated[random() % mutated.size()] = byte();
            Loaded as_ini = ini(mutated);
            CHECK(as_ini.ok() == as_ini.problems.errors.empty());
            Loaded as_toml = toml(mutated);
            CHECK(as_toml.ok() == as_toml.problems.errors.empty());
        }
    }
}

}  // namespace weir::conf
