// HostMonitor: one connection that asks one host what it is, over and over. Control thread.
//
// It only asks and tells: what follows from the answers is ClusterPolicy's. Each check has a
// timeout of its own, and a host that does not answer costs nobody else any time.
#pragma once

#include "pool/cluster_policy.h"
#include "pool/monitor_query.h"
#include "pool/server_login.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <random>

namespace weir::pool {

struct MonitorOptions {
    using Milliseconds = std::chrono::milliseconds;

    Milliseconds interval{100};        // from the start of a check to that of the next
    Milliseconds urgent_interval{5};   // while somebody waits for a replica
    Milliseconds hold_interval{50};    // while there is no primary
    Milliseconds check_timeout{1000};  // of one check
    // Of one login. A host that vanishes from the network is down after one check and two logins.
    Milliseconds login_timeout{2000};
    Milliseconds first_pause{50};  // after a failed login; doubled each time, with jitter
    Milliseconds longest_pause{1000};
    Milliseconds retry_abilities{60000};  // until it is asked again what the server has
    // For target.settings without one of their own, so that a host that vanishes is noticed.
    Milliseconds tcp_user_timeout{3000};
};

class HostMonitor final : public std::enable_shared_from_this<HostMonitor> {
public:
    // On the control thread, never after stop().
    struct Observer {
        std::function<void(HostSample)> answered;
        std::function<void(CheckFailure)> failed;
    };

    // `io` and `login` must outlive the handlers of `io`.
    HostMonitor(
        asio::io_context& io, ServerLogin& login, MonitorOptions options, Observer observer
    );

    // From the next login on.
    void configure(ServerTarget target, ServerCredentials credentials);

    // REQUIRES: configure() before; once.
    void start();
    // The connection is closed at once, or when a login under way has ended.
    void stop();

    // A check that starts after this call, as soon as the one under way has ended. Does not shorten
    // the pause after a failed login.
    void check_now();
    // From the start of a check to that of the next; with brief checks between the full ones if it
    // is shorter than options.interval.
    void set_interval(MonitorOptions::Milliseconds interval);

    std::uint64_t checks() const { return checks_; }

    std::uint64_t logins() const { return logins_; }

private:
    struct Answer;

    asio::awaitable<void> run();
    asio::awaitable<CheckFailure> watch(LoggedInServer server);
    asio::awaitable<protocol::Result<void>> learn(ControlStream& stream);
    asio::awaitable<protocol::Result<void>> check(ControlStream& stream, bool brief);
    asio::awaitable<protocol::Result<void>> idle(ControlStream& stream, SteadyTime until);
    asio::awaitable<protocol::Result<Answer>> ask(ControlStream& stream, std::string sql);
    asio::awaitable<void> pause();
    protocol::Result<void> take_message(const LoginMessage& message, Answer& answer);
    void tell(const CheckFailure& failure);
    SteadyTime next_check() const;

    asio::io_context& io_;
    ServerLogin& login_;
    const MonitorOptions options_;
    Observer observer_;
    ServerTarget target_;
    ServerCredentials credentials_;
    asio::steady_timer timer_;
    std::minstd_rand random_;
    bool stopped_ = false;

    // The connection's:
    ControlStream* stream_ = nullptr;  // while there is one
    MonitorAbilities abilities_;
    SteadyTime learnt_at_{};
    SteadyTime last_check_{};
    SteadyTime last_full_check_{};
    std::optional<bool> in_hot_standby_;  // as the server reported it
    bool idling_ = false;                 // nothing is asked at this time

    bool wanted_ = false;  // check_now() came while a check was under way
    MonitorOptions::Milliseconds interval_;
    unsigned failed_logins_ = 0;  // in a row
    std::uint64_t checks_ = 0;
    std::uint64_t logins_ = 0;
};

}  // namespace weir::pool
