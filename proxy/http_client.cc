#include "proxy/http_client.h"

#include "proxy/version.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <sys/socket.h>

namespace weir::proxy {

namespace http = boost::beast::http;
using pool::ControlStream;
using protocol::Result;

namespace {

constexpr auto names_last = std::chrono::seconds(60);

protocol::Error failure(std::string message) {
    return protocol::error(protocol::sqlstate::connection_failure, std::move(message));
}

std::string host_field(const conf::HttpUrl& url) {
    const bool v6 = url.host.find(':') != std::string::npos;
    return fmt::format("{}{}{}:{}", v6 ? "[" : "", url.host, v6 ? "]" : "", url.port);
}

Result<pool::Transport> begin_connecting(const pool::SocketAddress& address) {
    const int descriptor =
        ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return failure(std::strerror(errno));
    pool::Transport transport(descriptor);
    if (::connect(descriptor, address.get(), address.size) != 0 && errno != EINPROGRESS) {
        return failure(std::strerror(errno));
    }
    return transport;
}

using Parser = http::response_parser<http::string_body>;

HttpAnswer answer_of(Parser& parser) {
    auto& message = parser.get();
    HttpAnswer answer;
    answer.status = message.result_int();
    answer.body = std::move(message.body());
    const auto retry = message[http::field::retry_after];
    unsigned seconds = 0;
    const auto read = std::from_chars(retry.data(), retry.data() + retry.size(), seconds);
    if (read.ec == std::errc{}) answer.retry = std::chrono::seconds(std::min(seconds, 60U));
    return answer;
}

}  // namespace

HttpClient::HttpClient(asio::any_io_executor executor, asio::thread_pool& threads)
    : executor_(std::move(executor)), resolver_(threads) {}

HttpClient::~HttpClient() = default;

void HttpClient::stop() {
    if (stream_ != nullptr) ::shutdown(stream_->transport().descriptor(), SHUT_RDWR);
}

asio::awaitable<Result<void>> HttpClient::connect(
    const conf::HttpUrl& url, pool::Clock::time_point deadline
) {
    auto addresses = co_await resolver_.resolve(url.host, url.port, deadline, names_last);
    if (!addresses) co_return addresses.error();
    std::string why;
    for (const auto& address : *addresses) {
        auto connecting = begin_connecting(address);
        if (!connecting) {
            why = connecting.error().message;
            continue;
        }
        stream_ = std::make_unique<ControlStream>(executor_, std::move(*connecting), deadline);
        const auto writable = co_await stream_->writable();
        int wrong = 0;
        socklen_t size = sizeof wrong;
        ::getsockopt(stream_->transport().descriptor(), SOL_SOCKET, SO_ERROR, &wrong, &size);
        if (writable && wrong == 0) {
            connected_to_ = url;
            co_return Result<void>();
        }
        why = stream_->timed_out() ? "timeout" : std::strerror(wrong);
        stream_.reset();
    }
    resolver_.forget(url.host, url.port);
    co_return failure("connect: " + why);
}

// `answered`: something came back.
asio::awaitable<Result<HttpAnswer>> HttpClient::exchange(
    const std::string& request, bool& answered
) {
    auto& stream = *stream_;
    const auto sent = co_await stream.write(as_bytes(request));
    if (!sent) co_return failure(stream.timed_out() ? "timeout" : "the connection was lost");
    Parser parser;
    parser.body_limit(largest_body);
    parser.header_limit(largest_body);
    parser.eager(true);
    auto& unread = stream.unread();
    for (bool more = true; !parser.is_done();) {
        if (more) {
            const auto filled = co_await stream.fill();
            if (!filled && stream.at_end() && parser.is_header_done()) {
                // A body that ends with its connection.
                boost::system::error_code ec;
                parser.put_eof(ec);
                if (!ec) break;
            }
            if (!filled) {
                co_return failure(stream.timed_out() ? "timeout" : "the connection was lost");
            }
        }
        answered = true;
        boost::system::error_code ec;
        const auto used = parser.put(asio::const_buffer(unread.data(), unread.size()), ec);
        unread.erase(0, used);
        more = unread.empty() || used == 0;
        if (ec && ec != http::error::need_more) co_return failure("no HTTP: " + ec.message());
    }
    auto answer = answer_of(parser);
    if (!parser.keep_alive() || !unread.empty()) stream_.reset();
    co_return answer;
}

asio::awaitable<Result<HttpAnswer>> HttpClient::post(
    conf::HttpUrl url, std::string body, pool::Clock::time_point deadline
) {
    std::string request = fmt::format(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: pgweir/{}\r\n"
        "Content-Type: application/json\r\nAccept: application/json\r\n"
        "Content-Length: {}\r\n\r\n",
        url.path,
        host_field(url),
        version(),
        body.size()
    );
    request += body;
    if (connected_to_ != url) stream_.reset();
    for (;;) {
        const bool kept = stream_ != nullptr;
        if (kept) {
            stream_->set_deadline(deadline);
        } else {
            auto connected = co_await connect(url, deadline);
            if (!connected) co_return connected.error();
        }
        bool answered = false;
        auto answer = co_await exchange(request, answered);
        if (answer) co_return answer;
        stream_.reset();
        // A kept connection may have ended meanwhile: that is no failure of the other side.
        if (!kept || answered || pool::Clock::now() >= deadline) co_return answer;
    }
}

}  // namespace weir::proxy
