// Message types of the frontend/backend protocol 3 and a view of one message (manual 55.7).
#pragma once

#include "protocol/types.h"

#include <algorithm>

namespace weir::protocol {

// First byte of the messages a client sends.
namespace frontend {
inline constexpr char bind = 'B';
inline constexpr char close = 'C';
inline constexpr char describe = 'D';
inline constexpr char execute = 'E';
inline constexpr char function_call = 'F';
inline constexpr char flush = 'H';
inline constexpr char parse = 'P';
inline constexpr char query = 'Q';
inline constexpr char sync = 'S';
inline constexpr char terminate = 'X';
inline constexpr char copy_done = 'c';
inline constexpr char copy_data = 'd';
inline constexpr char copy_fail = 'f';
inline constexpr char password = 'p';  // also SASLInitialResponse, SASLResponse, GSSResponse
}  // namespace frontend

// First byte of the messages a server sends.
namespace backend {
inline constexpr char parse_complete = '1';
inline constexpr char bind_complete = '2';
inline constexpr char close_complete = '3';
inline constexpr char notification_response = 'A';
inline constexpr char command_complete = 'C';
inline constexpr char data_row = 'D';
inline constexpr char error_response = 'E';
inline constexpr char copy_in_response = 'G';
inline constexpr char copy_out_response = 'H';
inline constexpr char empty_query_response = 'I';
inline constexpr char backend_key_data = 'K';
inline constexpr char notice_response = 'N';
inline constexpr char authentication = 'R';
inline constexpr char parameter_status = 'S';
inline constexpr char row_description = 'T';
inline constexpr char function_call_response = 'V';
inline constexpr char copy_both_response = 'W';
inline constexpr char ready_for_query = 'Z';
inline constexpr char copy_done = 'c';
inline constexpr char copy_data = 'd';
inline constexpr char no_data = 'n';
inline constexpr char portal_suspended = 's';
inline constexpr char parameter_description = 't';
inline constexpr char negotiate_protocol_version = 'v';
}  // namespace backend

// Type byte and length word.
inline constexpr std::size_t message_header_size = 5;

// The codes that stand where a StartupMessage has its version (manual 55.7).
inline constexpr std::uint32_t cancel_request_code = 80877102;
inline constexpr std::uint32_t ssl_request_code = 80877103;
inline constexpr std::uint32_t gssenc_request_code = 80877104;
// MAX_STARTUP_PACKET_LENGTH of PostgreSQL.
inline constexpr std::size_t max_startup_packet = 10000;

// One whole message inside a read buffer; valid as long as that buffer is.
struct MessageView {
    char type = 0;
    Bytes body;   // without type and length
    Bytes whole;  // with them
};

// Length word of the message that `bytes` begin with: the body's length and its own 4 bytes.
// REQUIRES: a whole header.
inline std::uint32_t announced_length(Bytes bytes) {
    const auto at = [&](std::size_t i) {
        return std::to_integer<std::uint32_t>(bytes[i]);
    };
    return at(1) << 24 | at(2) << 16 | at(3) << 8 | at(4);
}

// The message that `bytes` begin with, or as much of it as they hold.
// REQUIRES: a whole header with a length that was checked.
inline MessageView message_at(Bytes bytes) {
    const auto whole =
        bytes.first(std::min(std::size_t{announced_length(bytes)} + 1, bytes.size()));
    return {static_cast<char>(bytes[0]), whole.subspan(message_header_size), whole};
}

// Calls visit(message) for each message; the last one may be there in part.
template <class Visit>
void for_each_message(Bytes bytes, Visit&& visit) {
    while (!bytes.empty()) {
        const auto message = message_at(bytes);
        visit(message);
        bytes = bytes.subspan(message.whole.size());
    }
}

}  // namespace weir::protocol
