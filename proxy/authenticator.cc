#include "proxy/authenticator.h"

#include "pool/io/run_on.h"
#include "protocol/backend_messages.h"
#include "protocol/md5_password.h"
#include "protocol/message.h"
#include "protocol/scram.h"

#include <algorithm>

namespace weir::proxy {

using conf::AuthType;
using pool::ControlStream;
using protocol::MessageWriter;
using protocol::Result;
namespace sqlstate = protocol::sqlstate;

namespace {

// PostgreSQL's PG_MAX_AUTH_TOKEN_LENGTH: tokens of cloud services are passwords of several kB.
constexpr std::size_t max_password_message = 65535;

protocol::Error wrong_password() {
    return protocol::fatal(sqlstate::invalid_password, "password authentication failed");
}

protocol::Error sasl_failed(std::string detail) {
    auto error = protocol::violation("SASL authentication failed");
    error.detail = std::move(detail);
    return error;
}

// Sends what is in `out` and empties it.
asio::awaitable<Result<void>> flush(ControlStream& stream, MessageWriter& out) {
    const auto bytes = out.view();
    auto sent = co_await stream.write(bytes);
    out.clear();
    co_return sent;
}

// The body of the client's next message, which must be a 'p'.
asio::awaitable<Result<std::string>> read_answer(ControlStream& stream, std::size_t max_body) {
    if (stream.unread().empty()) {
        auto filled = co_await stream.fill();
        if (!filled) co_return filled.error();
    }
    // Before anything is waited for: the length of another message is none of our business.
    const char type_byte = stream.unread().front();
    if (type_byte != protocol::frontend::password) {
        const auto type = static_cast<unsigned char>(type_byte);
        co_return protocol::violation(
            "expected password response, got message type " + std::to_string(type)
        );
    }
    auto message = co_await stream.read_message(max_body);
    if (!message) co_return message.error();
    co_return std::move(message->body);
}

// Does not tell by its time where two texts differ, nor how long the secret one is.
bool same_text(std::string_view left, std::string_view right) {
    return protocol::equal_in_constant_time(
        protocol::sha256(as_bytes(left)), protocol::sha256(as_bytes(right))
    );
}

bool has_plain_secret(const AuthenticationRequest& request) {
    return request.secret && !request.secret->empty() &&
           !protocol::is_md5_secret(*request.secret) && !protocol::is_scram_secret(*request.secret);
}

}  // namespace

Authenticator::Authenticator(asio::thread_pool& threads, pool::ScramKeys& learnt)
    : threads_(threads), learnt_(learnt), process_secret_(protocol::random_bytes(32)) {}

asio::awaitable<Result<void>> Authenticator::authenticate(
    ControlStream& stream, MessageWriter& out, AuthenticationRequest request
) {
    switch (request.type) {
        case AuthType::any:
            co_return Result<void>();
        case AuthType::trust:
            if (request.secret) co_return Result<void>();
            co_return protocol::fatal(
                sqlstate::invalid_authorization, "\"trust\" authentication failed"
            );
        case AuthType::plain:
            co_return co_await by_password(stream, out, request);
        case AuthType::md5: {
            const bool scram = request.secret ? protocol::is_scram_secret(*request.secret)
                                              : request.unknown_users_get_scram;
            if (scram) co_return co_await by_scram(stream, out, request);
            co_return co_await by_md5(stream, out, request);
        }
        case AuthType::scram_sha_256:
            co_return co_await by_scram(stream, out, request);
    }
    co_return protocol::fatal(sqlstate::invalid_authorization, "no authentication method is found");
}

asio::awaitable<Result<void>> Authenticator::by_password(
    ControlStream& stream, MessageWriter& out, const Request& request
) {
    protocol::write_authentication_cleartext_password(out);
    auto sent = co_await flush(stream, out);
    if (!sent) co_return sent.error();
    auto body = co_await read_answer(stream, max_password_message);
    if (!body) co_return body.error();
    const auto answer = protocol::parse_password_message(as_bytes(*body));
    if (!answer) co_return answer.error();
    if (answer->empty()) {
        co_return protocol::fatal(sqlstate::invalid_password, "empty password returned by client");
    }
    std::string password(*answer);
    const bool right = co_await is_password(request, std::move(password));
    if (!right) co_return wrong_password();
    co_return Result<void>();
}

asio::awaitable<bool> Authenticator::is_password(const Request& request, std::string password) {
    const auto& secret = request.secret;
    if (!secret || secret->empty()) co_return false;
    if (protocol::is_md5_secret(*secret)) {
        const auto own = protocol::md5_secret(request.user, password);
        co_return own&& same_text(*own, *secret);
    }
    const auto scram = protocol::ScramSecret::parse(*secret);
    if (!scram) co_return same_text(password, *secret);
    const auto keys = co_await keys_of(std::move(password), scram->salt, scram->iterations);
    if (!keys) co_return false;
    const auto own = keys->secret();
    if (!protocol::equal_in_constant_time(own.stored_key, scram->stored_key)) co_return false;
    learnt_.learn(request.user, *keys);
    co_return true;
}

asio::awaitable<Result<void>> Authenticator::by_md5(
    ControlStream& stream, MessageWriter& out, const Request& request
) {
    protocol::Md5Salt salt{};
    const auto random = protocol::random_bytes(salt.size());
    std::copy_n(as_bytes(random).begin(), salt.size(), salt.begin());
    protocol::write_authentication_md5_password(salt, out);
    auto sent = co_await flush(stream, out);
    if (!sent) co_return sent.error();
    auto body = co_await read_answer(stream, max_password_message);
    if (!body) co_return body.error();
    const auto answer = protocol::parse_password_message(as_bytes(*body));
    if (!answer) co_return answer.error();
    if (answer->empty()) {
        co_return protocol::fatal(sqlstate::invalid_password, "empty password returned by client");
    }
    const bool usable = request.secret && !request.secret->empty();
    // For nobody's secret the same is computed.
    const auto text = usable ? *request.secret : process_secret_;
    const auto secret =
        protocol::is_md5_secret(text) ? text : protocol::md5_secret(request.user, text);
    const auto expected = secret ? protocol::md5_response(*secret, salt) : std::nullopt;
    if (!expected || !same_text(*answer, *expected) || !usable) co_return wrong_password();
    co_return Result<void>();
}

asio::awaitable<Result<void>> Authenticator::by_scram(
    ControlStream& stream, MessageWriter& out, const Request& request
) {
    auto secret = request.secret ? protocol::ScramSecret::parse(*request.secret) : std::nullopt;
    const bool stored = secret.has_value();
    // The salt of a secret made here and of one that does not exist look alike, and stay.
    const std::string salt = stored ? secret->salt : stable_salt(request.user);
    const unsigned iterations =
        stored ? secret->iterations : static_cast<unsigned>(std::max(request.scram_iterations, 1));

    protocol::write_authentication_sasl(protocol::scram_mechanism, out);
    auto sent = co_await flush(stream, out);
    if (!sent) co_return sent.error();
    auto body = co_await read_answer(stream, 2 * protocol::max_sasl_message);
    if (!body) co_return body.error();
    const auto initial = protocol::parse_sasl_initial_response(as_bytes(*body));
    if (!initial) co_return initial.error();
    if (initial->mechanism != protocol::scram_mechanism) {
        co_return protocol::violation("client selected an invalid SASL authentication mechanism");
    }
    if (!initial->initial_response) co_return sasl_failed("initial response is missing");

    protocol::ScramServer server(protocol::scram_nonce());
    const auto challenge = server.challenge(*initial->initial_response, salt, iterations);
    if (!challenge) co_return challenge.error();
    protocol::write_authentication_sasl_continue(*challenge, out);
    sent = co_await flush(stream, out);
    if (!sent) co_return sent.error();
    auto final_body = co_await read_answer(stream, 2 * protocol::max_sasl_message);
    if (!final_body) co_return final_body.error();
    if (auto taken = server.take_final(*final_body); !taken) co_return taken.error();

    if (has_plain_secret(request)) {
        const auto keys = co_await keys_of(*request.secret, salt, iterations);
        if (keys) secret = keys->secret();
    }
    const auto final_message = server.verify(secret);
    if (!final_message) co_return final_message.error();
    if (stored) learnt_.learn(request.user, server.keys());
    protocol::write_authentication_sasl_final(*final_message, out);
    co_return Result<void>();
}

asio::awaitable<std::optional<protocol::ScramKeyPair>> Authenticator::keys_of(
    std::string password, std::string salt, unsigned iterations
) {
    if (auto known = key_cache_.find(password, salt, iterations)) co_return known;
    auto work = [password, salt, iterations] {
        return protocol::scram_keys(password, salt, iterations);
    };
    auto keys = co_await pool::run_on(threads_, std::move(work));
    if (keys) key_cache_.remember(password, *keys);
    co_return keys;
}

std::string Authenticator::stable_salt(const std::string& user) const {
    const auto digest = protocol::hmac_sha256(as_bytes(process_secret_), as_bytes(user));
    return std::string(as_text(digest).substr(0, 16));
}

}  // namespace weir::proxy
