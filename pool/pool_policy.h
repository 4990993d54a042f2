// Pool policy: how many servers to open and which to close. Pure functions of a few numbers.
#pragma once

#include "conf/settings.h"
#include "pool/io/io_backend.h"

#include <cstddef>

namespace weir::pool {

using conf::LendPolicy;

struct PoolLimits {
    std::size_t size = 20;  // servers of one pool; 0 = no limit
    std::size_t min_size = 0;
    std::size_t reserve = 0;
    std::size_t max_pinned = 0;  // pins at a time; 0 = no limit
    LendPolicy lend_policy = LendPolicy::lifo;
    Duration reserve_timeout = std::chrono::seconds(5);  // 0 = the reserve is off
    Duration server_lifetime = std::chrono::hours(1);    // 0 = a server is used once
    Duration server_idle_timeout = std::chrono::minutes(10);
    // Logins under way at a time, so that a start does not storm the server.
    std::size_t parallel_logins = 8;
};

struct PoolCounts {
    std::size_t waiting = 0;
    std::size_t idle = 0;
    std::size_t active = 0;   // lent, tested, or waiting for the end of a cancel
    std::size_t closing = 0;  // PostgreSQL may still have the backend
    std::size_t opening = 0;
    Duration oldest_wait{};
    bool has_clients = false;

    // What PostgreSQL has or may have. Never above the limits.
    std::size_t total() const { return idle + active + closing + opening; }
};

// The most there ever were of each at the same time; the longest that a client waited for a server.
struct PoolPeaks {
    std::size_t waiting = 0;
    std::size_t active = 0;
    std::size_t total = 0;
    Duration wait{};
};

// How many logins to start now, given that nothing else limits.
std::size_t servers_to_open(const PoolCounts& counts, const PoolLimits& limits);

// The age at which the `index`-th of `count` servers ends: spread over the last fifth of the
// lifetime, so that servers opened together are not closed together.
Duration lifetime_of(std::uint64_t index, const PoolLimits& limits);

// The pause before login attempt number `failures` + 1 to a host: doubles from 100 ms up to
// `limit`. The caller adds jitter.
Duration retry_pause(unsigned failures, Duration limit);

}  // namespace weir::pool
