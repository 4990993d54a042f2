#include "pool/io/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::pool {

namespace {

IoResult tls_failure(SSL* ssl, int returned) {
    switch (SSL_get_error(ssl, returned)) {
        case SSL_ERROR_WANT_READ:
            return {IoStatus::want_read};
        case SSL_ERROR_WANT_WRITE:
            return {IoStatus::want_write};
        case SSL_ERROR_ZERO_RETURN:
            return {IoStatus::end};
        case SSL_ERROR_SYSCALL:
            return {IoStatus::failed, 0, errno};
        default:
            return {IoStatus::failed, 0, 0};
    }
}

}  // namespace

Transport::Transport(Transport&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      ssl_(std::exchange(other.ssl_, nullptr)),
      unread_(std::move(other.unread_)) {
    other.unread_.clear();
}

Transport& Transport::operator=(Transport&& other) noexcept {
    if (this != &other) {
        close();
        descriptor_ = std::exchange(other.descriptor_, -1);
        ssl_ = std::exchange(other.ssl_, nullptr);
        unread_ = std::move(other.unread_);
        other.unread_.clear();
    }
    return *this;
}

Transport::~Transport() {
    close();
}

int Transport::release() {
    return std::exchange(descriptor_, -1);
}

void Transport::close() {
    if (ssl_ != nullptr) {
        SSL_free(std::exchange(ssl_, nullptr));
    }
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    unread_.clear();
}

IoResult Transport::read(std::span<std::byte> buffer) {
    if (ssl_ != nullptr) return tls_read(ssl_, buffer);
    ssize_t received;
    do {
        received = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
    } while (received < 0 && errno == EINTR);
    if (received > 0) return {IoStatus::ok, static_cast<std::size_t>(received)};
    if (received == 0) return {IoStatus::end};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::want_read};
    return {IoStatus::failed, 0, errno};
}

IoResult Transport::write(Bytes bytes) {
    if (ssl_ != nullptr) return tls_write(ssl_, bytes);
    ssize_t sent;
    do {
        sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) return {IoStatus::ok, static_cast<std::size_t>(sent)};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::want_write};
    return {IoStatus::failed, 0, errno};
}

void Transport::end_writing() {
    if (ssl_ != nullptr) {
        ERR_clear_error();
        SSL_shutdown(ssl_);
    }
    ::shutdown(descriptor_, SHUT_WR);
}

bool Transport::has_buffered_plaintext() const {
    return ssl_ != nullptr && SSL_has_pending(ssl_) == 1;
}

IoResult tls_read(SSL* ssl, std::span<std::byte> buffer) {
    ERR_clear_error();
    std::size_t size = 0;
    const int returned = SSL_read_ex(ssl, buffer.data(), buffer.size(), &size);
    if (returned == 1) return {IoStatus::ok, size};
    return tls_failure(ssl, returned);
}

IoResult tls_write(SSL* ssl, Bytes bytes) {
    ERR_clear_error();
    std::size_t size = 0;
    const int returned = SSL_write_ex(ssl, bytes.data(), bytes.size(), &size);
    if (returned == 1) return {IoStatus::ok, size};
    return tls_failure(ssl, returned);
}

}  // namespace weir::pool
