#include "conf/http_address.h"

#include "conf/host_list.h"

#include <algorithm>
#include <arpa/inet.h>

namespace weir::conf {

namespace {

Read<HttpAddress> bad_http_address(std::string_view text, std::string_view what) {
    return {
        .value = {},
        .wrong = "has \"" + std::string(text) + "\", " + std::string(what) +
                 "; allowed: ADDRESS:PORT, such as \"127.0.0.1:9127\""};
}

}  // namespace

Read<HttpAddress> read_http_address(std::string_view text) {
    text = trim(text);
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || text.ends_with(']'))
        return bad_http_address(text, "without a port");
    const bool v6 = text.find(':') != colon;
    if (v6 && !text.starts_with('['))
        return bad_http_address(text, "an IPv6 address without brackets");
    if (text.front() == '/' || text.front() == '@')
        return bad_http_address(text, "which is no address");
    const auto read = read_host(text);
    if (!read.ok()) return {.value = {}, .wrong = read.wrong};
    return {.value = {.host = read.value.host, .port = read.value.port}, .wrong = {}};
}

Read<HttpUrl> read_http_url(std::string_view text) {
    const auto bad = [&](std::string_view what) -> Read<HttpUrl> {
        return {
            .value = {},
            .wrong = "is not understood: " + std::string(what) +
                     "; allowed: http://HOST:PORT/PATH, such as "
                     "\"http://127.0.0.1:4318/v1/traces\""};
    };
    constexpr std::string_view scheme = "http://";
    if (text.starts_with("https://")) return bad("https (send to a collector on this machine)");
    if (!text.starts_with(scheme)) return bad("no http://");
    // It goes into the head of a request as it is.
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c < '\x7f' && c != '#';
    });
    if (!plain) return bad("a character that no address has");
    text.remove_prefix(scheme.size());
    const auto end = std::min(text.find_first_of("/?"), text.size());
    auto authority = std::string(text.substr(0, end));
    if (authority.find('@') != std::string::npos) return bad("a user");
    const auto colon = authority.rfind(':');
    if (colon == std::string::npos || authority.ends_with(']')) authority += ":80";
    const auto address = read_http_address(authority);
    if (!address.ok() || address.value.host == "*") return bad("no host and port");
    auto path = std::string(text.substr(end));
    if (!path.starts_with('/')) path.insert(0, "/");
    return {
        .value = {.host = address.value.host, .port = address.value.port, .path = std::move(path)},
        .wrong = {}};
}

bool is_loopback(const HttpAddress& address) {
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24U == 127;
    if (::inet_pton(AF_INET6, address.host.c_str(), &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
    return address.host == "localhost";
}

}  // namespace weir::conf
