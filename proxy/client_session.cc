#include "proxy/client_session.h"

#include "pool/server_reset.h"
#include "proxy/log.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

// Above this much unsent output a client gets no new replies read for it.
constexpr std::size_t output_limit = 64 * 1024;
// Turns of one session before the others have theirs.
constexpr int turns_at_once = 16;
// Above this an idle session gives its buffers back.
constexpr std::size_t kept_capacity = 1024;

void release_if_large(std::string& buffer) {
    if (buffer.empty() && buffer.capacity() > kept_capacity) std::string().swap(buffer);
}

}  // namespace

ClientSession::ClientSession(Worker& worker, SessionStart start)
    : worker_(worker),
      start_(std::move(start)),
      limits_(start_.entry->limits()),
      timer_(*this),
      counters_(start_.entry->pool.counters(worker.index())) {
    input_ = std::move(start_.transport.unread());
    start_.transport.unread().clear();
}

ClientSession::~ClientSession() = default;

void ClientSession::begin() {
    connected_at_ = worker_.loop().now();
    idle_since_ = connected_at_;
    start_.entry->pool.client_added();
    client_ = worker_.loop().add(std::move(start_.transport), *this);
    waiter_.loop = &worker_.loop();
    waiter_.channel = client_.key();
    prepare_welcome();
    arm(limits_->client_login_timeout);
    advance();
}

void ClientSession::on_ready(std::uint64_t) {
    advance();
}

void ClientSession::on_wake(std::uint64_t) {
    if (waiting_) {
        if (auto* server = start_.entry->pool.collect(waiter_, *this)) {
            server_granted(*server);
        } else if (waiter_.state == pool::Waiter::State::failed) {
            waiting_ = false;
            waiter_.state = pool::Waiter::State::none;
            auto failure = waiter_.failure.value_or(
                protocol::fatal(protocol::sqlstate::connection_failure, "server login failed")
            );
            failure.severity = protocol::Severity::fatal;
            finish_with(failure);
        }
    }
    advance();
}

void ClientSession::advance() {
    if (advancing_ || phase_ == Phase::ended) return;
    advancing_ = true;
    int turns = 0;
    while (phase_ != Phase::ended && advance_once()) {
        if (++turns == turns_at_once) {
            worker_.loop().resume_later(client_.key());
            break;
        }
    }
    advancing_ = false;
    if (phase_ == Phase::ended) {
        worker_.bury(*this);
        return;
    }
    release_if_large(input_);
    release_if_large(output_);
}

// One turn: true if something moved and another turn may move more.
bool ClientSession::advance_once() {
    bool moved = flush_client();
    if (phase_ == Phase::ended) return false;
    moved |= flush_server();
    if (server_ != nullptr && output_.size() < output_limit) moved |= read_server();
    if (phase_ == Phase::ended) return false;
    if (phase_ == Phase::welcoming) return advance_welcome() || moved;
    if (!input_.empty()) {
        const auto used = process(as_bytes(input_));
        input_.erase(0, used);
        moved |= used > 0;
    }
    if (phase_ == Phase::ended) return false;
    moved |= read_client();
    flush_client();
    if (client_ended_ && phase_ != Phase::ended && input_.empty() && server_ == nullptr) {
        finish("client unexpected eof");
    }
    return moved && phase_ != Phase::ended;
}

bool ClientSession::read_server() {
    const auto buffer = worker_.loop().read_buffer();
    const auto result = server_->channel.read(buffer);
    if (result.status == pool::IoStatus::want_read) return false;
    if (result.status != pool::IoStatus::ok) {
        lose_server(
            protocol::fatal(
                protocol::sqlstate::connection_failure,
                "server conn crashed?",
                "The connection to the server was lost; whether the last statement took effect is "
                "not known."
            ),
            pool::CloseReason::server_closed, true
        );
        return true;
    }
    auto bytes = Bytes(buffer.first(result.size));
    std::string joined;
    if (!server_->partial.empty()) {
        joined = std::move(server_->partial);
        server_->partial.clear();
        joined.append(as_text(bytes));
        bytes = as_bytes(joined);
    }
    auto* const server = server_;
    const auto used = process_replies(bytes);
    flush_passed();
    if (phase_ == Phase::ended || server_ != server) return true;
    server->partial.assign(as_text(bytes.subspan(used)));
    write_to_server();
    if (phase_ == Phase::serving) request_finished();
    flush_client();
    return true;
}

bool ClientSession::read_client() {
    // More input is taken only while what came before is in use: the kernel holds the rest, and
    // the client feels it.
    if (client_ended_ || input_.size() >= pool::EventLoop::buffer_size) return false;
    if (!server_output_.empty()) return false;
    const auto buffer = worker_.loop().read_buffer();
    const auto result = client_.read(buffer);
    if (result.status == pool::IoStatus::want_read) return false;
    if (result.status != pool::IoStatus::ok) {
        client_gone();
        return false;
    }
    const auto bytes = Bytes(buffer.first(result.size));
    counters_.bytes_received.add(result.size);
    if (!input_.empty()) {
        input_.append(as_text(bytes));
        return true;
    }
    const auto used = process(bytes);
    if (phase_ != Phase::ended && used < bytes.size()) input_.assign(as_text(bytes.subspan(used)));
    return true;
}

// The client has closed its side. A request of his that runs is cancelled; nobody waits for it.
void ClientSession::client_gone() {
    client_ended_ = true;
    finish("client unexpected eof");
}

bool ClientSession::flush_client() {
    auto& scratch = worker_.to_client();
    if (output_.empty() && scratch.empty()) return false;
    Bytes bytes = scratch.view();
    if (!output_.empty()) {
        output_.append(as_text(scratch.view()));
        scratch.clear();
        bytes = as_bytes(output_);
    }
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const auto result = client_.write(bytes.subspan(sent));
        if (result.status != pool::IoStatus::ok) {
            if (result.status == pool::IoStatus::failed) {
                scratch.clear();
                output_.clear();
                client_gone();
                return false;
            }
            break;
        }
        sent += result.size;
    }
    counters_.bytes_sent.add(sent);
    if (output_.empty()) {
        output_.assign(as_text(bytes.subspan(sent)));
        scratch.clear();
        scratch.shrink_over(1 << 20);
    } else {
        output_.erase(0, sent);
    }
    return sent > 0;
}

void ClientSession::write_to_server() {
    auto& scratch = worker_.to_server();
    if (scratch.empty()) return;
    if (server_ == nullptr) {
        scratch.clear();
        return;
    }
    server_output_.append(as_text(scratch.view()));
    scratch.clear();
    scratch.shrink_over(1 << 20);
    flush_server();
}

bool ClientSession::flush_server() {
    if (server_output_.empty() || server_ == nullptr) return false;
    const Bytes bytes = as_bytes(server_output_);
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const auto result = server_->channel.write(bytes.subspan(sent));
        if (result.status == pool::IoStatus::failed) {
            // Its last words, and the end, come by reading.
            server_output_.clear();
            return false;
        }
        if (result.status != pool::IoStatus::ok) break;
        sent += result.size;
    }
    server_output_.erase(0, sent);
    release_if_large(server_output_);
    return sent > 0;
}

bool ClientSession::acquire() {
    if (server_ != nullptr) return true;
    if (waiting_) return false;
    waiter_.wish = parameters_;
    const auto now = worker_.loop().now();
    auto* server = start_.entry->pool.lend(waiter_, worker_.index(), *this, now);
    if (server == nullptr) {
        waiting_ = true;
        wait_noticed_ = false;
        arm(limits_->query_wait_timeout);
        arm(limits_->query_wait_notify);
        return false;
    }
    waiter_.since = now;
    server_granted(*server);
    return true;
}

void ClientSession::server_granted(pool::ServerConnection& server) {
    waiting_ = false;
    server_ = &server;
    lease_fresh_ = true;
    unit_failed_ = false;
    const auto now = worker_.loop().now();
    const auto waited = now - waiter_.since;
    counters_.server_assignments.add(1);
    counters_.wait_time.add(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(waited).count()
    ));
    // A deferred BEGIN: its transaction is one from here on. Neither what the client thought before
    // nor waiting belongs to it (total_xact_time, transaction_timeout).
    if (in_transaction_) transaction_at_ = now;
    server.client_id.store(start_.id, std::memory_order_relaxed);
    server.request_since.store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

void ClientSession::give_server_back() {
    auto& server = *std::exchange(server_, nullptr);
    retained_group_.clear();
    release_if_large(retained_group_);
    const auto now = worker_.loop().now();
    if (limits_->server_reset_query_always && !limits_->server_reset_query.empty()) {
        pool::reset_server(
            server, worker_.index(), worker_.loop(), {limits_->server_reset_query, false}
        );
        return;
    }
    if (server_doomed_) {
        server_doomed_ = false;
        start_.entry->pool.retire(server, pool::CloseReason::reset_failed, false);
        return;
    }
    start_.entry->pool.give_back(server, worker_.index(), now);
}

// The client leaves; the server is put in order by itself, or closed.
void ClientSession::let_server_go() {
    auto& pool = start_.entry->pool;
    if (waiting_ || waiter_.state == pool::Waiter::State::granted) {
        pool.leave(waiter_, worker_.index(), worker_.loop().now());
        waiting_ = false;
    }
    if (server_ == nullptr) return;
    auto& server = *std::exchange(server_, nullptr);
    server.uncertain.insert(server.uncertain.end(), injected_.begin(), injected_.end());
    const bool idle = server.expected.in_sync() && server.partial.empty() &&
                      server.status == protocol::TransactionStatus::idle;
    const bool mid_message = stream_left_ > 0 || reply_left_ > 0 || !server_output_.empty();
    if (pin_ != router::PinReason::none || mid_message || server_doomed_) {
        if (!server.expected.in_sync()) {
            pool.cancel_started(server);
            worker_.observer().cancel_query(server.shared_from_this());
        }
        const auto reason = mid_message ? pool::CloseReason::reset_failed
                                        : pool::CloseReason::client_pinned;
        pool.retire(server, reason, false);
        return;
    }
    const std::string reset = session_mode() || limits_->server_reset_query_always
                                  ? limits_->server_reset_query
                                  : std::string();
    if (idle && reset.empty()) {
        pool.give_back(server, worker_.index(), worker_.loop().now());
        return;
    }
    if (!server.expected.in_sync()) {
        pool.cancel_started(server);
        worker_.observer().cancel_query(server.shared_from_this());
    }
    pool::reset_server(server, worker_.index(), worker_.loop(), {reset, session_mode()});
}

void ClientSession::finish(std::string_view reason) {
    if (phase_ == Phase::ended) return;
    phase_ = Phase::ended;
    if (limits_->log_disconnections) {
        const auto age = worker_.loop().now() - connected_at_;
        log_session(*this, "closing because: {} (age={}s)", reason,
                    std::chrono::duration_cast<std::chrono::seconds>(age).count());
    }
    let_server_go();
    start_.entry->pool.client_removed();
    timer_.cancel();
    worker_.to_server().clear();
    // What the client was not told yet goes out as far as the socket takes it.
    auto& scratch = worker_.to_client();
    if (!client_ended_ && (!output_.empty() || !scratch.empty())) {
        output_.append(as_text(scratch.view()));
        client_.write(as_bytes(output_));
    }
    scratch.clear();
    client_.close();
    if (!advancing_) worker_.bury(*this);
}

void ClientSession::finish_with(const protocol::Error& error) {
    if (phase_ == Phase::ended) return;
    if (limits_->log_pooler_errors) log_session(*this, "pooler error: {}", error.message);
    // An answer that was passed on in part cannot be followed by an error.
    flush_passed();
    if (reply_left_ == 0) protocol::write_error(error, worker_.to_client());
    finish(error.message);
}

void ClientSession::end(const protocol::Error& why) {
    finish_with(why);
}

void ClientSession::lose_server(
    const protocol::Error& error, pool::CloseReason reason, bool gone
) {
    auto& server = *std::exchange(server_, nullptr);
    server_output_.clear();
    start_.entry->pool.retire(server, reason, gone);
    if (checking_) {
        // Nothing of the client's was sent: another server is tried.
        checking_ = false;
        prelude_pending_ = false;
        return;
    }
    // What the server said before it left says more than we can.
    if (server_fatal_) return finish("server conn crashed?");
    finish_with(error);
}

void ClientSession::pin(router::PinReason reason, std::string_view detail) {
    if (reason == router::PinReason::none || pin_ != router::PinReason::none) return;
    if (session_mode()) return;
    pin_ = reason;
    pin_detail_ = detail;
    log_pin(*this, router::text(reason), detail);
}

protocol::TransactionStatus ClientSession::local_status() const {
    if (server_ != nullptr) return server_->status;
    if (local_failed_) return protocol::TransactionStatus::failed;
    return deferred_begin_.empty() ? protocol::TransactionStatus::idle
                                   : protocol::TransactionStatus::in_transaction;
}

void ClientSession::cancel() {
    if (phase_ != Phase::serving) return;
    const auto canceled = protocol::error(
        protocol::sqlstate::query_canceled, "canceling statement due to user request"
    );
    if (waiting_) {
        start_.entry->pool.leave(waiter_, worker_.index(), worker_.loop().now());
        waiting_ = false;
        if (const auto group = next_group(as_bytes(input_))) {
            const auto size = group->bytes.size();
            fail_group(*group, canceled);
            input_.erase(0, size);
        }
        scanned_ = 0;
        advance();
        return;
    }
    // Idle, or only in a transaction: nothing to cancel, as in PostgreSQL.
    if (server_ == nullptr || server_->expected.in_sync()) return;
    start_.entry->pool.cancel_started(*server_);
    worker_.observer().cancel_query(server_->shared_from_this());
}

// --- timers ---

void ClientSession::arm(pool::Duration timeout) {
    if (timeout <= pool::Duration::zero()) return;
    worker_.loop().timers().set_no_later_than(timer_, worker_.loop().now() + timeout);
}

void ClientSession::on_timer(pool::TimePoint now) {
    if (phase_ != Phase::ended) check_deadlines(now);
    advance();
}

void ClientSession::check_deadlines(pool::TimePoint now) {
    using protocol::fatal;
    namespace state = protocol::sqlstate;
    std::optional<pool::TimePoint> next;
    const auto due = [&](bool applies, pool::TimePoint since, pool::Duration timeout) {
        if (!applies || timeout <= pool::Duration::zero()) return false;
        const auto deadline = since + timeout;
        if (deadline <= now) return true;
        next = next ? std::min(*next, deadline) : deadline;
        return false;
    };
    const bool running = server_ != nullptr && !server_->expected.in_sync();
    const bool idle_in_transaction = in_transaction_ && !running && !waiting_;
    if (due(phase_ == Phase::welcoming, connected_at_, limits_->client_login_timeout)) {
        return finish_with(fatal(state::cannot_connect_now, "client_login_timeout (server down)"));
    }
    if (due(waiting_, waiter_.since, limits_->query_wait_timeout)) {
        return finish_with(fatal(
            state::query_canceled, "query_wait_timeout",
            "No server connection became free in time; see SHOW POOLS in the console."
        ));
    }
    if (due(waiting_ && !wait_noticed_, waiter_.since, limits_->query_wait_notify)) {
        wait_noticed_ = true;
        protocol::write_notice(
            "NOTICE", protocol::SqlState("00000"),
            "No server connection available in postgres backend, client being queued",
            worker_.to_client()
        );
        flush_client();
    }
    if (due(running || waiting_, request_at_, limits_->query_timeout)) {
        return finish_with(fatal(state::query_canceled, "query timeout"));
    }
    if (due(idle_in_transaction, idle_since_, limits_->idle_transaction_timeout)) {
        return finish_with(fatal(state::idle_in_transaction_timeout, "idle transaction timeout"));
    }
    if (due(in_transaction_, transaction_at_, limits_->transaction_timeout)) {
        return finish_with(fatal(state::query_canceled, "transaction timeout"));
    }
    const bool idle = phase_ == Phase::serving && !running && !waiting_ && !in_transaction_;
    if (due(idle, idle_since_, limits_->client_idle_timeout)) {
        return finish_with(fatal(state::idle_session_timeout, "client_idle_timeout"));
    }
    if (next) worker_.loop().timers().set_no_later_than(timer_, *next);
}

void ClientSession::refresh_limits() {
    auto limits = *start_.entry->limits();
    limits.pool_mode = limits_->pool_mode;
    limits_ = std::make_shared<const SessionLimits>(std::move(limits));
    check_deadlines(worker_.loop().now());
}

SessionView ClientSession::view() const {
    SessionView view;
    view.id = start_.id;
    view.user = start_.user;
    view.database = start_.database;
    view.address = start_.address;
    view.port = start_.port;
    view.local_address = start_.local_address;
    view.local_port = start_.local_port;
    view.tls = start_.tls;
    view.application_name = parameters_->value("application_name");
    view.state = waiting_ ? "waiting" : server_ != nullptr ? "active" : "idle";
    view.pin = pin_ == router::PinReason::none ? "" : router::text(pin_);
    view.connected = connected_at_;
    view.request = request_at_;
    if (waiting_) view.wait = worker_.loop().now() - waiter_.since;
    view.server_id = server_ != nullptr ? server_->id() : 0;
    view.server_prepared_statements = server_ != nullptr ? server_->prepared.size() : 0;
    view.peer_process = start_.peer_process;
    view.prepared_statements = statements_ ? statements_->size() : 0;
    return view;
}

}  // namespace weir::proxy
