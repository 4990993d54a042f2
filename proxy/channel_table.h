// ChannelTable: which sessions of one worker listen to which channel, by pool.
#pragma once

#include "proxy/listener_events.h"

#include <boost/unordered/unordered_flat_set.hpp>

#include <map>
#include <string_view>

namespace weir::proxy {

class ChannelTable {
public:
    void add(const PoolEntry* pool, const std::string& channel, std::uint64_t session);
    void remove(const PoolEntry* pool, const std::string& channel, std::uint64_t session);

    // Copies: who is told may leave.
    std::vector<std::uint64_t> listening_to(const PoolEntry* pool, std::string_view channel) const;
    // Those that listen to anything, each once.
    std::vector<std::uint64_t> listening(const PoolEntry* pool) const;

private:
    using Sessions = boost::unordered_flat_set<std::uint64_t>;
    using Channels = std::map<std::string, Sessions, std::less<>>;

    std::map<const PoolEntry*, Channels> pools_;
};

}  // namespace weir::proxy
