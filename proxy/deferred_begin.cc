#include "proxy/deferred_begin.h"

#include "protocol/sql_lexer.h"

namespace weir::proxy {

using protocol::SqlLexer;
using protocol::TokenKind;

namespace {

// Whoever repeats SET TRANSACTION for ever gets a server.
constexpr std::size_t longest = 1024;

// From behind `before` tokens to the last one, without semicolons.
std::string_view tokens_behind(std::string_view text, int before) {
    SqlLexer lexer{text};
    const char* begin = nullptr;
    const char* end = nullptr;
    for (auto token = lexer.next(); token.kind != TokenKind::end; token = lexer.next()) {
        if (token.kind == TokenKind::error) return {};
        if (token.text == ";" || before-- > 0) continue;
        if (begin == nullptr) begin = token.text.data();
        end = token.text.data() + token.text.size();
    }
    return begin == nullptr ? std::string_view() : std::string_view(begin, end - begin);
}

}  // namespace

std::string_view begin_tag(std::string_view begin) {
    return protocol::is_word(SqlLexer(begin).next().text, "start") ? "START TRANSACTION" : "BEGIN";
}

std::optional<std::string> begin_with_modes(std::string_view begin, std::string_view set) {
    SqlLexer lexer{set};
    int words = 2;
    if (!protocol::is_word(lexer.next().text, "set")) return std::nullopt;
    auto word = lexer.next().text;
    if (protocol::is_word(word, "local")) {
        word = lexer.next().text;
        ++words;
    }
    if (!protocol::is_word(word, "transaction")) return std::nullopt;
    const auto modes = tokens_behind(set, words);
    const auto first = tokens_behind(begin, 0);
    if (modes.empty() || first.empty() || first.size() + modes.size() > longest)
        return std::nullopt;
    // A comment may end with its line.
    return std::string(first).append(1, '\n').append(modes);
}

}  // namespace weir::proxy
