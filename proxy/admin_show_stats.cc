// SHOW STATS, STATS_TOTALS, STATS_AVERAGES and TOTALS: what was done.
#include "proxy/admin_show.h"
#include "proxy/server.h"

#include <array>

namespace weir::proxy {

namespace {

using enum ColumnType;

using Rows = std::vector<Row>;

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
        for (const auto& names : statistic_names)
            columns.push_back({names.*member, numeric});
    }
    return columns;
}

void append(Row& row, const Totals& totals) {
    for (const auto value : totals)
        row.emplace_back(static_cast<std::int64_t>(value));
}

DatabaseTotals all_totals(const ShowContext& context) {
    auto databases = collect_totals(context.server.pools());
    databases[std::string(console_database)] = context.console_totals;
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

}  // namespace

Columns stats_columns() {
    return statistic_columns({&StatisticNames::total, &StatisticNames::average});
}

std::vector<Row> show_stats(const ShowContext& context) {
    return show_statistics(context, true, true);
}

Columns stats_totals_columns() {
    return statistic_columns({&StatisticNames::plain});
}

std::vector<Row> show_stats_totals(const ShowContext& context) {
    return show_statistics(context, true, false);
}

Columns stats_averages_columns() {
    return statistic_columns({&StatisticNames::average});
}

std::vector<Row> show_stats_averages(const ShowContext& context) {
    return show_statistics(context, false, true);
}

std::vector<Row> show_totals(const ShowContext& context) {
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

}  // namespace weir::proxy
