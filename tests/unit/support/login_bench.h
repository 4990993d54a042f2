// For tests of logins: connected sockets and an io_context that is pumped by hand, so that both
// ends of a conversation run on the test's own thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <netinet/in.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace weir::test {

// Two ends of a TCP connection on the loopback interface, both non-blocking.
inline std::pair<int, int> tcp_pair() {
    const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    const int near = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(listening, raw, size) != 0 || ::listen(listening, 1) != 0 ||
        ::getsockname(listening, raw, &size) != 0 || ::connect(near, raw, size) != 0) {
        throw std::runtime_error("no TCP pair");
    }
    const int far = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ::close(listening);
    ::fcntl(near, F_SETFL, O_NONBLOCK);
    return {near, far};
}

inline std::pair<int, int> unix_pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        throw std::runtime_error("no socket pair");
    }
    return {ends[0], ends[1]};
}

class Bench {
public:
    Bench() { std::signal(SIGPIPE, SIG_IGN); }

    // Before the io_context goes: what runs on the pool posts to it.
    ~Bench() { threads.join(); }

    // Runs handlers until `holds`; false if that takes more than `patience`.
    bool run_until(
        const std::function<bool()>& holds,
        std::chrono::milliseconds patience = std::chrono::seconds(20)
    ) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!holds()) {
            if (std::chrono::steady_clock::now() > end) return false;
            io.restart();
            io.run_one_for(std::chrono::milliseconds(2));
        }
        return true;
    }

    boost::asio::io_context io;
    boost::asio::thread_pool threads{1};
};

// The scripted end of a connection.
class Peer {
public:
    Peer(Bench& bench, int descriptor) : bench_(bench), descriptor_(descriptor) {}

    ~Peer() { close(); }

    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    void close() {
        if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    }

    void half_close() const { ::shutdown(descriptor_, SHUT_WR); }

    // All of it, unless the other end is gone.
    void send(std::string_view bytes) {
        bench_.run_until([&] {
            const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
            return bytes.empty() || (sent < 0 && errno != EAGAIN);
        });
    }

    // Everything up to the other end's close; sets closed.
    std::string receive_all() {
        bench_.run_until([&] { return !receive_some(); });
        return std::exchange(received, {});
    }

    // Exactly `count` bytes, or less if the other end closes first.
    std::string receive(std::size_t count) {
        bench_.run_until([&] {
            receive_some();
            return closed || received.size() >= count;
        });
        auto bytes = received.substr(0, count);
        received.erase(0, bytes.size());
        return bytes;
    }

    // One message with its type and length; "" if the other end closes first.
    std::string receive_message() {
        const auto header = receive(5);
        if (header.size() < 5) return {};
        std::size_t length = 0;
        for (std::size_t i = 1; i < 5; ++i) {
            length = length << 8 | static_cast<unsigned char>(header[i]);
        }
        return header + receive(length - 4);
    }

    bool closed = false;
    std::string received;

private:
    // True while the connection lives.
    bool receive_some() {
        std::array<char, 4096> buffer{};
        const auto size = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
        if (size > 0) received.append(buffer.data(), static_cast<std::size_t>(size));
        if (size == 0 || (size < 0 && errno != EAGAIN)) closed = true;
        return !closed;
    }

    Bench& bench_;
    int descriptor_;
};

}  // namespace weir::test
