// ClientLogin: a fresh connection becomes an authenticated client, or is refused.
//
// One coroutine per connection on the control thread, under one deadline (client_login_timeout):
// startup packets, TLS, authentication. Nothing a client does or leaves undone here costs anybody
// else more than its memory: one startup packet, one message.
#pragma once

#include "conf/settings.h"
#include "pool/io/tls.h"
#include "pool/io/transport.h"
#include "pool/login_counts.h"
#include "protocol/startup.h"
#include "proxy/authenticator.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace weir::proxy {

// Who asks to come in.
struct LoginRequest {
    std::string user;
    std::string database;
    std::string address;  // numeric, or "unix"
    bool unix_socket = false;
    bool console = false;  // the database is the console
    // A Unix socket's peer runs as this process's user and calls itself "pgbouncer" or "pgweir":
    // may do everything on the console, without a password.
    bool owner = false;
};

struct LoggedInClient {
    // AuthenticationOk is written; unread() holds what the client sent ahead.
    pool::Transport transport;
    std::string user;
    std::string database;
    protocol::Settings settings;        // of the startup packet, in order
    protocol::ProtocolVersion version;  // spoken from now on
    std::string address;                // numeric, or "unix"
    int port = 0;  // of the peer; listen_port for a Unix socket, as in PgBouncer
    std::string local_address;
    int local_port = 0;
    bool unix_socket = false;
    bool console = false;
    bool owner = false;    // see LoginRequest
    std::string tls_text;  // empty = plain
    // What LoginPolicy::admit gave; to be kept as long as the client is there.
    std::shared_ptr<void> permit;
};

// What only the rest of the proxy knows. Called on the control thread; must not block.
struct LoginPolicy {
    std::function<std::shared_ptr<const conf::Settings>()> settings;
    // Nothing: no TLS for clients.
    std::function<std::shared_ptr<const pool::TlsContext>()> tls;
    // The secret of a user on the list, "" for a user without one; nothing for an unknown user.
    std::function<std::optional<std::string>(const std::string& user)> secret_of;
    // See AuthenticationRequest; may be empty.
    std::function<bool()> unknown_users_get_scram;
    // Before authentication: is there room (max_client_conn and its relatives)? The permit is given
    // back by its destructor, also if the login fails. It must not tell what exists.
    std::function<protocol::Result<std::shared_ptr<void>>(const LoginRequest&)> admit;
    // After it: does the database exist, is it enabled, may this user enter the console?
    std::function<protocol::Result<void>(const LoginRequest&)> authorize;
    // The login is complete. Takes the client over.
    std::function<void(LoggedInClient)> deliver;
    // A CancelRequest. The connection is closed when this has completed.
    std::function<asio::awaitable<void>(protocol::CancelKey)> cancel;
};

class ClientLogins {
public:
    // All must outlive this, and this must outlive the io_context's last handler.
    ClientLogins(
        asio::any_io_executor executor, const LoginPolicy& policy, Authenticator& authenticator
    );

    // Begins the login of one connection; never waits.
    void start(pool::Transport transport);

    // Connections that are neither delivered nor closed.
    std::size_t under_way() const { return under_way_; }

    // Connections that leave before they have said anything are not counted.
    const pool::LoginCounts& counts() const { return counts_; }

private:
    asio::awaitable<void> serve(pool::Transport transport);

    asio::any_io_executor executor_;
    const LoginPolicy& policy_;
    Authenticator& authenticator_;
    std::size_t under_way_ = 0;
    pool::LoginCounts counts_;
};

}  // namespace weir::proxy
