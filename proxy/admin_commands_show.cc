// SHOW: columns, their order and types are PgBouncer 1.25's. Tools read them by name and break when
// one is missing; some also when there are more.
#include "conf/show.h"
#include "proxy/admin_commands.h"
#include "proxy/server.h"
#include "proxy/version.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace weir::proxy {

namespace {

constexpr auto text = ColumnType::text;
constexpr auto int4 = ColumnType::int4;
constexpr auto numeric = ColumnType::numeric;

using Rows = std::vector<Row>;

const std::string console_name = "pgbouncer";
const std::string console_pool_mode = "statement";
// PgBouncer's, and true of nothing; tools expect a number.
constexpr std::int64_t console_pool_size = 2;

std::int64_t number(std::size_t count) {
    return static_cast<std::int64_t>(count);
}

Value text_or_null(const std::optional<std::string>& value) {
    return value ? Value(*value) : Value();
}

Value mode_or_null(const std::optional<conf::PoolMode>& mode) {
    return mode ? Value(std::string(to_string(*mode))) : Value();
}

std::int64_t count_of(const std::map<std::string, std::size_t>& counts, const std::string& name) {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : number(found->second);
}

// --- POOLS ---

struct ServerCounts {
    std::int64_t active = 0, idle = 0, used = 0, tested = 0, being_canceled = 0, cancels = 0;
};

ServerCounts count_servers(
    const pool::ServerPool& pool, const conf::Settings& settings, pool::TimePoint now
) {
    ServerCounts counts;
    pool.for_each_server([&](const pool::ServerConnection& server) {
        const auto state = state_shown(server, settings, now);
        counts.active += state == "active";
        counts.idle += state == "idle";
        counts.used += state == "used";
        counts.tested += state == "tested";
        counts.being_canceled += state == "being_canceled";
        counts.cancels += server.cancels;
    });
    return counts;
}

Row pool_row(const PoolEntry& entry, const conf::Settings& settings, pool::TimePoint now) {
    const auto& pool = entry.pool;
    const auto counts = pool.counts(now);
    const auto servers = count_servers(pool, settings, now);
    // Idle clients count as active, as in PgBouncer. The two are not read at one moment.
    const auto clients = std::max(pool.clients(), counts.waiting);
    const auto longest =
        std::chrono::duration_cast<std::chrono::microseconds>(counts.oldest_wait).count();
    return {
        pool.name().database,
        pool.name().user,
        number(clients - counts.waiting),
        number(counts.waiting),
        // Every cancel has its own connection at once: none waits.
        servers.cancels,
        std::int64_t{0},
        servers.active,
        servers.cancels,
        servers.being_canceled,
        servers.idle,
        servers.used,
        servers.tested,
        number(counts.opening),
        longest / 1000000,
        longest % 1000000,
        std::string(to_string(entry.limits()->pool_mode)),
        Value(),  // load_balance_hosts: for lists of hosts
    };
}

Row console_pool_row(std::size_t clients) {
    Row row{console_name, console_name, number(clients)};
    while (row.size() < 15) row.emplace_back(std::int64_t{0});
    row.emplace_back(console_pool_mode);
    row.emplace_back();
    return row;
}

Rows show_pools(const ShowContext& context) {
    const auto now = pool::Clock::now();
    Rows rows;
    for (const auto& [name, entry] : context.server.pools().entries()) {
        rows.push_back(pool_row(*entry, context.server.settings(), now));
    }
    rows.push_back(console_pool_row(context.console_clients.size()));
    return rows;
}

// --- DATABASES and USERS ---

// Servers there are, by database or by user.
std::map<std::string, std::size_t> servers_by(
    const PoolSet& pools, std::string pool::PoolName::* member
) {
    const auto now = pool::Clock::now();
    std::map<std::string, std::size_t> totals;
    for (const auto& [name, entry] : pools.entries()) {
        totals[name.*member] += entry->pool.counts(now).total();
    }
    return totals;
}

// Configured, or used by way of "*".
std::set<std::string> database_names(Server& server) {
    std::set<std::string> names;
    for (const auto& [name, database] : server.settings().databases) {
        if (name != "*") names.insert(name);
    }
    for (const auto& [name, entry] : server.pools().entries()) {
        if (conf::find_database(server.settings(), name.database) != nullptr) {
            names.insert(name.database);
        }
    }
    return names;
}

std::int64_t seconds(conf::Milliseconds time) {
    return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

Row database_row(
    const std::string& name, Server& server, std::int64_t servers, std::int64_t clients
) {
    const auto& settings = server.settings();
    const auto& database = *conf::find_database(settings, name);
    return {
        name,
        database.host.empty() ? Value() : Value(database.host),
        std::int64_t{database.port},
        std::string(conf::server_dbname(database, name)),
        text_or_null(database.user),
        std::int64_t{database.pool_size.value_or(settings.default_pool_size)},
        std::int64_t{database.min_pool_size.value_or(settings.min_pool_size)},
        std::int64_t{database.reserve_pool_size.value_or(settings.reserve_pool_size)},
        seconds(conf::effective_server_lifetime(settings, name)),
        mode_or_null(database.pool_mode),
        Value(),  // load_balance_hosts
        std::int64_t{conf::effective_max_db_connections(settings, name)},
        servers,
        std::int64_t{conf::effective_max_db_client_connections(settings, name)},
        clients,
        std::int64_t{server.pools().is_paused(name)},
        std::int64_t{server.is_disabled(name)},
    };
}

Row console_database_row(const ShowContext& context) {
    const auto& settings = context.server.settings();
    return {
        console_name,
        Value(),
        std::int64_t{settings.listen_port},
        console_name,
        console_name,
        console_pool_size,
        std::int64_t{settings.min_pool_size},
        std::int64_t{settings.reserve_pool_size},
        seconds(settings.server_lifetime),
        console_pool_mode,
        Value(),
        std::int64_t{settings.max_db_connections},
        std::int64_t{0},
        std::int64_t{settings.max_db_client_connections},
        number(context.console_clients.size()),
        std::int64_t{0},
        std::int64_t{0},
    };
}

Rows show_databases(const ShowContext& context) {
    auto& server = context.server;
    const auto clients = server.client_counts().by_database;
    const auto servers = servers_by(server.pools(), &pool::PoolName::database);
    Rows rows;
    for (const auto& name : database_names(server)) {
        rows.push_back(database_row(name, server, count_of(servers, name), count_of(clients, name))
        );
    }
    rows.push_back(console_database_row(context));
    return rows;
}

// Configured, on the list, or in use.
std::set<std::string> user_names(Server& server) {
    std::set<std::string> names{console_name};
    for (const auto& [name, user] : server.settings().users) names.insert(name);
    for (const auto& [name, secret] : *server.configuration().users) names.insert(name);
    for (const auto& [name, entry] : server.pools().entries()) names.insert(name.user);
    for (const auto& [name, count] : server.client_counts().by_user) names.insert(name);
    return names;
}

// PgBouncer's "%9d"; an empty text where nothing is set.
std::string padded(const std::optional<int>& size) {
    if (!size) return {};
    auto digits = std::to_string(*size);
    return std::string(digits.size() < 9 ? 9 - digits.size() : 0, ' ') + digits;
}

Rows show_users(const ShowContext& context) {
    auto& server = context.server;
    const auto& settings = server.settings();
    const auto clients = server.client_counts().by_user;
    const auto servers = servers_by(server.pools(), &pool::PoolName::user);
    const conf::UserSettings unset;
    Rows rows;
    for (const auto& name : user_names(server)) {
        const auto* found = conf::find_user(settings, name);
        const auto& user = found != nullptr ? *found : unset;
        rows.push_back({
            name,
            padded(user.pool_size),
            padded(user.reserve_pool_size),
            mode_or_null(user.pool_mode),
            std::int64_t{conf::effective_max_user_connections(settings, name)},
            count_of(servers, name),
            std::int64_t{conf::effective_max_user_client_connections(settings, name)},
            count_of(clients, name),
        });
    }
    return rows;
}

// --- statistics ---

// Names as each of the four views has them.
struct StatisticNames {
    std::string_view total;     // STATS
    std::string_view average;   // STATS, STATS_AVERAGES
    std::string_view plain;     // STATS_TOTALS
    std::string_view internal;  // TOTALS, after total_ and avg_
};

constexpr std::array<StatisticNames, statistic_count> statistic_names{{
    {"total_server_assignment_count",
     "avg_server_assignment_count",
     "server_assignment_count",
     "server_assignment_count"},
    {"total_xact_count", "avg_xact_count", "xact_count", "xact_count"},
    {"total_query_count", "avg_query_count", "query_count", "query_count"},
    {"total_received", "avg_recv", "bytes_received", "client_bytes"},
    {"total_sent", "avg_sent", "bytes_sent", "server_bytes"},
    {"total_xact_time", "avg_xact_time", "xact_time", "xact_time"},
    {"total_query_time", "avg_query_time", "query_time", "query_time"},
    {"total_wait_time", "avg_wait_time", "wait_time", "wait_time"},
    {"total_client_parse_count",
     "avg_client_parse_count",
     "client_parse_count",
     "ps_client_parse_count"},
    {"total_server_parse_count",
     "avg_server_parse_count",
     "server_parse_count",
     "ps_server_parse_count"},
    {"total_bind_count", "avg_bind_count", "bind_count", "ps_bind_count"},
}};

using NameMember = std::string_view StatisticNames::*;

Columns statistic_columns(std::initializer_list<NameMember> members) {
    Columns columns{{"database", text}};
    for (const auto member : members) {
        for (const auto& names : statistic_names) columns.push_back({names.*member, numeric});
    }
    return columns;
}

void append(Row& row, const Totals& totals) {
    for (const auto value : totals) row.emplace_back(static_cast<std::int64_t>(value));
}

DatabaseTotals all_totals(const ShowContext& context) {
    auto databases = collect_totals(context.server.pools());
    databases[console_name] = context.console_totals;
    return databases;
}

Rows show_statistics(const ShowContext& context, bool totals, bool averages) {
    Rows rows;
    for (const auto& [database, values] : all_totals(context)) {
        Row row{database};
        if (totals) append(row, values);
        if (averages) append(row, context.sampler.average_of(database));
        rows.push_back(std::move(row));
    }
    return rows;
}

Rows show_stats(const ShowContext& context) {
    return show_statistics(context, true, true);
}

Rows show_stats_totals(const ShowContext& context) {
    return show_statistics(context, true, false);
}

Rows show_stats_averages(const ShowContext& context) {
    return show_statistics(context, false, true);
}

Rows show_totals(const ShowContext& context) {
    Rows rows;
    const auto append_all = [&rows](const char* prefix, const Totals& values) {
        for (std::size_t i = 0; i < statistic_count; ++i) {
            const auto name = prefix + std::string(statistic_names[i].internal);
            rows.push_back({name, static_cast<std::int64_t>(values[i])});
        }
    };
    append_all("total_", sum_of(all_totals(context)));
    append_all("avg_", context.sampler.average_of_all());
    return rows;
}

// --- the process ---

Rows show_lists(const ShowContext& context) {
    auto& server = context.server;
    const auto counts = server.client_counts();
    std::size_t servers = 0;
    for (const auto& [user, total] : servers_by(server.pools(), &pool::PoolName::user)) {
        servers += total;
    }
    const auto row = [](const char* name, std::size_t items) -> Row {
        return {std::string(name), number(items)};
    };
    // Peers and a cache of names do not exist here; unused clients and servers are not kept.
    return {
        row("databases", database_names(server).size() + 1),
        row("users", user_names(server).size()),
        row("peers", 0),
        row("pools", server.pools().entries().size() + 1),
        row("peer_pools", 0),
        row("free_clients", 0),
        row("used_clients", counts.clients),
        row("login_clients", counts.login),
        row("free_servers", 0),
        row("used_servers", servers),
        row("dns_names", 0),
        row("dns_zones", 0),
        row("dns_queries", 0),
        row("dns_pending", 0),
    };
}

Rows show_config(const ShowContext& context) {
    Rows rows;
    for (auto& config : conf::config_rows(context.server.settings())) {
        rows.push_back(
            {config.key,
             config.value,
             config.default_value,
             std::string(config.changeable ? "yes" : "no")}
        );
    }
    return rows;
}

Rows show_state(const ShowContext& context) {
    const std::string paused = context.server.paused_all() ? "yes" : "no";
    const std::string active = context.server.paused_all() ? "no" : "yes";
    return {
        {std::string("active"), active},
        {std::string("paused"), paused},
        {std::string("suspended"), std::string("no")},  // there is no SUSPEND
    };
}

// Tools look for "PgBouncer" and a version of it in this text and choose their queries by that: it
// names the PgBouncer whose console this is, and then what really runs.
Rows show_version(const ShowContext&) {
    return {{"PgBouncer 1.25.2 (pgweir " + std::string(version()) + ")"}};
}

Rows show_nothing(const ShowContext&) {
    return {};
}

// Drivers ask for these and set them at their start.
Rows show_client_encoding(const ShowContext&) {
    return {{std::string("UTF-8")}};
}

Rows show_isolation(const ShowContext&) {
    return {{std::string("read committed")}};
}

Rows show_on(const ShowContext&) {
    return {{std::string("on")}};
}

Rows show_datestyle(const ShowContext&) {
    return {{std::string("ISO")}};
}

Rows show_timezone(const ShowContext&) {
    return {{std::string("GMT")}};
}

Rows show_float_digits(const ShowContext&) {
    return {{std::string("2")}};
}

const std::vector<ShowCommand>& pretended_parameters() {
    static const std::vector<ShowCommand> parameters{
        {"client_encoding", {{"client_encoding", text}}, show_client_encoding},
        {"default_transaction_isolation",
         {{"default_transaction_isolation", text}},
         show_isolation},
        {"standard_conforming_strings", {{"standard_conforming_strings", text}}, show_on},
        {"datestyle", {{"datestyle", text}}, show_datestyle},
        {"timezone", {{"timezone", text}}, show_timezone},
        {"extra_float_digits", {{"extra_float_digits", text}}, show_float_digits},
    };
    return parameters;
}

Columns pools_columns() {
    return {
        {"database", text},
        {"user", text},
        {"cl_active", int4},
        {"cl_waiting", int4},
        {"cl_active_cancel_req", int4},
        {"cl_waiting_cancel_req", int4},
        {"sv_active", int4},
        {"sv_active_cancel", int4},
        {"sv_being_canceled", int4},
        {"sv_idle", int4},
        {"sv_used", int4},
        {"sv_tested", int4},
        {"sv_login", int4},
        {"maxwait", int4},
        {"maxwait_us", int4},
        {"pool_mode", text},
        {"load_balance_hosts", text},
    };
}

Columns databases_columns() {
    return {
        {"name", text},
        {"host", text},
        {"port", int4},
        {"database", text},
        {"force_user", text},
        {"pool_size", int4},
        {"min_pool_size", int4},
        {"reserve_pool_size", int4},
        {"server_lifetime", int4},
        {"pool_mode", text},
        {"load_balance_hosts", text},
        {"max_connections", int4},
        {"current_connections", int4},
        {"max_client_connections", int4},
        {"current_client_connections", int4},
        {"paused", int4},
        {"disabled", int4},
    };
}

Columns users_columns() {
    return {
        {"name", text},
        {"pool_size", text},
        {"reserve_pool_size", text},
        {"pool_mode", text},
        {"max_user_connections", int4},
        {"current_connections", int4},
        {"max_user_client_connections", int4},
        {"current_client_connections", int4},
    };
}

const std::vector<ShowCommand>& show_commands() {
    static const std::vector<ShowCommand> commands{
        {"clients", socket_columns(), show_clients, true},
        {"config",
         {{"key", text}, {"value", text}, {"default", text}, {"changeable", text}},
         show_config},
        {"databases", databases_columns(), show_databases},
        {"help", {}, show_nothing},
        {"lists", {{"list", text}, {"items", int4}}, show_lists},
        // No peers can be configured, so there are none.
        {"peers",
         {{"peer_id", int4}, {"host", text}, {"port", int4}, {"pool_size", int4}},
         show_nothing},
        {"peer_pools",
         {{"peer_id", int4},
          {"cl_active_cancel_req", int4},
          {"cl_waiting_cancel_req", int4},
          {"sv_active_cancel", int4},
          {"sv_login", int4}},
         show_nothing},
        {"pools", pools_columns(), show_pools},
        {"servers", socket_columns(), show_servers, true},
        {"state", {{"key", text}, {"value", text}}, show_state},
        {"stats",
         statistic_columns({&StatisticNames::total, &StatisticNames::average}),
         show_stats},
        {"stats_averages", statistic_columns({&StatisticNames::average}), show_stats_averages},
        {"stats_totals", statistic_columns({&StatisticNames::plain}), show_stats_totals},
        {"totals", {{"name", text}, {"value", numeric}}, show_totals},
        {"users", users_columns(), show_users},
        {"version", {{"version", text}}, show_version},
    };
    return commands;
}

const ShowCommand* find_in(const std::vector<ShowCommand>& commands, std::string_view topic) {
    const auto found = std::find_if(commands.begin(), commands.end(), [topic](const auto& show) {
        return same_word(show.topic, topic);
    });
    return found == commands.end() ? nullptr : &*found;
}

}  // namespace

const ShowCommand* find_show(std::string_view topic) {
    const auto* pretended = find_in(pretended_parameters(), topic);
    return pretended != nullptr ? pretended : find_in(show_commands(), topic);
}

bool is_pretended_parameter(std::string_view name) {
    return find_in(pretended_parameters(), name) != nullptr;
}

std::string_view help_text() {
    return "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION\n"
           "\tSHOW PEERS|PEER_POOLS\n"
           "\tSHOW LISTS|STATE\n"
           "\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS\n"
           "\tSET key = arg\n"
           "\tRELOAD\n"
           "\tPAUSE [<db>]\n"
           "\tRESUME [<db>]\n"
           "\tDISABLE <db>\n"
           "\tENABLE <db>\n"
           "\tRECONNECT [<db>]\n"
           "\tKILL [<db>]\n"
           "\tKILL_CLIENT <client_id>\n"
           "\tSHUTDOWN\n"
           "\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS\n"
           "\tWAIT_CLOSE [<db>]";
}

}  // namespace weir::proxy
