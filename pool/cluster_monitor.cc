#include "pool/cluster_monitor.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace weir::pool {

ClusterMonitor::ClusterMonitor(
    asio::io_context& io,
    ServerLogin& login,
    ClusterSettings settings,
    ClusterMemory memory,
    MonitorOptions options,
    Observer observer
)
    : io_(io),
      login_(login),
      options_(options),
      observer_(std::move(observer)),
      policy_(std::move(settings), std::move(memory)),
      timer_(io) {
    for (std::size_t host = 0; host < policy_.settings().hosts.size(); ++host)
        add_host();
}

void ClusterMonitor::add_host() {
    const std::size_t host = monitors_.size();
    load_pointers_[host] = &loads_.emplace_back();
    const bool removed = policy_.settings().hosts[host].removed;
    monitors_.push_back(removed ? nullptr : make_monitor(host));
}

std::shared_ptr<HostMonitor> ClusterMonitor::make_monitor(std::size_t host) {
    HostMonitor::Observer own;
    // A monitor is told to stop before this goes, and is silent then.
    own.answered = [this, host](HostSample sample) {
        policy_.observe(host, sample);
        evaluate();
        take_commit_sample(host, sample);
        publish();
    };
    own.failed = [this, host](CheckFailure failure) {
        policy_.observe_failure(host, std::move(failure));
        evaluate();
        publish();
    };
    added_.push_back(host);
    return std::make_shared<HostMonitor>(io_, login_, options_, std::move(own));
}

void ClusterMonitor::configure_logins(
    const std::vector<ServerTarget>& targets, const ServerCredentials& credentials
) {
    for (std::size_t i = 0; i < monitors_.size(); ++i) {
        if (monitors_[i]) monitors_[i]->configure(targets[i], credentials);
    }
    if (!started_) return;
    for (const std::size_t host : std::exchange(added_, {}))
        monitors_[host]->start();
}

void ClusterMonitor::configure(ClusterSettings settings) {
    policy_.configure(std::move(settings));
    const auto& hosts = policy_.settings().hosts;
    for (std::size_t host = 0; host < monitors_.size(); ++host) {
        if (hosts[host].removed == (monitors_[host] == nullptr)) continue;
        if (hosts[host].removed) {
            std::exchange(monitors_[host], nullptr)->stop();
            std::erase(added_, host);
        } else {
            monitors_[host] = make_monitor(host);
        }
    }
    while (monitors_.size() < hosts.size())
        add_host();
    evaluate();
    publish();
}

void ClusterMonitor::start() {
    started_ = true;
    evaluate();
    publish();
    for (const std::size_t host : std::exchange(added_, {}))
        monitors_[host]->start();
    tick();
}

ClusterMonitor::~ClusterMonitor() {
    stop();
}

void ClusterMonitor::stop() {
    stopped_ = true;
    timer_.cancel();
    for (const auto& monitor : monitors_) {
        if (monitor) monitor->stop();
    }
}

// Lag grows by itself, and so does a host's silence.
void ClusterMonitor::tick() {
    if (stopped_) return;
    timer_.expires_after(options_.interval);
    timer_.async_wait([self = weak_from_this()](const boost::system::error_code& canceled) {
        const auto monitor = self.lock();
        if (canceled || !monitor || monitor->stopped_) return;
        monitor->evaluate();
        monitor->publish();
        monitor->tick();
    });
}

void ClusterMonitor::evaluate() {
    for (const ClusterEvent& event : policy_.evaluate(Clock::now())) {
        if (event.kind == ClusterEvent::Kind::memory_changed && observer_.remember) {
            observer_.remember(policy_.settings().name, policy_.memory());
        }
        const bool came_back = event.kind == ClusterEvent::Kind::state_changed &&
                               policy_.topology().hosts[event.host].state == HostState::healthy;
        if (came_back) loads_[event.host].forget_latency();
        if (observer_.happened) observer_.happened(event);
    }
    judge_urgency();
}

void ClusterMonitor::take_commit_sample(std::size_t host, const HostSample& sample) {
    // Of the primary as it is judged now, with this very sample: an old one's counts for nothing.
    if (policy_.topology().primary() != host || !sample.insert_lsn.known()) return;
    // Under way since before the last one of another primary.
    if (sample.started < samples_.newest_started()) return;
    const Lsn lsn = reachable(sample.insert_lsn, sample.wal_segment_size);
    samples_.add({sample.started, lsn, sample.timeline});
}

void ClusterMonitor::publish() {
    auto next = std::make_shared<Topology>(policy_.topology());
    const auto same_role = [](const HostView& a, const HostView& b) {
        return a.role == b.role && a.state == b.state && a.weight == b.weight;
    };
    const bool same = last_ && last_->primaries == next->primaries &&
                      last_->timeline == next->timeline &&
                      std::equal(
                          last_->hosts.begin(),
                          last_->hosts.end(),
                          next->hosts.begin(),
                          next->hosts.end(),
                          same_role
                      );
    next->epoch = last_ ? last_->epoch + 1 : 1;
    next->role_epoch = (last_ ? last_->role_epoch : 0) + (same ? 0 : 1);
    last_ = std::move(next);
    topology_.publish(last_);
    if (observer_.published) observer_.published(last_);
}

void ClusterMonitor::judge_urgency() {
    auto interval = options_.interval;
    if (policy_.expects_primary() && policy_.topology().primaries.empty()) {
        interval = options_.hold_interval;
    }
    if (waiting_.load(std::memory_order_relaxed) > 0) interval = options_.urgent_interval;
    for (const auto& monitor : monitors_) {
        if (monitor) monitor->set_interval(interval);
    }
}

void ClusterMonitor::suspect(std::size_t host) {
    asio::post(io_, [self = weak_from_this(), host] {
        const auto monitor = self.lock();
        if (!monitor || monitor->stopped_) return;
        if (const auto& watches = monitor->monitors_[host]) watches->check_now();
    });
}

void ClusterMonitor::fence(std::size_t host) {
    policy_.fence(host);
    evaluate();
    publish();
}

void ClusterMonitor::unfence(std::size_t host) {
    policy_.unfence(host);
    evaluate();
    publish();
}

void ClusterMonitor::drain(std::size_t host) {
    policy_.drain(host);
    evaluate();
    publish();
}

void ClusterMonitor::undrain(std::size_t host) {
    policy_.undrain(host);
    evaluate();
    publish();
}

void ClusterMonitor::set_weight(std::size_t host, std::uint32_t weight) {
    policy_.set_weight(host, weight);
    evaluate();
    publish();
}

void ClusterMonitor::forget_timeline() {
    policy_.forget_timeline();
    evaluate();
    publish();
}

std::optional<std::size_t> ClusterMonitor::find(std::string_view name) const {
    std::optional<std::size_t> by_host;
    bool several = false;
    const auto& hosts = policy_.settings().hosts;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        if (hosts[i].removed) continue;
        if (hosts[i].host + ':' + std::to_string(hosts[i].port) == name) return i;
        if (hosts[i].host != name) continue;
        several = by_host.has_value();
        by_host = i;
    }
    return several ? std::nullopt : by_host;
}

void ClusterMonitor::request_sample() {
    // One wake-up for all that ask before it has come.
    if (sample_requested_.exchange(true, std::memory_order_acq_rel)) return;
    asio::post(io_, [self = weak_from_this()] {
        const auto monitor = self.lock();
        if (!monitor) return;
        // Before the look: who asks from here on needs another one.
        monitor->sample_requested_.store(false, std::memory_order_release);
        const auto primary = monitor->policy_.topology().primary();
        if (primary && !monitor->stopped_) monitor->monitors_[*primary]->check_now();
    });
}

ClusterMonitor::Wait::Wait(std::shared_ptr<ClusterMonitor> monitor) : monitor_(std::move(monitor)) {
    if (monitor_->waiting_.fetch_add(1, std::memory_order_relaxed) > 0) return;
    asio::post(monitor_->io_, [self = std::weak_ptr(monitor_)] {
        if (const auto alive = self.lock()) alive->judge_urgency();
    });
}

ClusterMonitor::Wait::~Wait() {
    // The next evaluation sees that nobody waits any more.
    monitor_->waiting_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace weir::pool
