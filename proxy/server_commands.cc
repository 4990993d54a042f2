// Server: what operators do to it. Texts are PgBouncer's.
#include "proxy/admin_console.h"
#include "proxy/log.h"
#include "proxy/server.h"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace weir::proxy {

namespace {

protocol::Error refusal(std::string message) {
    return protocol::error(protocol::sqlstate::protocol_violation, std::move(message));
}

}  // namespace

bool Server::knows(const std::string& database) const {
    return conf::find_database(settings(), database) != nullptr;
}

// The one database, or with an empty name all that are configured or have pools.
std::vector<std::string> Server::databases_named(const std::string& database) const {
    if (!database.empty()) return {database};
    std::set<std::string> names;
    for (const auto& [name, ignored] : settings().databases) {
        if (name != "*") names.insert(name);
    }
    for (const auto& [name, entry] : pools_.entries()) names.insert(name.database);
    return {names.begin(), names.end()};
}

protocol::Result<void> Server::pause(const std::string& database) {
    if (conf::is_console_database(database)) {
        return refusal("cannot pause admin db: " + database);
    }
    if (!knows(database)) return refusal("no such database: " + database);
    if (pools_.is_paused(database)) return refusal("already suspended/paused");
    pools_.set_paused(database, true);
    return {};
}

protocol::Result<void> Server::resume(const std::string& database) {
    if (!knows(database)) return refusal("no such database: " + database);
    if (!pools_.is_paused(database)) return refusal("database " + database + " is not paused");
    pools_.set_paused(database, false);
    return {};
}

protocol::Result<void> Server::pause_all() {
    if (paused_all_) return refusal("already suspended/paused");
    paused_all_ = true;
    for (const auto& database : databases_named("")) pools_.set_paused(database, true);
    return {};
}

protocol::Result<void> Server::resume_all() {
    if (shutdown_ != Shutdown::none) return refusal("pooler is shutting down");
    if (!paused_all_) return refusal("pooler is not paused/suspended");
    paused_all_ = false;
    for (const auto& database : databases_named("")) pools_.set_paused(database, false);
    return {};
}

bool Server::pause_complete(const std::string& database) const {
    const auto now = pool::Clock::now();
    for (const auto& [name, entry] : pools_.entries()) {
        if (!database.empty() && name.database != database) continue;
        if (entry->pool.counts(now).total() > 0) {
            // What came back since is idle now.
            entry->pool.close_all_idle(pool::CloseReason::reconnect);
            return false;
        }
    }
    return true;
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
        if (database.empty() || name.database == database) entry->pool.recycle();
    }
    return {};
}

bool Server::reconnect_complete(const std::string& database) const {
    return std::all_of(
        pools_.entries().begin(), pools_.entries().end(),
        [&](const auto& named) {
            const bool meant = database.empty() || named.first.database == database;
            return !meant || named.second->pool.recycled();
        }
    );
}

protocol::Result<void> Server::kill(const std::string& database) {
    if (conf::is_console_database(database)) return refusal("cannot kill admin db: " + database);
    if (!database.empty() && !knows(database)) return refusal("no such database: " + database);
    if (database.empty()) paused_all_ = true;
    for (const auto& name : databases_named(database)) {
        pools_.set_paused(name, true);
        end_sessions(name, protocol::fatal(
            protocol::sqlstate::admin_shutdown, "admin forced disconnect"
        ));
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
    const auto found = clients_.find(id);
    if (found == clients_.end()) {
        asio::post(io_, [done = std::move(done)] { done(false); });
        return;
    }
    workers_[found->second.worker]->with_session(id, [](ClientSession& session) {
        session.end(protocol::fatal(
            protocol::sqlstate::admin_shutdown, "admin forced disconnect"
        ));
    });
    asio::post(io_, [done = std::move(done)] { done(true); });
}

}  // namespace weir::proxy
