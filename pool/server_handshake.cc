#include "pool/server_handshake.h"

#include "pool/io/run_on.h"
#include "protocol/message.h"

#include <algorithm>

namespace weir::pool {

using protocol::Result;
namespace sqlstate = protocol::sqlstate;

namespace {

// Of one message, and of all messages of one login: far above what any server sends.
constexpr std::size_t max_login_message = std::size_t{128} * 1024;
constexpr std::size_t max_login_bytes = std::size_t{1024} * 1024;

protocol::Error failed(std::string what) {
    return protocol::fatal(sqlstate::protocol_violation, "server login failed: " + std::move(what));
}

protocol::Error unexpected(const LoginMessage& message) {
    const auto code = static_cast<unsigned char>(message.type);
    return failed("unexpected message type " + std::to_string(code));
}

protocol::Error wrong_password_type() {
    return protocol::fatal(
        sqlstate::invalid_password,
        "server login failed: wrong password type",
        "The server asks for a password that is not known here, or known in another form only."
    );
}

}  // namespace

asio::awaitable<Result<void>> ServerHandshake::run(bool clear_text_is_safe) {
    protocol::Settings parameters{{"user", target_.user}, {"database", target_.database}};
    const auto& more = target_.startup_parameters;
    parameters.insert(parameters.end(), more.begin(), more.end());
    protocol::MessageWriter startup;
    // 3.0: every server speaks it, and nothing of 3.2 is needed towards servers.
    protocol::write_startup_message({3, 0}, parameters, startup);
    auto sent = co_await send(startup);
    if (!sent) co_return sent.error();
    auto authenticated = co_await authenticate(clear_text_is_safe);
    if (!authenticated) co_return authenticated.error();
    co_return co_await collect();
}

asio::awaitable<Result<void>> ServerHandshake::send(const protocol::MessageWriter& messages) {
    const auto bytes = messages.view();
    co_return co_await stream_.write(bytes);
}

asio::awaitable<Result<LoginMessage>> ServerHandshake::next() {
    while (true) {
        auto message = co_await stream_.read_message(max_login_message);
        if (!message) co_return message.error();
        received_ += message->body.size();
        if (received_ > max_login_bytes) co_return failed("the server sends too much");
        if (message->type == protocol::backend::notice_response) continue;
        if (message->type == protocol::backend::error_response) {
            const auto response = protocol::parse_error_response(as_bytes(message->body));
            if (!response) co_return response.error();
            auto error = response->to_error();
            // Whatever it said, this connection does not come to life.
            error.severity = protocol::Severity::fatal;
            co_return error;
        }
        co_return std::move(*message);
    }
}

asio::awaitable<Result<void>> ServerHandshake::authenticate(bool clear_text_is_safe) {
    auto message = co_await next();
    if (!message) co_return message.error();
    if (message->type != protocol::backend::authentication) co_return unexpected(*message);
    const auto request = protocol::parse_authentication(as_bytes(message->body));
    if (!request) co_return request.error();
    if (std::holds_alternative<protocol::AuthenticationOk>(*request)) co_return Result<void>();

    const auto& password = credentials_.password;
    if (std::holds_alternative<protocol::AuthenticationCleartextPassword>(*request)) {
        if (!clear_text_is_safe && !credentials_.allow_clear_text) {
            co_return failed("the server asks for a clear-text password over an open network");
        }
        if (!password || protocol::is_md5_secret(*password) ||
            protocol::is_scram_secret(*password)) {
            co_return wrong_password_type();
        }
        std::string answer = *password;
        co_return co_await send_password(std::move(answer));
    }
    if (const auto* const md5 = std::get_if<protocol::AuthenticationMD5Password>(&*request)) {
        if (!password || protocol::is_scram_secret(*password)) co_return wrong_password_type();
        const auto secret = protocol::is_md5_secret(*password)
                                ? password
                                : protocol::md5_secret(target_.user, *password);
        auto answer = secret ? protocol::md5_response(*secret, md5->salt) : std::nullopt;
        if (!answer) co_return failed("MD5 is not available on this machine");
        co_return co_await send_password(std::move(*answer));
    }
    if (const auto* const sasl = std::get_if<protocol::AuthenticationSASL>(&*request)) {
        const auto& offered = sasl->mechanisms;
        if (std::find(offered.begin(), offered.end(), protocol::scram_mechanism) == offered.end()) {
            co_return failed("the server offers no SASL mechanism that is known here");
        }
        co_return co_await scram();
    }
    co_return failed("the server asks for an authentication method that is not supported");
}

asio::awaitable<Result<void>> ServerHandshake::send_password(std::string password) {
    if (password.find('\0') != std::string::npos) co_return wrong_password_type();
    protocol::MessageWriter answer;
    protocol::write_password_message(password, answer);
    auto sent = co_await send(answer);
    if (!sent) co_return sent.error();
    co_return co_await expect_ok();
}

asio::awaitable<Result<void>> ServerHandshake::expect_ok() {
    auto message = co_await next();
    if (!message) co_return message.error();
    if (message->type != protocol::backend::authentication) co_return unexpected(*message);
    const auto answer = protocol::parse_authentication(as_bytes(message->body));
    if (!answer) co_return answer.error();
    if (!std::holds_alternative<protocol::AuthenticationOk>(*answer)) {
        co_return failed("the server asks a second time");
    }
    co_return Result<void>();
}

asio::awaitable<Result<void>> ServerHandshake::scram() {
    const auto& password = credentials_.password;
    const bool is_plain =
        password && !protocol::is_md5_secret(*password) && !protocol::is_scram_secret(*password);
    if (!is_plain && !credentials_.scram_keys) co_return wrong_password_type();

    protocol::ScramClient client(protocol::scram_nonce());
    protocol::MessageWriter out;
    protocol::write_sasl_initial_response(protocol::scram_mechanism, client.first(), out);
    auto sent = co_await send(out);
    if (!sent) co_return sent.error();

    auto message = co_await next();
    if (!message) co_return message.error();
    if (message->type != protocol::backend::authentication) co_return unexpected(*message);
    const auto request = protocol::parse_authentication(as_bytes(message->body));
    const auto* const challenge =
        request ? std::get_if<protocol::AuthenticationSASLContinue>(&*request) : nullptr;
    if (challenge == nullptr) co_return failed("SASL out of order");
    if (auto taken = client.take_challenge(challenge->data); !taken) co_return taken.error();
    std::string salt(client.salt());
    auto keys = co_await keys_for(std::move(salt), client.iterations());
    if (!keys) co_return keys.error();
    out.clear();
    protocol::write_sasl_response(client.final_message(*keys), out);
    sent = co_await send(out);
    if (!sent) co_return sent.error();

    auto answer = co_await next();
    if (!answer) co_return answer.error();
    if (answer->type != protocol::backend::authentication) co_return unexpected(*answer);
    const auto outcome = protocol::parse_authentication(as_bytes(answer->body));
    const auto* const final_message =
        outcome ? std::get_if<protocol::AuthenticationSASLFinal>(&*outcome) : nullptr;
    // An AuthenticationOk in its place would skip the proof that the server knows the secret.
    if (final_message == nullptr) co_return failed("SASL out of order");
    if (auto right = client.verify(final_message->data); !right) co_return right.error();
    co_return co_await expect_ok();
}

asio::awaitable<Result<protocol::ScramKeyPair>> ServerHandshake::keys_for(
    std::string salt, unsigned iterations
) {
    const auto& password = credentials_.password;
    if (!password || protocol::is_md5_secret(*password) || protocol::is_scram_secret(*password)) {
        const auto& keys = *credentials_.scram_keys;
        if (keys.salt != salt || keys.iterations != iterations) {
            co_return protocol::fatal(
                sqlstate::invalid_password,
                "server login failed: the server has another SCRAM secret for this user",
                "Copy the secret from the server's pg_authid.rolpassword to auth_file."
            );
        }
        co_return keys;
    }
    if (auto known = key_cache_.find(*password, salt, iterations)) co_return *known;
    auto work = [text = *password, salt, iterations] {
        return protocol::scram_keys(text, salt, iterations);
    };
    auto keys = co_await run_on(threads_, std::move(work));
    if (!keys) co_return failed("the SCRAM keys could not be computed");
    key_cache_.remember(*password, *keys);
    co_return *keys;
}

asio::awaitable<Result<void>> ServerHandshake::collect() {
    while (true) {
        auto message = co_await next();
        if (!message) co_return message.error();
        const auto body = as_bytes(message->body);
        switch (message->type) {
            case protocol::backend::parameter_status: {
                const auto parameter = protocol::parse_parameter_status(body);
                if (!parameter) co_return parameter.error();
                take_parameter(parameter->name, parameter->value);
                break;
            }
            case protocol::backend::backend_key_data: {
                auto key = protocol::parse_backend_key_data(body);
                if (!key) co_return key.error();
                cancel_key_ = std::move(*key);
                break;
            }
            case protocol::backend::ready_for_query: {
                const auto status = protocol::parse_ready_for_query(body);
                if (!status) co_return status.error();
                if (*status == protocol::TransactionStatus::idle) co_return Result<void>();
                co_return failed("the server starts inside a transaction");
            }
            default:
                co_return unexpected(*message);
        }
    }
}

void ServerHandshake::take_parameter(std::string_view name, std::string_view value) {
    const auto known =
        std::find_if(parameters_.begin(), parameters_.end(), [&](const auto& parameter) {
            return parameter.first == name;
        });
    if (known != parameters_.end()) {
        known->second = value;
    } else {
        parameters_.emplace_back(name, value);
    }
}

}  // namespace weir::pool
