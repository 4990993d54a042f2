#include "protocol/sql_lexer.h"

#include "protocol/sql_scan.h"

#include <algorithm>
#include <array>

namespace weir::protocol {

bool TextRules::has_no_trap(std::string_view text) const {
    return std::all_of(text.begin(), text.end(), [this](char c) {
        const bool ascii = static_cast<unsigned char>(c) < 0x80;
        return (ascii || ascii_safe_encoding) && (c != '\\' || standard_conforming_strings);
    });
}

using sql_scan::npos;

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

Token SqlLexer::next() {
    const std::size_t start = sql_scan::skip_blank(text_, position_);
    if (start == npos) {
        const std::size_t from = position_;
        position_ = text_.size();
        return {TokenKind::error, text_.substr(from), false};
    }
    position_ = start;
    if (start == text_.size()) return {};
    const sql_scan::Scanned scanned = sql_scan::scan_token(text_, start);
    if (scanned.end == npos || scanned.end > text_.size()) {
        position_ = text_.size();
        return {TokenKind::error, text_.substr(start), scanned.unicode};
    }
    position_ = scanned.end;
    return {scanned.kind, text_.substr(start, scanned.end - start), scanned.unicode};
}

bool is_word(std::string_view token, std::string_view lower_case_word) {
    return token.size() == lower_case_word.size() &&
           std::equal(token.begin(), token.end(), lower_case_word.begin(), [](char a, char b) {
               return lower(a) == b;
           });
}

bool StatementSplitter::next(std::string_view& statement) {
    while (true) {
        const std::size_t start = lexer_.position();
        bool any = false;
        bool at_end = false;
        if (!skip_statement(any, at_end)) {
            statement = text_.substr(start);
            return any;
        }
        const std::size_t end = at_end ? text_.size() : lexer_.position() - 1;
        statement = text_.substr(start, end - start);
        if (any) return true;
        if (at_end) return false;
    }
}

// psql's rules (psqlscan.l): the words of a CREATE [OR REPLACE] FUNCTION | PROCEDURE let BEGIN open
// a body, in which CASE nests and END closes.
bool StatementSplitter::skip_statement(bool& any, bool& at_end) {
    std::size_t parentheses = 0;
    std::size_t bodies = 0;
    std::size_t words = 0;
    bool create = false;
    bool routine = false;
    while (true) {
        const Token token = lexer_.next();
        if (token.kind == TokenKind::end) {
            at_end = true;
            return true;
        }
        if (token.kind == TokenKind::error) {
            any = true;
            at_end = true;
            return false;
        }
        if (token.text == ";" && parentheses == 0 && bodies == 0) return true;
        any = true;
        if (token.text == "(") ++parentheses;
        if (token.text == ")" && parentheses > 0) --parentheses;
        if (token.kind != TokenKind::identifier) continue;
        if (++words == 1) create = is_word(token.text, "create");
        if (create && words <= 4)
            routine =
                routine || is_word(token.text, "function") || is_word(token.text, "procedure");
        if (!routine || parentheses > 0) continue;
        if (is_word(token.text, "begin")) ++bodies;
        if (bodies > 0 && is_word(token.text, "case")) ++bodies;
        if (bodies > 0 && is_word(token.text, "end")) --bodies;
    }
}

bool is_ascii_safe_encoding(std::string_view client_encoding) {
    // The server's encodings and their aliases (pg_encoding_names in encnames.c), letters and
    // digits only, in lower case.
    static constexpr std::string_view safe[] = {
        "abc",         "alt",         "euccn",       "eucjis2004",  "eucjp",        "euckr",
        "euctw",       "iso88591",    "iso885910",   "iso885913",   "iso885914",    "iso885915",
        "iso885916",   "iso88592",    "iso88593",    "iso88594",    "iso88595",     "iso88596",
        "iso88597",    "iso88598",    "iso88599",    "koi8",        "koi8r",        "koi8u",
        "latin1",      "latin10",     "latin2",      "latin3",      "latin4",       "latin5",
        "latin6",      "latin7",      "latin8",      "latin9",      "muleinternal", "sqlascii",
        "tcvn",        "tcvn5712",    "unicode",     "utf8",        "vscii",        "win",
        "win1250",     "win1251",     "win1252",     "win1253",     "win1254",      "win1255",
        "win1256",     "win1257",     "win1258",     "win866",      "win874",       "windows1250",
        "windows1251", "windows1252", "windows1253", "windows1254", "windows1255",  "windows1256",
        "windows1257", "windows1258", "windows866",  "windows874"};
    std::array<char, 16> cleaned{};
    std::size_t length = 0;
    for (const char c : client_encoding) {
        const char low = lower(c);
        if (!((low >= 'a' && low <= 'z') || (low >= '0' && low <= '9'))) continue;
        if (length == cleaned.size()) return false;
        cleaned[length++] = low;
    }
    const std::string_view name{cleaned.data(), length};
    return std::find(std::begin(safe), std::end(safe), name) != std::end(safe);
}

}  // namespace weir::protocol
