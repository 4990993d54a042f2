#include "proxy/own_query.h"

#include "protocol/sql_lexer.h"

#include <array>
#include <utility>

namespace weir::proxy {

using protocol::is_word;
using protocol::SqlLexer;
using protocol::TokenKind;

namespace {

struct Shown {
    std::string_view name;
    std::string_view column;
    OwnQuery::Kind kind;
};

constexpr std::array<Shown, 4> shown{{
    {"last_route", "pgweir.last_route", OwnQuery::Kind::last_route},
    {"route", "pgweir.route", OwnQuery::Kind::route},
    {"consistency", "pgweir.consistency", OwnQuery::Kind::consistency},
    {"lsn_token", "pgweir.lsn_token", OwnQuery::Kind::lsn_token},
}};

// Behind "SHOW".
std::optional<OwnQuery> read_show(SqlLexer lexer) {
    if (!is_word(lexer.next().text, "pgweir") || lexer.next().text != ".") return std::nullopt;
    const auto name = lexer.next().text;
    auto rest = lexer.next();
    while (rest.text == ";")
        rest = lexer.next();
    if (rest.kind != TokenKind::end) return std::nullopt;
    for (const auto& each : shown) {
        if (is_word(name, each.name)) return OwnQuery{each.kind, {}};
    }
    return std::nullopt;
}

bool may_be_own(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n\f");
    if (first == std::string_view::npos || first + 2 > text.size()) return false;
    const auto two = text.substr(first, 2);
    return is_word(two, "sh") || is_word(two, "ex") || two == "/*" || two == "--";
}

}  // namespace

std::string_view OwnQuery::column() const {
    for (const auto& each : shown) {
        if (each.kind == kind) return each.column;
    }
    return "QUERY PLAN";
}

std::string_view OwnQuery::tag() const {
    return kind == Kind::explain_route ? "EXPLAIN" : "SHOW";
}

std::optional<OwnQuery> own_query(std::string_view text) {
    if (!may_be_own(text)) return std::nullopt;
    SqlLexer lexer{text};
    const auto first = lexer.next().text;
    if (is_word(first, "show")) return read_show(lexer);
    if (!is_word(first, "explain") || !is_word(lexer.next().text, "route")) return std::nullopt;
    return OwnQuery{OwnQuery::Kind::explain_route, std::string(text.substr(lexer.position()))};
}

}  // namespace weir::proxy
