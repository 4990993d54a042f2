#include "protocol/sql_lexer.h"
#include "protocol/text_template.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace weir::protocol {

namespace {

// "i:select n:1": the kind's letter and the bytes.
std::string tokens(std::string_view text) {
    static constexpr char letters[] = {'$', 'i', 'q', 's', 'n', 'p', 'o', ':', '!'};
    SqlLexer lexer{text};
    std::string result;
    while (true) {
        const Token token = lexer.next();
        if (token.kind == TokenKind::end) return result;
        if (!result.empty()) result += ' ';
        result += letters[static_cast<int>(token.kind)];
        result += token.text;
        if (token.kind == TokenKind::error) return result;
    }
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> result;
    StatementSplitter splitter{text};
    std::string_view piece;
    while (splitter.next(piece))
        result.emplace_back(piece);
    return result;
}

constexpr TextKeySeed seed{1, 2};

bool share_key(std::string_view a, std::string_view b) {
    const LiteralBlindKey first = literal_blind_key(a, seed);
    const LiteralBlindKey second = literal_blind_key(b, seed);
    return first.usable && second.usable && first.key == second.key;
}

}  // namespace

TEST_CASE("SqlLexer: tokens as PostgreSQL cuts them") {
    struct Row {
        const char* text;
        const char* expected;
    };

    const Row rows[] = {
        {"", ""},
        {"select 1", "iselect n1"},
        {" \t\r\n\f a", "ia"},
        {"a--b\nc", "ia ic"},
        {"a--b\rc", "ia ic"},
        {"a/*b*/c", "ia ic"},
        {"a/* /* b */ */c", "ia ic"},
        {"a/* /* b */ c", "ia !/* /* b */ c"},
        {"'a''b'", "s'a''b'"},
        {"'a\\'", "s'a\\'"},
        {"E'a\\'b'", "sE'a\\'b'"},
        {"e'a\\\\'", "se'a\\\\'"},
        {"B'01' x'ff' N'n'", "sB'01' sx'ff' sN'n'"},
        {"'a'\n'b'", "s'a'\n'b'"},
        {"'a' 'b'", "s'a' s'b'"},
        {"'a' -- c\n 'b' c", "s'a' -- c\n 'b' ic"},
        {"'a' /* c */\n'b'", "s'a' s'b'"},
        {"E'a'\n'\\'' c", "sE'a'\n'\\'' ic"},
        {"'a", "!'a"},
        {"E'a\\", "!E'a\\"},
        {"$$a'b$$", "s$$a'b$$"},
        {"$a$ $b$ $$ $a$c", "s$a$ $b$ $$ $a$ ic"},
        {"$a$ $b$", "!$a$ $b$"},
        {"$1 $22", "p$1 p$22"},
        {"$1a", "!$1a"},
        {"a$1 a$$b", "ia$1 ia$$b"},
        {"\"a\"\"b\" \"", "q\"a\"\"b\" !\""},
        {"U&\"a\" U&'a' u & v", "qU&\"a\" sU&'a' iu o& iv"},
        {"1 1.5 .5 1. 1e5 1.e-5 1..2", "n1 n1.5 n.5 n1. n1e5 n1.e-5 n1 :.. n2"},
        {"1a", "!1a"},
        {"1e", "!1e"},
        {"0x1F", "!0x1F"},
        {"1_000", "!1_000"},
        {"a.b.c", "ia :. ib :. ic"},
        {"a::b := c => d", "ia ::: ib ::= ic :=> id"},
        {"a<-1", "ia o< o- n1"},
        {"a@-1", "ia o@- n1"},
        {"a<=-b", "ia o<= o- ib"},
        {"a->>'b'", "ia o->> s'b'"},
        {"a*/*c*/b", "ia o* ib"},
        {"a---b", "ia"},
        {"a!=b<>c", "ia o!= ib o<> ic"},
        {"\xc3\xa4 a\xc3\xa4", "i\xc3\xa4 ia\xc3\xa4"},
        {"a\\b", "ia !\\b"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        CHECK(tokens(row.text) == row.expected);
    }
}

TEST_CASE("SqlLexer: every prefix of a text ends") {
    const std::string text =
        "SELECT E'a\\'' 'b'\n'c', $q$x$q$, U&\"d\" /* e /* f */ */ -- g\n FROM h.\"i\" WHERE "
        "j<=-1.5e+3 AND $1::k = B'0'";
    for (std::size_t length = 0; length <= text.size(); ++length) {
        SqlLexer lexer{std::string_view{text}.substr(0, length)};
        std::size_t count = 0;
        while (lexer.next().kind != TokenKind::end)
            REQUIRE(++count < 100);
        CHECK(lexer.position() == length);
        literal_blind_key(std::string_view{text}.substr(0, length), seed);
    }
}

TEST_CASE("StatementSplitter: statements") {
    using Pieces = std::vector<std::string>;
    CHECK(split("").empty());
    CHECK(split(" ; -- a\n;").empty());
    CHECK(split("a;b") == Pieces{"a", "b"});
    CHECK(split("a; ;b;") == Pieces{"a", "b"});
    CHECK(split("';';\";\";$$;$$;/*;*/a") == Pieces{"';'", "\";\"", "$$;$$", "/*;*/a"});
    CHECK(split("create rule r as do (a; b); c") == Pieces{"create rule r as do (a; b)", " c"});
    const std::string body =
        "create function f() begin atomic select case when a then b end; c; end";
    CHECK(split(body + ";d") == Pieces{body, "d"});
    const std::string replace = "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC a; END";
    CHECK(split(replace + "; BEGIN; COMMIT") == Pieces{replace, " BEGIN", " COMMIT"});
    CHECK(split("begin; a; end; b") == Pieces{"begin", " a", " end", " b"});
    CHECK(split("a; 'b; c") == Pieces{"a", " 'b; c"});
}

TEST_CASE("literal_blind_key: literals of one class are alike, everything else counts") {
    CHECK(share_key("a = 1", "a = 22"));
    CHECK(share_key("a = 1", "a = 1.5e7"));
    CHECK(share_key("a = 'x'", "a = 'it''s'"));
    CHECK(share_key("a = 'x'", "a = E'\\''"));
    CHECK(share_key("a = 'x'", "a = $$x'$$"));
    CHECK(share_key("a = ''", "a = $q$--$q$"));
    CHECK(share_key("a = B'0'", "a = B'111'"));
    CHECK_FALSE(share_key("a = 1", "a = '1'"));
    CHECK_FALSE(share_key("a = B'1'", "a = X'1'"));
    CHECK_FALSE(share_key("a = 1", "a = NULL"));
    CHECK_FALSE(share_key("a = 1", "a = TRUE"));
    CHECK_FALSE(share_key("a = $1", "a = $2"));
    CHECK_FALSE(share_key("a = 1", "a  = 1"));
    CHECK_FALSE(share_key("a1", "a2"));
    CHECK_FALSE(share_key("\"1\"", "\"2\""));
    CHECK_FALSE(share_key("a /* 1 */", "a /* 2 */"));
    CHECK_FALSE(share_key("a -- 1", "a -- 2"));
    CHECK_FALSE(share_key("a 1", "a 1 1"));
    CHECK_FALSE(share_key("a.1", "a.b"));
    CHECK_FALSE(share_key("", " "));
    // Lengths around the hash's block and word sizes, with the difference at every place.
    for (std::size_t size = 1; size < 300; size += 7) {
        const std::string text(size, 'a');
        for (std::size_t at = 0; at < size; ++at) {
            std::string other = text;
            other[at] = 'b';
            REQUIRE_FALSE(share_key(text, other));
        }
        REQUIRE_FALSE(share_key(text, text + "a"));
    }
}

TEST_CASE("literal_blind_key: what it says of the text") {
    CHECK_FALSE(literal_blind_key("select a", seed).has_literals);
    CHECK(literal_blind_key("select 1", seed).has_literals);
    CHECK(literal_blind_key("select ''", seed).has_literals);
    CHECK_FALSE(literal_blind_key("select $1", seed).has_literals);
    for (const char* text : {"'", "/*", "\"", "$a$", "1a", "U&\"a\"", "\\"}) {
        CAPTURE(text);
        CHECK_FALSE(literal_blind_key(text, seed).usable);
    }
    // The mark of a literal holds a NUL, so a text must not.
    CHECK_FALSE(literal_blind_key(std::string_view{"a\0n", 3}, seed).usable);
    CHECK_FALSE(literal_blind_key("a", seed).key == literal_blind_key("a", {1, 3}).key);
    CHECK_FALSE(TextKeySeed::random().first == TextKeySeed::random().first);
}

TEST_CASE("TextTemplate: says no more than literal_blind_key") {
    const std::vector<std::string> texts = {
        "a = 1",
        "a = 22",
        "a = 1.5e7",
        "a = -1",
        "a = --1",
        "a = 1e",
        "a = 1a",
        "a=1",
        "a=12",
        "a = 'x'",
        "a = 'it''s'",
        "a = 'x",
        "a = E'x'",
        "a = e'x'",
        "a = 'x' 'y'",
        "a = 'x''y'",
        "a = 'x'\n'y'",
        "a = $$x$$",
        "a = .5",
        "a = 5.",
        "a = 5..6",
        "a = 1 + 1",
        "a = 1 + 12",
        "a = 12 + 1",
        "a = 1 + '1'",
        "a1 = 1",
        "a1 = 2",
        "a2 = 1",
        "a = $1",
        "a = 1 -- b",
        "a = 2 -- b",
        "a = 1 -- c",
        "\"a1\" = 1",
        "\"a1\" = 2",
        "a = 1;",
        "a'x'",
        "a'y'",
        "a5",
        "a",
        "",
        "1",
        "2",
        "'1'",
        "''",
        "'",
        "1'a'",
        "2'b'",
        "a in (1, 2)",
        "a in (3, 4)",
        "a in (1,2)",
        "U&\"a\" = 1",
        "a = U&'x' uescape '!'",
        "a = 1 /* 1 */",
        "a = 1 /* 2 */",
        "a = 1 /*",
    };
    int matched = 0;
    for (const auto& text : texts) {
        TextTemplate form;
        if (!form.assign(text)) continue;
        CAPTURE(text);
        CHECK(form.matches(text));
        for (const auto& other : texts) {
            CAPTURE(other);
            if (!form.matches(other)) continue;
            ++matched;
            CHECK(share_key(text, other));
            CHECK(TextTemplate::common_prefix(text) == TextTemplate::common_prefix(other));
        }
    }
    CHECK(matched > 40);
    TextTemplate form;
    CHECK_FALSE(form.matches(""));
    CHECK(form.assign("a = 1"));
    CHECK(form.matches("a = 22"));
    CHECK(form.assign("a = 'x' and b = 3"));
    CHECK(form.matches("a = 'it''s' and b = 44"));
    for (const auto& text :
         {std::string("a = b"),
          std::string("a = E'b'"),
          std::string("'"),
          std::string(TextTemplate::longest, ' ') + "1"}) {
        CHECK_FALSE(form.assign(text));
        CHECK_FALSE(form.matches(text));
    }
    // Every byte at every place of a word.
    for (int byte = 1; byte < 256; ++byte) {
        for (std::size_t at = 0; at < 20; ++at) {
            std::string text(20, '/');
            text[at] = static_cast<char>(byte);
            const bool starts = (byte >= '0' && byte <= '9') || byte == '\'';
            REQUIRE(TextTemplate::common_prefix(text).size() == (starts ? at : text.size()));
        }
    }
}

TEST_CASE("literal_blind_key: a text without literals has OpenSSL's SipHash-2-4-128") {
    const TextKeySeed key{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    std::array<unsigned char, 16> key_bytes;
    std::memcpy(key_bytes.data(), &key, key_bytes.size());
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
    REQUIRE(mac != nullptr);
    for (std::size_t size = 0; size < 600; ++size) {
        std::string text(size, 'a');
        for (std::size_t i = 0; i < size; ++i)
            text[i] = static_cast<char>('a' + i * 7 % 26);
        EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
        std::size_t output_size = 16;
        OSSL_PARAM parameters[] = {
            OSSL_PARAM_construct_size_t("size", &output_size), OSSL_PARAM_construct_end()};
        REQUIRE(EVP_MAC_init(context, key_bytes.data(), key_bytes.size(), parameters) == 1);
        REQUIRE(
            EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(text.data()), size) == 1
        );
        TextKey expected;
        std::size_t written = 0;
        REQUIRE(
            EVP_MAC_final(
                context, reinterpret_cast<unsigned char*>(&expected), &written, sizeof expected
            ) == 1
        );
        EVP_MAC_CTX_free(context);
        REQUIRE(written == sizeof expected);
        CAPTURE(size);
        REQUIRE(literal_blind_key(text, key).key == expected);
    }
    EVP_MAC_free(mac);
}

TEST_CASE("text_hash: every byte, the length and the seed count") {
    const std::string text(100, 'a');
    for (std::size_t size = 0; size < text.size(); ++size) {
        const std::string_view part = std::string_view{text}.substr(0, size);
        CHECK(text_hash(part, seed) != text_hash(std::string_view{text}.substr(0, size + 1), seed));
        for (std::size_t at = 0; at < size; ++at) {
            std::string other{part};
            other[at] = 'b';
            REQUIRE(text_hash(part, seed) != text_hash(other, seed));
        }
    }
    CHECK(text_hash("", seed) != text_hash(std::string_view{"\0", 1}, seed));
    CHECK(text_hash("a", seed) != text_hash("a", {2, 1}));
}

TEST_CASE("is_ascii_safe_encoding: the server's encodings, not the clients' own") {
    for (const char* name :
         {"UTF8",
          "utf-8",
          "Unicode",
          "LATIN1",
          "iso_8859_1",
          "SQL_ASCII",
          "EUC_JP",
          "WIN1252",
          "KOI8R",
          "MULE_INTERNAL",
          "EUC_JIS_2004"}) {
        CAPTURE(name);
        CHECK(is_ascii_safe_encoding(name));
    }
    for (const char* name :
         {"SJIS",
          "BIG5",
          "GBK",
          "UHC",
          "GB18030",
          "JOHAB",
          "SHIFT_JIS_2004",
          "",
          "nonsense",
          "windows949",
          "win936"}) {
        CAPTURE(name);
        CHECK_FALSE(is_ascii_safe_encoding(name));
    }
}

}  // namespace weir::protocol
