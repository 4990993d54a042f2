// PoolSet: all pools, and everything that opens and closes servers. Control thread.
//
// Workers only lend and give back; what they cannot do they ask for (PoolObserver, any thread),
// and it is done here, one thing after the other: so limits over several pools are exact without
// a lock that workers would meet.
#pragma once

#include "proxy/clusters.h"
#include "proxy/configuration.h"
#include "proxy/pool_entry.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <map>
#include <random>
#include <set>

namespace weir::proxy {

class PoolSet final : public pool::PoolObserver {
public:
    PoolSet(
        asio::io_context& io,
        asio::thread_pool& threads,
        pool::ScramKeys& keys,
        std::vector<pool::EventLoop*> workers
    );

    // For all pools there are and will be.
    void configure(const Configuration& configuration);

    const Configuration& configuration() const { return configuration_; }

    // The pool of `database` (as clients call it) for clients who are `user`.
    std::shared_ptr<PoolEntry> entry(const std::string& database, const std::string& user);

    const std::map<pool::PoolName, std::shared_ptr<PoolEntry>>& entries() const { return entries_; }

    Clusters& clusters() { return clusters_; }

    // Begins the rounds of maintenance.
    void start();
    // No more servers are opened; those there are get closed when they come back.
    void stop();
    // No server is left, in whatever state.
    bool empty() const;

    // Cancels what runs on the server; ends with ServerPool::cancel_finished.
    void cancel_query(pool::ServerRef server);

    // A pool does not lend while its database is paused, or all are; the two are independent, and
    // pools to come are included.
    void set_paused(const std::string& database, bool paused);
    void set_all_paused(bool paused);
    // By itself, whether or not all are.
    bool is_paused(const std::string& database) const;

    void servers_wanted(pool::ServerPool& pool) override;
    void server_retired(pool::ServerRef server) override;

    // A connection with this database and user that is none of the pool's.
    asio::awaitable<protocol::Result<pool::LoggedInServer>> log_in_apart(
        pool::PoolName name, pool::TimePoint deadline
    );

    // The same with that host of the cluster, as long as it is a replica.
    asio::awaitable<protocol::Result<pool::LoggedInServer>> log_in_to_replica(
        pool::PoolName name, pool::TimePoint deadline
    );

    // The last login to the servers of this pool failed with this, and no server is left. Of a
    // cluster, to those of any host.
    std::optional<protocol::Error> login_failure(const PoolEntry& entry) const;

    // The limit for which a client of this pool has to wait now, by the name of its setting:
    // pool_size, max_db_connections, max_user_connections; "paused", "server login" (the last one
    // failed, or one is under way); empty: none, a server may come at once.
    std::string_view limit_of(const pool::ServerPool& pool) const;

    // The most servers there ever were at the same time, opening and closing ones included.
    struct Peaks {
        std::map<std::string, std::size_t> by_database;  // as clients call it
        std::map<std::string, std::size_t> by_user;
        std::map<std::string, std::size_t> by_host;  // "host:port"
    };

    const Peaks& peaks() const { return peaks_; }

    // "host:port" of the pool's host, as the settings have it.
    std::string host_name(const pool::PoolName& name) const;

    const pool::HostResolver& resolver() const { return login_.resolver(); }

    const pool::LoginCounts& login_counts() const { return login_.counts(); }

private:
    // Logins to one pool's servers: failures, and when the next may be tried.
    struct Attempts {
        unsigned failures = 0;
        pool::TimePoint next{};
        std::optional<protocol::Error> last;
    };

    void configure_entry(PoolEntry& entry) const;
    void add_hosts();
    void put_aside_moved();
    void close_left_over();
    bool must_pause(const std::string& database) const;
    void apply_pause(PoolEntry& entry);
    void balance();
    void balance_pool(const std::shared_ptr<PoolEntry>& entry, unsigned host, pool::TimePoint now);
    bool make_room(const pool::ServerPool& pool);
    bool is_removed(const PoolEntry& entry, unsigned host) const;
    bool may_open(const PoolEntry& entry, unsigned host) const;
    std::size_t database_total(const std::string& database) const;
    std::size_t user_total(const std::string& user) const;
    void note_peaks(const pool::PoolName& name);
    asio::awaitable<void> open(std::shared_ptr<PoolEntry> entry, unsigned host);
    asio::awaitable<void> close(pool::ServerRef server);
    asio::awaitable<void> cancel(pool::ServerRef server);
    asio::awaitable<void> maintain();
    void open_failed(pool::ServerPool& pool, const protocol::Error& error);
    pool::ServerCredentials credentials_of(const pool::PoolName& name) const;

    asio::io_context& io_;
    pool::ServerLogin login_;
    Clusters clusters_;
    pool::ScramKeys& keys_;
    const std::vector<pool::EventLoop*> workers_;
    Configuration configuration_;
    std::map<pool::PoolName, std::shared_ptr<PoolEntry>> entries_;
    // Of databases that have other hosts since; until their clients and servers have left.
    std::vector<std::shared_ptr<PoolEntry>> left_over_;
    std::map<std::string, std::shared_ptr<CatalogState>> catalogs_;  // by database
    std::map<pool::PoolName, Attempts> attempts_;
    std::set<std::string> paused_;
    bool all_paused_ = false;
    asio::steady_timer timer_;
    std::minstd_rand random_;
    bool stopping_ = false;
    Peaks peaks_;
    std::atomic<bool> balance_posted_{false};
};

}  // namespace weir::proxy
