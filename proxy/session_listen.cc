// LISTEN, UNLISTEN and notifications, without a server of the session's own: one connection listens
// for all sessions of a pool (listening_connection.h). What PostgreSQL promises holds: LISTEN acts
// from COMMIT on, notifications come between transactions, in order, and those of a session's own
// transaction before its ReadyForQuery.
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "proxy/client_session.h"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace frontend = protocol::frontend;
namespace backend = protocol::backend;
using protocol::TransactionStatus;
using router::StatementKind;

namespace {

constexpr PinSet by_listen = pin_bit(router::PinReason::listen);

// A Bind without parameters.
bool binds_nothing(const protocol::Bind& bind) {
    protocol::FieldCursor cursor(bind.rest);
    const auto formats = cursor.u16();
    cursor.take(std::size_t{formats} * 2);
    const auto values = cursor.u16();
    return cursor.ok() && values == 0;
}

std::string listen_command(std::string_view channel) {
    std::string text = "LISTEN \"";
    for (const char c : channel)
        text.append(c == '"' ? 2 : 1, c);
    return text + '"';
}

}  // namespace

// --- LISTEN and UNLISTEN ---

// A lone Query, or [Parse] Bind [Describe] Execute Sync of one statement without parameters.
bool ClientSession::is_one_execution(const Group& group) {
    if (group.missing > 0) return false;
    if (group.terminator == frontend::query) {
        return protocol::message_at(group.bytes).whole.size() == group.bytes.size();
    }
    if (group.terminator != frontend::sync) return false;
    std::string order;
    bool plain = true;
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        order.push_back(message.type);
        if (message.type == frontend::parse) {
            const auto parse = protocol::parse_parse(message.body);
            const auto types = parse->definition.subspan(parse->text.size() + 1);
            plain &= types.size() == 2 && protocol::FieldCursor(types).u16() == 0;
            plain &= parse->name.empty() || !statements_ || !statements_->find(parse->name);
        } else if (message.type == frontend::bind) {
            const auto bind = protocol::parse_bind(message.body);
            plain &= bind->portal.empty() && binds_nothing(*bind);
        } else if (message.type == frontend::describe) {
            plain &= protocol::parse_target(message.body)->kind == 'P';
        } else if (message.type == frontend::execute) {
            plain &= protocol::FieldCursor(message.body).c_string().empty();
        }
    });
    std::string_view rest = order;
    if (rest.starts_with('P')) rest.remove_prefix(1);
    return plain && (rest == "BES" || rest == "BDES");
}

// REQUIRES: the group has LISTEN and UNLISTEN only. False: as all other statements.
bool ClientSession::listens_here(const Group& group, Plan& plan) {
    if (server_ != nullptr) {
        if (!server_->expected.in_sync() || group_open_) return false;
        if (server_->status == TransactionStatus::failed) {
            // Refused, so nothing comes of it.
            plan.pins &= ~by_listen;
            return false;
        }
    }
    const bool on_server = (pins_ & by_listen) != 0 || (plan.pins & ~by_listen) != 0;
    if (on_server || plan.texts != 1 || !is_one_execution(group)) return false;
    if ((plan.pins & by_listen) == 0) return true;
    // The listening connection speaks as a session does that has set nothing.
    const auto known = start_.entry->welcome.known();
    const auto& facts = known->facts;
    const auto is_encoding = [](const auto& fact) {
        return fact.first == "client_encoding";
    };
    const auto encoding = std::find_if(facts.begin(), facts.end(), is_encoding);
    return encoding != facts.end() && parameters_->value("client_encoding") == encoding->second;
}

// Answers the group, or lets it wait until the listening connection listens.
std::size_t ClientSession::take_listen(const Group& group, const Plan& plan) {
    const auto& scopes = plan.listens->scopes;
    const bool listens = (plan.pins & by_listen) != 0;
    if (listens && listening_ == nullptr) listening_ = std::make_unique<Listening>();
    if (listens) {
        if (const auto refused = std::exchange(listening_->refused, nullptr)) {
            return refuse(group, *refused);
        }
        auto& asked = listening_->asked;
        asked.clear();
        for (const auto& [kind, name] : scopes) {
            if (kind != StatementKind::listen || listening_->channels.holds(name)) continue;
            if (std::find(asked.begin(), asked.end(), name) == asked.end()) asked.push_back(name);
        }
        if (!asked.empty()) {
            ask_listener(Listening::Wait::listen, asked);
            return 0;
        }
    }
    if (listening_ != nullptr) {
        for (const auto& [kind, name] : scopes)
            listening_->channels.note(kind, name);
        if (local_status() == TransactionStatus::idle) listening_transaction_ended(true);
    }
    answer_listen(group, plan);
    return taken(group);
}

void ClientSession::answer_listen(const Group& group, const Plan& plan) {
    auto& out = worker_.to_client();
    counters_.queries.add(1);
    idle_since_ = worker_.loop().now();
    const auto write_tags = [&] {
        for (const auto& scope : plan.listens->scopes)
            protocol::write_command_complete(router::text(scope.kind), out);
    };
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        switch (message.type) {
            case frontend::query:
                has_unnamed_ = false;
                return write_tags();
            case frontend::parse:
                return note_parse(message);
            case frontend::bind:
                return protocol::write_empty(backend::bind_complete, out);
            case frontend::describe:
                return protocol::write_empty(backend::no_data, out);
            case frontend::execute:
                return write_tags();
            default:
                return;
        }
    });
    if (phase_ != Phase::serving) return;
    if (local_status() == TransactionStatus::idle) counters_.transactions.add(1);
    deliver_before_ready();
    protocol::write_ready_for_query(local_status(), out);
}

// A Parse that is answered here, of a name that is free.
void ClientSession::note_parse(const protocol::MessageView& message) {
    const auto parse = protocol::parse_parse(message.body);
    counters_.client_parses.add(1);
    if (parse->name.empty()) {
        has_unnamed_ = true;
        unnamed_parse_.assign(as_text(parse->definition));
        ++unnamed_serial_;
        unnamed_deallocates_.reset();
    } else {
        if (!may_prepare_more()) return;
        statements_->add(
            parse->name,
            worker_.catalog().find_or_add(as_text(parse->definition), statement_scope())
        );
    }
    protocol::write_empty(backend::parse_complete, worker_.to_client());
}

// --- the listening connection ---

void ClientSession::ask_listener(Listening::Wait wait, std::vector<std::string> channels) {
    ListenerRequest request;
    request.entry = start_.entry;
    request.session = start_.id;
    request.worker = worker_.index();
    request.ticket = ++listening_->ticket;
    request.listen = std::move(channels);
    listening_->wait = wait;
    listener_wait_ = true;
    worker_.observer().ask_listener(std::move(request));
}

// These are not listened to for this session any more.
void ClientSession::let_channels_go(std::vector<std::string> channels) {
    if (channels.empty()) return;
    for (const auto& channel : channels)
        worker_.channels().remove(start_.entry.get(), channel, start_.id);
    ListenerRequest request;
    request.entry = start_.entry;
    request.session = start_.id;
    request.worker = worker_.index();
    request.unlisten = std::move(channels);
    worker_.observer().ask_listener(std::move(request));
}

void ClientSession::drop_channels() {
    let_channels_go(listening_->channels.drop_all());
}

void ClientSession::stop_listening() {
    for (const auto& [channel, active] : listening_->channels.channels())
        worker_.channels().remove(start_.entry.get(), channel, start_.id);
    const bool has_any = listener_wait_ || !listening_->channels.channels().empty();
    listening_.reset();
    if (!has_any) return;
    ListenerRequest request;
    request.entry = start_.entry;
    request.session = start_.id;
    request.worker = worker_.index();
    request.unlisten_all = true;
    worker_.observer().ask_listener(std::move(request));
}

void ClientSession::listener_answered(const ListenerAnswer& answer) {
    if (phase_ == Phase::ended || listening_ == nullptr) return;
    if (!listener_wait_ || answer.ticket != listening_->ticket) return;
    listener_wait_ = false;
    switch (std::exchange(listening_->wait, Listening::Wait::nothing)) {
        case Listening::Wait::listen:
            if (answer.error != nullptr) {
                listening_->refused = answer.error;
                break;
            }
            for (const auto& channel : listening_->asked) {
                listening_->channels.hold(channel);
                worker_.channels().add(start_.entry.get(), channel, start_.id);
            }
            break;
        case Listening::Wait::others:
            listening_->others_flushed = true;
            break;
        case Listening::Wait::its_own:
            tell_held_ready();
            break;
        case Listening::Wait::nothing:
            break;
    }
    advance();
}

// --- transactions ---

// A group is about to be sent, in which something may happen to what the session listens to.
void ClientSession::follow_listening(const Plan& plan) {
    auto& channels = listening_->channels;
    if (plan.changes != nullptr) {
        for (const auto& statement : plan.changes->followed) {
            // PostgreSQL refuses that after LISTEN, so it gets one; it ends with the transaction.
            if (statement->contains(StatementKind::prepare_transaction)) {
                send_injected("LISTEN pgweir", 0);
            }
            channels.sent(*statement);
        }
    }
    if (plan.ends_transaction) channels.commit_sent();
}

void ClientSession::listening_transaction_ended(bool committed) {
    let_channels_go(listening_->channels.transaction_ended(committed));
}

// The server is about to run what may notify. False: it waits, so that a notification that another
// session has made by the same server is not taken for one of this session's.
bool ClientSession::may_notify_now() {
    auto& user = server_->notify_user;
    const bool mine = user == 0 || user == start_.id;
    const bool listens = listening_ != nullptr && !listening_->channels.empty();
    if (!listens) {
        user = mine ? start_.id : pool::ServerConnection::several_notify;
        return true;
    }
    if (!mine && !std::exchange(listening_->others_flushed, false)) {
        ask_listener(Listening::Wait::others, {});
        return false;
    }
    user = start_.id;
    listening_->notified = true;
    listening_->channels.set_own_process(server_->identity().cancel_key.process_id);
    return true;
}

// The client is about to be told that its request is done. True: not before the notifications of
// its own transaction are here.
bool ClientSession::holds_ready(TransactionStatus status, bool failed) {
    auto& channels = listening_->channels;
    channels.none_under_way();
    if (status != TransactionStatus::idle) return false;
    if (channels.has_pending()) listening_transaction_ended(!failed);
    flush_passed();
    const bool notified = std::exchange(listening_->notified, false);
    if (notified && !channels.empty()) {
        ask_listener(Listening::Wait::its_own, {});
        return true;
    }
    channels.set_own_process(0);
    deliver_before_ready();
    return false;
}

void ClientSession::tell_held_ready() {
    listening_->channels.set_own_process(0);
    deliver_before_ready();
    protocol::write_ready_for_query(TransactionStatus::idle, worker_.to_client());
    group_open_ = false;
    pin_by_text_ = false;
    request_ended(false);
}

bool ClientSession::is_ready_held() const {
    return listener_wait_ && listening_->wait == Listening::Wait::its_own;
}

// --- pg_listening_channels() ---

// The server is told to listen to what the session listens to, before the request that reads it.
// What it hears is thrown away.
void ClientSession::show_channels() {
    if (listening_->shown != Listening::Shown::no || (pins_ & by_listen) != 0) return;
    for (const auto& [channel, active] : listening_->channels.channels()) {
        if (!active) continue;
        send_injected(listen_command(channel), 0);
        listening_->shown = Listening::Shown::yes;
    }
}

// The transaction has ended. True: the server is told to stop that, and has to answer.
bool ClientSession::hides_channels() {
    if (listening_->shown != Listening::Shown::yes) {
        listening_->shown = Listening::Shown::no;
        return false;
    }
    listening_->shown = Listening::Shown::hiding;
    worker_.to_server().begin(frontend::query).c_string("UNLISTEN *").end();
    server_->expected.sent({protocol::Request::query, protocol::Reply::swallow, 0});
    server_->unnamed_owner = 0;
    write_to_server();
    return true;
}

}  // namespace weir::proxy
