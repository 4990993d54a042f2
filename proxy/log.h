// Log lines of sessions. One line per event, PgBouncer's phrases where it has one; what a client
// chose (names, values) is printed so that it cannot end a line or move a cursor.
#pragma once

#include "conf/log_levels.h"
#include "pool/io/timer_queue.h"

#include <spdlog/spdlog.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace weir::proxy {

class ClientSession;

using conf::LogComponent;

// Whose level is set by log_level. Good for as long as the process lives. Any thread.
spdlog::logger& log_of(LogComponent component);

// `text` with control characters, backslashes and bytes that are not UTF-8 as \xNN; "..." stands
// for what is behind the first 512 bytes.
std::string printable(std::string_view text);

// The same with what stands behind "password=" left out: for texts that others have made.
std::string printable_without_passwords(std::string_view text);

// "C-<id> database/user@address:port"
std::string session_prefix(const ClientSession& session);

template <class... Args>
void log_session(const ClientSession& session, fmt::format_string<Args...> format, Args&&... args) {
    log_of(LogComponent::clients)
        .info("{} {}", session_prefix(session), fmt::format(format, std::forward<Args>(args)...));
}

// For co_spawn: what ended a coroutine of the control plane, if anything did.
void log_failure(std::exception_ptr failure);

void log_pin(const ClientSession& session, std::string_view reason, std::string_view detail);
void log_unpin(const ClientSession& session, std::string_view why);
void log_catalog(const ClientSession& session, std::string_view what);
void log_catalog_read(const ClientSession& session, std::size_t bytes, pool::Duration took);
// At the session's end: its transactions, and those on a server that it kept.
void log_transactions(const ClientSession& session, std::uint64_t all, std::uint64_t pinned);
void log_server_violation(const ClientSession& session, std::string_view what);

}  // namespace weir::proxy
