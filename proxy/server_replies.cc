// From the server's bytes to what the client gets of them.
#include "proxy/client_session.h"

#include "protocol/field_cursor.h"
#include "proxy/log.h"

#include <algorithm>

namespace weir::proxy {

namespace backend = protocol::backend;
namespace frontend = protocol::frontend;
using protocol::ExpectedReplies;
using protocol::Reply;
using protocol::Request;
using protocol::TransactionStatus;

namespace {

// PostgreSQL's own limit for one message (PqRecvBuffer, 1 GB).
constexpr std::uint32_t longest_message = 0x3fffffff;
// A message that has to be seen whole may have this size; all others pass in pieces.
constexpr std::size_t assembled_limit = 16 << 20;
// From here on a run of reply bytes is worth a send of its own instead of a copy.
constexpr std::size_t direct_write = 8 * 1024;

// Nothing is decided or invented by the end of such a message, so its parts may pass one by one.
bool passes_in_pieces(char type) {
    return type == backend::data_row || type == backend::copy_data ||
           type == backend::function_call_response || type == backend::notice_response;
}

std::uint64_t microseconds(pool::Duration duration) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(duration).count()
    );
}

}  // namespace

// Uses whole messages, and pieces of large ones; returns how many bytes that was.
std::size_t ClientSession::process_replies(Bytes bytes) {
    std::size_t at = 0;
    if (reply_left_ > 0) {
        at = static_cast<std::size_t>(std::min<std::uint64_t>(reply_left_, bytes.size()));
        if (!reply_swallowed_) pass_on(bytes.first(at));
        reply_left_ -= at;
    }
    auto* const server = server_;
    while (bytes.size() - at >= protocol::message_header_size && server_ == server) {
        const auto rest = bytes.subspan(at);
        const char type = static_cast<char>(rest[0]);
        const auto length = protocol::FieldCursor(rest.subspan(1, 4)).u32();
        if (length < 4 || length > longest_message) {
            broken_server("a message with an impossible length");
            return at;
        }
        const std::size_t whole = std::size_t{length} + 1;
        if (rest.size() < whole) {
            if (!passes_in_pieces(type)) {
                if (whole > assembled_limit) broken_server("a message that is too long");
                return at;
            }
            const auto step = server_->expected.on_message(type);
            if (step.verdict == ExpectedReplies::Verdict::violation) {
                broken_server("a message out of order");
                return at;
            }
            reply_swallowed_ = step.verdict == ExpectedReplies::Verdict::swallow;
            if (!reply_swallowed_) pass_on(rest);
            reply_left_ = whole - rest.size();
            return bytes.size();
        }
        on_message({
            type,
            rest.subspan(protocol::message_header_size, whole - protocol::message_header_size),
            rest.first(whole),
        });
        at += whole;
    }
    return at;
}

void ClientSession::broken_server(std::string_view what) {
    log_server_violation(*this, what);
    lose_server(
        protocol::fatal(
            protocol::sqlstate::protocol_violation,
            "the server sent " + std::string(what),
            "The connection to the server was closed."
        ),
        pool::CloseReason::protocol_violation, false
    );
}

void ClientSession::on_message(const protocol::MessageView& message) {
    const auto step = server_->expected.on_message(message.type);
    if (step.verdict == ExpectedReplies::Verdict::violation) {
        return broken_server("a message out of order");
    }
    switch (message.type) {
        case backend::data_row:
            break;
        case backend::error_response:
            on_error(message, step);
            return after_message();
        case backend::ready_for_query:
            return on_ready_for_query(message, step);
        case backend::parameter_status:
            return on_parameter_status(message);
        case backend::notification_response:
            // Without a pin nobody has listened here.
            if (!keeps_server()) return;
            break;
        case backend::command_complete:
            on_command_complete(message);
            break;
        case backend::parse_complete:
        case backend::close_complete:
            name_settled(*step.about);
            break;
        default:
            break;
    }
    if (step.verdict == ExpectedReplies::Verdict::forward) {
        pass_on(message.whole);
        forwarded_in_group_ = true;
    }
    after_message();
}

// Replies that are due now without the server, and requests that it skips.
void ClientSession::after_message() {
    auto& expected = server_->expected;
    while (const auto invented = expected.next_invented()) {
        flush_passed();
        protocol::write_empty(
            invented->request == Request::parse ? backend::parse_complete : backend::close_complete,
            worker_.to_client()
        );
        name_settled(*invented);
    }
    std::vector<protocol::Expected> dropped;
    while (const auto request = expected.next_dropped()) dropped.push_back(*request);
    if (!dropped.empty()) revert_names(dropped);
    if (sync_owed_ && expected.needs_sync()) {
        // An injected message failed and the Query behind it was skipped: its ReadyForQuery.
        sync_owed_ = false;
        protocol::write_empty(frontend::sync, worker_.to_server());
        expected.sent({Request::sync, Reply::forward, 0});
    }
}

// --- names of prepared statements ---

// A Parse or Close was answered well.
void ClientSession::name_settled(const protocol::Expected& expected) {
    if (expected.tag == 0) return;
    if (expected.reply == Reply::swallow) return;
    if (names_settled_ >= name_changes_.size()) return;
    const auto& change = name_changes_[names_settled_++];
    if (expected.request == Request::parse && statements_) {
        if (const auto* statement = statements_->find(change.name)) {
            (*statement)->proven.store(true, std::memory_order_release);
        }
    }
    if (names_settled_ == name_changes_.size()) {
        name_changes_.clear();
        names_settled_ = 0;
    }
}

// These requests failed or were skipped: what they said about names does not hold.
void ClientSession::revert_names(std::vector<protocol::Expected>& dropped) {
    for (const auto& request : dropped) {
        if (request.request == Request::query || request.request == Request::function_call) {
            if (request.reply == Reply::forward) sync_owed_ = true;
        }
        if (request.request == Request::parse && request.tag != 0 &&
            request.reply != Reply::invent) {
            server_->prepared.remove(request.tag);
        }
        if (request.request == Request::execute && request.reply == Reply::swallow) {
            // It may have been a DISCARD SEQUENCES of ours.
            server_->sequence_user = pool::ServerConnection::mixed_sequences;
        }
        if (request.request == Request::parse && request.tag == 0) {
            server_->unnamed_owner = 0;
            if (request.reply == Reply::forward) has_unnamed_ = false;
        }
        // Evicted here, but the server still has it under its name.
        if (request.request == Request::close && request.reply == Reply::swallow) {
            server_doomed_ = true;
        }
    }
    std::size_t changes = 0;
    for (const auto& request : dropped) {
        const bool names = request.request == Request::parse || request.request == Request::close;
        changes += names && request.tag != 0 && request.reply != Reply::swallow ? 1 : 0;
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

// --- errors ---

bool ClientSession::starts_healing(
    const protocol::ErrorResponse& response, std::uint32_t tag
) {
    if (tag == 0 || healing_ || retained_group_.empty() || forwarded_in_group_) return false;
    if (!worker_.to_client().empty() || server_->status != TransactionStatus::idle) return false;
    // "cached plan must not change result type"; a statement that somebody else deallocated.
    return (response.code == "0A000" && response.routine == "RevalidateCachedQuery") ||
           response.code == "26000";
}

void ClientSession::on_error(
    const protocol::MessageView& message, const ExpectedReplies::Step& step
) {
    unit_failed_ = true;
    const auto parsed = protocol::parse_error_response(message.body);
    if (!parsed) return broken_server("a broken ErrorResponse");
    const auto& response = *parsed;
    const bool last_words = response.severity == "FATAL" || response.severity == "PANIC";
    if (phase_ == Phase::welcoming || prelude_pending_) {
        if (!prelude_error_) prelude_error_ = std::make_unique<protocol::Error>(response.to_error());
        return;
    }
    if (step.about) {
        std::vector<protocol::Expected> failed{*step.about};
        if (step.completes) revert_names(failed);
        if (starts_healing(response, step.about->tag)) {
            healing_ = true;
            heal_statement_ = step.about->tag;
            return;
        }
        // A message of ours was refused: this server is not what it was thought to be.
        if (step.about->reply == Reply::swallow) server_doomed_ = true;
    }
    server_fatal_ = last_words;
    forwarded_in_group_ = true;
    if (response.message.find(protocol::server_name_prefix) == std::string_view::npos) {
        return pass_on(message.whole);
    }
    // Names of ours in the text: the same fields with the client's name.
    flush_passed();
    static const protocol::ClientStatements no_names;
    auto& out = worker_.to_client();
    out.begin(backend::error_response);
    protocol::FieldCursor fields(message.body);
    while (const auto code = fields.u8()) {
        const auto value = fields.c_string();
        out.u8(code);
        if (code != 'M') {
            out.c_string(value);
        } else if (const auto text =
                       protocol::restore_names(value, statements_ ? *statements_ : no_names);
                   text == "prepared statement \"\" does not exist") {
            out.c_string("unnamed prepared statement does not exist");
        } else {
            out.c_string(text);
        }
    }
    out.u8(0).end();
}

// --- the end of a request ---

void ClientSession::on_command_complete(const protocol::MessageView& message) {
    const auto tag = protocol::FieldCursor(message.body).c_string();
    if (tag == "ROLLBACK") {
        unit_failed_ = true;
    } else if (tag == "DEALLOCATE ALL" || tag == "DISCARD ALL") {
        server_->prepared.clear();
        if (statements_ && !session_mode()) statements_->clear();
        // What the server has of ours under its name is gone with it.
        name_changes_.clear();
        names_settled_ = 0;
    }
}

void ClientSession::on_ready_for_query(
    const protocol::MessageView& message, const ExpectedReplies::Step& step
) {
    const auto status = protocol::parse_ready_for_query(message.body);
    if (!status) return broken_server("a broken ReadyForQuery");
    server_->status = *status;
    const auto now = worker_.loop().now();
    settle_parameters();
    after_message();
    if (step.verdict != ExpectedReplies::Verdict::forward || healing_) return;
    pass_on(message.whole);
    const bool was_in_transaction = in_transaction_;
    in_transaction_ = *status != TransactionStatus::idle;
    idle_since_ = now;
    counters_.query_time.add(microseconds(now - request_at_));
    if (in_transaction_) {
        if (!was_in_transaction) {
            transaction_at_ = request_at_;
            arm(limits_->transaction_timeout);
        }
        arm(limits_->idle_transaction_timeout);
        return;
    }
    counters_.transactions.add(1);
    counters_.transaction_time.add(
        microseconds(now - (was_in_transaction ? transaction_at_ : request_at_))
    );
    arm(limits_->client_idle_timeout);
}

// After each batch of replies: is the server free, is something waiting for it?
void ClientSession::request_finished() {
    if (server_ == nullptr || !server_->expected.in_sync() || !server_->partial.empty()) return;
    if (prelude_pending_) {
        prelude_pending_ = false;
        if (checking_ && prelude_error_) {
            // The check query itself was refused.
            prelude_error_.reset();
            checking_ = false;
            auto& server = *std::exchange(server_, nullptr);
            start_.entry->pool.retire(server, pool::CloseReason::check_failed, false);
        }
        return;
    }
    if (healing_) {
        resend_after_heal();
        return;
    }
    if (group_open_) return;
    if (limits_->pool_mode == conf::PoolMode::statement &&
        server_->status != TransactionStatus::idle) {
        return finish_with(protocol::fatal(
            protocol::sqlstate::protocol_violation,
            "transaction blocks not allowed in statement pooling mode"
        ));
    }
    if (server_->status != TransactionStatus::idle) return;
    sequences_in_transaction_ = false;
    if (!keeps_server()) give_server_back();
}

// --- parameters ---

void ClientSession::on_parameter_status(const protocol::MessageView& message) {
    const auto status = protocol::parse_parameter_status(message.body);
    if (!status) return broken_server("a broken ParameterStatus");
    // PostgreSQL reports right before ReadyForQuery; only then is it known what it means.
    reported_.emplace_back(status->name, status->value);
    if (server_->expected.in_sync()) settle_parameters();
}

void ClientSession::settle_parameters() {
    if (reported_.empty() && injected_.empty() && !resetting_settings_ &&
        resetting_names_.empty()) {
        if (server_->status == TransactionStatus::idle) unit_failed_ = false;
        return;
    }
    const bool rolled_back =
        unit_failed_ && server_->status != TransactionStatus::in_transaction;
    const auto was_injected = [this](std::string_view name) {
        return std::any_of(injected_.begin(), injected_.end(), [&](const std::string& other) {
            return protocol::same_parameter_name(other, name);
        });
    };
    flush_passed();
    for (const auto& [name, value] : reported_) {
        server_->report_parameter(name, value);
        if (phase_ == Phase::welcoming) continue;
        std::string_view told = value;
        if (rolled_back && was_injected(name)) {
            // The server is back at another client's value; this client's is what it was.
            told = unit_parameters_->value(name);
        }
        tell_parameter(name, told);
    }
    reported_.clear();
    if (server_->status == TransactionStatus::idle) {
        settle_injected();
        settle_resets();
        unit_failed_ = false;
    }
}

void ClientSession::tell_parameter(std::string_view name, std::string_view value) {
    if (!protocol::is_server_fact(name)) {
        const auto* known = parameters_->find(name);
        if (known != nullptr && known->value == value) return;
        parameters_ = protocol::ParameterSet::with(
            parameters_, {std::string(name), std::string(value), true}
        );
    }
    protocol::write_parameter_status(name, value, worker_.to_client());
}

// The unit that settings were injected into has ended: they hold, or nobody knows.
void ClientSession::settle_injected() {
    if (injected_.empty()) return;
    const bool alone = phase_ == Phase::welcoming || prelude_pending_;
    auto& uncertain = server_->uncertain;
    std::erase_if(uncertain, [this](const std::string& name) {
        return std::any_of(injected_.begin(), injected_.end(), [&](const std::string& other) {
            return protocol::same_parameter_name(other, name);
        });
    });
    for (auto& name : injected_) {
        const auto* known = server_->parameters->find(name);
        if (known != nullptr && known->reported) continue;
        if (unit_failed_) {
            // With a Sync of their own they are rolled back for certain; in a transaction of the
            // client's it hangs on what happened there.
            if (!alone) uncertain.push_back(std::move(name));
            continue;
        }
        const auto* wanted = unit_parameters_->find(name);
        server_->parameters =
            wanted != nullptr ? protocol::ParameterSet::with(server_->parameters, *wanted)
                              : protocol::ParameterSet::without(server_->parameters, name);
    }
    injected_.clear();
    unit_parameters_.reset();
}

// RESET goes to what the client started with, which the server does not know.
void ClientSession::settle_resets() {
    if (!resetting_settings_ && resetting_names_.empty()) return;
    const auto reset = [this](const protocol::Parameter& parameter) {
        if (parameter.reported) {
            tell_parameter(parameter.name, parameter.value);
        } else {
            server_->uncertain.push_back(parameter.name);
        }
    };
    if (!unit_failed_ && !session_mode()) {
        if (resetting_settings_) {
            for (const auto& parameter : startup_parameters_->parameters()) reset(parameter);
        }
        for (const auto& name : resetting_names_) {
            if (const auto* parameter = startup_parameters_->find(name)) reset(*parameter);
        }
    }
    resetting_settings_ = false;
    resetting_names_.clear();
}

// --- output ---

void ClientSession::pass_on(Bytes bytes) {
    if (!passing_.empty() && passing_.data() + passing_.size() == bytes.data()) {
        passing_ = {passing_.data(), passing_.size() + bytes.size()};
        return;
    }
    flush_passed();
    passing_ = bytes;
}

void ClientSession::flush_passed() {
    auto bytes = std::exchange(passing_, {});
    if (bytes.empty()) return;
    auto& scratch = worker_.to_client();
    if (bytes.size() >= direct_write && scratch.empty() && output_.empty()) {
        while (!bytes.empty()) {
            const auto result = client_.write(bytes);
            if (result.status != pool::IoStatus::ok) break;
            counters_.bytes_sent.add(result.size);
            bytes = bytes.subspan(result.size);
        }
    }
    scratch.append(bytes);
}

}  // namespace weir::proxy
