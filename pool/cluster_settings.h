// What a cluster is configured to be, and what is remembered of it over a restart. Plain values.
#pragma once

#include "pool/topology.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace weir::pool {

enum class ConfiguredRole : std::uint8_t {
    automatic,  // what the host says
    primary,    // always
    replica,
};

struct ClusterHost {
    std::string host;
    int port = 5432;
    std::uint32_t weight = 100;  // 0 = no reads
    std::string zone;
    ConfiguredRole role = ConfiguredRole::automatic;
    bool removed = false;  // keeps its place, takes nothing new
};

struct ClusterSettings {
    using Milliseconds = std::chrono::milliseconds;

    std::string name;  // of the cluster; the key in the state file
    std::vector<ClusterHost> hosts;
    Milliseconds max_lag{10000};      // 0 = any
    std::uint64_t max_lag_bytes = 0;  // 0 = any
    Milliseconds lag_alert{0};        // 0 = none

    // Hysteresis. A host is down after this many failures in a row, and at least this long after
    // its last success; it is back after so many successes.
    unsigned failures_until_down = 3;
    Milliseconds least_silence{150};
    unsigned successes_until_up = 2;
    // A lagging replica is back once it has been below this share of the limits for this long.
    double return_share = 0.8;
    Milliseconds return_after{1000};
};

// What the state file keeps of one cluster.
struct ClusterMemory {
    Timeline timeline = 0;                // the highest ever seen; 0 = none
    std::uint64_t system_identifier = 0;  // 0 = not known
    std::string primary;                  // "host:port" of the last primary on that timeline
    // There was something to remember, and it could not be read. Until FORGET TIMELINE a primary is
    // believed only if a replica streams from it, or if every host has been heard.
    bool lost = false;

    bool operator==(const ClusterMemory&) const = default;
};

}  // namespace weir::pool
