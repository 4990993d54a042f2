// A model of PostgreSQL's main loop and of a client in front of it, to try ExpectedReplies on.
//
// ModelServer answers requests as postgres.c does, errors at chosen steps included, and says of
// each reply what it belongs to. RepliesHarness sends it requests, delivers replies, both in an
// order that somebody else chooses, and compares what the tracker says with the truth.
#pragma once

#include "protocol/expected_replies.h"

#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace weir::test {

struct ModelRequest {
    protocol::Expected expected;
    // Its answers in order. 'w': waits for the end of COPY's input.
    std::string script;
    // The step of the script at which it fails; none if behind the end.
    std::size_t fails_at = std::string::npos;
    // At 'w': fails before anything of COPY's input is read (a view, a trigger), not while.
    bool early = false;
};

struct ModelReply {
    char type = 0;  // 0: a reply to invent
    protocol::Expected about;
    bool asynchronous = false;
    bool completes = false;
};

class ModelServer {
public:
    void receive(ModelRequest request) { input_.push_back({Input::request, std::move(request)}); }

    void receive_copy_data() { input_.push_back({Input::copy_data, {}}); }

    void receive_copy_end() { input_.push_back({Input::copy_end, {}}); }

    // Reads one message; false if there is none.
    bool step();

    void send_asynchronous(char type) { replies.push_back({type, {}, true, false}); }

    bool has_input() const { return !input_.empty(); }

    bool copy_in() const { return copy_in_; }

    bool skipping() const { return skipping_; }

    std::deque<ModelReply> replies;
    std::vector<protocol::Expected> ignored;  // requests that got no answer

private:
    struct Input {
        enum Kind { request, copy_data, copy_end };

        Kind kind;
        ModelRequest message;
    };

    void read_in_copy(Input input);
    void run(std::size_t from);
    void fail();
    void leave_copy();

    std::deque<Input> input_;
    std::deque<Input> deferred_;  // invented replies that COPY holds up
    ModelRequest current_;
    std::size_t at_ = 0;  // of current_.script, in COPY
    bool copy_in_ = false;
    bool skipping_ = false;
};

class RepliesHarness {
public:
    // Gives a number below its argument.
    using Choose = std::function<std::size_t(std::size_t)>;

    RepliesHarness(protocol::ExpectedReplies& tracker, Choose choose)
        : tracker_{tracker}, choose_{std::move(choose)} {}

    // One thing happens: something is sent, read by the server, or delivered.
    void turn();
    // Delivers all there is, ends COPY, sends Sync where one is needed, and compares the whole.
    void finish();

    // What went wrong first; empty: nothing.
    const std::string& wrong() const { return wrong_; }

    std::size_t errors() const { return errors_; }

    std::size_t copies() const { return copies_; }

    std::size_t invented() const { return invented_; }

    std::size_t dropped() const { return tracker_dropped_.size(); }

private:
    void send(protocol::Request request, protocol::Reply reply);
    void send_something();
    bool may_send() const;
    void send_in_copy(std::size_t what, protocol::Reply reply);
    void check_ignored();
    void deliver();
    void settle();
    void check_state();
    void fail(const std::string& what);
    ModelRequest make_request(protocol::Request request, protocol::Reply reply);

    protocol::ExpectedReplies& tracker_;
    Choose choose_;
    ModelServer server_;
    std::uint32_t next_tag_ = 1;
    std::string history_;
    std::string wrong_;
    std::string expected_stream_;  // what the client should see, by type and tag
    std::string observed_stream_;
    std::vector<std::uint32_t> tracker_dropped_;
    bool copy_open_ = false;  // a COPY FROM STDIN was sent and is not complete
    ModelRequest copy_;       // the last one
    std::size_t syncs_behind_copy_ = 0;
    std::size_t errors_ = 0;
    std::size_t copies_ = 0;
    std::size_t invented_ = 0;
};

}  // namespace weir::test
