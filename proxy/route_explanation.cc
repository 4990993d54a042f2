#include "proxy/route_explanation.h"

#include "router/builtins.h"

#include <fmt/format.h>

namespace weir::proxy {

namespace {

// PostgreSQL's own are volatile, and may yet run anywhere (random), or the other way round.
std::string_view volatility(const router::NameUse& use) {
    if (use.kind != router::NameKind::function) return {};
    if (!use.schema.empty() && use.schema != "pg_catalog") return {};
    const auto* const builtin = router::find_builtin_function(use.name);
    if (builtin == nullptr) return {};
    return builtin->is_volatile ? "volatile, " : "not volatile, ";
}

}  // namespace

std::string qualified(const router::NameUse& name) {
    std::string text(name.schema);
    if (!text.empty()) text.push_back('.');
    return text.append(name.name);
}

std::string names_explained(
    const router::Statement& statement,
    router::NameKind kind,
    const router::Catalog* catalog,
    const router::ReadContext& context
) {
    std::string text;
    for (const auto& use : statement.reads.names) {
        if (use.kind != kind) continue;
        if (!text.empty()) text += ", ";
        const auto reason = router::judge_name(use, catalog, context);
        text += fmt::format("{} ({}{})", qualified(use), volatility(use), router::text(reason));
    }
    return text;
}

}  // namespace weir::proxy
