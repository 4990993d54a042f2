#include "proxy/http_server.h"

#include "conf/http_address.h"
#include "pool/io/control_stream.h"
#include "pool/io/tls.h"
#include "proxy/http_access.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/status_feed.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <sys/socket.h>

namespace weir::proxy {

namespace {

constexpr auto request_time = std::chrono::seconds(10);  // from its first byte to its last
constexpr auto idle_time = std::chrono::seconds(60);     // between requests
constexpr auto answer_time = std::chrono::seconds(10);   // for taking an answer, or an event
constexpr auto handshake_time = std::chrono::seconds(10);
constexpr auto wrong_credentials_pause = std::chrono::milliseconds(500);

constexpr std::string_view too_many =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

HttpResponse refusal_of(unsigned status) {
    return text_response(
        status,
        status == 405   ? "only GET and HEAD\n"
        : status == 413 ? "no request has a body here\n"
        : status == 431 ? "the request is too large\n"
                        : "not a request that is understood here\n"
    );
}

HttpResponse unauthorized() {
    auto response = text_response(401, "credentials are needed\n");
    response.authenticate = "Basic realm=\"pgweir\", charset=\"UTF-8\"";
    return response;
}

}  // namespace

// One connection. Lives as long as its coroutine.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
public:
    HttpConnection(HttpServer& owner, pool::Transport transport)
        : owner_(owner),
          executor_(owner.server_.io().get_executor()),
          timer_(executor_),
          stream_(executor_, std::move(transport), pool::Clock::now() + idle_time) {}

    void stop() {
        stopped_ = true;
        timer_.cancel();
        ::shutdown(stream_.transport().descriptor(), SHUT_RDWR);
    }

    asio::awaitable<void> serve() {
        if (!co_await shake_hands()) co_return;
        HttpReader reader;
        bool keep = true;
        while (keep && !stopped_) {
            const auto state = co_await read(reader);
            if (state == HttpReader::State::more) co_return;  // gone, or too slow
            HttpResponse response;
            if (state == HttpReader::State::refused) {
                response = refusal_of(reader.status());
                keep = false;
            } else {
                keep = reader.request().keep_alive;
                response = co_await answer(reader.request());
            }
            const bool head = state == HttpReader::State::complete && reader.request().head;
            if (response.is_stream && !head) co_return co_await stream_events(response);
            keep = co_await send(response, keep, head) && keep;
        }
        co_await say_goodbye();
    }

private:
    asio::awaitable<bool> shake_hands() {
        const auto tls = owner_.server_.configuration().http_tls;
        if (!tls) co_return true;
        stream_.set_deadline(pool::Clock::now() + handshake_time);
        const auto accepted = tls->accept(stream_.transport());
        if (!accepted) co_return false;
        const auto done = co_await stream_.handshake();
        co_return static_cast<bool>(done);
    }

    // `more`: there will be no request.
    asio::awaitable<HttpReader::State> read(HttpReader& reader) {
        bool begun = !stream_.unread().empty();
        stream_.set_deadline(pool::Clock::now() + (begun ? request_time : idle_time));
        for (;;) {
            const auto state = reader.take(stream_.unread());
            if (state != HttpReader::State::more) co_return state;
            const auto filled = co_await stream_.fill();
            if (!filled || stopped_) co_return HttpReader::State::more;
            if (!begun) stream_.set_deadline(pool::Clock::now() + request_time);
            begun = true;
        }
    }

    asio::awaitable<HttpResponse> answer(const HttpRequest& request) {
        auto& server = owner_.server_;
        const auto access = check_access(server.settings(), request);
        const bool trusted = access == HttpAccess::granted;
        if (trusted || is_public_path(request.path)) {
            co_return co_await answer_request(server, owner_.feed(), request, trusted);
        }
        if (access == HttpAccess::foreign_host) {
            co_return text_response(
                421, "the Host of this request is not an address: use one, or set http_token\n"
            );
        }
        if (access == HttpAccess::wrong_credentials) {
            log_of(LogComponent::http).warn("HTTP: wrong credentials");
            timer_.expires_after(wrong_credentials_pause);
            co_await timer_.async_wait(pool::use_op);
        }
        co_return unauthorized();
    }

    asio::awaitable<bool> send(const HttpResponse& response, bool keep, bool head) {
        std::string bytes = response_head(response, keep);
        if (!head) bytes += response.bytes();
        stream_.set_deadline(pool::Clock::now() + answer_time);
        const auto written = co_await stream_.write(as_bytes(bytes));
        co_return written && !stopped_;
    }

    // Server-sent events until one of the two leaves.
    asio::awaitable<void> stream_events(const HttpResponse& response) {
        stream_.set_deadline(pool::Clock::now() + answer_time);
        const auto head = response_head(response, false);
        if (const auto sent = co_await stream_.write(as_bytes(head)); !sent) co_return;
        const auto subscription = owner_.feed().subscribe();
        std::uint64_t last = 0;
        while (!stopped_) {
            const auto event = owner_.feed().newest();
            if (event.number != last && event.text) {
                last = event.number;
                stream_.set_deadline(pool::Clock::now() + answer_time);
                const auto sent = co_await stream_.write(as_bytes(*event.text));
                if (!sent) co_return;
            } else {
                const auto soon = pool::Clock::now() + std::chrono::milliseconds(5);
                timer_.expires_at(std::max(owner_.feed().next(), soon));
                co_await timer_.async_wait(pool::use_op);
            }
        }
    }

    // What the peer has sent meanwhile must not make the kernel throw our answer away.
    asio::awaitable<void> say_goodbye() {
        stream_.transport().end_writing();
        stream_.set_deadline(pool::Clock::now() + std::chrono::seconds(2));
        std::size_t read = 0;
        while (!stopped_ && read < HttpReader::largest_head * 4) {
            if (const auto filled = co_await stream_.fill(); !filled) co_return;
            read += stream_.unread().size();
            stream_.unread().clear();
        }
    }

    HttpServer& owner_;
    asio::any_io_executor executor_;
    asio::steady_timer timer_;
    pool::ControlStream stream_;
    bool stopped_ = false;
};

HttpServer::HttpServer(Server& server)
    : server_(server),
      feed_(std::make_unique<StatusFeed>(server)),
      listener_(server.io().get_executor(), [this](pool::Transport transport) {
          accept(std::move(transport));
      }) {}

HttpServer::~HttpServer() = default;

protocol::Result<void> HttpServer::open(const conf::Settings& settings) {
    for (const auto& text : settings.http_listen) {
        const auto address = conf::read_http_address(text);
        if (!address.ok()) {
            return protocol::error(protocol::sqlstate::config_file_error, address.wrong);
        }
        auto opened = listener_.open_tcp(address.value.host, address.value.port, settings);
        if (!opened) return opened;
    }
    return {};
}

void HttpServer::start() {
    if (!is_open()) return;
    listener_.start();
    feed_->start();
}

void HttpServer::stop() {
    listener_.stop();
    feed_->stop();
    for (const auto& weak : connections_) {
        if (const auto connection = weak.lock()) connection->stop();
    }
}

void HttpServer::accept(pool::Transport transport) {
    const auto limit = static_cast<std::size_t>(server_.settings().http_max_connections);
    if (open_ >= limit) {
        // A TLS client would not understand it, and sees the end.
        if (!server_.configuration().http_tls) {
            static_cast<void>(transport.write(as_bytes(too_many)));
        }
        return;
    }
    std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
    const auto connection = std::make_shared<HttpConnection>(*this, std::move(transport));
    connections_.push_back(connection);
    ++open_;
    asio::co_spawn(
        server_.io(),
        [](std::shared_ptr<HttpConnection> self) -> asio::awaitable<void> {
            co_await self->serve();
        }(connection),
        [this](const std::exception_ptr& failure) {
            --open_;
            log_failure(failure);
        }
    );
}

}  // namespace weir::proxy
