// Who waits for whose locks, as PostgreSQL says (pg_blocking_pids), asked on connections of our own
// that are outside of all limits. Control thread.
#pragma once

#include "proxy/pool_set.h"
#include "proxy/problems.h"

#include <functional>

namespace weir::proxy {

// Asks for the backends of each of these pools' databases; `done` is called later on the control
// thread, with what could be learnt within a second. An error leaves a pool out.
void ask_blocking(
    asio::io_context& io,
    PoolSet& pools,
    std::vector<pool::PoolName> of,
    std::function<void(std::vector<BlockedBackend>)> done
);

}  // namespace weir::proxy
