#include "proxy/trace_export.h"

#include "proxy/log.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <unistd.h>

namespace weir::proxy {

namespace {

// A batch that is not full leaves after so long.
constexpr auto export_period = std::chrono::seconds(1);
constexpr auto request_time = std::chrono::seconds(10);
constexpr auto flush_time = std::chrono::seconds(1);
constexpr int trace_attempts = 5;
constexpr auto first_pause = std::chrono::seconds(1);  // each is twice the one before

std::string host_name() {
    std::string name(256, '\0');
    if (::gethostname(name.data(), name.size() - 1) != 0) return {};
    name.resize(name.find('\0'));
    return name;
}

// ExportTracePartialSuccess.rejectedSpans; 64-bit integers are strings, or numbers.
std::uint64_t rejected_spans(const std::string& body) {
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object()) return 0;
    const auto partial = json.find("partialSuccess");
    if (partial == json.end() || !partial->is_object()) return 0;
    const auto count = partial->find("rejectedSpans");
    if (count == partial->end()) return 0;
    if (count->is_number_unsigned()) return count->get<std::uint64_t>();
    if (!count->is_string()) return 0;
    return std::strtoull(count->get_ref<const std::string&>().c_str(), nullptr, 10);
}

}  // namespace

TraceExporter::TraceExporter(asio::io_context& io, asio::thread_pool& threads)
    : io_(io), timer_(io), client_(io.get_executor(), threads) {
    resource_.instance = ids_.trace_id();
    resource_.host_name = host_name();
    resource_.process_id = ::getpid();
}

void TraceExporter::configure(const conf::Settings& settings) {
    resource_.service_name = settings.trace_service_name;
    endpoint_.reset();
    if (auto url = conf::read_http_url(settings.trace_endpoint); url.ok()) endpoint_ = url.value;
    const std::lock_guard lock(mutex_);
    enabled_ = endpoint_.has_value();
    if (!enabled_) counts_.dropped += std::exchange(queue_, {}).size();
}

void TraceExporter::start() {
    running_ = true;
    asio::co_spawn(io_, run(), [this](const std::exception_ptr& failure) {
        running_ = false;
        log_failure(failure);
    });
}

void TraceExporter::stop() {
    stopping_ = true;
    timer_.cancel();
}

void TraceExporter::note(SlowStatement statement) {
    bool full_batch = false;
    {
        const std::lock_guard lock(mutex_);
        // A session may not have heard of a RELOAD yet.
        if (!enabled_ || queue_.size() + in_flight_ >= queue_limit) {
            ++counts_.dropped;
            return;
        }
        queue_.push_back(std::move(statement));
        full_batch = queue_.size() == batch_size && in_flight_ == 0;
    }
    if (full_batch) asio::post(io_, [this] { timer_.cancel(); });
}

TraceExporter::Counts TraceExporter::counts() const {
    const std::lock_guard lock(mutex_);
    auto counts = counts_;
    counts.queued = queue_.size() + in_flight_;
    return counts;
}

std::vector<SlowStatement> TraceExporter::take() {
    const std::lock_guard lock(mutex_);
    in_flight_ = queue_.size();
    return std::exchange(queue_, {});
}

asio::awaitable<void> TraceExporter::run() {
    for (;;) {
        const auto statements = take();
        std::span<const SlowStatement> rest(statements);
        while (!rest.empty()) {
            const auto batch = rest.first(std::min(rest.size(), batch_size));
            rest = rest.subspan(batch.size());
            co_await export_batch(batch);
            const std::lock_guard lock(mutex_);
            in_flight_ -= batch.size();
        }
        if (stopping_ && statements.empty()) co_return;
        if (stopping_ || statements.size() >= batch_size) continue;
        timer_.expires_after(export_period);
        co_await timer_.async_wait(pool::use_op);
    }
}

asio::awaitable<void> TraceExporter::export_batch(std::span<const SlowStatement> batch) {
    const auto request = otlp_request(batch, resource_, ids_);
    std::chrono::seconds pause = first_pause;
    auto outcome = Outcome::unavailable;
    for (int tries = 0; tries < trace_attempts; ++tries) {
        std::chrono::seconds retry{};
        outcome = co_await attempt(request, retry);
        if (outcome != Outcome::unavailable || stopping_ || tries + 1 == trace_attempts) break;
        timer_.expires_after(std::max(pause, retry));
        co_await timer_.async_wait(pool::use_op);
        pause *= 2;
    }
    if (outcome != Outcome::unavailable) co_return;
    const std::lock_guard lock(mutex_);
    counts_.failed += request.spans;
}

asio::awaitable<TraceExporter::Outcome> TraceExporter::attempt(
    const OtlpRequest& request, std::chrono::seconds& retry
) {
    if (!endpoint_) co_return Outcome::unavailable;
    const auto time = stopping_ ? std::chrono::seconds(flush_time) : request_time;
    auto url = *endpoint_;
    auto json = request.json;
    const auto answer =
        co_await client_.post(std::move(url), std::move(json), pool::Clock::now() + time);
    if (answer) retry = answer->retry;
    co_return judge(answer, request.spans);
}

TraceExporter::Outcome TraceExporter::judge(
    const protocol::Result<HttpAnswer>& answer, std::size_t spans
) {
    if (!answer) {
        tell(answer.error().message);
        return Outcome::unavailable;
    }
    const auto status = answer->status;
    if (status < 200 || status >= 300) {
        tell("HTTP status " + std::to_string(status));
        // What OTLP/HTTP says may be tried again.
        const bool later = status == 429 || status == 502 || status == 503 || status == 504;
        if (later) return Outcome::unavailable;
        const std::lock_guard lock(mutex_);
        counts_.rejected += spans;
        return Outcome::refused;
    }
    tell({});
    const auto rejected = std::min<std::uint64_t>(rejected_spans(answer->body), spans);
    const std::lock_guard lock(mutex_);
    counts_.rejected += rejected;
    counts_.exported += spans - rejected;
    return Outcome::taken;
}

// One line when it begins and one when it ends. Empty: it went well.
void TraceExporter::tell(const std::string& failure) {
    const bool fails = !failure.empty();
    if (fails == failing_) return;
    failing_ = fails;
    if (fails) {
        spdlog::warn("trace_endpoint does not take spans: {}", printable(failure));
    } else {
        spdlog::info("trace_endpoint takes spans again");
    }
}

}  // namespace weir::proxy
