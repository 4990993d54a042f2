// EXPLAIN ROUTE on a client's own connection: what would be done with a text now, in this session.
#include "conf/value.h"
#include "proxy/client_session.h"
#include "proxy/route_explanation.h"
#include "router/pg_query_parser.h"
#include "router/route_hint.h"

#include <fmt/format.h>

namespace weir::proxy {

namespace {

std::string token_text(const std::optional<pool::LsnToken>& need) {
    if (!need) return "not known yet";
    return need->lsn.known() ? pool::to_text(*need) : "none";
}

}  // namespace

std::vector<std::string> ClientSession::explain_route_lines(const std::string& sql) {
    auto& r = *routing_;
    const auto statement = knowledge_of(sql);
    const auto* const catalog = has_catalog() ? catalog_.catalog.get() : nullptr;
    const auto hint = router::route_hint(sql);
    auto verdict = router::classify_read(*statement, catalog, r.context);
    const bool misjudged = worker_.routing().misjudged.contains(statement, worker_.loop().now());
    if (misjudged) verdict.target = router::ReadTarget::primary;
    verdict = router::with_hint(verdict, hint.target);

    std::vector<std::string> lines;
    const auto add = [&](std::string_view name, std::string_view text) {
        if (!text.empty()) lines.push_back(fmt::format("{}: {}", name, text));
    };
    add("Target", router::text(verdict.target));
    add("Reason", misjudged ? "a replica has refused it" : router::text(verdict.reason));
    add("Decided by", qualified(router::name_of(*statement, verdict)));
    add("Statement", router::text(statement->kind()));
    using router::NameKind;
    add("Tables", names_explained(*statement, NameKind::relation, catalog, r.context));
    add("Functions", names_explained(*statement, NameKind::function, catalog, r.context));
    add("Operators", names_explained(*statement, NameKind::operator_, catalog, r.context));
    add("Types", names_explained(*statement, NameKind::type, catalog, r.context));
    add("Catalog", catalog == nullptr ? "not known" : "current");
    explain_host(verdict, lines);
    return lines;
}

// Where it would run, and what that hangs on.
void ClientSession::explain_host(
    const router::ReadVerdict& verdict, std::vector<std::string>& lines
) {
    auto& r = *routing_;
    const auto& topology = r.cluster->topology(worker_.index());
    if (topology == nullptr) {
        lines.emplace_back("Host: none is known yet");
        return;
    }
    auto& monitor = *r.cluster->monitor();
    const auto need = pool::read_need(
        r.consistency, r.token, r.cluster->newest_write(), monitor.samples(), pool::Clock::now()
    );
    lines.push_back(fmt::format("Needs: LSN {}", token_text(need)));
    const bool kept = server_ != nullptr;
    const bool reads = r.route == conf::RouteTo::replica ||
                       (r.route == conf::RouteTo::automatic && verdict.on_replica());
    std::string chosen = "nobody", why = "no primary is known";
    if (kept) {
        chosen = r.cluster->addresses()[r.host];
        why = "the transaction, or what the session keeps, is there";
    } else if (reads) {
        auto policy = limits_->read_policy;
        if (r.route == conf::RouteTo::replica) policy.primary_reads = pool::PrimaryReads::never;
        const auto choice = pool::choose_for_read(
            *topology, monitor.loads(), need, policy, worker_.loop().now(), worker_.routing().random
        );
        if (choice.host) chosen = r.cluster->addresses()[*choice.host];
        why = pool::text(choice.reason);
    } else if (const auto primary = primary_of(*topology)) {
        chosen = r.cluster->addresses()[*primary];
        why = r.route == conf::RouteTo::primary ? "route = primary" : "it is the primary";
    }
    lines.push_back(fmt::format("Host: {} ({})", chosen, why));
    for (std::size_t i = 0; i < topology->hosts.size(); ++i) {
        const auto& host = topology->hosts[i];
        const bool writes = host.role == pool::HostRole::primary;
        const auto lsn = writes ? host.insert_lsn : host.replay_lsn;
        lines.push_back(fmt::format(
            "  {}: {}, {}, LSN {}{}",
            r.cluster->addresses()[i],
            pool::text(host.role),
            pool::text(host.state),
            lsn.known() ? pool::to_text(lsn) : "not known",
            need && pool::has_replayed(*topology, i, *need) ? ", has what is needed" : ""
        ));
    }
}

}  // namespace weir::proxy
