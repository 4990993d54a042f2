#include "tests/support/scram_client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>
#include <stdexcept>

namespace weir::test {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

const unsigned char* bytes(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string to_string(const Digest& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string hmac(const std::string& key, const std::string& text) {
    Digest digest{};
    unsigned int length = 0;
    HMAC(
        EVP_sha256(),
        key.data(),
        static_cast<int>(key.size()),
        bytes(text),
        text.size(),
        digest.data(),
        &length
    );
    return to_string(digest);
}

std::string sha256(const std::string& text) {
    Digest digest{};
    SHA256(bytes(text), text.size(), digest.data());
    return to_string(digest);
}

std::string base64(const std::string& text) {
    std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
    const int length = EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(out.data()), bytes(text), static_cast<int>(text.size())
    );
    out.resize(static_cast<std::size_t>(length));
    return out;
}

std::string from_base64(const std::string& text) {
    std::string out(text.size(), '\0');
    const int length = EVP_DecodeBlock(
        reinterpret_cast<unsigned char*>(out.data()), bytes(text), static_cast<int>(text.size())
    );
    if (length < 0) throw std::runtime_error("SCRAM: bad base64");
    const auto padding = static_cast<std::size_t>(text.ends_with("==") ? 2 : text.ends_with('='));
    out.resize(static_cast<std::size_t>(length) - padding);
    return out;
}

// The value of `name=` in a comma-separated SCRAM message.
std::string attribute(const std::string& message, char name) {
    std::size_t at = 0;
    while (at < message.size()) {
        auto end = message.find(',', at);
        if (end == std::string::npos) end = message.size();
        if (message[at] == name && at + 1 < end && message[at + 1] == '=') {
            return message.substr(at + 2, end - at - 2);
        }
        at = end + 1;
    }
    throw std::runtime_error(std::string("SCRAM: no ") + name + "= in " + message);
}

std::string exclusive_or(std::string left, const std::string& right) {
    for (std::size_t i = 0; i < left.size(); ++i)
        left[i] = static_cast<char>(left[i] ^ right[i]);
    return left;
}

}  // namespace

ScramKeys derive_scram_keys(const std::string& password, const std::string& salt, int iterations) {
    Digest salted{};
    PKCS5_PBKDF2_HMAC(
        password.data(),
        static_cast<int>(password.size()),
        bytes(salt),
        static_cast<int>(salt.size()),
        iterations,
        EVP_sha256(),
        static_cast<int>(salted.size()),
        salted.data()
    );
    return {hmac(to_string(salted), "Client Key"), hmac(to_string(salted), "Server Key")};
}

std::string scram_secret(const std::string& password, const std::string& salt, int iterations) {
    const ScramKeys keys = derive_scram_keys(password, salt, iterations);
    return "SCRAM-SHA-256$" + std::to_string(iterations) + ":" + base64(salt) + "$" +
           base64(sha256(keys.client_key)) + ":" + base64(keys.server_key);
}

ScramClient::ScramClient(std::string password) : password_(std::move(password)) {
    Digest random{};
    RAND_bytes(random.data(), static_cast<int>(random.size()));
    nonce_ = base64(to_string(random));
}

std::string ScramClient::client_first() {
    return "n,,n=,r=" + nonce_;
}

std::string ScramClient::client_final(const std::string& server_first) {
    const std::string nonce = attribute(server_first, 'r');
    if (!nonce.starts_with(nonce_)) throw std::runtime_error("SCRAM: not our nonce");
    keys_ = derive_scram_keys(
        password_,
        from_base64(attribute(server_first, 's')),
        std::stoi(attribute(server_first, 'i'))
    );
    const std::string without_proof = "c=biws,r=" + nonce;
    auth_message_ = "n=,r=" + nonce_ + "," + server_first + "," + without_proof;
    const std::string signature = hmac(sha256(keys_.client_key), auth_message_);
    return without_proof + ",p=" + base64(exclusive_or(keys_.client_key, signature));
}

void ScramClient::check_server_final(const std::string& server_final) const {
    if (from_base64(attribute(server_final, 'v')) != hmac(keys_.server_key, auth_message_)) {
        throw std::runtime_error("SCRAM: the server does not know the secret");
    }
}

}  // namespace weir::test
