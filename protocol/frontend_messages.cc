#include "protocol/frontend_messages.h"

#include "protocol/field_cursor.h"
#include "protocol/message.h"

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
