#include "protocol/text_template.h"

#include "protocol/sql_lexer.h"
#include "protocol/sql_scan.h"

#include <cstring>

namespace weir::protocol {

using namespace sql_scan;

namespace {

// For each of eight bytes its highest bit, if it may begin a literal: a digit or a quote. By the
// arithmetic of whole words, since all of every text is looked at.
std::uint64_t literal_starts(std::uint64_t word) {
    constexpr std::uint64_t each = 0x0101010101010101U;
    constexpr std::uint64_t low = each * 0x7f;
    const std::uint64_t from_digit = word ^ each * '0';  // a digit: 0 to 9
    const std::uint64_t no_digit = ((from_digit & low) + each * (0x80 - 10)) | from_digit;
    const std::uint64_t from_quote = word ^ each * '\'';  // a quote: 0
    const std::uint64_t no_quote = ((from_quote & low) + low) | from_quote;
    return ~(no_digit & no_quote) & each * 0x80;
}

}  // namespace

bool TextTemplate::assign(std::string_view text) {
    gaps_.clear();
    if (text.size() > longest) return false;
    SqlLexer lexer(text);
    for (auto token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
        const bool number = token.kind == TokenKind::number;
        const bool string = token.kind == TokenKind::string;
        const char first = token.text.front();
        if (token.kind == TokenKind::error || (number && !is(first, digit)) ||
            (string && first != '\'') ||
            (token.kind == TokenKind::quoted_identifier && token.unicode)) {
            gaps_.clear();
            return false;
        }
        if (!number && !string) continue;
        const auto begin = static_cast<std::uint32_t>(token.text.data() - text.data());
        gaps_.push_back({begin, begin + static_cast<std::uint32_t>(token.text.size()), number});
    }
    text_ = text;
    return !gaps_.empty();
}

std::string_view TextTemplate::common_prefix(std::string_view text) {
    text = text.substr(0, 256);
    std::size_t at = 0;
    for (; text.size() - at >= 8; at += 8) {
        std::uint64_t word;
        std::memcpy(&word, text.data() + at, sizeof word);
        if (literal_starts(word) != 0) break;
    }
    while (at < text.size() && text[at] != '\'' && !is(text[at], digit))
        ++at;
    return text.substr(0, at);
}

// Where the bytes before a gap are the same, the lexer is at the same place in the same state: how
// far a token reaches never hangs on which digit, or what behind a quote, comes next.
bool TextTemplate::matches(std::string_view text) const {
    if (gaps_.empty()) return false;
    const std::string_view own = text_;
    std::size_t own_at = 0;
    std::size_t at = 0;
    for (const Gap& gap : gaps_) {
        const auto between = own.substr(own_at, gap.begin - own_at);
        const auto rest = text.substr(at);
        if (rest.size() <= between.size() || !rest.starts_with(between)) return false;
        at += between.size();
        if (gap.number) {
            if (!is(text[at], digit)) return false;
            at = skip_number(text, at);
        } else {
            if (text[at] != '\'') return false;
            at = skip_string(text, at + 1, false);
        }
        if (at > text.size()) return false;
        own_at = gap.end;
    }
    return text.substr(at) == own.substr(own_at);
}

}  // namespace weir::protocol
