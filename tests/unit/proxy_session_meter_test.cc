// What a session counts of the statements it runs.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using proxy::QueryCounter;

namespace {

proxy::QueryRow row_of(ScriptWorld& world, std::string_view text) {
    const auto rows =
        world.worker->queries().rows(world.network->now(), std::chrono::system_clock::now());
    for (const auto& row : rows) {
        if (row.text() == text) return row;
    }
    return {};
}

// "calls/failed/rows" of the row with this text.
std::function<bool(ScriptWorld&)> counts(std::string text, std::string numbers) {
    return [=](ScriptWorld& world) {
        const auto row = row_of(world, text);
        const auto found = std::to_string(row[QueryCounter::calls]) + '/' +
                           std::to_string(row[QueryCounter::failed_calls]) + '/' +
                           std::to_string(row[QueryCounter::rows]);
        if (found != numbers) MESSAGE(text << ": " << found << ", wanted " << numbers);
        return found == numbers;
    };
}

std::string selected_row() {
    return be::row_description() + be::row("1") + be::complete("SELECT 1");
}

}  // namespace

TEST_CASE("meter: statements that differ in values are one, those of one text are several") {
    SessionScript script;
    script.client_sends(fe::query("select 'a'"))
        .server_receives(fe::query("select 'a'"))
        .server_replies(selected_row(), be::ready())
        .client_receives(selected_row(), be::ready())
        .client_sends(fe::query("select 'b'; update t set a = 3; select 1"))
        .server_receives(fe::query("select 'b'; update t set a = 3; select 1"))
        .server_replies(selected_row(), be::complete("UPDATE 7"))
        .server_replies(be::error("22012", "division by zero"), be::ready())
        .client_receives(
            selected_row(),
            be::complete("UPDATE 7"),
            be::error("22012", "division by zero"),
            be::ready()
        )
        .check("two calls, three rows", counts("select $1", "2/1/2"))
        .check("an update", counts("update t set a = $1", "1/0/7"));
    script.play();
}

TEST_CASE("meter: an error ends the pipeline's statement, and what is skipped is not counted") {
    SessionScript script;
    const auto first = fe::parse("", "select 1") + fe::bind("", "") + fe::execute();
    const auto second = fe::parse("", "delete from t") + fe::bind("", "") + fe::execute();
    const auto third = fe::parse("", "delete from u") + fe::bind("", "") + fe::execute();
    script.client_sends(first, second, third, fe::sync())
        .server_receives(first, second, third, fe::sync())
        .server_replies(be::parse_complete(), be::bind_complete(), be::row("1"))
        .server_replies(be::complete("SELECT 1"), be::parse_complete(), be::bind_complete())
        .server_replies(be::error("23503", "no"), be::ready())
        .client_receives(
            be::parse_complete(),
            be::bind_complete(),
            be::row("1"),
            be::complete("SELECT 1"),
            be::parse_complete(),
            be::bind_complete(),
            be::error("23503", "no"),
            be::ready()
        )
        .check("the first", counts("select $1", "1/0/1"))
        .check("the second", counts("delete from t", "0/1/0"))
        .check("the third", counts("delete from u", "0/0/0"));
    script.play();
}

TEST_CASE("meter: a deferred BEGIN is one call, and COMMIT another") {
    SessionScript script;
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .check("begun", counts("begin", "1/0/0"))
        .client_sends(fe::query("select 1"))
        .server_receives(fe::injected("begin"), fe::query("select 1"))
        .server_replies(be::injected_done(), selected_row(), be::ready('T'))
        .client_receives(selected_row(), be::ready('T'))
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready())
        .check("begun once", counts("begin", "1/0/0"))
        .check("committed", counts("commit", "1/0/0"))
        .check("selected", counts("select $1", "1/0/1"));
    script.play();
}

TEST_CASE("meter: the types of parameters, by Parse and by what PostgreSQL says of them") {
    SessionScript script;
    const auto types = [](std::string text, std::vector<std::uint32_t> wanted) {
        return [=](ScriptWorld& world) {
            return row_of(world, text).parameter_types == wanted;
        };
    };
    const auto run = fe::bind("", "") + fe::execute() + fe::sync();
    const auto done = be::bind_complete() + be::row("1") + be::complete("SELECT 1") + be::ready();
    const auto first = fe::parse("", "select $1, $2", {23, 0});
    script.client_sends(first + run)
        .server_receives(first + run)
        .server_replies(be::parse_complete(), done)
        .client_receives(be::parse_complete(), done)
        .check("declared", types("select $1, $2", {23, 0}));
    // Nothing is declared, and the client asks.
    const auto ask = fe::parse("s", "select a from t where b = $1") + fe::describe('S', "s");
    const std::string described =
        message(protocol::backend::parameter_description, std::string("\0\1\0\0\4\22", 6));
    script.client_sends(ask + fe::sync())
        .server_receives(
            fe::parse("weir_2", "select a from t where b = $1"),
            fe::describe('S', "weir_2"),
            fe::sync()
        )
        .server_replies(be::parse_complete(), described, be::row_description(), be::ready())
        .client_receives(be::parse_complete(), described, be::row_description(), be::ready())
        .client_sends(fe::bind("", "s"), fe::execute(), fe::sync())
        .server_receives(fe::bind("", "weir_2"), fe::execute(), fe::sync())
        .server_replies(done)
        .client_receives(done)
        .check("described", types("select a from t where b = $1", {1042}));
    script.play();
}

TEST_CASE("meter: so many rows of the unnamed portal are a call, pieces of a named one are not") {
    SessionScript script;
    const auto one = fe::parse("", "select a from t") + fe::bind("", "") + fe::execute("", 1);
    const auto piece = fe::parse("", "select b from t") + fe::bind("p", "") + fe::execute("p", 1);
    const auto suspended = be::parse_complete() + be::bind_complete() + be::row("1") +
                           be::portal_suspended() + be::ready();
    script.client_sends(one + fe::sync())
        .server_receives(one + fe::sync())
        .server_replies(suspended)
        .client_receives(suspended)
        .check("a call", counts("select a from t", "1/0/1"))
        .client_sends(piece + fe::sync())
        .server_receives(piece + fe::sync())
        .server_replies(suspended)
        .client_receives(suspended)
        .check("no call yet", counts("select b from t", "0/0/0"));
    script.play();
}
