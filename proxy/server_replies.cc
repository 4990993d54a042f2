// From the server's bytes to what the client gets of them.
#include "protocol/field_cursor.h"
#include "proxy/client_session.h"
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

// PostgreSQL's own parser has refused the text itself, not one that it runs.
bool is_about_the_text(const protocol::ErrorResponse& response) {
    const auto at = response.file.rfind('/');
    const auto file = at == std::string_view::npos ? response.file : response.file.substr(at + 1);
    return !response.within &&
           (file == "scan.l" || file == "gram.y" || file == "parser.c" || file == "parse_func.c");
}

// "SELECT 1", "INSERT 0 1" ...
bool is_about_rows(std::string_view tag) {
    return tag.starts_with("SELECT ") || tag.starts_with("INSERT ") || tag.starts_with("UPDATE ") ||
           tag.starts_with("DELETE ");
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
        const auto length = protocol::announced_length(rest);
        if (length < 4 || length > longest_message) {
            broken_server("a message with an impossible length");
            return at;
        }
        const std::size_t whole = std::size_t{length} + 1;
        if (rest.size() >= whole && server->expected.just_forwards(type)) {
            release_before(type);
            pass_on(rest.first(whole));
            forwarded_in_group_ = true;
            at += whole;
            continue;
        }
        if (rest.size() < whole) {
            const bool answer = only_inquiry_owed() && whole <= assembled_limit;
            if (!passes_in_pieces(type) || answer) {
                if (whole > assembled_limit) broken_server("a message that is too long");
                return at;
            }
            const auto step = server_->expected.on_message(type);
            if (step.verdict == ExpectedReplies::Verdict::violation) {
                broken_server("a message out of order");
                return at;
            }
            reply_swallowed_ = step.verdict == ExpectedReplies::Verdict::swallow;
            if (!reply_swallowed_) {
                release_before(type);
                pass_on(rest);
            }
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
        pool::CloseReason::protocol_violation,
        false
    );
}

// Of what was asked about the session: see send_inquiry().
bool ClientSession::is_answer(const ExpectedReplies::Step& step) {
    return step.verdict == ExpectedReplies::Verdict::swallow && step.about &&
           step.about->request == Request::query &&
           (step.about->tag == state_inquiry || step.about->tag == catalog_rows);
}

void ClientSession::on_message(const protocol::MessageView& message) {
    if (message.type == backend::error_response && (read_is_complete() || server_is_spare())) {
        const auto parsed = protocol::parse_error_response(message.body);
        // Its end follows.
        if (parsed && parsed->severity == "FATAL") return;
    }
    const auto step = server_->expected.on_message(message.type);
    if (step.verdict == ExpectedReplies::Verdict::violation) {
        return broken_server("a message out of order");
    }
    switch (message.type) {
        case backend::data_row:
            if (is_answer(step)) take_answer(message, step.about->tag);
            break;
        case backend::error_response:
            on_error(message, step);
            return after_message();
        case backend::ready_for_query:
            return on_ready_for_query(message, step);
        case backend::parameter_status:
            return on_parameter_status(message);
        case backend::notification_response:
            return on_server_notification(message);
        case backend::command_complete:
            on_command_complete(message, *step.about);
            break;
        case backend::empty_query_response:
            if (step.verdict == ExpectedReplies::Verdict::forward)
                meter_completed({}, message.whole.size());
            break;
        case backend::portal_suspended:
            if (step.verdict == ExpectedReplies::Verdict::forward)
                meter_suspended(message.whole.size());
            break;
        case backend::row_description:
        case backend::no_data:
            if (step.about) columns_told(message, *step.about);
            break;
        case backend::parameter_description:
            if (step.about) meter_described(message, *step.about);
            break;
        case backend::parse_complete:
        case backend::close_complete:
            name_settled(*step.about);
            break;
        default:
            break;
    }
    if (step.verdict == ExpectedReplies::Verdict::forward) {
        release_before(message.type);
        pass_on(message.whole);
        forwarded_in_group_ = true;
    }
    after_message();
}

void ClientSession::settle_skipped() {
    auto& expected = server_->expected;
    while (const auto invented = expected.next_invented()) {
        flush_passed();
        protocol::write_empty(
            invented->request == Request::parse ? backend::parse_complete : backend::close_complete,
            worker_.to_client()
        );
        forwarded_in_group_ = true;
        name_settled(*invented);
    }
    std::vector<protocol::Expected> dropped;
    while (const auto request = expected.next_dropped()) {
        dropped.push_back(*request);
        const bool ready_is_owed =
            request->request == Request::query || request->request == Request::function_call;
        sync_owed_ |= ready_is_owed && request->reply == Reply::forward && own_failed_;
    }
    if (!dropped.empty()) undo_all(dropped);
    if (sync_owed_ && expected.needs_sync()) {
        // An injected message failed and the Query behind it was skipped: its ReadyForQuery.
        sync_owed_ = false;
        protocol::write_empty(frontend::sync, worker_.to_server());
        expected.sent({Request::sync, Reply::forward, 0});
    }
}

// --- errors ---

bool ClientSession::starts_healing(
    const protocol::ErrorResponse& response, const protocol::Expected& failed
) {
    if (failed.tag == 0 || healing_ || retained_group_.empty() || forwarded_in_group_) return false;
    if (!worker_.to_client().empty() || server_->status != TransactionStatus::idle) return false;
    // "cached plan must not change result type"; a statement that somebody else has deallocated, or
    // prepared.
    return (response.code == "0A000" && response.routine == "RevalidateCachedQuery") ||
           response.code == "26000" || (response.code == "42P05" && failed.reply == Reply::swallow);
}

void ClientSession::on_error(
    const protocol::MessageView& message, const ExpectedReplies::Step& step
) {
    const auto parsed = protocol::parse_error_response(message.body);
    if (!parsed) return broken_server("a broken ErrorResponse");
    if (is_answer(step)) {
        if (reading_catalog_) reading_catalog_->refused = true;
        return;
    }
    const auto& response = *parsed;
    const bool last_words = response.severity == "FATAL" || response.severity == "PANIC";
    if (bringing_ && step.about && !last_words) {
        // The client is told in the place of its request.
        bringing_failed_ = true;
        // What another client has set cannot be taken away (its default names a role that was
        // dropped): nobody else is to meet that.
        if (step.about->request == Request::execute && step.about->tag == injected_reset) {
            server_->doomed = pool::CloseReason::reset_failed;
        }
        (prelude_pending_ ? prelude_error_ : refusal_) =
            std::make_unique<protocol::Error>(response.to_error());
        return undo_all({*step.about});
    }
    unit_failed_ = true;
    unit_committed_ |= unit_may_commit_;
    resets_.answered = false;
    if (phase_ == Phase::welcoming || prelude_pending_) {
        if (!prelude_error_)
            prelude_error_ = std::make_unique<protocol::Error>(response.to_error());
        if (step.about && step.completes) undo(*step.about);
        return;
    }
    if (routing_ != nullptr && response.code == "25006") host_suspected();
    // Of what was brought for it, the refusal was for the client to see: it is the replica's, too.
    const bool not_brought =
        bringing_failed_ && refusal_ != nullptr && step.about && step.about->tag == guard_statement;
    if (is_holding() &&
        (not_brought ? settings_refused_by_replica() : refused_by_replica(response))) {
        if (step.about) {
            own_failed_ = step.about->reply == Reply::swallow;
            if (step.completes || step.about->request == Request::query) undo_all({*step.about});
        }
        return;
    }
    if (routing_ != nullptr && routing_->on_replica) refused_in_transaction(response);
    if (step.about) {
        const auto& failed = *step.about;
        // The client cannot know of it: its Query must be answered without a Sync of its own.
        own_failed_ = failed.reply == Reply::swallow;
        if (failed.tag == guard_statement && refusal_ != nullptr) {
            tell_refusal();
            own_failed_ = true;
            settings_owed_ = true;
            return;
        }
        const bool on_purpose = failed.request == Request::parse &&
                                failed.reply == Reply::swallow && failed.tag >= refused_parse;
        if (on_purpose) {
            if (failed.tag == refused_parse) tell_refusal();
            return;
        }
        if (step.completes || failed.request == Request::query) undo_all({failed});
        if (!tells_other_columns(response, failed) && starts_healing(response, failed)) {
            healing_ = true;
            heal_statement_ = failed.tag;
            return;
        }
        // A message of ours was refused: this server is not what it was thought to be.
        if (failed.reply == Reply::swallow && failed.request != Request::sync &&
            !is_brought_name(failed)) {
            server_doomed_ = true;
        }
    }
    // PostgreSQL cannot read the text either, or knows no such function. It looks at all of a
    // statement before it runs any: had something run, it would have been answered.
    if (pin_by_text_ && !forwarded_in_group_ && step.about && step.about->reply == Reply::forward &&
        is_about_the_text(response)) {
        pin_by_text_ = false;
        // Nothing of it has run.
        if (server_->status == TransactionStatus::idle) unit_committed_ = false;
        forget_unread();
        pins_ = 0;
        pin_lifted("an error in its text");
    }
    if (held_for_sequences_) return;
    meter_failed(response.code, true);
    server_fatal_ = last_words;
    release_before(message.type);
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

void ClientSession::on_command_complete(
    const protocol::MessageView& message, const protocol::Expected& request
) {
    auto tag = as_text(message.body);
    if (!tag.empty() && tag.back() == '\0') tag.remove_suffix(1);
    if (request.reply == Reply::forward) meter_completed(tag, message.whole.size());
    // Nearly every one: it says nothing of the session.
    if (request.tag == 0 && listening_ == nullptr && is_about_rows(tag)) return;
    name_settled(request);
    if (listening_ != nullptr && request.reply == Reply::forward) {
        let_channels_go(listening_->channels.done(tag));
    }
    if (tag == "SET" || tag == "RESET" || tag == "DISCARD ALL") {
        if (request.reply == Reply::forward) {
            resets_.answered = true;
        }
        if (tag == "DISCARD ALL") all_names_dropped();
    } else if (tag == "ROLLBACK") {
        unit_failed_ = true;
        resets_.answered = false;
    } else if (tag == "COMMIT") {
        unit_committed_ = true;
    } else if (tag == "DEALLOCATE ALL") {
        all_names_dropped();
    } else if (tag == "DEALLOCATE" && request.tag == 0 && !session_mode()) {
        // By a portal that was not followed: which of our statements it hit is not known.
        server_doomed_ = true;
    }
}

// A message of ours among those that failed.
void ClientSession::injected_failed(std::uint32_t mark) {
    if (mark == injected_begin) begin_failed_ = true;
    if (mark == injected_discard) {
        server_->sequence_user = pool::ServerConnection::mixed_sequences;
    }
}

void ClientSession::on_ready_for_query(
    const protocol::MessageView& message, const ExpectedReplies::Step& step
) {
    const auto status = protocol::parse_ready_for_query(message.body);
    if (!status) return broken_server("a broken ReadyForQuery");
    server_->status = *status;
    if (step.about && step.about->tag == brought_sync && step.about->request == Request::sync) {
        settle_brought();
        return after_message();
    }
    const bool rolled_back = unit_failed_ && !unit_committed_;
    settle_parameters();
    if (is_answer(step)) {
        settle_inquiry();
        settle_catalog();
    }
    after_message();
    if (step.verdict != ExpectedReplies::Verdict::forward || healing_ || is_retrying()) return;
    release_before(message.type);
    if (limits_->pool_mode == conf::PoolMode::statement && *status != TransactionStatus::idle) {
        return finish_with(protocol::fatal(
            protocol::sqlstate::protocol_violation,
            "transaction blocks not allowed in statement pooling mode"
        ));
    }
    if (listening_ != nullptr && !begin_failed_ && holds_ready(*status, rolled_back)) return;
    // A client that was told BEGIN is in a transaction, if only in one that has failed.
    if (std::exchange(begin_failed_, false) && *status == TransactionStatus::idle) {
        local_failed_ = true;
        flush_passed();
        protocol::write_ready_for_query(TransactionStatus::failed, worker_.to_client());
    } else {
        pass_on(message.whole);
    }
    group_open_ = false;
    pin_by_text_ = false;
    if (!meter_.idle()) meter_settled();
    if (*status == TransactionStatus::idle) {
        (rolled_back ? counters_.rollbacks : counters_.commits).add(1);
    }
    request_ended(local_failed_ || *status != TransactionStatus::idle);
}

// The client was told that its request is done.
void ClientSession::request_ended(bool in_transaction) {
    const auto now = worker_.loop().now();
    const bool was_in_transaction = in_transaction_;
    in_transaction_ = in_transaction;
    idle_since_ = now;
    if (routing_ != nullptr) request_ended_on_host(in_transaction);
    const auto query_time = microseconds(now - request_at_);
    counters_.query_time.add(query_time);
    counters_.query_times.record(query_time);
    if (in_transaction_) {
        if (!was_in_transaction) {
            transaction_at_ = request_at_;
            arm(limits_->transaction_timeout);
        }
        arm(limits_->idle_transaction_timeout);
        return;
    }
    counters_.transactions.add(1);
    ++transactions_;
    if (pin_ != router::PinReason::none) {
        counters_.pinned_transactions.add(1);
        ++pinned_transactions_;
    }
    const auto transaction_time =
        microseconds(now - (was_in_transaction ? transaction_at_ : request_at_));
    counters_.transaction_time.add(transaction_time);
    counters_.transaction_times.record(transaction_time);
    arm(limits_->client_idle_timeout);
    if (pin_ != router::PinReason::none) arm(limits_->pin_idle_timeout);
}

// See request_finished().
void ClientSession::settle_request() {
    if (listener_wait_ || !server_->partial.empty() || reply_left_ > 0) return;
    if (is_building_catalog()) return;
    if (lease_fresh_ && !prelude_pending_) return;
    // It has to get the rest of what was begun first.
    if (!server_output_.empty() || (stream_left_ > 0 && !stream_discard_)) return;
    if (prelude_pending_) {
        prelude_pending_ = false;
        if (checking_ && prelude_error_) {
            // The check query itself was refused.
            prelude_error_.reset();
            checking_ = false;
            auto& server = *std::exchange(server_, nullptr);
            pool_->retire(server, pool::CloseReason::check_failed, false);
        }
        return;
    }
    if (healing_) {
        resend_after_heal();
        return;
    }
    if (is_retrying()) return retry_on_primary();
    if (group_open_) return;
    if (server_->status != TransactionStatus::idle) {
        const bool in_block = server_->status == TransactionStatus::in_transaction;
        if (in_block && resets_.answered && !resets_.none() && !resets_.restored) restore_startup();
        if (catalog_change_ != nullptr) {
            catalog_change_->was_in_vain();
            catalog_change_.reset();
        }
        return;
    }
    sequences_in_transaction_ = false;
    temp_search_path_ = false;
    if (!new_sessions_.empty()) tell_new_sessions();
    if (server_listens() && hides_channels()) return;
    if (!session_mode()) settle_run();
    if (catalog_change_ != nullptr) end_catalog_change();
    if (!session_mode()) {
        if (may_read_catalog() && reads_catalog()) return;
    }
    const bool touched = !touched_.empty() || !touched_before_.empty();
    if ((pins_ != 0 || touched) && asks_state()) return send_inquiry();
    if (!touched_.empty()) keep_touched();
    if (scope_mark_ != 0 && !touched) {
        scope_mark_ = 0;
        scope_for_.reset();
    }
    if (keeps_server() || (used_sequences_ != nullptr && is_held_for_sequences())) return;
    give_server_back();
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

void ClientSession::send_passed() {
    auto bytes = std::exchange(passing_, {});
    if (!meter_.idle()) meter_.running->passed += bytes.size();
    auto& scratch = worker_.to_client();
    if (bytes.size() >= direct_write && scratch.empty() && output_.empty() && !is_holding()) {
        while (!bytes.empty()) {
            const auto result = client_.write(bytes);
            if (result.status != pool::IoStatus::ok) break;
            counters_.bytes_sent.add(result.size);
            if (traced_) [[unlikely]]
                trace(TracedWay::to_client, bytes.first(result.size));
            bytes = bytes.subspan(result.size);
        }
    }
    scratch.append(bytes);
}

}  // namespace weir::proxy
