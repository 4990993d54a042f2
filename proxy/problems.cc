#include "proxy/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace weir::proxy {

namespace {

// Causes by how much lies behind them: what the later ones show may be the work of the earlier.
constexpr double paused_weight = 800;
constexpr double host_weight = 700;
constexpr double login_weight = 650;
constexpr double full_server_weight = 600;
constexpr double lock_weight = 500;
constexpr double idle_weight = 400;
constexpr double long_weight = 300;
constexpr double pool_weight = 200;
// Whoever makes clients wait comes before what only looks bad.
constexpr double waiting_weight = 1000;

double seconds_of(pool::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

double weight_of(double cause, std::size_t affected) {
    constexpr std::size_t most = 90;
    return cause + (affected > 0 ? waiting_weight : 0) +
           static_cast<double>(std::min(affected, most));
}

bool is_of(const SessionFacts& session, const PoolFacts& pool) {
    return session.database == pool.database && session.user == pool.user;
}

std::string pool_name(const PoolFacts& pool) {
    return pool.database + '/' + pool.user;
}

std::string client_name(const SessionFacts& session) {
    auto name = fmt::format("client {} ({}/{}", session.id, session.database, session.user);
    if (!session.application.empty()) name.append(", ").append(session.application);
    return name + ')';
}

class Finder {
public:
    explicit Finder(const ProblemFacts& facts) : facts_(facts) {}

    std::vector<Problem> run() {
        for (const auto& host : facts_.hosts)
            look_at(host);
        look_at_locks();
        for (const auto& pool : facts_.pools) {
            look_at_servers(pool);
            look_at_sessions(pool);
        }
        std::stable_sort(found_.begin(), found_.end(), [](const auto& a, const auto& b) {
            return a.weight > b.weight;
        });
        return std::move(found_);
    }

private:
    std::size_t waiting_in(std::string_view database) const {
        std::size_t waiting = 0;
        for (const auto& pool : facts_.pools) {
            if (pool.database == database) waiting += pool.waiting;
        }
        return waiting;
    }

    void look_at(const HostFacts& host) {
        const auto affected = waiting_in(host.cluster);
        found_.push_back(
            {host.state == "fenced" ? "host fenced" : "host down",
             host.address,
             host.since,
             affected,
             fmt::format("{} of cluster {}: {}", host.state, host.cluster, host.reason),
             "SHOW HOSTS",
             weight_of(host_weight, affected)}
        );
    }

    // What keeps a pool from having servers at all.
    void look_at_servers(const PoolFacts& pool) {
        if (pool.waiting == 0) return;
        Problem problem;
        problem.object = pool_name(pool);
        problem.since = pool.longest_wait;
        problem.affected = pool.waiting;
        const auto waiting = fmt::format(
            "{} clients wait, the longest for {:.1f} s", pool.waiting, seconds_of(pool.longest_wait)
        );
        double cause = 0;
        if (pool.limit == "paused") {
            problem.cause = "paused";
            problem.evidence = waiting + "; the pool is paused";
            problem.next = "RESUME";
            cause = paused_weight;
        } else if (pool.limit == "host_down") {
            problem.cause = "host down";
            problem.evidence = fmt::format("{}; {}", waiting, pool.login_error);
            problem.next = "SHOW DATABASES";
            cause = host_weight;
        } else if (pool.limit == "max_connections") {
            problem.cause = "max_connections reached";
            problem.evidence = fmt::format(
                "{}; the server refuses more than {} connections of this pool: {}",
                waiting,
                pool.used,
                pool.login_error
            );
            problem.next = "SELECT database, count(*) FROM servers GROUP BY 1";
            cause = full_server_weight;
        } else if (pool.limit == "server_login") {
            problem.cause = "server login fails";
            problem.evidence = fmt::format("{}; {}", waiting, pool.login_error);
            problem.next = "SHOW DATABASES";
            cause = login_weight;
        } else {
            return;
        }
        problem.weight = weight_of(cause, pool.waiting);
        found_.push_back(std::move(problem));
    }

    const SessionFacts* session_of(int process, const std::string& database) const {
        for (const auto& session : facts_.sessions) {
            if (session.has_server && session.server_process == process &&
                session.database == database) {
                return &session;
            }
        }
        return nullptr;
    }

    // Whoever is waited for and waits for nobody is at the head of the queue.
    void look_at_locks() {
        std::map<std::pair<std::string, int>, std::size_t> heads;
        std::set<std::pair<std::string, int>> blocked;
        for (const auto& each : facts_.blocked)
            blocked.emplace(each.database, each.process);
        for (const auto& each : facts_.blocked) {
            for (const int blocker : each.blockers) {
                if (!blocked.contains({each.database, blocker})) ++heads[{each.database, blocker}];
            }
        }
        for (const auto& [head, direct] : heads) {
            const auto& [database, process] = head;
            const auto queue = static_cast<std::size_t>(std::count_if(
                facts_.blocked.begin(),
                facts_.blocked.end(),
                [&](const auto& each) { return each.database == database; }
            ));
            const auto* session = session_of(process, database);
            Problem problem;
            problem.cause = "lock queue";
            problem.affected = queue;
            problem.object = session != nullptr ? client_name(*session)
                                                : fmt::format("server process {}", process);
            problem.since = session != nullptr ? session->transaction_age : pool::Duration{};
            problem.evidence = fmt::format(
                "{} backends of {} wait for locks; at their head is process {}{}",
                queue,
                database,
                process,
                session == nullptr ? ", which is no server of pgweir's"
                : session->running
                    ? ", which runs a statement"
                    : fmt::format(", idle in transaction for {:.1f} s", seconds_of(session->idle))
            );
            problem.next = session != nullptr
                               ? fmt::format("CANCEL CLIENT {}", session->id)
                               : fmt::format("pg_terminate_backend({}) on the server", process);
            problem.weight = weight_of(lock_weight, queue);
            heads_.emplace(database, process);
            found_.push_back(std::move(problem));
        }
    }

    // Who holds the servers of a pool, or that nobody does for long.
    void look_at_sessions(const PoolFacts& pool) {
        const bool full = pool.waiting > 0 && pool.limit != "paused" && !pool.limit.empty();
        const auto idle_limit = full ? pool::Duration(noticed_while_waiting) : idle_in_transaction;
        const auto long_limit = full ? pool::Duration(noticed_while_waiting) : long_transaction;
        bool held = false;
        for (const auto& session : facts_.sessions) {
            if (!is_of(session, pool) || !session.in_transaction || !session.has_server) continue;
            if (heads_.contains({session.database, session.server_process})) continue;
            const bool idle = !session.running && session.idle >= idle_limit;
            if (!idle && session.transaction_age < long_limit) continue;
            if (is_blocked(session)) continue;
            held = true;
            tell_transaction(session, pool, idle);
        }
        const bool too_small =
            full && (pool.limit == "pool_size" || pool.limit == "max_db_connections" ||
                     pool.limit == "max_user_connections");
        if (too_small) tell_pool(pool, held);
    }

    bool is_blocked(const SessionFacts& session) const {
        return std::any_of(facts_.blocked.begin(), facts_.blocked.end(), [&](const auto& each) {
            return each.database == session.database && each.process == session.server_process;
        });
    }

    void tell_transaction(const SessionFacts& session, const PoolFacts& pool, bool idle) {
        Problem problem;
        problem.cause = idle ? "idle in transaction" : "long transaction";
        problem.object = client_name(session);
        problem.since = idle ? session.idle : session.transaction_age;
        problem.affected = pool.waiting;
        problem.evidence = fmt::format(
            "its transaction is open for {:.1f} s, {}; it holds 1 of {} servers of {}, for which "
            "{} "
            "clients wait",
            seconds_of(session.transaction_age),
            idle ? fmt::format("idle for {:.1f} s", seconds_of(session.idle))
                 : std::string("working"),
            pool.servers,
            pool_name(pool),
            pool.waiting
        );
        problem.next = fmt::format("CANCEL CLIENT {}", session.id);
        problem.weight = weight_of(idle ? idle_weight : long_weight, pool.waiting) +
                         std::min(seconds_of(problem.since), 3600.0) / 3600.0;
        found_.push_back(std::move(problem));
    }

    void tell_pool(const PoolFacts& pool, bool held) {
        Problem problem;
        problem.cause = "pool too small";
        problem.object = pool_name(pool);
        problem.since = pool.longest_wait;
        problem.affected = pool.waiting;
        std::size_t running = 0;
        pool::Duration longest{};
        for (const auto& session : facts_.sessions) {
            if (!is_of(session, pool) || !session.running) continue;
            ++running;
            longest = std::max(longest, session.running_for);
        }
        problem.evidence = fmt::format(
            "{} clients wait, the longest for {:.1f} s; {} of {} servers by {}; {} run, the "
            "longest "
            "for {:.1f} s{}",
            pool.waiting,
            seconds_of(pool.longest_wait),
            pool.used,
            pool.allowed,
            pool.limit,
            running,
            seconds_of(longest),
            held ? "; but see who holds servers" : ""
        );
        const auto setting =
            pool.limit == "pool_size" ? std::string_view("default_pool_size") : pool.limit;
        problem.next = fmt::format("SET {} = {}", setting, pool.allowed * 2);
        problem.weight = weight_of(pool_weight, pool.waiting);
        found_.push_back(std::move(problem));
    }

    const ProblemFacts& facts_;
    std::vector<Problem> found_;
    std::set<std::pair<std::string, int>> heads_;
};

}  // namespace

std::vector<Problem> find_problems(const ProblemFacts& facts) {
    return Finder(facts).run();
}

}  // namespace weir::proxy
