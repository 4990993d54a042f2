#include "proxy/pool_entry.h"

#include "protocol/message_writer.h"

#include <algorithm>

namespace weir::proxy {

namespace {

// Clients choose their settings: what is remembered of them is bounded.
constexpr std::size_t accepted_limit = 1000;

std::deque<pool::ServerPool> pools_of(
    pool::PoolName name,
    const std::vector<pool::EventLoop*>& workers,
    pool::PoolObserver& observer,
    unsigned hosts
) {
    std::deque<pool::ServerPool> pools;
    for (name.host = 0; name.host < hosts; ++name.host)
        pools.emplace_back(name, workers, observer);
    return pools;
}

}  // namespace

PoolEntry::PoolEntry(
    const pool::PoolName& name,
    const std::vector<pool::EventLoop*>& workers,
    pool::PoolObserver& observer,
    std::shared_ptr<Cluster> of,
    unsigned hosts
)
    : pools(pools_of(name, workers, observer, hosts)), pool(pools.front()), cluster(std::move(of)) {
    for (std::size_t host = 0; host < pools.size(); ++host)
        by_host_[host] = &pools[host];
}

void PoolEntry::add_hosts(
    std::size_t hosts, const std::vector<pool::EventLoop*>& workers, pool::PoolObserver& observer
) {
    auto name = pool.name();
    while (pools.size() < hosts) {
        name.host = static_cast<unsigned>(pools.size());
        by_host_[name.host] = &pools.emplace_back(name, workers, observer);
    }
}

std::size_t PoolEntry::total(pool::TimePoint now) const {
    std::size_t total = 0;
    for (const auto& each : pools)
        total += each.counts(now).total();
    return total;
}

bool PoolEntry::recycled() const {
    return std::all_of(pools.begin(), pools.end(), [](const auto& each) {
        return each.recycled();
    });
}

void PoolEntry::recycle() {
    for (auto& each : pools)
        each.recycle();
}

void PoolEntry::close_all_idle(pool::CloseReason reason) {
    for (auto& each : pools)
        each.close_all_idle(reason);
}

void WelcomeCache::outdate() {
    const std::lock_guard lock(mutex_);
    outdated_ = true;
    accepted_.clear();
}

void WelcomeCache::learn(const Facts& welcome, bool current) {
    const std::lock_guard lock(mutex_);
    if (!current && known_ != nullptr) return;
    outdated_ = false;
    if (known_ != nullptr && known_->facts == welcome) return;
    protocol::MessageWriter messages;
    for (const auto& [name, value] : welcome)
        protocol::write_parameter_status(name, value, messages);
    known_ = std::make_shared<const Known>(Known{
        welcome, baseline(welcome), std::string(as_text(messages.view()))});
    accepted_.clear();
}

protocol::ParameterSetRef WelcomeCache::baseline(const Facts& welcome) {
    std::vector<protocol::Parameter> reported;
    for (const auto& [name, value] : welcome) {
        if (!protocol::is_server_fact(name)) reported.push_back({name, value, true});
    }
    return protocol::ParameterSet::make(std::move(reported));
}

std::shared_ptr<const WelcomeCache::Known> WelcomeCache::known() const {
    const std::lock_guard lock(mutex_);
    return known_;
}

std::shared_ptr<const WelcomeCache::Known> WelcomeCache::current() const {
    const std::lock_guard lock(mutex_);
    return outdated_ ? nullptr : known_;
}

protocol::ParameterSetRef WelcomeCache::accepted(const std::string& settings_key) const {
    const std::lock_guard lock(mutex_);
    const auto found = accepted_.find(settings_key);
    return found == accepted_.end() ? nullptr : found->second;
}

void WelcomeCache::accept(const std::string& settings_key, protocol::ParameterSetRef parameters) {
    const std::lock_guard lock(mutex_);
    if (accepted_.size() >= accepted_limit) accepted_.clear();
    accepted_.insert_or_assign(settings_key, std::move(parameters));
}

}  // namespace weir::proxy
