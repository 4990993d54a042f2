// Deadlines of one session.
#include "proxy/client_session.h"

namespace weir::proxy {

void ClientSession::arm(pool::Duration timeout) {
    if (timeout <= pool::Duration::zero()) return;
    worker_.loop().timers().set_no_later_than(timer_, worker_.loop().now() + timeout);
}

void ClientSession::on_timer(pool::TimePoint now) {
    if (phase_ != Phase::ended) check_deadlines(now);
    if (waits_for_host()) look_for_host_again();
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
    const bool running = server_ != nullptr && !server_->expected.in_sync() && !only_inquiry_owed();
    const bool no_host = waits_for_host();
    const bool waits = waiting_ || no_host;
    const auto waits_since = no_host ? *routing_->waiting_since : waiter_.since;
    const bool idle_in_transaction = in_transaction_ && !running && !waits;
    if (due(phase_ == Phase::welcoming, connected_at_, limits_->client_login_timeout)) {
        return finish_with(fatal(state::cannot_connect_now, "client_login_timeout (server down)"));
    }
    if (due(waits, waits_since, limits_->query_wait_timeout)) {
        return finish_with(fatal(
            state::query_canceled,
            "query_wait_timeout",
            no_host ? "No host of the cluster may serve it; see SHOW HOSTS in the console."
                    : "No server connection became free in time; see SHOW POOLS in the console."
        ));
    }
    if (no_host) {
        // As wait_for_host() has armed it.
        due(true, waits_since, may_wait_until(now, routing_->consistency) - waits_since);
        due(true, waits_since, may_wait_until(now, pool::Consistency::strict) - waits_since);
    }
    if (due(waits && !wait_noticed_, waits_since, limits_->query_wait_notify)) {
        wait_noticed_ = true;
        protocol::write_notice(
            "NOTICE",
            protocol::SqlState("00000"),
            "No server connection available in postgres backend, client being queued",
            worker_.to_client()
        );
        flush_client();
    }
    if (due(running || waits, request_at_, limits_->query_timeout)) {
        return finish_with(fatal(state::query_canceled, "query timeout"));
    }
    if (due(idle_in_transaction, idle_since_, limits_->idle_transaction_timeout)) {
        return finish_with(fatal(state::idle_in_transaction_timeout, "idle transaction timeout"));
    }
    if (due(in_transaction_, transaction_at_, limits_->transaction_timeout)) {
        return finish_with(fatal(state::query_canceled, "transaction timeout"));
    }
    const bool idle = phase_ == Phase::serving && !running && !waits && !in_transaction_;
    if (due(idle, idle_since_, limits_->client_idle_timeout)) {
        return finish_with(fatal(state::idle_session_timeout, "client_idle_timeout"));
    }
    const bool pinned = pin_ != router::PinReason::none;
    if (due(idle && pinned, idle_since_, limits_->pin_idle_timeout)) {
        return finish_with(idle_pin_error());
    }
    const bool doomed = listening_ != nullptr && listening_->doom != nullptr && is_idle();
    if (doomed && due(true, listening_->doomed_at, Listening::drain_limit)) {
        const auto why = *listening_->doom;
        return finish_with(why);
    }
    if (next) worker_.loop().timers().set_no_later_than(timer_, *next);
}

void ClientSession::refresh_limits() {
    auto limits = *start_.entry->limits();
    limits.pool_mode = limits_->pool_mode;
    limits_ = std::make_shared<const SessionLimits>(std::move(limits));
    if (routing_ != nullptr) routing_->follows.reset();
    check_deadlines(worker_.loop().now());
}

}  // namespace weir::proxy
