#include "proxy/http_response.h"

#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>
#include <zlib.h>

namespace weir::proxy {

namespace {

constexpr std::string_view nothing_allowed =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

std::string_view reason_of(unsigned status) {
    const auto text =
        boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
    return {text.data(), text.size()};
}

}  // namespace

HttpResponse text_response(unsigned status, std::string text) {
    HttpResponse response;
    response.status = status;
    response.body = std::move(text);
    return response;
}

HttpResponse json_response(std::string json) {
    HttpResponse response;
    response.type = "application/json";
    response.body = std::move(json);
    return response;
}

HttpResponse json_error(unsigned status, std::string_view message) {
    auto response = json_response(fmt::format("{{\"error\":\"{}\"}}\n", message));
    response.status = status;
    return response;
}

std::string response_head(const HttpResponse& response, bool keep_alive) {
    std::string head = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\n",
        response.status,
        reason_of(response.status),
        response.type
    );
    const auto add = [&head](std::string_view name, std::string_view value) {
        if (!value.empty()) head.append(name).append(": ").append(value).append("\r\n");
    };
    if (!response.is_stream) add("Content-Length", std::to_string(response.bytes().size()));
    add("Content-Encoding", response.encoding);
    add("ETag", response.etag);
    // What is shown is true for a second; the page itself is asked for again by its ETag.
    add("Cache-Control", response.etag.empty() ? "no-store" : "no-cache");
    add("Vary", response.etag.empty() ? "" : "Accept-Encoding");
    add("WWW-Authenticate", response.authenticate);
    add("Content-Security-Policy",
        response.content_security_policy.empty() ? nothing_allowed
                                                 : response.content_security_policy);
    add("X-Content-Type-Options", "nosniff");
    add("X-Frame-Options", "DENY");
    add("Referrer-Policy", "no-referrer");
    add("Cross-Origin-Resource-Policy", "same-origin");
    add("Allow", response.status == 405 ? "GET, HEAD" : "");
    add("Connection", keep_alive ? "keep-alive" : "close");
    return head.append("\r\n");
}

bool accepts_gzip(const HttpRequest& request) {
    std::string_view text = request.accept_encoding;
    while (!text.empty()) {
        const auto end = std::min(text.find(','), text.size());
        auto item = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        while (item.starts_with(' '))
            item.remove_prefix(1);
        if (!item.starts_with("gzip")) continue;
        item.remove_prefix(4);
        const auto quality = item.find("q=");
        if (quality == std::string_view::npos) return true;
        return std::atof(std::string(item.substr(quality + 2)).c_str()) > 0;
    }
    return false;
}

std::string gzip(std::string_view bytes, int level) {
    z_stream stream{};
    constexpr int gzip_window = 15 + 16;
    if (deflateInit2(&stream, level, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::bad_alloc();
    }
    std::string out(deflateBound(&stream, bytes.size()), '\0');
    // zlib's interface is not const, its use is.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    if (result != Z_STREAM_END) throw std::runtime_error("zlib: the data was not taken");
    return out;
}

}  // namespace weir::proxy
