// From a group of messages to what the lent server gets: settings it lacks, a deferred BEGIN,
// statements it has not prepared, and the group with names that are the server's.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/set_statements.h"
#include "proxy/client_session.h"

#include <algorithm>

namespace weir::proxy {

namespace frontend = protocol::frontend;
using protocol::Reply;
using protocol::Request;
using protocol::TransactionStatus;

namespace {

// Groups up to this size are kept until their first answer, so that they can be sent again when a
// prepared statement has to be prepared anew.
constexpr std::size_t retained_limit = 16 * 1024;

// default_transaction_read_only and its kin are looked at when a transaction begins.
bool acts_at_begin(std::string_view parameter_name) {
    return parameter_name.starts_with("default_transaction_");
}

}  // namespace

// What has to go before the group. False: it must be answered first, or another server is needed;
// the group waits.
bool ClientSession::send_prelude(const Plan& plan) {
    if (lease_fresh_) {
        if (!server_is_alive()) return false;
        if (check_server()) return false;
        if (plan.has_unresolved()) return read_catalog_first();
        lease_fresh_ = false;
        send_settings();
        const bool discards = guard_sequences(plan);
        const bool apart = shows_channels(plan) || plan.own_sync_for_settings ||
                           (discards && begins(plan)) ||
                           std::any_of(injected_.begin(), injected_.end(), acts_at_begin);
        if (apart && !worker_.to_server().empty()) return send_prelude_apart();
    } else {
        // A server that is kept: RESET went to its own value instead of the client's.
        const bool quiet = server_->status == TransactionStatus::idle && !group_open_;
        if (quiet && plan.has_unresolved()) return read_catalog_first();
        if (quiet && !plan.own_sync_for_settings && !server_->uncertain.empty()) send_settings();
        const bool discards = guard_sequences(plan);
        if (quiet && shows_channels(plan)) return send_prelude_apart();
        if (discards && quiet && (plan.own_sync_for_settings || begins(plan))) {
            return send_prelude_apart();
        }
    }
    if (!deferred_begin_.empty()) {
        send_injected(deferred_begin_, injected_begin);
        begin_sent_ = true;
        deferred_begin_.clear();
    }
    if (local_failed_) send_failed_transaction();
    return true;
}

// PostgreSQL refuses some statements behind others of the same pipeline (25001); DISCARD takes a
// snapshot, after which no isolation level can be set; and the transaction that a setting is for
// must not have begun with it. They are answered before the group is sent.
bool ClientSession::send_prelude_apart() {
    send_own_sync();
    prelude_pending_ = true;
    write_to_server();
    return false;
}

bool ClientSession::begins(const Plan& plan) const {
    return !deferred_begin_.empty() || plan.begins_transaction;
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
        *server_->parameters, *parameters_, server_->uncertain, injected_
    );
    // They differ in what cannot be set only, or in names that others have used.
    if (statements.empty()) return server_->remember_fit(parameters_);
    unit_parameters_ = parameters_;
    for (const auto& statement : statements)
        send_injected(statement, 0);
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

// lastval() and currval() must never tell what another client's statements did. What keeps its
// server may call them where nobody sees it. True if something was sent for it.
bool ClientSession::guard_sequences(const Plan& plan) {
    if (session_mode() || server_->status == TransactionStatus::failed) return false;
    const bool reads =
        plan.reads_sequences || plan.may_read_sequences || pin_ != router::PinReason::none;
    if (!reads && !plan.may_advance_sequences) return false;
    auto& seen = start_.entry->sequence_state_read;
    if (plan.reads_sequences && plan.pin == router::PinReason::none) {
        seen.store(true, std::memory_order_relaxed);
    }
    auto& user = server_->sequence_user;
    const bool foreign = user != 0 && user != start_.id;
    const bool tidy = seen.load(std::memory_order_relaxed) && !sequences_in_transaction_;
    const bool discards = foreign && (reads || tidy);
    if (discards) {
        // PostgreSQL then says that lastval is not yet defined (55000), and tells no foreign value.
        send_injected("DISCARD SEQUENCES", injected_discard);
        user = start_.id;
    }
    if (plan.may_advance_sequences) {
        const bool mine = user == 0 || user == start_.id;
        user = mine ? start_.id : pool::ServerConnection::mixed_sequences;
        sequences_in_transaction_ = true;
    }
    return discards;
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
        retained_group_.assign(as_text(group.bytes));
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
    if (group_deallocates_) {
        const auto text = protocol::parse_query(message.body);
        if (text && send_deallocate(*text)) return;
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
    // The failure has rolled back the settings that went with the group.
    send_settings();
    auto& out = worker_.to_server();
    const auto name = std::string(protocol::server_name_prefix) + std::to_string(id);
    out.begin(frontend::close).u8('S').c_string(name).end();
    server_->expected.sent({Request::close, Reply::swallow, id});
    const auto again = std::exchange(retained_group_, {});
    const Group group{as_bytes(again), frontend::sync};
    send_group(group);
    // Once is enough: a second failure is the client's to see.
    retained_group_.clear();
    write_to_server();
    return true;
}

}  // namespace weir::proxy
