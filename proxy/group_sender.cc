// From a group of messages to what the lent server gets: settings it lacks, a deferred BEGIN,
// statements it has not prepared, and the group with names that are the server's.
#include "proxy/client_session.h"

#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"

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
// Named statements of one client.
constexpr std::size_t statements_limit = 50'000;

// Calls visit(message) for each whole message.
template <class Visit>
void for_each_message(Bytes bytes, Visit&& visit) {
    while (!bytes.empty()) {
        const std::size_t whole =
            std::size_t{protocol::FieldCursor(bytes.subspan(1, 4)).u32()} + 1;
        visit(protocol::MessageView{
            static_cast<char>(bytes[0]),
            bytes.subspan(protocol::message_header_size, whole - protocol::message_header_size),
            bytes.first(whole),
        });
        bytes = bytes.subspan(whole);
    }
}

// The header of a message whose body grew or shrank by `change` bytes. The rest of a large message
// may not be here yet: its length is what the client announced.
void write_header(
    const protocol::MessageView& message, std::ptrdiff_t change, protocol::MessageWriter& out
) {
    const auto announced = protocol::FieldCursor(message.whole.subspan(1, 4)).u32();
    const auto length =
        static_cast<std::uint32_t>(static_cast<std::ptrdiff_t>(announced) + change);
    out.u8(static_cast<std::uint8_t>(message.type)).u32(length);
}

std::ptrdiff_t growth(std::string_view to, std::string_view from) {
    return static_cast<std::ptrdiff_t>(to.size()) - static_cast<std::ptrdiff_t>(from.size());
}

}  // namespace

// What has to go before the first group on a fresh lease. False: it must be answered first, or
// another server is needed; the group waits.
bool ClientSession::send_prelude(const Plan& plan) {
    if (lease_fresh_) {
        if (!server_is_alive()) return false;
        const auto idle = worker_.loop().now() - server_->last_used;
        if (!checking_ && !limits_->server_check_query.empty() &&
            idle >= limits_->server_check_delay) {
            checking_ = true;
            prelude_pending_ = true;
            auto& out = worker_.to_server();
            const auto& query = limits_->server_check_query;
            out.begin(frontend::query).c_string(query == ";" ? "" : query).end();
            server_->expected.sent({Request::query, Reply::swallow, 0});
            write_to_server();
            return false;
        }
        checking_ = false;
        lease_fresh_ = false;
        send_settings();
        const bool sent = !injected_.empty();
        if (sent && plan.own_sync_for_settings) {
            // PostgreSQL refuses such statements behind others of the same pipeline (25001).
            protocol::write_empty(frontend::sync, worker_.to_server());
            server_->expected.sent({Request::sync, Reply::swallow, 0});
            prelude_pending_ = true;
            write_to_server();
            return false;
        }
    }
    if (!deferred_begin_.empty()) {
        send_injected(deferred_begin_);
        begin_sent_ = true;
        deferred_begin_.clear();
    }
    return true;
}

// An end that has been seen already, or a last word: this server is not used.
bool ClientSession::server_is_alive() {
    if (!server_->channel.may_read() || server_->read_while_idle()) return true;
    auto& server = *std::exchange(server_, nullptr);
    start_.entry->pool.retire(server, pool::CloseReason::server_closed, true);
    // One turn later the next one is tried.
    worker_.loop().resume_later(client_.key());
    return false;
}

void ClientSession::send_settings() {
    if (server_->parameters == parameters_ && server_->uncertain.empty()) return;
    const auto statements = protocol::statements_between(
        *server_->parameters, *parameters_, server_->uncertain, injected_
    );
    if (statements.empty()) {
        // They differ in what cannot be set only.
        return;
    }
    unit_parameters_ = parameters_;
    for (const auto& statement : statements) send_injected(statement);
}

void ClientSession::send_injected(std::string_view sql) {
    auto& out = worker_.to_server();
    out.begin(frontend::parse).c_string("").c_string(sql).u16(0).end();
    out.begin(frontend::bind).c_string("").c_string("").u16(0).u16(0).u16(0).end();
    out.begin(frontend::execute).c_string("").u32(0).end();
    server_->expected.sent({Request::parse, Reply::swallow, 0});
    server_->expected.sent({Request::bind, Reply::swallow, 0});
    server_->expected.sent({Request::execute, Reply::swallow, 0});
    server_->unnamed_owner = 0;
}

// lastval() and currval() must never tell what another client's statements did. False: that
// cannot be had inside the running transaction.
bool ClientSession::guard_sequences(const Plan& plan) {
    if (session_mode() || !(plan.reads_sequences || plan.may_advance_sequences)) return true;
    auto& seen = start_.entry->sequence_state_read;
    if (plan.reads_sequences) seen.store(true, std::memory_order_relaxed);
    auto& user = server_->sequence_user;
    const bool foreign = user != 0 && user != start_.id;
    if (foreign && (plan.reads_sequences || seen.load(std::memory_order_relaxed))) {
        if (!sequences_in_transaction_) {
            send_injected("DISCARD SEQUENCES");
            user = start_.id;
        } else if (plan.reads_sequences) {
            return false;
        }
    }
    if (plan.may_advance_sequences) {
        const bool mine = user == 0 || user == start_.id;
        user = mine ? start_.id : pool::ServerConnection::mixed_sequences;
        sequences_in_transaction_ = true;
    }
    return true;
}

void ClientSession::send_group(const Group& group) {
    retained_group_.clear();
    retain_ = false;
    const bool first = server_->status == TransactionStatus::idle && !group_open_ && !begin_sent_;
    begin_sent_ = false;
    if (group.bytes.empty()) return;
    for_each_message(group.bytes, [this](const protocol::MessageView& message) {
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
    auto& expected = server_->expected;
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
            return forward(message, Request::execute);
        case frontend::query:
            counters_.queries.add(1);
            return send_query(message);
        case frontend::function_call:
            counters_.queries.add(1);
            return forward(message, Request::function_call);
        case frontend::sync:
            // In COPY the server ignores it, so it is not even sent.
            if (expected.copy_in()) return;
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

// A name the client has now, or no more; undone if the message that says so fails.
void ClientSession::change_name(std::string_view name, protocol::StatementRef statement) {
    if (!statements_) statements_ = std::make_unique<protocol::ClientStatements>();
    const auto* before = statements_->find(name);
    name_changes_.push_back({std::string(name), before != nullptr ? *before : nullptr});
    if (statement != nullptr) {
        statements_->add(name, std::move(statement));
    } else {
        statements_->remove(name);
    }
}

void ClientSession::send_parse(const protocol::MessageView& message) {
    const auto whole_here = message.whole.size() ==
                            protocol::FieldCursor(message.whole.subspan(1, 4)).u32() + 1U;
    const auto parse = protocol::parse_parse(message.body);
    if (session_mode()) return forward(message, Request::parse);
    auto& out = worker_.to_server();
    auto& expected = server_->expected;
    if (!parse || !whole_here) {
        // Too large to be kept: its server is kept for the client instead.
        protocol::FieldCursor cursor(message.body);
        const auto name = cursor.c_string();
        if (!cursor.ok()) return violation("invalid message format");
        if (name.empty()) {
            has_unnamed_ = true;
            unnamed_parse_.clear();
            server_->unnamed_owner = start_.id;
            server_->unnamed_serial = ++unnamed_serial_;
            return forward(message, Request::parse);
        }
        auto resident = worker_.catalog().resident();
        write_header(message, growth(resident->server_name, name), out);
        out.c_string(resident->server_name).bytes(message.body.subspan(cursor.position()));
        change_name(name, resident);
        expected.sent({Request::parse, Reply::forward, resident->id});
        return;
    }
    if (parse->name.empty()) {
        has_unnamed_ = true;
        unnamed_parse_.assign(as_text(parse->definition));
        server_->unnamed_owner = start_.id;
        server_->unnamed_serial = ++unnamed_serial_;
        if (send_deallocate(parse->text, message)) return;
        return forward(message, Request::parse);
    }
    if (!statements_) statements_ = std::make_unique<protocol::ClientStatements>();
    if (statements_->size() >= statements_limit) {
        return finish_with(protocol::fatal(
            protocol::sqlstate::configuration_limit_exceeded, "too many prepared statements",
            "Close statements that are not needed any more."
        ));
    }
    if (const auto* taken = statements_->find(parse->name)) {
        // PostgreSQL answers 42P05 for a name that it has.
        const auto name = (*taken)->server_name;
        ensure_prepared(*taken);
        write_header(message, growth(name, parse->name), out);
        out.c_string(name).bytes(parse->definition);
        expected.sent({Request::parse, Reply::forward, 0});
        return;
    }
    auto statement =
        worker_.catalog().find_or_add(as_text(parse->definition), statement_scope());
    const auto id = statement->id;
    const bool failed = server_->status == TransactionStatus::failed;
    if (!failed && server_->prepared.contains(id)) {
        change_name(parse->name, std::move(statement));
        if (!expected.invent({Request::parse, Reply::invent, id})) name_changes_.pop_back();
        return;
    }
    evict_statements();
    counters_.server_parses.add(1);
    write_header(message, growth(statement->server_name, parse->name), out);
    out.c_string(statement->server_name).bytes(parse->definition);
    server_->prepared.add(statement);
    change_name(parse->name, std::move(statement));
    expected.sent({Request::parse, Reply::forward, id});
}

void ClientSession::evict_statements() {
    const auto limit = std::max<std::size_t>(limits_->max_prepared_statements, 1);
    while (const auto evicted = server_->prepared.evict_over(limit - 1)) {
        auto& out = worker_.to_server();
        out.begin(frontend::close).u8('S').c_string((*evicted)->server_name).end();
        server_->expected.sent({Request::close, Reply::swallow, (*evicted)->id});
    }
}

void ClientSession::ensure_prepared(const protocol::StatementRef& statement) {
    if (statement->resident || server_->prepared.contains(statement->id)) return;
    evict_statements();
    counters_.server_parses.add(1);
    auto& out = worker_.to_server();
    out.begin(frontend::parse).c_string(statement->server_name).text(statement->definition).end();
    server_->expected.sent({Request::parse, Reply::swallow, statement->id});
    server_->prepared.add(statement);
}

std::string_view ClientSession::server_name_of(std::string_view client_name) {
    const auto* statement = statements_ ? statements_->find(client_name) : nullptr;
    if (statement == nullptr) {
        // A name that no server has: PostgreSQL says 26000 for it.
        unknown_name_ = std::string(protocol::server_name_prefix);
        unknown_name_.append(protocol::unknown_name_mark).append(client_name);
        return unknown_name_;
    }
    if (!server_->prepared.contains((*statement)->id)) {
        ensure_prepared(*statement);
    } else {
        retain_ = true;
    }
    return (*statement)->server_name;
}

// The client's unnamed statement, on a server that has another one or none.
void ClientSession::ensure_unnamed() {
    if (server_->unnamed_owner == start_.id && server_->unnamed_serial == unnamed_serial_) return;
    auto& out = worker_.to_server();
    out.begin(frontend::parse).c_string("").text(unnamed_parse_).end();
    server_->expected.sent({Request::parse, Reply::swallow, 0});
    server_->unnamed_owner = start_.id;
    server_->unnamed_serial = unnamed_serial_;
}

void ClientSession::send_bind(const protocol::MessageView& message) {
    const auto bind = protocol::parse_bind(message.body);
    if (!bind) return violation("invalid message format");
    const bool unnamed = bind->statement.empty();
    if (session_mode()) return forward(message, Request::bind);
    if (unnamed && has_unnamed_) {
        ensure_unnamed();
        return forward(message, Request::bind);
    }
    const auto name = server_name_of(bind->statement);
    auto& out = worker_.to_server();
    write_header(message, growth(name, bind->statement), out);
    out.c_string(bind->portal).c_string(name).bytes(bind->rest);
    const auto* statement = statements_ ? statements_->find(bind->statement) : nullptr;
    server_->expected.sent(
        {Request::bind, Reply::forward, statement != nullptr ? (*statement)->id : 0}
    );
}

void ClientSession::send_describe(const protocol::MessageView& message) {
    const auto target = protocol::parse_target(message.body);
    if (!target) return violation("invalid message format");
    if (target->kind == 'P') return forward(message, Request::describe_portal);
    if (session_mode()) return forward(message, Request::describe_statement);
    if (target->name.empty() && has_unnamed_) {
        ensure_unnamed();
        return forward(message, Request::describe_statement);
    }
    const auto name = server_name_of(target->name);
    auto& out = worker_.to_server();
    out.begin(frontend::describe).u8('S').c_string(name).end();
    const auto* statement = statements_ ? statements_->find(target->name) : nullptr;
    server_->expected.sent(
        {Request::describe_statement, Reply::forward, statement != nullptr ? (*statement)->id : 0}
    );
}

// The server keeps a statement for others; only the client's name goes.
void ClientSession::send_close(const protocol::MessageView& message) {
    const auto target = protocol::parse_target(message.body);
    if (!target) return violation("invalid message format");
    if (target->kind == 'P' || session_mode()) return forward(message, Request::close);
    if (target->name.empty()) {
        has_unnamed_ = false;
        server_->unnamed_owner = 0;
        return forward(message, Request::close);
    }
    change_name(target->name, nullptr);
    // The tag says that there is a change of a name to settle or to undo.
    if (!server_->expected.invent({Request::close, Reply::invent, 1})) name_changes_.pop_back();
}

void ClientSession::send_query(const protocol::MessageView& message) {
    has_unnamed_ = false;
    server_->unnamed_owner = 0;
    const auto text = protocol::parse_query(message.body);
    if (text && !session_mode() && send_deallocate(*text, message)) return;
    forward(message, Request::query);
}

// DEALLOCATE of a name that was prepared by the protocol: on the server it has another name.
bool ClientSession::send_deallocate(std::string_view text, const protocol::MessageView& message) {
    if (!statements_ || server_->status == TransactionStatus::failed) return false;
    const auto& statement = *knowledge_of(text);
    if (!statement.is_single() || statement.kind() != router::StatementKind::deallocate ||
        statement.deallocate_all) {
        return false;
    }
    const auto name = statement.name;
    const auto* known = statements_->find(name);
    if (known == nullptr) return false;
    const auto shared = *known;
    auto& out = worker_.to_server();
    ensure_prepared(shared);
    const auto sql = "DEALLOCATE " + protocol::quote_identifier(shared->server_name);
    if (message.type == frontend::query) {
        out.begin(frontend::query).c_string(sql).end();
        server_->expected.sent({Request::query, Reply::forward, 0});
    } else {
        out.begin(frontend::parse).c_string("").c_string(sql).u16(0).end();
        server_->expected.sent({Request::parse, Reply::forward, 0});
        unnamed_parse_ = sql;
        unnamed_parse_.append(3, '\0');
    }
    server_->prepared.remove(shared->id);
    statements_->remove(name);
    return true;
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
