// Requests and replies of one client: simple and extended queries, pipelines, BEGIN, FunctionCall,
// large messages, the welcome.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using pool::CloseReason;
using pool::MemoryNetwork;

namespace {

std::string one_row() {
    return be::row_description() + be::row("1") + be::complete("SELECT 1");
}

}  // namespace

TEST_CASE("ClientSession: a simple query takes a server and gives it back") {
    SessionScript script;
    script.client_sends(fe::query("select 1"))
        .server_receives(fe::query("select 1"))
        .pool_has(1, 0, 0)
        .server_replies(one_row(), be::ready())
        .client_receives(one_row(), be::ready())
        .pool_has(0, 1, 0)
        .client_sends(fe::query("select 2;"))
        .server_receives(fe::query("select 2;"))
        .server_replies(be::notice("hm"), be::error("22012", "division by zero"), be::ready())
        .client_receives(be::notice("hm"), be::error("22012", "division by zero"), be::ready())
        .client_sends(fe::query(""))
        .server_receives(fe::query(""))
        .server_replies(be::empty_query(), be::ready())
        .client_receives(be::empty_query(), be::ready())
        .client_sends(fe::terminate())
        .client_is_gone()
        .server_is_kept();
    script.play();
}

TEST_CASE("ClientSession: the first client's welcome is the server's") {
    ScriptOptions options;
    options.welcome_known = false;
    SessionScript script{options};
    script.server_receives(fe::sync())
        .client_receives("")
        .server_replies(be::ready())
        .client_receives(welcome_of(0))
        .pool_has(0, 1, 0)
        .client_connects()
        .with_client(1)
        .client_receives(welcome_of(1))
        .server_receives("");
    script.play();
}

TEST_CASE("ClientSession: start-up settings are tried on a server; a refused one ends the login") {
    ScriptOptions options;
    options.clients = {};
    SessionScript script{options};
    script.client_connects({{"search_path", "a, \"B c\""}}
    ).server_receives(fe::injected("SET \"search_path\" TO 'a', 'B c'"), fe::sync());
    SUBCASE("accepted") {
        script.server_replies(be::injected_done(), be::ready())
            .client_receives(welcome_of(0))
            .client_connects({{"search_path", "a, \"B c\""}})
            .with_client(1)
            .client_receives(welcome_of(1))
            .server_receives("")
            .client_sends(fe::query("select 1"))
            .server_receives(fe::query("select 1"))
            .server_replies(one_row(), be::ready())
            .client_receives(one_row(), be::ready());
    }
    SUBCASE("refused") {
        script.server_replies(be::error("22023", "invalid list"), be::ready())
            .client_receives(be::own_error("22023", "invalid list", true))
            .client_is_gone()
            .server_is_kept();
    }
    script.play();
}

TEST_CASE("ClientSession: extended query, Describe, portal with a row limit, Flush") {
    SessionScript script;
    script
        .client_sends(
            fe::parse("", "select $1", {25}),
            fe::describe('S', ""),
            fe::bind("", "", {"x"}),
            fe::describe('P', ""),
            fe::execute("", 1),
            fe::flush()
        )
        .server_receives(
            fe::parse("", "select $1", {25}),
            fe::describe('S', ""),
            fe::bind("", "", {"x"}),
            fe::describe('P', ""),
            fe::execute("", 1),
            fe::flush()
        )
        .server_replies(
            be::parse_complete(),
            be::parameter_description(),
            be::row_description(),
            be::bind_complete(),
            be::row_description(),
            be::row("x"),
            be::portal_suspended()
        )
        .client_receives(
            be::parse_complete(),
            be::parameter_description(),
            be::row_description(),
            be::bind_complete(),
            be::row_description(),
            be::row("x"),
            be::portal_suspended()
        )
        .pool_has(1, 0, 0)
        .client_sends(fe::execute("", 1), fe::close('P', ""), fe::sync())
        .server_receives(fe::execute("", 1), fe::close('P', ""), fe::sync())
        .server_replies(be::complete("SELECT 0"), be::close_complete(), be::ready())
        .client_receives(be::complete("SELECT 0"), be::close_complete(), be::ready())
        .pool_has(0, 1, 0)
        .server_is_kept();
    script.play();
}

TEST_CASE("ClientSession: after an error before Flush everything up to Sync is skipped") {
    SessionScript script;
    script.client_sends(fe::parse("", "select 1/0"), fe::flush())
        .server_receives(fe::parse("", "select 1/0"), fe::flush())
        .server_replies(be::error("22012", "division by zero"))
        .client_receives(be::error("22012", "division by zero"))
        .client_sends(fe::parse("", "select 2"), fe::query("select 3"))
        .server_receives("")
        .client_receives("")
        .client_sends(fe::sync())
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("ClientSession: several groups in one segment run one after the other") {
    const auto group = [](std::string_view text) {
        return fe::parse("", text) + fe::bind("", "") + fe::execute() + fe::sync();
    };
    const auto answer =
        be::parse_complete() + be::bind_complete() + be::row("1") + be::complete("SELECT 1");
    SessionScript script;
    script
        .client_sends(
            group("select 1"), group("select 1/0"), group("select 3"), fe::query("select 4")
        )
        .server_receives(group("select 1"))
        .server_replies(answer, be::ready())
        .client_receives(answer, be::ready())
        .server_receives(group("select 1/0"))
        .server_replies(be::error("22012", "division by zero"), be::ready())
        .client_receives(be::error("22012", "division by zero"), be::ready())
        .server_receives(group("select 3"))
        .server_replies(answer)
        .client_receives(answer)
        .server_receives("")
        .server_replies(be::ready())
        .client_receives(be::ready())
        .server_receives(fe::query("select 4"))
        .server_replies(one_row(), be::ready())
        .client_receives(one_row(), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("ClientSession: a hundred Syncs get a hundred answers") {
    std::string syncs, readies;
    for (int i = 0; i < 100; ++i) {
        syncs += fe::sync();
        readies += be::ready();
    }
    ScriptOptions options;
    options.read_sizes = {3, MemoryNetwork::unlimited};
    SessionScript script{options};
    script.client_sends(syncs).client_receives(readies).server_receives("").pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("ClientSession: a lone BEGIN travels with the first statement") {
    SessionScript script;
    script.client_sends(fe::query("begin isolation level serializable"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .server_receives("")
        .pool_has(0, 1, 0)
        .client_sends(fe::query("select 1"))
        .server_receives(fe::injected("begin isolation level serializable"), fe::query("select 1"))
        .server_replies(be::injected_done("BEGIN"), one_row(), be::ready('T'))
        .client_receives(one_row(), be::ready('T'))
        .pool_has(1, 0, 0)
        .client_sends(fe::query("select 1/0"))
        .server_receives(fe::query("select 1/0"))
        .server_replies(be::error("22012", "division by zero"), be::ready('E'))
        .client_receives(be::error("22012", "division by zero"), be::ready('E'))
        .pool_has(1, 0, 0)
        .client_sends(fe::query("rollback"))
        .server_receives(fe::query("rollback"))
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .client_receives(be::complete("ROLLBACK"), be::ready())
        .pool_has(0, 1, 0)
        .server_is_kept();
    script.play();
}

TEST_CASE("ClientSession: an error of the deferred BEGIN is told once, with ReadyForQuery") {
    SessionScript script;
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(fe::query("select 1"))
        .server_receives(fe::injected("begin"), fe::query("select 1"))
        .server_replies(be::parse_complete(), be::bind_complete(), be::error("25001", "no"))
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(be::error("25001", "no"), be::ready('E'))
        // A server that refuses what pgweir sends it is not what it was thought to be.
        .server_is_closed(CloseReason::reset_failed)
        .client_sends(fe::query("select 2"))
        .client_receives(
            be::own_error(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block"
            ),
            be::ready('E')
        )
        .client_sends(fe::query("commit"))
        .client_receives(be::complete("ROLLBACK"), be::ready())
        .pool_has(0, 0, 0);
    script.play();
}

TEST_CASE("ClientSession: COMMIT and ROLLBACK of an empty transaction need no server") {
    ScriptOptions options;
    options.servers = 0;
    SessionScript script{options};
    script.client_sends(fe::query("begin"), fe::query("commit"))
        .client_receives(be::complete("BEGIN"), be::ready('T'), be::complete("COMMIT"), be::ready())
        .client_sends(fe::query("start transaction"), fe::query("rollback"))
        .client_receives(
            be::complete("START TRANSACTION"), be::ready('T'), be::complete("ROLLBACK"), be::ready()
        )
        .pool_has(0, 0, 0);
    script.play();
}

TEST_CASE("ClientSession: SET TRANSACTION joins the deferred BEGIN") {
    SessionScript script;
    script.client_sends(fe::query("begin"), fe::query("set transaction read only"))
        .client_receives(be::complete("BEGIN"), be::ready('T'), be::complete("SET"), be::ready('T'))
        .client_sends(fe::query("set transaction read write;"))
        .client_receives(be::complete("SET"), be::ready('T'))
        .pool_has(0, 1, 0)
        .client_sends(fe::query("select 1"))
        .server_receives(fe::injected("begin\nread only\nread write"), fe::query("select 1"))
        .server_replies(be::injected_done("BEGIN"), one_row(), be::ready('T'))
        .client_receives(one_row(), be::ready('T'))
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("ClientSession: a deferred BEGIN before a prepared request") {
    SessionScript script;
    const auto group = fe::parse("", "select 1") + fe::bind("", "") + fe::execute() + fe::sync();
    const auto answer =
        be::parse_complete() + be::bind_complete() + be::row("1") + be::complete("SELECT 1");
    script.client_sends(fe::query("BEGIN"), group)
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .server_receives(fe::injected("BEGIN"), group)
        .server_replies(be::injected_done("BEGIN"), answer, be::ready('T'))
        .client_receives(answer, be::ready('T'))
        .pool_has(1, 0, 0)
        .client_ends()
        .server_receives(fe::query("ROLLBACK"))
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("ClientSession: FunctionCall of a large object function does not pin") {
    SessionScript script;
    script.client_sends(fe::function_call(957))
        .server_receives(fe::function_call(957))
        .server_replies(be::function_result("abcd"), be::ready())
        .client_receives(be::function_result("abcd"), be::ready())
        .pool_has(0, 1, 0)
        .client_sends(fe::function_call(2950))
        .server_receives(fe::function_call(2950))
        .server_replies(be::error("42883", "no such function"), be::ready())
        .client_receives(be::error("42883", "no such function"), be::ready())
        .pool_has(1, 0, 0)
        .client_ends()
        .server_is_closed(CloseReason::client_pinned);
    script.play();
}

TEST_CASE("ClientSession: large messages pass in pieces, in both directions") {
    ScriptOptions options;
    options.read_sizes = {5000, 70'000, MemoryNetwork::unlimited};
    SessionScript script{options};
    const std::string big(400'000, 'x');
    const auto bind = [&](std::string_view name) {
        return fe::bind("", name, {big});
    };
    script.client_sends(fe::parse("s", "select $1"), fe::sync())
        .server_receives(fe::parse("weir_2", "select $1"), fe::sync())
        .server_replies(be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .client_sends(bind("s"), fe::execute(), fe::sync())
        .server_receives(bind("weir_2"), fe::execute(), fe::sync())
        .server_replies(be::bind_complete(), be::row(big), be::row("1"), be::complete("SELECT 2"))
        .client_receives(be::bind_complete(), be::row(big), be::row("1"), be::complete("SELECT 2"))
        .server_replies(be::ready())
        .client_receives(be::ready())
        .pool_has(0, 1, 0)
        .client_sends(fe::query("select '" + big + "'"))
        .server_receives(fe::query("select '" + big + "'"))
        .server_replies(be::row(big), be::complete("SELECT 1"), be::ready())
        .client_receives(be::row(big), be::complete("SELECT 1"), be::ready());
    script.play();
}

TEST_CASE("ClientSession: a large message passes after one whose rest was not wanted") {
    ScriptOptions options;
    options.read_sizes = {5000, MemoryNetwork::unlimited};
    SessionScript script{options};
    const auto failed = be::error("22012", "division by zero");
    const auto group = fe::parse("", "select 1/0") + fe::bind("", "") + fe::execute();
    const auto large = fe::query("select '" + std::string(400'000, 'x') + "'");
    script.client_sends(group, fe::flush())
        .server_receives(group, fe::flush())
        .server_replies(be::parse_complete(), be::bind_complete(), failed)
        .client_receives(be::parse_complete(), be::bind_complete(), failed)
        // Skipped.
        .client_sends(large, fe::sync())
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(be::ready())
        .client_sends(large)
        .server_receives(large)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("ClientSession: a slow client stops the reading of its server, a slow server the client's"
) {
    ScriptOptions options;
    options.read_sizes = {30'000, MemoryNetwork::unlimited};
    SessionScript script{options};
    const std::string big(200'000, 'y');
    script.client_sends(fe::query("select 1"))
        .server_receives(fe::query("select 1"))
        .client_takes(10)
        .server_replies(be::row(big), be::row(big), be::row(big), be::complete("SELECT 3"))
        .check(
            "the server is not read any further",
            [](ScriptWorld& world) { return !world.network->drained(world.servers[0]); }
        )
        .client_takes(MemoryNetwork::unlimited)
        .server_replies(be::ready())
        .check(
            "all was read",
            [](ScriptWorld& world) { return world.network->drained(world.servers[0]); }
        )
        .client_receives(
            be::row(big), be::row(big), be::row(big), be::complete("SELECT 3"), be::ready()
        )
        .client_sends(fe::query("copy t from stdin"))
        .server_receives(fe::query("copy t from stdin"))
        .server_replies(be::copy_start('G'))
        .client_receives(be::copy_start('G'))
        .server_takes(10)
        .client_sends(fe::copy_data(big), fe::copy_data(big), fe::copy_data(big))
        .check(
            "the client is not read any further",
            [](ScriptWorld& world) {
                return !world.network->drained(world.clients[0]) ||
                       world.network->closed(world.clients[0]);
            }
        )
        .server_takes(MemoryNetwork::unlimited)
        .server_receives(fe::copy_data(big), fe::copy_data(big), fe::copy_data(big))
        .client_sends(fe::copy_done())
        .server_receives(fe::copy_done())
        .server_replies(be::complete("COPY 3"), be::ready())
        .client_receives(be::complete("COPY 3"), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("ClientSession: what breaks the protocol costs that connection only") {
    SessionScript script;
    std::string violation, text;
    SUBCASE("unknown type") {
        violation = message('y');
        text = "invalid frontend message type 121";
    }
    SUBCASE("length below 4") {
        violation = std::string("Q\0\0\0\3", 5);
        text = "invalid message length 3 of message type 81";
    }
    SUBCASE("length above the limit of its type") {
        violation = std::string("S\x7f\xff\xff\xff", 5);
        text = "invalid message length 2147483647 of message type 83";
    }
    SUBCASE("no NUL") {
        violation = message('Q', "select 1");
        text = "invalid message format";
    }
    SUBCASE("Bind without names") {
        violation = message('B', "abc") + fe::sync();
        text = "invalid message format";
    }
    SUBCASE("Close of neither") {
        violation = fe::close('X', "a") + fe::sync();
        text = "invalid message format";
    }
    script.client_sends(violation)
        .client_receives(be::own_error("08P01", text, true))
        .client_is_gone()
        .server_receives("")
        .server_is_kept();
    script.play();
}

TEST_CASE("ClientSession: a server that breaks the protocol is closed, the client is told") {
    SessionScript script;
    std::string nonsense, what;
    SUBCASE("out of order") {
        nonsense = be::parse_complete();
        what = "a message out of order";
    }
    SUBCASE("impossible length") {
        nonsense = std::string("D\0\0\0\1", 5);
        what = "a message with an impossible length";
    }
    SUBCASE("broken ErrorResponse") {
        nonsense = message('E', "SERROR");
        what = "a broken ErrorResponse";
    }
    SUBCASE("broken ReadyForQuery") {
        nonsense = message('Z', "?");
        what = "a broken ReadyForQuery";
    }
    SUBCASE("broken ParameterStatus") {
        nonsense = message('S', "abc");
        what = "a broken ParameterStatus";
    }
    script.client_sends(fe::query("select 1"))
        .server_receives(fe::query("select 1"))
        .server_replies(nonsense)
        .client_receives(be::own_error(
            "08P01", "the server sent " + what, true, "The connection to the server was closed."
        ))
        .client_is_gone()
        .server_is_closed(CloseReason::protocol_violation);
    script.play();
}
