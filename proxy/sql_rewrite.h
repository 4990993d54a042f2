// PostgreSQL's SQL as SQLite understands it: the console's queries, token by token.
//
// What is translated: casts (x::type, CAST), schema prefixes (pg_catalog, information_schema),
// OPERATOR(...), regular expressions (~, !~, ~*), LIKE and ILIKE, = ANY / <> ALL, ARRAY, E'' and $$
// strings, COLLATE, LATERAL, TABLE x, $1, current_user and its like. All else is left to SQLite,
// which says what it does not know.
#pragma once

#include "protocol/error.h"
#include "protocol/sql_lexer.h"
#include "proxy/admin_result.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

// A text's tokens, without the one at the end.
using SqlTokens = std::vector<protocol::Token>;

// One entry of the outermost select list.
struct SqlOutput {
    bool star = false;  // x.* or *: as many columns as the tables have
    std::string name;   // as PostgreSQL would call it
    SqlTokens tokens;   // the expression without its alias
};

// Where a parameter stands, by which its type is known.
struct SqlParameter {
    enum class Context : std::uint8_t { unknown, column, number, text, typed, array };

    Context context = Context::unknown;
    std::string column;                  // compared with this
    ColumnType type = ColumnType::text;  // cast to this
};

struct RewrittenSql {
    // The position in the client's text of what stands at `offset` in `text`.
    std::size_t origin(std::size_t offset) const;

    std::string text;
    std::vector<std::pair<std::size_t, std::size_t>> origins;  // offsets in both texts, ascending
    std::vector<SqlOutput> outputs;
    std::vector<SqlParameter> parameters;
};

// `sql` is one statement; what is returned views it. Errors are PostgreSQL's, with positions
// counted in bytes from 1. REQUIRES: protocol::TextRules{} hold for it.
protocol::Result<RewrittenSql> rewrite_sql(std::string_view sql);

// The type of an expression as PostgreSQL would see it, as far as its text tells; nullopt: it does
// not. `column_type` knows the columns of the tables that are named.
using ColumnTypes = std::function<std::optional<ColumnType>(std::string_view)>;
std::optional<ColumnType> type_of_expression(
    const SqlTokens& tokens, const ColumnTypes& column_type
);

// What a type of PostgreSQL is here: nullopt for those whose casts are dropped (regclass, arrays,
// intervals ...). `name` in lower case without a schema.
std::optional<ColumnType> known_type(std::string_view name);

// The text in a string token: '', E'', $$ $$, U&''.
std::string string_value(const protocol::Token& token);
// An identifier as PostgreSQL folds it.
std::string identifier_value(const protocol::Token& token);

}  // namespace weir::proxy
