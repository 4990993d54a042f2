#include "router/fingerprint.h"

#include "protocol/masked_text.h"
#include "router/pg_query_parser.h"

#include <boost/unordered/unordered_flat_map.hpp>
#include <pg_query.h>

#include <array>

namespace weir::router {

namespace {

using protocol::masked_text;
using protocol::MaskStyle;

// Texts that are remembered; when there are more, all are forgotten.
constexpr std::size_t remembered_texts = 4096;
constexpr std::size_t remembered_bytes = 4U << 20U;

// Ids have to be the same everywhere: no secret seed. Who chooses texts can make two of his own
// share a row of statistics, and nothing else.
constexpr protocol::TextKeySeed fixed_seed{0x7067776569722031U, 0x66696e6765727072U};

std::uint64_t never_zero(std::uint64_t id) {
    return id == 0 ? 1 : id;
}

std::string cut(std::string text) {
    constexpr std::string_view more = "...";
    if (text.size() <= Fingerprint::text_limit) return text;
    auto end = Fingerprint::text_limit - more.size();
    // Not within a character of several bytes.
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
        --end;
    text.resize(end);
    return text.append(more);
}

// 0: the parser cannot read it. REQUIRES: no NUL in it, and a length the parser can stand.
std::uint64_t parser_fingerprint(const std::string& masked) {
    const PgQueryFingerprintResult result = pg_query_fingerprint(masked.c_str());
    const std::uint64_t id = result.error == nullptr ? never_zero(result.fingerprint) : 0;
    pg_query_free_fingerprint_result(result);
    return id;
}

FingerprintRef make_lexical(std::string_view text) {
    auto made = std::make_shared<Fingerprint>();
    made->id = never_zero(protocol::text_hash(
        masked_text(text, MaskStyle::parsed, parser_text_limit, true), fixed_seed
    ));
    made->text = cut(masked_text(text, MaskStyle::shown, parser_text_limit, true));
    if (text.size() > parser_text_limit && !made->text.ends_with("...")) made->text += " ...";
    made->lexical = true;
    return made;
}

// What cannot be read cannot be masked either.
const FingerprintRef& unreadable() {
    static const auto made = [] {
        auto fingerprint = std::make_shared<Fingerprint>();
        fingerprint->text =
            "<text under an unreadable client_encoding, or with backslashes under "
            "standard_conforming_strings = off>";
        fingerprint->id = never_zero(protocol::text_hash(fingerprint->text, fixed_seed));
        fingerprint->lexical = true;
        return FingerprintRef(std::move(fingerprint));
    }();
    return made;
}

}  // namespace

struct FingerprintBook::Memory {
    boost::unordered_flat_map<std::string, FingerprintRef> by_text;
    std::size_t bytes = 0;
};

FingerprintBook::FingerprintBook() : memory_(std::make_unique<Memory>()) {}

FingerprintBook::~FingerprintBook() = default;

FingerprintRef FingerprintBook::find_or_make(std::string_view statement, bool parsed) {
    if (!parsed) return make_lexical(statement);
    auto masked = masked_text(statement, MaskStyle::parsed, parser_text_limit);
    if (const auto found = memory_->by_text.find(masked); found != memory_->by_text.end()) {
        return found->second;
    }
    FingerprintRef made;
    if (const auto id = parser_fingerprint(masked); id != 0) {
        auto fingerprint = std::make_shared<Fingerprint>();
        fingerprint->id = id;
        fingerprint->text = cut(masked_text(statement, MaskStyle::shown, parser_text_limit));
        made = std::move(fingerprint);
    } else {
        made = make_lexical(statement);
    }
    const auto size = masked.size() + made->text.size();
    const bool full =
        memory_->by_text.size() >= remembered_texts || memory_->bytes + size > remembered_bytes;
    if (full) {
        memory_->by_text.clear();
        memory_->bytes = 0;
    }
    memory_->bytes += size;
    memory_->by_text.emplace(std::move(masked), made);
    return made;
}

std::vector<FingerprintRef> FingerprintBook::fingerprints_of(
    std::string_view text, std::size_t count, protocol::TextRules rules
) {
    if (!rules.can_read(text)) return {unreadable()};
    const bool parsed =
        count > 0 && text.size() <= parser_text_limit && text.find('\0') == std::string_view::npos;
    if (!parsed || count == 1) return {find_or_make(text, parsed)};
    std::vector<FingerprintRef> found;
    protocol::StatementSplitter splitter(text);
    for (std::string_view piece; splitter.next(piece);)
        found.push_back(find_or_make(piece, true));
    // What the parser and the lexer see differently (CREATE RULE ... DO (a; b)) is one.
    if (found.size() != count) return {make_lexical(text)};
    return found;
}

FingerprintRef FingerprintBook::fingerprint_of_prepared(std::string_view text) {
    protocol::SqlLexer lexer(text);
    if (!protocol::is_word(lexer.next().text, "prepare")) return nullptr;
    lexer.next();
    // The types of parameters may stand in between, in parentheses.
    for (std::size_t depth = 0;;) {
        const auto token = lexer.next();
        if (token.kind == protocol::TokenKind::end || token.kind == protocol::TokenKind::error) {
            return nullptr;
        }
        if (token.text == "(") ++depth;
        if (token.text == ")" && depth > 0) --depth;
        if (depth == 0 && protocol::is_word(token.text, "as")) break;
    }
    return find_or_make(text.substr(lexer.position()), true);
}

std::string fingerprint_text(std::uint64_t id) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text(16, '0');
    for (std::size_t i = 0; i < text.size(); ++i)
        text[i] = digits[(id >> (60 - 4 * i)) & 15U];
    return text;
}

}  // namespace weir::router
