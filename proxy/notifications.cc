#include "proxy/notifications.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace weir::proxy {

Notifications::Notifications(
    asio::io_context& io, PoolSet& pools, const std::vector<std::unique_ptr<Worker>>& workers
)
    : io_(io), pools_(pools), workers_(workers) {}

void Notifications::ask(ListenerRequest request) {
    asio::post(io_, [this, request = std::move(request)]() mutable { take(std::move(request)); });
}

void Notifications::take(ListenerRequest request) {
    if (stopping_) return;
    auto& connection = connections_[request.entry->pool.name()];
    if (connection == nullptr) {
        connection = std::make_shared<ListeningConnection>(io_, *this, request.entry);
    }
    connection->take(std::move(request));
}

void Notifications::drop(const pool::PoolName& pool) {
    const auto found = connections_.find(pool);
    if (found != connections_.end()) found->second->drop();
}

void Notifications::stop() {
    stopping_ = true;
    for (const auto& [name, connection] : connections_)
        connection->stop();
}

bool Notifications::closed() const {
    return std::all_of(connections_.begin(), connections_.end(), [](const auto& named) {
        return named.second->closed();
    });
}

std::vector<ListenerView> Notifications::views() const {
    std::vector<ListenerView> views;
    for (const auto& [name, connection] : connections_) {
        if (!connection->closed()) views.push_back(connection->view());
    }
    return views;
}

asio::awaitable<protocol::Result<pool::LoggedInServer>> Notifications::log_in(
    pool::PoolName name, pool::TimePoint deadline
) {
    return pools_.log_in_apart(std::move(name), deadline);
}

void Notifications::tell(unsigned worker, const PoolEntry* of, std::vector<ListenerEvent> events) {
    workers_[worker]->hear(of, std::move(events));
}

const conf::Settings& Notifications::settings() const {
    return *pools_.configuration().settings;
}

}  // namespace weir::proxy
