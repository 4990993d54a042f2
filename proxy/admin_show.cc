// SHOW: columns, their order and types are PgBouncer 1.25's. Tools read them by name and break when
// one is missing; some also when there are more.
#include "proxy/admin_show.h"

#include "conf/show.h"
#include "proxy/admin_parser.h"
#include "proxy/server.h"
#include "proxy/version.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::proxy {

namespace {

using enum ColumnType;

using Rows = std::vector<Row>;

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

// `ttl`: seconds until the name is looked up again.
Rows show_dns_hosts(const ShowContext& context) {
    Rows rows;
    const auto keep = context.server.settings().dns_max_ttl;
    const auto add = [&](const std::string& host, auto age, const auto& addresses) {
        const auto left = std::chrono::duration_cast<std::chrono::seconds>(keep - age).count();
        std::string list;
        for (const auto& address : addresses) {
            list.append(list.empty() ? "" : ",").append(address.host());
        }
        rows.push_back({host, std::max<std::int64_t>(left, 0), list});
    };
    context.server.pools().resolver().for_each_known(add);
    return rows;
}

Rows show_nothing(const ShowContext&) {
    return {};
}

// Drivers, tools and pools ask for these and set them at their start; nothing hangs on them here.
constexpr std::array<std::pair<std::string_view, std::string_view>, 28> pretended{{
    {"application_name", ""},
    {"bytea_output", "hex"},
    {"client_encoding", "UTF-8"},
    {"client_min_messages", "notice"},
    {"datestyle", "ISO"},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_read_only", "off"},
    {"extra_float_digits", "2"},
    {"idle_in_transaction_session_timeout", "0"},
    {"in_hot_standby", "off"},
    {"integer_datetimes", "on"},
    {"intervalstyle", "postgres"},
    {"is_superuser", "on"},
    {"jit", "off"},
    {"lc_collate", "C"},
    {"lock_timeout", "0"},
    {"max_identifier_length", "63"},
    {"row_security", "off"},
    {"search_path", "public"},
    {"server_encoding", "UTF8"},
    {"server_version", "15.0"},
    {"server_version_num", "150000"},
    {"standard_conforming_strings", "on"},
    {"statement_timeout", "0"},
    {"synchronize_seqscans", "on"},
    {"timezone", "GMT"},
    {"transaction_isolation", "read committed"},
    {"transaction_read_only", "off"},
}};

template <std::size_t i>
Rows show_pretended(const ShowContext&) {
    return {{std::string(pretended[i].second)}};
}

template <std::size_t... i>
std::vector<ShowCommand> make_pretended(std::index_sequence<i...>) {
    return {
        {pretended[i].first,
         Columns{{pretended[i].first, text}},
         show_pretended<i>,
         false,
         false,
         false}...};
}

const std::vector<ShowCommand>& pretended_parameters() {
    static const auto parameters = make_pretended(std::make_index_sequence<pretended.size()>());
    return parameters;
}

// As PostgreSQL's SHOW ALL.
Rows show_all(const ShowContext& context) {
    Rows rows;
    for (auto& config : conf::config_rows(context.server.settings()))
        rows.push_back({config.key, config.value, std::string()});
    for (const auto& [name, value] : pretended_settings())
        rows.push_back({name, value, std::string("of the console")});
    return rows;
}

const std::vector<ShowCommand>& show_commands() {
    static const std::vector<ShowCommand> commands{
        {"all", {{"name", text}, {"setting", text}, {"description", text}}, show_all},
        {"catalog", catalog_columns(), show_catalog},
        {"clients", socket_columns(), show_clients, true},
        {"config",
         {{"key", text}, {"value", text}, {"default", text}, {"changeable", text}},
         show_config},
        {"consistency", consistency_columns(), show_consistency},
        {"databases", databases_columns(), show_databases},
        {"errors", errors_columns(), show_errors},
        {"help", {}, show_nothing},
        {"dns_hosts", {{"hostname", text}, {"ttl", int8}, {"addrs", text}}, show_dns_hosts},
        // Zones are not asked for their serial.
        {"dns_zones", {{"zonename", text}, {"serial", int8}, {"count", int4}}, show_nothing},
        {"lists", {{"list", text}, {"items", int4}}, show_lists},
        {"mem",
         {{"name", text}, {"size", int4}, {"used", int4}, {"free", int4}, {"memtotal", int4}},
         show_mem},
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
        {"hosts", hosts_columns(), show_hosts},
        {"listeners", listeners_columns(), show_listeners},
        {"lending", lending_columns(), show_lending},
        {"pins", pins_columns(), show_pins, true},
        {"pin_counts", pin_counts_columns(), show_pin_counts},
        {"close_counts", close_counts_columns(), show_close_counts},
        {"pools", pools_columns(), show_pools},
        {"problems", problems_columns(), show_problems, true, false, true},
        {"queries", queries_columns(), show_queries, false, true, false, is_query_window},
        {"query", query_columns(), show_query, false, true, false, is_fingerprint},
        {"routes", routes_columns(), show_routes},
        {"servers", socket_columns(), show_servers, true},
        {"settings", settings_columns(), show_settings, true, true},
        {"slow", slow_columns(), show_slow},
        {"state", {{"key", text}, {"value", text}}, show_state},
        {"stats", stats_columns(), show_stats},
        {"stats_averages", stats_averages_columns(), show_stats_averages},
        {"stats_totals", stats_totals_columns(), show_stats_totals},
        {"totals", {{"name", text}, {"value", numeric}}, show_totals},
        {"transactions", transactions_columns(), show_transactions, true, true, false, is_blocking},
        {"users", users_columns(), show_users},
        {"version", {{"version", text}}, show_version},
        {"waits", waits_columns(), show_waits, true},
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

std::map<std::string, std::string, std::less<>> pretended_settings() {
    return {pretended.begin(), pretended.end()};
}

const ShowCommand* find_show_table(std::string_view name) {
    const auto* show = find_in(show_commands(), name);
    return show == nullptr || show->columns.empty() ? nullptr : show;
}

const std::vector<ShowCommand>& all_show_commands() {
    return show_commands();
}

std::string console_version_text() {
    return "PostgreSQL 15.0 (console of pgweir " + std::string(version()) + ")";
}

std::string_view help_text() {
    return "\n\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION\n"
           "\tSHOW PEERS|PEER_POOLS\n"
           "\tSHOW PINS|PIN_COUNTS|CLOSE_COUNTS|LENDING|LISTENERS\n"
           "\tSHOW PROBLEMS|WAITS\n"
           "\tSHOW TRANSACTIONS [BLOCKING]\n"
           "\tSHOW QUERIES [1m|5m|15m|all]\n"
           "\tSHOW QUERY <fingerprint>\n"
           "\tSHOW SLOW|ERRORS\n"
           "\tSHOW HOSTS|ROUTES|CATALOG|CONSISTENCY\n"
           "\tSHOW SETTINGS [<client_id>]\n"
           "\tSHOW LISTS|MEM|STATE\n"
           "\tSHOW <topic> WHERE|ORDER BY|LIMIT ...\n"
           "\tSELECT ... FROM <topic> ...\n"
           "\tSHOW DNS_HOSTS|DNS_ZONES\n"
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
           "\tCANCEL CLIENT <client_id>\n"
           "\tCANCEL QUERY <fingerprint>\n"
           "\tCANCEL IDLE_TX > <duration>\n"
           "\tRESET QUERIES\n"
           "\tTRACE CLIENT <client_id> [FOR <duration>]\n"
           "\tDRAIN <host>\n"
           "\tUNDRAIN <host>\n"
           "\tFENCE <host>\n"
           "\tUNFENCE <host>\n"
           "\tSET WEIGHT <host> = arg\n"
           "\tFORGET TIMELINE [<cluster>]\n"
           "\tEXPLAIN ROUTE <db> <sql>\n"
           "\tSHUTDOWN\n"
           "\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS\n"
           "\tWAIT_CLOSE [<db>]";
}

}  // namespace weir::proxy
