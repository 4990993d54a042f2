// SHOW LISTENERS: the connections that listen for all clients of a database and user. They are
// beside the pools and outside of their limits. Ours; PgBouncer has none.
#include "proxy/admin_show.h"
#include "proxy/server.h"

namespace weir::proxy {

Columns listeners_columns() {
    using enum ColumnType;
    return {
        {"database", text},
        {"user", text},
        {"state", text},
        {"remote_pid", int4},
        {"channels", int8},
        {"clients", int8},
        {"notifications", int8},
        {"since", text},
    };
}

std::vector<Row> show_listeners(const ShowContext& context) {
    const Clocks now;
    std::vector<Row> rows;
    for (const auto& view : context.server.notifications().views()) {
        rows.push_back({
            view.name.database,
            view.name.user,
            std::string(view.state),
            std::int64_t{view.process_id},
            static_cast<std::int64_t>(view.channels),
            static_cast<std::int64_t>(view.clients),
            static_cast<std::int64_t>(view.notifications),
            time_text(view.since, now),
        });
    }
    return rows;
}

}  // namespace weir::proxy
