#include "proxy/admin_parameters.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace weir::proxy {

namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::Oid;

constexpr Oid bool_oid = 16;
constexpr Oid int8_oid = 20;
constexpr Oid int2_oid = 21;
constexpr Oid int4_oid = 23;
constexpr Oid oid_oid = 26;
constexpr Oid float4_oid = 700;
constexpr Oid float8_oid = 701;
constexpr Oid numeric_oid = 1700;
constexpr Oid bytea_oid = 17;

bool is_array(Oid type) {
    for (const Oid array : {1005U, 1007U, 1016U, 1009U, 1015U, 1003U, 1028U}) {
        if (type == array) return true;
    }
    return false;
}

bool is_text(Oid type) {
    for (const Oid text : {0U, 18U, 19U, 25U, 705U, 1042U, 1043U, 114U}) {
        if (type == text) return true;
    }
    return false;
}

std::uint64_t big_endian(Bytes bytes) {
    std::uint64_t value = 0;
    for (const auto byte : bytes)
        value = value << 8U | std::to_integer<std::uint64_t>(byte);
    return value;
}

std::optional<Value> binary_numeric_value(Bytes bytes) {
    protocol::FieldCursor fields(bytes);
    const unsigned digits = fields.u16();
    const auto weight = static_cast<std::int16_t>(fields.u16());
    const unsigned sign = fields.u16();
    fields.u16();
    double value = 0;
    for (unsigned i = 0; i < digits && fields.ok(); ++i) {
        value += fields.u16() * std::pow(10000.0, weight - static_cast<int>(i));
    }
    if (!fields.finished() || sign > 0x4000U) return std::nullopt;
    if (sign == 0x4000U) value = -value;
    constexpr double exact = 9.0e15;
    if (value == std::floor(value) && std::abs(value) < exact) {
        return Value(static_cast<std::int64_t>(value));
    }
    return Value(value);
}

std::optional<Value> binary_scalar(Oid type, Bytes bytes) {
    const auto size = bytes.size();
    if (is_text(type)) return Value(std::string(as_text(bytes)));
    const auto bits = size <= 8 ? big_endian(bytes) : 0;
    switch (type) {
        case bool_oid:
            if (size != 1) return std::nullopt;
            return Value(std::int64_t{bits != 0});
        case int2_oid:
            if (size != 2) return std::nullopt;
            return Value(std::int64_t{static_cast<std::int16_t>(bits)});
        case int4_oid:
            if (size != 4) return std::nullopt;
            return Value(std::int64_t{static_cast<std::int32_t>(bits)});
        case oid_oid:
            if (size != 4) return std::nullopt;
            return Value(static_cast<std::int64_t>(bits));
        case int8_oid:
            if (size != 8) return std::nullopt;
            return Value(static_cast<std::int64_t>(bits));
        case float4_oid:
            if (size != 4) return std::nullopt;
            return Value(double{std::bit_cast<float>(static_cast<std::uint32_t>(bits))});
        case float8_oid:
            if (size != 8) return std::nullopt;
            return Value(std::bit_cast<double>(bits));
        case numeric_oid:
            return binary_numeric_value(bytes);
        default:
            return std::nullopt;
    }
}

// An array of one dimension, as its text.
std::optional<Value> binary_array(Bytes bytes) {
    protocol::FieldCursor fields(bytes);
    const auto dimensions = fields.i32();
    fields.u32();  // whether there are NULLs
    const auto element_type = fields.u32();
    if (!fields.ok() || dimensions < 0 || dimensions > 1) return std::nullopt;
    std::string text = "{";
    const auto count = dimensions == 0 ? 0 : fields.i32();
    if (dimensions == 1) fields.u32();
    for (std::int32_t i = 0; i < count && fields.ok(); ++i) {
        if (i > 0) text.push_back(',');
        const auto length = fields.i32();
        if (length < 0) {
            text.append("NULL");
            continue;
        }
        const auto value =
            binary_scalar(element_type, fields.take(static_cast<std::size_t>(length)));
        if (!value) return std::nullopt;
        if (const auto* number = std::get_if<std::int64_t>(&*value)) {
            text.append(std::to_string(*number));
        } else if (const auto* element = std::get_if<std::string>(&*value)) {
            text.push_back('"');
            for (const char c : *element) {
                if (c == '"' || c == '\\') text.push_back('\\');
                text.push_back(c);
            }
            text.push_back('"');
        } else {
            return std::nullopt;
        }
    }
    if (!fields.finished()) return std::nullopt;
    return Value(text + '}');
}

std::optional<Value> number_of(std::string_view text) {
    std::int64_t whole = 0;
    const auto* const end = text.data() + text.size();
    if (const auto read = std::from_chars(text.data(), end, whole);
        read.ec == std::errc() && read.ptr == end) {
        return Value(whole);
    }
    double fraction = 0;
    const auto read = std::from_chars(text.data(), end, fraction);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    return Value(fraction);
}

std::optional<Value> text_scalar(Oid type, std::string_view text) {
    switch (type) {
        case bool_oid: {
            const bool yes = text == "t" || text == "true" || text == "1" || text == "on";
            const bool no = text == "f" || text == "false" || text == "0" || text == "off";
            if (!yes && !no) return std::nullopt;
            return Value(std::int64_t{yes});
        }
        case int2_oid:
        case int4_oid:
        case int8_oid:
        case oid_oid:
        case float4_oid:
        case float8_oid:
        case numeric_oid:
            return number_of(text);
        default:
            return Value(std::string(text));
    }
}

protocol::Result<Value> read_value(Oid type, std::uint16_t format, Bytes bytes, unsigned number) {
    std::optional<Value> value;
    if (format == 0) {
        value = text_scalar(type, as_text(bytes));
    } else if (is_array(type)) {
        value = binary_array(bytes);
    } else if (type == bytea_oid || !(is_text(type) || binary_scalar(type, bytes))) {
        return protocol::error(
            sqlstate::feature_not_supported,
            "the console takes no binary parameter of the type with OID " + std::to_string(type)
        );
    } else {
        value = binary_scalar(type, bytes);
    }
    if (value) return std::move(*value);
    return protocol::error(
        protocol::SqlState(format == 0 ? "22P02" : "22P03"),
        format == 0 ? "invalid input syntax for parameter $" + std::to_string(number)
                    : "incorrect binary data format in bind parameter " + std::to_string(number)
    );
}

}  // namespace

protocol::Result<std::vector<Value>> read_parameters(
    protocol::FieldCursor& fields, std::string_view statement, const std::vector<Oid>& types
) {
    std::vector<std::uint16_t> formats;
    const unsigned format_count = fields.u16();
    for (unsigned i = 0; i < format_count && fields.ok(); ++i)
        formats.push_back(fields.u16());
    const unsigned count = fields.u16();
    std::vector<Value> values;
    std::optional<protocol::Error> wrong;
    if (count != types.size()) {
        wrong = protocol::error(
            sqlstate::protocol_violation,
            "bind message supplies " + std::to_string(count) +
                " parameters, but prepared statement \"" + std::string(statement) + "\" requires " +
                std::to_string(types.size())
        );
    } else if (format_count > 1 && format_count != count) {
        wrong = protocol::error(
            sqlstate::protocol_violation,
            "bind message has " + std::to_string(format_count) + " parameter formats but " +
                std::to_string(count) + " parameters"
        );
    }
    for (unsigned i = 0; i < count && fields.ok(); ++i) {
        const auto length = fields.i32();
        const auto bytes = length > 0 ? fields.take(static_cast<std::size_t>(length)) : Bytes{};
        if (wrong || !fields.ok()) continue;
        if (length < 0) {
            values.emplace_back();
            continue;
        }
        const auto format =
            formats.empty() ? std::uint16_t{0} : formats[formats.size() == 1 ? 0 : i];
        auto value = read_value(types[i], format, bytes, i + 1);
        if (!value) {
            wrong = value.error();
        } else {
            values.push_back(std::move(*value));
        }
    }
    if (wrong) return *wrong;
    return values;
}

}  // namespace weir::proxy
