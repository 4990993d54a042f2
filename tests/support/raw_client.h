// A client that speaks the protocol byte by byte over blocking sockets with deadlines: any order,
// any split, any nonsense.
#pragma once

#include "tests/support/backend_message.h"
#include "tests/support/deadline.h"
#include "tests/support/frontend_message.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace weir::test {

class RawClient {
public:
    // Throws std::runtime_error if nobody accepts.
    static RawClient tcp(int port, const std::string& address = "127.0.0.1");
    static RawClient unix_socket(const std::string& path);

    ~RawClient();
    RawClient(RawClient&& other) noexcept;
    RawClient& operator=(RawClient&&) = delete;

    // Every receiving function throws when this much time passes without what it waits for.
    void set_wait(std::chrono::milliseconds wait) { wait_ = wait; }

    // --- bytes
    void send(std::string_view bytes);
    // In pieces of `size`, each in a segment of its own.
    void send_in_chunks(std::string_view bytes, std::size_t size);
    // As much as the socket takes without waiting; how much that was. Plain connections only.
    std::size_t send_some(std::string_view bytes);
    std::string receive_bytes(std::size_t count);
    // Reads on until the peer closes (an RST counts as well) and gives back what came before.
    std::string receive_to_end();
    // True if something came (or the peer has closed) within the time.
    bool readable_within(std::chrono::milliseconds time) const;

    // --- messages
    BackendMessage receive();
    // Nothing if the peer has closed.
    std::optional<BackendMessage> receive_or_end();
    // Up to and with the first message of this type; ErrorResponse does not end it.
    BackendMessages receive_until(char type);
    // All up to the peer's end.
    BackendMessages receive_messages_to_end();
    // Query and everything up to ReadyForQuery.
    BackendMessages exchange(std::string_view bytes);

    BackendMessages simple(std::string_view sql) { return exchange(query(sql)); }

    // --- login
    // Startup up to ReadyForQuery, with any authentication asked for. Throws with the
    // ErrorResponse's text if it is refused. Keeps BackendKeyData.
    BackendMessages login(
        const std::string& user,
        const std::string& database,
        const std::string& password = "",
        const StartupParameters& more = {}
    );
    // The same as from login(), but errors come back among the messages, up to the peer's end.
    BackendMessages try_login(
        const std::string& user,
        const std::string& database,
        const std::string& password = "",
        const StartupParameters& more = {}
    );
    // Answers one Authentication message of the kind that wants an answer.
    void answer_authentication(
        const BackendMessage& request, const std::string& user, const std::string& password
    );

    std::uint32_t key_pid() const { return key_pid_; }

    const std::string& key_secret() const { return key_secret_; }

    // SSLRequest, 'S' and the handshake; certificates are not checked. `options` as for
    // SSL_CTX_set_max_proto_version: 0 means none.
    void start_tls(int max_protocol_version = 0);
    // Only the handshake, after a test has done the rest itself.
    void tls_handshake(int max_protocol_version = 0);

    // --- ways to go
    void half_close();  // FIN: no more from us, we still read
    void reset();       // RST
    void close();       // plain close without Terminate

    int descriptor() const { return fd_; }

private:
    explicit RawClient(int fd) : fd_(fd) {}

    // Up to `count` bytes; 0 = the peer has closed.
    std::size_t read_some(char* to, std::size_t count);
    std::size_t read_tls(char* to, std::size_t count, const Deadline& deadline);
    void poll_for(short events, const Deadline& deadline) const;
    void send_tls(std::string_view bytes);
    void answer_sasl(const BackendMessage& request, const std::string& password);

    int fd_;
    ssl_ctx_st* context_ = nullptr;
    ssl_st* ssl_ = nullptr;
    std::chrono::milliseconds wait_ = default_wait;
    std::uint32_t key_pid_ = 0;
    std::string key_secret_;
};

}  // namespace weir::test
