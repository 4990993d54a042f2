// What a session of a cluster says of its own routing: SHOW pgweir.last_route and the like.
#include "conf/value.h"
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "proxy/client_session.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::proxy {

namespace frontend = protocol::frontend;
namespace backend = protocol::backend;

namespace {

constexpr std::uint32_t text_type = 25;  // pg_type: text

// Of an Execute.
std::string_view portal_of(const protocol::MessageView& message) {
    return protocol::FieldCursor(message.body).c_string();
}

std::string_view name_of(pool::Consistency consistency) {
    switch (consistency) {
        case pool::Consistency::none:
            return "none";
        case pool::Consistency::session:
            return "session";
        case pool::Consistency::global:
            return "global";
        case pool::Consistency::strict:
            return "strict";
    }
    return "session";
}

}  // namespace

// host=10.0.0.2:5432 role=replica reason="only reads" choice="less loaded" wait=0us pin="none"
std::string ClientSession::last_route_text() {
    const auto& r = *routing_;
    const auto& last = r.last;
    if (!last.host) return "none";
    const auto topology = r.cluster->topology(worker_.index());
    const auto waited = std::chrono::duration_cast<std::chrono::microseconds>(last.waited);
    auto text = fmt::format(
        "host={} role={} reason=\"{}\"",
        r.cluster->addresses()[*last.host],
        topology == nullptr ? "unknown" : pool::text(topology->hosts[*last.host].role),
        router::text(last.reason)
    );
    if (last.choice) text += fmt::format(" choice=\"{}\"", pool::text(*last.choice));
    text += fmt::format(" wait={}us", waited.count());
    if (last.refused != router::ReplicaRefusal::none) {
        text += fmt::format(" retried=\"{}\"", router::text(last.refused));
    }
    text +=
        fmt::format(" pin=\"{}\"", pin_ == router::PinReason::none ? "none" : router::text(pin_));
    return text;
}

// A Query that is ours, or a group of the extended protocol of which all is. PostgreSQL knows
// nothing of these.
ClientSession::Answered ClientSession::answer_about_routing(const Group& group, const Plan& plan) {
    const bool query = group.terminator == frontend::query && plan.parsed.empty();
    const auto is_own = [](const auto& parsed) {
        return own_query(parsed.second).has_value();
    };
    const bool may_be = query ? plan.lone_query == router::StatementKind::show ||
                                    (plan.pins & pin_bit(router::PinReason::unparsable)) != 0
                              : own_names_ != nullptr ||
                                    std::any_of(plan.parsed.begin(), plan.parsed.end(), is_own);
    if (!may_be && own_names_ == nullptr) return Answered::no;
    const bool in_sync = server_ == nullptr || (server_->expected.in_sync() && !group_open_);
    if (group.missing > 0 || !in_sync || phase_ != Phase::serving) return Answered::no;
    if (!query) return answer_own_group(group);
    // It ends the unnamed statement and all portals.
    if (own_names_ != nullptr && deallocates_own(plan)) {
        protocol::write_command_complete("DEALLOCATE", worker_.to_client());
        protocol::write_ready_for_query(local_status(), worker_.to_client());
        return Answered::yes;
    }
    if (!may_be || local_status() == protocol::TransactionStatus::failed) return Answered::no;
    const auto text = protocol::parse_query(protocol::message_at(group.bytes).body);
    const auto own = text ? own_query(*text) : std::nullopt;
    if (!own) return Answered::no;
    const auto rows = own_rows(*own);
    if (!rows) return Answered::later;
    describe_own(*own);
    write_own_rows(*own, *rows);
    counters_.queries.add(1);
    has_unnamed_ = false;
    deliver_before_ready();
    protocol::write_ready_for_query(local_status(), worker_.to_client());
    idle_since_ = worker_.loop().now();
    return Answered::yes;
}

// A Query has come. True: it is DEALLOCATE of one of ours.
bool ClientSession::deallocates_own(const Plan& plan) {
    using router::StatementKind;
    auto& statements = own_names_->statements;
    statements.erase("");
    own_names_->portals.clear();
    bool own = false;
    if (plan.lone_query == StatementKind::deallocate || plan.lone_query == StatementKind::discard) {
        if (plan.lone->deallocate_all || plan.lone->discard_all) statements.clear();
        const bool failed = local_status() == protocol::TransactionStatus::failed;
        const bool one = plan.lone_query == StatementKind::deallocate && !failed;
        own = one && !plan.lone->deallocate_all && statements.erase(plan.lone->name) > 0;
    }
    if (statements.empty()) own_names_.reset();
    return own;
}

// Whether all of the group is ours. What is not goes to PostgreSQL as it is, ours with it.
bool ClientSession::is_own_group(const Group& group) {
    if (own_names_ == nullptr) own_names_ = std::make_unique<OwnNames>();
    auto names = *own_names_;
    bool own = true, any = false;
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        const bool here = take_own_message(message, names);
        const bool neutral = message.type == frontend::sync || message.type == frontend::flush;
        own &= here || neutral;
        any |= here;
    });
    if (own && any) {
        *own_names_ = std::move(names);
        return true;
    }
    // Others took these names.
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        if (message.type == frontend::parse) {
            if (const auto parse = protocol::parse_parse(message.body)) {
                own_names_->statements.erase(std::string(parse->name));
            }
        }
    });
    if (group.terminator == frontend::sync) own_names_->portals.clear();
    if (own_names_->statements.empty() && own_names_->portals.empty()) own_names_.reset();
    return false;
}

// False: it is none of ours. The names are those behind it.
bool ClientSession::take_own_message(const protocol::MessageView& message, OwnNames& names) const {
    if (message.type == frontend::parse) {
        const auto parse = protocol::parse_parse(message.body);
        auto own = parse ? own_query(parse->text) : std::nullopt;
        const bool taken = own && !parse->name.empty() && statements_ != nullptr &&
                           statements_->find(parse->name) != nullptr;
        if (!own || taken || names.statements.size() >= OwnNames::most) return false;
        names.statements.insert_or_assign(std::string(parse->name), std::move(*own));
        return true;
    }
    if (message.type == frontend::bind) {
        const auto bind = protocol::parse_bind(message.body);
        const auto found = bind ? names.statements.find(bind->statement) : names.statements.end();
        if (found == names.statements.end() || names.portals.size() >= OwnNames::most) return false;
        names.portals.insert_or_assign(std::string(bind->portal), found->second);
        return true;
    }
    if (message.type == frontend::execute) {
        return names.portals.contains(portal_of(message));
    }
    if (message.type != frontend::describe && message.type != frontend::close) return false;
    const auto target = protocol::parse_target(message.body);
    if (!target) return false;
    auto& of_kind = target->kind == 'S' ? names.statements : names.portals;
    const auto found = of_kind.find(target->name);
    if (found == of_kind.end()) return false;
    if (message.type == frontend::close) of_kind.erase(found);
    return true;
}

ClientSession::Answered ClientSession::answer_own_group(const Group& group) {
    const bool extended = group.terminator == frontend::sync || group.terminator == frontend::flush;
    if (!extended) return Answered::no;
    OwnNames before = own_names_ == nullptr ? OwnNames() : *own_names_;
    if (!is_own_group(group)) return Answered::no;
    if (local_status() == protocol::TransactionStatus::failed) {
        fail_group(
            group,
            protocol::error(
                protocol::sqlstate::in_failed_transaction,
                "current transaction is aborted, commands ignored until end of transaction block"
            )
        );
        return Answered::yes;
    }
    // Before anything is written: this may have to be waited for.
    const auto asks_for_token = [](const auto& named) {
        return named.second.kind == OwnQuery::Kind::lsn_token;
    };
    const auto& portals = own_names_->portals;
    if (std::any_of(portals.begin(), portals.end(), asks_for_token) &&
        !own_rows({OwnQuery::Kind::lsn_token, {}})) {
        *own_names_ = std::move(before);
        return Answered::later;
    }
    protocol::for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        answer_own_message(message, before);
    });
    if (group.terminator == frontend::sync) {
        own_names_->portals.clear();
        if (own_names_->statements.empty()) own_names_.reset();
        protocol::write_ready_for_query(local_status(), worker_.to_client());
    }
    idle_since_ = worker_.loop().now();
    return Answered::yes;
}

// `names`: those before it.
void ClientSession::answer_own_message(const protocol::MessageView& message, OwnNames& names) {
    auto& out = worker_.to_client();
    switch (message.type) {
        case frontend::parse:
            if (protocol::parse_parse(message.body)->name.empty()) has_unnamed_ = false;
            protocol::write_empty(backend::parse_complete, out);
            break;
        case frontend::bind:
            protocol::write_empty(backend::bind_complete, out);
            break;
        case frontend::close:
            protocol::write_empty(backend::close_complete, out);
            break;
        case frontend::describe: {
            const auto target = *protocol::parse_target(message.body);
            const bool statement = target.kind == 'S';
            if (statement) out.begin(backend::parameter_description).u16(0).end();
            const auto& of_kind = statement ? names.statements : names.portals;
            describe_own(of_kind.find(target.name)->second);
            break;
        }
        case frontend::execute: {
            const auto& own = names.portals.find(portal_of(message))->second;
            write_own_rows(own, own_rows(own).value_or(std::vector<std::string>()));
            counters_.queries.add(1);
            break;
        }
        default:
            return;
    }
    take_own_message(message, names);
}

// nullopt: it is known in a moment, and the session is woken then.
std::optional<std::vector<std::string>> ClientSession::own_rows(const OwnQuery& own) {
    auto& r = *routing_;
    if (r.follows != parameters_) follow_parameters();
    switch (own.kind) {
        case OwnQuery::Kind::last_route:
            return {{last_route_text()}};
        case OwnQuery::Kind::route:
            return {{std::string(conf::to_string(r.route))}};
        case OwnQuery::Kind::consistency:
            return {{std::string(name_of(r.consistency))}};
        case OwnQuery::Kind::explain_route:
            return explain_route_lines(own.sql);
        case OwnQuery::Kind::lsn_token:
            break;
    }
    auto& monitor = *r.cluster->monitor();
    const auto token = r.token.need(monitor.samples());
    if (!token) {
        // Of what was written just now it is known as soon as the primary has been asked.
        monitor.request_sample();
        if (!r.waiting_since) wait_for_host();
        r.parked = true;
        r.cluster->wait(worker_.loop(), client_.key());
        return std::nullopt;
    }
    host_chosen();
    return {{pool::to_text(*token)}};
}

void ClientSession::describe_own(const OwnQuery& own) {
    worker_.to_client()
        .begin(backend::row_description)
        .u16(1)
        .c_string(own.column())
        .u32(0)
        .u16(0)
        .u32(text_type)
        .u16(0xffff)
        .u32(0xffffffff)
        .u16(0)
        .end();
}

void ClientSession::write_own_rows(const OwnQuery& own, const std::vector<std::string>& rows) {
    auto& out = worker_.to_client();
    for (const auto& row : rows) {
        out.begin(backend::data_row)
            .u16(1)
            .u32(static_cast<std::uint32_t>(row.size()))
            .text(row)
            .end();
    }
    protocol::write_command_complete(own.tag(), out);
}

}  // namespace weir::proxy
