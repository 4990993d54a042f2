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

void ClientSession::settle_changed_parameters() {
    const bool idle = server_->status == TransactionStatus::idle;
    flush_passed();
    for (const auto& [name, value] : reported_) {
        server_->report_parameter(name, value);
        if (phase_ == Phase::welcoming) continue;
        // Of one host, not of the cluster.
        if (routing_ != nullptr && name == "in_hot_standby") continue;
        const auto* started = reset_to(name);
        tell_parameter(name, started != nullptr ? std::string_view(started->value) : value);
    }
    reported_.clear();
    if (idle) {
        if (phase_ == Phase::welcoming) settle_injected(unit_failed_);
        settle_resets();
        unit_ended();
    }
}

// What was brought for the client has been answered; nothing of its own request has. It has these
// values already.
void ClientSession::settle_brought() {
    for (const auto& [name, value] : reported_)
        server_->report_parameter(name, value);
    reported_.clear();
    settle_injected(bringing_failed_);
    bringing_ = false;
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

// Settings were brought in a transaction of their own, which has ended: all of them hold, or none.
void ClientSession::settle_injected(bool failed) {
    const auto names = std::exchange(injected_, {});
    if (failed) return;
    std::erase_if(server_->uncertain, [&](const std::string& name) {
        return std::any_of(names.begin(), names.end(), [&](const std::string& other) {
            return protocol::same_parameter_name(other, name);
        });
    });
    for (const auto& name : names) {
        const auto* known = server_->parameters->find(name);
        if (known != nullptr && known->reported) continue;
        const auto* wanted = parameters_->find(name);
        auto& has = server_->parameters;
        if (wanted != nullptr) {
            has = protocol::ParameterSet::with(has, *wanted);
        } else if (protocol::is_custom_parameter(name)) {
            has = protocol::ParameterSet::with(has, {name, "", false, true});
        } else {
            has = protocol::ParameterSet::without(has, name);
        }
    }
}

}  // namespace weir::proxy
