#include "proxy/listening_connection.h"

#include "pool/pool_policy.h"
#include "protocol/field_cursor.h"
#include "protocol/message.h"
#include "protocol/message_writer.h"
#include "proxy/log.h"

#include <boost/asio/co_spawn.hpp>

#include <sys/socket.h>
#include <utility>

namespace weir::proxy {

namespace backend = protocol::backend;
namespace frontend = protocol::frontend;
namespace sqlstate = protocol::sqlstate;

namespace {

// How long a connection stays that nobody listens by.
constexpr auto idle_limit = std::chrono::seconds(30);
// How often that is looked at, and whether PostgreSQL still answers.
constexpr auto watch_round = std::chrono::seconds(1);
constexpr auto answer_limit = std::chrono::seconds(15);
// A connection that has lived for so long was a good one.
constexpr auto long_enough = std::chrono::seconds(10);
// A payload has 8000 bytes at most, an ErrorResponse hardly more.
constexpr std::size_t longest_message = 1 << 20;

std::string query_message(std::string_view text) {
    protocol::MessageWriter out;
    out.begin(frontend::query).c_string(text).end();
    return std::string(as_text(out.view()));
}

}  // namespace

ListeningConnection::ListeningConnection(
    asio::io_context& io, ListenerHost& host, std::shared_ptr<PoolEntry> entry
)
    : io_(io), host_(host), entry_(std::move(entry)), timer_(io) {}

// --- requests ---

void ListeningConnection::take(ListenerRequest request) {
    if (request.unlisten_all) book_.remove_all(request.session);
    for (const auto& channel : request.unlisten)
        book_.remove(request.session, channel);
    for (const auto& channel : request.listen)
        book_.add(request.session, request.worker, channel);
    const bool wants_answer = request.ticket != 0;
    if (stopping_) return;
    if (wants_answer) next_.push_back(std::move(request));
    if (state_ == State::listening) return send_next();
    if (state_ != State::closed || !wants_answer) return;
    state_ = State::connecting;
    asio::co_spawn(
        io_, [self = shared_from_this()] { return self->run(); }, log_failure
    );
}

void ListeningConnection::answer(
    const ListenerRequest& request, std::shared_ptr<const protocol::Error> error
) {
    if (error != nullptr) {
        for (const auto& channel : request.listen)
            book_.remove(request.session, channel);
    }
    put(request.worker, ListenerAnswer{request.session, request.ticket, std::move(error)});
}

void ListeningConnection::refuse_all(const protocol::Error& error) {
    const auto shared = std::make_shared<const protocol::Error>(error);
    for (auto* queue : {&under_way_, &next_}) {
        for (const auto& request : std::exchange(*queue, {}))
            answer(request, shared);
    }
    alone_ = 0;
    batch_open_ = false;
    flush_events();
}

void ListeningConnection::send_next() {
    if (batch_open_ || state_ != State::listening || leaving_) return;
    std::string commands;
    if (alone_ > 0) {
        --alone_;
        under_way_.push_back(std::move(next_.front()));
        next_.pop_front();
        commands = book_.take_commands(under_way_.front().listen);
    } else {
        commands = book_.take_commands();
        under_way_ = std::exchange(next_, {});
    }
    if (commands.empty() && under_way_.empty()) return;
    batch_commands_ = !commands.empty();
    batch_open_ = true;
    asked_at_ = pool::Clock::now();
    auto bytes = query_message(commands);
    // Hardly ever more than the socket takes.
    const auto sent = stream_->transport().write(as_bytes(bytes));
    if (sent.status == pool::IoStatus::ok) bytes.erase(0, sent.size);
    if (bytes.empty()) return;
    asio::co_spawn(
        io_,
        [self = shared_from_this(), bytes = std::move(bytes)]() mutable {
            return self->write(std::move(bytes));
        },
        log_failure
    );
}

asio::awaitable<void> ListeningConnection::write(std::string bytes) {
    const auto self = shared_from_this();
    const auto stream = stream_;
    const auto view = as_bytes(bytes);
    const auto written = co_await stream->write(view);
    if (!written && stream == stream_) shut();
}

void ListeningConnection::batch_answered() {
    const auto error = std::exchange(error_, nullptr);
    batch_open_ = false;
    auto requests = std::exchange(under_way_, {});
    if (error != nullptr) book_.refused();
    if (error != nullptr && requests.size() > 1) {
        // One of them is to blame.
        alone_ = requests.size();
        for (; !requests.empty(); requests.pop_back())
            next_.push_front(std::move(requests.back()));
    }
    if (error != nullptr && requests.empty() && alone_ == 0) {
        // Nobody asked just now: what was listened to before is refused (a standby, for example).
        log_of(LogComponent::notifications)
            .warn("listening connection: {}", printable(error->message));
        return shut();
    }
    const auto shared =
        error != nullptr ? std::make_shared<const protocol::Error>(*error) : nullptr;
    for (const auto& request : requests)
        answer(request, shared);
    send_next();
}

// --- events to the workers ---

void ListeningConnection::put(unsigned worker, ListenerEvent event) {
    events_[worker].push_back(std::move(event));
}

void ListeningConnection::flush_events() {
    for (auto& [worker, events] : events_) {
        if (!events.empty()) host_.tell(worker, entry_.get(), std::exchange(events, {}));
    }
}

// --- the connection ---

asio::awaitable<void> ListeningConnection::run() {
    const auto self = shared_from_this();
    while (!stopping_) {
        state_ = State::connecting;
        if (co_await connect()) {
            co_await listen();
            lost();
            if (pool::Clock::now() - since_ > long_enough) failures_ = 0;
        }
        // Those who were told to leave will; those who stay want their notifications.
        const bool again = host_.settings().listen_lost == conf::ListenLost::notice;
        if (next_.empty() && (book_.empty() || !again)) break;
        if (next_.empty()) co_await pause();
    }
    state_ = State::closed;
}

asio::awaitable<void> ListeningConnection::pause() {
    state_ = State::waiting;
    ++failures_;
    timer_.expires_after(pool::retry_pause(failures_, host_.settings().server_login_retry));
    co_await timer_.async_wait(pool::use_op);
}

asio::awaitable<bool> ListeningConnection::connect() {
    pool::PoolName name = entry_->pool.name();
    const auto deadline = pool::Clock::now() + host_.settings().server_connect_timeout;
    auto server = co_await host_.log_in(std::move(name), deadline);
    const auto& [database, user, host] = entry_->pool.name();
    if (!server) {
        log_of(LogComponent::notifications)
            .warn(
                "{}/{}: login of the listening connection failed: {}",
                printable(database),
                printable(user),
                printable_without_passwords(server.error().message)
            );
        auto error = protocol::error(
            server.error().code,
            "could not open the connection that listens: " + server.error().message,
            "LISTEN needs one server connection per database and user, beside those of the pool."
        );
        error.detail = server.error().detail;
        refuse_all(error);
        co_return false;
    }
    process_id_ = server->cancel_key.process_id;
    const asio::any_io_executor executor = io_.get_executor();
    stream_ = std::make_shared<pool::ControlStream>(
        executor, std::move(server->transport), pool::Clock::time_point::max()
    );
    ++connection_;
    since_ = used_at_ = pool::Clock::now();
    book_.forget_listened();
    leaving_ = batch_open_ = false;
    log_of(LogComponent::notifications)
        .debug("{}/{}: listening", printable(database), printable(user));
    co_return true;
}

// Until the connection has ended.
asio::awaitable<void> ListeningConnection::listen() {
    state_ = State::listening;
    asio::co_spawn(
        io_, [self = shared_from_this()] { return self->watch(self->connection_); }, log_failure
    );
    send_next();
    while (!stopping_) {
        const auto filled = co_await stream_->fill();
        if (!filled) break;
        const bool good = take_messages();
        flush_events();
        if (!good) break;
    }
}

asio::awaitable<void> ListeningConnection::watch(std::uint64_t connection) {
    asio::steady_timer timer(io_);
    while (connection == connection_ && state_ == State::listening) {
        timer.expires_after(watch_round);
        co_await timer.async_wait(pool::use_op);
        if (connection != connection_ || state_ != State::listening || stopping_) co_return;
        const auto now = pool::Clock::now();
        if (!book_.empty() || batch_open_) used_at_ = now;
        const bool silent = batch_open_ && now - asked_at_ > answer_limit;
        leaving_ = !batch_open_ && now - used_at_ > idle_limit;
        if (silent || leaving_) co_return shut();
    }
}

// Ends listen(): Terminate as far as the socket takes it, then the end.
void ListeningConnection::shut() {
    if (stream_ == nullptr) return;
    protocol::MessageWriter out;
    protocol::write_empty(frontend::terminate, out);
    static_cast<void>(stream_->transport().write(out.view()));
    ::shutdown(stream_->transport().descriptor(), SHUT_RDWR);
}

void ListeningConnection::lost() {
    const auto& [database, user, host] = entry_->pool.name();
    shut();
    stream_.reset();
    ++connection_;
    state_ = State::connecting;
    // What was asked since it was told to leave, is asked of the next one.
    if (!std::exchange(leaving_, false)) {
        log_of(LogComponent::notifications)
            .warn(
                "{}/{}: listening connection lost, {} clients listened",
                printable(database),
                printable(user),
                book_.sessions()
            );
        const auto error = protocol::error(
            sqlstate::connection_failure, "the connection that listens was lost", "Try again."
        );
        refuse_all(error_ != nullptr ? *error_ : error);
        const bool again = host_.settings().listen_lost == conf::ListenLost::notice && !stopping_;
        for (const auto worker : book_.workers())
            put(worker, ListenerLost{again});
        flush_events();
    }
    error_.reset();
    book_.forget_listened();
}

void ListeningConnection::drop() {
    if (state_ == State::listening) shut();
}

void ListeningConnection::stop() {
    stopping_ = true;
    timer_.cancel();
    shut();
}

// --- what PostgreSQL says ---

bool ListeningConnection::take_messages() {
    auto& unread = stream_->unread();
    auto bytes = as_bytes(unread);
    std::size_t used = 0;
    bool good = true;
    while (good && bytes.size() - used >= protocol::message_header_size) {
        const auto rest = bytes.subspan(used);
        const auto length = protocol::announced_length(rest);
        if (length < 4 || length > longest_message) return false;
        const std::size_t whole = std::size_t{length} + 1;
        if (rest.size() < whole) break;
        const auto body =
            rest.subspan(protocol::message_header_size, whole - protocol::message_header_size);
        good = take_message(static_cast<char>(rest[0]), body);
        used += whole;
    }
    unread.erase(0, used);
    return good;
}

bool ListeningConnection::take_message(char type, Bytes body) {
    switch (type) {
        case backend::notification_response:
            return take_notification(body);
        case backend::error_response: {
            const auto parsed = protocol::parse_error_response(body);
            if (!parsed) return false;
            error_ = std::make_unique<protocol::Error>(parsed->to_error());
            error_->severity = protocol::Severity::error;
            return true;
        }
        case backend::ready_for_query:
            if (!batch_open_) return false;
            batch_answered();
            return true;
        default:
            return true;
    }
}

bool ListeningConnection::take_notification(Bytes body) {
    protocol::FieldCursor cursor(body);
    auto notification = std::make_shared<Notification>();
    notification->process_id = cursor.i32();
    notification->channel = cursor.c_string();
    notification->payload = cursor.c_string();
    if (!cursor.finished()) return false;
    ++notifications_;
    const NotificationRef shared = std::move(notification);
    for (const auto worker : book_.workers_of(shared->channel))
        put(worker, shared);
    return true;
}

ListenerView ListeningConnection::view() const {
    ListenerView view;
    view.name = entry_->pool.name();
    switch (state_) {
        case State::closed:
            view.state = "closed";
            break;
        case State::connecting:
            view.state = "login";
            break;
        case State::listening:
            view.state = book_.empty() ? "idle" : "listening";
            break;
        case State::waiting:
            view.state = "lost";
            break;
    }
    view.process_id = state_ == State::listening ? process_id_ : 0;
    view.channels = book_.channels();
    view.clients = book_.sessions();
    view.notifications = notifications_;
    view.since = since_;
    return view;
}

}  // namespace weir::proxy
