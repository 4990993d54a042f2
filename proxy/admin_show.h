// SHOW: the tables of the console.
//
//   admin_show.cc           which there are; what is small
//   admin_show_pools.cc     POOLS, DATABASES, USERS, LISTS, MEM
//   admin_show_sessions.cc  CLIENTS, SERVERS
//   admin_show_pins.cc      PINS, PIN_COUNTS, CLOSE_COUNTS, LENDING
//   admin_show_clusters.cc  HOSTS, ROUTES, CATALOG, CONSISTENCY
//   admin_show_listeners.cc LISTENERS
//   admin_show_activity.cc  WAITS, TRANSACTIONS
//   admin_problems.cc       PROBLEMS
//   admin_show_queries.cc   QUERIES, QUERY, SLOW, ERRORS
//   admin_show_settings.cc  SETTINGS
//   admin_show_stats.cc     STATS and its like
#pragma once

#include "proxy/admin_result.h"
#include "proxy/admin_stats.h"
#include "proxy/client_session.h"
#include "proxy/problems.h"

#include <functional>
#include <map>
#include <optional>

namespace weir::proxy {

class Server;

// As the console's own pool, database and user are called.
inline constexpr std::string_view console_database = "pgbouncer";

struct ShowContext {
    Server& server;
    const StatsSampler& sampler;
    const Totals& console_totals;
    std::vector<SessionView> console_clients;
    // Filled for those that ask for it (ShowCommand::needs_sessions).
    std::vector<SessionView> sessions;
    std::vector<BlockedBackend> blocked = {};  // ShowCommand::needs_locks
    std::string argument = {};  // of SHOW <topic> <argument>; only those that take one get any
};

struct ShowCommand {
    std::string_view topic;
    Columns columns;  // none: its answer is a notice (HELP)
    std::vector<Row> (*rows)(const ShowContext& context);
    bool needs_sessions = false;
    bool takes_argument = false;
    bool needs_locks = false;  // who waits for whose locks; the servers are asked
    // Which arguments there are; nullptr: any.
    bool (*accepts)(std::string_view argument) = nullptr;
};

// nullptr: there is none. Topics in any case; also what PgBouncer pretends to have, such as
// client_encoding.
const ShowCommand* find_show(std::string_view topic);
bool is_pretended_parameter(std::string_view name);
// Their values, by their names in lower case.
std::map<std::string, std::string, std::less<>> pretended_settings();
// A topic that is a table for queries, by its name in lower case; nullptr: none.
const ShowCommand* find_show_table(std::string_view name);
const std::vector<ShowCommand>& all_show_commands();
// What SELECT version() says. Tools look for PostgreSQL's version in it.
std::string console_version_text();
std::string_view help_text();

// --- columns and rows, for the table in admin_show.cc ---

Columns socket_columns();
std::vector<Row> show_clients(const ShowContext& context);
std::vector<Row> show_servers(const ShowContext& context);

Columns pins_columns();
std::vector<Row> show_pins(const ShowContext& context);
Columns pin_counts_columns();
std::vector<Row> show_pin_counts(const ShowContext& context);
Columns close_counts_columns();
std::vector<Row> show_close_counts(const ShowContext& context);
Columns lending_columns();
std::vector<Row> show_lending(const ShowContext& context);

Columns hosts_columns();
std::vector<Row> show_hosts(const ShowContext& context);
Columns routes_columns();
std::vector<Row> show_routes(const ShowContext& context);
Columns catalog_columns();
std::vector<Row> show_catalog(const ShowContext& context);
Columns consistency_columns();
std::vector<Row> show_consistency(const ShowContext& context);

Columns settings_columns();
std::vector<Row> show_settings(const ShowContext& context);

// admin_show_activity.cc
Columns waits_columns();
std::vector<Row> show_waits(const ShowContext& context);
// The argument of SHOW TRANSACTIONS: the servers are asked who waits for whom.
bool is_blocking(std::string_view argument);
Columns transactions_columns();
std::vector<Row> show_transactions(const ShowContext& context);

// admin_show_queries.cc
Columns queries_columns();
std::vector<Row> show_queries(const ShowContext& context);
Columns query_columns();
std::vector<Row> show_query(const ShowContext& context);
Columns slow_columns();
std::vector<Row> show_slow(const ShowContext& context);
Columns errors_columns();
std::vector<Row> show_errors(const ShowContext& context);
// "1m", "5m", "15m" and "all", in any case.
bool is_query_window(std::string_view name);
// What router::fingerprint_text makes of an id.
std::optional<std::uint64_t> fingerprint_from_text(std::string_view text);
bool is_fingerprint(std::string_view text);
Value fingerprint_shown(const router::FingerprintRef& fingerprint);

// admin_problems.cc
Columns problems_columns();
std::vector<Row> show_problems(const ShowContext& context);

Columns listeners_columns();
std::vector<Row> show_listeners(const ShowContext& context);

Columns pools_columns();
std::vector<Row> show_pools(const ShowContext& context);
Columns databases_columns();
std::vector<Row> show_databases(const ShowContext& context);
Columns users_columns();
std::vector<Row> show_users(const ShowContext& context);
std::vector<Row> show_lists(const ShowContext& context);
std::vector<Row> show_mem(const ShowContext& context);

Columns stats_columns();
std::vector<Row> show_stats(const ShowContext& context);
Columns stats_totals_columns();
std::vector<Row> show_stats_totals(const ShowContext& context);
Columns stats_averages_columns();
std::vector<Row> show_stats_averages(const ShowContext& context);
std::vector<Row> show_totals(const ShowContext& context);

// --- what else is shared ---

// As SHOW POOLS and SERVERS call it: "used" is idle, and to be checked before it is lent.
std::string_view state_shown(
    const pool::ServerConnection& server, const conf::Settings& settings, pool::TimePoint now
);

// The limit or trouble for which clients of the pool wait; empty: none, they are about to be
// served.
struct WaitCause {
    std::string_view limit;  // "pool_size", "max_connections" ...
    std::int64_t used = 0;   // servers that count, and how many there may be; 0: no number
    std::int64_t allowed = 0;
    std::string detail;  // the last error of a login
};

WaitCause wait_cause(Server& server, const PoolEntry& entry);

// "current", "outdated" or "none"; only the first is used.
std::string_view state_shown(const CatalogState& state, const CatalogState::Snapshot& snapshot);

// Now, by both clocks.
struct Clocks {
    pool::TimePoint steady = pool::Clock::now();
    std::chrono::system_clock::time_point system = std::chrono::system_clock::now();
};

// "2026-11-21 09:23:56 UTC", in the process's time zone as PgBouncer does.
std::string time_text(pool::TimePoint time, const Clocks& now);
// What stands for the server in `ptr` and `link`.
std::string server_pointer(std::uint64_t id);
// The id shown: its column is an int4, so what does not fit is cut off.
std::int64_t id_shown(std::uint64_t id);

}  // namespace weir::proxy
