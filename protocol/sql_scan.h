// PostgreSQL's scan.l as functions over a text and a position: what sql_lexer.cc,
// sql_text_key.cc and text_template.cc share. Not for anybody else.
#pragma once

#include "protocol/sql_lexer.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::protocol::sql_scan {

// What a byte may be, in the words of PostgreSQL's scan.l.
enum CharClass : std::uint8_t {
    space = 1,        // white space
    ident_start = 2,  // letter, underscore, any byte above 0x7f
    digit = 4,
    ident_cont = 8,  // ident_start, digit, dollar
    op_char = 16,    // may be part of an operator
    op_sign = 32,    // lets an operator end in + or -
    plain = 64,      // of no interest to literal_blind_key between tokens
};

constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    for (unsigned c = 0; c < 256; ++c) {
        const bool letter =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 128;
        const bool number = c >= '0' && c <= '9';
        std::uint8_t flags = 0;
        if (letter) flags |= ident_start | ident_cont;
        if (number) flags |= digit | ident_cont;
        if (c == '$') flags |= ident_cont;
        classes[c] = flags;
    }
    for (const char c : std::string_view{" \t\n\r\f\v"})
        classes[static_cast<unsigned char>(c)] |= space | plain;
    for (const char c : std::string_view{"~!@#^&|`?+-*/%<>="})
        classes[static_cast<unsigned char>(c)] |= op_char;
    for (const char c : std::string_view{"~!@#^&|`?%"})
        classes[static_cast<unsigned char>(c)] |= op_sign | plain;
    for (const char c : std::string_view{"()[],;:+*<>="})
        classes[static_cast<unsigned char>(c)] |= plain;
    return classes;
}

inline constexpr std::array<std::uint8_t, 256> classes = make_classes();

inline bool is(char c, std::uint8_t flags) {
    return (classes[static_cast<unsigned char>(c)] & flags) != 0;
}

inline bool is_newline(char c) {
    return c == '\n' || c == '\r';
}

inline constexpr std::size_t npos = std::string_view::npos;

// The functions below take the text and the position of what they read, and return the position
// behind it, or npos if it has no end.

inline std::size_t skip_line_comment(std::string_view text, std::size_t at) {
    while (at < text.size() && !is_newline(text[at]))
        ++at;
    return at;
}

inline std::size_t skip_block_comment(std::string_view text, std::size_t at) {
    std::size_t depth = 0;
    while (at + 1 < text.size()) {
        if (text[at] == '/' && text[at + 1] == '*') {
            ++depth;
            at += 2;
        } else if (text[at] == '*' && text[at + 1] == '/') {
            at += 2;
            if (--depth == 0) return at;
        } else {
            ++at;
        }
    }
    return npos;
}

inline bool starts_line_comment(std::string_view text, std::size_t at) {
    return at + 1 < text.size() && text[at] == '-' && text[at + 1] == '-';
}

inline bool starts_block_comment(std::string_view text, std::size_t at) {
    return at + 1 < text.size() && text[at] == '/' && text[at + 1] == '*';
}

// White space with a newline in it, then a quote: the string goes on (manual 4.1.2.1). Returns the
// position behind that quote, npos if the string ended at `at`.
inline std::size_t string_continuation(std::string_view text, std::size_t at) {
    bool newline = false;
    while (at < text.size()) {
        if (is(text[at], space)) {
            newline = newline || is_newline(text[at]);
            ++at;
        } else if (starts_line_comment(text, at)) {
            at = skip_line_comment(text, at);
            if (at == text.size()) return npos;
        } else {
            break;
        }
    }
    return newline && at < text.size() && text[at] == '\'' ? at + 1 : npos;
}

// `at` is behind the opening quote.
inline std::size_t skip_string(std::string_view text, std::size_t at, bool backslash_escapes) {
    while (true) {
        // Large values come as plain strings: memchr goes over them.
        if (!backslash_escapes) at = text.find('\'', at);
        if (at >= text.size()) return npos;
        const char c = text[at];
        if (c == '\'') {
            if (at + 1 < text.size() && text[at + 1] == '\'') {
                at += 2;
                continue;
            }
            const std::size_t more = string_continuation(text, at + 1);
            if (more == npos) return at + 1;
            at = more;
        } else if (c == '\\' && backslash_escapes) {
            at += 2;
        } else {
            ++at;
        }
    }
}

inline std::size_t skip_quoted_identifier(std::string_view text, std::size_t at) {
    while (true) {
        at = text.find('"', at);
        if (at == npos) return npos;
        if (at + 1 >= text.size() || text[at + 1] != '"') return at + 1;
        at += 2;
    }
}

// The length of the $tag$ at `at`, 0 if there is none.
inline std::size_t dollar_tag(std::string_view text, std::size_t at) {
    std::size_t end = at + 1;
    if (end < text.size() && is(text[end], ident_start)) {
        while (end < text.size() && is(text[end], ident_start | digit))
            ++end;
    }
    return end < text.size() && text[end] == '$' ? end + 1 - at : 0;
}

inline std::size_t skip_dollar_string(
    std::string_view text, std::size_t at, std::size_t tag_length
) {
    const std::string_view tag = text.substr(at, tag_length);
    std::size_t end = at + tag_length;
    while (true) {
        end = text.find(tag, end);
        if (end == npos) return npos;
        // In $a$ ... $$a$ the tag is found at the second dollar, as PostgreSQL does.
        return end + tag_length;
    }
}

inline std::size_t skip_digits(std::string_view text, std::size_t at) {
    while (at < text.size() && is(text[at], digit))
        ++at;
    return at;
}

// REQUIRES: a digit, or a dot and a digit, at `at`. npos if a letter follows: an error from
// PostgreSQL 15 on, two tokens before, another number later.
inline std::size_t skip_number(std::string_view text, std::size_t at) {
    at = skip_digits(text, at);
    if (at < text.size() && text[at] == '.' && !(at + 1 < text.size() && text[at + 1] == '.'))
        at = skip_digits(text, at + 1);
    if (at < text.size() && (text[at] | 0x20) == 'e') {
        std::size_t exponent = at + 1;
        if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
        if (exponent < text.size() && is(text[exponent], digit)) at = skip_digits(text, exponent);
    }
    return at < text.size() && is(text[at], ident_start) ? npos : at;
}

inline std::size_t skip_identifier(std::string_view text, std::size_t at) {
    while (at < text.size() && is(text[at], ident_cont))
        ++at;
    return at;
}

inline std::size_t skip_operator(std::string_view text, std::size_t at) {
    std::size_t end = at;
    bool sign = false;
    while (end < text.size() && is(text[end], op_char)) {
        if (starts_line_comment(text, end) || starts_block_comment(text, end)) break;
        sign = sign || is(text[end], op_sign);
        ++end;
    }
    // An operator of several characters ends in + or - only if it has one of ~!@#^&|`?% (4.1.3).
    while (end > at + 1 && !sign && (text[end - 1] == '+' || text[end - 1] == '-'))
        --end;
    return end;
}

// How a token that begins like an identifier goes on with a quote: E'', B'', X'', N'', U&'', U&"".
struct Prefixed {
    std::size_t quote = 0;  // position behind the quote, 0 if it is a plain identifier
    bool identifier = false;
    bool escapes = false;
    bool unicode = false;
    char literal_class = 's';
};

inline Prefixed prefixed_token(std::string_view text, std::size_t at) {
    const auto character = [&](std::size_t index) {
        return at + index < text.size() ? text[at + index] : '\0';
    };
    const char first = static_cast<char>(text[at] | 0x20);
    if (character(1) == '\'') {
        if (first == 'e') return {.quote = at + 2, .escapes = true};
        if (first == 'n') return {.quote = at + 2};
        if (first == 'b' || first == 'x') return {.quote = at + 2, .literal_class = first};
    }
    if (first == 'u' && character(1) == '&') {
        if (character(2) == '\'') return {.quote = at + 3, .unicode = true};
        if (character(2) == '"') return {.quote = at + 3, .identifier = true, .unicode = true};
    }
    return {};
}

// The position of the next token at or behind `at`; npos in an unterminated comment.
inline std::size_t skip_blank(std::string_view text, std::size_t at) {
    while (at < text.size()) {
        if (is(text[at], space)) {
            ++at;
        } else if (starts_line_comment(text, at)) {
            at = skip_line_comment(text, at);
        } else if (starts_block_comment(text, at)) {
            at = skip_block_comment(text, at);
            if (at == npos) return npos;
        } else {
            break;
        }
    }
    return at;
}

inline std::size_t punctuation_length(std::string_view text, std::size_t at) {
    const std::string_view two = text.substr(at, 2);
    return two == "::" || two == ":=" || two == ".." ? 2 : 1;
}

struct Scanned {
    TokenKind kind;
    std::size_t end;  // npos: an error
    bool unicode = false;
};

inline Scanned scan_token(std::string_view text, std::size_t at) {
    const char c = text[at];
    const auto next_is_digit = [&] {
        return at + 1 < text.size() && is(text[at + 1], digit);
    };
    if (is(c, ident_start)) {
        const Prefixed prefixed = prefixed_token(text, at);
        if (prefixed.quote == 0) return {TokenKind::identifier, skip_identifier(text, at)};
        if (prefixed.identifier)
            return {
                TokenKind::quoted_identifier, skip_quoted_identifier(text, prefixed.quote), true};
        const std::size_t end = skip_string(text, prefixed.quote, prefixed.escapes);
        return {TokenKind::string, end, prefixed.unicode};
    }
    if (is(c, digit) || (c == '.' && next_is_digit()))
        return {TokenKind::number, skip_number(text, at)};
    if (c == '\'') return {TokenKind::string, skip_string(text, at + 1, false)};
    if (c == '"') return {TokenKind::quoted_identifier, skip_quoted_identifier(text, at + 1)};
    if (c == '$') {
        if (next_is_digit()) {
            const std::size_t end = skip_digits(text, at + 1);
            const bool junk = end < text.size() && is(text[end], ident_start);
            return {TokenKind::parameter, junk ? npos : end};
        }
        const std::size_t tag = dollar_tag(text, at);
        return {TokenKind::string, tag == 0 ? npos : skip_dollar_string(text, at, tag)};
    }
    if (text.substr(at, 2) == "=>" && skip_operator(text, at) == at + 2)
        return {TokenKind::punctuation, at + 2};
    if (is(c, op_char)) return {TokenKind::op, skip_operator(text, at)};
    if (std::string_view{"()[],;:."}.find(c) != npos)
        return {TokenKind::punctuation, at + punctuation_length(text, at)};
    return {TokenKind::error, npos};
}

}  // namespace weir::protocol::sql_scan
