#include "protocol/field_cursor.h"

#include <cstring>

namespace weir::protocol {

std::uint16_t FieldCursor::u16() {
    if (!has(2)) return 0;
    const auto high = std::to_integer<unsigned>(body_[at_]);
    const auto low = std::to_integer<unsigned>(body_[at_ + 1]);
    at_ += 2;
    return static_cast<std::uint16_t>(high << 8 | low);
}

std::uint32_t FieldCursor::u32() {
    if (!has(4)) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        value = value << 8 | std::to_integer<std::uint32_t>(body_[at_ + i]);
    }
    at_ += 4;
    return value;
}

std::string_view FieldCursor::c_string() {
    if (!ok_ || remaining() == 0) {
        ok_ = false;
        return {};
    }
    const auto text = as_text(body_.subspan(at_));
    const auto end = text.find('\0');
    if (end == std::string_view::npos) {
        ok_ = false;
        return {};
    }
    at_ += end + 1;
    return text.substr(0, end);
}

Bytes FieldCursor::take(std::size_t count) {
    if (!has(count)) return {};
    const auto bytes = body_.subspan(at_, count);
    at_ += count;
    return bytes;
}

}  // namespace weir::protocol
