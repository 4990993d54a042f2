// A read that a replica has refused runs again, on the primary: once, and only if the client was
// told nothing. Until the first row its answers are held back for that.
#include "pool/server_reset.h"
#include "proxy/client_session.h"

#include <utility>

namespace weir::proxy {

using protocol::TransactionStatus;
using router::ReplicaRefusal;

// What goes to the client of this turn stays here while it may have to be taken back.
void ClientSession::hold_output() {
    auto& scratch = worker_.to_client();
    auto& held = routing_->held;
    held.append(as_text(scratch.view()));
    scratch.clear();
    // A function may have any number of notices before its first row.
    if (held.size() > output_limit) release_held();
}

// The answer is the client's from here on.
void ClientSession::release_held() {
    auto& r = *routing_;
    r.holding = false;
    r.group.clear();
    release_if_large(r.group);
    if (r.held.empty()) return;
    auto& scratch = worker_.to_client();
    r.held.append(as_text(scratch.view()));
    scratch.clear();
    scratch.append(as_bytes(r.held));
    r.held.clear();
    release_if_large(r.held);
}

// An error while nothing was told. True: the client does not get it.
bool ClientSession::refused_by_replica(const protocol::ErrorResponse& response) {
    auto& r = *routing_;
    if (r.retrying != ReplicaRefusal::none) return true;
    const auto refusal = router::retry_on_primary(response.code, response.routine);
    if (refusal == ReplicaRefusal::none) return false;
    r.retrying = refusal;
    if (router::is_misjudged(refusal)) {
        if (r.statement != nullptr) {
            worker_.routing().misjudged.add(r.statement, worker_.loop().now());
        }
        catalog_state_.want_refresh();
    }
    return true;
}

// Too late to run it elsewhere. What only a standby refuses the client will do again: its later
// READ ONLY transactions begin on the primary.
void ClientSession::refused_in_transaction(const protocol::ErrorResponse& response) {
    const auto refusal = router::retry_on_primary(response.code, response.routine);
    const bool alike = response.code == "25006" && response.routine == "PreventCommandIfReadOnly";
    if (router::is_misjudged(refusal) && !alike) routing_->blocks_on_primary = true;
}

// The client's settings cannot be had there: a role that is not there yet, say.
bool ClientSession::settings_refused_by_replica() {
    routing_->retrying = ReplicaRefusal::perhaps_not_replayed;
    refusal_.reset();
    return true;
}

// What was asked of the replica before the group was refused: the group goes to the primary.
bool ClientSession::goes_on_primary() {
    if (routing_ == nullptr || !routing_->on_replica || server_ == nullptr) return false;
    const bool untouched = server_->expected.in_sync() && !group_open_ && !keeps_server() &&
                           server_->status == TransactionStatus::idle;
    if (!untouched || routing_->route == conf::RouteTo::replica) return false;
    prelude_error_.reset();
    routing_->only_primary = true;
    give_server_back();
    settings_owed_ = false;
    worker_.loop().resume_soon(client_.key());
    return true;
}

// REQUIRES: the replica has answered everything, and retrying says why.
void ClientSession::retry_on_primary() {
    auto& server = *std::exchange(server_, nullptr);
    server.ran.clear();
    if (server_doomed_ || !server.uncertain.empty() || server.status != TransactionStatus::idle) {
        if (std::exchange(server_doomed_, false)) {
            pool_->retire(server, pool::CloseReason::reset_failed, false);
        } else {
            pool::reset_server(server, worker_.index(), worker_.loop(), {});
        }
    } else {
        pool_->give_back(server, worker_.index(), worker_.loop().now());
    }
    send_again();
}

// All that a read returns has come, but its ReadyForQuery. A standby ends a connection that stands
// between Execute and Sync when replay needs what was read (FATAL 40001): the client has its
// answer.
bool ClientSession::read_is_complete() const {
    if (routing_ == nullptr || !routing_->on_replica || server_ == nullptr) return false;
    if (phase_ != Phase::serving || is_holding() || unit_failed_ || keeps_server()) return false;
    const auto& expected = server_->expected;
    const auto* const owed = expected.front();
    return server_->status == TransactionStatus::idle && !in_transaction_ && !begin_sent_ &&
           forwarded_in_group_ && reply_left_ == 0 && stream_left_ == 0 && expected.size() == 1 &&
           owed->request == protocol::Request::sync && owed->reply == protocol::Reply::forward &&
           owed->tag != brought_sync;
}

// It ends between two transactions, and nothing of the client's is there: as if it had been given
// back before. (FATAL 40001 or 57P01 may follow ReadyForQuery in the same segment.)
bool ClientSession::server_is_spare() const {
    if (server_ == nullptr || phase_ != Phase::serving || session_mode() || keeps_server())
        return false;
    // The client was told the end of its request.
    const bool told = !is_ready_held() && !is_retrying() && !healing_ && !held_for_sequences_;
    return told && server_->expected.in_sync() && server_->status == TransactionStatus::idle &&
           !in_transaction_ && !group_open_ && !begin_sent_ && !prelude_pending_ && !bringing_ &&
           !local_failed_ && !server_listens() && touched_.empty() && touched_before_.empty() &&
           unresolved_.empty() && reply_left_ == 0 && stream_left_ == 0;
}

// ... and it needs no server for the rest.
bool ClientSession::lost_behind_read(pool::CloseReason reason, bool gone) {
    if (reason == pool::CloseReason::protocol_violation) return false;
    if (server_is_spare()) {
        leave_lost_server(reason, gone);
        worker_.loop().resume_soon(client_.key());
        return true;
    }
    if (!read_is_complete()) return false;
    leave_lost_server(reason, gone);
    group_open_ = false;
    flush_passed();
    protocol::write_ready_for_query(TransactionStatus::idle, worker_.to_client());
    request_ended(false);
    worker_.loop().resume_soon(client_.key());
    return true;
}

void ClientSession::leave_lost_server(pool::CloseReason reason, bool gone) {
    auto& server = *std::exchange(server_, nullptr);
    server.ran.clear();
    server_output_.clear();
    pool_->retire(server, reason, gone);
    reported_.clear();
    injected_.clear();
    evicting_.clear();
    names_brought_.clear();
    name_changes_.clear();
    names_settled_ = 0;
    bringing_ = bringing_failed_ = false;
    refusal_.reset();
}

// The replica is gone, and the client does not know that it was asked.
bool ClientSession::lost_while_reading(pool::CloseReason reason, bool gone) {
    if (routing_ == nullptr || !routing_->holding || phase_ != Phase::serving) return false;
    auto& r = *routing_;
    if (r.retrying == ReplicaRefusal::none) r.retrying = ReplicaRefusal::connection_lost;
    leave_lost_server(reason, gone);
    send_again();
    return true;
}

// The group stands where it was before it was sent, and goes to the primary.
void ClientSession::send_again() {
    auto& r = *routing_;
    meter_retried();
    passing_ = {};
    worker_.to_client().clear();
    worker_.to_server().clear();
    r.held.clear();
    r.holding = false;
    r.last.refused = std::exchange(r.retrying, ReplicaRefusal::none);
    r.only_primary = true;
    if (r.load != nullptr) std::exchange(r.load, nullptr)->failed();
    release_retained();
    reply_left_ = 0;
    group_open_ = begin_sent_ = begin_failed_ = forwarded_in_group_ = own_failed_ = false;
    sync_owed_ = healing_ = server_fatal_ = false;
    unit_failed_ = unit_committed_ = unit_may_commit_ = false;
    deferred_begin_ = std::exchange(r.begin, {});
    r.context.block = router::ReadContext::Block::none;
    if (!deferred_begin_.empty()) router::advance(r.context, *knowledge_of(deferred_begin_));
    input_.insert(0, std::exchange(r.group, {}));
    scanned_ = 0;
    worker_.loop().resume_soon(client_.key());
}

}  // namespace weir::proxy
