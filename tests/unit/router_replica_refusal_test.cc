// Which errors of a replica send a read to the primary.
#include "router/replica_refusal.h"

#include <doctest/doctest.h>

namespace weir::router {

TEST_CASE("replica refusal: by SQLSTATE and routine") {
    using enum ReplicaRefusal;

    struct Row {
        const char* sqlstate;
        const char* routine;
        ReplicaRefusal refusal;
    };

    const Row rows[] = {
        {"25006", "PreventCommandIfReadOnly", read_only},
        {"25006", "PreventCommandDuringRecovery", read_only},
        {"25006", "", read_only},
        {"0A000", "get_relation_info", not_on_standby},
        {"0A000", "call_enum_check_hook", not_on_standby},
        {"0A000", "call_bool_check_hook", not_on_standby},
        {"0A000", "GetSerializableTransactionSnapshot", not_on_standby},
        {"0A000", "transformCreateStmt", none},
        {"0A000", "", none},
        {"55000", "pg_switch_wal", recovery_in_progress},
        {"55000", "LockAcquireExtended", recovery_in_progress},
        {"55000", "lastval", none},
        {"XX000", "GetNewObjectId", no_new_id},
        {"XX000", "GetNewTransactionId", no_new_id},
        {"XX000", "ClosePipeToProgram", none},
        {"40001", "ProcessInterrupts", recovery_conflict},
        {"57P01", "ProcessInterrupts", connection_lost},
        {"57014", "ProcessInterrupts", none},
        {"08006", "", connection_lost},
        {"08", "", none},
        {"42P01", "parserOpenTable", perhaps_not_replayed},
        {"42883", "ParseFuncOrColumn", perhaps_not_replayed},
        {"26000", "FetchPreparedStatement", perhaps_not_replayed},
        {"42601", "scanner_yyerror", none},
        {"22012", "int4div", none},
        {"", "", none},
    };
    for (const Row& row : rows) {
        CAPTURE(row.sqlstate);
        CAPTURE(row.routine);
        CHECK(retry_on_primary(row.sqlstate, row.routine) == row.refusal);
    }
}

TEST_CASE("replica refusal: what is remembered of a text") {
    using enum ReplicaRefusal;
    for (const auto refusal : {read_only, not_on_standby, recovery_in_progress, no_new_id})
        CHECK(is_misjudged(refusal));
    for (const auto refusal : {none, recovery_conflict, connection_lost, perhaps_not_replayed})
        CHECK_FALSE(is_misjudged(refusal));
    CHECK(text(ReplicaRefusal::last) == "perhaps not replayed yet");
}

}  // namespace weir::router
