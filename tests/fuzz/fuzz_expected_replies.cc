// The expected replies. The first byte chooses: a conversation with a modelled server, in which
// every label must be right; or any calls in any order, which must never break the tracker.
#include "protocol/expected_replies.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/protocol_replies_model.h"

using namespace weir;
using namespace weir::protocol;

namespace {

void converse(const std::uint8_t* data, std::size_t size) {
    ExpectedReplies tracker;
    std::size_t at = 0;
    test::RepliesHarness harness(tracker, [&](std::size_t below) {
        return at < size ? data[at++] % below : below - 1;
    });
    while (at < size && harness.wrong().empty())
        harness.turn();
    harness.finish();
    if (!harness.wrong().empty()) std::fprintf(stderr, "%s\n", harness.wrong().c_str());
    FUZZ_CHECK(harness.wrong().empty());
}

void check_state(const ExpectedReplies& tracker) {
    FUZZ_CHECK((tracker.front() == nullptr) == (tracker.size() == 0));
    if (tracker.in_sync()) {
        FUZZ_CHECK(tracker.size() == 0 && !tracker.copy_in() && !tracker.needs_sync());
    }
    if (tracker.needs_sync()) FUZZ_CHECK(tracker.size() == 0);
}

void settle(ExpectedReplies& tracker) {
    const auto before = tracker.size();
    std::size_t gone = 0;
    while (const auto invented = tracker.next_invented()) {
        FUZZ_CHECK(invented->reply == Reply::invent);
        ++gone;
    }
    while (const auto dropped = tracker.next_dropped()) {
        FUZZ_CHECK(dropped->request != Request::sync);
        ++gone;
    }
    FUZZ_CHECK(tracker.size() + gone == before);
    if (const auto* front = tracker.front()) FUZZ_CHECK(front->reply != Reply::invent);
}

void call_anything(const std::uint8_t* data, std::size_t size) {
    ExpectedReplies tracker;
    for (std::size_t at = 0; at + 1 < size; at += 2) {
        const auto argument = data[at + 1];
        const Expected expected{
            static_cast<Request>(argument % 9), static_cast<Reply>(argument / 9 % 2), argument};
        const auto before = tracker.size();
        switch (data[at] % 6) {
            case 0:
                FUZZ_CHECK(tracker.sent(expected) == (tracker.size() == before + 1));
                break;
            case 1:
                if (expected.request == Request::sync) break;
                FUZZ_CHECK(tracker.invent(expected) == (tracker.size() == before + 1));
                break;
            case 2:
                tracker.copy_input_ended();
                FUZZ_CHECK(!tracker.copy_in());
                break;
            case 3:
                settle(tracker);
                break;
            default: {
                const auto step = tracker.on_message(static_cast<char>(argument));
                FUZZ_CHECK(tracker.size() <= before);
                // Syncs that COPY ignores aside, only what is complete is gone.
                if (step.verdict == ExpectedReplies::Verdict::violation || !step.about) {
                    FUZZ_CHECK(tracker.size() == before && !step.completes);
                }
                settle(tracker);
            }
        }
        check_state(tracker);
    }
    tracker.clear();
    FUZZ_CHECK(tracker.in_sync() && !tracker.sync_in_doubt());
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    if (data[0] % 4 == 0) {
        call_anything(data + 1, size - 1);
    } else {
        converse(data + 1, size - 1);
    }
    return 0;
}
