#include "proxy/admin_queries.h"

#include "conf/show.h"
#include "proxy/pg_catalog.h"
#include "proxy/server.h"

#include <boost/asio/post.hpp>

#include <utility>

namespace weir::proxy {

namespace {

// Of the console, then of the catalog.
ColumnsRef find_columns(std::string_view name) {
    if (const auto* show = find_show_table(name)) return constant_columns(show->columns);
    const auto* columns = pg_catalog_columns(name);
    return columns == nullptr ? nullptr : constant_columns(*columns);
}

// Positions are those of the text that the client sent.
protocol::Error shifted(protocol::Error error, long shift) {
    if (error.position.empty() || shift == 0) return error;
    const auto position = std::stol(error.position) + shift;
    error.position = position > 0 ? std::to_string(position) : std::string();
    return error;
}

}  // namespace

ConsoleQueries::~ConsoleQueries() {
    for (const auto& each : running_) {
        if (const auto stop = each.lock()) stop->store(true);
    }
    thread_.stop();
    thread_.join();
}

protocol::Result<PreparedSqlRef> ConsoleQueries::prepare(
    const AdminCommand& command, const SqlSession& session
) {
    auto prepared = prepare_sql(command.value, find_columns, session, command.parameter_types);
    if (!prepared) return shifted(prepared.error(), command.shift);
    if (!command.described && !(*prepared)->parameters.empty()) {
        return protocol::error(protocol::SqlState("42P02"), "there is no parameter $1");
    }
    return prepared;
}

SqlSession ConsoleQueries::session_of(const std::string& user, const std::string& database) const {
    SqlSession session{user, database, {}, {}};
    session.version = console_version_text();
    session.settings = pretended_settings();
    for (auto& config : conf::config_rows(server_.settings()))
        session.settings.emplace(std::move(config.key), std::move(config.value));
    return session;
}

bool ConsoleQueries::needs_sessions(const PreparedSql& prepared) {
    for (const auto& [name, columns] : prepared.tables) {
        const auto* show = find_show_table(name);
        if (show != nullptr && show->needs_sessions) return true;
    }
    return false;
}

bool ConsoleQueries::needs_locks(const PreparedSql& prepared) {
    for (const auto& [name, columns] : prepared.tables) {
        const auto* show = find_show_table(name);
        if (show != nullptr && show->needs_locks) return true;
    }
    return false;
}

void ConsoleQueries::run(
    const AdminCommand& command,
    PreparedSqlRef prepared,
    const SqlSession& session,
    const ShowContext& context,
    StopFlag stop,
    AdminCommands::Done done
) {
    std::vector<SqlRows> rows;
    for (const auto& [name, columns] : prepared->tables) {
        const auto* show = find_show_table(name);
        rows.push_back(
            {name, show != nullptr ? show->rows(context) : pg_catalog_rows(name, context, session)}
        );
    }
    std::erase_if(running_, [](const auto& each) { return each.expired(); });
    running_.push_back(stop);
    const bool as_show = same_word(command.text.substr(0, 4), "show");
    asio::post(
        thread_,
        [&io = server_.io(),
         prepared = std::move(prepared),
         rows = std::move(rows),
         parameters = command.parameters,
         described = command.described,
         shift = command.shift,
         as_show,
         session,
         stop = std::move(stop),
         done = std::move(done)]() mutable {
            auto table = run_sql(*prepared, rows, parameters, session, *stop);
            rows.clear();
            AdminOutcome outcome = AdminReply();
            if (!table) {
                outcome = shifted(table.error(), shift);
            } else {
                AdminReply reply(
                    as_show ? std::string("SHOW") : "SELECT " + std::to_string(table->rows.size())
                );
                if (!described) table->columns = columns_of_rows(*prepared, table->rows);
                reply.table = std::move(*table);
                outcome = std::move(reply);
            }
            asio::post(io, [done = std::move(done), outcome = std::move(outcome)]() mutable {
                done(std::move(outcome));
            });
        }
    );
}

}  // namespace weir::proxy
