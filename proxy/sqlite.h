// SQLite's handles, owned; and the functions of PostgreSQL that it is given.
#pragma once

#include "proxy/sql_database.h"

#include <memory>
#include <sqlite3.h>

namespace weir::proxy {

struct CloseSqlite {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }

    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

using SqliteHandle = std::unique_ptr<sqlite3, CloseSqlite>;
using SqliteStatement = std::unique_ptr<sqlite3_stmt, CloseSqlite>;

// `session` must outlive the database.
void add_sql_functions(sqlite3* database, const SqlSession& session);
// Is it one of those that only hurt (load_extension, randomblob ...)?
bool is_refused_function(std::string_view name);

// What SQLite says, in PostgreSQL's words. `offset` is the byte in the client's text, or negative.
protocol::Error error_of_sqlite(
    int code, std::string_view message, std::string_view text, long offset
);

}  // namespace weir::proxy
