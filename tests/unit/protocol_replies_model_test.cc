#include "tests/unit/protocol_replies_model.h"

#include <doctest/doctest.h>

#include <random>

using namespace weir;
using namespace weir::test;
using protocol::ExpectedReplies;

namespace {

struct Seen {
    std::size_t errors = 0;
    std::size_t copies = 0;
    std::size_t invented = 0;
    std::size_t dropped = 0;
};

// One conversation, the same for the same seed.
void converse(
    ExpectedReplies& tracker, unsigned seed, std::size_t turns, bool to_the_end, Seen& seen
) {
    std::mt19937 random(seed);
    RepliesHarness harness(tracker, [&random](std::size_t below) { return random() % below; });
    for (std::size_t turn = 0; turn < turns; ++turn)
        harness.turn();
    if (to_the_end) harness.finish();
    CAPTURE(seed);
    REQUIRE(harness.wrong() == "");
    seen.errors += harness.errors();
    seen.copies += harness.copies();
    seen.invented += harness.invented();
    seen.dropped += harness.dropped();
}

}  // namespace

TEST_CASE("ExpectedReplies: every reply of a modelled server finds its request") {
    Seen seen;
    for (unsigned seed = 0; seed < 3000; ++seed) {
        ExpectedReplies tracker;
        converse(tracker, seed, 20 + seed % 200, true, seen);
    }
    // The model does what it is for.
    CHECK(seen.errors > 1000);
    CHECK(seen.copies > 1000);
    CHECK(seen.invented > 1000);
    CHECK(seen.dropped > 1000);
}

TEST_CASE("ExpectedReplies: a conversation that is cut after every turn leaves nothing behind") {
    Seen seen;
    ExpectedReplies tracker;
    for (unsigned seed = 0; seed < 40; ++seed) {
        for (std::size_t turns = 0; turns < 60; ++turns) {
            converse(tracker, seed, turns, false, seen);
            tracker.clear();
            CHECK(tracker.in_sync());
            CHECK(tracker.size() == 0);
            CHECK_FALSE(tracker.copy_in());
            CHECK_FALSE(tracker.needs_sync());
            CHECK_FALSE(tracker.sync_in_doubt());
        }
        converse(tracker, seed, 60, true, seen);
        tracker.clear();
    }
}
