// The commands that do something. Texts and tags are PgBouncer's.
#include "conf/show.h"
#include "proxy/admin_commands.h"
#include "proxy/log.h"
#include "proxy/server.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace weir::proxy {

namespace {

using Done = AdminCommands::Done;

void answer(const protocol::Result<void>& result, std::string_view tag, const Done& done) {
    if (!result) return done(result.error());
    done(AdminReply(std::string(tag)));
}

// What PgBouncer refuses for a name of the console; "cannot <verb> admin db: X".
bool refuse_console(const AdminCommand& command, std::string_view verb, const Done& done) {
    if (!conf::is_console_database(command.argument)) return false;
    done(command_refused("cannot " + std::string(verb) + " admin db: " + command.argument));
    return true;
}

bool refuse_missing(const AdminCommand& command, const Done& done) {
    if (!command.argument.empty()) return false;
    done(command_refused("a database is required"));
    return true;
}

// --- PAUSE and RESUME ---

// Of one database, or of all.
bool is_paused(Server& server, const std::string& database) {
    return database.empty() ? server.paused_all() : server.pools().is_paused(database);
}

void pause(ConsoleCommands& self, const AdminCommand& command, Done done) {
    auto& server = self.server();
    const auto database = command.argument;
    log_command("PAUSE", command);
    const bool paused_before = is_paused(server, database);
    const auto begun = database.empty() ? server.pause_all() : server.pause(database);
    if (!begun) return done(begun.error());
    // Without this a PAUSE would wait for ever once somebody has resumed what it waits for.
    const auto check = [&server, database]() -> std::optional<AdminOutcome> {
        if (!is_paused(server, database)) {
            return protocol::error(protocol::sqlstate::query_canceled, "PAUSE was ended by RESUME");
        }
        if (!server.pause_complete(database)) return std::nullopt;
        return AdminReply("PAUSE");
    };
    const auto undo = [&server, database, paused_before] {
        if (paused_before) return;  // somebody else's, who may rely on it
        log_of(LogComponent::console).info("PAUSE given up, doing RESUME");
        static_cast<void>(database.empty() ? server.resume_all() : server.resume(database));
    };
    self.wait(check, undo, std::move(done));
}

void resume(ConsoleCommands& self, const AdminCommand& command, Done done) {
    log_command("RESUME", command);
    auto& server = self.server();
    const auto resumed =
        command.argument.empty() ? server.resume_all() : server.resume(command.argument);
    answer(resumed, "RESUME", done);
    // Whoever waits in PAUSE is told at once.
    self.shared().waits.ask();
}

void reset_queries(ConsoleCommands& self, const AdminCommand& command, Done done) {
    log_command("RESET QUERIES", command);
    self.server().reset_queries();
    done(AdminReply("RESET"));
}

// --- databases ---

void disable(ConsoleCommands& self, const AdminCommand& command, Done done) {
    if (refuse_missing(command, done) || refuse_console(command, "disable", done)) return;
    log_command("DISABLE", command);
    answer(self.server().set_disabled(command.argument, true), "DISABLE", done);
}

void enable(ConsoleCommands& self, const AdminCommand& command, Done done) {
    if (refuse_missing(command, done) || refuse_console(command, "enable", done)) return;
    log_command("ENABLE", command);
    answer(self.server().set_disabled(command.argument, false), "ENABLE", done);
}

void reconnect(ConsoleCommands& self, const AdminCommand& command, Done done) {
    if (refuse_console(command, "reconnect", done)) return;
    log_command("RECONNECT", command);
    answer(self.server().reconnect(command.argument), "RECONNECT", done);
}

void wait_close(ConsoleCommands& self, const AdminCommand& command, Done done) {
    if (refuse_console(command, "wait in", done)) return;
    auto& server = self.server();
    const auto database = command.argument;
    if (!database.empty() && conf::find_database(server.settings(), database) == nullptr) {
        return done(command_refused("no such database: " + database));
    }
    log_command("WAIT_CLOSE", command);
    const auto check = [&server, database]() -> std::optional<AdminOutcome> {
        if (!server.reconnect_complete(database)) return std::nullopt;
        return AdminReply("WAIT_CLOSE");
    };
    self.wait(check, {}, std::move(done));
}

void kill(ConsoleCommands& self, const AdminCommand& command, Done done) {
    log_command("KILL", command);
    answer(self.server().kill(command.argument), "KILL", done);
    self.shared().waits.ask();
}

// --- one client ---

void kill_client(ConsoleCommands& self, const AdminCommand& command, Done done) {
    std::uint64_t wanted = 0;
    const auto* end = command.argument.data() + command.argument.size();
    const auto [stop, error] = std::from_chars(command.argument.data(), end, wanted);
    if (error != std::errc() || stop != end) {
        return done(command_refused("invalid client pointer supplied"));
    }
    log_command("KILL_CLIENT", command);
    // Ids are shown cut to their column's type, and looked up as they are shown.
    self.with_sessions([&self, wanted, done = std::move(done)](auto sessions) {
        const auto found = std::find_if(sessions.begin(), sessions.end(), [&](const auto& view) {
            return view.id == wanted || id_shown(view.id) == static_cast<std::int64_t>(wanted);
        });
        if (found == sessions.end()) {
            // The console's own clients. It may be this one, who then gets no answer any more.
            if (!self.shared().kill_client(wanted))
                return done(command_refused("client not found"));
            return done(AdminReply("KILL_CLIENT"));
        }
        self.server().kill_client(found->id, [done](bool killed) {
            if (!killed) return done(command_refused("client not found"));
            done(AdminReply("KILL_CLIENT"));
        });
    });
}

// --- what there is nothing to do about ---

void begin(ConsoleCommands&, const AdminCommand& command, Done done) {
    AdminReply reply(command.argument);
    reply.transaction = protocol::TransactionStatus::in_transaction;
    done(std::move(reply));
}

void commit(ConsoleCommands&, const AdminCommand&, Done done) {
    AdminReply reply("COMMIT");
    reply.transaction = protocol::TransactionStatus::idle;
    done(std::move(reply));
}

void rollback(ConsoleCommands&, const AdminCommand&, Done done) {
    AdminReply reply("ROLLBACK");
    reply.transaction = protocol::TransactionStatus::idle;
    done(std::move(reply));
}

void ignore(ConsoleCommands&, const AdminCommand& command, Done done) {
    AdminReply reply(command.argument);
    if (command.argument == "SET") reply.notices.push_back({"SET ignored", {}});
    done(std::move(reply));
}

// --- the process ---

void reload(ConsoleCommands& self, const AdminCommand& command, Done done) {
    log_command("RELOAD", command);
    answer(self.server().reload(), "RELOAD", done);
}

void set(ConsoleCommands& self, const AdminCommand& command, Done done) {
    if (is_pretended_parameter(command.argument)) {
        AdminReply reply("SET");
        reply.notices.push_back({"SET ignored", {}});
        return done(std::move(reply));
    }
    auto& server = self.server();
    auto changed = conf::with_setting(server.settings(), command.argument, command.value);
    if (!changed) return done(command_refused("SET failed", changed.error().message));
    log_of(LogComponent::console)
        .info("SET {} = {}", printable(command.argument), printable(command.value));
    const auto wanted = *changed;
    server.apply(std::move(*changed));
    // Files named by a setting may be missing or wrong; then all stays as it was.
    if (!(server.settings() == wanted)) {
        return done(command_refused("SET failed", "see logs for additional details"));
    }
    done(AdminReply("SET " + command.argument + "=" + command.value));
}

void shutdown(ConsoleCommands& self, const AdminCommand& command, Done done) {
    auto& server = self.server();
    auto how = Shutdown::immediate;
    if (same_word(command.argument, "wait_for_clients")) how = Shutdown::wait_for_clients;
    if (same_word(command.argument, "wait_for_servers")) how = Shutdown::wait_for_servers;
    if (server.shutting_down() >= how) return done(command_refused("pooler is shutting down"));
    log_command("SHUTDOWN", command);
    // PgBouncer gives no answer to an immediate one, so that psql -c fails; here it does not. The
    // connection stays open until the process ends.
    done(AdminReply("SHUTDOWN"));
    asio::post(server.io(), [&server, how] { server.shut_down(how); });
}

}  // namespace

protocol::Error command_refused(std::string message, std::string detail) {
    auto error = protocol::error(protocol::sqlstate::protocol_violation, std::move(message));
    error.detail = std::move(detail);
    return error;
}

void log_command(std::string_view verb, const AdminCommand& command) {
    if (command.argument.empty()) {
        log_of(LogComponent::console).info("{} command issued", verb);
    } else {
        log_of(LogComponent::console)
            .info("{} '{}' command issued", verb, printable(command.argument));
    }
}

const ControlCommand& control_command(AdminVerb verb) {
    static constexpr std::array<ControlCommand, 27> commands{{
        {AdminVerb::begin, begin},
        {AdminVerb::cancel_client, cancel_client},
        {AdminVerb::cancel_idle_tx, cancel_idle_tx},
        {AdminVerb::cancel_query, cancel_query},
        {AdminVerb::commit, commit},
        {AdminVerb::disable, disable},
        {AdminVerb::drain, drain},
        {AdminVerb::enable, enable},
        {AdminVerb::explain_route, explain_route},
        {AdminVerb::fence, fence},
        {AdminVerb::forget_timeline, forget_timeline},
        {AdminVerb::ignore, ignore},
        {AdminVerb::kill, kill},
        {AdminVerb::kill_client, kill_client},
        {AdminVerb::pause, pause},
        {AdminVerb::reconnect, reconnect},
        {AdminVerb::reload, reload},
        {AdminVerb::reset_queries, reset_queries},
        {AdminVerb::resume, resume},
        {AdminVerb::rollback, rollback},
        {AdminVerb::set, set},
        {AdminVerb::set_weight, set_weight},
        {AdminVerb::shutdown, shutdown},
        {AdminVerb::trace_client, trace_client},
        {AdminVerb::undrain, undrain},
        {AdminVerb::unfence, unfence},
        {AdminVerb::wait_close, wait_close},
    }};
    return *std::find_if(commands.begin(), commands.end(), [verb](const auto& command) {
        return command.verb == verb;
    });
}

}  // namespace weir::proxy
