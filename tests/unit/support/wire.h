// Whole messages of both directions as strings, for scripts and expectations.
#pragma once

#include "protocol/error.h"
#include "protocol/message.h"
#include "protocol/message_writer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {

inline std::string text_of(const protocol::MessageWriter& out) {
    return std::string(as_text(out.view()));
}

inline std::string message(char type, std::string_view body = {}) {
    protocol::MessageWriter out;
    out.begin(type).text(body).end();
    return text_of(out);
}

// `bytes` one message per line, with everything unprintable as \xNN: what a failed check shows.
inline std::string readable(std::string_view bytes) {
    const auto escaped = [](std::string_view body) {
        std::string out;
        for (const char c : body.substr(0, 120)) {
            if (c >= ' ' && c <= '~') {
                out.push_back(c);
            } else {
                constexpr std::string_view digits = "0123456789abcdef";
                const auto byte = static_cast<unsigned char>(c);
                out.append("\\x").push_back(digits[byte >> 4]);
                out.push_back(digits[byte & 15]);
            }
        }
        return body.size() > 120 ? out + "..." : out;
    };
    std::string out;
    while (!bytes.empty()) {
        std::size_t size = bytes.size();
        if (size >= 5) {
            std::size_t length = 1;
            for (std::size_t i = 1; i <= 4; ++i) {
                length += std::size_t{static_cast<unsigned char>(bytes[i])} << (32 - 8 * i);
            }
            size = std::min(size, std::max<std::size_t>(length, 5));
        }
        out.push_back(bytes[0]);
        out.append("[" + std::to_string(size) + "] ");
        if (size > 5) out.append(escaped(bytes.substr(5, size - 5)));
        out.push_back('\n');
        bytes.remove_prefix(size);
    }
    return out;
}

namespace fe {

namespace type = protocol::frontend;

inline std::string query(std::string_view text) {
    return message(type::query, std::string(text) + '\0');
}

inline std::string parse(
    std::string_view name, std::string_view text, const std::vector<std::uint32_t>& oids = {}
) {
    protocol::MessageWriter out;
    out.begin(type::parse).c_string(name).c_string(text);
    out.u16(static_cast<std::uint16_t>(oids.size()));
    for (const auto oid : oids)
        out.u32(oid);
    out.end();
    return text_of(out);
}

inline std::string bind(
    std::string_view portal, std::string_view statement, const std::vector<std::string>& values = {}
) {
    protocol::MessageWriter out;
    out.begin(type::bind).c_string(portal).c_string(statement).u16(0);
    out.u16(static_cast<std::uint16_t>(values.size()));
    for (const auto& value : values) {
        out.u32(static_cast<std::uint32_t>(value.size())).text(value);
    }
    out.u16(0).end();
    return text_of(out);
}

inline std::string describe(char kind, std::string_view name) {
    return message(type::describe, kind + std::string(name) + '\0');
}

inline std::string close(char kind, std::string_view name) {
    return message(type::close, kind + std::string(name) + '\0');
}

inline std::string execute(std::string_view portal = {}, std::uint32_t rows = 0) {
    protocol::MessageWriter out;
    out.begin(type::execute).c_string(portal).u32(rows).end();
    return text_of(out);
}

inline std::string function_call(std::uint32_t oid) {
    protocol::MessageWriter out;
    out.begin(type::function_call).u32(oid).u16(0).u16(0).u16(0).end();
    return text_of(out);
}

inline std::string sync() {
    return message(type::sync);
}

inline std::string flush() {
    return message(type::flush);
}

inline std::string terminate() {
    return message(type::terminate);
}

inline std::string copy_data(std::string_view data) {
    return message(type::copy_data, data);
}

inline std::string copy_done() {
    return message(type::copy_done);
}

inline std::string copy_fail(std::string_view why) {
    return message(type::copy_fail, std::string(why) + '\0');
}

// What pgweir sends for a statement of its own.
inline std::string injected(std::string_view sql) {
    return parse("", sql) + bind("", "") + execute();
}

// What pgweir sends ahead of a request, in a transaction of its own: `statements` are injected()
// ones.
inline std::string brought(std::string_view statements) {
    return std::string(statements) + parse("weir_go", "") + sync() + bind("", "weir_go") +
           close('S', "weir_go");
}

}  // namespace fe

namespace be {

namespace type = protocol::backend;

inline std::string parse_complete() {
    return message(type::parse_complete);
}

inline std::string bind_complete() {
    return message(type::bind_complete);
}

inline std::string close_complete() {
    return message(type::close_complete);
}

inline std::string no_data() {
    return message(type::no_data);
}

inline std::string portal_suspended() {
    return message(type::portal_suspended);
}

inline std::string empty_query() {
    return message(type::empty_query_response);
}

inline std::string copy_done() {
    return message(type::copy_done);
}

inline std::string copy_data(std::string_view data) {
    return message(type::copy_data, data);
}

inline std::string copy_start(char type) {
    return message(type, std::string(3, '\0'));
}

inline std::string complete(std::string_view tag) {
    return message(type::command_complete, std::string(tag) + '\0');
}

inline std::string ready(char status = 'I') {
    return message(type::ready_for_query, std::string_view(&status, 1));
}

inline std::string parameter_status(std::string_view name, std::string_view value) {
    return message(type::parameter_status, std::string(name) + '\0' + std::string(value) + '\0');
}

inline std::string parameter_description() {
    return message(type::parameter_description, std::string(2, '\0'));
}

inline std::string row_description() {
    protocol::MessageWriter out;
    out.begin(type::row_description).u16(1).c_string("a");
    out.u32(0).u16(0).u32(25).u16(0xffff).u32(0xffffffff).u16(0).end();
    return text_of(out);
}

inline std::string row(std::string_view value) {
    protocol::MessageWriter out;
    out.begin(type::data_row).u16(1).u32(static_cast<std::uint32_t>(value.size())).text(value);
    out.end();
    return text_of(out);
}

using Values = std::vector<std::optional<std::string>>;

// A DataRow of these columns; nullopt is NULL.
inline std::string row_of(const Values& values) {
    protocol::MessageWriter out;
    out.begin(type::data_row).u16(static_cast<std::uint16_t>(values.size()));
    for (const auto& value : values) {
        if (value) {
            out.u32(static_cast<std::uint32_t>(value->size())).text(*value);
        } else {
            out.i32(-1);
        }
    }
    out.end();
    return text_of(out);
}

inline std::string function_result(std::string_view value) {
    protocol::MessageWriter out;
    out.begin(type::function_call_response);
    out.u32(static_cast<std::uint32_t>(value.size())).text(value).end();
    return text_of(out);
}

// As PostgreSQL sends it: with the routine, which pgweir's own have not.
inline std::string error(
    std::string_view code,
    std::string_view text,
    std::string_view routine = "test",
    std::string_view severity = "ERROR",
    std::string_view file = "test.c"
) {
    protocol::MessageWriter out;
    out.begin(type::error_response);
    out.u8('S').c_string(severity).u8('V').c_string(severity);
    out.u8('C').c_string(code).u8('M').c_string(text);
    out.u8('F').c_string(file).u8('R').c_string(routine).u8(0).end();
    return text_of(out);
}

inline std::string notice(std::string_view text) {
    protocol::MessageWriter out;
    protocol::write_notice("NOTICE", protocol::SqlState("00000"), text, out);
    return text_of(out);
}

inline std::string notification(std::string_view channel) {
    return message(
        type::notification_response, std::string(4, '\1') + std::string(channel) + '\0' + '\0'
    );
}

// An error of pgweir's own.
inline std::string own_error(
    std::string_view code, std::string_view text, bool fatal = false, std::string_view hint = {}
) {
    protocol::MessageWriter out;
    protocol::Error error =
        protocol::error(protocol::SqlState::from_text(code), std::string(text), std::string(hint));
    if (fatal) error.severity = protocol::Severity::fatal;
    protocol::write_error(error, out);
    return text_of(out);
}

// The answer to fe::injected().
inline std::string injected_done(std::string_view tag = "SET") {
    return parse_complete() + bind_complete() + complete(tag);
}

// The answer to fe::brought(): `answers` are injected_done(), and what they report.
inline std::string brought_done(std::string_view answers, std::string_view reports = {}) {
    return std::string(answers) + parse_complete() + std::string(reports) + ready() +
           bind_complete() + close_complete();
}

// ... and when PostgreSQL has refused what was brought: nothing behind it runs.
inline std::string brought_refused(std::string_view error_message) {
    return std::string(error_message) + ready() +
           error("26000", "prepared statement \"weir_go\" does not exist");
}

}  // namespace be

}  // namespace weir::test
