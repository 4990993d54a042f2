// Listener: the sockets clients connect to, TCP and Unix, and the loop that accepts.
#pragma once

#include "conf/settings.h"
#include "pool/io/socket_address.h"
#include "pool/io/transport.h"
#include "protocol/error.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weir::proxy {

namespace asio = boost::asio;

class Listener {
public:
    // Gets every accepted connection, its descriptor non-blocking and close-on-exec. Called on the
    // executor's thread.
    using OnAccept = std::function<void(pool::Transport)>;

    Listener(asio::any_io_executor executor, OnAccept on_accept);
    // Stops.
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // Binds everything `settings` names; an Error if one of the addresses cannot be had at all or
    // nothing is named. Blocks for the lookup of names: for start-up only.
    protocol::Result<void> open(const conf::Settings& settings);
    // One address or name, "*" for all addresses of both families; port 0 takes any free one.
    protocol::Result<void> open_tcp(
        const std::string& host, int port, const conf::Settings& settings
    );
    // The socket .s.PGSQL.<port> in a directory, or "@directory" in the abstract name space. A file
    // that nobody listens on is replaced; one that somebody does is an Error.
    protocol::Result<void> open_unix(
        const std::string& directory, int port, const conf::Settings& settings
    );

    // Begins to accept on all that is open.
    void start();
    // Closes; unlinks the Unix socket if the file is still this one.
    void stop();
    // Closes the TCP sockets only (SHUTDOWN WAIT_FOR_SERVERS leaves the console a door).
    void stop_tcp();

    // Where clients can connect, in the order of opening.
    std::vector<pool::SocketAddress> addresses() const;

    // Times accepting paused because descriptors or memory had run out.
    std::size_t pauses() const { return *pauses_; }

private:
    struct Socket;

    static asio::awaitable<void> accept_all(
        std::shared_ptr<Socket> socket, OnAccept on_accept, std::shared_ptr<std::size_t> pauses
    );
    protocol::Result<void> bind(
        const pool::SocketAddress& address,
        const conf::Settings& settings,
        const std::string& unix_path
    );

    asio::any_io_executor executor_;
    OnAccept on_accept_;
    std::vector<std::shared_ptr<Socket>> sockets_;
    std::shared_ptr<std::size_t> pauses_ = std::make_shared<std::size_t>(0);
};

}  // namespace weir::proxy
