#include "pool/server_connection.h"

#include "pool/server_pool.h"
#include "protocol/field_cursor.h"
#include "protocol/message.h"

#include <algorithm>
#include <atomic>

namespace weir::pool {

namespace {

std::atomic<std::uint64_t> next_server_id{1};

// A server that says more than this while idle is not one of ours any more.
constexpr std::size_t idle_message_limit = 64 * 1024;
constexpr std::size_t idle_read_size = 4 * 1024;

}  // namespace

std::string_view text(ServerState state) {
    switch (state) {
        case ServerState::idle:
            return "idle";
        case ServerState::active:
            return "active";
        case ServerState::testing:
            return "tested";
        case ServerState::being_canceled:
            return "being_canceled";
        case ServerState::closing:
            return "closing";
    }
    return "";
}

std::string_view text(CloseReason reason) {
    switch (reason) {
        case CloseReason::lifetime:
            return "server lifetime over";
        case CloseReason::idle_timeout:
            return "server idle timeout";
        case CloseReason::server_closed:
            return "server conn crashed?";
        case CloseReason::client_pinned:
            return "client left session state behind";
        case CloseReason::protocol_violation:
            return "server broke the protocol";
        case CloseReason::io_error:
            return "server connection failed";
        case CloseReason::reset_failed:
            return "reset failed";
        case CloseReason::reconnect:
            return "obsolete connection";
        case CloseReason::configuration_changed:
            return "database configuration changed";
        case CloseReason::over_limit:
            return "too many servers in the pool";
        case CloseReason::check_failed:
            return "test query failed";
        case CloseReason::cancel_uncertain:
            return "a cancel request may still be under way";
        case CloseReason::killed:
            return "admin forced disconnect";
        case CloseReason::shutdown:
            return "shutdown";
        case CloseReason::used_once:
            return "used once (server_lifetime = 0)";
        case CloseReason::room_for_other_pool:
            return "evicted";
        case CloseReason::role_changed:
            return "its host is not the primary any more";
        case CloseReason::foreign_settings:
            return "custom settings of other clients";
    }
    return "";
}

ServerConnection::ServerConnection(ServerPool& pool, ServerIdentity identity, Transport transport)
    : floating(std::move(transport)),
      pool_(&pool),
      identity_(std::move(identity)),
      id_(next_server_id.fetch_add(1, std::memory_order_relaxed)),
      connected_at_(Clock::now()) {
    std::vector<protocol::Parameter> reported;
    for (const auto& [name, value] : identity_.welcome) {
        if (!protocol::is_server_fact(name)) reported.push_back({name, value, true});
    }
    parameters = protocol::ParameterSet::make(std::move(reported));
    last_used = connected_at_;
}

void ServerConnection::attach(EventLoop& loop, ChannelHandler& handler) {
    if (channel) {
        channel.set_handler(handler);
    } else {
        channel = loop.add(std::move(floating), handler, shared_from_this());
    }
}

void ServerConnection::detach() {
    if (channel) floating = channel.detach();
}

void ServerConnection::report_parameter(std::string_view name, std::string_view value) {
    if (protocol::is_server_fact(name)) return;
    parameters =
        protocol::ParameterSet::with(parameters, {std::string(name), std::string(value), true});
}

std::string_view ServerConnection::login_user() const {
    for (const auto& [name, value] : identity_.welcome) {
        if (name == "session_authorization") return value;
    }
    return {};
}

void ServerConnection::make_uncertain(std::string_view name) {
    const bool known = std::any_of(uncertain.begin(), uncertain.end(), [&](const auto& other) {
        return protocol::same_parameter_name(other, name);
    });
    if (!known) uncertain.emplace_back(name);
}

void ServerConnection::on_ready(std::uint64_t key) {
    // The pool may have lent it elsewhere since this event was raised.
    if (!pool_->claim_for_test(*this, key)) return;
    auto* const loop = channel.loop();
    if (!read_while_idle()) {
        pool_->retire(*this, CloseReason::server_closed, true);
        return;
    }
    const std::lock_guard lock(pool_->mutex_);
    pool_->put_back(*this, home, loop->now());
}

// Notices, notifications and parameter changes are fine; an error or an end is not.
bool ServerConnection::read_while_idle() {
    // Not the loop's buffer: the request this server was lent for may lie there.
    std::array<std::byte, idle_read_size> buffer;
    for (;;) {
        const auto result = channel.read(buffer);
        if (result.status == IoStatus::want_read) return true;
        if (result.status != IoStatus::ok) return false;
        partial.append(as_text(Bytes(buffer).first(result.size)));
        std::string_view left = partial;
        while (left.size() >= protocol::message_header_size) {
            protocol::FieldCursor header(as_bytes(left.substr(1, 4)));
            const auto length = header.u32();
            if (length < 4 || length > idle_message_limit) return false;
            if (left.size() < length + 1) break;
            const char type = left[0];
            protocol::FieldCursor body(as_bytes(left.substr(5, length - 4)));
            if (type == protocol::backend::parameter_status) {
                const auto name = body.c_string();
                const auto value = body.c_string();
                if (!body.finished()) return false;
                report_parameter(name, value);
            } else if (type != protocol::backend::notice_response && type != protocol::backend::notification_response) {
                return false;
            }
            left.remove_prefix(length + 1);
        }
        partial.erase(0, partial.size() - left.size());
        if (partial.size() > idle_message_limit) return false;
    }
}

}  // namespace weir::pool
