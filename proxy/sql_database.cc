#include "proxy/sql_database.h"

#include "proxy/sqlite.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

namespace weir::proxy {

namespace {

namespace sqlstate = protocol::sqlstate;

// Of the whole process: nothing else in it uses SQLite.
constexpr sqlite3_int64 heap_limit = sqlite3_int64{96} << 20U;
constexpr std::size_t max_sql = std::size_t{64} << 10U;
constexpr std::size_t max_tables = 40;
// Instructions of SQLite's machine between two looks at the clock.
constexpr int instructions_between_looks = 2000;

void set_up_once() {
    static std::once_flag once;
    std::call_once(once, [] { sqlite3_hard_heap_limit64(heap_limit); });
}

// Reading, and nothing else.
int authorize(void*, int action, const char* first, const char* second, const char*, const char*) {
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_RECURSIVE:
            return SQLITE_OK;
        case SQLITE_READ:
            return std::string_view(first == nullptr ? "" : first).starts_with("sqlite_")
                       ? SQLITE_DENY
                       : SQLITE_OK;
        case SQLITE_FUNCTION:
            return is_refused_function(second == nullptr ? "" : second) ? SQLITE_DENY : SQLITE_OK;
        default:
            return SQLITE_DENY;
    }
}

void limit(sqlite3* database) {
    const std::pair<int, int> limits[] = {
        {SQLITE_LIMIT_LENGTH, 256 * 1024},
        {SQLITE_LIMIT_SQL_LENGTH, 256 * 1024},
        {SQLITE_LIMIT_COLUMN, 500},
        {SQLITE_LIMIT_EXPR_DEPTH, 200},
        {SQLITE_LIMIT_COMPOUND_SELECT, 50},
        {SQLITE_LIMIT_VDBE_OP, 100'000},
        {SQLITE_LIMIT_FUNCTION_ARG, 100},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 100},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 0},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (const auto& [what, value] : limits)
        sqlite3_limit(database, what, value);
}

protocol::Result<SqliteHandle> open_database(const SqlSession& session) {
    set_up_once();
    sqlite3* opened = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
    const int code = sqlite3_open_v2(":memory:", &opened, flags, nullptr);
    SqliteHandle database(opened);
    if (code != SQLITE_OK) {
        return protocol::error(sqlstate::out_of_memory, "out of memory");
    }
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
    // "x" is a name, never a string.
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    // Sorting goes to no file.
    sqlite3_exec(opened, "PRAGMA temp_store = MEMORY", nullptr, nullptr, nullptr);
    limit(opened);
    add_sql_functions(opened, session);
    return database;
}

std::string_view declared(ColumnType type) {
    switch (type) {
        case ColumnType::text:
            return "text";
        case ColumnType::int4:
            return "int4";
        case ColumnType::int8:
            return "int8";
        case ColumnType::numeric:
            return "numeric";
        case ColumnType::float8:
            return "float8";
        case ColumnType::boolean:
            return "boolean";
        case ColumnType::oid:
            return "oid_int";
    }
    return "text";
}

std::optional<ColumnType> type_declared(const char* name) {
    if (name == nullptr) return std::nullopt;
    for (const auto type :
         {ColumnType::text,
          ColumnType::int4,
          ColumnType::int8,
          ColumnType::numeric,
          ColumnType::float8,
          ColumnType::boolean,
          ColumnType::oid}) {
        if (declared(type) == name) return type;
    }
    return std::nullopt;
}

std::string quoted_name(std::string_view name) {
    std::string text = "\"";
    for (const char c : name)
        text.append(c == '"' ? 2 : 1, c);
    return text + '"';
}

bool create_table(sqlite3* database, std::string_view name, const Columns& columns) {
    std::string sql = "CREATE TABLE " + quoted_name(name) + " (";
    for (const auto& column : columns) {
        if (sql.back() != '(') sql.append(", ");
        sql.append(quoted_name(column.name)).append(" ").append(declared(column.type));
    }
    sql.append(")");
    return sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
}

// "no such table: main.x" -> "x"
std::string missing_table(std::string_view message) {
    constexpr std::string_view says = "no such table: ";
    if (!message.starts_with(says)) return {};
    message.remove_prefix(says.size());
    if (message.starts_with("main.")) message.remove_prefix(5);
    std::string name(message);
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return name;
}

struct Compiled {
    SqliteStatement statement;
    int code = SQLITE_OK;
};

Compiled compile(sqlite3* database, const std::string& sql) {
    // The table of an array's elements comes into being by a CREATE TABLE of SQLite's own, which
    // the authorizer would refuse; once it is there it stays.
    if (sql.find("json_each") != std::string::npos) {
        sqlite3_exec(database, "SELECT value FROM json_each('[]')", nullptr, nullptr, nullptr);
    }
    sqlite3_set_authorizer(database, authorize, nullptr);
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    const int code =
        sqlite3_prepare_v2(database, sql.c_str(), static_cast<int>(sql.size()), &statement, &tail);
    Compiled compiled{SqliteStatement(statement), code};
    sqlite3_set_authorizer(database, nullptr, nullptr);
    return compiled;
}

protocol::Error failure(sqlite3* database, int code, const PreparedSql& prepared) {
    const int at = sqlite3_error_offset(database);
    long offset = -1;
    if (at >= 0) {
        const auto found = std::upper_bound(
            prepared.origins.begin(),
            prepared.origins.end(),
            static_cast<std::size_t>(at),
            [](std::size_t wanted, const auto& entry) { return wanted < entry.first; }
        );
        if (found != prepared.origins.begin()) offset = static_cast<long>(std::prev(found)->second);
    }
    return error_of_sqlite(code, sqlite3_errmsg(database), prepared.text, offset);
}

// Tables come into being as SQLite asks for them.
protocol::Result<SqliteStatement> compile_with_tables(
    sqlite3* database, const FindTable& find, PreparedSql& prepared
) {
    for (;;) {
        auto compiled = compile(database, prepared.sql);
        if (compiled.code == SQLITE_OK) return std::move(compiled.statement);
        const auto name = missing_table(sqlite3_errmsg(database));
        const auto columns = name.empty() ? nullptr : find(name);
        if (columns == nullptr) return failure(database, compiled.code, prepared);
        if (prepared.tables.size() >= max_tables || !create_table(database, name, *columns)) {
            return protocol::error(sqlstate::program_limit_exceeded, "too many tables");
        }
        prepared.tables.emplace_back(name, columns);
    }
}

// Columns whose names are theirs.
struct NamedColumns {
    std::vector<std::string> names;
    Columns columns;
};

// The output that a column comes from, nullptr where a star makes that unknown.
const SqlOutput* output_of(const std::vector<SqlOutput>& outputs, std::size_t column, int width) {
    const auto star = std::find_if(outputs.begin(), outputs.end(), [](const auto& output) {
        return output.star;
    });
    const auto before = static_cast<std::size_t>(star - outputs.begin());
    if (column < before) return &outputs[column];
    if (star == outputs.end()) return nullptr;
    const auto from_end = static_cast<std::size_t>(width) - column;
    const auto behind = static_cast<std::size_t>(outputs.end() - star) - 1;
    const bool other_star =
        std::any_of(std::next(star), outputs.end(), [](const auto& output) { return output.star; });
    if (other_star || from_end > behind) return nullptr;
    return &outputs[outputs.size() - from_end];
}

void describe_columns(
    sqlite3_stmt* statement,
    const RewrittenSql& sql,
    const ColumnTypes& types,
    PreparedSql& prepared
) {
    auto named = std::make_shared<NamedColumns>();
    const int width = sqlite3_column_count(statement);
    named->names.reserve(static_cast<std::size_t>(width));
    for (int i = 0; i < width; ++i) {
        const auto* output = output_of(sql.outputs, static_cast<std::size_t>(i), width);
        auto type = type_declared(sqlite3_column_decltype(statement, i));
        if (output != nullptr && !type) type = type_of_expression(output->tokens, types);
        const auto* const name = sqlite3_column_name(statement, i);
        named->names.push_back(
            output != nullptr && !output->name.empty() ? output->name
                                                       : std::string(name == nullptr ? "" : name)
        );
        named->columns.push_back({named->names.back(), type.value_or(ColumnType::text)});
        prepared.known.push_back(type.has_value());
    }
    prepared.columns = ColumnsRef(named, &named->columns);
}

constexpr protocol::Oid text_array = 1009;
constexpr protocol::Oid int4_array = 1007;

protocol::Oid parameter_type(const SqlParameter& parameter, const ColumnTypes& types) {
    using enum SqlParameter::Context;
    switch (parameter.context) {
        case number:
            return type_oid(ColumnType::int8);
        case typed:
            return type_oid(parameter.type);
        case column:
            return type_oid(types(parameter.column).value_or(ColumnType::text));
        case array:
            return types(parameter.column) == ColumnType::int4 ? int4_array : text_array;
        case text:
        case unknown:
            break;
    }
    return type_oid(ColumnType::text);
}

// --- running ---

struct Deadline {
    std::chrono::steady_clock::time_point at;
    const std::atomic<bool>* stop;
    bool passed = false;
};

int look_at_clock(void* context) {
    auto& deadline = *static_cast<Deadline*>(context);
    if (deadline.stop->load(std::memory_order_relaxed)) return 1;
    deadline.passed = std::chrono::steady_clock::now() > deadline.at;
    return deadline.passed ? 1 : 0;
}

void bind_value(sqlite3_stmt* statement, int index, const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        sqlite3_bind_text64(
            statement, index, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8
        );
    } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
        sqlite3_bind_int64(statement, index, *number);
    } else if (const auto* fraction = std::get_if<double>(&value)) {
        sqlite3_bind_double(statement, index, *fraction);
    } else {
        sqlite3_bind_null(statement, index);
    }
}

bool fill_table(
    sqlite3* database, std::string_view name, const Columns& columns, const std::vector<Row>& rows
) {
    if (!create_table(database, name, columns)) return false;
    if (rows.empty()) return true;
    std::string sql = "INSERT INTO " + quoted_name(name) + " VALUES (";
    for (std::size_t i = 0; i < columns.size(); ++i)
        sql.append(i == 0 ? "?" : ", ?");
    sql.append(")");
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v2(database, sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK)
        return false;
    const SqliteStatement statement(prepared);
    sqlite3_exec(database, "BEGIN", nullptr, nullptr, nullptr);
    bool good = true;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < columns.size(); ++i)
            bind_value(prepared, static_cast<int>(i) + 1, row[i]);
        good = sqlite3_step(prepared) == SQLITE_DONE;
        sqlite3_reset(prepared);
        if (!good) break;
    }
    sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
    return good;
}

Value read_value(sqlite3_stmt* statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER:
            return std::int64_t{sqlite3_column_int64(statement, column)};
        case SQLITE_FLOAT:
            return sqlite3_column_double(statement, column);
        case SQLITE_NULL:
            return {};
        default: {
            const auto* const bytes = sqlite3_column_text(statement, column);
            const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
            if (bytes == nullptr) return {};
            std::string text(reinterpret_cast<const char*>(bytes), size);
            // A NUL has no place in PostgreSQL's texts.
            text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
            return text;
        }
    }
}

std::size_t size_of(const Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    return sizeof(Value) + (text == nullptr ? 0 : text->size());
}

protocol::Error canceled(const Deadline& deadline) {
    return protocol::error(
        sqlstate::query_canceled,
        deadline.passed ? "canceling statement due to statement timeout"
                        : "canceling statement due to user request"
    );
}

protocol::Result<void> collect(
    sqlite3* database,
    sqlite3_stmt* statement,
    const PreparedSql& prepared,
    const Deadline& deadline,
    const SqlLimits& limits,
    std::vector<Row>& rows
) {
    const int width = sqlite3_column_count(statement);
    std::size_t bytes = 0;
    for (;;) {
        const int code = sqlite3_step(statement);
        if (code == SQLITE_DONE) return {};
        if (code == SQLITE_INTERRUPT) return canceled(deadline);
        if (code != SQLITE_ROW) return failure(database, code, prepared);
        Row row;
        row.reserve(static_cast<std::size_t>(width));
        for (int i = 0; i < width; ++i) {
            row.push_back(read_value(statement, i));
            bytes += size_of(row.back());
        }
        rows.push_back(std::move(row));
        if (rows.size() > limits.rows || bytes > limits.bytes) {
            return protocol::error(
                sqlstate::program_limit_exceeded,
                "result is too large for the console",
                "Add a WHERE or LIMIT clause."
            );
        }
    }
}

// A text where the column is one of numbers: PostgreSQL would have had a number there.
bool to_number(Value& value) {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return true;
    if (*text == "t" || *text == "true") return value = std::int64_t{1}, true;
    if (*text == "f" || *text == "false") return value = std::int64_t{0}, true;
    char* end = nullptr;
    const double number = std::strtod(text->c_str(), &end);
    if (text->empty() || *end != '\0') return false;
    constexpr double exact = 9.0e15;
    if (number == std::floor(number) && std::abs(number) < exact) {
        value = static_cast<std::int64_t>(number);
    } else {
        value = number;
    }
    return true;
}

ColumnType type_of_rows(const std::vector<Row>& rows, std::size_t column) {
    bool any = false;
    bool fractions = false;
    for (const auto& row : rows) {
        if (std::holds_alternative<std::string>(row[column])) return ColumnType::text;
        any = any || !std::holds_alternative<std::monostate>(row[column]);
        fractions = fractions || std::holds_alternative<double>(row[column]);
    }
    if (!any) return ColumnType::text;
    return fractions ? ColumnType::float8 : ColumnType::int8;
}

// Values become those of their columns' types.
protocol::Result<void> settle_types(const PreparedSql& prepared, Table& table) {
    const auto width = prepared.columns->size();
    for (std::size_t i = 0; i < width; ++i) {
        const auto type = (*prepared.columns)[i].type;
        if (type == ColumnType::text) continue;
        for (auto& row : table.rows) {
            if (to_number(row[i])) continue;
            return protocol::error(
                protocol::SqlState("22P02"),
                "invalid input syntax for a number: \"" + std::get<std::string>(row[i]) + '"'
            );
        }
    }
    return {};
}

}  // namespace

protocol::Result<PreparedSqlRef> prepare_sql(
    std::string_view text,
    const FindTable& find,
    const SqlSession& session,
    const std::vector<protocol::Oid>& parameters
) {
    if (text.size() > max_sql) {
        return protocol::error(sqlstate::program_limit_exceeded, "query is too long");
    }
    auto prepared = std::make_shared<PreparedSql>();
    prepared->text = text;
    auto rewritten = rewrite_sql(prepared->text);
    if (!rewritten) return rewritten.error();
    prepared->sql = rewritten->text;
    prepared->origins = rewritten->origins;
    auto database = open_database(session);
    if (!database) return database.error();
    const auto statement = compile_with_tables(database->get(), find, *prepared);
    if (!statement) return statement.error();
    if (*statement == nullptr || sqlite3_column_count(statement->get()) == 0 ||
        sqlite3_stmt_readonly(statement->get()) == 0) {
        return protocol::error(sqlstate::syntax_error, "the console has only queries");
    }
    const ColumnTypes types = [&](std::string_view name) -> std::optional<ColumnType> {
        for (const auto& [table, columns] : prepared->tables) {
            for (const auto& column : *columns) {
                if (column.name == name) return column.type;
            }
        }
        return std::nullopt;
    };
    describe_columns(statement->get(), *rewritten, types, *prepared);
    for (std::size_t i = 0; i < rewritten->parameters.size(); ++i) {
        const bool demanded = i < parameters.size() && parameters[i] != 0;
        prepared->parameters.push_back(
            demanded ? parameters[i] : parameter_type(rewritten->parameters[i], types)
        );
    }
    return PreparedSqlRef(std::move(prepared));
}

protocol::Result<Table> run_sql(
    const PreparedSql& prepared,
    const std::vector<SqlRows>& rows,
    const std::vector<Value>& parameters,
    const SqlSession& session,
    const std::atomic<bool>& stop,
    const SqlLimits& limits
) {
    Deadline deadline{std::chrono::steady_clock::now() + limits.time, &stop};
    auto database = open_database(session);
    if (!database) return database.error();
    for (const auto& [name, columns] : prepared.tables) {
        const auto given = std::find_if(rows.begin(), rows.end(), [&](const auto& each) {
            return each.table == name;
        });
        static const std::vector<Row> no_rows;
        const auto& all = given == rows.end() ? no_rows : given->rows;
        if (!fill_table(database->get(), name, *columns, all)) {
            return failure(database->get(), sqlite3_errcode(database->get()), prepared);
        }
    }
    auto compiled = compile(database->get(), prepared.sql);
    if (compiled.code != SQLITE_OK) return failure(database->get(), compiled.code, prepared);
    auto* const statement = compiled.statement.get();
    for (std::size_t i = 0; i < parameters.size(); ++i)
        bind_value(statement, static_cast<int>(i) + 1, parameters[i]);
    sqlite3_progress_handler(database->get(), instructions_between_looks, look_at_clock, &deadline);
    Table table{prepared.columns, {}};
    const auto collected =
        collect(database->get(), statement, prepared, deadline, limits, table.rows);
    if (!collected) return collected.error();
    if (const auto settled = settle_types(prepared, table); !settled) return settled.error();
    return table;
}

ColumnsRef columns_of_rows(const PreparedSql& prepared, const std::vector<Row>& rows) {
    if (std::find(prepared.known.begin(), prepared.known.end(), false) == prepared.known.end()) {
        return prepared.columns;
    }

    struct Typed {
        ColumnsRef names;  // keeps them
        Columns columns;
    };

    auto typed = std::make_shared<Typed>(Typed{prepared.columns, *prepared.columns});
    for (std::size_t i = 0; i < typed->columns.size(); ++i) {
        if (!prepared.known[i]) typed->columns[i].type = type_of_rows(rows, i);
    }
    return {typed, &typed->columns};
}

}  // namespace weir::proxy
