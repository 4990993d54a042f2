// What prepared statements return. A client that was told the columns of a statement reads later
// results by them, without asking again. Where its statement is prepared anew, on another server,
// it may have others (DDL): then the client is told what PostgreSQL says of such a plan (0A000),
// and nothing runs.
#include "protocol/frontend_messages.h"
#include "proxy/client_session.h"

namespace weir::proxy {

namespace frontend = protocol::frontend;
using protocol::Reply;
using protocol::Request;
using protocol::TransactionStatus;

// True: the server is asked for the columns of a statement first; the group waits.
bool ClientSession::checks_columns(const Plan& plan) {
    for (const auto* entry : plan.described) {
        const auto& statement = *entry->statement;
        if (statement.resident || statement.from_sql || group_open_ ||
            server_->status == TransactionStatus::failed ||
            server_->prepared.contains(statement.id)) {
            continue;
        }
        send_columns_check(*entry);
        return true;
    }
    return false;
}

void ClientSession::send_columns_check(const protocol::ClientStatements::Entry& entry) {
    columns_wanted_ = entry.columns;
    ensure_prepared(entry.statement);
    auto& out = worker_.to_server();
    out.begin(frontend::describe).u8('S').c_string(entry.statement->server_name).end();
    server_->expected.sent({Request::describe_statement, Reply::swallow, entry.statement->id});
    send_prelude_apart();
}

// RowDescription or NoData, for the client or for the check.
void ClientSession::columns_told(
    const protocol::MessageView& message, const protocol::Expected& request
) {
    if (request.request != Request::describe_statement || request.tag == 0) return;
    const bool rows = message.type == protocol::backend::row_description;
    const auto columns = protocol::columns_key(rows ? message.body : Bytes());
    if (request.reply == Reply::forward) {
        if (statements_) statements_->set_columns(request.tag, columns);
    } else if (columns != columns_wanted_) {
        columns_changed_ = true;
    }
}

std::size_t ClientSession::refuse_other_columns(const Group& group) {
    columns_changed_ = false;
    auto error = protocol::error(
        protocol::sqlstate::feature_not_supported, "cached plan must not change result type"
    );
    error.routine = "RevalidateCachedQuery";
    return refuse(group, error);
}

// PostgreSQL says so itself: the client hears it, and the next who prepares this statement here
// gets a new plan.
bool ClientSession::tells_other_columns(
    const protocol::ErrorResponse& response, const protocol::Expected& failed
) {
    if (failed.tag == 0 || failed.request != Request::bind || response.code != "0A000" ||
        response.routine != "RevalidateCachedQuery" || !statements_) {
        return false;
    }
    const auto* entry = statements_->entry(statements_->name_of(failed.tag));
    if (entry == nullptr || entry->columns == 0 || group_open_) return false;
    if (!server_->prepared.contains(failed.tag)) return true;
    server_->prepared.remove(failed.tag);
    auto& out = worker_.to_server();
    out.begin(frontend::close).u8('S').c_string(entry->statement->server_name).end();
    server_->expected.sent({Request::close, Reply::swallow, failed.tag});
    send_own_sync();
    write_to_server();
    return true;
}

}  // namespace weir::proxy
