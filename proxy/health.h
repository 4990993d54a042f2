// What is wrong now, judged by a StatusSnapshot alone: for /readyz and the first line of the status
// page. Pure.
#pragma once

#include "proxy/status_snapshot.h"

#include <string>
#include <vector>

namespace weir::proxy {

enum class Severity : std::uint8_t {
    warning,   // clients are served, but something needs a look
    critical,  // some clients are not served
};

std::string_view to_string(Severity severity);

struct HealthProblem {
    Severity severity = Severity::warning;
    std::string part;  // "host demo 10.0.0.2:5432", "pool shop/alice", "pgweir"; names are as given
    std::string what;  // one line, as "does not answer: connect_failed"
    std::string hint;  // the next command on the console; may be empty

    // Of equal identity it is the same problem going on.
    std::string identity() const { return part + '\n' + what.substr(0, what.find(':')); }
};

// The worst first.
std::vector<HealthProblem> find_health_problems(const StatusSnapshot& snapshot);

// Why this process should get no new clients; empty: it should. One database out of several that
// cannot be served is no reason, all of those in use are.
std::vector<std::string> reasons_not_ready(const StatusSnapshot& snapshot);

}  // namespace weir::proxy
