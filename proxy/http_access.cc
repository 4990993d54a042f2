#include "proxy/http_access.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <optional>

namespace weir::proxy {

namespace {

using Digest = std::array<unsigned char, 32>;

Digest digest_of(std::string_view text) {
    Digest digest{};
    EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    return digest;
}

// What stands behind "Basic " or "Bearer ".
std::optional<std::string_view> behind_scheme(std::string_view field, std::string_view scheme) {
    if (field.size() < scheme.size()) return std::nullopt;
    const bool same = std::equal(scheme.begin(), scheme.end(), field.begin(), [](char a, char b) {
        return a == std::tolower(static_cast<unsigned char>(b));
    });
    if (!same) return std::nullopt;
    field.remove_prefix(scheme.size());
    while (field.starts_with(' '))
        field.remove_prefix(1);
    return field;
}

std::optional<std::string> decode_base64(std::string_view text) {
    constexpr std::size_t longest = 1024;
    if (text.empty() || text.size() % 4 != 0 || text.size() > longest) return std::nullopt;
    std::string out(text.size() / 4 * 3, '\0');
    const int size = EVP_DecodeBlock(
        reinterpret_cast<unsigned char*>(out.data()),
        reinterpret_cast<const unsigned char*>(text.data()),
        static_cast<int>(text.size())
    );
    if (size < 0) return std::nullopt;
    const auto padding = text.ends_with("==") ? 2U : text.ends_with("=") ? 1U : 0U;
    out.resize(static_cast<std::size_t>(size) - padding);
    return out;
}

bool credentials_fit(const conf::Settings& settings, std::string_view field) {
    const auto token = settings.http_token.reveal();
    if (const auto bearer = behind_scheme(field, "bearer ")) {
        return !token.empty() && same_secret(*bearer, token);
    }
    const auto basic = behind_scheme(field, "basic ");
    const auto pair = basic ? decode_base64(*basic) : std::nullopt;
    const auto colon = pair ? pair->find(':') : std::string::npos;
    if (colon == std::string::npos) return false;
    const auto user = std::string_view(*pair).substr(0, colon);
    const auto password = std::string_view(*pair).substr(colon + 1);
    const bool by_token = !token.empty() && same_secret(password, token);
    const bool by_user = !settings.http_user.empty() && same_secret(user, settings.http_user) &&
                         same_secret(password, settings.http_password.reveal());
    return by_token || by_user;
}

// An address or "localhost", with or without a port. Without the field: no browser.
bool host_is_here(std::string_view host) {
    if (host.empty()) return true;
    if (host.starts_with('[')) {
        host = host.substr(1, std::min(host.find(']'), host.size()) - 1);
    } else {
        host = host.substr(0, host.find(':'));
    }
    const std::string name(host);
    in_addr v4{};
    in6_addr v6{};
    return name == "localhost" || ::inet_pton(AF_INET, name.c_str(), &v4) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), &v6) == 1;
}

}  // namespace

bool same_secret(std::string_view one, std::string_view other) {
    const auto first = digest_of(one), second = digest_of(other);
    return CRYPTO_memcmp(first.data(), second.data(), first.size()) == 0;
}

HttpAccess check_access(const conf::Settings& settings, const HttpRequest& request) {
    if (settings.http_token.empty() && settings.http_user.empty()) {
        const bool here = settings.http_allow_unauthenticated || host_is_here(request.host);
        return here ? HttpAccess::granted : HttpAccess::foreign_host;
    }
    if (request.authorization.empty()) return HttpAccess::no_credentials;
    return credentials_fit(settings, request.authorization) ? HttpAccess::granted
                                                            : HttpAccess::wrong_credentials;
}

}  // namespace weir::proxy
