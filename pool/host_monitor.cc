#include "pool/host_monitor.h"

#include "protocol/field_cursor.h"
#include "protocol/message.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace weir::pool {

using protocol::Result;
namespace sqlstate = protocol::sqlstate;

namespace {

constexpr std::size_t largest_answer = std::size_t{1024} * 1024;

// What the whole statement cannot be asked on this server, now or ever.
bool is_about_abilities(const protocol::Error& error) {
    constexpr std::string_view undefined = "42";      // functions, columns, privileges
    constexpr std::string_view not_supported = "0A";  // Aurora: WAL functions are switched off
    constexpr std::string_view wrong_state = "55";
    const std::string_view text_of_class = error.code.text().substr(0, 2);
    return text_of_class == undefined || text_of_class == not_supported ||
           text_of_class == wrong_state;
}

CheckFailure failure_of(const protocol::Error& error, HostReason reason) {
    std::string detail = error.message;
    if (!error.detail.empty()) detail += ": " + error.detail;
    return {reason, std::move(detail)};
}

std::optional<bool> reported_recovery(const protocol::Settings& parameters) {
    for (const auto& [name, value] : parameters) {
        if (name == "in_hot_standby") return value == "on";
    }
    return std::nullopt;
}

}  // namespace

struct HostMonitor::Answer {
    Answer() = default;

    std::vector<MonitorRow> rows;
    std::optional<protocol::Error> error;  // the statement's; the connection goes on
    bool ready = false;
};

HostMonitor::HostMonitor(
    asio::io_context& io, ServerLogin& login, MonitorOptions options, Observer observer
)
    : io_(io),
      login_(login),
      options_(options),
      observer_(std::move(observer)),
      timer_(io),
      random_(std::random_device()()),
      interval_(options.interval) {}

void HostMonitor::configure(ServerTarget target, ServerCredentials credentials) {
    target_ = std::move(target);
    credentials_ = std::move(credentials);
    if (target_.settings && target_.settings->tcp_user_timeout.count() == 0) {
        auto settings = std::make_shared<conf::Settings>(*target_.settings);
        settings->tcp_user_timeout = options_.tcp_user_timeout;
        target_.settings = std::move(settings);
    }
}

void HostMonitor::start() {
    // The coroutine keeps this alive.
    asio::co_spawn(io_, run(), [self = shared_from_this()](const std::exception_ptr& thrown) {
        if (!thrown || self->stopped_) return;
        self->observer_.failed({HostReason::check_failed, "the monitor has ended"});
    });
}

void HostMonitor::stop() {
    stopped_ = true;
    timer_.cancel();
    if (stream_ != nullptr) stream_->set_deadline(Clock::now());
}

void HostMonitor::check_now() {
    wanted_ = true;
    if (idling_) stream_->set_deadline(Clock::now());
}

void HostMonitor::set_interval(MonitorOptions::Milliseconds interval) {
    if (std::exchange(interval_, interval) == interval) return;
    if (idling_) stream_->set_deadline(next_check());
}

void HostMonitor::tell(const CheckFailure& failure) {
    if (!stopped_) observer_.failed(failure);
}

asio::awaitable<void> HostMonitor::run() {
    while (!stopped_) {
        auto target = target_;
        auto credentials = credentials_;
        const auto deadline = Clock::now() + options_.login_timeout;
        auto server = co_await login_.log_in(std::move(target), std::move(credentials), deadline);
        if (stopped_) break;
        if (server) {
            ++logins_;
            const auto checks_before = checks_;
            const CheckFailure ended = co_await watch(std::move(*server));
            if (stopped_) break;
            tell(ended);
            // It worked, so it may work again at once; what breaks each time must not spin.
            if (checks_ > checks_before + 1) failed_logins_ = 0;
            if (failed_logins_++ == 0) continue;
        } else {
            tell(failure_of(server.error(), HostReason::connect_failed));
            ++failed_logins_;
        }
        co_await pause();
    }
}

asio::awaitable<void> HostMonitor::pause() {
    const unsigned doublings = std::min(failed_logins_ > 0 ? failed_logins_ - 1 : 0, 10U);
    const auto pause = std::min(options_.first_pause * (1 << doublings), options_.longest_pause);
    // Between three quarters and all of it, so that many do not come together.
    const double share = 0.75 + 0.25 * static_cast<double>(random_() % 1024) / 1024;
    timer_.expires_after(std::chrono::duration_cast<Clock::duration>(pause * share));
    if (!stopped_) co_await timer_.async_wait(use_op);
}

SteadyTime HostMonitor::next_check() const {
    if (wanted_) return Clock::now();
    return last_check_ + interval_;
}

// Until the connection is lost: why.
asio::awaitable<CheckFailure> HostMonitor::watch(LoggedInServer server) {
    in_hot_standby_ = reported_recovery(server.parameters);
    const auto executor = co_await asio::this_coro::executor;
    const auto first_deadline = Clock::now() + options_.check_timeout;
    ControlStream stream(executor, std::move(server.transport), first_deadline);
    stream_ = &stream;

    // Also if something throws.
    struct Leaving {
        HostMonitor& monitor;

        ~Leaving() {
            monitor.stream_ = nullptr;
            monitor.idling_ = false;
        }
    } const leaving{*this};

    CheckFailure lost;
    auto done = co_await learn(stream);
    while (done && !stopped_) {
        if (Clock::now() - learnt_at_ >= options_.retry_abilities &&
            abilities_.knowledge() != Knowledge::positions) {
            done = co_await learn(stream);
            if (!done) break;
        }
        const bool brief = Clock::now() - last_full_check_ < options_.interval;
        done = co_await check(stream, brief);
        if (!done) break;
        const auto until = next_check();
        done = co_await idle(stream, until);
    }
    if (stopped_) co_return lost;
    if (stream.timed_out()) {
        co_return CheckFailure{HostReason::check_timeout, {}};
    }
    co_return failure_of(done.error(), HostReason::connection_lost);
}

asio::awaitable<Result<void>> HostMonitor::learn(ControlStream& stream) {
    stream.set_deadline(Clock::now() + options_.check_timeout);
    std::string sql(ability_statement());
    auto answer = co_await ask(stream, std::move(sql));
    if (!answer) co_return answer.error();
    learnt_at_ = Clock::now();
    abilities_ = {};
    if (!answer->error && answer->rows.size() == 1) {
        if (const auto able = read_abilities(answer->rows.front())) abilities_ = *able;
    }
    // A relative of PostgreSQL's that understands none of this may still know its role.
    last_full_check_ = {};
    co_return Result<void>();
}

asio::awaitable<Result<void>> HostMonitor::check(ControlStream& stream, bool brief) {
    const auto started = Clock::now();
    last_check_ = started;
    if (!brief) last_full_check_ = started;
    wanted_ = false;
    stream.set_deadline(started + options_.check_timeout);
    std::string sql = check_statement(abilities_, brief);
    auto answer = co_await ask(stream, std::move(sql));
    if (!answer) co_return answer.error();
    ++checks_;
    if (stopped_) co_return Result<void>();
    if (answer->error) {
        const protocol::Error error = *answer->error;
        if (is_about_abilities(error) && abilities_.knowledge() != Knowledge::none) {
            // Step by step down to what it does answer; it is asked again after a while.
            const bool had_positions = abilities_.knowledge() == Knowledge::positions;
            abilities_ = {};
            abilities_.recovery = had_positions;
            learnt_at_ = Clock::now();
            wanted_ = true;
        }
        tell(failure_of(error, HostReason::check_failed));
        co_return Result<void>();
    }
    auto sample = answer->rows.size() == 1 ? read_check(answer->rows.front(), abilities_, brief)
                                           : std::nullopt;
    if (!sample) {
        tell({HostReason::check_failed, "the answer is not what was asked for"});
        co_return Result<void>();
    }
    sample->started = started;
    sample->answered = Clock::now();
    if (!sample->in_recovery) {
        sample->in_recovery = in_hot_standby_;
        if (in_hot_standby_) sample->knowledge = Knowledge::role;
    }
    observer_.answered(std::move(*sample));
    co_return Result<void>();
}

// Until the next check is due, or check_now(): watches the connection meanwhile, so that its end is
// seen at once.
asio::awaitable<Result<void>> HostMonitor::idle(ControlStream& stream, SteadyTime until) {
    if (until <= Clock::now()) co_return Result<void>();
    stream.set_deadline(until);
    Answer unasked;
    while (!stopped_) {
        idling_ = true;
        auto message = co_await stream.read_message(largest_answer);
        idling_ = false;
        if (!message) {
            // The time has come.
            if (stream.timed_out() && !stream.at_end()) break;
            if (unasked.error) co_return *unasked.error;
            co_return message.error();
        }
        auto taken = take_message(*message, unasked);
        if (!taken) co_return taken.error();
    }
    co_return Result<void>();
}

asio::awaitable<Result<HostMonitor::Answer>> HostMonitor::ask(
    ControlStream& stream, std::string sql
) {
    protocol::MessageWriter query;
    query.begin(protocol::frontend::query).c_string(sql).end();
    const auto bytes = query.view();
    auto sent = co_await stream.write(bytes);
    if (!sent) co_return sent.error();
    Answer answer;
    while (!answer.ready) {
        auto message = co_await stream.read_message(largest_answer);
        if (!message) {
            // FATAL: what it said tells more than that it has gone.
            if (answer.error && stream.at_end()) co_return *answer.error;
            co_return message.error();
        }
        auto taken = take_message(*message, answer);
        if (!taken) co_return taken.error();
    }
    co_return answer;
}

Result<void> HostMonitor::take_message(const LoginMessage& message, Answer& answer) {
    const auto body = as_bytes(message.body);
    switch (message.type) {
        case protocol::backend::data_row: {
            protocol::FieldCursor fields(body);
            MonitorRow row(fields.u16());
            for (auto& field : row) {
                const std::int32_t size = fields.i32();
                if (size >= 0) field = as_text(fields.take(static_cast<std::size_t>(size)));
            }
            if (!fields.finished()) return protocol::violation("bad DataRow");
            answer.rows.push_back(std::move(row));
            break;
        }
        case protocol::backend::error_response: {
            const auto response = protocol::parse_error_response(body);
            if (!response) return response.error();
            answer.error = response->to_error();
            break;
        }
        case protocol::backend::parameter_status: {
            const auto parameter = protocol::parse_parameter_status(body);
            if (!parameter) return parameter.error();
            if (parameter->name == "in_hot_standby") in_hot_standby_ = parameter->value == "on";
            break;
        }
        case protocol::backend::ready_for_query:
            answer.ready = true;
            break;
        default:
            break;  // RowDescription, CommandComplete, notices
    }
    return Result<void>();
}

}  // namespace weir::pool
