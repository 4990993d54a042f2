// What a client sends, as bytes. Written apart from pgweir's own writer on purpose: a mistake in
// one cannot hide behind the same mistake in the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::test {

// Big-endian integers.
std::string int16(int value);
std::string int32(std::int64_t value);

// The text with its final NUL.
std::string cstring(std::string_view text);

// Any message: type byte, length, body.
std::string message(char type, std::string_view body);

using StartupParameters = std::vector<std::pair<std::string, std::string>>;

// Packets without a type byte.
std::string startup_packet(std::uint32_t version, std::string_view body);
std::string startup(const StartupParameters& parameters, std::uint32_t version = 196608);
std::string ssl_request();
std::string gssenc_request();
std::string cancel_request(std::uint32_t pid, std::string_view key);

std::string query(std::string_view sql);
std::string parse(
    std::string_view name, std::string_view sql, const std::vector<std::uint32_t>& types = {}
);
// Text format in both directions; nullopt is NULL.
std::string bind_message(
    std::string_view portal,
    std::string_view statement,
    const std::vector<std::optional<std::string>>& values = {}
);
std::string describe_statement(std::string_view name);
std::string describe_portal(std::string_view name);
std::string execute(std::string_view portal = "", int max_rows = 0);
std::string close_statement(std::string_view name);
std::string close_portal(std::string_view name);
std::string sync_message();
std::string flush_message();
std::string terminate_message();
std::string copy_data(std::string_view data);
std::string copy_done();
std::string copy_fail(std::string_view reason);
std::string password_message(std::string_view password);
// Fast-path call with arguments and result in text format.
std::string function_call(std::uint32_t oid, const std::vector<std::string>& arguments);

// Parse, Bind, Describe, Execute of the unnamed statement; no Sync.
std::string extended(
    std::string_view sql, const std::vector<std::optional<std::string>>& values = {}
);

}  // namespace weir::test
