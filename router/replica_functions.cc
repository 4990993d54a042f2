#include "router/replica_functions.h"

#include "router/body_tokens.h"
#include "router/builtins.h"

#include <algorithm>
#include <iterator>

namespace weir::router {

namespace {

// A name that ends in '*' stands for all that begin so.
constexpr std::string_view node_names[] = {
    // Sequences' last values are the session's own: its server has them.
    "currval",
    "cursor_to_xml*",
    "database_to_xml*",
    "inet_server_addr",
    "inet_server_port",
    "lastval",
    "lo_*",
    "loread",
    "lowrite",
    "pg_advisory_*",
    "pg_backend_pid",
    "pg_backup_*",
    "pg_blocking_pids",
    "pg_cancel_backend",
    "pg_conf_load_time",
    "pg_control_*",
    "pg_create_*",
    "pg_current_logfile",
    "pg_current_snapshot",
    "pg_current_wal_*",
    "pg_current_xact_id*",
    "pg_cursor",
    "pg_drop_replication_slot",
    "pg_export_snapshot",
    "pg_extension_config_dump",
    "pg_get_backend_memory_contexts",
    "pg_get_replication_slots",
    "pg_get_wal_*",
    "pg_is_in_backup",
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_isolation_test_session_is_blocked",
    "pg_jit_available",
    "pg_last_*",
    "pg_listening_channels",
    "pg_lock_status",
    "pg_log_*",
    "pg_logical_*",
    "pg_ls_*",
    "pg_my_temp_schema",
    "pg_notification_queue_usage",
    "pg_notify",
    "pg_postmaster_start_time",
    "pg_prepared_statement",
    "pg_prepared_xact",
    "pg_promote",
    "pg_read_*",
    "pg_reload_conf",
    "pg_replication_*",
    "pg_rotate_logfile*",
    "pg_safe_snapshot_blocking_pids",
    "pg_show_*",
    "pg_start_backup",
    "pg_stat_*",
    "pg_stop_backup",
    "pg_switch_wal",
    "pg_terminate_backend",
    "pg_try_advisory_*",
    "pg_wal_replay_*",
    "pg_walfile_name*",
    "pg_xact_*",
    "query_to_xml*",
    "regclass",
    "regclassin",
    "regcollation",
    "regcollationin",
    "regconfig",
    "regconfigin",
    "regdictionary",
    "regdictionaryin",
    "regnamespace",
    "regnamespacein",
    "regoper",
    "regoperator",
    "regoperatorin",
    "regoperin",
    "regproc",
    "regprocedure",
    "regprocedurein",
    "regprocin",
    "regrole",
    "regrolein",
    "regtype",
    "regtypein",
    "schema_to_xml*",
    "setseed",
    "table_to_xml*",
    "to_reg*",
    "ts_rewrite",
    "ts_stat",
    "txid_*",
};

// What a READ ONLY transaction refuses on a primary, too.
constexpr std::string_view sequence_names[] = {"nextval", "setval"};

bool is_node_function(std::string_view name) {
    return std::any_of(std::begin(node_names), std::end(node_names), [&](std::string_view entry) {
        if (entry.back() != '*') return entry == name;
        entry.remove_suffix(1);
        return name.substr(0, entry.size()) == entry;
    });
}

bool is_dynamic(const FunctionEffect* effect) {
    return effect != nullptr && effect->pin == PinReason::dynamic_sql;
}

}  // namespace

std::optional<ReadCauses> replica_causes(std::string_view name) {
    const BuiltinFunction* builtin = find_builtin_function(name);
    const FunctionEffect* effect = find_function_effect(name);
    if (builtin == nullptr && effect == nullptr) return {};
    if (std::find(std::begin(sequence_names), std::end(sequence_names), name) !=
        std::end(sequence_names))
        return ReadCauses::sequence;
    if (is_dynamic(effect)) return ReadCauses::dynamic_sql;
    if (is_node_function(name)) return ReadCauses::node;
    // set_config: what it sets is followed, see classify_read().
    if (name == "set_config") return ReadCauses{};
    if (effect != nullptr && effect->harmless) return ReadCauses{};
    const bool pins = effect != nullptr && (effect->pin != PinReason::none || effect->may_write);
    // Whatever is volatile and not listed may write in a READ ONLY transaction, too: large objects,
    // slots, statistics.
    if (pins || builtin == nullptr || builtin->is_volatile) return ReadCauses::node;
    return ReadCauses{};
}

std::vector<std::string_view> stable_node_functions() {
    std::vector<std::string_view> names;
    for (const BuiltinFunction& function : known_builtin_functions()) {
        // Some overloads of a volatile name may be stable.
        const bool listed = is_dynamic(find_function_effect(function.name)) ||
                            (!function.is_volatile && is_node_function(function.name));
        if (listed) names.push_back(function.name);
    }
    return names;
}

std::vector<std::string_view> harmless_volatile_functions() {
    std::vector<std::string_view> names;
    for (const FunctionEffect& effect : known_function_effects())
        if (effect.harmless) names.push_back(effect.name);
    return names;
}

std::span<const std::string_view> node_settings() {
    static constexpr std::string_view names[] = {
        "in_hot_standby",
        "transaction_read_only",
        "transaction_isolation",
        "transaction_deferrable",
        "hot_standby",
        "primary_conninfo",
        "primary_slot_name",
        "archive_mode",
        "port",
        "listen_addresses",
        "cluster_name",
        "data_directory",
    };
    return names;
}

bool is_node_setting(std::string_view name) {
    const auto names = node_settings();
    return std::find(names.begin(), names.end(), folded(name)) != names.end();
}

bool is_shared_catalog(std::string_view name) {
    if (name.substr(0, 3) != "pg_") return false;
    static constexpr std::string_view of_node[] = {
        "pg_available_", "pg_backend_", "pg_config", "pg_cursors",   "pg_file_",
        "pg_hba_",       "pg_ident_",   "pg_locks",  "pg_prepared_", "pg_replication_",
        "pg_settings",   "pg_shmem_",   "pg_stat_",  "pg_statio_",   "pg_subscription",
        "pg_timezone_",  "pg_aios",     "pg_wait_",  "pg_dsm_",      "pg_largeobject",
    };
    return std::none_of(std::begin(of_node), std::end(of_node), [&](std::string_view prefix) {
        return name.substr(0, prefix.size()) == prefix;
    });
}

}  // namespace weir::router
