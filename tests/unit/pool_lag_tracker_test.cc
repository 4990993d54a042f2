#include "pool/lag_tracker.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace weir::pool;
using namespace std::chrono_literals;

namespace {

SteadyTime moment(std::chrono::milliseconds since) {
    return SteadyTime(std::chrono::hours(1)) + since;
}

Lsn lsn(std::uint64_t value) {
    return Lsn{value};
}

}  // namespace

TEST_CASE("Lsn: PostgreSQL's text, both ways") {
    for (const char* text : {"0/0", "0/16B3748", "16/B374D848", "FFFFFFFF/FFFFFFFF", "1/0"}) {
        CAPTURE(text);
        const auto read = parse_lsn(text);
        REQUIRE(read);
        CHECK(to_text(*read) == text);
    }
    CHECK(parse_lsn("0/16b3748") == parse_lsn("0/16B3748"));
    CHECK(parse_lsn("00/016B3748") == Lsn{0x16B3748});
    for (const char* text :
         {"",
          "/",
          "0/",
          "/0",
          "0",
          "0/0/0",
          "0x1/0",
          "-1/0",
          "0/+1",
          " 0/0",
          "0/0 ",
          "123456789/0",
          "0/G",
          "0/123456789"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_lsn(text));
    }
    CHECK(*parse_lsn("0/FFFFFFFF") < *parse_lsn("1/0"));
    CHECK(bytes_between(*parse_lsn("0/FFFFFFFF"), *parse_lsn("1/0")) == 1);
    CHECK(bytes_between(*parse_lsn("1/0"), *parse_lsn("0/FFFFFFFF")) == 0);
}

TEST_CASE("Lsn: an insert LSN behind a page's or a segment's header is lowered to the boundary") {
    CHECK(to_text(reachable(*parse_lsn("0/4000028"))) == "0/4000000");
    CHECK(to_text(reachable(*parse_lsn("0/4002018"))) == "0/4002000");
    // Anywhere else it stays: a record may end there.
    for (const char* text : {"0/4000000", "0/4000018", "0/4002028", "0/4000029", "0/4002019"}) {
        CAPTURE(text);
        CHECK(to_text(reachable(*parse_lsn(text))) == text);
    }
    // With segments of 1 MB there are more boundaries, with 64 MB fewer.
    CHECK(to_text(reachable(*parse_lsn("0/4100028"), 1 << 20)) == "0/4100000");
    CHECK(to_text(reachable(*parse_lsn("0/5000028"), 64 << 20)) == "0/5000028");
    CHECK(to_text(reachable(*parse_lsn("0/5000018"), 64 << 20)) == "0/5000000");
}

TEST_CASE("LagTracker: without a sample, or without a replay LSN, nothing is known") {
    LagTracker lags;
    CHECK(lags.lag_of(lsn(100), moment(0ms), moment(0ms)) == Lag{});
    lags.primary_was_at(moment(0ms), lsn(100));
    CHECK(lags.lag_of(Lsn(), moment(0ms), moment(0ms)) == Lag{});
    lags.primary_was_at(moment(0ms), Lsn());
    CHECK(lags.lag_of(lsn(100), moment(0ms), moment(0ms)) == Lag{0, 0ms, false});
}

TEST_CASE("LagTracker: an idle primary's replicas have no lag, however long it is idle") {
    LagTracker lags;
    for (int i = 0; i < 36000; ++i)
        lags.primary_was_at(moment(i * 100ms), *parse_lsn("0/4000028"));
    CHECK(lags.size() == 1);
    CHECK(lags.lag_of(*parse_lsn("0/4000000"), moment(3600s), moment(3600s)) == Lag{0, 0ms, false});
}

TEST_CASE("LagTracker: a disconnected or paused replica's lag grows with the clock") {
    LagTracker lags;
    for (int i = 0; i <= 100; ++i)
        lags.primary_was_at(moment(i * 100ms), lsn(1000 + static_cast<std::uint64_t>(i) * 100));
    // It stopped at what the primary had at 2 s.
    const Lsn stopped = lsn(1000 + 20 * 100);
    CHECK(lags.lag_of(stopped, moment(10s), moment(10s)) == Lag{8000, 8000ms, false});
    CHECK(lags.lag_of(stopped, moment(10100ms), moment(10100ms)).time == 8100ms);
    // Between two samples the LSN is taken to have risen evenly.
    CHECK(lags.lag_of(lsn(stopped.value + 50), moment(10s), moment(10s)).time == 7950ms);
    // Behind everything that is remembered: at least so much.
    CHECK(lags.lag_of(lsn(999), moment(10s), moment(10s)) == Lag{10001, 10000ms, true});
}

TEST_CASE("LagTracker: the primary goes on after an idle time: lag counts from then") {
    LagTracker lags;
    lags.primary_was_at(moment(0s), lsn(1000));
    for (int i = 1; i <= 600; ++i)
        lags.primary_was_at(moment(i * 100ms), lsn(1000));
    lags.primary_was_at(moment(60100ms), lsn(2000));
    CHECK(lags.lag_of(lsn(1000), moment(60200ms), moment(60200ms)).time == 200ms);
}

TEST_CASE("LagTracker: a primary that is silent makes even a caught-up replica's lag grow") {
    LagTracker lags;
    lags.primary_was_at(moment(0s), lsn(1000));
    CHECK(lags.lag_of(lsn(1000), moment(1400ms), moment(1400ms)).time == 0ms);
    CHECK(lags.lag_of(lsn(1000), moment(5s), moment(5s)).time == 5s);
    CHECK(lags.lag_of(lsn(1000), moment(5s), moment(5s)).bytes == 0);
    // And an old look at the replica counts in full.
    lags.primary_was_at(moment(5s), lsn(1000));
    CHECK(lags.lag_of(lsn(1000), moment(1s), moment(5s)).time == 4s);
}

TEST_CASE("LagTracker: a replica seen before the newest sample has no negative lag") {
    LagTracker lags;
    lags.primary_was_at(moment(0ms), lsn(1000));
    lags.primary_was_at(moment(100ms), lsn(2000));
    CHECK(lags.lag_of(lsn(1900), moment(50ms), moment(100ms)).time == 0ms);
    CHECK(lags.lag_of(lsn(3000), moment(50ms), moment(100ms)) == Lag{0, 0ms, false});
}

TEST_CASE("LagTracker: samples every 5 ms keep the resolution and the memory") {
    LagTracker lags;
    for (int i = 0; i <= 20000; ++i)
        lags.primary_was_at(moment(i * 5ms), lsn(1000 + static_cast<std::uint64_t>(i)));
    CHECK(lags.size() <= 512);
    for (const int behind : {100, 200, 1000, 5000}) {
        const auto lag = lags.lag_of(
            lsn(1000 + 20000 - static_cast<unsigned>(behind)), moment(100s), moment(100s)
        );
        CHECK(std::abs(lag.time->count() - behind * 5) <= 100);
    }
}

TEST_CASE("LagTracker: a lag of hours is still known to a few percent") {
    LagTracker lags;
    const int samples = 5 * 36000;
    // The WAL comes in bursts, so that reading between samples is no help.
    std::uint64_t position = 1000;
    std::vector<std::uint64_t> positions;
    for (int i = 0; i <= samples; ++i) {
        position += i % 977 < 100 ? 5000 : 1;
        positions.push_back(position);
        lags.primary_was_at(moment(i * 100ms), lsn(position));
    }
    CHECK(lags.size() <= 512);
    for (const int seconds : {1, 60, 600, 3600, 14400}) {
        const auto index = static_cast<std::size_t>(samples - seconds * 10);
        const auto lag =
            lags.lag_of(lsn(positions[index]), moment(samples * 100ms), moment(samples * 100ms));
        CAPTURE(seconds);
        CHECK_FALSE(lag.at_least);
        CHECK(std::abs(lag.time->count() - seconds * 1000) <= std::max(100, seconds * 50));
    }
}

TEST_CASE("LagTracker: what an old primary, or a crashed one, had beyond is forgotten") {
    LagTracker lags;
    for (int i = 0; i <= 10; ++i)
        lags.primary_was_at(moment(i * 100ms), lsn(1000 + static_cast<std::uint64_t>(i) * 100));
    lags.primary_changed(lsn(1500));
    CHECK(lags.newest() == lsn(1500));
    CHECK(lags.lag_of(lsn(1500), moment(1s), moment(1s)).bytes == 0);
    // A restart after a crash on the same timeline.
    lags.primary_was_at(moment(1100ms), lsn(1450));
    CHECK(lags.newest() == lsn(1450));
    CHECK(lags.lag_of(lsn(1400), moment(1200ms), moment(1200ms)).time == 800ms);
    // An answer from before is no news.
    lags.primary_was_at(moment(1000ms), lsn(9000));
    CHECK(lags.newest() == lsn(1450));
}
