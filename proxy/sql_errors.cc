// What SQLite says, in PostgreSQL's words.
#include "proxy/sqlite.h"

#include <algorithm>
#include <array>

namespace weir::proxy {

namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::SqlState;

constexpr SqlState undefined_table{"42P01"};
constexpr SqlState undefined_column{"42703"};
constexpr SqlState undefined_function{"42883"};
constexpr SqlState ambiguous_column{"42702"};
constexpr SqlState grouping_error{"42803"};
constexpr SqlState invalid_text{"22P02"};
constexpr SqlState invalid_regexp{"2201B"};
constexpr SqlState out_of_range{"22003"};

// What stands behind `says`, if the message begins so.
bool take(std::string_view message, std::string_view says, std::string& rest) {
    if (!message.starts_with(says)) return false;
    rest = message.substr(says.size());
    return true;
}

protocol::Error translate(std::string_view message) {
    std::string name;
    if (take(message, "no such table: ", name)) {
        if (name.starts_with("main.")) name.erase(0, 5);
        return protocol::error(undefined_table, "relation \"" + name + "\" does not exist");
    }
    if (take(message, "no such column: ", name)) {
        const bool qualified = name.find('.') != std::string::npos;
        return protocol::error(
            undefined_column,
            qualified ? "column " + name + " does not exist"
                      : "column \"" + name + "\" does not exist"
        );
    }
    if (take(message, "no such function: ", name)) {
        return protocol::error(
            undefined_function,
            "function " + name + "() does not exist",
            "The console has the functions of SQLite and some of PostgreSQL's."
        );
    }
    if (take(message, "wrong number of arguments to function ", name)) {
        return protocol::error(
            undefined_function, "function " + name + " does not exist with these arguments"
        );
    }
    if (take(message, "ambiguous column name: ", name)) {
        return protocol::error(ambiguous_column, "column reference \"" + name + "\" is ambiguous");
    }
    if (take(message, "misuse of aggregate", name)) {
        return protocol::error(
            grouping_error,
            "aggregate functions are not allowed here (misuse of aggregate" + name + ")"
        );
    }
    if (take(message, "near \"", name)) {
        const auto end = name.rfind('"');
        return protocol::error(
            sqlstate::syntax_error, "syntax error at or near \"" + name.substr(0, end) + '"'
        );
    }
    if (message == "incomplete input") {
        return protocol::error(sqlstate::syntax_error, "syntax error at end of input");
    }
    if (message.starts_with("not authorized") || message.find("prohibited") != std::string::npos) {
        return protocol::error(
            sqlstate::insufficient_privilege, "permission denied: the console only reads"
        );
    }
    if (message.starts_with("invalid input syntax")) {
        return protocol::error(invalid_text, std::string(message));
    }
    if (message.starts_with("invalid regular expression")) {
        return protocol::error(invalid_regexp, std::string(message));
    }
    if (message.ends_with("out of range") || message == "integer overflow") {
        return protocol::error(out_of_range, std::string(message));
    }
    if (message.starts_with("unrecognized configuration parameter")) {
        return protocol::error(sqlstate::undefined_object, std::string(message));
    }
    return protocol::error(sqlstate::syntax_error, std::string(message));
}

}  // namespace

protocol::Error error_of_sqlite(
    int code, std::string_view message, std::string_view text, long offset
) {
    const int primary = code & 0xff;
    if (primary == SQLITE_NOMEM || message == "out of memory") {
        return protocol::error(
            sqlstate::out_of_memory, "out of memory", "The console's queries have a bound on it."
        );
    }
    if (primary == SQLITE_TOOBIG || message.starts_with("too many ") ||
        message.find("too large") != std::string_view::npos ||
        message.find("too big") != std::string_view::npos ||
        message.find("too deep") != std::string_view::npos ||
        message.find("stack overflow") != std::string_view::npos ||
        message.find("too long") != std::string_view::npos ||
        message.find("too complex") != std::string_view::npos) {
        return protocol::error(sqlstate::program_limit_exceeded, std::string(message));
    }
    auto error = translate(message);
    if (offset >= 0) {
        // In characters, from 1.
        const auto before = text.substr(0, static_cast<std::size_t>(offset));
        const auto characters = std::count_if(before.begin(), before.end(), [](char c) {
            return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
        });
        error.position = std::to_string(characters + 1);
    }
    return error;
}

}  // namespace weir::proxy
