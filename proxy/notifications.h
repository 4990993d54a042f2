// Notifications: the listening connections of all pools. Control thread, but for ask().
#pragma once

#include "proxy/listening_connection.h"
#include "proxy/pool_set.h"
#include "proxy/worker.h"

#include <map>
#include <memory>
#include <vector>

namespace weir::proxy {

class Notifications final : public ListenerHost {
public:
    // All must outlive this.
    Notifications(
        asio::io_context& io, PoolSet& pools, const std::vector<std::unique_ptr<Worker>>& workers
    );

    // Any thread.
    void ask(ListenerRequest request);
    // The pool's servers are replaced: its listening connection is closed as if it had been lost.
    void drop(const pool::PoolName& pool);
    void stop();
    // None is open.
    bool closed() const;

    // Those that are open, or should be.
    std::vector<ListenerView> views() const;

    asio::awaitable<protocol::Result<pool::LoggedInServer>> log_in(
        pool::PoolName name, pool::TimePoint deadline
    ) override;
    void tell(unsigned worker, const PoolEntry* of, std::vector<ListenerEvent> events) override;
    const conf::Settings& settings() const override;

private:
    void take(ListenerRequest request);

    asio::io_context& io_;
    PoolSet& pools_;
    const std::vector<std::unique_ptr<Worker>>& workers_;
    std::map<pool::PoolName, std::shared_ptr<ListeningConnection>> connections_;
    bool stopping_ = false;
};

}  // namespace weir::proxy
