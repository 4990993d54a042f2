// Authenticator: proves who a client is, by auth_type and what the list of users has of him.
//
// Unknown users and users without a usable secret go through the same exchange as others and fail
// at its end with the same words.
#pragma once

#include "conf/settings.h"
#include "pool/io/control_stream.h"
#include "pool/scram_keys.h"
#include "protocol/message_writer.h"
#include "protocol/scram_key_cache.h"

#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <string>

namespace weir::proxy {

// Not an aggregate on purpose: it is handed to a coroutine (style.md 0.1).
struct AuthenticationRequest {
    AuthenticationRequest() = default;

    std::string user;
    conf::AuthType type = conf::AuthType::md5;
    // What the list of users has: plain, md5 or SCRAM. Absent: no such user. Empty: a user who has
    // no password and cannot log in with one.
    std::optional<std::string> secret;
    int scram_iterations = 4096;  // of secrets made here
    // With auth_type md5: unknown users are asked for SCRAM. To be set where that is what the users
    // of the list have, so that the question does not tell who is on it.
    bool unknown_users_get_scram = false;
};

class Authenticator {
public:
    // Both must outlive this. `learnt` gets the keys of every user with a SCRAM secret who logs in.
    Authenticator(asio::thread_pool& threads, pool::ScramKeys& learnt);

    // Asks the client and checks the answer. What is still to be sent before AuthenticationOk is
    // left in `out`, which must be empty before. Errors are FATAL and fit to be sent.
    asio::awaitable<protocol::Result<void>> authenticate(
        pool::ControlStream& stream, protocol::MessageWriter& out, AuthenticationRequest request
    );

private:
    using Request = AuthenticationRequest;

    asio::awaitable<protocol::Result<void>> by_password(
        pool::ControlStream& stream, protocol::MessageWriter& out, const Request& request
    );
    asio::awaitable<protocol::Result<void>> by_md5(
        pool::ControlStream& stream, protocol::MessageWriter& out, const Request& request
    );
    asio::awaitable<protocol::Result<void>> by_scram(
        pool::ControlStream& stream, protocol::MessageWriter& out, const Request& request
    );
    asio::awaitable<bool> is_password(const Request& request, std::string password);
    asio::awaitable<std::optional<protocol::ScramKeyPair>> keys_of(
        std::string password, std::string salt, unsigned iterations
    );
    std::string stable_salt(const std::string& user) const;

    asio::thread_pool& threads_;
    pool::ScramKeys& learnt_;
    protocol::ScramKeyCache key_cache_;
    const std::string process_secret_;
};

}  // namespace weir::proxy
