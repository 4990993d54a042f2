#include "proxy/listener.h"

#include "pool/io/control_stream.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::proxy {

using pool::SocketAddress;
using protocol::Result;

namespace {

// Waiting for descriptors to come back; they do so when clients leave.
constexpr std::chrono::milliseconds pause_time{200};
// Connections taken at once before others on this thread get their turn.
constexpr int accepts_per_turn = 64;
// At most, of a client that says nothing; the kernel rounds it up by its retransmissions.
constexpr int silent_seconds = 1;

protocol::Error failed(const std::string& what, const std::string& where, int error) {
    return protocol::error(
        protocol::sqlstate::config_file_error,
        "could not " + what + " " + where + ": " + std::strerror(error)
    );
}

std::string name_of(const SocketAddress& address, const std::string& unix_path) {
    if (address.is_unix()) return "\"" + unix_path + "\"";
    return address.host() + " port " + std::to_string(address.port());
}

Result<std::vector<SocketAddress>> addresses_of(const std::string& host, int port) {
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const char* const node = host == "*" ? nullptr : host.c_str();
    const int failure = ::getaddrinfo(node, std::to_string(port).c_str(), &wanted, &found);
    if (failure != 0) {
        return protocol::error(
            protocol::sqlstate::config_file_error,
            "could not resolve listen_addr \"" + host + "\": " + ::gai_strerror(failure)
        );
    }
    std::vector<SocketAddress> addresses;
    for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
        SocketAddress address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.size = entry->ai_addrlen;
        addresses.push_back(address);
    }
    ::freeaddrinfo(found);
    return addresses;
}

void set_flag(int descriptor, int level, int option) {
    const int on = 1;
    (void)::setsockopt(descriptor, level, option, &on, sizeof on);
}

// Removes the file of a server that is gone. A socket somebody listens on, and any other file, is
// left alone and an Error.
Result<void> remove_stale(const SocketAddress& address, const std::string& path) {
    struct stat status {};

    if (::lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode)) {
        return failed("create Unix socket", "\"" + path + "\"", EEXIST);
    }
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return failed("create Unix socket", "\"" + path + "\"", errno);
    const bool refused =
        ::connect(probe, address.get(), address.size) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    if (!refused) return failed("create Unix socket", "\"" + path + "\"", EADDRINUSE);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return failed("remove stale Unix socket", "\"" + path + "\"", errno);
    }
    return {};
}

std::optional<gid_t> group_id(const std::string& name) {
    gid_t number = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (failure == std::errc() && end == name.data() + name.size()) return number;
    const auto* const entry = ::getgrnam(name.c_str());
    if (entry == nullptr) return {};
    return entry->gr_gid;
}

// Before listen(): nobody can connect to a socket whose mode is not set yet.
Result<void> set_access(const std::string& path, const conf::Settings& settings) {
    if (!settings.unix_socket_group.empty()) {
        const auto group = group_id(settings.unix_socket_group);
        if (!group) {
            return protocol::error(
                protocol::sqlstate::config_file_error,
                "unix_socket_group \"" + settings.unix_socket_group + "\" does not exist"
            );
        }
        if (::chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
            return failed("set the group of", "\"" + path + "\"", errno);
        }
    }
    const auto mode = static_cast<mode_t>(settings.unix_socket_mode);
    if (::chmod(path.c_str(), mode) != 0)
        return failed("set the mode of", "\"" + path + "\"", errno);
    return {};
}

// The peer is gone or unusual; the next connection is another matter.
bool is_peers_fault(int error) {
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM ||
           error == ENETDOWN || error == ENETUNREACH || error == EHOSTDOWN ||
           error == EHOSTUNREACH || error == ENOPROTOOPT || error == EOPNOTSUPP;
}

}  // namespace

struct Listener::Socket {
    Socket(const asio::any_io_executor& executor, int fd)
        : descriptor(executor, fd), pause(executor) {}

    ~Socket() { close(); }

    void close() {
        boost::system::error_code ignored;
        if (descriptor.is_open()) {
            descriptor.close(ignored);
            unlink_own_file();
        }
        pause.cancel();
    }

    // Somebody else may have put a socket in our place meanwhile.
    void unlink_own_file() const {
        struct stat status {};

        if (!path.empty() && ::lstat(path.c_str(), &status) == 0 && status.st_ino == inode &&
            status.st_dev == device) {
            ::unlink(path.c_str());
        }
    }

    asio::posix::stream_descriptor descriptor;
    asio::steady_timer pause;
    SocketAddress address;
    bool accepting = false;
    // Of a Unix socket that is a file.
    std::string path;
    ino_t inode = 0;
    dev_t device = 0;
};

Listener::Listener(asio::any_io_executor executor, OnAccept on_accept)
    : executor_(std::move(executor)), on_accept_(std::move(on_accept)) {}

Listener::~Listener() {
    stop();
}

Result<void> Listener::open(const conf::Settings& settings) {
    for (const auto& host : settings.listen_addr) {
        if (auto opened = open_tcp(host, settings.listen_port, settings); !opened) return opened;
    }
    if (!settings.unix_socket_dir.empty()) {
        auto opened = open_unix(settings.unix_socket_dir, settings.listen_port, settings);
        if (!opened) return opened;
    }
    if (sockets_.empty()) {
        return protocol::error(
            protocol::sqlstate::config_file_error,
            "nowhere to listen: neither listen_addr nor unix_socket_dir is set"
        );
    }
    return {};
}

Result<void> Listener::open_tcp(const std::string& host, int port, const conf::Settings& settings) {
    const auto addresses = addresses_of(host, port);
    if (!addresses) return addresses.error();
    const auto open_before = sockets_.size();
    Result<void> bound;
    for (const auto& address : *addresses) {
        bound = bind(address, settings, {});
        if (!bound && addresses->size() > 1) spdlog::warn("{}", bound.error().message);
    }
    // "*" on a machine without IPv6, say: what the other address gives is enough.
    if (sockets_.size() > open_before) return {};
    return bound;
}

Result<void> Listener::open_unix(
    const std::string& directory, int port, const conf::Settings& settings
) {
    const auto path = pool::unix_socket_path(directory, port);
    const auto address = SocketAddress::unix_socket(path);
    if (!address) return address.error();
    if (path.front() != '@') {
        if (auto removed = remove_stale(*address, path); !removed) return removed;
    }
    return bind(*address, settings, path);
}

Result<void> Listener::bind(
    const SocketAddress& address, const conf::Settings& settings, const std::string& unix_path
) {
    const auto where = name_of(address, unix_path);
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return failed("create socket for", where, errno);
    const auto socket = std::make_shared<Socket>(executor_, fd);
    if (!address.is_unix()) {
        set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
        if (settings.so_reuseport) set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
        if (address.family() == AF_INET6) set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        // Accepted sockets inherit these on Linux: no system call per client.
        pool::set_socket_options(fd, address, settings);
        // The kernel keeps a connection to itself until its client says something: one wake-up less
        // per login. Who says nothing comes when the time is over.
        (void
        )::setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silent_seconds, sizeof silent_seconds);
    }
    if (::bind(fd, address.get(), address.size) != 0) return failed("bind to", where, errno);
    if (address.is_unix() && unix_path.front() != '@') {
        struct stat status {};

        if (::lstat(unix_path.c_str(), &status) != 0) return failed("find", where, errno);
        socket->path = unix_path;
        socket->inode = status.st_ino;
        socket->device = status.st_dev;
        if (auto set = set_access(unix_path, settings); !set) return set;
    }
    if (::listen(fd, settings.listen_backlog) != 0) return failed("listen on", where, errno);
    socket->address = SocketAddress::local_of(fd);
    spdlog::info("listening on {}", name_of(socket->address, unix_path));
    sockets_.push_back(socket);
    return {};
}

void Listener::start() {
    for (const auto& socket : sockets_) {
        if (std::exchange(socket->accepting, true)) continue;
        auto loop = accept_all(socket, on_accept_, pauses_);
        asio::co_spawn(executor_, std::move(loop), [](const std::exception_ptr& failure) {
            if (failure) spdlog::critical("a listening socket has failed inside pgweir");
        });
    }
}

void Listener::stop() {
    for (const auto& socket : sockets_)
        socket->close();
    sockets_.clear();
}

void Listener::stop_tcp() {
    std::erase_if(sockets_, [](const auto& socket) {
        if (socket->address.is_unix()) return false;
        socket->close();
        return true;
    });
}

std::vector<SocketAddress> Listener::addresses() const {
    std::vector<SocketAddress> all;
    for (const auto& socket : sockets_)
        all.push_back(socket->address);
    return all;
}

asio::awaitable<void> Listener::accept_all(
    std::shared_ptr<Socket> socket, OnAccept on_accept, std::shared_ptr<std::size_t> pauses
) {
    while (socket->descriptor.is_open()) {
        const auto [canceled] = co_await socket->descriptor.async_wait(
            asio::posix::descriptor_base::wait_read, pool::use_op
        );
        if (canceled) co_return;
        int error = 0;
        for (int i = 0; i < accepts_per_turn && error == 0 && socket->descriptor.is_open(); ++i) {
            const int fd = ::accept4(
                socket->descriptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC
            );
            if (fd >= 0) {
                on_accept(pool::Transport(fd));
            } else if (!is_peers_fault(errno)) {
                error = errno;
            }
        }
        if (error == 0 || error == EAGAIN || error == EWOULDBLOCK) continue;
        // EMFILE, ENFILE, ENOBUFS, ENOMEM: the connection stays in the queue and would be
        // announced again at once, so nothing is tried for a while.
        ++*pauses;
        spdlog::warn("accept() failed, pausing: {}", std::strerror(error));
        socket->pause.expires_after(pause_time);
        co_await socket->pause.async_wait(pool::use_op);
    }
}

}  // namespace weir::proxy
