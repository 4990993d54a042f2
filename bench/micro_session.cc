// A whole transaction through a ClientSession: everything pgweir does in user space for one
// pgbench -S transaction, except the system calls themselves.
#include "bench/micro.h"
#include "bench/replay_backend.h"
#include "bench/wire.h"
#include "proxy/client_session.h"

#include <cstdlib>
#include <memory>

namespace weir::bench {

namespace {

class NoControlPlane final : public pool::PoolObserver, public proxy::SessionObserver {
public:
    void servers_wanted(pool::ServerPool&) override {}

    void server_retired(pool::ServerRef) override {}

    void cancel_query(pool::ServerRef) override {}

    void session_ended(std::uint64_t) override {}

    void ask_listener(proxy::ListenerRequest) override {}

    void sessions_changed(const std::vector<router::NewSessions>&) override {}
};

// One worker that is driven by hand, one pool with one server, one client.
class Turns {
public:
    explicit Turns(bool statistics = true) : worker_(0, make_backend(), catalog_, control_) {
        entry_ = std::make_shared<proxy::PoolEntry>(
            pool::PoolName{"bench", "bench"},
            std::vector<pool::EventLoop*>{&worker_.loop()},
            control_
        );
        auto limits = *entry_->limits();
        limits.log_disconnections = false;
        limits.query_stats = statistics;
        if (statistics) limits.log_min_duration = std::chrono::seconds(1);
        // The defaults of the settings, where deadlines are armed.
        limits.server_check_query = ";";
        limits.server_check_delay = std::chrono::seconds(30);
        limits.query_wait_timeout = std::chrono::seconds(120);
        entry_->set_limits(std::make_shared<const proxy::SessionLimits>(std::move(limits)));
        // Of a database where nothing has an effect: as pgbench's.
        entry_->catalog->publish({1, router::Catalog::build({}), pool::Clock::now()});
        add_server();
        begin_session();
    }

    ~Turns() {
        worker_.with_all_sessions(
            [](proxy::ClientSession& session) {
                session.end(protocol::fatal(protocol::sqlstate::admin_shutdown, "end"));
            },
            nullptr
        );
        worker_.loop().run_once(false);
        worker_.bury_dead();
        entry_->pool.close_all_idle(pool::CloseReason::shutdown);
        entry_->pool.for_each_server([](const pool::ServerConnection& server) {
            const_cast<pool::ServerConnection&>(server).floating.release();
        });
    }

    ReplayBackend& backend() { return *backend_; }

    // The client's request, then the server's reply; both must have gone through.
    void turn() {
        const auto client = backend_->sent_to_client();
        const auto server = backend_->sent_to_server();
        backend_->next_request();
        worker_.loop().run_once(false);
        if (backend_->sent_to_server() == server) std::abort();
        worker_.loop().run_once(false);
        if (backend_->sent_to_client() == client) std::abort();
    }

private:
    std::unique_ptr<pool::IoBackend> make_backend() {
        auto backend = std::make_unique<ReplayBackend>();
        backend_ = backend.get();
        return backend;
    }

    void add_server() {
        pool::ServerIdentity identity;
        identity.welcome = {
            {"server_version", "15.20"},
            {"server_encoding", "UTF8"},
            {"client_encoding", "UTF8"},
            {"application_name", ""},
            {"DateStyle", "ISO, MDY"},
            {"IntervalStyle", "postgres"},
            {"TimeZone", "Etc/UTC"},
            {"integer_datetimes", "on"},
            {"standard_conforming_strings", "on"},
        };
        entry_->welcome.learn(identity.welcome);
        entry_->pool.add(std::make_shared<pool::ServerConnection>(
            entry_->pool, std::move(identity), pool::Transport(ReplayBackend::server)
        ));
        worker_.loop().run_once(false);
    }

    void begin_session() {
        auto start = std::make_unique<proxy::SessionStart>();
        start->id = 1;
        start->transport = pool::Transport(ReplayBackend::client);
        start->entry = entry_;
        start->user = start->database = "bench";
        worker_.begin(std::move(start));
        worker_.loop().run_once(false);
        if (backend_->sent_to_client() == 0) std::abort();
    }

    NoControlPlane control_;
    protocol::StatementCatalog catalog_;
    ReplayBackend* backend_ = nullptr;
    proxy::Worker worker_;
    std::shared_ptr<proxy::PoolEntry> entry_;
};

const Micro simple("session/simple_turn", [] {
    auto turns = std::make_shared<Turns>();
    turns->backend().set_requests(simple_requests());
    turns->backend().set_reply(select_reply(false));
    return [turns] {
        turns->turn();
    };
});

// Their difference is what statistics of statements cost.
const Micro uncounted("session/simple_turn_without_statistics", [] {
    auto turns = std::make_shared<Turns>(false);
    turns->backend().set_requests(simple_requests());
    turns->backend().set_reply(select_reply(false));
    return [turns] {
        turns->turn();
    };
});

const Micro uncounted_prepared("session/prepared_turn_without_statistics", [] {
    auto turns = std::make_shared<Turns>(false);
    turns->backend().set_requests({prepare_request()});
    turns->backend().set_reply(parse_reply());
    turns->turn();
    turns->backend().set_requests({prepared_request()});
    turns->backend().set_reply(select_reply(true));
    return [turns] {
        turns->turn();
    };
});

const Micro prepared("session/prepared_turn", [] {
    auto turns = std::make_shared<Turns>();
    turns->backend().set_requests({prepare_request()});
    turns->backend().set_reply(parse_reply());
    turns->turn();
    turns->backend().set_requests({prepared_request()});
    turns->backend().set_reply(select_reply(true));
    return [turns] {
        turns->turn();
    };
});

}  // namespace

}  // namespace weir::bench
