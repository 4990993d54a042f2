#include "router/body_tokens.h"

#include <algorithm>

namespace weir::router {

using protocol::Token;
using protocol::TokenKind;

namespace {

constexpr std::size_t max_name = 63;  // NAMEDATALEN - 1

// PostgreSQL cuts before a character, not within (pg_mbcliplen); in UTF-8 the bytes 10xxxxxx go on.
void cut_name(std::string& name) {
    if (name.size() <= max_name) return;
    std::size_t end = max_name;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0) == 0x80)
        --end;
    name.resize(end);
}

// The inside of a quoted token, doubled quotes made one. None if the quote ends within: 'a' and 'b'
// on two lines are one token.
std::optional<std::string> unquoted(std::string_view inside, char quote) {
    std::string result;
    result.reserve(inside.size());
    for (std::size_t i = 0; i < inside.size(); ++i) {
        result += inside[i];
        if (inside[i] != quote) continue;
        if (i + 1 == inside.size() || inside[i + 1] != quote) return {};
        ++i;
    }
    return result;
}

}  // namespace

std::string folded(std::string_view text) {
    std::string result{text};
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return result;
}

bool is_name(const Token& token) {
    return token.kind == TokenKind::identifier || token.kind == TokenKind::quoted_identifier;
}

std::optional<std::string> name_of(const Token& token) {
    if (!is_name(token) || token.unicode) return {};
    std::optional<std::string> name;
    if (token.kind == TokenKind::identifier)
        name = folded(token.text);
    else
        name = unquoted(token.text.substr(1, token.text.size() - 2), '"');
    if (name) cut_name(*name);
    return name;
}

std::optional<std::string> literal_text(const Token& token) {
    if (token.kind != TokenKind::string || token.unicode) return {};
    std::string_view text = token.text;
    if (text[0] == '$') {
        const std::size_t tag = text.find('$', 1) + 1;
        return std::string{text.substr(tag, text.size() - 2 * tag)};
    }
    if (text[0] == 'E' || text[0] == 'e') {
        if (text.find('\\') != std::string_view::npos) return {};
        text.remove_prefix(1);
    }
    if (text[0] != '\'') return {};
    return unquoted(text.substr(1, text.size() - 2), '\'');
}

BodyTokens::BodyTokens(std::string_view text) {
    protocol::SqlLexer lexer{text};
    while (true) {
        const Token token = lexer.next();
        if (token.kind == TokenKind::end) return;
        if (token.kind == TokenKind::error) {
            complete_ = false;
            return;
        }
        tokens_.push_back(token);
    }
}

bool BodyTokens::is(std::size_t at, std::string_view word) const {
    const Token& token = (*this)[at];
    return token.kind == TokenKind::identifier && protocol::is_word(token.text, word);
}

bool BodyTokens::is_any(std::size_t at, std::initializer_list<std::string_view> words) const {
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
        return is(at, word);
    });
}

}  // namespace weir::router
