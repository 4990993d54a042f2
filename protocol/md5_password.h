// MD5 passwords: the secret "md5<hex of password and user>" and the answer to a salt
// (manual 55.2.1, AuthenticationMD5Password).
#pragma once

#include "protocol/types.h"

#include <array>
#include <optional>
#include <string>

namespace weir::protocol {

using Md5Salt = std::array<std::byte, 4>;

// "md5" and 32 hexadecimal digits.
bool is_md5_secret(std::string_view secret);

// The secret PostgreSQL stores. Nothing if this machine's OpenSSL refuses MD5 (FIPS).
std::optional<std::string> md5_secret(std::string_view user, std::string_view password);

// What a client sends for `salt`. REQUIRES: is_md5_secret(secret).
std::optional<std::string> md5_response(std::string_view secret, const Md5Salt& salt);

}  // namespace weir::protocol
