// What one session of a cluster remembers to decide where its transactions run. See
// session_routing.cc.
#pragma once

#include "proxy/cluster.h"
#include "proxy/pool_entry.h"
#include "router/read_route.h"

#include <optional>

namespace weir::proxy {

// Where the last transaction ran and why; SHOW pgweir.last_route.
struct LastRoute {
    std::optional<unsigned> host;
    router::ReadReason reason = router::ReadReason::empty;
    std::optional<pool::ChoiceReason> choice;  // of a read
    pool::Duration waited{};
    router::ReplicaRefusal refused = router::ReplicaRefusal::none;  // by a replica, before
};

struct Routing {
    Routing(std::shared_ptr<Cluster> of, const SessionLimits& limits)
        : cluster(std::move(of)), route(limits.route), consistency(limits.consistency) {}

    const std::shared_ptr<Cluster> cluster;

    // Follow from the session's parameters.
    protocol::ParameterSetRef follows;
    conf::RouteTo route;
    pool::Consistency consistency;

    router::ReadContext context;        // before the group
    router::ReadContext group_context;  // behind what was looked at of the group
    pool::SessionToken token;

    // --- of the transaction ---
    unsigned host = 0;        // of pool_
    bool on_replica = false;  // ... which is a replica's
    bool wrote = false;       // on the primary, and it may have
    bool only_primary = false;
    bool blocks_on_primary = false;  // READ ONLY ones, too: one has met what a replica must not do
    bool chained = false;            // AND CHAIN has begun it on a replica, and nothing ran since
    bool leaves_chain = false;       // ... and it is rolled back there, to go on elsewhere
    // On the primary, what is open was only parsed and described, and ended with Flush ...
    bool flushed = false;
    bool leaves_flushed = false;  // ... and is ended there, to go on elsewhere
    LastRoute last;
    pool::HostLoad* load = nullptr;  // while a request of it runs there
    pool::TimePoint load_since{};

    // --- waiting until a host is known, or has what the read needs ---
    std::optional<pool::TimePoint> arrived;  // the group that is decided on
    std::optional<pool::TimePoint> waiting_since;
    bool parked = false;  // until something is published, or a deadline
    std::optional<pool::ClusterMonitor::Wait> urgent;

    // --- a read on a replica, nothing of which the client has been told ---
    bool holding = false;
    router::ReplicaRefusal retrying = router::ReplicaRefusal::none;
    router::StatementPtr statement;  // the only one
    std::string group;               // its messages
    std::string begin;               // the BEGIN that went ahead of it
    std::string held;                // answers
};

}  // namespace weir::proxy
