// ChannelBook: who wants which channel of one listening connection, and what PostgreSQL has to be
// told for it. No sockets.
#pragma once

#include "proxy/listener_events.h"

#include <map>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>

namespace weir::proxy {

class ChannelBook {
public:
    // A session counts once for a channel, however often it asks.
    void add(std::uint64_t session, unsigned worker, const std::string& channel);
    void remove(std::uint64_t session, const std::string& channel);
    void remove_all(std::uint64_t session);

    // Workers that have sessions who want the channel.
    std::vector<unsigned> workers_of(std::string_view channel) const;
    // Workers that have any.
    std::vector<unsigned> workers() const;

    // LISTEN and UNLISTEN for all that has changed since the last time; they count as done. Empty:
    // nothing has changed.
    std::string take_commands();
    // The same for these channels only.
    std::string take_commands(std::span<const std::string> channels);
    // What was taken last was refused, all of it.
    void refused();
    // The connection is gone: it listens to nothing.
    void forget_listened();

    // Nobody wants anything.
    bool empty() const { return sessions_.empty(); }

    std::size_t sessions() const { return sessions_.size(); }

    // That are wanted.
    std::size_t channels() const { return wanted_; }

private:
    struct Channel {
        std::map<unsigned, std::size_t> workers;  // sessions by worker; none: not wanted
        bool listened = false;
    };

    struct Session {
        unsigned worker = 0;
        std::set<std::string, std::less<>> channels;
    };

    void drop(const Session& session, const std::string& channel);
    void append_command(const std::string& name, std::string& commands);

    std::map<std::string, Channel, std::less<>> channels_;
    std::unordered_map<std::uint64_t, Session> sessions_;
    std::set<std::string, std::less<>> changed_;
    std::vector<std::string> taken_;  // by the last take_commands()
    std::size_t wanted_ = 0;
};

}  // namespace weir::proxy
