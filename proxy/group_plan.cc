// What a group of messages needs, before any of it is sent.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/sql_lexer.h"
#include "proxy/client_session.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using router::ReadReason;
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

bool reads_prepared(const router::Statement& statement) {
    const auto& relations = statement.relations;
    const auto& calls = statement.builtin_functions;
    return std::find(relations.begin(), relations.end(), "pg_prepared_statements") !=
               relations.end() ||
           std::find(calls.begin(), calls.end(), "pg_prepared_statement") != calls.end() ||
           (!statement.knows_relations && relations.empty());
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

// Worth looking at its tree: it may begin with a word of one of these letters, or with a comment.
bool may_begin_with(std::string_view letters, std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n\f;");
    return first != std::string_view::npos &&
           (letters.find(text[first]) != std::string_view::npos || text[first] == '/' ||
            text[first] == '-');
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
        auto& scope = scope_.fill();
        scope = start_.entry->pool.name().database;
        scope.append(1, '\0').append(start_.entry->pool.name().user);
        // What is this client's alone for now: temporary objects, a setting not yet known.
        const bool own = scope_mark_ != 0 || (pins_ & pin_bit(router::PinReason::temp_object)) != 0;
        if (own) {
            scope.append(1, '\0').append(std::to_string(start_.id));
            scope.append(1, '.').append(std::to_string(scope_mark_));
        }
        for (const auto& parameter : parameters_->parameters()) {
            if (protocol::same_parameter_name(parameter.name, "application_name")) continue;
            if (protocol::is_custom_parameter(parameter.name)) continue;
            scope.append(1, '\0').append(parameter.name);
            scope.append(1, '\0').append(parameter.value);
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
    worker_.planned().clear();
    meter_group_begins();
    if (judges_reads()) begin_read_plan();
    std::size_t messages = 0;
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        if (phase_ != Phase::serving) return;
        plan_message(message, plan);
        ++messages;
    });
    // A Query behind other messages is no lone one.
    if (messages != 1) plan.lone_query.reset();
    if (plan.changes != nullptr) settle_plan_of_names(plan);
    return plan;
}

// One message of which only the beginning is there: its names can be looked at, its text cannot.
ClientSession::Plan ClientSession::plan_large(const Group& group) {
    Plan plan;
    worker_.planned().clear();
    meter_group_begins();
    const auto message = protocol::message_at(group.bytes);
    meter_large(message.type);
    if (message.type != frontend::query && message.type != frontend::parse) {
        plan_message(message, plan);
        plan.large = true;
        return plan;
    }
    plan.large = true;
    plan.needs_server = true;
    plan.only_parse_and_close = false;
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
            if (session_mode()) return meter_session_mode(message);
            const auto& statement = plan_text(*text, plan, true);
            meter_text(*statement, message.whole.size(), plan.executes);
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
            if (!protocol::parse_target(message.body)) return violation("invalid message format");
            return;
        case frontend::describe:
            return plan_describe(message, plan);
        case frontend::function_call:
            plan.needs_server = true;
            plan.read = {};
            ++plan.texts;
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
        case frontend::execute:
            plan.needs_server = true;
            return meter_execute(message.body);
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
        return meter_session_mode(message);
    }
    if (may_begin_with("dD", parse->text)) {
        const auto& statement = *knowledge_of(parse->text);
        plan.deallocates |= statement.is_single() && statement.kind() == StatementKind::deallocate;
    }
    const bool taken = !parse->name.empty() && is_taken(parse->name, plan);
    plan.parsed.emplace_back(parse->name, parse->text);
    if (judges_reads() && plan.parsed_types == ReadReason::empty) {
        plan.parsed_types = judge_types(as_text(parse->definition));
    }
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
    if (session_mode()) return meter_session_mode(message);
    meter_.bound = {};
    const auto text = text_of(bind->statement, plan);
    if (!text) return meter_portal(bind->portal);
    plan.executes.reset();
    if (!bind->statement.empty() && plan.parsed.empty()) {
        const auto* known = statements_->entry(bind->statement);
        if (known->columns != 0) plan.described.push_back(known);
        if (known->statement->from_sql) {
            ++plan.texts;
            plan.read = {};
            plan_prepared(*known->statement, plan);
            if (plan.executes != nullptr && limits_->meters())
                meter_.bound = StatementMeter::Row::of(meter_row(plan.executes));
            return meter_portal(bind->portal);
        }
    }
    // What a portal of another name or statement does, and how often, is not followed.
    const bool followed = bind->statement.empty() && bind->portal.empty();
    const auto& statement = *plan_text(*text, plan, followed);
    if (judges_reads() && plan.read.on_replica()) {
        const auto reason = judge_bound_types(bind->statement, plan);
        if (reason != ReadReason::empty) plan.read = {router::ReadTarget::primary, reason};
    }
    plan.lone_bound.reset();
    if (!statement.is_plain_select && statement.is_single()) {
        plan.lone_bound = statement.kind();
        plan.lone_text = *text;
        plan.lone = &statement;
    }
    meter_bind(statement, plan.executes, *text);
    meter_portal(bind->portal);
}

// What the parameters' types behind a Parse's text have against a replica: reading a value of a
// type that the database's users have made may do more (a domain's checks).
ReadReason ClientSession::judge_types(std::string_view definition) {
    constexpr std::uint32_t first_normal_oid = 16384;  // FirstNormalObjectId
    const auto end = definition.find('\0');
    if (end == std::string_view::npos) return ReadReason::empty;
    protocol::FieldCursor types(as_bytes(definition.substr(end + 1)));
    for (auto left = types.u16(); left > 0 && types.ok(); --left) {
        const auto type = types.u32();
        if (type < first_normal_oid) continue;
        if (!has_catalog()) return ReadReason::no_catalog;
        const auto causes = catalog_.catalog->reads().type_with(type);
        if (!causes) return ReadReason::unknown_type;
        if (causes->any()) return ReadReason::volatile_type;
    }
    return ReadReason::empty;
}

// Of all parameters of what is bound; those that the group parses were looked at.
ReadReason ClientSession::judge_bound_types(std::string_view name, const Plan& plan) {
    if (plan.parsed_types != ReadReason::empty) return plan.parsed_types;
    if (name.empty()) return has_unnamed_ ? judge_types(unnamed_parse_) : ReadReason::empty;
    const auto* const known = statements_ ? statements_->find(name) : nullptr;
    return known != nullptr ? judge_types((*known)->definition) : ReadReason::empty;
}

// EXECUTE returns what its prepared statement does: the server must have it.
void ClientSession::plan_describe(const protocol::MessageView& message, Plan& plan) {
    plan.needs_server = true;
    const auto target = protocol::parse_target(message.body);
    if (!target) return violation("invalid message format");
    if (target->kind != 'S' || session_mode()) return;
    const auto text = text_of(target->name, plan);
    if (!text || !may_begin_with("eE", *text)) return;
    const auto& statement = *knowledge_of(*text);
    if (statement.is_single() && statement.kind() == StatementKind::execute) {
        plan.change().names.push_back(statement.name);
    }
}

// The text of the statement that the client calls this.
std::optional<std::string_view> ClientSession::text_of(std::string_view name, const Plan& plan)
    const {
    for (auto parsed = plan.parsed.rbegin(); parsed != plan.parsed.rend(); ++parsed) {
        if (parsed->first == name) return parsed->second;
    }
    if (name.empty()) {
        if (!has_unnamed_) return std::nullopt;
        return std::string_view(unnamed_parse_).substr(0, unnamed_parse_.find('\0'));
    }
    const auto* statement = statements_ ? statements_->find(name) : nullptr;
    if (statement == nullptr) return std::nullopt;
    return (*statement)->text();
}

// What running this text needs; `followed`: see plan_sql_names(). The reference is good until the
// next look-up.
const router::StatementPtr& ClientSession::plan_text(
    std::string_view text, Plan& plan, bool followed
) {
    const auto& known = knowledge_of(text);
    ++plan.texts;
    if (judges_reads()) plan_read(known, text, plan);
    // Nearly every text: what follows has nothing to say of it.
    if (known->is_plain_select && has_catalog() && catalog_is_plain_) {
        plan.short_and_known = true;
        if (!known->relations.empty()) worker_.planned().push_back(known);
        return known;
    }
    plan.short_and_known = is_short(*known);
    if (known->is_single() && known->kind() == StatementKind::deallocate) {
        plan.deallocates = true;
        // Another client's is none of its own: 26000.
        const bool own = statements_ != nullptr && statements_->find(known->name) != nullptr;
        if (!own && !known->deallocate_all) plan.change().names.push_back(known->name);
    }
    const PinSet pins = known->pins.to_ullong();
    if ((pins & by_sql_names) == 0) {
        plan_effects(known, plan, pins);
        return known;
    }
    const auto kept = known;
    plan_sql_names(kept, text, plan, followed);
    return knowledge_of(text);
}

// What the statement does when it runs; `pins` as far as they are known without the catalog.
void ClientSession::plan_effects(const router::StatementPtr& known, Plan& plan, PinSet pins) {
    const auto& statement = *known;
    // The usual case is a catalog in which nothing has an effect, and no function that is its own.
    const bool named = !statement.functions.empty() || !statement.operators.empty() ||
                       !statement.possible_functions.empty() ||
                       statement.pin != router::PinReason::none || statement.defines;
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
    plan.several |= !statement.is_single();
    plan.may_commit |= statement.may_end_transaction;
    if (!statement.relations.empty() || named || !statement.knows_relations) {
        worker_.planned().push_back(known);
    }
    if (pins_ != 0 && frees_state(statement)) plan.change().frees_state = true;
    if (!statement.settings.empty() || statement.reset_all) plan_settings(statement, plan);
    plan.reads_sequences |= statement.reads_sequence_state;
    plan.may_advance_sequences |= statement.may_advance_sequence;
    const bool uses_sequences = statement.reads_sequence_state || statement.may_advance_sequence;
    if (uses_sequences && statement.parsed && !named) plan.uses_sequences = known;
    if (statement.temp_search_path) temp_search_path_ = true;
    if (!statement.new_sessions.empty()) {
        auto& changed = plan.change().new_sessions;
        changed.insert(changed.end(), statement.new_sessions.begin(), statement.new_sessions.end());
    }
    // By a function or trigger of its own, too.
    plan.may_notify |= statement.may_notify || statement.may_write || !statement.functions.empty();
    if (statement.reads_session_state && statement.parsed) {
        plan.reads_session_state = true;
        plan.reads_prepared |= reads_prepared(statement);
    }
    if (statement.only_listens) plan.listens = &statement;
    if (listening_ != nullptr && listening_->channels.follows(statement)) {
        plan.change().followed.push_back(known);
    }
    plan.chains |= statement.transaction && statement.transaction->chain;
    plan.sets_modes |= !statement.reads.modes.empty();
    plan.begins_transaction |= statement.contains(StatementKind::begin);
    plan.ends_transaction |=
        statement.contains(StatementKind::rollback) || statement.contains(StatementKind::commit);
}

// An unqualified name may be one of pg_temp's.
bool ClientSession::may_be_temporary(const router::Statement& statement) const {
    if (temp_search_path_ || statement.temp_search_path) return true;
    // A path that was changed in this transaction and is not known yet: temp_search_path said so.
    return parameters_->value("search_path").find("pg_temp") != std::string_view::npos;
}

void ClientSession::plan_settings(const router::Statement& statement, Plan& plan) {
    // The last RESET ALL or DISCARD ALL of the text.
    std::size_t reset_all = statement.kinds.size();
    for (std::size_t i = 0; statement.reset_all && i < statement.kinds.size(); ++i) {
        const auto kind = statement.kinds[i];
        const bool names_one = std::any_of(
            statement.settings.begin(),
            statement.settings.end(),
            [&](const auto& change) { return change.statement == i; }
        );
        const bool is_reset = kind == StatementKind::reset || kind == StatementKind::discard;
        if (is_reset && !names_one) reset_all = i;
    }
    const auto note_reset_all = [&] {
        using What = Changes::Setting::What;
        plan.change().settings.push_back(
            {statement.discard_all ? What::discard_all : What::reset_all, {}}
        );
    };
    bool behind = !statement.reset_all;
    for (const auto& change : statement.settings) {
        if (!std::exchange(behind, behind || change.statement > reset_all) && behind) {
            note_reset_all();
        }
        plan_setting(change, plan);
    }
    if (!behind) note_reset_all();
}

void ClientSession::plan_setting(const router::SettingChange& change, Plan& plan) {
    using What = Changes::Setting::What;
    if (!change.is_local || change.name == "search_path" || change.name == "role") {
        // The same words may mean something else from here on.
        scope_mark_ = next_scope_mark_++;
        scope_for_.reset();
    }
    const auto* const parameter = parameters_->find(change.name);
    // A custom setting leaves its name behind even if its value ends with the transaction.
    const bool leaves_name = protocol::is_custom_parameter(change.name) && parameter == nullptr;
    const bool to_default = change.action == router::SettingChange::Action::to_default;
    if (change.is_local && to_default && startup_parameters_->find(change.name) != nullptr) {
        plan.change().settings.push_back({What::reset_local, change.name});
    }
    if (change.is_local && !leaves_name) return;
    auto& settings = plan.change().settings;
    // It takes the role with it.
    if (change.name == "session_authorization") settings.push_back({What::set, "role"});
    if (to_default && !change.is_local) {
        settings.push_back({What::reset, change.name});
        return;
    }
    settings.push_back({What::set, change.name, parameter == nullptr || !parameter->reported});
}

}  // namespace weir::proxy
