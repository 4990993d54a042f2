// Transport: one connected stream - descriptor, TLS session and the bytes read but not yet used.
//
// It knows no loop. The control plane awaits its descriptor with Asio, a worker drives it through
// a Channel of its EventLoop. A hand-over between them moves the Transport; whoever receives it
// uses unread() first and then tries one read before waiting (an edge that has passed does not
// come again).
#pragma once

#include "protocol/types.h"

#include <openssl/types.h>

#include <span>
#include <string>
#include <utility>

namespace weir::pool {

enum class IoStatus {
    ok,          // size bytes were moved, size > 0
    want_read,   // nothing moved: wait until readable
    want_write,  // nothing moved: wait until writable
    end,         // the peer has closed its side (read only)
    failed,      // the connection is broken; error is an errno, 0 for a TLS error
};

struct IoResult {
    IoStatus status = IoStatus::failed;
    std::size_t size = 0;
    int error = 0;
};

class Transport {
public:
    Transport() = default;

    // Owns `descriptor`, which must be non-blocking.
    explicit Transport(int descriptor) : descriptor_(descriptor) {}

    Transport(Transport&& other) noexcept;
    Transport& operator=(Transport&& other) noexcept;
    ~Transport();

    explicit operator bool() const { return descriptor_ >= 0; }

    int descriptor() const { return descriptor_; }

    // Gives the descriptor away; the Transport is empty afterwards.
    int release();
    void close();

    // Owns `ssl`, which must be bound to the descriptor (SSL_set_fd) or will be by the caller.
    void start_tls(SSL* ssl) { ssl_ = ssl; }

    SSL* tls() const { return ssl_; }

    bool is_tls() const { return ssl_ != nullptr; }

    // Plaintext that was read from the peer and belongs to whoever reads next.
    std::string& unread() { return unread_; }

    // Non-blocking; plain or TLS. read() does not look at unread().
    IoResult read(std::span<std::byte> buffer);
    IoResult write(Bytes bytes);
    // Tells the peer that nothing more will come; reading goes on. Whatever fails shows by reading.
    void end_writing();
    // TLS holds decrypted bytes that no readiness event will announce.
    bool has_buffered_plaintext() const;

private:
    int descriptor_ = -1;
    SSL* ssl_ = nullptr;
    std::string unread_;
};

// SSL_read and SSL_write with their errors as an IoResult; shared with Channel.
IoResult tls_read(SSL* ssl, std::span<std::byte> buffer);
IoResult tls_write(SSL* ssl, Bytes bytes);

}  // namespace weir::pool
