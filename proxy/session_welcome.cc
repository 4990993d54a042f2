// The welcome: what a client is told after its login. It is a real server's; settings from the
// start-up packet were accepted by PostgreSQL, now or for an earlier client.
#include "protocol/message.h"
#include "proxy/client_session.h"

namespace weir::proxy {

namespace {

std::string key_of(const std::vector<std::pair<std::string, std::string>>& settings) {
    std::string key;
    for (const auto& [name, value] : settings) {
        key.append(name).push_back('\0');
        key.append(value).push_back('\0');
    }
    return key;
}

}  // namespace

void ClientSession::prepare_welcome() {
    const auto known = start_.entry->welcome.current();
    if (known == nullptr) return;
    if (start_.settings.empty()) {
        parameters_ = known->baseline;
        return welcome_finished();
    }
    if (auto accepted = start_.entry->welcome.accepted(key_of(start_.settings))) {
        parameters_ = std::move(accepted);
        welcome_finished();
    }
}

// One turn before the welcome: a server is needed to know it, or to try the client's settings.
bool ClientSession::advance_welcome() {
    if (server_ == nullptr) {
        // The client has nothing to say before the welcome; that it has left must be seen.
        if (!read_client() && phase_ == Phase::ended) return false;
        const bool to_be_routed = routing_ != nullptr && !waiting_;
        if (to_be_routed && (waits_for_host() || !choose_host_for_welcome())) return false;
        return acquire();
    }
    if (lease_fresh_) {
        if (!server_is_alive()) return false;
        lease_fresh_ = false;
        auto wanted = WelcomeCache::baseline(server_->identity().welcome);
        for (const auto& [name, value] : start_.settings) {
            const auto* known = wanted->find(name);
            const bool reported = known != nullptr;
            wanted = protocol::ParameterSet::with(
                wanted, {reported ? known->name : name, value, reported}
            );
        }
        parameters_ = wanted;
        send_settings();
        send_own_sync();
        write_to_server();
        return true;
    }
    if (!server_->expected.in_sync()) return false;
    if (prelude_error_) {
        auto error = std::move(*prelude_error_);
        error.severity = protocol::Severity::fatal;
        finish_with(error);
        return false;
    }
    // PostgreSQL's own spelling of the values it reports.
    for (const auto& parameter : server_->parameters->parameters()) {
        if (parameter.reported) {
            parameters_ = protocol::ParameterSet::with(parameters_, parameter);
        }
    }
    const bool current = server_->generation == pool_->generation();
    start_.entry->welcome.learn(server_->identity().welcome, current);
    if (current) start_.entry->welcome.accept(key_of(start_.settings), parameters_);
    if (!session_mode()) give_server_back();
    welcome_finished();
    return true;
}

void ClientSession::welcome_finished() {
    startup_parameters_ = parameters_;
    phase_ = Phase::serving;
    idle_since_ = worker_.loop().now();
    arm(limits_->client_idle_timeout);
    // It may be found that the client has left.
    send_welcome();
}

void ClientSession::send_welcome() {
    auto& out = worker_.to_client();
    const auto known = start_.entry->welcome.known();
    if (parameters_ == known->baseline) {
        out.append(as_bytes(known->messages));
    } else {
        for (const auto& [name, value] : known->facts) {
            const auto* own = parameters_->find(name);
            protocol::write_parameter_status(
                name, own != nullptr ? std::string_view(own->value) : std::string_view(value), out
            );
        }
    }
    out.begin(protocol::backend::backend_key_data)
        .i32(start_.cancel_key.process_id)
        .text(start_.cancel_key.secret)
        .end();
    protocol::write_ready_for_query(protocol::TransactionStatus::idle, out);
    flush_client();
}

}  // namespace weir::proxy
