// HttpServer: status page, JSON API, metrics and health over HTTP/1.1, for looking only.
//
// On the control plane. Bounded: connections (http_max_connections), the head of a request
// (HttpReader::largest_head), the time for a request and for taking its answer. A client that does
// not read is let go.
//
//   http_request   bytes to a request        http_access   who may look
//   http_response  an answer to bytes        http_pages    which path is what
#pragma once

#include "proxy/http_response.h"
#include "proxy/listener.h"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <vector>

namespace weir::proxy {

class Server;
class HttpConnection;
class StatusFeed;

class HttpServer {
public:
    // `server` must outlive this.
    explicit HttpServer(Server& server);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Binds http_listen; an Error if an address cannot be had. Blocks for the lookup of names.
    protocol::Result<void> open(const conf::Settings& settings);
    void start();
    // Connections end as soon as they are seen to.
    void stop();

    bool is_open() const { return !listener_.addresses().empty(); }

    StatusFeed& feed() { return *feed_; }

private:
    friend class HttpConnection;

    void accept(pool::Transport transport);

    Server& server_;
    std::unique_ptr<StatusFeed> feed_;
    std::vector<std::weak_ptr<HttpConnection>> connections_;
    std::size_t open_ = 0;
    Listener listener_;  // last: it stops first
};

// --- http_pages.cc ---

// The answer to a request that is allowed. `trusted`: it has brought credentials, or none are
// needed. Control thread.
asio::awaitable<HttpResponse> answer_request(
    Server& server, StatusFeed& feed, const HttpRequest& request, bool trusted
);
// Paths that anybody may ask for: probes have no credentials.
bool is_public_path(std::string_view path);

}  // namespace weir::proxy
