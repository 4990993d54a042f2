// Server: what operators do to it. Texts are PgBouncer's.
#include "proxy/admin_console.h"
#include "proxy/log.h"
#include "proxy/server.h"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>

namespace weir::proxy {

namespace {

protocol::Error refusal(std::string message) {
    return protocol::error(protocol::sqlstate::protocol_violation, std::move(message));
}

}  // namespace

bool Server::knows(const std::string& database) const {
    return conf::find_database(settings(), database) != nullptr;
}

protocol::Result<void> Server::pause(const std::string& database) {
    if (paused_all_) return refusal("already suspended/paused");
    if (conf::is_console_database(database)) {
        return refusal("cannot pause admin db: " + database);
    }
    if (!knows(database)) return refusal("no such database: " + database);
    pools_.set_paused(database, true);
    return {};
}

protocol::Result<void> Server::resume(const std::string& database) {
    if (!knows(database) && !conf::is_console_database(database)) {
        return refusal("no such database: " + database);
    }
    if (!pools_.is_paused(database)) return refusal("database " + database + " is not paused");
    pools_.set_paused(database, false);
    return {};
}

protocol::Result<void> Server::pause_all() {
    if (paused_all_) return refusal("already suspended/paused");
    paused_all_ = true;
    pools_.set_all_paused(true);
    return {};
}

protocol::Result<void> Server::resume_all() {
    if (shutdown_ != Shutdown::none) return refusal("pooler is shutting down");
    if (!paused_all_) return refusal("pooler is not paused/suspended");
    paused_all_ = false;
    pools_.set_all_paused(false);
    return {};
}

bool Server::pause_complete(const std::string& database) const {
    const auto now = pool::Clock::now();
    bool complete = true;
    for (const auto& [name, entry] : pools_.entries()) {
        if (!database.empty() && name.database != database) continue;
        if (entry->total(now) == 0) continue;
        // What came back since is idle now.
        entry->close_all_idle(pool::CloseReason::reconnect);
        complete = false;
    }
    return complete;
}

protocol::Result<void> Server::set_disabled(const std::string& database, bool disabled) {
    if (!knows(database)) return refusal("no such database: " + database);
    if (disabled) {
        disabled_.insert(database);
    } else {
        disabled_.erase(database);
    }
    return {};
}

protocol::Result<void> Server::reconnect(const std::string& database) {
    if (!database.empty() && !knows(database)) return refusal("no such database: " + database);
    for (const auto& [name, entry] : pools_.entries()) {
        if (!database.empty() && name.database != database) continue;
        entry->recycle();
        notifications_.drop(name);
    }
    return {};
}

bool Server::reconnect_complete(const std::string& database) const {
    return std::all_of(pools_.entries().begin(), pools_.entries().end(), [&](const auto& named) {
        const bool meant = database.empty() || named.first.database == database;
        return !meant || named.second->recycled();
    });
}

protocol::Result<void> Server::kill(const std::string& database) {
    if (paused_all_) return refusal("already suspended/paused");
    if (conf::is_console_database(database)) return refusal("cannot kill admin db: " + database);
    if (!database.empty() && !knows(database)) return refusal("no such database: " + database);
    std::set<std::string> names;
    if (!database.empty()) names.insert(database);
    for (const auto& [name, entry] : pools_.entries()) {
        if (database.empty()) names.insert(name.database);
    }
    for (const auto& name : names) {
        pools_.set_paused(name, true);
        // PgBouncer's words; they are true of a KILL only for the time being.
        end_sessions(
            name,
            protocol::fatal(
                protocol::sqlstate::admin_shutdown,
                "database removed",
                "An operator has issued KILL; try again after RESUME."
            )
        );
    }
    static_cast<void>(reconnect(database));
    return {};
}

void Server::end_sessions(const std::string& database, const protocol::Error& why) {
    for (const auto& worker : workers_) {
        worker->with_all_sessions(
            [database, why](ClientSession& session) {
                if (session.entry().pool.name().database == database) session.end(why);
            },
            {}
        );
    }
}

void Server::kill_client(std::uint64_t id, std::function<void(bool)> done) {
    forget_ended();
    const auto found = clients_.find(id);
    if (found == clients_.end()) {
        asio::post(io_, [done = std::move(done)] { done(false); });
        return;
    }
    workers_[found->second.worker]->with_session(id, [](ClientSession& session) {
        session.end(protocol::fatal(protocol::sqlstate::admin_shutdown, "admin forced disconnect"));
    });
    asio::post(io_, [done = std::move(done)] { done(true); });
}

void Server::act_on_sessions(
    std::function<bool(ClientSession&)> act, std::function<void(std::size_t)> done
) {
    struct Counting {
        std::atomic<std::size_t> acted{0};
        std::atomic<std::size_t> workers_left{0};
        std::function<void(std::size_t)> done;
    };

    auto all = std::make_shared<Counting>();
    all->workers_left = workers_.size();
    all->done = std::move(done);
    for (const auto& worker : workers_) {
        worker->with_all_sessions(
            [all, act](ClientSession& session) {
                if (act(session)) ++all->acted;
            },
            [this, all] {
                if (--all->workers_left > 0) return;
                asio::post(io_, [all] { all->done(all->acted.load()); });
            }
        );
    }
}

}  // namespace weir::proxy
