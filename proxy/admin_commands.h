// The console's commands: tables of them, and what they share.
//
//   admin_commands.cc           rights, running and waiting
//   admin_commands_control.cc   what is done
//   admin_commands_cancel.cc    what clients do is ended
//   admin_commands_clusters.cc  what is done to clusters and their hosts
//   admin_commands_trace.cc     TRACE CLIENT
//   admin_explain_route.cc      EXPLAIN ROUTE
//   admin_show.h                SHOW: what there is
#pragma once

#include "pool/io/control_stream.h"
#include "proxy/admin_queries.h"
#include "proxy/admin_session.h"
#include "proxy/admin_show.h"
#include "proxy/admin_stats.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>

namespace weir::proxy {

class Server;

enum class AdminRights : std::uint8_t {
    watch,  // stats_users: SHOW
    all,    // admin_users, and the owner of the process
};

// Says whether a client with these rights may run the command.
bool may_run(AdminRights rights, const AdminCommand& command);

// --- waiting ---

// Commands that wait for something to be true (PAUSE, WAIT_CLOSE). Control thread.
class AdminWaits {
public:
    // Nothing: not yet.
    using Check = std::function<std::optional<AdminOutcome>()>;

    explicit AdminWaits(asio::io_context& io) : timer_(io) {}

    // Calls `done` as soon as `check` gives something, which is asked now and then; never from
    // within add(). The number is for remove().
    std::uint64_t add(Check check, AdminCommands::Done done);
    // False: it has ended.
    bool remove(std::uint64_t number);
    // Something has changed: asks all now.
    void ask();
    void clear();

private:
    struct Wait {
        std::uint64_t number;
        Check check;
        AdminCommands::Done done;
    };

    void arm();

    asio::steady_timer timer_;
    std::list<Wait> waits_;
    std::uint64_t next_ = 1;
    bool armed_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// --- one client's commands ---

// What the clients of the console share.
struct ConsoleShared {
    explicit ConsoleShared(Server& server);

    Server& server;
    StatsSampler sampler;
    Totals totals{};  // of the console's own clients
    AdminWaits waits;
    ConsoleQueries queries;
    // The clients on the console, and ending one of them by its id (false: not one of them).
    std::function<std::vector<SessionView>()> view_clients;
    std::function<bool(std::uint64_t)> kill_client;
};

class ConsoleCommands final : public AdminCommands {
public:
    // `shared` must outlive this.
    ConsoleCommands(ConsoleShared& shared, AdminRights rights, SqlSession session)
        : shared_(shared),
          rights_(rights),
          session_(std::move(session)),
          alive_(std::make_shared<bool>(true)) {}

    ConsoleCommands(const ConsoleCommands&) = delete;
    ConsoleCommands& operator=(const ConsoleCommands&) = delete;

    protocol::Result<AdminDescription> describe(const AdminCommand& command) override;
    void run(const AdminCommand& command, Done done) override;

    // Called after each `done`.
    void when_answered(std::function<void()> call) { answered_ = std::move(call); }

    // The client's CancelRequest: a command that waits ends with 57014, and its effect is undone.
    void cancel();
    // The client has gone: the same without an answer. `done` is not called any more.
    void abandon();

    // --- for the functions of the table ---

    Server& server() { return shared_.server; }

    ConsoleShared& shared() { return shared_; }

    // Ends the command by `check`, or by `undo` if the client does not want it any more.
    void wait(AdminWaits::Check check, std::function<void()> undo, Done done);
    // Calls `then` with all sessions, unless this is gone by then.
    void with_sessions(std::function<void(std::vector<SessionView>)> then);

private:
    void show(const ShowCommand& show, const std::string& argument, Done done);
    void query(const AdminCommand& command, Done done);
    protocol::Result<PreparedSqlRef> prepare(const AdminCommand& command);
    // Calls `then` with what SHOW needs, now or later; not when this is gone by then.
    // `needs_locks`: who waits for whose locks, where a statement has run for at least so long.
    void with_context(
        bool needs_sessions,
        std::optional<pool::Duration> needs_locks,
        std::function<void(ShowContext&)> then
    );

    ConsoleShared& shared_;
    const AdminRights rights_;
    const SqlSession session_;
    // The last query that was prepared: it is described, then run.
    PreparedSqlRef prepared_;
    std::vector<protocol::Oid> prepared_types_;
    StopFlag query_stop_;          // of the query that runs
    std::shared_ptr<bool> alive_;  // callbacks look whether it is
    std::uint64_t waiting_ = 0;    // number in AdminWaits
    std::function<void()> undo_;
    std::function<void()> answered_;
    Done waiting_done_;
};

// --- what the commands share ---

protocol::Error command_refused(std::string message, std::string detail = {});
void log_command(std::string_view verb, const AdminCommand& command);

// --- the table ---

// One function per command; all but SHOW.
struct ControlCommand {
    AdminVerb verb;
    void (*run)(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
};

const ControlCommand& control_command(AdminVerb verb);

// admin_commands_clusters.cc. A host is one, in however many clusters it is: what is done to it is
// done in all of them.
void drain(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
void undrain(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
void fence(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
void unfence(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
void set_weight(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
void forget_timeline(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);

// admin_commands_cancel.cc: what a client does is ended, and the client lives.
void cancel_client(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
void cancel_query(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);
void cancel_idle_tx(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);

// admin_commands_trace.cc: the messages of one client, as they come.
const Columns& trace_client_columns();
void trace_client(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);

// admin_explain_route.cc: where the SQL would run in a session of the database that has set
// nothing, by its text and the catalog alone.
const Columns& explain_route_columns();
void explain_route(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done);

}  // namespace weir::proxy
