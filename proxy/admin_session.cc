// AdminSession: framing, the simple protocol, and running commands.
#include "proxy/admin_session.h"

#include "protocol/backend_messages.h"
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/message.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace weir::proxy {

namespace {

namespace frontend = protocol::frontend;
namespace backend = protocol::backend;
namespace sqlstate = protocol::sqlstate;
using protocol::error;

// Until the idle session's buffers are this large they are kept.
constexpr std::size_t kept_buffer = 8 * 1024;

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text.push_back(digits[byte >> 4U]);
        text.push_back(digits[byte & 15U]);
    }
    return text;
}

void write_notice(const AdminNotice& notice, protocol::MessageWriter& out) {
    protocol::write_notice(
        "NOTICE", protocol::SqlState("00000"), notice.message, out, notice.detail
    );
}

}  // namespace

void AdminSession::welcome(const protocol::CancelKey& key) {
    // PgBouncer's set. Tools take the number before "/" for the version of PgBouncer whose console
    // this is; see SHOW VERSION.
    static constexpr std::pair<std::string_view, std::string_view> parameters[] = {
        {"server_version", "1.25.2/pgweir"},
        {"client_encoding", "UTF8"},
        {"server_encoding", "UTF8"},
        {"DateStyle", "ISO"},
        {"TimeZone", "GMT"},
        {"standard_conforming_strings", "on"},
        {"is_superuser", "on"},
    };
    for (const auto& [name, value] : parameters)
        write_parameter_status(name, value, out_);
    write_backend_key_data(key, out_);
    ready();
}

void AdminSession::receive(std::string_view bytes) {
    input_.append(bytes);
    advance();
}

void AdminSession::advance() {
    if (advancing_) return;
    advancing_ = true;
    while (!ended_ && step()) {
    }
    input_.erase(0, used_);
    used_ = 0;
    if (ended_ || (input_.empty() && input_.capacity() > kept_buffer)) std::string().swap(input_);
    advancing_ = false;
}

// One thing that can be done now. False: there is none.
bool AdminSession::step() {
    if (outcome_) {
        finished(*std::exchange(outcome_, std::nullopt));
        return true;
    }
    if (running_ || out_.size() > max_output) return false;
    if (in_query_) {
        next_of_query();
        return true;
    }
    return next_message();
}

bool AdminSession::next_message() {
    const auto input = std::string_view(input_).substr(used_);
    if (input.size() < protocol::message_header_size) return false;
    const char type = input[0];
    const auto limit = protocol::message_length_limit(type);
    if (!limit) {
        end(protocol::violation("unknown pkt"));
        return false;
    }
    const std::size_t length = protocol::FieldCursor(as_bytes(input.substr(1))).u32();
    if (length < 4 || length > std::min<std::size_t>(*limit, max_message)) {
        const auto header = hex(input.substr(0, protocol::message_header_size));
        end(protocol::violation("bad packet header: '" + header + "'"));
        return false;
    }
    if (input.size() < length + 1) return false;
    used_ += length + 1;
    on_message(type, as_bytes(input.substr(protocol::message_header_size, length - 4)));
    return true;
}

void AdminSession::on_message(char type, Bytes body) {
    if (type == frontend::terminate) {
        ended_ = true;
        return;
    }
    if (skip_to_sync_ && type != frontend::sync) return;
    switch (type) {
        case frontend::query:
            return on_query(body);
        case frontend::parse:
            return on_parse(body);
        case frontend::bind:
            return on_bind(body);
        case frontend::describe:
            return on_describe(body);
        case frontend::execute:
            return on_execute(body);
        case frontend::close:
            return on_close(body);
        case frontend::sync:
            return on_sync();
        case frontend::flush:
            return;
        // Left-overs of a COPY are ignored, as PostgreSQL does.
        case frontend::copy_data:
        case frontend::copy_done:
        case frontend::copy_fail:
            return;
        case frontend::function_call:
            write_error(
                error(sqlstate::feature_not_supported, "the console has no functions"), out_
            );
            return ready();
        default:
            return end(protocol::violation("bad packet"));
    }
}

// --- simple protocol ---

void AdminSession::on_query(Bytes body) {
    // A simple Query ends what the extended protocol left open.
    portals_.clear();
    statements_.erase("");
    const auto text = protocol::parse_query(body);
    if (!text) {
        write_error(error(sqlstate::protocol_violation, "invalid string in message"), out_);
        return ready();
    }
    auto commands = parse_admin(*text);
    if (!commands) {
        command_failed(commands.error());
        return ready();
    }
    if (commands->empty()) {
        protocol::write_empty(backend::empty_query_response, out_);
        return ready();
    }
    query_ = std::move(*commands);
    std::reverse(query_.begin(), query_.end());
    in_query_ = true;
}

void AdminSession::next_of_query() {
    if (query_.empty()) return finish_query();
    if (const auto refused = refused_by_transaction(query_.back())) {
        write_error(*refused, out_);
        return finish_query();
    }
    const auto described = commands_.describe(query_.back());
    if (!described) {
        command_failed(described.error());
        return finish_query();
    }
    const auto command = std::move(query_.back());
    query_.pop_back();
    start(command);
}

void AdminSession::finish_query() {
    query_.clear();
    in_query_ = false;
    ready();
}

void AdminSession::start(const AdminCommand& command) {
    running_ = true;
    columns_written_ = false;
    if (status_ == protocol::TransactionStatus::failed && command.verb == AdminVerb::commit) {
        auto rollback = command;
        rollback.verb = AdminVerb::rollback;  // as PostgreSQL: its tag says what became of it
        running_ = false;
        return start(rollback);
    }
    commands_.run(command, [this](AdminOutcome outcome) {
        outcome_ = std::move(outcome);
        advance();
    });
}

// Rows of a command that goes on: a simple Query sees them as they come, a portal at its end.
void AdminSession::take_rows(Table& table) {
    if (!in_query_) {
        std::move(table.rows.begin(), table.rows.end(), std::back_inserter(rows_until_now_));
        return;
    }
    if (!std::exchange(columns_written_, true)) write_row_description(*table.columns, {}, out_);
    for (const auto& row : table.rows)
        write_data_row(*table.columns, row, {}, out_);
}

void AdminSession::finished(AdminOutcome outcome) {
    if (outcome && outcome->more) {
        write_notices(*outcome);
        if (outcome->table) take_rows(*outcome->table);
        return;
    }
    running_ = false;
    if (!in_query_) {
        auto rows = std::exchange(rows_until_now_, {});
        auto* portal = find_portal(executing_);
        if (portal == nullptr) return;
        if (!outcome) return fail(outcome.error());
        if (!rows.empty() && outcome->table) {
            auto& last = outcome->table->rows;
            last.insert(
                last.begin(),
                std::make_move_iterator(rows.begin()),
                std::make_move_iterator(rows.end())
            );
        }
        if (outcome->transaction) status_ = *outcome->transaction;
        write_notices(*outcome);
        portal->reply = std::move(*outcome);
        return continue_portal(*portal);
    }
    if (!outcome) {
        command_failed(outcome.error());
        return finish_query();
    }
    if (outcome->transaction) status_ = *outcome->transaction;
    write_notices(*outcome);
    if (outcome->table) take_rows(*outcome->table);
    write_command_complete(outcome->tag, out_);
}

void AdminSession::write_notices(const AdminReply& reply) {
    for (const auto& notice : reply.notices)
        write_notice(notice, out_);
}

void AdminSession::ready() {
    write_ready_for_query(status_, out_);
}

void AdminSession::command_failed(const protocol::Error& error) {
    write_error(error, out_);
    if (status_ != protocol::TransactionStatus::idle) {
        status_ = protocol::TransactionStatus::failed;
    }
}

std::optional<protocol::Error> AdminSession::refused_by_transaction(const AdminCommand& command
) const {
    const bool ends = command.verb == AdminVerb::rollback || command.verb == AdminVerb::commit;
    if (status_ != protocol::TransactionStatus::failed || ends) return std::nullopt;
    return error(
        sqlstate::in_failed_transaction,
        "current transaction is aborted, commands ignored until end of transaction block"
    );
}

void AdminSession::end(const protocol::Error& why) {
    if (ended_) return;
    auto fatal = why;
    fatal.severity = protocol::Severity::fatal;
    write_error(fatal, out_);
    ended_ = true;
}

}  // namespace weir::proxy
