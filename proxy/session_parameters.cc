// Parameters (GUCs) of a session: what its server reports, and what was set there on its behalf.
#include "proxy/client_session.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

using protocol::TransactionStatus;

void ClientSession::on_parameter_status(const protocol::MessageView& message) {
    const auto status = protocol::parse_parameter_status(message.body);
    if (!status) return broken_server("a broken ParameterStatus");
    // PostgreSQL reports right before ReadyForQuery; only then is it known what it means.
    reported_.emplace_back(status->name, status->value);
    if (server_->expected.in_sync()) settle_parameters();
}

void ClientSession::settle_parameters() {
    if (reported_.empty() && injected_.empty() && resets_.none()) {
        if (server_->status == TransactionStatus::idle) unit_ended();
        return;
    }
    const bool rolled_back = unit_failed_ && !unit_committed_ && !set_after_rollback_ &&
                             server_->status != TransactionStatus::in_transaction;
    const auto was_injected = [this](std::string_view name) {
        return std::any_of(injected_.begin(), injected_.end(), [&](const std::string& other) {
            return protocol::same_parameter_name(other, name);
        });
    };
    flush_passed();
    for (const auto& [name, value] : reported_) {
        server_->report_parameter(name, value);
        if (phase_ == Phase::welcoming) continue;
        std::string_view told = value;
        if (rolled_back && was_injected(name)) {
            // The server is back at another client's value; this client's is what it was.
            told = unit_parameters_->value(name);
        } else if (const auto* started = reset_to(name)) {
            told = started->value;
        }
        tell_parameter(name, told);
    }
    reported_.clear();
    // ... even if that makes no report: it had been told of a value in between.
    if (rolled_back && phase_ == Phase::serving) {
        for (const auto& name : injected_) {
            const auto* before = unit_parameters_->find(name);
            if (before != nullptr && before->reported) tell_parameter(before->name, before->value);
        }
    }
    if (!unit_failed_ && phase_ == Phase::serving) tell_unreported();
    if (server_->status == TransactionStatus::idle) {
        settle_injected();
        settle_resets();
        unit_ended();
    }
}

// PostgreSQL compares with what it has reported last: a value that was injected and that the client
// has changed back before ReadyForQuery makes no report, but it is the client's now.
void ClientSession::tell_unreported() {
    for (const auto& name : injected_) {
        const auto* known = server_->parameters->find(name);
        if (known == nullptr || !known->reported) continue;
        if (parameters_->value(name) != known->value) tell_parameter(known->name, known->value);
    }
}

void ClientSession::tell_parameter(std::string_view name, std::string_view value) {
    if (!protocol::is_server_fact(name)) {
        const auto* known = parameters_->find(name);
        if (known != nullptr && known->value == value) return;
        parameters_ = protocol::ParameterSet::with(
            parameters_, {std::string(name), std::string(value), true}
        );
    }
    protocol::write_parameter_status(name, value, worker_.to_client());
}

void ClientSession::forget_injected() {
    injected_.clear();
    unit_parameters_.reset();
}

// The unit that settings were injected into has ended: they hold, or nobody knows.
void ClientSession::settle_injected() {
    if (injected_.empty()) return;
    const bool alone = phase_ == Phase::welcoming || prelude_pending_;
    auto& uncertain = server_->uncertain;
    std::erase_if(uncertain, [this](const std::string& name) {
        return std::any_of(injected_.begin(), injected_.end(), [&](const std::string& other) {
            return protocol::same_parameter_name(other, name);
        });
    });
    for (const auto& name : injected_) {
        const auto* known = server_->parameters->find(name);
        if (known != nullptr && known->reported) continue;
        if (unit_failed_) {
            // With a Sync of their own they are rolled back for certain; in a transaction of the
            // client's it hangs on what happened there.
            if (!alone) server_->make_uncertain(name);
            continue;
        }
        const auto* wanted = unit_parameters_->find(name);
        auto& has = server_->parameters;
        if (wanted != nullptr) {
            has = protocol::ParameterSet::with(has, *wanted);
        } else if (protocol::is_custom_parameter(name)) {
            has = protocol::ParameterSet::with(has, {name, "", false, true});
        } else {
            has = protocol::ParameterSet::without(has, name);
        }
    }
    forget_injected();
}

}  // namespace weir::proxy
