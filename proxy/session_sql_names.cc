// PREPARE, EXECUTE and DEALLOCATE of SQL. Their names are one namespace with the protocol's and
// follow the client: a server has what was prepared by SQL under the client's own name, so texts
// are sent as they are, and gets what it lacks (or has of another client) ahead of a text that
// names it. What PREPARE does where that is not seen, in a function or among other statements of
// one text, keeps the server instead; see stop_following_names().
#include "protocol/frontend_messages.h"
#include "protocol/set_statements.h"
#include "proxy/client_session.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using protocol::Reply;
using protocol::Request;
using protocol::StatementRef;
using protocol::TransactionStatus;
using router::PinReason;
using router::StatementKind;

namespace {

constexpr PinSet by_sql_names = pin_bit(PinReason::sql_prepare) | pin_bit(PinReason::sql_execute);
// What runs may contain EXECUTE 'EXECUTE p' and the like.
constexpr PinSet may_use_any_name =
    by_sql_names | pin_bit(PinReason::do_block) | pin_bit(PinReason::call) |
    pin_bit(PinReason::dynamic_sql) | pin_bit(PinReason::unknown_function) |
    pin_bit(PinReason::unknown_operator) | pin_bit(PinReason::unparsable) |
    pin_bit(PinReason::too_long) | pin_bit(PinReason::too_deep) |
    pin_bit(PinReason::unknown_encoding) | pin_bit(PinReason::unknown_node) |
    pin_bit(PinReason::internal_function);

// So many PREPAREs that are not followed are remembered for what EXECUTE of their names does.
constexpr std::size_t unfollowed_limit = 200;
// A client with more names reads its server's in pg_prepared_statements.
constexpr std::size_t shown_limit = 1000;

}  // namespace

// --- what a text says ---

// REQUIRES: PREPARE or EXECUTE is in it. `followed`: it runs as soon as it is sent, once.
void ClientSession::plan_sql_names(
    const router::StatementPtr& known, std::string_view text, Plan& plan, bool followed
) {
    const PinSet pins = known->pins.to_ullong();
    const auto kind = known->kind();
    const bool executes = known->is_single() && (pins & pin_bit(PinReason::sql_execute)) != 0 &&
                          (kind == StatementKind::execute || kind == StatementKind::explain ||
                           kind == StatementKind::create_table_as);
    if (executes) return plan_execute(known, plan);
    const bool unfollowed = !followed || !known->is_single() || kind != StatementKind::prepare ||
                            (pins_ & pin_bit(PinReason::sql_prepare)) != 0 ||
                            limits_->max_prepared_statements == 0;
    if (unfollowed) {
        remember_unfollowed(known);
        return plan_effects(known, plan, pins);
    }
    // Nothing of the statement in it runs now.
    auto& changes = plan.change();
    changes.prepare = known;
    changes.prepare_text = text;
    changes.names.push_back(known->name);
}

// What EXECUTE itself does is in its arguments; the rest is what the name stands for.
void ClientSession::plan_execute(const router::StatementPtr& known, Plan& plan) {
    const auto* named = statements_ ? statements_->find(known->name) : nullptr;
    const PinSet own = known->pins.to_ullong() & ~pin_bit(PinReason::sql_execute);
    plan.change().names.push_back(known->name);
    if (named != nullptr && !(*named)->resident) {
        plan_effects(known, plan, own);
        return plan_prepared(**named, plan);
    }
    bool found = false;
    for (const auto& prepared : unfollowed_) {
        if (prepared->is_single() && prepared->name != known->name) continue;
        found = unfollowed_.size() < unfollowed_limit;
        plan.executes = prepared->prepares;
        plan_effects(prepared, plan, prepared->pins.to_ullong());
    }
    // No such name, as far as is known: PostgreSQL says so (26000), unless names are not followed.
    const bool untold = (pins_ & pin_bit(PinReason::sql_prepare)) != 0 || named != nullptr;
    plan_effects(known, plan, untold && !found ? known->pins.to_ullong() : own);
}

// What is prepared runs now.
void ClientSession::plan_prepared(const protocol::SharedStatement& statement, Plan& plan) {
    const auto known = knowledge_of(statement.text());
    if (statement.from_sql) plan.change().names.push_back(statement.server_name);
    plan.executes = known->prepares != nullptr ? known->prepares : known->fingerprints.front();
    plan_effects(known, plan, known->pins.to_ullong() & ~by_sql_names);
}

void ClientSession::remember_unfollowed(const router::StatementPtr& prepare) {
    if (!prepare->contains(StatementKind::prepare) || unfollowed_.size() >= unfollowed_limit) {
        return;
    }
    const auto same = std::find(unfollowed_.begin(), unfollowed_.end(), prepare);
    if (same == unfollowed_.end()) unfollowed_.push_back(prepare);
}

// The whole group is known: PREPARE is followed where it stands alone.
void ClientSession::settle_plan_of_names(Plan& plan) {
    auto& changes = *plan.changes;
    if (changes.prepare != nullptr && plan.texts != 1) {
        const auto prepare = std::exchange(changes.prepare, nullptr);
        remember_unfollowed(prepare);
        plan_effects(prepare, plan, prepare->pins.to_ullong());
    }
}

// --- what the server gets ---

// Ahead of the group.
void ClientSession::bring_names(const Plan& plan) {
    const bool own = statements_ != nullptr && statements_->has_sql();
    if (local_failed_ || server_->status == TransactionStatus::failed || session_mode()) {
        return;
    }
    const PinSet pins = plan.pins | pins_;
    const auto* const changes = plan.changes.get();
    if (plan.reads_prepared) show_own_names();
    if ((own || !server_->named.empty()) &&
        ((pins & may_use_any_name) != 0 || plan.has_unresolved())) {
        bring_all_names();
    }
    if (changes != nullptr) {
        make_room_for_names(changes->names);
        for (const auto& name : changes->names)
            bring_name(name);
    }
    if ((pins & pin_bit(PinReason::sql_prepare)) != 0) stop_following_names();
}

// Under this name the server has what the client has, or nothing.
void ClientSession::bring_name(std::string_view name) {
    const auto* const found = statements_ ? statements_->find(name) : nullptr;
    const auto wanted = found != nullptr && !(*found)->resident ? *found : nullptr;
    const auto* const there = server_->named.find(name);
    if ((there != nullptr ? *there : nullptr) == wanted) return;
    if (there != nullptr) drop_name(name);
    if (wanted == nullptr) return;
    counters_.server_parses.add(1);
    names_brought_.push_back({std::string(name), nullptr, wanted});
    server_->named.add(name, wanted);
    if (wanted->from_sql) return send_injected(wanted->text(), injected_name);
    worker_.to_server().begin(frontend::parse).c_string(name).text(wanted->definition).end();
    server_->expected.sent({Request::parse, Reply::swallow, parse_of_name});
}

// REQUIRES: the server has it.
void ClientSession::drop_name(std::string_view name) {
    names_brought_.push_back({std::string(name), *server_->named.find(name), nullptr});
    server_->named.remove(name);
    send_injected(
        "DEALLOCATE " + protocol::quote_identifier(names_brought_.back().name), injected_name
    );
}

void ClientSession::drop_others_names() {
    std::vector<std::string> names;
    server_->named.for_each([&](const std::string& name, const StatementRef& statement) {
        const auto* own = statements_ ? statements_->find(name) : nullptr;
        if (own == nullptr || *own != statement) names.push_back(name);
    });
    for (const auto& name : names)
        drop_name(name);
}

// What SQL of the client's may name, and nothing that is another's.
void ClientSession::bring_all_names() {
    drop_others_names();
    std::vector<std::string> names;
    if (statements_) {
        statements_->for_each([&](const std::string& name, const StatementRef& statement) {
            if (statement->from_sql) names.push_back(name);
        });
    }
    for (const auto& name : names)
        bring_name(name);
}

namespace {

// See ClientSession::statement_scope().
std::string_view in_scope(std::string_view scope, std::string_view name) {
    const std::string key = std::string(1, '\0') + std::string(name) + '\0';
    const auto at = scope.find(key);
    if (at == std::string_view::npos) return {};
    const auto value = scope.substr(at + key.size());
    return value.substr(0, value.find('\0'));
}

// What says which tables a text means, and whether it may be prepared, in the order in which it is
// set: another session user has no role yet.
constexpr std::array<const char*, 4> looked_up_by{
    "session_authorization", "search_path", "row_security", "role"};

bool same_names(std::string_view a, std::string_view b) {
    const auto same = [&](const char* setting) {
        return in_scope(a, setting) == in_scope(b, setting);
    };
    return std::all_of(looked_up_by.begin(), looked_up_by.end(), same);
}

// Until what is brought has ended; nothing as a value is the default. SET LOCAL would warn the
// client.
std::string set_for_transaction(std::string_view name, std::string_view value) {
    return "SELECT pg_catalog.set_config(" + protocol::quote_literal(name) + ", " +
           (value.empty() ? "NULL" : protocol::quote_literal(value)) + ", true)";
}

}  // namespace

// pg_prepared_statements: the client's own statements under its own names, and no others.
void ClientSession::show_own_names() {
    if (statements_ && statements_->size() > shown_limit) return;
    close_prepared_over(0);
    drop_others_names();
    if (std::exchange(server_->catalog_query.prepared, false)) {
        send_injected("DEALLOCATE " + std::string(catalog_query_name), 0);
    }
    if (!statements_) return;
    // What was prepared under another role or search_path may not be to be had under this one.
    std::vector<std::string> names;
    std::vector<std::pair<std::string, StatementRef>> of_other_scopes;
    const auto scope = statement_scope();
    statements_->for_each([&](const std::string& name, const StatementRef& statement) {
        if (same_names(statement->scope, scope)) {
            names.push_back(name);
        } else {
            of_other_scopes.emplace_back(name, statement);
        }
    });
    for (const auto& name : names)
        bring_name(name);
    // In a block it has to be put back, to what is not known if the block has changed it: then they
    // are left out.
    const bool in_block = server_->status != TransactionStatus::idle || group_open_;
    if (in_block && scope_mark_ != 0) return;
    const auto look_up_under = [&](std::string_view other) {
        for (const char* setting : looked_up_by)
            send_injected(set_for_transaction(setting, in_scope(other, setting)), 0);
    };
    bool changed = false;
    for (const auto& [name, statement] : of_other_scopes) {
        const auto* there = server_->named.find(name);
        if (there != nullptr && *there == statement) continue;
        look_up_under(statement->scope);
        bring_name(name);
        changed = true;
    }
    if (changed) look_up_under(scope);
}

// Others go first, whosever they are.
void ClientSession::make_room_for_names(const std::vector<std::string>& needed) {
    const std::size_t limit = std::max<std::size_t>(limits_->max_prepared_statements, 1);
    if (server_->named.size() + needed.size() <= limit) return;
    std::vector<std::string> others;
    server_->named.for_each([&](const std::string& name, const StatementRef&) {
        const bool is_needed = std::find(needed.begin(), needed.end(), name) != needed.end();
        if (!is_needed) others.push_back(name);
    });
    for (const auto& name : others) {
        if (server_->named.size() + needed.size() <= limit) break;
        drop_name(name);
    }
}

// From here on only this server knows what the client has prepared by SQL, until it is all gone.
// REQUIRES: it has all of that, and nothing of other clients.
void ClientSession::stop_following_names() {
    if (!statements_ || !statements_->has_sql()) return;
    std::vector<StatementRef> left;
    statements_->for_each([&](const std::string&, const StatementRef& statement) {
        if (statement->from_sql) left.push_back(statement);
    });
    for (const auto& statement : left) {
        remember_unfollowed(knowledge_of(statement->text()));
        statements_->remove(statement->server_name);
        server_->named.remove(statement->server_name);
    }
}

// --- the client's own PREPARE ---

void ClientSession::prepares_by_sql(const Changes& changes) {
    group_prepares_ = worker_.catalog().find_or_add_sql(
        changes.prepare->name, changes.prepare_text, statement_scope()
    );
}

// As a Query; by the extended protocol see send_execute().
void ClientSession::send_prepare(const protocol::MessageView& message) {
    if (!may_prepare_more()) return;
    change_name(group_prepares_->server_name, group_prepares_);
    worker_.to_server().append(message.whole);
    server_->expected.sent({Request::query, Reply::forward, group_prepares_->id});
}

// --- what became of it ---

void ClientSession::name_brought() {
    if (!names_brought_.empty()) names_brought_.erase(names_brought_.begin());
}

// The last one that was sent is the first to be undone.
void ClientSession::name_not_brought() {
    if (names_brought_.empty()) return;
    auto change = std::move(names_brought_.back());
    names_brought_.pop_back();
    if (change.before != nullptr) {
        server_->named.add(change.name, std::move(change.before));
    } else {
        server_->named.remove(change.name);
    }
}

// Whether the server has them is not known until it has answered.
bool ClientSession::names_in_flight() const {
    if (!names_brought_.empty()) return true;
    const auto from_sql = [&](const NameChange& change) {
        const auto* now = statements_ ? statements_->find(change.name) : nullptr;
        return (now != nullptr && (*now)->from_sql) ||
               (change.before != nullptr && change.before->from_sql);
    };
    return std::any_of(
        name_changes_.begin() + static_cast<std::ptrdiff_t>(names_settled_),
        name_changes_.end(),
        from_sql
    );
}

}  // namespace weir::proxy
