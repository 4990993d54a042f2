#include "proxy/blocking.h"

#include "pool/io/control_stream.h"
#include "protocol/field_cursor.h"
#include "protocol/message.h"
#include "proxy/log.h"

#include <boost/asio/co_spawn.hpp>

#include <charconv>

namespace weir::proxy {

namespace {

constexpr auto patience = std::chrono::seconds(1);
constexpr std::size_t max_message = std::size_t{256} << 10U;
constexpr std::size_t max_blocked = 1000;

constexpr std::string_view statement =
    "select pid, array_to_string(pg_catalog.pg_blocking_pids(pid), ' ')"
    " from pg_catalog.pg_stat_activity where datname = pg_catalog.current_database()"
    " and wait_event_type = 'Lock' limit 1000";

// "12 34"
std::vector<int> read_numbers(std::string_view text) {
    std::vector<int> numbers;
    while (!text.empty()) {
        int number = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        if (read.ec == std::errc()) numbers.push_back(number);
        const auto space = text.find(' ');
        if (space == std::string_view::npos) break;
        text.remove_prefix(space + 1);
    }
    return numbers;
}

void take_row(
    const pool::LoginMessage& message,
    const std::string& database,
    std::vector<BlockedBackend>& blocked
) {
    protocol::FieldCursor fields(as_bytes(message.body));
    if (fields.u16() != 2 || blocked.size() >= max_blocked) return;
    std::string_view values[2];
    for (auto& value : values) {
        const auto length = fields.i32();
        if (length < 0 || !fields.ok()) return;
        value = as_text(fields.take(static_cast<std::size_t>(length)));
    }
    const auto process = read_numbers(values[0]);
    auto blockers = read_numbers(values[1]);
    if (!fields.ok() || process.size() != 1 || blockers.empty()) return;
    blocked.push_back({database, process[0], std::move(blockers)});
}

asio::awaitable<void> ask(
    asio::io_context& io, PoolSet& pools, pool::PoolName name, std::vector<BlockedBackend>& blocked
) {
    const auto deadline = pool::Clock::now() + patience;
    auto server = co_await pools.log_in_apart(name, deadline);
    if (!server) co_return;
    pool::ControlStream stream(io.get_executor(), std::move(server->transport), deadline);
    protocol::MessageWriter out;
    out.begin(protocol::frontend::query).c_string(statement).end();
    const auto written = co_await stream.write(out.view());
    if (!written) co_return;
    for (;;) {
        const auto message = co_await stream.read_message(max_message);
        if (!message || message->type == protocol::backend::error_response) co_return;
        if (message->type == protocol::backend::data_row) {
            take_row(*message, name.database, blocked);
        }
        if (message->type == protocol::backend::ready_for_query) break;
    }
    out.clear();
    out.begin(protocol::frontend::terminate).end();
    const auto said = co_await stream.write(out.view());
    static_cast<void>(said);
}

asio::awaitable<void> ask_all(
    asio::io_context& io,
    PoolSet& pools,
    std::vector<pool::PoolName> of,
    std::function<void(std::vector<BlockedBackend>)> done
) {
    std::vector<BlockedBackend> blocked;
    for (auto& name : of)
        co_await ask(io, pools, std::move(name), blocked);
    done(std::move(blocked));
}

}  // namespace

void ask_blocking(
    asio::io_context& io,
    PoolSet& pools,
    std::vector<pool::PoolName> of,
    std::function<void(std::vector<BlockedBackend>)> done
) {
    asio::co_spawn(io, ask_all(io, pools, std::move(of), std::move(done)), log_failure);
}

}  // namespace weir::proxy
