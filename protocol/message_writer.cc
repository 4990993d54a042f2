#include "protocol/message_writer.h"

#include "protocol/message.h"

namespace weir::protocol {

namespace {

void put_u32(std::string& buffer, std::uint32_t value) {
    const char bytes[4] = {
        static_cast<char>(value >> 24),
        static_cast<char>(value >> 16),
        static_cast<char>(value >> 8),
        static_cast<char>(value)};
    buffer.append(bytes, sizeof bytes);
}

}  // namespace

MessageWriter& MessageWriter::begin(char type) {
    if (type != 0) buffer_.push_back(type);
    message_start_ = buffer_.size();
    put_u32(buffer_, 0);
    return *this;
}

MessageWriter& MessageWriter::u8(std::uint8_t value) {
    buffer_.push_back(static_cast<char>(value));
    return *this;
}

MessageWriter& MessageWriter::u16(std::uint16_t value) {
    buffer_.push_back(static_cast<char>(value >> 8));
    buffer_.push_back(static_cast<char>(value));
    return *this;
}

MessageWriter& MessageWriter::u32(std::uint32_t value) {
    put_u32(buffer_, value);
    return *this;
}

MessageWriter& MessageWriter::c_string(std::string_view text) {
    buffer_.append(text);
    buffer_.push_back('\0');
    return *this;
}

MessageWriter& MessageWriter::bytes(Bytes bytes) {
    buffer_.append(as_text(bytes));
    return *this;
}

void MessageWriter::end() {
    const auto length = static_cast<std::uint32_t>(buffer_.size() - message_start_);
    for (std::size_t i = 0; i < 4; ++i) {
        buffer_[message_start_ + i] = static_cast<char>(length >> (24 - 8 * i));
    }
}

void write_error(const Error& error, MessageWriter& out) {
    const std::string_view severity = error.severity == Severity::fatal ? "FATAL" : "ERROR";
    out.begin(backend::error_response);
    out.u8('S').c_string(severity).u8('V').c_string(severity);
    out.u8('C').c_string(error.code.text()).u8('M').c_string(error.message);
    if (!error.detail.empty()) out.u8('D').c_string(error.detail);
    if (!error.hint.empty()) out.u8('H').c_string(error.hint);
    if (!error.position.empty()) out.u8('P').c_string(error.position);
    if (!error.routine.empty()) out.u8('R').c_string(error.routine);
    out.u8(0).end();
}

void write_notice(
    std::string_view severity,
    SqlState code,
    std::string_view message,
    MessageWriter& out,
    std::string_view detail
) {
    out.begin(backend::notice_response);
    out.u8('S').c_string(severity).u8('V').c_string(severity);
    out.u8('C').c_string(code.text()).u8('M').c_string(message);
    if (!detail.empty()) out.u8('D').c_string(detail);
    out.u8(0).end();
}

void write_ready_for_query(TransactionStatus status, MessageWriter& out) {
    out.begin(backend::ready_for_query).u8(static_cast<std::uint8_t>(status)).end();
}

void write_command_complete(std::string_view tag, MessageWriter& out) {
    out.begin(backend::command_complete).c_string(tag).end();
}

void write_parameter_status(std::string_view name, std::string_view value, MessageWriter& out) {
    out.begin(backend::parameter_status).c_string(name).c_string(value).end();
}

void write_empty(char type, MessageWriter& out) {
    out.begin(type).end();
}

}  // namespace weir::protocol
