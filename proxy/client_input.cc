// From the client's bytes to groups of messages, and the answers that need no server.
#include "proxy/client_session.h"

#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/message.h"

#include <fmt/format.h>

#include <algorithm>

namespace weir::proxy {

namespace frontend = protocol::frontend;
namespace backend = protocol::backend;
namespace sqlstate = protocol::sqlstate;
using protocol::TransactionStatus;
using router::StatementKind;

namespace {

// A group that is longer goes to the server in pieces.
constexpr std::size_t group_limit = 256 * 1024;
// How much of a large message must be there before it is sent on: the names in it.
constexpr std::size_t large_prefix = 16 * 1024;
// New requests wait while the client has this much to take.
constexpr std::size_t output_limit = 64 * 1024;

std::uint32_t length_at(Bytes bytes) {
    return protocol::FieldCursor(bytes.subspan(1, 4)).u32();
}

protocol::MessageView view_at(Bytes bytes) {
    const std::size_t whole = std::size_t{length_at(bytes)} + 1;
    return {
        static_cast<char>(bytes[0]),
        bytes.subspan(protocol::message_header_size, whole - protocol::message_header_size),
        bytes.first(whole),
    };
}

// Calls visit(message) for each whole message.
template <class Visit>
void for_each_message(Bytes bytes, Visit&& visit) {
    while (!bytes.empty()) {
        const auto message = view_at(bytes);
        visit(message);
        bytes = bytes.subspan(message.whole.size());
    }
}

bool ends_group(char type) {
    return type == frontend::query || type == frontend::sync || type == frontend::flush ||
           type == frontend::function_call || type == frontend::terminate;
}

bool is_copy_message(char type) {
    return type == frontend::copy_data || type == frontend::copy_done ||
           type == frontend::copy_fail;
}

}  // namespace

// Uses up what can be used of `input`; returns how much that was.
std::size_t ClientSession::process(Bytes input) {
    std::size_t used = 0;
    while (phase_ == Phase::serving && used < input.size()) {
        const auto left = input.subspan(used);
        std::size_t taken = 0;
        if (stream_left_ > 0) {
            taken = take_large_message(left);
        } else if (is_copy_message(static_cast<char>(left[0]))) {
            taken = take_copy_message(left);
        } else if (may_start_group()) {
            const auto group = next_group(left);
            if (phase_ != Phase::serving) break;
            if (group) taken = take_group(*group);
        }
        if (taken == 0) break;
        used += taken;
    }
    return phase_ == Phase::serving ? used : input.size();
}

bool ClientSession::may_start_group() const {
    if (waiting_ || prelude_pending_ || healing_ || output_.size() > output_limit) return false;
    if (!server_output_.empty()) return false;
    if (server_ == nullptr || server_->expected.in_sync()) return true;
    // The rest of what was sent without an end; or the Sync that an error waits for.
    return group_open_ || server_->expected.needs_sync() || server_->expected.copy_in();
}

bool ClientSession::check_header(char type, std::uint32_t length) {
    const auto limit = protocol::message_length_limit(type);
    if (!limit) {
        violation(fmt::format("invalid frontend message type {}", static_cast<unsigned char>(type)));
        return false;
    }
    if (length < 4 || length > *limit) {
        violation(fmt::format("invalid message length {} of message type {}", length,
                              static_cast<unsigned char>(type)));
        return false;
    }
    return true;
}

void ClientSession::violation(std::string message) {
    finish_with(protocol::violation(std::move(message)));
}

// The next group if it is whole, or a piece of one that has grown too long to be kept. Nothing if
// more must be read first. `scanned_` remembers how far it has looked.
std::optional<ClientSession::Group> ClientSession::next_group(Bytes input) {
    auto at = std::min(scanned_, input.size());
    scanned_ = 0;
    while (input.size() - at >= protocol::message_header_size) {
        const auto rest = input.subspan(at);
        const char type = static_cast<char>(rest[0]);
        const auto length = length_at(rest);
        if (!check_header(type, length)) return std::nullopt;
        const std::size_t whole = std::size_t{length} + 1;
        // COPY data behind other messages is a thing of its own.
        if (is_copy_message(type)) return Group{input.first(at), 0};
        if (rest.size() < whole) {
            if (whole > group_limit || at > group_limit) {
                // What is before it goes ahead; then it comes alone.
                if (at > 0) return Group{input.first(at), 0};
                if (rest.size() >= large_prefix) return Group{rest, type};
            }
            break;
        }
        at += whole;
        if (ends_group(type)) return Group{input.first(at), type};
        if (at > group_limit) return Group{input.first(at), 0};
    }
    scanned_ = at;
    return std::nullopt;
}

// Sends the group or answers it. 0: it must wait; it stays where it is.
std::size_t ClientSession::take_group(const Group& group) {
    const auto first = static_cast<char>(group.bytes[0]);
    if (first == frontend::terminate) {
        finish("client close request");
        return 0;
    }
    const auto first_whole = std::size_t{length_at(group.bytes)} + 1;
    if (first_whole > group.bytes.size()) return take_large_message(group.bytes);
    // A Query or another group while COPY waits for data: PostgreSQL ends the COPY with an error.
    if (server_ != nullptr && server_->expected.copy_in()) {
        if (first != frontend::sync && first != frontend::flush) {
            worker_.to_server().begin(frontend::copy_fail).c_string(
                "unexpected message type during COPY from stdin"
            ).end();
            server_->expected.copy_input_ended();
            write_to_server();
        }
        return first_whole;
    }
    if (skip_to_sync_) {
        if (group.terminator == frontend::sync) {
            skip_to_sync_ = false;
            protocol::write_ready_for_query(local_status(), worker_.to_client());
        }
        return group.bytes.size();
    }
    auto needs = plan(group);
    if (phase_ != Phase::serving) return 0;
    if (server_ == nullptr && answer_locally(group, needs)) return group.bytes.size();
    const auto now = worker_.loop().now();
    if (!waiting_ && (server_ == nullptr || server_->expected.in_sync())) {
        request_at_ = now;
        arm(limits_->query_timeout);
    }
    if (!acquire()) return 0;
    if (prelude_error_) {
        const auto error = std::move(prelude_error_);
        fail_group(group, *error);
        give_server_back();
        return group.bytes.size();
    }
    pin(needs.pin, needs.pin_detail);
    if (!send_prelude(needs)) return 0;
    if (!guard_sequences(needs)) {
        fail_group(group, protocol::error(
            protocol::SqlState("55000"), "lastval is not yet defined in this session",
            "This server connection has advanced sequences for other clients before; run the "
            "transaction again."
        ));
        return group.bytes.size();
    }
    resetting_settings_ |= needs.reset_all;
    resetting_names_.insert(resetting_names_.end(), needs.resets.begin(), needs.resets.end());
    forwarded_in_group_ = false;
    send_group(group);
    write_to_server();
    return group.bytes.size();
}

// A message that is passed on in pieces: its names are looked at, its contents are not.
std::size_t ClientSession::take_large_message(Bytes input) {
    if (stream_left_ > 0) {
        const auto size = std::min<std::uint64_t>(stream_left_, input.size());
        if (!stream_discard_) {
            if (server_ == nullptr || !server_output_.empty()) return 0;
            worker_.to_server().append(input.first(size));
            write_to_server();
        }
        stream_left_ -= size;
        return size;
    }
    const char type = static_cast<char>(input[0]);
    const std::uint64_t whole = std::uint64_t{length_at(input)} + 1;
    if (skip_to_sync_) {
        stream_discard_ = true;
        stream_left_ = whole - input.size();
        return input.size();
    }
    if (!acquire()) return 0;
    Plan needs;
    needs.own_sync_for_settings = true;
    needs.may_advance_sequences = true;
    if (type != frontend::bind) pin(router::PinReason::too_long, "");
    if (!send_prelude(needs)) return 0;
    request_at_ = worker_.loop().now();
    // The header says the whole length; send_message() rewrites names where it has to.
    const protocol::MessageView message{
        type, input.subspan(protocol::message_header_size), input
    };
    stream_discard_ = false;
    stream_left_ = whole - input.size();
    send_message(message);
    group_open_ = !ends_group(type);
    write_to_server();
    return input.size();
}

// CopyData and its end go straight on while the server takes them, and nowhere otherwise: a
// frontend may still be sending after COPY has failed (manual 55.2.6).
std::size_t ClientSession::take_copy_message(Bytes input) {
    if (input.size() < protocol::message_header_size) return 0;
    const char type = static_cast<char>(input[0]);
    const auto length = length_at(input);
    if (!check_header(type, length)) return 0;
    const std::uint64_t whole = std::uint64_t{length} + 1;
    // Whether the server will take it is known when it has answered what it was sent.
    const bool undecided = server_ != nullptr && !server_->expected.in_sync() &&
                           !server_->expected.copy_in() && !server_->expected.needs_sync();
    if (waiting_ || prelude_pending_ || undecided) return 0;
    const bool taken = server_ != nullptr && server_->expected.copy_in();
    if (taken && !server_output_.empty()) return 0;
    if (type != frontend::copy_data && input.size() < whole) return 0;
    const auto size = std::min<std::uint64_t>(whole, input.size());
    stream_discard_ = !taken;
    stream_left_ = whole - size;
    if (taken) {
        worker_.to_server().append(input.first(size));
        write_to_server();
        if (type != frontend::copy_data && server_ != nullptr) {
            server_->expected.copy_input_ended();
            // In the extended protocol a Sync follows.
            group_open_ = true;
        }
    }
    return size;
}

// --- answers that need no server ---

bool ClientSession::answer_locally(const Group& group, const Plan& plan) {
    auto& out = worker_.to_client();
    if (group.terminator == 0) return false;
    if (local_failed_ && plan.ends_transaction && !plan.lone_query) {
        // ROLLBACK by the extended protocol: PostgreSQL answers it, outside a transaction.
        local_failed_ = false;
        in_transaction_ = false;
        return false;
    }
    if (local_failed_ && !(plan.lone_query == StatementKind::rollback ||
                           plan.lone_query == StatementKind::commit)) {
        fail_group(group, protocol::error(
            sqlstate::in_failed_transaction,
            "current transaction is aborted, commands ignored until end of transaction block"
        ));
        return true;
    }
    if (plan.lone_query) {
        if (!answer_query_locally(group, plan)) return false;
        counters_.queries.add(1);
        // As a simple Query does in PostgreSQL.
        has_unnamed_ = false;
        protocol::write_ready_for_query(local_status(), out);
        idle_since_ = worker_.loop().now();
        return true;
    }
    if (plan.needs_server || !plan.only_parse_and_close) return false;
    answer_parse_and_close(group);
    if (group.terminator == frontend::sync) {
        protocol::write_ready_for_query(local_status(), out);
    }
    return true;
}

bool ClientSession::answer_query_locally(const Group& group, const Plan& plan) {
    auto& out = worker_.to_client();
    const bool in_block = !deferred_begin_.empty() || local_failed_;
    const auto& statement = *plan.lone;
    switch (*plan.lone_query) {
        case StatementKind::begin:
            if (in_block || !limits_->defer_begin || session_mode() ||
                limits_->pool_mode == conf::PoolMode::statement) {
                return false;
            }
            deferred_begin_ = protocol::parse_query(view_at(group.bytes).body).value_or("BEGIN");
            in_transaction_ = true;
            transaction_at_ = worker_.loop().now();
            arm(limits_->transaction_timeout);
            arm(limits_->idle_transaction_timeout);
            protocol::write_command_complete("BEGIN", out);
            return true;
        case StatementKind::commit:
        case StatementKind::rollback: {
            if (!in_block || (statement.transaction && statement.transaction->chain)) return false;
            const bool commit = *plan.lone_query == StatementKind::commit && !local_failed_;
            deferred_begin_.clear();
            local_failed_ = false;
            in_transaction_ = false;
            counters_.transactions.add(1);
            protocol::write_command_complete(commit ? "COMMIT" : "ROLLBACK", out);
            return true;
        }
        case StatementKind::deallocate:
            if (!statement.deallocate_all || in_block) return false;
            if (statements_) statements_->clear();
            protocol::write_command_complete("DEALLOCATE ALL", out);
            return true;
        case StatementKind::discard:
            if (!statement.discard_all || in_block || parameters_ == nullptr) return false;
            if (statements_) statements_->clear();
            for (const auto& parameter : startup_parameters_->parameters()) {
                if (parameter.reported && parameters_->value(parameter.name) != parameter.value) {
                    protocol::write_parameter_status(parameter.name, parameter.value, out);
                }
            }
            parameters_ = startup_parameters_;
            protocol::write_command_complete("DISCARD ALL", out);
            return true;
        default:
            return false;
    }
}

// Parse of statements that some server has accepted, and Close.
void ClientSession::answer_parse_and_close(const Group& group) {
    auto& out = worker_.to_client();
    for_each_message(group.bytes, [&](const protocol::MessageView& message) {
        if (message.type == frontend::parse) {
            const auto parse = protocol::parse_parse(message.body);
            statements_->add(parse->name, worker_.catalog().find_or_add(
                as_text(parse->definition), statement_scope()
            ));
            counters_.client_parses.add(1);
            protocol::write_empty(backend::parse_complete, out);
        } else if (message.type == frontend::close) {
            const auto target = protocol::parse_target(message.body);
            if (target->kind == 'S') {
                if (target->name.empty()) has_unnamed_ = false;
                if (statements_) statements_->remove(target->name);
            }
            protocol::write_empty(backend::close_complete, out);
        }
    });
}

// The group gets this error and nothing of it runs.
void ClientSession::fail_group(const Group& group, const protocol::Error& error) {
    auto& out = worker_.to_client();
    // A transaction that was begun only in words has failed, too.
    if (!deferred_begin_.empty()) {
        deferred_begin_.clear();
        local_failed_ = true;
    }
    const bool only_sync = group.bytes.size() == 5 && group.terminator == frontend::sync;
    if (!only_sync) protocol::write_error(error, out);
    if (group.terminator == frontend::flush || group.terminator == 0) {
        skip_to_sync_ = true;
    } else {
        protocol::write_ready_for_query(local_status(), out);
    }
}

}  // namespace weir::proxy
