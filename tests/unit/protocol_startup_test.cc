#include "protocol/message.h"
#include "protocol/startup.h"

#include <doctest/doctest.h>

#include <random>

using namespace weir;
using namespace weir::protocol;

namespace {

std::string packet(const std::string& after_length) {
    MessageWriter out;
    out.begin(0).text(after_length).end();
    return std::string(as_text(out.view()));
}

std::string text(const char* characters, std::size_t size) {
    return {characters, size};
}

#define BYTES(literal) text(literal, sizeof(literal) - 1)

const std::string version_3_0 = BYTES("\0\3\0\0");

Result<StartupPacket> parse(const std::string& bytes) {
    return parse_startup_packet(as_bytes(bytes));
}

StartupMessage startup(Settings parameters, ProtocolVersion version = {3, 0}) {
    MessageWriter out;
    write_startup_message(version, parameters, out);
    auto parsed = parse_startup_packet(out.view());
    REQUIRE(parsed.has_value());
    return std::get<StartupMessage>(*parsed);
}

std::string message_of(const Result<StartupPacket>& result) {
    return result ? "accepted" : result.error().message;
}

}  // namespace

TEST_CASE("Startup: user, database and parameters in order, the last user counts") {
    const auto message = startup(
        {{"user", "a"},
         {"application_name", "x"},
         {"user", "bob"},
         {"DateStyle", ""},
         {"application_name", "y"}}
    );
    CHECK(message.user == "bob");
    CHECK(message.database == "bob");
    CHECK(message.version == ProtocolVersion{3, 0});
    const Settings expected{
        {"application_name", "x"}, {"DateStyle", ""}, {"application_name", "y"}};
    CHECK(message.parameters == expected);
    CHECK(startup({{"user", "a"}, {"database", ""}}).database == "a");
    CHECK(startup({{"database", "d"}, {"user", "a"}}).database == "d");
}

TEST_CASE("Startup: every truncation of a message is refused, and asks for its whole length") {
    MessageWriter out;
    write_startup_message({3, 0}, {{"user", "bob"}, {"database", "db"}}, out);
    const std::string whole(as_text(out.view()));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        const auto needed = startup_packet_size(as_bytes(whole).first(size));
        REQUIRE(needed.has_value());
        CHECK(*needed == (size < 4 ? 0 : whole.size()));
        CHECK_FALSE(parse(whole.substr(0, size)).has_value());
        // The same cut with a length word that fits it: never taken for a whole message.
        if (size >= 8) CHECK_FALSE(parse(packet(whole.substr(4, size - 4))).has_value());
    }
    CHECK(parse(whole).has_value());
}

TEST_CASE("Startup: hostile packets") {
    struct Row {
        const char* name;
        std::string bytes;
        const char* message;
    };

    const std::string long_name(128, 'u');
    const Row rows[] = {
        {"no terminator", packet(version_3_0 + BYTES("user\0bob\0")), "expected terminator"},
        {"odd parameters", packet(version_3_0 + BYTES("user\0bob\0database\0")), "terminator"},
        {"odd parameters and terminator",
         packet(version_3_0 + BYTES("user\0bob\0database\0\0")),
         "terminator"},
        {"bytes after terminator", packet(version_3_0 + BYTES("user\0bob\0\0x")), "terminator"},
        {"second terminator", packet(version_3_0 + BYTES("user\0bob\0\0\0")), "terminator"},
        {"nothing", packet(version_3_0), "terminator"},
        {"no user", packet(version_3_0 + BYTES("database\0d\0\0")), "no username supplied"},
        {"empty user", packet(version_3_0 + BYTES("user\0\0\0")), "no username supplied"},
        {"long user",
         packet(version_3_0 + BYTES("user\0") + long_name + BYTES("\0\0")),
         "username too long"},
        {"long database",
         packet(version_3_0 + BYTES("user\0a\0database\0") + long_name + BYTES("\0\0")),
         "database name too long"},
        {"2.0", packet(BYTES("\0\2\0\0user\0bob\0\0")), "old V2 protocol not supported"},
        {"4.0", packet(BYTES("\0\4\0\0user\0bob\0\0")), "unsupported frontend protocol 4.0"},
        {"garbage version", packet(BYTES("\x7f\x01\x02\x03xx")), "unsupported frontend protocol"},
        {"cancel without key", packet(BYTES("\x04\xd2\x16\x2e\0\0\0\1")), "cancel request"},
        {"cancel, short key", packet(BYTES("\x04\xd2\x16\x2e\0\0\0\1abc")), "cancel request"},
        {"cancel, long key",
         packet(BYTES("\x04\xd2\x16\x2e\0\0\0\1") + std::string(257, 'k')),
         "cancel request"},
        {"SSLRequest with more", packet(BYTES("\x04\xd2\x16\x2f\0")), "SSLRequest"},
        {"GSSENCRequest with more", packet(BYTES("\x04\xd2\x16\x30\0")), "GSSENCRequest"},
        {"too short", packet(BYTES("\0\3\0")), "invalid length"},
        {"empty", "", "invalid length"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        const auto message = message_of(parse(row.bytes));
        CAPTURE(message);
        CHECK(message.find(row.message) != std::string::npos);
    }
}

TEST_CASE("Startup: lengths that no startup packet has") {
    for (const auto& begun :
         {BYTES("\0\0\0\0"),
          BYTES("\0\0\0\3"),
          BYTES("\0\0\0\4"),
          BYTES("\0\0\0\7"),
          BYTES("\xff\xff\xff\xff"),
          BYTES("\x7f\xff\xff\xff"),
          BYTES("\0\0\x27\x11"),
          BYTES("GET / HTTP/1.1\r\n"),
          BYTES("SSH-2.0-x\r\n"),
          BYTES("\x16\x03\x01\x02\x00\x01")}) {
        CAPTURE(begun);
        CHECK(startup_packet_size(as_bytes(begun)).has_error());
    }
    CHECK(*startup_packet_size(as_bytes(BYTES("\0\0\x27\x10"))) == 10000);
}

TEST_CASE("Startup: the requests without parameters, both ways") {
    MessageWriter out;
    write_ssl_request(out);
    CHECK(std::holds_alternative<SSLRequest>(*parse_startup_packet(out.view())));
    out.clear();
    write_gssenc_request(out);
    CHECK(std::holds_alternative<GSSENCRequest>(*parse_startup_packet(out.view())));
    for (const std::size_t size : {std::size_t{4}, std::size_t{32}, std::size_t{256}}) {
        out.clear();
        const CancelKey key{-7, std::string(size, '\0')};
        write_cancel_request(key, out);
        CHECK(std::get<CancelRequest>(*parse_startup_packet(out.view())).key == key);
    }
}

TEST_CASE("Startup: protocol negotiation") {
    CHECK_FALSE(negotiate_protocol(startup({{"user", "a"}}, {3, 0})));
    CHECK_FALSE(negotiate_protocol(startup({{"user", "a"}}, {3, 2})));
    const auto newer = negotiate_protocol(startup({{"user", "a"}}, {3, 9999}));
    REQUIRE(newer);
    CHECK(newer->version == ProtocolVersion{3, 2});
    CHECK(newer->unknown.empty());
    const auto option = negotiate_protocol(startup({{"user", "a"}, {"_pq_.x", "1"}}, {3, 0}));
    REQUIRE(option);
    CHECK(option->version == ProtocolVersion{3, 0});
    CHECK(option->unknown == std::vector<std::string>{"_pq_.x"});
    MessageWriter out;
    write_negotiate_protocol_version(*option, out);
    CHECK(as_text(out.view()) == BYTES("v\0\0\0\x13\0\3\0\0\0\0\0\1_pq_.x\0"));
}

TEST_CASE("Startup: options are split as PostgreSQL splits them") {
    const auto options = [](std::string_view text) -> Settings {
        const auto parsed = parse_options(text);
        REQUIRE(parsed.has_value());
        return *parsed;
    };
    CHECK(options("").empty());
    CHECK(options(" \t\n").empty());
    CHECK(options("-c a=1  -cb=2 --c=3") == Settings{{"a", "1"}, {"b", "2"}, {"c", "3"}});
    CHECK(options("--search-path=a,b") == Settings{{"search_path", "a,b"}});
    CHECK(options("-c search-path=x-y") == Settings{{"search_path", "x-y"}});
    CHECK(options("-c a=x\\ y\\\\z") == Settings{{"a", "x y\\z"}});
    CHECK(options("-c a=b=c") == Settings{{"a", "b=c"}});
    CHECK(options("-c a=") == Settings{{"a", ""}});
    CHECK(options("-c a=x\\") == Settings{{"a", "x"}});
    for (const char* bad : {"-c", "--", "-", "a=1", "-d 5", "-c a", "--a", "-c a=1 -x"}) {
        CAPTURE(bad);
        CHECK(parse_options(bad).has_error());
    }
}

TEST_CASE("Startup: the settings of a session") {
    const auto message = startup(
        {{"user", "a"},
         {"database", "d"},
         {"application_name", "'; drop"},
         {"options", "-c statement_timeout=5 --extra-float-digits=3"},
         {"app.tenant", "t"},
         {"replication", "off"},
         {"_pq_.x", "1"}}
    );
    const auto settings = startup_settings(message, {});
    REQUIRE(settings.has_value());
    const Settings expected{
        {"statement_timeout", "5"},
        {"extra_float_digits", "3"},
        {"application_name", "'; drop"},
        {"app.tenant", "t"}};
    CHECK(*settings == expected);
    const auto fewer = startup_settings(message, {"extra_float_digits", "application_name"});
    CHECK(*fewer == Settings{{"statement_timeout", "5"}, {"app.tenant", "t"}});
    const auto none = startup_settings(startup({{"user", "a"}, {"options", "-x"}}), {"options"});
    CHECK(none->empty());
}

// Found by the property test: a server was given both values, one after the other.
TEST_CASE("Startup: the last word on a setting counts, its own parameter before the options") {
    const auto settings = startup_settings(
        startup(
            {{"user", "a"},
             {"work_mem", "1"},
             {"options", "--search_path=a,b -c DateStyle=ISO -c Search_Path=b -c work_mem=2"}}
        ),
        {}
    );
    REQUIRE(settings.has_value());
    CHECK(*settings == Settings{{"DateStyle", "ISO"}, {"Search_Path", "b"}, {"work_mem", "1"}});
}

TEST_CASE("Startup: names that are no setting's, broken options and replication are refused") {
    const auto code = [](Settings parameters) {
        parameters.emplace_back("user", "a");
        const auto settings = startup_settings(startup(parameters), {});
        return settings ? std::string("accepted") : std::string(settings.error().code.text());
    };
    CHECK(code({{"a;b", "1"}}) == "42704");
    CHECK(code({{"a b", "1"}}) == "42704");
    CHECK(code({{"a'", "1"}}) == "42704");
    CHECK(code({{"1a", "1"}}) == "42704");
    CHECK(code({{"a.", "1"}}) == "42704");
    CHECK(code({{".a", "1"}}) == "42704");
    CHECK(code({{"a..b", "1"}}) == "42704");
    CHECK(code({{"options", "-c a;b=1"}}) == "42704");
    CHECK(code({{"options", "-c =1"}}) == "42704");
    CHECK(code({{"options", "-x"}}) == "0A000");
    CHECK(code({{"options", "-c x"}}) == "42601");
    CHECK(code({{"a.b.c", "1"}, {"_x$9", "1"}}) == "accepted");
    for (const char* value : {"true", "on", "1", "database", "yes", "", "o", "nope"}) {
        CAPTURE(value);
        CHECK(code({{"replication", value}}) == "0A000");
    }
    for (const char* value : {"false", "f", "FALSE", "off", "of", "no", "n", "0"}) {
        CAPTURE(value);
        CHECK(code({{"replication", value}}) == "accepted");
    }
}

TEST_CASE("Startup: random packets never break anything") {
    std::mt19937 random(7);
    int accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string body = round % 2 == 0 ? version_3_0 + BYTES("user\0x\0") : std::string();
        const auto size = random() % 40;
        for (std::size_t i = 0; i < size; ++i) {
            body.push_back(random() % 3 == 0 ? '\0' : static_cast<char>(random()));
        }
        const auto parsed = parse(packet(body));
        if (!parsed || !std::holds_alternative<StartupMessage>(*parsed)) continue;
        ++accepted;
        (void)startup_settings(std::get<StartupMessage>(*parsed), {});
        (void)negotiate_protocol(std::get<StartupMessage>(*parsed));
    }
    CHECK(accepted > 0);
}
