#include "proxy/log.h"

#include "proxy/client_session.h"

#include <algorithm>

namespace weir::proxy {

namespace {

constexpr std::size_t longest_text = 512;

// Length of the UTF-8 sequence at the start of `text`, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned char>(text[i]);
    };
    const auto first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
    }
    // U+0080..U+009F are control characters, too.
    return length == 2 && first == 0xc2 && byte(1) < 0xa0 ? 0 : length;
}

}  // namespace

void log_failure(std::exception_ptr failure) {
    if (!failure) return;
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        spdlog::error("control plane: {}", e.what());
    }
}

std::string printable(std::string_view text) {
    const bool cut = text.size() > longest_text;
    text = text.substr(0, longest_text);
    const auto is_plain = [](char c) {
        return c >= 0x20 && c < 0x7f && c != '\\';
    };
    const auto plain_end = std::find_if_not(text.begin(), text.end(), is_plain);
    // Nearly always all of it.
    const auto plain = static_cast<std::size_t>(plain_end - text.begin());
    std::string out(text.substr(0, plain));
    text.remove_prefix(plain);
    while (!text.empty()) {
        const auto length = utf8_length(text);
        const auto c = static_cast<unsigned char>(text.front());
        if (length == 0 || c < 0x20 || c == 0x7f || c == '\\') {
            out += fmt::format("\\x{:02x}", c);
            text.remove_prefix(1);
            continue;
        }
        out.append(text.substr(0, length));
        text.remove_prefix(length);
    }
    if (cut) out += "...";
    return out;
}

std::string printable_without_passwords(std::string_view text) {
    constexpr std::string_view mark = "password=";
    std::string out;
    while (!text.empty()) {
        const auto found =
            std::search(text.begin(), text.end(), mark.begin(), mark.end(), [](char a, char b) {
                return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
            });
        if (found == text.end()) break;
        const auto end = static_cast<std::size_t>(found - text.begin()) + mark.size();
        out.append(text.substr(0, end)).append("***");
        text.remove_prefix(end);
        // A quoted value may have spaces in it.
        const bool quoted = !text.empty() && text.front() == '\'';
        const auto stop = text.find_first_of(quoted ? "'" : " \t\r\n;,&", quoted ? 1 : 0);
        text.remove_prefix(std::min(stop == text.npos ? text.size() : stop, text.size()));
    }
    return printable(out.append(text));
}

std::string session_prefix(const ClientSession& session) {
    const auto& client = session.start();
    return fmt::format(
        "C-{} {}/{}@{}:{}",
        client.id,
        printable(client.database),
        printable(client.user),
        client.address,
        client.port
    );
}

void log_pin(const ClientSession& session, std::string_view reason, std::string_view detail) {
    if (!log_of(LogComponent::pins).should_log(spdlog::level::debug)) return;
    log_of(LogComponent::pins)
        .debug("{} keeps its server: {} {}", session_prefix(session), reason, printable(detail));
}

void log_unpin(const ClientSession& session, std::string_view why) {
    if (!log_of(LogComponent::pins).should_log(spdlog::level::debug)) return;
    log_of(LogComponent::pins)
        .debug("{} need not keep its server: {}", session_prefix(session), why);
}

// Until it can, whatever reaches a name of the database's own keeps its server.
void log_catalog(const ClientSession& session, std::string_view what) {
    log_of(LogComponent::catalog)
        .warn("{} the catalog of its database {}", session_prefix(session), what);
}

void log_catalog_read(const ClientSession& session, std::size_t bytes, pool::Duration took) {
    if (!log_of(LogComponent::catalog).should_log(spdlog::level::debug)) return;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
    log_of(LogComponent::catalog)
        .debug("{} has read the catalog (bytes={} ms={})", session_prefix(session), bytes, ms);
}

void log_transactions(const ClientSession& session, std::uint64_t all, std::uint64_t pinned) {
    if (!log_of(LogComponent::clients).should_log(spdlog::level::debug)) return;
    log_of(LogComponent::clients)
        .debug(
            "{} has ended (transactions={} pinned={} application={})",
            session_prefix(session),
            all,
            pinned,
            printable(session.view().application_name)
        );
}

void log_server_violation(const ClientSession& session, std::string_view what) {
    log_of(LogComponent::pool).error("{} server sent {}", session_prefix(session), what);
}

}  // namespace weir::proxy
