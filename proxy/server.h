// Server: the whole process - both planes, start, reload, the operators' commands, two-phase stop.
//
// Everything here runs on the control thread (run()'s), except where a function says otherwise.
#pragma once

#include "proxy/authenticator.h"
#include "proxy/cancel_registry.h"
#include "proxy/client_login.h"
#include "proxy/client_session.h"
#include "proxy/listener.h"
#include "proxy/lookout.h"
#include "proxy/notifications.h"
#include "proxy/pool_set.h"
#include "proxy/query_reports.h"
#include "proxy/slow_explain.h"
#include "proxy/slow_log.h"
#include "proxy/trace_export.h"
#include "proxy/worker.h"

#include <boost/asio/signal_set.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

namespace weir::proxy {

class AdminConsole;
class HttpServer;

// What stops the process, in the words of PgBouncer's SHUTDOWN.
enum class Shutdown { none, wait_for_clients, wait_for_servers, immediate };

class Server final : public SessionObserver {
public:
    // `config_path` is read again by RELOAD.
    Server(std::string config_path, conf::Settings settings);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // Loads users and certificates, opens the sockets. An Error says what is wrong.
    protocol::Result<void> open();
    // Serves until it is shut down.
    void run();

    // --- for the console and for signals ---

    // Reads all files again; on an Error everything stays as it was.
    protocol::Result<void> reload();
    // Puts other settings in force (console SET). Keys that need a restart must not differ.
    void apply(conf::Settings settings);

    const conf::Settings& settings() const { return *configuration_.settings; }

    const Configuration& configuration() const { return configuration_; }

    PoolSet& pools() { return pools_; }

    const Notifications& notifications() const { return notifications_; }

    // Statistics of statements (SHOW QUERIES, ERRORS) and the last slow ones.
    const QueryReports& queries() const { return queries_; }

    const SlowLog& slow_log() const { return slow_log_; }

    const TraceExporter& traces() const { return traces_; }

    // What the workers were asked lately.
    Lookout& lookout() { return lookout_; }

    // How clients have logged in so far.
    const pool::LoginCounts& client_logins() const { return logins_.counts(); }

    // RESET QUERIES: statistics, errors and the slow statements that are kept.
    void reset_queries();

    asio::io_context& io() { return io_; }

    std::vector<std::unique_ptr<Worker>>& workers() { return workers_; }

    // Databases by their client name. Errors in PgBouncer's words. A database is paused by itself,
    // together with all, or both; each is resumed by its own command.
    protocol::Result<void> pause(const std::string& database);
    protocol::Result<void> resume(const std::string& database);
    protocol::Result<void> pause_all();
    protocol::Result<void> resume_all();

    bool paused_all() const { return paused_all_; }

    // PAUSE has nothing left to wait for: the database's (empty name: every) servers are closed.
    bool pause_complete(const std::string& database) const;
    protocol::Result<void> set_disabled(const std::string& database, bool disabled);

    bool is_disabled(const std::string& database) const { return disabled_.contains(database); }

    // Empty name: all databases.
    protocol::Result<void> reconnect(const std::string& database);
    bool reconnect_complete(const std::string& database) const;
    // Drops all clients and servers and leaves the database paused; with an empty name each that
    // has pools.
    protocol::Result<void> kill(const std::string& database);
    // Drops one client; false if there is none with this id. `done` is called on the control
    // thread.
    void kill_client(std::uint64_t id, std::function<void(bool)> done);
    // Runs `act` for all sessions, each on its worker, and calls `done` on the control thread with
    // the number of those for which it said true.
    void act_on_sessions(
        std::function<bool(ClientSession&)> act, std::function<void(std::size_t)> done
    );
    void shut_down(Shutdown how);

    Shutdown shutting_down() const { return shutdown_; }

    // Runs `visit` for each of these sessions that still exists, on its worker.
    void visit_sessions(
        const std::vector<std::uint64_t>& ids, const std::function<void(ClientSession&)>& visit
    );
    // All sessions as they are now; `done` is called on the control thread.
    void view_sessions(std::function<void(std::vector<SessionView>)> done);

    struct Counts {
        std::size_t clients = 0;  // logged in, console included
        std::size_t login = 0;    // logging in
        std::map<std::string, std::size_t> by_database;
        std::map<std::string, std::size_t> by_user;
        // The most there ever were at the same time, without the console's.
        std::size_t peak_clients = 0;
        std::map<std::string, std::size_t> peak_by_database;
        std::map<std::string, std::size_t> peak_by_user;
    };

    Counts client_counts() const;

    // Times accepting clients paused since descriptors or memory had run out.
    std::size_t accept_pauses() const { return listener_.pauses(); }

    struct Reloads {
        std::uint64_t done = 0, failed = 0;
        // Of the configuration in force.
        std::optional<std::chrono::system_clock::time_point> last;
        bool last_failed = false;
    };

    const Reloads& reloads() const { return reloads_; }

    // --- SessionObserver: any thread ---
    void cancel_query(pool::ServerRef server) override;
    void session_ended(std::uint64_t id) override;
    void ask_listener(ListenerRequest request) override;
    void sessions_changed(const std::vector<router::NewSessions>& whose) override;
    void run_aside(std::function<void()> job) override;
    void statement_was_slow(SlowStatement statement, bool logged) override;
    void statement_traced(SlowStatement statement) override;

private:
    struct Admission;

    // Sessions that ended are forgotten here when somebody looks, or when they are many: a wake-up
    // of the control plane for each would cost as much as the session's own end.
    struct EndedSessions {
        mutable std::mutex mutex;
        std::vector<std::uint64_t> ids;  // guarded by mutex
    };

    void forget_ended();
    // Without the console's.
    std::size_t clients() const;
    protocol::Result<Configuration> load_files(conf::Settings settings) const;
    void install(Configuration configuration);
    protocol::Result<void> read_again();
    LoginPolicy make_policy();
    protocol::Result<std::shared_ptr<void>> admit(const LoginRequest& request);
    protocol::Result<void> authorize(const LoginRequest& request) const;
    void deliver(LoggedInClient client);
    void begin_session(LoggedInClient client);
    asio::awaitable<void> cancel_by_key(protocol::CancelKey key);
    asio::awaitable<void> handle_signals();
    asio::awaitable<void> watch_shutdown();
    asio::awaitable<void> log_statistics();
    asio::awaitable<void> sample_queries();
    Worker& least_busy_worker();
    bool knows(const std::string& database) const;
    void end_sessions(const std::string& database, const protocol::Error& why);
    void refresh_sessions();
    void roles_changed(const Cluster& cluster, const pool::Topology& topology);

    const std::string config_path_;
    asio::io_context io_{1};
    asio::thread_pool threads_;
    Configuration configuration_;
    protocol::StatementCatalog catalog_;
    pool::ScramKeys scram_keys_;
    SlowLog slow_log_;
    TraceExporter traces_;
    std::vector<std::unique_ptr<Worker>> workers_;
    QueryReports queries_;
    PoolSet pools_;
    SlowExplain slow_explain_;
    Notifications notifications_;
    std::shared_ptr<Admission> admission_;
    LoginPolicy policy_;
    Authenticator authenticator_;
    ClientLogins logins_;
    Listener listener_;
    CancelRegistry cancels_;
    std::unique_ptr<AdminConsole> console_;
    Lookout lookout_;
    std::unique_ptr<HttpServer> http_;
    Reloads reloads_;
    asio::signal_set signals_;
    asio::steady_timer shutdown_timer_;
    asio::steady_timer stats_timer_;
    asio::steady_timer sample_timer_;

    struct ClientPlace {
        unsigned worker = 0;
        std::int32_t cancel_process_id = 0;
    };

    // Where which session is; ended ones among them until they are forgotten.
    std::unordered_map<std::uint64_t, ClientPlace> clients_;
    EndedSessions ended_;
    std::set<std::string> disabled_;
    bool paused_all_ = false;
    Shutdown shutdown_ = Shutdown::none;
    std::uint64_t next_session_ = 1;
};

}  // namespace weir::proxy
