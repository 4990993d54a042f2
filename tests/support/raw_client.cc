#include "tests/support/raw_client.h"

#include "tests/support/scram_client.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace weir::test {
namespace {

// A sanity limit: no test expects a message larger than this from a server.
constexpr std::uint32_t max_message = 1u << 30;

std::uint32_t length_word(const std::string& bytes) {
    std::uint32_t value = 0;
    for (const char c : bytes)
        value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

int connect_or_throw(int family, const sockaddr* address, socklen_t length) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd, address, length) == 0) return fd;
    const std::string reason = std::strerror(errno);
    ::close(fd);
    throw std::runtime_error("cannot connect: " + reason);
}

std::string md5_hex(const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int length = 0;
    EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_md5(), nullptr);
    std::string hex;
    for (unsigned int i = 0; i < length; ++i) {
        constexpr const char* digits = "0123456789abcdef";
        hex += digits[digest[i] >> 4];
        hex += digits[digest[i] & 15];
    }
    return hex;
}

}  // namespace

RawClient RawClient::tcp(int port, const std::string& address) {
    const auto network_port = htons(static_cast<std::uint16_t>(port));
    int fd = -1;
    if (address.find(':') != std::string::npos) {
        sockaddr_in6 to{};
        to.sin6_family = AF_INET6;
        to.sin6_port = network_port;
        ::inet_pton(AF_INET6, address.c_str(), &to.sin6_addr);
        fd = connect_or_throw(AF_INET6, reinterpret_cast<sockaddr*>(&to), sizeof to);
    } else {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = network_port;
        ::inet_pton(AF_INET, address.c_str(), &to.sin_addr);
        fd = connect_or_throw(AF_INET, reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return RawClient{fd};
}

RawClient RawClient::unix_socket(const std::string& path) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof to.sun_path - 1);
    return RawClient{connect_or_throw(AF_UNIX, reinterpret_cast<sockaddr*>(&to), sizeof to)};
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      context_(std::exchange(other.context_, nullptr)),
      ssl_(std::exchange(other.ssl_, nullptr)),
      wait_(other.wait_),
      key_pid_(other.key_pid_),
      key_secret_(std::move(other.key_secret_)) {}

RawClient::~RawClient() {
    close();
}

void RawClient::poll_for(short events, const Deadline& deadline) const {
    pollfd poll_fd{fd_, events, 0};
    if (::poll(&poll_fd, 1, deadline.left_ms()) <= 0) {
        throw std::runtime_error(
            events == POLLIN ? "no bytes from the peer in time" : "the peer takes no bytes in time"
        );
    }
}

void RawClient::send(std::string_view bytes) {
    if (ssl_ != nullptr) return send_tls(bytes);
    const Deadline deadline{wait_};
    while (!bytes.empty()) {
        poll_for(POLLOUT, deadline);
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno != EAGAIN && errno != EINTR) {
            throw std::runtime_error(std::string("send: ") + std::strerror(errno));
        }
    }
}

void RawClient::send_tls(std::string_view bytes) {
    while (!bytes.empty()) {
        // The descriptor is blocking; SSL_write returns when all is gone.
        const int sent = SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
        if (sent <= 0) throw std::runtime_error("SSL_write failed");
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void RawClient::send_in_chunks(std::string_view bytes, std::size_t size) {
    while (!bytes.empty()) {
        const std::string_view chunk = bytes.substr(0, size);
        send(chunk);
        bytes.remove_prefix(chunk.size());
        // Long enough for the peer to be woken by each piece now and then.
        ::usleep(100);
    }
}

std::size_t RawClient::send_some(std::string_view bytes) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

std::size_t RawClient::read_some(char* to, std::size_t count) {
    const Deadline deadline{wait_};
    if (ssl_ != nullptr) return read_tls(to, count, deadline);
    for (;;) {
        poll_for(POLLIN, deadline);
        const ssize_t got = ::recv(fd_, to, count, MSG_DONTWAIT);
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno == ECONNRESET) return 0;
        if (errno != EAGAIN && errno != EINTR) {
            throw std::runtime_error(std::string("recv: ") + std::strerror(errno));
        }
    }
}

std::size_t RawClient::read_tls(char* to, std::size_t count, const Deadline& deadline) {
    if (SSL_pending(ssl_) == 0) poll_for(POLLIN, deadline);
    ERR_clear_error();
    const int got = SSL_read(ssl_, to, static_cast<int>(count));
    return got > 0 ? static_cast<std::size_t>(got) : 0;
}

std::string RawClient::receive_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    std::size_t have = 0;
    while (have < count) {
        const std::size_t got = read_some(bytes.data() + have, count - have);
        if (got == 0) throw std::runtime_error("the peer has closed the connection");
        have += got;
    }
    return bytes;
}

std::string RawClient::receive_to_end() {
    std::string all;
    std::array<char, 65536> buffer{};
    while (const std::size_t got = read_some(buffer.data(), buffer.size())) {
        all.append(buffer.data(), got);
    }
    return all;
}

bool RawClient::readable_within(std::chrono::milliseconds time) const {
    if (ssl_ != nullptr && SSL_pending(ssl_) > 0) return true;
    pollfd poll_fd{fd_, POLLIN, 0};
    return ::poll(&poll_fd, 1, static_cast<int>(time.count())) > 0;
}

std::optional<BackendMessage> RawClient::receive_or_end() {
    BackendMessage message;
    if (read_some(&message.type, 1) == 0) return std::nullopt;
    const std::uint32_t length = length_word(receive_bytes(4));
    if (length < 4 || length > max_message) {
        throw std::runtime_error(
            std::string("not a message: type ") + message.type + ", length " +
            std::to_string(length)
        );
    }
    message.body = receive_bytes(length - 4);
    return message;
}

BackendMessage RawClient::receive() {
    auto message = receive_or_end();
    if (!message) throw std::runtime_error("the peer has closed the connection");
    return std::move(*message);
}

BackendMessages RawClient::receive_until(char type) {
    BackendMessages messages;
    do {
        auto message = receive_or_end();
        if (!message) {
            throw std::runtime_error(
                std::string("the peer has closed the connection before ") + type + ", after:\n" +
                text(messages)
            );
        }
        messages.push_back(std::move(*message));
    } while (messages.back().type != type);
    return messages;
}

BackendMessages RawClient::receive_messages_to_end() {
    BackendMessages messages;
    while (auto message = receive_or_end())
        messages.push_back(std::move(*message));
    return messages;
}

BackendMessages RawClient::exchange(std::string_view bytes) {
    send(bytes);
    return receive_until('Z');
}

BackendMessages RawClient::login(
    const std::string& user,
    const std::string& database,
    const std::string& password,
    const StartupParameters& more
) {
    BackendMessages messages = try_login(user, database, password, more);
    if (messages.empty() || messages.back().type != 'Z') {
        throw std::runtime_error("login refused:\n" + text(messages));
    }
    return messages;
}

BackendMessages RawClient::try_login(
    const std::string& user,
    const std::string& database,
    const std::string& password,
    const StartupParameters& more
) {
    StartupParameters parameters{{"user", user}, {"database", database}};
    parameters.insert(parameters.end(), more.begin(), more.end());
    send(startup(parameters));
    BackendMessages messages;
    while (auto message = receive_or_end()) {
        messages.push_back(std::move(*message));
        const BackendMessage& last = messages.back();
        if (last.type == 'R') answer_authentication(last, user, password);
        if (last.type == 'K') {
            key_pid_ = last.key_pid();
            key_secret_ = last.key_secret();
        }
        if (last.type == 'Z') break;
    }
    return messages;
}

void RawClient::answer_authentication(
    const BackendMessage& request, const std::string& user, const std::string& password
) {
    switch (request.authentication_code()) {
        case 0:
            return;
        case 3:
            return send(password_message(password));
        case 5: {
            const std::string salt = request.body.substr(4, 4);
            return send(password_message("md5" + md5_hex(md5_hex(password + user) + salt)));
        }
        case 10:
            return answer_sasl(request, password);
        default:
            throw std::runtime_error(
                "unknown authentication " + std::to_string(request.authentication_code())
            );
    }
}

void RawClient::answer_sasl(const BackendMessage& request, const std::string& password) {
    if (request.body.find("SCRAM-SHA-256") == std::string::npos) {
        throw std::runtime_error("SCRAM-SHA-256 is not offered");
    }
    ScramClient scram{password};
    const std::string first = scram.client_first();
    send(message(
        'p', cstring("SCRAM-SHA-256") + int32(static_cast<std::int64_t>(first.size())) + first
    ));
    const BackendMessage challenge = receive();
    if (challenge.type != 'R') throw std::runtime_error("login refused: " + challenge.text());
    send(message('p', scram.client_final(challenge.body.substr(4))));
    const BackendMessage outcome = receive();
    if (outcome.type != 'R') throw std::runtime_error("login refused: " + outcome.text());
    scram.check_server_final(outcome.body.substr(4));
}

void RawClient::start_tls(int max_protocol_version) {
    send(ssl_request());
    const std::string answer = receive_bytes(1);
    if (answer != "S") throw std::runtime_error("TLS refused: " + answer);
    tls_handshake(max_protocol_version);
}

void RawClient::tls_handshake(int max_protocol_version) {
    context_ = SSL_CTX_new(TLS_client_method());
    // Old versions need the lowest security level even to be offered.
    if (max_protocol_version != 0) SSL_CTX_set_security_level(context_, 0);
    if (max_protocol_version != 0) SSL_CTX_set_max_proto_version(context_, max_protocol_version);
    if (max_protocol_version != 0) SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    // SSL_* wait in the blocking socket: bound that, too.
    const timeval limit{20L * patience(), 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (SSL_connect(ssl_) == 1) return;
    throw std::runtime_error("the TLS handshake failed");
}

void RawClient::half_close() {
    ::shutdown(fd_, SHUT_WR);
}

void RawClient::reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
}

void RawClient::close() {
    SSL_free(std::exchange(ssl_, nullptr));
    SSL_CTX_free(std::exchange(context_, nullptr));
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace weir::test
