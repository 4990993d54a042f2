#include "router/long_text.h"

#include "protocol/sql_lexer.h"
#include "router/builtins.h"
#include "router/call_effects.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

namespace weir::router {

namespace {

using protocol::is_word;
using protocol::Token;
using protocol::TokenKind;

// Words that may stand before a parenthesis without being a function of somebody's. Sorted.
constexpr std::string_view words_before_parenthesis[] = {
    "all",       "and",      "any",       "array",     "as",        "between",  "bit",
    "by",        "case",     "cast",      "char",      "character", "coalesce", "conflict",
    "cross",     "cube",     "dec",       "decimal",   "default",   "delete",   "distinct",
    "else",      "end",      "except",    "exists",    "extract",   "filter",   "float",
    "for",       "from",     "full",      "greatest",  "group",     "grouping", "having",
    "ilike",     "in",       "inner",     "insert",    "intersect", "interval", "is",
    "join",      "lateral",  "least",     "left",      "like",      "limit",    "materialized",
    "natural",   "nchar",    "normalize", "not",       "nullif",    "numeric",  "offset",
    "on",        "only",     "or",        "order",     "outer",     "over",     "overlay",
    "partition", "position", "precision", "returning", "right",     "rollup",   "row",
    "select",    "set",      "sets",      "some",      "substring", "then",     "time",
    "timestamp", "to",       "trim",      "union",     "update",    "using",    "values",
    "varchar",   "varying",  "when",      "where",     "window",    "with",
};
static_assert(
    std::is_sorted(std::begin(words_before_parenthesis), std::end(words_before_parenthesis))
);

// A name folded as PostgreSQL folds it: lower case without quotes, as it is with them.
class FoldedName {
public:
    explicit FoldedName(const Token& token) {
        std::string_view name = token.text;
        const bool quoted = token.kind == TokenKind::quoted_identifier;
        if (quoted) name = name.substr(1, name.size() - 2);
        readable_ = !token.unicode && name.size() <= name_.size() - 1;
        if (!readable_) return;
        std::transform(name.begin(), name.end(), name_.begin(), [&](char c) {
            return !quoted && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        });
        size_ = name.size();
    }

    bool readable() const { return readable_; }

    std::string_view view() const { return {name_.data(), size_}; }

    const char* c_str() const { return name_.data(); }

private:
    std::array<char, 64> name_{};  // NAMEDATALEN
    std::size_t size_ = 0;
    bool readable_ = false;
};

bool is_name(const Token& token) {
    return token.kind == TokenKind::identifier || token.kind == TokenKind::quoted_identifier;
}

bool is_any_word(const Token& token, std::initializer_list<std::string_view> words) {
    return token.kind == TokenKind::identifier &&
           std::any_of(words.begin(), words.end(), [&](std::string_view word) {
               return is_word(token.text, word);
           });
}

class WordReader {
public:
    explicit WordReader(std::string_view text) : lexer_{text} {
        statement_.may_write = true;
        statement_.creates_relation = true;
        statement_.may_advance_sequence = true;
        statement_.literals_matter = true;
    }

    StatementPtr read() {
        while (true) {
            const Token token = lexer_.next();
            if (token.kind == TokenKind::error) return opaque_statement(PinReason::unparsable);
            if (token.kind == TokenKind::end) break;
            if (token.text == ";") {
                end_statement();
                continue;
            }
            read_token(token);
            if (refused_) return refusal();
        }
        end_statement();
        return std::make_shared<Statement>(std::move(statement_));
    }

private:
    void read_token(const Token& token) {
        if (token.text == "(") {
            check_call();
            ++depth_;
        } else if (token.text == ")") {
            --depth_;
        } else if (is_name(token)) {
            read_name(token);
        } else if (token.kind == TokenKind::op) {
            if (token.text != "!=" && !is_builtin_operator(token.text)) refuse(token.text);
        }
        // A name goes on over its dots; anything else ends it.
        if (!is_name(token) && token.text != ".") name_length_ = 0;
        previous_ = token;
    }

    void read_name(const Token& token) {
        const FoldedName name{token};
        if (!name.readable() || name.view() == "pg_settings" || name.view() == "temp" ||
            name.view() == "temporary" || name.view().substr(0, 7) == "pg_temp") {
            refuse(token.text);
            return;
        }
        if (name.view() == "pg_prepared_statements" || name.view() == "pg_cursors")
            statement_.reads_session_state = true;
        if (name_length_ == 0 || previous_.text != ".") {
            before_name_ = previous_;
            qualifier_ = {};
            name_length_ = 0;
        } else {
            qualifier_ = last_name_;
        }
        last_name_ = token;
        ++name_length_;
        if (depth_ == 0 && token.kind == TokenKind::identifier) read_keyword(token);
    }

    void read_keyword(const Token& token) {
        using enum StatementKind;
        if (!kind_) {
            if (is_any_word(token, {"with"}) && !with_) {
                with_ = true;
            } else if (const auto kind = first_word_kind(token)) {
                kind_ = kind;
            } else if (!with_) {
                refuse(token.text);
            }
            return;
        }
        if (*kind_ != copy_file || copy_direction_ != 0) {
            if (*kind_ == copy_file && is_any_word(previous_, {"from", "to"}))
                read_copy_target(token);
            return;
        }
        if (is_any_word(token, {"from"})) copy_direction_ = 'f';
        if (is_any_word(token, {"to"})) copy_direction_ = 't';
    }

    void read_copy_target(const Token& token) {
        if (is_any_word(token, {"stdin"}) && copy_direction_ == 'f') kind_ = StatementKind::copy_in;
        if (is_any_word(token, {"stdout"}) && copy_direction_ == 't')
            kind_ = StatementKind::copy_out;
    }

    static std::optional<StatementKind> first_word_kind(const Token& token) {
        using enum StatementKind;
        if (is_any_word(token, {"select", "values", "table"})) return select;
        if (is_any_word(token, {"insert"})) return insert;
        if (is_any_word(token, {"update"})) return update;
        if (is_any_word(token, {"delete"})) return delete_;
        if (is_any_word(token, {"merge"})) return merge;
        if (is_any_word(token, {"copy"})) return copy_file;
        return {};
    }

    // A parenthesis was read: whether the name before it is a call, and of what.
    void check_call() {
        if (!kind_ && !with_ && depth_ == 0 && !is_name(previous_)) {
            // ( SELECT ...: what is inside decides nothing, so it counts as a SELECT.
            kind_ = StatementKind::select;
            return;
        }
        if (!is_name(previous_)) return;
        const FoldedName name{previous_};
        const bool quoted = previous_.kind == TokenKind::quoted_identifier;
        if (!quoted && name_length_ == 1 &&
            std::binary_search(
                std::begin(words_before_parenthesis),
                std::end(words_before_parenthesis),
                name.view()
            ))
            return;
        if (is_any_word(before_name_, {"into", "as", "copy"})) return;
        const bool in_catalog =
            name_length_ == 1 ||
            (name_length_ == 2 && FoldedName{qualifier_}.view() == "pg_catalog");
        if (!in_catalog || find_builtin_function(name.view()) == nullptr) {
            refuse(previous_.text);
            return;
        }
        weir_call call{};
        call.name = name.c_str();
        bool reads_only = true;
        add_call(statement_, call, reads_only);
    }

    void end_statement() {
        if (kind_ || with_) statement_.kinds.push_back(kind_.value_or(StatementKind::unknown));
        kind_.reset();
        with_ = false;
        copy_direction_ = 0;
        depth_ = 0;
        previous_ = {};
        name_length_ = 0;
    }

    void refuse(std::string_view detail) {
        if (!refused_) refused_ = detail.substr(0, 64);
    }

    StatementPtr refusal() const {
        auto statement = std::make_shared<Statement>(*opaque_statement(PinReason::too_long));
        statement->pin_detail = *refused_;
        return statement;
    }

    protocol::SqlLexer lexer_;
    Statement statement_;
    std::optional<std::string> refused_;
    std::optional<StatementKind> kind_;
    bool with_ = false;
    char copy_direction_ = 0;
    long depth_ = 0;
    Token previous_;
    Token before_name_;  // what stands before the dotted name that is being read
    Token last_name_;    // its latest part
    Token qualifier_;    // the part before that
    int name_length_ = 0;
};

}  // namespace

StatementPtr analyse_long_text(std::string_view text) {
    return WordReader{text}.read();
}

}  // namespace weir::router
