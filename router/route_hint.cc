#include "router/route_hint.h"

#include "protocol/sql_lexer.h"

#include <algorithm>
#include <cstddef>

namespace weir::router {

namespace {

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_space(text.back()))
        text.remove_suffix(1);
    return text;
}

// Behind the nested comments that it may have in it.
std::size_t end_of_comment(std::string_view text) {
    int depth = 0;
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        if (text[i] == '/' && text[i + 1] == '*') {
            ++depth;
            ++i;
        } else if (text[i] == '*' && text[i + 1] == '/') {
            ++i;
            if (--depth == 0) return i + 1;
        }
    }
    return text.size();
}

std::optional<ReadTarget> target_of(std::string_view word) {
    if (protocol::is_word(word, "primary")) return ReadTarget::primary;
    if (protocol::is_word(word, "replica")) return ReadTarget::replica_ok;
    return {};
}

// `inside`: between the comment's signs.
std::optional<ReadTarget> hint_in(std::string_view inside) {
    constexpr std::string_view key = "route=";
    constexpr std::string_view name = "pgweir:";
    if (!inside.empty() && inside.front() == '+') {
        inside = trimmed(inside.substr(1));
        if (inside.substr(0, key.size()) != key) return {};
        return target_of(inside.substr(key.size()));
    }
    inside = trimmed(inside);
    if (inside.substr(0, name.size()) != name) return {};
    inside = trimmed(inside.substr(name.size()));
    if (inside.substr(0, key.size()) == key) inside.remove_prefix(key.size());
    return target_of(inside);
}

}  // namespace

std::optional<ReadTarget> route_hint(std::string_view text) {
    while (true) {
        while (!text.empty() && is_space(text.front()))
            text.remove_prefix(1);
        if (text.substr(0, 2) == "--") {
            text.remove_prefix(std::min(text.find('\n'), text.size()));
            continue;
        }
        if (text.substr(0, 2) != "/*") return {};
        const std::size_t end = end_of_comment(text);
        if (end < 4 || text.substr(end - 2, 2) != "*/") return {};
        if (const auto found = hint_in(text.substr(2, end - 4))) return found;
        text.remove_prefix(end);
    }
}

}  // namespace weir::router
