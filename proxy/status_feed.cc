#include "proxy/status_feed.h"

#include "pool/io/control_stream.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/status_json.h"

#include <boost/asio/co_spawn.hpp>

namespace weir::proxy {

namespace {

constexpr auto period = std::chrono::seconds(1);

}  // namespace

StatusFeed::StatusFeed(Server& server) : server_(server), timer_(server.io()) {}

void StatusFeed::start() {
    asio::co_spawn(server_.io(), run(), log_failure);
}

void StatusFeed::stop() {
    stopped_ = true;
    timer_.cancel();
}

asio::awaitable<void> StatusFeed::run() {
    next_ = pool::Clock::now();
    while (!stopped_) {
        server_.lookout().tick();
        sample();
        next_ = std::max(next_ + period, pool::Clock::now() + period / 2);
        timer_.expires_at(next_);
        co_await timer_.async_wait(pool::use_op);
    }
}

void StatusFeed::sample() {
    const auto snapshot = take_snapshot(server_);
    history_.add(snapshot);
    ++newest_.number;
    if (subscribers_.use_count() == 1) {
        newest_.text.reset();
        return;
    }
    auto text = "id: " + std::to_string(newest_.number) + "\ndata: ";
    text += status_json(snapshot, history_);
    newest_.text = std::make_shared<const std::string>(std::move(text) + "\n\n");
}

}  // namespace weir::proxy
