// Framing and expected replies of one transaction; the literal-blind key of its text.
#include "bench/micro.h"
#include "bench/wire.h"
#include "protocol/expected_replies.h"
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/sql_lexer.h"

#include <benchmark/benchmark.h>
#include <cstdlib>
#include <memory>

namespace weir::bench {

namespace {

using protocol::ExpectedReplies;
using protocol::Reply;
using protocol::Request;

// Walks whole messages by their headers and asks what to do with each.
std::size_t forwarded(Bytes bytes, ExpectedReplies& expected) {
    std::size_t forward = 0;
    while (bytes.size() >= protocol::message_header_size) {
        const std::size_t whole = std::size_t{protocol::FieldCursor(bytes.subspan(1, 4)).u32()} + 1;
        const auto step = expected.on_message(static_cast<char>(bytes[0]));
        if (step.verdict == ExpectedReplies::Verdict::forward) forward += whole;
        if (expected.next_invented() || expected.next_dropped()) std::abort();
        bytes = bytes.subspan(whole);
    }
    return forward;
}

Body replies(std::vector<Request> requests, bool extended) {
    auto expected = std::make_shared<ExpectedReplies>();
    return [expected, requests = std::move(requests), reply = select_reply(extended)] {
        for (const auto request : requests)
            expected->sent({request, Reply::forward, 0});
        if (forwarded(as_bytes(reply), *expected) != reply.size() || !expected->in_sync()) {
            std::abort();
        }
    };
}

const Micro simple("replies/simple", [] { return replies({Request::query}, false); });

const Micro prepared("replies/prepared", [] {
    return replies(
        {Request::bind, Request::describe_portal, Request::execute, Request::sync}, true
    );
});

const Micro bind("frames/parse_bind", [] {
    return [request = prepared_request()] {
        const auto bytes = as_bytes(request);
        const std::size_t whole = std::size_t{protocol::FieldCursor(bytes.subspan(1, 4)).u32()} + 1;
        auto parsed = protocol::parse_bind(
            bytes.subspan(protocol::message_header_size, whole - protocol::message_header_size)
        );
        if (!parsed) std::abort();
        benchmark::DoNotOptimize(parsed);
    };
});

const Micro blind_key("text/literal_blind_key", [] {
    return [text = account_query(123456), seed = protocol::TextKeySeed::random()] {
        auto key = protocol::literal_blind_key(text, seed);
        benchmark::DoNotOptimize(key);
    };
});

}  // namespace

}  // namespace weir::bench
