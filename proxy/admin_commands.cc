#include "proxy/admin_commands.h"

#include "proxy/server.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

// How often commands that wait look again.
constexpr auto wait_round = std::chrono::milliseconds(20);

// The arguments of other commands than these are names, and theirs to judge.
bool is_known(const AdminCommand& command) {
    if (command.verb == AdminVerb::show) {
        const auto* const show = find_show(command.argument);
        return show != nullptr && (command.value.empty() || show->takes_argument);
    }
    if (command.verb != AdminVerb::shutdown || command.argument.empty()) return true;
    return same_word(command.argument, "wait_for_clients") ||
           same_word(command.argument, "wait_for_servers");
}

}  // namespace

bool may_run(AdminRights rights, const AdminCommand& command) {
    if (rights == AdminRights::all || command.verb == AdminVerb::show) return true;
    // Drivers set these at their start; nothing is done about it.
    return command.verb == AdminVerb::set && is_pretended_parameter(command.argument);
}

// --- waiting ---

std::uint64_t AdminWaits::add(Check check, AdminCommands::Done done) {
    const auto number = next_++;
    waits_.push_back({number, std::move(check), std::move(done)});
    arm();
    return number;
}

bool AdminWaits::remove(std::uint64_t number) {
    return waits_.remove_if([number](const Wait& wait) { return wait.number == number; }) > 0;
}

void AdminWaits::clear() {
    waits_.clear();
    timer_.cancel();
}

void AdminWaits::ask() {
    std::vector<std::pair<AdminCommands::Done, AdminOutcome>> ended;
    for (auto wait = waits_.begin(); wait != waits_.end();) {
        if (auto outcome = wait->check()) {
            ended.emplace_back(std::move(wait->done), std::move(*outcome));
            wait = waits_.erase(wait);
        } else {
            ++wait;
        }
    }
    // Only now: what is called may add and remove.
    for (auto& [done, outcome] : ended)
        done(std::move(outcome));
}

void AdminWaits::arm() {
    if (armed_ || waits_.empty()) return;
    armed_ = true;
    timer_.expires_after(wait_round);
    timer_.async_wait([this, alive = std::weak_ptr(alive_)](auto canceled) {
        if (canceled || alive.expired()) return;
        armed_ = false;
        ask();
        arm();
    });
}

// --- one client's commands ---

ConsoleShared::ConsoleShared(Server& server_)
    : server(server_), sampler(pool::Clock::now()), waits(server_.io()) {}

protocol::Result<const Columns*> ConsoleCommands::describe(const AdminCommand& command) {
    if (!is_known(command)) return invalid_command(command.text);
    if (command.verb == AdminVerb::explain_route) return &explain_route_columns();
    if (command.verb != AdminVerb::show) return nullptr;
    const auto& columns = find_show(command.argument)->columns;
    return columns.empty() ? nullptr : &columns;
}

void ConsoleCommands::run(const AdminCommand& command, Done done) {
    ++shared_.totals[queries];
    ++shared_.totals[transactions];
    // Whatever the command waits for may come when the client has gone.
    done = [this, alive = std::weak_ptr(alive_), done = std::move(done)](AdminOutcome outcome) {
        if (alive.expired()) return;
        done(std::move(outcome));
        if (answered_ && !alive.expired()) answered_();
    };
    if (!may_run(rights_, command)) {
        return done(protocol::error(protocol::sqlstate::protocol_violation, "admin access needed"));
    }
    if (command.verb == AdminVerb::show) {
        return show(*find_show(command.argument), command.value, std::move(done));
    }
    control_command(command.verb).run(*this, command, std::move(done));
}

void ConsoleCommands::show(const ShowCommand& show, const std::string& argument, Done done) {
    AdminReply reply("SHOW");
    if (show.columns.empty()) {
        reply.notices.push_back({"Console usage", std::string(help_text())});
        return done(std::move(reply));
    }
    const auto answer =
        [this, &show, argument, done = std::move(done)](std::vector<SessionView> sessions) {
            const ShowContext context{
                shared_.server,
                shared_.sampler,
                shared_.totals,
                shared_.view_clients(),
                std::move(sessions),
                argument};
            AdminReply with_rows("SHOW");
            with_rows.table = Table{&show.columns, show.rows(context)};
            done(std::move(with_rows));
        };
    if (show.needs_sessions) return with_sessions(answer);
    answer({});
}

void ConsoleCommands::with_sessions(std::function<void(std::vector<SessionView>)> then) {
    shared_.server.view_sessions([alive = std::weak_ptr(alive_),
                                  then = std::move(then)](std::vector<SessionView> sessions) {
        if (!alive.expired()) then(std::move(sessions));
    });
}

void ConsoleCommands::wait(AdminWaits::Check check, std::function<void()> undo, Done done) {
    if (auto outcome = check()) return done(std::move(*outcome));
    undo_ = std::move(undo);
    waiting_done_ = done;
    waiting_ = shared_.waits.add(
        std::move(check),
        [this, alive = std::weak_ptr(alive_)](AdminOutcome outcome) {
            if (alive.expired()) return;
            waiting_ = 0;
            undo_ = nullptr;
            const auto told = std::exchange(waiting_done_, nullptr);
            told(std::move(outcome));
        }
    );
}

void ConsoleCommands::cancel() {
    if (waiting_ == 0 || !shared_.waits.remove(std::exchange(waiting_, 0))) return;
    const auto undo = std::exchange(undo_, nullptr);
    const auto done = std::exchange(waiting_done_, nullptr);
    if (undo) undo();
    done(protocol::error(
        protocol::sqlstate::query_canceled, "canceling statement due to user request"
    ));
}

void ConsoleCommands::abandon() {
    alive_.reset();
    if (waiting_ == 0 || !shared_.waits.remove(std::exchange(waiting_, 0))) return;
    if (const auto undo = std::exchange(undo_, nullptr)) undo();
    waiting_done_ = nullptr;
}

}  // namespace weir::proxy
