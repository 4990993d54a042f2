#include "protocol/md5_password.h"

#include <openssl/evp.h>

#include <algorithm>

namespace weir::protocol {

namespace {

constexpr std::string_view prefix = "md5";
constexpr std::string_view digits = "0123456789abcdef";

std::optional<std::string> prefixed_md5_hex(std::string_view text) {
    std::array<unsigned char, 16> digest{};
    if (EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr) != 1) {
        return {};
    }
    std::string hex(prefix);
    for (const unsigned byte : digest) {
        hex.push_back(digits[byte >> 4]);
        hex.push_back(digits[byte & 15]);
    }
    return hex;
}

}  // namespace

bool is_md5_secret(std::string_view secret) {
    return secret.size() == prefix.size() + 32 && secret.starts_with(prefix) &&
           secret.find_first_not_of(digits, prefix.size()) == std::string_view::npos;
}

std::optional<std::string> md5_secret(std::string_view user, std::string_view password) {
    return prefixed_md5_hex(std::string(password).append(user));
}

std::optional<std::string> md5_response(std::string_view secret, const Md5Salt& salt) {
    return prefixed_md5_hex(std::string(secret.substr(prefix.size())).append(as_text(salt)));
}

}  // namespace weir::protocol
