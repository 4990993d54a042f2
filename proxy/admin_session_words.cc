#include "proxy/admin_session_words.h"

#include "proxy/admin_show.h"
#include "proxy/sql_tokens.h"

#include <array>
#include <vector>

namespace weir::proxy {

namespace {

using protocol::Token;
using protocol::TokenKind;

// More are never looked at.
constexpr std::size_t first_words = 6;

using Words = std::vector<Token>;

Words words_of(std::string_view piece) {
    Words words;
    protocol::SqlLexer lexer(piece);
    while (words.size() < first_words) {
        words.push_back(lexer.next());
        if (words.back().kind == TokenKind::end || words.back().kind == TokenKind::error) break;
    }
    while (words.size() < first_words)
        words.emplace_back();
    return words;
}

std::size_t offset_of(const Token& token, std::string_view piece) {
    return static_cast<std::size_t>(token.text.data() - piece.data());
}

AdminCommand query(std::string sql, long shift) {
    AdminCommand command;
    command.verb = AdminVerb::sql;
    command.value = std::move(sql);
    command.shift = shift;
    return command;
}

// SHOW CLIENTS WHERE wait > 1 is SELECT * FROM clients WHERE wait > 1.
std::optional<AdminCommand> show_as_query(
    const Words& words, std::string_view piece, std::size_t begin
) {
    static constexpr std::array<std::string_view, 15> clauses{
        "where",
        "order",
        "limit",
        "offset",
        "group",
        "having",
        "join",
        "left",
        "right",
        "inner",
        "cross",
        "natural",
        "as",
        "union",
        "full"};
    if (!is_any_keyword(words[2], clauses) || words[1].kind != TokenKind::identifier) return {};
    const auto* const show = find_show(words[1].text);
    if (show == nullptr || show->columns.empty()) return {};
    constexpr std::string_view select = "SELECT * FROM ";
    const auto topic = offset_of(words[1], piece);
    auto sql = std::string(select);
    sql.append(piece.substr(topic));
    return query(
        std::move(sql), static_cast<long>(begin + topic) - static_cast<long>(select.size())
    );
}

std::optional<AdminCommand> parse_query(
    const Words& words, std::string_view piece, std::size_t begin
) {
    if (is_keyword(words[0], "show")) return show_as_query(words, piece, begin);
    static constexpr std::array<std::string_view, 4> starts{"select", "with", "values", "table"};
    if (!is_any_keyword(words[0], starts) && !is_symbol(words[0], "(")) return {};
    if (words[1].kind == TokenKind::end) return {};
    // PgBouncer's SELECT is its SHOW.
    if (is_keyword(words[0], "select") && is_name(words[1]) && words[2].kind == TokenKind::end &&
        find_show(words[1].text) != nullptr) {
        return {};
    }
    return query(std::string(piece), static_cast<long>(begin));
}

AdminCommand of_verb(AdminVerb verb, std::string argument = {}) {
    AdminCommand command;
    command.verb = verb;
    command.argument = std::move(argument);
    return command;
}

std::optional<AdminCommand> parse_transaction(const Words& words) {
    static constexpr std::array<std::string_view, 2> begins{"begin", "start"};
    static constexpr std::array<std::string_view, 2> commits{"commit", "end"};
    static constexpr std::array<std::string_view, 2> rollbacks{"rollback", "abort"};
    if (is_any_keyword(words[0], begins)) {
        const bool start = is_keyword(words[0], "start");
        if (start && !is_keyword(words[1], "transaction")) return {};
        return of_verb(AdminVerb::begin, start ? "START TRANSACTION" : "BEGIN");
    }
    if (is_any_keyword(words[0], commits)) return of_verb(AdminVerb::commit);
    if (is_any_keyword(words[0], rollbacks) && !is_keyword(words[1], "to")) {
        return of_verb(AdminVerb::rollback);
    }
    return {};
}

// "> 5min" and "'30s'" as settings say it: "5m" and "30s".
std::string duration_in(std::string_view text) {
    constexpr std::string_view no_duration = "> =;'\t\r\n";
    const auto begin = text.find_first_not_of(no_duration);
    if (begin == text.npos) return {};
    std::string duration(text.substr(begin, text.find_last_not_of(no_duration) - begin + 1));
    // PostgreSQL's unit.
    if (duration.ends_with("min")) duration.resize(duration.size() - 2);
    return duration;
}

// CANCEL CLIENT 5, CANCEL IDLE_TX > 5min: PgBouncer has nothing like them.
std::optional<AdminCommand> parse_cancel(const Words& words, std::string_view piece) {
    if (!is_keyword(words[0], "cancel")) return {};
    if (is_keyword(words[1], "client") && words[2].kind == TokenKind::number &&
        words[3].kind == TokenKind::end) {
        return of_verb(AdminVerb::cancel_client, std::string(words[2].text));
    }
    if (is_keyword(words[1], "query") && words[2].kind != TokenKind::end) {
        // One word to us; numbers and identifiers to the lexer.
        const auto rest = piece.substr(offset_of(words[2], piece));
        const auto end = std::min(rest.find_last_not_of(" \t\r\n") + 1, rest.size());
        return of_verb(AdminVerb::cancel_query, std::string(rest.substr(0, end)));
    }
    if (!is_keyword(words[1], "idle_tx") || words[2].kind == TokenKind::end) return {};
    auto command = of_verb(AdminVerb::cancel_idle_tx);
    command.value = duration_in(piece.substr(offset_of(words[2], piece)));
    return command;
}

// TRACE CLIENT 5 [FOR 30s]
std::optional<AdminCommand> parse_trace(const Words& words, std::string_view piece) {
    const bool traces = is_keyword(words[0], "trace") && is_keyword(words[1], "client") &&
                        words[2].kind == TokenKind::number;
    if (!traces) return {};
    auto command = of_verb(AdminVerb::trace_client, std::string(words[2].text));
    if (words[3].kind == TokenKind::end) return command;
    if (!is_keyword(words[3], "for") || words[4].kind == TokenKind::end) return {};
    command.value = duration_in(piece.substr(offset_of(words[4], piece)));
    return command;
}

// SET forms that PgBouncer's SET key = value does not have.
std::optional<AdminCommand> parse_set_words(const Words& words) {
    std::size_t at = 1;
    if (is_keyword(words[1], "session") || is_keyword(words[1], "local")) ++at;
    const bool ignored = is_keyword(words[at], "characteristics") ||
                         is_keyword(words[at], "transaction") || is_keyword(words[at], "names") ||
                         (is_keyword(words[at], "time") && is_keyword(words[at + 1], "zone"));
    const bool pretended =
        words[at].kind == TokenKind::identifier && is_pretended_parameter(words[at].text);
    if (!ignored && !pretended) return {};
    return of_verb(AdminVerb::ignore, "SET");
}

// What drivers and pools send to bring a session back, and what asks for a server's settings.
std::optional<AdminCommand> parse_session(const Words& words) {
    if (is_keyword(words[0], "set")) return parse_set_words(words);
    if (is_keyword(words[0], "discard")) {
        return of_verb(AdminVerb::ignore, is_keyword(words[1], "all") ? "DISCARD ALL" : "DISCARD");
    }
    if (is_keyword(words[0], "reset") && !is_keyword(words[1], "queries")) {
        return of_verb(AdminVerb::ignore, "RESET");
    }
    if (is_keyword(words[0], "unlisten")) return of_verb(AdminVerb::ignore, "UNLISTEN");
    const bool all = is_keyword(words[1], "all");
    if (is_keyword(words[0], "close") && all) return of_verb(AdminVerb::ignore, "CLOSE CURSOR ALL");
    if (is_keyword(words[0], "deallocate") && all) {
        return of_verb(AdminVerb::ignore, "DEALLOCATE ALL");
    }
    if (is_keyword(words[0], "show") && is_keyword(words[1], "transaction") &&
        is_keyword(words[2], "isolation")) {
        return of_verb(AdminVerb::show, "transaction_isolation");
    }
    if (is_keyword(words[0], "show") && is_keyword(words[1], "time") &&
        is_keyword(words[2], "zone")) {
        return of_verb(AdminVerb::show, "timezone");
    }
    return {};
}

}  // namespace

std::optional<AdminCommand> parse_sql_or_session(std::string_view piece, std::size_t begin) {
    const auto words = words_of(piece);
    if (auto command = parse_query(words, piece, begin)) return command;
    if (auto command = parse_transaction(words)) return command;
    if (auto command = parse_cancel(words, piece)) return command;
    if (auto command = parse_trace(words, piece)) return command;
    return parse_session(words);
}

}  // namespace weir::proxy
