#include "conf/tls_options.h"

#include "conf/value.h"

#include <algorithm>

namespace weir::conf {

namespace {

std::optional<TlsVersions> versions_named(std::string_view word) {
    constexpr TlsVersions every{true, true, true, true};
    if (word == "all" || word == "legacy" || word == "tlsv1") return every;
    if (word == "secure" || word == "default") return TlsVersions{false, false, true, true};
    if (word == "tlsv1.0") return TlsVersions{true, false, false, false};
    if (word == "tlsv1.1") return TlsVersions{false, true, false, false};
    if (word == "tlsv1.2") return TlsVersions{false, false, true, false};
    if (word == "tlsv1.3") return TlsVersions{false, false, false, true};
    return std::nullopt;
}

void apply(bool& flag, bool named, bool wanted) {
    if (named) flag = wanted;
}

}  // namespace

std::optional<TlsVersions> read_tls_versions(std::string_view text) {
    std::string words = to_lower(text);
    std::replace(words.begin(), words.end(), ':', ',');
    TlsVersions versions;
    for (std::string_view word : split_list(words)) {
        bool wanted = word.front() != '!';
        if (!wanted) word = trim(word.substr(1));
        std::optional<TlsVersions> named = versions_named(word);
        if (!named) return std::nullopt;
        apply(versions.tls1_0, named->tls1_0, wanted);
        apply(versions.tls1_1, named->tls1_1, wanted);
        apply(versions.tls1_2, named->tls1_2, wanted);
        apply(versions.tls1_3, named->tls1_3, wanted);
    }
    if (versions == TlsVersions{}) return std::nullopt;
    return versions;
}

std::optional<std::string> openssl_ciphers(std::string_view text) {
    std::string word = to_lower(trim(text));
    for (std::string_view own : {"", "default", "secure", "normal", "fast"}) {
        if (word == own) return std::nullopt;
    }
    if (word == "all") return "ALL";
    return std::string(trim(text));
}

std::optional<std::string> openssl_groups(std::string_view text) {
    std::string word = to_lower(trim(text));
    if (word.empty() || word == "auto") return std::nullopt;
    return std::string(trim(text));
}

}  // namespace weir::conf
