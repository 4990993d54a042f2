// Answers that need no server: BEGIN that is deferred, Parse of what is known, errors of our own.
#include "protocol/frontend_messages.h"
#include "protocol/sql_lexer.h"
#include "proxy/client_session.h"
#include "proxy/deferred_begin.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
namespace backend = protocol::backend;
namespace sqlstate = protocol::sqlstate;
using router::StatementKind;

namespace {

// SET TRANSACTION SNAPSHOT, which BEGIN does not take.
bool sets_snapshot(const router::Statement& statement) {
    const auto& modes = statement.reads.modes;
    return std::any_of(modes.begin(), modes.end(), [](const auto& mode) { return mode.snapshot; });
}

// What control_transaction() knows.
bool is_control(StatementKind kind) {
    return kind == StatementKind::begin || kind == StatementKind::set_transaction ||
           kind == StatementKind::commit || kind == StatementKind::rollback;
}

}  // namespace

// False: a server has to answer.
bool ClientSession::answer_locally(const Group& group, const Plan& plan) {
    auto& out = worker_.to_client();
    const bool is_execution = plan.lone_bound && plan.texts == 1 && plan.pins == 0 &&
                              is_control(*plan.lone_bound) && is_one_execution(group);
    const auto lone = is_execution ? plan.lone_bound : plan.lone_query;
    const bool ends_block = lone == StatementKind::rollback || lone == StatementKind::commit;
    const bool lost = lost_transaction_ != nullptr;
    if (lost && group.terminator != 0 && lone != StatementKind::rollback) {
        // COMMIT ends it, but never as if it had been done.
        const auto why = std::exchange(lost_transaction_, nullptr);
        if (plan.ends_transaction) local_failed_ = in_transaction_ = false;
        fail_group(group, *why);
        return true;
    }
    if (lost) lost_transaction_.reset();
    if (local_failed_ && !ends_block) {
        // COMMIT or ROLLBACK with others around it is answered by PostgreSQL, in a transaction that
        // has failed there, too.
        if (plan.ends_transaction && group.terminator != 0) return false;
        fail_group(
            group,
            protocol::error(
                sqlstate::in_failed_transaction,
                "current transaction is aborted, commands ignored until end of transaction block"
            )
        );
        return true;
    }
    if (group.terminator == 0 || group.missing > 0) return false;
    if (is_execution) return answer_execution_locally(group, plan);
    if (plan.lone_query) {
        if (!answer_query_locally(group, plan)) return false;
        counters_.queries.add(1);
        // As a simple Query does in PostgreSQL.
        has_unnamed_ = false;
        deliver_before_ready();
        protocol::write_ready_for_query(local_status(), out);
        idle_since_ = worker_.loop().now();
        return true;
    }
    if (plan.needs_server || !plan.only_parse_and_close) return false;
    answer_parse_and_close(group);
    if (group.terminator == frontend::sync && phase_ == Phase::serving) {
        protocol::write_ready_for_query(local_status(), out);
    }
    return true;
}

// [Parse] Bind [Describe] Execute Sync of what begins, ends or shapes a transaction.
bool ClientSession::answer_execution_locally(const Group& group, const Plan& plan) {
    const auto tag = control_transaction(*plan.lone_bound, plan.lone_text, *plan.lone);
    if (!tag) return false;
    auto& out = worker_.to_client();
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        switch (message.type) {
            case frontend::parse:
                return note_parse(message);
            case frontend::bind:
                return protocol::write_empty(backend::bind_complete, out);
            case frontend::describe:
                return protocol::write_empty(backend::no_data, out);
            case frontend::execute:
                return protocol::write_command_complete(*tag, out);
            default:
                return;
        }
    });
    if (phase_ != Phase::serving) return true;
    counters_.queries.add(1);
    deliver_before_ready();
    protocol::write_ready_for_query(local_status(), out);
    idle_since_ = worker_.loop().now();
    return true;
}

// Its tag, if no server has to do it.
std::optional<std::string_view> ClientSession::control_transaction(
    StatementKind kind, std::string_view text, const router::Statement& statement
) {
    const bool in_block = !deferred_begin_.empty() || local_failed_;
    switch (kind) {
        case StatementKind::begin:
            if (in_block || !limits_->defer_begin || session_mode() ||
                limits_->pool_mode == conf::PoolMode::statement) {
                return std::nullopt;
            }
            deferred_begin_ = text;
            in_transaction_ = true;
            if (routing_ != nullptr) routing_->context = routing_->group_context;
            transaction_at_ = worker_.loop().now();
            arm(limits_->transaction_timeout);
            arm(limits_->idle_transaction_timeout);
            return begin_tag(deferred_begin_);
        case StatementKind::set_transaction: {
            if (deferred_begin_.empty() || local_failed_ || sets_snapshot(statement)) {
                return std::nullopt;
            }
            auto joined = begin_with_modes(deferred_begin_, text);
            if (!joined) return std::nullopt;
            deferred_begin_ = std::move(*joined);
            if (routing_ != nullptr) routing_->context = routing_->group_context;
            return "SET";
        }
        case StatementKind::commit:
        case StatementKind::rollback: {
            if (!in_block || (statement.transaction && statement.transaction->chain)) {
                return std::nullopt;
            }
            const bool commit = kind == StatementKind::commit && !local_failed_;
            deferred_begin_.clear();
            local_failed_ = false;
            in_transaction_ = false;
            if (routing_ != nullptr) request_ended_on_host(false);
            if (listening_ != nullptr) listening_transaction_ended(commit);
            counters_.transactions.add(1);
            (commit ? counters_.commits : counters_.rollbacks).add(1);
            return commit ? "COMMIT" : "ROLLBACK";
        }
        default:
            return std::nullopt;
    }
}

bool ClientSession::answer_query_locally(const Group& group, const Plan& plan) {
    auto& out = worker_.to_client();
    const bool in_block = !deferred_begin_.empty() || local_failed_;
    const auto& statement = *plan.lone;
    if (is_control(*plan.lone_query)) {
        const auto text = protocol::parse_query(protocol::message_at(group.bytes).body);
        const auto tag =
            text ? control_transaction(*plan.lone_query, *text, statement) : std::nullopt;
        if (tag) protocol::write_command_complete(*tag, out);
        return tag.has_value();
    }
    switch (*plan.lone_query) {
        case StatementKind::reset: {
            const auto left = in_block ? nullptr : after_reset(statement);
            if (left == nullptr) return false;
            const auto text = protocol::parse_query(protocol::message_at(group.bytes).body);
            const bool by_set =
                text && protocol::is_word(protocol::SqlLexer(*text).next().text, "set");
            protocol::write_command_complete(by_set ? "SET" : "RESET", out);
            go_back_to(left);
            return true;
        }
        case StatementKind::deallocate:
            if (!statement.deallocate_all || in_block) return false;
            if (statements_) statements_->clear();
            protocol::write_command_complete("DEALLOCATE ALL", out);
            return true;
        case StatementKind::discard:
            if (!statement.discard_all || in_block) return false;
            if (statements_) statements_->clear();
            if (listening_ != nullptr) drop_channels();
            protocol::write_command_complete("DISCARD ALL", out);
            go_back_to(started_with_custom_names());
            return true;
        default:
            return false;
    }
}

// The settings of the session after a RESET; nullptr: PostgreSQL has to say whether it may be done,
// or what comes of it.
protocol::ParameterSetRef ClientSession::after_reset(const router::Statement& statement) const {
    using protocol::ParameterSet;
    if (!touched_.empty() || !touched_before_.empty()) return nullptr;
    const auto is_as_started = [this](std::string_view name) {
        return parameters_->value(name) == startup_parameters_->value(name);
    };
    if (statement.reset_all) {
        auto left = started_with_custom_names();
        // RESET ALL leaves these.
        for (const char* name : {"role", "session_authorization", "is_superuser"}) {
            const auto* const own = parameters_->find(name);
            left =
                own != nullptr ? ParameterSet::with(left, *own) : ParameterSet::without(left, name);
        }
        return left;
    }
    if (statement.settings.size() != 1 || statement.settings[0].is_local) return nullptr;
    const auto& name = statement.settings[0].name;
    const auto* const started = startup_parameters_->find(name);
    const auto* const superuser = startup_parameters_->find("is_superuser");
    if (name == "session_authorization") {
        if (started == nullptr || superuser == nullptr) return nullptr;
        auto left = ParameterSet::with(parameters_, *started);
        left = ParameterSet::with(left, *superuser);
        return ParameterSet::with(left, {"role", "none"});
    }
    if (!is_as_started("session_authorization")) return nullptr;
    const bool is_role = name == "role";
    // Under another role it may not be allowed; and a name that the client has never set may be
    // none.
    if (!is_role && !is_as_started("role")) return nullptr;
    const auto* const own = parameters_->find(name);
    if (own == nullptr || protocol::is_server_fact(name) || name == "is_superuser") return nullptr;
    if (protocol::is_custom_parameter(name)) return nullptr;
    auto left = started != nullptr ? ParameterSet::with(parameters_, *started)
                                   : ParameterSet::without(parameters_, name);
    if (is_role && superuser != nullptr) left = ParameterSet::with(left, *superuser);
    return left;
}

// The client's settings are these again; it is told what PostgreSQL reports.
void ClientSession::go_back_to(const protocol::ParameterSetRef& settings) {
    for (const auto& parameter : settings->parameters()) {
        if (parameter.reported && parameters_->value(parameter.name) != parameter.value) {
            protocol::write_parameter_status(parameter.name, parameter.value, worker_.to_client());
        }
    }
    parameters_ = settings;
    scope_mark_ = 0;
}

// As a session is after DISCARD ALL: what it started with, but the names of custom settings stay.
protocol::ParameterSetRef ClientSession::started_with_custom_names() const {
    auto left = startup_parameters_;
    for (const auto& parameter : parameters_->parameters()) {
        if (!protocol::is_custom_parameter(parameter.name)) continue;
        if (left->find(parameter.name) != nullptr) continue;
        left = protocol::ParameterSet::with(left, {parameter.name, "", false, true});
    }
    return left;
}

// Parse of statements that some server has accepted, and Close.
void ClientSession::answer_parse_and_close(const Group& group) {
    auto& out = worker_.to_client();
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        if (phase_ != Phase::serving) return;
        if (message.type == frontend::parse) {
            if (!may_prepare_more()) return;
            const auto parse = protocol::parse_parse(message.body);
            statements_->add(
                parse->name,
                worker_.catalog().find_or_add(as_text(parse->definition), statement_scope())
            );
            counters_.client_parses.add(1);
            protocol::write_empty(backend::parse_complete, out);
        } else if (message.type == frontend::close) {
            const auto target = protocol::parse_target(message.body);
            if (target->kind == 'S') {
                if (target->name.empty()) has_unnamed_ = false;
                if (statements_) statements_->remove(target->name);
            }
            protocol::write_empty(backend::close_complete, out);
        }
    });
}

// The group gets this error and nothing of it runs.
void ClientSession::fail_group(const Group& group, const protocol::Error& error) {
    auto& out = worker_.to_client();
    // A transaction that was begun only in words has failed, too.
    if (!deferred_begin_.empty()) {
        deferred_begin_.clear();
        local_failed_ = true;
    }
    stream_discard_ = true;
    idle_since_ = worker_.loop().now();
    meter_failed(error.code.text(), false);
    const bool only_sync =
        group.bytes.size() == protocol::message_header_size && group.terminator == frontend::sync;
    if (!only_sync) protocol::write_error(error, out);
    if (group.terminator == frontend::flush || group.terminator == 0) {
        skip_to_sync_ = true;
    } else {
        protocol::write_ready_for_query(local_status(), out);
    }
}

}  // namespace weir::proxy
