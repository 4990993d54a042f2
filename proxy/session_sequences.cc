// currval() and lastval(): what they tell is kept by the server that has advanced the sequence.
#include "proxy/client_session.h"

#include <utility>

namespace weir::proxy {

using protocol::TransactionStatus;
using router::StatementKind;

namespace {

// One that no function is called by, and behind which nothing of the client's may have to stand
// (SET TRANSACTION).
bool is_control(std::optional<StatementKind> lone) {
    switch (lone.value_or(StatementKind::unknown)) {
        case StatementKind::begin:
        case StatementKind::commit:
        case StatementKind::rollback:
        case StatementKind::savepoint:
        case StatementKind::release:
        case StatementKind::rollback_to:
        case StatementKind::set:
        case StatementKind::set_transaction:
        case StatementKind::show:
            return true;
        default:
            return false;
    }
}

}  // namespace

// lastval() and currval() must never tell what another client's statements did. What keeps its
// server may call them where nobody sees it.
void ClientSession::guard_sequences(const Plan& plan) {
    if (session_mode() || server_->status == TransactionStatus::failed) return;
    const bool hidden = pin_ != router::PinReason::none && !is_control(plan.lone_query);
    const bool reads = plan.reads_sequences || plan.may_read_sequences || hidden;
    if (!reads && !plan.may_advance_sequences) return;
    if (plan.uses_sequences != nullptr) used_sequences_ = plan.uses_sequences;
    auto& seen = start_.entry->sequence_state_read;
    if (asks_for_sequences(plan) && plan.pin == router::PinReason::none) {
        seen.store(true, std::memory_order_relaxed);
    }
    auto& user = server_->sequence_user;
    const bool foreign = user != 0 && user != start_.id;
    // Its own, but it has been told newer ones elsewhere.
    const bool stale = user == start_.id && sequence_server_ != server_->id();
    const bool tidy = seen.load(std::memory_order_relaxed) && !sequences_in_transaction_;
    // Also before setval(), which leaves lastval() and other sequences' values as they are.
    if ((foreign || stale) && (reads || tidy)) {
        // PostgreSQL then says that lastval is not yet defined (55000), and tells no foreign value.
        send_injected("DISCARD SEQUENCES", injected_discard);
        user = 0;
    }
    if (plan.may_advance_sequences) {
        const bool mine = user == 0 || user == start_.id;
        user = mine ? start_.id : pool::ServerConnection::mixed_sequences;
        sequence_server_ = server_->id();
        sequences_in_transaction_ = true;
    }
}

// The statement behind one that has used sequences: does it ask for their values? The server was
// kept for that only.
void ClientSession::settle_sequences(const Plan& plan) {
    const bool held = std::exchange(held_for_sequences_, false);
    // A Sync alone is answered without it.
    if (held && !plan.needs_server) give_server_back();
    if (plan.texts == 0 || plan.only_parse_and_close || in_transaction_) return;
    // It is looked at again when the catalog has been read.
    if (plan.has_unresolved()) return;
    const auto statement = std::exchange(used_sequences_, nullptr);
    if (asks_for_sequences(plan)) return statement->sequence_habit.was_asked();
    statement->sequence_habit.was_not_asked();
    if (held && server_ != nullptr) give_server_back();
}

// The transaction has ended. True if the client may be about to ask what its sequences gave: then
// its server is not lent to others for now.
bool ClientSession::is_held_for_sequences() {
    const bool others_ask = start_.entry->sequence_state_read.load(std::memory_order_relaxed);
    const auto hold = used_sequences_->sequence_habit.hold(others_ask);
    held_for_sequences_ = false;
    if (hold <= hold.zero() || server_->sequence_user != start_.id) return false;
    if (server_doomed_ || server_->expected.sync_in_doubt()) return false;
    if (worker_.loop().now() - idle_since_ >= hold) return false;
    arm(hold);
    return held_for_sequences_ = true;
}

}  // namespace weir::proxy
