// Rules over several settings, and what the settings ask of the machine.
#pragma once

#include "conf/problem.h"
#include "conf/settings.h"

#include <cstdint>

namespace weir::conf {

// Combinations that cannot work are errors, those that surely are not meant are warnings. Looks at
// the settings alone: whether a file exists or can be read is known when it is opened.
Problems validate(const Settings& settings, const Origins& origins = {});

// Descriptors needed when every limit is reached, and what is part of it.
struct DescriptorEstimate {
    std::uint64_t clients = 0;
    std::uint64_t servers = 0;  // of the databases and users known; see `bounded`
    std::uint64_t others = 0;   // listeners, loops, log, cancel requests
    // False if some pool has no limit, or if pools of users who are not known yet would come on
    // top: then `servers` counts one pool for each database (its forced user's, or one user's).
    bool bounded = true;

    std::uint64_t total() const { return clients + servers + others; }
};

// REQUIRES: workers >= 1, the number that will really run.
DescriptorEstimate estimate_descriptors(const Settings& settings, int workers);

}  // namespace weir::conf
