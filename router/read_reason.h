// Why a statement may run on a replica, or may not: used alike in console, log and metrics.
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::router {

// From what may run anywhere to what must stay where it is; of several the greatest counts.
enum class ReadTarget : std::uint8_t {
    any,         // anywhere that the session's settings are: SET, COMMIT without a transaction
    replica_ok,  // a replica, or the primary
    primary,
    pin,  // the primary, and it leaves state that only this server has, or may use such state
};

std::string_view text(ReadTarget target);

enum class ReadReason : std::uint8_t {
    // any
    empty,
    transaction_control,  // COMMIT and the like outside of a transaction block
    session_control,      // SET, RESET, DISCARD ...: followed by the pooler

    // replica_ok
    reads_only,
    read_only_transaction,  // BEGIN READ ONLY, however it is said

    // primary, by the text and what the session said before
    opaque,  // not parsed, too long, unknown syntax or encoding
    writes,  // INSERT, UPDATE, DELETE, MERGE, SELECT INTO, COPY FROM, DDL, maintenance
    locking_clause,
    server_file,  // COPY from or to a file or program
    procedure,    // CALL
    do_block,
    cursor,  // FETCH without a transaction of its own
    lock_table,
    notify,
    read_write_transaction,
    serializable,  // no standby has it
    contradictory_modes,
    snapshot,            // SET TRANSACTION SNAPSHOT
    node_setting,        // SHOW transaction_read_only, in_hot_standby
    changed_resolution,  // search_path or role is set in the same text
    reg_cast,            // a name becomes an oid
    dynamic_sql,         // query_to_xml ...
    hint,                // the text asks for the primary

    // primary, by names that the text uses
    no_catalog,
    unknown_function,
    volatile_function,
    node_function,      // another meaning, or an error, on a replica
    sequence_function,  // nextval, setval; currval, lastval
    unknown_operator,
    volatile_operator,
    unknown_type,
    volatile_type,      // of its checks or casts
    volatile_implicit,  // a cast, operator class ... that no text names
    unknown_relation,
    catalog_relation,
    unlogged_relation,
    foreign_table,

    // pin
    session_state,  // see Statement::pin
    temporary_names,
    last = temporary_names,
};

std::string_view text(ReadReason reason);

}  // namespace weir::router
