// HttpClient: POSTs to one place after the other, over a connection that is kept. Control thread.
#pragma once

#include "conf/http_address.h"
#include "pool/host_resolver.h"

#include <memory>
#include <string>

namespace weir::proxy {

namespace asio = boost::asio;

struct HttpAnswer {
    unsigned status = 0;
    std::string body;              // at most HttpClient::largest_body
    std::chrono::seconds retry{};  // Retry-After in seconds; zero = not said
};

class HttpClient {
public:
    static constexpr std::size_t largest_body = 64 * 1024;

    // `threads`, for the lookup of names, must outlive this.
    HttpClient(asio::any_io_executor executor, asio::thread_pool& threads);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // One at a time. Ends by `deadline`; an Error says in `message` what failed. `body` is JSON.
    asio::awaitable<protocol::Result<HttpAnswer>> post(
        conf::HttpUrl url, std::string body, pool::Clock::time_point deadline
    );

    // Ends the connection; a post() under way fails soon.
    void stop();

private:
    asio::awaitable<protocol::Result<void>> connect(
        const conf::HttpUrl& url, pool::Clock::time_point deadline
    );
    asio::awaitable<protocol::Result<HttpAnswer>> exchange(
        const std::string& request, bool& answered
    );

    asio::any_io_executor executor_;
    pool::HostResolver resolver_;
    conf::HttpUrl connected_to_;
    std::unique_ptr<pool::ControlStream> stream_;
};

}  // namespace weir::proxy
