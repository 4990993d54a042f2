#include "proxy/admin_result.h"

#include "protocol/message.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstdlib>
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
        case ColumnType::float8:
            return {701, 8};
        case ColumnType::boolean:
            return {16, 1};
        case ColumnType::oid:
            return {26, 4};
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

void write_eight(std::uint64_t bits, protocol::MessageWriter& out) {
    out.u32(8).u32(static_cast<std::uint32_t>(bits >> 32));
    out.u32(static_cast<std::uint32_t>(bits));
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
    if (type == ColumnType::boolean) {
        const bool is_true = number != 0;
        if (format == binary) return write_field(std::string(1, is_true ? 1 : 0), out);
        return write_field(is_true ? "t" : "f", out);
    }
    if (format != binary || type == ColumnType::text) {
        write_field(std::to_string(number), out);
    } else if (type == ColumnType::int4 || type == ColumnType::oid) {
        out.u32(4).u32(static_cast<std::uint32_t>(bits));
    } else if (type == ColumnType::int8) {
        write_eight(bits, out);
    } else if (type == ColumnType::float8) {
        write_eight(std::bit_cast<std::uint64_t>(static_cast<double>(number)), out);
    } else {
        write_field(binary_numeric(number), out);
    }
}

void write_fraction(
    double number, ColumnType type, std::uint16_t format, protocol::MessageWriter& out
) {
    switch (type) {
        case ColumnType::int4:
        case ColumnType::int8:
        case ColumnType::oid:
        case ColumnType::boolean: {
            // What does not fit is shown as the nearest that does.
            constexpr double limit = 9.2e18;
            const auto whole = std::isnan(number) ? 0.0 : std::clamp(number, -limit, limit);
            return write_number(std::llround(whole), type, format, out);
        }
        case ColumnType::float8:
            if (format != binary) break;
            return write_eight(std::bit_cast<std::uint64_t>(number), out);
        case ColumnType::numeric:
            if (format != binary) break;
            return write_field(binary_numeric(number_text(number)), out);
        case ColumnType::text:
            break;
    }
    write_field(number_text(number), out);
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

std::string binary_numeric(std::string_view decimal) {
    const bool negative = decimal.starts_with('-');
    if (negative) decimal.remove_prefix(1);
    long exponent = 0;
    const auto mark = decimal.find_first_of("eE");
    if (mark != std::string_view::npos) {
        exponent = std::strtol(std::string(decimal.substr(mark + 1)).c_str(), nullptr, 10);
        decimal = decimal.substr(0, mark);
    }
    // All digits, and how many of them stand before the point.
    const auto point = std::min(decimal.find('.'), decimal.size());
    std::string digits(decimal.substr(0, point));
    if (point < decimal.size()) digits.append(decimal.substr(point + 1));
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
        std::labs(exponent) > 1000) {
        std::string nan;
        for (const std::uint64_t word : {0U, 0U, 0xC000U, 0U})
            append_u16(nan, word);
        return nan;
    }
    long before = static_cast<long>(point) + exponent;
    const auto scale = std::max<long>(static_cast<long>(digits.size()) - before, 0);
    // Groups of four begin at the point: zeros in front until they fit.
    while (before % 4 != 0) {
        digits.insert(digits.begin(), '0');
        ++before;
    }
    std::vector<std::uint64_t> groups;
    for (std::size_t at = 0; at < digits.size(); at += 4) {
        auto group = digits.substr(at, 4);
        group.append(4 - group.size(), '0');
        groups.push_back(std::stoul(group));
    }
    long weight = before / 4 - 1;
    std::size_t first = 0;
    for (; first < groups.size() && groups[first] == 0; ++first)
        --weight;
    while (groups.size() > first && groups.back() == 0)
        groups.pop_back();
    if (first == groups.size()) weight = 0;
    std::string bytes;
    append_u16(bytes, groups.size() - first);
    append_u16(bytes, static_cast<std::uint64_t>(weight));
    append_u16(bytes, negative ? 0x4000 : 0);
    append_u16(bytes, static_cast<std::uint64_t>(scale));
    for (auto at = first; at < groups.size(); ++at)
        append_u16(bytes, groups[at]);
    return bytes;
}

std::string number_text(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    std::array<char, 40> buffer{};
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
    return {buffer.data(), result.ptr};
}

protocol::Oid type_oid(ColumnType type) {
    return wire_type(type).oid;
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
        } else if (const auto* fraction = std::get_if<double>(&row[i])) {
            write_fraction(*fraction, columns[i].type, format_of(formats, i), out);
        } else {
            out.u32(null_length);
        }
    }
    out.end();
}

}  // namespace weir::proxy
