#include "proxy/http_request.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <optional>

namespace weir::proxy {

namespace http = boost::beast::http;

namespace {

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return std::nullopt;
}

bool read_query(std::string_view text, std::map<std::string, std::string>& query) {
    while (!text.empty()) {
        const auto end = std::min(text.find('&'), text.size());
        const auto item = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (item.empty()) continue;
        const auto equals = std::min(item.find('='), item.size());
        std::string name, value;
        if (!decode_percent(item.substr(0, equals), true, name) ||
            !decode_percent(item.substr(std::min(equals + 1, item.size())), true, value)) {
            return false;
        }
        if (query.size() >= HttpReader::largest_query) return false;
        query.emplace(std::move(name), std::move(value));
    }
    return true;
}

unsigned status_of(const boost::system::error_code& ec) {
    if (ec == http::error::header_limit) return 431;
    if (ec == http::error::bad_version) return 505;
    if (ec == http::error::body_limit || ec == http::error::unexpected_body) return 413;
    return 400;
}

}  // namespace

bool decode_percent(std::string_view text, bool plus_is_blank, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_blank) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            if (text.size() - i < 3) return false;
            const auto high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
            if (!high || !low || *high + *low == 0) return false;
            out += static_cast<char>(*high * 16 + *low);
            i += 2;
        }
    }
    return true;
}

std::string_view HttpRequest::parameter(const std::string& name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string_view() : std::string_view(found->second);
}

struct HttpReader::Parser {
    Parser() { parser.header_limit(largest_head); }

    http::request_parser<http::empty_body> parser;
};

HttpReader::HttpReader() = default;
HttpReader::~HttpReader() = default;

HttpReader::State HttpReader::refuse(unsigned status) {
    status_ = status;
    parser_.reset();
    return State::refused;
}

HttpReader::State HttpReader::take(std::string& input) {
    if (status_ != 0) return State::refused;
    if (!parser_) parser_ = std::make_unique<Parser>();
    auto& parser = parser_->parser;
    while (!parser.is_header_done()) {
        if (input.empty()) return State::more;
        boost::system::error_code ec;
        const auto used = parser.put(boost::asio::buffer(input), ec);
        input.erase(0, used);
        if (ec == http::error::need_more) {
            return input.size() > largest_head ? refuse(431) : State::more;
        }
        if (ec) return refuse(status_of(ec));
    }
    return finish();
}

HttpReader::State HttpReader::finish() {
    auto& parser = parser_->parser;
    const auto& message = parser.get();
    // A body would be taken for the next request, by us or by whoever stands between.
    if (parser.chunked() || parser.content_length().value_or(0) > 0) return refuse(413);
    if (message.method() != http::verb::get && message.method() != http::verb::head) {
        return refuse(405);
    }
    const auto field = [&](http::field name) {
        const auto found = message.find(name);
        return found == message.end() ? std::string() : std::string(found->value());
    };
    HttpRequest request;
    request.head = message.method() == http::verb::head;
    request.host = field(http::field::host);
    request.authorization = field(http::field::authorization);
    request.accept = field(http::field::accept);
    request.accept_encoding = field(http::field::accept_encoding);
    request.if_none_match = field(http::field::if_none_match);
    request.keep_alive = message.keep_alive();
    const std::string_view target(message.target().data(), message.target().size());
    if (!target.starts_with('/')) return refuse(400);
    const auto mark = std::min(target.find('?'), target.size());
    if (!decode_percent(target.substr(0, mark), false, request.path)) return refuse(400);
    if (mark < target.size() && !read_query(target.substr(mark + 1), request.query)) {
        return refuse(400);
    }
    request_ = std::move(request);
    parser_.reset();
    return State::complete;
}

}  // namespace weir::proxy
