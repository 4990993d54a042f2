// Server reset: puts a server in order after its client has left, and gives it back.
//
// Drains what it still owes (a cancel is under way if something runs), ends COPY and transaction
// (what was not committed is rolled back), runs the reset query. A server that cannot be brought to
// a known state in time is closed.
#pragma once

#include "pool/server_pool.h"

#include <functional>

namespace weir::pool {

struct ResetWork {
    // Run at the end; empty = none.
    std::string query;
    // Asked when nothing runs there any more, if there is no query: true stands for DISCARD ALL.
    std::function<bool()> is_doubtful;
    // Extended-query messages were sent without a Sync: their implicit transaction is open.
    bool group_open = false;
    // What has still to be written of messages that were sent, ending with a whole one.
    std::string unsent;
    // Bytes still to come of a message whose beginning was read and passed on.
    std::uint64_t unread = 0;
};

// REQUIRES: the server is lent to the caller and attached to `loop`, which is worker `worker`'s and
// this thread's. Takes it over.
void reset_server(ServerConnection& server, unsigned worker, EventLoop& loop, ResetWork work);

}  // namespace weir::pool
