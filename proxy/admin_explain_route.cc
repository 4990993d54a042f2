#include "proxy/admin_commands.h"
#include "proxy/route_explanation.h"
#include "proxy/server.h"
#include "router/pg_query_parser.h"
#include "router/read_route.h"
#include "router/route_hint.h"

#include <algorithm>

namespace weir::proxy {

const Columns& explain_route_columns() {
    using enum ColumnType;
    static const Columns columns{
        {"target", text},
        {"reason", text},
        {"name", text},     // that decided, if one did
        {"catalog", text},  // what it was judged by, as in SHOW CATALOG
        {"tables", text},   // each with what stands against a replica
        {"functions", text},
    };
    return columns;
}

void explain_route(ConsoleCommands& self, const AdminCommand& command, AdminCommands::Done done) {
    auto& server = self.server();
    const auto& database = command.argument;
    if (conf::find_database(server.settings(), database) == nullptr) {
        return done(command_refused("no such database: " + database));
    }
    const auto& entries = server.pools().entries();
    const auto entry = std::find_if(entries.begin(), entries.end(), [&](const auto& named) {
        return named.first.database == database;
    });
    std::string_view state = "none";
    std::shared_ptr<const router::Catalog> catalog;
    if (entry != entries.end()) {
        auto snapshot = entry->second->catalog->current();
        state = state_shown(*entry->second->catalog, snapshot);
        // Sessions do without one that is outdated, too.
        if (state == "current") catalog = std::move(snapshot.catalog);
    }
    const auto statement = router::analyse(command.value);
    const auto verdict = router::with_hint(
        router::classify_read(*statement, catalog.get(), {}),
        router::route_hint(command.value).target
    );
    AdminReply reply("EXPLAIN");
    reply.table = Table{constant_columns(explain_route_columns()), {}};
    reply.table->rows.push_back({
        std::string(router::text(verdict.target)),
        std::string(router::text(verdict.reason)),
        qualified(router::name_of(*statement, verdict)),
        std::string(state),
        names_explained(*statement, router::NameKind::relation, catalog.get(), {}),
        names_explained(*statement, router::NameKind::function, catalog.get(), {}),
    });
    done(std::move(reply));
}

}  // namespace weir::proxy
