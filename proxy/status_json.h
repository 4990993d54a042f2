// What the status page and /api/v1 show, as JSON. No secret and no parameter's value is among it.
#pragma once

#include "proxy/client_session.h"
#include "proxy/status_history.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

// One document: what there is now. At most most_pools pools, those first where clients wait.
inline constexpr std::size_t most_pools = 200;
std::string status_json(const StatusSnapshot& snapshot, const StatusHistory& history);

// One array for each field of StatusPoint, the oldest second first.
std::string series_json(const StatusHistory& history);

// Sessions that hold a server, are in a transaction, or wait; the oldest first, at most `most`.
inline constexpr std::size_t most_sessions = 500;
std::string sessions_json(
    const std::vector<SessionView>& sessions, pool::TimePoint now, std::size_t most = most_sessions
);

}  // namespace weir::proxy
