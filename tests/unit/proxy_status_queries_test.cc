// Statements that have finished, as JSON and as a plain table.
#include "proxy/status_page.h"
#include "proxy/status_queries.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

using namespace weir;
using namespace weir::proxy;

namespace {

using Json = nlohmann::json;
using Counter = QueryCounter;

QueryRow row_of(std::uint64_t id, std::string text, std::uint64_t total_ms = 1) {
    auto made = std::make_shared<router::Fingerprint>();
    made->id = id;
    made->text = std::move(text);
    QueryRow row;
    row.fingerprint = std::move(made);
    row.database = "shop";
    row.user = "alice";
    row.counters[Counter::calls] = 1;
    row.counters[Counter::total_time] = total_ms * 1'000'000;
    row.max_time = total_ms * 1'000'000;
    row.times.record(total_ms * 1000);
    return row;
}

Json queries_of(std::vector<QueryRow> rows) {
    return Json::parse(queries_json(std::move(rows), std::chrono::seconds(60), true));
}

}  // namespace

TEST_CASE("query_window, parse_fingerprint: what is asked for, and nothing that looks like it") {
    CHECK(query_window("1m") == QueryWindow::minute);
    CHECK(query_window("5m") == QueryWindow::five_minutes);
    CHECK(query_window("15m") == QueryWindow::fifteen_minutes);
    CHECK(query_window("all") == QueryWindow::since_start);
    for (const auto* const text : {"", "1", "15", "1M", "all ", "60m"}) {
        CAPTURE(text);
        CHECK_FALSE(query_window(text));
    }
    CHECK(parse_fingerprint("00000000000000ff") == 0xffU);
    CHECK(
        parse_fingerprint(router::fingerprint_text(~std::uint64_t{0} - 1)) == ~std::uint64_t{0} - 1
    );
    for (const auto* const text :
         {"",
          "ff",
          "00000000000000fg",
          "0x000000000000ff",
          "-0000000000000ff",
          "00000000000000ff0",
          "00000000000000FF"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_fingerprint(text));
    }
}

TEST_CASE("queries_json: a row has its numbers") {
    auto row = row_of(0xabc, "SELECT $1", 10);
    row.counters[Counter::calls] = 3;
    row.counters[Counter::failed_calls] = 1;
    row.counters[Counter::rows] = 7;
    row.counters[Counter::total_time] = 10'000'000;
    row.counters[Counter::wait_time] = 1'000'000;
    row.counters[Counter::server_time] = 2'000'000;
    row.counters[Counter::client_time] = 3'000'000;
    row.counters[Counter::replica_calls] = 2;
    row.counters[Counter::retries] = 4;
    row.counters[Counter::pins] = 5;
    row.counters[Counter::repeat_bursts] = 6;
    row.first_seen = std::chrono::system_clock::time_point(std::chrono::seconds(100));
    row.last_seen = std::chrono::system_clock::time_point(std::chrono::seconds(101));
    const auto json = queries_of({row});
    CHECK(json["total"] == 1);
    CHECK(json["window_s"] == 60);
    CHECK(json["enabled"] == true);
    const auto& one = json["queries"][0];
    CHECK(one["fingerprint"] == "0000000000000abc");
    CHECK(one["text"] == "SELECT $1");
    CHECK(one["database"] == "shop");
    CHECK(one["user"] == "alice");
    CHECK(one["calls"] == 3);
    CHECK(one["failed"] == 1);
    CHECK(one["rows"] == 7);
    CHECK(one["total_ms"] == 10);
    CHECK(one["mean_ms"] == 2.5);
    CHECK(one["p50_ms"].get<double>() == doctest::Approx(10).epsilon(0.05));
    CHECK(one["p99_ms"] == one["p95_ms"]);
    CHECK(one["max_ms"] == 10);
    CHECK(one["wait_ms"] == 1);
    CHECK(one["server_ms"] == 2);
    CHECK(one["client_ms"] == 3);
    CHECK(one["replica_share"] == 0.5);
    CHECK(one["retries"] == 4);
    CHECK(one["pins"] == 5);
    CHECK(one["repeat_bursts"] == 6);
    CHECK(one["first_seen"] == 100'000);
    CHECK(one["last_seen"] == 101'000);
}

TEST_CASE("queries_json: the most total time first, bounded; \"other\" has no fingerprint") {
    std::vector<QueryRow> rows;
    for (std::uint64_t i = 1; i <= 300; ++i)
        rows.push_back(row_of(i, "SELECT $1", i));
    QueryRow other;
    other.counters[Counter::total_time] = 1'000'000'000;
    rows.push_back(other);
    const auto json = queries_of(rows);
    CHECK(json["total"] == 301);
    REQUIRE(json["queries"].size() == most_queries);
    CHECK(json["queries"][0]["text"] == "other");
    CHECK(json["queries"][0]["fingerprint"] == "");
    CHECK(json["queries"][0]["mean_ms"] == 0);
    CHECK(json["queries"][1]["total_ms"] == 300);
    CHECK(json["queries"][199]["total_ms"] == 102);
    CHECK(queries_of({})["queries"].empty());
    CHECK(top_queries(rows, 1000).size() == 301);
}

TEST_CASE("query_json: each user's row, and the sum of all with its own quantiles") {
    auto few = row_of(1, "SELECT \xff", 1);
    auto many = row_of(1, "SELECT \xff", 1000);
    many.user = "bob";
    many.errors = {{"22", 2}, {"40", 1}};
    many.applications = {"app\xff", "web"};
    many.trace_id = "0af7651916cd43dd8448eb211c80319c";
    many.longest_burst = 12;
    for (int i = 0; i < 99; ++i)
        few.times.record(1000);
    const auto json = Json::parse(query_json({few, many}));
    CHECK(json["fingerprint"] == "0000000000000001");
    CHECK(json["text"] == "SELECT \xef\xbf\xbd");
    REQUIRE(json["queries"].size() == 2);
    const auto& bob = json["queries"][0];
    CHECK(bob["user"] == "bob");
    CHECK(bob["errors_by_class"] == Json::parse(R"([["22", 2], ["40", 1]])"));
    CHECK(bob["applications"] == Json::parse("[\"app\xef\xbf\xbd\", \"web\"]"));
    CHECK(bob["trace_id"] == many.trace_id);
    CHECK(bob["longest_burst"] == 12);
    CHECK(bob["histogram"] == Json::parse("[[1048576, 1]]"));
    CHECK(json["sum"]["total_ms"] == 1001);
    CHECK(json["sum"]["max_ms"] == 1000);
    CHECK(json["sum"]["p50_ms"].get<double>() == doctest::Approx(1).epsilon(0.05));
    const auto& histogram = json["sum"]["histogram"];
    REQUIRE(histogram.size() == 11);  // each power of two between, those without calls too
    CHECK(histogram.front() == Json::parse("[1024, 100]"));
    CHECK(histogram[1] == Json::parse("[2048, 0]"));
    CHECK(histogram.back() == Json::parse("[1048576, 1]"));
}

TEST_CASE("errors_json: those that came most often") {
    std::vector<ErrorRow> rows(most_errors + 1);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].sqlstate = "22012";
        rows[i].count = i;
    }
    rows.back().last_fingerprint = row_of(7, "SELECT $1").fingerprint;
    const auto json = Json::parse(errors_json(rows));
    CHECK(json["total"] == most_errors + 1);
    REQUIRE(json["errors"].size() == most_errors);
    CHECK(json["errors"][0]["count"] == most_errors);
    CHECK(json["errors"][0]["fingerprint"] == "0000000000000007");
    CHECK(json["errors"][1]["fingerprint"] == "");
    CHECK(json["errors"][0]["from_server"] == true);
}

TEST_CASE("status_tables: statements are text, whatever they have in them") {
    const auto row = row_of(1, "SELECT \"<script>\"", 2);
    const auto page = status_tables({}, {}, {&row});
    CHECK(page.body.find("<td>SELECT &quot;&lt;script&gt;&quot;</td>") != std::string::npos);
    CHECK(page.body.find("<td>0000000000000001</td>") != std::string::npos);
    CHECK(page.body.find("<td>2.000</td>") != std::string::npos);
}
