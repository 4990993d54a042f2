#include "tests/support/frontend_message.h"

namespace weir::test {
namespace {

std::string big_endian(std::uint32_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i)
        text += static_cast<char>((value >> (8 * i)) & 0xff);
    return text;
}

}  // namespace

std::string int16(int value) {
    return big_endian(static_cast<std::uint32_t>(value), 2);
}

std::string int32(std::int64_t value) {
    return big_endian(static_cast<std::uint32_t>(value), 4);
}

std::string cstring(std::string_view text) {
    return std::string(text) + '\0';
}

std::string message(char type, std::string_view body) {
    return std::string(1, type) + int32(static_cast<std::int64_t>(body.size()) + 4) +
           std::string(body);
}

std::string startup_packet(std::uint32_t version, std::string_view body) {
    return int32(static_cast<std::int64_t>(body.size()) + 8) + int32(version) + std::string(body);
}

std::string startup(const StartupParameters& parameters, std::uint32_t version) {
    std::string body;
    for (const auto& [name, value] : parameters)
        body += cstring(name) + cstring(value);
    return startup_packet(version, body + '\0');
}

std::string ssl_request() {
    return startup_packet(80877103, "");
}

std::string gssenc_request() {
    return startup_packet(80877104, "");
}

std::string cancel_request(std::uint32_t pid, std::string_view key) {
    return startup_packet(80877102, int32(pid) + std::string(key));
}

std::string query(std::string_view sql) {
    return message('Q', cstring(sql));
}

std::string parse(
    std::string_view name, std::string_view sql, const std::vector<std::uint32_t>& types
) {
    std::string body = cstring(name) + cstring(sql) + int16(static_cast<int>(types.size()));
    for (const std::uint32_t type : types)
        body += int32(type);
    return message('P', body);
}

std::string bind_message(
    std::string_view portal,
    std::string_view statement,
    const std::vector<std::optional<std::string>>& values
) {
    std::string body = cstring(portal) + cstring(statement) + int16(0);
    body += int16(static_cast<int>(values.size()));
    for (const auto& value : values) {
        body += value ? int32(static_cast<std::int64_t>(value->size())) + *value : int32(-1);
    }
    return message('B', body + int16(0));
}

std::string describe_statement(std::string_view name) {
    return message('D', "S" + cstring(name));
}

std::string describe_portal(std::string_view name) {
    return message('D', "P" + cstring(name));
}

std::string execute(std::string_view portal, int max_rows) {
    return message('E', cstring(portal) + int32(max_rows));
}

std::string close_statement(std::string_view name) {
    return message('C', "S" + cstring(name));
}

std::string close_portal(std::string_view name) {
    return message('C', "P" + cstring(name));
}

std::string sync_message() {
    return message('S', "");
}

std::string flush_message() {
    return message('H', "");
}

std::string terminate_message() {
    return message('X', "");
}

std::string copy_data(std::string_view data) {
    return message('d', data);
}

std::string copy_done() {
    return message('c', "");
}

std::string copy_fail(std::string_view reason) {
    return message('f', cstring(reason));
}

std::string password_message(std::string_view password) {
    return message('p', cstring(password));
}

std::string function_call(std::uint32_t oid, const std::vector<std::string>& arguments) {
    std::string body = int32(oid) + int16(0) + int16(static_cast<int>(arguments.size()));
    for (const auto& argument : arguments) {
        body += int32(static_cast<std::int64_t>(argument.size())) + argument;
    }
    return message('F', body + int16(0));
}

std::string extended(std::string_view sql, const std::vector<std::optional<std::string>>& values) {
    return parse("", sql) + bind_message("", "", values) + describe_portal("") + execute();
}

}  // namespace weir::test
