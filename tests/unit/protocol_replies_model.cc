#include "tests/unit/protocol_replies_model.h"

#include "protocol/message.h"

#include <algorithm>
#include <array>

namespace weir::test {

using protocol::Expected;
using protocol::ExpectedReplies;
using protocol::Reply;
using protocol::Request;

namespace backend = protocol::backend;

namespace {

bool brings_ready(Request request) {
    return request == Request::sync || request == Request::query ||
           request == Request::function_call;
}

std::string seen(char type, std::uint32_t tag) {
    return std::string(1, type) + std::to_string(tag) + " ";
}

}  // namespace

// --- the server ---

bool ModelServer::step() {
    if (input_.empty()) return false;
    auto input = std::move(input_.front());
    input_.pop_front();
    if (copy_in_) {
        read_in_copy(std::move(input));
        return true;
    }
    // Left over from a COPY that failed: ignored.
    if (input.kind != Input::request) return true;
    const auto& expected = input.message.expected;
    if (expected.request == Request::sync && skipping_) {
        skipping_ = false;
        // The transaction is aborted already: nothing is left that could fail.
        input.message.fails_at = std::string::npos;
    }
    if (skipping_) {
        ignored.push_back(expected);
        return true;
    }
    if (expected.reply == Reply::invent) {
        replies.push_back({0, expected, false, true});
        return true;
    }
    current_ = std::move(input.message);
    run(0);
    return true;
}

void ModelServer::read_in_copy(Input input) {
    if (input.kind == Input::request) {
        if (input.message.expected.reply == Reply::invent) {
            deferred_.push_back(std::move(input));
        } else {
            ignored.push_back(input.message.expected);
        }
        return;
    }
    const bool fails_now = current_.fails_at == at_;
    if (input.kind == Input::copy_data && !fails_now) return;
    leave_copy();
    if (fails_now) return fail();
    run(at_ + 1);
}

void ModelServer::leave_copy() {
    copy_in_ = false;
    input_.insert(input_.begin(), deferred_.begin(), deferred_.end());
    deferred_.clear();
}

void ModelServer::run(std::size_t from) {
    const auto& script = current_.script;
    for (std::size_t at = from; at < script.size(); ++at) {
        if (script[at] == 'w') {
            if (at == current_.fails_at && current_.early) return fail();
            copy_in_ = true;
            at_ = at;
            return;
        }
        if (at == current_.fails_at) return fail();
        replies.push_back({script[at], current_.expected, false, at + 1 == script.size()});
    }
}

void ModelServer::fail() {
    const bool ready = brings_ready(current_.expected.request);
    replies.push_back({backend::error_response, current_.expected, false, !ready});
    if (ready) {
        replies.push_back({backend::ready_for_query, current_.expected, false, true});
    } else {
        skipping_ = true;
    }
}

// --- client, tracker and comparison ---

void RepliesHarness::fail(const std::string& what) {
    if (wrong_.empty()) wrong_ = what + " after: " + history_;
}

ModelRequest RepliesHarness::make_request(Request request, Reply reply) {
    ModelRequest made;
    made.expected = {request, reply, next_tag_++};
    const auto pick = [&](std::initializer_list<const char*> scripts) {
        made.script = scripts.begin()[choose_(scripts.size())];
    };
    switch (request) {
        case Request::parse:
            pick({"1"});
            break;
        case Request::bind:
            pick({"2"});
            break;
        case Request::describe_statement:
            pick({"tT", "tn"});
            break;
        case Request::describe_portal:
            pick({"T", "n"});
            break;
        case Request::execute:
            pick({"C", "DDC", "Ds", "I", "HddcC", "GwC", "s"});
            break;
        case Request::close:
            pick({"3"});
            break;
        case Request::sync:
            pick({"Z"});
            break;
        case Request::query:
            pick({"CZ", "TDDCZ", "IZ", "CTDCCZ", "HdcCTDCZ", "GwCZ", "TDCGwCGwCZ"});
            break;
        case Request::function_call:
            pick({"VZ"});
            break;
    }
    // One in four fails, at any of its steps.
    if (reply != Reply::invent && choose_(4) == 0) {
        made.fails_at = choose_(made.script.size());
        // ReadyForQuery comes after the error, not instead of it.
        if (made.script[made.fails_at] == 'Z' && request != Request::sync && made.fails_at > 0) {
            --made.fails_at;
        }
        made.early = choose_(2) == 0;
    }
    return made;
}

void RepliesHarness::send(Request request, Reply reply) {
    auto made = make_request(request, reply);
    const auto expected = made.expected;
    const bool counted =
        reply == Reply::invent ? tracker_.invent(expected) : tracker_.sent(expected);
    history_ += reply == Reply::invent ? "invent" : reply == Reply::swallow ? "ours" : "sent";
    history_ += std::to_string(static_cast<int>(request)) + "#" + std::to_string(expected.tag);
    history_ += counted ? ". " : "(dropped). ";
    if (!counted) {
        tracker_dropped_.push_back(expected.tag);
        // A Sync in COPY may find the COPY failed already: whoever drops it must not send it.
        if (request == Request::sync) {
            server_.ignored.push_back(expected);
            return settle();
        }
    }
    if (counted && copy_open_ && request == Request::sync) ++syncs_behind_copy_;
    if (counted && made.script.find('w') != std::string::npos) {
        copy_ = made;
        copy_open_ = true;
        syncs_behind_copy_ = 0;
        ++copies_;
    }
    server_.receive(std::move(made));
    settle();
}

// After an error in COPY with a Sync behind it, what the tracker calls sync_in_doubt(): nothing
// can be said of requests that are sent before the server is silent.
bool RepliesHarness::may_send() const {
    if (syncs_behind_copy_ == 0 || !copy_.early) return true;
    return copy_open_ ? tracker_.copy_in() : !server_.has_input() && server_.replies.empty();
}

// PostgreSQL ends the connection if anything but COPY's messages, Flush and Sync comes in COPY.
void RepliesHarness::send_in_copy(std::size_t what, Reply reply) {
    if (tracker_.copy_in() && what < 8) {
        history_ += "data. ";
        return server_.receive_copy_data();
    }
    if (tracker_.copy_in() && what < 12) {
        history_ += "end. ";
        tracker_.copy_input_ended();
        return server_.receive_copy_end();
    }
    const bool extended = copy_.expected.request == Request::execute;
    if (what < 14 || (copy_.early && (syncs_behind_copy_ > 0 || !extended))) return;
    send(Request::sync, reply);
}

void RepliesHarness::send_something() {
    static constexpr std::array extended{
        Request::parse,
        Request::bind,
        Request::describe_statement,
        Request::describe_portal,
        Request::execute,
        Request::close,
        Request::execute,
    };
    const auto reply = choose_(4) == 0 ? Reply::swallow : Reply::forward;
    const auto what = choose_(16);
    if (!may_send()) return;
    if (what < 2 && !(copy_open_ && copy_.early && syncs_behind_copy_ > 0)) {
        ++invented_;
        return send(choose_(2) == 0 ? Request::parse : Request::close, Reply::invent);
    }
    if (copy_open_) return send_in_copy(what, reply);
    if (what < 12) return send(extended[choose_(extended.size())], reply);
    if (what < 14) return send(Request::sync, reply);
    send(what == 14 ? Request::query : Request::function_call, reply);
}

void RepliesHarness::deliver() {
    while (!server_.replies.empty() && server_.replies.front().type == 0) {
        expected_stream_ += seen('+', server_.replies.front().about.tag);
        server_.replies.pop_front();
    }
    if (server_.replies.empty()) return;
    const auto reply = server_.replies.front();
    server_.replies.pop_front();
    history_ += std::string("got ") + reply.type + ". ";
    const auto step = tracker_.on_message(reply.type);
    if (step.verdict == ExpectedReplies::Verdict::violation) return fail("violation");
    if (reply.asynchronous) {
        if (step.about) fail("an asynchronous message belongs to nobody");
        if (step.verdict != ExpectedReplies::Verdict::forward) fail("a notice swallowed");
        return settle();
    }
    if (reply.type == backend::error_response) ++errors_;
    if (!step.about) return fail("a reply that belongs to nobody");
    if (step.about->tag != reply.about.tag) fail("a reply to another request");
    if (step.about->request != reply.about.request) fail("a reply to another kind");
    if (step.completes != reply.completes) fail("completes wrongly");
    const bool swallow = reply.about.reply == Reply::swallow;
    if ((step.verdict == ExpectedReplies::Verdict::swallow) != swallow) fail("wrong verdict");
    if (!swallow) expected_stream_ += seen(reply.type, reply.about.tag);
    if (step.verdict == ExpectedReplies::Verdict::forward) {
        observed_stream_ += seen(reply.type, step.about->tag);
    }
    if (reply.about.tag == copy_.expected.tag && reply.completes) copy_open_ = false;
    settle();
}

void RepliesHarness::settle() {
    while (const auto invented = tracker_.next_invented()) {
        if (invented->reply != Reply::invent) fail("invented what was sent");
        observed_stream_ += seen('+', invented->tag);
    }
    while (const auto dropped = tracker_.next_dropped()) {
        tracker_dropped_.push_back(dropped->tag);
        if (dropped->tag == copy_.expected.tag) copy_open_ = false;
    }
    check_state();
}

// The promise that everything hangs on: a server in sync owes nothing to anybody.
void RepliesHarness::check_state() {
    if (!tracker_.in_sync()) return;
    if (tracker_.size() != 0 || tracker_.front() != nullptr) fail("in sync, and something owed");
    if (tracker_.copy_in() || tracker_.needs_sync()) fail("in sync, and not");
    const auto& replies = server_.replies;
    const bool silent = std::all_of(replies.begin(), replies.end(), [](const ModelReply& reply) {
        return reply.asynchronous || reply.type == 0;
    });
    if (!silent) fail("in sync, and replies on their way");
    if (server_.copy_in()) fail("in sync, and the server is in COPY");
}

void RepliesHarness::turn() {
    if (!wrong_.empty()) return;
    switch (choose_(8)) {
        case 0:
        case 1:
        case 2:
            send_something();
            break;
        case 3:
        case 4:
            server_.step();
            break;
        case 5:
        case 6:
            deliver();
            break;
        default: {
            static constexpr std::array types{
                backend::notice_response,
                backend::parameter_status,
                backend::notification_response};
            server_.send_asynchronous(types[choose_(types.size())]);
        }
    }
}

void RepliesHarness::finish() {
    for (int round = 0; round < 1000 && wrong_.empty(); ++round) {
        while (server_.step()) {
        }
        while (!server_.replies.empty() && wrong_.empty())
            deliver();
        if (server_.has_input()) continue;
        // Everything is known to both sides now.
        if (tracker_.copy_in() != server_.copy_in()) return fail("copy_in");
        if (tracker_.needs_sync() != server_.skipping()) return fail("needs_sync");
        if (server_.copy_in()) {
            history_ += "end. ";
            tracker_.copy_input_ended();
            server_.receive_copy_end();
        } else if (server_.skipping()) {
            send(Request::sync, Reply::forward);
        } else {
            break;
        }
    }
    if (!wrong_.empty()) return;
    if (!tracker_.in_sync()) return fail("not in sync at the end");
    if (observed_stream_ != expected_stream_) {
        return fail("client saw " + observed_stream_ + " not " + expected_stream_);
    }
    check_ignored();
}

// The tracker gave up exactly the requests that the server ignored. Of a Sync that was ignored in
// COPY it says nothing.
void RepliesHarness::check_ignored() {
    std::vector<std::uint32_t> ignored;
    auto& dropped = tracker_dropped_;
    std::sort(dropped.begin(), dropped.end());
    for (const auto& expected : server_.ignored) {
        ignored.push_back(expected.tag);
        if (expected.request != Request::sync &&
            !std::binary_search(dropped.begin(), dropped.end(), expected.tag)) {
            fail("not dropped, but ignored: " + std::to_string(expected.tag));
        }
    }
    std::sort(ignored.begin(), ignored.end());
    if (!std::includes(ignored.begin(), ignored.end(), dropped.begin(), dropped.end())) {
        fail("dropped a request that was answered");
    }
}

}  // namespace weir::test
