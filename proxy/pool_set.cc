#include "proxy/pool_set.h"

#include "pool/io/control_stream.h"
#include "protocol/message.h"
#include "protocol/message_writer.h"
#include "proxy/log.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>

namespace weir::proxy {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto round = milliseconds(100);
// How often the catalogs are read again, in rounds: DDL may go past pgweir.
constexpr unsigned catalog_rounds = 600;
// How long a closed server may keep its place. PostgreSQL ends a cancelled or idle backend within
// milliseconds; only a dead network takes longer.
constexpr auto farewell_limit = seconds(60);
// What a login may send before it is a broken peer.
constexpr std::size_t login_message_limit = 1 << 20;

pool::Consistency consistency_of(conf::Consistency consistency) {
    switch (consistency) {
        case conf::Consistency::none:
            return pool::Consistency::none;
        case conf::Consistency::session:
            break;
        case conf::Consistency::global:
            return pool::Consistency::global;
        case conf::Consistency::strict:
            return pool::Consistency::strict;
    }
    return pool::Consistency::session;
}

pool::PrimaryReads primary_reads_of(conf::PrimaryReads reads) {
    switch (reads) {
        case conf::PrimaryReads::never:
            return pool::PrimaryReads::never;
        case conf::PrimaryReads::fallback:
            break;
        case conf::PrimaryReads::always:
            return pool::PrimaryReads::always;
    }
    return pool::PrimaryReads::fallback;
}

SessionLimits session_limits(
    const conf::Settings& settings, const std::string& database, const std::string& user
) {
    SessionLimits limits;
    limits.pool_mode = conf::effective_pool_mode(settings, database, user);
    limits.defer_begin = settings.defer_begin;
    limits.max_prepared_statements = static_cast<std::size_t>(settings.max_prepared_statements);
    limits.max_packet_size = static_cast<std::uint32_t>(settings.max_packet_size);
    limits.server_check_query =
        settings.server_check_query == "<empty>" ? ";" : settings.server_check_query;
    limits.server_check_delay = settings.server_check_delay;
    limits.server_reset_query = settings.server_reset_query;
    limits.server_reset_query_always = settings.server_reset_query_always;
    limits.query_timeout = conf::effective_query_timeout(settings, user);
    limits.query_wait_timeout = settings.query_wait_timeout;
    limits.query_wait_notify = settings.query_wait_notify;
    limits.idle_transaction_timeout = conf::effective_idle_transaction_timeout(settings, user);
    limits.transaction_timeout = conf::effective_transaction_timeout(settings, user);
    limits.client_idle_timeout = conf::effective_client_idle_timeout(settings, user);
    limits.pin_idle_timeout = settings.pin_idle_timeout;
    limits.pin_notice = settings.pin_notice;
    limits.strict_custom_settings = settings.strict_custom_settings;
    limits.client_login_timeout = settings.client_login_timeout;
    limits.log_disconnections = settings.log_disconnections;
    limits.log_pooler_errors = settings.log_pooler_errors;
    limits.query_stats = settings.query_stats;
    limits.log_min_duration = conf::effective_log_min_duration(settings, database, user);
    limits.log_sample_percent = static_cast<std::uint32_t>(settings.log_sample_percent);
    limits.log_parameters = settings.log_parameters;
    limits.traces = !settings.trace_endpoint.empty();
    limits.trace_sample_percent = static_cast<std::uint32_t>(settings.trace_sample_percent);
    limits.set_noticed_from();
    const auto* found = conf::find_database(settings, database);
    if (found == nullptr || found->hosts.empty()) return limits;
    limits.route = conf::effective_route(settings, *found, user);
    limits.consistency = consistency_of(conf::effective_consistency(settings, *found, user));
    limits.causal_wait = found->causal_wait;
    auto& reads = limits.read_policy;
    reads.primary_reads = primary_reads_of(found->primary_reads);
    if (found->primary_reads_weight) {
        reads.primary_weight = static_cast<std::uint32_t>(*found->primary_reads_weight);
    }
    reads.zone = settings.zone;
    reads.max_lag = found->max_lag;
    reads.max_lag_bytes = static_cast<std::uint64_t>(found->max_lag_bytes);
    return limits;
}

// The server has answered, and the answer will not change by waiting.
bool is_final(const protocol::Error& error) {
    const auto code = error.code.text();
    const auto kind = code.substr(0, 2);
    return kind == "28" || kind == "3D" || kind == "42" || kind == "22" || kind == "0A";
}

bool is_server_full(const protocol::Error& error) {
    const auto code = error.code.text();
    return code == "53300" || code == "53200";
}

}  // namespace

PoolSet::PoolSet(
    asio::io_context& io,
    asio::thread_pool& threads,
    pool::ScramKeys& keys,
    std::vector<pool::EventLoop*> workers
)
    : io_(io),
      login_(threads),
      clusters_(io, login_, workers.size()),
      keys_(keys),
      workers_(std::move(workers)),
      timer_(io),
      random_(std::random_device{}()) {}

void PoolSet::configure(const Configuration& configuration) {
    configuration_ = configuration;
    add_hosts();
    clusters_.configure(configuration);
    put_aside_moved();
    for (const auto& [name, entry] : entries_)
        configure_entry(*entry);
    // What failed with the old settings may work now.
    attempts_.clear();
    balance();
}

// Before anybody knows of them.
void PoolSet::add_hosts() {
    const auto& databases = configuration_.settings->databases;
    for (const auto& [name, entry] : entries_) {
        if (entry->cluster == nullptr) continue;
        const auto section = databases.find(entry->cluster->name());
        if (section == databases.end()) continue;
        if (section->second.hosts.size() <= entry->pools.size()) continue;
        entry->add_hosts(section->second.hosts.size(), workers_, *this);
        configure_entry(*entry);
        if (must_pause(name.database)) apply_pause(*entry);
    }
}

// A database that was removed and came back with other hosts: new clients have new pools.
void PoolSet::put_aside_moved() {
    std::erase_if(entries_, [this](const auto& named) {
        const auto& entry = named.second;
        if (entry->cluster == clusters_.find(named.first.database)) return false;
        entry->recycle();
        left_over_.push_back(entry);
        return true;
    });
}

void PoolSet::close_left_over() {
    const auto now = pool::Clock::now();
    std::erase_if(left_over_, [now](const auto& entry) {
        entry->close_all_idle(pool::CloseReason::configuration_changed);
        return entry->total(now) == 0 && entry->pool.clients() == 0;
    });
}

void PoolSet::configure_entry(PoolEntry& entry) const {
    const auto& settings = *configuration_.settings;
    const auto& database = entry.pool.name().database;
    const auto& user = entry.pool.name().user;
    pool::PoolLimits limits;
    limits.size = static_cast<std::size_t>(conf::effective_pool_size(settings, database, user));
    limits.min_size =
        static_cast<std::size_t>(conf::effective_min_pool_size(settings, database, user));
    limits.reserve =
        static_cast<std::size_t>(conf::effective_reserve_pool_size(settings, database, user));
    limits.reserve_timeout = settings.reserve_pool_timeout;
    limits.server_lifetime = conf::effective_server_lifetime(settings, database);
    limits.server_idle_timeout = settings.server_idle_timeout;
    limits.max_pinned = static_cast<std::size_t>(conf::effective_max_pinned(settings, database));
    limits.lend_policy = conf::effective_lend_policy(settings);
    for (auto& pool : entry.pools)
        pool.set_limits(limits);
    entry.set_limits(std::make_shared<const SessionLimits>(session_limits(settings, database, user))
    );
}

std::shared_ptr<PoolEntry> PoolSet::entry(const std::string& database, const std::string& user) {
    pool::PoolName name{database, user};
    auto& entry = entries_[name];
    if (entry == nullptr) {
        auto cluster = clusters_.find(database);
        const auto hosts = cluster == nullptr ? 1 : cluster->addresses().size();
        entry = std::make_shared<PoolEntry>(
            name, workers_, *this, std::move(cluster), static_cast<unsigned>(hosts)
        );
        auto& catalog = catalogs_[database];
        if (catalog == nullptr) catalog = entry->catalog;
        entry->catalog = catalog;
        configure_entry(*entry);
        // Reads are routed by the catalog: it is read before the first statement asks for it.
        if (entry->cluster != nullptr) catalog->want_refresh();
        if (must_pause(database)) apply_pause(*entry);
    }
    return entry;
}

// --- rounds ---

void PoolSet::start() {
    asio::co_spawn(io_, maintain(), log_failure);
}

asio::awaitable<void> PoolSet::maintain() {
    for (unsigned count = 0; !stopping_; ++count) {
        timer_.expires_after(round);
        co_await timer_.async_wait(pool::use_op);
        if (stopping_) co_return;
        const auto now = pool::Clock::now();
        if (count % catalog_rounds == catalog_rounds - 1) {
            for (const auto& [name, catalog] : catalogs_)
                catalog->want_refresh();
        }
        for (const auto& [name, entry] : entries_) {
            for (auto& pool : entry->pools) {
                if (count % 10 == 0) pool.close_stale(now);
                if (is_removed(*entry, pool.name().host)) {
                    pool.close_all_idle(pool::CloseReason::configuration_changed);
                }
                // A paused pool keeps nothing, also of what comes back later.
                if (pool.paused()) pool.close_all_idle(pool::CloseReason::reconnect);
            }
        }
        close_left_over();
        balance();
    }
}

void PoolSet::stop() {
    stopping_ = true;
    timer_.cancel();
    clusters_.stop();
    for (const auto& [name, entry] : entries_)
        entry->close_all_idle(pool::CloseReason::shutdown);
    close_left_over();
}

bool PoolSet::empty() const {
    const auto now = pool::Clock::now();
    const auto is_empty = [now](const auto& entry) {
        return entry->total(now) == 0;
    };
    return std::all_of(left_over_.begin(), left_over_.end(), is_empty) &&
           std::all_of(entries_.begin(), entries_.end(), [&](const auto& named) {
               return is_empty(named.second);
           });
}

void PoolSet::servers_wanted(pool::ServerPool&) {
    if (balance_posted_.exchange(true, std::memory_order_acq_rel)) return;
    asio::post(io_, [this] {
        balance_posted_.store(false, std::memory_order_release);
        balance();
    });
}

// Pools over shared limits take turns: who waits longest is served first.
void PoolSet::balance() {
    if (stopping_) return;
    const auto now = pool::Clock::now();

    struct Wanting {
        pool::Duration wait;
        const std::shared_ptr<PoolEntry>* entry;
        unsigned host;
    };

    std::vector<Wanting> wanting;
    for (const auto& [name, entry] : entries_) {
        for (unsigned host = 0; host < entry->pools.size(); ++host) {
            const auto& pool = entry->pools[host];
            const auto counts = pool.counts(now);
            if (pool::servers_to_open(counts, pool.limits()) > 0) {
                wanting.push_back({counts.oldest_wait, &entry, host});
            }
        }
    }
    std::sort(wanting.begin(), wanting.end(), [](const Wanting& a, const Wanting& b) {
        return a.wait > b.wait;
    });
    for (const auto& each : wanting)
        balance_pool(*each.entry, each.host, now);
    for (const auto& [name, entry] : entries_) {
        for (auto& pool : entry->pools)
            pool.lend_after_all(now);
    }
}

bool PoolSet::is_removed(const PoolEntry& entry, unsigned host) const {
    if (entry.cluster == nullptr) return false;
    const auto topology = entry.cluster->monitor()->topology().get();
    return topology != nullptr && topology->hosts[host].reason == pool::HostReason::removed;
}

// A host that is fenced gets no connection, and one that is down gets none that nobody waits for.
bool PoolSet::may_open(const PoolEntry& entry, unsigned host) const {
    if (entry.cluster == nullptr) return true;
    const auto topology = entry.cluster->monitor()->topology().get();
    if (topology == nullptr) return true;
    const auto state = topology->hosts[host].state;
    if (state == pool::HostState::fenced) return false;
    if (is_removed(entry, host)) return false;
    const bool wanted = entry.pools[host].counts(pool::Clock::now()).waiting > 0;
    return wanted || state != pool::HostState::down;
}

void PoolSet::balance_pool(
    const std::shared_ptr<PoolEntry>& entry, unsigned host, pool::TimePoint now
) {
    auto& pool = entry->pools[host];
    if (pool.paused() || !may_open(*entry, host)) return;
    const auto attempts = attempts_.find(pool.name());
    if (attempts != attempts_.end() && now < attempts->second.next) return;
    auto wanted = pool::servers_to_open(pool.counts(now), pool.limits());
    // After a failure one login finds out whether the next would work.
    if (attempts != attempts_.end() && attempts->second.failures > 0) {
        if (pool.counts(now).opening > 0) return;
        wanted = std::min<std::size_t>(wanted, 1);
    }
    for (; wanted > 0 && make_room(pool); --wanted) {
        pool.opening_started();
        note_peaks(pool.name());
        asio::co_spawn(io_, open(entry, host), log_failure);
    }
}

std::size_t PoolSet::database_total(const std::string& database) const {
    const auto now = pool::Clock::now();
    std::size_t total = 0;
    for (const auto& [name, entry] : entries_) {
        if (name.database == database) total += entry->total(now);
    }
    return total;
}

std::size_t PoolSet::user_total(const std::string& user) const {
    const auto now = pool::Clock::now();
    std::size_t total = 0;
    for (const auto& [name, entry] : entries_) {
        if (name.user == user) total += entry->total(now);
    }
    return total;
}

std::string PoolSet::host_name(const pool::PoolName& name) const {
    const auto& settings = *configuration_.settings;
    const auto* const database = conf::find_database(settings, name.database);
    if (database == nullptr) return {};
    const auto hosts = conf::server_hosts(settings, *database);
    if (name.host >= hosts.size()) return {};
    return hosts[name.host].host + ':' + std::to_string(hosts[name.host].port);
}

// A server more is being opened for this pool.
void PoolSet::note_peaks(const pool::PoolName& name) {
    const auto host = host_name(name);
    const auto now = pool::Clock::now();
    std::size_t of_host = 0;
    for (const auto& [other, entry] : entries_) {
        for (const auto& pool : entry->pools) {
            if (host_name(pool.name()) == host) of_host += pool.counts(now).total();
        }
    }
    const auto raise = [](std::size_t& peak, std::size_t count) {
        peak = std::max(peak, count);
    };
    raise(peaks_.by_host[host], of_host);
    raise(peaks_.by_database[name.database], database_total(name.database));
    raise(peaks_.by_user[name.user], user_total(name.user));
}

std::string_view PoolSet::limit_of(const pool::ServerPool& pool) const {
    const auto& settings = *configuration_.settings;
    const auto& name = pool.name();
    if (pool.paused()) return "paused";
    const auto counts = pool.counts(pool::Clock::now());
    const auto attempts = attempts_.find(name);
    if (attempts != attempts_.end() && attempts->second.failures > 0 && counts.active == 0) {
        return "server login";
    }
    const auto size = pool.limits().size;
    if (size > 0 && counts.total() >= size) return "pool_size";
    const auto per_database =
        static_cast<std::size_t>(conf::effective_max_db_connections(settings, name.database));
    if (per_database > 0 && database_total(name.database) >= per_database) {
        return "max_db_connections";
    }
    const auto per_user =
        static_cast<std::size_t>(conf::effective_max_user_connections(settings, name.user));
    if (per_user > 0 && user_total(name.user) >= per_user) return "max_user_connections";
    return counts.opening > 0 ? "server login" : "";
}

// Room under the limits of the database and the user; if there is none, the longest-idle server
// of another pool is asked to leave, and its end brings the next round.
bool PoolSet::make_room(const pool::ServerPool& wanting) {
    const auto& settings = *configuration_.settings;
    const auto& name = wanting.name();
    const auto per_database =
        static_cast<std::size_t>(conf::effective_max_db_connections(settings, name.database));
    const auto per_user =
        static_cast<std::size_t>(conf::effective_max_user_connections(settings, name.user));
    const bool database_full = per_database > 0 && database_total(name.database) >= per_database;
    const bool user_full = per_user > 0 && user_total(name.user) >= per_user;
    if (!database_full && !user_full) return true;
    pool::ServerPool* longest = nullptr;
    std::optional<pool::TimePoint> since;
    for (const auto& [other, entry] : entries_) {
        const bool helps = (!database_full || other.database == name.database) &&
                           (!user_full || other.user == name.user);
        if (!helps) continue;
        for (auto& candidate : entry->pools) {
            if (&candidate == &wanting) continue;
            // One that is on its way out already makes room enough.
            if (candidate.counts(pool::Clock::now()).closing > 0) return false;
            const auto idle = candidate.longest_idle();
            if (idle && (!since || *idle < *since)) {
                since = idle;
                longest = &candidate;
            }
        }
    }
    if (longest != nullptr) {
        longest->close_one_idle(pool::CloseReason::room_for_other_pool, longest->limits().min_size);
    }
    return false;
}

// --- opening ---

pool::ServerCredentials PoolSet::credentials_of(const pool::PoolName& name) const {
    const auto* database = conf::find_database(*configuration_.settings, name.database);
    if (database != nullptr && database->password) {
        pool::ServerCredentials credentials;
        credentials.password = std::string(database->password->reveal());
        return credentials;
    }
    return credentials_of_user(configuration_, name.user, keys_);
}

namespace {

// Clients of a cluster see one server: a primary, unless all they do goes to replicas.
void as_the_cluster(protocol::Settings& welcome, conf::RouteTo route) {
    for (auto& [name, value] : welcome) {
        if (name == "in_hot_standby") value = route == conf::RouteTo::replica ? "on" : "off";
    }
}

// connect_query: its errors are logged and are nobody else's.
asio::awaitable<bool> run_connect_query(
    const asio::any_io_executor& executor,
    pool::LoggedInServer& server,
    const std::string& query,
    pool::TimePoint deadline
) {
    pool::ControlStream stream(executor, std::move(server.transport), deadline);
    protocol::MessageWriter out;
    out.begin(protocol::frontend::query).c_string(query).end();
    const auto bytes = out.view();
    if (!co_await stream.write(bytes)) co_return false;
    for (;;) {
        auto message = co_await stream.read_message(login_message_limit);
        if (!message) co_return false;
        const auto body = as_bytes(message->body);
        if (message->type == protocol::backend::error_response) {
            if (const auto error = protocol::parse_error_response(body)) {
                log_of(LogComponent::pool)
                    .warn("connect_query failed: {}", printable_without_passwords(error->message));
            }
        } else if (message->type == protocol::backend::parameter_status) {
            if (const auto status = protocol::parse_parameter_status(body)) {
                for (auto& [name, value] : server.parameters) {
                    if (name == status->name) value = status->value;
                }
            }
        } else if (message->type == protocol::backend::ready_for_query) {
            const auto status = protocol::parse_ready_for_query(body);
            server.transport = stream.release();
            co_return status&&* status == protocol::TransactionStatus::idle;
        }
    }
}

}  // namespace

asio::awaitable<void> PoolSet::open(std::shared_ptr<PoolEntry> entry, unsigned host) {
    auto& pool = entry->pools[host];
    const auto deadline = pool::Clock::now() + configuration_.settings->server_connect_timeout;
    auto target = server_target(configuration_, pool.name());
    auto credentials = credentials_of(pool.name());
    auto server = co_await login_.log_in(std::move(target), std::move(credentials), deadline);
    if (!server) {
        pool.opening_ended();
        open_failed(pool, server.error());
        co_return;
    }
    const auto* database = conf::find_database(*configuration_.settings, pool.name().database);
    if (database != nullptr && !database->connect_query.empty()) {
        const std::string query = database->connect_query;
        const asio::any_io_executor executor = io_.get_executor();
        auto& logged_in = *server;
        if (!co_await run_connect_query(executor, logged_in, query, deadline)) {
            pool.opening_ended();
            auto error = protocol::error(
                protocol::sqlstate::connection_failure, "connect_query broke the connection"
            );
            open_failed(pool, error);
            co_return;
        }
    }
    attempts_.erase(pool.name());
    pool::ServerIdentity identity;
    identity.address = server->address;
    identity.port = server->port;
    identity.local_address = server->local_address;
    identity.local_port = server->local_port;
    identity.tls = server->tls_text;
    identity.cancel_key = server->cancel_key;
    identity.welcome = server->parameters;
    if (entry->cluster != nullptr) as_the_cluster(identity.welcome, entry->limits()->route);
    auto unread = std::move(server->transport.unread());
    server->transport.unread().clear();
    entry->welcome.learn(identity.welcome);
    auto connection = std::make_shared<pool::ServerConnection>(
        pool, std::move(identity), std::move(server->transport)
    );
    connection->partial = std::move(unread);
    log_of(LogComponent::pool)
        .debug(
            "S-{} {}/{}@{}:{} new connection to server",
            connection->id(),
            printable(pool.name().database),
            printable(pool.name().user),
            connection->identity().address,
            connection->identity().port
        );
    pool.add(std::move(connection));
    pool.opening_ended();
    if (stopping_) pool.close_all_idle(pool::CloseReason::shutdown);
}

asio::awaitable<protocol::Result<pool::LoggedInServer>> PoolSet::log_in_apart(
    pool::PoolName name, pool::TimePoint deadline
) {
    if (const auto cluster = clusters_.find(name.database)) {
        const auto topology = cluster->monitor()->topology().get();
        const auto primary = topology == nullptr ? std::nullopt : topology->primary();
        if (!primary) {
            co_return protocol::error(
                protocol::sqlstate::cannot_connect_now, "no primary is known at this time"
            );
        }
        name.host = static_cast<unsigned>(*primary);
    }
    auto target = server_target(configuration_, name);
    auto credentials = credentials_of(name);
    co_return co_await login_.log_in(std::move(target), std::move(credentials), deadline);
}

asio::awaitable<protocol::Result<pool::LoggedInServer>> PoolSet::log_in_to_replica(
    pool::PoolName name, pool::TimePoint deadline
) {
    const auto cluster = clusters_.find(name.database);
    const auto topology = cluster == nullptr ? nullptr : cluster->monitor()->topology().get();
    const bool replica = topology != nullptr && name.host < topology->hosts.size() &&
                         topology->hosts[name.host].role == pool::HostRole::replica &&
                         topology->hosts[name.host].may_read();
    if (!replica) {
        co_return protocol::error(
            protocol::sqlstate::cannot_connect_now, "the host is no replica at this time"
        );
    }
    auto target = server_target(configuration_, name);
    auto credentials = credentials_of(name);
    co_return co_await login_.log_in(std::move(target), std::move(credentials), deadline);
}

void PoolSet::open_failed(pool::ServerPool& pool, const protocol::Error& error) {
    const auto now = pool::Clock::now();
    auto& attempts = attempts_[pool.name()];
    ++attempts.failures;
    attempts.last = error;
    auto pause = pool::retry_pause(attempts.failures, configuration_.settings->server_login_retry);
    // Up to a quarter less, so that many pools do not come back at the same time.
    pause -= pause / 4 * static_cast<int>(random_() % 256) / 256;
    attempts.next = now + pause;
    log_of(LogComponent::pool)
        .warn(
            "{}/{}: login to the server failed: {} ({})",
            printable(pool.name().database),
            printable(pool.name().user),
            printable_without_passwords(error.message),
            error.code.text()
        );
    const auto counts = pool.counts(now);
    const bool alone = counts.idle + counts.active + counts.opening == 0;
    if (alone && (is_final(error) || is_server_full(error))) pool.fail_waiters(error);
}

std::optional<protocol::Error> PoolSet::login_failure(const PoolEntry& entry) const {
    for (const auto& pool : entry.pools) {
        const auto found = attempts_.find(pool.name());
        if (found != attempts_.end()) return found->second.last;
    }
    return std::nullopt;
}

// --- closing ---

void PoolSet::server_retired(pool::ServerRef server) {
    asio::post(io_, [this, server = std::move(server)]() mutable {
        asio::co_spawn(io_, close(std::move(server)), log_failure);
    });
}

// Says goodbye and waits for PostgreSQL's: until then the backend is there and counts.
asio::awaitable<void> PoolSet::close(pool::ServerRef server) {
    auto& pool = server->pool();
    log_of(LogComponent::pool)
        .debug(
            "S-{} {}/{} closing because: {}",
            server->id(),
            printable(pool.name().database),
            printable(pool.name().user),
            text(server->close_reason)
        );
    if (server->floating) {
        const auto deadline = pool::Clock::now() + farewell_limit;
        const asio::any_io_executor executor = io_.get_executor();
        pool::ControlStream stream(executor, std::move(server->floating), deadline);
        protocol::MessageWriter out;
        protocol::write_empty(protocol::frontend::terminate, out);
        const auto bytes = out.view();
        if (co_await stream.write(bytes)) {
            // Half a message may be before the goodbye: PostgreSQL sees the end by this.
            stream.transport().end_writing();
            for (;;) {
                stream.unread().clear();
                const auto filled = co_await stream.fill();
                if (!filled || stream.at_end()) break;
            }
        }
    }
    pool.gone(*server);
    balance();
}

void PoolSet::cancel_query(pool::ServerRef server) {
    asio::post(io_, [this, server = std::move(server)]() mutable {
        asio::co_spawn(io_, cancel(std::move(server)), log_failure);
    });
}

asio::awaitable<void> PoolSet::cancel(pool::ServerRef server) {
    auto target = server_target(configuration_, server->pool().name());
    // The very host this server is on, even if the name means another one by now.
    if (server->identity().address != "unix") target.address = server->identity().address;
    auto key = server->identity().cancel_key;
    const bool over_tls = !server->identity().tls.empty();
    const auto limit = configuration_.settings->cancel_wait_timeout;
    const auto deadline =
        pool::Clock::now() + (limit > milliseconds::zero() ? limit : milliseconds(seconds(60)));
    const auto sent =
        co_await login_.send_cancel(std::move(target), std::move(key), over_tls, deadline);
    if (!sent) {
        log_of(LogComponent::pool)
            .warn("S-{}: cancel request failed: {}", server->id(), sent.error().message);
    }
    server->pool().cancel_finished(server, sent.has_value());
}

// --- pause ---

void PoolSet::set_paused(const std::string& database, bool paused) {
    if (paused) {
        paused_.insert(database);
    } else {
        paused_.erase(database);
    }
    for (const auto& [name, entry] : entries_) {
        if (name.database == database) apply_pause(*entry);
    }
    if (!paused) balance();
}

void PoolSet::set_all_paused(bool paused) {
    all_paused_ = paused;
    for (const auto& [name, entry] : entries_)
        apply_pause(*entry);
    if (!paused) balance();
}

bool PoolSet::must_pause(const std::string& database) const {
    return all_paused_ || paused_.contains(database);
}

void PoolSet::apply_pause(PoolEntry& entry) {
    const bool pause = must_pause(entry.pool.name().database);
    for (auto& pool : entry.pools) {
        if (pause) {
            pool.pause();
            pool.close_all_idle(pool::CloseReason::reconnect);
        } else {
            pool.resume();
        }
    }
}

bool PoolSet::is_paused(const std::string& database) const {
    return paused_.contains(database);
}

}  // namespace weir::proxy
