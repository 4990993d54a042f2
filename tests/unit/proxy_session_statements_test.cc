// Prepared statements in transaction mode: names, servers that have them, errors, healing.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;

namespace {

// Two servers that are lent in turns, one client; statement weir_2 is prepared as s1 on server 0.
SessionScript prepared_once() {
    ScriptOptions options;
    options.servers = 2;
    options.lend_policy = pool::LendPolicy::round_robin;
    options.clients = {{}, {}};
    SessionScript script{options};
    script.client_sends(fe::parse("s1", select_1), fe::sync())
        .with_server(0)
        .server_receives(fe::parse("weir_2", select_1), fe::sync())
        .server_replies(be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .pool_has(0, 2, 0);
    return script;
}

}  // namespace

TEST_CASE("Prepared statements follow their client from server to server") {
    auto script = prepared_once();
    script.client_sends(use("s1"))
        .with_server(1)
        .server_receives(fe::parse("weir_2", select_1), use("weir_2"))
        .server_replies(be::parse_complete(), used(), be::ready())
        .client_receives(used(), be::ready())
        .client_sends(use("s1"))
        .with_server(0)
        .server_receives(use("weir_2"))
        .server_replies(used(), be::ready())
        .client_receives(used(), be::ready());
    script.play();
}

TEST_CASE("A Parse of a known text needs no server, whoever sends it") {
    auto script = prepared_once();
    script.with_client(1)
        .client_sends(fe::parse("other", select_1), fe::sync())
        .client_receives(be::parse_complete(), be::ready())
        .server_receives("")
        .client_sends(fe::parse("third", select_1), fe::describe('S', "third"), fe::sync())
        .with_server(1)
        .server_receives(fe::parse("weir_2", select_1), fe::describe('S', "weir_2"), fe::sync())
        .server_replies(
            be::parse_complete(), be::parameter_description(), be::no_data(), be::ready()
        )
        .client_receives(
            be::parse_complete(), be::parameter_description(), be::no_data(), be::ready()
        );
    script.play();
}

TEST_CASE("ParseComplete is invented where the server has the statement already") {
    auto script = prepared_once();
    script.client_sends(fe::query("select 1"))
        .with_server(1)
        .server_receives(fe::query("select 1"))
        .server_replies(be::complete("SELECT 1"), be::ready())
        .client_receives(be::complete("SELECT 1"), be::ready())
        // Server 0 again, which has it.
        .client_sends(
            fe::parse("a", select_1),
            fe::bind("", "a", {"5"}),
            fe::execute(),
            fe::close('S', "a"),
            fe::parse("b", select_1),
            fe::sync()
        )
        .with_server(0)
        .server_receives(use("weir_2"))
        .client_receives(be::parse_complete())
        .server_replies(be::bind_complete())
        .client_receives(be::bind_complete())
        .server_replies(be::row("5"), be::complete("SELECT 1"))
        .client_receives(
            be::row("5"), be::complete("SELECT 1"), be::close_complete(), be::parse_complete()
        )
        .server_replies(be::ready())
        .client_receives(be::ready());
    script.play();
}

TEST_CASE("Close takes the client's name only; a name unknown to it is PostgreSQL's 26000") {
    auto script = prepared_once();
    script.client_sends(fe::close('S', "s1"), fe::close('S', "never"), fe::sync())
        .client_receives(be::close_complete(), be::close_complete(), be::ready())
        .server_receives("")
        .client_sends(use("s1"))
        .with_server(1)
        .server_receives(use("weir_unknown:s1"))
        .server_replies(
            be::error("26000", "prepared statement \"weir_unknown:s1\" does not exist"), be::ready()
        )
        .client_receives(
            be::error("26000", "prepared statement \"s1\" does not exist"), be::ready()
        )
        .client_lives()
        .client_sends(fe::bind("", ""), fe::sync())
        .with_server(0)
        .server_receives(fe::bind("", "weir_unknown:"), fe::sync())
        .server_replies(
            be::error("26000", "prepared statement \"weir_unknown:\" does not exist"), be::ready()
        )
        .client_receives(
            be::error("26000", "unnamed prepared statement does not exist"), be::ready()
        );
    script.play();
}

TEST_CASE("A Parse of a taken name is PostgreSQL's 42P05, with the client's name") {
    auto script = prepared_once();
    script.client_sends(fe::parse("s1", "select 2"), fe::sync())
        .with_server(1)
        .server_receives(fe::parse("weir_2", select_1), fe::parse("weir_2", "select 2"), fe::sync())
        .server_replies(
            be::parse_complete(),
            be::error("42P05", "prepared statement \"weir_2\" already exists"),
            be::ready()
        )
        .client_receives(
            be::error("42P05", "prepared statement \"s1\" already exists"), be::ready()
        )
        .client_lives()
        .client_sends(use("s1"))
        .with_server(0)
        .server_receives(use("weir_2"))
        .server_replies(used(), be::ready())
        .client_receives(used(), be::ready());
    script.play();
}

TEST_CASE("An error in the middle of a pipeline undoes what later messages said about names") {
    auto script = prepared_once();
    script
        .client_sends(
            fe::parse("good", "select 3"),
            fe::parse("bad", "selec"),
            fe::close('S', "s1"),
            fe::parse("late", select_1),
            fe::parse("later", "select 4"),
            fe::sync()
        )
        .with_server(1)
        .server_receives(
            fe::parse("weir_6", "select 3"),
            fe::parse("weir_7", "selec"),
            fe::parse("weir_2", select_1),
            fe::parse("weir_8", "select 4"),
            fe::sync()
        )
        .server_replies(be::parse_complete(), be::error("42601", "syntax error"))
        .client_receives(be::parse_complete(), be::error("42601", "syntax error"))
        .server_replies(be::ready())
        .client_receives(be::ready())
        .client_lives()
        // s1 and good are there, late is not; server 1 was sent weir_2 but has skipped it.
        .client_sends(use("s1"))
        .with_server(0)
        .server_receives(use("weir_2"))
        .server_replies(used(), be::ready())
        .client_receives(used(), be::ready())
        .client_sends(use("s1"))
        .with_server(1)
        .server_receives(fe::parse("weir_2", select_1), use("weir_2"))
        .server_replies(be::parse_complete(), used(), be::ready())
        .client_receives(used(), be::ready())
        .client_sends(use("late"))
        .with_server(0)
        .server_receives(use("weir_unknown:late"))
        .server_replies(be::error("26000", "no \"weir_unknown:late\""), be::ready())
        .client_receives(be::error("26000", "no \"late\""), be::ready())
        .client_sends(use("good"))
        .with_server(1)
        .server_receives(use("weir_6"))
        .server_replies(used(), be::ready())
        .client_receives(used(), be::ready());
    script.play();
}

TEST_CASE("The unnamed statement is there in the next transaction, on any server") {
    ScriptOptions options;
    options.servers = 2;
    options.lend_policy = pool::LendPolicy::round_robin;
    SessionScript script{options};
    script.client_sends(fe::parse("", select_1), fe::sync())
        .with_server(0)
        .server_receives(fe::parse("", select_1), fe::sync())
        .server_replies(be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .client_sends(use(""))
        .with_server(1)
        .server_receives(fe::parse("", select_1), use(""))
        .server_replies(be::parse_complete(), used(), be::ready())
        .client_receives(used(), be::ready())
        // A simple Query ends it, as in PostgreSQL.
        .client_sends(fe::query("select 1"))
        .with_server(0)
        .server_receives(fe::query("select 1"))
        .server_replies(be::complete("SELECT 1"), be::ready())
        .client_receives(be::complete("SELECT 1"), be::ready())
        .client_sends(use(""))
        .with_server(1)
        .server_receives(use("weir_unknown:"))
        .server_replies(
            be::error("26000", "prepared statement \"weir_unknown:\" does not exist"), be::ready()
        )
        .client_receives(
            be::error("26000", "unnamed prepared statement does not exist"), be::ready()
        );
    script.play();
}

TEST_CASE("0A000 after DDL: the statement is prepared anew and the request sent again") {
    auto script = prepared_once();
    const auto changed =
        be::error("0A000", "cached plan must not change result type", "RevalidateCachedQuery");
    script.client_sends(fe::query("select 1"))
        .with_server(1)
        .server_receives(fe::query("select 1"))
        .server_replies(be::complete("SELECT 1"), be::ready())
        .client_receives(be::complete("SELECT 1"), be::ready())
        .client_sends(use("s1"))
        .with_server(0)
        .server_receives(use("weir_2"))
        .server_replies(changed, be::ready())
        .client_receives("")
        .server_receives(fe::close('S', "weir_2"), fe::parse("weir_2", select_1), use("weir_2"));
    SUBCASE("it works") {
        script.server_replies(be::close_complete(), be::parse_complete(), used(), be::ready())
            .client_receives(used(), be::ready())
            .pool_has(0, 2, 0);
    }
    SUBCASE("a second time it is the client's to see") {
        script.server_replies(be::close_complete(), be::parse_complete(), changed, be::ready())
            .client_receives(changed, be::ready())
            .pool_has(0, 2, 0);
    }
    script.play();
}

TEST_CASE("0A000 inside a transaction is the client's to see") {
    auto script = prepared_once();
    const auto changed =
        be::error("0A000", "cached plan must not change result type", "RevalidateCachedQuery");
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(use("s1"))
        .with_server(1)
        .server_receives(fe::injected("begin"), fe::parse("weir_2", select_1), use("weir_2"))
        .server_replies(be::injected_done("BEGIN"), be::parse_complete(), used(), be::ready('T'))
        .client_receives(used(), be::ready('T'))
        .client_sends(use("s1"))
        .server_receives(use("weir_2"))
        .server_replies(changed, be::ready('E'))
        .client_receives(changed, be::ready('E'))
        .client_sends(fe::query("rollback"))
        .server_receives(fe::query("rollback"))
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .client_receives(be::complete("ROLLBACK"), be::ready())
        .pool_has(0, 2, 0);
    script.play();
}

TEST_CASE("A statement over the server's limit is closed there, not for its client") {
    ScriptOptions options;
    options.limits.max_prepared_statements = 1;
    SessionScript script{options};
    const auto parse = [](std::string_view name, std::string_view text) {
        return fe::parse(name, text) + fe::sync();
    };
    script.client_sends(parse("a", "select 1"))
        .server_receives(parse("weir_2", "select 1"))
        .server_replies(be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .client_sends(parse("b", "select 2"))
        .server_receives(fe::close('S', "weir_2"), parse("weir_4", "select 2"))
        .server_replies(be::close_complete(), be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .client_sends(use("a"))
        .server_receives(fe::close('S', "weir_4"), fe::parse("weir_2", "select 1"), use("weir_2"))
        .server_replies(be::close_complete(), be::parse_complete(), used(), be::ready())
        .client_receives(used(), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("DEALLOCATE ALL and DISCARD ALL without a server") {
    auto script = prepared_once();
    script.client_sends(fe::query("deallocate all"), fe::query("discard all"))
        .client_receives(
            be::complete("DEALLOCATE ALL"), be::ready(), be::complete("DISCARD ALL"), be::ready()
        )
        .client_sends(fe::parse("s1", select_1), fe::sync())
        .client_receives(be::parse_complete(), be::ready())
        .with_server(0)
        .server_receives("")
        .with_server(1)
        .server_receives("");
    script.play();
}

TEST_CASE("DEALLOCATE of a name prepared by the protocol goes to the server's name") {
    auto script = prepared_once();
    script.client_sends(fe::query("deallocate s1"))
        .with_server(1)
        .server_receives(fe::parse("weir_2", ""), fe::query("DEALLOCATE \"weir_2\""))
        .server_replies(be::parse_complete(), be::complete("DEALLOCATE"), be::ready())
        .client_receives(be::complete("DEALLOCATE"), be::ready())
        .client_sends(fe::parse("s1", select_1), fe::sync())
        .client_receives(be::parse_complete(), be::ready());
    script.play();
}
