// Server: who comes in, where they go, and what is known of them.
#include "pool/io/socket_address.h"
#include "proxy/admin_console.h"
#include "proxy/log.h"
#include "proxy/server.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <mutex>

namespace weir::proxy {

namespace {

namespace sqlstate = protocol::sqlstate;

// So many sessions end before the control plane is woken to forget them.
constexpr std::size_t ended_at_once = 64;

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

// How many clients there are. Permits may be given back on any thread.
struct Server::Admission {
    using Count = std::map<std::string, std::size_t>::iterator;  // stays until it is zero

    std::mutex mutex;
    std::size_t total = 0;
    std::map<std::string, std::size_t> by_database;
    std::map<std::string, std::size_t> by_user;
    std::size_t peak_total = 0;
    std::map<std::string, std::size_t> peak_by_database;
    std::map<std::string, std::size_t> peak_by_user;

    // One more has come: what he counts as.
    std::pair<Count, Count> add(const std::string& database, const std::string& user) {
        const auto raise = [](std::size_t& peak, std::size_t count) {
            peak = std::max(peak, count);
        };
        // Whoever comes with ever new names fills no memory with them.
        constexpr std::size_t most_names = 10'000;
        raise(peak_total, ++total);
        const auto of_database = by_database.try_emplace(database, 0).first;
        const auto of_user = by_user.try_emplace(user, 0).first;
        ++of_database->second;
        ++of_user->second;
        if (peak_by_database.size() < most_names) {
            raise(peak_by_database[database], of_database->second);
        }
        if (peak_by_user.size() < most_names) raise(peak_by_user[user], of_user->second);
        return {of_database, of_user};
    }

    static void drop(std::map<std::string, std::size_t>& counts, Count one) {
        if (--one->second == 0) counts.erase(one);
    }
};

LoginPolicy Server::make_policy() {
    admission_ = std::make_shared<Admission>();
    LoginPolicy policy;
    policy.settings = [this] {
        return configuration_.settings;
    };
    policy.tls = [this] {
        return configuration_.client_tls;
    };
    policy.secret_of = [this](const std::string& user) -> std::optional<std::string> {
        const auto found = configuration_.users->find(user);
        if (found == configuration_.users->end()) return std::nullopt;
        return std::string(found->second.text.reveal());
    };
    policy.unknown_users_get_scram = [this] {
        const auto& users = *configuration_.users;
        return std::any_of(users.begin(), users.end(), [](const auto& user) {
            return user.second.kind == conf::SecretKind::scram;
        });
    };
    policy.admit = [this](const LoginRequest& request) {
        return admit(request);
    };
    policy.authorize = [this](const LoginRequest& request) {
        return authorize(request);
    };
    policy.deliver = [this](LoggedInClient client) {
        deliver(std::move(client));
    };
    policy.cancel = [this](protocol::CancelKey key) {
        return cancel_by_key(std::move(key));
    };
    return policy;
}

protocol::Result<std::shared_ptr<void>> Server::admit(const LoginRequest& request) {
    if (shutdown_ != Shutdown::none && !request.console) {
        return protocol::fatal(sqlstate::admin_shutdown, "pooler is shutting down");
    }
    const bool admin = request.owner || contains(settings().admin_users, request.user);
    if (request.console && admin) return std::shared_ptr<void>();
    auto& counts = *admission_;
    const std::lock_guard lock(counts.mutex);
    const auto refuse = [](std::string message) {
        return protocol::fatal(sqlstate::too_many_connections, std::move(message));
    };
    const auto full = [](std::size_t count, int limit) {
        return limit > 0 && count >= static_cast<std::size_t>(limit);
    };
    if (counts.total >= static_cast<std::size_t>(settings().max_client_conn)) {
        return refuse("no more connections allowed (max_client_conn)");
    }
    const auto& database = request.database;
    const auto of_database = counts.by_database.find(database);
    if (of_database != counts.by_database.end() &&
        full(
            of_database->second, conf::effective_max_db_client_connections(settings(), database)
        )) {
        return refuse("client connections exceeded (max_db_client_connections)");
    }
    const auto of_user = counts.by_user.find(request.user);
    if (of_user != counts.by_user.end() &&
        full(
            of_user->second, conf::effective_max_user_client_connections(settings(), request.user)
        )) {
        return refuse("client connections exceeded (max_user_client_connections)");
    }
    const auto counted = counts.add(database, request.user);
    auto release = [admission = admission_, counted](void*) {
        const std::lock_guard again(admission->mutex);
        --admission->total;
        Admission::drop(admission->by_database, counted.first);
        Admission::drop(admission->by_user, counted.second);
    };
    // Only the deleter matters; the address must not be null for it to be called.
    return std::shared_ptr<void>(admission_.get(), std::move(release));
}

protocol::Result<void> Server::authorize(const LoginRequest& request) const {
    if (request.console) {
        const bool named = contains(settings().admin_users, request.user) ||
                           contains(settings().stats_users, request.user);
        if (request.owner || named) return {};
        return protocol::fatal(
            sqlstate::insufficient_privilege,
            "not allowed",
            "Only admin_users and stats_users may enter the console."
        );
    }
    if (conf::find_database(settings(), request.database) == nullptr) {
        return protocol::fatal(sqlstate::invalid_database, "no such database: " + request.database);
    }
    if (disabled_.contains(request.database)) {
        return protocol::fatal(
            sqlstate::cannot_connect_now, "database \"" + request.database + "\" is disabled"
        );
    }
    return {};
}

void Server::deliver(LoggedInClient client) {
    if (settings().log_connections) {
        log_of(LogComponent::clients)
            .info(
                "C {}/{}@{}:{} login attempt: db={} user={} tls={}",
                printable(client.database),
                printable(client.user),
                client.address,
                client.port,
                printable(client.database),
                printable(client.user),
                client.tls_text.empty() ? "no" : client.tls_text
            );
    }
    if (client.console) return console_->start(std::move(client));
    begin_session(std::move(client));
}

Worker& Server::least_busy_worker() {
    return **std::min_element(workers_.begin(), workers_.end(), [](const auto& a, const auto& b) {
        return a->sessions() < b->sessions();
    });
}

void Server::begin_session(LoggedInClient client) {
    const auto* database = conf::find_database(settings(), client.database);
    if (database == nullptr) return;  // removed between the login and now
    auto start = std::make_unique<SessionStart>();
    auto& worker = least_busy_worker();
    start->id = next_session_++;
    start->entry = pools_.entry(client.database, database->user.value_or(client.user));
    start->user = client.user;
    start->database = client.database;
    for (auto& setting : client.settings) {
        if (settings().application_name_add_host &&
            protocol::same_parameter_name(setting.first, "application_name")) {
            setting.second += client.unix_socket
                                  ? " - unix"
                                  : " - " + client.address + ":" + std::to_string(client.port);
        }
    }
    start->settings = std::move(client.settings);
    const bool long_key = client.version >= protocol::ProtocolVersion{3, 2};
    start->cancel_key = cancels_.add({start->id, worker.index()}, long_key ? 32 : 4);
    start->address = client.address;
    start->port = client.port;
    start->local_address = client.local_address;
    start->local_port = client.local_port;
    start->tls = client.tls_text;
    start->unix_socket = client.unix_socket;
    start->peer_process =
        client.unix_socket ? pool::peer_process_of(client.transport.descriptor()) : 0;
    start->transport = std::move(client.transport);
    start->permit = std::move(client.permit);
    forget_ended();
    clients_.emplace(start->id, ClientPlace{worker.index(), start->cancel_key.process_id});
    worker.begin(std::move(start));
}

void Server::session_ended(std::uint64_t id) {
    bool many = false;
    {
        const std::lock_guard lock(ended_.mutex);
        ended_.ids.push_back(id);
        many = ended_.ids.size() % ended_at_once == 0;
    }
    if (many) asio::post(io_, [this] { forget_ended(); });
}

void Server::forget_ended() {
    std::vector<std::uint64_t> ids;
    {
        const std::lock_guard lock(ended_.mutex);
        ids.swap(ended_.ids);
    }
    for (const auto id : ids) {
        const auto found = clients_.find(id);
        if (found == clients_.end()) continue;
        cancels_.remove(found->second.cancel_process_id);
        clients_.erase(found);
    }
}

std::size_t Server::clients() const {
    const std::lock_guard lock(ended_.mutex);
    return clients_.size() - ended_.ids.size();
}

void Server::ask_listener(ListenerRequest request) {
    notifications_.ask(std::move(request));
}

void Server::run_aside(std::function<void()> job) {
    asio::post(threads_, std::move(job));
}

// Their servers are renewed between transactions, and the next client sees a new welcome.
void Server::sessions_changed(const std::vector<router::NewSessions>& whose) {
    asio::post(io_, [this, whose] {
        for (const auto& [name, entry] : pools_.entries()) {
            const auto* const database = conf::find_database(settings(), name.database);
            const std::string_view dbname = database == nullptr
                                                ? std::string_view(name.database)
                                                : conf::server_dbname(*database, name.database);
            const auto is_meant = [&, user = name.user](const router::NewSessions& sessions) {
                return (sessions.role.empty() || sessions.role == user) &&
                       (sessions.database.empty() || sessions.database == dbname);
            };
            if (std::none_of(whose.begin(), whose.end(), is_meant)) continue;
            entry->recycle();
            entry->welcome.outdate();
        }
    });
}

// The workers can see it already.
void Server::roles_changed(const Cluster& cluster, const pool::Topology& topology) {
    for (const auto& worker : workers_) {
        worker->with_all_sessions(
            [which = &cluster](ClientSession& session) { session.topology_changed(which); }, {}
        );
    }
    for (const auto& [name, entry] : pools_.entries()) {
        if (entry->cluster.get() != &cluster) continue;
        for (std::size_t host = 0; host < entry->pools.size(); ++host) {
            const auto state = topology.hosts[host].state;
            const bool in_use = state != pool::HostState::fenced &&
                                state != pool::HostState::draining &&
                                state != pool::HostState::down;
            if (!in_use) entry->pools[host].close_all_idle(pool::CloseReason::role_changed);
        }
        // It listens on the primary.
        const auto primary = topology.primary();
        if (!primary) continue;
        const auto before = std::exchange(entry->primary, primary);
        if (before && before != primary) notifications_.drop(name);
    }
}

void Server::cancel_query(pool::ServerRef server) {
    pools_.cancel_query(std::move(server));
}

asio::awaitable<void> Server::cancel_by_key(protocol::CancelKey key) {
    if (console_->cancel(key)) co_return;
    const auto target = cancels_.find(key);
    if (!target) co_return;
    workers_[target->worker]->with_session(target->session, [](ClientSession& session) {
        session.cancel();
    });
}

Server::Counts Server::client_counts() const {
    Counts counts;
    counts.clients = clients() + console_->clients();
    counts.login = logins_.under_way();
    const std::lock_guard lock(admission_->mutex);
    counts.by_database = admission_->by_database;
    counts.by_user = admission_->by_user;
    counts.peak_clients = admission_->peak_total;
    counts.peak_by_database = admission_->peak_by_database;
    counts.peak_by_user = admission_->peak_by_user;
    return counts;
}

void Server::visit_sessions(
    const std::vector<std::uint64_t>& ids, const std::function<void(ClientSession&)>& visit
) {
    std::map<unsigned, std::vector<std::uint64_t>> by_worker;
    for (const auto id : ids) {
        const auto found = clients_.find(id);
        if (found != clients_.end()) by_worker[found->second.worker].push_back(id);
    }
    for (auto& [worker, theirs] : by_worker)
        workers_[worker]->with_sessions(std::move(theirs), visit);
}

void Server::view_sessions(std::function<void(std::vector<SessionView>)> done) {
    struct Gathering {
        std::mutex mutex;
        std::vector<SessionView> views;
        std::size_t workers_left = 0;
        std::function<void(std::vector<SessionView>)> done;
    };

    auto all = std::make_shared<Gathering>();
    all->workers_left = workers_.size();
    all->done = std::move(done);
    for (const auto& worker : workers_) {
        worker->with_all_sessions(
            [all](ClientSession& session) {
                auto view = session.view();
                const std::lock_guard lock(all->mutex);
                all->views.push_back(std::move(view));
            },
            [this, all] {
                {
                    const std::lock_guard lock(all->mutex);
                    if (--all->workers_left > 0) return;
                }
                asio::post(io_, [all] { all->done(std::move(all->views)); });
            }
        );
    }
}

}  // namespace weir::proxy
