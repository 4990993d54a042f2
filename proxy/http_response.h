// An answer of the HTTP server, and how it goes over the wire.
#pragma once

#include "proxy/http_request.h"

#include <memory>
#include <string>
#include <string_view>

namespace weir::proxy {

struct HttpResponse {
    unsigned status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body;
    // Instead of `body`: bytes that many answers share.
    std::shared_ptr<const std::string> shared_body;
    std::string encoding;  // Content-Encoding; empty = as it is
    std::string etag;
    std::string content_security_policy;  // empty = nothing may be loaded
    std::string authenticate;             // WWW-Authenticate
    // The answer goes on as server-sent events (status_stream.h); it has no body of its own.
    bool is_stream = false;

    std::string_view bytes() const {
        return shared_body ? std::string_view(*shared_body) : std::string_view(body);
    }
};

HttpResponse text_response(unsigned status, std::string text);
HttpResponse json_response(std::string json);
// {"error": "..."}; `message` is ASCII of our own.
HttpResponse json_error(unsigned status, std::string_view message);

// The head; the body follows it unless the request was HEAD. `keep_alive`: the connection stays.
std::string response_head(const HttpResponse& response, bool keep_alive);

// The client takes gzip.
bool accepts_gzip(const HttpRequest& request);

// `bytes` as gzip.
std::string gzip(std::string_view bytes, int level = 6);

}  // namespace weir::proxy
