// What a group of messages needs, before any of it is sent.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/sql_lexer.h"
#include "proxy/client_session.h"

#include <algorithm>
#include <array>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using router::StatementKind;

namespace {

// lo_* by the OIDs that libpq and JDBC call by FunctionCall (pg_proc.dat): their effects end with
// the transaction.
constexpr std::array<std::uint32_t, 18> large_object_functions{
    715,
    764,
    767,
    952,
    953,
    954,
    955,
    956,
    957,
    958,
    964,
    1004,
    3170,
    3171,
    3172,
    3457,
    3458,
    3459,
};

bool is_large_object_function(std::uint32_t oid) {
    return std::find(large_object_functions.begin(), large_object_functions.end(), oid) !=
           large_object_functions.end();
}

// Nothing that outlives its transaction can be gone after it, other than by its failing.
bool frees_nothing(StatementKind kind) {
    switch (kind) {
        case StatementKind::empty:
        case StatementKind::select:
        case StatementKind::insert:
        case StatementKind::update:
        case StatementKind::delete_:
        case StatementKind::merge:
        case StatementKind::begin:
        case StatementKind::commit:
        case StatementKind::savepoint:
        case StatementKind::release:
        case StatementKind::set:
        case StatementKind::show:
        case StatementKind::prepare:
        case StatementKind::execute:
        case StatementKind::declare_cursor:
        case StatementKind::fetch:
        case StatementKind::explain:
        case StatementKind::listen:
        case StatementKind::lock:
        case StatementKind::copy_in:
        case StatementKind::copy_out:
        case StatementKind::notify:
            return true;
        default:
            return false;
    }
}

bool frees_state(const router::Statement& statement) {
    return statement.unlocks_advisory ||
           !std::all_of(statement.kinds.begin(), statement.kinds.end(), frees_nothing);
}

// A text of this kind needs nothing more from the client, and is not refused with others.
bool is_short(const router::Statement& statement) {
    if (!statement.is_single() || statement.not_in_pipeline) return false;
    const auto kind = statement.kind();
    return kind == StatementKind::set || kind == StatementKind::reset ||
           kind == StatementKind::select || kind == StatementKind::commit ||
           kind == StatementKind::rollback;
}

// PREPARE and EXECUTE of SQL.
constexpr PinSet by_sql_names =
    pin_bit(router::PinReason::sql_prepare) | pin_bit(router::PinReason::sql_execute);
// So many PREPAREs are remembered for what EXECUTE of their names does.
constexpr std::size_t sql_prepared_limit = 200;

// Worth looking at its tree: it may begin with this word, or with a comment.
bool may_be_deallocate(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n\f;");
    return first != std::string_view::npos &&
           std::string_view("dD/-").find(text[first]) != std::string_view::npos;
}

}  // namespace

protocol::TextRules ClientSession::text_rules() const {
    protocol::TextRules rules;
    rules.standard_conforming_strings = parameters_->value("standard_conforming_strings") != "off";
    rules.ascii_safe_encoding =
        protocol::is_ascii_safe_encoding(parameters_->value("client_encoding"));
    return rules;
}

// What the same text may mean differently under: part of the key of shared statements.
std::string_view ClientSession::statement_scope() {
    if (scope_for_ != parameters_) {
        scope_for_ = parameters_;
        scope_ = pool_.name().database;
        scope_.append(1, '\0').append(pool_.name().user);
        // What is this client's alone for now: temporary objects, a setting not yet known.
        const bool own = scope_mark_ != 0 || (pins_ & pin_bit(router::PinReason::temp_object)) != 0;
        if (own) {
            scope_.append(1, '\0').append(std::to_string(start_.id));
            scope_.append(1, '.').append(std::to_string(scope_mark_));
        }
        for (const auto& parameter : parameters_->parameters()) {
            if (protocol::same_parameter_name(parameter.name, "application_name")) continue;
            if (protocol::is_custom_parameter(parameter.name)) continue;
            scope_.append(1, '\0').append(parameter.name);
            scope_.append(1, '\0').append(parameter.value);
        }
    }
    return scope_;
}

const router::StatementPtr& ClientSession::knowledge_of(std::string_view text) {
    if (rules_for_ != parameters_) {
        rules_for_ = parameters_;
        rules_ = text_rules();
    }
    return worker_.statements().find_or_analyse(text, rules_);
}

ClientSession::Plan ClientSession::plan(const Group& group) {
    Plan plan;
    std::size_t messages = 0;
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        if (phase_ != Phase::serving) return;
        plan_message(message, plan);
        ++messages;
    });
    // A Query behind other messages is no lone one.
    if (messages != 1) plan.lone_query.reset();
    return plan;
}

// One message of which only the beginning is there: its names can be looked at, its text cannot.
ClientSession::Plan ClientSession::plan_large(const Group& group) {
    Plan plan;
    const auto message = protocol::message_at(group.bytes);
    if (message.type != frontend::query && message.type != frontend::parse) {
        plan_message(message, plan);
        return plan;
    }
    plan.needs_server = true;
    plan.only_parse_and_close = false;
    plan.own_sync_for_settings = true;
    plan.reads_sequences = true;
    plan.may_advance_sequences = true;
    plan.may_notify = true;
    plan.pin = router::PinReason::too_long;
    plan.pins = pin_bit(plan.pin);
    return plan;
}

void ClientSession::plan_message(const protocol::MessageView& message, Plan& plan) {
    switch (message.type) {
        case frontend::query: {
            plan.needs_server = true;
            plan.only_parse_and_close = false;
            const auto text = protocol::parse_query(message.body);
            if (!text) return violation("invalid message format");
            if (session_mode()) return;
            const auto& statement = plan_text(*text, plan);
            if (statement->is_single()) {
                plan.lone_query = statement->kind();
                plan.lone = statement.get();
            }
            return;
        }
        case frontend::parse:
            return plan_parse(message, plan);
        case frontend::bind:
            return plan_bind(message, plan);
        case frontend::close:
        case frontend::describe:
            if (!protocol::parse_target(message.body)) return violation("invalid message format");
            plan.needs_server |= message.type == frontend::describe;
            return;
        case frontend::function_call:
            plan.needs_server = true;
            if (!is_large_object_function(protocol::FieldCursor(message.body).u32())) {
                plan.pin = router::PinReason::internal_function;
                plan.pins |= pin_bit(plan.pin);
                plan.pin_detail = "FunctionCall";
                plan.may_notify = true;
            }
            return;
        case frontend::sync:
        case frontend::flush:
            return;
        default:
            plan.needs_server = true;
            return;
    }
}

// Parse has no effect on the session; what its text does is looked at when it is bound.
void ClientSession::plan_parse(const protocol::MessageView& message, Plan& plan) {
    const auto parse = protocol::parse_parse(message.body);
    if (!parse) return violation("invalid message format");
    if (session_mode()) {
        plan.needs_server = true;
        return;
    }
    if (may_be_deallocate(parse->text)) {
        const auto& statement = *knowledge_of(parse->text);
        plan.deallocates |= statement.is_single() && statement.kind() == StatementKind::deallocate;
    }
    const bool taken = !parse->name.empty() && is_taken(parse->name, plan);
    plan.parsed.emplace_back(parse->name, parse->text);
    if (limits_->max_prepared_statements == 0 && !parse->name.empty()) {
        plan.pin = router::PinReason::protocol_prepare;
        plan.pins |= pin_bit(plan.pin);
        plan.pin_detail = "max_prepared_statements = 0";
    }
    // For a name that is taken PostgreSQL says 42P05.
    if (parse->name.empty() || taken || keeps_server()) {
        plan.needs_server = true;
        return;
    }
    if (!statements_) statements_ = std::make_unique<protocol::ClientStatements>();
    const auto shared =
        worker_.catalog().find_or_add(as_text(parse->definition), statement_scope());
    plan.needs_server |= !shared->proven.load(std::memory_order_acquire);
}

bool ClientSession::is_taken(std::string_view name, const Plan& plan) const {
    if (statements_ && statements_->find(name) != nullptr) return true;
    return std::any_of(plan.parsed.begin(), plan.parsed.end(), [&](const auto& parsed) {
        return parsed.first == name;
    });
}

void ClientSession::plan_bind(const protocol::MessageView& message, Plan& plan) {
    plan.needs_server = true;
    const auto bind = protocol::parse_bind(message.body);
    if (!bind) return violation("invalid message format");
    if (session_mode()) return;
    for (auto parsed = plan.parsed.rbegin(); parsed != plan.parsed.rend(); ++parsed) {
        if (parsed->first == bind->statement) {
            plan_text(parsed->second, plan);
            return;
        }
    }
    if (bind->statement.empty()) {
        if (has_unnamed_) {
            plan_text(std::string_view(unnamed_parse_).substr(0, unnamed_parse_.find('\0')), plan);
        }
    } else if (statements_) {
        if (const auto* statement = statements_->find(bind->statement)) {
            plan_text((*statement)->text(), plan);
        }
    }
}

// What running this text needs. The reference is good until the next look-up.
const router::StatementPtr& ClientSession::plan_text(std::string_view text, Plan& plan) {
    const auto& known = knowledge_of(text);
    const auto& statement = *known;
    ++plan.texts;
    PinSet pins = statement.pins.to_ullong();
    if ((pins & by_sql_names) != 0) pins = plan_sql_prepared(known, plan);
    // The usual case is a catalog in which nothing has an effect, and no function that is its own.
    const bool named = !statement.functions.empty() || statement.pin != router::PinReason::none ||
                       statement.defines;
    if (named || !has_catalog() || !catalog_is_plain_) pins = plan_reached(known, plan, pins);
    if (pins != 0) {
        plan.pins |= pins;
        if (plan.pin == router::PinReason::none) {
            const bool own = (pins & pin_bit(statement.pin)) != 0;
            plan.pin = own ? statement.pin : first_pin(pins);
            plan.pin_detail = own ? statement.pin_detail : name_reached(statement);
            plan.pin_statement = statement.kind();
        }
    }
    if (statement.creates_relation && may_be_temporary(statement)) {
        plan.pins |= pin_bit(router::PinReason::temp_object);
        if (plan.pin == router::PinReason::none) {
            plan.pin = router::PinReason::temp_object;
            plan.pin_statement = statement.kind();
        }
    }
    if (pins_ != 0 && frees_state(statement)) plan.change().frees_state = true;
    if (!statement.settings.empty()) plan_settings(statement, plan);
    plan.own_sync_for_settings |= statement.not_in_pipeline || !statement.parsed;
    plan.reads_sequences |= statement.reads_sequence_state;
    plan.may_advance_sequences |= statement.may_advance_sequence;
    if (statement.reset_all) {
        plan.change().resets.all = true;
        plan.change().resets.identity |= statement.discard_all;
    }
    if (statement.temp_search_path) temp_search_path_ = true;
    // By a function or trigger of its own, too.
    plan.may_notify |= statement.may_notify || statement.may_write || !statement.functions.empty();
    plan.reads_session_state |= statement.reads_session_state && statement.parsed;
    if (statement.only_listens) plan.listens = &statement;
    if (listening_ != nullptr && listening_->channels.follows(statement)) {
        plan.change().followed.push_back(known);
    }
    plan.short_and_known = is_short(statement);
    plan.begins_transaction |= statement.contains(StatementKind::begin);
    plan.ends_transaction |=
        statement.contains(StatementKind::rollback) || statement.contains(StatementKind::commit);
    plan.deallocates |= statement.is_single() && statement.kind() == StatementKind::deallocate;
    return known;
}

// PREPARE has been walked with the statement in it; EXECUTE of its name does what that does.
PinSet ClientSession::plan_sql_prepared(const router::StatementPtr& statement, Plan& plan) {
    const PinSet pins = statement->pins.to_ullong();
    if (statement->contains(StatementKind::prepare) && sql_prepared_.size() < sql_prepared_limit) {
        const auto same = std::find(sql_prepared_.begin(), sql_prepared_.end(), statement);
        if (same == sql_prepared_.end()) sql_prepared_.push_back(statement);
    }
    if (!statement->is_single() || statement->kind() != StatementKind::execute) return pins;
    PinSet prepared_pins = 0;
    for (const auto& prepared : sql_prepared_) {
        if (!prepared->is_single() || prepared->name != statement->name) continue;
        prepared_pins |= prepared->pins.to_ullong();
        if (!prepared->settings.empty()) plan_settings(*prepared, plan);
        plan.reads_sequences |= prepared->reads_sequence_state;
        if (prepared->unlocks_advisory) plan.change().frees_state = true;
    }
    if (prepared_pins == 0) return pins;
    return (pins & ~pin_bit(router::PinReason::sql_execute)) | prepared_pins;
}

// An unqualified name may be one of pg_temp's.
bool ClientSession::may_be_temporary(const router::Statement& statement) const {
    if (temp_search_path_ || statement.temp_search_path) return true;
    // A path that was changed in this transaction and is not known yet: temp_search_path said so.
    return parameters_->value("search_path").find("pg_temp") != std::string_view::npos;
}

void ClientSession::plan_settings(const router::Statement& statement, Plan& plan) {
    for (const auto& change : statement.settings) {
        if (!change.is_local || change.name == "search_path" || change.name == "role") {
            // The same words may mean something else from here on.
            scope_mark_ = next_scope_mark_++;
            scope_for_.reset();
        }
        // A custom setting leaves its name behind even if its value ends with the transaction.
        const bool leaves_name =
            protocol::is_custom_parameter(change.name) && parameters_->find(change.name) == nullptr;
        if (change.is_local && !leaves_name) continue;
        auto& changes = plan.change();
        // It takes the role with it.
        if (change.name == "session_authorization") changes.touches.emplace_back("role");
        if (change.action == router::SettingChange::Action::to_default && !change.is_local) {
            changes.resets.names.push_back(change.name);
            continue;
        }
        const auto* parameter = parameters_->find(change.name);
        // What PostgreSQL reports need not be asked for.
        if (parameter == nullptr || !parameter->reported) changes.touches.push_back(change.name);
    }
}

}  // namespace weir::proxy
