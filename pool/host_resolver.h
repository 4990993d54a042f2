// Names of hosts to addresses, without blocking the control thread.
#pragma once

#include "pool/io/control_stream.h"
#include "pool/io/socket_address.h"

#include <boost/asio/thread_pool.hpp>

#include <vector>

namespace weir::pool {

// All addresses of `host`, never empty: a numeric address, the directory of a Unix socket ("/...",
// "@..."), or a name, which is looked up by getaddrinfo on `threads`. Returns at `deadline` even if
// that has not, since nothing can stop it.
asio::awaitable<protocol::Result<std::vector<SocketAddress>>> resolve(
    asio::thread_pool& threads, std::string host, int port, Clock::time_point deadline
);

}  // namespace weir::pool
