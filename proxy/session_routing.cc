// Where a session's transactions run if its database is a cluster: what may run on a replica, which
// host it is, waiting for one, and going on when the roles change.
#include "conf/value.h"
#include "proxy/client_session.h"
#include "router/route_hint.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
namespace sqlstate = protocol::sqlstate;
using protocol::TransactionStatus;
using router::ReadReason;
using router::ReadTarget;

namespace {

// consistency = strict needs a sample that is started after the read has come: it is awaited for
// this long even with causal_wait = 0.
constexpr auto strict_patience = std::chrono::milliseconds(100);

// A catalog of this age is not read again for a name that it does not know.
constexpr auto fresh_enough = std::chrono::seconds(1);

bool is_on(std::string_view value) {
    return value == "on";
}

template <class Choice>
struct Named {
    std::string_view name;
    Choice value;
};

constexpr Named<conf::RouteTo> routes[] = {
    {"auto", conf::RouteTo::automatic},
    {"primary", conf::RouteTo::primary},
    {"replica", conf::RouteTo::replica},
};

constexpr Named<pool::Consistency> consistencies[] = {
    {"none", pool::Consistency::none},
    {"session", pool::Consistency::session},
    {"global", pool::Consistency::global},
    {"strict", pool::Consistency::strict},
};

template <class Choice, std::size_t size>
std::optional<Choice> choice_of(const Named<Choice> (&choices)[size], std::string_view name) {
    for (const auto& choice : choices) {
        if (choice.name == name) return choice.value;
    }
    return std::nullopt;
}

// Something may have been made since the catalog was read.
bool is_unknown_name(ReadReason reason) {
    return reason == ReadReason::unknown_relation || reason == ReadReason::unknown_function ||
           reason == ReadReason::unknown_operator || reason == ReadReason::unknown_type ||
           reason == ReadReason::no_catalog;
}

// A text that a standby refuses with an error of its own, or that means there what it means in any
// transaction that only reads.
bool is_left_to_the_server(ReadReason reason) {
    switch (reason) {
        case ReadReason::writes:
        case ReadReason::locking_clause:
        case ReadReason::lock_table:
        case ReadReason::notify:
        case ReadReason::cursor:
        case ReadReason::sequence_function:
        case ReadReason::unlogged_relation:
        case ReadReason::read_write_transaction:
        case ReadReason::serializable:
        case ReadReason::contradictory_modes:
        case ReadReason::node_setting:
        case ReadReason::reg_cast:
        case ReadReason::catalog_relation:
        case ReadReason::unknown_relation:
            return true;
        default:
            return false;
    }
}

}  // namespace

// --- what a group is ---

// What the session has set decides how its texts are read.
void ClientSession::follow_parameters() {
    auto& r = *routing_;
    r.follows = parameters_;
    const auto& parameters = *parameters_;
    r.context.path = nullptr;
    if (const auto* path = parameters.find("search_path")) {
        const auto role = parameters.value("role");
        const bool is_login = role.empty() || role == "none";
        const auto user = is_login ? parameters.value("session_authorization") : role;
        if (auto schemas = router::SearchPath::parse(path->value, user)) {
            r.context.path = std::make_shared<const router::SearchPath>(std::move(*schemas));
        }
    }
    r.context.default_read_only = is_on(parameters.value("default_transaction_read_only"));
    r.context.default_serializable =
        parameters.value("default_transaction_isolation") == "serializable";
    r.route = limits_->route;
    r.consistency = limits_->consistency;
    const auto follow = [&](std::string_view name, const auto& choices, auto& setting) {
        const auto text = parameters.value(name);
        if (text.empty()) return;
        if (const auto choice = choice_of(choices, text)) {
            setting = *choice;
        } else {
            warn_of_setting(name, text);
        }
    };
    follow("pgweir.route", routes, r.route);
    follow("pgweir.consistency", consistencies, r.consistency);
    const auto least = parameters.value("pgweir.min_lsn");
    if (least.empty()) return;
    if (const auto token = pool::parse_lsn_token(least)) {
        r.token.need_at_least(*token);
    } else {
        warn_of_setting("pgweir.min_lsn", least);
    }
}

// PostgreSQL takes any value for a name like this.
void ClientSession::warn_of_setting(std::string_view name, std::string_view value) {
    if (phase_ == Phase::ended) return;
    flush_passed();
    protocol::write_notice(
        "WARNING",
        sqlstate::invalid_parameter_value,
        fmt::format("invalid value for parameter \"{}\": \"{}\"", name, value),
        worker_.to_client(),
        "It has no effect."
    );
}

void ClientSession::begin_read_plan() {
    auto& r = *routing_;
    if (r.follows != parameters_) follow_parameters();
    r.group_context = r.context;
}

// One text of the group.
void ClientSession::plan_read(
    const router::StatementPtr& statement, std::string_view text, Plan& plan
) {
    auto& r = *routing_;
    static const std::shared_ptr<const router::Catalog> no_catalog;
    auto& shared = worker_.routing();
    auto verdict = shared.judge(
        statement, catalog_state_, has_catalog() ? catalog_.catalog : no_catalog, r.group_context
    );
    if (verdict.on_replica() && shared.misjudged.contains(statement, worker_.loop().now())) {
        verdict = {ReadTarget::primary, verdict.reason, verdict.retry_safe};
    }
    const auto first = text.find_first_not_of(" \t\r\n\f");
    if (first != std::string_view::npos && (text[first] == '/' || text[first] == '-')) {
        const auto hint = router::route_hint(text);
        verdict = router::with_hint(verdict, hint.target);
        if (!hint.host.empty()) plan.host = hint.host;
        if (const auto choice = choice_of(consistencies, conf::to_lower(hint.consistency))) {
            plan.consistency = std::max(plan.consistency.value_or(*choice), *choice);
        }
    }
    plan.read = plan.texts == 1 ? verdict : router::combine(plan.read, verdict);
    plan.read_statement = plan.texts == 1 ? statement : nullptr;
    plan.read_judged = true;
    router::advance(r.group_context, *statement);
}

bool ClientSession::may_go_to_replica(const Plan& plan, const Group& group) const {
    const auto& r = *routing_;
    if (r.route == conf::RouteTo::replica) return true;
    if (r.route == conf::RouteTo::primary || r.only_primary || session_mode()) return false;
    if (!plan.read_judged || plan.read.target != ReadTarget::replica_ok) return false;
    if (r.blocks_on_primary && r.context.block != router::ReadContext::Block::none) return false;
    // Nothing that leaves or needs something of the session on the server; nothing that could not
    // be sent again as it is.
    const bool whole = group.missing == 0 &&
                       (group.terminator == frontend::query || group.terminator == frontend::sync);
    const bool names_nothing =
        std::all_of(plan.parsed.begin(), plan.parsed.end(), [](const auto& parsed) {
            return parsed.first.empty();
        });
    return whole && names_nothing && plan.pins == 0 && plan.changes == nullptr && !local_failed_ &&
           !plan.reads_sequences && !plan.reads_session_state && plan.listens == nullptr;
}

// --- which host ---

// pool_ is that of the host that the group goes to. False: it waits until one is known that may
// have it, or has what it needs.
bool ClientSession::choose_host(const Plan& plan, const Group& group) {
    auto& r = *routing_;
    auto& cluster = *r.cluster;
    if (!r.arrived) r.arrived = pool::Clock::now();
    if (r.follows != parameters_) follow_parameters();
    const bool reads = may_go_to_replica(plan, group);
    std::uint64_t seen = 0;
    for (;;) {
        const auto& topology = cluster.topology(worker_.index());
        if (topology != nullptr && choose_host_of(*topology, plan, reads)) {
            host_chosen();
            return true;
        }
        const auto epoch = topology == nullptr ? 0 : topology->epoch;
        if (r.parked && epoch == seen) break;
        seen = epoch;
        if (!r.waiting_since) wait_for_host();
        r.parked = true;
        // What was published before this is seen in another round.
        cluster.wait(worker_.loop(), client_.key());
    }
    return false;
}

bool ClientSession::choose_host_of(const pool::Topology& topology, const Plan& plan, bool reads) {
    auto& r = *routing_;
    auto& routes = r.cluster->routes(worker_.index());
    if (!reads) {
        const auto primary = primary_of(topology);
        if (!primary) return false;
        take_host(topology, *primary);
        r.last.reason = plan.read.reason;
        r.last.choice.reset();
        // A login runs nothing.
        if (phase_ == Phase::welcoming) return true;
        if (r.only_primary && r.last.refused != router::ReplicaRefusal::none) {
            routes.retried[static_cast<std::size_t>(r.last.refused)].add(1);
        } else {
            routes.primary[static_cast<std::size_t>(plan.read.reason)].add(1);
        }
        return true;
    }
    auto& monitor = *r.cluster->monitor();
    const auto now = worker_.loop().now();
    const auto consistency = plan.consistency.value_or(r.consistency);
    const auto need = pool::read_need(
        consistency, r.token, r.cluster->newest_write(), monitor.samples(), *r.arrived
    );
    if (!need) monitor.request_sample();
    auto policy = limits_->read_policy;
    if (r.route == conf::RouteTo::replica) policy.primary_reads = pool::PrimaryReads::never;
    auto choice = pool::choose_for_read(
        topology, monitor.loads(), need, policy, now, worker_.routing().random
    );
    if (!plan.host.empty()) prefer_host(topology, need, plan.host, choice);
    const bool on_primary = choice.host && topology.is_primary(*choice.host);
    const bool could_wait = choice.worth_waiting || !need;
    if ((on_primary || !choice.host) && could_wait && now < may_wait_until(now, consistency)) {
        if (!r.urgent) r.urgent.emplace(r.cluster->monitor());
        return false;
    }
    if (!choice.host) return false;
    take_host(topology, *choice.host);
    r.last.reason = plan.read.reason;
    r.last.choice = choice.reason;
    if (phase_ == Phase::welcoming) return true;
    if (r.on_replica) {
        routes.replica[static_cast<std::size_t>(plan.read.reason)].add(1);
    } else {
        routes.reads_on_primary[static_cast<std::size_t>(choice.reason)].add(1);
    }
    return true;
}

// The host that a hint names, as it is called in `hosts` or by its name alone, if the read may run
// there now.
void ClientSession::prefer_host(
    const pool::Topology& topology,
    const std::optional<pool::LsnToken>& need,
    std::string_view named,
    pool::HostChoice& choice
) const {
    const auto& addresses = routing_->cluster->addresses();
    for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
        const auto& host = topology.hosts[i];
        if (addresses[i] != named && host.host != named) continue;
        if (!host.may_read() || host.role == pool::HostRole::unknown) continue;
        const bool writable = topology.is_primary(i);
        const bool closed = routing_->route == conf::RouteTo::replica ||
                            limits_->read_policy.primary_reads == pool::PrimaryReads::never;
        if (writable && closed) continue;
        if (!writable && (!need || !pool::has_replayed(topology, i, *need))) continue;
        choice = {i, pool::ChoiceReason::hinted, false};
        return;
    }
}

// causal_wait, from when it began to wait.
pool::TimePoint ClientSession::may_wait_until(pool::TimePoint now, pool::Consistency consistency)
    const {
    const auto& r = *routing_;
    auto patience = limits_->causal_wait;
    if (consistency == pool::Consistency::strict) {
        patience = std::max<pool::Duration>(patience, strict_patience);
    }
    return r.waiting_since.value_or(now) + patience;
}

// Who may be written to now, if anybody may: not one that is drained.
std::optional<std::size_t> ClientSession::primary_of(const pool::Topology& topology) const {
    const auto& primaries = topology.primaries;
    // Several are primaries by configuration: each session has one of them.
    for (std::size_t i = 0; i < primaries.size(); ++i) {
        const auto host = primaries[(start_.id + i) % primaries.size()];
        if (topology.hosts[host].state != pool::HostState::draining) return host;
    }
    return std::nullopt;
}

void ClientSession::take_host(const pool::Topology& topology, std::size_t host) {
    auto& r = *routing_;
    r.host = static_cast<unsigned>(host);
    r.on_replica = !topology.is_primary(host);
    r.wrote = false;
    r.chained = r.leaves_chain = false;
    r.begin.clear();
    pool_ = &start_.entry->of_host(host);
    r.last.host = r.host;
    if (!r.only_primary) r.last.refused = router::ReplicaRefusal::none;
}

void ClientSession::wait_for_host() {
    auto& r = *routing_;
    const auto now = worker_.loop().now();
    r.waiting_since = now;
    wait_noticed_ = false;
    // The longest that any of its texts may ask for by a hint.
    arm(may_wait_until(now, r.consistency) - now);
    arm(may_wait_until(now, pool::Consistency::strict) - now);
    arm(limits_->query_wait_timeout);
    arm(limits_->query_wait_notify);
}

// Something is known that was not, or its time is over.
void ClientSession::look_for_host_again() {
    routing_->parked = false;
}

// No server of this replica can be had: the primary may have one.
bool ClientSession::may_go_on_elsewhere() {
    if (routing_ == nullptr || !routing_->on_replica || phase_ != Phase::serving) return false;
    if (routing_->route == conf::RouteTo::replica) return false;
    routing_->only_primary = true;
    return true;
}

void ClientSession::host_chosen() {
    auto& r = *routing_;
    r.arrived.reset();
    r.urgent.reset();
    r.last.waited = {};
    r.parked = false;
    const auto since = std::exchange(r.waiting_since, std::nullopt);
    if (!since) return;
    r.last.waited = worker_.loop().now() - *since;
    meter_.waited += r.last.waited;
    auto& routes = r.cluster->routes(worker_.index());
    routes.waits.add(1);
    routes.wait_time.add(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(r.last.waited).count()
    ));
}

// A server to learn from what the client is told first: the primary's, or whoever there is.
bool ClientSession::choose_host_for_welcome() {
    auto& r = *routing_;
    const auto topology = r.cluster->topology(worker_.index());
    if (topology != nullptr && r.route != conf::RouteTo::replica && !primary_of(*topology)) {
        const auto& hosts = topology->hosts;
        const auto readable = std::find_if(hosts.begin(), hosts.end(), [](const auto& host) {
            return host.may_read();
        });
        if (readable != hosts.end()) {
            take_host(*topology, static_cast<std::size_t>(readable - hosts.begin()));
            host_chosen();
            return true;
        }
    }
    return choose_host({}, {});
}

// --- a transaction on its host ---

// Nothing in a transaction that has begun on a replica may silently mean something else there.
std::size_t ClientSession::refuse_on_replica(const Group& group, const Plan& plan) {
    auto error = protocol::error(
        protocol::SqlState("25006"),
        "cannot execute this statement in a transaction that reads on a replica",
        "Begin the transaction READ WRITE, or SET pgweir.route = 'primary' for the session. From "
        "now on read-only transactions of this session run on the primary."
    );
    error.detail = fmt::format("Route: {}.", router::text(plan.read.reason));
    routing_->blocks_on_primary = true;
    return refuse(group, error);
}

// While it waited for a server, DDL has changed what the texts mean: the group is decided on again.
bool ClientSession::was_routed_wrongly(const Plan& plan, const Group& group) {
    if (!routing_->on_replica || server_ == nullptr || !lease_fresh_) return false;
    if (may_go_to_replica(plan, group)) return false;
    give_server_back();
    worker_.loop().resume_soon(client_.key());
    return true;
}

// A driver that has had a statement described runs it behind Flush: nothing has run yet, so that it
// may still run where reads do. True: the group waits.
bool ClientSession::leaves_flushed(const Plan& plan, const Group& group) {
    auto& r = *routing_;
    if (server_ == nullptr || server_->status != TransactionStatus::idle) return false;
    if (std::exchange(r.leaves_flushed, false)) {
        r.flushed = false;
        if (r.load != nullptr) {
            const auto time = worker_.loop().now() - r.load_since;
            std::exchange(r.load, nullptr)
                ->ended(std::chrono::duration_cast<std::chrono::microseconds>(time));
        }
        give_server_back();
        worker_.loop().resume_soon(client_.key());
        return true;
    }
    const bool untouched = group_open_ && server_->expected.in_sync() && !keeps_server() &&
                           deferred_begin_.empty() && touched_.empty() && touched_before_.empty() &&
                           !server_listens() && !lease_fresh_;
    if (!untouched || !may_go_to_replica(plan, group)) return false;
    r.leaves_flushed = true;
    prelude_pending_ = true;
    group_open_ = false;
    send_own_sync();
    write_to_server();
    return true;
}

// What COMMIT AND CHAIN has begun on a replica is to write after all, and has run nothing yet: it
// is ended there, and begins again as a deferred BEGIN of the same modes. True: the group waits.
bool ClientSession::leaves_chain(const Plan& plan) {
    auto& r = *routing_;
    if (!r.chained || server_ == nullptr) return false;
    if (std::exchange(r.leaves_chain, false)) {
        r.chained = false;
        if (server_->status != TransactionStatus::idle) return false;
        deferred_begin_ = std::exchange(r.begin, {});
        give_server_back();
        r.context.block = router::ReadContext::Block::none;
        router::advance(r.context, *knowledge_of(deferred_begin_));
        worker_.loop().resume_soon(client_.key());
        return true;
    }
    const auto lone = plan.lone_query ? plan.lone_query : plan.lone_bound;
    const bool leaves = lone == router::StatementKind::set_transaction && plan.texts == 1 &&
                        plan.read.reason == ReadReason::read_write_transaction;
    const bool untouched = server_->status == TransactionStatus::in_transaction &&
                           server_->expected.in_sync() && !group_open_ && !keeps_server() &&
                           touched_.empty() && touched_before_.empty() && listening_ == nullptr;
    if (!leaves || !untouched || r.begin.empty() || r.route == conf::RouteTo::replica) return false;
    r.leaves_chain = true;
    prelude_pending_ = true;
    worker_.to_server().begin(frontend::query).c_string("ROLLBACK").end();
    server_->expected.sent({protocol::Request::query, protocol::Reply::swallow, 0});
    write_to_server();
    return true;
}

bool ClientSession::must_not_run_on_replica(const Plan& plan) const {
    const auto& r = *routing_;
    if (server_ == nullptr || !r.on_replica || r.route == conf::RouteTo::replica) return false;
    if (server_->status != TransactionStatus::in_transaction) return false;
    if (plan.large || plan.pins != 0) return true;
    return plan.read_judged && !plan.read.on_replica() && !is_left_to_the_server(plan.read.reason);
}

// The group is about to be sent, its prelude was.
void ClientSession::begin_on_host(const Group& group, const Plan& plan) {
    auto& r = *routing_;
    const auto& monitor = *r.cluster->monitor();
    if (r.load == nullptr) {
        r.load = monitor.loads()[r.host];
        r.load_since = worker_.loop().now();
        r.load->began();
    }
    const bool first = server_->status == TransactionStatus::idle && !group_open_;
    if (first && !plan.read_judged && plan.texts > 0 && !begin_sent_) {
        // It has kept its server.
        r.last = {r.host, ReadReason::session_state, {}, {}, {}};
        r.cluster->routes(worker_.index())
            .primary[static_cast<std::size_t>(ReadReason::session_state)]
            .add(1);
    }
    if (!r.on_replica) {
        const bool runs_nothing = plan.texts == 0 && !plan.large;
        r.flushed = runs_nothing && group.terminator == frontend::flush && (first || r.flushed);
        const bool by_wish = plan.read.reason == ReadReason::hint && plan.read.retry_safe;
        const bool only_reads = plan.read_judged && (plan.read.on_replica() || by_wish);
        r.wrote |= !runs_nothing && !only_reads;
        return;
    }
    r.context = r.group_context;
    r.chained = plan.chains && plan.texts == 1;
    // What its BEGIN said is not all any more.
    if (!first && plan.sets_modes) r.begin.clear();
    if (!first || r.route == conf::RouteTo::replica) return;
    r.group.assign(as_text(group.bytes));
    r.statement = plan.read_statement;
    r.holding = true;
    r.retrying = router::ReplicaRefusal::none;
    r.last.refused = router::ReplicaRefusal::none;
}

// The client is told that its request is done, or will be in this turn.
void ClientSession::request_ended_on_host(bool in_transaction) {
    auto& r = *routing_;
    if (r.load != nullptr) {
        const auto time = worker_.loop().now() - r.load_since;
        std::exchange(r.load, nullptr)
            ->ended(std::chrono::duration_cast<std::chrono::microseconds>(time));
    }
    if (in_transaction) return;
    if (!r.on_replica && is_unknown_name(r.last.reason) &&
        worker_.loop().now() - catalog_.read_at > fresh_enough) {
        catalog_state_.want_refresh();
    }
    if (!r.on_replica && std::exchange(r.wrote, false)) {
        // Not the loop's time: it may be older than the commit.
        const auto now = pool::Clock::now();
        r.token.wrote(now);
        r.cluster->newest_write().wrote(now);
    }
    r.context.block = router::ReadContext::Block::none;
    r.context.serializable = false;
    r.only_primary = r.flushed = false;
}

// The server is gone unexpectedly, or has refused a write: the monitor looks at once.
void ClientSession::host_suspected() {
    auto& r = *routing_;
    r.cluster->monitor()->suspect(r.host);
}

// The session ends.
void ClientSession::leave_host() {
    auto& r = *routing_;
    if (r.load != nullptr) std::exchange(r.load, nullptr)->failed();
    r.holding = false;
    r.retrying = router::ReplicaRefusal::none;
    r.parked = false;
    r.urgent.reset();
    // What runs there may be committed.
    if (server_ != nullptr && !r.on_replica && r.wrote) {
        r.cluster->newest_write().wrote(pool::Clock::now());
    }
}

// --- when the roles change ---

// Whoever waits decides anew; whoever is on a host that writes must not reach any more is told.
void ClientSession::topology_changed(const Cluster* cluster) {
    if (routing_ == nullptr || routing_->cluster.get() != cluster || phase_ == Phase::ended) return;
    auto& r = *routing_;
    const auto topology = r.cluster->topology(worker_.index());
    const auto& host = topology->hosts[r.host];
    const bool is_primary = topology->is_primary(r.host);
    if (waiting_) {
        const bool still_good = r.on_replica ? host.may_read() || is_primary : is_primary;
        if (still_good) return;
        pool_->leave(waiter_, worker_.index(), worker_.loop().now());
        waiting_ = false;
        return advance();
    }
    if (r.parked) return on_wake(client_.key());
    if (server_ == nullptr || r.on_replica || is_primary) return;
    // By the operator's word, not by another's promotion: what runs there ends well.
    if (host.reason == pool::HostReason::removed) return;
    // A primary that cannot be seen at this time may be one still.
    const bool replaced = !topology->primaries.empty() || host.state == pool::HostState::fenced;
    if (replaced) lose_primary();
}

// What was written there is not in the history that goes on, or may not be.
void ClientSession::lose_primary() {
    auto& r = *routing_;
    const auto error = [&](const protocol::SqlState& code, std::string_view outcome) {
        auto told = protocol::error(
            code,
            "terminating the transaction because its server is no longer the primary",
            "Try the transaction again: it will run on the new primary."
        );
        told.detail = fmt::format("It ran on {}; {}", r.cluster->addresses()[r.host], outcome);
        return told;
    };
    const bool idle = server_->expected.in_sync() && !group_open_ && stream_left_ == 0;
    if (phase_ == Phase::welcoming || (idle && server_->status == TransactionStatus::idle &&
                                       !keeps_server() && !in_transaction_)) {
        server_doomed_ = true;
        return;
    }
    // What only reads may end there.
    if (!idle && !r.wrote && !keeps_server()) {
        server_doomed_ = true;
        return;
    }
    if (!idle || keeps_server() || begin_sent_ || server_listens()) {
        auto fatal = error(
            idle ? sqlstate::admin_shutdown : sqlstate::transaction_resolution_unknown,
            idle ? "what the session had there is lost." : "whether it took effect is not known."
        );
        fatal.severity = protocol::Severity::fatal;
        server_doomed_ = true;
        return finish_with(fatal);
    }
    drop_transaction(
        pool::CloseReason::role_changed,
        error(sqlstate::admin_shutdown, "nothing of it was committed.")
    );
}

}  // namespace weir::proxy
