// What happens between a request and the moment its server gets it: settings, check query, BEGIN
// that was deferred, sequences, cancels, servers that die.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;
using pool::CloseReason;

namespace {

const auto setting_refused =
    be::parse_complete() + be::bind_complete() + be::error("22023", "invalid value");
const auto told = be::own_error("22023", "invalid value");
const auto canceled = be::own_error("57014", "canceling statement due to user request");
const auto aborted = be::own_error(
    "25P02", "current transaction is aborted, commands ignored until end of transaction block"
);

// The only server has the first client's application_name.
SessionScript the_first_has_a_name(ScriptOptions options = {}) {
    options.clients = {{}, {}};
    options.read_sizes = {50'000, pool::MemoryNetwork::unlimited};
    SessionScript script{options};
    const auto named = be::parameter_status("application_name", "x");
    script.client_sends(fe::query("set application_name to x"))
        .server_receives(fe::query("set application_name to x"))
        .server_replies(be::complete("SET"), named, be::ready())
        .client_receives(be::complete("SET"), named, be::ready())
        .with_client(1);
    return script;
}

// The check query is under way for the client's "select 2".
SessionScript checked() {
    ScriptOptions options;
    options.limits.server_check_query = "select 'check'";
    options.limits.server_check_delay = 30s;
    SessionScript script{options};
    script.time_passes(31s).client_sends(select("2")).server_receives(select("'check'"));
    return script;
}

// Passed on in pieces: its settings are answered before it.
const auto large = fe::query("select '" + std::string(400'000, 'x') + "'");

SessionScript& next_server_takes(
    SessionScript& script, const std::string& request, std::size_t kept = 0
) {
    return script.client_receives("")
        .client_lives()
        .pool_has(0, 0, 1)
        .server_opens()
        .with_server(1)
        .server_receives(request)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(kept, 1 - kept, 0);
}

}  // namespace

TEST_CASE("Lease: a setting that fails ahead of a deferred BEGIN fails the transaction") {
    auto script = the_first_has_a_name();
    const auto group = fe::parse("", "select 1") + fe::bind("", "") + fe::execute() + fe::sync();
    script.client_sends(fe::query("begin")).client_receives(be::complete("BEGIN"), be::ready('T'));
    SUBCASE("Query") {
        script.client_sends(select("1"))
            .server_receives(
                fe::brought(fe::injected(set_empty)), fe::injected("begin"), select("1")
            )
            .server_replies(be::brought_refused(setting_refused))
            .client_receives(told)
            .server_receives(fe::sync())
            .server_replies(be::ready())
            .client_receives(be::ready('E'));
    }
    SUBCASE("extended query") {
        script.client_sends(group)
            .server_receives(fe::brought(fe::injected(set_empty)), fe::injected("begin"), group)
            .server_replies(be::brought_refused(setting_refused), be::ready())
            .client_receives(told, be::ready('E'));
    }
    script.client_sends(select("2"))
        .client_receives(aborted, be::ready('E'))
        .client_sends(fe::query("commit"))
        .client_receives(be::complete("ROLLBACK"), be::ready())
        .server_receives("")
        .client_lives();
    script.play();
}

TEST_CASE("Lease: BEGIN by the extended protocol is deferred, too") {
    SessionScript script;
    const auto run = fe::bind("", "") + fe::describe('P', "") + fe::execute() + fe::sync();
    const auto done = [](std::string_view tag, char status) {
        return be::bind_complete() + be::no_data() + be::complete(tag) + be::ready(status);
    };
    script.client_sends(fe::parse("", "begin read only"), run)
        .server_receives("")
        .client_receives(be::parse_complete(), done("BEGIN", 'T'));
    SUBCASE("and goes with the first statement") {
        script.client_sends(select("1"))
            .server_receives(fe::injected("begin read only"), select("1"))
            .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
            .client_receives(selected(), be::ready('T'));
        // On a server PostgreSQL ends it.
        script.client_sends(fe::parse("", "commit"), run)
            .server_receives(fe::parse("", "commit"), run)
            .server_replies(be::parse_complete(), done("COMMIT", 'I'))
            .client_receives(be::parse_complete(), done("COMMIT", 'I'));
    }
    SUBCASE("SET TRANSACTION joins it, and it ends without a server") {
        script.client_sends(fe::parse("s", "set transaction isolation level serializable"))
            .client_sends(fe::bind("", "s"), fe::execute(), fe::sync())
            .client_receives(
                be::parse_complete(), be::bind_complete(), be::complete("SET"), be::ready('T')
            );
        SUBCASE("at once") {
            script.client_sends(fe::parse("", "commit"), run)
                .client_receives(be::parse_complete(), done("COMMIT", 'I'))
                .server_receives("")
                .pool_has(0, 1, 0);
        }
        SUBCASE("or with all of it") {
            script.client_sends(select("1"))
                .server_receives(
                    fe::injected("begin read only\nisolation level serializable"), select("1")
                );
        }
    }
    SUBCASE("behind other messages it is not alone") {
        script.client_sends(fe::query("rollback"))
            .client_receives(be::complete("ROLLBACK"), be::ready());
        const auto both = fe::parse("", "begin") + fe::bind("", "") + fe::execute() +
                          fe::parse("", "select 1") + run;
        script.client_sends(both).server_receives(both);
    }
    script.play();
}

TEST_CASE("Lease: a server that is lost while it gets settings is replaced unseen") {
    auto script = the_first_has_a_name();
    script.client_sends(large).server_receives(fe::injected(set_empty), fe::sync());
    SUBCASE("without a word") {
        script.server_ends().server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("in the middle of its answer") {
        script.server_replies(be::parse_complete(), "2")
            .server_ends()
            .server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("with last words") {
        script.server_replies(be::error("57P01", "terminating", "ProcessInterrupts", "FATAL"))
            .server_ends()
            .server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("because it breaks the protocol") {
        script.server_replies(be::row("1")).server_is_closed(CloseReason::protocol_violation);
    }
    // What is too large to be read is kept on its server.
    next_server_takes(script, large, 1);
    script.play();
}

TEST_CASE("Lease: a server that is lost during the check query is replaced unseen") {
    auto script = checked();
    SUBCASE("without a word") {
        script.server_ends().server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("in the middle of its answer") {
        script.server_replies(be::row("1"))
            .server_ends()
            .server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("with last words") {
        script.server_replies(be::error("57P01", "terminating", "ProcessInterrupts", "FATAL"))
            .server_ends()
            .server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("because it breaks the protocol") {
        script.server_replies(be::bind_complete())
            .server_is_closed(CloseReason::protocol_violation);
    }
    next_server_takes(script, select("2"));
    script.play();
}

TEST_CASE("Lease: a server that is lost while it is asked for the welcome is replaced unseen") {
    ScriptOptions options;
    options.welcome_known = false;
    SessionScript script{options};
    script.server_receives(fe::sync())
        .server_ends()
        .client_receives("")
        .client_lives()
        .pool_has(0, 0, 1)
        .server_opens()
        .with_server(1)
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(welcome_of(0))
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Lease: a cancel during the check query stops the request, not the server") {
    auto script = checked();
    SUBCASE("the server answers") {
        script.client_cancels()
            .client_receives("")
            .server_replies(selected(), be::ready())
            .client_receives(canceled, be::ready())
            .server_receives("")
            .cancels_asked(0)
            .server_is_kept()
            .client_sends(select("3"))
            .server_receives(select("3"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    SUBCASE("the server refuses") {
        script.client_cancels()
            .server_replies(be::error("XX000", "broken"), be::ready())
            .client_receives(canceled, be::ready())
            .server_is_closed(CloseReason::check_failed)
            .cancels_asked(0)
            .pool_has(0, 0, 0);
    }
    SUBCASE("the client has left") {
        script.client_ends()
            .server_receives(fe::sync())
            .server_replies(selected(), be::ready(), be::ready())
            .cancel_ends()
            .server_is_kept();
    }
    script.play();
}

TEST_CASE("Lease: a cancel while settings are under way stops the request, not the server") {
    auto script = the_first_has_a_name();
    script.client_sends(large, select("2"))
        .server_receives(fe::injected(set_empty), fe::sync())
        .client_cancels()
        .server_replies(
            be::injected_done(), be::parameter_status("application_name", ""), be::ready()
        )
        .client_receives(canceled, be::ready())
        .cancels_asked(0)
        // The next one has its settings already, on the server that is kept for what is too large.
        .server_receives(select("2"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(1, 0, 0);
    script.play();
}

TEST_CASE("Lease: a server that dies right before it is granted is replaced unseen") {
    ScriptOptions options;
    options.clients = {{}, {}};
    options.pool_size = 1;
    // One that dies right after has got the request.
    options.read_sizes = {pool::MemoryNetwork::unlimited};
    options.stalls = false;
    SessionScript script{options};
    const auto last_words = be::error("57P01", "terminating", "ProcessInterrupts", "FATAL");
    script.client_sends(select("1"))
        .server_receives(select("1"))
        .with_client(1)
        .client_sends(select("2"))
        .pool_has(1, 0, 1)
        .does(
            "the server answers and dies",
            [last_words](ScriptWorld& world) {
                world.network->send(world.servers[0], selected() + be::ready() + last_words);
                world.network->end(world.servers[0]);
            }
        )
        .with_client(0)
        .check(
            "the first client has its answer",
            [](ScriptWorld& world) {
                return world.network->received(world.clients[0])
                    .starts_with(selected() + be::ready());
            }
        )
        .server_is_closed(CloseReason::server_closed)
        .with_client(1);
    next_server_takes(script, select("2"));
    script.play();
}

TEST_CASE("Lease: a cancel while a large message is half here and waits for a server") {
    ScriptOptions options;
    options.clients = {{}, {}};
    options.pool_size = 1;
    options.read_sizes = {60'000, pool::MemoryNetwork::unlimited};
    SessionScript script{options};
    script.client_sends(select("1")).server_receives(select("1")).with_client(1);
    const auto big = fe::query("select '" + std::string(400'000, 'x') + "'");
    const auto group = fe::bind("", "", {std::string(400'000, 'x')}) + fe::execute() + fe::sync();
    std::string request;
    SUBCASE("Query") {
        request = big;
    }
    SUBCASE("Bind") {
        request = group;
    }
    script.client_sends(request.substr(0, 100'000))
        .pool_has(1, 0, 1)
        .client_cancels()
        .pool_has(1, 0, 0)
        .client_sends(request.substr(100'000), select("3"))
        .client_receives(canceled, be::ready())
        .client_lives()
        .pool_has(1, 0, 1)
        .with_client(0)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .with_client(1)
        .server_receives(select("3"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("Lease: nobody sees what another client's sequences gave") {
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    const auto discard = fe::brought(fe::injected("DISCARD SEQUENCES"));
    const auto discarded = be::brought_done(be::injected_done("DISCARD SEQUENCES"));
    const auto next = select("nextval('s')");
    script.client_sends(next)
        .server_receives(next)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0);
    SUBCASE("by lastval()") {
        const auto undefined = be::error("55000", "lastval is not yet defined in this session");
        script.with_client(1)
            .client_sends(select("lastval()"))
            .server_receives(discard, select("lastval()"))
            .server_replies(discarded, undefined, be::ready())
            .client_receives(undefined, be::ready())
            .server_is_kept();
    }
    SUBCASE("by a function that calls it where nobody sees it") {
        script
            .does(
                "the catalog has it",
                [](ScriptWorld& world) {
                    auto& state = *world.entry->catalog;
                    state.outdate();
                    const router::CatalogRow row{
                        'f', "20001", "last_number", "sql/", "select lastval()"};
                    state.publish(
                        {state.epoch(), router::Catalog::build({row}), world.network->now()}
                    );
                }
            )
            .with_client(1)
            .client_sends(select("last_number()"))
            .server_receives(discard, select("last_number()"))
            .server_replies(discarded, selected(), be::ready())
            .client_receives(selected(), be::ready())
            .pool_has(0, 1, 0);
    }
    SUBCASE("its own is there") {
        script.client_sends(select("lastval()"))
            .server_receives(select("lastval()"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_is_kept();
    }
    SUBCASE("not after another client's either") {
        script.with_client(1)
            .client_sends(next)
            .server_receives(next)
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .with_client(0)
            .client_sends(select("lastval()"))
            .server_receives(discard, select("lastval()"))
            .server_replies(discarded, selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_is_kept();
    }
    script.play();
}

TEST_CASE("Lease: a text that PostgreSQL cannot read either does not keep the server") {
    const auto syntax = be::error(
        "42601", "syntax error at or near \"selec\"", "scanner_yyerror", "ERROR", "scan.l"
    );
    const auto group = fe::parse("", "selec 1") + fe::bind("", "") + fe::execute() + fe::sync();
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    SUBCASE("Query") {
        script.client_sends(fe::query("selec 1"))
            .server_receives(fe::query("selec 1"))
            .server_replies(syntax, be::ready())
            .client_receives(syntax, be::ready())
            .pool_has(0, 1, 0);
    }
    SUBCASE("extended query") {
        script.client_sends(group)
            .server_receives(group)
            .server_replies(syntax, be::ready())
            .client_receives(syntax, be::ready())
            .pool_has(0, 1, 0);
    }
    SUBCASE("it can, and something that it runs has a syntax error") {
        const auto inner = be::error("42601", "syntax error", "plpgsql_yyerror");
        script.client_sends(fe::query("selec 1"))
            .server_receives(fe::query("selec 1"))
            .server_replies(inner, be::ready())
            .client_receives(inner, be::ready())
            .pool_has(1, 0, 0);
    }
    SUBCASE("it can, and a later statement of the text has a syntax error in its body") {
        const auto row = be::row("") + be::complete("SELECT 1");
        script.client_sends(fe::query("select pg_advisory_lock(1); newer syntax; create ..."))
            .server_receives(fe::query("select pg_advisory_lock(1); newer syntax; create ..."))
            .server_replies(row, syntax, be::ready())
            .client_receives(row, syntax, be::ready())
            .pool_has(1, 0, 0);
    }
    SUBCASE("it was kept before") {
        script.client_sends(fe::query("load 'x'"))
            .server_receives(fe::query("load 'x'"))
            .server_replies(be::complete("LOAD"), be::ready())
            .client_receives(be::complete("LOAD"), be::ready())
            .client_sends(fe::query("selec 1"))
            .server_receives(fe::query("selec 1"))
            .server_replies(syntax, be::ready())
            .client_receives(syntax, be::ready())
            .pool_has(1, 0, 0);
    }
    script.play();
}

// Found by PostgreSQL's own tests: in a block it went ahead of a SET TRANSACTION, which then
// failed.
TEST_CASE("Lease: what sequences gave others is thrown away once for a client that keeps its server"
) {
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    const auto next = select("nextval('s')");
    script.client_sends(next)
        .server_receives(next)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0)
        .with_client(1)
        .client_sends(select("setseed(0)"))
        .server_receives(fe::brought(fe::injected("DISCARD SEQUENCES")), select("setseed(0)"))
        .server_replies(
            be::brought_done(be::injected_done("DISCARD SEQUENCES")), selected(), be::ready()
        )
        .client_receives(selected(), be::ready());
    for (const char* text : {"2", "3"}) {
        script.client_sends(select(text))
            .server_receives(select(text))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    script.play();
}

// An INSERT may advance a sequence, and need not: what lastval() told then would be another's.
TEST_CASE("Lease: in a transaction that may have advanced a sequence, nobody else's value is told"
) {
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    const auto next = select("nextval('s')");
    const auto insert = fe::query("insert into plain values (1)");
    const auto inserted = be::complete("INSERT 0 1");
    const auto undefined = be::error("55000", "lastval is not yet defined in this session");
    script.client_sends(next)
        .server_receives(next)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0)
        .with_client(1)
        .client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(insert)
        .server_receives(fe::injected("begin"), insert)
        .server_replies(be::injected_done("BEGIN"), inserted, be::ready('T'))
        .client_receives(inserted, be::ready('T'))
        .client_sends(select("lastval()"))
        .server_receives(fe::injected("DISCARD SEQUENCES"), select("lastval()"))
        .server_replies(be::injected_done("DISCARD SEQUENCES"), undefined, be::ready('E'))
        .client_receives(undefined, be::ready('E'));
    script.play();
}
