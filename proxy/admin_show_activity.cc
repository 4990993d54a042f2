// SHOW WAITS and TRANSACTIONS: who waits for what, and whose transactions are open. Ours; PgBouncer
// has neither.
#include "proxy/admin_parser.h"
#include "proxy/admin_show.h"
#include "proxy/server.h"

#include <algorithm>

namespace weir::proxy {

namespace {

using enum ColumnType;

double seconds_between(pool::TimePoint since, pool::TimePoint now) {
    return std::max(std::chrono::duration<double>(now - since).count(), 0.0);
}

std::int64_t count_shown(std::size_t count) {
    return static_cast<std::int64_t>(count);
}

// The entry of a session, nullptr if it has gone.
const PoolEntry* entry_of(const ShowContext& context, const SessionView& view) {
    const auto& entries = context.server.pools().entries();
    const auto found = entries.find(pool::PoolName{view.database, view.user});
    return found == entries.end() ? nullptr : found->second.get();
}

}  // namespace

WaitCause wait_cause(Server& server, const PoolEntry& entry) {
    const auto now = pool::Clock::now();
    const auto& settings = server.settings();
    const auto& name = entry.pool.name();
    if (entry.pool.paused()) return {"paused", 0, 0, {}};
    if (const auto failure = server.pools().login_failure(entry)) {
        const bool full = failure->code == protocol::sqlstate::too_many_connections;
        const bool down = failure->code.text().starts_with("08") ||
                          failure->code == protocol::sqlstate::cannot_connect_now;
        const auto limit = full ? "max_connections" : down ? "host_down" : "server_login";
        return {limit, count_shown(entry.total(now)), 0, failure->message};
    }
    const auto used = count_shown(entry.total(now));
    const auto limits = entry.pool.limits();
    const auto size = count_shown(limits.size);
    std::size_t in_database = 0;
    std::size_t of_user = 0;
    for (const auto& [other, pools] : server.pools().entries()) {
        if (other.database == name.database) in_database += pools->total(now);
        if (other.user == name.user) of_user += pools->total(now);
    }
    const auto per_database = conf::effective_max_db_connections(settings, name.database);
    const auto per_user = conf::effective_max_user_connections(settings, name.user);
    if (per_database > 0 && count_shown(in_database) >= per_database) {
        return {"max_db_connections", count_shown(in_database), per_database, {}};
    }
    if (per_user > 0 && count_shown(of_user) >= per_user) {
        return {"max_user_connections", count_shown(of_user), per_user, {}};
    }
    if (size > 0 && used >= size) return {"pool_size", used, size, {}};
    return {{}, used, size, {}};
}

Columns waits_columns() {
    return {
        {"id", int4},
        {"user", text},
        {"database", text},
        {"application_name", text},
        {"addr", text},
        {"waits_for", text},
        {"limit", text},
        {"used", int4},
        {"allowed", int4},
        {"since", text},
        {"wait", float8},
        {"fingerprint", text},
        {"detail", text},
    };
}

std::vector<Row> show_waits(const ShowContext& context) {
    const Clocks now;
    auto views = context.sessions;
    std::erase_if(views, [](const auto& view) { return view.waits_for == WaitsFor::nothing; });
    std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) {
        return a.wait > b.wait;
    });
    std::vector<Row> rows;
    for (const auto& view : views) {
        const bool host = view.waits_for == WaitsFor::host;
        const auto* entry = host ? nullptr : entry_of(context, view);
        const auto cause = entry == nullptr ? WaitCause{} : wait_cause(context.server, *entry);
        const auto limit = host ? std::string_view("host") : cause.limit;
        rows.push_back({
            id_shown(view.id),
            view.user,
            view.database,
            view.application_name,
            view.address,
            std::string(name_of(view.waits_for)),
            limit.empty() ? Value() : Value(std::string(limit)),
            cause.allowed == 0 && cause.used == 0 ? Value() : Value(cause.used),
            cause.allowed == 0 ? Value() : Value(cause.allowed),
            time_text(now.steady - view.wait, now),
            std::chrono::duration<double>(view.wait).count(),
            fingerprint_shown(view.fingerprint),
            cause.detail,
        });
    }
    return rows;
}

Columns transactions_columns() {
    return {
        {"id", int4},
        {"user", text},
        {"database", text},
        {"application_name", text},
        {"addr", text},
        {"state", text},
        {"started", text},
        {"age", float8},
        {"idle", float8},
        {"pin", text},
        {"server", text},
        {"server_pid", int4},
        {"fingerprint", text},
        {"query", text},
        {"blocked_by", text},
    };
}

bool is_blocking(std::string_view argument) {
    return same_word(argument, "blocking");
}

// "4711 (client 5), 4712": PIDs of PostgreSQL, and whose they are if clients of ours. NULL: it
// waits for nobody's locks, or nobody has asked.
Value blockers_of(const ShowContext& context, const SessionView& view) {
    const auto& all = context.blocked;
    const auto found = std::find_if(all.begin(), all.end(), [&](const BlockedBackend& blocked) {
        return view.server_process != 0 && blocked.database == view.database &&
               blocked.process == static_cast<int>(view.server_process);
    });
    if (found == all.end()) return {};
    std::string shown;
    for (const auto process : found->blockers) {
        shown += (shown.empty() ? "" : ", ") + std::to_string(process);
        for (const auto& other : context.sessions) {
            const bool same_server = other.server_address == view.server_address &&
                                     other.server_port == view.server_port;
            if (same_server && static_cast<int>(other.server_process) == process) {
                shown += " (client " + std::to_string(id_shown(other.id)) + ')';
            }
        }
    }
    return shown;
}

// Oldest first.
std::vector<Row> show_transactions(const ShowContext& context) {
    const Clocks now;
    auto views = context.sessions;
    std::erase_if(views, [](const auto& view) { return !view.in_transaction; });
    std::sort(views.begin(), views.end(), [](const auto& a, const auto& b) {
        return a.transaction_started < b.transaction_started;
    });
    std::vector<Row> rows;
    for (const auto& view : views) {
        const bool idle = view.activity.starts_with("idle in transaction");
        const bool has_server = view.server_id != 0;
        rows.push_back({
            id_shown(view.id),
            view.user,
            view.database,
            view.application_name,
            view.address,
            std::string(view.activity),
            time_text(view.transaction_started, now),
            seconds_between(view.transaction_started, now.steady),
            idle ? Value(seconds_between(view.idle_since, now.steady)) : Value(),
            view.pin.empty() ? Value() : Value(std::string(view.pin)),
            has_server ? Value(view.server_address + ':' + std::to_string(view.server_port))
                       : Value(),
            has_server ? Value(std::int64_t{view.server_process}) : Value(),
            fingerprint_shown(view.fingerprint),
            view.fingerprint == nullptr ? Value() : Value(view.fingerprint->text),
            blockers_of(context, view),
        });
    }
    return rows;
}

}  // namespace weir::proxy
