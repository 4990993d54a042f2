#include "proxy/slow_log_format.h"

#include "proxy/slow_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <unistd.h>

namespace weir::proxy {

namespace {

// Length of the UTF-8 sequence at the start of `text`, 0 if there is none.
std::size_t sequence_length(std::string_view text) {
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return 0;
    }
    return length;
}

template <class Append>
void for_each_character(std::string_view text, Append&& append) {
    while (!text.empty()) {
        const auto length = sequence_length(text);
        append(length == 0 ? std::string_view() : text.substr(0, length));
        text.remove_prefix(length == 0 ? 1 : length);
    }
}

constexpr std::string_view replacement = "\xef\xbf\xbd";

// On one line; `comma`: what stands for a comma.
std::string plain(std::string_view text, char comma = ',') {
    std::string out;
    for_each_character(text, [&](std::string_view character) {
        if (character.empty()) {
            out.append(replacement);
        } else if (static_cast<unsigned char>(character[0]) < 0x20 || character[0] == 0x7f) {
            out += ' ';
        } else if (character[0] == ',') {
            out += comma;
        } else {
            out.append(character);
        }
    });
    return out;
}

double ms(std::uint64_t microseconds) {
    return static_cast<double>(microseconds) / 1000;
}

std::string_view shown_text(const SlowStatement& s) {
    return s.fingerprint == nullptr ? std::string_view() : std::string_view(s.fingerprint->text);
}

std::string fingerprint_of(const SlowStatement& s) {
    return s.fingerprint == nullptr ? std::string() : router::fingerprint_text(s.fingerprint->id);
}

std::string server_of(const SlowStatement& s) {
    if (s.server_address.empty()) return {};
    return fmt::format("{}:{}", s.server_address, s.server_port);
}

std::string json_line(const SlowStatement& s) {
    using std::chrono::microseconds;
    const auto since = std::chrono::duration_cast<microseconds>(s.ended.time_since_epoch());
    std::string out = fmt::format(
        R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:06}Z")",
        fmt::gmtime(std::chrono::system_clock::to_time_t(s.ended)),
        since.count() % 1'000'000
    );
    const auto number = [&](std::string_view name, auto value) {
        out += fmt::format(R"(,"{}":{})", name, value);
    };
    const auto text = [&](std::string_view name, std::string_view value) {
        out += fmt::format(R"(,"{}":{})", name, json_quote(value));
    };
    number("duration_ms", ms(s.duration));
    number("wait_ms", ms(s.wait));
    number("server_ms", ms(s.server));
    number("client_ms", ms(s.client));
    text("fingerprint", fingerprint_of(s));
    text("query", shown_text(s));
    number("rows", s.rows);
    number("bytes_in", s.bytes_in);
    number("bytes_out", s.bytes_out);
    text("database", s.database);
    text("user", s.user);
    text("application", s.application);
    text("client", s.address.empty() ? "unix" : fmt::format("{}:{}", s.address, s.port));
    number("client_id", s.client_id);
    text("server", server_of(s));
    number("server_pid", s.server_process);
    text("role", s.on_replica ? "replica" : "primary");
    text("route_reason", s.route_reason);
    number("retries", s.retries);
    if (!s.traceparent.empty()) text("traceparent", s.traceparent);
    if (!s.sqlstate.empty()) text("sqlstate", s.sqlstate);
    if (!s.parameters.empty()) text("statement", s.parameters);
    if (!s.plan.empty()) text("plan", s.plan);
    return out + "}\n";
}

std::string text_line(const SlowStatement& s) {
    const auto prefix = fmt::format(
        "{:%Y-%m-%d %H:%M:%S} UTC [{}]: user={},db={},app={},client={} ",
        fmt::gmtime(std::chrono::system_clock::to_time_t(s.ended)),
        s.client_id,
        plain(s.user, '_'),
        plain(s.database, '_'),
        s.application.empty() ? "[unknown]" : plain(s.application, '_'),
        s.address.empty() ? "[local]" : plain(s.address, '_')
    );
    auto out = fmt::format(
        "{0}LOG:  duration: {1:.3f} ms  statement: {2}\n"
        "{0}DETAIL:  wait: {3:.3f} ms, server: {4:.3f} ms, client: {5:.3f} ms, fingerprint: {6}, "
        "rows: {7}, bytes in: {8}, bytes out: {9}, server: {10}, role: {11}, route: {12}, "
        "retries: {13}",
        prefix,
        ms(s.duration),
        plain(s.parameters.empty() ? shown_text(s) : std::string_view(s.parameters)),
        ms(s.wait),
        ms(s.server),
        ms(s.client),
        fingerprint_of(s),
        s.rows,
        s.bytes_in,
        s.bytes_out,
        server_of(s),
        s.on_replica ? "replica" : "primary",
        s.route_reason,
        s.retries
    );
    if (!s.traceparent.empty()) out += ", traceparent: " + s.traceparent;
    if (!s.sqlstate.empty()) out += ", sqlstate: " + s.sqlstate;
    if (!s.plan.empty()) out += ", plan: " + plain(s.plan);
    return out + "\n";
}

}  // namespace

std::string json_quote(std::string_view text) {
    std::string out = "\"";
    for_each_character(text, [&](std::string_view character) {
        if (character.empty()) {
            out.append(replacement);
        } else if (character == "\"" || character == "\\") {
            out.append("\\").append(character);
        } else if (static_cast<unsigned char>(character[0]) < 0x20) {
            out += fmt::format("\\u{:04x}", static_cast<unsigned char>(character[0]));
        } else {
            out.append(character);
        }
    });
    return out + "\"";
}

std::string slow_log_line(const SlowStatement& statement, conf::SlowLogFormat format) {
    return format == conf::SlowLogFormat::json ? json_line(statement) : text_line(statement);
}

}  // namespace weir::proxy
