// The messages of a server's login, in the manual's words (55.7), read and written.
//
// Views point into the body that was parsed and live as long as it does.
#pragma once

#include "protocol/error.h"
#include "protocol/md5_password.h"
#include "protocol/message_writer.h"

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::protocol {

// The fields of ErrorResponse and NoticeResponse that somebody here uses (manual 55.8). A field
// the server left out is empty: none can be relied on.
struct ErrorResponse {
    std::string_view severity;  // the unlocalised one (V) if there is one, else S
    std::string_view code;
    std::string_view message;
    std::string_view detail;
    std::string_view hint;
    std::string_view file;      // of PostgreSQL's sources (F)
    std::string_view routine;   // PostgreSQL's C function (R): not localised
    std::string_view position;  // in the text (P), counted in characters from 1
    bool within = false;        // it is about something that the client's statement ran (q, W)

    // What a client can be told. XX000 without an SQLSTATE, and never an empty message.
    Error to_error() const;
};

using NoticeResponse = ErrorResponse;

struct ParameterStatus {
    std::string_view name;
    std::string_view value;
};

struct AuthenticationOk {};

struct AuthenticationCleartextPassword {};

struct AuthenticationMD5Password {
    Md5Salt salt;
};

struct AuthenticationSASL {
    std::vector<std::string_view> mechanisms;
};

struct AuthenticationSASLContinue {
    std::string_view data;
};

struct AuthenticationSASLFinal {
    std::string_view data;
};

// Kerberos, GSSAPI, SSPI, SCM credentials and whatever comes later.
struct AuthenticationUnsupported {
    std::uint32_t method;
};

using Authentication = std::variant<
    AuthenticationOk,
    AuthenticationCleartextPassword,
    AuthenticationMD5Password,
    AuthenticationSASL,
    AuthenticationSASLContinue,
    AuthenticationSASLFinal,
    AuthenticationUnsupported>;

Result<ErrorResponse> parse_error_response(Bytes body);
Result<ParameterStatus> parse_parameter_status(Bytes body);
Result<CancelKey> parse_backend_key_data(Bytes body);
Result<Authentication> parse_authentication(Bytes body);
Result<TransactionStatus> parse_ready_for_query(Bytes body);

// SASLInitialResponse; `initial_response` is absent if the client sent length -1.
struct SASLInitialResponse {
    std::string_view mechanism;
    std::optional<std::string_view> initial_response;
};

Result<SASLInitialResponse> parse_sasl_initial_response(Bytes body);
// PasswordMessage: one text with its NUL at the very end.
Result<std::string_view> parse_password_message(Bytes body);

void write_authentication_ok(MessageWriter& out);
void write_authentication_cleartext_password(MessageWriter& out);
void write_authentication_md5_password(const Md5Salt& salt, MessageWriter& out);
void write_authentication_sasl(std::string_view mechanism, MessageWriter& out);
void write_authentication_sasl_continue(std::string_view data, MessageWriter& out);
void write_authentication_sasl_final(std::string_view data, MessageWriter& out);
void write_backend_key_data(const CancelKey& key, MessageWriter& out);

void write_password_message(std::string_view password, MessageWriter& out);
void write_sasl_initial_response(
    std::string_view mechanism, std::string_view data, MessageWriter& out
);
void write_sasl_response(std::string_view data, MessageWriter& out);

}  // namespace weir::protocol
