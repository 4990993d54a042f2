#include "router/statement.h"

#include <algorithm>
#include <array>

namespace weir::router {

std::string_view text(StatementKind kind) {
    using enum StatementKind;
    switch (kind) {
        case unknown:
            return "unknown";
        case empty:
            return "empty";
        case select:
            return "SELECT";
        case insert:
            return "INSERT";
        case update:
            return "UPDATE";
        case delete_:
            return "DELETE";
        case merge:
            return "MERGE";
        case begin:
            return "BEGIN";
        case commit:
            return "COMMIT";
        case rollback:
            return "ROLLBACK";
        case savepoint:
            return "SAVEPOINT";
        case release:
            return "RELEASE";
        case rollback_to:
            return "ROLLBACK TO";
        case prepare_transaction:
            return "PREPARE TRANSACTION";
        case commit_prepared:
            return "COMMIT PREPARED";
        case rollback_prepared:
            return "ROLLBACK PREPARED";
        case set:
            return "SET";
        case set_transaction:
            return "SET TRANSACTION";
        case set_constraints:
            return "SET CONSTRAINTS";
        case reset:
            return "RESET";
        case show:
            return "SHOW";
        case prepare:
            return "PREPARE";
        case execute:
            return "EXECUTE";
        case deallocate:
            return "DEALLOCATE";
        case discard:
            return "DISCARD";
        case declare_cursor:
            return "DECLARE CURSOR";
        case fetch:
            return "FETCH";
        case close_portal:
            return "CLOSE";
        case listen:
            return "LISTEN";
        case unlisten:
            return "UNLISTEN";
        case notify:
            return "NOTIFY";
        case lock:
            return "LOCK";
        case load:
            return "LOAD";
        case do_:
            return "DO";
        case call:
            return "CALL";
        case copy_in:
            return "COPY FROM STDIN";
        case copy_out:
            return "COPY TO STDOUT";
        case copy_file:
            return "COPY";
        case explain:
            return "EXPLAIN";
        case create_table:
            return "CREATE TABLE";
        case create_table_as:
            return "CREATE TABLE AS";
        case create_view:
            return "CREATE VIEW";
        case create_sequence:
            return "CREATE SEQUENCE";
        case create_index:
            return "CREATE INDEX";
        case create_function:
            return "CREATE FUNCTION";
        case truncate:
            return "TRUNCATE";
        case vacuum:
            return "VACUUM";
        case reindex:
            return "REINDEX";
        case cluster:
            return "CLUSTER";
        case refresh:
            return "REFRESH MATERIALIZED VIEW";
        case checkpoint:
            return "CHECKPOINT";
        case alter_system:
            return "ALTER SYSTEM";
        case ddl:
            return "DDL";
        case utility_other:
            return "utility";
    }
    return "unknown";
}

std::string_view text(PinReason reason) {
    using enum PinReason;
    switch (reason) {
        case none:
            return "none";
        case set_setting:
            return "setting that cannot be carried";
        case set_config:
            return "set_config";
        case temp_object:
            return "temporary object";
        case advisory_lock:
            return "session advisory lock";
        case listen:
            return "LISTEN";
        case sql_prepare:
            return "PREPARE";
        case sql_execute:
            return "EXECUTE";
        case hold_cursor:
            return "cursor WITH HOLD";
        case load:
            return "loaded library";
        case do_block:
            return "DO";
        case call:
            return "CALL";
        case setseed:
            return "setseed";
        case dblink:
            return "dblink";
        case replication_origin:
            return "replication origin";
        case replication_slot:
            return "replication slot";
        case backup:
            return "backup";
        case dynamic_sql:
            return "dynamic SQL";
        case unknown_function:
            return "unknown function";
        case unknown_operator:
            return "unknown operator";
        case unparsable:
            return "unparsable text";
        case too_long:
            return "text too long";
        case too_deep:
            return "text nested too deep";
        case unknown_encoding:
            return "text in an unreadable encoding";
        case unknown_node:
            return "unknown syntax";
        case protocol_prepare:
            return "prepared statement";
        case internal_function:
            return "internal function";
    }
    return "none";
}

bool Statement::is_found_plain() const {
    const bool only_select = is_single() && kind() == StatementKind::select && parsed;
    const bool calls_nothing = functions.empty() && operators.empty() && possible_functions.empty();
    const bool leaves_nothing = pins.none() && pin == PinReason::none && settings.empty() &&
                                scopes.empty() && new_sessions.empty() && !defines &&
                                !creates_relation && !temp_search_path && !may_write &&
                                !may_advance_sequence && !may_notify && !unlocks_advisory &&
                                !may_end_transaction && !not_in_pipeline && !reset_all;
    const bool asks_nothing =
        knows_relations && !reads_sequence_state && !reads_session_state && !only_listens;
    return only_select && calls_nothing && leaves_nothing && asks_nothing;
}

namespace {

StatementPtr make_opaque(PinReason reason, bool goes_on_after_end) {
    auto statement = std::make_shared<Statement>();
    statement->kinds = {StatementKind::unknown};
    statement->pin = reason;
    statement->pins.set(static_cast<std::size_t>(reason));
    statement->may_write = true;
    statement->defines = true;
    statement->changes_catalog_effects = true;
    statement->defines_effects = true;
    statement->truncates = true;
    statement->may_end_transaction = true;
    statement->goes_on_after_end = goes_on_after_end;
    statement->creates_relation = true;
    statement->temp_search_path = true;
    statement->reads_sequence_state = true;
    statement->may_advance_sequence = true;
    statement->reads_session_state = true;
    statement->may_notify = true;
    statement->not_in_pipeline = true;
    statement->changes_new_sessions = true;
    statement->literals_matter = true;
    return statement;
}

}  // namespace

const StatementPtr& opaque_statement(PinReason reason, bool goes_on_after_end) {
    constexpr std::size_t count = static_cast<std::size_t>(PinReason::last) + 1;
    static const auto statements = [] {
        std::array<std::array<StatementPtr, 2>, count> made;
        for (std::size_t i = 0; i < count; ++i)
            for (const bool goes_on : {false, true})
                made[i][goes_on ? 1 : 0] = make_opaque(static_cast<PinReason>(i), goes_on);
        return made;
    }();
    return statements[static_cast<std::size_t>(reason)][goes_on_after_end ? 1 : 0];
}

}  // namespace weir::router
