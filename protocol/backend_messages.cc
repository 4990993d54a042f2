#include "protocol/backend_messages.h"

#include "protocol/field_cursor.h"
#include "protocol/message.h"
#include "protocol/startup.h"

namespace weir::protocol {

namespace {

// Codes of the Authentication* messages.
enum : std::uint32_t {
    method_ok = 0,
    method_cleartext = 3,
    method_md5 = 5,
    method_sasl = 10,
    method_sasl_continue = 11,
    method_sasl_final = 12,
};

// More mechanisms than any server has; keeps the list bounded.
constexpr std::size_t max_mechanisms = 16;

Error broken(std::string_view message_name) {
    return violation("invalid " + std::string(message_name) + " message");
}

Result<Authentication> parse_sasl(FieldCursor& fields) {
    AuthenticationSASL sasl;
    while (true) {
        const auto mechanism = fields.c_string();
        if (mechanism.empty()) break;
        if (sasl.mechanisms.size() == max_mechanisms) return broken("AuthenticationSASL");
        sasl.mechanisms.push_back(mechanism);
    }
    if (!fields.finished()) return broken("AuthenticationSASL");
    return Authentication{std::move(sasl)};
}

void write_authentication(std::uint32_t method, std::string_view data, MessageWriter& out) {
    out.begin(backend::authentication).u32(method).text(data).end();
}

}  // namespace

Error ErrorResponse::to_error() const {
    Error error;
    error.code = SqlState::from_text(code);
    error.message = message.empty() ? "server sent an error without a message" : message;
    error.detail = detail;
    error.hint = hint;
    error.position = position;
    error.severity = severity == "ERROR" ? Severity::error : Severity::fatal;
    return error;
}

Result<ErrorResponse> parse_error_response(Bytes body) {
    FieldCursor fields(body);
    ErrorResponse response;
    while (true) {
        const auto kind = fields.u8();
        if (kind == 0) break;
        const auto value = fields.c_string();
        switch (kind) {
            case 'S':
                if (response.severity.empty()) response.severity = value;
                break;
            case 'V':
                response.severity = value;
                break;
            case 'C':
                response.code = value;
                break;
            case 'M':
                response.message = value;
                break;
            case 'D':
                response.detail = value;
                break;
            case 'H':
                response.hint = value;
                break;
            case 'R':
                response.routine = value;
                break;
            case 'P':
                response.position = value;
                break;
            case 'F':
                response.file = value;
                break;
            case 'q':
            case 'W':
                response.within = true;
                break;
            default:
                break;  // the manual: unknown kinds are ignored
        }
    }
    if (!fields.finished()) return broken("ErrorResponse");
    return response;
}

Result<ParameterStatus> parse_parameter_status(Bytes body) {
    FieldCursor fields(body);
    ParameterStatus status;
    status.name = fields.c_string();
    status.value = fields.c_string();
    if (!fields.finished() || status.name.empty()) return broken("ParameterStatus");
    return status;
}

Result<CancelKey> parse_backend_key_data(Bytes body) {
    FieldCursor fields(body);
    CancelKey key;
    key.process_id = fields.i32();
    key.secret = as_text(fields.rest());
    if (!fields.finished() || key.secret.size() < min_cancel_secret ||
        key.secret.size() > max_cancel_secret) {
        return broken("BackendKeyData");
    }
    return key;
}

Result<Authentication> parse_authentication(Bytes body) {
    FieldCursor fields(body);
    const auto method = fields.u32();
    if (!fields.ok()) return broken("Authentication");
    switch (method) {
        case method_ok:
            if (!fields.finished()) return broken("AuthenticationOk");
            return Authentication{AuthenticationOk{}};
        case method_cleartext:
            if (!fields.finished()) return broken("AuthenticationCleartextPassword");
            return Authentication{AuthenticationCleartextPassword{}};
        case method_md5: {
            AuthenticationMD5Password md5{};
            for (auto& byte : md5.salt)
                byte = std::byte{fields.u8()};
            if (!fields.finished()) return broken("AuthenticationMD5Password");
            return Authentication{md5};
        }
        case method_sasl:
            return parse_sasl(fields);
        case method_sasl_continue:
            return Authentication{AuthenticationSASLContinue{as_text(fields.rest())}};
        case method_sasl_final:
            return Authentication{AuthenticationSASLFinal{as_text(fields.rest())}};
        default:
            return Authentication{AuthenticationUnsupported{method}};
    }
}

Result<TransactionStatus> parse_ready_for_query(Bytes body) {
    FieldCursor fields(body);
    const char status = static_cast<char>(fields.u8());
    if (!fields.finished() || (status != 'I' && status != 'T' && status != 'E')) {
        return broken("ReadyForQuery");
    }
    return static_cast<TransactionStatus>(status);
}

Result<SASLInitialResponse> parse_sasl_initial_response(Bytes body) {
    FieldCursor fields(body);
    SASLInitialResponse response;
    response.mechanism = fields.c_string();
    const auto length = fields.i32();
    // -1 stands for "no response"; any other negative length is nonsense.
    if (length >= 0) {
        response.initial_response = as_text(fields.take(static_cast<std::size_t>(length)));
    }
    if (!fields.finished() || length < -1) return broken("SASLInitialResponse");
    return response;
}

Result<std::string_view> parse_password_message(Bytes body) {
    FieldCursor fields(body);
    const auto password = fields.c_string();
    if (!fields.finished()) return broken("PasswordMessage");
    return password;
}

void write_authentication_ok(MessageWriter& out) {
    write_authentication(method_ok, {}, out);
}

void write_authentication_cleartext_password(MessageWriter& out) {
    write_authentication(method_cleartext, {}, out);
}

void write_authentication_md5_password(const Md5Salt& salt, MessageWriter& out) {
    write_authentication(method_md5, as_text(salt), out);
}

void write_authentication_sasl(std::string_view mechanism, MessageWriter& out) {
    out.begin(backend::authentication).u32(method_sasl).c_string(mechanism).u8(0).end();
}

void write_authentication_sasl_continue(std::string_view data, MessageWriter& out) {
    write_authentication(method_sasl_continue, data, out);
}

void write_authentication_sasl_final(std::string_view data, MessageWriter& out) {
    write_authentication(method_sasl_final, data, out);
}

void write_backend_key_data(const CancelKey& key, MessageWriter& out) {
    out.begin(backend::backend_key_data).i32(key.process_id).text(key.secret).end();
}

void write_password_message(std::string_view password, MessageWriter& out) {
    out.begin(frontend::password).c_string(password).end();
}

void write_sasl_initial_response(
    std::string_view mechanism, std::string_view data, MessageWriter& out
) {
    out.begin(frontend::password).c_string(mechanism);
    out.u32(static_cast<std::uint32_t>(data.size())).text(data).end();
}

void write_sasl_response(std::string_view data, MessageWriter& out) {
    out.begin(frontend::password).text(data).end();
}

}  // namespace weir::protocol
