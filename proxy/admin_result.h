// Rows of the console and how they go over the wire, as text and binary.
#pragma once

#include "protocol/message_writer.h"
#include "protocol/types.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::proxy {

enum class ColumnType : std::uint8_t { text, int4, int8, numeric, float8, boolean, oid };

struct Column {
    std::string_view name;  // outlives all results
    ColumnType type = ColumnType::text;
};

using Columns = std::vector<Column>;

// Columns that live as long as the process (constant_columns), or as what they belong to does.
using ColumnsRef = std::shared_ptr<const Columns>;

inline ColumnsRef constant_columns(const Columns& columns) {
    return {ColumnsRef(), &columns};
}

// NULL, a text, a number of whatever type the column has, or 0 and 1 of a boolean one.
using Value = std::variant<std::monostate, std::string, std::int64_t, double>;
using Row = std::vector<Value>;

struct Table {
    ColumnsRef columns;
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
// The same for a decimal number such as "-12.5" or "1.5e-07"; NaN for what is none.
std::string binary_numeric(std::string_view decimal);

// The shortest text that is read as the same number.
std::string number_text(double number);

// PostgreSQL's type of a column.
protocol::Oid type_oid(ColumnType type);

}  // namespace weir::proxy
