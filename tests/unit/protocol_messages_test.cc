#include "protocol/error.h"
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/message.h"
#include "protocol/message_writer.h"

#include <doctest/doctest.h>

#include <random>

using namespace weir;
using namespace weir::protocol;

namespace {

std::string bytes(std::initializer_list<int> values) {
    std::string text;
    for (const int value : values)
        text.push_back(static_cast<char>(value));
    return text;
}

// The body of an ErrorResponse.
std::string fields(std::initializer_list<std::string_view> texts) {
    std::string body;
    for (const auto text : texts)
        body.append(text).push_back('\0');
    return body + '\0';
}

std::string parse_body(std::string_view name, std::string_view sql, std::uint16_t types) {
    MessageWriter out;
    out.begin(frontend::parse).c_string(name).c_string(sql).u16(types);
    for (std::uint32_t i = 0; i < types; ++i)
        out.u32(20 + i);
    out.end();
    return std::string(as_text(out.view().subspan(message_header_size)));
}

// How many prefixes of `body` a parser takes.
template <class Parse>
std::size_t accepted_prefixes(std::string_view body, Parse parse) {
    std::size_t accepted = 0;
    for (std::size_t size = 0; size < body.size(); ++size) {
        // A copy of exactly this size: a sanitizer sees a read behind it.
        const std::string cut(body.substr(0, size));
        accepted += parse(as_bytes(cut)).has_value() ? 1 : 0;
    }
    return accepted;
}

}  // namespace

TEST_CASE("FieldCursor: fields in network order, and where it stands") {
    const auto body = bytes({1, 0x80, 2, 0xff, 0xff, 0xff, 0xfe, 'a', 'b', 0, 9, 8, 7});
    FieldCursor cursor(as_bytes(body));
    CHECK(cursor.u8() == 1);
    CHECK(cursor.u16() == 0x8002);
    CHECK(cursor.i32() == -2);
    CHECK(cursor.c_string() == "ab");
    CHECK(cursor.position() == 10);
    CHECK(cursor.remaining() == 3);
    CHECK(cursor.take(1).size() == 1);
    CHECK_FALSE(cursor.finished());
    CHECK(as_text(cursor.rest()) == bytes({8, 7}));
    CHECK(cursor.finished());
    CHECK(cursor.rest().empty());
    CHECK(cursor.finished());
}

TEST_CASE("FieldCursor: after a read that did not fit everything is empty") {
    const auto body = bytes({1, 2, 3});
    for (int which = 0; which < 5; ++which) {
        CAPTURE(which);
        FieldCursor cursor(as_bytes(body));
        CHECK(cursor.u8() == 1);
        if (which == 0) CHECK(cursor.u32() == 0);
        if (which == 1) CHECK(cursor.take(3).empty());
        if (which == 2) CHECK(cursor.take(static_cast<std::size_t>(-1)).empty());
        if (which == 3) CHECK(cursor.c_string() == "");
        if (which == 4) {
            CHECK(cursor.u8() == 2);
            CHECK(cursor.u16() == 0);
        }
        CHECK_FALSE(cursor.ok());
        CHECK_FALSE(cursor.finished());
        // Nothing is read any more, even what would fit.
        CHECK(cursor.u8() == 0);
        CHECK(cursor.u16() == 0);
        CHECK(cursor.c_string().empty());
        CHECK(cursor.rest().empty());
        CHECK_FALSE(cursor.ok());
    }
    FieldCursor empty{Bytes{}};
    CHECK(empty.finished());
    CHECK(empty.c_string().empty());
    CHECK_FALSE(empty.ok());
}

TEST_CASE("Parse: name, text, types; every other length is refused") {
    const auto body = parse_body("s1", "select $1", 2);
    const auto parsed = parse_parse(as_bytes(body));
    REQUIRE(parsed.has_value());
    CHECK(parsed->name == "s1");
    CHECK(parsed->text == "select $1");
    CHECK(as_text(parsed->definition) == std::string_view(body).substr(3));
    CHECK(accepted_prefixes(body, parse_parse) == 0);
    CHECK_FALSE(parse_parse(as_bytes(body + "x")).has_value());
    CHECK_FALSE(parse_parse(as_bytes(body + bytes({0, 0, 0, 1}))).has_value());
    // 65535 types promised, none there.
    CHECK_FALSE(parse_parse(as_bytes(bytes({0, 'q', 0, 0xff, 0xff}))).has_value());
    CHECK(parse_parse(as_bytes(parse_body("", "", 65535))).has_value());
    CHECK(accepted_prefixes(parse_body("", "", 0), parse_parse) == 0);
    CHECK_FALSE(parse_parse({}).has_value());
}

TEST_CASE("Bind: portal, statement, and the rest as it is") {
    const auto body = bytes({'p', 0, 's', 't', 0, 0xff, 0xff, 1});
    const auto bind = parse_bind(as_bytes(body));
    REQUIRE(bind.has_value());
    CHECK(bind->portal == "p");
    CHECK(bind->statement == "st");
    CHECK(as_text(bind->rest) == bytes({0xff, 0xff, 1}));
    // The two names must be there; what follows is PostgreSQL's to judge.
    CHECK(accepted_prefixes(body, parse_bind) == 3);
    CHECK_FALSE(parse_bind(as_bytes(bytes({0, 'x'}))).has_value());
    CHECK(parse_bind(as_bytes(bytes({0, 0})))->rest.empty());
}

TEST_CASE("Describe and Close: a kind and a name, nothing else") {
    for (const char kind : {'S', 'P'}) {
        const auto body = std::string(1, kind) + "name" + '\0';
        const auto target = parse_target(as_bytes(body));
        REQUIRE(target.has_value());
        CHECK(target->kind == kind);
        CHECK(target->name == "name");
        CHECK(accepted_prefixes(body, parse_target) == 0);
        CHECK_FALSE(parse_target(as_bytes(body + '\0')).has_value());
    }
    for (int kind = 0; kind < 256; ++kind) {
        CAPTURE(kind);
        const auto body = bytes({kind, 0});
        CHECK(parse_target(as_bytes(body)).has_value() == (kind == 'S' || kind == 'P'));
    }
}

TEST_CASE("Query: one text whose only NUL is its end") {
    const std::string body("select 1\0", 9);
    CHECK(parse_query(as_bytes(body)) == "select 1");
    CHECK(accepted_prefixes(body, parse_query) == 0);
    CHECK_FALSE(parse_query(as_bytes(body + "x")).has_value());
    CHECK_FALSE(parse_query(as_bytes(body + '\0')).has_value());
    CHECK_FALSE(parse_query(as_bytes(std::string("a\0b\0", 4))).has_value());
    CHECK_FALSE(parse_query({}).has_value());
    CHECK(parse_query(as_bytes(std::string(1, '\0'))) == "");
}

TEST_CASE("message_length_limit: PostgreSQL's two limits, and no type it does not know") {
    const std::string_view large = "QPBFd";
    const std::string_view small = "CDEHSXcf";
    for (int byte = 0; byte < 256; ++byte) {
        const char type = static_cast<char>(byte);
        CAPTURE(byte);
        const auto limit = message_length_limit(type);
        if (byte != 0 && large.find(type) != std::string_view::npos) {
            CHECK(limit == 0x3ffffffe);
        } else if (byte != 0 && small.find(type) != std::string_view::npos) {
            CHECK(limit == 10000);
        } else {
            CHECK_FALSE(limit.has_value());
        }
    }
}

TEST_CASE("Frontend messages: random bodies never break a parser") {
    std::mt19937 random(3);
    for (int i = 0; i < 20000; ++i) {
        std::string body(random() % 24, '\0');
        for (char& c : body)
            c = random() % 3 == 0 ? '\0' : static_cast<char>(random());
        const auto view = as_bytes(body);
        if (const auto parse = parse_parse(view)) {
            CHECK(parse->name.size() + 1 + parse->definition.size() == body.size());
        }
        if (const auto bind = parse_bind(view)) {
            CHECK(
                bind->portal.size() + bind->statement.size() + 2 + bind->rest.size() == body.size()
            );
        }
        if (const auto target = parse_target(view)) CHECK(target->name.size() + 2 == body.size());
        if (const auto query = parse_query(view)) CHECK(query->size() + 1 == body.size());
    }
}

TEST_CASE("MessageWriter: type, length and fields in network order") {
    MessageWriter out;
    CHECK(out.empty());
    out.begin('x').u8(1).u16(0x0203).u32(0x04050607).i32(-1).c_string("a").text("b");
    out.bytes(as_bytes("c")).end();
    CHECK(as_text(out.view()) == bytes({'x', 0, 0,    0,    19,   1,    2,   3, 4,   5,
                                        6,   7, 0xff, 0xff, 0xff, 0xff, 'a', 0, 'b', 'c'}));
    // Without a type, behind another one.
    out.begin(0).u32(80877103).end();
    CHECK(out.size() == 28);
    CHECK(as_text(out.view().subspan(20)) == bytes({0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f}));
    out.clear();
    CHECK(out.empty());
    write_empty(frontend::sync, out);
    write_ready_for_query(TransactionStatus::failed, out);
    CHECK(as_text(out.view()) == bytes({'S', 0, 0, 0, 4, 'Z', 0, 0, 0, 5, 'E'}));
    out.clear();
    out.append(as_bytes("raw"));
    CHECK(as_text(out.view()) == "raw");
}

TEST_CASE("MessageWriter: long messages, and memory that is given back") {
    MessageWriter out;
    const std::string large(70000, 'x');
    out.begin('Q').c_string(large).end();
    FieldCursor cursor(out.view().subspan(1));
    CHECK(cursor.u32() == 70005);
    CHECK(cursor.c_string() == large);
    CHECK(cursor.finished());
    out.clear();
    out.shrink_over(100000);
    out.shrink_over(1000);
    CHECK(out.empty());
    write_command_complete("BEGIN", out);
    CHECK(as_text(out.view()) == bytes({'C', 0, 0, 0, 10, 'B', 'E', 'G', 'I', 'N', 0}));
    out.clear();
    write_parameter_status("a", "b", out);
    CHECK(as_text(out.view()) == bytes({'S', 0, 0, 0, 8, 'a', 0, 'b', 0}));
}

TEST_CASE("write_error and write_notice: the fields a client looks for") {
    MessageWriter out;
    write_error(fatal(sqlstate::invalid_password, "no", "hint"), out);
    const auto expected = fields({"SFATAL", "VFATAL", "C28P01", "Mno", "Hhint"});
    CHECK(as_text(out.view().subspan(message_header_size)) == expected);
    out.clear();
    auto detailed = error(sqlstate::syntax_error, "m");
    detailed.detail = "d";
    write_error(detailed, out);
    const auto with_detail = fields({"SERROR", "VERROR", "C42601", "Mm", "Dd"});
    CHECK(as_text(out.view().subspan(message_header_size)) == with_detail);
    out.clear();
    write_notice("WARNING", sqlstate::active_transaction, "w", out);
    const auto notice = fields({"SWARNING", "VWARNING", "C25001", "Mw"});
    CHECK(static_cast<char>(out.view()[0]) == backend::notice_response);
    CHECK(as_text(out.view().subspan(message_header_size)) == notice);
}
