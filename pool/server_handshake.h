// ServerHandshake: the conversation from the startup packet to the first ReadyForQuery, on a stream
// that is connected and has its TLS.
#pragma once

#include "pool/server_login.h"

namespace weir::pool {

class ServerHandshake {
public:
    // All of these must outlive this.
    ServerHandshake(
        ControlStream& stream,
        const ServerTarget& target,
        const ServerCredentials& credentials,
        asio::thread_pool& threads,
        protocol::ScramKeyCache& key_cache
    )
        : stream_(stream),
          target_(target),
          credentials_(credentials),
          threads_(threads),
          key_cache_(key_cache) {}

    // `clear_text_is_safe`: nobody can listen on this connection. On success parameters() and
    // cancel_key() are what the server said and it is idle.
    asio::awaitable<protocol::Result<void>> run(bool clear_text_is_safe);

    protocol::Settings& parameters() { return parameters_; }

    protocol::CancelKey& cancel_key() { return cancel_key_; }

private:
    asio::awaitable<protocol::Result<void>> send(const protocol::MessageWriter& messages);
    // The next message that is no notice. An ErrorResponse comes as the Error it holds.
    asio::awaitable<protocol::Result<LoginMessage>> next();
    asio::awaitable<protocol::Result<void>> authenticate(bool clear_text_is_safe);
    asio::awaitable<protocol::Result<void>> send_password(std::string password);
    asio::awaitable<protocol::Result<void>> expect_ok();
    asio::awaitable<protocol::Result<void>> scram();
    asio::awaitable<protocol::Result<protocol::ScramKeyPair>> keys_for(
        std::string salt, unsigned iterations
    );
    asio::awaitable<protocol::Result<void>> collect();
    void take_parameter(std::string_view name, std::string_view value);

    ControlStream& stream_;
    const ServerTarget& target_;
    const ServerCredentials& credentials_;
    asio::thread_pool& threads_;
    protocol::ScramKeyCache& key_cache_;
    std::size_t received_ = 0;  // bytes of all messages so far
    protocol::Settings parameters_;
    protocol::CancelKey cancel_key_;
};

}  // namespace weir::pool
