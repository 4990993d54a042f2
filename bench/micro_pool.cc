// Lending and giving back, as a session does it when there are servers enough.
#include "bench/micro.h"
#include "bench/replay_backend.h"
#include "pool/server_pool.h"

#include <cstdlib>
#include <memory>

namespace weir::bench {

namespace {

class NoObserver final : public pool::PoolObserver {
public:
    void servers_wanted(pool::ServerPool&) override {}

    void server_retired(pool::ServerRef) override {}
};

struct Lending final : pool::ChannelHandler {
    Lending()
        : loop(std::make_unique<ReplayBackend>()), pool({"bench", "bench"}, {&loop}, observer) {
        for (int i = 0; i < servers; ++i) {
            pool.opening_started();
            pool.opening_ended();
            pool.add(std::make_shared<pool::ServerConnection>(
                pool, pool::ServerIdentity{}, pool::Transport(ReplayBackend::server + i)
            ));
        }
        loop.run_once(false);
        waiter.loop = &loop;
        waiter.wish = wish();
    }

    ~Lending() {
        pool.close_all_idle(pool::CloseReason::shutdown);
        // The descriptors are not the system's: nobody may close them.
        pool.for_each_server([](const pool::ServerConnection& server) {
            const_cast<pool::ServerConnection&>(server).floating.release();
        });
    }

    static protocol::ParameterSetRef wish() { return protocol::ParameterSet::make({}); }

    void on_ready(std::uint64_t) override {}

    void on_wake(std::uint64_t) override {}

    static constexpr int servers = 16;
    NoObserver observer;
    pool::EventLoop loop;
    pool::ServerPool pool;
    pool::Waiter waiter;
};

const Micro lend("pool/lend_and_give_back", [] {
    auto lending = std::make_shared<Lending>();
    return [lending] {
        const auto now = lending->loop.now();
        auto* server = lending->pool.lend(lending->waiter, lending->waiter.wish, 0, *lending, now);
        if (server == nullptr) std::abort();
        lending->pool.give_back(*server, 0, now);
    };
});

}  // namespace

}  // namespace weir::bench
