// Bytes that pgbench -S and PostgreSQL exchange, for the micro benchmarks.
#pragma once

#include "protocol/message.h"
#include "protocol/message_writer.h"

#include <string>
#include <vector>

namespace weir::bench {

inline std::string account_query(unsigned id) {
    return "SELECT abalance FROM pgbench_accounts WHERE aid = " + std::to_string(id) + ";";
}

inline std::string taken(const protocol::MessageWriter& writer) {
    return std::string(as_text(writer.view()));
}

inline std::string query_message(std::string_view text) {
    protocol::MessageWriter out;
    out.begin(protocol::frontend::query).c_string(text).end();
    return taken(out);
}

// As many requests as make literals and their hashes differ.
inline std::vector<std::string> simple_requests() {
    std::vector<std::string> requests;
    for (unsigned i = 0; i < 64; ++i)
        requests.push_back(query_message(account_query(i * 7919)));
    return requests;
}

inline constexpr std::string_view prepared_text =
    "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";

inline std::string prepare_request() {
    protocol::MessageWriter out;
    out.begin(protocol::frontend::parse).c_string("P0_1").c_string(prepared_text).u16(0).end();
    protocol::write_empty(protocol::frontend::sync, out);
    return taken(out);
}

inline std::string prepared_request() {
    protocol::MessageWriter out;
    out.begin(protocol::frontend::bind).c_string("").c_string("P0_1").u16(0).u16(1);
    out.u32(6).text("123456").u16(0).end();
    out.begin(protocol::frontend::describe).u8('P').c_string("").end();
    out.begin(protocol::frontend::execute).c_string("").u32(0).end();
    protocol::write_empty(protocol::frontend::sync, out);
    return taken(out);
}

inline std::string parse_reply() {
    protocol::MessageWriter out;
    protocol::write_empty(protocol::backend::parse_complete, out);
    protocol::write_ready_for_query(protocol::TransactionStatus::idle, out);
    return taken(out);
}

inline std::string select_reply(bool extended) {
    protocol::MessageWriter out;
    if (extended) protocol::write_empty(protocol::backend::bind_complete, out);
    out.begin(protocol::backend::row_description).u16(1).c_string("abalance");
    out.u32(16390).u16(3).u32(23).u16(4).i32(-1).u16(0).end();
    out.begin(protocol::backend::data_row).u16(1).u32(1).text("0").end();
    protocol::write_command_complete("SELECT 1", out);
    protocol::write_ready_for_query(protocol::TransactionStatus::idle, out);
    return taken(out);
}

}  // namespace weir::bench
