// SessionChannels: the channels of one session as PostgreSQL would have them, and what is to be
// delivered. No sockets.
//
// LISTEN and UNLISTEN take effect when their transaction commits. Until then they are a log, of
// which a rollback to a savepoint takes back what came after that. A channel is *held* from its
// LISTEN on: the listening connection listens to it for this session; it is *active* from the
// commit on: its notifications are delivered.
#pragma once

#include "proxy/listener_events.h"
#include "router/statement.h"

#include <deque>
#include <map>
#include <string_view>

namespace weir::proxy {

class SessionChannels {
public:
    // What a client may leave waiting: more, and it is to be closed.
    static constexpr std::size_t queue_limit = 1 << 20;

    // --- channels ---

    bool holds(std::string_view channel) const { return channels_.contains(channel); }

    bool is_active(std::string_view channel) const {
        const auto found = channels_.find(channel);
        return found != channels_.end() && found->second;
    }

    // Nothing is held, and nothing waits for a commit.
    bool empty() const { return channels_.empty() && log_.empty(); }

    // The listening connection listens to it for us.
    void hold(const std::string& channel) { channels_.emplace(channel, false); }

    const std::map<std::string, bool, std::less<>>& channels() const { return channels_; }

    // --- the transaction's log ---

    bool has_pending() const { return !log_.empty(); }

    // REQUIRES: kind is listen (of a channel that is held), unlisten (without a name: all),
    // savepoint, release or rollback_to.
    void note(router::StatementKind kind, std::string_view name);

    // From here on what comes for channels of the log is kept: COMMIT is on its way.
    void commit_sent() { committing_ = !log_.empty(); }

    // The transaction has ended. Returns the channels that are not held any more.
    std::vector<std::string> transaction_ended(bool committed);
    // The session has no channel any more. Returns those it held.
    std::vector<std::string> drop_all();
    // A LISTEN was refused: what was held for it and nothing else.
    std::vector<std::string> take_unused();

    // --- statements under way, of which the tags tell ---

    // Whether the tags of this statement have to be seen.
    bool follows(const router::Statement& statement) const;
    // It was sent to the server, or is about to be.
    void sent(const router::Statement& statement);
    // A statement has been done. Returns the channels that are not held any more.
    std::vector<std::string> done(std::string_view tag);

    void none_under_way() { under_way_.clear(); }

    // --- delivery ---

    // False: more waits than may; nothing waits any more.
    bool enqueue(const NotificationRef& notification);

    struct Queued {
        NotificationRef notification;
        bool own = false;  // by a statement of the session itself
    };

    const std::deque<Queued>& queue() const { return queue_; }

    // The oldest was delivered.
    void dequeue();

    // Notifications of this process are the session's own from now on; 0: none is.
    void set_own_process(std::int32_t process_id) { own_process_ = process_id; }

private:
    struct Entry {
        router::StatementKind kind;
        std::string name;
    };

    bool is_wanted(std::string_view channel) const;
    void forget_unwanted();

    std::map<std::string, bool, std::less<>> channels_;  // held; true: active
    std::vector<Entry> log_;
    std::deque<Entry> under_way_;
    std::deque<Queued> queue_;
    std::size_t queued_bytes_ = 0;
    std::int32_t own_process_ = 0;
    bool committing_ = false;
};

}  // namespace weir::proxy
