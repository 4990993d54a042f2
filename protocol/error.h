// Error: what a client can be told. Result<T>: a value or an Error.
#pragma once

#include "protocol/types.h"

#include <boost/system/result.hpp>

#include <array>
#include <string>

namespace weir::protocol {

// Five characters of PostgreSQL's appendix A.
class SqlState {
public:
    constexpr SqlState() = default;

    // REQUIRES: five characters.
    constexpr explicit SqlState(const char (&code)[6])
        : code_{code[0], code[1], code[2], code[3], code[4]} {}

    // The state in `text` if it has five characters of [0-9A-Z], XX000 otherwise.
    static SqlState from_text(std::string_view text);

    constexpr std::string_view text() const { return {code_.data(), code_.size()}; }

    constexpr bool operator==(const SqlState&) const = default;

private:
    std::array<char, 5> code_{'X', 'X', '0', '0', '0'};
};

namespace sqlstate {
inline constexpr SqlState protocol_violation{"08P01"};
inline constexpr SqlState connection_failure{"08006"};
inline constexpr SqlState connection_does_not_exist{"08003"};
inline constexpr SqlState cannot_connect{"08001"};
inline constexpr SqlState transaction_resolution_unknown{"08007"};
inline constexpr SqlState feature_not_supported{"0A000"};
inline constexpr SqlState invalid_parameter_value{"22023"};
inline constexpr SqlState active_transaction{"25001"};
inline constexpr SqlState no_active_transaction{"25P01"};
inline constexpr SqlState in_failed_transaction{"25P02"};
inline constexpr SqlState idle_in_transaction_timeout{"25P03"};
inline constexpr SqlState invalid_statement_name{"26000"};
inline constexpr SqlState invalid_authorization{"28000"};
inline constexpr SqlState invalid_password{"28P01"};
inline constexpr SqlState invalid_cursor_name{"34000"};
inline constexpr SqlState invalid_database{"3D000"};
inline constexpr SqlState duplicate_prepared_statement{"42P05"};
inline constexpr SqlState insufficient_privilege{"42501"};
inline constexpr SqlState syntax_error{"42601"};
inline constexpr SqlState undefined_object{"42704"};
inline constexpr SqlState too_many_connections{"53300"};
inline constexpr SqlState configuration_limit_exceeded{"53400"};
inline constexpr SqlState out_of_memory{"53200"};
inline constexpr SqlState program_limit_exceeded{"54000"};
inline constexpr SqlState query_canceled{"57014"};
inline constexpr SqlState admin_shutdown{"57P01"};
inline constexpr SqlState cannot_connect_now{"57P03"};
inline constexpr SqlState idle_session_timeout{"57P05"};
inline constexpr SqlState config_file_error{"F0000"};
inline constexpr SqlState internal_error{"XX000"};
}  // namespace sqlstate

enum class Severity { error, fatal };

struct Error {
    SqlState code;
    std::string message;
    std::string detail;
    std::string hint;
    Severity severity = Severity::error;
    std::string routine = {};   // field R, where drivers look at it
    std::string position = {};  // field P, in a text of the client's
    bool operator==(const Error&) const = default;
};

Error error(SqlState code, std::string message, std::string hint = {});
Error fatal(SqlState code, std::string message, std::string hint = {});
// 08P01, FATAL: a peer broke the protocol; its connection ends.
Error violation(std::string message);

template <class T>
using Result = boost::system::result<T, Error>;

// boost::system::result asks for this when value() is called on an error: a bug of the caller.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location&);

}  // namespace weir::protocol
