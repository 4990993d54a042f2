#include "proxy/status_queries.h"

#include "proxy/status_history.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace weir::proxy {

namespace {

using Json = nlohmann::json;
using Counter = QueryCounter;

// Names and texts are bytes of others: what is not UTF-8 becomes U+FFFD.
std::string dumped(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Microseconds are all there is to say.
double rounded(double value) {
    return std::round(value * 1000) / 1000;
}

double milliseconds(std::uint64_t nanoseconds) {
    return rounded(static_cast<double>(nanoseconds) / 1e6);
}

double replica_share(const QueryRow& row) {
    if (row.all_calls() == 0) return 0;
    return rounded(
        static_cast<double>(row[Counter::replica_calls]) / static_cast<double>(row.all_calls())
    );
}

// The rows with the most `weight` come first, in order, and the others leave: no more is sorted
// than is shown.
template <typename Row, typename Weight>
void keep_top(std::vector<Row>& rows, std::size_t most, const Weight& weight) {
    const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(std::min(most, rows.size()));
    std::partial_sort(rows.begin(), middle, rows.end(), [&](const Row& a, const Row& b) {
        return weight(a) > weight(b);
    });
    rows.erase(middle, rows.end());
}

Json row_json(const QueryRow& row) {
    return {
        {"fingerprint", row.is_other() ? "" : router::fingerprint_text(row.fingerprint->id)},
        {"text", row.text()},
        {"database", row.database},
        {"user", row.user},
        {"calls", row[Counter::calls]},
        {"failed", row[Counter::failed_calls]},
        {"rows", row[Counter::rows]},
        {"bytes_in", row[Counter::bytes_in]},
        {"bytes_out", row[Counter::bytes_out]},
        {"total_ms", milliseconds(row[Counter::total_time])},
        {"mean_ms", rounded(row.mean_ms())},
        {"p50_ms", rounded(row.quantile_ms(0.5))},
        {"p95_ms", rounded(row.quantile_ms(0.95))},
        {"p99_ms", rounded(row.quantile_ms(0.99))},
        {"max_ms", milliseconds(row.max_time)},
        {"wait_ms", milliseconds(row[Counter::wait_time])},
        {"server_ms", milliseconds(row[Counter::server_time])},
        {"client_ms", milliseconds(row[Counter::client_time])},
        {"replica_calls", row[Counter::replica_calls]},
        {"replica_share", replica_share(row)},
        {"retries", row[Counter::retries]},
        {"pins", row[Counter::pins]},
        {"repeat_bursts", row[Counter::repeat_bursts]},
        {"first_seen", epoch_time(row.first_seen)},
        {"last_seen", epoch_time(row.last_seen)},
    };
}

// [up to so many microseconds, calls]: a bucket for each power of two, from the first that has any
// to the last.
Json histogram_json(const pool::FineCounts& times) {
    Json buckets = Json::array();
    const auto all = times.total();
    std::uint64_t before = 0;
    for (unsigned bits = 0; bits <= 32 && before < all; ++bits) {
        const auto limit = std::uint64_t{1} << bits;
        const auto below = times.below(limit);
        if (below > 0) buckets.push_back({limit, below - before});
        before = below;
    }
    return buckets;
}

Json detail_json(const QueryRow& row) {
    auto json = row_json(row);
    json.erase("text");
    Json errors = Json::array();
    for (const auto& [sqlstate_class, count] : row.errors)
        errors.push_back({sqlstate_class, count});
    json["errors_by_class"] = std::move(errors);
    json["applications"] = row.applications;
    json["histogram"] = histogram_json(row.times);
    json["trace_id"] = row.trace_id;
    json["max_wait_ms"] = milliseconds(row.max_wait);
    json["longest_burst"] = row.longest_burst;
    return json;
}

// All users together: quantiles of several rows cannot be added up by whoever reads them.
Json sum_json(const std::vector<QueryRow>& rows) {
    QueryRow sum;
    sum.fingerprint = rows.front().fingerprint;
    sum.first_seen = rows.front().first_seen;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < sum.counters.size(); ++i)
            sum.counters[i] += row.counters[i];
        sum.times += row.times;
        sum.max_time = std::max(sum.max_time, row.max_time);
        sum.first_seen = std::min(sum.first_seen, row.first_seen);
        sum.last_seen = std::max(sum.last_seen, row.last_seen);
    }
    auto json = row_json(sum);
    for (const auto* const name : {"fingerprint", "text", "database", "user"})
        json.erase(name);
    json["histogram"] = histogram_json(sum.times);
    return json;
}

}  // namespace

std::optional<QueryWindow> query_window(std::string_view text) {
    if (text == "1m") return QueryWindow::minute;
    if (text == "5m") return QueryWindow::five_minutes;
    if (text == "15m") return QueryWindow::fifteen_minutes;
    if (text == "all") return QueryWindow::since_start;
    return std::nullopt;
}

std::optional<std::uint64_t> parse_fingerprint(std::string_view text) {
    constexpr std::size_t digits = 16;
    constexpr std::string_view hexadecimal = "0123456789abcdef";
    if (text.size() != digits) return std::nullopt;
    std::uint64_t id = 0;
    for (const char c : text) {
        const auto digit = hexadecimal.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        id = id << 4U | digit;
    }
    return id;
}

std::vector<const QueryRow*> top_queries(const std::vector<QueryRow>& rows, std::size_t most) {
    std::vector<const QueryRow*> top;
    top.reserve(rows.size());
    for (const auto& row : rows)
        top.push_back(&row);
    keep_top(top, most, [](const QueryRow* row) { return (*row)[Counter::total_time]; });
    return top;
}

std::string queries_json(
    const std::vector<QueryRow>& rows, std::chrono::duration<double> length, bool enabled
) {
    const auto total = rows.size();
    Json list = Json::array();
    for (const auto* row : top_queries(rows, most_queries))
        list.push_back(row_json(*row));
    return dumped({
        {"queries", std::move(list)},
        {"total", total},
        {"window_s", rounded(length.count())},
        {"enabled", enabled},
    });
}

std::string query_json(const std::vector<QueryRow>& rows) {
    const auto fingerprint = rows.front().fingerprint;
    const auto total = rows.size();
    auto sum = sum_json(rows);
    Json list = Json::array();
    for (const auto* row : top_queries(rows, most_queries))
        list.push_back(detail_json(*row));
    return dumped({
        {"fingerprint", router::fingerprint_text(fingerprint->id)},
        {"text", fingerprint->text},
        {"sum", std::move(sum)},
        {"queries", std::move(list)},
        {"total", total},
    });
}

std::string errors_json(std::vector<ErrorRow> rows) {
    const auto total = rows.size();
    keep_top(rows, most_errors, [](const ErrorRow& row) { return row.count; });
    Json list = Json::array();
    for (const auto& row : rows) {
        const auto& statement = row.last_fingerprint;
        list.push_back({
            {"sqlstate", row.sqlstate},
            {"database", row.database},
            {"user", row.user},
            {"from_server", row.from_server},
            {"count", row.count},
            {"first_seen", epoch_time(row.first_seen)},
            {"last_seen", epoch_time(row.last_seen)},
            {"fingerprint", statement ? router::fingerprint_text(statement->id) : std::string()},
        });
    }
    return dumped({{"errors", std::move(list)}, {"total", total}});
}

}  // namespace weir::proxy
