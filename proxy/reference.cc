#include "proxy/reference.h"

#include "conf/keys.h"
#include "conf/value.h"
#include "proxy/admin_show.h"
#include "proxy/api_reference.h"
#include "proxy/metrics.h"
#include "proxy/web/files.h"

#include <fmt/format.h>

namespace weir::proxy {

namespace {

// A bar would end the cell.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c == '\n' ? ' ' : c;
    }
    return out;
}

template <class Owner>
void add_settings(
    std::string& out, std::string_view section, std::span<const conf::Key<Owner>> keys
) {
    out += fmt::format(
        "\n### {}\n\n| Setting | Allowed | Changes | What it is |\n|---|---|---|---|\n", section
    );
    for (const auto& key : keys) {
        out += fmt::format(
            "| `{}` | {} | {} | {} |\n",
            key.name,
            cell(conf::allowed(key.rule)),
            key.live ? "by RELOAD" : "at the next start",
            cell(key.doc)
        );
    }
}

void add_metrics(
    std::string& out, std::string_view title, std::span<const MetricDescriptor> table
) {
    out += fmt::format(
        "\n### {}\n\n| Metric | Type | Labels | What it is |\n|---|---|---|---|\n", title
    );
    for (const auto& metric : table) {
        out += fmt::format(
            "| `{}` | {} | {} | {} |\n",
            metric.name,
            to_string(metric.kind),
            metric.labels,
            cell(metric.help)
        );
    }
}

void add_api(std::string& out) {
    out += "\n## JSON API\n";
    for (const auto& document : api_documents()) {
        out += fmt::format(
            "\n### `{}`\n\n{}\n\n| Field | What it is |\n|---|---|\n", document.path, document.help
        );
        for (const auto& field : document.fields)
            out += fmt::format("| `{}` | {} |\n", field.name, cell(field.help));
    }
}

// The tables of the console, which can all be asked by SELECT, too.
void add_console(std::string& out) {
    out += "\n## Console\n\n```";
    out += help_text();
    out += "\n```\n\n| Table | Columns |\n|---|---|\n";
    for (const auto& show : all_show_commands()) {
        if (show.columns.empty()) continue;
        std::string columns;
        for (const auto& column : show.columns)
            columns += fmt::format("{}`{}`", columns.empty() ? "" : ", ", column.name);
        out += fmt::format("| `{}` | {} |\n", show.topic, columns);
    }
}

}  // namespace

std::string reference_markdown() {
    std::string out = "# Reference\n\nMade by `pgweir --reference`.\n\n## Settings\n";
    add_settings(out, "[pgweir]", conf::global_keys());
    add_settings(out, "[databases.NAME]", conf::database_keys());
    add_settings(out, "hosts of a database", conf::host_keys());
    add_settings(out, "[users.NAME]", conf::user_keys());
    out += "\n## Metrics\n";
    add_metrics(out, "pgweir's own", metric_table());
    add_metrics(out, "with metrics_pgbouncer", pgbouncer_metric_table());
    add_console(out);
    add_api(out);
    out += '\n';
    return out.append(web::monitoring_md());
}

}  // namespace weir::proxy
