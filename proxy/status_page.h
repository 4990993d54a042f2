// The status page, which is one file made at build time of proxy/web, and its tables for those who
// have no JavaScript.
#pragma once

#include "proxy/http_response.h"
#include "proxy/query_stats.h"
#include "proxy/status_history.h"

#include <vector>

namespace weir::proxy {

// The same for everybody: what it shows it gets from /api/v1.
HttpResponse status_page(const HttpRequest& request);

// HTML without scripts. `queries`: of the last 15 minutes, as they are to be shown.
HttpResponse status_tables(
    const StatusSnapshot& snapshot,
    const StatusHistory& history,
    const std::vector<const QueryRow*>& queries
);

}  // namespace weir::proxy
