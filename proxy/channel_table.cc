#include "proxy/channel_table.h"

#include <algorithm>

namespace weir::proxy {

void ChannelTable::add(const PoolEntry* pool, const std::string& channel, std::uint64_t session) {
    pools_[pool][channel].insert(session);
}

void ChannelTable::remove(
    const PoolEntry* pool, const std::string& channel, std::uint64_t session
) {
    const auto channels = pools_.find(pool);
    if (channels == pools_.end()) return;
    const auto sessions = channels->second.find(channel);
    if (sessions == channels->second.end()) return;
    sessions->second.erase(session);
    if (sessions->second.empty()) channels->second.erase(sessions);
    if (channels->second.empty()) pools_.erase(channels);
}

std::vector<std::uint64_t> ChannelTable::listening_to(
    const PoolEntry* pool, std::string_view channel
) const {
    const auto channels = pools_.find(pool);
    if (channels == pools_.end()) return {};
    const auto sessions = channels->second.find(channel);
    if (sessions == channels->second.end()) return {};
    return {sessions->second.begin(), sessions->second.end()};
}

std::vector<std::uint64_t> ChannelTable::listening(const PoolEntry* pool) const {
    std::vector<std::uint64_t> all;
    const auto channels = pools_.find(pool);
    if (channels == pools_.end()) return all;
    for (const auto& [channel, sessions] : channels->second)
        all.insert(all.end(), sessions.begin(), sessions.end());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
}

}  // namespace weir::proxy
