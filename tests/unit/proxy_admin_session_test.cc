// The console's conversation: results on the wire, the extended protocol, hostile bytes.
#include "protocol/field_cursor.h"
#include "proxy/admin_result.h"
#include "proxy/admin_session.h"

#include <doctest/doctest.h>

#include <memory>

using namespace weir;
using namespace weir::proxy;
using namespace std::string_literals;

namespace {

const Columns two_columns{{"name", ColumnType::text}, {"n", ColumnType::int4}};

// SHOW rows: three rows. SHOW help: a notice. PAUSE: waits until the test ends it. RELOAD: fails.
class ScriptedCommands final : public AdminCommands {
public:
    protocol::Result<const Columns*> describe(const AdminCommand& command) override {
        if (command.verb != AdminVerb::show) return nullptr;
        if (command.argument == "rows") return &two_columns;
        if (command.argument == "help") return nullptr;
        return invalid_command(command.text);
    }

    void run(const AdminCommand& command, Done done) override {
        ++runs;
        if (command.verb == AdminVerb::pause) {
            pausing = std::move(done);
            return;
        }
        if (command.verb == AdminVerb::reload) {
            return done(protocol::error(protocol::sqlstate::config_file_error, "bad"));
        }
        AdminReply reply(command.verb == AdminVerb::show ? "SHOW" : "RESUME");
        if (command.argument == "help") reply.notices.push_back({"usage", "detail"});
        if (command.argument == "rows") {
            reply.table = Table{&two_columns, {}};
            for (std::int64_t i = 1; i <= 3; ++i) reply.table->rows.push_back({"r"s, i});
        }
        done(std::move(reply));
    }

    int runs = 0;
    Done pausing;
};

std::string message(char type, const std::string& body) {
    protocol::MessageWriter out;
    out.begin(type).text(body).end();
    return std::string(as_text(out.view()));
}

std::string u16(unsigned value) {
    return {static_cast<char>(value >> 8U), static_cast<char>(value & 255U)};
}

std::string query(const std::string& text) {
    return message('Q', text + '\0');
}

std::string parse(const std::string& text, const std::string& name = "") {
    return message('P', name + '\0' + text + '\0' + u16(0));
}

std::string bind_message(
    const std::string& statement = "", const std::string& portal = "", std::string formats = u16(0)
) {
    return message('B', portal + '\0' + statement + '\0' + u16(0) + u16(0) + formats);
}

std::string execute(unsigned rows = 0, const std::string& portal = "") {
    return message('E', portal + '\0' + u16(0) + u16(rows));
}

std::string describe(char kind, const std::string& name = "") {
    return message('D', kind + name + '\0');
}

std::string close(char kind, const std::string& name = "") {
    return message('C', kind + name + '\0');
}

const std::string sync_message = message('S', "");

struct Sent {
    char type;
    std::string body;
};

std::vector<Sent> split(std::string_view bytes) {
    std::vector<Sent> messages;
    while (!bytes.empty()) {
        const std::size_t length = protocol::FieldCursor(as_bytes(bytes.substr(1))).u32();
        REQUIRE(length >= 4);
        REQUIRE(bytes.size() > length);
        messages.push_back({bytes[0], std::string(bytes.substr(5, length - 4))});
        bytes.remove_prefix(length + 1);
    }
    return messages;
}

struct Bench {
    ScriptedCommands commands;
    AdminSession session{commands};
    std::string out;

    void send(std::string_view bytes, std::size_t piece = 1 << 20) {
        while (!bytes.empty()) {
            session.receive(bytes.substr(0, piece));
            bytes.remove_prefix(std::min(piece, bytes.size()));
            take();
        }
    }

    void take() {
        while (!session.output().empty()) {
            out.append(as_text(session.output().view()));
            session.output().clear();
            session.advance();
        }
    }

    std::vector<Sent> messages() { return split(std::exchange(out, {})); }

    std::string types() {
        std::string text;
        for (const auto& sent : messages()) text.push_back(sent.type);
        return text;
    }
};

std::string code_of(const Sent& error) {
    const auto at = error.body.find("\0C"s);
    return error.body.substr(at + 2, 5);
}

bool is_fatal(const Sent& error) {
    return error.type == 'E' && error.body.starts_with("SFATAL");
}

}  // namespace

TEST_CASE("admin result: binary numeric") {
    const auto digits = [](std::int64_t number) {
        std::vector<int> values;
        const auto bytes = binary_numeric(number);
        protocol::FieldCursor fields(as_bytes(bytes));
        while (fields.remaining() >= 2) values.push_back(static_cast<std::int16_t>(fields.u16()));
        CHECK(fields.finished());
        return values;
    };
    using V = std::vector<int>;
    // What PostgreSQL's numeric_send gives for these.
    CHECK(digits(0) == V{0, 0, 0, 0});
    CHECK(digits(1) == V{1, 0, 0, 0, 1});
    CHECK(digits(9999) == V{1, 0, 0, 0, 9999});
    CHECK(digits(10000) == V{1, 1, 0, 0, 1});
    CHECK(digits(10001) == V{2, 1, 0, 0, 1, 1});
    CHECK(digits(120003400) == V{3, 2, 0, 0, 1, 2000, 3400});
    CHECK(digits(-12345) == V{2, 1, 0x4000, 0, 1, 2345});
    CHECK(digits(9223372036854775807) == V{5, 4, 0, 0, 922, 3372, 368, 5477, 5807});
    CHECK(digits(std::numeric_limits<std::int64_t>::min()) ==
          V{5, 4, 0x4000, 0, 922, 3372, 368, 5477, 5808});
}

TEST_CASE("admin result: rows as text and binary, NULL, one format or one for each") {
    const Columns columns{
        {"t", ColumnType::text},
        {"i", ColumnType::int4},
        {"q", ColumnType::int8},
        {"n", ColumnType::numeric}};
    const Row row{"x"s, std::int64_t{7}, std::int64_t{8}, std::int64_t{9}};
    const auto body = [&](const Row& values, const ResultFormats& formats) {
        protocol::MessageWriter out;
        write_data_row(columns, values, formats, out);
        return split(as_text(out.view())).front().body;
    };
    const auto field = [](const std::string& bytes) { return u16(0) + u16(static_cast<unsigned>(bytes.size())) + bytes; };
    const auto i4 = "\0\0\0\7"s;
    const auto q8 = "\0\0\0\0\0\0\0\10"s;
    const auto n9 = binary_numeric(9);
    CHECK(body(row, {}) == u16(4) + field("x") + field("7") + field("8") + field("9"));
    CHECK(body(row, {0}) == body(row, {}));
    CHECK(body(row, {1}) == u16(4) + field("x") + field(i4) + field(q8) + field(n9));
    CHECK(body(row, {0, 1, 0, 1}) == u16(4) + field("x") + field(i4) + field("8") + field(n9));
    const Row nulls(4);
    CHECK(body(nulls, {1}) == u16(4) + std::string(16, '\xff'));
    const Row large{"x"s, std::int64_t{1} << 40, std::int64_t{0}, std::int64_t{0}};
    CHECK(body(large, {}).find("2147483647") != std::string::npos);
    CHECK(body(large, {1}).substr(7, 8) == "\0\0\0\4\x7f\xff\xff\xff"s);

    protocol::MessageWriter out;
    write_row_description(columns, {0, 1, 1, 1}, out);
    const auto described = split(as_text(out.view())).front();
    CHECK(described.type == 'T');
    protocol::FieldCursor fields(as_bytes(described.body));
    CHECK(fields.u16() == 4);
    const std::array<std::array<unsigned, 3>, 4> expected{
        {{25, 0xffff, 0}, {23, 4, 1}, {20, 8, 1}, {1700, 0xffff, 1}}};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(fields.c_string() == columns[i].name);
        CHECK(fields.u32() == 0);
        CHECK(fields.u16() == 0);
        CHECK(fields.u32() == expected[i][0]);
        CHECK(fields.u16() == expected[i][1]);
        CHECK(fields.i32() == -1);
        CHECK(fields.u16() == expected[i][2]);
    }
    CHECK(fields.finished());
}

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

TEST_CASE("admin session: scripts of the extended protocol, split at every byte") {
    struct Script {
        const char* name;
        std::string bytes;
        std::string types;
    };

    const std::string binary = u16(1) + u16(1);
    const Script scripts[] = {
        {"pgx, psycopg: unnamed", parse("show rows") + bind_message() + describe('P') + execute() + sync_message,
         "12TDDDCZ"},
        {"asyncpg: prepare, then run in binary",
         parse("show rows", "s") + describe('S', "s") + sync_message + bind_message("s", "", binary) + execute() +
             sync_message,
         "1tTZ2DDDCZ"},
        {"flush is no sync", parse("show rows") + message('H', "") + sync_message, "1Z"},
        {"statement outlives sync, portal does not",
         parse("show rows", "s") + bind_message("s", "p") + sync_message + execute(0, "p") + sync_message, "12ZEZ"},
        {"limits of rows", parse("show rows") + bind_message() + execute(2) + execute(2) + sync_message,
         "12DDsDCZ"},
        {"a limit that is just reached", parse("show rows") + bind_message() + execute(3) + execute() +
                                             sync_message,
         "12DDDsCZ"},
        {"run twice without rows", parse("resume") + bind_message() + execute() + execute() + sync_message,
         "12CEZ"},
        {"no rows to describe", parse("resume") + describe('S') + bind_message() + describe('P') + sync_message,
         "1tn2nZ"},
        {"empty statement", parse("") + bind_message() + describe('P') + execute() + sync_message, "12nIZ"},
        {"error skips to sync", parse("nonsense") + bind_message() + execute() + query("show rows") + sync_message,
         "EZ"},
        {"failing command", parse("reload") + bind_message() + execute() + execute() + sync_message, "12EZ"},
        {"two commands", parse("resume; resume") + sync_message, "EZ"},
        {"name twice", parse("resume", "s") + parse("resume", "s") + sync_message, "1EZ"},
        {"name again after close",
         parse("resume", "s") + close('S', "s") + parse("resume", "s") + close('P', "x") + sync_message,
         "1313Z"},
        {"portal twice", parse("resume") + bind_message("", "p") + bind_message("", "p") + sync_message, "12EZ"},
        {"unknown statement", bind_message("x") + sync_message, "EZ"},
        {"unknown portal", execute(0, "x") + describe('P', "x") + sync_message, "EZ"},
        {"unknown statement described", describe('S', "x") + sync_message, "EZ"},
        {"simple query drops the unnamed statement",
         parse("resume") + sync_message + query("show rows") + bind_message() + sync_message, "1ZTDDDCZEZ"},
        {"wrong number of formats", parse("show rows") + bind_message("", "", u16(3) + u16(0) + u16(0) +
                                                                          u16(0)) + sync_message,
         "1EZ"},
        {"wrong format", parse("show rows") + bind_message("", "", u16(1) + u16(2)) + sync_message, "1EZ"},
        {"left-overs of COPY", message('d', "x") + message('c', "") + message('f', "x\0"s) + sync_message,
         "Z"},
        {"function call", message('F', u16(0) + u16(0)) + query("resume"), "EZCZ"},
        {"notice", parse("show help") + bind_message() + execute() + sync_message, "12NCZ"},
    };
    for (const auto& script : scripts) {
        CAPTURE(script.name);
        for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{1} << 20U}) {
            CAPTURE(piece);
            Bench bench;
            bench.send(script.bytes, piece);
            CHECK(bench.types() == script.types);
            CHECK_FALSE(bench.session.ended());
        }
        // Two pieces, cut at each place.
        for (std::size_t cut = 1; cut < script.bytes.size(); ++cut) {
            Bench bench;
            bench.send(script.bytes.substr(0, cut));
            bench.send(script.bytes.substr(cut));
            REQUIRE(bench.types() == script.types);
        }
    }
}

TEST_CASE("admin session: errors have PostgreSQL's codes") {
    const std::pair<std::string, const char*> rows[] = {
        {bind_message("x") + sync_message, "26000"},
        {execute(0, "x") + sync_message, "34000"},
        {parse("resume", "s") + parse("resume", "s") + sync_message, "42P05"},
        {parse("resume; resume") + sync_message, "42601"},
        {parse("resume") + bind_message("", "p") + bind_message("", "p") + sync_message, "42P03"},
        {parse("resume") + message('B', "\0\0"s + u16(0) + u16(1) + u16(0) + u16(0) + u16(0)) +
             sync_message,
         "08P01"},
        {parse("show rows") + bind_message("", "", u16(1) + u16(2)) + sync_message, "22023"},
        {message('P', "no end") + sync_message, "08P01"},
        {message('B', "\0\0"s + u16(0) + u16(0xffff)) + sync_message, "08P01"},
        {message('B', "\0\0"s + u16(0xffff)) + sync_message, "08P01"},
        {message('B', "\0\0"s + u16(0) + u16(1) + "\x7f\xff\xff\xff"s) + sync_message, "08P01"},
        {message('D', "X\0"s) + sync_message, "08P01"},
        {message('C', "X\0"s) + sync_message, "08P01"},
        {message('E', "p") + sync_message, "08P01"},
        {parse("reload") + bind_message() + execute() + sync_message, "F0000"},
    };
    for (const auto& [bytes, code] : rows) {
        CAPTURE(code);
        Bench bench;
        bench.send(bytes);
        const auto sent = bench.messages();
        REQUIRE(sent.size() >= 2);
        const auto& error = sent[sent.size() - 2];
        REQUIRE(error.type == 'E');
        CHECK(code_of(error) == code);
        CHECK_FALSE(is_fatal(error));
        CHECK(sent.back().type == 'Z');
    }
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

TEST_CASE("admin session: statements and portals have limits") {
    Bench bench;
    for (std::size_t i = 0; i < AdminSession::max_statements; ++i) {
        bench.send(parse("resume", "s" + std::to_string(i)));
    }
    bench.send(sync_message);
    CHECK(bench.types() == std::string(AdminSession::max_statements, '1') + "Z");
    bench.send(parse("resume", "more") + sync_message);
    CHECK(bench.types() == "EZ");
    bench.send(close('S', "s0") + parse("resume", "more") + sync_message);
    CHECK(bench.types() == "31Z");
    for (std::size_t i = 0; i <= AdminSession::max_portals; ++i) {
        bench.send(bind_message("more", "p" + std::to_string(i)));
    }
    bench.send(sync_message);
    CHECK(bench.types() == std::string(AdminSession::max_portals, '2') + "EZ");
    bench.send(parse("resume", std::string(100000, 'n')) + sync_message);
    CHECK(bench.types() == "EZ");
}

TEST_CASE("admin session: output that is not taken holds it up") {
    ScriptedCommands commands;
    AdminSession session(commands);
    std::string bytes;
    for (int i = 0; i < 20000; ++i) bytes += query("show rows");
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
    for (const auto& sent : split(out)) ready += sent.type == 'Z';
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
