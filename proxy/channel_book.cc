#include "proxy/channel_book.h"

#include <utility>

namespace weir::proxy {

namespace {

std::string quoted(std::string_view name) {
    std::string out(1, '"');
    for (const char c : name) {
        if (c == '"') out.push_back('"');
        out.push_back(c);
    }
    return out + '"';
}

}  // namespace

void ChannelBook::add(std::uint64_t session, unsigned worker, const std::string& channel) {
    auto& holder = sessions_[session];
    holder.worker = worker;
    if (!holder.channels.insert(channel).second) return;
    auto& workers = channels_[channel].workers;
    if (workers.empty()) {
        changed_.insert(channel);
        ++wanted_;
    }
    ++workers[worker];
}

void ChannelBook::drop(const Session& session, const std::string& channel) {
    auto& workers = channels_.at(channel).workers;
    const auto count = workers.find(session.worker);
    if (--count->second > 0) return;
    workers.erase(count);
    if (!workers.empty()) return;
    changed_.insert(channel);
    --wanted_;
}

void ChannelBook::remove(std::uint64_t session, const std::string& channel) {
    const auto holder = sessions_.find(session);
    if (holder == sessions_.end() || holder->second.channels.erase(channel) == 0) return;
    drop(holder->second, channel);
    if (holder->second.channels.empty()) sessions_.erase(holder);
}

void ChannelBook::remove_all(std::uint64_t session) {
    const auto holder = sessions_.find(session);
    if (holder == sessions_.end()) return;
    for (const auto& channel : holder->second.channels)
        drop(holder->second, channel);
    sessions_.erase(holder);
}

std::vector<unsigned> ChannelBook::workers_of(std::string_view channel) const {
    std::vector<unsigned> workers;
    const auto found = channels_.find(channel);
    if (found == channels_.end()) return workers;
    for (const auto& [worker, count] : found->second.workers)
        workers.push_back(worker);
    return workers;
}

std::vector<unsigned> ChannelBook::workers() const {
    std::set<unsigned> workers;
    for (const auto& [id, session] : sessions_)
        workers.insert(session.worker);
    return {workers.begin(), workers.end()};
}

void ChannelBook::append_command(const std::string& name, std::string& commands) {
    const auto found = channels_.find(name);
    if (found == channels_.end()) return;
    auto& channel = found->second;
    const bool wanted = !channel.workers.empty();
    if (wanted != channel.listened) {
        commands.append(wanted ? "LISTEN " : "UNLISTEN ").append(quoted(name)).push_back(';');
        channel.listened = wanted;
        taken_.push_back(name);
    }
    if (!wanted) channels_.erase(found);
}

std::string ChannelBook::take_commands() {
    std::string commands;
    taken_.clear();
    for (const auto& name : std::exchange(changed_, {}))
        append_command(name, commands);
    return commands;
}

std::string ChannelBook::take_commands(std::span<const std::string> channels) {
    std::string commands;
    taken_.clear();
    for (const auto& name : channels) {
        if (changed_.erase(name) > 0) append_command(name, commands);
    }
    return commands;
}

void ChannelBook::refused() {
    for (const auto& name : std::exchange(taken_, {})) {
        // An UNLISTEN has taken it out of the book.
        auto& channel = channels_[name];
        channel.listened = !channel.listened;
        changed_.insert(name);
    }
}

void ChannelBook::forget_listened() {
    changed_.clear();
    taken_.clear();
    std::erase_if(channels_, [](const auto& named) { return named.second.workers.empty(); });
    for (auto& [name, channel] : channels_) {
        channel.listened = false;
        changed_.insert(name);
    }
}

}  // namespace weir::proxy
