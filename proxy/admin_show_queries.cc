// SHOW QUERIES, QUERY, SLOW and ERRORS: what is known of statements by their fingerprints. Ours;
// PgBouncer has none of them.
#include "proxy/admin_parser.h"
#include "proxy/admin_show.h"
#include "proxy/server.h"
#include "proxy/status_queries.h"
#include "proxy/type_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace weir::proxy {

namespace {

using enum ColumnType;

constexpr std::array<std::pair<std::string_view, QueryWindow>, 4> windows{{
    {"all", QueryWindow::since_start},
    {"1m", QueryWindow::minute},
    {"5m", QueryWindow::five_minutes},
    {"15m", QueryWindow::fifteen_minutes},
}};

const QueryWindow* find_window(std::string_view name) {
    for (const auto& [known, window] : windows) {
        if (same_word(known, name)) return &window;
    }
    return nullptr;
}

double milliseconds_of(std::uint64_t nanoseconds) {
    return static_cast<double>(nanoseconds) / 1e6;
}

Value count_of(const QueryRow& row, QueryCounter::Index index) {
    return static_cast<std::int64_t>(row[index]);
}

std::string time_text_of(std::chrono::system_clock::time_point time, const Clocks& now) {
    if (time == std::chrono::system_clock::time_point{}) return {};
    return time_text(now.steady - (now.system - time), now);
}

std::string joined(const std::vector<std::string>& names) {
    std::string list;
    for (const auto& name : names)
        list.append(list.empty() ? "" : ", ").append(name);
    return list;
}

Row query_row(const QueryRow& row, const Clocks& now) {
    return {
        fingerprint_shown(row.fingerprint),
        row.database,
        row.user,
        count_of(row, QueryCounter::calls),
        count_of(row, QueryCounter::failed_calls),
        count_of(row, QueryCounter::rows),
        row.total_ms(),
        milliseconds_of(row.min_time),
        row.mean_ms(),
        milliseconds_of(row.max_time),
        row.quantile_ms(0.5),
        row.quantile_ms(0.9),
        row.quantile_ms(0.95),
        row.quantile_ms(0.99),
        row.quantile_ms(0.999),
        milliseconds_of(row[QueryCounter::wait_time]),
        milliseconds_of(row.max_wait),
        milliseconds_of(row[QueryCounter::server_time]),
        milliseconds_of(row[QueryCounter::client_time]),
        count_of(row, QueryCounter::bytes_in),
        count_of(row, QueryCounter::bytes_out),
        count_of(row, QueryCounter::replica_calls),
        count_of(row, QueryCounter::retries),
        count_of(row, QueryCounter::pins),
        count_of(row, QueryCounter::repeat_bursts),
        count_of(row, QueryCounter::repeat_calls),
        milliseconds_of(row[QueryCounter::repeat_time]),
        static_cast<std::int64_t>(row.longest_burst),
        time_text_of(row.first_seen, now),
        time_text_of(row.last_seen, now),
        joined(row.applications),
        row.trace_id,
        std::string(row.text()),
    };
}

// Quantiles and limits of time, each with a bar as long as its share of the calls.
void add_histogram(const QueryRow& row, std::vector<Row>& rows) {
    constexpr std::size_t longest_bar = 40;
    const auto all = row.times.total();
    std::uint64_t below = 0;
    // Powers of two are exact limits of the histogram; from 1 us to over an hour.
    for (unsigned power = 1; power <= 32 && below < all; ++power) {
        const auto limit = std::uint64_t{1} << power;
        const auto now = row.times.below(limit);
        if (now > below) {
            const auto share = static_cast<double>(now - below) / static_cast<double>(all);
            const auto bar = static_cast<std::size_t>(share * longest_bar + 0.5);
            std::array<char, 48> name{};
            std::snprintf(
                name.data(), name.size(), "time < %.3f ms", static_cast<double>(limit) / 1e3
            );
            rows.push_back(
                {std::string(name.data()),
                 std::to_string(now - below) + ' ' + std::string(bar, '#')}
            );
        }
        below = now;
    }
}

// "$1 integer, $2 text": as the last Parse or PostgreSQL's answer to Describe has them.
std::string types_shown(const QueryRow& row) {
    std::string shown;
    for (std::size_t i = 0; i < row.parameter_types.size(); ++i) {
        const auto type = row.parameter_types[i];
        const auto name = builtin_type_name(type);
        shown += (shown.empty() ? "$" : ", $") + std::to_string(i + 1) + ' ';
        if (!name.empty()) {
            shown += name;
        } else {
            shown += type == 0 ? std::string("unknown") : "type " + std::to_string(type);
        }
    }
    return shown;
}

// A column of SHOW QUERIES a line, and what has no room there.
void add_details(const QueryRow& row, const Clocks& now, std::vector<Row>& rows) {
    const auto& columns = queries_columns();
    const auto values = query_row(row, now);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        std::string shown;
        if (const auto* text = std::get_if<std::string>(&values[i])) shown = *text;
        if (const auto* number = std::get_if<std::int64_t>(&values[i]))
            shown = std::to_string(*number);
        if (const auto* number = std::get_if<double>(&values[i])) shown = number_text(*number);
        rows.push_back({std::string(columns[i].name), shown});
    }
    for (const auto& [error_class, count] : row.errors)
        rows.push_back({"errors of class " + error_class, std::to_string(count)});
    if (!row.parameter_types.empty()) rows.push_back({"parameter types", types_shown(row)});
    add_histogram(row, rows);
}

// The last slow one: its values (if they may be shown) and its plan (if it was asked for).
void add_slow_example(Server& server, std::uint64_t fingerprint, std::vector<Row>& rows) {
    bool values = !server.settings().log_parameters;
    bool plan = false;
    for (const auto& slow : server.slow_log().last()) {
        if (slow.fingerprint == nullptr || slow.fingerprint->id != fingerprint) continue;
        if (!values && !slow.parameters.empty()) {
            rows.push_back({"values of a slow one", slow.parameters});
            values = true;
        }
        if (!plan && !slow.plan.empty()) {
            rows.push_back({"plan of a slow one", slow.plan});
            plan = true;
        }
    }
}

}  // namespace

bool is_query_window(std::string_view name) {
    return find_window(name) != nullptr;
}

std::optional<std::uint64_t> fingerprint_from_text(std::string_view text) {
    std::uint64_t id = 0;
    const auto* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, id, 16);
    if (text.size() != 16 || error != std::errc() || stop != end || id == 0) return std::nullopt;
    return id;
}

Value fingerprint_shown(const router::FingerprintRef& fingerprint) {
    if (fingerprint == nullptr) return {};
    return router::fingerprint_text(fingerprint->id);
}

bool is_fingerprint(std::string_view text) {
    return fingerprint_from_text(text).has_value();
}

Columns queries_columns() {
    return {
        {"fingerprint", text},   {"database", text},      {"user", text},
        {"calls", int8},         {"errors", int8},        {"rows", int8},
        {"total_ms", float8},    {"min_ms", float8},      {"mean_ms", float8},
        {"max_ms", float8},      {"p50_ms", float8},      {"p90_ms", float8},
        {"p95_ms", float8},      {"p99_ms", float8},      {"p999_ms", float8},
        {"wait_ms", float8},     {"max_wait_ms", float8}, {"server_ms", float8},
        {"client_ms", float8},   {"bytes_in", int8},      {"bytes_out", int8},
        {"replica_calls", int8}, {"retries", int8},       {"pins", int8},
        {"bursts", int8},        {"burst_calls", int8},   {"burst_ms", float8},
        {"longest_burst", int8}, {"first_seen", text},    {"last_seen", text},
        {"applications", text},  {"trace_id", text},      {"query", text},
    };
}

// Most time first; "other" is where its time puts it.
std::vector<Row> show_queries(const ShowContext& context) {
    const Clocks now;
    const auto* const window = find_window(context.argument);
    const auto found =
        context.server.queries().snapshot(window == nullptr ? QueryWindow::since_start : *window);
    std::vector<Row> rows;
    rows.reserve(found->size());
    for (const auto* row : top_queries(*found, found->size()))
        rows.push_back(query_row(*row, now));
    return rows;
}

Columns query_columns() {
    return {{"name", text}, {"value", text}};
}

std::vector<Row> show_query(const ShowContext& context) {
    const Clocks now;
    std::vector<Row> rows;
    const auto id = fingerprint_from_text(context.argument);
    if (!id) return rows;
    for (const auto& row : context.server.queries().rows_of(*id))
        add_details(row, now, rows);
    add_slow_example(context.server, *id, rows);
    return rows;
}

Columns slow_columns() {
    return {
        {"ended", text},       {"duration_ms", float8}, {"wait_ms", float8},
        {"server_ms", float8}, {"client_ms", float8},   {"fingerprint", text},
        {"database", text},    {"user", text},          {"application_name", text},
        {"addr", text},        {"port", int4},          {"client_id", int4},
        {"server", text},      {"server_pid", int4},    {"role", text},
        {"route", text},       {"rows", int8},          {"bytes_in", int8},
        {"bytes_out", int8},   {"retries", int4},       {"sqlstate", text},
        {"traceparent", text}, {"parameters", text},    {"query", text},
        {"plan", text},
    };
}

// The latest first.
std::vector<Row> show_slow(const ShowContext& context) {
    const Clocks now;
    const auto ms = [](std::uint64_t microseconds) {
        return static_cast<double>(microseconds) / 1e3;
    };
    const auto or_null = [](std::string_view shown) {
        return shown.empty() ? Value() : Value(std::string(shown));
    };
    std::vector<Row> rows;
    for (const auto& slow : context.server.slow_log().last()) {
        const bool has_server = !slow.server_address.empty();
        rows.push_back({
            time_text_of(slow.ended, now),
            ms(slow.duration),
            ms(slow.wait),
            ms(slow.server),
            ms(slow.client),
            fingerprint_shown(slow.fingerprint),
            slow.database,
            slow.user,
            slow.application,
            slow.address,
            std::int64_t{slow.port},
            id_shown(slow.client_id),
            has_server ? Value(slow.server_address + ':' + std::to_string(slow.server_port))
                       : Value(),
            has_server ? Value(std::int64_t{slow.server_process}) : Value(),
            has_server ? Value(std::string(slow.on_replica ? "replica" : "primary")) : Value(),
            or_null(slow.route_reason),
            static_cast<std::int64_t>(slow.rows),
            static_cast<std::int64_t>(slow.bytes_in),
            static_cast<std::int64_t>(slow.bytes_out),
            std::int64_t{slow.retries},
            or_null(slow.sqlstate),
            or_null(slow.traceparent),
            or_null(slow.parameters),
            slow.fingerprint == nullptr ? std::string() : slow.fingerprint->text,
            or_null(slow.plan),
        });
    }
    return rows;
}

Columns errors_columns() {
    return {
        {"sqlstate", text},
        {"database", text},
        {"user", text},
        {"source", text},
        {"count", int8},
        {"first_seen", text},
        {"last_seen", text},
        {"fingerprint", text},
        {"query", text},
    };
}

// The latest first. `source`: whose error it was; `query`: what ran when it came last.
std::vector<Row> show_errors(const ShowContext& context) {
    const Clocks now;
    auto errors = context.server.queries().errors();
    std::sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) {
        return a.last_seen > b.last_seen;
    });
    std::vector<Row> rows;
    for (const auto& error : errors) {
        const auto& last = error.last_fingerprint;
        rows.push_back({
            error.sqlstate,
            error.database,
            error.user,
            std::string(error.from_server ? "server" : "pgweir"),
            static_cast<std::int64_t>(error.count),
            time_text_of(error.first_seen, now),
            time_text_of(error.last_seen, now),
            fingerprint_shown(last),
            last == nullptr ? Value() : Value(last->text),
        });
    }
    return rows;
}

}  // namespace weir::proxy
