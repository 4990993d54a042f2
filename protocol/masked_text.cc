#include "protocol/masked_text.h"

#include "protocol/sql_lexer.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace weir::protocol {

namespace {

struct Piece {
    TokenKind kind = TokenKind::end;
    std::string_view text;
    bool blank_before = false;
    bool value = false;  // to be masked
    bool cut = false;    // values behind it are left out

    bool is(std::string_view punctuation) const { return text == punctuation && !value; }

    bool is_name(std::string_view lower_case) const {
        return kind == TokenKind::identifier && is_word(text, lower_case);
    }
};

using Pieces = std::vector<Piece>;

// U&'...' UESCAPE '!' is one value.
bool takes_uescape(const Pieces& pieces, SqlLexer lexer) {
    return !pieces.empty() && pieces.back().kind == TokenKind::string &&
           (pieces.back().text[0] | 0x20) == 'u' && is_word(lexer.next().text, "uescape");
}

Pieces split(std::string_view text, bool quoted_names) {
    Pieces pieces;
    SqlLexer lexer(text);
    std::size_t end = 0;
    while (true) {
        if (takes_uescape(pieces, lexer)) {
            lexer.next();
            lexer.next();
            end = lexer.position();
        }
        const Token token = lexer.next();
        if (token.kind == TokenKind::end) return pieces;
        const auto start = static_cast<std::size_t>(token.text.data() - text.data());
        Piece piece{token.kind, token.text, start > end};
        piece.value = token.kind == TokenKind::string || token.kind == TokenKind::number ||
                      token.kind == TokenKind::error ||
                      (quoted_names && token.kind == TokenKind::quoted_identifier);
        pieces.push_back(piece);
        end = lexer.position();
    }
}

bool is_plain_word(const Piece& piece) {
    return piece.kind == TokenKind::identifier || piece.kind == TokenKind::quoted_identifier;
}

// Of a value list: what is neither a value nor makes anything of one.
bool is_constant(const Piece& piece) {
    return piece.value || piece.kind == TokenKind::parameter || piece.is_name("null") ||
           piece.is_name("default") || piece.is_name("true") || piece.is_name("false");
}

// The values behind SET name TO | =, from `at` on.
std::size_t mask_setting(Pieces& pieces, std::size_t at) {
    // A name may have dots in it.
    while (at + 1 < pieces.size() && is_plain_word(pieces[at]) && pieces[at + 1].is("."))
        at += 2;
    if (at + 1 >= pieces.size() || !is_plain_word(pieces[at])) return at;
    if (!pieces[at + 1].is_name("to") && !pieces[at + 1].is("=")) return at;
    for (at += 2; at < pieces.size() && !pieces[at].is(";"); ++at) {
        Piece& piece = pieces[at];
        if (is_plain_word(piece) && !piece.is_name("default")) piece.value = true;
        const bool more =
            at + 1 < pieces.size() && (pieces[at + 1].is(",") || piece.is(",") ||
                                       (piece.kind == TokenKind::op && piece.text.size() == 1));
        if (!more) break;
    }
    return at;
}

// Words that stand where a value is wanted.
void mask_words(Pieces& pieces) {
    bool first = true;
    bool defines = false;  // ALTER, CREATE
    bool sets = false;     // SET
    for (std::size_t at = 0; at < pieces.size(); ++at) {
        const Piece& piece = pieces[at];
        if (piece.is(";")) {
            first = true;
            defines = sets = false;
            continue;
        }
        if (std::exchange(first, false)) {
            defines = piece.is_name("alter") || piece.is_name("create");
            sets = piece.is_name("set");
        }
        if (defines && piece.is_name("password") && at + 1 < pieces.size()) {
            Piece& next = pieces[at + 1];
            if (is_plain_word(next) && !next.is_name("null")) next.value = true;
            continue;
        }
        if (!piece.is_name("set") || !(defines || sets)) continue;
        std::size_t name = at + 1;
        const bool scoped = name < pieces.size() &&
                            (pieces[name].is_name("session") || pieces[name].is_name("local")) &&
                            name + 1 < pieces.size() && is_plain_word(pieces[name + 1]) &&
                            !pieces[name + 1].is_name("to");
        if (scoped) ++name;
        at = std::max(at, mask_setting(pieces, name));
    }
}

// From the first value of a list on: where its last one ends, or `at` if there is but one.
std::size_t end_of_list(const Pieces& pieces, std::size_t at) {
    std::size_t end = at;
    for (std::size_t i = at + 1; i + 1 < pieces.size() && pieces[i].is(",");) {
        std::size_t item = i + 1;
        if (pieces[item].is("-") || pieces[item].is("+")) ++item;
        if (item >= pieces.size() || !is_constant(pieces[item])) return at;
        end = item;
        i = item + 1;
    }
    const bool closed =
        end + 1 < pieces.size() && (pieces[end + 1].is(")") || pieces[end + 1].is("]"));
    return closed ? end : at;
}

// Behind `)` of a row of VALUES: the next row, if it has constants only. 0: there is none.
std::size_t end_of_constant_row(const Pieces& pieces, std::size_t at) {
    if (at + 1 >= pieces.size() || !pieces[at].is(",") || !pieces[at + 1].is("(")) return 0;
    for (std::size_t i = at + 2; i < pieces.size(); ++i) {
        const Piece& piece = pieces[i];
        if (piece.is(")")) return i + 1;
        const bool sign = piece.is("-") || piece.is("+");
        if (!sign && !piece.is(",") && !is_constant(piece)) return 0;
        // Cut short by the limit.
        if (piece.kind == TokenKind::error) return i + 1;
    }
    return 0;
}

// Cuts lists to their first value.
void cut_lists(Pieces& pieces) {
    Pieces kept;
    kept.reserve(pieces.size());
    bool values = false;  // in VALUES, between its rows
    std::size_t depth = 0;
    for (std::size_t at = 0; at < pieces.size(); ++at) {
        const Piece& piece = pieces[at];
        kept.push_back(piece);
        if (piece.is_name("values")) {
            values = true;
            depth = 0;
            continue;
        }
        if (piece.is("(")) ++depth;
        if (piece.is(")") && depth > 0 && --depth == 0 && values) {
            std::size_t next = at + 1;
            while (const auto end = end_of_constant_row(pieces, next))
                next = end;
            kept.back().cut = next > at + 1;
            at = next - 1;
            continue;
        }
        const bool opens = piece.is("(") || piece.is("[");
        const bool is_list =
            opens && kept.size() > 1 && (piece.is("[") || kept[kept.size() - 2].is_name("in"));
        if (!is_list) continue;
        std::size_t first = at + 1;
        if (first < pieces.size() && (pieces[first].is("-") || pieces[first].is("+"))) ++first;
        if (first >= pieces.size() || !is_constant(pieces[first])) continue;
        const auto end = end_of_list(pieces, first);
        if (end == first) continue;
        // A sign of the first value is not the list's.
        kept.push_back(pieces[first]);
        kept.back().blank_before = false;
        kept.back().cut = true;
        at = end;
    }
    pieces = std::move(kept);
}

unsigned highest_parameter(const Pieces& pieces) {
    unsigned highest = 0;
    for (const Piece& piece : pieces) {
        if (piece.kind != TokenKind::parameter) continue;
        unsigned number = 0;
        std::from_chars(piece.text.data() + 1, piece.text.data() + piece.text.size(), number);
        if (number < 65536) highest = std::max(highest, number);
    }
    return highest;
}

// A constant of the piece's kind that every grammar takes.
std::string_view constant_of(const Piece& piece) {
    if (piece.kind == TokenKind::number) return "1";
    if (piece.kind == TokenKind::quoted_identifier) return "\"\"";
    const char first = static_cast<char>(piece.text[0] | 0x20);
    if (piece.kind == TokenKind::string && first == 'b') return "B''";
    if (piece.kind == TokenKind::string && first == 'x') return "X''";
    return "''";
}

void append_lower(std::string& out, std::string_view word) {
    for (const char c : word)
        out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

std::string masked_text(
    std::string_view text, MaskStyle style, std::size_t limit, bool quoted_names
) {
    auto pieces = split(text.substr(0, limit), quoted_names);
    mask_words(pieces);
    cut_lists(pieces);
    while (!pieces.empty() && pieces.back().is(";"))
        pieces.pop_back();
    const bool shown = style == MaskStyle::shown;
    unsigned parameter = shown ? highest_parameter(pieces) : 0;
    std::string out;
    out.reserve(std::min(text.size(), limit));
    for (const Piece& piece : pieces) {
        if (piece.blank_before && !out.empty()) out += ' ';
        if (piece.value) {
            out.append(shown ? "$" + std::to_string(++parameter) : constant_of(piece));
        } else if (!shown && piece.kind == TokenKind::identifier) {
            append_lower(out, piece.text);
        } else {
            out.append(piece.text);
        }
        if (piece.cut && shown) out.append(", ...");
    }
    return out;
}

std::string_view find_traceparent(std::string_view text) {
    constexpr std::string_view word = "traceparent";
    constexpr std::size_t length = 55;
    const auto is_hex = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    };
    const auto valid = [&](std::string_view value) {
        if (value.size() < length) return false;
        for (std::size_t i = 0; i < length; ++i) {
            const bool dash = i == 2 || i == 35 || i == 52;
            if (dash ? value[i] != '-' : !is_hex(value[i])) return false;
        }
        // All zeros and version ff are invalid.
        return value.substr(0, 2) != "ff" &&
               value.substr(3, 32).find_first_not_of('0') != std::string_view::npos &&
               value.substr(36, 16).find_first_not_of('0') != std::string_view::npos;
    };
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        // traceparent='00-...' or traceparent=00-...
        auto from = at + word.size();
        while (from < text.size() &&
               (text[from] == '=' || text[from] == '\'' || text[from] == ':' || text[from] == ' '))
            ++from;
        if (valid(text.substr(from))) return text.substr(from, length);
    }
    if (text.size() == length && valid(text)) return text;
    return {};
}

}  // namespace weir::protocol
