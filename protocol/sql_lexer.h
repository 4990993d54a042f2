// PostgreSQL's lexical rules (manual 4.1): tokens of a text, its statements, and a key that is
// blind to literals. Nothing here allocates; what is returned views the text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::protocol {

// What must hold of a session for its texts to be read at all.
struct TextRules {
    bool standard_conforming_strings = true;
    // Every byte below 0x80 is an ASCII character by itself. Not so in SJIS, BIG5, GBK, UHC,
    // GB18030, JOHAB and SHIFT_JIS_2004, the encodings for clients only.
    bool ascii_safe_encoding = true;

    bool readable() const { return standard_conforming_strings && ascii_safe_encoding; }

    // Or there is nothing in the text that they would make something else of: a backslash in a
    // string, a byte of a character that is not ASCII.
    bool can_read(std::string_view text) const { return readable() || has_no_trap(text); }

    bool operator==(const TextRules&) const = default;

private:
    bool has_no_trap(std::string_view text) const;
};

// Whether a client_encoding, in PostgreSQL's spelling or an alias, is known to be ASCII safe.
bool is_ascii_safe_encoding(std::string_view client_encoding);

enum class TokenKind : std::uint8_t {
    end,                // of the text
    identifier,         // unquoted, keywords too
    quoted_identifier,  // "x", U&"x"
    string,             // '', E'', B'', X'', N'', U&'', $$ $$
    number,
    parameter,    // $1
    op,           // an operator of one or more characters
    punctuation,  // one of ( ) [ ] , ; : . and := :: .. =>
    error,        // no token, or one without an end: runs to the end of the text
};

struct Token {
    TokenKind kind = TokenKind::end;
    std::string_view text;  // its bytes in the text, quotes included
    bool unicode = false;   // U&: what it says may hang on a UESCAPE that follows
};

// The tokens of a text, one by one. White space and comments are skipped.
// REQUIRES: TextRules{} hold for the text. The text outlives the lexer and its tokens.
class SqlLexer {
public:
    explicit SqlLexer(std::string_view text) : text_{text} {}

    Token next();

    std::size_t position() const { return position_; }

private:
    std::string_view text_;
    std::size_t position_ = 0;
};

// Splits at the semicolons that separate statements (not those within parentheses, or within the
// BEGIN ATOMIC body of a function). Pieces keep their comments; the last one may be empty.
class StatementSplitter {
public:
    explicit StatementSplitter(std::string_view text) : text_{text}, lexer_{text} {}

    // False at the end. `statement` is the next piece without its semicolon; pieces without any
    // token are skipped.
    bool next(std::string_view& statement);

private:
    // False if the text does not end properly.
    bool skip_statement(bool& any, bool& at_end);

    std::string_view text_;
    SqlLexer lexer_;
};

// ASCII lower-case comparison of an unquoted word with a word in lower case.
bool is_word(std::string_view token, std::string_view lower_case_word);

struct TextKey {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const TextKey&) const = default;
};

// The secret of a process's keys, so that nobody outside can make two texts share one.
struct TextKeySeed {
    std::uint64_t first = 0;
    std::uint64_t second = 0;

    static TextKeySeed random();
};

struct LiteralBlindKey {
    TextKey key;
    bool has_literals = false;
    // False if two texts with this key may differ in more than their literals (a U& identifier,
    // whose meaning hangs on its UESCAPE literal) or the text does not end properly.
    bool usable = false;
};

// 128 bits by SipHash-2-4 over the text in which each literal is replaced by its class. Comments
// and white space count, NULL, TRUE and FALSE are no literals.
LiteralBlindKey literal_blind_key(std::string_view text, const TextKeySeed& seed);

// 64 bits over every byte of the text, seeded; for a table that compares the texts, too.
[[gnu::hot]] std::uint64_t text_hash(std::string_view text, const TextKeySeed& seed);

}  // namespace weir::protocol
