// What transactions leave behind in the session, asked of PostgreSQL: settings that follow the
// client to its next server, and state that keeps this one until it is gone.
#include "protocol/frontend_messages.h"
#include "protocol/set_statements.h"
#include "proxy/client_session.h"
#include "proxy/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using protocol::Parameter;
using protocol::ParameterSet;
using protocol::TransactionStatus;
using router::StatementKind;

namespace {

// What a client may carry from server to server. More keeps it on one.
constexpr std::size_t carried_names_limit = 500;
constexpr std::size_t carried_bytes_limit = 256 * 1024;
// Roles and databases changed in one transaction that are told apart.
constexpr std::size_t new_sessions_limit = 100;

template <class Names>
bool contains_name(const Names& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& other) {
        return protocol::same_parameter_name(other, name);
    });
}

template <class Names>
void add_name(Names& names, std::string_view name) {
    if (!contains_name(names, name)) names.emplace_back(name);
}

bool is_role(std::string_view name) {
    return protocol::same_parameter_name(name, "role");
}

// RESET ALL leaves them; is_superuser says what the role is.
bool is_identity(std::string_view name) {
    return is_role(name) || protocol::same_parameter_name(name, "session_authorization") ||
           protocol::same_parameter_name(name, "is_superuser");
}

bool is_too_much(const ParameterSet& set) {
    std::size_t bytes = 0;
    for (const auto& parameter : set.parameters())
        bytes += parameter.name.size() + parameter.value.size();
    return set.parameters().size() > carried_names_limit || bytes > carried_bytes_limit;
}

}  // namespace

void ClientSession::touch(std::string_view name) {
    add_name(touched_, name);
}

void ClientSession::pin(router::PinReason reason, std::string_view detail) {
    Plan plan;
    plan.pins = pin_bit(reason);
    plan.pin = reason;
    plan.pin_detail = detail;
    // What has been done already cannot be refused, whatever max_pinned says.
    if (!keeps_server()) pool_->start_pin();
    pin(plan);
}

void ClientSession::pin(const Plan& plan) {
    if (session_mode() || (plan.pins & ~pins_) == 0) return;
    pins_ |= plan.pins;
    scope_for_.reset();
    // Whether it is there at all is asked when the transaction has ended.
    state_may_be_gone_ = true;
    if (pin_ != router::PinReason::none) return;
    pin_begins(plan.pin, plan.pin_detail, plan.pin_statement);
}

bool ClientSession::is_touched(std::string_view name) const {
    return contains_name(touched_, name) || (inquiry_ && contains_name(inquiry_->names, name));
}

void ClientSession::note_changes(const Plan& plan, const Changes& changes) {
    for (const auto& setting : changes.settings)
        note_setting(setting, plan.ends_transaction);
    if (changes.outdates_catalog || !changes.unresolved.empty()) note_unresolved(changes);
    for (const auto& whose : changes.new_sessions)
        new_sessions_.push_back(whose);
    // Of more of them all are renewed.
    if (new_sessions_.size() > new_sessions_limit) new_sessions_.fill().assign(1, {});
    const auto unread = pin_bit(router::PinReason::set_setting);
    state_may_be_gone_ |= changes.frees_state || (pins_ & unread) != 0;
}

// The last word on a name counts.
void ClientSession::note_setting(const Changes::Setting& setting, bool behind_end) {
    using What = Changes::Setting::What;
    const auto remove = [](SeldomVector<std::string>& names, std::string_view name) {
        erase_if(names, [&](const std::string& other) {
            return protocol::same_parameter_name(other, name);
        });
    };
    const auto& name = setting.name;
    if (setting.what == What::set) {
        remove(resets_.names, name);
        if (resets_.all) add_name(resets_.set_again, name);
        if (!setting.asked) return;
        touch(name);
        // "ROLLBACK; SET x = 1": what is rolled back with the transaction is not all of it.
        if (behind_end) add_name(touched_at_end_, name);
        return;
    }
    resets_.restored = resets_.answered = false;
    if (setting.what == What::reset_local) return add_name(resets_.local, name);
    if (setting.what == What::reset) {
        remove(touched_, name);
        remove(touched_at_end_, name);
        add_name(resets_.names, name);
        return;
    }
    resets_.all = true;
    resets_.identity |= setting.what == What::discard_all;
    resets_.set_again.clear();
    const auto is_reset = [&](const std::string& other) {
        // RESET ALL does not know the names of custom settings that nobody has used.
        return !protocol::is_custom_parameter(other) && (resets_.identity || !is_identity(other));
    };
    erase_if(touched_, is_reset);
    erase_if(touched_at_end_, is_reset);
}

// Whether the answer to an inquiry sent right behind the group is the state after its transaction:
// it is if nothing else can have happened in it.
bool ClientSession::may_ask_behind(const Plan& plan, const Group& group, bool was_idle) const {
    if (phase_ != Phase::serving || server_ == nullptr || keeps_server()) return false;
    if (!plan.short_and_known || plan.texts != 1) return false;
    if (group.terminator != frontend::query && group.terminator != frontend::sync) return false;
    if (was_idle) return !plan.begins_transaction && !plan.ends_transaction;
    return plan.lone_query == StatementKind::commit || plan.lone_query == StatementKind::rollback;
}

// The transaction has ended: is there anything to be asked?
bool ClientSession::asks_state() const {
    if (session_mode()) return false;
    if (pins_ == 0) return !touched_.empty() || !touched_before_.empty();
    const bool unread = (pins_ & pin_bit(router::PinReason::set_setting)) != 0;
    // What is brought next must not be older than what has been set here.
    const bool owed = settings_owed_ || !server_->uncertain.empty();
    if (owed && !unread && !touched_before_.empty()) return true;
    const bool hopeless = (pins_ & ~askable_pins) != 0 || settings_stay_here_;
    return state_may_be_gone_ && !hopeless;
}

void ClientSession::send_inquiry() {
    inquiry_ = std::make_unique<StateInquiry>();
    inquiry_->pins = pins_ & askable_pins;
    inquiry_->names = touched_before_.take();
    inquiry_->kept = inquiry_->names.size();
    for (auto& name : std::exchange(touched_, {}))
        add_name(inquiry_->names, name);
    inquiry_->only_own = unit_failed_ || std::exchange(rolled_back_in_part_, false);
    state_may_be_gone_ = false;
    worker_.to_server().begin(frontend::query).c_string(inquiry_text(*inquiry_)).end();
    server_->expected.sent({protocol::Request::query, protocol::Reply::swallow, state_inquiry});
    server_->unnamed_owner = 0;
    write_to_server();
}

void ClientSession::take_answer(const protocol::MessageView& message, std::uint32_t tag) {
    if (tag == catalog_rows) return take_catalog_row(message);
    if (inquiry_) inquiry_->answer = read_state_answer(*inquiry_, message.body);
}

bool ClientSession::only_inquiry_owed() const {
    const bool asked = inquiry_ != nullptr || reading_catalog_ != nullptr;
    return asked && server_ != nullptr && server_->expected.size() == 1;
}

// What this transaction has changed stays changed, whatever the next one does, and is not asked for
// while the server is kept.
void ClientSession::keep_touched() {
    for (const auto& name : std::exchange(touched_, {}))
        add_name(touched_before_, name);
}

// A transaction, or what was sent without one, has ended.
void ClientSession::unit_with_end_ended() {
    if (unit_failed_ && !unit_committed_) {
        forget_rolled_back();
        // "COMMIT; SET x = 1": of what is behind the end it is not known whether it was reached,
        // nor whether it may be set at all.
        rolled_back_in_part_ |= !touched_at_end_.empty();
        if (catalog_change_ != nullptr) catalog_change_->was_in_vain();
        outdates_catalog_ = false;
        changed_names_.reset();
        new_sessions_.clear();
    }
    rolled_back_in_part_ |= unit_failed_ && unit_committed_;
    touched_at_end_.clear();
    unit_failed_ = unit_committed_ = unit_may_commit_ = false;
}

// ALTER ROLE ... SET and the like, seen in a transaction that may have committed.
void ClientSession::tell_new_sessions() {
    worker_.observer().sessions_changed(new_sessions_.take());
}

// The transaction was rolled back: what it has set is what it was before it.
void ClientSession::forget_rolled_back() {
    const auto is_moot = [&](const std::string& name) {
        if (contains_name(touched_at_end_, name)) return false;
        // The name of a custom setting stays.
        return !protocol::is_custom_parameter(name) || parameters_->find(name) != nullptr;
    };
    erase_if(touched_, is_moot);
    if (inquiry_ == nullptr) return;
    for (std::size_t i = inquiry_->kept; i < inquiry_->names.size(); ++i) {
        if (is_moot(inquiry_->names[i])) inquiry_->moot.push_back(inquiry_->names[i]);
    }
}

// The inquiry was answered, or refused.
void ClientSession::settle_inquiry() {
    const auto inquiry = std::exchange(inquiry_, nullptr);
    if (inquiry == nullptr) return;
    auto& answer = inquiry->answer;
    if (healing_ || server_->status != TransactionStatus::idle || !answer) {
        for (const auto& name : inquiry->names)
            add_name(touched_before_, name);
        if (healing_ || answer) return;
        if (!touched_before_.empty()) {
            pin(router::PinReason::set_setting, touched_before_.front());
        }
        // Asked again when more has happened: PostgreSQL would say no again.
        state_may_be_gone_ = false;
        return;
    }
    for (std::size_t i = 0; i < inquiry->names.size(); ++i) {
        if (contains_name(inquiry->moot, inquiry->names[i])) continue;
        settle_value(inquiry->names[i], answer->values[i]);
    }
    if (is_too_much(*parameters_)) {
        settings_stay_here_ = true;
        return pin(router::PinReason::set_setting, "more settings than can be carried");
    }
    if (pins_ != 0) unpin(inquiry->pins & ~answer->held);
}

// What PostgreSQL says a setting is; nothing: it knows no such name.
void ClientSession::settle_value(const std::string& name, std::optional<std::string>& value) {
    std::erase_if(server_->uncertain, [&](const std::string& other) {
        return protocol::same_parameter_name(other, name);
    });
    const auto* known = server_->parameters->find(name);
    if (known != nullptr && known->reported) return;
    // The role "none" is a value, too: the server's own may be another (ALTER ROLE ... SET role).
    if (!value) {
        parameters_ = ParameterSet::without(parameters_, name);
        server_->parameters = ParameterSet::without(server_->parameters, name);
        return;
    }
    const Parameter now{name, std::move(*value)};
    parameters_ = ParameterSet::with(parameters_, now);
    server_->parameters = ParameterSet::with(server_->parameters, now);
}

void ClientSession::unpin(PinSet gone) {
    pins_ &= ~gone;
    if (pins_ != 0) return;
    pin_lifted("PostgreSQL no longer holds the state");
    unfollowed_.clear();
    // What was prepared while it had temporary objects means something else now.
    scope_for_.reset();
}

// --- RESET ---

// RESET goes to what the client started with, which the server does not know.
void ClientSession::settle_resets() {
    if (resets_.none()) return;
    const auto resets = std::exchange(resets_, {});
    if (session_mode()) return;
    std::vector<std::string> names(resets.names.begin(), resets.names.end());
    if (resets.all) {
        const auto add = [&](const ParameterSet& set, bool reported_too) {
            for (const auto& parameter : set.parameters()) {
                if (is_identity(parameter.name) && !resets.identity) continue;
                if (reported_too || !parameter.reported) add_name(names, parameter.name);
            }
        };
        add(*startup_parameters_, true);
        add(*parameters_, false);
        add(*server_->parameters, false);
    }
    for (const auto& name : names) {
        if (!contains_name(resets.set_again, name)) settle_reset(name, resets);
    }
}

void ClientSession::settle_reset(const std::string& name, const Resets& resets) {
    const auto* const started = startup_parameters_->find(name);
    const auto* const known = server_->parameters->find(name);
    const bool held = !unit_failed_ || resets.answered;
    if (known != nullptr && known->reported) {
        // The server has told what it went to; the client is told what is its own.
        if (!held || started == nullptr) return;
        tell_parameter(started->name, started->value);
        // A server that is kept is brought to it, too.
        if (known->value != started->value) server_->make_uncertain(name);
        return;
    }
    // Refused, or rolled back.
    if (!held && !unit_committed_) return;
    // A part of the transaction was rolled back, or the name was set as well: its value tells what
    // came of it, unless RESET means something else for the client than for the server.
    const bool touched = is_touched(name);
    if (touched || (unit_failed_ && unit_committed_)) {
        if (started != nullptr) {
            settings_stay_here_ = true;
            return pin(router::PinReason::set_setting, name);
        }
        if (!touched) touch(name);
        return;
    }
    erase_if(touched_before_, [&](const std::string& other) {
        return protocol::same_parameter_name(other, name);
    });
    server_->make_uncertain(name);
    if (started != nullptr) {
        parameters_ = ParameterSet::with(parameters_, *started);
    } else if (protocol::is_custom_parameter(name)) {
        // Others' names among those of RESET ALL are none of this client's.
        if (contains_name(resets.names, name) || parameters_->find(name) != nullptr) {
            parameters_ = ParameterSet::with(parameters_, {name, "", false, true});
        }
    } else {
        parameters_ = ParameterSet::without(parameters_, name);
    }
}

// What the client started with, if a RESET of this name has been answered.
const Parameter* ClientSession::reset_to(std::string_view name) const {
    if (resets_.none() || !resets_.answered) return nullptr;
    const bool in_block = server_->status == TransactionStatus::in_transaction;
    if (in_block && contains_name(resets_.local, name)) return startup_parameters_->find(name);
    const bool all = resets_.all && (resets_.identity || !is_identity(name)) &&
                     !contains_name(resets_.set_again, name);
    if (!all && !contains_name(resets_.names, name)) return nullptr;
    return startup_parameters_->find(name);
}

// In a block the client goes on with what it started with, not with what the server did.
void ClientSession::restore_startup() {
    resets_.restored = true;
    for (const auto& [name, value] : start_.settings) {
        if (reset_to(name) == nullptr) continue;
        auto statement = protocol::set_statement(name, value);
        if (contains_name(resets_.local, name)) {
            statement = fmt::format(
                "SELECT pg_catalog.set_config({}, {}, true)",
                protocol::quote_literal(name),
                protocol::quote_literal(value)
            );
        }
        send_injected(statement, 0);
    }
    // What is set behind it counts.
    resets_.local.clear();
    if (worker_.to_server().empty()) return;
    send_own_sync();
    write_to_server();
}

}  // namespace weir::proxy
