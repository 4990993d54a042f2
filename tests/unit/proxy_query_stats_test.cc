#include "proxy/query_reports.h"
#include "tests/unit/support/allocations.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace weir::proxy {

namespace {

using Counter = QueryCounter;
using std::chrono::milliseconds;

router::FingerprintRef fingerprint(std::uint64_t id) {
    auto made = std::make_shared<router::Fingerprint>();
    made->id = id;
    made->text = "SELECT " + std::to_string(id);
    return made;
}

QueryExecution took(std::uint64_t nanoseconds, std::uint64_t rows = 1) {
    QueryExecution done;
    done.total_time = done.server_time = nanoseconds;
    done.rows = rows;
    return done;
}

const pool::TimePoint now = pool::Clock::now();

std::vector<QueryRow> rows_of(const QueryTable& table) {
    return table.rows(now, std::chrono::system_clock::now());
}

void run(QueryTable& table, std::uint64_t id, std::uint32_t owner, std::uint64_t time = 1000) {
    table.begin_group();
    QueryTable::record(table.find(fingerprint(id), owner, now), took(time), now);
}

std::uint64_t sum(const std::vector<QueryRow>& rows, Counter::Index counter) {
    std::uint64_t total = 0;
    for (const auto& row : rows)
        total += row[counter];
    return total;
}

}  // namespace

TEST_CASE("Histogram: buckets join, and a quantile is within 5 percent") {
    using Scale = pool::HistogramScale<4>;
    for (std::size_t i = 0; i < Scale::buckets; ++i) {
        CHECK(Scale::bucket_of(Scale::lower(i)) == i);
        CHECK(Scale::bucket_of(Scale::lower(i + 1) - 1) == i);
    }
    CHECK(Scale::bucket_of(~std::uint64_t{0}) == Scale::buckets - 1);
    pool::FineCounts counts;
    for (std::uint64_t value = 1; value <= 100'000; ++value)
        counts.record(value);
    for (const double q : {0.5, 0.9, 0.95, 0.99, 0.999}) {
        CAPTURE(q);
        const double exact = q * 100'000;
        CHECK(std::abs(counts.quantile(q) - exact) / exact < 0.05);
    }
    CHECK(counts.total() == 100'000);
    CHECK(counts.below(1024) == 1023);
    CHECK(pool::FineCounts().quantile(0.5) == 0);
}

TEST_CASE("QueryTable: a call that fails takes its time, and no wait is longer than its call") {
    QueryTable table(100);
    const auto owner = table.owner_of("d", "u");
    auto& entry = table.find(fingerprint(1), owner, now);
    QueryTable::record_failure(entry, took(2'000'000), now);
    table.record_error(&entry, "57014", owner, true, now);
    QueryTable::record(entry, took(5'000'000), now);
    QueryTable::record_failure(entry, took(9'000'000), now);
    table.record_error(&entry, "57014", owner, true, now);
    auto early = took(1'000'000);
    early.wait_time = 3'000'000;
    QueryTable::record(entry, early, now);
    const auto rows = rows_of(table);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].all_calls() == 4);
    CHECK(rows[0].times.total() == 4);
    CHECK(rows[0].max_time == 9'000'000);
    CHECK(rows[0].min_time == 1'000'000);
    CHECK(rows[0][Counter::total_time] == 17'000'000);
    CHECK(rows[0][Counter::wait_time] == 1'000'000);
    CHECK(rows[0].max_wait == 1'000'000);
}

TEST_CASE("QueryTable: rows by statement, database and user") {
    QueryTable table(100);
    const auto a = table.owner_of("d", "a");
    const auto b = table.owner_of("d", "b");
    CHECK(table.owner_of("d", "a") == a);
    CHECK(a != b);
    run(table, 1, a, 5'000'000);
    run(table, 1, a, 1'000'000);
    run(table, 1, b);
    run(table, 2, a);
    const auto rows = rows_of(table);
    REQUIRE(rows.size() == 3);
    const auto& first = rows[0];
    CHECK(first.text() == "SELECT 1");
    CHECK(first.database == "d");
    CHECK(first.user == "a");
    CHECK(first[Counter::calls] == 2);
    CHECK(first[Counter::rows] == 2);
    CHECK(first.total_ms() == doctest::Approx(6));
    CHECK(first.mean_ms() == doctest::Approx(3));
    CHECK(first.min_time == 1'000'000);
    CHECK(first.max_time == 5'000'000);
    CHECK(first.quantile_ms(1) == doctest::Approx(5).epsilon(0.05));
}

TEST_CASE("QueryTable: errors by SQLSTATE and its class") {
    QueryTable table(100);
    const auto owner = table.owner_of("d", "u");
    auto& entry = table.find(fingerprint(7), owner, now);
    table.record_error(&entry, "23505", owner, true, now);
    table.record_error(&entry, "23503", owner, true, now);
    table.record_error(nullptr, "57014", owner, false, now);
    const auto rows = rows_of(table);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0][Counter::failed_calls] == 2);
    REQUIRE(rows[0].errors.size() == 1);
    CHECK(rows[0].errors[0] == std::pair<std::string, std::uint64_t>("23", 2));
    const auto errors = table.errors(now, std::chrono::system_clock::now());
    REQUIRE(errors.size() == 3);
    CHECK(errors[0].sqlstate == "23505");
    CHECK(errors[0].last_fingerprint->id == 7);
    CHECK_FALSE(errors[2].from_server);
    CHECK(errors[2].last_fingerprint == nullptr);
}

TEST_CASE("QueryTable: a million texts are bounded, the sums stay right, the used ones stay") {
    constexpr std::size_t limit = 500;
    constexpr std::uint64_t texts = 1'000'000;
    QueryTable table(limit);
    const auto owner = table.owner_of("d", "u");
    for (std::uint64_t i = 0; i < texts; ++i) {
        run(table, 1000 + i, owner, 1000 + i % 1000);
        if (i % 10 == 0) run(table, 1, owner);
    }
    CHECK(table.size() <= limit);
    CHECK(table.evictions() >= texts - limit);
    const auto rows = rows_of(table);
    CHECK(rows.size() <= limit + 1);
    CHECK(rows.back().is_other());
    CHECK(sum(rows, Counter::calls) == texts + texts / 10);
    CHECK(sum(rows, Counter::rows) == texts + texts / 10);
    CHECK(sum(rows, Counter::total_time) == 1000 * (texts + texts / 10) + 499'500 * (texts / 1000));
    std::uint64_t recorded = 0;
    for (const auto& row : rows)
        recorded += row.times.total();
    CHECK(recorded == texts + texts / 10);
    const auto used = std::find_if(rows.begin(), rows.end(), [](const QueryRow& row) {
        return !row.is_other() && row.fingerprint->id == 1;
    });
    REQUIRE(used != rows.end());
    CHECK((*used)[Counter::calls] == texts / 10);
}

TEST_CASE("QueryTable: what runs keeps its row, and with no room counts as other") {
    QueryTable table(10);
    const auto owner = table.owner_of("d", "u");
    std::vector<QueryEntry*> running;
    for (std::uint64_t i = 1; i <= 10; ++i) {
        running.push_back(&table.find(fingerprint(i), owner, now));
        ++running.back()->in_use;
    }
    run(table, 99, owner);
    const auto rows = rows_of(table);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].is_other());
    CHECK(rows[0][Counter::calls] == 1);
    for (auto* entry : running)
        CHECK(entry->fingerprint != nullptr);
    table.reset();
    CHECK(rows_of(table).empty());
    CHECK(running[0]->fingerprint->id == 1);
}

TEST_CASE("QueryTable: a known statement costs no allocation") {
    QueryTable table(100);
    const auto owner = table.owner_of("d", "u");
    const auto known = fingerprint(5);
    table.find(known, owner, now);
    const auto before = test::allocations();
    for (int i = 0; i < 1000; ++i) {
        table.begin_group();
        QueryTable::record(table.find(known, owner, now), took(1000), now);
    }
    CHECK(test::allocations() == before);
}

TEST_CASE("QueryReports: workers are added up, windows are what was added since") {
    QueryTable first(100), second(100);
    QueryReports reports({&first, &second});
    const auto a = first.owner_of("d", "u");
    second.owner_of("x", "y");
    const auto b = second.owner_of("d", "u");
    run(first, 1, a, 2'000'000);
    run(second, 1, b, 4'000'000);
    auto rows = reports.rows(QueryWindow::since_start);
    REQUIRE(rows.size() == 1);
    CHECK(rows[0][Counter::calls] == 2);
    CHECK(rows[0].min_time == 2'000'000);
    CHECK(rows[0].max_time == 4'000'000);
    CHECK(reports.rows(QueryWindow::minute).size() == 1);
    // Five minutes of samples.
    auto at = pool::Clock::now();
    for (int i = 0; i < 20; ++i)
        reports.sample(at += QueryReports::sample_period);
    CHECK(reports.rows(QueryWindow::minute).empty());
    run(first, 1, a, 8'000'000);
    run(first, 2, a);
    rows = reports.rows(QueryWindow::minute);
    REQUIRE(rows.size() == 2);
    CHECK(sum(rows, Counter::calls) == 2);
    CHECK(sum(reports.rows(QueryWindow::fifteen_minutes), Counter::calls) == 4);
    CHECK(reports.rows_of(2).size() == 1);
    // Who asks at the same time is given the same.
    CHECK(reports.snapshot(QueryWindow::minute) == reports.snapshot(QueryWindow::minute));
    reports.reset();
    first.reset();
    second.reset();
    CHECK(reports.rows(QueryWindow::since_start).empty());
    CHECK(reports.snapshot(QueryWindow::minute)->empty());
    CHECK(reports.rows(QueryWindow::minute).empty());
    run(first, 1, a);
    CHECK(sum(reports.rows(QueryWindow::minute), Counter::calls) == 1);
}

TEST_CASE("QueryReports: what leaves the table is not new in the window's other") {
    QueryTable table(10);
    QueryReports reports({&table});
    const auto owner = table.owner_of("d", "u");
    for (int i = 0; i < 50; ++i)
        run(table, 1, owner);
    auto at = pool::Clock::now();
    for (int i = 0; i < 5; ++i)
        reports.sample(at += QueryReports::sample_period);
    for (std::uint64_t id = 2; id < 300; ++id)
        run(table, id, owner);
    CHECK(sum(reports.rows(QueryWindow::since_start), Counter::calls) == 348);
    CHECK(sum(reports.rows(QueryWindow::minute), Counter::calls) == 298);
}

}  // namespace weir::proxy
