// What a client of the HTTP server asks for, and taking it apart. No sockets.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace weir::proxy {

// GET or HEAD; there is nothing else to do here. Header fields are those that are looked at; a
// field that is there twice has its first value.
struct HttpRequest {
    bool head = false;
    std::string path;                          // percent signs decoded, without the query
    std::map<std::string, std::string> query;  // decoded; of equal names the first
    std::string host;
    std::string authorization;
    std::string accept;
    std::string accept_encoding;
    std::string if_none_match;
    bool keep_alive = false;

    // Of the query; empty without one.
    std::string_view parameter(const std::string& name) const;
};

// Reads one request after the other from a stream of bytes. What it is given is bounded: a head of
// more than largest_head bytes is refused, and so is a body.
class HttpReader {
public:
    static constexpr std::size_t largest_head = 16 * 1024;
    static constexpr std::size_t largest_query = 32;  // parameters

    enum class State {
        more,      // nothing wrong so far
        complete,  // request() is there; the next take() begins the next one
        refused,   // status() says why; the stream is of no use any more
    };

    HttpReader();
    ~HttpReader();
    HttpReader(const HttpReader&) = delete;
    HttpReader& operator=(const HttpReader&) = delete;

    // Takes what it uses from the beginning of `input`.
    State take(std::string& input);

    const HttpRequest& request() const { return request_; }

    // 400, 405, 413, 414, 431 or 505.
    unsigned status() const { return status_; }

private:
    struct Parser;

    State refuse(unsigned status);
    State finish();

    std::unique_ptr<Parser> parser_;
    HttpRequest request_;
    unsigned status_ = 0;
};

// "%2F" and, in a query, "+"; false for what is no such text or has a zero byte.
bool decode_percent(std::string_view text, bool plus_is_blank, std::string& out);

}  // namespace weir::proxy
