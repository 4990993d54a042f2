// A message from a server (or from the proxy), taken apart for a test's eyes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::test {

struct BackendMessage {
    char type = 0;
    std::string body;

    // Each throws std::runtime_error if the message is of another type or malformed.
    std::string error_field(char code) const;  // ErrorResponse, NoticeResponse; "" if missing

    std::string sqlstate() const { return error_field('C'); }

    std::string command_tag() const;                      // CommandComplete
    char transaction_status() const;                      // ReadyForQuery
    std::vector<std::optional<std::string>> row() const;  // DataRow
    std::vector<std::string> column_names() const;        // RowDescription
    std::pair<std::string, std::string> parameter_status() const;
    std::uint32_t authentication_code() const;  // Authentication...
    std::uint32_t key_pid() const;              // BackendKeyData
    std::string key_secret() const;

    // For people: `E 42P05 prepared statement "a" already exists`, `D (1, NULL)`, `Z I`.
    std::string text() const;
};

using BackendMessages = std::vector<BackendMessage>;

// The types in their order: "12TDCZ".
std::string types(const BackendMessages& messages);
// One line per message.
std::string text(const BackendMessages& messages);
// The first message of a type; throws with all of them if there is none.
const BackendMessage& first(const BackendMessages& messages, char type);
// First column of the first DataRow.
std::string first_value(const BackendMessages& messages);

}  // namespace weir::test
