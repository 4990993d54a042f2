// Where HTTP is served: one item of http_listen.
#pragma once

#include "conf/value.h"

#include <string>
#include <string_view>

namespace weir::conf {

struct HttpAddress {
    std::string host;  // an address, a name, or "*" for all addresses
    int port = 0;
};

// "127.0.0.1:9127", "[::1]:9127", "localhost:9127", "*:9127". The port has to be there.
Read<HttpAddress> read_http_address(std::string_view text);

// Where something is sent by HTTP: trace_endpoint.
struct HttpUrl {
    std::string host;
    int port = 80;
    std::string path;  // begins with '/', with the query if there is one

    bool operator==(const HttpUrl&) const = default;
};

// "http://127.0.0.1:4318/v1/traces". No https, no user or password, no fragment, ASCII without
// blanks.
Read<HttpUrl> read_http_url(std::string_view text);

// Surely reached from this machine only: "localhost" or an address of loopback.
bool is_loopback(const HttpAddress& address);

}  // namespace weir::conf
