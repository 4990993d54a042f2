// AdminSession: the extended protocol. Only queries have parameters, and a portal's rows are made
// when it is first executed.
#include "protocol/backend_messages.h"
#include "protocol/field_cursor.h"
#include "protocol/frontend_messages.h"
#include "protocol/message.h"
#include "proxy/admin_parameters.h"
#include "proxy/admin_session.h"

#include <algorithm>

namespace weir::proxy {

namespace {

namespace backend = protocol::backend;
namespace sqlstate = protocol::sqlstate;
using protocol::error;

// Of a statement or portal: PostgreSQL has no limit, a bounded session needs one.
constexpr std::size_t max_name = 1024;
constexpr protocol::SqlState duplicate_cursor{"42P03"};
constexpr protocol::SqlState object_not_in_prerequisite_state{"55000"};

protocol::Error no_statement(std::string_view name) {
    return error(
        sqlstate::invalid_statement_name,
        name.empty() ? "unnamed prepared statement does not exist"
                     : "prepared statement \"" + std::string(name) + "\" does not exist"
    );
}

protocol::Error no_portal(std::string_view name) {
    return error(
        sqlstate::invalid_cursor_name, "portal \"" + std::string(name) + "\" does not exist"
    );
}

std::optional<protocol::Error> check_formats(const ResultFormats& formats, const Columns* columns) {
    const auto width = columns == nullptr ? 0 : columns->size();
    if (formats.size() > 1 && formats.size() != width) {
        return error(
            sqlstate::protocol_violation,
            "bind message has " + std::to_string(formats.size()) +
                " result formats but query has " + std::to_string(width) + " columns"
        );
    }
    const auto wrong =
        std::find_if(formats.begin(), formats.end(), [](auto format) { return format > 1; });
    if (wrong == formats.end()) return std::nullopt;
    return error(
        sqlstate::invalid_parameter_value, "unsupported format code: " + std::to_string(*wrong)
    );
}

}  // namespace

void AdminSession::fail(const protocol::Error& why) {
    command_failed(why);
    skip_to_sync_ = true;
}

void AdminSession::malformed() {
    fail(error(sqlstate::protocol_violation, "invalid message format"));
}

AdminSession::Statement* AdminSession::find_statement(std::string_view name) {
    const auto found = statements_.find(name);
    return found == statements_.end() ? nullptr : &found->second;
}

AdminSession::Portal* AdminSession::find_portal(std::string_view name) {
    const auto found = portals_.find(name);
    return found == portals_.end() ? nullptr : &found->second;
}

void AdminSession::on_parse(Bytes body) {
    protocol::FieldCursor fields(body);
    const auto name = fields.c_string();
    const auto text = fields.c_string();
    std::vector<protocol::Oid> types;
    const unsigned type_count = fields.u16();
    for (unsigned i = 0; i < type_count && fields.ok(); ++i)
        types.push_back(fields.u32());
    if (!fields.finished()) return malformed();
    if (!name.empty() && find_statement(name) != nullptr) {
        return fail(error(
            sqlstate::duplicate_prepared_statement,
            "prepared statement \"" + std::string(name) + "\" already exists"
        ));
    }
    auto commands = parse_admin(text);
    if (!commands) return fail(commands.error());
    if (commands->size() > 1) {
        return fail(error(
            sqlstate::syntax_error, "cannot insert multiple commands into a prepared statement"
        ));
    }
    Statement statement;
    if (!commands->empty()) {
        auto& command = commands->front();
        if (const auto refused = refused_by_transaction(command)) return fail(*refused);
        command.parameter_types = std::move(types);
        command.described = true;
        auto description = commands_.describe(command);
        if (!description) return fail(description.error());
        statement.description = std::move(*description);
        statement.command = std::move(command);
    }
    if (name.size() > max_name ||
        (find_statement(name) == nullptr && statements_.size() >= max_statements)) {
        return fail(error(sqlstate::program_limit_exceeded, "too many prepared statements"));
    }
    statements_.insert_or_assign(std::string(name), std::move(statement));
    protocol::write_empty(backend::parse_complete, out_);
}

void AdminSession::on_bind(Bytes body) {
    protocol::FieldCursor fields(body);
    const auto name = fields.c_string();
    const auto statement_name = fields.c_string();
    const auto* statement = find_statement(statement_name);
    static const std::vector<protocol::Oid> no_types;
    auto parameters = read_parameters(
        fields, statement_name, statement == nullptr ? no_types : statement->description.parameters
    );
    Portal portal;
    const unsigned formats = fields.u16();
    for (unsigned i = 0; i < formats && fields.ok(); ++i)
        portal.formats.push_back(fields.u16());
    if (!fields.finished()) return malformed();
    if (statement == nullptr) return fail(no_statement(statement_name));
    if (!parameters) return fail(parameters.error());
    const auto* const columns = statement->description.columns.get();
    if (const auto wrong = check_formats(portal.formats, columns)) return fail(*wrong);
    if (!name.empty() && find_portal(name) != nullptr) {
        return fail(error(duplicate_cursor, "cursor \"" + std::string(name) + "\" already exists"));
    }
    if (name.size() > max_name ||
        (find_portal(name) == nullptr && portals_.size() >= max_portals)) {
        return fail(error(sqlstate::program_limit_exceeded, "too many portals"));
    }
    portal.statement = *statement;
    if (portal.statement.command) portal.statement.command->parameters = std::move(*parameters);
    portals_.insert_or_assign(std::string(name), std::move(portal));
    protocol::write_empty(backend::bind_complete, out_);
}

void AdminSession::write_columns(const Statement& statement, const ResultFormats& formats) {
    if (statement.description.columns == nullptr) {
        protocol::write_empty(backend::no_data, out_);
    } else {
        write_row_description(*statement.description.columns, formats, out_);
    }
}

void AdminSession::on_describe(Bytes body) {
    const auto target = protocol::parse_target(body);
    if (!target || (target->kind != 'S' && target->kind != 'P')) return malformed();
    if (target->kind == 'P') {
        const auto* portal = find_portal(target->name);
        if (portal == nullptr) return fail(no_portal(target->name));
        return write_columns(portal->statement, portal->formats);
    }
    const auto* statement = find_statement(target->name);
    if (statement == nullptr) return fail(no_statement(target->name));
    const auto& parameters = statement->description.parameters;
    out_.begin(backend::parameter_description).u16(static_cast<std::uint16_t>(parameters.size()));
    for (const auto type : parameters)
        out_.u32(type);
    out_.end();
    write_columns(*statement, {});
}

void AdminSession::on_execute(Bytes body) {
    protocol::FieldCursor fields(body);
    const auto name = fields.c_string();
    const auto rows = fields.i32();
    if (!fields.finished()) return malformed();
    auto* portal = find_portal(name);
    if (portal == nullptr) return fail(no_portal(name));
    if (!portal->statement.command) {
        return protocol::write_empty(backend::empty_query_response, out_);
    }
    execute_rows_ = rows > 0 ? static_cast<std::uint32_t>(rows) : 0;
    if (!portal->reply) {
        if (const auto refused = refused_by_transaction(*portal->statement.command)) {
            return fail(*refused);
        }
        executing_ = name;
        return start(*portal->statement.command);
    }
    if (!portal->reply->table) {
        return fail(error(
            object_not_in_prerequisite_state, "portal \"" + std::string(name) + "\" cannot be run"
        ));
    }
    continue_portal(*portal);
}

// Rows up to the limit of Execute; suspended when the limit was what ended them, as in PostgreSQL.
void AdminSession::continue_portal(Portal& portal) {
    const auto& reply = *portal.reply;
    if (reply.table) {
        const auto& rows = reply.table->rows;
        std::size_t written = 0;
        while (portal.next_row < rows.size() && (execute_rows_ == 0 || written < execute_rows_)) {
            write_data_row(*reply.table->columns, rows[portal.next_row], portal.formats, out_);
            ++portal.next_row;
            ++written;
        }
        if (execute_rows_ != 0 && written == execute_rows_) {
            return protocol::write_empty(backend::portal_suspended, out_);
        }
    }
    write_command_complete(reply.tag, out_);
}

void AdminSession::on_close(Bytes body) {
    const auto target = protocol::parse_target(body);
    if (!target || (target->kind != 'S' && target->kind != 'P')) return malformed();
    if (target->kind == 'S') {
        if (const auto found = statements_.find(target->name); found != statements_.end()) {
            statements_.erase(found);
        }
    } else if (const auto found = portals_.find(target->name); found != portals_.end()) {
        portals_.erase(found);
    }
    protocol::write_empty(backend::close_complete, out_);
}

void AdminSession::on_sync() {
    // The end of the implicit transaction closes its portals.
    portals_.clear();
    skip_to_sync_ = false;
    ready();
}

}  // namespace weir::proxy
