// CANCEL: what a client does is ended, and the client lives.
#include "conf/value.h"
#include "proxy/admin_commands.h"
#include "proxy/log.h"
#include "proxy/server.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <memory>

namespace weir::proxy {

namespace {

using Done = AdminCommands::Done;

protocol::Error canceled_by_operator() {
    return protocol::error(
        protocol::sqlstate::idle_in_transaction_timeout,
        "terminating the transaction due to administrator command",
        "Nothing of it was committed; try the transaction again."
    );
}

}  // namespace

// A query that runs or waits ends with 57014, as by the client's own CancelRequest; a transaction
// in which nothing runs is rolled back.
void cancel_client(ConsoleCommands& self, const AdminCommand& command, Done done) {
    std::uint64_t wanted = 0;
    const auto* const end = command.argument.data() + command.argument.size();
    const auto [stop, error] = std::from_chars(command.argument.data(), end, wanted);
    if (error != std::errc() || stop != end) return done(command_refused("invalid client id"));
    log_command("CANCEL CLIENT", command);
    const auto found = std::make_shared<std::atomic<bool>>(false);
    const auto kept = std::make_shared<std::atomic<bool>>(false);
    const auto act = [wanted, found, kept](ClientSession& session) {
        if (id_shown(session.id()) != static_cast<std::int64_t>(wanted)) return false;
        found->store(true);
        const auto view = session.view();
        if (view.activity == "active" || view.waits_for != WaitsFor::nothing)
            return session.cancel(), true;
        if (session.cancel_transaction(canceled_by_operator(), pool::Duration::zero())) return true;
        kept->store(view.in_transaction);
        return false;
    };
    self.server().act_on_sessions(act, [found, kept, done](std::size_t acted) {
        if (!found->load()) return done(command_refused("client not found"));
        if (kept->load()) {
            return done(command_refused(
                "the client's transaction cannot be ended without the client",
                "Its server is kept for it (see SHOW PINS); KILL_CLIENT ends both."
            ));
        }
        AdminReply reply("CANCEL " + std::to_string(acted));
        if (acted == 0) reply.notices.push_back({"the client runs nothing", {}});
        done(std::move(reply));
    });
}

// What runs or waits with this fingerprint ends with 57014; what comes after it is not held up.
void cancel_query(ConsoleCommands& self, const AdminCommand& command, Done done) {
    const auto id = fingerprint_from_text(command.argument);
    if (!id) {
        return done(command_refused(
            "invalid fingerprint", "SHOW QUERIES and SHOW TRANSACTIONS have them: 16 hex digits."
        ));
    }
    log_command("CANCEL QUERY", command);
    const auto act = [wanted = *id](ClientSession& session) {
        const auto view = session.view();
        if (!view.running || view.fingerprint == nullptr || view.fingerprint->id != wanted) {
            return false;
        }
        session.cancel();
        return true;
    };
    self.server().act_on_sessions(act, [done](std::size_t acted) {
        done(AdminReply("CANCEL " + std::to_string(acted)));
    });
}

void cancel_idle_tx(ConsoleCommands& self, const AdminCommand& command, Done done) {
    const auto limit = conf::read_duration(command.value, std::chrono::seconds(1));
    if (!limit.ok() || limit.value < conf::Milliseconds::zero()) {
        return done(command_refused("invalid duration: " + command.value, "Example: 5min"));
    }
    log_of(LogComponent::console)
        .info("CANCEL IDLE_TX > '{}' command issued", printable(command.value));
    const pool::Duration idle_for = limit.value;
    const auto act = [idle_for](ClientSession& session) {
        return session.cancel_transaction(canceled_by_operator(), idle_for);
    };
    self.server().act_on_sessions(act, [done](std::size_t acted) {
        done(AdminReply("CANCEL " + std::to_string(acted)));
    });
}

}  // namespace weir::proxy
