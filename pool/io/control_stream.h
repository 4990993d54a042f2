// ControlStream: a Transport on the control plane, awaited with Asio, under one deadline.
//
// Used by logins on both sides. The Transport comes back with release(), its descriptor open and
// unknown to Asio, and goes to a worker. All of this runs on the control thread.
#pragma once

#include "pool/io/transport.h"
#include "protocol/error.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <memory>
#include <string>

namespace weir {
namespace asio = boost::asio;
}

namespace weir::pool {

inline constexpr auto use_op = asio::as_tuple(asio::use_awaitable);

using Clock = std::chrono::steady_clock;

// One message, its body copied out of the buffer.
struct LoginMessage {
    LoginMessage() = default;

    LoginMessage(char type_, std::string body_) : type(type_), body(std::move(body_)) {}

    char type = 0;
    std::string body;
};

class ControlStream {
public:
    // Takes the descriptor for as long as this lives. `deadline` holds for everything together:
    // once it has passed, every operation fails and timed_out() says so.
    ControlStream(
        const asio::any_io_executor& executor, Transport transport, Clock::time_point deadline
    );
    ~ControlStream();
    ControlStream(const ControlStream&) = delete;
    ControlStream& operator=(const ControlStream&) = delete;

    Transport& transport() { return transport_; }

    std::string& unread() { return transport_.unread(); }

    bool timed_out() const;

    // From now on `deadline` holds instead, as if the one before had never been. Also while an
    // operation waits.
    void set_deadline(Clock::time_point deadline);

    // The peer has closed its side; nothing more will come.
    bool at_end() const { return at_end_; }

    // Waits until the descriptor is writable: a connect() has ended, one way or the other.
    asio::awaitable<protocol::Result<void>> writable();
    // The first byte the peer has sent, left where it is. Plain transports only.
    asio::awaitable<protocol::Result<char>> peek();
    // At least one more byte in unread().
    asio::awaitable<protocol::Result<void>> fill();
    // `bytes` must live until this has returned.
    asio::awaitable<protocol::Result<void>> write(Bytes bytes);
    // REQUIRES: a TlsContext has put a session on transport().
    asio::awaitable<protocol::Result<void>> handshake();
    // One message with a type byte, taken from unread(). A length below 4 or a body above
    // `max_body` is a violation and reads nothing of it.
    asio::awaitable<protocol::Result<LoginMessage>> read_message(std::size_t max_body);

    // Gives the Transport away; this is of no use afterwards.
    Transport release();

private:
    struct Waiter;

    void arm();
    asio::awaitable<protocol::Result<void>> wait_for(IoStatus status);
    protocol::Error failure(const IoResult& result);

    Transport transport_;
    std::shared_ptr<Waiter> waiter_;
    bool at_end_ = false;
};

}  // namespace weir::pool
