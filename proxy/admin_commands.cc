#include "proxy/admin_commands.h"

#include "proxy/blocking.h"
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
        if (show == nullptr || command.value.empty()) return show != nullptr;
        return show->takes_argument && (show->accepts == nullptr || show->accepts(command.value));
    }
    if (command.verb != AdminVerb::shutdown || command.argument.empty()) return true;
    return same_word(command.argument, "wait_for_clients") ||
           same_word(command.argument, "wait_for_servers");
}

// Where statements run for so long that they may wait for locks: one pool of each database.
std::vector<pool::PoolName> pools_with_long_statements(
    const std::vector<SessionView>& sessions, pool::Duration so_long
) {
    constexpr std::size_t most = 10;
    std::map<std::string, pool::PoolName> by_database;
    const auto now = pool::Clock::now();
    for (const auto& view : sessions) {
        const bool runs = view.activity == "active" && view.server_id != 0;
        if (!runs || now - view.request < so_long) continue;
        by_database.try_emplace(view.database, pool::PoolName{view.database, view.user});
    }
    std::vector<pool::PoolName> names;
    for (auto& [database, name] : by_database) {
        if (names.size() < most) names.push_back(std::move(name));
    }
    return names;
}

std::optional<pool::Duration> locks_needed(bool needed) {
    return needed ? std::optional<pool::Duration>(noticed_while_waiting) : std::nullopt;
}

}  // namespace

bool may_run(AdminRights rights, const AdminCommand& command) {
    if (rights == AdminRights::all) return true;
    switch (command.verb) {
        case AdminVerb::begin:
        case AdminVerb::commit:
        case AdminVerb::ignore:
        case AdminVerb::rollback:
        case AdminVerb::show:
        case AdminVerb::sql:
            return true;
        default:
            break;
    }
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
    : server(server_), sampler(pool::Clock::now()), waits(server_.io()), queries(server_) {}

protocol::Result<AdminDescription> ConsoleCommands::describe(const AdminCommand& command) {
    if (!is_known(command)) return invalid_command(command.text);
    if (command.verb == AdminVerb::sql) {
        const auto prepared = prepare(command);
        if (!prepared) return prepared.error();
        return AdminDescription{(*prepared)->columns, (*prepared)->parameters};
    }
    if (command.verb == AdminVerb::explain_route) {
        return AdminDescription{constant_columns(explain_route_columns()), {}};
    }
    if (command.verb == AdminVerb::trace_client) {
        return AdminDescription{constant_columns(trace_client_columns()), {}};
    }
    if (command.verb != AdminVerb::show) return AdminDescription{};
    const auto& columns = find_show(command.argument)->columns;
    return AdminDescription{columns.empty() ? nullptr : constant_columns(columns), {}};
}

protocol::Result<PreparedSqlRef> ConsoleCommands::prepare(const AdminCommand& command) {
    const bool same = prepared_ != nullptr && prepared_->text == command.value &&
                      prepared_types_ == command.parameter_types;
    if (same) return prepared_;
    auto prepared = shared_.queries.prepare(command, session_);
    if (!prepared) return prepared.error();
    prepared_ = *prepared;
    prepared_types_ = command.parameter_types;
    return prepared_;
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
    if (command.verb == AdminVerb::sql) return query(command, std::move(done));
    control_command(command.verb).run(*this, command, std::move(done));
}

void ConsoleCommands::with_context(
    bool needs_sessions,
    std::optional<pool::Duration> needs_locks,
    std::function<void(ShowContext&)> then
) {
    const auto make = [this] {
        return ShowContext{
            shared_.server, shared_.sampler, shared_.totals, shared_.view_clients(), {}};
    };
    if (!needs_sessions && !needs_locks) {
        auto context = make();
        return then(context);
    }
    with_sessions([this, make, needs_locks, then = std::move(then)](auto sessions) {
        auto of = needs_locks ? pools_with_long_statements(sessions, *needs_locks)
                              : std::vector<pool::PoolName>();
        if (of.empty()) {
            auto context = make();
            context.sessions = std::move(sessions);
            return then(context);
        }
        const auto with_locks = [alive = std::weak_ptr(alive_), make, sessions, then](auto blocked
                                ) {
            if (alive.expired()) return;
            auto context = make();
            context.sessions = sessions;
            context.blocked = std::move(blocked);
            then(context);
        };
        ask_blocking(server().io(), server().pools(), std::move(of), with_locks);
    });
}

void ConsoleCommands::query(const AdminCommand& command, Done done) {
    auto prepared = prepare(command);
    if (!prepared) return done(prepared.error());
    query_stop_ = std::make_shared<std::atomic<bool>>(false);
    const auto& named = **prepared;
    with_context(
        ConsoleQueries::needs_sessions(named),
        locks_needed(ConsoleQueries::needs_locks(named)),
        [this, command, prepared = *prepared, stop = query_stop_, done](ShowContext& context) {
            shared_.queries.run(command, prepared, session_, context, stop, done);
        }
    );
}

void ConsoleCommands::show(const ShowCommand& show, const std::string& argument, Done done) {
    AdminReply reply("SHOW");
    if (show.columns.empty()) {
        reply.notices.push_back({"Console usage", std::string(help_text())});
        return done(std::move(reply));
    }
    auto needs_locks = locks_needed(show.needs_locks);
    // Whoever asks is told of the shortest wait, too.
    if (show.accepts == is_blocking && !argument.empty()) needs_locks = pool::Duration::zero();
    with_context(
        show.needs_sessions,
        needs_locks,
        [&show, argument, done = std::move(done)](ShowContext& context) {
            context.argument = argument;
            AdminReply with_rows("SHOW");
            with_rows.table = Table{constant_columns(show.columns), show.rows(context)};
            done(std::move(with_rows));
        }
    );
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
    if (query_stop_) query_stop_->store(true);
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
    if (query_stop_) query_stop_->store(true);
    if (waiting_ == 0 || !shared_.waits.remove(std::exchange(waiting_, 0))) return;
    if (const auto undo = std::exchange(undo_, nullptr)) undo();
    waiting_done_ = nullptr;
}

}  // namespace weir::proxy
