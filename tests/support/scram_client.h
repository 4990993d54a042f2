// The client's half of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677), for RawClient.
#pragma once

#include <string>

namespace weir::test {

// What a client keeps of a password: enough to log in without PBKDF2.
struct ScramKeys {
    std::string client_key;
    std::string server_key;
};

// salt: raw bytes.
ScramKeys derive_scram_keys(const std::string& password, const std::string& salt, int iterations);

// SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, as in pg_authid and userlist.txt.
std::string scram_secret(const std::string& password, const std::string& salt, int iterations);

class ScramClient {
public:
    explicit ScramClient(std::string password);

    std::string client_first();
    // Throws std::runtime_error if the server's answer does not fit.
    std::string client_final(const std::string& server_first);
    // Throws if the server has not proven that it knows the secret.
    void check_server_final(const std::string& server_final) const;

private:
    std::string password_;
    std::string nonce_;
    std::string auth_message_;
    ScramKeys keys_;
};

}  // namespace weir::test
