// Names of hosts to addresses, without blocking the control thread.
#pragma once

#include "pool/io/control_stream.h"
#include "pool/io/socket_address.h"

#include <boost/asio/thread_pool.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace weir::pool {

class HostResolver {
public:
    // `threads` must outlive this.
    explicit HostResolver(asio::thread_pool& threads) : threads_(threads) {}

    // All addresses of `host`, never empty: a numeric address, the directory of a Unix socket
    // ("/...", "@..."), or a name, which is looked up by getaddrinfo on the threads unless an
    // answer no older than `max_age` is known. Returns at `deadline` even if getaddrinfo has not,
    // since nothing can stop it. The io_context's thread.
    asio::awaitable<protocol::Result<std::vector<SocketAddress>>> resolve(
        std::string host, int port, Clock::time_point deadline, Clock::duration max_age
    );

    // The next resolve() asks again: none of the addresses answered.
    void forget(const std::string& host, int port) { known_.erase({host, port}); }

    // Calls visit(host, age, addresses) for each answer that is known.
    template <class Visit>
    void for_each_known(Visit&& visit) const {
        for (const auto& [key, answer] : known_) {
            visit(key.first, Clock::now() - answer.since, answer.addresses);
        }
    }

private:
    struct Answer {
        std::vector<SocketAddress> addresses;
        Clock::time_point since;
    };

    asio::thread_pool& threads_;
    std::map<std::pair<std::string, int>, Answer> known_;  // as many as are configured
};

}  // namespace weir::pool
