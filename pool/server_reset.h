// Server reset: puts a server in order after its client has left, and gives it back.
//
// Drains what it still owes (a cancel is under way if something runs), ends COPY and transaction,
// runs the reset query. A server that cannot be brought to a known state in time is closed.
#pragma once

#include "pool/server_pool.h"

namespace weir::pool {

struct ResetWork {
    // Run at the end; empty = none.
    std::string query;
    // The query forgets prepared statements and settings (DISCARD ALL after session mode).
    bool forgets_session = false;
};

// REQUIRES: the server is lent to the caller and attached to `loop`, which is worker `worker`'s and
// this thread's. Takes it over.
void reset_server(ServerConnection& server, unsigned worker, EventLoop& loop, ResetWork work);

}  // namespace weir::pool
