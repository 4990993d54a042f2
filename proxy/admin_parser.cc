#include "proxy/admin_parser.h"

#include "protocol/sql_lexer.h"
#include "proxy/admin_session_words.h"
#include "proxy/admin_show.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

namespace weir::proxy {

namespace {

// PgBouncer's buffers, less the NUL.
constexpr std::size_t max_argument = 63;
// The longest name of DNS, and a port.
constexpr std::size_t max_host = 259;
constexpr std::size_t max_value = 255;
constexpr std::size_t max_echo = 900;
// What a command keeps of its text: enough to be echoed.
constexpr std::size_t max_text = max_echo + 8;

enum class TokenKind : std::uint8_t {
    word,
    quoted,  // "name"
    string,  // 'value'
    equals,
    semicolon,
    end,
    wrong,  // nothing of the language
};

struct Token {
    TokenKind kind = TokenKind::end;
    std::string text;  // without quotes
    std::size_t begin = 0;
    std::size_t end = 0;
};

constexpr std::array<std::pair<std::string_view, AdminVerb>, 16> verbs{{
    {"disable", AdminVerb::disable},
    {"drain", AdminVerb::drain},
    {"enable", AdminVerb::enable},
    {"fence", AdminVerb::fence},
    {"kill", AdminVerb::kill},
    {"kill_client", AdminVerb::kill_client},
    {"pause", AdminVerb::pause},
    {"reconnect", AdminVerb::reconnect},
    {"reload", AdminVerb::reload},
    {"resume", AdminVerb::resume},
    {"select", AdminVerb::show},
    {"show", AdminVerb::show},
    {"shutdown", AdminVerb::shutdown},
    {"undrain", AdminVerb::undrain},
    {"unfence", AdminVerb::unfence},
    {"wait_close", AdminVerb::wait_close},
}};

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_word(char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-' || c == ':' || (static_cast<unsigned char>(c) & 0x80U) != 0;
}

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    Token next() {
        if (!skip_blank()) return {TokenKind::wrong, {}, at_, text_.size()};
        Token token{TokenKind::end, {}, at_, at_};
        if (at_ < text_.size()) scan(token);
        token.end = at_;
        return token;
    }

private:
    bool starts(std::string_view with) const { return text_.substr(at_).starts_with(with); }

    // White space and comments. False: a comment does not end.
    bool skip_blank() {
        while (at_ < text_.size()) {
            if (is_space(text_[at_])) {
                ++at_;
            } else if (starts("--")) {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (!starts("/*")) {
                return true;
            } else if (!skip_block_comment()) {
                return false;
            }
        }
        return true;
    }

    // They nest, as in PostgreSQL.
    bool skip_block_comment() {
        std::size_t depth = 0;
        while (at_ < text_.size()) {
            if (starts("/*")) {
                ++depth;
                at_ += 2;
            } else if (starts("*/")) {
                at_ += 2;
                if (--depth == 0) return true;
            } else {
                ++at_;
            }
        }
        return false;
    }

    void scan(Token& token) {
        const char c = text_[at_];
        if (c == ';' || c == '=') {
            token.kind = c == ';' ? TokenKind::semicolon : TokenKind::equals;
            ++at_;
        } else if (c == '"' || c == '\'') {
            scan_quoted(c, token);
        } else if (is_word(c)) {
            token.kind = TokenKind::word;
            const auto begin = at_;
            while (at_ < text_.size() && is_word(text_[at_]) && !starts("--"))
                ++at_;
            token.text = text_.substr(begin, at_ - begin);
        } else {
            token.kind = TokenKind::wrong;
            ++at_;
        }
    }

    void scan_quoted(char quote, Token& token) {
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == quote) {
                ++at_;
                const bool doubled = at_ < text_.size() && text_[at_] == quote;
                if (!doubled) {
                    token.kind = quote == '"' ? TokenKind::quoted : TokenKind::string;
                    return;
                }
            }
            token.text.push_back(text_[at_]);
        }
        token.kind = TokenKind::wrong;  // it does not end
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

protocol::Error bad_arguments() {
    return protocol::error(protocol::sqlstate::protocol_violation, "bad arguments");
}

bool is_name(const Token& token) {
    return token.kind == TokenKind::word || token.kind == TokenKind::quoted;
}

bool is_word(const Token& token, std::string_view word) {
    return token.kind == TokenKind::word && same_word(token.text, word);
}

std::size_t longest_argument(AdminVerb verb) {
    switch (verb) {
        case AdminVerb::drain:
        case AdminVerb::fence:
        case AdminVerb::set_weight:
        case AdminVerb::undrain:
        case AdminVerb::unfence:
            return max_host;
        default:
            return max_argument;
    }
}

// `SET key = value`, `SET key TO 'value'`; its four tokens, or those of SET WEIGHT from its second.
protocol::Result<AdminCommand> parse_set(
    AdminVerb verb, std::span<const Token> tokens, std::string_view text
) {
    const bool assigns =
        tokens.size() == 4 && (tokens[2].kind == TokenKind::equals || is_word(tokens[2], "to"));
    if (!assigns || !is_name(tokens[1]) ||
        (!is_name(tokens[3]) && tokens[3].kind != TokenKind::string)) {
        return invalid_command(text);
    }
    AdminCommand command{
        verb, tokens[1].text, tokens[3].text, std::string(text.substr(0, max_text))};
    if (command.argument.empty() || command.argument.size() > longest_argument(verb) ||
        command.value.size() > max_value) {
        return bad_arguments();
    }
    return command;
}

std::optional<AdminVerb> find_verb(std::string_view word) {
    for (const auto& [name, verb] : verbs) {
        if (same_word(name, word)) return verb;
    }
    return std::nullopt;
}

protocol::Result<AdminCommand> parse_command(std::span<const Token> tokens, std::string_view text) {
    if (is_word(tokens[0], "set")) {
        const bool of_a_host = tokens.size() == 5 && is_word(tokens[1], "weight");
        if (of_a_host) return parse_set(AdminVerb::set_weight, tokens.subspan(1), text);
        return parse_set(AdminVerb::set, tokens, text);
    }
    if (tokens.size() > 3 || !std::all_of(tokens.begin(), tokens.end(), is_name)) {
        return invalid_command(text);
    }
    auto verb = find_verb(tokens[0].text);
    if (tokens.size() >= 2 && is_word(tokens[0], "forget") && is_word(tokens[1], "timeline")) {
        verb = AdminVerb::forget_timeline;
        tokens = tokens.subspan(1);
    }
    if (tokens.size() == 2 && is_word(tokens[0], "reset") && is_word(tokens[1], "queries")) {
        verb = AdminVerb::reset_queries;
        tokens = tokens.subspan(1);
    }
    const auto* const show =
        verb == AdminVerb::show && tokens.size() == 3 ? find_show(tokens[1].text) : nullptr;
    const bool shows_some = show != nullptr && show->takes_argument;
    if (!verb || (tokens.size() == 3 && !shows_some)) return invalid_command(text);
    AdminCommand command{*verb, {}, {}, std::string(text.substr(0, max_text))};
    if (tokens.size() >= 2) command.argument = tokens[1].text;
    if (tokens.size() == 3) command.value = tokens[2].text;
    if (command.argument.size() > longest_argument(*verb) || command.value.size() > max_value) {
        return bad_arguments();
    }
    if (command.verb == AdminVerb::reload && tokens.size() == 2) return invalid_command(text);
    return command;
}

// `EXPLAIN ROUTE database`: what follows is none of the console's language.
bool begins_explanation(std::span<const Token> tokens) {
    return tokens.size() == 3 && is_word(tokens[0], "explain") && is_word(tokens[1], "route") &&
           is_name(tokens[2]);
}

// The commands in `piece`, which is one statement of `text` by PostgreSQL's lexical rules, with its
// semicolon. True: nothing follows it.
protocol::Result<bool> parse_piece(
    std::string_view text,
    std::size_t begin_of_piece,
    std::size_t size,
    std::vector<AdminCommand>& commands
) {
    std::vector<Token> tokens;
    // EXPLAIN ROUTE goes on to the end of the text.
    Scanner scanner(text.substr(begin_of_piece));
    for (;;) {
        auto token = scanner.next();
        if (token.kind == TokenKind::wrong) return invalid_command(text);
        if (token.kind != TokenKind::semicolon && token.kind != TokenKind::end &&
            token.begin < size) {
            tokens.push_back(std::move(token));
            if (!begins_explanation(tokens)) continue;
            if (tokens[2].text.size() > max_argument) return bad_arguments();
            const auto rest = text.substr(begin_of_piece);
            commands.push_back(
                {AdminVerb::explain_route,
                 tokens[2].text,
                 std::string(rest.substr(tokens[2].end)),
                 std::string(rest.substr(tokens.front().begin, max_text))}
            );
            return true;
        }
        if (tokens.empty()) return false;
        const auto begin = tokens.front().begin;
        const auto end = token.kind == TokenKind::semicolon ? token.end : tokens.back().end;
        auto command = parse_command(tokens, text.substr(begin_of_piece + begin, end - begin));
        if (!command) return command.error();
        commands.push_back(std::move(*command));
        return false;
    }
}

}  // namespace

bool same_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return lower(x) == lower(y);
    });
}

protocol::Error invalid_command(std::string_view text) {
    auto cut = std::min(text.size(), max_echo);
    // Not in the middle of a UTF-8 character.
    while (cut > 0 && cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U)
        --cut;
    return protocol::error(
        protocol::sqlstate::protocol_violation,
        "invalid command '" + std::string(text.substr(0, cut)) + "', use SHOW HELP;"
    );
}

protocol::Result<std::vector<AdminCommand>> parse_admin(std::string_view text) {
    std::vector<AdminCommand> commands;
    protocol::StatementSplitter splitter(text);
    std::string_view piece;
    while (splitter.next(piece)) {
        const auto begin = static_cast<std::size_t>(piece.data() - text.data());
        if (auto spoken = parse_sql_or_session(piece, begin)) {
            spoken->text = text.substr(begin, std::min(piece.size(), max_text));
            commands.push_back(std::move(*spoken));
            continue;
        }
        const bool ends = begin + piece.size() < text.size();
        const auto last = parse_piece(text, begin, piece.size() + (ends ? 1 : 0), commands);
        if (!last) return last.error();
        if (*last) break;
    }
    return commands;
}

}  // namespace weir::proxy
