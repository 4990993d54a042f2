#include "proxy/server.h"

#include "conf/load_file.h"
#include "conf/machine.h"
#include "conf/reload.h"
#include "conf/validate.h"
#include "pool/io/epoll_backend.h"
#include "proxy/admin_console.h"
#include "proxy/http_server.h"
#include "proxy/log.h"
#include "proxy/log_file.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include <csignal>

namespace weir::proxy {

namespace {

// PBKDF2 and getaddrinfo.
constexpr std::size_t helper_threads = 2;
constexpr auto shutdown_round = std::chrono::milliseconds(50);

std::vector<std::unique_ptr<Worker>> make_workers(
    int count, protocol::StatementCatalog& catalog, SessionObserver& observer
) {
    std::vector<std::unique_ptr<Worker>> workers;
    for (int i = 0; i < count; ++i) {
        workers.push_back(std::make_unique<Worker>(
            static_cast<unsigned>(i), std::make_unique<pool::EpollBackend>(), catalog, observer
        ));
    }
    return workers;
}

std::vector<pool::EventLoop*> loops_of(const std::vector<std::unique_ptr<Worker>>& workers) {
    std::vector<pool::EventLoop*> loops;
    for (const auto& worker : workers)
        loops.push_back(&worker->loop());
    return loops;
}

std::vector<QueryTable*> tables_of(const std::vector<std::unique_ptr<Worker>>& workers) {
    std::vector<QueryTable*> tables;
    for (const auto& worker : workers)
        tables.push_back(&worker->queries());
    return tables;
}

protocol::Error config_error(std::string message) {
    return protocol::error(protocol::sqlstate::config_file_error, std::move(message));
}

}  // namespace

Server::Server(std::string config_path, conf::Settings settings)
    : config_path_(std::move(config_path)),
      threads_(helper_threads),
      configuration_{
          std::make_shared<const conf::Settings>(std::move(settings)),
          std::make_shared<const conf::UserList>(),
          nullptr,
          nullptr,
          nullptr},
      traces_(io_, threads_),
      workers_(make_workers(
          configuration_.settings->workers > 0 ? configuration_.settings->workers
                                               : conf::workers_for_this_machine(),
          catalog_,
          *this
      )),
      queries_(tables_of(workers_)),
      pools_(io_, threads_, scram_keys_, loops_of(workers_)),
      slow_explain_(io_, pools_, slow_log_),
      notifications_(io_, pools_, workers_),
      policy_(make_policy()),
      authenticator_(threads_, scram_keys_),
      logins_(io_.get_executor(), policy_, authenticator_),
      listener_(io_.get_executor(), [this](pool::Transport t) { logins_.start(std::move(t)); }),
      console_(std::make_unique<AdminConsole>(*this)),
      lookout_(*this),
      http_(std::make_unique<HttpServer>(*this)),
      signals_(io_),
      shutdown_timer_(io_),
      stats_timer_(io_),
      sample_timer_(io_) {}

Server::~Server() {
    threads_.join();
}

// Everything that has to be read again at RELOAD, or an Error and nothing has changed.
protocol::Result<Configuration> Server::load_files(conf::Settings settings) const {
    Configuration loaded;
    auto users = std::make_shared<conf::UserList>();
    if (!settings.auth_file.empty()) {
        auto read = conf::load_userlist(settings.auth_file);
        for (const auto& warning : read.problems.warnings)
            log_of(LogComponent::process).warn("{}", warning.to_string());
        if (!read.users) {
            std::string text;
            for (const auto& problem : read.problems.errors) {
                if (!text.empty()) text += "; ";
                text += problem.to_string();
            }
            return config_error(std::move(text));
        }
        *users = std::move(*read.users);
    }
    loaded.users = std::move(users);
    const auto clients = pool::client_tls_settings(settings);
    if (clients.mode != conf::SslMode::disable) {
        auto context = pool::TlsContext::for_clients(clients);
        if (!context) return context.error();
        loaded.client_tls = *context;
    }
    const auto servers = pool::server_tls_settings(settings);
    if (servers.mode != conf::SslMode::disable) {
        auto context = pool::TlsContext::for_servers(servers);
        if (!context) return context.error();
        loaded.server_tls = *context;
    }
    const auto http = pool::http_tls_settings(settings);
    if (http.mode != conf::SslMode::disable) {
        auto context = pool::TlsContext::for_http(http);
        if (!context) return context.error();
        loaded.http_tls = *context;
    }
    loaded.settings = std::make_shared<const conf::Settings>(std::move(settings));
    return loaded;
}

void Server::install(Configuration configuration) {
    // Keys learnt from a secret that is gone must not open anything.
    for (const auto& [name, secret] : *configuration_.users) {
        const auto now = configuration.users->find(name);
        if (now == configuration.users->end() || !(now->second == secret)) {
            scram_keys_.forget(name);
        }
    }
    configuration_ = std::move(configuration);
    pools_.configure(configuration_);
    for (const auto& worker : workers_) {
        worker->queries().set_max_rows(
            static_cast<std::size_t>(configuration_.settings->query_stats_max)
        );
    }
    if (const auto wrong = slow_log_.configure(*configuration_.settings); !wrong.empty()) {
        log_of(LogComponent::process).error("{}", wrong);
    }
    traces_.configure(*configuration_.settings);
    refresh_sessions();
    const auto& now = *configuration_.settings;
    slow_explain_.configure(now.slow_explain_interval, now.log_parameters);
    set_log_levels(conf::read_log_levels(now.log_level, now.verbose).value);
}

protocol::Result<void> Server::open() {
    auto loaded = load_files(*configuration_.settings);
    if (!loaded) return loaded.error();
    install(std::move(*loaded));
    reloads_.last = std::chrono::system_clock::now();
    auto opened = listener_.open(settings());
    if (!opened) return opened.error();
    return http_->open(settings());
}

void Server::run() {
    for (const auto& worker : workers_)
        worker->start();
    pools_.clusters().on_roles_changed([this](Cluster& cluster, const pool::TopologyRef& topology) {
        roles_changed(cluster, *topology);
    });
    pools_.start();
    listener_.start();
    http_->start();
    traces_.start();
    asio::co_spawn(io_, handle_signals(), log_failure);
    asio::co_spawn(io_, log_statistics(), log_failure);
    asio::co_spawn(io_, sample_queries(), log_failure);
    log_of(LogComponent::process).info("process up: pgweir, {} workers", workers_.size());
    io_.run();
    for (const auto& worker : workers_) {
        worker->stop(protocol::fatal(protocol::sqlstate::admin_shutdown, "server shutting down"));
    }
    log_of(LogComponent::process).info("stopped");
}

asio::awaitable<void> Server::handle_signals() {
    for (const int signal : {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) {
        signals_.add(signal);
    }
    for (;;) {
        const auto [ec, signal] = co_await signals_.async_wait(pool::use_op);
        if (ec) co_return;
        const bool again = shutdown_ != Shutdown::none;
        switch (signal) {
            case SIGHUP:
                log_of(LogComponent::process).info("got SIGHUP, re-reading config");
                if (const auto done = reload(); !done) {
                    log_of(LogComponent::process).error("RELOAD failed: {}", done.error().message);
                }
                break;
            case SIGTERM:
                shut_down(again ? Shutdown::immediate : Shutdown::wait_for_clients);
                break;
            case SIGINT:
                shut_down(again ? Shutdown::immediate : Shutdown::wait_for_servers);
                break;
            case SIGUSR1:
                static_cast<void>(pause_all());
                break;
            case SIGUSR2:
                static_cast<void>(resume_all());
                break;
            default:
                shut_down(Shutdown::immediate);
                break;
        }
    }
}

// --- reload ---

protocol::Result<void> Server::reload() {
    auto result = read_again();
    reloads_.last_failed = !result;
    ++(result ? reloads_.done : reloads_.failed);
    if (result) reloads_.last = std::chrono::system_clock::now();
    return result;
}

protocol::Result<void> Server::read_again() {
    reopen_log();
    slow_log_.reopen();
    auto loaded = conf::load_file(config_path_);
    for (const auto& warning : loaded.problems.warnings)
        log_of(LogComponent::process).warn("{}", warning.to_string());
    if (!loaded.ok()) {
        for (const auto& problem : loaded.problems.errors)
            log_of(LogComponent::process).error("{}", problem.to_string());
        return config_error("RELOAD failed, see logs for additional details");
    }
    const auto diff = conf::compare(settings(), *loaded.settings);
    for (const auto& key : diff.needs_restart) {
        log_of(LogComponent::process).warn("{} has changed; that acts after a restart", key);
    }
    auto wanted = conf::reloaded(settings(), *loaded.settings);
    const auto problems = conf::validate(wanted);
    for (const auto& problem : problems.errors)
        log_of(LogComponent::process).error("{}", problem.to_string());
    if (!problems.errors.empty()) {
        return config_error("RELOAD failed, see logs for additional details");
    }
    auto files = load_files(std::move(wanted));
    if (!files) {
        log_of(LogComponent::process).error("{}", files.error().message);
        return config_error("RELOAD failed, see logs for additional details");
    }
    install(std::move(*files));
    for (const auto& database : diff.databases_removed) {
        end_sessions(
            database, protocol::fatal(protocol::sqlstate::admin_shutdown, "database removed")
        );
    }
    for (const auto& [name, entry] : pools_.entries()) {
        const auto& changed = diff.databases_reconnect;
        const bool moved =
            std::find(changed.begin(), changed.end(), name.database) != changed.end() ||
            std::find(
                diff.databases_removed.begin(), diff.databases_removed.end(), name.database
            ) != diff.databases_removed.end() ||
            (std::find(changed.begin(), changed.end(), "*") != changed.end() &&
             !settings().databases.contains(name.database));
        if (moved || diff.server_tls_changed) {
            entry->recycle();
            notifications_.drop(name);
        }
    }
    log_of(LogComponent::process).info("configuration reloaded");
    return {};
}

void Server::apply(conf::Settings settings) {
    const auto diff = conf::compare(this->settings(), settings);
    auto files = load_files(settings);
    if (!files) {
        log_of(LogComponent::process).error("SET: {}", files.error().message);
        return;
    }
    install(std::move(*files));
    if (diff.server_tls_changed) {
        for (const auto& [name, entry] : pools_.entries()) {
            entry->recycle();
            notifications_.drop(name);
        }
    }
}

void Server::refresh_sessions() {
    for (const auto& worker : workers_) {
        worker->with_all_sessions([](ClientSession& session) { session.refresh_limits(); }, {});
    }
}

// --- stop ---

void Server::shut_down(Shutdown how) {
    if (how == Shutdown::none || shutdown_ == Shutdown::immediate) return;
    const bool first = shutdown_ == Shutdown::none;
    shutdown_ = how;
    switch (how) {
        case Shutdown::wait_for_clients:
            log_of(LogComponent::process).info("shutting down: waiting for clients");
            listener_.stop_tcp();
            break;
        case Shutdown::wait_for_servers:
            log_of(LogComponent::process).info("shutting down: waiting for servers");
            listener_.stop_tcp();
            static_cast<void>(pause_all());
            for (const auto& [name, entry] : pools_.entries()) {
                for (auto& pool : entry->pools) {
                    pool.fail_waiters(
                        protocol::fatal(protocol::sqlstate::admin_shutdown, "server shutting down")
                    );
                }
            }
            break;
        default:
            log_of(LogComponent::process).info("shutting down");
            break;
    }
    if (first) {
        asio::co_spawn(io_, watch_shutdown(), log_failure);
    } else {
        shutdown_timer_.cancel();
    }
}

// First phase: until what is waited for has happened. Second: everybody is told and let go.
asio::awaitable<void> Server::watch_shutdown() {
    const auto complete = [this] {
        if (shutdown_ == Shutdown::immediate) return true;
        if (shutdown_ == Shutdown::wait_for_clients) return clients() == 0;
        return pause_complete("");
    };
    while (!complete()) {
        shutdown_timer_.expires_after(shutdown_round);
        co_await shutdown_timer_.async_wait(pool::use_op);
    }
    listener_.stop();
    signals_.cancel();
    stats_timer_.cancel();
    sample_timer_.cancel();
    const auto why = protocol::fatal(protocol::sqlstate::admin_shutdown, "server shutting down");
    for (const auto& worker : workers_) {
        worker->with_all_sessions([why](ClientSession& session) { session.end(why); }, {});
    }
    console_->stop(why);
    pools_.stop();
    notifications_.stop();
    // Servers get their Terminate; those that a query keeps are cancelled. Not for ever.
    const auto limit = pool::Clock::now() + std::chrono::seconds(5);
    while ((clients() > 0 || !pools_.empty() || !notifications_.closed()) &&
           pool::Clock::now() < limit) {
        shutdown_timer_.expires_after(shutdown_round);
        co_await shutdown_timer_.async_wait(pool::use_op);
        for (const auto& [name, entry] : pools_.entries()) {
            entry->close_all_idle(pool::CloseReason::shutdown);
        }
    }
    // The last spans, of clients that have just left.
    traces_.stop();
    const auto flushed = pool::Clock::now() + std::chrono::seconds(1);
    while (!traces_.is_stopped() && pool::Clock::now() < flushed) {
        shutdown_timer_.expires_after(shutdown_round);
        co_await shutdown_timer_.async_wait(pool::use_op);
    }
    http_->stop();
    io_.stop();
}

void Server::reset_queries() {
    for (const auto& worker : workers_)
        worker->loop().post([&worker = *worker] { worker.queries().reset(); });
    queries_.reset();
    slow_log_.clear();
}

void Server::statement_was_slow(SlowStatement statement, bool logged) {
    slow_explain_.note(std::move(statement), logged);
}

void Server::statement_traced(SlowStatement statement) {
    traces_.note(std::move(statement));
}

asio::awaitable<void> Server::sample_queries() {
    for (;;) {
        sample_timer_.expires_after(QueryReports::sample_period);
        const auto [ec] = co_await sample_timer_.async_wait(pool::use_op);
        if (ec) co_return;
        if (settings().query_stats) queries_.sample(pool::Clock::now());
    }
}

asio::awaitable<void> Server::log_statistics() {
    for (;;) {
        stats_timer_.expires_after(settings().stats_period);
        const auto [ec] = co_await stats_timer_.async_wait(pool::use_op);
        if (ec) co_return;
        if (!settings().log_stats) continue;
        std::uint64_t transactions = 0, queries = 0, in = 0, out = 0;
        for (const auto& [name, entry] : pools_.entries()) {
            for (const auto& counters : entry->pool.counters()) {
                transactions += counters.transactions.value();
                queries += counters.queries.value();
                in += counters.bytes_received.value();
                out += counters.bytes_sent.value();
            }
        }
        log_of(LogComponent::process)
            .info(
                "stats: {} clients, since start {} transactions, {} queries, in {} B, out {} B",
                clients(),
                transactions,
                queries,
                in,
                out
            );
    }
}

}  // namespace weir::proxy
