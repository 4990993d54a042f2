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

// The value of key=value; empty: it is something else.
std::string_view value_of(std::string_view word, std::string_view key) {
    if (word.size() <= key.size() || word[key.size()] != '=') return {};
    return protocol::is_word(word.substr(0, key.size()), key) ? word.substr(key.size() + 1)
                                                              : std::string_view();
}

bool take_word(std::string_view word, RouteHint& hint) {
    const auto route = value_of(word, "route");
    if (const auto target = target_of(route.empty() ? word : route)) {
        hint.target = target;
        return true;
    }
    const auto host = value_of(word, "host");
    const auto consistency = value_of(word, "consistency");
    if (!host.empty()) hint.host = host;
    if (!consistency.empty()) hint.consistency = consistency;
    return !host.empty() || !consistency.empty();
}

// `inside`: between the comment's signs.
RouteHint hint_in(std::string_view inside) {
    constexpr std::string_view name = "pgweir:";
    if (!inside.empty() && inside.front() == '+') {
        const auto target = target_of(value_of(trimmed(inside.substr(1)), "route"));
        return {target, {}, {}};
    }
    inside = trimmed(inside);
    if (inside.substr(0, name.size()) != name) return {};
    inside.remove_prefix(name.size());
    RouteHint hint;
    for (inside = trimmed(inside); !inside.empty(); inside = trimmed(inside)) {
        const auto end = std::min(inside.find_first_of(" \t\r\n\f\v,"), inside.size());
        if (end > 0 && !take_word(inside.substr(0, end), hint)) return {};
        inside.remove_prefix(std::min(end + 1, inside.size()));
    }
    return hint;
}

}  // namespace

RouteHint route_hint(std::string_view text) {
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
        if (const auto found = hint_in(text.substr(2, end - 4)); found.any()) return found;
        text.remove_prefix(end);
    }
}

}  // namespace weir::router
