// Messages about prepared statements, with the server's names instead of the client's.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/set_statements.h"
#include "proxy/client_session.h"

#include <algorithm>

namespace weir::proxy {

namespace frontend = protocol::frontend;
namespace backend = protocol::backend;
using protocol::Reply;
using protocol::Request;
using protocol::TransactionStatus;

namespace {

// Named statements of one client.
constexpr std::size_t statements_limit = 50'000;

// The header of a message whose body grew or shrank by `change` bytes. The rest of a large message
// may not be here yet: its length is what the client announced.
void write_header(
    const protocol::MessageView& message, std::ptrdiff_t change, protocol::MessageWriter& out
) {
    const auto announced = static_cast<std::ptrdiff_t>(protocol::announced_length(message.whole));
    out.u8(static_cast<std::uint8_t>(message.type))
        .u32(static_cast<std::uint32_t>(announced + change));
}

bool ends_failed_transaction(const router::Statement& statement) {
    using enum router::StatementKind;
    const auto kind = statement.kind();
    return statement.is_single() && (kind == commit || kind == rollback || kind == rollback_to ||
                                     kind == prepare_transaction);
}

std::ptrdiff_t growth(std::string_view to, std::string_view from) {
    return static_cast<std::ptrdiff_t>(to.size()) - static_cast<std::ptrdiff_t>(from.size());
}

}  // namespace

// A name the client has now, or no more; undone if the message that says so fails.
void ClientSession::change_name(std::string_view name, protocol::StatementRef statement) {
    if (!statements_) statements_ = std::make_unique<protocol::ClientStatements>();
    const auto* before = statements_->find(name);
    name_changes_.push_back({std::string(name), before != nullptr ? *before : nullptr, statement});
    if (statement != nullptr) {
        statements_->add(name, std::move(statement));
    } else {
        statements_->remove(name);
    }
}

// Room for a name more; otherwise the client is told to leave.
bool ClientSession::may_prepare_more() {
    if (!statements_) statements_ = std::make_unique<protocol::ClientStatements>();
    if (statements_->size() < statements_limit) return true;
    finish_with(protocol::fatal(
        protocol::sqlstate::configuration_limit_exceeded,
        "too many prepared statements",
        "Close statements that are not needed any more."
    ));
    return false;
}

void ClientSession::send_parse(const protocol::MessageView& message) {
    const bool whole_here =
        message.whole.size() == std::size_t{protocol::announced_length(message.whole)} + 1;
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
            unnamed_deallocates_.reset();
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
        unnamed_deallocates_.reset();
        if (group_deallocates_ && send_parse_of_deallocate(parse->text)) return;
        return forward(message, Request::parse);
    }
    if (!may_prepare_more()) return;
    if (const auto* taken = statements_->find(parse->name)) {
        // PostgreSQL answers 42P05 for a name that it has.
        const auto name = (*taken)->server_name;
        ensure_prepared(*taken);
        write_header(message, growth(name, parse->name), out);
        out.c_string(name).bytes(parse->definition);
        expected.sent({Request::parse, Reply::forward, no_statement});
        return;
    }
    auto statement = worker_.catalog().find_or_add(as_text(parse->definition), statement_scope());
    const auto id = statement->id;
    // What ends a transaction is taken in one that has failed, too.
    const bool failed = server_->status == TransactionStatus::failed &&
                        !ends_failed_transaction(*knowledge_of(parse->text));
    if (server_->prepared.contains(id)) {
        if (failed) {
            // It is refused there, and the server keeps what it has.
            write_header(message, growth(statement->server_name, parse->name), out);
            out.c_string(statement->server_name).bytes(parse->definition);
            expected.sent({Request::parse, Reply::forward, no_statement});
            return;
        }
        change_name(parse->name, std::move(statement));
        expected.invent({Request::parse, Reply::invent, id});
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
    close_prepared_over(std::max<std::size_t>(limits_->max_prepared_statements, 1) - 1);
}

void ClientSession::close_prepared_over(std::size_t limit) {
    while (const auto evicted = server_->prepared.evict_over(limit)) {
        auto& out = worker_.to_server();
        out.begin(frontend::close).u8('S').c_string((*evicted)->server_name).end();
        server_->expected.sent({Request::close, Reply::swallow, (*evicted)->id});
        evicting_.push_back(*evicted);
    }
}

void ClientSession::ensure_prepared(const protocol::StatementRef& statement) {
    if (statement->from_sql) return bring_name(statement->server_name);
    retain_ = true;
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
        auto& name = unknown_name_.fill();
        name = protocol::server_name_prefix;
        return name.append(protocol::unknown_name_mark).append(client_name);
    }
    // Some servers have it under the client's own name, too.
    const auto* const named = server_->named.empty() ? nullptr : server_->named.find(client_name);
    if (named != nullptr && *named == *statement) return client_name;
    ensure_prepared(*statement);
    return (*statement)->server_name;
}

// The statement a Bind or Describe is about, as starts_healing() takes it; 0: not to be healed.
std::uint32_t ClientSession::tag_of(std::string_view client_name, std::string_view server_name)
    const {
    const auto* statement = statements_ ? statements_->find(client_name) : nullptr;
    if (statement == nullptr || (*statement)->from_sql) return 0;
    return server_name == (*statement)->server_name ? (*statement)->id : 0;
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
    if (bind->portal.empty()) {
        portal_deallocates_ = unnamed && unnamed_deallocates_ != nullptr;
        portal_prepares_ = unnamed ? group_prepares_ : nullptr;
    }
    if (unnamed && has_unnamed_) {
        if (unnamed_deallocates_ != nullptr) prepare_to_deallocate(unnamed_deallocates_);
        ensure_unnamed();
        return forward(message, Request::bind);
    }
    const auto name = server_name_of(bind->statement);
    auto& out = worker_.to_server();
    write_header(message, growth(name, bind->statement), out);
    out.c_string(bind->portal).c_string(name).bytes(bind->rest);
    server_->expected.sent({Request::bind, Reply::forward, tag_of(bind->statement, name)});
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
    server_->expected.sent({Request::describe_statement, Reply::forward, tag_of(target->name, name)}
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
    server_->expected.invent({Request::close, Reply::invent, 1});
}

// --- DEALLOCATE of a name that was prepared by the protocol: on the server it has another name ---

// Anything will do under that name: its own text may not be valid any more.
void ClientSession::prepare_to_deallocate(const protocol::StatementRef& statement) {
    if (statement->from_sql) return bring_name(statement->server_name);
    if (statement->resident || server_->prepared.contains(statement->id)) return;
    auto& out = worker_.to_server();
    out.begin(frontend::parse).c_string(statement->server_name).c_string("").u16(0).end();
    server_->expected.sent({Request::parse, Reply::swallow, statement->id});
}

// The statement that `text` deallocates, with its name in `deallocated_name_`; or nullptr.
protocol::StatementRef ClientSession::deallocated_by(std::string_view text) {
    if (!statements_ || server_->status == TransactionStatus::failed) return nullptr;
    const auto& statement = *knowledge_of(text);
    if (!statement.is_single() || statement.kind() != router::StatementKind::deallocate ||
        statement.deallocate_all) {
        return nullptr;
    }
    const auto* known = statements_->find(statement.name);
    if (known == nullptr) return nullptr;
    deallocated_name_ = statement.name;
    return *known;
}

bool ClientSession::send_deallocate(const protocol::MessageView& message, std::string_view text) {
    const auto statement = deallocated_by(text);
    if (statement == nullptr) return false;
    prepare_to_deallocate(statement);
    auto& out = worker_.to_server();
    if (statement->from_sql) {
        out.append(message.whole);
    } else {
        out.begin(frontend::query)
            .c_string("DEALLOCATE " + protocol::quote_identifier(statement->server_name))
            .end();
    }
    change_name(deallocated_name_, nullptr);
    server_->expected.sent({Request::query, Reply::forward, statement->id});
    return true;
}

// A name that PREPARE has made: none of ours.
bool ClientSession::deallocates_another(std::string_view text) {
    const auto& statement = *knowledge_of(text);
    return statement.is_single() && statement.kind() == router::StatementKind::deallocate &&
           !statement.deallocate_all && !statement.name.starts_with(protocol::server_name_prefix);
}

bool ClientSession::send_parse_of_deallocate(std::string_view text) {
    unnamed_deallocates_ = deallocated_by(text);
    if (unnamed_deallocates_ == nullptr) return false;
    unnamed_parse_ = "DEALLOCATE " + protocol::quote_identifier(unnamed_deallocates_->server_name);
    // The end of the text, and no parameter types.
    unnamed_parse_.append(3, '\0');
    worker_.to_server().begin(frontend::parse).c_string("").text(unnamed_parse_).end();
    server_->expected.sent({Request::parse, Reply::forward, 0});
    return true;
}

void ClientSession::send_execute(const protocol::MessageView& message) {
    const bool unnamed_portal = !message.body.empty() && message.body[0] == std::byte{0};
    if (!unnamed_portal) return forward(message, Request::execute);
    std::uint32_t tag = 0;
    if (std::exchange(portal_deallocates_, false)) {
        change_name(deallocated_name_, nullptr);
        tag = unnamed_deallocates_->id;
    } else if (portal_prepares_ != nullptr) {
        if (!may_prepare_more()) return;
        const auto prepared = std::exchange(portal_prepares_, nullptr);
        tag = prepared->id;
        change_name(prepared->server_name, prepared);
    }
    worker_.to_server().append(message.whole);
    server_->expected.sent({Request::execute, Reply::forward, tag});
}

// --- what became of the changes of names ---

// A Parse, Close, PREPARE or DEALLOCATE was answered well.
void ClientSession::name_settled(const protocol::Expected& expected) {
    if (expected.tag == 0 || expected.tag == no_statement) return;
    if (expected.reply == Reply::swallow) {
        if (is_brought_name(expected)) return name_brought();
        if (expected.request != Request::close) return;
        erase_if(evicting_, [&](const auto& statement) { return statement->id == expected.tag; });
        return;
    }
    // DEALLOCATE or PREPARE.
    const bool by_sql = expected.request == Request::query || expected.request == Request::execute;
    if (by_sql) server_->prepared.remove(expected.tag);
    if (names_settled_ >= name_changes_.size()) return;
    const auto& change = name_changes_[names_settled_++];
    if (by_sql && change.now != nullptr) {
        server_->named.add(change.name, change.now);
    } else if (by_sql && change.before != nullptr && change.before->from_sql) {
        server_->named.remove(change.name);
    }
    if (expected.request == Request::parse && statements_ && !keeps_server()) {
        if (const auto* statement = statements_->find(change.name)) {
            (*statement)->proven.store(true, std::memory_order_release);
        }
    }
    if (names_settled_ == name_changes_.size()) {
        name_changes_.clear();
        names_settled_ = 0;
    }
}

// All names are gone, but not those of messages behind the one that said so.
void ClientSession::all_names_dropped() {
    std::vector<std::uint32_t> owed;
    server_->expected.for_each_owed([&](const protocol::Expected& expected) {
        if (expected.request == Request::parse && expected.tag != 0) owed.push_back(expected.tag);
    });
    server_->prepared.keep_only(owed);
    server_->named.clear();
    server_->catalog_query.names_dropped();
    if (session_mode() || !statements_) return;
    name_changes_.erase(
        name_changes_.begin(), name_changes_.begin() + static_cast<std::ptrdiff_t>(names_settled_)
    );
    names_settled_ = 0;
    std::vector<std::pair<std::string, protocol::StatementRef>> kept;
    for (auto& change : name_changes_) {
        change.before.reset();
        if (const auto* statement = statements_->find(change.name)) {
            kept.emplace_back(change.name, *statement);
        }
    }
    statements_->clear();
    for (auto& [name, statement] : kept)
        statements_->add(name, std::move(statement));
}

// This request failed or was skipped: what it said about names does not hold.
void ClientSession::undo(const protocol::Expected& request) {
    if (request.reply == Reply::swallow) {
        if (is_brought_name(request)) return name_not_brought();
        if (request.request == Request::execute) injected_failed(request.tag);
        if (request.request == Request::close) {
            // Evicted here, but the server still has it under its name.
            for (const auto& statement : evicting_) {
                if (statement->id == request.tag) server_->prepared.add(statement);
            }
            name_settled(request);
        }
    }
    if (request.request == Request::parse && request.reply != Reply::invent) {
        if (request.tag != 0) {
            server_->prepared.remove(request.tag);
        } else {
            server_->unnamed_owner = 0;
            if (request.reply == Reply::forward) has_unnamed_ = false;
        }
    }
}

// As undo(), for all requests that one error has ended, and the names changed by them.
void ClientSession::undo_all(const std::vector<protocol::Expected>& dropped) {
    std::size_t changes = 0;
    // The last one first: a statement may have been closed to make room and prepared again.
    for (auto dropped_last = dropped.rbegin(); dropped_last != dropped.rend(); ++dropped_last) {
        const auto& request = *dropped_last;
        undo(request);
        changes += request.tag != 0 && request.tag != no_statement &&
                           request.reply != Reply::swallow && request.request != Request::bind &&
                           request.request != Request::describe_statement
                       ? 1
                       : 0;
    }
    // The last one first.
    for (; changes > 0 && name_changes_.size() > names_settled_; --changes) {
        auto change = std::move(name_changes_.back());
        name_changes_.pop_back();
        if (change.before != nullptr) {
            statements_->add(change.name, std::move(change.before));
        } else {
            statements_->remove(change.name);
        }
    }
    if (names_settled_ == name_changes_.size()) {
        name_changes_.clear();
        names_settled_ = 0;
    }
}

}  // namespace weir::proxy
