// ClusterMonitor: watches all hosts of one cluster and publishes what they are.
//
// Control thread, except for what says "any thread". Workers read topology(), samples() and
// loads(), and ask for a sample or a quicker look when a session waits.
#pragma once

#include "pool/cluster_policy.h"
#include "pool/consistency.h"
#include "pool/host_load.h"
#include "pool/host_monitor.h"

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace weir::pool {

class ClusterMonitor final : public std::enable_shared_from_this<ClusterMonitor> {
public:
    struct Observer {
        // What to log; memory_changed is among them.
        std::function<void(const ClusterEvent&)> happened;
        // The state file has to be written: before the topology that follows from it is published,
        // so the callee should not block for long.
        std::function<void(const std::string& cluster, const ClusterMemory&)> remember;
        // After each publication: wakes those that wait for a role or a position.
        std::function<void(const TopologyRef&)> published;
    };

    // `io` and `login` must outlive the handlers of `io`. Absent functions are not called.
    ClusterMonitor(
        asio::io_context& io,
        ServerLogin& login,
        ClusterSettings settings,
        ClusterMemory memory,
        MonitorOptions options,
        Observer observer
    );

    ~ClusterMonitor();
    ClusterMonitor(const ClusterMonitor&) = delete;
    ClusterMonitor& operator=(const ClusterMonitor&) = delete;

    // Where and as whom the monitors log in; in the order of the settings' hosts, from the next
    // login on. Monitors of hosts that configure() has added begin. REQUIRES: as many as hosts.
    void configure_logins(
        const std::vector<ServerTarget>& targets, const ServerCredentials& credentials
    );
    // RELOAD; see ClusterPolicy. configure_logins() follows. REQUIRES: at most most_hosts.
    void configure(ClusterSettings settings);

    // REQUIRES: configure_logins() before; once.
    void start();
    void stop();

    // An operator's words, in force when they return. See ClusterPolicy.
    void fence(std::size_t host);
    void unfence(std::size_t host);
    void drain(std::size_t host);
    void undrain(std::size_t host);
    void set_weight(std::size_t host, std::uint32_t weight);
    void forget_timeline();

    // The host that an operator calls "host:port", or "host" if there is one of that name.
    std::optional<std::size_t> find(std::string_view name) const;

    const ClusterPolicy& policy() const { return policy_; }

    // --- any thread ---

    const PublishedTopology& topology() const { return topology_; }

    // The primary's insert LSNs, for consistency. Only while there is one primary.
    const CommitSamples& samples() const { return samples_; }

    // In the order of the hosts, as many as the topology that is known has; lives as long as this.
    const std::array<HostLoad*, most_hosts>& loads() const { return load_pointers_; }

    // A client's server connection has said that its host is not what it is taken for
    // (in_hot_standby, 25006), or has ended unexpectedly: looks at once.
    void suspect(std::size_t host);

    // A sample that is started after this call: one for all that ask meanwhile. `published` tells
    // when it has come.
    void request_sample();

    // While it lives a session waits for a replica: the hosts are looked at every few milliseconds.
    class Wait {
    public:
        explicit Wait(std::shared_ptr<ClusterMonitor> monitor);
        ~Wait();
        Wait(const Wait&) = delete;
        Wait& operator=(const Wait&) = delete;

    private:
        std::shared_ptr<ClusterMonitor> monitor_;
    };

private:
    void add_host();
    std::shared_ptr<HostMonitor> make_monitor(std::size_t host);
    void evaluate();
    void publish();
    void take_commit_sample(std::size_t host, const HostSample& sample);
    void judge_urgency();
    void tick();

    asio::io_context& io_;
    ServerLogin& login_;
    const MonitorOptions options_;
    Observer observer_;
    ClusterPolicy policy_;
    std::vector<std::shared_ptr<HostMonitor>> monitors_;  // by host; null: it is removed
    std::vector<std::size_t> added_;                      // their monitors have not begun
    std::deque<HostLoad> loads_;
    // A place is written once, before a topology with that host is published.
    std::array<HostLoad*, most_hosts> load_pointers_{};
    PublishedTopology topology_;
    CommitSamples samples_;
    asio::steady_timer timer_;
    TopologyRef last_;  // published
    std::atomic<unsigned> waiting_{0};
    std::atomic<bool> sample_requested_{false};
    bool started_ = false;
    bool stopped_ = false;
};

}  // namespace weir::pool
