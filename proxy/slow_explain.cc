#include "proxy/slow_explain.h"

#include "pool/io/control_stream.h"
#include "protocol/field_cursor.h"
#include "protocol/masked_text.h"
#include "protocol/message.h"
#include "protocol/set_statements.h"
#include "protocol/sql_lexer.h"
#include "proxy/log.h"

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <charconv>

namespace weir::proxy {

namespace {

constexpr auto explain_patience = std::chrono::seconds(2);
// After a try that brought no plan: a text that this PostgreSQL cannot plan, a failed login.
constexpr auto retry_pause = std::chrono::seconds(1);
constexpr std::size_t max_plan_message = std::size_t{256} << 10U;
constexpr std::size_t max_plan = std::size_t{16} << 10U;
constexpr int first_with_generic_plan = 16;

// PostgreSQL's statement_timeout ends what our own deadline would leave behind.
constexpr std::string_view preparation =
    "SET statement_timeout TO '1s'; SET lock_timeout TO '100ms';"
    " SET default_transaction_read_only TO on; SET standard_conforming_strings TO on;"
    " SET application_name TO 'pgweir explain'";

// Each parameter, those of its own and those in the place of values, is "$1".
bool has_parameters(std::string_view text) {
    protocol::SqlLexer lexer(text);
    for (;;) {
        const auto token = lexer.next();
        if (token.kind == protocol::TokenKind::parameter) return true;
        const bool over =
            token.kind == protocol::TokenKind::end || token.kind == protocol::TokenKind::error;
        if (over) return false;
    }
}

int major_version(const pool::LoggedInServer& server) {
    int version = 0;
    for (const auto& [name, value] : server.parameters) {
        if (name == "server_version") {
            std::from_chars(value.data(), value.data() + value.size(), version);
        }
    }
    return version;
}

// Sends the query, and reads to its end. Each first column that is no NULL is a line of `lines`.
// False: an error, or the connection is gone.
asio::awaitable<bool> ask_lines(pool::ControlStream& stream, std::string sql, std::string& lines) {
    protocol::MessageWriter out;
    out.begin(protocol::frontend::query).c_string(sql).end();
    const auto written = co_await stream.write(out.view());
    if (!written) co_return false;
    bool good = true;
    for (;;) {
        const auto message = co_await stream.read_message(max_plan_message);
        if (!message) co_return false;
        if (message->type == protocol::backend::ready_for_query) co_return good;
        if (message->type == protocol::backend::error_response) {
            const auto error = protocol::parse_error_response(as_bytes(message->body));
            log_of(LogComponent::clients)
                .info("EXPLAIN of a slow statement: {}", error ? printable(error->message) : "");
            good = false;
        }
        if (message->type != protocol::backend::data_row || lines.size() > max_plan) continue;
        protocol::FieldCursor fields(as_bytes(message->body));
        if (fields.u16() == 0) continue;
        const auto length = fields.i32();
        if (length < 0) continue;
        const auto value = as_text(fields.take(static_cast<std::size_t>(length)));
        if (fields.ok()) lines.append(lines.empty() ? "" : "\n").append(value);
    }
}

std::string masked_plan(std::string_view plan) {
    std::string out;
    while (!plan.empty()) {
        const auto end = std::min(plan.find('\n'), plan.size());
        out.append(out.empty() ? "" : "\n").append(masked_plan_line(plan.substr(0, end)));
        plan.remove_prefix(std::min(end + 1, plan.size()));
    }
    return out;
}

}  // namespace

bool may_explain(const SlowStatement& statement) {
    if (!statement.on_replica || !statement.sqlstate.empty() || statement.other_role) return false;
    if (statement.fingerprint == nullptr || statement.fingerprint->lexical) return false;
    const auto& text = statement.fingerprint->text;
    // Cut, or several; and lists that were cut to their first value mean nothing to a parser.
    const bool whole = text.size() < router::Fingerprint::text_limit &&
                       text.find(';') == std::string::npos && text.find("...") == std::string::npos;
    protocol::SqlLexer lexer(text);
    const auto first = lexer.next();
    return whole &&
           (protocol::is_word(first.text, "select") || protocol::is_word(first.text, "with"));
}

bool may_explain_on(const SlowStatement& statement, int server_version) {
    return server_version >= first_with_generic_plan ||
           !has_parameters(statement.fingerprint->text);
}

// "  Filter: (name = 'x'::text)" has values behind its colon; "Seq Scan on t  (cost=0.00..1.05
// rows=5 width=4)" has none.
std::string masked_plan_line(std::string_view line) {
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos || line.find("  (cost=") < colon) return std::string(line);
    const auto rest = line.substr(colon + 2);
    return std::string(line.substr(0, colon + 2)) +
           protocol::masked_text(rest, protocol::MaskStyle::shown, rest.size());
}

void SlowExplain::configure(conf::Milliseconds interval, bool values) {
    interval_.store(pool::Duration(interval).count());
    values_.store(values);
}

bool SlowExplain::takes_turn(const SlowStatement& statement) {
    const auto interval = interval_.load(std::memory_order_relaxed);
    if (interval == 0 || !may_explain(statement)) return false;
    const auto now = pool::Clock::now().time_since_epoch().count();
    auto next = next_.load();
    return now >= next && next_.compare_exchange_strong(next, now + interval);
}

// Others need not wait for the whole interval.
void SlowExplain::give_turn_back() {
    const auto soon = (pool::Clock::now() + retry_pause).time_since_epoch().count();
    next_.store(std::min(next_.load(), pool::Duration::rep{soon}));
}

void SlowExplain::note(SlowStatement statement, bool logged) {
    if (!takes_turn(statement)) return log_.note(std::move(statement), logged);
    asio::co_spawn(io_, explain(std::move(statement), logged), log_failure);
}

asio::awaitable<void> SlowExplain::explain(SlowStatement statement, bool logged) {
    statement.plan = co_await ask(statement);
    if (statement.plan.empty()) give_turn_back();
    log_.note(std::move(statement), logged);
}

asio::awaitable<std::string> SlowExplain::ask(const SlowStatement& statement) {
    const auto deadline = pool::Clock::now() + explain_patience;
    pool::PoolName name{statement.database, statement.user, statement.host};
    auto server = co_await pools_.log_in_to_replica(std::move(name), deadline);
    if (!server) {
        log_of(LogComponent::clients)
            .info("EXPLAIN of a slow statement: {}", printable(server.error().message));
        co_return std::string();
    }
    const auto version = major_version(*server);
    pool::ControlStream stream(io_.get_executor(), std::move(server->transport), deadline);
    std::string plan;
    if (may_explain_on(statement, version)) {
        std::string first(preparation);
        if (!statement.search_path.empty()) {
            first += "; " + protocol::set_statement("search_path", statement.search_path);
        }
        const bool generic = has_parameters(statement.fingerprint->text);
        std::string second = (generic ? "EXPLAIN (GENERIC_PLAN) " : "EXPLAIN ");
        second += statement.fingerprint->text;
        std::string nothing;
        bool good = co_await ask_lines(stream, std::move(first), nothing);
        if (good) good = co_await ask_lines(stream, std::move(second), plan);
        if (!good) plan.clear();
    }
    protocol::MessageWriter out;
    out.begin(protocol::frontend::terminate).end();
    const auto said = co_await stream.write(out.view());
    static_cast<void>(said);
    co_return values_.load() ? plan : masked_plan(plan);
}

}  // namespace weir::proxy
