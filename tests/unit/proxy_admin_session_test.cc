// The console's conversation: the simple protocol, waiting, hostile bytes.
#include "tests/unit/proxy_admin_support.h"

using namespace weir;
using namespace weir::proxy;
using namespace weir::proxy::test;

TEST_CASE("admin session: the welcome") {
    Bench bench;
    bench.session.welcome({5000000, "abcd"});
    bench.take();
    const auto sent = bench.messages();
    REQUIRE(sent.size() == 9);
    CHECK(sent[0].body == "server_version\0001.25.2/pgweir\0"s);
    CHECK(sent[7].type == 'K');
    CHECK(sent[8].body == "I");
}

TEST_CASE("admin session: simple queries") {
    Bench bench;
    bench.send(query("show rows"));
    CHECK(bench.types() == "TDDDCZ");
    bench.send(query("show help"));
    CHECK(bench.types() == "NCZ");
    bench.send(query(""));
    CHECK(bench.types() == "IZ");
    bench.send(query("show rows; resume; show help"));
    CHECK(bench.types() == "TDDDCCNCZ");
    bench.send(query("show nothing"));
    CHECK(bench.types() == "EZ");
    // What cannot be parsed keeps all of it from running; what fails keeps the rest.
    bench.commands.runs = 0;
    bench.send(query("resume; nonsense"));
    CHECK(bench.types() == "EZ");
    CHECK(bench.commands.runs == 0);
    bench.send(query("resume; reload; resume"));
    CHECK(bench.types() == "CEZ");
    CHECK(bench.commands.runs == 2);
    bench.send(message('Q', "no end"));
    CHECK(bench.types() == "EZ");
    bench.send(message('Q', "a\0b\0"s));
    CHECK(bench.types() == "EZ");
    CHECK_FALSE(bench.session.ended());
}

TEST_CASE("admin session: a command that waits holds back what follows, not the answer") {
    Bench bench;
    bench.send(query("pause") + query("show rows"));
    CHECK(bench.types().empty());
    CHECK(bench.session.busy());
    bench.commands.pausing(AdminReply("PAUSE"));
    bench.take();
    CHECK(bench.types() == "CZTDDDCZ");
    CHECK_FALSE(bench.session.busy());

    bench.send(parse("pause") + bind_message() + execute() + sync_message);
    CHECK(bench.types() == "12");
    bench.commands.pausing(protocol::error(protocol::sqlstate::query_canceled, "canceled"));
    bench.take();
    CHECK(bench.types() == "EZ");

    // Told to go meanwhile: the late answer is dropped.
    bench.send(query("pause"));
    bench.session.end(protocol::error(protocol::sqlstate::admin_shutdown, "bye"));
    CHECK(bench.session.ended());
    bench.commands.pausing(AdminReply("PAUSE"));
    bench.take();
    const auto sent = bench.messages();
    REQUIRE(sent.size() == 1);
    CHECK(is_fatal(sent[0]));
}

TEST_CASE("admin session: rows of a command that goes on come at once, a portal's at its end") {
    Bench bench;
    const auto rows = [](bool more) {
        AdminReply reply("TRACE");
        reply.table = Table{constant_columns(two_columns), {{"r"s, std::int64_t{1}}}};
        reply.more = more;
        return reply;
    };
    bench.send(query("pause"));
    bench.commands.pausing(rows(true));
    bench.take();
    CHECK(bench.types() == "TD");
    bench.commands.pausing(rows(true));
    bench.take();
    CHECK(bench.types() == "D");
    CHECK(bench.session.busy());
    bench.commands.pausing(rows(false));
    bench.take();
    CHECK(bench.types() == "DCZ");

    bench.send(parse("pause") + bind_message() + execute(2) + sync_message);
    CHECK(bench.types() == "12");
    bench.commands.pausing(rows(true));
    bench.commands.pausing(rows(true));
    bench.take();
    CHECK(bench.types().empty());
    bench.commands.pausing(rows(false));
    bench.take();
    CHECK(bench.types() == "DDsZ");
    // What was left is nobody's.
    bench.send(query("pause"));
    bench.commands.pausing(rows(true));
    bench.commands.pausing(protocol::error(protocol::sqlstate::query_canceled, "canceled"));
    bench.take();
    CHECK(bench.types() == "TDEZ");
}

TEST_CASE("admin session: broken frames end it with one FATAL error") {
    const std::string rows[] = {
        "Q\0\0\0\3"s,
        "Q\0\0\0\0"s,
        "Q\xff\xff\xff\xff"s,
        "Q\x7f\xff\xff\xff"s,
        "Q\0\x10\0\0"s,  // 1 MiB
        "S\0\1\0\0"s,    // a large Sync
        "!\0\0\0\4"s,
        "\0\0\0\0\4"s,
        message('T', ""),
        message('p', "secret\0"s),
        "\0\0\0\x08\x04\xd2\x16\x2f"s,  // SSLRequest
    };
    for (const auto& bytes : rows) {
        CAPTURE(bytes.size());
        for (const std::size_t piece : {std::size_t{1}, std::size_t{1} << 20U}) {
            Bench bench;
            bench.send(bytes + query("show rows"), piece);
            const auto sent = bench.messages();
            REQUIRE(sent.size() == 1);
            CHECK(is_fatal(sent[0]));
            CHECK(code_of(sent[0]) == "08P01");
            CHECK(bench.session.ended());
        }
    }
    Bench bench;
    bench.send(message('X', "") + query("show rows"));
    CHECK(bench.types().empty());
    CHECK(bench.session.ended());
}

TEST_CASE("admin session: output that is not taken holds it up") {
    ScriptedCommands commands;
    AdminSession session(commands);
    std::string bytes;
    for (int i = 0; i < 20000; ++i)
        bytes += query("show rows");
    session.receive(bytes);
    CHECK(session.output().size() < AdminSession::max_output + 1000);
    CHECK(session.unread() > 0);
    std::string out;
    while (!session.output().empty()) {
        out.append(as_text(session.output().view()));
        session.output().clear();
        session.advance();
    }
    CHECK(session.unread() == 0);
    CHECK(commands.runs == 20000);
    std::size_t ready = 0;
    for (const auto& sent : split(out))
        ready += sent.type == 'Z';
    CHECK(ready == 20000);
}

TEST_CASE("admin session: random messages never hang or crash it") {
    std::uint32_t state = 7;
    const auto random = [&state](std::uint32_t below) {
        state = state * 1664525U + 1013904223U;
        return (state >> 16U) % below;
    };
    for (int round = 0; round < 3000; ++round) {
        Bench bench;
        for (int i = 0; i < 8; ++i) {
            std::string body;
            for (auto size = random(20); size > 0; --size) {
                body.push_back(static_cast<char>(random(3) == 0 ? 0 : random(256)));
            }
            constexpr std::string_view types = "QPBEDCSHXFdcfp!T";
            bench.send(message(types[random(static_cast<std::uint32_t>(types.size()))], body), 5);
        }
        static_cast<void>(bench.messages());
        if (bench.session.ended()) continue;
        if (bench.session.busy()) bench.commands.pausing(AdminReply("PAUSE"));
        bench.take();
        bench.send(sync_message + query("show rows"));
        CHECK(bench.types().ends_with("ZTDDDCZ"));
    }
}
