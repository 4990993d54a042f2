// What a session of a cluster says of its own routing: SHOW pgweir.last_route and the like.
#include "conf/value.h"
#include "protocol/frontend_messages.h"
#include "proxy/client_session.h"

#include <fmt/format.h>

namespace weir::proxy {

namespace {

constexpr std::string_view blank = " \t\r\n\f";
constexpr std::uint32_t text_type = 25;  // pg_type: text

// The name behind "SHOW pgweir.", in lower case; empty if it is another statement.
std::string name_shown(std::string_view text) {
    const auto first = text.find_first_not_of(blank);
    const auto last = text.find_last_not_of(" \t\r\n\f;");
    if (first == std::string_view::npos || last == std::string_view::npos || last < first)
        return {};
    const auto words = conf::to_lower(text.substr(first, last + 1 - first));
    if (!words.starts_with("show")) return {};
    const auto name = words.find_first_not_of(blank, 4);
    constexpr std::string_view prefix = "pgweir.";
    if (name == std::string::npos || name == 4 || words.compare(name, prefix.size(), prefix) != 0) {
        return {};
    }
    return words.substr(name + prefix.size());
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

// SHOW of a name of ours, alone in a Query; PostgreSQL knows nothing of these.
ClientSession::Answered ClientSession::answer_about_routing(const Group& group, const Plan& plan) {
    if (plan.lone_query != router::StatementKind::show) return Answered::no;
    const bool in_sync = server_ == nullptr || (server_->expected.in_sync() && !group_open_);
    if (!in_sync || local_status() == protocol::TransactionStatus::failed) return Answered::no;
    const auto text = protocol::parse_query(protocol::message_at(group.bytes).body);
    const auto name = text ? name_shown(*text) : std::string();
    if (name.empty()) return Answered::no;
    auto& r = *routing_;
    if (r.follows != parameters_) follow_parameters();
    if (name == "last_route") {
        answer_show(name, last_route_text());
    } else if (name == "route") {
        answer_show(name, conf::to_string(r.route));
    } else if (name == "consistency") {
        answer_show(name, name_of(r.consistency));
    } else if (name == "lsn_token") {
        auto& monitor = *r.cluster->monitor();
        const auto token = r.token.need(monitor.samples());
        if (!token) {
            // Of what was written just now it is known as soon as the primary has been asked.
            monitor.request_sample();
            if (!r.waiting_since) wait_for_host();
            r.parked = true;
            r.cluster->wait(worker_.loop(), client_.key());
            return Answered::later;
        }
        host_chosen();
        answer_show(name, pool::to_text(*token));
    } else {
        return Answered::no;
    }
    return Answered::yes;
}

void ClientSession::answer_show(std::string_view name, std::string_view value) {
    auto& out = worker_.to_client();
    out.begin(protocol::backend::row_description)
        .u16(1)
        .c_string("pgweir." + std::string(name))
        .u32(0)
        .u16(0)
        .u32(text_type)
        .u16(0xffff)
        .u32(0xffffffff)
        .u16(0)
        .end();
    out.begin(protocol::backend::data_row)
        .u16(1)
        .u32(static_cast<std::uint32_t>(value.size()))
        .text(value)
        .end();
    protocol::write_command_complete("SHOW", out);
    counters_.queries.add(1);
    has_unnamed_ = false;
    deliver_before_ready();
    protocol::write_ready_for_query(local_status(), out);
    idle_since_ = worker_.loop().now();
}

}  // namespace weir::proxy
