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
