// MessageWriter: appends whole messages to a growing buffer that is reused.
//
// begin(type) ... fields ... end() writes one message; the length word is filled in by end().
#pragma once

#include "protocol/error.h"
#include "protocol/types.h"

#include <string>

namespace weir::protocol {

class MessageWriter {
public:
    // `type` 0 writes a message without type byte (StartupMessage and its relatives).
    MessageWriter& begin(char type);
    MessageWriter& u8(std::uint8_t value);
    MessageWriter& u16(std::uint16_t value);
    MessageWriter& u32(std::uint32_t value);

    MessageWriter& i32(std::int32_t value) { return u32(static_cast<std::uint32_t>(value)); }

    // `text` and a NUL. REQUIRES: no NUL inside.
    MessageWriter& c_string(std::string_view text);
    MessageWriter& bytes(Bytes bytes);

    MessageWriter& text(std::string_view text) { return bytes(as_bytes(text)); }

    void end();

    // Bytes that are messages already.
    void append(Bytes bytes) { buffer_.append(as_text(bytes)); }

    Bytes view() const { return as_bytes(buffer_); }

    std::size_t size() const { return buffer_.size(); }

    bool empty() const { return buffer_.empty(); }

    void clear() { buffer_.clear(); }

    // Frees the memory if it grew over `limit` bytes; call when the buffer is empty.
    void shrink_over(std::size_t limit) {
        if (buffer_.capacity() > limit) std::string().swap(buffer_);
    }

private:
    std::string buffer_;
    std::size_t message_start_ = 0;
};

// ErrorResponse with the fields S V C M and, where there are any, D H (manual 55.8).
void write_error(const Error& error, MessageWriter& out);
// NoticeResponse of the given severity text ("NOTICE", "WARNING"); D only if there is a detail.
void write_notice(
    std::string_view severity,
    SqlState code,
    std::string_view message,
    MessageWriter& out,
    std::string_view detail = {}
);
void write_ready_for_query(TransactionStatus status, MessageWriter& out);
void write_command_complete(std::string_view tag, MessageWriter& out);
void write_parameter_status(std::string_view name, std::string_view value, MessageWriter& out);
// A message without a body: ParseComplete, Sync, ...
void write_empty(char type, MessageWriter& out);

}  // namespace weir::protocol
