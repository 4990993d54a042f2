// The status page, which is one file made at build time of proxy/web, and its tables for those who
// have no JavaScript.
#pragma once

#include "proxy/http_response.h"
#include "proxy/status_history.h"

namespace weir::proxy {

// The same for everybody: what it shows it gets from /api/v1.
HttpResponse status_page(const HttpRequest& request);

// HTML without scripts.
HttpResponse status_tables(const StatusSnapshot& snapshot, const StatusHistory& history);

}  // namespace weir::proxy
