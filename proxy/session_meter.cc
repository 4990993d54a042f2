// What each statement of the session costs: which ones a group has (while it is planned), when they
// were sent, and what came of them. In the worker's QueryTable; slow ones go to the control plane.
//
// The statements that run are a queue, since the server answers in order: each CommandComplete ends
// the oldest one, an error ends it and (until Sync) those behind it.
#include "proxy/session_meter.h"

#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/masked_text.h"
#include "proxy/client_session.h"

#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weir::proxy {

using namespace std::chrono_literals;
namespace frontend = protocol::frontend;
using Counter = QueryCounter;

namespace {

// More portals with names, and more names in session mode, are not followed.
constexpr std::size_t portal_limit = 16;
constexpr std::size_t name_limit = 1000;
// Of a group whose values may be logged.
constexpr std::size_t request_limit = 64 * 1024;
constexpr std::size_t logged_value_limit = 1024;
// Of a statement's parameters.
constexpr std::size_t shown_types = 100;

std::uint64_t nanoseconds(pool::Duration duration) {
    return duration.count() > 0 ? static_cast<std::uint64_t>(duration.count()) : 0;
}

std::uint64_t microseconds(std::uint64_t nanoseconds) {
    return nanoseconds / 1000;
}

// The rows of a command tag, as pg_stat_statements counts them: MOVE returns none.
std::uint64_t rows_of(std::string_view tag) {
    std::uint64_t rows = 0;
    std::uint64_t weight = 1;
    for (auto at = tag.size(); at > 0 && tag[at - 1] >= '0' && tag[at - 1] <= '9'; --at) {
        rows += weight * static_cast<std::uint64_t>(tag[at - 1] - '0');
        weight *= 10;
    }
    return tag.starts_with("MOVE") ? 0 : rows;
}

std::uint64_t hex(std::string_view digits) {
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    return value;
}

// A statement of which too little was read to know it.
const router::FingerprintRef& too_large() {
    static const auto made = [] {
        router::Fingerprint fingerprint;
        fingerprint.id = 1;
        fingerprint.text = "<a message too large to be looked at>";
        fingerprint.lexical = true;
        return std::make_shared<const router::Fingerprint>(std::move(fingerprint));
    }();
    return made;
}

}  // namespace

// --- which statements a group has ---

void ClientSession::meter_group_begins() {
    worker_.planned_uses().clear();
    if (limits_->meters()) worker_.queries().begin_group();
}

QueryEntry* ClientSession::meter_row(const router::FingerprintRef& fingerprint) {
    // Most often the same again, which needs no look-up.
    auto* const last = meter_.last.get();
    if (last != nullptr && last->fingerprint_id == fingerprint->id && last->owner == meter_.owner) {
        worker_.queries().keep(*last);
        return last;
    }
    return &worker_.queries().find(fingerprint, meter_.owner, worker_.loop().now());
}

// A Query. `executed`: what its EXECUTE runs, if it is one.
void ClientSession::meter_text(
    const router::Statement& statement, std::size_t bytes, const router::FingerprintRef& executed
) {
    if (!limits_->meters()) return;
    auto& uses = worker_.planned_uses();
    auto size = static_cast<std::uint32_t>(bytes);
    const bool executes = executed != nullptr && statement.kind() == router::StatementKind::execute;
    for (const auto& fingerprint : statement.fingerprints) {
        uses.push_back({meter_row(executes ? executed : fingerprint), size, 0});
        size = 0;
    }
    if (!statement.traceparent.empty()) meter_.keep().traceparent = statement.traceparent;
}

// A Bind of a statement that is known, of this text (see text_of).
void ClientSession::meter_bind(
    const router::Statement& statement,
    const router::FingerprintRef& executed,
    std::string_view text
) {
    if (!limits_->meters() || statement.fingerprints.empty()) return;
    const bool executes = executed != nullptr && statement.kind() == router::StatementKind::execute;
    const auto& fingerprint = executes ? executed : statement.fingerprints.front();
    auto* entry = worker_.queries().find_known(fingerprint->id, meter_.owner);
    if (entry == nullptr) [[unlikely]]
        entry = meter_new_bind(fingerprint, text);
    meter_.bound = StatementMeter::Row::of(entry);
    if (!statement.traceparent.empty()) meter_.keep().traceparent = statement.traceparent;
}

// The first one of a row: what its parameters are declared as. Behind a text that came by Parse are
// its end and the types, in the message as in what is kept of it.
QueryEntry* ClientSession::meter_new_bind(
    const router::FingerprintRef& fingerprint, std::string_view text
) {
    auto* const entry = meter_row(fingerprint);
    if (text.empty()) return entry;  // or too large to be kept
    protocol::FieldCursor fields(as_bytes({text.data() + text.size() + 1, 2}));
    const std::size_t count = fields.u16();
    fields = protocol::FieldCursor(as_bytes({text.data() + text.size() + 3, count * 4}));
    meter_types(*entry, fields, count);
    return entry;
}

// Those that the client, or PostgreSQL, calls unknown are 0.
void ClientSession::meter_types(
    QueryEntry& entry, protocol::FieldCursor& fields, std::size_t count
) {
    std::vector<protocol::Oid> types(std::min(count, shown_types));
    bool any = false;
    for (auto& type : types) {
        type = fields.u32();
        any |= type != 0;
    }
    if (any && fields.ok()) worker_.queries().set_parameter_types(entry, std::move(types));
}

// ParameterDescription of a statement that has a name: PostgreSQL knows better.
void ClientSession::meter_described(
    const protocol::MessageView& message, const protocol::Expected& request
) {
    if (!limits_->meters() || request.reply != protocol::Reply::forward || request.tag == 0 ||
        !statements_) {
        return;
    }
    const auto* const known = statements_->find(statements_->name_of(request.tag));
    if (known == nullptr || (*known)->resident || (*known)->from_sql) return;
    const auto& statement = *knowledge_of((*known)->text());
    if (statement.fingerprints.empty()) return;
    protocol::FieldCursor fields(message.body);
    const std::size_t count = fields.u16();
    meter_types(*meter_row(statement.fingerprints.front()), fields, count);
}

// A portal with a name may be executed in pieces, and later.
void ClientSession::meter_portal(std::string_view portal) {
    if (portal.empty() || !limits_->meters()) return;
    auto& portals = meter_.keep().portals;
    auto known = std::find_if(portals.begin(), portals.end(), [&](const auto& other) {
        return other.name == portal;
    });
    if (known == portals.end()) {
        if (portals.size() >= portal_limit) portals.erase(portals.begin());
        portals.push_back({std::string(portal), {}});
        known = std::prev(portals.end());
    }
    known->row = meter_.bound;
}

void ClientSession::meter_execute(Bytes body) {
    if (!limits_->meters()) return;
    auto row = meter_.bound;
    std::uint32_t most_rows = 0;
    constexpr std::size_t unnamed_size = 1 + sizeof most_rows;
    if (body.size() == unnamed_size) {
        std::memcpy(&most_rows, body.data() + 1, sizeof most_rows);
    } else if (meter_.rare != nullptr) {
        const auto portal = protocol::FieldCursor(body).c_string();
        for (const auto& known : meter_.rare->portals) {
            if (known.name == portal) row = known.row;
        }
    }
    auto* const entry = row.get();
    if (entry != nullptr) worker_.queries().keep(*entry);
    worker_.planned_uses().push_back({entry, 0, most_rows});
}

// In session mode nothing else looks at texts and names.
void ClientSession::meter_session_mode(const protocol::MessageView& message) {
    if (!limits_->meters()) return;
    if (message.type == frontend::query) {
        const auto text = protocol::parse_query(message.body);
        if (text) meter_text(*knowledge_of(*text), message.whole.size(), nullptr);
        return;
    }
    auto& names = meter_.keep().statements;
    const auto find = [&](std::string_view name) {
        return std::find_if(names.begin(), names.end(), [&](const auto& known) {
            return known.first == name;
        });
    };
    if (message.type == frontend::parse) {
        const auto parse = protocol::parse_parse(message.body);
        if (!parse) return;
        const auto& statement = *knowledge_of(parse->text);
        auto known = find(parse->name);
        if (known == names.end()) {
            if (names.size() >= name_limit) names.erase(names.begin());
            names.emplace_back(parse->name, nullptr);
            known = std::prev(names.end());
        }
        known->second = statement.fingerprints.front();
        if (!statement.traceparent.empty()) meter_.keep().traceparent = statement.traceparent;
    } else if (message.type == frontend::bind) {
        const auto bind = protocol::parse_bind(message.body);
        if (!bind) return;
        const auto known = find(bind->statement);
        if (known != names.end()) {
            meter_.bound = StatementMeter::Row::of(meter_row(known->second));
        }
        meter_portal(bind->portal);
    }
}

void ClientSession::meter_large(char type) {
    if (!limits_->meters() || type != frontend::query) return;
    worker_.planned_uses().push_back({meter_row(too_large())});
}

// --- from the sending to the end ---

// The group is about to be sent.
void ClientSession::meter_begin(const Group& group) {
    auto& m = meter_;
    if (m.application_for != parameters_) meter_application();
    if (m.idle()) {
        const auto now = worker_.loop().now();
        m.running = worker_.take_running();
        auto& run = *m.running;
        run.started = m.arrived == pool::TimePoint{} ? now : m.arrived;
        run.sent = now;
        run.wait = m.waited;
        run.client = {};
        run.passed = 0 - passing_.size();
    }
    auto& uses = worker_.planned_uses();
    // Of the extended protocol, the group's messages are the first one's; it is hardly ever more.
    if (uses.front().bytes_in == 0) {
        uses.front().bytes_in = static_cast<std::uint32_t>(group.bytes.size());
    }
    for (const auto& use : uses) {
        if (use.entry != nullptr) ++use.entry->in_use;
        m.running->uses.push_back(use);
    }
    uses.clear();
    if (limits_->log_parameters) {
        m.keep().request.assign(as_text(group.bytes).substr(0, request_limit));
    }
}

// No statement runs any more.
void ClientSession::meter_rests() {
    worker_.give_back(std::move(meter_.running));
    if (meter_.rare != nullptr) meter_.rare->traceparent.clear();
}

void ClientSession::meter_application() {
    auto& m = meter_;
    m.application_for = parameters_;
    const auto name = parameters_->value("application_name");
    m.application = worker_.queries().application_bit(name);
    const auto trace = protocol::find_traceparent(name);
    if (!trace.empty() || m.rare != nullptr) m.keep().own_traceparent = trace;
}

// REQUIRES a statement that runs.
QueryExecution ClientSession::meter_measure(std::size_t last_message) {
    auto& m = meter_;
    auto& run = *m.running;
    const auto now = worker_.loop().now();
    if (m.blocked_since != pool::TimePoint{}) {
        run.client += now - m.blocked_since;
        m.blocked_since = now;
    }
    const auto on_its_way = passing_.size() + last_message;
    QueryExecution done;
    done.bytes_in = run.oldest().bytes_in + std::exchange(run.copied_in, 0);
    done.bytes_out = run.passed + on_its_way;
    run.passed = 0 - on_its_way;
    done.total_time = nanoseconds(now - run.started);
    done.wait_time = nanoseconds(run.wait);
    done.client_time = nanoseconds(run.client);
    done.server_time = nanoseconds(now - run.sent - run.client);
    done.application = m.application;
    done.on_replica = routing_ != nullptr && routing_->on_replica;
    return done;
}

// The oldest one is done; the next begins.
void ClientSession::meter_next() {
    auto& m = meter_;
    auto& run = *m.running;
    auto* const entry = run.oldest().entry;
    if (entry != nullptr) --entry->in_use;
    m.last = StatementMeter::Row::of(entry);
    m.retries = 0;
    if (++run.head == run.uses.size()) return meter_rests();
    run.started = run.sent = worker_.loop().now();
    run.wait = run.client = {};
}

// CommandComplete or EmptyQueryResponse.
void ClientSession::meter_completed(std::string_view tag, std::size_t last_message) {
    auto& m = meter_;
    if (m.idle()) return;
    auto done = meter_measure(last_message);
    done.rows = rows_of(tag);
    auto* const entry = m.running->oldest().entry;
    if (entry != nullptr && limits_->query_stats) {
        const auto now = worker_.loop().now();
        QueryTable::record(*entry, done, now);
        meter_repeats(*entry, done.total_time, now);
        if (m.rare != nullptr) meter_trace(*entry);
    }
    if (done.total_time >= limits_->noticed_from) meter_noticed(entry, done, {});
    meter_next();
}

// PortalSuspended. Of the unnamed portal that is all there will be: whoever wants more of a portal
// gives it a name (asyncpg's fetchrow and fetchval want one row, and no more). One with a name is a
// call when it is complete.
void ClientSession::meter_suspended(std::size_t last_message) {
    auto& m = meter_;
    if (m.idle()) return;
    if (const auto most_rows = m.running->oldest().most_rows; most_rows != 0) {
        return meter_completed(
            "SELECT " + std::to_string(boost::endian::big_to_native(most_rows)), last_message
        );
    }
    const auto done = meter_measure(last_message);
    auto* const entry = m.running->oldest().entry;
    if (entry != nullptr && limits_->query_stats) {
        entry->counters[Counter::bytes_in].add(done.bytes_in);
        entry->counters[Counter::bytes_out].add(done.bytes_out);
        entry->counters[Counter::total_time].add(done.total_time);
        entry->counters[Counter::server_time].add(done.server_time);
    }
    meter_next();
}

// What the client is told is an error, the server's or ours.
void ClientSession::meter_failed(std::string_view sqlstate, bool from_server) {
    auto& m = meter_;
    if (!limits_->meters()) return;
    QueryEntry* entry = nullptr;
    const bool runs = !m.idle();
    if (runs) {
        entry = m.running->oldest().entry;
        const auto done = meter_measure(0);
        if (entry != nullptr && limits_->query_stats) {
            QueryTable::record_failure(*entry, done, worker_.loop().now());
            if (m.rare != nullptr) meter_trace(*entry);
        }
        if (done.total_time >= limits_->noticed_from) meter_noticed(entry, done, sqlstate);
    } else {
        // Not yet sent, if it is one at all: a Parse, or Sync, may fail, too.
        auto& uses = worker_.planned_uses();
        entry = uses.empty() ? nullptr : uses.front().entry;
        if (entry != nullptr && limits_->query_stats) meter_failed_unsent(uses.front());
        uses.clear();
        if (limits_->traces && entry != nullptr && m.arrived != pool::TimePoint{}) {
            meter_unsent(*entry, sqlstate);
        }
        m.arrived = {};
        m.waited = {};
    }
    if (limits_->query_stats) {
        worker_.queries().record_error(
            entry, sqlstate, meter_.owner, from_server, worker_.loop().now()
        );
    }
    if (runs) meter_next();
}

// It has waited for as long as it lived.
void ClientSession::meter_failed_unsent(const PlannedUse& use) {
    auto& m = meter_;
    const auto now = worker_.loop().now();
    QueryExecution done;
    done.bytes_in = use.bytes_in;
    done.application = m.application;
    if (m.arrived != pool::TimePoint{}) {
        done.total_time = nanoseconds(now - m.arrived);
        if (waiting_) m.waited += now - waiter_.since;
        done.wait_time = std::min(nanoseconds(m.waited), done.total_time);
    }
    QueryTable::record_failure(*use.entry, done, now);
}

// ReadyForQuery: what has had no answer was skipped.
void ClientSession::meter_settled() {
    if (meter_.idle()) return;
    auto& run = *meter_.running;
    for (; run.head < run.uses.size(); ++run.head) {
        auto* const entry = run.oldest().entry;
        if (entry != nullptr) --entry->in_use;
    }
    meter_rests();
}

// A part of what the oldest one was sent.
void ClientSession::meter_copied(std::uint64_t bytes) {
    if (!meter_.idle()) meter_.running->copied_in += bytes;
}

// The group was answered without a server.
void ClientSession::meter_answered_here() {
    const auto now = worker_.loop().now();
    meter_.arrived = {};
    // By a group that has got no answer: it is nobody's now.
    meter_.waited = {};
    if (meter_.application_for != parameters_) meter_application();
    for (const auto& use : worker_.planned_uses()) {
        if (use.entry == nullptr || !limits_->query_stats) continue;
        QueryExecution done;
        done.bytes_in = use.bytes_in;
        done.application = meter_.application;
        QueryTable::record(*use.entry, done, now);
        meter_.last = StatementMeter::Row::of(use.entry);
    }
    worker_.planned_uses().clear();
}

// A replica has refused it, or was lost: it comes again, and its time goes on.
void ClientSession::meter_retried() {
    auto& m = meter_;
    ++m.retries;
    if (m.idle()) return;
    const auto started = m.running->started;
    const auto wait = m.running->wait;
    auto* const entry = m.running->oldest().entry;
    if (entry != nullptr && limits_->query_stats) entry->counters[Counter::retries].add(1);
    meter_settled();
    m.arrived = started;
    m.waited = wait;
}

void ClientSession::meter_pinned() {
    auto* entry = meter_.idle() ? nullptr : meter_.running->oldest().entry;
    if (entry == nullptr && !worker_.planned_uses().empty()) {
        entry = worker_.planned_uses().back().entry;
    }
    if (entry == nullptr) entry = meter_.last.get();
    if (entry != nullptr && limits_->query_stats) entry->counters[Counter::pins].add(1);
}

// --- the slow client ---

// Some of the output was not taken.
void ClientSession::meter_blocked() {
    if (limits_->meters()) meter_.blocked_since = worker_.loop().now();
}

void ClientSession::meter_unblocked() {
    auto& m = meter_;
    if (m.blocked_since == pool::TimePoint{}) return;
    const auto blocked = worker_.loop().now() - std::exchange(m.blocked_since, {});
    if (!m.idle()) {
        m.running->client += blocked;
    } else if (auto* const entry = m.last.get(); entry != nullptr && limits_->query_stats) {
        // It has been counted when its server was done with it.
        entry->counters[Counter::client_time].add(nanoseconds(blocked));
        entry->counters[Counter::total_time].add(nanoseconds(blocked));
    }
}

// --- what is seldom ---

// The same statement many times by one client: N + 1.
void ClientSession::meter_repeats(QueryEntry& entry, std::uint64_t time, pool::TimePoint now) {
    const auto fingerprint = entry.fingerprint_id;
    auto& repeat = meter_.repeats[fingerprint % meter_.repeats.size()];
    const auto transaction = in_transaction_ ? static_cast<std::uint32_t>(transactions_) + 1 : 0;
    const auto milliseconds = static_cast<std::uint32_t>(now.time_since_epoch() / 1ms);
    const bool same = repeat.fingerprint == fingerprint && repeat.transaction == transaction &&
                      (in_transaction_ || milliseconds - repeat.since < repeat_window / 1ms);
    if (!same) {
        repeat = {fingerprint, time, transaction, milliseconds, 1};
        return;
    }
    ++repeat.count;
    repeat.time += time;
    if (repeat.count < repeat_threshold) return;
    const bool first = repeat.count == repeat_threshold;
    auto& counters = entry.counters;
    if (first) counters[Counter::repeat_bursts].add(1);
    counters[Counter::repeat_calls].add(first ? repeat.count : 1);
    counters[Counter::repeat_time].add(first ? repeat.time : time);
    if (repeat.count > entry.longest_burst.value()) entry.longest_burst.set(repeat.count);
}

void ClientSession::meter_trace(QueryEntry& entry) {
    const auto trace = meter_.traceparent();
    if (trace.empty()) return;
    entry.trace_high.set(hex(trace.substr(3, 16)));
    entry.trace_low.set(hex(trace.substr(19, 16)));
}

// The texts of the group's messages, and the values of its Binds.
std::string ClientSession::meter_values() const {
    if (!limits_->log_parameters || meter_.rare == nullptr) return {};
    std::string values;
    const auto request = as_bytes(meter_.rare->request);
    const auto append = [&](std::string_view text) {
        if (!values.empty()) values += "; ";
        values.append(text);
    };
    for (std::size_t at = 0; request.size() - at >= protocol::message_header_size;) {
        const auto rest = request.subspan(at);
        const std::size_t whole = std::size_t{protocol::announced_length(rest)} + 1;
        if (rest.size() < whole) break;
        const auto message = protocol::message_at(rest);
        at += whole;
        if (message.type == frontend::query) {
            append(protocol::parse_query(message.body).value_or(""));
        } else if (message.type == frontend::parse) {
            if (const auto parse = protocol::parse_parse(message.body)) append(parse->text);
        } else if (message.type == frontend::bind) {
            append(protocol::describe_bind_values(message.body, logged_value_limit));
        }
    }
    return values;
}

// A statement that waited, and failed before it was sent anywhere.
void ClientSession::meter_unsent(const QueryEntry& entry, std::string_view sqlstate) {
    auto& m = meter_;
    if (m.application_for != parameters_) meter_application();
    if (!meter_is_traced()) return;
    QueryExecution done;
    done.total_time = done.wait_time = nanoseconds(worker_.loop().now() - m.arrived);
    auto statement = meter_describe(&entry, done, sqlstate);
    statement.sent = statement.duration;
    worker_.observer().statement_traced(std::move(statement));
}

// By its traceparent, else by chance.
bool ClientSession::meter_is_traced() {
    const auto trace = meter_.traceparent();
    if (!trace.empty()) return (hex(trace.substr(53, 2)) & 1) != 0;
    const auto percent = limits_->trace_sample_percent;
    return percent > 0 && worker_.draw(100) < percent;
}

// As long as noticed_from or longer.
void ClientSession::meter_noticed(
    const QueryEntry* entry, const QueryExecution& done, std::string_view sqlstate
) {
    const auto least = limits_->log_min_duration;
    const bool slow = least > pool::Duration::zero() && done.total_time >= nanoseconds(least);
    const bool traced = limits_->traces && meter_is_traced();
    if (!slow && !traced) return;
    auto statement = meter_describe(entry, done, sqlstate);
    statement.sent = microseconds(nanoseconds(meter_.running->sent - meter_.running->started));
    if (traced) worker_.observer().statement_traced(statement);
    if (!slow) return;
    statement.parameters = meter_values();
    // Every session draws for itself.
    const auto percent = limits_->log_sample_percent;
    const bool logged = percent >= 100 || worker_.draw(100) < percent;
    worker_.observer().statement_was_slow(std::move(statement), logged);
}

SlowStatement ClientSession::meter_describe(
    const QueryEntry* entry, const QueryExecution& done, std::string_view sqlstate
) const {
    const auto& m = meter_;
    SlowStatement slow;
    slow.ended = std::chrono::system_clock::now();
    slow.duration = microseconds(done.total_time);
    slow.wait = microseconds(std::min(done.wait_time, done.total_time));
    slow.server = microseconds(done.server_time);
    slow.client = microseconds(done.client_time);
    if (entry != nullptr) slow.fingerprint = entry->fingerprint;
    slow.rows = done.rows;
    slow.bytes_in = done.bytes_in;
    slow.bytes_out = done.bytes_out;
    slow.database = start_.database;
    slow.user = start_.user;
    slow.application = parameters_->value("application_name");
    if (!start_.unix_socket) slow.address = start_.address;
    slow.port = start_.port;
    slow.client_id = start_.id;
    if (server_ != nullptr) {
        const auto& identity = server_->identity();
        slow.server_address = identity.address;
        slow.server_port = identity.port;
        slow.server_process = static_cast<std::uint32_t>(identity.cancel_key.process_id);
    }
    if (routing_ != nullptr) {
        slow.on_replica = routing_->on_replica;
        slow.host = routing_->host;
        slow.search_path = parameters_->value("search_path");
        const auto role = parameters_->value("role");
        const auto identity = parameters_->value("session_authorization");
        slow.other_role =
            (!role.empty() && role != "none") ||
            (server_ != nullptr && !identity.empty() && identity != server_->login_user());
        slow.route_reason = router::text(routing_->last.reason);
    }
    slow.retries = m.retries;
    slow.traceparent = m.traceparent();
    slow.sqlstate = sqlstate;
    return slow;
}

// --- looking in ---

std::string_view name_of(WaitsFor what) {
    switch (what) {
        case WaitsFor::nothing:
            return "nothing";
        case WaitsFor::server:
            return "server connection";
        case WaitsFor::host:
            return "host";
        case WaitsFor::listener:
            return "listening connection";
        case WaitsFor::prelude:
            return "server made ready";
        case WaitsFor::client:
            return "client to read";
    }
    return "nothing";
}

void ClientSession::view_statement(SessionView& view) const {
    const auto& m = meter_;
    const auto* const entry = m.idle() ? m.last.get() : m.running->oldest().entry;
    if (entry != nullptr) view.fingerprint = entry->fingerprint;
    view.running = !m.idle() || m.arrived != pool::TimePoint{};
    if (!m.idle()) view.query_started = m.running->started;
    if (m.idle() && m.arrived != pool::TimePoint{}) view.query_started = m.arrived;
    view.traceparent = m.traceparent();
    view.in_transaction = in_transaction_;
    if (in_transaction_) view.transaction_started = transaction_at_;
    view.idle_since = idle_since_;
    if (waiting_) {
        view.waits_for = WaitsFor::server;
        view.wait_since = waiter_.since;
    } else if (waits_for_host()) {
        view.waits_for = WaitsFor::host;
        view.wait_since = *routing_->waiting_since;
    } else if (listener_wait_) {
        view.waits_for = WaitsFor::listener;
        view.wait_since = request_at_;
    } else if (m.blocked_since != pool::TimePoint{}) {
        view.waits_for = WaitsFor::client;
        view.wait_since = m.blocked_since;
    } else if (prelude_pending_) {
        view.waits_for = WaitsFor::prelude;
        view.wait_since = request_at_;
    }
    view.host = routing_ != nullptr ? routing_->host : 0;
    view.on_replica = routing_ != nullptr && routing_->on_replica;
    if (server_ != nullptr) {
        view.server_process = static_cast<std::uint32_t>(server_->identity().cancel_key.process_id);
    }
}

}  // namespace weir::proxy
