// SHOW PINS, PIN_COUNTS, CLOSE_COUNTS and LENDING: who keeps a server beyond the transaction, how
// often that was, why servers were closed, and how they are lent. All of it is ours; PgBouncer has
// none.
#include "proxy/admin_show.h"
#include "proxy/server.h"

namespace weir::proxy {

namespace {

using enum ColumnType;

std::int64_t as_number(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

}  // namespace

Columns pins_columns() {
    return {
        {"id", int4},
        {"user", text},
        {"database", text},
        {"addr", text},
        {"port", int4},
        {"application_name", text},
        {"reason", text},
        {"detail", text},
        {"link", text},
        {"server_id", int4},
        {"statement", text},
        {"state", text},
        {"since", text},
    };
}

std::vector<Row> show_pins(const ShowContext& context) {
    const Clocks now;
    std::vector<Row> rows;
    for (const auto& view : context.sessions) {
        if (view.pin.empty()) continue;
        rows.push_back({
            id_shown(view.id),
            view.user,
            view.database,
            view.address,
            std::int64_t{view.port},
            view.application_name,
            std::string(view.pin),
            view.pin_detail,
            view.server_id == 0 ? std::string() : server_pointer(view.server_id),
            id_shown(view.server_id),
            std::string(view.pin_statement),
            std::string(view.activity),
            time_text(view.pinned, now),
        });
    }
    return rows;
}

// Since the start, per pool and reason; a pool without pins has no row. Pins that there are now:
// begun, less lifted, less left.
Columns pin_counts_columns() {
    return {
        {"database", text},
        {"user", text},
        {"reason", text},
        {"begun", int8},
        {"lifted", int8},
        {"left", int8},
        {"refused", int8},
    };
}

std::vector<Row> show_pin_counts(const ShowContext& context) {
    constexpr auto last = static_cast<std::size_t>(router::PinReason::last);
    std::vector<Row> rows;
    for (const auto& [name, entry] : context.server.pools().entries()) {
        for (std::size_t i = 0; i <= last; ++i) {
            const auto reason = static_cast<router::PinReason>(i);
            const auto count = [&pins = entry->pins, reason](PinEvent event) {
                return as_number(pins.value(reason, event));
            };
            if (count(PinEvent::begun) == 0 && count(PinEvent::refused) == 0) continue;
            rows.push_back({
                name.database,
                name.user,
                std::string(router::text(reason)),
                count(PinEvent::begun),
                count(PinEvent::lifted),
                count(PinEvent::left),
                count(PinEvent::refused),
            });
        }
    }
    return rows;
}

// Since the start, per pool, of the servers of all its hosts; a reason that there was not has no
// row.
Columns close_counts_columns() {
    return {{"database", text}, {"user", text}, {"reason", text}, {"closed", int8}};
}

std::vector<Row> show_close_counts(const ShowContext& context) {
    std::vector<Row> rows;
    for (const auto& [name, entry] : context.server.pools().entries()) {
        for (std::size_t i = 0; i <= static_cast<std::size_t>(pool::CloseReason::last); ++i) {
            std::uint64_t closed = 0;
            for (const auto& pool : entry->pools)
                closed += pool.closed()[i];
            if (closed == 0) continue;
            const auto reason = pool::text(static_cast<pool::CloseReason>(i));
            rows.push_back({name.database, name.user, std::string(reason), as_number(closed)});
        }
    }
    return rows;
}

// Per pool: by which policy, how many clients keep a server, and what transactions ran on.
Columns lending_columns() {
    return {
        {"database", text},
        {"user", text},
        {"lend_policy", text},
        {"pinned", int4},
        {"max_pinned", int4},
        {"lent", int8},
        {"repeats", int8},
        {"xact_count", int8},
        {"pinned_xact_count", int8},
        {"foreign_settings", int8},
    };
}

std::vector<Row> show_lending(const ShowContext& context) {
    std::vector<Row> rows;
    for (const auto& [name, entry] : context.server.pools().entries()) {
        const auto& pool = entry->pool;
        const auto limits = pool.limits();
        std::size_t pinned = 0;
        std::uint64_t repeats = 0;
        for (const auto& each : entry->pools) {
            pinned += each.pinned();
            repeats += each.repeats();
        }
        std::uint64_t lent = 0, transactions = 0, pinned_transactions = 0, foreign_settings = 0;
        for (const auto& counters : pool.counters()) {
            lent += counters.server_assignments.value();
            transactions += counters.transactions.value();
            pinned_transactions += counters.pinned_transactions.value();
            foreign_settings += counters.foreign_settings.value();
        }
        rows.push_back({
            name.database,
            name.user,
            std::string(conf::to_string(limits.lend_policy)),
            as_number(pinned),
            as_number(limits.max_pinned),
            as_number(lent),
            as_number(repeats),
            as_number(transactions),
            as_number(pinned_transactions),
            as_number(foreign_settings),
        });
    }
    return rows;
}

}  // namespace weir::proxy
