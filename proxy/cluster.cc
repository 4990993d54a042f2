#include "proxy/cluster.h"

namespace weir::proxy {

Cluster::Cluster(
    std::string name,
    const std::vector<std::string>& addresses,
    std::shared_ptr<pool::ClusterMonitor> monitor,
    std::size_t workers
)
    : name_(std::move(name)), monitor_(std::move(monitor)), routes_(workers), topologies_(workers) {
    addresses_.reserve(pool::most_hosts);
    add_addresses(addresses);
}

void Cluster::add_addresses(const std::vector<std::string>& addresses) {
    while (addresses_.size() < addresses.size())
        addresses_.push_back(addresses[addresses_.size()]);
}

void Cluster::wait(pool::EventLoop& loop, std::uint64_t channel) {
    {
        const std::lock_guard lock(mutex_);
        waiting_.emplace_back(&loop, channel);
    }
    somebody_waits_.store(true, std::memory_order_release);
}

void Cluster::wake_waiting() {
    if (!somebody_waits_.exchange(false, std::memory_order_acq_rel)) return;
    std::vector<std::pair<pool::EventLoop*, std::uint64_t>> woken;
    {
        const std::lock_guard lock(mutex_);
        woken.swap(waiting_);
    }
    for (const auto& [loop, channel] : woken)
        loop->wake_channel(channel);
}

}  // namespace weir::proxy
