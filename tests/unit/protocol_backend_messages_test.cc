#include "protocol/backend_messages.h"
#include "protocol/message.h"

#include <doctest/doctest.h>

#include <random>

using namespace weir;
using namespace weir::protocol;

namespace {

Bytes body_of(const MessageWriter& message) {
    return message.view().subspan(message_header_size);
}

std::string text(const char* characters, std::size_t size) {
    return {characters, size};
}

#define BYTES(literal) text(literal, sizeof(literal) - 1)

// Every proper prefix of `body` must be refused by `parse`.
template <class Parse>
void check_truncations(Bytes body, Parse parse) {
    CHECK(parse(body).has_value());
    for (std::size_t size = 0; size < body.size(); ++size) {
        CAPTURE(size);
        CHECK(parse(body.first(size)).has_error());
    }
}

}  // namespace

TEST_CASE("ErrorResponse: fields in any order, unknown ones ignored, the unlocalised severity") {
    const auto body = BYTES("SFEHLER\0VERROR\0C42P01\0Mno\0Dd\0Hh\0P5\0?x\0\0");
    const auto parsed = parse_error_response(as_bytes(body));
    REQUIRE(parsed.has_value());
    const auto error = parsed->to_error();
    CHECK(error.code.text() == "42P01");
    CHECK(error.message == "no");
    CHECK(error.detail == "d");
    CHECK(error.hint == "h");
    CHECK(error.severity == Severity::error);
    check_truncations(as_bytes(body), parse_error_response);
    CHECK(parse_error_response(as_bytes(body + "x")).has_error());
}

TEST_CASE("ErrorResponse: without SQLSTATE, without message, without anything") {
    const auto no_fields = BYTES("\0");
    const auto none = parse_error_response(as_bytes(no_fields));
    REQUIRE(none.has_value());
    CHECK(none->to_error().code == sqlstate::internal_error);
    CHECK_FALSE(none->to_error().message.empty());
    const auto odd_state = BYTES("C42p01\0Mm\0\0");
    const auto odd = parse_error_response(as_bytes(odd_state));
    CHECK(odd->to_error().code == sqlstate::internal_error);
    CHECK(parse_error_response({}).has_error());
}

TEST_CASE("Login messages of a server survive neither truncation nor additions") {
    MessageWriter out;
    write_parameter_status("DateStyle", "ISO, MDY", out);
    check_truncations(body_of(out), parse_parameter_status);
    CHECK(parse_parameter_status(body_of(out))->value == "ISO, MDY");
    CHECK(parse_parameter_status(as_bytes(BYTES("a\0b\0c"))).has_error());
    CHECK(parse_parameter_status(as_bytes(BYTES("\0b\0"))).has_error());

    out.clear();
    write_backend_key_data({-5, std::string(256, 'k')}, out);
    CHECK(parse_backend_key_data(body_of(out))->process_id == -5);
    CHECK(parse_backend_key_data(body_of(out))->secret.size() == 256);
    out.clear();
    write_backend_key_data({5, std::string(257, 'k')}, out);
    CHECK(parse_backend_key_data(body_of(out)).has_error());
    out.clear();
    write_backend_key_data({5, "abcd"}, out);
    check_truncations(body_of(out), parse_backend_key_data);

    CHECK(*parse_ready_for_query(as_bytes("I")) == TransactionStatus::idle);
    for (const char* bad : {"", "X", "II"}) {
        CHECK(parse_ready_for_query(as_bytes(bad)).has_error());
    }
}

TEST_CASE("Authentication: each method, both ways") {
    MessageWriter out;
    write_authentication_ok(out);
    check_truncations(body_of(out), parse_authentication);
    CHECK(std::holds_alternative<AuthenticationOk>(*parse_authentication(body_of(out))));
    out.clear();
    write_authentication_cleartext_password(out);
    CHECK(std::holds_alternative<AuthenticationCleartextPassword>(*parse_authentication(body_of(out)
    )));
    out.clear();
    write_authentication_md5_password(
        {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}, out
    );
    check_truncations(body_of(out), parse_authentication);
    CHECK(
        std::get<AuthenticationMD5Password>(*parse_authentication(body_of(out))).salt[3] ==
        std::byte{4}
    );
    out.clear();
    write_authentication_sasl("SCRAM-SHA-256", out);
    check_truncations(body_of(out), parse_authentication);
    CHECK(
        std::get<AuthenticationSASL>(*parse_authentication(body_of(out))).mechanisms ==
        std::vector<std::string_view>{"SCRAM-SHA-256"}
    );
    out.clear();
    write_authentication_sasl_final("v=x", out);
    CHECK(std::get<AuthenticationSASLFinal>(*parse_authentication(body_of(out))).data == "v=x");
    CHECK(
        std::get<AuthenticationUnsupported>(*parse_authentication(as_bytes(BYTES("\0\0\0\7"))))
            .method == 7
    );
    CHECK(parse_authentication(as_bytes(BYTES("\0\0\0\0x"))).has_error());
    std::string many = BYTES("\0\0\0\x0a");
    for (int i = 0; i < 17; ++i)
        many += BYTES("M\0");
    CHECK(parse_authentication(as_bytes(many + '\0')).has_error());
}

TEST_CASE("SASLInitialResponse and PasswordMessage: hostile bodies") {
    MessageWriter out;
    write_sasl_initial_response("SCRAM-SHA-256", "n,,n=,r=x", out);
    const auto good = parse_sasl_initial_response(body_of(out));
    REQUIRE(good.has_value());
    CHECK(good->mechanism == "SCRAM-SHA-256");
    CHECK(good->initial_response == "n,,n=,r=x");
    check_truncations(body_of(out), parse_sasl_initial_response);
    CHECK_FALSE(parse_sasl_initial_response(as_bytes(BYTES("M\0\xff\xff\xff\xff")))
                    ->initial_response.has_value());
    for (const auto& bad :
         {BYTES("M\0\xff\xff\xff\xfe"),
          BYTES("M\0\x80\0\0\0"),
          BYTES("M\0\x7f\xff\xff\xff"
                "abc"),
          BYTES("M\0\0\0\0\2abc"),
          BYTES("M\0\0\0\0\4abc"),
          BYTES("M"),
          BYTES("M\0\0")}) {
        CAPTURE(bad);
        CHECK(parse_sasl_initial_response(as_bytes(bad)).has_error());
    }
    CHECK(*parse_password_message(as_bytes(BYTES("secret\0"))) == "secret");
    CHECK(parse_password_message(as_bytes(BYTES("\0")))->empty());
    CHECK(parse_password_message({}).has_error());
    CHECK(parse_password_message(as_bytes("no nul")).has_error());
    CHECK(parse_password_message(as_bytes(BYTES("a\0b\0"))).has_error());
}

TEST_CASE("Login messages: random bodies never break a parser") {
    std::mt19937 random(11);
    std::size_t accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string body;
        const auto size = random() % 24;
        for (std::size_t i = 0; i < size; ++i) {
            body.push_back(random() % 2 == 0 ? '\0' : static_cast<char>(random() % 128));
        }
        const auto bytes = as_bytes(body);
        accepted += parse_error_response(bytes).has_value();
        accepted += parse_authentication(bytes).has_value();
        accepted += parse_parameter_status(bytes).has_value();
        accepted += parse_backend_key_data(bytes).has_value();
        accepted += parse_sasl_initial_response(bytes).has_value();
        accepted += parse_password_message(bytes).has_value();
    }
    CHECK(accepted > 0);
}
