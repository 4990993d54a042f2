// The types of expressions, as far as their texts tell: what a client is told before there are
// rows.
#include "proxy/sql_rewrite.h"
#include "proxy/sql_tokens.h"

#include <utility>

namespace weir::proxy {

namespace {

using protocol::Token;
using protocol::TokenKind;
using Type = std::optional<ColumnType>;

struct NamedType {
    std::string_view name;
    ColumnType type;
};

constexpr std::array<NamedType, 28> types{{
    {"text", ColumnType::text},       {"varchar", ColumnType::text},
    {"character", ColumnType::text},  {"char", ColumnType::text},
    {"bpchar", ColumnType::text},     {"name", ColumnType::text},
    {"cstring", ColumnType::text},    {"int", ColumnType::int4},
    {"integer", ColumnType::int4},    {"int2", ColumnType::int4},
    {"smallint", ColumnType::int4},   {"int4", ColumnType::int4},
    {"int8", ColumnType::int8},       {"bigint", ColumnType::int8},
    {"numeric", ColumnType::numeric}, {"decimal", ColumnType::numeric},
    {"float", ColumnType::float8},    {"float4", ColumnType::float8},
    {"float8", ColumnType::float8},   {"real", ColumnType::float8},
    {"double", ColumnType::float8},   {"bool", ColumnType::boolean},
    {"boolean", ColumnType::boolean}, {"oid", ColumnType::oid},
    {"xid", ColumnType::oid},         {"json", ColumnType::text},
    {"jsonb", ColumnType::text},      {"uuid", ColumnType::text},
}};

constexpr std::array<std::string_view, 8> counting{
    "count",
    "row_number",
    "rank",
    "dense_rank",
    "octet_length",
    "pg_backend_pid",
    "txid_current",
    "pg_database_size"};
constexpr std::array<std::string_view, 8> of_first_argument{
    "min", "max", "coalesce", "nullif", "abs", "greatest", "least", "ifnull"};
constexpr std::array<std::string_view, 22> textual{"lower",        "upper",
                                                   "trim",         "btrim",
                                                   "ltrim",        "rtrim",
                                                   "substr",       "substring",
                                                   "replace",      "concat",
                                                   "string_agg",   "group_concat",
                                                   "version",      "current_database",
                                                   "current_user", "current_schema",
                                                   "session_user", "current_setting",
                                                   "format_type",  "now",
                                                   "quote_ident",  "left"};

bool is_number_type(ColumnType type) {
    return type != ColumnType::text && type != ColumnType::boolean;
}

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// The larger of two number types, as PostgreSQL's arithmetic has it.
Type wider(Type a, Type b) {
    const auto rank = [](ColumnType type) {
        switch (type) {
            case ColumnType::float8:
                return 4;
            case ColumnType::numeric:
                return 3;
            case ColumnType::int8:
            case ColumnType::oid:
                return 2;
            default:
                return 1;
        }
    };
    if (!a || !b) return std::nullopt;
    if (!is_number_type(*a) || !is_number_type(*b)) return std::nullopt;
    return rank(*a) >= rank(*b) ? a : b;
}

class Inference {
public:
    Inference(const SqlTokens& tokens, const ColumnTypes& column_type)
        : tokens_(tokens), column_type_(column_type) {}

    Type of(std::size_t begin, std::size_t end, int depth = 0) const {
        if (begin >= end || depth > 20) return std::nullopt;
        if (is_keyword(tokens_[begin], "case")) return of_case(begin, end, depth);
        bool arithmetic = false;
        for (auto i = begin; i < end; i = next(i)) {
            const auto& token = tokens_[i];
            static constexpr std::array<std::string_view, 11> logical{
                "and",
                "or",
                "not",
                "is",
                "in",
                "like",
                "ilike",
                "between",
                "exists",
                "isnull",
                "notnull"};
            if (is_any_keyword(token, logical)) return ColumnType::boolean;
            if (token.kind == TokenKind::op || is_symbol(token, "=")) {
                if (is_symbol(token, "||")) return ColumnType::text;
                const bool adds =
                    token.text.size() == 1 &&
                    std::string_view("+-*/%").find(token.text) != std::string_view::npos;
                if (!adds) return ColumnType::boolean;
                arithmetic = true;
            }
        }
        return arithmetic ? of_arithmetic(begin, end, depth) : of_operand(begin, end, depth);
    }

private:
    // The token behind the one at `i`, brackets and what is in them being one.
    std::size_t next(std::size_t i) const {
        const bool opens = is_symbol(tokens_[i], "(") || is_symbol(tokens_[i], "[");
        return opens ? behind_bracket(tokens_, i) : i + 1;
    }

    Type of_arithmetic(std::size_t begin, std::size_t end, int depth) const {
        Type result;
        auto operand = begin;
        bool first = true;
        for (auto i = begin; i <= end; i = i < end ? next(i) : end + 1) {
            const bool boundary = i == end || tokens_[i].kind == TokenKind::op;
            if (!boundary) continue;
            if (i > operand) {
                const auto type = of(operand, i, depth + 1);
                result = first ? type : wider(result, type);
                if (!result || !is_number_type(*result)) return std::nullopt;
                first = false;
            }
            operand = i + 1;
        }
        return result;
    }

    Type of_case(std::size_t begin, std::size_t end, int depth) const {
        std::size_t nested = 0;
        for (auto i = begin; i < end; i = next(i)) {
            if (is_keyword(tokens_[i], "case")) ++nested;
            if (is_keyword(tokens_[i], "end") && nested > 0) --nested;
            if (nested != 1 || !is_keyword(tokens_[i], "then")) continue;
            auto stop = i + 1;
            while (stop < end && !is_keyword(tokens_[stop], "when") &&
                   !is_keyword(tokens_[stop], "else") && !is_keyword(tokens_[stop], "end"))
                stop = next(stop);
            return of(i + 1, stop, depth + 1);
        }
        return std::nullopt;
    }

    Type of_operand(std::size_t begin, std::size_t end, int depth) const {
        // The last cast decides.
        for (auto i = end; i-- > begin;) {
            if (is_symbol(tokens_[i], "]")) return std::nullopt;
            if (is_symbol(tokens_[i], "::")) return known_type(last_name(i + 1, end));
            if (is_symbol(tokens_[i], ")")) break;
        }
        const auto& first = tokens_[begin];
        if (end == begin + 1) {
            if (first.kind == TokenKind::string) return ColumnType::text;
            if (first.kind == TokenKind::number) {
                const bool whole = first.text.find_first_not_of("0123456789") == std::string::npos;
                if (!whole) return ColumnType::numeric;
                return first.text.size() < 10 ? ColumnType::int4 : ColumnType::int8;
            }
            if (is_keyword(first, "true") || is_keyword(first, "false")) return ColumnType::boolean;
        }
        if (is_symbol(first, "(") && behind_bracket(tokens_, begin) == end) {
            return of_inner(begin + 1, end - 1, depth);
        }
        return of_name(begin, end, depth);
    }

    // What stands in parentheses: an expression, or a SELECT whose first column it is.
    Type of_inner(std::size_t begin, std::size_t end, int depth) const {
        if (begin >= end || !is_keyword(tokens_[begin], "select")) return of(begin, end, depth + 1);
        auto stop = begin + 1;
        while (stop < end && !is_keyword(tokens_[stop], "from") && !is_symbol(tokens_[stop], ","))
            stop = next(stop);
        return of(begin + 1, stop, depth + 1);
    }

    Type of_name(std::size_t begin, std::size_t end, int depth) const {
        auto at = begin;
        while (at + 2 < end && is_name(tokens_[at]) && is_symbol(tokens_[at + 1], "."))
            at += 2;
        if (!is_name(tokens_[at])) return std::nullopt;
        const auto name = identifier_value(tokens_[at]);
        if (at + 1 == end) {
            if (is_one_of(name, textual)) return ColumnType::text;
            return column_type_(name);
        }
        if (!is_symbol(tokens_[at + 1], "(")) return std::nullopt;
        if (name == "cast") return of_cast(at + 2, end);
        return of_call(name, at + 2, end, depth);
    }

    Type of_cast(std::size_t begin, std::size_t end) const {
        for (auto i = begin; i < end; i = next(i)) {
            if (is_keyword(tokens_[i], "as")) return known_type(last_name(i + 1, end));
        }
        return std::nullopt;
    }

    Type of_call(const std::string& name, std::size_t arguments, std::size_t end, int depth) const {
        if (is_one_of(name, counting)) return ColumnType::int8;
        if (is_one_of(name, textual)) return ColumnType::text;
        if (name == "length" || name == "char_length" || name == "strpos") return ColumnType::int4;
        if (name == "avg" || name == "round" || name == "ceil" || name == "floor") {
            return ColumnType::numeric;
        }
        const bool judges = name.starts_with("has_") || name.ends_with("_is_visible") ||
                            name.starts_with("bool_") || name == "every" ||
                            name.starts_with("pg_is_");
        if (judges) return ColumnType::boolean;
        auto stop = arguments;
        while (stop < end && !is_symbol(tokens_[stop], ",") && !is_symbol(tokens_[stop], ")"))
            stop = next(stop);
        if (arguments < stop && is_keyword(tokens_[arguments], "distinct")) ++arguments;
        const auto argument = of(arguments, stop, depth + 1);
        if (is_one_of(name, of_first_argument)) return argument;
        if (name != "sum") return std::nullopt;
        if (argument == ColumnType::int4) return ColumnType::int8;
        return argument == ColumnType::float8 ? argument : ColumnType::numeric;
    }

    std::string last_name(std::size_t at, std::size_t end) const {
        std::string name;
        for (; at < end && is_name(tokens_[at]); at += 2) {
            name = identifier_value(tokens_[at]);
            if (at + 1 >= end || !is_symbol(tokens_[at + 1], ".")) break;
        }
        return name;
    }

    const SqlTokens& tokens_;
    const ColumnTypes& column_type_;
};

char lower_case(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

void append_utf8(std::string& text, std::uint32_t c) {
    if (c == 0 || c > 0x10ffff) return;
    if (c < 0x80) {
        text.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
        text.push_back(static_cast<char>(0xc0 | c >> 6));
        text.push_back(static_cast<char>(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        text.push_back(static_cast<char>(0xe0 | c >> 12));
        text.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
        text.push_back(static_cast<char>(0x80 | (c & 0x3f)));
    } else {
        text.push_back(static_cast<char>(0xf0 | c >> 18));
        text.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3f)));
        text.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3f)));
        text.push_back(static_cast<char>(0x80 | (c & 0x3f)));
    }
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = lower_case(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

// Up to `most` digits of the base, from `at` on, which is moved behind them.
std::uint32_t read_digits(std::string_view text, std::size_t& at, std::size_t most, int base) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < most && at < text.size() && digit_of(text[at]) < base; ++i, ++at)
        value = value * static_cast<std::uint32_t>(base) +
                static_cast<std::uint32_t>(digit_of(text[at]));
    return value;
}

// Of E'': `at` is behind the backslash.
void append_escaped(std::string& text, std::string_view body, std::size_t& at) {
    static constexpr std::string_view letters = "bfnrt";
    static constexpr std::string_view meanings = "\b\f\n\r\t";
    const char c = body[at];
    if (const auto found = letters.find(c); found != std::string_view::npos) {
        text.push_back(meanings[found]);
        ++at;
    } else if (c == 'x' || c == 'u' || c == 'U') {
        ++at;
        const std::size_t most = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        append_utf8(text, read_digits(body, at, most, 16));
    } else if (c >= '0' && c <= '7') {
        append_utf8(text, read_digits(body, at, 3, 8));
    } else {
        text.push_back(c);
        ++at;
    }
}

// Of U&: \0041, \+000041, \\.
std::string unicode_value(std::string_view body) {
    std::string text;
    for (std::size_t at = 0; at < body.size();) {
        if (body[at] != '\\' || at + 1 == body.size()) {
            text.push_back(body[at++]);
        } else if (body[++at] == '\\') {
            text.push_back(body[at++]);
        } else {
            const bool plus = body[at] == '+';
            if (plus) ++at;
            const auto before = at;
            append_utf8(text, read_digits(body, at, plus ? 6 : 4, 16));
            if (at == before) ++at;
        }
    }
    return text;
}

// What is between the first and the last quote, doubled ones made one.
std::string between_quotes(std::string_view token, char quote) {
    const auto begin = token.find(quote) + 1;
    std::string text;
    for (auto at = begin; at + 1 < token.size(); ++at) {
        text.push_back(token[at]);
        if (token[at] == quote) ++at;
    }
    return text;
}

}  // namespace

std::optional<ColumnType> known_type(std::string_view name) {
    const auto found = std::find_if(types.begin(), types.end(), [name](const auto& each) {
        return each.name == name;
    });
    return found == types.end() ? std::nullopt : Type(found->type);
}

std::optional<ColumnType> type_of_expression(
    const SqlTokens& tokens, const ColumnTypes& column_type
) {
    return Inference(tokens, column_type).of(0, tokens.size());
}

std::string string_value(const Token& token) {
    const auto text = token.text;
    if (text.empty()) return {};
    if (text[0] == '$') {
        const auto tag = text.find('$', 1) + 1;
        return std::string(text.substr(tag, text.size() - 2 * tag));
    }
    if (token.unicode) return unicode_value(between_quotes(text, '\''));
    if (lower_case(text[0]) != 'e') return between_quotes(text, '\'');
    const auto body = text.substr(2, text.size() - 3);
    std::string value;
    for (std::size_t at = 0; at < body.size();) {
        if (body[at] == '\\' && at + 1 < body.size()) {
            append_escaped(value, body, ++at);
        } else {
            if (body[at] == '\'') ++at;  // doubled
            if (at < body.size()) value.push_back(body[at++]);
        }
    }
    return value;
}

std::string identifier_value(const Token& token) {
    if (token.kind == TokenKind::quoted_identifier) {
        auto name = between_quotes(token.text, '"');
        return token.unicode ? unicode_value(name) : name;
    }
    std::string name(token.text);
    std::transform(name.begin(), name.end(), name.begin(), lower_case);
    return name;
}

}  // namespace weir::proxy
