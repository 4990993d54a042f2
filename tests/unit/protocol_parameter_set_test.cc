#include "protocol/set_statements.h"
#include "protocol/sql_lexer.h"

#include <doctest/doctest.h>

#include <random>
#include <thread>

using namespace weir::protocol;

namespace {

using Texts = std::vector<std::string>;

Texts between(std::vector<Parameter> server, std::vector<Parameter> client, Texts uncertain = {}) {
    Texts names;
    const auto statements = statements_between(
        *ParameterSet::make(std::move(server)),
        *ParameterSet::make(std::move(client)),
        uncertain,
        names
    );
    CHECK(names.size() == statements.size());
    return statements;
}

// One statement, a name of quoted parts, strings behind TO: nothing that could run.
bool is_harmless_set(std::string_view sql) {
    constexpr std::string_view function = "SELECT pg_catalog.set_config(";
    if (sql.starts_with(function)) {
        SqlLexer arguments(sql.substr(function.size()));
        if (arguments.next().kind != TokenKind::string || arguments.next().text != "," ||
            arguments.next().kind != TokenKind::string || arguments.next().text != "," ||
            !is_word(arguments.next().text, "false") || arguments.next().text != ")") {
            return false;
        }
        return arguments.next().kind == TokenKind::end;
    }
    SqlLexer lexer(sql);
    if (!is_word(lexer.next().text, "set")) return false;
    auto token = lexer.next();
    for (;; token = lexer.next()) {
        if (token.kind != TokenKind::quoted_identifier) return false;
        token = lexer.next();
        if (token.text != ".") break;
    }
    if (!is_word(token.text, "to")) return false;
    for (;;) {
        if (lexer.next().kind != TokenKind::string) return false;
        token = lexer.next();
        if (token.kind == TokenKind::end) return true;
        if (token.text != ",") return false;
    }
}

}  // namespace

TEST_CASE("ParameterSet: equal sets are one object, in whatever order they were made") {
    const auto one = ParameterSet::make({{"TimeZone", "UTC", true}, {"app.x", "1", false}});
    const auto other = ParameterSet::make({{"app.x", "1", false}, {"TimeZone", "UTC", true}});
    CHECK(one == other);
    CHECK(one != ParameterSet::make({{"TimeZone", "UTC", false}, {"app.x", "1", false}}));
    CHECK(one != ParameterSet::make({{"TimeZone", "UTC", true}, {"app.x", "2", false}}));
    CHECK(one != ParameterSet::make({{"TimeZone", "UTC", true}}));
    CHECK(ParameterSet::none() == ParameterSet::make({}));
    CHECK(ParameterSet::none()->parameters().empty());
    const auto grown = ParameterSet::with(ParameterSet::none(), {"TimeZone", "UTC", true});
    CHECK(ParameterSet::with(grown, {"app.x", "1", false}) == one);
    CHECK(ParameterSet::without(one, "APP.X") == grown);
    CHECK(ParameterSet::without(one, "absent") == one);
    CHECK(ParameterSet::with(one, {"app.x", "1", false}) == one);
}

TEST_CASE("ParameterSet: names compare without case, values with it") {
    const auto set = ParameterSet::make(
        {{"DateStyle", "ISO", true}, {"search_path", "a", false}, {"TimeZone", "UTC", true}}
    );
    REQUIRE(set->find("timezone") != nullptr);
    CHECK(set->value("TIMEZONE") == "UTC");
    CHECK(set->value("datestyle") == "ISO");
    CHECK(set->find("time") == nullptr);
    CHECK(set->find("timezone2") == nullptr);
    CHECK(set->find("") == nullptr);
    CHECK(set->value("absent") == "");
    const auto changed = ParameterSet::with(set, {"TIMEZONE", "utc", true});
    CHECK(changed->parameters().size() == 3);
    CHECK(changed->value("TimeZone") == "utc");
    CHECK(same_parameter_name("Search_Path", "sEARCH_pATH"));
    CHECK_FALSE(same_parameter_name("a", "ab"));
    // Letters beyond ASCII keep their case, as in guc_name_compare.
    CHECK_FALSE(same_parameter_name("\xc3\x84", "\xc3\xa4"));
    CHECK(is_server_fact("SERVER_version"));
    CHECK_FALSE(is_server_fact("server_version_"));
    CHECK_FALSE(is_server_fact("TimeZone"));
}

TEST_CASE("ParameterSet: a hundred values sorted as they are found") {
    std::mt19937 random(5);
    auto set = ParameterSet::none();
    std::vector<std::string> names;
    for (int i = 0; i < 100; ++i) {
        names.push_back(
            "p" + std::to_string(random() % 1000) + (i % 2 == 0 ? "Q_" : "qz") + std::to_string(i)
        );
        set = ParameterSet::with(set, {names.back(), std::to_string(i), false});
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
        CAPTURE(names[i]);
        CHECK(set->value(names[i]) == std::to_string(i));
    }
}

TEST_CASE("ParameterSet: sets of several threads meet, and those nobody has are forgotten") {
    std::vector<ParameterSetRef> made(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < made.size(); ++t) {
        threads.emplace_back([&made, t] {
            for (int i = 0; i < 2000; ++i) {
                (void)ParameterSet::make({{"app.t" + std::to_string(t), std::to_string(i), false}});
            }
            made[t] = ParameterSet::make({{"app.shared", "1", false}});
        });
    }
    for (auto& thread : threads)
        thread.join();
    for (const auto& set : made)
        CHECK(set == made[0]);
}

TEST_CASE("statements_between: only what differs, and what one has and the other has not") {
    CHECK(between({}, {}).empty());
    CHECK(between({{"TimeZone", "UTC", true}}, {{"timezone", "UTC", false}}).empty());
    CHECK(
        between({{"TimeZone", "UTC", true}}, {{"TimeZone", "CET", true}}) ==
        Texts{"SET \"TimeZone\" TO 'CET'"}
    );
    CHECK(between({}, {{"app.x", "1", false}}) == Texts{"SET \"app\".\"x\" TO '1'"});
    // Ours on the server, unknown to the client: away with it.
    CHECK(between({{"app.x", "1", false}}, {}) == Texts{"RESET \"app\".\"x\""});
    // Reported by the server but not by the client's: the server's own value.
    CHECK(between({{"new_guc", "1", true}}, {}).empty());
    // Reported elsewhere, not here: this server may not have it.
    CHECK(between({}, {{"in_hot_standby", "off", true}}).empty());
}

TEST_CASE("statements_between: uncertain names are always set or reset, and named") {
    Texts names;
    const auto server = ParameterSet::make({{"app.x", "1", false}, {"TimeZone", "UTC", true}});
    const auto statements =
        statements_between(*server, *server, {"APP.X", "timezone", "work_mem"}, names);
    CHECK(
        statements ==
        Texts{"RESET \"work_mem\"", "SET \"app\".\"x\" TO '1'", "SET \"TimeZone\" TO 'UTC'"}
    );
    CHECK(names == Texts{"work_mem", "app.x", "TimeZone"});
    // Uncertain on the server and not the client's: once, not twice.
    CHECK(between({{"app.x", "1", false}}, {}, {"app.x"}) == Texts{"RESET \"app\".\"x\""});
}

TEST_CASE("statements_between: values are set as the user who has logged in") {
    Texts names;
    const auto as_bob = ParameterSet::make({{"session_authorization", "bob", true}});
    const auto with_value = ParameterSet::make(
        {{"session_authorization", "bob", true}, {"lo_compat_privileges", "on", false}}
    );
    CHECK(statements_between(*as_bob, *as_bob, {}, names, "root").empty());
    CHECK(
        statements_between(*as_bob, *with_value, {}, names, "root") ==
        Texts{
            "RESET SESSION AUTHORIZATION",
            "SET \"lo_compat_privileges\" TO 'on'",
            "SET \"session_authorization\" TO 'bob'"}
    );
    CHECK(
        statements_between(*as_bob, *with_value, {}, names, "bob") ==
        Texts{"SET \"lo_compat_privileges\" TO 'on'"}
    );
}

TEST_CASE("statements_between: a name that a library has taken may be gone") {
    const auto statements = between({{"plpgsql.odd", "1", false}}, {});
    REQUIRE(statements.size() == 1);
    CHECK(statements[0].find("SELECT CASE WHEN") == 0);
}

TEST_CASE("set_statement: lists of identifiers one by one, other lists as one text") {
    CHECK(
        set_statement("search_path", "\"$user\", public") ==
        "SET \"search_path\" TO '$user', 'public'"
    );
    CHECK(
        set_statement("Search_Path", "a, \"B\", \"c\"\"d\"") ==
        "SET \"Search_Path\" TO 'a', 'B', 'c\"d'"
    );
    // What SET would write in another way keeps its words.
    CHECK(
        set_statement("search_path", "S2,public") ==
        "SELECT pg_catalog.set_config('search_path', 'S2,public', false)"
    );
    CHECK(
        set_statement("search_path", "") == "SELECT pg_catalog.set_config('search_path', '', false)"
    );
    // What is no list is for PostgreSQL to refuse, in one string.
    CHECK(
        set_statement("search_path", "a,") ==
        "SELECT pg_catalog.set_config('search_path', 'a,', false)"
    );
    CHECK(
        set_statement("search_path", "\"a") ==
        "SELECT pg_catalog.set_config('search_path', '\"a', false)"
    );
    CHECK(set_statement("DateStyle", "ISO, DMY") == "SET \"DateStyle\" TO 'ISO, DMY'");
    CHECK(set_statement("temp_tablespaces", "a, b") == "SET \"temp_tablespaces\" TO 'a', 'b'");
}

TEST_CASE("set_statement: whatever stands in name and value, nothing of it runs") {
    CHECK(set_statement("a\"; DROP TABLE t; --", "x") == "SET \"a\"\"; DROP TABLE t; --\" TO 'x'");
    CHECK(set_statement("x", "'; DROP TABLE t; --") == "SET \"x\" TO '''; DROP TABLE t; --'");
    CHECK(
        set_statement("x", "\\'; DROP TABLE t; --") == "SET \"x\" TO E'\\\\''; DROP TABLE t; --'"
    );
    std::mt19937 random(7);
    const std::string_view alphabet = "a'\"\\;.,$ -/*E\n\xff";
    for (int i = 0; i < 20000; ++i) {
        const auto word = [&](std::size_t most) {
            std::string text;
            for (auto left = random() % most; left > 0; --left) {
                text.push_back(alphabet[random() % alphabet.size()]);
            }
            return text;
        };
        const auto name = i % 3 == 0 ? std::string("search_path") : word(8);
        const auto value = word(12);
        const auto sql = set_statement(name, value);
        CAPTURE(sql);
        REQUIRE(is_harmless_set(sql));
    }
}

TEST_CASE("split_identifiers: as SplitIdentifierString, and back from quoted names") {
    bool valid = false;
    CHECK(split_identifiers("", valid).empty());
    CHECK(valid);
    CHECK(split_identifiers(" \t\n", valid).empty());
    CHECK(valid);
    CHECK(split_identifiers("A , b,\"C d\",\"\"", valid) == Texts{"a", "b", "C d", ""});
    CHECK(valid);
    for (const char* wrong :
         {",", "a,", ",a", "a,,b", "\"", "\"a", "\"a\"b", "a b", "\"a\"\"", "a, "}) {
        CAPTURE(wrong);
        (void)split_identifiers(wrong, valid);
        CHECK_FALSE(valid);
    }
    std::mt19937 random(11);
    for (int i = 0; i < 2000; ++i) {
        Texts names(1 + random() % 4);
        std::string list;
        for (auto& name : names) {
            for (auto left = random() % 6; left > 0; --left)
                name.push_back("aB\" ,.'"[random() % 7]);
            if (&name != &names.front()) list += random() % 2 == 0 ? "," : " , ";
            list += quote_identifier(name);
        }
        CAPTURE(list);
        CHECK(split_identifiers(list, valid) == names);
        CHECK(valid);
    }
}
