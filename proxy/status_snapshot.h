// StatusSnapshot: what this process is and does at one time, as plain values: the one source of
// the metrics, the status page, the JSON API and the readiness check. Control thread; it reads
// counters and what is published, takes each pool's lock once, and asks no worker.
#pragma once

#include "pool/server_connection.h"
#include "pool/topology.h"
#include "proxy/admin_stats.h"
#include "proxy/pin_counts.h"
#include "proxy/query_stats.h"
#include "proxy/trace_export.h"
#include "router/statement.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

class Server;

// The servers of one (database, user) on one host.
struct PoolHostStatus {
    std::string host;  // as operators call it
    std::size_t active = 0, idle = 0, used = 0, tested = 0, being_canceled = 0;
    std::size_t closing = 0, opening = 0;
    std::size_t cancels = 0;  // cancel requests under way
    std::size_t size = 0;     // limit; 0 = none
    std::size_t reserve = 0;  // beyond it
    std::size_t waiting = 0;  // clients
    std::chrono::microseconds longest_wait{0};

    // Busy: cannot be lent.
    std::size_t busy() const { return active + tested + being_canceled + closing + opening; }
};

struct PinStatus {
    router::PinReason reason{};
    std::uint64_t begun = 0, lifted = 0, left = 0, refused = 0;
};

// How often what took so long: bounds in microseconds, powers of two, so that the counts are exact.
inline constexpr std::array<std::uint64_t, 10> time_bounds{
    64, 256, 1024, 4096, 16'384, 65'536, 262'144, 1'048'576, 4'194'304, 16'777'216};

// Below the bound of the same place, and not below the one before it; the last: all above.
using TimeCounts = std::array<std::uint64_t, time_bounds.size() + 1>;

TimeCounts time_counts(const pool::CoarseCounts& times);

struct PoolTimes {
    TimeCounts transactions{}, queries{}, waits{};
};

struct PoolStatus {
    std::string database, user;
    std::string_view pool_mode;
    std::size_t clients = 0;  // those that wait among them
    std::size_t waiting = 0;
    std::chrono::microseconds longest_wait{0};
    // Of what has run for a second or longer, as of a few seconds ago; zero: nothing has.
    std::chrono::microseconds oldest_query{0}, oldest_transaction{0};
    std::size_t pinned = 0, max_pinned = 0;
    std::uint64_t pinned_transactions = 0;
    std::uint64_t commits = 0, rollbacks = 0;
    Totals totals{};
    std::optional<PoolTimes> times;  // only with SnapshotDetail::for_metrics
    std::vector<PoolHostStatus> hosts;
    std::vector<PinStatus> pins;
    pool::CloseCounts closed{};  // servers of all hosts
    bool paused = false, disabled = false;
    std::string login_failure;  // what the last login to its servers failed with; empty = none

    std::size_t sum(std::size_t PoolHostStatus::*member) const;
};

struct HostStatus {
    std::string cluster, address;
    pool::HostView view;
    std::size_t servers = 0, waiting = 0;
    unsigned outstanding = 0;
    std::uint64_t latency = 0;  // in microseconds, smoothed; 0 = not known
    std::uint64_t served = 0, errors = 0;
};

struct RouteStatus {
    std::string cluster, target, reason;
    std::uint64_t count = 0;
};

struct ClusterStatus {
    std::string name;
    std::size_t primaries = 0;
    std::uint64_t waits = 0, wait_time = 0;  // microseconds
    std::vector<RouteStatus> routes = {}, retries = {};
};

struct ListenerStatus {
    std::size_t connections = 0, channels = 0, clients = 0;
    std::uint64_t notifications = 0;
};

struct ProcessStatus {
    double cpu_seconds = 0, start_time = 0;  // of the Unix epoch
    std::uint64_t resident_bytes = 0, virtual_bytes = 0;
    std::uint64_t open_descriptors = 0, most_descriptors = 0;
};

// Of one worker, as it was a second ago.
struct WorkerStatus {
    std::size_t clients = 0;
    // How long something new has waited for its turn: a probe each second, and the one that waits.
    TimeCounts delays{};
    std::uint64_t delay_sum = 0;  // microseconds
    std::chrono::microseconds stuck{0};
    // Of its statement cache.
    std::uint64_t exact_hits = 0, blind_hits = 0, misses = 0, unkeyed = 0, evictions = 0;
    std::size_t statements = 0, statement_bytes = 0;
    // Of its statistics of statements.
    std::size_t query_rows = 0;
    std::uint64_t query_evictions = 0;
};

// Logins of one side: clients' to us, or ours to servers.
struct LoginStatus {
    TimeCounts durations{};  // of those that succeeded
    std::uint64_t total_time = 0;
    std::map<std::string, std::uint64_t> failures;    // by SQLSTATE
    std::map<std::string, std::uint64_t> handshakes;  // by the version of TLS
    std::uint64_t failed_handshakes = 0;
};

// Memory of one kind of thing, counted by its size; what it refers to is not in it.
struct MemoryPart {
    std::string_view name;
    std::size_t bytes = 0;
};

// What only a scrape shows.
struct MetricsDetail {
    std::vector<WorkerStatus> workers;
    LoginStatus client_logins, server_logins;
    std::uint64_t catalog_reads = 0;
    std::size_t catalogs = 0;
    std::vector<MemoryPart> memory;
    TraceExporter::Counts traces;
    std::uint64_t slow_log_written = 0, slow_log_dropped = 0;
};

// Of all databases and users together.
struct ErrorCount {
    std::string sqlstate;
    bool from_server = true;
    std::uint64_t count = 0;
};

struct StatusSnapshot {
    pool::TimePoint at{};
    std::chrono::system_clock::time_point time{};
    std::optional<ProcessStatus> process;  // only where somebody asked for it: read_process()
    std::size_t workers = 0;
    std::vector<std::size_t> worker_clients;
    std::size_t clients = 0, logging_in = 0, max_clients = 0;
    std::size_t accept_pauses = 0;
    bool paused = false, shutting_down = false;
    std::vector<PoolStatus> pools;  // ordered by database and user
    std::vector<HostStatus> hosts;
    std::vector<ClusterStatus> clusters;
    ListenerStatus listeners;
    std::vector<ErrorCount> errors;       // only with SnapshotDetail::for_metrics
    std::optional<MetricsDetail> detail;  // the same
    std::uint64_t reloads = 0, failed_reloads = 0;
    std::optional<std::chrono::system_clock::time_point> last_reload;  // that succeeded
    bool last_reload_failed = false;
    // Of our own certificates: "client" and "http".
    std::map<std::string, std::chrono::system_clock::time_point> certificate_expiry;

    double seconds_since(pool::TimePoint then) const {
        return std::chrono::duration<double>(at - then).count();
    }
};

// One row for each (sqlstate, side).
std::vector<ErrorCount> error_counts(const std::vector<ErrorRow>& errors);

// for_metrics: what only a scrape shows too; it costs more than a look at the counters.
enum class SnapshotDetail : std::uint8_t { plain, for_metrics };

StatusSnapshot take_snapshot(Server& server, SnapshotDetail detail = SnapshotDetail::plain);

// Of this process, by /proc; what cannot be read is 0.
ProcessStatus read_process();

}  // namespace weir::proxy
