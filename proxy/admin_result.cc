#include "proxy/admin_result.h"

#include "protocol/message.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace weir::proxy {

namespace {

constexpr std::uint16_t binary = 1;
constexpr std::uint32_t null_length = 0xffffffff;

struct WireType {
    protocol::Oid oid;
    std::uint16_t size;  // 0xffff = variable
};

constexpr std::uint16_t variable = 0xffff;

WireType wire_type(ColumnType type) {
    switch (type) {
        case ColumnType::text:
            return {25, variable};
        case ColumnType::int4:
            return {23, 4};
        case ColumnType::int8:
            return {20, 8};
        case ColumnType::numeric:
            return {1700, variable};
    }
    return {25, variable};
}

std::uint16_t format_of(const ResultFormats& formats, std::size_t column) {
    if (formats.empty()) return 0;
    return formats.size() == 1 ? formats[0] : formats[column];
}

void append_u16(std::string& bytes, std::uint64_t value) {
    bytes.push_back(static_cast<char>(value >> 8 & 0xff));
    bytes.push_back(static_cast<char>(value & 0xff));
}

void write_field(std::string_view bytes, protocol::MessageWriter& out) {
    out.u32(static_cast<std::uint32_t>(bytes.size())).text(bytes);
}

void write_number(
    std::int64_t number, ColumnType type, std::uint16_t format, protocol::MessageWriter& out
) {
    if (type == ColumnType::int4) {
        number = std::clamp<std::int64_t>(
            number,
            std::numeric_limits<std::int32_t>::min(),
            std::numeric_limits<std::int32_t>::max()
        );
    }
    const auto bits = static_cast<std::uint64_t>(number);
    if (format != binary || type == ColumnType::text) {
        write_field(std::to_string(number), out);
    } else if (type == ColumnType::int4) {
        out.u32(4).u32(static_cast<std::uint32_t>(bits));
    } else if (type == ColumnType::int8) {
        out.u32(8).u32(static_cast<std::uint32_t>(bits >> 32));
        out.u32(static_cast<std::uint32_t>(bits));
    } else {
        write_field(binary_numeric(number), out);
    }
}

}  // namespace

std::string binary_numeric(std::int64_t number) {
    constexpr std::uint64_t base = 10000;
    const bool negative = number < 0;
    // Unsigned, so that the smallest number has an absolute value, too.
    auto rest = static_cast<std::uint64_t>(number);
    if (negative) rest = 0 - rest;
    std::vector<std::uint64_t> digits;
    for (; rest > 0; rest /= base)
        digits.push_back(rest % base);
    const auto weight = digits.empty() ? 0 : digits.size() - 1;
    // Digits that are zero at the small end are left out.
    const auto first = std::find_if(digits.begin(), digits.end(), [](auto d) { return d != 0; });
    std::string bytes;
    append_u16(bytes, static_cast<std::uint64_t>(digits.end() - first));
    append_u16(bytes, weight);
    append_u16(bytes, negative ? 0x4000 : 0);
    append_u16(bytes, 0);
    for (auto digit = digits.end(); digit != first;)
        append_u16(bytes, *--digit);
    return bytes;
}

void write_row_description(
    const Columns& columns, const ResultFormats& formats, protocol::MessageWriter& out
) {
    out.begin(protocol::backend::row_description).u16(static_cast<std::uint16_t>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto type = wire_type(columns[i].type);
        // No table, no column of one, no type modifier.
        out.c_string(columns[i].name).u32(0).u16(0).u32(type.oid).u16(type.size).i32(-1);
        out.u16(format_of(formats, i));
    }
    out.end();
}

void write_data_row(
    const Columns& columns,
    const Row& row,
    const ResultFormats& formats,
    protocol::MessageWriter& out
) {
    assert(row.size() == columns.size());
    out.begin(protocol::backend::data_row).u16(static_cast<std::uint16_t>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        if (const auto* text = std::get_if<std::string>(&row[i])) {
            write_field(*text, out);
        } else if (const auto* number = std::get_if<std::int64_t>(&row[i])) {
            write_number(*number, columns[i].type, format_of(formats, i), out);
        } else {
            out.u32(null_length);
        }
    }
    out.end();
}

}  // namespace weir::proxy
