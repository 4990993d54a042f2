// The console's language: PgBouncer's commands and those of clusters, in any case, with or without
// ";"; queries in SQL (sql_database.h); and what drivers say to every server (BEGIN, SET, RESET
// ALL).
//
// More tolerant than PgBouncer: SQL comments, several commands in one text, an empty text, and
// names with "-", ".", ":" or letters beyond ASCII without quotes.
#pragma once

#include "protocol/error.h"
#include "proxy/admin_result.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

enum class AdminVerb : std::uint8_t {
    cancel_client,   // the query or the idle transaction of one ends; the client lives
    cancel_query,    // what runs with this fingerprint ends; the clients live
    cancel_idle_tx,  // those of all that have been idle for at least `value`
    begin,           // BEGIN, START TRANSACTION
    commit,          // COMMIT, END
    disable,
    drain,
    enable,
    explain_route,  // EXPLAIN ROUTE database SQL, to the end of the text
    fence,
    forget_timeline,
    ignore,  // RESET ALL, UNLISTEN *, CLOSE ALL ...: nothing to be done; `argument` is the tag
    kill,
    kill_client,
    pause,
    reconnect,
    reload,
    reset_queries,  // RESET QUERIES
    resume,
    rollback,  // ROLLBACK, ABORT
    set,
    set_weight,    // SET WEIGHT host = number
    trace_client,  // the messages of one, for `value`; none: 30 s
    show,          // SELECT is the same
    shutdown,
    sql,  // a query: SELECT, WITH, VALUES, TABLE; SHOW with WHERE, ORDER BY ...
    undrain,
    unfence,
    wait_close,
};

struct AdminCommand {
    AdminVerb verb = AdminVerb::show;
    // The only one, the key of SET, the host of SET WEIGHT; empty if there is none.
    std::string argument;
    // Of SET; what stands behind the topic of SHOW; the SQL of EXPLAIN ROUTE; the query.
    std::string value;
    std::string text;  // as the client wrote it, cut where it is very long
    // Of a query: what is to be added to a position in `value` to get that in the client's text.
    long shift = 0;
    // Of a query by the extended protocol: the types that the client demands, and the values.
    std::vector<protocol::Oid> parameter_types = {};
    std::vector<Value> parameters = {};
    bool described = false;  // the client was told the columns before it is run
};

// The commands of a text, none for an empty one. Error: 08P01 in PgBouncer's words; then nothing of
// the text is to be run.
protocol::Result<std::vector<AdminCommand>> parse_admin(std::string_view text);

// PgBouncer's answer to what it does not understand. `text` is cut where it is long.
protocol::Error invalid_command(std::string_view text);

// ASCII, without case.
bool same_word(std::string_view a, std::string_view b);

}  // namespace weir::proxy
