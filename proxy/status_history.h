// StatusHistory: what the last fifteen minutes looked like, second by second: rates, peaks, events,
// and since when each problem is there. Pure: it is given one StatusSnapshot after the other.
#pragma once

#include "proxy/health.h"
#include "proxy/status_snapshot.h"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace weir::proxy {

// Milliseconds of the Unix epoch.
using EpochTime = std::int64_t;

EpochTime epoch_time(std::chrono::system_clock::time_point time);

// One second. Rates are per second, times in microseconds on average; negative = not known.
struct StatusPoint {
    EpochTime time = 0;
    double transactions = 0, queries = 0;
    double query_time = 0, wait_time = 0;
    double bytes_in = 0, bytes_out = 0;
    double on_replicas = 0;  // transactions
    double host_errors = 0;
    double clients = 0, waiting = 0, active = 0;
    double lag_ms = -1;  // of the replica that is furthest behind
};

struct StatusEvent {
    EpochTime time = 0;
    std::string kind;  // "failover", "host", "reload", "pause", "operator", "problem", "solved"
    std::string text;
};

// What a pool or host does now, and its peaks.
struct Activity {
    double transactions = 0, queries = 0;           // per second; of a host its requests
    double query_time = 0, wait_time = 0;           // microseconds, on average
    double errors = 0;                              // per second
    std::uint32_t peak_busy = 0, peak_waiting = 0;  // of the last fifteen minutes
};

class StatusHistory {
public:
    static constexpr std::size_t seconds = 900;
    static constexpr std::size_t most_events = 200;

    // REQUIRES: later than the one before.
    void add(const StatusSnapshot& snapshot);
    void add_event(StatusEvent event);

    const std::deque<StatusPoint>& points() const { return points_; }

    // The newest last.
    const std::deque<StatusEvent>& events() const { return events_; }

    struct OpenProblem {
        HealthProblem problem;
        EpochTime since = 0;
    };

    // The worst first.
    const std::vector<OpenProblem>& problems() const { return problems_; }

    // Since when it is as good or bad as now.
    EpochTime health_since() const { return health_since_; }

    // Of the last second; zeros for what has not been there for two.
    Activity pool(const std::string& database, const std::string& user) const;
    Activity host(const std::string& cluster, const std::string& address) const;

private:
    // Maxima of ten seconds each.
    class Peaks {
    public:
        void add(std::uint64_t tens, std::size_t value);
        std::uint32_t highest() const;

    private:
        static constexpr std::size_t slots = seconds / 10;
        std::array<std::uint32_t, slots> highest_{};
        std::uint64_t last_ = 0;
    };

    struct Tracked {
        Totals totals{};  // as counted last; of a host: queries and errors (as binds)
        Activity now;
        Peaks busy, waiting;
        std::uint64_t seen = 0;
    };

    using Name = std::pair<std::string, std::string>;

    void track_pools(const StatusSnapshot& snapshot, double elapsed, StatusPoint& point);
    void track_hosts(const StatusSnapshot& snapshot, double elapsed, StatusPoint& point);
    void track_routes(const StatusSnapshot& snapshot, double elapsed, StatusPoint& point);
    void judge(const StatusSnapshot& snapshot, EpochTime now);
    void notice(const StatusSnapshot& snapshot, EpochTime now);
    void notice_host(const HostStatus& host, EpochTime now);

    std::deque<StatusPoint> points_;
    std::deque<StatusEvent> events_;
    std::vector<OpenProblem> problems_;
    std::map<Name, Tracked> pools_, hosts_;
    std::uint64_t replica_transactions_ = 0;
    EpochTime health_since_ = 0;
    int health_ = -1;  // severity of the worst problem + 1, 0 = none, -1 = not judged yet
    // What changes are told by.
    std::map<Name, std::pair<pool::HostRole, pool::HostState>> known_hosts_;
    std::uint64_t reloads_ = 0, failed_reloads_ = 0;
    bool paused_ = false;
    pool::TimePoint last_{};
    std::uint64_t round_ = 0;
};

}  // namespace weir::proxy
