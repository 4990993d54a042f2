// TraceExporter: sends spans of traced statements to trace_endpoint, in batches, from the control
// thread.
//
// note() puts a statement into a bounded queue and returns: an endpoint that is slow or down costs
// spans, which are counted, and never a worker's time. A batch that the endpoint cannot take now is
// tried again for a while (trace_attempts), then given up; one that it refuses is given up at once.
#pragma once

#include "conf/settings.h"
#include "proxy/http_client.h"
#include "proxy/otlp_json.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <mutex>
#include <optional>
#include <vector>

namespace weir::proxy {

class TraceExporter {
public:
    // Statements that may wait; and so many are one request.
    static constexpr std::size_t queue_limit = 8192;
    static constexpr std::size_t batch_size = 256;

    // Both must outlive this.
    TraceExporter(asio::io_context& io, asio::thread_pool& threads);
    TraceExporter(const TraceExporter&) = delete;
    TraceExporter& operator=(const TraceExporter&) = delete;

    // --- the control thread ---
    void configure(const conf::Settings& settings);
    void start();
    // What waits is sent once more, for about a second; then is_stopped().
    void stop();

    bool is_stopped() const { return !running_; }

    // --- any thread ---
    void note(SlowStatement statement);

    struct Counts {
        std::uint64_t exported = 0;  // spans that were taken
        std::uint64_t rejected = 0;  // spans that the endpoint has refused
        std::uint64_t failed = 0;    // spans that were given up: it could not be reached
        std::uint64_t dropped = 0;   // statements for which the queue had no room
        std::size_t queued = 0;      // statements that wait
    };

    Counts counts() const;

private:
    enum class Outcome : std::uint8_t { taken, refused, unavailable };

    asio::awaitable<void> run();
    asio::awaitable<void> export_batch(std::span<const SlowStatement> batch);
    asio::awaitable<Outcome> attempt(const OtlpRequest& request, std::chrono::seconds& retry);
    Outcome judge(const protocol::Result<HttpAnswer>& answer, std::size_t spans);
    void tell(const std::string& failure);
    std::vector<SlowStatement> take();

    asio::io_context& io_;
    asio::steady_timer timer_;
    HttpClient client_;
    TraceIds ids_;
    OtlpResource resource_;
    std::optional<conf::HttpUrl> endpoint_;  // nothing: off
    bool running_ = false, stopping_ = false;
    bool failing_ = false;  // and the log has said so

    mutable std::mutex mutex_;
    // Guarded by mutex_:
    std::vector<SlowStatement> queue_;
    std::size_t in_flight_ = 0;
    Counts counts_;
    bool enabled_ = false;
};

}  // namespace weir::proxy
