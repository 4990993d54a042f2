// TRACE CLIENT id [FOR duration]: which messages a client, pgweir and the servers exchange, with
// their lengths and times, and nothing of what is in them. Rows come as the messages do.
#include "conf/value.h"
#include "protocol/message_name.h"
#include "proxy/admin_commands.h"
#include "proxy/log.h"
#include "proxy/server.h"
#include "proxy/session_trace.h"

#include <charconv>
#include <cstdio>
#include <memory>

namespace weir::proxy {

namespace {

using Done = AdminCommands::Done;
using enum ColumnType;

constexpr auto usual_time = std::chrono::seconds(30);
constexpr auto longest_time = std::chrono::minutes(10);
// About 1 MB of what the console is sent.
constexpr std::size_t most_traced_rows = 10'000;

std::string_view traced_name(const TracedMessage& message) {
    const bool of_frontend =
        message.way == TracedWay::from_client || message.way == TracedWay::to_server;
    return of_frontend ? protocol::frontend_message_name(message.type)
                       : protocol::backend_message_name(message.type);
}

std::string_view traced_name(TracedWay way) {
    switch (way) {
        case TracedWay::from_client:
            return "client -> pgweir";
        case TracedWay::to_client:
            return "pgweir -> client";
        case TracedWay::to_server:
            return "pgweir -> server";
        case TracedWay::from_server:
            return "server -> pgweir";
    }
    return {};
}

// A type byte that is none may be any.
std::string type_shown(char type) {
    if (type > ' ' && type <= '~') return {type};
    char hex[5];
    std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(type));
    return hex;
}

// One trace as the console follows it. Control thread.
class Following {
public:
    Following(pool::Duration time, Done done)
        : trace_(std::make_shared<SessionTrace>(most_traced_rows)),
          begun_(pool::Clock::now()),
          until_(begun_ + time),
          done_(std::move(done)) {}

    const std::shared_ptr<SessionTrace>& trace() const { return trace_; }

    // What happened to the search for the client: `found` only then is there something to follow.
    void begun(bool found, bool traced) {
        looked_ = true;
        found_ = found;
        traced_ = traced;
    }

    std::optional<AdminOutcome> look() {
        if (!looked_) return std::nullopt;
        if (!found_) return command_refused("client not found");
        if (!traced_) return command_refused("the client is traced already");
        auto taken = trace_->take();
        const bool over = pool::Clock::now() >= until_;
        AdminReply reply("TRACE");
        reply.table = Table{constant_columns(trace_client_columns()), {}};
        for (const auto& message : taken.messages)
            reply.table->rows.push_back(row_of(message));
        if (over || taken.session_ended || taken.full) {
            if (taken.session_ended) reply.notices.push_back({"the client has left", {}});
            if (taken.full && !taken.session_ended) {
                reply.notices.push_back(
                    {"the trace has ended: " + std::to_string(most_traced_rows) + " rows", {}}
                );
            }
            stop();
            return reply;
        }
        if (!taken.messages.empty()) {
            reply.more = true;
            done_(std::move(reply));
        }
        return std::nullopt;
    }

    // The session is not looked at any more; also if it has not been found yet.
    void stop() {
        if (!looked_ || !found_ || !traced_ || stopped_) {
            stopped_ = true;
            return;
        }
        stopped_ = true;
        stop(trace_, id_);
    }

    static void stop(const std::shared_ptr<SessionTrace>& trace, std::uint64_t id) {
        trace->worker().with_session(id, [](ClientSession& session) { session.end_trace(); });
    }

    bool stopped() const { return stopped_; }

    void set_id(std::uint64_t id) { id_ = id; }

private:
    Row row_of(const TracedMessage& message) const {
        const std::chrono::duration<double, std::milli> since = message.at - begun_;
        return {
            since.count(),
            std::string(traced_name(message.way)),
            std::string(traced_name(message)),
            type_shown(message.type),
            static_cast<std::int64_t>(message.count),
            static_cast<std::int64_t>(message.bytes),
            message.server_process == 0 ? Value() : Value(std::int64_t{message.server_process}),
        };
    }

    const std::shared_ptr<SessionTrace> trace_;
    const pool::TimePoint begun_;
    const pool::TimePoint until_;
    const Done done_;
    std::uint64_t id_ = 0;
    bool looked_ = false;
    bool found_ = false;
    bool traced_ = false;
    bool stopped_ = false;
};

}  // namespace

// at_ms: since the trace began; count: of rows and COPY data that follow each other.
const Columns& trace_client_columns() {
    static const Columns columns{
        {"at_ms", float8},
        {"way", text},
        {"message", text},
        {"type", text},
        {"count", int8},
        {"bytes", int8},
        {"server_pid", int4},
    };
    return columns;
}

void trace_client(ConsoleCommands& self, const AdminCommand& command, Done done) {
    std::uint64_t wanted = 0;
    const auto* const end = command.argument.data() + command.argument.size();
    const auto [stop, error] = std::from_chars(command.argument.data(), end, wanted);
    if (error != std::errc() || stop != end) return done(command_refused("invalid client id"));
    pool::Duration time = usual_time;
    if (!command.value.empty()) {
        const auto given = conf::read_duration(command.value, std::chrono::seconds(1));
        if (!given.ok() || given.value <= conf::Milliseconds::zero() ||
            given.value > longest_time) {
            return done(command_refused(
                "invalid duration: " + command.value, "Example: 30s; the longest one is 10min."
            ));
        }
        time = given.value;
    }
    log_command("TRACE CLIENT", command);

    struct Search {
        std::atomic<bool> found{false};
        std::atomic<bool> traced{false};
        std::atomic<std::uint64_t> id{0};
    };

    const auto search = std::make_shared<Search>();
    const auto following = std::make_shared<Following>(time, done);
    const auto act = [wanted, search, trace = following->trace()](ClientSession& session) {
        if (id_shown(session.id()) != static_cast<std::int64_t>(wanted) || search->found) {
            return false;
        }
        search->found = true;
        search->id = session.id();
        search->traced = session.begin_trace(trace);
        return true;
    };
    self.server().act_on_sessions(act, [search, following](std::size_t) {
        following->set_id(search->id);
        following->begun(search->found, search->traced);
        // Given up before it was found.
        if (following->stopped() && search->traced) {
            Following::stop(following->trace(), search->id);
        }
    });
    self.wait(
        [following] { return following->look(); },
        [following] { following->stop(); },
        std::move(done)
    );
}

}  // namespace weir::proxy
