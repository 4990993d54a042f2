// SlowExplain: the plan of a slow SELECT, as the replica that ran it says now (EXPLAIN without
// ANALYZE: nothing is run), by a connection of pgweir's own that is outside of all limits.
//
// Only what ran on a replica is asked for, and only there: the router has proven it to be
// read-only, and a standby writes nothing in any case. What is asked is the text without its
// values; those of the plan are masked unless log_parameters is on.
#pragma once

#include "proxy/pool_set.h"
#include "proxy/slow_log.h"

#include <atomic>

namespace weir::proxy {

// Whether a plan may be asked for. `server_version`: PostgreSQL's major one; those before 16 cannot
// plan what has parameters.
bool may_explain(const SlowStatement& statement);
bool may_explain_on(const SlowStatement& statement, int server_version);

// A line of a plan without the values in its conditions.
std::string masked_plan_line(std::string_view line);

class SlowExplain {
public:
    // All must outlive this.
    SlowExplain(asio::io_context& io, PoolSet& pools, SlowLog& log)
        : io_(io), pools_(pools), log_(log) {}

    // At most one plan in `interval`, and one try a second while there is none; 0 = off. `values`:
    // they need not be masked. Any thread.
    void configure(conf::Milliseconds interval, bool values);

    // SlowLog::note(), with its plan if it is this one's turn: then it comes when PostgreSQL has
    // answered, or when it has not within two seconds. Any thread.
    void note(SlowStatement statement, bool logged);

private:
    bool takes_turn(const SlowStatement& statement);
    void give_turn_back();
    asio::awaitable<void> explain(SlowStatement statement, bool logged);
    asio::awaitable<std::string> ask(const SlowStatement& statement);

    asio::io_context& io_;
    PoolSet& pools_;
    SlowLog& log_;
    std::atomic<pool::Duration::rep> interval_{0};
    std::atomic<pool::Duration::rep> next_{0};
    std::atomic<bool> values_{false};
};

}  // namespace weir::proxy
