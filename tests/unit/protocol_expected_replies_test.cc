#include "protocol/expected_replies.h"
#include "protocol/message.h"

#include <doctest/doctest.h>

#include <string>

using namespace weir::protocol;

namespace {

using Verdict = ExpectedReplies::Verdict;

struct Row {
    Request request;
    const char* name;
    // Messages that go on with its answer, and those that complete it.
    std::string keep;
    std::string complete;
};

// Every message that a server may send for a request, if it is the first one.
const Row rows[] = {
    {Request::parse, "Parse", "", "1E"},
    {Request::bind, "Bind", "", "2E"},
    {Request::describe_statement, "Describe statement", "t", "TnE"},
    {Request::describe_portal, "Describe portal", "", "TnE"},
    {Request::execute, "Execute", "DGH", "CIsE"},
    {Request::close, "Close", "", "3E"},
    {Request::sync, "Sync", "E", "Z"},
    {Request::query, "Query", "TDCIGHE", "Z"},
    {Request::function_call, "FunctionCall", "VE", "Z"},
};

// Follows `types`; the tag of the request that each belongs to: "1:7 Z:8 " or "X!" for a violation.
std::string follow(ExpectedReplies& tracker, std::string_view types) {
    std::string seen;
    const auto settle = [&] {
        while (const auto invented = tracker.next_invented()) {
            seen += "+" + std::to_string(invented->tag) + " ";
        }
        while (const auto dropped = tracker.next_dropped()) {
            seen += "-" + std::to_string(dropped->tag) + " ";
        }
    };
    settle();
    for (const char type : types) {
        const auto step = tracker.on_message(type);
        seen.push_back(type);
        if (step.verdict == Verdict::violation) return seen + "!";
        if (step.verdict == Verdict::swallow) seen += "~";
        seen += step.about ? ":" + std::to_string(step.about->tag) : "";
        seen += step.completes ? ". " : " ";
        settle();
    }
    return seen;
}

void send(ExpectedReplies& tracker, std::initializer_list<Expected> requests) {
    for (const auto& request : requests)
        CHECK(tracker.sent(request));
}

}  // namespace

TEST_CASE("ExpectedReplies: each message behind each request, forwarded and swallowed") {
    for (const auto& row : rows) {
        CAPTURE(row.name);
        for (const auto reply : {Reply::forward, Reply::swallow}) {
            for (int byte = 0; byte < 256; ++byte) {
                const char type = static_cast<char>(byte);
                CAPTURE(byte);
                ExpectedReplies tracker;
                REQUIRE(tracker.sent({row.request, reply, 7}));
                const auto step = tracker.on_message(type);
                if (type != 0 && std::string_view("NSA").find(type) != std::string_view::npos) {
                    CHECK(step.verdict == Verdict::forward);
                    CHECK_FALSE(step.about.has_value());
                    CHECK_FALSE(step.completes);
                    CHECK(tracker.size() == 1);
                    continue;
                }
                const bool completes = type != 0 && row.complete.find(type) != std::string::npos;
                const bool keeps = type != 0 && row.keep.find(type) != std::string::npos;
                if (!completes && !keeps) {
                    CHECK(step.verdict == Verdict::violation);
                    continue;
                }
                CHECK(
                    step.verdict == (reply == Reply::swallow ? Verdict::swallow : Verdict::forward)
                );
                REQUIRE(step.about.has_value());
                CHECK(step.about->tag == 7);
                CHECK(step.completes == completes);
                CHECK(tracker.size() == (completes ? 0 : 1));
            }
        }
    }
}

TEST_CASE("ExpectedReplies: a server that owes nothing may only talk of itself or leave") {
    for (int byte = 0; byte < 256; ++byte) {
        const char type = static_cast<char>(byte);
        CAPTURE(byte);
        ExpectedReplies tracker;
        const bool fine =
            type != 0 && std::string_view("NSAE").find(type) != std::string_view::npos;
        const auto step = tracker.on_message(type);
        CHECK(step.verdict == (fine ? Verdict::forward : Verdict::violation));
        CHECK_FALSE(step.about.has_value());
        CHECK(tracker.in_sync());
    }
}

TEST_CASE("ExpectedReplies: a pipeline, with an error at each of its steps") {
    const std::initializer_list<Expected> pipeline{
        {Request::parse, Reply::forward, 1},
        {Request::bind, Reply::forward, 2},
        {Request::describe_portal, Reply::swallow, 3},
        {Request::execute, Reply::forward, 4},
        {Request::close, Reply::forward, 5},
        {Request::sync, Reply::forward, 6},
        {Request::parse, Reply::forward, 7},
        {Request::sync, Reply::forward, 8},
    };
    const auto run = [&](std::string_view types) {
        ExpectedReplies tracker;
        send(tracker, pipeline);
        const auto seen = follow(tracker, types);
        CHECK(tracker.in_sync());
        return seen;
    };
    CHECK(run("12TDDC3Z1Z") == "1:1. 2:2. T~:3. D:4 D:4 C:4. 3:5. Z:6. 1:7. Z:8. ");
    CHECK(run("EZ1Z") == "E:1. -2 -3 -4 -5 Z:6. 1:7. Z:8. ");
    CHECK(run("1EZ1Z") == "1:1. E:2. -3 -4 -5 Z:6. 1:7. Z:8. ");
    CHECK(run("12EZ1Z") == "1:1. 2:2. E~:3. -4 -5 Z:6. 1:7. Z:8. ");
    CHECK(run("12nEZ1Z") == "1:1. 2:2. n~:3. E:4. -5 Z:6. 1:7. Z:8. ");
    CHECK(run("12nDEZ1Z") == "1:1. 2:2. n~:3. D:4 E:4. -5 Z:6. 1:7. Z:8. ");
    CHECK(run("12nsEZ1Z") == "1:1. 2:2. n~:3. s:4. E:5. Z:6. 1:7. Z:8. ");
    // A deferred constraint fails at Sync, which answers all the same.
    CHECK(run("12nI3EZ1Z") == "1:1. 2:2. n~:3. I:4. 3:5. E:6 Z:6. 1:7. Z:8. ");
    CHECK(run("12nI3ZEZ") == "1:1. 2:2. n~:3. I:4. 3:5. Z:6. E:7. Z:8. ");
    CHECK(run("12nI3Z1EZ") == "1:1. 2:2. n~:3. I:4. 3:5. Z:6. 1:7. E:8 Z:8. ");
}

TEST_CASE("ExpectedReplies: a simple query goes on after an error of an earlier one") {
    ExpectedReplies tracker;
    send(tracker, {{Request::query, Reply::swallow, 1}, {Request::query, Reply::forward, 2}});
    CHECK(follow(tracker, "EZTDDCCZ") == "E~:1 Z~:1. T:2 D:2 D:2 C:2 C:2 Z:2. ");
    CHECK(tracker.in_sync());
    send(tracker, {{Request::function_call, Reply::forward, 3}});
    CHECK(follow(tracker, "VZ") == "V:3 Z:3. ");
    CHECK(tracker.in_sync());
}

TEST_CASE("ExpectedReplies: a Query behind an error of the extended protocol is skipped") {
    ExpectedReplies tracker;
    send(tracker, {{Request::parse, Reply::swallow, 1}, {Request::query, Reply::forward, 2}});
    CHECK(follow(tracker, "E") == "E~:1. -2 ");
    CHECK(tracker.needs_sync());
    CHECK_FALSE(tracker.in_sync());
    CHECK_FALSE(tracker.sent({Request::bind, Reply::forward, 3}));
    CHECK_FALSE(tracker.invent({Request::parse, Reply::invent, 4}));
    // Only a Sync helps, and nothing comes before its answer.
    ExpectedReplies broken = tracker;
    CHECK(follow(broken, "1") == "1!");
    send(tracker, {{Request::sync, Reply::forward, 5}});
    CHECK_FALSE(tracker.needs_sync());
    CHECK(follow(tracker, "Z") == "Z:5. ");
    CHECK(tracker.in_sync());
}

TEST_CASE("ExpectedReplies: what is sent behind a Sync counts, though an error is reported") {
    ExpectedReplies tracker;
    send(tracker, {{Request::parse, Reply::forward, 1}, {Request::sync, Reply::forward, 2}});
    CHECK(follow(tracker, "E") == "E:1. ");
    send(tracker, {{Request::parse, Reply::forward, 3}});
    CHECK(tracker.invent({Request::close, Reply::invent, 4}));
    send(tracker, {{Request::sync, Reply::forward, 5}});
    CHECK(follow(tracker, "Z1Z") == "Z:2. 1:3. +4 Z:5. ");
    CHECK(tracker.in_sync());
}

TEST_CASE("ExpectedReplies: invented replies keep their places among real ones") {
    ExpectedReplies tracker;
    CHECK(tracker.invent({Request::parse, Reply::forward, 1}));
    CHECK(follow(tracker, "") == "+1 ");
    send(tracker, {{Request::bind, Reply::forward, 2}});
    CHECK(tracker.invent({Request::close, Reply::invent, 3}));
    CHECK(tracker.invent({Request::parse, Reply::invent, 4}));
    send(tracker, {{Request::execute, Reply::forward, 5}});
    CHECK(tracker.invent({Request::close, Reply::invent, 6}));
    send(tracker, {{Request::sync, Reply::forward, 7}});
    SUBCASE("all goes well") {
        CHECK(follow(tracker, "N2DCZ") == "N 2:2. +3 +4 D:5 C:5. +6 Z:7. ");
    }
    SUBCASE("an error drops those behind it") {
        CHECK(follow(tracker, "EZ") == "E:2. -3 -4 -5 -6 Z:7. ");
    }
    SUBCASE("an error does not drop those before it") {
        CHECK(follow(tracker, "2EZ") == "2:2. +3 +4 E:5. -6 Z:7. ");
    }
    CHECK(tracker.in_sync());
}

TEST_CASE("ExpectedReplies: COPY FROM STDIN as a simple query, several times in one text") {
    ExpectedReplies tracker;
    send(tracker, {{Request::query, Reply::forward, 1}});
    CHECK(follow(tracker, "G") == "G:1 ");
    CHECK(tracker.copy_in());
    CHECK_FALSE(tracker.in_sync());
    SUBCASE("done, then the next one, which fails") {
        tracker.copy_input_ended();
        CHECK_FALSE(tracker.copy_in());
        CHECK(follow(tracker, "CG") == "C:1 G:1 ");
        CHECK(tracker.copy_in());
        tracker.copy_input_ended();
        CHECK(follow(tracker, "EZ") == "E:1 Z:1. ");
    }
    SUBCASE("a row is refused before the end") {
        CHECK(follow(tracker, "NEZ") == "N E:1 Z:1. ");
        CHECK_FALSE(tracker.copy_in());
    }
    CHECK(tracker.in_sync());
    // CopyDone behind the error: nothing changes.
    tracker.copy_input_ended();
    CHECK(tracker.in_sync());
}

TEST_CASE("ExpectedReplies: a Sync in COPY FROM STDIN is ignored, on its way or sent later") {
    ExpectedReplies tracker;
    send(tracker, {{Request::execute, Reply::forward, 1}, {Request::sync, Reply::forward, 2}});
    CHECK(follow(tracker, "G") == "G:1 ");
    CHECK(tracker.size() == 1);
    CHECK_FALSE(tracker.sent({Request::sync, Reply::forward, 3}));
    tracker.copy_input_ended();
    send(tracker, {{Request::sync, Reply::forward, 4}});
    CHECK(follow(tracker, "CZ") == "C:1. Z:4. ");
    CHECK(tracker.in_sync());
    CHECK_FALSE(tracker.sync_in_doubt());
}

TEST_CASE("ExpectedReplies: invented replies do not hide a Sync that COPY ignores") {
    ExpectedReplies tracker;
    send(tracker, {{Request::execute, Reply::forward, 1}});
    CHECK(tracker.invent({Request::close, Reply::invent, 2}));
    send(tracker, {{Request::sync, Reply::forward, 3}});
    CHECK(follow(tracker, "G") == "G:1 ");
    tracker.copy_input_ended();
    send(tracker, {{Request::sync, Reply::forward, 4}});
    CHECK(follow(tracker, "CZ") == "C:1. +2 Z:4. ");
    CHECK(tracker.in_sync());
}

// COPY view FROM STDIN, a trigger BEFORE INSERT FOR EACH STATEMENT: PostgreSQL answers
// CopyInResponse and fails before it reads, so the Sync on its way is not ignored. With bad data it
// is. The messages are the same.
TEST_CASE("ExpectedReplies: an error in COPY with a Sync on its way puts the server in doubt") {
    ExpectedReplies tracker;
    send(tracker, {{Request::execute, Reply::forward, 1}, {Request::sync, Reply::swallow, 2}});
    CHECK(follow(tracker, "GE") == "G:1 E:1. ");
    CHECK(tracker.sync_in_doubt());
    CHECK(tracker.needs_sync());
    SUBCASE("the Sync was read behind the error: its answer resolves the doubt") {
        CHECK(follow(tracker, "Z") == "Z~:2. ");
        CHECK(tracker.in_sync());
        CHECK_FALSE(tracker.sync_in_doubt());
    }
    SUBCASE("it was not, or not yet: the next one is answered, and the doubt stays") {
        send(tracker, {{Request::sync, Reply::forward, 3}});
        CHECK(follow(tracker, "Z") == "Z:3. ");
        CHECK(tracker.in_sync());
        CHECK(tracker.sync_in_doubt());
        CHECK(follow(tracker, "Z") == "Z!");
    }
    tracker.clear();
    CHECK_FALSE(tracker.sync_in_doubt());
}

TEST_CASE("ExpectedReplies: COPY TO STDOUT, and no ReadyForQuery within") {
    ExpectedReplies tracker;
    send(tracker, {{Request::execute, Reply::forward, 1}, {Request::sync, Reply::forward, 2}});
    SUBCASE("whole") {
        CHECK(follow(tracker, "HddNdcCZ") == "H:1 d:1 d:1 N d:1 c:1 C:1. Z:2. ");
        CHECK(tracker.in_sync());
    }
    SUBCASE("an error within") {
        CHECK(follow(tracker, "HdEZ") == "H:1 d:1 E:1. Z:2. ");
        CHECK(tracker.in_sync());
    }
    SUBCASE("a Sync on its way stays") {
        CHECK(follow(tracker, "H") == "H:1 ");
        CHECK(tracker.size() == 2);
        CHECK_FALSE(tracker.copy_in());
    }
    SUBCASE("data without COPY") {
        CHECK(follow(tracker, "d") == "d!");
    }
    SUBCASE("rows within") {
        CHECK(follow(tracker, "HD") == "H:1 D!");
    }
    SUBCASE("COPY within COPY") {
        CHECK(follow(tracker, "HG") == "H:1 G!");
    }
    SUBCASE("ReadyForQuery within") {
        CHECK(follow(tracker, "HZ") == "H:1 Z!");
    }
    SUBCASE("suspended within") {
        CHECK(follow(tracker, "Hs") == "H:1 s!");
    }
}

TEST_CASE("ExpectedReplies: COPY both ways is for replication only, which nobody asks for here") {
    ExpectedReplies tracker;
    send(tracker, {{Request::query, Reply::forward, 1}});
    CHECK(follow(tracker, "W") == "W!");
}

TEST_CASE("ExpectedReplies: a farewell while nothing, or an answer, is owed") {
    ExpectedReplies tracker;
    CHECK(follow(tracker, "E") == "E ");
    CHECK(tracker.in_sync());
    send(tracker, {{Request::parse, Reply::forward, 1}});
    CHECK(follow(tracker, "EE") == "E:1. E ");
    CHECK(tracker.needs_sync());
    tracker.clear();
    CHECK(tracker.in_sync());
    CHECK(tracker.front() == nullptr);
}
