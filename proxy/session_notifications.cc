// Notifications on their way to the client: between transactions, in order, none left out.
#include "protocol/field_cursor.h"
#include "proxy/client_session.h"

#include <utility>

namespace weir::proxy {

namespace backend = protocol::backend;
namespace sqlstate = protocol::sqlstate;
using protocol::TransactionStatus;

namespace {

void write_notification(
    const Notification& notification, std::int32_t process_id, protocol::MessageWriter& out
) {
    out.begin(backend::notification_response).i32(process_id);
    out.c_string(notification.channel).c_string(notification.payload).end();
}

}  // namespace

void ClientSession::notified(const NotificationRef& notification) {
    // After a gap nothing follows but the reason for it.
    if (phase_ != Phase::serving || listening_ == nullptr || listening_->doom != nullptr) return;
    if (!listening_->channels.enqueue(notification)) {
        doom(protocol::fatal(
            sqlstate::configuration_limit_exceeded,
            "terminating connection because too many notifications wait for it",
            "Read notifications as they come, and keep transactions of a listening session short."
        ));
    }
    advance();
}

void ClientSession::listener_lost(const ListenerLost& lost) {
    if (phase_ != Phase::serving || listening_ == nullptr) return;
    if (lost.listens_again) {
        listening_->lost = true;
    } else if (listening_->doom == nullptr) {
        doom(protocol::fatal(
            sqlstate::admin_shutdown,
            "terminating connection because the connection that listens for it was lost",
            "Notifications may have been missed: connect and LISTEN again."
        ));
    }
    advance();
}

void ClientSession::doom(const protocol::Error& why) {
    listening_->doom = std::make_unique<const protocol::Error>(why);
    listening_->doomed_at = worker_.loop().now();
    arm(Listening::drain_limit);
}

void ClientSession::deliver_next() {
    const auto& next = listening_->channels.queue().front();
    const auto process_id = next.own ? start_.cancel_key.process_id : next.notification->process_id;
    write_notification(*next.notification, process_id, worker_.to_client());
    listening_->channels.dequeue();
}

// All that waits goes before the ReadyForQuery that is written next.
void ClientSession::deliver_before_ready() {
    if (listening_ == nullptr || local_status() != TransactionStatus::idle) return;
    while (!listening_->channels.queue().empty())
        deliver_next();
}

// Neither in a transaction nor in a request, as far as the client knows.
bool ClientSession::is_idle() const {
    if (phase_ != Phase::serving || waiting_ || listener_wait_ || prelude_pending_ || healing_) {
        return false;
    }
    if (group_open_ || reply_left_ > 0 || local_status() != TransactionStatus::idle) return false;
    return server_ == nullptr || server_->expected.in_sync() || only_inquiry_owed();
}

// After each turn: a client that is idle gets what waits for it, as fast as it takes it.
void ClientSession::settle_listening() {
    if (!is_idle()) return;
    auto& channels = listening_->channels;
    while (!channels.queue().empty() && output_.empty()) {
        while (!channels.queue().empty() && worker_.to_client().size() < output_limit)
            deliver_next();
        flush_client();
        if (phase_ != Phase::serving) return;
    }
    if (std::exchange(listening_->lost, false)) {
        protocol::write_notice(
            "WARNING",
            sqlstate::connection_failure,
            "the connection that listens for this session was lost; notifications may be missing",
            worker_.to_client(),
            "pgweir listens again."
        );
    }
    if (listening_->doom != nullptr && channels.queue().empty() && output_.empty()) {
        const auto why = *listening_->doom;
        finish_with(why);
    }
}

// From a server that listens itself, because the session keeps it: by a function, or in a string
// of several statements.
void ClientSession::on_server_notification(const protocol::MessageView& message) {
    // Without a pin nobody has listened here.
    if (!keeps_server()) return;
    protocol::FieldCursor cursor(message.body);
    Notification notification;
    notification.process_id = cursor.i32();
    notification.channel = cursor.c_string();
    notification.payload = cursor.c_string();
    if (!cursor.finished()) return broken_server("a broken NotificationResponse");
    // It comes by the listening connection, too.
    if (listening_ != nullptr && listening_->channels.is_active(notification.channel)) return;
    if (notification.process_id != server_->identity().cancel_key.process_id) {
        return pass_on(message.whole);
    }
    flush_passed();
    write_notification(notification, start_.cancel_key.process_id, worker_.to_client());
}

}  // namespace weir::proxy
