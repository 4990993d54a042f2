#include "router/call_effects.h"

#include "router/builtins.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace weir::router {

namespace {

std::string lower_case(std::string_view name) {
    std::string result{name};
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return result;
}

// parse_bool() of PostgreSQL: unique prefixes count, any case.
std::optional<bool> truth(const weir_argument& argument) {
    if (argument.kind == WEIR_BOOLEAN) return argument.text == std::string_view{"true"};
    if (argument.kind != WEIR_STRING) return {};
    const std::string word = lower_case(argument.text);
    const auto is_prefix_of = [&](std::string_view whole) {
        return !word.empty() && whole.substr(0, word.size()) == word;
    };
    if (is_prefix_of("true") || is_prefix_of("yes") || word == "on" || word == "1") return true;
    if (is_prefix_of("false") || is_prefix_of("no") || word == "of" || word == "off" || word == "0")
        return false;
    return {};
}

// Settings that never outlive the transaction, whoever sets them.
bool ends_with_transaction(std::string_view name) {
    return name == "transaction_isolation" || name == "transaction_read_only" ||
           name == "transaction_deferrable";
}

void add_set_config(Statement& statement, const weir_call& call) {
    statement.literals_matter = true;
    const weir_argument& name = call.arguments[0];
    const weir_argument& value = call.arguments[1];
    if (call.count != 3 || name.kind != WEIR_STRING) {
        // The name is not known, so it may be search_path.
        statement.temp_search_path = true;
        add_pin(statement, PinReason::set_config, "");
        return;
    }
    SettingChange change{.name = name.text, .value = {}, .by_function = true};
    change.is_local = truth(call.arguments[2]).value_or(false);
    change.statement = static_cast<std::uint16_t>(call.statement);
    if (value.kind == WEIR_STRING) change.value = value.text;
    add_setting(statement, std::move(change));
}

}  // namespace

void add_once(std::vector<std::string>& names, std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
}

void add_pin(Statement& statement, PinReason reason, std::string_view detail) {
    if (reason == PinReason::none) return;
    statement.pins.set(static_cast<std::size_t>(reason));
    if (statement.pin != PinReason::none) return;
    statement.pin = reason;
    statement.pin_detail = detail;
}

void add_setting(Statement& statement, SettingChange change) {
    using Action = SettingChange::Action;
    change.name = lower_case(change.name);
    if (ends_with_transaction(change.name)) change.is_local = true;
    if (change.action == Action::set) {
        if (change.name == "search_path" &&
            (!change.value || lower_case(*change.value).find("pg_temp") != std::string::npos)) {
            statement.temp_search_path = true;
        }
        // It seeds random() and is no value; a transaction's end does not take it back.
        if (change.name == "seed") add_pin(statement, PinReason::setseed, "");
    }
    statement.settings.push_back(std::move(change));
}

namespace {

// It is kept in the catalog for later.
void add_stored_call(Statement& statement, bool builtin, const FunctionEffect* effect) {
    const bool harmless =
        effect == nullptr || (effect->pin == PinReason::none && !effect->unlocks_advisory &&
                              !effect->reads_sequence_state);
    if (!builtin || !harmless) statement.changes_catalog_effects = true;
}

void add_builtin(Statement& statement, std::string_view name) {
    auto& names = statement.builtin_functions;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

void add_call(Statement& statement, const weir_call& call, bool& reads_only) {
    const std::string_view name = call.name;
    const std::string_view schema = call.schema == nullptr ? "" : call.schema;
    const bool catalog = (schema.empty() && !call.procedure) || schema == "pg_catalog";
    const BuiltinFunction* builtin = catalog ? find_builtin_function(name) : nullptr;
    const FunctionEffect* effect = catalog ? find_function_effect(name) : nullptr;
    const bool known = builtin != nullptr || effect != nullptr;
    // Of what shows the session's state it matters which it is.
    const bool shows_state = effect != nullptr && effect->reads_session_state;
    if (known && (schema.empty() || shows_state)) {
        add_builtin(statement, builtin ? builtin->name : effect->name);
    }
    if (call.stored) {
        add_stored_call(statement, known, effect);
        return;
    }
    if (!known) {
        const bool dblink = name.substr(0, 6) == "dblink";
        add_pin(statement, dblink ? PinReason::dblink : PinReason::unknown_function, name);
        statement.may_write = true;
        statement.may_advance_sequence = true;
        statement.may_notify = true;
        if (dblink) statement.literals_matter = true;
        if (!dblink) add_once(statement.functions, name);
        reads_only = false;
        return;
    }
    const bool harmless = effect != nullptr && effect->harmless;
    if (builtin != nullptr && builtin->is_volatile && !harmless) reads_only = false;
    if (effect == nullptr) return;
    if (effect->pin == PinReason::set_config)
        add_set_config(statement, call);
    else
        add_pin(statement, effect->pin, name);
    if (effect->pin != PinReason::none || effect->may_write) reads_only = false;
    statement.may_write |= effect->may_write || effect->pin == PinReason::dynamic_sql;
    statement.reads_sequence_state |= effect->reads_sequence_state;
    statement.may_advance_sequence |=
        effect->may_advance_sequence || effect->pin == PinReason::dynamic_sql;
    statement.may_notify |= effect->may_notify || effect->pin == PinReason::dynamic_sql;
    statement.reads_session_state |= effect->reads_session_state;
    statement.unlocks_advisory |= effect->unlocks_advisory;
    statement.literals_matter |= effect->literals_matter;
}

}  // namespace weir::router
