#include "protocol/scram.h"

#include "protocol/saslprep.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <memory>
#include <stdexcept>

namespace weir::protocol {

namespace {

// One fetched SHA-256: OpenSSL 3.0 would otherwise look it up on each use.
const EVP_MD* sha256_algorithm() {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    if (algorithm == nullptr) throw std::runtime_error("OpenSSL has no SHA-256");
    return algorithm;
}

const unsigned char* raw(Bytes bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* raw(ScramDigest& digest) {
    return reinterpret_cast<unsigned char*>(digest.data());
}

ScramDigest operator^(const ScramDigest& left, const ScramDigest& right) {
    ScramDigest result{};
    for (std::size_t i = 0; i < result.size(); ++i)
        result[i] = left[i] ^ right[i];
    return result;
}

Error malformed(std::string detail) {
    auto error = violation("SASL authentication failed");
    error.detail = std::move(detail);
    return error;
}

Error wrong_proof() {
    return fatal(sqlstate::invalid_password, "password authentication failed");
}

Error bad_server(std::string_view what) {
    return fatal(sqlstate::protocol_violation, "server login failed: " + std::string(what));
}

// Takes `<name>=value` off the front of `message`, up to the next comma or the end.
std::optional<std::string_view> take_attribute(std::string_view& message, char name) {
    if (message.size() < 2 || message[0] != name || message[1] != '=') return {};
    const auto end = std::min(message.find(','), message.size());
    const auto value = message.substr(2, end - 2);
    message.remove_prefix(std::min(end + 1, message.size()));
    return value;
}

// printable = %x21-2B / %x2D-7E (RFC 5802, section 7).
bool is_nonce(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= 0x21 && c <= 0x7e && c != ',';
    });
}

// gs2-header of the client: "n,," or "y,,". Gives what stands before client-first-message-bare.
Result<std::string_view> take_gs2_header(std::string_view& message) {
    if (message.size() < 3) return malformed("malformed SCRAM message");
    switch (message[0]) {
        case 'n':
        case 'y':  // the client can bind channels; -PLUS was not offered, so it is no downgrade
            break;
        case 'p':
            return malformed("channel binding was not offered");
        default:
            return malformed("malformed SCRAM message");
    }
    if (message[1] != ',') return malformed("malformed SCRAM message");
    if (message[2] == 'a') return malformed("authorization identity is not supported");
    if (message[2] != ',') return malformed("malformed SCRAM message");
    const auto header = message.substr(0, 3);
    message.remove_prefix(3);
    return header;
}

std::optional<ScramDigest> decode_digest(std::string_view text) {
    const auto decoded = base64_decode(text);
    ScramDigest digest{};
    if (!decoded || decoded->size() != digest.size()) return {};
    std::copy_n(as_bytes(*decoded).begin(), digest.size(), digest.begin());
    return digest;
}

std::optional<unsigned> parse_iterations(std::string_view text) {
    unsigned iterations = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), iterations);
    if (failure != std::errc() || end != text.data() + text.size()) return {};
    if (iterations == 0 || iterations > max_scram_iterations) return {};
    return iterations;
}

}  // namespace

ScramDigest sha256(Bytes text) {
    ScramDigest digest{};
    if (EVP_Digest(text.data(), text.size(), raw(digest), nullptr, sha256_algorithm(), nullptr) !=
        1) {
        throw std::runtime_error("SHA-256 failed");
    }
    return digest;
}

namespace {

constexpr std::size_t sha256_block = 64;

// Of one text in two parts, by a context that each thread keeps.
ScramDigest sha256_of(Bytes first, Bytes second) {
    struct Free {
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };

    thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    ScramDigest digest{};
    if (context == nullptr || EVP_DigestInit_ex(context.get(), sha256_algorithm(), nullptr) != 1 ||
        EVP_DigestUpdate(context.get(), first.data(), first.size()) != 1 ||
        EVP_DigestUpdate(context.get(), second.data(), second.size()) != 1 ||
        EVP_DigestFinal_ex(context.get(), raw(digest), nullptr) != 1) {
        throw std::runtime_error("SHA-256 failed");
    }
    return digest;
}

}  // namespace

// RFC 2104. OpenSSL's HMAC() looks its algorithms up on each use, which costs three times as much
// as what it computes.
ScramDigest hmac_sha256(Bytes key, Bytes text) {
    std::array<std::byte, sha256_block> padded{};
    if (key.size() > padded.size()) {
        const auto short_key = sha256(key);
        std::copy(short_key.begin(), short_key.end(), padded.begin());
    } else {
        std::copy(key.begin(), key.end(), padded.begin());
    }
    for (auto& byte : padded)
        byte ^= std::byte{0x36};
    const auto inner = sha256_of(padded, text);
    for (auto& byte : padded)
        byte ^= std::byte{0x36 ^ 0x5c};
    const auto digest = sha256_of(padded, inner);
    OPENSSL_cleanse(padded.data(), padded.size());
    return digest;
}

std::string base64_encode(Bytes bytes) {
    std::string text((bytes.size() + 2) / 3 * 4, '\0');
    // Writes a NUL behind the text, where std::string has one.
    EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(text.data()), raw(bytes), static_cast<int>(bytes.size())
    );
    return text;
}

namespace {

constexpr std::uint8_t no_digit = 0xff;

// The value of each byte as a digit of base64.
constexpr auto base64_digits = [] {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array<std::uint8_t, 256> digits{};
    digits.fill(no_digit);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        digits[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return digits;
}();

}  // namespace

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return {};
    const auto padding = text.ends_with("==") ? 2U : text.ends_with('=') ? 1U : 0U;
    std::string decoded;
    decoded.reserve(text.size() / 4 * 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digit = base64_digits[static_cast<unsigned char>(text[i])];
        const bool is_padding = i >= text.size() - padding;
        if (digit == no_digit && !is_padding) return {};
        group = group << 6 | (is_padding ? 0U : std::uint32_t{digit});
        if (i % 4 != 3) continue;
        decoded.push_back(static_cast<char>(group >> 16));
        decoded.push_back(static_cast<char>(group >> 8));
        decoded.push_back(static_cast<char>(group));
        group = 0;
    }
    decoded.resize(decoded.size() - padding);
    return decoded;
}

bool equal_in_constant_time(Bytes left, Bytes right) {
    return left.size() == right.size() &&
           CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

namespace {

void fill_randomly(void* bytes, std::size_t count) {
    if (RAND_bytes(static_cast<unsigned char*>(bytes), static_cast<int>(count)) != 1) {
        throw std::runtime_error("no random numbers");
    }
}

// Random bytes in stock: OpenSSL's generator costs thousands of instructions for each request,
// however few bytes that is about. What was given away is overwritten.
struct RandomStock {
    std::array<char, 1024> bytes;
    std::size_t left = 0;
};

}  // namespace

std::string random_bytes(std::size_t count) {
    thread_local RandomStock stock;
    std::string bytes(count, '\0');
    if (count > stock.bytes.size() / 8) {
        fill_randomly(bytes.data(), count);
        return bytes;
    }
    if (stock.left < count) {
        fill_randomly(stock.bytes.data(), stock.bytes.size());
        stock.left = stock.bytes.size();
    }
    stock.left -= count;
    bytes.assign(stock.bytes.data() + stock.left, count);
    OPENSSL_cleanse(stock.bytes.data() + stock.left, count);
    return bytes;
}

std::string scram_nonce() {
    return base64_encode(as_bytes(random_bytes(18)));
}

std::optional<ScramSecret> ScramSecret::parse(std::string_view text) {
    if (!text.starts_with(scram_mechanism)) return {};
    text.remove_prefix(scram_mechanism.size());
    if (!text.starts_with('$')) return {};
    text.remove_prefix(1);
    const auto colon = text.find(':');
    const auto dollar = text.find('$');
    const auto last_colon = text.rfind(':');
    if (colon == text.npos || dollar == text.npos || !(colon < dollar && dollar < last_colon)) {
        return {};
    }
    const auto iterations = parse_iterations(text.substr(0, colon));
    auto salt = base64_decode(text.substr(colon + 1, dollar - colon - 1));
    const auto stored_key = decode_digest(text.substr(dollar + 1, last_colon - dollar - 1));
    const auto server_key = decode_digest(text.substr(last_colon + 1));
    if (!iterations || !salt || salt->empty() || !stored_key || !server_key) return {};
    return ScramSecret{*iterations, std::move(*salt), *stored_key, *server_key};
}

std::string ScramSecret::text() const {
    return std::string(scram_mechanism) + "$" + std::to_string(iterations) + ":" +
           base64_encode(as_bytes(salt)) + "$" + base64_encode(stored_key) + ":" +
           base64_encode(server_key);
}

bool is_scram_secret(std::string_view text) {
    return ScramSecret::parse(text).has_value();
}

ScramSecret ScramKeyPair::secret() const {
    return {iterations, salt, sha256(client_key), server_key};
}

std::optional<ScramDigest> salted_password(
    std::string_view password, std::string_view salt, unsigned iterations
) {
    if (iterations == 0 || iterations > max_scram_iterations) return {};
    const auto prepared = saslprep(password);
    ScramDigest digest{};
    if (PKCS5_PBKDF2_HMAC(
            prepared.data(),
            static_cast<int>(prepared.size()),
            raw(as_bytes(salt)),
            static_cast<int>(salt.size()),
            static_cast<int>(iterations),
            sha256_algorithm(),
            static_cast<int>(digest.size()),
            raw(digest)
        ) != 1) {
        return {};
    }
    return digest;
}

std::optional<ScramKeyPair> scram_keys(
    std::string_view password, std::string_view salt, unsigned iterations
) {
    const auto salted = salted_password(password, salt, iterations);
    if (!salted) return {};
    return ScramKeyPair{
        iterations,
        std::string(salt),
        hmac_sha256(*salted, as_bytes("Client Key")),
        hmac_sha256(*salted, as_bytes("Server Key"))};
}

Result<std::string> ScramServer::challenge(
    std::string_view client_first, std::string_view salt, unsigned iterations
) {
    if (client_first.size() > max_sasl_message) return malformed("SCRAM message too long");
    if (client_first.find('\0') != client_first.npos) return malformed("NUL in SCRAM message");
    const auto header = take_gs2_header(client_first);
    if (!header) return header.error();
    gs2_header_ = *header;
    const std::string bare(client_first);
    if (client_first.starts_with("m=")) {
        return malformed("client requires an unsupported SCRAM extension");
    }
    // The user name is ignored, as in PostgreSQL: the startup packet has it.
    if (!take_attribute(client_first, 'n')) return malformed("malformed SCRAM message");
    const auto client_nonce = take_attribute(client_first, 'r');
    if (!client_nonce || !is_nonce(*client_nonce)) return malformed("invalid SCRAM nonce");
    nonce_.insert(0, *client_nonce);
    const auto server_first =
        "r=" + nonce_ + ",s=" + base64_encode(as_bytes(salt)) + ",i=" + std::to_string(iterations);
    auth_message_ = bare + "," + server_first;
    return server_first;
}

Result<void> ScramServer::take_final(std::string_view client_final) {
    if (client_final.size() > 2 * max_sasl_message) return malformed("SCRAM message too long");
    if (client_final.find('\0') != client_final.npos) return malformed("NUL in SCRAM message");
    const auto proof_at = client_final.rfind(",p=");
    if (proof_at == client_final.npos) return malformed("malformed SCRAM message");
    const auto without_proof = client_final.substr(0, proof_at);
    const auto proof = decode_digest(client_final.substr(proof_at + 3));
    if (!proof) return malformed("malformed proof in SCRAM message");
    auto rest = without_proof;
    const auto binding = take_attribute(rest, 'c');
    if (!binding || *binding != base64_encode(as_bytes(gs2_header_))) {
        return malformed("unexpected channel binding in SCRAM message");
    }
    const auto nonce = take_attribute(rest, 'r');
    if (!nonce || *nonce != nonce_) return malformed("nonce does not match");
    proof_ = *proof;
    auth_message_.append(",").append(without_proof);
    return {};
}

Result<std::string> ScramServer::verify(const std::optional<ScramSecret>& secret) {
    const auto checked = secret.value_or(ScramSecret{});
    const auto client_signature = hmac_sha256(checked.stored_key, as_bytes(auth_message_));
    const auto client_key = proof_ ^ client_signature;
    const bool right = equal_in_constant_time(sha256(client_key), checked.stored_key);
    if (!right || !secret) return wrong_proof();
    keys_ = {checked.iterations, checked.salt, client_key, checked.server_key};
    return "v=" + base64_encode(hmac_sha256(checked.server_key, as_bytes(auth_message_)));
}

std::string ScramClient::first() const {
    return "n,,n=,r=" + nonce_;
}

Result<void> ScramClient::take_challenge(std::string_view server_first) {
    if (server_first.size() > max_sasl_message) return bad_server("SCRAM message too long");
    server_first_ = server_first;
    const auto nonce = take_attribute(server_first, 'r');
    if (!nonce || !is_nonce(*nonce) || !nonce->starts_with(nonce_) ||
        nonce->size() == nonce_.size()) {
        return bad_server("invalid SCRAM nonce");
    }
    const auto salt_text = take_attribute(server_first, 's');
    auto salt = salt_text ? base64_decode(*salt_text) : std::nullopt;
    if (!salt || salt->empty()) return bad_server("invalid SCRAM salt");
    const auto iterations_text = take_attribute(server_first, 'i');
    const auto iterations = iterations_text ? parse_iterations(*iterations_text) : std::nullopt;
    if (!iterations) return bad_server("invalid or excessive SCRAM iteration count");
    full_nonce_ = *nonce;
    salt_ = std::move(*salt);
    iterations_ = *iterations;
    return {};
}

std::string ScramClient::final_message(const ScramKeyPair& keys) {
    const auto without_proof = "c=biws,r=" + full_nonce_;
    const auto auth_message = "n=,r=" + nonce_ + "," + server_first_ + "," + without_proof;
    const auto stored_key = sha256(keys.client_key);
    const auto proof = keys.client_key ^ hmac_sha256(stored_key, as_bytes(auth_message));
    server_signature_ = hmac_sha256(keys.server_key, as_bytes(auth_message));
    return without_proof + ",p=" + base64_encode(proof);
}

Result<void> ScramClient::verify(std::string_view server_final) const {
    if (server_final.size() > max_sasl_message) return bad_server("SCRAM message too long");
    const auto signature_text = take_attribute(server_final, 'v');
    const auto signature = signature_text ? decode_digest(*signature_text) : std::nullopt;
    if (!signature || !equal_in_constant_time(*signature, server_signature_)) {
        return bad_server("invalid server signature");
    }
    return {};
}

}  // namespace weir::protocol
