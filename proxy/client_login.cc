#include "proxy/client_login.h"

#include "pool/io/control_stream.h"
#include "pool/io/socket_address.h"
#include "protocol/backend_messages.h"
#include "protocol/message.h"
#include "proxy/log.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <exception>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::proxy {

using conf::SslMode;
using pool::Clock;
using pool::ControlStream;
using protocol::MessageWriter;
using protocol::Result;
namespace sqlstate = protocol::sqlstate;

namespace {

// First byte of a TLS record that starts a handshake; no startup packet is long enough to have it.
constexpr char tls_handshake_record = 0x16;

// How long a refused client may take to read why, and how much it may still send meanwhile.
constexpr std::chrono::seconds linger_time{1};
constexpr int linger_reads = 64;

Clock::time_point deadline_of(const conf::Settings& settings) {
    // Off. Asio's timers do not like the end of time.
    if (settings.client_login_timeout.count() == 0)
        return Clock::now() + std::chrono::hours(24 * 365);
    return Clock::now() + settings.client_login_timeout;
}

bool needs_tls(SslMode mode) {
    return mode == SslMode::require || mode == SslMode::verify_ca || mode == SslMode::verify_full;
}

// What startup packets have led to.
struct Negotiated {
    Negotiated() = default;

    std::optional<protocol::StartupMessage> startup;
    std::optional<protocol::CancelKey> cancel;
};

// The login of one connection; lives in the frame of ClientLogins::serve.
class Login {
public:
    Login(
        const asio::any_io_executor& executor,
        pool::Transport transport,
        const LoginPolicy& policy,
        Authenticator& authenticator,
        pool::LoginCounts& counts
    )
        : policy_(policy),
          authenticator_(authenticator),
          counts_(counts),
          settings_(policy.settings()),
          tls_(policy.tls()),
          peer_(pool::SocketAddress::peer_of(transport.descriptor())),
          executor_(executor),
          stream_(executor, std::move(transport), deadline_of(*settings_)) {}

    asio::awaitable<void> run();

private:
    asio::awaitable<Result<Negotiated>> negotiate();
    asio::awaitable<Result<void>> direct_tls();
    asio::awaitable<Result<void>> answer_ssl_request();
    asio::awaitable<Result<void>> answer_gssenc_request();
    asio::awaitable<Result<protocol::StartupPacket>> read_packet();
    asio::awaitable<Result<void>> start_tls();
    asio::awaitable<Result<void>> log_in(protocol::StartupMessage startup);
    asio::awaitable<Result<void>> authenticate(MessageWriter& out);
    asio::awaitable<void> refuse(protocol::Error error);
    void deliver(protocol::StartupMessage& startup, protocol::Settings settings);
    LoginRequest request_of(const protocol::StartupMessage& startup) const;

    bool can_tls() const { return tls_ != nullptr && !peer_.is_unix(); }

    bool is_tls() { return stream_.transport().is_tls(); }

    const LoginPolicy& policy_;
    Authenticator& authenticator_;
    pool::LoginCounts& counts_;
    const Clock::time_point begun_ = Clock::now();
    // One snapshot for the whole login: a reload in between changes nothing.
    const std::shared_ptr<const conf::Settings> settings_;
    const std::shared_ptr<const pool::TlsContext> tls_;
    const pool::SocketAddress peer_;
    const asio::any_io_executor executor_;
    ControlStream stream_;
    bool in_handshake_ = false;  // a plain text would be read as a broken TLS record
    bool spoken_ = false;        // the client has sent something
    LoginRequest request_;
    std::shared_ptr<void> permit_;
};

asio::awaitable<void> Login::run() {
    auto negotiated = co_await negotiate();
    if (!negotiated) {
        co_await refuse(negotiated.error());
        co_return;
    }
    if (negotiated->cancel) {
        co_await policy_.cancel(std::move(*negotiated->cancel));
        co_return;
    }
    auto done = co_await log_in(std::move(*negotiated->startup));
    if (!done) co_await refuse(done.error());
}

asio::awaitable<Result<Negotiated>> Login::negotiate() {
    if (can_tls()) {
        // A handshake must find all of its bytes in the socket.
        auto first = co_await stream_.peek();
        if (!first) co_return first.error();
        spoken_ = true;
        if (*first == tls_handshake_record) {
            auto started = co_await direct_tls();
            if (!started) co_return started.error();
        }
    } else {
        auto filled = co_await stream_.fill();
        if (!filled) co_return filled.error();
        spoken_ = true;
    }
    bool ssl_asked = is_tls();
    bool gssenc_asked = false;
    while (true) {
        auto packet = co_await read_packet();
        if (!packet) co_return packet.error();
        if (std::holds_alternative<protocol::SSLRequest>(*packet)) {
            if (ssl_asked) co_return protocol::violation("client re-sent SSL request");
            ssl_asked = true;
            auto answered = co_await answer_ssl_request();
            if (!answered) co_return answered.error();
        } else if (std::holds_alternative<protocol::GSSENCRequest>(*packet)) {
            if (gssenc_asked) co_return protocol::violation("client re-sent GSSAPI request");
            gssenc_asked = true;
            auto answered = co_await answer_gssenc_request();
            if (!answered) co_return answered.error();
        } else {
            Negotiated result;
            if (auto* const cancel = std::get_if<protocol::CancelRequest>(&*packet)) {
                result.cancel = std::move(cancel->key);
            } else {
                result.startup = std::get<protocol::StartupMessage>(std::move(*packet));
            }
            co_return result;
        }
    }
}

// PostgreSQL 17's sslnegotiation=direct: TLS first, and ALPN must say that PostgreSQL is meant.
asio::awaitable<Result<void>> Login::direct_tls() {
    auto started = co_await start_tls();
    if (!started) co_return started.error();
    if (!pool::negotiated_postgresql(stream_.transport())) {
        co_return protocol::violation(
            "received direct SSL connection request without ALPN protocol negotiation extension"
        );
    }
    co_return Result<void>();
}

asio::awaitable<Result<void>> Login::start_tls() {
    if (auto put = tls_->accept(stream_.transport()); !put) co_return put.error();
    in_handshake_ = true;
    auto done = co_await stream_.handshake();
    if (!done) {
        counts_.handshake_failed();
        co_return done.error();
    }
    in_handshake_ = false;
    counts_.encrypted(pool::tls_text(stream_.transport()));
    co_return Result<void>();
}

asio::awaitable<Result<void>> Login::answer_ssl_request() {
    // Sent before anything was agreed, so nobody knows by whom (CVE-2021-23214, CVE-2021-3935).
    if (!stream_.unread().empty()) {
        co_return protocol::violation("received unencrypted data after SSL request");
    }
    const std::string_view answer = can_tls() ? "S" : "N";
    const auto bytes = as_bytes(answer);
    auto sent = co_await stream_.write(bytes);
    if (!sent) co_return sent.error();
    if (can_tls()) co_return co_await start_tls();
    co_return Result<void>();
}

asio::awaitable<Result<void>> Login::answer_gssenc_request() {
    if (!stream_.unread().empty()) {
        co_return protocol::violation("received unencrypted data after GSSAPI encryption request");
    }
    const auto bytes = as_bytes("N");
    co_return co_await stream_.write(bytes);
}

asio::awaitable<Result<protocol::StartupPacket>> Login::read_packet() {
    while (true) {
        const auto size = protocol::startup_packet_size(as_bytes(stream_.unread()));
        if (!size) co_return size.error();
        if (*size != 0 && stream_.unread().size() >= *size) {
            const auto whole = as_bytes(stream_.unread()).first(*size);
            auto packet = protocol::parse_startup_packet(whole);
            stream_.unread().erase(0, *size);
            co_return packet;
        }
        auto filled = co_await stream_.fill();
        if (!filled) co_return filled.error();
    }
}

LoginRequest Login::request_of(const protocol::StartupMessage& startup) const {
    LoginRequest request;
    request.user = startup.user;
    request.database = startup.database;
    request.address = peer_.host();
    request.unix_socket = peer_.is_unix();
    request.console = conf::is_console_database(startup.database);
    return request;
}

asio::awaitable<Result<void>> Login::log_in(protocol::StartupMessage startup) {
    request_ = request_of(startup);
    request_.owner = request_.console && request_.unix_socket &&
                     conf::is_console_database(request_.user) &&
                     pool::peer_user_is(stream_.transport().descriptor(), ::geteuid());
    if (needs_tls(settings_->client_tls_sslmode) && !is_tls() && !request_.unix_socket) {
        co_return protocol::fatal(sqlstate::invalid_authorization, "SSL required");
    }
    auto settings = protocol::startup_settings(startup, settings_->ignore_startup_parameters);
    if (!settings) co_return settings.error();
    auto permit = policy_.admit(request_);
    if (!permit) co_return permit.error();
    permit_ = std::move(*permit);

    MessageWriter out;
    if (const auto negotiated = protocol::negotiate_protocol(startup)) {
        protocol::write_negotiate_protocol_version(*negotiated, out);
        startup.version = negotiated->version;
        const auto bytes = out.view();
        auto sent = co_await stream_.write(bytes);
        if (!sent) co_return sent.error();
        out.clear();
    }
    auto authenticated = co_await authenticate(out);
    if (!authenticated) co_return authenticated.error();
    if (auto authorized = policy_.authorize(request_); !authorized) co_return authorized.error();
    protocol::write_authentication_ok(out);
    const auto bytes = out.view();
    auto sent = co_await stream_.write(bytes);
    if (!sent) co_return sent.error();
    deliver(startup, std::move(*settings));
    co_return Result<void>();
}

asio::awaitable<Result<void>> Login::authenticate(MessageWriter& out) {
    if (request_.owner) co_return Result<void>();
    AuthenticationRequest question;
    question.user = request_.user;
    question.type = settings_->auth_type;
    question.secret = policy_.secret_of(request_.user);
    question.scram_iterations = settings_->scram_iterations;
    question.unknown_users_get_scram =
        policy_.unknown_users_get_scram && policy_.unknown_users_get_scram();
    co_return co_await authenticator_.authenticate(stream_, out, std::move(question));
}

void Login::deliver(protocol::StartupMessage& startup, protocol::Settings settings) {
    LoggedInClient client;
    const auto local = pool::SocketAddress::local_of(stream_.transport().descriptor());
    client.user = std::move(startup.user);
    client.database = std::move(startup.database);
    client.settings = std::move(settings);
    client.version = startup.version;
    client.address = request_.address;
    client.port = request_.unix_socket ? settings_->listen_port : peer_.port();
    client.local_address = local.host();
    client.local_port = request_.unix_socket ? settings_->listen_port : local.port();
    client.unix_socket = request_.unix_socket;
    client.console = request_.console;
    client.owner = request_.owner;
    client.tls_text = pool::tls_text(stream_.transport());
    client.permit = std::move(permit_);
    client.transport = stream_.release();
    counts_.succeeded(Clock::now() - begun_);
    policy_.deliver(std::move(client));
}

// Tells the client why, if it can still hear it, and leaves it time to read that: closing with
// bytes unread would send a reset that overtakes the text.
asio::awaitable<void> Login::refuse(protocol::Error error) {
    const bool too_late = stream_.timed_out();
    permit_.reset();
    if (stream_.at_end() && !too_late) {
        // Probes of load balancers connect and close; that is no event.
        log_of(LogComponent::clients).debug("C {} left before the end of its login", peer_.host());
        co_return;
    }
    if (too_late) error = protocol::fatal(sqlstate::query_canceled, "client_login_timeout");
    if (spoken_) counts_.failed(error.code.text());
    if (spoken_ && settings_->log_pooler_errors) {
        log_of(LogComponent::clients)
            .warn(
                "C {}/{}@{}:{} closing because: {}{}{}",
                printable(request_.database),
                printable(request_.user),
                peer_.host(),
                peer_.port(),
                printable(error.message),
                error.detail.empty() ? "" : ": ",
                printable(error.detail)
            );
    }
    if (in_handshake_ || error.code == sqlstate::connection_failure) co_return;
    auto transport = stream_.release();
    MessageWriter out;
    error.severity = protocol::Severity::fatal;  // whoever said it: the connection ends
    error.detail.clear();                        // for the log only: it may help an attacker
    protocol::write_error(error, out);
    ControlStream rest(executor_, std::move(transport), Clock::now() + linger_time);
    const auto bytes = out.view();
    auto sent = co_await rest.write(bytes);
    if (!sent) co_return;
    (void)::shutdown(rest.transport().descriptor(), SHUT_WR);
    for (int reads = 0; reads < linger_reads; ++reads) {
        auto more = co_await rest.fill();
        if (!more) co_return;
        rest.unread().clear();
    }
}

}  // namespace

ClientLogins::ClientLogins(
    asio::any_io_executor executor, const LoginPolicy& policy, Authenticator& authenticator
)
    : executor_(std::move(executor)), policy_(policy), authenticator_(authenticator) {}

void ClientLogins::start(pool::Transport transport) {
    ++under_way_;
    auto login = serve(std::move(transport));
    asio::co_spawn(executor_, std::move(login), [this](const std::exception_ptr& failure) {
        --under_way_;
        if (!failure) return;
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& problem) {
            log_of(LogComponent::clients)
                .error("a client's login failed inside pgweir: {}", problem.what());
        }
    });
}

asio::awaitable<void> ClientLogins::serve(pool::Transport transport) {
    Login login(executor_, std::move(transport), policy_, authenticator_, counts_);
    co_await login.run();
}

}  // namespace weir::proxy
