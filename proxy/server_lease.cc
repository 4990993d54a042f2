// A session's server: how it gets one, keeps it, and lets it go.
#include "pool/server_reset.h"
#include "proxy/client_session.h"
#include "proxy/log.h"

#include <utility>

namespace weir::proxy {

// True with a server; false: the session stands in the queue.
bool ClientSession::acquire() {
    if (server_ != nullptr) return true;
    if (waiting_) return false;
    const auto now = worker_.loop().now();
    waiter_.since = now;
    auto* server = pool_->lend(waiter_, parameters_, worker_.index(), *this, now);
    if (server == nullptr) {
        waiting_ = true;
        wait_noticed_ = false;
        arm(limits_->query_wait_timeout);
        arm(limits_->query_wait_notify);
        return false;
    }
    server_granted(*server);
    return true;
}

void ClientSession::server_granted(pool::ServerConnection& server) {
    waiting_ = false;
    held_for_sequences_ = false;
    server_ = &server;
    waiter_.last_server = server.id();
    lease_fresh_ = true;
    settings_owed_ = false;
    unit_failed_ = false;
    if (listening_ != nullptr) listening_->shown = Listening::Shown::no;
    const auto now = worker_.loop().now();
    const auto waited = now - waiter_.since;
    meter_.waited += waited;
    counters_.server_assignments.add(1);
    const auto wait_time = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(waited).count()
    );
    counters_.wait_time.add(wait_time);
    counters_.wait_times.record(wait_time);
    // A deferred BEGIN: its transaction is one from here on. Neither what the client thought before
    // nor waiting belongs to it (total_xact_time, transaction_timeout).
    if (in_transaction_) transaction_at_ = now;
    server.client_id.store(start_.id, std::memory_order_relaxed);
    server.request_since.store(now.time_since_epoch().count(), std::memory_order_relaxed);
}

// An end that has been seen already, or a last word: this server is not used. Nothing was sent to
// it, so the client need not know.
bool ClientSession::server_is_alive() {
    if (!server_->channel.may_read() || server_->read_while_idle()) return true;
    auto& server = *std::exchange(server_, nullptr);
    pool_->retire(server, pool::CloseReason::server_closed, true);
    // One turn later the next one is tried.
    worker_.loop().resume_later(client_.key());
    return false;
}

void ClientSession::give_server_back() {
    auto& server = *std::exchange(server_, nullptr);
    release_retained();
    if (std::exchange(server_doomed_, false) || server.expected.sync_in_doubt()) {
        pool_->retire(server, pool::CloseReason::reset_failed, false);
        return;
    }
    if (limits_->server_reset_query_always && !limits_->server_reset_query.empty()) {
        pool::ResetWork work;
        work.query = limits_->server_reset_query;
        pool::reset_server(server, worker_.index(), worker_.loop(), std::move(work));
        return;
    }
    pool_->give_back(server, worker_.index(), worker_.loop().now());
}

// The client leaves; the server is put in order by itself, or closed.
void ClientSession::let_server_go() {
    if (routing_ != nullptr) leave_host();
    if (waiting_) {
        pool_->leave(waiter_, worker_.index(), worker_.loop().now());
        waiting_ = false;
    }
    if (server_ == nullptr) return end_catalog_change();
    const bool only_inquiry = only_inquiry_owed();
    server_doomed_ |= names_in_flight();
    if (!new_sessions_.empty()) tell_new_sessions();
    if (!unresolved_.empty()) resolve_for_leaving();
    auto& server = *std::exchange(server_, nullptr);
    // What runs may still be committed.
    if (!server.expected.in_sync()) server.until_settled = catalog_change_;
    end_catalog_change();
    for (const auto& name : injected_)
        server.make_uncertain(name);
    for (const auto& name : touched_)
        server.make_uncertain(name);
    for (const auto& name : touched_before_)
        server.make_uncertain(name);
    if (inquiry_) {
        for (const auto& name : inquiry_->names)
            server.make_uncertain(name);
    }
    const bool quiet = server.expected.in_sync() && !group_open_ && server.partial.empty();
    const bool nothing_runs = server.expected.in_sync() || only_inquiry;
    if (!quiet && !nothing_runs) {
        pool_->cancel_started(server);
        worker_.observer().cancel_query(server.shared_from_this());
    }
    // Half a message of the client's can be neither ended nor taken back.
    const bool mid_message = stream_left_ > 0 && !stream_discard_;
    const bool beyond_reset = (pins_ & ~askable_pins) != 0;
    if (beyond_reset || mid_message || server_doomed_ || server.expected.sync_in_doubt()) {
        const auto reason =
            beyond_reset ? pool::CloseReason::client_pinned : pool::CloseReason::reset_failed;
        pool_->retire(server, reason, false);
        return;
    }
    pool::ResetWork work;
    if (session_mode() || limits_->server_reset_query_always) {
        work.query = limits_->server_reset_query;
    }
    // Whatever the setting says, what pins must not stay. What was set in a transaction that has
    // not ended may be what PostgreSQL refuses to set: then RESET of it would fail the next client.
    const bool unsettled = !touched_.empty() || (inquiry_ != nullptr && inquiry_->only_own);
    if (pins_ != 0 || server_listens() || unsettled) work.query = "DISCARD ALL";
    // What runs to its end now reaches what the catalog says then.
    if (!std::exchange(server.ran, {}).empty() && !nothing_runs) {
        work.is_doubtful = [catalog = start_.entry->catalog, epoch = ran_epoch_] {
            return catalog->is_changing() || catalog->epoch() != epoch;
        };
    }
    const bool idle = quiet && server.status == protocol::TransactionStatus::idle;
    if (idle && work.query.empty()) {
        pool_->give_back(server, worker_.index(), worker_.loop().now());
        return;
    }
    work.group_open = group_open_;
    work.unsent = std::exchange(server_output_, {});
    work.unread = reply_left_;
    pool::reset_server(server, worker_.index(), worker_.loop(), std::move(work));
}

void ClientSession::lose_server(const protocol::Error& error, pool::CloseReason reason, bool gone) {
    // The client asked for nothing, and nothing of its session was there.
    const bool nothing_runs = is_ready_held() || std::exchange(held_for_sequences_, false) ||
                              (only_inquiry_owed() && inquiry_ == nullptr);
    const bool not_missed = nothing_runs && !keeps_server() && touched_.empty() &&
                            touched_before_.empty() && unresolved_.empty();
    if (routing_ != nullptr) host_suspected();
    if (lost_while_reading(reason, gone) || lost_behind_read(reason, gone)) return;
    auto& server = *std::exchange(server_, nullptr);
    server_output_.clear();
    pool_->retire(server, reason, gone);
    if (not_missed && phase_ == Phase::serving && !prelude_pending_) {
        reading_catalog_.reset();
        return;
    }
    if (prelude_pending_ || phase_ == Phase::welcoming) {
        // Nothing of the client's was sent: another server is tried.
        checking_ = false;
        prelude_pending_ = false;
        reading_catalog_.reset();
        prelude_error_.reset();
        names_brought_.clear();
        evicting_.clear();
        injected_.clear();
        return;
    }
    // What the server said before it left says more than we can.
    if (server_fatal_) return finish("server conn crashed?");
    finish_with(error);
}

void ClientSession::cancel() {
    if (phase_ != Phase::serving) return;
    if (waits_for_host()) {
        host_chosen();
        canceled_ = true;
        return advance();
    }
    if (waiting_) {
        pool_->leave(waiter_, worker_.index(), worker_.loop().now());
        waiting_ = false;
        canceled_ = true;
        return advance();
    }
    // What runs is ours; the client's request behind it will not.
    if (prelude_pending_) {
        canceled_ = true;
        return;
    }
    // Idle, or only in a transaction: nothing to cancel, as in PostgreSQL.
    if (server_ == nullptr || server_->expected.in_sync() || only_inquiry_owed()) return;
    pool_->cancel_started(*server_);
    worker_.observer().cancel_query(server_->shared_from_this());
}

}  // namespace weir::proxy
