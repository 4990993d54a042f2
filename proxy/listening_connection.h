// ListeningConnection: the one connection that listens for all sessions of a (database, user).
//
// It logs in as the pool's servers do, outside of the pool's limits, when somebody listens, and
// leaves when nobody has for a while. What is asked of it goes out in batches, one under way at a
// time: LISTEN and UNLISTEN for what has changed, or an empty query. PostgreSQL sends what was
// committed before a batch ahead of its answer, so the answer is also one for all who only want to
// know that their notifications have come. Control thread.
#pragma once

#include "conf/settings.h"
#include "pool/io/control_stream.h"
#include "pool/server_login.h"
#include "proxy/channel_book.h"
#include "proxy/pool_entry.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>

namespace weir::proxy {

// A row of SHOW LISTENERS.
struct ListenerView {
    pool::PoolName name;
    std::string_view state;
    std::int32_t process_id = 0;
    std::size_t channels = 0, clients = 0;
    std::uint64_t notifications = 0;
    pool::TimePoint since{};
};

// The rest of the process, as listening connections see it.
class ListenerHost {
public:
    virtual asio::awaitable<protocol::Result<pool::LoggedInServer>> log_in(
        pool::PoolName name, pool::TimePoint deadline
    ) = 0;
    virtual void tell(unsigned worker, const PoolEntry* of, std::vector<ListenerEvent> events) = 0;
    virtual const conf::Settings& settings() const = 0;

protected:
    ~ListenerHost() = default;
};

class ListeningConnection : public std::enable_shared_from_this<ListeningConnection> {
public:
    ListeningConnection(asio::io_context& io, ListenerHost& host, std::shared_ptr<PoolEntry> entry);

    void take(ListenerRequest request);
    // Closes it, as if it had been lost.
    void drop();
    // Says goodbye; for good.
    void stop();

    // There is none, nor is one being opened.
    bool closed() const { return state_ == State::closed; }

    ListenerView view() const;

private:
    enum class State : std::uint8_t { closed, connecting, listening, waiting };

    using Queue = std::deque<ListenerRequest>;

    asio::awaitable<void> run();
    asio::awaitable<bool> connect();
    asio::awaitable<void> listen();
    asio::awaitable<void> watch(std::uint64_t connection);
    asio::awaitable<void> write(std::string bytes);
    asio::awaitable<void> pause();
    bool take_messages();
    bool take_message(char type, Bytes body);
    bool take_notification(Bytes body);
    void send_next();
    void batch_answered();
    void answer(const ListenerRequest& request, std::shared_ptr<const protocol::Error> error);
    void refuse_all(const protocol::Error& error);
    void lost();
    void shut();
    void put(unsigned worker, ListenerEvent event);
    void flush_events();

    asio::io_context& io_;
    ListenerHost& host_;
    const std::shared_ptr<PoolEntry> entry_;
    ChannelBook book_;
    Queue next_;  // not sent yet
    Queue under_way_;
    bool batch_open_ = false;
    bool batch_commands_ = false;  // it has some
    std::size_t alone_ = 0;        // so many of next_ go one by one: together they were refused
    std::unique_ptr<protocol::Error> error_;
    std::map<unsigned, std::vector<ListenerEvent>> events_;
    std::shared_ptr<pool::ControlStream> stream_;  // a write may hold it longer
    asio::steady_timer timer_;
    pool::TimePoint since_{};
    pool::TimePoint asked_at_{};
    pool::TimePoint used_at_{};  // somebody listened
    std::uint64_t connection_ = 0;
    std::uint64_t notifications_ = 0;
    std::int32_t process_id_ = 0;
    unsigned failures_ = 0;
    State state_ = State::closed;
    bool stopping_ = false;
    bool leaving_ = false;  // nobody listens any more
};

}  // namespace weir::proxy
