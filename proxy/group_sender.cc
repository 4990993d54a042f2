// From a group of messages to what the lent server gets: settings it lacks, a deferred BEGIN,
// statements it has not prepared, and the group with names that are the server's.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/set_statements.h"
#include "proxy/client_session.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using protocol::Reply;
using protocol::Request;
using protocol::TransactionStatus;

namespace {

// Groups up to this size are kept until their first answer, so that they can be sent again when a
// prepared statement has to be prepared anew.
constexpr std::size_t retained_limit = 16 * 1024;

}  // namespace

// What has to go before the group. False: it must be answered first, or another server is needed;
// the group waits.
bool ClientSession::send_prelude(const Plan& plan) {
    const bool quiet = server_->status == TransactionStatus::idle && !group_open_;
    if (lease_fresh_) {
        if (!server_is_alive()) return false;
        if (check_server()) return false;
        if (plan.has_unresolved()) return read_catalog_first();
        if (!server_->fits(parameters_) && refuses_foreign_settings(plan)) return false;
        lease_fresh_ = false;
        send_settings();
    } else if (quiet) {
        if (plan.has_unresolved()) return read_catalog_first();
        // A server that is kept: RESET went to its own value instead of the client's. What could
        // not be read back there is not known: nothing is brought in its place.
        const bool owed = settings_owed_ || !server_->uncertain.empty();
        if (owed && touched_before_.empty()) send_settings();
    }
    if (!plan.described.empty() && checks_columns(plan)) return false;
    guard_sequences(plan);
    if (quiet) {
        if (plan.reads_session_state && listening_ != nullptr) show_channels();
        if (may_bring_names(plan)) bring_names(plan);
        if (!worker_.to_server().empty() && plan.large) return send_prelude_apart();
        if (!worker_.to_server().empty()) send_guard();
    }
    if (!deferred_begin_.empty()) {
        send_injected(deferred_begin_, injected_begin);
        begin_sent_ = true;
        deferred_begin_.clear();
    }
    if (!quiet && may_bring_names(plan)) bring_names(plan);
    if (local_failed_) send_failed_transaction();
    return true;
}

// Nothing could be said in the middle of a message that is passed on in pieces: what is brought for
// it is answered first.
bool ClientSession::send_prelude_apart() {
    protocol::write_empty(frontend::sync, worker_.to_server());
    server_->expected.sent({Request::sync, Reply::swallow, brought_sync});
    bringing_ = true;
    bringing_failed_ = false;
    prelude_pending_ = true;
    write_to_server();
    return false;
}

// What was brought for the client is a transaction of its own: it holds whatever becomes of the
// client's (ROLLBACK AND CHAIN, "ROLLBACK; SELECT 1"), and PostgreSQL refuses nothing behind it
// (VACUUM, BEGIN ISOLATION LEVEL). That it has succeeded is seen by a statement made last in it,
// without which nothing behind it runs; so it needs no answer before the request is sent. The
// statement is empty: binding it takes no snapshot.
void ClientSession::send_guard() {
    auto& out = worker_.to_server();
    auto& expected = server_->expected;
    out.begin(frontend::parse).c_string(guard_name).c_string("").u16(0).end();
    expected.sent({Request::parse, Reply::swallow, guard_statement});
    protocol::write_empty(frontend::sync, out);
    expected.sent({Request::sync, Reply::swallow, brought_sync});
    out.begin(frontend::bind).c_string("").c_string(guard_name).u16(0).u16(0).u16(0).end();
    expected.sent({Request::bind, Reply::swallow, guard_statement});
    out.begin(frontend::close).u8('S').c_string(guard_name).end();
    expected.sent({Request::close, Reply::swallow, guard_statement});
    bringing_ = true;
    bringing_failed_ = false;
    refusal_.reset();
}

// True if the check query is under way.
bool ClientSession::check_server() {
    const auto& query = limits_->server_check_query;
    const auto idle = worker_.loop().now() - server_->last_used;
    if (std::exchange(checking_, false) || query.empty() || idle < limits_->server_check_delay) {
        return false;
    }
    checking_ = true;
    prelude_pending_ = true;
    worker_.to_server().begin(frontend::query).c_string(query == ";" ? "" : query).end();
    server_->expected.sent({Request::query, Reply::swallow, 0});
    write_to_server();
    return true;
}

// Custom settings of which others have used the names, and neither this client nor its request: it
// would read '' there where a fresh session says NULL. True if another server is tried.
bool ClientSession::refuses_foreign_settings(const Plan& plan) {
    auto own = parameters_;
    if (!protocol::has_foreign_custom(*server_->parameters, *own)) return false;
    if (plan.changes != nullptr) {
        for (const auto& setting : plan.changes->settings) {
            if (setting.name.empty() || own->find(setting.name) != nullptr) continue;
            own = protocol::ParameterSet::with(own, {setting.name, "", false, true});
        }
        if (!protocol::has_foreign_custom(*server_->parameters, *own)) return false;
    }
    counters_.foreign_settings.add(1);
    if (!limits_->strict_custom_settings || session_mode()) return false;
    auto& server = *std::exchange(server_, nullptr);
    pool_->retire(server, pool::CloseReason::foreign_settings, false);
    // One turn later another one is lent, or opened.
    worker_.loop().resume_later(client_.key());
    return true;
}

void ClientSession::send_own_sync() {
    protocol::write_empty(frontend::sync, worker_.to_server());
    server_->expected.sent({Request::sync, Reply::swallow, 0});
}

// The client's transaction failed when it had no server; now that it needs one it is failed there,
// so that what follows is answered by PostgreSQL itself.
void ClientSession::send_failed_transaction() {
    local_failed_ = false;
    send_injected("BEGIN", 0);
    send_failing_parse("pgweir: this transaction failed before it had a server", no_statement);
    send_own_sync();
    begin_sent_ = true;
}

// What the server's log will show as a syntax error.
void ClientSession::send_failing_parse(std::string_view text, std::uint32_t tag) {
    worker_.to_server().begin(frontend::parse).c_string("").c_string(text).u16(0).end();
    server_->expected.sent({Request::parse, Reply::swallow, tag});
    server_->unnamed_owner = 0;
}

void ClientSession::send_settings() {
    if (server_->fits(parameters_)) return;
    const auto statements = protocol::statements_between(
        *server_->parameters,
        *parameters_,
        server_->uncertain,
        injected_.fill(),
        server_->login_user()
    );
    settings_owed_ = false;
    // They differ in what cannot be set only, or in names that others have used.
    if (statements.empty()) return server_->remember_fit(parameters_);
    for (const auto& statement : statements)
        send_injected(statement, statement.starts_with("RESET") ? injected_reset : 0);
}

// `mark` tells later what it was that failed.
void ClientSession::send_injected(std::string_view sql, std::uint32_t mark) {
    auto& out = worker_.to_server();
    out.begin(frontend::parse).c_string("").c_string(sql).u16(0).end();
    out.begin(frontend::bind).c_string("").c_string("").u16(0).u16(0).u16(0).end();
    out.begin(frontend::execute).c_string("").u32(0).end();
    server_->expected.sent({Request::parse, Reply::swallow, 0});
    server_->expected.sent({Request::bind, Reply::swallow, 0});
    server_->expected.sent({Request::execute, Reply::swallow, mark});
    server_->unnamed_owner = 0;
}

void ClientSession::send_group(const Group& group) {
    retained_group_.clear();
    retain_ = false;
    const bool first = server_->status == TransactionStatus::idle && !group_open_ && !begin_sent_;
    begin_sent_ = false;
    if (group.bytes.empty()) return;
    protocol::for_each_message(group.bytes, [this](const protocol::MessageView& message) {
        if (phase_ == Phase::serving) send_message(message);
    });
    if (phase_ != Phase::serving) return;
    if (retain_ && first && group.terminator == frontend::sync &&
        group.bytes.size() <= retained_limit) {
        retained_group_ = as_text(group.bytes);
    }
    group_open_ = group.terminator == 0 || group.terminator == frontend::flush;
    after_message();
}

void ClientSession::send_message(const protocol::MessageView& message) {
    switch (message.type) {
        case frontend::parse:
            counters_.client_parses.add(1);
            return send_parse(message);
        case frontend::bind:
            counters_.binds.add(1);
            return send_bind(message);
        case frontend::describe:
            return send_describe(message);
        case frontend::close:
            return send_close(message);
        case frontend::execute:
            counters_.queries.add(1);
            return send_execute(message);
        case frontend::query:
            counters_.queries.add(1);
            return send_query(message);
        case frontend::function_call:
            counters_.queries.add(1);
            return forward(message, Request::function_call);
        case frontend::sync:
            return forward(message, Request::sync);
        default:
            worker_.to_server().append(message.whole);
            return;
    }
}

void ClientSession::forward(const protocol::MessageView& message, Request request) {
    worker_.to_server().append(message.whole);
    server_->expected.sent({request, Reply::forward, 0});
}

void ClientSession::send_query(const protocol::MessageView& message) {
    has_unnamed_ = false;
    server_->unnamed_owner = 0;
    if (group_prepares_ != nullptr) return send_prepare(message);
    if (group_deallocates_) {
        const auto text = protocol::parse_query(message.body);
        if (text && send_deallocate(message, *text)) return;
        if (text && deallocates_another(*text)) {
            worker_.to_server().append(message.whole);
            server_->expected.sent({Request::query, Reply::forward, no_statement});
            return;
        }
    }
    forward(message, Request::query);
}

// The same group again, after the statement that had become invalid was closed.
bool ClientSession::resend_after_heal() {
    healing_ = false;
    const auto id = std::exchange(heal_statement_, 0);
    server_->prepared.remove(id);
    auto& out = worker_.to_server();
    const auto name = std::string(protocol::server_name_prefix) + std::to_string(id);
    out.begin(frontend::close).u8('S').c_string(name).end();
    server_->expected.sent({Request::close, Reply::swallow, id});
    const auto again = retained_group_.take();
    const Group group{as_bytes(again), frontend::sync};
    send_group(group);
    // Once is enough: a second failure is the client's to see.
    retained_group_.clear();
    write_to_server();
    return true;
}

}  // namespace weir::proxy
