// SCRAM-SHA-256 (RFC 5802, 7677) without channel binding, as PostgreSQL speaks it: both sides as
// state machines without I/O, secrets, and the keys that log in without a password.
//
// Nothing here runs PBKDF2 except salted_password(): callers take that to a thread of its own.
// All comparisons with secret values are in constant time.
#pragma once

#include "protocol/error.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace weir::protocol {

inline constexpr std::string_view scram_mechanism = "SCRAM-SHA-256";
// Bounds the work a server can ask for: about half a second of PBKDF2.
inline constexpr unsigned max_scram_iterations = 1'000'000;
// PostgreSQL's PG_MAX_SASL_MESSAGE_LENGTH; also bounds nonces and salts.
inline constexpr std::size_t max_sasl_message = 1024;

using ScramDigest = std::array<std::byte, 32>;

// H(), HMAC(), and text forms. Throws std::runtime_error only if OpenSSL has no SHA-256.
ScramDigest sha256(Bytes text);
ScramDigest hmac_sha256(Bytes key, Bytes text);
std::string base64_encode(Bytes bytes);
// Strict: no white space, right padding.
std::optional<std::string> base64_decode(std::string_view text);
bool equal_in_constant_time(Bytes left, Bytes right);
// From the operating system's generator. Throws std::runtime_error if that fails.
std::string random_bytes(std::size_t count);
// 24 printable characters, 18 random bytes.
std::string scram_nonce();

// What PostgreSQL keeps of a password: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
struct ScramSecret {
    unsigned iterations = 0;
    std::string salt;  // raw bytes
    ScramDigest stored_key{};
    ScramDigest server_key{};

    // Nothing if `text` is no such secret or has more iterations than allowed.
    static std::optional<ScramSecret> parse(std::string_view text);
    std::string text() const;
    bool operator==(const ScramSecret&) const = default;
};

bool is_scram_secret(std::string_view text);

// What proves the knowledge of a password for one salt and iteration count: enough to log in.
struct ScramKeyPair {
    unsigned iterations = 0;
    std::string salt;  // raw bytes
    ScramDigest client_key{};
    ScramDigest server_key{};

    // The secret these keys belong to.
    ScramSecret secret() const;
    bool operator==(const ScramKeyPair&) const = default;
};

// Hi(): PBKDF2 over saslprep(password). Takes about 0.1 us per iteration. Nothing if OpenSSL fails.
std::optional<ScramDigest> salted_password(
    std::string_view password, std::string_view salt, unsigned iterations
);
// The keys of a password: salted_password() and two HMACs.
std::optional<ScramKeyPair> scram_keys(
    std::string_view password, std::string_view salt, unsigned iterations
);

// The side of a server. Errors are FATAL: 08P01 for a message that is none, 28P01 for a proof that
// is wrong.
class ScramServer {
public:
    // `nonce` is this side's part.
    explicit ScramServer(std::string nonce) : nonce_(std::move(nonce)) {}

    // client-first-message in, server-first-message out. The secret is not needed yet.
    Result<std::string> challenge(
        std::string_view client_first, std::string_view salt, unsigned iterations
    );
    // client-final-message in: takes it apart. REQUIRES: challenge() was successful.
    Result<void> take_final(std::string_view client_final);
    // server-final-message out if the proof is right. REQUIRES: take_final() was successful.
    // `secret` absent: a user that does not exist; the same work, always wrong.
    Result<std::string> verify(const std::optional<ScramSecret>& secret);

    // The client's own key: pass-through logins live on it. REQUIRES: verify() was successful.
    const ScramKeyPair& keys() const { return keys_; }

private:
    std::string nonce_;
    std::string gs2_header_;
    std::string auth_message_;  // grows: client-first-bare, server-first, client-final-no-proof
    ScramDigest proof_{};
    ScramKeyPair keys_;
};

// The side of a client.
class ScramClient {
public:
    explicit ScramClient(std::string nonce) : nonce_(std::move(nonce)) {}

    // client-first-message. The user name is left empty, as libpq does: the startup packet has it.
    std::string first() const;
    // server-first-message in. Afterwards salt() and iterations() are known.
    Result<void> take_challenge(std::string_view server_first);

    std::string_view salt() const { return salt_; }

    unsigned iterations() const { return iterations_; }

    // client-final-message out.
    std::string final_message(const ScramKeyPair& keys);
    // server-final-message in: does the server know the secret, too?
    Result<void> verify(std::string_view server_final) const;

private:
    std::string nonce_;
    std::string salt_;
    unsigned iterations_ = 0;
    std::string full_nonce_;
    std::string server_first_;
    ScramDigest server_signature_{};
};

}  // namespace weir::protocol
