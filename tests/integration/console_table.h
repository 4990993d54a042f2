// Looking things up in what the console shows.
#pragma once

#include "tests/support/libpq.h"

#include <stdexcept>
#include <string>

namespace weir::test {

// The value of a column, looked up by its name, in the first row whose `key` column is `value`.
inline std::string cell(
    const Result& result, const std::string& key, const std::string& value, const std::string& name
) {
    const auto column = [&](const std::string& wanted) {
        for (int i = 0; i < result.columns(); ++i) {
            if (result.column(i) == wanted) return i;
        }
        throw std::runtime_error("no column " + wanted);
    };
    for (int row = 0; row < result.rows(); ++row) {
        if (result.value(row, column(key)) == value) return result.value(row, column(name));
    }
    throw std::runtime_error("no row with " + key + " = " + value);
}

}  // namespace weir::test
