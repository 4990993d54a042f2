#include "router/read_reason.h"

namespace weir::router {

std::string_view text(ReadTarget target) {
    switch (target) {
        case ReadTarget::any:
            return "any";
        case ReadTarget::replica_ok:
            return "replica";
        case ReadTarget::primary:
            return "primary";
        case ReadTarget::pin:
            return "pin";
    }
    return "primary";
}

std::string_view text(ReadReason reason) {
    using enum ReadReason;
    switch (reason) {
        case empty:
            return "no statement";
        case transaction_control:
            return "transaction control";
        case session_control:
            return "session control";
        case reads_only:
            return "only reads";
        case read_only_transaction:
            return "read-only transaction";
        case opaque:
            return "not understood";
        case writes:
            return "writes";
        case locking_clause:
            return "locking clause";
        case server_file:
            return "file or program of the server";
        case procedure:
            return "CALL";
        case do_block:
            return "DO";
        case cursor:
            return "cursor";
        case lock_table:
            return "LOCK TABLE";
        case notify:
            return "NOTIFY";
        case read_write_transaction:
            return "read-write transaction";
        case serializable:
            return "serializable";
        case contradictory_modes:
            return "contradictory transaction modes";
        case snapshot:
            return "transaction snapshot";
        case node_setting:
            return "setting of the node";
        case changed_resolution:
            return "search_path or role set in the same text";
        case reg_cast:
            return "cast of a name to an oid";
        case dynamic_sql:
            return "dynamic SQL";
        case hint:
            return "hint";
        case no_catalog:
            return "catalog not known";
        case unknown_function:
            return "unknown function";
        case volatile_function:
            return "volatile function";
        case node_function:
            return "function of the node";
        case sequence_function:
            return "sequence function";
        case unknown_operator:
            return "unknown operator";
        case volatile_operator:
            return "volatile operator";
        case unknown_type:
            return "unknown type";
        case volatile_type:
            return "volatile type";
        case volatile_implicit:
            return "volatile cast or operator class";
        case unknown_relation:
            return "unknown relation";
        case catalog_relation:
            return "system catalog";
        case unlogged_relation:
            return "unlogged relation";
        case foreign_table:
            return "foreign table";
        case session_state:
            return "session state";
        case temporary_names:
            return "temporary objects";
    }
    return "not understood";
}

}  // namespace weir::router
