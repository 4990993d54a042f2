#include "pool/server_login.h"

#include "pool/server_handshake.h"

#include <boost/asio/this_coro.hpp>

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::pool {

using conf::SslMode;
using protocol::Error;
using protocol::Result;
namespace sqlstate = protocol::sqlstate;

namespace {

Error connect_error(std::string message, std::string detail = {}) {
    auto error = protocol::fatal(sqlstate::cannot_connect, std::move(message));
    error.detail = std::move(detail);
    return error;
}

// A failure below the protocol, named by the phase it happened in.
Error in_phase(const ControlStream& stream, Error error, const char* phase) {
    if (stream.timed_out()) return connect_error("connect timeout", phase);
    if (error.code == sqlstate::connection_failure) {
        error.detail = error.detail.empty() ? phase : phase + (": " + error.detail);
    }
    return error;
}

// A socket whose connect() is under way or done.
Result<Transport> start_connect(const SocketAddress& address, const ServerTarget& target) {
    const int descriptor =
        ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return connect_error("connect failed", std::strerror(errno));
    Transport transport(descriptor);
    if (target.settings) set_socket_options(descriptor, address, *target.settings);
    // EAGAIN: the backlog of a Unix socket is full; for the pool that is a refusal like any other.
    if (::connect(descriptor, address.get(), address.size) != 0 && errno != EINPROGRESS) {
        return connect_error("connect failed", std::strerror(errno));
    }
    return transport;
}

asio::awaitable<Result<void>> finish_connect(ControlStream& stream) {
    auto writable = co_await stream.writable();
    if (!writable) co_return in_phase(stream, writable.error(), "connect");
    int failure = 0;
    socklen_t size = sizeof failure;
    ::getsockopt(stream.transport().descriptor(), SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure != 0) co_return connect_error("connect failed", std::strerror(failure));
    co_return Result<void>();
}

// SSLRequest, its answer and the handshake. False: the server has no TLS.
asio::awaitable<Result<bool>> start_tls(
    ControlStream& stream, const TlsContext& tls, const std::string& host
) {
    protocol::MessageWriter request;
    protocol::write_ssl_request(request);
    const auto bytes = request.view();
    auto sent = co_await stream.write(bytes);
    if (!sent) co_return in_phase(stream, sent.error(), "TLS request");
    auto answered = co_await stream.fill();
    if (!answered) co_return in_phase(stream, answered.error(), "TLS request");
    // Whatever stands behind the answer came over the open network and could pose as encrypted
    // (CVE-2021-23222).
    if (stream.unread().size() > 1) {
        co_return protocol::violation("received unencrypted data after SSL response");
    }
    const char answer = stream.unread().front();
    stream.unread().clear();
    if (answer == 'N') co_return false;
    // An 'E' would start an error text that nobody has authenticated (CVE-2024-10977).
    if (answer != 'S') co_return protocol::violation("invalid response to SSLRequest");
    if (auto put = tls.connect(stream.transport(), host); !put) co_return put.error();
    auto done = co_await stream.handshake();
    if (!done) {
        auto error = in_phase(stream, done.error(), "TLS handshake");
        if (!stream.timed_out()) error.message = "TLS handshake with the server failed";
        co_return error;
    }
    co_return true;
}

bool needs_tls(SslMode mode) {
    return mode == SslMode::require || mode == SslMode::verify_ca || mode == SslMode::verify_full;
}

// The order in which TLS is tried (libpq's): with prefer and allow, the other way is the second.
struct TlsPlan {
    bool first = false;
    bool may_change = false;
};

TlsPlan plan_tls(const ServerTarget& target, const SocketAddress& address) {
    if (!target.tls || address.is_unix()) return {};
    switch (target.tls->mode()) {
        case SslMode::disable:
            return {};
        case SslMode::allow:
            return {false, true};
        case SslMode::prefer:
            return {true, true};
        default:
            return {true, false};
    }
}

// pg_hba.conf refuses this kind of connection; another kind may be welcome.
bool depends_on_tls(const Error& error) {
    return error.code == sqlstate::invalid_authorization;
}

void describe(ControlStream& stream, LoggedInServer& server) {
    const int descriptor = stream.transport().descriptor();
    const auto peer = SocketAddress::peer_of(descriptor);
    const auto local = SocketAddress::local_of(descriptor);
    server.address = peer.host();
    server.port = peer.port();
    server.local_address = local.host();
    server.local_port = local.port();
    server.tls_text = tls_text(stream.transport());
}

// Each address gets an equal share of what is left, so that a silent one does not use up all.
Clock::time_point share_of(Clock::time_point deadline, std::size_t addresses_left) {
    const auto now = Clock::now();
    if (addresses_left <= 1 || deadline <= now) return deadline;
    return now + (deadline - now) / static_cast<long>(addresses_left);
}

}  // namespace

asio::awaitable<Result<LoggedInServer>> ServerLogin::log_in_at(
    const ServerTarget& target,
    const ServerCredentials& credentials,
    SocketAddress address,
    bool with_tls,
    Clock::time_point deadline
) {
    auto connecting = start_connect(address, target);
    if (!connecting) co_return connecting.error();
    const auto executor = co_await asio::this_coro::executor;
    ControlStream stream(executor, std::move(*connecting), deadline);
    auto connected = co_await finish_connect(stream);
    if (!connected) co_return connected.error();
    if (with_tls) {
        auto encrypted = co_await start_tls(stream, *target.tls, target.host);
        if (!encrypted) {
            if (stream.transport().is_tls()) counts_.handshake_failed();
            co_return encrypted.error();
        }
        counts_.encrypted(tls_text(stream.transport()));
        if (!*encrypted && needs_tls(target.tls->mode())) {
            co_return connect_error("server refused TLS");
        }
    }
    const bool clear_text_is_safe =
        stream.transport().is_tls() || address.is_unix() || address.is_loopback();
    ServerHandshake handshake(stream, target, credentials, threads_, key_cache_);
    auto done = co_await handshake.run(clear_text_is_safe);
    if (!done) co_return in_phase(stream, done.error(), "login");
    LoggedInServer server;
    describe(stream, server);
    server.parameters = std::move(handshake.parameters());
    server.cancel_key = std::move(handshake.cancel_key());
    server.transport = stream.release();
    co_return server;
}

asio::awaitable<Result<LoggedInServer>> ServerLogin::log_in(
    ServerTarget target, ServerCredentials credentials, Clock::time_point deadline
) {
    const auto begun = Clock::now();
    auto server = co_await log_in_anywhere(target, credentials, deadline);
    if (server) {
        counts_.succeeded(Clock::now() - begun);
    } else {
        counts_.failed(server.error().code.text());
    }
    co_return server;
}

asio::awaitable<Result<LoggedInServer>> ServerLogin::log_in_anywhere(
    const ServerTarget& target, const ServerCredentials& credentials, Clock::time_point deadline
) {
    const std::string host = target.address.empty() ? target.host : target.address;
    const auto max_age =
        target.settings ? target.settings->dns_max_ttl : std::chrono::milliseconds::zero();
    auto addresses = co_await resolver_.resolve(host, target.port, deadline, max_age);
    if (!addresses) co_return addresses.error();
    Error last = connect_error("connect failed");
    for (std::size_t i = 0; i < addresses->size(); ++i) {
        const SocketAddress address = (*addresses)[i];
        const auto until = share_of(deadline, addresses->size() - i);
        const auto plan = plan_tls(target, address);
        auto server = co_await log_in_at(target, credentials, address, plan.first, until);
        if (!server && plan.may_change && depends_on_tls(server.error())) {
            auto other = co_await log_in_at(target, credentials, address, !plan.first, until);
            // If both are refused, the first answer is the one for the wanted kind.
            if (other) co_return std::move(*other);
        }
        if (server) co_return std::move(*server);
        last = server.error();
        // The server has spoken: another address of the same host would say the same.
        if (last.code != sqlstate::cannot_connect && last.code != sqlstate::connection_failure) {
            break;
        }
        if (Clock::now() >= deadline) break;
    }
    resolver_.forget(host, target.port);
    co_return last;
}

asio::awaitable<Result<void>> ServerLogin::send_cancel(
    ServerTarget target, protocol::CancelKey key, bool over_tls, Clock::time_point deadline
) {
    const std::string host = target.address.empty() ? target.host : target.address;
    const auto max_age =
        target.settings ? target.settings->dns_max_ttl : std::chrono::milliseconds::zero();
    auto addresses = co_await resolver_.resolve(host, target.port, deadline, max_age);
    if (!addresses) co_return addresses.error();
    auto connecting = start_connect(addresses->front(), target);
    if (!connecting) co_return connecting.error();
    const auto executor = co_await asio::this_coro::executor;
    ControlStream stream(executor, std::move(*connecting), deadline);
    auto connected = co_await finish_connect(stream);
    if (!connected) co_return connected.error();
    if (over_tls && target.tls && !addresses->front().is_unix()) {
        auto encrypted = co_await start_tls(stream, *target.tls, target.host);
        if (!encrypted) co_return encrypted.error();
        if (!*encrypted) co_return connect_error("server refused TLS");
    }
    protocol::MessageWriter request;
    protocol::write_cancel_request(key, request);
    const auto bytes = request.view();
    auto sent = co_await stream.write(bytes);
    if (!sent) co_return in_phase(stream, sent.error(), "cancel request");
    // PostgreSQL closes after it has sent the signal; a reset says that just as well.
    while (true) {
        auto more = co_await stream.fill();
        if (more) {
            stream.unread().clear();
            continue;
        }
        if (stream.timed_out()) co_return connect_error("cancel_wait_timeout");
        co_return Result<void>();
    }
}

}  // namespace weir::pool
