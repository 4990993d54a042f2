#include "pool/io/socket_address.h"

#include <arpa/inet.h>
#include <array>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

namespace weir::pool {

namespace {

void set_option(int descriptor, int level, int name, int value) {
    // A refused option is no reason to refuse the connection.
    (void)::setsockopt(descriptor, level, name, &value, sizeof value);
}

int whole_seconds(conf::Milliseconds time) {
    return static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

}  // namespace

protocol::Result<SocketAddress> SocketAddress::unix_socket(const std::string& path) {
    SocketAddress address;
    auto* const name = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (path.empty() || path.size() >= sizeof name->sun_path) {
        return protocol::error(
            protocol::sqlstate::cannot_connect,
            "Unix socket path \"" + path + "\" is too long (maximum " +
                std::to_string(sizeof name->sun_path - 1) + " bytes)"
        );
    }
    name->sun_family = AF_UNIX;
    std::memcpy(name->sun_path, path.data(), path.size());
    const bool abstract = path.front() == '@';
    if (abstract) name->sun_path[0] = '\0';
    // An abstract name is exactly as long as its address; a path ends with a NUL.
    address.size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
    return address;
}

SocketAddress SocketAddress::peer_of(int descriptor) {
    SocketAddress address;
    address.size = sizeof address.storage;
    if (::getpeername(descriptor, address.get(), &address.size) != 0) return {};
    return address;
}

SocketAddress SocketAddress::local_of(int descriptor) {
    SocketAddress address;
    address.size = sizeof address.storage;
    if (::getsockname(descriptor, address.get(), &address.size) != 0) return {};
    return address;
}

bool SocketAddress::is_loopback() const {
    if (family() == AF_INET) {
        const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&storage);
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (family() == AF_INET6) {
        const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
    }
    return false;
}

std::string SocketAddress::host() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (family() == AF_INET) {
        const auto* const v4 = reinterpret_cast<const sockaddr_in*>(&storage);
        ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    } else if (family() == AF_INET6) {
        const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        // A client of IPv4 on a dual socket is shown as what it is.
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            ::inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text.data(), text.size());
        } else {
            ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
        }
    } else {
        return "unix";
    }
    return text.data();
}

int SocketAddress::port() const {
    if (family() == AF_INET) {
        return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
    }
    if (family() == AF_INET6) {
        return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
    }
    return 0;
}

std::string unix_socket_path(const std::string& directory, int port) {
    return directory + "/.s.PGSQL." + std::to_string(port);
}

void set_socket_options(
    int descriptor, const SocketAddress& address, const conf::Settings& settings
) {
    if (address.is_unix()) return;
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, settings.tcp_keepalive ? 1 : 0);
    if (settings.tcp_keepalive) {
        if (const int idle = whole_seconds(settings.tcp_keepidle); idle > 0) {
            set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, idle);
        }
        if (const int interval = whole_seconds(settings.tcp_keepintvl); interval > 0) {
            set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, interval);
        }
        if (settings.tcp_keepcnt > 0) {
            set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, settings.tcp_keepcnt);
        }
    }
    if (settings.tcp_user_timeout.count() > 0) {
        set_option(
            descriptor,
            IPPROTO_TCP,
            TCP_USER_TIMEOUT,
            static_cast<int>(settings.tcp_user_timeout.count())
        );
    }
}

bool peer_user_is(int descriptor, uid_t user) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           size == sizeof peer && peer.uid == user;
}

int peer_process_of(int descriptor) {
    ucred peer{};
    socklen_t size = sizeof peer;
    const bool known = ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    return known && size == sizeof peer ? peer.pid : 0;
}

}  // namespace weir::pool
