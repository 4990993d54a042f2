#include "pool/host_resolver.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstring>
#include <netdb.h>
#include <optional>

namespace weir::pool {

using protocol::Result;

namespace {

using Addresses = std::vector<SocketAddress>;

Result<Addresses> look_up(const std::string& host, int port, int flags) {
    addrinfo wanted{};
    wanted.ai_family = AF_UNSPEC;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const auto failure = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
    if (failure != 0) {
        auto error =
            protocol::fatal(protocol::sqlstate::cannot_connect, "server DNS lookup failed");
        error.detail = host + ": " + ::gai_strerror(failure);
        return error;
    }
    Addresses addresses;
    for (const auto* entry = found; entry != nullptr; entry = entry->ai_next) {
        if (entry->ai_addrlen > sizeof(sockaddr_storage)) continue;
        SocketAddress address;
        std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
        address.size = entry->ai_addrlen;
        addresses.push_back(address);
    }
    ::freeaddrinfo(found);
    if (addresses.empty()) {
        return protocol::fatal(protocol::sqlstate::cannot_connect, "server DNS lookup failed");
    }
    return addresses;
}

// Shared with the thread that looks up, which may be done long after nobody waits any more.
struct LookUp {
    explicit LookUp(const asio::any_io_executor& executor) : done(executor) {}

    asio::steady_timer done;
    std::optional<Result<Addresses>> result;  // touched on the control thread only
};

void start(
    asio::thread_pool& threads, const std::shared_ptr<LookUp>& look, std::string host, int port
) {
    asio::post(threads, [look, host = std::move(host), port] {
        auto result = look_up(host, port, 0);
        asio::post(look->done.get_executor(), [look, result = std::move(result)]() mutable {
            look->result = std::move(result);
            look->done.cancel();
        });
    });
}

}  // namespace

asio::awaitable<Result<std::vector<SocketAddress>>> HostResolver::resolve(
    std::string host, int port, Clock::time_point deadline, Clock::duration max_age
) {
    if (host.empty() || host.front() == '/' || host.front() == '@') {
        const auto address = SocketAddress::unix_socket(unix_socket_path(host, port));
        if (!address) co_return address.error();
        co_return Addresses(1, *address);
    }
    auto numeric = look_up(host, port, AI_NUMERICHOST);
    if (numeric) co_return numeric;
    const std::pair key(host, port);
    if (const auto known = known_.find(key);
        known != known_.end() && Clock::now() - known->second.since < max_age) {
        co_return known->second.addresses;
    }
    const auto look = std::make_shared<LookUp>(co_await asio::this_coro::executor);
    look->done.expires_at(deadline);
    start(threads_, look, std::move(host), port);
    co_await look->done.async_wait(use_op);
    if (look->result) {
        if (*look->result) known_[key] = {**look->result, Clock::now()};
        co_return *look->result;
    }
    co_return protocol::fatal(
        protocol::sqlstate::cannot_connect, "server DNS lookup failed", "the lookup took too long"
    );
}

}  // namespace weir::pool
