#include "pool/io/control_stream.h"

#include "pool/io/tls.h"
#include "protocol/field_cursor.h"
#include "protocol/message.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <sys/socket.h>
#include <utility>

namespace weir::pool {

using protocol::Result;

// Asio learns of the descriptor and of the deadline when there is something to wait for: most steps
// of a login find their bytes there already.
struct ControlStream::Waiter {
    struct Wait {
        Wait(const asio::any_io_executor& executor, int fd)
            : descriptor(executor, fd), timer(executor) {}

        asio::posix::stream_descriptor descriptor;
        asio::steady_timer timer;
    };

    Waiter(const asio::any_io_executor& executor_, int fd_, Clock::time_point deadline_)
        : executor(executor_), fd(fd_), deadline(deadline_) {}

    const asio::any_io_executor executor;
    const int fd;
    Clock::time_point deadline;
    std::optional<Wait> wait;
    bool expired = false;
    // Something was sent: what the peer says next is its answer, and takes a while.
    bool has_asked = false;
};

ControlStream::ControlStream(
    const asio::any_io_executor& executor, Transport transport, Clock::time_point deadline
)
    : transport_(std::move(transport)),
      waiter_(std::make_shared<Waiter>(executor, transport_.descriptor(), deadline)) {}

void ControlStream::set_deadline(Clock::time_point deadline) {
    waiter_->expired = false;
    waiter_->deadline = deadline;
    if (waiter_->wait) arm();
}

// REQUIRES: waiter_->wait.
void ControlStream::arm() {
    auto& timer = waiter_->wait->timer;
    timer.expires_at(waiter_->deadline);
    // The timer may outlive this stream; what it touches must not.
    timer.async_wait([weak = std::weak_ptr(waiter_)](const boost::system::error_code& canceled) {
        const auto waiter = weak.lock();
        if (canceled || !waiter) return;
        // Meant for a deadline that has been replaced since it was queued.
        if (Clock::now() < waiter->deadline) return;
        waiter->expired = true;
        boost::system::error_code ignored;
        waiter->wait->descriptor.cancel(ignored);
    });
}

ControlStream::~ControlStream() {
    release();
}

Transport ControlStream::release() {
    if (waiter_ != nullptr && waiter_->wait && waiter_->wait->descriptor.is_open()) {
        waiter_->wait->timer.cancel();
        // Asio forgets the descriptor without closing it: transport_ owns it.
        (void)waiter_->wait->descriptor.release();
    }
    return std::move(transport_);
}

bool ControlStream::timed_out() const {
    return waiter_->expired || Clock::now() >= waiter_->deadline;
}

protocol::Error ControlStream::failure(const IoResult& result) {
    auto error = protocol::fatal(protocol::sqlstate::connection_failure, "connection broken");
    if (timed_out()) {
        error.message = "timeout";
    } else if (result.status == IoStatus::end) {
        at_end_ = true;
        error.message = "unexpected eof";
    } else if (result.error != 0) {
        error.detail = std::strerror(result.error);
    } else if (transport_.is_tls()) {
        error.detail = tls_failure_text(transport_);
    } else {
        at_end_ = true;
    }
    return error;
}

asio::awaitable<Result<void>> ControlStream::wait_for(IoStatus status) {
    if (timed_out()) co_return failure({IoStatus::failed});
    const auto what = status == IoStatus::want_write ? asio::posix::descriptor_base::wait_write
                                                     : asio::posix::descriptor_base::wait_read;
    if (!waiter_->wait) {
        waiter_->wait.emplace(waiter_->executor, waiter_->fd);
        arm();
    }
    const auto [error] = co_await waiter_->wait->descriptor.async_wait(what, use_op);
    if (timed_out()) co_return failure({IoStatus::failed});
    if (error) {
        const IoResult broken{IoStatus::failed, 0, error.value()};
        co_return failure(broken);
    }
    co_return Result<void>();
}

asio::awaitable<Result<void>> ControlStream::writable() {
    co_return co_await wait_for(IoStatus::want_write);
}

asio::awaitable<Result<char>> ControlStream::peek() {
    while (true) {
        char byte = 0;
        const auto size = ::recv(transport_.descriptor(), &byte, 1, MSG_PEEK);
        if (size == 1) co_return byte;
        if (size == 0) {
            const IoResult end{IoStatus::end};
            co_return failure(end);
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            const IoResult broken{IoStatus::failed, 0, errno};
            co_return failure(broken);
        }
        auto waited = co_await wait_for(IoStatus::want_read);
        if (!waited) co_return waited.error();
    }
}

namespace {

// Not part of a coroutine, so that the buffer is on the stack and not in every waiting frame.
IoResult read_more(Transport& transport) {
    std::array<std::byte, 8192> buffer;
    const auto result = transport.read(buffer);
    if (result.status == IoStatus::ok) {
        transport.unread().append(as_text(Bytes(buffer).first(result.size)));
    }
    return result;
}

}  // namespace

asio::awaitable<Result<void>> ControlStream::fill() {
    // OpenSSL may have the bytes already.
    if (std::exchange(waiter_->has_asked, false) && !transport_.is_tls()) {
        auto waited = co_await wait_for(IoStatus::want_read);
        if (!waited) co_return waited.error();
    }
    while (true) {
        if (timed_out()) co_return failure({IoStatus::failed});
        const auto result = read_more(transport_);
        if (result.status == IoStatus::ok) co_return Result<void>();
        if (result.status == IoStatus::end || result.status == IoStatus::failed) {
            co_return failure(result);
        }
        auto waited = co_await wait_for(result.status);
        if (!waited) co_return waited.error();
    }
}

asio::awaitable<Result<void>> ControlStream::write(Bytes bytes) {
    waiter_->has_asked = true;
    while (!bytes.empty()) {
        const auto result = transport_.write(bytes);
        if (result.status == IoStatus::ok) {
            bytes = bytes.subspan(result.size);
            continue;
        }
        if (result.status == IoStatus::end || result.status == IoStatus::failed) {
            co_return failure(result);
        }
        auto waited = co_await wait_for(result.status);
        if (!waited) co_return waited.error();
    }
    co_return Result<void>();
}

asio::awaitable<Result<void>> ControlStream::handshake() {
    while (true) {
        if (timed_out()) co_return failure({IoStatus::failed});
        const auto result = tls_handshake(transport_);
        if (result.status == IoStatus::ok) co_return Result<void>();
        if (result.status == IoStatus::failed) co_return failure(result);
        auto waited = co_await wait_for(result.status);
        if (!waited) co_return waited.error();
    }
}

asio::awaitable<Result<LoginMessage>> ControlStream::read_message(std::size_t max_body) {
    while (true) {
        const auto& buffer = unread();
        if (buffer.size() >= protocol::message_header_size) {
            protocol::FieldCursor header(as_bytes(buffer).subspan(1));
            const std::size_t length = header.u32();
            if (length < 4 || length - 4 > max_body) {
                co_return protocol::violation("bad packet header: invalid message length");
            }
            if (buffer.size() > length) {
                LoginMessage message(buffer[0], buffer.substr(5, length - 4));
                unread().erase(0, length + 1);
                co_return message;
            }
        }
        auto filled = co_await fill();
        if (!filled) co_return filled.error();
    }
}

}  // namespace weir::pool
