// Pins: a client keeps its server beyond the transaction, because something of its session is
// there.
#include "protocol/message.h"
#include "proxy/client_session.h"
#include "proxy/log.h"

#include <fmt/format.h>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using protocol::TransactionStatus;

// REQUIRES: the pool counts it already.
void ClientSession::pin_begins(
    router::PinReason reason, std::string_view detail, router::StatementKind statement
) {
    pin_ = reason;
    pin_detail_ = detail;
    pin_statement_ = statement;
    pinned_at_ = worker_.loop().now();
    start_.entry->pins.count(reason, PinEvent::begun);
    meter_pinned();
    log_pin(*this, router::text(reason), detail);
    arm(limits_->pin_idle_timeout);
    const auto notice = limits_->pin_notice;
    if (notice == conf::PinNotice::off) return;
    if (std::exchange(pin_noticed_, true) && notice == conf::PinNotice::first) return;
    flush_passed();
    protocol::write_notice(
        "NOTICE",
        protocol::SqlState("00000"),
        fmt::format(
            "pgweir keeps this server connection for the session: {}", router::text(reason)
        ),
        worker_.to_client(),
        detail
    );
}

void ClientSession::pin_lifted(std::string_view why) {
    if (pin_ == router::PinReason::none) return;
    start_.entry->pins.count(pin_, PinEvent::lifted);
    pin_ = router::PinReason::none;
    pin_detail_.clear();
    pool_->end_pin();
    log_unpin(*this, why);
}

void ClientSession::leave_pinned() {
    if (pin_ == router::PinReason::none) return;
    start_.entry->pins.count(pin_, PinEvent::left);
    pin_ = router::PinReason::none;
    pool_->end_pin();
}

// One more than max_pinned: nothing of the group runs.
std::size_t ClientSession::refuse_pin(const Group& group, const Plan& plan) {
    start_.entry->pins.count(plan.pin, PinEvent::refused);
    auto error = protocol::error(
        protocol::sqlstate::configuration_limit_exceeded,
        "too many pinned connections",
        "Try again later, or raise max_pinned; SHOW PINS on the console says who keeps a server "
        "connection."
    );
    error.detail = fmt::format(
        "This request would keep its server connection for the session: {}{}{}.",
        router::text(plan.pin),
        plan.pin_detail.empty() ? "" : ", ",
        plan.pin_detail
    );
    return refuse(group, error);
}

// The client gets this error in place of an answer to the group, and its transaction has failed.
std::size_t ClientSession::refuse(const Group& group, const protocol::Error& error) {
    const bool untouched = server_ == nullptr || (server_->expected.in_sync() && !group_open_ &&
                                                  server_->status == TransactionStatus::idle);
    if (untouched) {
        if (server_ != nullptr && !keeps_server()) give_server_back();
        fail_group(group, error);
        return taken(group);
    }
    // The transaction there has to fail, too; and what was sent before is answered before. So the
    // error takes the place of one of the server's.
    refusal_ = std::make_unique<protocol::Error>(error);
    send_failing_parse("pgweir: " + error.message, refused_parse);
    stream_discard_ = true;
    group_open_ = group.terminator == 0 || group.terminator == frontend::flush;
    if (!group_open_) {
        protocol::write_empty(frontend::sync, worker_.to_server());
        server_->expected.sent({protocol::Request::sync, protocol::Reply::forward, 0});
    }
    write_to_server();
    return taken(group);
}

void ClientSession::tell_refusal() {
    flush_passed();
    protocol::write_error(*refusal_, worker_.to_client());
    forwarded_in_group_ = true;
    // As if PostgreSQL had refused it: the client knows that all up to Sync is skipped.
    own_failed_ = false;
}

protocol::Error ClientSession::idle_pin_error() const {
    auto error = protocol::fatal(
        protocol::sqlstate::idle_session_timeout,
        fmt::format(
            "terminating connection due to pin_idle_timeout: {} kept a server connection",
            router::text(pin_)
        ),
        "End what keeps the server connection before the session is idle; SHOW PINS on the console "
        "shows it."
    );
    error.detail = pin_detail_;
    return error;
}

// What it does with its server.
std::string_view ClientSession::activity() const {
    if (waiting_) return "waiting";
    const bool owes = server_ != nullptr && !server_->expected.in_sync() && !only_inquiry_owed();
    if (owes || (server_ != nullptr && group_open_)) return "active";
    switch (local_status()) {
        case TransactionStatus::idle:
            return "idle";
        case TransactionStatus::in_transaction:
            return "idle in transaction";
        case TransactionStatus::failed:
            return "idle in transaction (aborted)";
    }
    return "idle";
}

}  // namespace weir::proxy
