// ServerLogin: from a host and credentials to an authenticated connection in sync and idle.
//
// Control plane; what burns (PBKDF2) or blocks (getaddrinfo) goes to the thread pool.
#pragma once

#include "pool/host_resolver.h"
#include "pool/io/control_stream.h"
#include "pool/io/tls.h"
#include "pool/login_counts.h"
#include "protocol/backend_messages.h"
#include "protocol/scram_key_cache.h"
#include "protocol/startup.h"

#include <boost/asio/thread_pool.hpp>

#include <memory>
#include <optional>
#include <string>

namespace weir::pool {

// Where to, and as whom. Not an aggregate on purpose: it is handed to coroutines (style.md 0.1).
struct ServerTarget {
    ServerTarget() = default;

    std::string host;     // name, address, or directory of a Unix socket ("/...", "@...")
    std::string address;  // if not empty: connect here; `host` is what a certificate must be for
    int port = 5432;
    std::string database;
    std::string user;
    protocol::Settings startup_parameters;  // sent after user and database
    // Absent: no TLS, whatever its mode. Unix sockets never have TLS, as with libpq.
    std::shared_ptr<const TlsContext> tls;
    // For keepalive and the like.
    std::shared_ptr<const conf::Settings> settings;
};

struct ServerCredentials {
    ServerCredentials() = default;

    // A plain password, or an md5 secret, which is good for md5 logins only.
    std::optional<std::string> password;
    // Used for SCRAM if there is no plain password.
    std::optional<protocol::ScramKeyPair> scram_keys;
    // A plain password goes out in clear text only over TLS, a Unix socket or the loopback
    // interface, unless this is set.
    bool allow_clear_text = false;
};

struct LoggedInServer {
    LoggedInServer() = default;

    Transport transport;            // unread() may hold what came after ReadyForQuery
    protocol::Settings parameters;  // ParameterStatus, in the server's order, last value
    protocol::CancelKey cancel_key;
    std::string address;  // numeric, or "unix"
    int port = 0;
    std::string local_address;
    int local_port = 0;
    std::string tls_text;
};

class ServerLogin {
public:
    // `threads` must outlive this; it must be joined before the io_context is destroyed.
    explicit ServerLogin(asio::thread_pool& threads) : threads_(threads), resolver_(threads) {}

    // Every address of the host is tried until one answers. An Error is the server's own
    // (its SQLSTATE and text) or says in ours what failed. Ends by `deadline`.
    asio::awaitable<protocol::Result<LoggedInServer>> log_in(
        ServerTarget target, ServerCredentials credentials, Clock::time_point deadline
    );

    // Sends a CancelRequest on a connection of its own and returns at that connection's EOF: after
    // it no signal of this request can come any more. `over_tls`: the connection to be cancelled
    // has TLS, so this one must.
    asio::awaitable<protocol::Result<void>> send_cancel(
        ServerTarget target, protocol::CancelKey key, bool over_tls, Clock::time_point deadline
    );

    const HostResolver& resolver() const { return resolver_; }

    // Of all logins, those of host monitors and listening connections among them.
    const LoginCounts& counts() const { return counts_; }

private:
    asio::awaitable<protocol::Result<LoggedInServer>> log_in_anywhere(
        const ServerTarget& target, const ServerCredentials& credentials, Clock::time_point deadline
    );
    asio::awaitable<protocol::Result<LoggedInServer>> log_in_at(
        const ServerTarget& target,
        const ServerCredentials& credentials,
        SocketAddress address,
        bool with_tls,
        Clock::time_point deadline
    );

    asio::thread_pool& threads_;
    HostResolver resolver_;
    LoginCounts counts_;
    protocol::ScramKeyCache key_cache_;
};

}  // namespace weir::pool
