// The lexer, the splitter and the keys of a text, which must agree with each other.
#include "protocol/sql_lexer.h"
#include "protocol/text_template.h"
#include "tests/fuzz/fuzz.h"

using namespace weir;
using namespace weir::protocol;

namespace {

struct Seen {
    bool error = false;
    bool literal = false;
    bool unicode_identifier = false;
};

Seen lex(std::string_view text) {
    Seen seen;
    SqlLexer lexer(text);
    const char* behind = text.data();
    for (;;) {
        const auto before = lexer.position();
        const auto token = lexer.next();
        if (token.kind == TokenKind::end) break;
        FUZZ_CHECK(lexer.position() > before && lexer.position() <= text.size());
        FUZZ_CHECK(!token.text.empty() && token.text.data() >= behind);
        behind = token.text.data() + token.text.size();
        FUZZ_CHECK(behind == text.data() + lexer.position());
        seen.error |= token.kind == TokenKind::error;
        seen.literal |= token.kind == TokenKind::string || token.kind == TokenKind::number;
        seen.unicode_identifier |= token.kind == TokenKind::quoted_identifier && token.unicode;
    }
    return seen;
}

void split(std::string_view text) {
    StatementSplitter splitter(text);
    std::string_view statement;
    const char* behind = text.data();
    while (splitter.next(statement)) {
        FUZZ_CHECK(!statement.empty() && statement.data() >= behind);
        behind = statement.data() + statement.size();
        FUZZ_CHECK(behind <= text.data() + text.size());
    }
}

// Two halves of the input, where one may be of the other's template.
void check_template(std::string_view text, const TextKeySeed& seed) {
    const auto middle = text.find('\1');
    const auto left = text.substr(0, middle);
    const auto right = middle == std::string_view::npos ? left : text.substr(middle + 1);
    TextTemplate form;
    if (!form.assign(left) || right.find('\0') != std::string_view::npos || !form.matches(right)) {
        return;
    }
    const auto one = literal_blind_key(left, seed);
    const auto other = literal_blind_key(right, seed);
    FUZZ_CHECK(one.usable && other.usable && one.key == other.key);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    const TextKeySeed seed{1, 2};
    const auto seen = lex(text);
    split(text);
    const auto key = literal_blind_key(text, seed);
    FUZZ_CHECK(key.usable == (!seen.error && !seen.unicode_identifier));
    if (key.usable) FUZZ_CHECK(key.has_literals == seen.literal);
    check_template(text, seed);
    FUZZ_CHECK(text_hash(text, seed) == text_hash(text, seed));
    (void)is_ascii_safe_encoding(text);
    return 0;
}
