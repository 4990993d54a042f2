// What the files of sql_rewrite share: words and values of tokens.
#pragma once

#include "protocol/sql_lexer.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace weir::proxy {

inline bool is_symbol(const protocol::Token& token, std::string_view text) {
    return (token.kind == protocol::TokenKind::punctuation || token.kind == protocol::TokenKind::op
           ) &&
           token.text == text;
}

inline bool is_keyword(const protocol::Token& token, std::string_view lower_case) {
    return token.kind == protocol::TokenKind::identifier &&
           protocol::is_word(token.text, lower_case);
}

template <std::size_t N>
bool is_any_keyword(const protocol::Token& token, const std::array<std::string_view, N>& words) {
    return token.kind == protocol::TokenKind::identifier &&
           std::any_of(words.begin(), words.end(), [&](std::string_view word) {
               return protocol::is_word(token.text, word);
           });
}

inline bool is_name(const protocol::Token& token) {
    return token.kind == protocol::TokenKind::identifier ||
           token.kind == protocol::TokenKind::quoted_identifier;
}

// Words that are no operands and end one.
bool is_reserved(const protocol::Token& token);

// Behind the bracket that closes the one at `open`; the number of tokens if none does.
template <class Tokens>
std::size_t behind_bracket(const Tokens& tokens, std::size_t open) {
    std::size_t depth = 0;
    for (std::size_t i = open; i < tokens.size(); ++i) {
        if (is_symbol(tokens[i], "(") || is_symbol(tokens[i], "[")) ++depth;
        if (is_symbol(tokens[i], ")") || is_symbol(tokens[i], "]")) {
            if (depth <= 1) return i + 1;
            --depth;
        }
    }
    return tokens.size();
}

}  // namespace weir::proxy
