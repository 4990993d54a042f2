#include "protocol/frontend_messages.h"

#include "protocol/field_cursor.h"
#include "protocol/message.h"

#include <algorithm>
#include <string>
#include <vector>

namespace weir::protocol {

namespace {

// libpq.h: PQ_SMALL_MESSAGE_LIMIT and PQ_LARGE_MESSAGE_LIMIT (MaxAllocSize - 1).
constexpr std::uint32_t small_message = 10000;
constexpr std::uint32_t large_message = 0x3ffffffe;

}  // namespace

std::optional<Parse> parse_parse(Bytes body) {
    FieldCursor cursor(body);
    Parse parse;
    parse.name = cursor.c_string();
    parse.definition = body.subspan(cursor.position());
    parse.text = cursor.c_string();
    const auto types = cursor.u16();
    cursor.take(std::size_t{types} * 4);
    if (!cursor.finished()) return std::nullopt;
    return parse;
}

std::optional<Bind> parse_bind(Bytes body) {
    FieldCursor cursor(body);
    Bind bind;
    bind.portal = cursor.c_string();
    bind.statement = cursor.c_string();
    if (!cursor.ok()) return std::nullopt;
    bind.rest = cursor.rest();
    return bind;
}

std::string describe_bind_values(Bytes body, std::size_t limit) {
    FieldCursor cursor(body);
    cursor.c_string();
    cursor.c_string();
    std::vector<std::uint16_t> formats(cursor.u16());
    for (auto& format : formats)
        format = cursor.u16();
    const auto count = cursor.u16();
    std::string text;
    for (unsigned i = 0; i < count && cursor.ok(); ++i) {
        const auto length = cursor.u32();
        text += (text.empty() ? "$" : ", $") + std::to_string(i + 1) + " = ";
        if (length == 0xffffffffU) {
            text += "NULL";
            continue;
        }
        const auto value = cursor.take(length);
        const auto shown = value.first(std::min(value.size(), limit));
        const auto format = formats.empty()       ? 0
                            : formats.size() == 1 ? formats[0]
                            : i < formats.size()  ? formats[i]
                                                  : 0;
        if (format == 0) {
            text += '\'';
            for (const char c : as_text(shown))
                text.append(c == '\'' ? 2 : 1, c);
            text += '\'';
        } else {
            constexpr std::string_view digits = "0123456789abcdef";
            text += "0x";
            for (const auto byte : shown) {
                text += digits[std::to_integer<unsigned>(byte) >> 4U];
                text += digits[std::to_integer<unsigned>(byte) & 15U];
            }
        }
        if (shown.size() < value.size()) text += "...";
    }
    return cursor.ok() ? text : std::string();
}

std::optional<Target> parse_target(Bytes body) {
    FieldCursor cursor(body);
    Target target;
    target.kind = static_cast<char>(cursor.u8());
    target.name = cursor.c_string();
    if (!cursor.finished() || (target.kind != 'S' && target.kind != 'P')) return std::nullopt;
    return target;
}

std::optional<std::string_view> parse_query(Bytes body) {
    // One string, and nothing behind it.
    const auto text = as_text(body);
    const auto end = text.find('\0');
    if (end == std::string_view::npos || end + 1 != text.size()) return std::nullopt;
    return text.substr(0, end);
}

std::optional<std::uint32_t> message_length_limit(char frontend_type) {
    switch (frontend_type) {
        case frontend::query:
        case frontend::parse:
        case frontend::bind:
        case frontend::function_call:
        case frontend::copy_data:
            return large_message;
        case frontend::close:
        case frontend::describe:
        case frontend::execute:
        case frontend::flush:
        case frontend::sync:
        case frontend::terminate:
        case frontend::copy_done:
        case frontend::copy_fail:
            return small_message;
        default:
            return std::nullopt;
    }
}

}  // namespace weir::protocol
