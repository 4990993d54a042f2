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

// Words that may stand before a parenthesis and cannot be a function's name: reserved, or for a
// column's name only (manual, appendix C). Sorted.
constexpr std::string_view words_before_parenthesis[] = {
    "all",      "and",   "any",       "array",     "as",       "between",   "bit",       "case",
    "cast",     "char",  "character", "coalesce",  "dec",      "decimal",   "default",   "distinct",
    "else",     "end",   "except",    "exists",    "extract",  "float",     "for",       "from",
    "greatest", "group", "grouping",  "having",    "in",       "intersect", "interval",  "lateral",
    "least",    "limit", "nchar",     "normalize", "not",      "nullif",    "numeric",   "offset",
    "on",       "only",  "or",        "overlay",   "position", "precision", "returning", "row",
    "select",   "some",  "substring", "symmetric", "then",     "time",      "timestamp", "to",
    "trim",     "union", "using",     "values",    "varchar",  "when",      "where",     "window",
    "with",
};

constexpr bool is_sorted_table() {
    return std::is_sorted(std::begin(words_before_parenthesis), std::end(words_before_parenthesis));
}

static_assert(is_sorted_table());

// Words that could be a function's name, but not behind that other word.
struct WordPair {
    std::string_view word;
    std::string_view before;
};

constexpr WordPair pairs_before_parenthesis[] = {
    {"by", "group"},      {"by", "order"},    {"by", "partition"},      {"conflict", "on"},
    {"filter", ")"},      {"insert", "then"}, {"join", "cross"},        {"join", "full"},
    {"join", "inner"},    {"join", "left"},   {"join", "natural"},      {"join", "outer"},
    {"join", "right"},    {"join", ")"},      {"materialized", "not"},  {"over", ")"},
    {"sets", "grouping"}, {"varying", "bit"}, {"varying", "character"}, {"varying", "char"},
};

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

bool is_ending_word(std::string_view text) {
    constexpr std::string_view words[] = {"abort", "chain", "commit", "end", "rollback"};
    return std::any_of(std::begin(words), std::end(words), [&](std::string_view word) {
        return is_word(text, word);
    });
}

class WordReader {
public:
    explicit WordReader(std::string_view text) : text_{text}, lexer_{text} {
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
            if (!is_known_operator(token.text)) refuse(token.text);
        }
        // A name goes on over its dots; anything else ends it.
        if (!is_name(token) && token.text != ".") name_length_ = 0;
        previous_ = token;
    }

    static bool is_known_operator(std::string_view name) {
        if (name.size() == 1 &&
            std::string_view{"+-*/<>=%"}.find(name[0]) != std::string_view::npos)
            return true;
        return name == "!=" || is_builtin_operator(name);
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
        // PostgreSQL takes each of the two words for both directions.
        if (!is_any_word(token, {"stdin", "stdout"})) return;
        kind_ = copy_direction_ == 'f' ? StatementKind::copy_in : StatementKind::copy_out;
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
        if (is_syntax(name.view())) return;
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

    // Whether the unquoted name before a parenthesis is a word of the grammar.
    bool is_syntax(std::string_view word) const {
        if (previous_.kind != TokenKind::identifier || name_length_ != 1) return false;
        if (word == "copy" && kind_ == StatementKind::copy_file && copy_direction_ == 0)
            return true;
        if (std::binary_search(
                std::begin(words_before_parenthesis), std::end(words_before_parenthesis), word
            ))
            return true;
        return std::any_of(
            std::begin(pairs_before_parenthesis),
            std::end(pairs_before_parenthesis),
            [&](const WordPair& pair) {
                return pair.word == word && before_name_.kind != TokenKind::quoted_identifier &&
                       is_word(before_name_.text, pair.before);
            }
        );
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
        auto statement = std::make_shared<Statement>(
            *opaque_statement(PinReason::too_long, may_go_on_after_end(text_))
        );
        statement->pin_detail = *refused_;
        return statement;
    }

    std::string_view text_;
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

bool may_go_on_after_end(std::string_view text) {
    protocol::SqlLexer lexer{text};
    while (true) {
        const Token token = lexer.next();
        if (token.kind == TokenKind::end) return false;
        // PostgreSQL may see no end of the text where this lexer does.
        if (token.kind == TokenKind::error || is_ending_word(token.text)) return true;
    }
}

// A keyword is in ASCII and stands alone in every encoding.
bool has_ending_words(std::string_view text) {
    const auto is_part_of_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               static_cast<unsigned char>(c) >= 0x80;
    };
    while (!text.empty()) {
        const auto end = std::find_if_not(text.begin(), text.end(), is_part_of_name);
        const auto size = static_cast<std::size_t>(end - text.begin());
        if (is_ending_word(text.substr(0, size))) return true;
        text.remove_prefix(std::min(size + 1, text.size()));
    }
    return false;
}

}  // namespace weir::router
