#include "conf/http_address.h"

#include "conf/host_list.h"

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

bool is_loopback(const HttpAddress& address) {
    in_addr v4{};
    in6_addr v6{};
    if (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24U == 127;
    if (::inet_pton(AF_INET6, address.host.c_str(), &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
    return address.host == "localhost";
}

}  // namespace weir::conf
