#include "proxy/admin_console.h"

#include "pool/io/control_stream.h"
#include "proxy/admin_commands.h"
#include "proxy/cancel_registry.h"
#include "proxy/log.h"
#include "proxy/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <limits>
#include <sys/socket.h>
#include <utility>

namespace weir::proxy {

namespace {

// Whether a stats_period has ended is looked at this often: a shorter one acts at once.
constexpr auto sample_round = std::chrono::seconds(1);
// How long a client who reads nothing may keep his last words from being dropped.
constexpr auto console_farewell = std::chrono::seconds(5);

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

AdminRights rights_of(const LoggedInClient& client, const conf::Settings& settings) {
    return client.owner || contains(settings.admin_users, client.user) ? AdminRights::all
                                                                       : AdminRights::watch;
}

SessionView view_of(const LoggedInClient& client, std::uint64_t id) {
    SessionView view;
    view.id = id;
    view.user = client.user;
    view.database = client.database;
    view.address = client.address;
    view.port = client.port;
    view.local_address = client.local_address;
    view.local_port = client.local_port;
    view.tls = client.tls_text;
    view.state = "active";
    view.connected = pool::Clock::now();
    for (const auto& [name, value] : client.settings) {
        if (protocol::same_parameter_name(name, "application_name")) view.application_name = value;
    }
    if (client.unix_socket) {
        view.peer_process = pool::peer_process_of(client.transport.descriptor());
    }
    return view;
}

// One client. Lives as long as its coroutines; leave() is its end for everybody else.
class ConsoleClient : public std::enable_shared_from_this<ConsoleClient> {
public:
    ConsoleClient(
        ConsoleShared& shared, LoggedInClient client, std::uint64_t id, protocol::CancelKey key
    )
        : view_(view_of(client, id)),
          shared_(shared),
          permit_(std::move(client.permit)),
          commands_(
              shared,
              rights_of(client, shared.server.settings()),
              shared.queries.session_of(view_.user, view_.database)
          ),
          session_(commands_),
          executor_(shared.server.io().get_executor()),
          stream_(executor_, std::move(client.transport), pool::Clock::time_point::max()),
          progress_(executor_),
          key_(std::move(key)) {
        commands_.when_answered([this] {
            flush();
            progress_.cancel();
        });
    }

    const SessionView& view() const { return view_; }

    const protocol::CancelKey& cancel_key() const { return key_; }

    void cancel() {
        commands_.cancel();
        flush();
    }

    // Tells him why and lets him go.
    void end(const protocol::Error& why) {
        session_.end(why);
        flush();
        stop_reading();
    }

    // He is no client any more: what he waits for is given up.
    void leave() {
        if (std::exchange(left_, true)) return;
        commands_.abandon();
        stop_reading();
    }

    asio::awaitable<void> serve() {
        session_.welcome(key_);
        take_input();
        while (!session_.ended() && !broken_) {
            if (must_not_read()) {
                progress_.expires_at(pool::Clock::time_point::max());
                co_await progress_.async_wait(pool::use_op);
                continue;
            }
            const auto filled = co_await stream_.fill();
            if (!filled || left_) break;
            take_input();
        }
        if (!left_) commands_.abandon();
        if (draining_ && !broken_) {
            progress_.expires_after(console_farewell);
            co_await progress_.async_wait(pool::use_op);
        }
        break_off();  // drain() may still wait
    }

    // The client has said goodbye, or was told so.
    bool ended_in_order() const { return session_.ended(); }

private:
    // He sends more than is worked off, or does not take what he is sent.
    bool must_not_read() const {
        return session_.unread() > AdminSession::max_message && (session_.busy() || draining_);
    }

    // Wakes serve() wherever it waits: reading gives an end from now on.
    void stop_reading() {
        progress_.cancel();
        ::shutdown(stream_.transport().descriptor(), SHUT_RD);
    }

    // Nothing is sent any more either.
    void break_off() {
        broken_ = true;
        progress_.cancel();
        ::shutdown(stream_.transport().descriptor(), SHUT_RDWR);
    }

    void take_input() {
        const auto bytes = std::exchange(stream_.unread(), std::string());
        if (left_) return;
        shared_.totals[bytes_received] += bytes.size();
        view_.request = pool::Clock::now();
        working_ = true;
        session_.receive(bytes);
        working_ = false;
        flush();
    }

    // Sends what there is; what the client does not take now is sent by drain(). Commands that
    // answer at once come here in the middle of advance(): their output is sent together.
    void flush() {
        if (working_) return;
        while (!draining_ && !broken_) {
            working_ = true;
            session_.advance();
            working_ = false;
            if (session_.output().empty()) return;
            sending_.assign(as_text(session_.output().view()));
            session_.output().clear();
            session_.output().shrink_over(AdminSession::max_output);
            shared_.totals[bytes_sent] += sending_.size();
            if (!send_now()) return;
        }
    }

    // False: not everything.
    bool send_now() {
        Bytes bytes = as_bytes(sending_);
        while (!bytes.empty()) {
            const auto result = stream_.transport().write(bytes);
            if (result.status == pool::IoStatus::ok) {
                bytes = bytes.subspan(result.size);
                continue;
            }
            if (result.status == pool::IoStatus::failed || result.status == pool::IoStatus::end) {
                break_off();
                return false;
            }
            sending_.erase(0, sending_.size() - bytes.size());
            draining_ = true;
            asio::co_spawn(executor_, drain(shared_from_this()), [](const std::exception_ptr&) {});
            return false;
        }
        std::string().swap(sending_);
        return true;
    }

    static asio::awaitable<void> drain(std::shared_ptr<ConsoleClient> self) {
        const auto bytes = as_bytes(self->sending_);
        const auto written = co_await self->stream_.write(bytes);
        self->draining_ = false;
        std::string().swap(self->sending_);
        if (!written) {
            self->break_off();
            co_return;
        }
        self->flush();
        self->progress_.cancel();
    }

    SessionView view_;
    ConsoleShared& shared_;
    std::shared_ptr<void> permit_;
    ConsoleCommands commands_;
    AdminSession session_;
    asio::any_io_executor executor_;
    pool::ControlStream stream_;
    asio::steady_timer progress_;  // cancelled when something has changed for the reader
    protocol::CancelKey key_;
    std::string sending_;
    bool working_ = false;   // the session is at work on this stack
    bool draining_ = false;  // drain() runs
    bool broken_ = false;
    bool left_ = false;
};

}  // namespace

struct AdminConsole::State : std::enable_shared_from_this<State> {
    explicit State(Server& server) : shared(server), timer(server.io()) {}

    ConsoleShared shared;
    asio::steady_timer timer;
    CancelRegistry keys;
    std::map<std::uint64_t, std::shared_ptr<ConsoleClient>> clients;
    // Downwards from the largest that fits the column of SHOW CLIENTS; sessions count upwards.
    std::uint64_t next_id = std::numeric_limits<std::int32_t>::max();

    static asio::awaitable<void> serve(
        std::shared_ptr<State> state, std::shared_ptr<ConsoleClient> client
    ) {
        co_await client->serve();
        const auto& view = client->view();
        const auto id = view.id;
        if (state->shared.server.settings().log_disconnections) {
            log_of(LogComponent::console)
                .info(
                    "C-{} {}/{}@{}:{} closing because: {}",
                    id,
                    printable(view.database),
                    printable(view.user),
                    view.address,
                    view.port,
                    client->ended_in_order() ? "close req" : "client unexpected eof"
                );
        }
        client->leave();
        state->keys.remove(client->cancel_key().process_id);
        state->clients.erase(id);
    }

    void sample_later() {
        timer.expires_after(sample_round);
        timer.async_wait([weak = weak_from_this()](auto canceled) {
            const auto state = weak.lock();
            if (canceled || !state) return;
            state->sample();
            state->sample_later();
        });
    }

    void sample() {
        const auto now = pool::Clock::now();
        if (now - shared.sampler.last() < shared.server.settings().stats_period) return;
        auto totals = collect_totals(shared.server.pools());
        totals["pgbouncer"] = shared.totals;
        shared.sampler.sample(std::move(totals), now);
    }
};

AdminConsole::AdminConsole(Server& server) : state_(std::make_shared<State>(server)) {
    auto& state = *state_;
    state.shared.view_clients = [&state] {
        std::vector<SessionView> views;
        for (const auto& [id, client] : state.clients)
            views.push_back(client->view());
        return views;
    };
    state.shared.kill_client = [&state](std::uint64_t id) {
        const auto found = state.clients.find(id);
        if (found == state.clients.end()) return false;
        found->second->end(
            protocol::fatal(protocol::sqlstate::admin_shutdown, "admin forced disconnect")
        );
        return true;
    };
    state.sample_later();
}

AdminConsole::~AdminConsole() {
    auto& state = *state_;
    state.timer.cancel();
    for (const auto& [id, client] : std::exchange(state.clients, {}))
        client->leave();
    state.shared.waits.clear();
}

void AdminConsole::start(LoggedInClient client) {
    auto& state = *state_;
    const auto id = state.next_id--;
    // 32 bytes from protocol 3.2 on, which allows them.
    const bool long_key = client.version >= protocol::ProtocolVersion{3, 2};
    auto key = state.keys.add({id, 0}, long_key ? 32 : 4);
    auto served =
        std::make_shared<ConsoleClient>(state.shared, std::move(client), id, std::move(key));
    state.clients.emplace(id, served);
    asio::co_spawn(
        state.shared.server.io(),
        State::serve(state_, served),
        [](const std::exception_ptr& failure) {
            if (!failure) return;
            try {
                std::rethrow_exception(failure);
            } catch (const std::exception& e) {
                log_of(LogComponent::console).error("console: {}", e.what());
            }
        }
    );
}

void AdminConsole::stop(const protocol::Error& why) {
    const auto clients = state_->clients;
    for (const auto& [id, client] : clients)
        client->end(why);
}

bool AdminConsole::cancel(const protocol::CancelKey& key) {
    const auto target = state_->keys.find(key);
    if (!target) return false;
    const auto found = state_->clients.find(target->session);
    if (found == state_->clients.end()) return false;
    const auto client = found->second;
    client->cancel();
    return true;
}

std::size_t AdminConsole::clients() const {
    return state_->clients.size();
}

std::string AdminConsole::stats_line() const {
    const auto all = state_->shared.sampler.average_of_all();
    return fmt::format(
        "{} xacts/s, {} queries/s, {} client parses/s, {} server parses/s, {} binds/s, in {} B/s, "
        "out {} B/s, xact {} us, query {} us, wait {} us",
        all[transactions],
        all[queries],
        all[client_parses],
        all[server_parses],
        all[binds],
        all[bytes_received],
        all[bytes_sent],
        all[transaction_time],
        all[query_time],
        all[wait_time]
    );
}

}  // namespace weir::proxy
