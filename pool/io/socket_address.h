// SocketAddress: where a socket is bound or connected, and the options sockets get.
#pragma once

#include "conf/settings.h"
#include "protocol/error.h"

#include <string>
#include <sys/socket.h>
#include <sys/types.h>

namespace weir::pool {

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;

    // `path` of a Unix socket; "@name" is one in the abstract name space. An Error if it is longer
    // than the system allows.
    static protocol::Result<SocketAddress> unix_socket(const std::string& path);
    // The two ends of a connected descriptor; empty if the system does not say.
    static SocketAddress peer_of(int descriptor);
    static SocketAddress local_of(int descriptor);

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }

    int family() const { return storage.ss_family; }

    bool is_unix() const { return family() == AF_UNIX; }

    bool is_loopback() const;
    // Numeric, without port; "unix" for every Unix socket, as in PgBouncer's SHOW.
    std::string host() const;
    // 0 for a Unix socket.
    int port() const;
};

// The path of PostgreSQL's socket in a directory ("/...", "@...").
std::string unix_socket_path(const std::string& directory, int port);

// TCP_NODELAY and the keepalive settings; nothing for a Unix socket.
void set_socket_options(
    int descriptor, const SocketAddress& address, const conf::Settings& settings
);

// The peer of a Unix socket runs as `user`; false if the system does not say.
bool peer_user_is(int descriptor, uid_t user);
// The process at the other end of a Unix socket, 0 if that is not known.
int peer_process_of(int descriptor);

}  // namespace weir::pool
