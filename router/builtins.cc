#include "router/builtins.h"

#include "router/pg_query_tree.h"

#include <algorithm>
#include <iterator>

namespace weir::router {

namespace {

#include "router/builtin_names.inc"

// Sorted by name. Sources: the manual's chapter 9, pg_proc.dat and the C sources of PostgreSQL 15.
constexpr FunctionEffect function_effects[] = {
    {.name = "bernoulli", .harmless = true},
    {.name = "binary_upgrade_create_empty_extension", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_missing_value", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_array_pg_type_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_attribute_versions", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_heap_pg_class_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_heap_relfilenode", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_index_pg_class_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_index_relfilenode", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_multirange_array_pg_type_oid",
     .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_multirange_pg_type_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_pg_authid_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_pg_enum_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_pg_tablespace_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_pg_type_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_toast_pg_class_oid", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_next_toast_relfilenode", .pin = PinReason::internal_function},
    {.name = "binary_upgrade_set_record_init_privs", .pin = PinReason::internal_function},
    // The expressions of an index that is named by its argument.
    {.name = "brin_summarize_new_values", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "brin_summarize_range", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "clock_timestamp", .harmless = true},
    {.name = "current_query", .harmless = true},
    // Some settings are the node's.
    {.name = "current_setting", .literals_matter = true},
    {.name = "currval", .reads_sequence_state = true, .literals_matter = true},
    {.name = "cursor_to_xml", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "cursor_to_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "database_to_xml", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "database_to_xml_and_xmlschema",
     .pin = PinReason::dynamic_sql,
     .literals_matter = true},
    {.name = "database_to_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "fmgr_c_validator", .pin = PinReason::load},
    {.name = "gen_random_uuid", .harmless = true},
    {.name = "lastval", .reads_sequence_state = true},
    {.name = "nextval", .may_write = true, .may_advance_sequence = true, .literals_matter = true},
    {.name = "pg_advisory_lock", .pin = PinReason::advisory_lock, .may_write = true},
    {.name = "pg_advisory_lock_shared", .pin = PinReason::advisory_lock, .may_write = true},
    {.name = "pg_advisory_unlock", .may_write = true, .unlocks_advisory = true},
    {.name = "pg_advisory_unlock_all", .may_write = true, .unlocks_advisory = true},
    {.name = "pg_advisory_unlock_shared", .may_write = true, .unlocks_advisory = true},
    {.name = "pg_backup_start", .pin = PinReason::backup, .may_write = true},
    {.name = "pg_backup_stop", .pin = PinReason::backup, .may_write = true},
    {.name = "pg_copy_logical_replication_slot",
     .pin = PinReason::replication_slot,
     .may_write = true},
    {.name = "pg_copy_physical_replication_slot",
     .pin = PinReason::replication_slot,
     .may_write = true},
    {.name = "pg_create_logical_replication_slot",
     .pin = PinReason::replication_slot,
     .may_write = true},
    {.name = "pg_create_physical_replication_slot",
     .pin = PinReason::replication_slot,
     .may_write = true},
    {.name = "pg_current_xact_id", .may_write = true},
    {.name = "pg_cursor", .reads_session_state = true},
    {.name = "pg_database_size", .harmless = true},
    {.name = "pg_indexes_size", .harmless = true},
    {.name = "pg_listening_channels", .reads_session_state = true},
    {.name = "pg_logical_slot_get_binary_changes", .pin = PinReason::load, .may_write = true},
    {.name = "pg_logical_slot_get_changes", .pin = PinReason::load, .may_write = true},
    {.name = "pg_logical_slot_peek_binary_changes", .pin = PinReason::load, .may_write = true},
    {.name = "pg_logical_slot_peek_changes", .pin = PinReason::load, .may_write = true},
    {.name = "pg_notify", .may_write = true, .may_notify = true},
    {.name = "pg_prepared_statement", .reads_session_state = true},
    {.name = "pg_relation_size", .harmless = true},
    {.name = "pg_replication_origin_session_reset", .may_write = true},
    {.name = "pg_replication_origin_session_setup",
     .pin = PinReason::replication_origin,
     .may_write = true},
    // Not undone at the transaction's end, nor by DISCARD ALL.
    {.name = "pg_replication_origin_xact_setup",
     .pin = PinReason::replication_origin,
     .may_write = true},
    {.name = "pg_sleep", .harmless = true},
    {.name = "pg_sleep_for", .harmless = true},
    {.name = "pg_sleep_until", .harmless = true},
    {.name = "pg_start_backup", .pin = PinReason::backup, .may_write = true},
    {.name = "pg_stop_backup", .pin = PinReason::backup, .may_write = true},
    {.name = "pg_table_size", .harmless = true},
    {.name = "pg_tablespace_size", .harmless = true},
    {.name = "pg_total_relation_size", .harmless = true},
    {.name = "pg_try_advisory_lock", .pin = PinReason::advisory_lock, .may_write = true},
    {.name = "pg_try_advisory_lock_shared", .pin = PinReason::advisory_lock, .may_write = true},
    {.name = "plpgsql_call_handler", .pin = PinReason::internal_function},
    {.name = "plpgsql_inline_handler", .pin = PinReason::internal_function},
    {.name = "query_to_xml", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "query_to_xml_and_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "query_to_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "random", .harmless = true},
    {.name = "schema_to_xml", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "schema_to_xml_and_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "schema_to_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    // Its effect depends on its arguments: see pg_query_parser.cc.
    {.name = "set_config",
     .pin = PinReason::set_config,
     .may_write = true,
     .literals_matter = true},
    {.name = "setseed", .pin = PinReason::setseed},
    {.name = "setval", .may_write = true, .may_advance_sequence = true, .literals_matter = true},
    {.name = "system", .harmless = true},
    {.name = "table_to_xml", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "table_to_xml_and_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "table_to_xmlschema", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "timeofday", .harmless = true},
    {.name = "ts_rewrite", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "ts_stat", .pin = PinReason::dynamic_sql, .literals_matter = true},
    {.name = "txid_current", .may_write = true},
};

template <class Table>
constexpr bool is_sorted_by_name(const Table& table) {
    for (std::size_t i = 1; i < std::size(table); ++i)
        if (!(table[i - 1].name < table[i].name)) return false;
    return true;
}

static_assert(is_sorted_by_name(builtin_functions));
static_assert(is_sorted_by_name(function_effects));

template <class Table>
auto find_by_name(const Table& table, std::string_view name) -> decltype(&table[0]) {
    const auto found = std::lower_bound(
        std::begin(table),
        std::end(table),
        name,
        [](const auto& row, std::string_view wanted) { return row.name < wanted; }
    );
    return found != std::end(table) && found->name == name ? found : nullptr;
}

}  // namespace

const BuiltinFunction* find_builtin_function(std::string_view name) {
    return find_by_name(builtin_functions, name);
}

const FunctionEffect* find_function_effect(std::string_view name) {
    return find_by_name(function_effects, name);
}

std::span<const BuiltinFunction> known_builtin_functions() {
    return builtin_functions;
}

std::span<const FunctionEffect> known_function_effects() {
    return function_effects;
}

bool is_builtin_operator(std::string_view name) {
    return std::binary_search(std::begin(builtin_operators), std::end(builtin_operators), name);
}

}  // namespace weir::router

extern "C" bool weir_is_builtin_operator(const char* name) {
    return weir::router::is_builtin_operator(name);
}
