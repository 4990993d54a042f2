// Queries over rows that are handed in, by SQLite in memory. Knows neither console nor server.
//
// A query is prepared without rows (which tables does it name, what does it return), then run on
// the rows of those tables alone, in a database that lives as long as the run. Hostile SQL finds
// nothing to write to, no file, no extension, and bounds on time, memory and the result.
#pragma once

#include "proxy/sql_rewrite.h"

#include <atomic>
#include <chrono>
#include <map>
#include <memory>

namespace weir::proxy {

// Whose query it is.
struct SqlSession {
    std::string user;
    std::string database;
    std::string version;
    std::map<std::string, std::string, std::less<>> settings;  // current_setting(), lower case
};

struct SqlLimits {
    std::chrono::milliseconds time{1000};
    std::size_t rows = 100'000;
    std::size_t bytes = std::size_t{16} << 20U;  // of the result
};

// The columns of a table by its name in lower case; nullptr: there is none.
using FindTable = std::function<ColumnsRef(std::string_view)>;

struct PreparedSql {
    std::string text;  // as the client wrote it
    std::string sql;   // as SQLite reads it
    std::vector<std::pair<std::size_t, std::size_t>> origins;
    std::vector<std::pair<std::string, ColumnsRef>> tables;  // those that it names
    // What a client is told; a type that is not known is text there.
    ColumnsRef columns;
    std::vector<bool> known;  // for each column: its type is certain
    std::vector<protocol::Oid> parameters;
};

using PreparedSqlRef = std::shared_ptr<const PreparedSql>;

// `parameters`: the types that the client demands, 0 or absent where it leaves that to us. Errors
// are PostgreSQL's: SQLSTATE, text and position (in characters from 1). Any thread.
protocol::Result<PreparedSqlRef> prepare_sql(
    std::string_view text,
    const FindTable& find,
    const SqlSession& session,
    const std::vector<protocol::Oid>& parameters = {}
);

struct SqlRows {
    std::string table;
    std::vector<Row> rows;  // as wide as the table's columns
};

// `stop` ends it with 57014 as soon as it is true; so do the limits with 57014 and 54000. `rows`
// holds each table of the query once. Any thread.
protocol::Result<Table> run_sql(
    const PreparedSql& prepared,
    const std::vector<SqlRows>& rows,
    const std::vector<Value>& parameters,
    const SqlSession& session,
    const std::atomic<bool>& stop,
    const SqlLimits& limits = {}
);

// The columns of a result that was not described before: types that the text does not tell are told
// by the rows.
ColumnsRef columns_of_rows(const PreparedSql& prepared, const std::vector<Row>& rows);

}  // namespace weir::proxy
