// SHOW SETTINGS [client id]: the run-time parameters that clients have set, by which their servers
// are brought to them. Ours; PgBouncer has none.
#include "proxy/admin_show.h"
#include "proxy/server.h"

#include <charconv>

namespace weir::proxy {

namespace {

using enum ColumnType;
using protocol::Parameter;

// Tenants keep keys in custom settings.
constexpr std::string_view masked = "********";

std::string value_shown(const Parameter& parameter, bool custom_too) {
    const bool hidden = protocol::is_custom_parameter(parameter.name) && !parameter.value.empty();
    return hidden && !custom_too ? std::string(masked) : parameter.value;
}

// Where the client has it from; empty if it is no setting of the client's.
std::string_view source_of(const Parameter& parameter, const SessionView& view) {
    const auto* const started = view.startup_parameters->find(parameter.name);
    const bool as_started = started != nullptr && started->value == parameter.value;
    if (!as_started) return "session";
    for (const auto& name : view.startup_names) {
        if (protocol::same_parameter_name(name, parameter.name)) return "startup";
    }
    // What the server has told to everybody.
    return {};
}

bool is_meant(const SessionView& view, std::string_view argument) {
    if (argument.empty()) return true;
    std::int64_t id = 0;
    const auto* const end = argument.data() + argument.size();
    const auto parsed = std::from_chars(argument.data(), end, id);
    return parsed.ec == std::errc() && parsed.ptr == end && id == id_shown(view.id);
}

}  // namespace

Columns settings_columns() {
    return {
        {"id", int4},
        {"user", text},
        {"database", text},
        {"application_name", text},
        {"name", text},
        {"setting", text},
        {"source", text},
    };
}

std::vector<Row> show_settings(const ShowContext& context) {
    const bool custom_too = context.server.settings().show_custom_settings;
    std::vector<Row> rows;
    for (const auto& view : context.sessions) {
        if (!is_meant(view, context.argument)) continue;
        for (const auto& parameter : view.parameters->parameters()) {
            const auto source = source_of(parameter, view);
            if (source.empty() || protocol::is_server_fact(parameter.name)) continue;
            rows.push_back({
                id_shown(view.id),
                view.user,
                view.database,
                view.application_name,
                parameter.name,
                value_shown(parameter, custom_too),
                std::string(source),
            });
        }
    }
    return rows;
}

}  // namespace weir::proxy
