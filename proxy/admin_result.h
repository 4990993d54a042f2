// Rows of the console and how they go over the wire, as text and binary.
#pragma once

#include "protocol/message_writer.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::proxy {

enum class ColumnType : std::uint8_t { text, int4, int8, numeric };

struct Column {
    std::string_view name;  // outlives all results
    ColumnType type = ColumnType::text;
};

using Columns = std::vector<Column>;

// NULL, a text, or a number of whatever type the column has.
using Value = std::variant<std::monostate, std::string, std::int64_t>;
using Row = std::vector<Value>;

struct Table {
    const Columns* columns = nullptr;
    std::vector<Row> rows;
};

// The result formats of a Bind message: none (all text), one for all, or one for each column.
// 0 = text, 1 = binary.
using ResultFormats = std::vector<std::uint16_t>;

void write_row_description(
    const Columns& columns, const ResultFormats& formats, protocol::MessageWriter& out
);
// A number outside the range of an int4 column is shown as the nearest one inside.
// REQUIRES: row.size() == columns.size().
void write_data_row(
    const Columns& columns,
    const Row& row,
    const ResultFormats& formats,
    protocol::MessageWriter& out
);

// A whole number as PostgreSQL's binary numeric: ndigits, weight, sign, dscale, digits of base
// 10000.
std::string binary_numeric(std::int64_t number);

}  // namespace weir::proxy
