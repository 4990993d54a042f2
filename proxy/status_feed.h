// StatusFeed: samples the process once a second, remembers fifteen minutes, and tells whoever
// listens. Control thread. However many pages are open, a second costs one look at the counters and
// one text; nothing is written while nobody listens.
#pragma once

#include "proxy/status_history.h"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

namespace weir::proxy {

namespace asio = boost::asio;

class StatusFeed {
public:
    // `server` must outlive this.
    explicit StatusFeed(Server& server);
    StatusFeed(const StatusFeed&) = delete;
    StatusFeed& operator=(const StatusFeed&) = delete;

    void start();
    void stop();

    const StatusHistory& history() const { return history_; }

    // Events are written as long as somebody holds one of these.
    std::shared_ptr<void> subscribe() { return subscribers_; }

    struct Event {
        std::uint64_t number = 0;  // 0 = none yet
        std::shared_ptr<const std::string> text;
    };

    // As it goes over the wire.
    Event newest() const { return newest_; }

    // The list of sessions, which workers have to be asked for.
    struct SessionList {
        std::string json;
        pool::TimePoint asked{}, made{};
    };

    const std::shared_ptr<SessionList>& session_list() const { return session_list_; }

    // When there may be another event.
    pool::TimePoint next() const { return next_; }

private:
    asio::awaitable<void> run();
    void sample();

    Server& server_;
    asio::steady_timer timer_;
    StatusHistory history_;
    // Whoever subscribes has a copy, which may outlive this.
    const std::shared_ptr<int> subscribers_ = std::make_shared<int>(0);
    const std::shared_ptr<SessionList> session_list_ = std::make_shared<SessionList>();
    Event newest_;
    pool::TimePoint next_{};
    bool stopped_ = false;
};

}  // namespace weir::proxy
