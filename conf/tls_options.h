// PgBouncer's words for TLS versions and ciphers, in OpenSSL's terms.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

struct TlsVersions {
    bool tls1_0 = false;
    bool tls1_1 = false;
    bool tls1_2 = false;
    bool tls1_3 = false;
    bool operator==(const TlsVersions&) const = default;
};

// "secure" (1.2, 1.3), "all", "legacy" (= all), "tlsv1.0" ... "tlsv1.3", "tlsv1" (1.0 to 1.3),
// lists of these with commas or colons; a "!" in front takes away. nullopt: a word is unknown, or
// nothing is left.
std::optional<TlsVersions> read_tls_versions(std::string_view text);

// For SSL_CTX_set_cipher_list; nullopt = leave OpenSSL's own choice ("default", "secure", "normal",
// "fast", or empty). "all" is "ALL".
std::optional<std::string> openssl_ciphers(std::string_view text);

// For SSL_CTX_set1_groups_list; nullopt = OpenSSL's own choice ("auto", or empty).
std::optional<std::string> openssl_groups(std::string_view text);

}  // namespace weir::conf
