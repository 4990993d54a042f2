// The console's queries: SQL over the tables of SHOW and PostgreSQL's catalog.
//
// Rows are taken on the control thread, of the tables that are named and no others; the query runs
// on a thread of its own, one at a time, so that no login waits for it.
#pragma once

#include "proxy/admin_session.h"
#include "proxy/admin_show.h"
#include "proxy/sql_database.h"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <memory>
#include <vector>

namespace weir::proxy {

using StopFlag = std::shared_ptr<std::atomic<bool>>;

class ConsoleQueries {
public:
    explicit ConsoleQueries(Server& server) : server_(server) {}

    // Ends what runs.
    ~ConsoleQueries();

    protocol::Result<PreparedSqlRef> prepare(
        const AdminCommand& command, const SqlSession& session
    );

    // For current_user, current_setting() and their like.
    SqlSession session_of(const std::string& user, const std::string& database) const;

    static bool needs_sessions(const PreparedSql& prepared);
    static bool needs_locks(const PreparedSql& prepared);

    // Calls `done` on the control thread unless the process ends before. `context` is used within
    // the call only.
    void run(
        const AdminCommand& command,
        PreparedSqlRef prepared,
        const SqlSession& session,
        const ShowContext& context,
        StopFlag stop,
        AdminCommands::Done done
    );

private:
    Server& server_;
    std::vector<std::weak_ptr<std::atomic<bool>>> running_;
    boost::asio::thread_pool thread_{1};
};

}  // namespace weir::proxy
