// The causes of trouble, from what is known of pools, sessions and hosts at one moment. Pure.
#pragma once

#include "pool/io/io_backend.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

struct PoolFacts {
    std::string database;
    std::string user;
    std::size_t waiting = 0;
    std::size_t servers = 0;
    pool::Duration longest_wait{};
    std::string_view limit;  // see WaitCause
    std::int64_t used = 0;
    std::int64_t allowed = 0;
    std::string login_error;
};

struct SessionFacts {
    std::int64_t id = 0;
    std::string database;
    std::string user;
    std::string application;
    int server_process = 0;
    bool has_server = false;
    bool running = false;  // a request of its is under way on its server
    bool in_transaction = false;
    pool::Duration transaction_age{};
    pool::Duration idle{};         // since its last request ended, if none is running
    pool::Duration running_for{};  // since the request began
};

struct HostFacts {
    std::string cluster;
    std::string address;
    std::string state;
    std::string reason;
    pool::Duration since{};
};

// A backend that waits for locks, and the backends that hold them or wait before it.
struct BlockedBackend {
    std::string database;  // as clients call it
    int process = 0;
    std::vector<int> blockers;
};

struct ProblemFacts {
    std::vector<PoolFacts> pools;
    std::vector<SessionFacts> sessions;
    std::vector<HostFacts> hosts;
    std::vector<BlockedBackend> blocked;
};

struct Problem {
    std::string_view cause;
    std::string object;  // what it is about: a host, a pool, a client
    pool::Duration since{};
    std::size_t affected = 0;  // clients that wait because of it
    std::string evidence;
    std::string next;  // the next command
    double weight = 0;
};

// From when on an idle, a long transaction or a running query is told of. Shorter if clients wait.
inline constexpr std::chrono::seconds long_transaction{60};
inline constexpr std::chrono::seconds idle_in_transaction{10};
inline constexpr std::chrono::milliseconds noticed_while_waiting{500};

// The likeliest first.
std::vector<Problem> find_problems(const ProblemFacts& facts);

}  // namespace weir::proxy
