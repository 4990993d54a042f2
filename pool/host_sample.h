// HostSample: what one check of a host has brought, as plain values.
#pragma once

#include "pool/topology.h"

#include <optional>
#include <string>
#include <vector>

namespace weir::pool {

// A row of pg_stat_replication: a replica as its upstream sees it.
struct Downstream {
    std::string application_name;
    std::string client_address;  // empty: a Unix socket, or not told without pg_monitor
    bool streaming = false;
    SyncState sync_state = SyncState::unknown;
    Lsn replay_lsn;

    bool operator==(const Downstream&) const = default;
};

struct HostSample {
    SteadyTime started{};   // just before the query was sent
    SteadyTime answered{};  // when its answer was complete
    // What this host lets the monitor learn at all; what stands below may still be missing.
    Knowledge knowledge = Knowledge::none;
    bool brief = false;  // a brief check: what it does not ask for is as it was

    std::optional<bool> in_recovery;
    std::uint64_t system_identifier = 0;
    // The primary's own; of a replica the one it receives.
    Timeline timeline = 0;
    Lsn insert_lsn;
    Lsn receive_lsn;
    Lsn replay_lsn;
    Lsn upstream_end;  // the end of the upstream's WAL, as a replica's receiver was told
    bool replay_paused = false;
    std::optional<bool> receiving;  // absent: it cannot be told
    std::string upstream;           // "host:port"
    std::string name_upstream;      // the application_name it shows there
    std::uint32_t wal_segment_size = default_wal_segment_size;
    std::optional<std::vector<Downstream>> downstreams;  // absent: it cannot be told
};

}  // namespace weir::pool
