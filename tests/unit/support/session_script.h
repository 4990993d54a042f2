// SessionScript: what clients and servers say to ClientSessions on a MemoryBackend, step by step.
//
// A script is written once and played many times: at several read and write sizes, with a stall at
// each recv and send (the outcome must be the same), and with a failure at each step and at each
// recv and send. After a failure nobody looks at the rest of the conversation, only at what is
// left: every session ends, no server stays active, none is idle in a state it must not have.
#pragma once

#include "pool/io/memory_backend.h"
#include "proxy/client_session.h"
#include "tests/unit/support/wire.h"

#include <functional>

namespace weir::test {

struct ScriptOptions {
    proxy::SessionLimits limits = quiet_limits();
    std::size_t servers = 1;
    // Settings of the start-up packet, by client; a client more for each.
    std::vector<std::vector<std::pair<std::string, std::string>>> clients{{}};
    // The pool has told a welcome before: clients need no server for theirs.
    bool welcome_known = true;
    // The catalog has been read, and there is nothing in it.
    bool catalog_known = true;
    pool::LendPolicy lend_policy = pool::LendPolicy::lifo;
    std::size_t pool_size = 2;
    std::size_t max_pinned = 0;
    // Every other server is idle on a second worker, which is busy for ever.
    bool second_worker = false;
    // Each recv and send may find nothing once, and the outcome is the same.
    bool stalls = true;
    std::vector<std::size_t> read_sizes{1, 3, pool::MemoryNetwork::unlimited};

    static proxy::SessionLimits quiet_limits();
};

// What client number `client` (from 0) is told after its login.
std::string welcome_of(std::size_t client);
// Parameters that each server reports.
std::vector<std::pair<std::string, std::string>> server_welcome();

// The cast of one performance.
class ScriptWorld final : public pool::PoolObserver, public proxy::SessionObserver {
public:
    explicit ScriptWorld(const ScriptOptions& options);
    ScriptWorld(const ScriptWorld&) = delete;
    ScriptWorld& operator=(const ScriptWorld&) = delete;
    ~ScriptWorld();

    // Runs the loop until nothing moves any more.
    void settle();
    void open_server();
    void connect_client(std::vector<std::pair<std::string, std::string>> settings);

    pool::PoolCounts counts() { return entry->pool.counts(network->now()); }

    bool client_gone(std::size_t client) const { return network->closed(clients.at(client)); }

    bool server_gone(std::size_t server) const { return network->closed(servers.at(server)); }

    void finish_cancels(bool certain);

    void servers_wanted(pool::ServerPool&) override { ++wanted; }

    void server_retired(pool::ServerRef server) override { retired.push_back(std::move(server)); }

    void cancel_query(pool::ServerRef server) override { cancels.push_back(std::move(server)); }

    void session_ended(std::uint64_t) override { ++sessions_ended; }

    void ask_listener(proxy::ListenerRequest request) override {
        listener_asked.push_back(std::move(request));
    }

    void sessions_changed(const std::vector<router::NewSessions>& whose) override {
        sessions_were_changed.insert(sessions_were_changed.end(), whose.begin(), whose.end());
    }

    std::vector<router::NewSessions> sessions_were_changed;
    const ScriptOptions& options;
    std::shared_ptr<pool::MemoryNetwork> network = std::make_shared<pool::MemoryNetwork>();
    pool::MemoryBackend* backend = nullptr;
    protocol::StatementCatalog catalog;
    std::unique_ptr<proxy::Worker> worker;
    std::unique_ptr<pool::EventLoop> busy_loop;
    std::shared_ptr<proxy::PoolEntry> entry;
    std::vector<int> clients;
    std::vector<int> servers;
    std::vector<pool::ServerRef> connections;
    std::vector<pool::ServerRef> retired;  // to be closed by the control plane, which is this
    std::vector<pool::ServerRef> cancels;
    std::vector<pool::CloseReason> close_reasons;
    std::vector<proxy::ListenerRequest> listener_asked;
    std::size_t wanted = 0;
    std::size_t sessions_ended = 0;
    bool writes_short = false;  // a send may take less than all

private:
    void close_retired();
};

class SessionScript {
public:
    explicit SessionScript(ScriptOptions options = {}) : options_(std::move(options)) {}

    // Who speaks from here on.
    SessionScript& with_client(std::size_t client) { return client_ = client, *this; }

    SessionScript& with_server(std::size_t server) { return server_ = server, *this; }

    template <class... Messages>
    SessionScript& client_sends(const Messages&... messages) {
        return client_sends_bytes((std::string() + ... + messages));
    }

    template <class... Messages>
    SessionScript& client_receives(const Messages&... messages) {
        return client_receives_bytes((std::string() + ... + messages));
    }

    template <class... Messages>
    SessionScript& server_receives(const Messages&... messages) {
        return server_receives_bytes((std::string() + ... + messages));
    }

    template <class... Messages>
    SessionScript& server_replies(const Messages&... messages) {
        return server_replies_bytes((std::string() + ... + messages));
    }

    SessionScript& client_ends();
    SessionScript& server_ends();
    SessionScript& client_connects(std::vector<std::pair<std::string, std::string>> settings = {});
    SessionScript& server_opens();
    SessionScript& time_passes(pool::Duration duration);
    SessionScript& client_cancels();
    SessionScript& cancel_ends(bool certain = true);
    // How much the client takes from here on before pgweir has to wait.
    SessionScript& client_takes(std::size_t bytes);
    SessionScript& server_takes(std::size_t bytes);

    SessionScript& client_is_gone();
    SessionScript& client_lives();
    SessionScript& server_is_closed(pool::CloseReason reason);
    SessionScript& server_is_kept();
    SessionScript& pool_has(std::size_t active, std::size_t idle, std::size_t waiting);
    SessionScript& cancels_asked(std::size_t count);
    SessionScript& check(std::string what, std::function<bool(ScriptWorld&)> holds);
    SessionScript& does(std::string what, std::function<void(ScriptWorld&)> action);

    // Plays it in all ways there are.
    void play();

private:
    enum class Watch { strictly, loosely };

    struct Step {
        std::string text;
        std::function<void(ScriptWorld&, Watch)> act;
        std::size_t client;
        std::size_t server;
    };

    SessionScript& client_sends_bytes(std::string bytes);
    SessionScript& client_receives_bytes(std::string bytes);
    SessionScript& server_receives_bytes(std::string bytes);
    SessionScript& server_replies_bytes(std::string bytes);
    SessionScript& add(std::string text, std::function<void(ScriptWorld&, Watch)> act);
    SessionScript& expect(std::string text, std::function<bool(ScriptWorld&)> holds);
    std::size_t perform(
        std::size_t read_size,
        std::size_t write_size,
        std::size_t operation,
        pool::MemoryNetwork::Failure failure,
        Watch watch
    );
    void perform_with_end_after(std::size_t step, bool of_server, std::size_t read_size);
    void perform_steps(ScriptWorld& world, Watch watch, std::size_t first, std::size_t last);

    ScriptOptions options_;
    std::vector<Step> steps_;
    std::size_t client_ = 0;
    std::size_t server_ = 0;
};

// What most scripts talk about: a simple query of one value, and a prepared statement's use.
inline const std::string set_empty = "SET \"application_name\" TO ''";
inline const std::string select_1 = "select $1";

inline std::string select(std::string_view what) {
    return fe::query("select " + std::string(what));
}

inline std::string selected() {
    return be::row("1") + be::complete("SELECT 1");
}

inline std::string use(std::string_view name) {
    return fe::bind("", name, {"5"}) + fe::execute() + fe::sync();
}

inline std::string used() {
    return be::bind_complete() + be::row("5") + be::complete("SELECT 1");
}

}  // namespace weir::test
