// Lookout: asks the workers, once in a while, what nobody but they can tell: how long their loops
// take to come to something new, and since when the oldest transaction and query of each pool run.
// Control thread. Nothing is asked while nobody serves metrics.
#pragma once

#include "pool/io/io_backend.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace weir::proxy {

class Server;

class Lookout {
public:
    // Only sessions are asked whose server has been theirs for so long.
    static constexpr auto least_age = std::chrono::seconds(1);

    // `server` must outlive this.
    explicit Lookout(Server& server) : server_(server) {}

    // Once a second.
    void tick();

    // When they began; zero: none is as old as least_age.
    struct Oldest {
        pool::TimePoint query{}, transaction{};
    };

    using ByPool = std::map<std::pair<std::string, std::string>, Oldest>;  // database, user

    // As of a few seconds ago.
    ByPool oldest() const;

private:
    // What one round of questions has found. Workers write while it is the newest.
    struct Round {
        mutable std::mutex mutex;
        ByPool oldest;  // guarded by mutex
    };

    void ask();

    Server& server_;
    unsigned ticks_ = 0;
    std::shared_ptr<Round> asked_ = std::make_shared<Round>();
    std::shared_ptr<Round> answered_ = std::make_shared<Round>();
};

}  // namespace weir::proxy
