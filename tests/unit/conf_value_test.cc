#include "conf/keys.h"
#include "conf/log_levels.h"
#include "conf/tls_options.h"
#include "conf/value.h"

#include <doctest/doctest.h>

#include <set>

namespace weir::conf {

TEST_CASE("read_duration: numbers and units") {
    struct Row {
        const char* text;
        std::int64_t milliseconds;
    };

    for (Row row : {
             Row{"0", 0},
             {"5", 5000},
             {"2.5", 2500},
             {"2.3", 2300},
             {"250ms", 250},
             {"5s", 5000},
             {"1.5m", 90000},
             {"2min", 120000},
             {"1h", 3600000},
             {"2d", 172800000},
             {" 7 s ", 7000},
             {"3H", 10800000},
             {"0.0001", 1},
             {".5", 500},
             {"+1", 1000},
         }) {
        CAPTURE(row.text);
        Read<Milliseconds> read = read_duration(row.text, std::chrono::seconds(1));
        CHECK(read.ok());
        CHECK(read.value.count() == row.milliseconds);
    }
    CHECK(read_duration("250", Milliseconds(1)).value.count() == 250);
    CHECK(read_duration("1s", Milliseconds(1)).value.count() == 1000);
}

TEST_CASE("read_log_levels: of all, of one, and what is none") {
    const auto level = [](const std::vector<std::string>& items, int verbose, LogComponent of) {
        const auto read = read_log_levels(items, verbose);
        CHECK(read.ok());
        return read.value[static_cast<std::size_t>(of)];
    };
    CHECK(level({}, 0, LogComponent::http) == LogLevel::info);
    CHECK(level({}, 1, LogComponent::process) == LogLevel::debug);
    CHECK(level({}, 3, LogComponent::pool) == LogLevel::trace);
    CHECK(level({"warning"}, 3, LogComponent::pool) == LogLevel::warning);
    const std::vector<std::string> both{"pool = DEBUG", "error", "routing=trace", "routing=off"};
    CHECK(level(both, 0, LogComponent::pool) == LogLevel::debug);
    CHECK(level(both, 0, LogComponent::routing) == LogLevel::off);
    CHECK(level(both, 0, LogComponent::console) == LogLevel::error);
    for (const char* wrong :
         {"", "=", "pool=", "=debug", "pools=debug", "pool=loud", "a=b=debug"}) {
        CAPTURE(wrong);
        CHECK_FALSE(read_log_levels({"info", wrong}, 0).ok());
    }
}

TEST_CASE("read_duration: what is none") {
    for (const char* text :
         {"",
          "s",
          "abc",
          "-1",
          "-1ms",
          "5 weeks",
          "5x",
          "1e999",
          "nan",
          "inf",
          "1.2.3",
          "1 2",
          "99999999999999999999d",
          "5s5s",
          "--1",
          "0x10"}) {
        CAPTURE(text);
        CHECK_FALSE(read_duration(text, std::chrono::seconds(1)).ok());
    }
}

TEST_CASE("read_value: every key's own default reads back from both spellings' texts") {
    const Settings defaults;
    for (const Key<Settings>& key : global_keys()) {
        CAPTURE(key.name);
        Value value = key.get(defaults);
        Read<Value> read = read_value(key.rule, show_text(key.rule, value));
        CHECK(read.wrong == "");
        CHECK(read.value == value);
    }
}

TEST_CASE("read_value: booleans") {
    Rule rule;
    rule.kind = Kind::boolean;
    for (const char* yes : {"1", "yes", "on", "true", "ON", " Yes "}) {
        CHECK(read_value(rule, yes).value == Value(true));
    }
    for (const char* no : {"0", "no", "off", "false", "Off"}) {
        CHECK(read_value(rule, no).value == Value(false));
    }
    for (const char* bad : {"", "2", "y", "yes please"})
        CHECK_FALSE(read_value(rule, bad).ok());
}

TEST_CASE("read_value: ranges and their message") {
    Rule rule;
    rule.kind = Kind::integer;
    rule.high = 3;
    CHECK(read_value(rule, "3").value == Value(std::int64_t{3}));
    for (const char* bad : {"4", "-1", "", "1.5", "3x", "99999999999999999999"}) {
        CAPTURE(bad);
        Read<Value> read = read_value(rule, bad);
        CHECK_FALSE(read.ok());
        CHECK(read.wrong.find("allowed: 0 to 3") != std::string::npos);
    }
    rule.kind = Kind::octal;
    rule.high = 0777;
    CHECK(read_value(rule, "0660").value == Value(std::int64_t{0660}));
    CHECK_FALSE(read_value(rule, "0888").ok());
    CHECK_FALSE(read_value(rule, "7777").ok());
    CHECK(show_text(rule, std::int64_t{0640}) == "0640");
}

TEST_CASE("read_value: whole seconds for the kernel") {
    const Key<Settings>* key = find_global_key("tcp_keepidle");
    REQUIRE(key != nullptr);
    CHECK(read_value(key->rule, "2s").ok());
    CHECK_FALSE(read_value(key->rule, "2.5").ok());
    CHECK_FALSE(read_value(key->rule, "10h").ok());
}

TEST_CASE("read_value: a zero byte is refused everywhere") {
    for (const Key<Settings>& key : global_keys()) {
        CAPTURE(key.name);
        CHECK_FALSE(read_value(key.rule, std::string_view("a\0b", 3)).ok());
    }
}

TEST_CASE("show_text: PgBouncer's spelling") {
    const Key<Settings>* key = find_global_key("query_wait_timeout");
    CHECK(show_text(key->rule, Milliseconds(2500)) == "2.5");
    CHECK(show_text(key->rule, Milliseconds(600000)) == "600");
    CHECK(show_text(key->rule, Milliseconds(1)) == "0.001");
    key = find_global_key("tcp_user_timeout");
    CHECK(show_text(key->rule, Milliseconds(250)) == "250");
    CHECK(show_text(find_global_key("log_stats")->rule, false) == "0");
}

TEST_CASE("toml_quote: quotes, backslashes and control characters") {
    CHECK(toml_quote("a\"b\\c\n\x01\x7f") == "\"a\\\"b\\\\c\\u000A\\u0001\\u007F\"");
}

TEST_CASE("key tables: names are unique, sentences are sentences, choices are the enumerators") {
    std::set<std::string_view> names;
    const Settings defaults;
    for (const Key<Settings>& key : global_keys()) {
        CAPTURE(key.name);
        CHECK(names.insert(key.name).second);
        CHECK(key.doc.ends_with('.'));
        CHECK(key.name == to_lower(key.name));
        CHECK(find_global_key(key.name) == &key);
    }
    for (const InactiveKey& key : inactive_global_keys()) {
        CAPTURE(key.name);
        CHECK(names.insert(key.name).second);
    }
    for (PoolMode mode : {PoolMode::session, PoolMode::transaction, PoolMode::statement}) {
        auto index = static_cast<std::size_t>(mode);
        CHECK(find_global_key("pool_mode")->rule.choices[index] == to_string(mode));
    }
    auto types = find_global_key("auth_type")->rule.choices;
    for (std::size_t i = 0; i < types.size(); ++i) {
        CHECK(types[i] == to_string(static_cast<AuthType>(i)));
    }
    auto modes = find_global_key("client_tls_sslmode")->rule.choices;
    for (std::size_t i = 0; i < modes.size(); ++i) {
        CHECK(modes[i] == to_string(static_cast<SslMode>(i)));
    }
    CHECK(types.size() == 5);
    CHECK(modes.size() == 6);
}

TEST_CASE("key tables: get gives what set has stored, and no key is another's alias") {
    for (const Key<Settings>& key : global_keys()) {
        CAPTURE(key.name);
        Settings changed;
        Value other = key.get(changed);
        if (auto* flag = std::get_if<bool>(&other)) *flag = !*flag;
        if (auto* number = std::get_if<std::int64_t>(&other))
            *number += *number < key.rule.high ? 1 : -1;
        if (auto* time = std::get_if<Milliseconds>(&other)) *time += Milliseconds(1000);
        if (auto* text = std::get_if<std::string>(&other)) *text += "x";
        if (auto* list = std::get_if<std::vector<std::string>>(&other)) list->push_back("x");
        if (auto* choice = std::get_if<Choice>(&other)) choice->index = choice->index == 0 ? 1 : 0;
        key.set(changed, other);
        CHECK(key.get(changed) == other);
        for (const Key<Settings>& neighbour : global_keys()) {
            if (neighbour.name != key.name) {
                CHECK(neighbour.get(changed) == neighbour.get(Settings{}));
            }
        }
    }
}

TEST_CASE("closest: near names, and nothing where nothing is near") {
    std::vector<std::string_view> names{"pool_mode", "pool_size", "port", "host"};
    CHECK(closest("pool_mdoe", names) == "pool_mode");
    CHECK(closest("poolmode", names) == "pool_mode");
    CHECK(closest("prot", names) == "port");
    CHECK(closest("zzzzzz", names) == "");
    CHECK(closest("", names) == "");
    CHECK(closest(std::string(100000, 'p'), names) == "");
}

TEST_CASE("TLS words in OpenSSL's terms") {
    CHECK(*read_tls_versions("secure") == TlsVersions{false, false, true, true});
    CHECK(*read_tls_versions("ALL") == TlsVersions{true, true, true, true});
    CHECK(*read_tls_versions("tlsv1.2, tlsv1.3") == TlsVersions{false, false, true, true});
    CHECK(*read_tls_versions("all:!tlsv1.0") == TlsVersions{false, true, true, true});
    for (const char* bad : {"", "sslv3", "tlsv1.2,", "!all", "tlsv1.4", "!"}) {
        CAPTURE(bad);
        CHECK(read_tls_versions(bad).has_value() == (std::string_view(bad) == "tlsv1.2,"));
    }
    CHECK_FALSE(openssl_ciphers("fast").has_value());
    CHECK_FALSE(openssl_ciphers("default").has_value());
    CHECK(openssl_ciphers(" HIGH:!aNULL ") == "HIGH:!aNULL");
    CHECK(openssl_ciphers("all") == "ALL");
    CHECK_FALSE(openssl_groups("auto").has_value());
    CHECK(openssl_groups("X25519:P-256") == "X25519:P-256");
}

}  // namespace weir::conf
