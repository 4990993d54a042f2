// ExpectedReplies: what a server still owes for the messages sent to it, in order.
//
// For each message from the server it says: forward it to the client, swallow it (the answer to a
// message of ours), or that it breaks the protocol. It also places replies that the server will
// never send because the request was not sent (invented ones) where they belong in the stream.
// Rules: manual 55.2.3 (extended query), 55.2.6 (COPY), and PostgreSQL's main loop. There is no
// replication here: CopyBothResponse breaks the protocol.
#pragma once

#include "protocol/message.h"

#include <optional>
#include <vector>

namespace weir::protocol {

enum class Request : std::uint8_t {
    parse,
    bind,
    describe_statement,
    describe_portal,
    execute,
    close,
    sync,
    query,
    function_call,
};

enum class Reply : std::uint8_t {
    forward,  // the client asked, the client gets it
    swallow,  // we asked
    invent,   // the client asked, the server was not; the answer is made here
};

struct Expected {
    Request request = Request::sync;
    Reply reply = Reply::forward;
    // The caller's mark, for example which prepared statement a Parse is about.
    std::uint32_t tag = 0;
};

class ExpectedReplies {
public:
    // A message was sent. False: the server will ignore it, because it skips everything until
    // Sync after an error; it counts as dropped and there will be no answer.
    [[gnu::hot]] bool sent(Expected expected);
    // A message that is answered here. False as for sent(): it must not be answered at all.
    // REQUIRES: no Sync.
    bool invent(Expected expected);
    // CopyDone or CopyFail was sent: messages count again.
    void copy_input_ended();

    enum class Verdict : std::uint8_t {
        forward,
        swallow,
        violation,  // the server broke the protocol; nothing of it can be trusted any more
    };

    struct Step {
        Verdict verdict = Verdict::violation;
        // The request that this message belongs to; none for asynchronous messages.
        std::optional<Expected> about;
        // This message was the last answer to it.
        bool completes = false;
    };

    // Whether on_message(type) would forward it and change nothing: rows, mostly. Then it need not
    // be called, and no reply to invent or request to drop comes up.
    bool just_forwards(char type) const {
        if (head_ == queue_.size() || skipping_ || copy_ != Copy::none) return false;
        const auto& owed = queue_[head_];
        if (owed.reply != Reply::forward) return false;
        if (type == backend::row_description) return owed.request == Request::query;
        return type == backend::data_row &&
               (owed.request == Request::query || owed.request == Request::execute);
    }

    // A message of `type` arrived. Call next_invented() and next_dropped() until empty afterwards.
    [[gnu::hot]] Step on_message(char type);

    // False: next_invented() and next_dropped() have nothing.
    bool has_more() const {
        return head_ != queue_.size() && (skipping_ || queue_[head_].reply == Reply::invent);
    }

    // The next reply to invent, if it is its turn.
    [[gnu::hot]] std::optional<Expected> next_invented();
    // The next request that the server skips after an error.
    std::optional<Expected> next_dropped();

    // Nothing is owed, no COPY is open: the server could serve anybody.
    bool in_sync() const { return head_ == queue_.size() && !skipping_ && copy_ == Copy::none; }

    // The server waits for CopyData.
    bool copy_in() const { return copy_ == Copy::in; }

    // The server has reported an error and ignores all until a Sync that was not sent yet.
    bool needs_sync() const;

    // A COPY failed while a Sync was on its way. Whether the server has read it in COPY mode (and
    // ignored it), or behind the error, cannot be known: one more ReadyForQuery may come at any
    // time. What is in doubt must serve nobody else.
    bool sync_in_doubt() const { return in_doubt_; }

    // How many requests have no complete answer yet.
    std::size_t size() const { return queue_.size() - head_; }

    // Calls visit(expected) for what is owed, oldest first.
    template <class Visit>
    void for_each_owed(Visit&& visit) const {
        for (auto i = head_; i < queue_.size(); ++i)
            visit(queue_[i]);
    }

    const Expected* front() const { return head_ < queue_.size() ? &queue_[head_] : nullptr; }

    // Forgets everything: the connection is gone.
    void clear();

private:
    enum class Copy : std::uint8_t { none, in, in_ended, out };

    [[gnu::hot]] bool skips_what_follows() const;
    Step on_error();
    [[gnu::hot]] Step on_ready();
    Step on_copy_start(char type);
    [[gnu::hot]] Step pop_if(bool matches);
    [[gnu::hot]] Step keep_if(bool matches) const;
    [[gnu::hot]] void pop();

    std::vector<Expected> queue_;  // [head_, end): owed, oldest first
    std::size_t head_ = 0;
    bool skipping_ = false;  // an error was reported for an extended message; until Sync
    Copy copy_ = Copy::none;
    std::vector<Expected> ignored_syncs_;  // of the COPY that is or was open, oldest first
    bool in_doubt_ = false;                // see sync_in_doubt()
};

}  // namespace weir::protocol
