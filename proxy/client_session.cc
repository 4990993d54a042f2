#include "proxy/client_session.h"

#include "proxy/log.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

// Turns of one session before the others have theirs.
constexpr int turns_at_once = 16;
// Above this an idle session gives its buffers back.
constexpr std::size_t kept_capacity = 1024;

}  // namespace

ClientSession::ClientSession(Worker& worker, SessionStart start)
    : worker_(worker),
      pool_(&start.entry->pool),
      counters_(start.entry->pool.counters(worker.index())),
      catalog_state_(*start.entry->catalog),
      limits_(start.entry->limits()),
      timer_(*this),
      start_(std::move(start)) {
    if (start_.entry->cluster != nullptr) {
        routing_ = std::make_unique<Routing>(start_.entry->cluster, *limits_);
    }
    input_ = std::move(start_.transport.unread());
    start_.transport.unread().clear();
}

ClientSession::~ClientSession() = default;

void ClientSession::begin() {
    connected_at_ = worker_.loop().now();
    idle_since_ = connected_at_;
    meter_.owner = worker_.queries().owner_of(start_.database, start_.user);
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

void ClientSession::release_if_large(std::string& buffer) {
    if (buffer.empty() && buffer.capacity() > kept_capacity) std::string().swap(buffer);
}

void ClientSession::on_wake(std::uint64_t) {
    if (waits_for_host()) look_for_host_again();
    if (waiting_ && phase_ != Phase::ended) {
        auto collected = pool_->collect(waiter_, *this);
        if (collected.server != nullptr) {
            server_granted(*collected.server);
        } else if (collected.failure && may_go_on_elsewhere()) {
            waiting_ = false;
        } else if (collected.failure) {
            waiting_ = false;
            collected.failure->severity = protocol::Severity::fatal;
            finish_with(*collected.failure);
        }
    }
    advance();
}

void ClientSession::advance() {
    if (advancing_ || phase_ == Phase::ended) return;
    advancing_ = true;
    int turns = 0;
    while (phase_ != Phase::ended && advance_once() && may_move_again()) {
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

// After a turn that moved something: all else that moves it raises an event.
bool ClientSession::may_move_again() const {
    return !input_.empty() || client_.may_read() || phase_ != Phase::serving ||
           (server_ != nullptr && server_->channel.may_read());
}

// One turn: true if something moved and another turn may move more.
bool ClientSession::advance_once() {
    bool moved = flush_client();
    if (phase_ == Phase::ended) return false;
    moved |= flush_server();
    // Before anything was sent to it, only server_is_alive() looks at what a server says.
    const bool has_spoken = server_ != nullptr && (!lease_fresh_ || prelude_pending_);
    if (has_spoken && output_.size() < output_limit) moved |= read_server();
    if (phase_ == Phase::ended) return false;
    if (phase_ == Phase::welcoming) return advance_welcome() || moved;
    if (!input_.empty()) {
        const auto used = process(as_bytes(input_));
        input_.erase(0, used);
        moved |= used > 0;
    }
    if (phase_ == Phase::ended) return false;
    moved |= read_client();
    if (phase_ == Phase::ended) return false;
    request_finished();
    if (listening_ != nullptr) settle_listening();
    if (phase_ == Phase::ended) return false;
    moved |= flush_client();
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
            pool::CloseReason::server_closed,
            true
        );
        return true;
    }
    auto bytes = Bytes(buffer.first(result.size));
    if (traced_) [[unlikely]]
        trace(TracedWay::from_server, bytes);
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
    if (used < bytes.size()) server->partial.assign(as_text(bytes.subspan(used)));
    write_to_server();
    request_finished();
    flush_client();
    return true;
}

bool ClientSession::read_client() {
    // More input is taken only while what came before is in use: the kernel holds the rest, and
    // the client feels it.
    if (client_ended_) return false;
    if (input_.empty()) {
        if (!client_.may_read()) return false;
    } else if (input_.size() >= input_limit()) {
        // Whoever has left must not stand in the queue until it is his turn.
        if (waiting_ && client_.hung_up()) client_gone();
        return false;
    }
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
    if (traced_) [[unlikely]]
        trace(TracedWay::from_client, bytes);
    if (!input_.empty()) {
        input_.append(as_text(bytes));
        return true;
    }
    const auto used = process(bytes);
    if (phase_ != Phase::ended && used < bytes.size()) input_.assign(as_text(bytes.subspan(used)));
    return true;
}

void ClientSession::release_retained() {
    if (!retained_group_.empty()) {
        retained_group_.clear();
        release_if_large(retained_group_.fill());
    }
}

// The client has closed its side. A request of his that runs is cancelled; nobody waits for it.
void ClientSession::client_gone() {
    client_ended_ = true;
    finish("client unexpected eof");
}

bool ClientSession::send_output() {
    auto& scratch = worker_.to_client();
    if (phase_ == Phase::ended) return false;
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
    if (traced_) [[unlikely]] {
        trace(TracedWay::to_client, bytes.first(sent));
        if (sent == bytes.size()) trace_drained(TracedWay::to_client);
    }
    if (output_.empty()) {
        if (sent < bytes.size()) {
            output_.assign(as_text(bytes.subspan(sent)));
            meter_blocked();
        }
        scratch.clear();
        scratch.shrink_over(1 << 20);
    } else {
        output_.erase(0, sent);
        if (output_.empty()) meter_unblocked();
    }
    return sent > 0;
}

// REQUIRES: there is something in the worker's scratch.
void ClientSession::send_to_server() {
    auto& scratch = worker_.to_server();
    if (server_ == nullptr) {
        scratch.clear();
        return;
    }
    Bytes bytes = scratch.view();
    // In the steady state all of it is taken at once and nothing is copied.
    if (server_output_.empty()) {
        const auto result = server_->channel.write(bytes);
        if (result.status == pool::IoStatus::ok) {
            if (traced_) [[unlikely]]
                trace(TracedWay::to_server, bytes.first(result.size));
            bytes = bytes.subspan(result.size);
        }
        // Of a lost server, its last words and its end come by reading.
        if (result.status == pool::IoStatus::failed) bytes = {};
    }
    const bool all_sent = bytes.empty() && server_output_.empty();
    if (!all_sent) server_output_.append(as_text(bytes));
    scratch.clear();
    scratch.shrink_over(1 << 20);
    if (!all_sent) flush_server();
}

bool ClientSession::send_server_output() {
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
    if (traced_) [[unlikely]] {
        trace(TracedWay::to_server, bytes.first(sent));
        if (sent == bytes.size()) trace_drained(TracedWay::to_server);
    }
    server_output_.erase(0, sent);
    release_if_large(server_output_);
    return sent > 0;
}

void ClientSession::finish(std::string_view reason) {
    if (phase_ == Phase::ended) return;
    phase_ = Phase::ended;
    if (limits_->log_disconnections) {
        const auto age = worker_.loop().now() - connected_at_;
        log_session(
            *this,
            "closing because: {} (age={}s)",
            printable_without_passwords(reason),
            std::chrono::duration_cast<std::chrono::seconds>(age).count()
        );
    }
    log_transactions(*this, transactions_, pinned_transactions_);
    flush_passed();
    meter_settled();
    let_server_go();
    leave_pinned();
    if (listening_ != nullptr) stop_listening();
    start_.entry->pool.client_removed();
    timer_.cancel();
    worker_.to_server().clear();
    // What the client was not told yet goes out as far as the socket takes it.
    auto& scratch = worker_.to_client();
    const bool last_words = !client_ended_ && (!output_.empty() || !scratch.empty());
    if (last_words) {
        output_.append(as_text(scratch.view()));
        // TLS takes a record at a time.
        for (Bytes left = as_bytes(output_); !left.empty();) {
            const auto result = client_.write(left);
            if (result.status != pool::IoStatus::ok) break;
            if (traced_) trace(TracedWay::to_client, left.first(result.size));
            left = left.subspan(result.size);
        }
    }
    if (traced_) trace_session_ended();
    output_.clear();
    scratch.clear();
    if (last_words) {
        client_.close_when_told();
    } else {
        client_.close();
    }
    if (!advancing_) worker_.bury(*this);
}

void ClientSession::finish_with(const protocol::Error& error) {
    if (phase_ == Phase::ended) return;
    if (limits_->log_pooler_errors) {
        log_session(*this, "pooler error: {}", printable_without_passwords(error.message));
    }
    meter_failed(error.code.text(), false);
    // An answer that was passed on in part cannot be followed by an error.
    flush_passed();
    if (reply_left_ == 0) protocol::write_error(error, worker_.to_client());
    finish(error.message);
}

void ClientSession::end(const protocol::Error& why) {
    finish_with(why);
}

protocol::TransactionStatus ClientSession::local_status() const {
    if (local_failed_) return protocol::TransactionStatus::failed;
    if (server_ != nullptr) return server_->status;
    return deferred_begin_.empty() ? protocol::TransactionStatus::idle
                                   : protocol::TransactionStatus::in_transaction;
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
    view.state = waiting_ || waits_for_host() ? "waiting" : server_ != nullptr ? "active" : "idle";
    view.pin = pin_ == router::PinReason::none ? "" : router::text(pin_);
    view.pin_detail = pin_detail_;
    view.pin_statement = router::text(pin_statement_);
    view.activity = activity();
    view.pinned = pinned_at_;
    view.connected = connected_at_;
    view.request = request_at_;
    if (waiting_) view.wait = worker_.loop().now() - waiter_.since;
    if (waits_for_host()) view.wait = worker_.loop().now() - *routing_->waiting_since;
    if (server_ != nullptr) {
        view.server_address = server_->identity().address;
        view.server_port = server_->identity().port;
    }
    view.server_id = server_ != nullptr ? server_->id() : 0;
    view.server_prepared_statements = server_ != nullptr ? server_->prepared.size() : 0;
    view.peer_process = start_.peer_process;
    view.parameters = parameters_;
    view.startup_parameters = startup_parameters_;
    for (const auto& setting : start_.settings)
        view.startup_names.push_back(setting.first);
    view.prepared_statements = statements_ ? statements_->size() : 0;
    view_statement(view);
    return view;
}

}  // namespace weir::proxy
