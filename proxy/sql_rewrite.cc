#include "proxy/sql_rewrite.h"

#include "proxy/sql_tokens.h"

#include <charconv>
#include <utility>

namespace weir::proxy {

namespace {

using protocol::Token;
using protocol::TokenKind;
namespace sqlstate = protocol::sqlstate;

constexpr std::size_t none = static_cast<std::size_t>(-1);
constexpr unsigned max_parameters = 100;
constexpr std::size_t max_wraps = 500;

constexpr std::array<std::string_view, 62> reserved{
    "select",  "from",   "where",     "group",   "order",    "by",       "having",  "limit",
    "offset",  "union",  "intersect", "except",  "all",      "distinct", "as",      "on",
    "using",   "join",   "left",      "right",   "full",     "inner",    "outer",   "cross",
    "natural", "and",    "or",        "not",     "is",       "in",       "like",    "ilike",
    "between", "escape", "case",      "when",    "then",     "else",     "with",    "recursive",
    "values",  "asc",    "desc",      "nulls",   "exists",   "filter",   "over",    "partition",
    "rows",    "range",  "isnull",    "notnull", "similar",  "window",   "collate", "cast",
    "array",   "any",    "some",      "lateral", "operator", "fetch",
};

// Words that SQLite takes for no name, and PostgreSQL does behind AS.
bool is_reserved_label(const Token& token) {
    static constexpr std::array<std::string_view, 18> more{
        "default",
        "check",
        "constraint",
        "primary",
        "references",
        "unique",
        "table",
        "transaction",
        "to",
        "set",
        "index",
        "create",
        "drop",
        "delete",
        "insert",
        "update",
        "foreign",
        "add"};
    return is_any_keyword(token, reserved) || is_any_keyword(token, more);
}

struct Renamed {
    std::string_view from;
    std::string_view to;
};

// Functions that SQLite has under another name.
constexpr std::array<Renamed, 8> renamed_functions{{
    {"left", "weir_left"},  // words of its grammar
    {"right", "weir_right"},
    {"string_agg", "group_concat"},
    {"bool_or", "max"},
    {"bool_and", "min"},
    {"every", "min"},
    {"greatest", "max"},
    {"least", "min"},
}};

constexpr std::array<Renamed, 2> table_functions{{
    {"pg_show_all_settings", "pg_settings"},
    {"pg_get_keywords", "pg_get_keywords"},
}};

// Functions without parentheses.
constexpr std::array<std::string_view, 6> bare_functions{
    "current_user",
    "session_user",
    "current_role",
    "current_catalog",
    "current_schema",
    "localtime",
};

// Operators with another spelling: PostgreSQL's, SQLite's, and what goes before the right operand.
struct OperatorWords {
    std::string_view from;
    std::string_view to;
    std::string_view prefix;
};

constexpr std::array<OperatorWords, 8> operators{{
    {"~", "REGEXP", ""},
    {"!~", "NOT REGEXP", ""},
    {"~*", "REGEXP", "'(?i)' ||"},
    {"!~*", "NOT REGEXP", "'(?i)' ||"},
    {"~~", "LIKE", ""},
    {"!~~", "NOT LIKE", ""},
    {"~~*", "MATCH", ""},
    {"!~~*", "NOT MATCH", ""},
}};

class Rewriter {
public:
    explicit Rewriter(std::string_view sql) : sql_(sql) {}

    protocol::Result<RewrittenSql> run() {
        protocol::SqlLexer lexer(sql_);
        for (auto token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
            if (token.kind == TokenKind::error) return syntax_error(token);
            tokens_.push_back(token);
        }
        while (at_ < tokens_.size() && !failure_)
            step();
        if (failure_) return *failure_;
        return finish();
    }

private:
    enum class Bracket : std::uint8_t { plain, cast, bare, array, subscript, unnest };

    struct Open {
        Bracket kind;
        std::size_t start;  // piece at which the operand that it belongs to begins
        std::optional<std::optional<ColumnType>> cast;
        std::string closing = {};  // instead of ")"
    };

    struct Piece {
        std::string text;
        std::size_t origin;
    };

    std::size_t offset(const Token& token) const {
        return static_cast<std::size_t>(token.text.data() - sql_.data());
    }

    protocol::Error fail_at(const Token& token, protocol::SqlState code, std::string text) const {
        auto error = protocol::error(code, std::move(text));
        error.position = std::to_string(offset(token) + 1);
        return error;
    }

    protocol::Error syntax_error(const Token& token) const {
        const auto shown = std::string(token.text.substr(0, 64));
        return fail_at(token, sqlstate::syntax_error, "syntax error at or near \"" + shown + '"');
    }

    const Token& peek(std::size_t ahead) const {
        static const Token end{};
        return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : end;
    }

    void emit(std::string text, const Token& token) {
        pieces_.push_back({std::move(text), offset(token)});
    }

    void emit_operand(std::string text, const Token& token) {
        primary_ = pieces_.size();
        emit(std::move(text), token);
    }

    void emit_word(std::string text, const Token& token) {
        primary_ = none;
        emit(std::move(text), token);
    }

    void step() {
        if (at_ == drop_from_) {  // the columns of an alias
            at_ = behind_bracket(tokens_, at_);
            drop_from_ = none;
            return;
        }
        const Token& token = tokens_[at_];
        switch (token.kind) {
            case TokenKind::identifier:
            case TokenKind::quoted_identifier:
                return word(token);
            case TokenKind::string:
                ++at_;
                return emit_operand(quoted(string_value(token)), token);
            case TokenKind::parameter:
                return parameter(token);
            case TokenKind::number:
                ++at_;
                return emit_operand(std::string(token.text), token);
            case TokenKind::op:
                ++at_;
                return binary(token.text, token);
            default:
                return punctuation(token);
        }
    }

    static std::string quoted(const std::string& text) {
        std::string result = "'";
        for (const char c : text)
            result.append(c == '\'' ? 2 : 1, c);
        return result + '\'';
    }

    void parameter(const Token& token) {
        unsigned number = 0;
        const auto* const begin = token.text.data() + 1;
        const auto [stop, error] =
            std::from_chars(begin, token.text.data() + token.text.size(), number);
        if (error != std::errc() || number == 0 || number > max_parameters) {
            failure_ = fail_at(
                token,
                protocol::SqlState("42P02"),
                "there is no parameter " + std::string(token.text)
            );
            return;
        }
        if (parameters_.size() < number) parameters_.resize(number);
        note_parameter(parameters_[number - 1]);
        ++at_;
        emit_operand('?' + std::to_string(number), token);
    }

    // The type of a parameter from what stands around it.
    void note_parameter(SqlParameter& parameter) {
        using enum SqlParameter::Context;
        if (parameter.context != unknown) return;
        const auto before = [this](std::size_t back) {
            return back <= at_ ? tokens_[at_ - back] : Token{};
        };
        if (is_symbol(peek(1), "::")) {
            const auto type = known_type(last_name_of_type(at_ + 2));
            parameter = {typed, {}, type.value_or(ColumnType::text)};
        } else if (is_keyword(before(1), "limit") || is_keyword(before(1), "offset")) {
            parameter = {number, {}, {}};
        } else if (is_symbol(before(1), "(") && is_keyword(before(2), "any") && at_ >= 4) {
            parameter = {array, column_before(at_ - 3), {}};
        } else if (is_comparison(before(1)) && at_ >= 2) {
            parameter = {column, column_before(at_ - 1), {}};
        } else if (is_comparison(peek(1)) && is_name(peek(2))) {
            const bool chain = is_symbol(peek(3), ".");
            parameter = {column, identifier_value(chain ? peek(4) : peek(2)), {}};
        } else if (is_keyword(before(1), "like") || is_keyword(before(1), "ilike")) {
            parameter = {text, {}, {}};
        } else if (is_symbol(before(1), "(") || is_symbol(before(1), ",")) {
            for (auto i = at_; i-- > 0;) {
                if (is_keyword(tokens_[i], "in")) {
                    parameter = {column, column_before(i), {}};
                    return;
                }
                if (tokens_[i].kind != TokenKind::parameter && !is_symbol(tokens_[i], ",") &&
                    !is_symbol(tokens_[i], "(")) {
                    return;
                }
            }
        }
    }

    static bool is_comparison(const Token& token) {
        static constexpr std::array<std::string_view, 7> words{
            "=", "<", ">", "<=", ">=", "<>", "!="};
        return token.kind == TokenKind::op || token.kind == TokenKind::punctuation
                   ? std::find(words.begin(), words.end(), token.text) != words.end()
                   : false;
    }

    // The name that ends before the token; empty if none does.
    std::string column_before(std::size_t token) const {
        if (token == 0) return {};
        const auto& last = tokens_[token - 1];
        if (is_keyword(last, "not") && token >= 2) return column_before(token - 1);
        return is_name(last) ? identifier_value(last) : std::string();
    }

    // --- words ---

    void word(const Token& token) {
        const bool in_quotes = token.kind == TokenKind::quoted_identifier;
        const bool follows_dot =
            at_ > 0 && at_ != behind_schema_ && is_symbol(tokens_[at_ - 1], ".");
        if (!follows_dot && is_symbol(peek(1), ".")) {
            const auto schema = identifier_value(token);
            if (schema == "pg_catalog" || schema == "public") {
                at_ += 2;
                behind_schema_ = at_;
                return at_ < tokens_.size() ? step() : void();
            }
            if (schema == "information_schema" && is_name(peek(2))) {
                const auto name = identifier_value(peek(2));
                at_ += 3;
                return emit_operand("\"information_schema." + name + '"', token);
            }
        }
        if (in_quotes || follows_dot) return name(token, follows_dot);
        if (is_label()) {
            ++at_;
            return emit(quoted_name(token), token);
        }
        if (special_word(token)) return;
        const bool text_function =
            (is_keyword(token, "left") || is_keyword(token, "right")) && is_symbol(peek(1), "(");
        if (is_reserved(token) && !text_function) {
            ++at_;
            return emit_word(std::string(token.text), token);
        }
        name(token, follows_dot);
    }

    // Behind AS any word is a name to PostgreSQL. What goes on with "(" is another AS: of a CTE
    // (MATERIALIZED), or of an alias with columns.
    bool is_label() const {
        return at_ > 0 && is_keyword(tokens_[at_ - 1], "as") && is_reserved_label(tokens_[at_]) &&
               !is_symbol(peek(1), "(");
    }

    void name(const Token& token, bool follows_dot) {
        ++at_;
        if (!follows_dot) primary_ = pieces_.size();
        // System columns: every table here has one.
        static constexpr std::array<std::string_view, 3> system{"tableoid", "ctid", "xmin"};
        if (is_any_keyword(token, system)) return emit("rowid", token);
        const bool call = at_ < tokens_.size() && is_symbol(tokens_[at_], "(");
        if (call && token.kind == TokenKind::identifier) {
            for (const auto& [from, to] : renamed_functions) {
                if (protocol::is_word(token.text, from)) return emit(std::string(to), token);
            }
        }
        std::string text(token.text);
        if (token.kind == TokenKind::quoted_identifier && token.unicode) {
            text = '"' + identifier_value(token) + '"';
        }
        emit(std::move(text), token);
    }

    // True: taken care of.
    bool special_word(const Token& token) {
        if (is_keyword(token, "collate")) return skip_collation();
        if (is_keyword(token, "lateral")) return skip_word();
        if (is_keyword(token, "only") && at_ > 0 && is_keyword(tokens_[at_ - 1], "from")) {
            return skip_word();
        }
        if (is_keyword(token, "ilike")) return ++at_, emit_word("MATCH", token), true;
        if (is_keyword(token, "operator") && is_symbol(peek(1), "(")) return named_operator(token);
        if (is_keyword(token, "cast") && is_symbol(peek(1), "(")) {
            at_ += 2;
            open_.push_back({Bracket::cast, pieces_.size(), {}});
            return emit_word("(", token), true;
        }
        if (is_keyword(token, "as") && !open_.empty() && open_.back().kind == Bracket::cast) {
            ++at_;
            open_.back().cast = read_type();
            return true;
        }
        if (is_keyword(token, "array")) return array(token);
        // Functions of pgAdmin's and DBeaver's first queries that return tables.
        for (const auto& [from, to] : table_functions) {
            if (!protocol::is_word(token.text, from)) continue;
            if (!is_symbol(peek(1), "(") || !is_symbol(peek(2), ")")) continue;
            at_ += 3;
            return emit_operand(std::string(to), token), true;
        }
        if (is_keyword(token, "unnest") && is_symbol(peek(1), "(")) return unnest(token);
        if (is_keyword(token, "table") && at_ == 0) {
            ++at_;
            return emit_word("SELECT * FROM", token), true;
        }
        if (is_any_keyword(token, bare_functions) && !is_symbol(peek(1), "(")) {
            ++at_;
            return emit_operand(std::string(token.text) + "()", token), true;
        }
        // A typed literal: text 'x', regclass 'x', interval '5 min'.
        if (peek(1).kind == TokenKind::string && !is_reserved(token)) {
            const auto type = known_type(identifier_value(token));
            ++at_;
            emit_operand(quoted(string_value(tokens_[at_])), tokens_[at_]);
            ++at_;
            return apply_cast(type), true;
        }
        return false;
    }

    bool skip_word() {
        ++at_;
        return true;
    }

    bool skip_collation() {
        ++at_;
        if (is_name(peek(0))) ++at_;
        while (is_symbol(peek(0), ".") && is_name(peek(1)))
            at_ += 2;
        return true;
    }

    // OPERATOR(pg_catalog.~)
    bool named_operator(const Token& token) {
        at_ += 2;
        while (is_name(peek(0)) && is_symbol(peek(1), "."))
            at_ += 2;
        if (peek(0).kind != TokenKind::op || !is_symbol(peek(1), ")")) {
            failure_ = syntax_error(token);
            return true;
        }
        const auto spelled = peek(0).text;
        at_ += 2;
        binary(spelled, token);
        return true;
    }

    bool array(const Token& token) {
        if (is_symbol(peek(1), "(")) return skip_word();  // ARRAY(SELECT ...): its first row
        if (!is_symbol(peek(1), "[")) return false;
        at_ += 2;
        open_.push_back({Bracket::array, pieces_.size(), {}});
        emit_word("weir_array(", token);
        return true;
    }

    // unnest(x) AS t(name): a table of one column, which is called by the alias.
    bool unnest(const Token& token) {
        auto alias = behind_bracket(tokens_, at_ + 1);
        if (alias < tokens_.size() && is_keyword(tokens_[alias], "as")) ++alias;
        std::string name = "unnest";
        if (alias < tokens_.size() && is_name(tokens_[alias]) && !is_reserved(tokens_[alias])) {
            const bool columns = alias + 2 < tokens_.size() && is_symbol(tokens_[alias + 1], "(");
            name = identifier_value(tokens_[columns ? alias + 2 : alias]);
            if (columns) drop_from_ = alias + 1;
        }
        at_ += 2;
        std::string column = "\"";
        for (const char c : name)
            column.append(c == '"' ? 2 : 1, c);
        open_.push_back({Bracket::unnest, pieces_.size(), {}});
        emit_word("(SELECT value AS " + column + "\" FROM json_each(weir_json(", token);
        return true;
    }

    // (VALUES (1, 2)) AS t(a, b): SQLite names the columns of a common table expression, and no
    // others. `token`: the bracket, and it is behind us.
    bool named_values(const Token& token) {
        if (!is_keyword(peek(0), "values") || drop_from_ != none) return false;
        auto alias = behind_bracket(tokens_, at_ - 1);
        if (alias < tokens_.size() && is_keyword(tokens_[alias], "as")) ++alias;
        const bool columns = alias + 2 < tokens_.size() && is_name(tokens_[alias]) &&
                             !is_reserved(tokens_[alias]) && is_symbol(tokens_[alias + 1], "(");
        if (!columns) return false;
        const auto table = quoted_name(tokens_[alias]);
        std::string names;
        for (auto i = alias + 1; i < behind_bracket(tokens_, alias + 1); ++i)
            names += is_name(tokens_[i]) ? quoted_name(tokens_[i]) : std::string(tokens_[i].text);
        drop_from_ = alias + 1;
        open_.push_back({Bracket::plain, pieces_.size(), {}, ") SELECT * FROM " + table + ")"});
        emit_word("(WITH " + table + names + " AS (", token);
        return true;
    }

    static std::string quoted_name(const Token& token) {
        std::string name = "\"";
        for (const char c : identifier_value(token))
            name.append(c == '"' ? 2 : 1, c);
        return name + '"';
    }

    // --- operators ---

    void binary(std::string_view spelled, const Token& token) {
        if (is_keyword(peek(0), "any") || is_keyword(peek(0), "some") ||
            is_keyword(peek(0), "all")) {
            if (is_symbol(peek(1), "(")) return quantified(spelled, token);
        }
        for (const auto& [from, to, prefix] : operators) {
            if (spelled != from || primary_ == none) continue;
            emit_word(std::string(to), token);
            if (!prefix.empty()) emit(std::string(prefix), token);
            return;
        }
        emit_word(std::string(spelled), token);
    }

    // = ANY (...) and <> ALL (...)
    void quantified(std::string_view spelled, const Token& token) {
        const bool all = is_keyword(peek(0), "all");
        const bool negative = spelled == "<>" || spelled == "!=";
        if ((spelled != "=" || all) && !(negative && all)) {
            failure_ = fail_at(
                token,
                sqlstate::feature_not_supported,
                "the console has ANY and ALL only as = ANY and <> ALL"
            );
            return;
        }
        at_ += 2;
        const std::string in = negative ? "NOT IN" : "IN";
        if (is_keyword(peek(0), "select") || is_keyword(peek(0), "values")) {
            emit_word(in, token);
            open_.push_back({Bracket::plain, pieces_.size(), {}});
            return emit("(", token);
        }
        if (is_keyword(peek(0), "array") && is_symbol(peek(1), "[")) {
            at_ += 2;
            emit_word(in, token);
            open_.push_back({Bracket::plain, pieces_.size(), {}});
            emit("(", token);
            open_.push_back({Bracket::bare, pieces_.size(), {}});
            return;
        }
        if (primary_ == none) {
            failure_ = syntax_error(token);
            return;
        }
        if (!wrap(negative ? "NOT weir_any(" : "weir_any(")) return;
        open_.push_back({Bracket::plain, primary_, {}});
        emit_word(",", token);
    }

    // --- brackets and casts ---

    void punctuation(const Token& token) {
        if (token.text == "::") {
            ++at_;
            return apply_cast(read_type());
        }
        ++at_;
        if (token.text == ";") {
            // One statement at a time; its end may be told.
            if (at_ < tokens_.size()) failure_ = syntax_error(token);
            return;
        }
        if (token.text == "(") {
            if (named_values(token)) return;
            const bool call = primary_ != none && at_ >= 2 && is_name(tokens_[at_ - 2]);
            open_.push_back({Bracket::plain, call ? primary_ : pieces_.size(), {}});
            return emit_word("(", token);
        }
        if (token.text == "[") {
            if (primary_ == none) failure_ = syntax_error(token);
            if (failure_) return;
            if (!wrap("weir_element(")) return;
            open_.push_back({Bracket::subscript, primary_, {}});
            return emit_word(",", token);
        }
        if (token.text == ")" || token.text == "]") return close(token);
        if (token.text == ".") return emit(".", token);  // the operand goes on
        emit_word(std::string(token.text), token);
    }

    void close(const Token& token) {
        if (open_.empty()) {
            failure_ = syntax_error(token);
            return;
        }
        const auto open = open_.back();
        open_.pop_back();
        if (!open.closing.empty()) {
            emit(open.closing, token);
        } else if (open.kind != Bracket::bare) {
            emit(open.kind == Bracket::unnest ? ")))" : ")", token);
        }
        primary_ = open.start < pieces_.size() ? open.start : none;
        if (open.cast) apply_cast(*open.cast);
    }

    // Puts a function's name before the operand that has just ended. Each costs a move of what is
    // there: their number is bounded.
    bool wrap(std::string_view call) {
        if (++wraps_ > max_wraps) {
            failure_ = protocol::error(sqlstate::program_limit_exceeded, "query is too complex");
            return false;
        }
        pieces_[primary_].text.insert(0, call);
        return true;
    }

    void apply_cast(std::optional<ColumnType> type) {
        if (!type || primary_ == none || failure_) return;
        std::string_view function;
        switch (*type) {
            case ColumnType::text:
                function = "weir_text";
                break;
            case ColumnType::int4:
            case ColumnType::int8:
            case ColumnType::oid:
                function = "weir_int";
                break;
            case ColumnType::numeric:
            case ColumnType::float8:
                function = "weir_number";
                break;
            case ColumnType::boolean:
                function = "weir_bool";
                break;
        }
        if (wrap(std::string(function) + '(')) pieces_.back().text.push_back(')');
    }

    // The last name of [schema.]name; empty if there is none.
    std::string last_name_of_type(std::size_t at) const {
        std::string name;
        for (; at < tokens_.size() && is_name(tokens_[at]); ++at) {
            name = identifier_value(tokens_[at]);
            if (++at >= tokens_.size() || !is_symbol(tokens_[at], ".")) break;
        }
        return name;
    }

    // A type's name with what belongs to it: "double precision", "varchar(3)", "oid[]".
    std::optional<ColumnType> read_type() {
        if (!is_name(peek(0))) {
            if (at_ < tokens_.size()) failure_ = syntax_error(tokens_[at_]);
            return std::nullopt;
        }
        auto name = identifier_value(peek(0));
        ++at_;
        while (is_symbol(peek(0), ".") && is_name(peek(1))) {
            name = identifier_value(peek(1));
            at_ += 2;
        }
        static constexpr std::array<std::string_view, 6> more{
            "precision", "varying", "with", "without", "time", "zone"};
        while (is_any_keyword(peek(0), more))
            ++at_;
        if (is_symbol(peek(0), "(")) at_ = behind_bracket(tokens_, at_);
        bool is_array = false;
        while (is_symbol(peek(0), "[")) {
            is_array = true;
            at_ = behind_bracket(tokens_, at_);
        }
        return is_array ? std::nullopt : known_type(name);
    }

    // --- the result ---

    protocol::Result<RewrittenSql> finish() {
        RewrittenSql result;
        for (const auto& piece : pieces_) {
            if (!result.text.empty()) result.text.push_back(' ');
            result.origins.emplace_back(result.text.size(), piece.origin);
            result.text.append(piece.text);
        }
        result.parameters = std::move(parameters_);
        list_outputs(result);
        return result;
    }

    void list_outputs(RewrittenSql& result) const {
        std::size_t at = 0;
        std::size_t depth = 0;
        for (; at < tokens_.size(); ++at) {
            if (is_symbol(tokens_[at], "(")) ++depth;
            if (is_symbol(tokens_[at], ")") && depth > 0) --depth;
            if (depth == 0 && is_keyword(tokens_[at], "select")) break;
        }
        if (at == tokens_.size()) return;
        ++at;
        if (at < tokens_.size() &&
            (is_keyword(tokens_[at], "distinct") || is_keyword(tokens_[at], "all")))
            ++at;
        static constexpr std::array<std::string_view, 10> ends{
            "from",
            "where",
            "group",
            "having",
            "order",
            "limit",
            "offset",
            "union",
            "intersect",
            "except"};
        while (at < tokens_.size()) {
            const auto begin = at;
            while (at < tokens_.size() && !is_symbol(tokens_[at], ",") &&
                   !is_any_keyword(tokens_[at], ends)) {
                const bool opens = is_symbol(tokens_[at], "(") || is_symbol(tokens_[at], "[");
                at = opens ? behind_bracket(tokens_, at) : at + 1;
            }
            result.outputs.push_back(output(begin, at));
            if (at == tokens_.size() || !is_symbol(tokens_[at], ",")) return;
            ++at;
        }
    }

    SqlOutput output(std::size_t begin, std::size_t end) const;

    std::string_view sql_;
    SqlTokens tokens_;
    std::size_t at_ = 0;
    std::vector<Piece> pieces_;
    std::vector<Open> open_;
    std::size_t wraps_ = 0;
    std::size_t behind_schema_ = none;  // token before which a schema was left out
    std::size_t drop_from_ = none;  // token at which something begins that SQLite has no place for
    std::size_t primary_ = none;    // piece at which the operand before here begins
    std::vector<SqlParameter> parameters_;
    std::optional<protocol::Error> failure_;
};

// PostgreSQL's own name of a type.
std::string canonical_type(const std::string& name) {
    static constexpr Renamed names[] = {
        {"int", "int4"},
        {"integer", "int4"},
        {"smallint", "int2"},
        {"bigint", "int8"},
        {"boolean", "bool"},
        {"real", "float4"},
        {"float", "float8"},
        {"double", "float8"},
        {"decimal", "numeric"},
        {"character", "bpchar"},
    };
    for (const auto& [from, to] : names) {
        if (name == from) return std::string(to);
    }
    return name;
}

// Of something that has no name itself: that of the type it is cast to.
std::string name_of_cast(const SqlTokens& tokens) {
    if (tokens.size() == 1 && (is_keyword(tokens[0], "true") || is_keyword(tokens[0], "false"))) {
        return "bool";
    }
    std::string name = "?column?";
    std::size_t at = 1;
    if (tokens.size() < 3 || !is_symbol(tokens[1], "::")) return name;
    for (++at; at < tokens.size() && is_name(tokens[at]); at += 2) {
        name = canonical_type(identifier_value(tokens[at]));
        if (at + 1 < tokens.size() && !is_symbol(tokens[at + 1], ".")) break;
    }
    return name;
}

// What PostgreSQL calls an expression without an alias (FigureColname).
std::string figured_name(const SqlTokens& tokens) {
    const bool constant =
        !tokens.empty() &&
        (!is_name(tokens[0]) || is_keyword(tokens[0], "true") || is_keyword(tokens[0], "false"));
    if (constant) return name_of_cast(tokens);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const auto& token = tokens[i];
        if (is_keyword(token, "case")) return "case";
        if (is_keyword(token, "exists")) return "exists";
        if (is_keyword(token, "array")) return "array";
        if (!is_name(token) || is_reserved(token)) return "?column?";
        if (i + 1 < tokens.size() && is_symbol(tokens[i + 1], ".")) {
            ++i;
            continue;
        }
        const auto rest = i + 1;
        const bool ends = rest == tokens.size() || is_symbol(tokens[rest], "::");
        if (ends) return identifier_value(token);
        if (is_symbol(tokens[rest], "(")) {
            const auto behind = behind_bracket(tokens, rest);
            const bool alone = behind == tokens.size() || is_symbol(tokens[behind], "::") ||
                               is_keyword(tokens[behind], "filter") ||
                               is_keyword(tokens[behind], "over");
            if (alone) return identifier_value(token);
        }
        return "?column?";
    }
    return "?column?";
}

SqlOutput Rewriter::output(std::size_t begin, std::size_t end) const {
    SqlOutput output;
    output.tokens.assign(
        tokens_.begin() + static_cast<std::ptrdiff_t>(begin),
        tokens_.begin() + static_cast<std::ptrdiff_t>(end)
    );
    auto& tokens = output.tokens;
    if (tokens.empty()) return output;
    const auto& last = tokens.back();
    const auto size = tokens.size();
    if (is_symbol(last, "*") && (size == 1 || is_symbol(tokens[size - 2], "."))) {
        output.star = true;
        return output;
    }
    if (size >= 2 && is_name(last)) {
        const auto& before = tokens[size - 2];
        const bool after_as = is_keyword(before, "as");
        const bool operand = (is_name(before) && !is_reserved(before)) || is_symbol(before, ")") ||
                             is_symbol(before, "]") || before.kind == TokenKind::string ||
                             before.kind == TokenKind::number ||
                             before.kind == TokenKind::parameter || is_keyword(before, "end");
        const bool of_type =
            size >= 3 && is_symbol(tokens[size - 3], "::") && is_keyword(last, "precision");
        if (after_as || (operand && !of_type && !is_keyword(last, "end"))) {
            output.name = identifier_value(last);
            tokens.resize(after_as ? size - 2 : size - 1);
            return output;
        }
    }
    output.name = figured_name(tokens);
    return output;
}

}  // namespace

bool is_reserved(const Token& token) {
    return is_any_keyword(token, reserved);
}

std::size_t RewrittenSql::origin(std::size_t offset) const {
    auto found = std::upper_bound(
        origins.begin(),
        origins.end(),
        offset,
        [](std::size_t at, const auto& entry) { return at < entry.first; }
    );
    return found == origins.begin() ? 0 : std::prev(found)->second;
}

protocol::Result<RewrittenSql> rewrite_sql(std::string_view sql) {
    return Rewriter(sql).run();
}

}  // namespace weir::proxy
