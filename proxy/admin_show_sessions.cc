// SHOW CLIENTS and SHOW SERVERS: one row for each connection.
#include "proxy/admin_show.h"
#include "proxy/server.h"

#include <array>
#include <ctime>

namespace weir::proxy {

namespace {

using enum ColumnType;

// PgBouncer shows addresses in memory. These only have to be unique and to match: `link` of a
// client is `ptr` of its server.
std::string pointer_text(char kind, std::uint64_t id) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string number(11, '0');
    for (auto digit = number.rbegin(); digit != number.rend() && id > 0; ++digit, id >>= 4U) {
        *digit = digits[id & 15U];
    }
    return std::string("0x") + kind + number;
}

std::string client_pointer(std::uint64_t id) {
    return pointer_text('c', id);
}

Row client_row(const SessionView& view, const Clocks& now) {
    const auto wait = std::chrono::duration_cast<std::chrono::microseconds>(view.wait).count();
    const auto request = view.request == pool::TimePoint{} ? view.connected : view.request;
    return {
        std::string("C"),
        view.user,
        view.database,
        std::string("none"),  // no replication connections
        std::string(view.state),
        view.address,
        std::int64_t{view.port},
        view.local_address,
        std::int64_t{view.local_port},
        time_text(view.connected, now),
        time_text(request, now),
        wait / 1000000,
        wait % 1000000,
        std::int64_t{0},  // close_needed: clients are closed at once
        client_pointer(view.id),
        view.server_id == 0 ? std::string() : server_pointer(view.server_id),
        std::int64_t{view.peer_process},
        view.tls,
        view.application_name,
        static_cast<std::int64_t>(view.prepared_statements),
        id_shown(view.id),
    };
}

// REQUIRES the pool's lock. The columns that belong to whoever holds the server are the client's to
// tell; those of an idle server belong to nobody and are guarded by the lock.
Row server_row(
    const pool::ServerConnection& server,
    std::uint64_t generation,
    const conf::Settings& settings,
    const SessionView* client,
    const Clocks& now
) {
    const auto& identity = server.identity();
    const auto& name = server.pool().name();
    const bool idle = server.state == pool::ServerState::idle;
    const bool doomed = server.doomed || server.generation != generation;
    const auto since = server.request_since.load(std::memory_order_relaxed);
    const auto request =
        since == 0 ? server.connected_at() : pool::TimePoint(pool::TimePoint::duration(since));
    std::string application;
    std::size_t prepared = 0;
    if (client != nullptr) {
        application = client->application_name;
        prepared = client->server_prepared_statements;
    } else if (idle) {
        if (server.parameters) application = server.parameters->value("application_name");
        prepared = server.prepared.size();
    }
    return {
        std::string("S"),
        name.user,
        name.database,
        std::string("none"),
        std::string(state_shown(server, settings, now.steady)),
        identity.address,
        std::int64_t{identity.port},
        identity.local_address,
        std::int64_t{identity.local_port},
        time_text(server.connected_at(), now),
        time_text(request, now),
        std::int64_t{0},
        std::int64_t{0},
        std::int64_t{doomed},
        server_pointer(server.id()),
        client == nullptr ? std::string() : client_pointer(client->id),
        std::int64_t{identity.cancel_key.process_id},
        identity.tls,
        application,
        static_cast<std::int64_t>(prepared),
        id_shown(server.id()),
    };
}

}  // namespace

std::string time_text(pool::TimePoint time, const Clocks& now) {
    const auto age =
        std::chrono::duration_cast<std::chrono::system_clock::duration>(now.steady - time);
    const auto seconds = std::chrono::system_clock::to_time_t(now.system - age);
    std::tm parts{};
    if (::localtime_r(&seconds, &parts) == nullptr) return {};
    std::array<char, 64> buffer{};
    const auto size = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%d %H:%M:%S %Z", &parts);
    return {buffer.data(), size};
}

std::string server_pointer(std::uint64_t id) {
    return pointer_text('5', id);
}

std::int64_t id_shown(std::uint64_t id) {
    return static_cast<std::int64_t>(id & 0x7fffffffU);
}

std::string_view state_shown(
    const pool::ServerConnection& server, const conf::Settings& settings, pool::TimePoint now
) {
    const bool checked = !settings.server_check_query.empty();
    if (server.state == pool::ServerState::idle && checked &&
        now - server.last_used >= settings.server_check_delay) {
        return "used";
    }
    return pool::text(server.state);
}

Columns socket_columns() {
    return {
        {"type", text},
        {"user", text},
        {"database", text},
        {"replication", text},
        {"state", text},
        {"addr", text},
        {"port", int4},
        {"local_addr", text},
        {"local_port", int4},
        {"connect_time", text},
        {"request_time", text},
        {"wait", int4},
        {"wait_us", int4},
        {"close_needed", int4},
        {"ptr", text},
        {"link", text},
        {"remote_pid", int4},
        {"tls", text},
        {"application_name", text},
        {"prepared_statements", int4},
        {"id", int4},
    };
}

std::vector<Row> show_clients(const ShowContext& context) {
    const Clocks now;
    std::vector<Row> rows;
    for (const auto& view : context.sessions)
        rows.push_back(client_row(view, now));
    for (const auto& view : context.console_clients)
        rows.push_back(client_row(view, now));
    return rows;
}

std::vector<Row> show_servers(const ShowContext& context) {
    std::map<std::uint64_t, const SessionView*> clients;
    for (const auto& view : context.sessions) {
        if (view.server_id != 0) clients[view.server_id] = &view;
    }
    const Clocks now;
    std::vector<Row> rows;
    for (const auto& [name, entry] : context.server.pools().entries()) {
        for (const auto& pool : entry->pools) {
            const auto generation = pool.generation();
            pool.for_each_server([&](const pool::ServerConnection& server) {
                const auto found = clients.find(server.id());
                // The sessions were looked at a little earlier; an idle server has no client now.
                const bool linked =
                    found != clients.end() && server.state == pool::ServerState::active;
                const auto* client = linked ? found->second : nullptr;
                rows.push_back(
                    server_row(server, generation, context.server.settings(), client, now)
                );
            });
        }
    }
    return rows;
}

}  // namespace weir::proxy
