#include "proxy/reference.h"

#include "conf/keys.h"
#include "conf/value.h"
#include "proxy/admin_show.h"
#include "proxy/metrics.h"

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
    out += "\n## Console\n\n```";
    out += help_text();
    return out + "```\n\nAlerts: conf/monitoring/runbook.md.\n";
}

}  // namespace weir::proxy
