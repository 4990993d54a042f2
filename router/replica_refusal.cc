#include "router/replica_refusal.h"

#include <algorithm>
#include <iterator>

namespace weir::router {

namespace {

using enum ReplicaRefusal;

struct Row {
    std::string_view sqlstate;
    std::string_view routine;  // empty: any
    ReplicaRefusal refusal;
};

// Measured on PostgreSQL 15.
constexpr Row rows[] = {
    {"25006", "", read_only},
    {"0A000", "get_relation_info", not_on_standby},
    {"0A000", "call_enum_check_hook", not_on_standby},
    {"0A000", "call_bool_check_hook", not_on_standby},
    {"0A000", "GetSerializableTransactionSnapshot", not_on_standby},
    {"55000", "pg_current_wal_lsn", recovery_in_progress},
    {"55000", "pg_switch_wal", recovery_in_progress},
    {"55000", "pg_create_restore_point", recovery_in_progress},
    {"55000", "LockAcquireExtended", recovery_in_progress},
    {"XX000", "GetNewObjectId", no_new_id},
    {"XX000", "GetNewTransactionId", no_new_id},
    // A deadlock or a serialization failure of the statement's own cannot be on a replica.
    {"40001", "", recovery_conflict},
    {"57P01", "", connection_lost},
    {"57P02", "", connection_lost},
    {"57P03", "", connection_lost},
    {"42P01", "", perhaps_not_replayed},
    {"42883", "", perhaps_not_replayed},
    {"42703", "", perhaps_not_replayed},
    {"3F000", "", perhaps_not_replayed},
    {"42704", "", perhaps_not_replayed},
    {"26000", "", perhaps_not_replayed},
    // Cache lookup failed for a type: a parameter's, by its OID.
    {"XX000", "TupleDescInitEntry", perhaps_not_replayed},
    {"XX000", "getBaseTypeAndTypmod", perhaps_not_replayed},
    {"XX000", "getTypeInputInfo", perhaps_not_replayed},
    {"XX000", "getTypeBinaryInputInfo", perhaps_not_replayed},
    {"XX000", "lookup_type_cache", perhaps_not_replayed},
};

}  // namespace

std::string_view text(ReplicaRefusal refusal) {
    switch (refusal) {
        case none:
            return "none";
        case read_only:
            return "read-only transaction";
        case not_on_standby:
            return "not on a standby";
        case recovery_in_progress:
            return "recovery in progress";
        case no_new_id:
            return "no new id during recovery";
        case recovery_conflict:
            return "conflict with recovery";
        case connection_lost:
            return "connection lost";
        case perhaps_not_replayed:
            return "perhaps not replayed yet";
    }
    return "none";
}

ReplicaRefusal retry_on_primary(std::string_view sqlstate, std::string_view routine) {
    if (sqlstate.size() == 5 && sqlstate.substr(0, 2) == "08") return connection_lost;
    const auto* const found = std::find_if(std::begin(rows), std::end(rows), [&](const Row& row) {
        return row.sqlstate == sqlstate && (row.routine.empty() || row.routine == routine);
    });
    return found == std::end(rows) ? none : found->refusal;
}

bool is_misjudged(ReplicaRefusal refusal) {
    return refusal == read_only || refusal == not_on_standby || refusal == recovery_in_progress ||
           refusal == no_new_id;
}

}  // namespace weir::router
