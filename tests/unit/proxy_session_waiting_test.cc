// Waiting for a server, cancelling, time-outs, clients and servers that leave, pool modes, COPY.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;
using pool::CloseReason;

namespace {

// Client 0 holds the only server in a transaction.
SessionScript server_taken(ScriptOptions options = {}) {
    options.clients = {{}, {}};
    options.pool_size = 1;
    SessionScript script{options};
    script.client_sends(fe::query("begin"), select("1"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .server_receives(fe::injected("begin"), select("1"))
        .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
        .client_receives(selected(), be::ready('T'))
        .pool_has(1, 0, 0);
    return script;
}

SessionScript& first_client_commits(SessionScript& script) {
    return script.with_client(0)
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready());
}

const std::string canceled = be::own_error("57014", "canceling statement due to user request");

}  // namespace

TEST_CASE("Waiting: the server goes from one client to the next") {
    auto script = server_taken();
    script.with_client(1).client_sends(select("2")).server_receives("").pool_has(1, 0, 1);
    first_client_commits(script)
        .pool_has(1, 0, 0)
        .server_receives(select("2"))
        .with_client(1)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Waiting: a cancel ends the wait with 57014, and the client lives") {
    auto script = server_taken();
    script.with_client(1)
        .client_sends(select("2"), select("3"))
        .pool_has(1, 0, 1)
        .client_cancels()
        .client_receives(canceled, be::ready())
        .client_lives()
        // The next request is waiting now.
        .pool_has(1, 0, 1)
        .client_cancels()
        .client_receives(canceled, be::ready())
        .pool_has(1, 0, 0)
        .client_cancels()
        .client_receives("")
        .cancels_asked(0);
    first_client_commits(script)
        .pool_has(0, 1, 0)
        .with_client(1)
        .client_sends(select("4"))
        .server_receives(select("4"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Waiting: a cancel of a transaction begun in words leaves it failed") {
    auto script = server_taken();
    const auto aborted = be::own_error(
        "25P02", "current transaction is aborted, commands ignored until end of transaction block"
    );
    script.with_client(1)
        .client_sends(fe::query("begin"), select("2"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_cancels()
        .client_receives(canceled, be::ready('E'));
    SUBCASE("until ROLLBACK") {
        script.client_sends(select("3"))
            .client_receives(aborted, be::ready('E'))
            .client_sends(fe::parse("", "select 4"), fe::bind("", ""), fe::execute(), fe::sync())
            .client_receives(aborted, be::ready('E'))
            .client_sends(fe::query("rollback"))
            .client_receives(be::complete("ROLLBACK"), be::ready());
    }
    SUBCASE("COMMIT rolls back") {
        script.client_sends(fe::query("commit"))
            .client_receives(be::complete("ROLLBACK"), be::ready());
    }
    script.pool_has(1, 0, 0).server_receives("");
    script.play();
}

TEST_CASE("Waiting: a failed transaction takes no statement that is passed on in pieces") {
    ScriptOptions options;
    options.read_sizes = {60'000, pool::MemoryNetwork::unlimited};
    auto script = server_taken(options);
    const auto aborted = be::own_error(
        "25P02", "current transaction is aborted, commands ignored until end of transaction block"
    );
    const std::string big(400'000, 'x');
    script.with_client(1)
        .client_sends(fe::query("begin"), select("2"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_cancels()
        .client_receives(canceled, be::ready('E'));
    SUBCASE("Query") {
        script.client_sends(fe::query("insert into t values ('" + big + "')"))
            .client_receives(aborted, be::ready('E'));
    }
    SUBCASE("Bind") {
        script
            .client_sends(
                fe::parse("", "select $1"), fe::bind("", "", {big}), fe::execute(), fe::sync()
            )
            .client_receives(aborted, be::ready('E'));
    }
    script.pool_has(1, 0, 0)
        .server_receives("")
        .client_sends(fe::query("rollback"))
        .client_receives(be::complete("ROLLBACK"), be::ready());
    script.play();
}

TEST_CASE("Waiting: a cancel of a request that is passed on in pieces") {
    ScriptOptions options;
    options.read_sizes = {60'000, pool::MemoryNetwork::unlimited};
    auto script = server_taken(options);
    const std::string big(400'000, 'x');
    script.with_client(1);
    SUBCASE("Query") {
        script.client_sends(fe::query("select '" + big + "'"), select("3"))
            .pool_has(1, 0, 1)
            .client_cancels()
            .client_receives(canceled, be::ready());
    }
    SUBCASE("Parse, Bind") {
        script
            .client_sends(
                fe::parse("", "select '" + big + "'"),
                fe::bind("", "", {big}),
                fe::execute(),
                fe::sync(),
                select("3")
            )
            .pool_has(1, 0, 1)
            .client_cancels()
            .client_receives(canceled, be::ready());
    }
    script.client_lives().pool_has(1, 0, 1);
    first_client_commits(script)
        .with_client(1)
        .server_receives(select("3"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Waiting: a client that leaves with a large request in the queue is seen to leave") {
    ScriptOptions options;
    options.read_sizes = {pool::MemoryNetwork::unlimited};
    auto script = server_taken(options);
    script.with_client(1)
        .client_sends(fe::query("select '" + std::string(400'000, 'x') + "'"))
        .pool_has(1, 0, 1)
        .client_ends()
        .client_is_gone()
        .pool_has(1, 0, 0)
        .server_receives("");
    script.play();
}

TEST_CASE("Waiting: query_wait_timeout ends the session, by the loop's clock") {
    ScriptOptions options;
    options.limits.query_wait_timeout = 120s;
    auto script = server_taken(options);
    script.with_client(1)
        .client_sends(select("2"))
        .time_passes(119s)
        .client_lives()
        .pool_has(1, 0, 1)
        .time_passes(1s)
        .client_receives(be::own_error(
            "57014",
            "query_wait_timeout",
            true,
            "No server connection became free in time; see SHOW POOLS in the console."
        ))
        .client_is_gone()
        .pool_has(1, 0, 0);
    script.play();
}

TEST_CASE("Waiting: query_wait_notify tells once") {
    ScriptOptions options;
    options.limits.query_wait_notify = 5s;
    auto script = server_taken(options);
    script.with_client(1)
        .client_sends(select("2"))
        .time_passes(5s)
        .client_receives(
            be::notice("No server connection available in postgres backend, client being queued")
        )
        .time_passes(60s)
        .client_receives("");
    script.play();
}

TEST_CASE("Waiting: the failure of all logins ends the waiting sessions") {
    auto script = server_taken();
    script.with_client(1)
        .client_sends(select("2"))
        .does(
            "the logins fail",
            [](ScriptWorld& world) {
                world.entry->pool.fail_waiters(
                    protocol::error(protocol::sqlstate::invalid_database, "no such database")
                );
            }
        )
        .client_receives(be::own_error("3D000", "no such database", true))
        .client_is_gone()
        .pool_has(1, 0, 0);
    script.play();
}

TEST_CASE("Waiting: a client that leaves the queue leaves the others theirs") {
    auto script = server_taken();
    script.client_connects()
        .with_client(1)
        .client_sends(select("2"))
        .with_client(2)
        .client_receives(welcome_of(2))
        .client_sends(select("3"))
        .pool_has(1, 0, 2)
        .with_client(1)
        .client_ends()
        .client_is_gone()
        .pool_has(1, 0, 1);
    first_client_commits(script)
        .server_receives(select("3"))
        .with_client(2)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Time: idle_transaction_timeout, transaction_timeout, query_timeout, client_idle_timeout"
) {
    ScriptOptions options;
    SUBCASE("idle_transaction_timeout") {
        options.limits.idle_transaction_timeout = 30s;
        auto script = server_taken(options);
        script.time_passes(29s)
            .client_lives()
            .client_sends(select("2"))
            .server_receives(select("2"))
            .time_passes(60s)
            .client_lives()
            .server_replies(selected(), be::ready('T'))
            .client_receives(selected(), be::ready('T'))
            .time_passes(30s)
            .client_receives(be::own_error("25P03", "idle transaction timeout", true))
            .client_is_gone()
            .server_receives(fe::query("ROLLBACK"))
            .server_replies(be::complete("ROLLBACK"), be::ready())
            .server_is_kept();
        script.play();
    }
    SUBCASE("idle_transaction_timeout without a server") {
        options.limits.idle_transaction_timeout = 30s;
        SessionScript script{options};
        script.client_sends(fe::query("begin"))
            .client_receives(be::complete("BEGIN"), be::ready('T'))
            .time_passes(30s)
            .client_receives(be::own_error("25P03", "idle transaction timeout", true))
            .client_is_gone();
        script.play();
    }
    SUBCASE("transaction_timeout") {
        options.limits.transaction_timeout = 30s;
        auto script = server_taken(options);
        script.time_passes(20s)
            .client_sends(select("2"))
            .server_receives(select("2"))
            .server_replies(selected(), be::ready('T'))
            .client_receives(selected(), be::ready('T'))
            .time_passes(10s)
            .client_receives(be::own_error("57014", "transaction timeout", true))
            .client_is_gone();
        script.play();
    }
    SUBCASE("query_timeout") {
        options.limits.query_timeout = 30s;
        SessionScript script{options};
        script.client_sends(select("1"))
            .server_receives(select("1"))
            .time_passes(30s)
            .client_receives(be::own_error("57014", "query timeout", true))
            .client_is_gone()
            .cancels_asked(1);
        script.play();
    }
    SUBCASE("client_idle_timeout") {
        options.limits.client_idle_timeout = 30s;
        SessionScript script{options};
        script.time_passes(29s)
            .client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .time_passes(29s)
            .client_lives()
            .time_passes(1s)
            .client_receives(be::own_error("57P05", "client_idle_timeout", true))
            .client_is_gone();
        script.play();
    }
}

TEST_CASE("Cancel: a running query is cancelled on its server, which waits for the signal's end") {
    SessionScript script;
    script.client_sends(select("pg_sleep(9)"))
        .server_receives(select("pg_sleep(9)"))
        .client_cancels()
        .cancels_asked(1)
        .server_replies(be::error("57014", "canceling"), be::ready())
        .client_receives(be::error("57014", "canceling"), be::ready())
        // Still counted, lent to nobody.
        .pool_has(1, 0, 0)
        .client_sends(select("2"))
        .server_receives("")
        .pool_has(1, 0, 1);
    SUBCASE("certain") {
        script.cancel_ends()
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_is_kept();
    }
    SUBCASE("uncertain") {
        script.cancel_ends(false)
            .server_receives("")
            .server_is_closed(CloseReason::cancel_uncertain)
            .server_opens()
            .with_server(1)
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    script.play();
}

TEST_CASE("Client gone: in a transaction the server is rolled back and kept") {
    auto script = server_taken();
    script.client_ends()
        .client_is_gone()
        .server_receives(fe::query("ROLLBACK"))
        .pool_has(1, 0, 0)
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .cancels_asked(0)
        .server_is_kept();
    script.play();
}

TEST_CASE("Client gone: a running query is cancelled and its answer drained") {
    auto script = server_taken();
    script.client_sends(select("pg_sleep(9)"))
        .server_receives(select("pg_sleep(9)"))
        .client_ends()
        .cancels_asked(1)
        .server_receives(fe::sync())
        .server_replies(be::row("half"), be::error("57014", "canceling"), be::ready('E'))
        .server_receives("")
        .server_replies(be::ready('E'))
        .server_receives(fe::query("ROLLBACK"))
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .pool_has(1, 0, 0)
        .cancel_ends()
        .server_is_kept();
    script.play();
}

TEST_CASE("Client gone: in the middle of COPY the server is told so") {
    SessionScript script;
    script.client_sends(fe::query("copy t from stdin"))
        .server_receives(fe::query("copy t from stdin"));
    SUBCASE("while it sends data") {
        script.server_replies(be::copy_start('G'))
            .client_receives(be::copy_start('G'))
            .client_sends(fe::copy_data("1\n"))
            .server_receives(fe::copy_data("1\n"))
            .client_ends()
            .server_receives(fe::copy_fail("client has left"), fe::sync());
    }
    SUBCASE("before the server has asked for data") {
        // Its Sync is ignored in COPY, or not: nobody knows.
        script.client_ends()
            .server_receives(fe::sync())
            .server_replies(be::copy_start('G'))
            .server_is_closed(CloseReason::reset_failed);
        script.play();
        return;
    }
    script.server_replies(be::error("57014", "COPY from stdin failed"), be::ready(), be::ready())
        .cancel_ends()
        .server_is_kept();
    script.play();
}

TEST_CASE("Client gone: a server that has listened for it is put in order") {
    SessionScript script;
    // Of a string with something else pgweir does not take it over.
    const auto string = fe::query("listen x; close all");
    script.client_sends(string)
        .server_receives(string)
        .server_replies(be::complete("LISTEN"), be::complete("CLOSE CURSOR ALL"), be::ready())
        .client_receives(be::complete("LISTEN"), be::complete("CLOSE CURSOR ALL"), be::ready())
        .server_receives(fe::query("SELECT EXISTS (SELECT FROM pg_catalog.pg_listening_channels())")
        )
        .server_replies(be::row("t"), be::complete("SELECT 1"), be::ready())
        .pool_has(1, 0, 0)
        .server_replies(be::notification("x"))
        .client_receives(be::notification("x"))
        .client_ends()
        .server_receives(fe::query("DISCARD ALL"))
        .server_replies(be::notification("x"), be::complete("DISCARD ALL"), be::ready())
        .pool_has(0, 1, 0)
        .server_is_kept();
    script.play();
}

TEST_CASE("Server gone: the client is told that the outcome is not known") {
    const auto lost = be::own_error(
        "08006",
        "server conn crashed?",
        true,
        "The connection to the server was lost; whether the last statement took effect is not "
        "known."
    );
    SessionScript script;
    SUBCASE("without a word") {
        script.client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(be::row("1"))
            .server_ends()
            .client_receives(be::row("1"), lost);
    }
    SUBCASE("with last words, which are passed on") {
        const auto words = be::error("57P01", "terminating", "ProcessInterrupts", "FATAL");
        script.client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(words)
            .server_ends()
            .client_receives(words);
    }
    SUBCASE("in the middle of a row: no error can follow") {
        const auto row = be::row(std::string(2000, 'x'));
        script.client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(row.substr(0, 1000))
            .server_ends()
            .client_receives(row.substr(0, 1000));
    }
    script.client_is_gone().server_is_closed(CloseReason::server_closed).pool_has(0, 0, 0);
    script.play();
}

TEST_CASE("Session mode: the client keeps its server; the reset query runs when it leaves") {
    ScriptOptions options;
    options.limits.pool_mode = conf::PoolMode::session;
    options.limits.server_reset_query = "DISCARD ALL";
    SessionScript script{options};
    script.client_sends(fe::query("begin"))
        .server_receives(fe::query("begin"))
        .server_replies(be::complete("BEGIN"), be::ready('T'))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready())
        .client_sends(fe::parse("s", "select 1"), fe::sync())
        .server_receives(fe::parse("s", "select 1"), fe::sync())
        .server_replies(be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .pool_has(1, 0, 0)
        .client_sends(fe::terminate())
        .server_receives(fe::query("DISCARD ALL"));
    SUBCASE("it works") {
        script.server_replies(be::complete("DISCARD ALL"), be::ready()).server_is_kept();
    }
    SUBCASE("it fails") {
        script.server_replies(be::error("25001", "no"), be::ready())
            .server_is_closed(CloseReason::reset_failed);
    }
    SUBCASE("it never ends") {
        script.time_passes(10s).server_is_closed(CloseReason::reset_failed);
    }
    script.play();
}

TEST_CASE("Statement mode: a transaction block ends the session") {
    ScriptOptions options;
    options.limits.pool_mode = conf::PoolMode::statement;
    SessionScript script{options};
    script.client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0)
        .client_sends(fe::query("begin"))
        .server_receives(fe::query("begin"))
        .server_replies(be::complete("BEGIN"), be::ready('T'))
        .client_receives(
            be::complete("BEGIN"),
            be::own_error("08P01", "transaction blocks not allowed in statement pooling mode", true)
        )
        .client_is_gone()
        .server_receives(fe::query("ROLLBACK"))
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("server_check_query: a server that fails it is replaced before the request") {
    ScriptOptions options;
    options.limits.server_check_query = "select 1";
    options.limits.server_check_delay = 30s;
    SessionScript script{options};
    script.client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .time_passes(31s)
        .client_sends(select("2"))
        .server_receives(fe::query("select 1"));
    SUBCASE("it answers") {
        script.server_replies(selected(), be::ready())
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_is_kept();
    }
    SUBCASE("it is gone") {
        script.server_ends()
            .client_receives("")
            .server_is_closed(CloseReason::server_closed)
            .pool_has(0, 0, 1)
            .server_opens()
            .with_server(1)
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    SUBCASE("it says no") {
        script.server_replies(be::error("XX000", "broken"), be::ready())
            .client_receives("")
            .server_is_closed(CloseReason::check_failed)
            .pool_has(0, 0, 1);
    }
    script.play();
}

TEST_CASE("COPY in: simple, extended with an early Sync, failing") {
    SessionScript script;
    SUBCASE("simple") {
        script.client_sends(fe::query("copy t from stdin"))
            .server_receives(fe::query("copy t from stdin"))
            .server_replies(be::copy_start('G'))
            .client_receives(be::copy_start('G'))
            .client_sends(
                fe::copy_data("1\n"), fe::copy_data("2\n"), fe::flush(), fe::sync(), fe::copy_done()
            )
            .server_receives(fe::copy_data("1\n"), fe::copy_data("2\n"), fe::copy_done())
            .server_replies(be::complete("COPY 2"), be::ready())
            .client_receives(be::complete("COPY 2"), be::ready());
    }
    SUBCASE("extended with an early Sync") {
        const auto start =
            fe::parse("", "copy t from stdin") + fe::bind("", "") + fe::execute() + fe::sync();
        script.client_sends(start)
            .server_receives(start)
            .server_replies(be::parse_complete(), be::bind_complete(), be::copy_start('G'))
            .client_receives(be::parse_complete(), be::bind_complete(), be::copy_start('G'))
            .client_sends(fe::copy_data("1\n"), fe::copy_done(), fe::sync())
            .server_receives(fe::copy_data("1\n"), fe::copy_done(), fe::sync())
            .server_replies(be::complete("COPY 1"), be::ready())
            .client_receives(be::complete("COPY 1"), be::ready());
    }
    SUBCASE("failing in the middle, simple") {
        script.client_sends(fe::query("copy t from stdin"))
            .server_receives(fe::query("copy t from stdin"))
            .server_replies(be::copy_start('G'))
            .client_receives(be::copy_start('G'))
            .client_sends(fe::copy_data("x\n"))
            .server_receives(fe::copy_data("x\n"))
            .server_replies(be::error("22P02", "invalid input"), be::ready())
            .client_receives(be::error("22P02", "invalid input"), be::ready())
            .client_sends(fe::copy_data("y\n"), fe::copy_done(), select("1"))
            .server_receives(select("1"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    SUBCASE("failing in the middle, extended") {
        const auto start =
            fe::parse("", "copy t from stdin") + fe::bind("", "") + fe::execute() + fe::flush();
        script.client_sends(start)
            .server_receives(start)
            .server_replies(be::parse_complete(), be::bind_complete(), be::copy_start('G'))
            .client_receives(be::parse_complete(), be::bind_complete(), be::copy_start('G'))
            .client_sends(fe::copy_data("x\n"))
            .server_receives(fe::copy_data("x\n"))
            .server_replies(be::error("22P02", "invalid input"))
            .client_receives(be::error("22P02", "invalid input"))
            .client_sends(fe::copy_data("y\n"), fe::copy_done(), fe::sync())
            .server_receives(fe::sync())
            .server_replies(be::ready())
            .client_receives(be::ready());
    }
    SUBCASE("given up by the client") {
        script.client_sends(fe::query("copy t from stdin"))
            .server_receives(fe::query("copy t from stdin"))
            .server_replies(be::copy_start('G'))
            .client_receives(be::copy_start('G'))
            .client_sends(fe::copy_fail("enough"))
            .server_receives(fe::copy_fail("enough"))
            .server_replies(be::error("57014", "COPY failed: enough"), be::ready())
            .client_receives(be::error("57014", "COPY failed: enough"), be::ready());
    }
    SUBCASE("a Query instead of data ends it with an error") {
        script.client_sends(fe::query("copy t from stdin"))
            .server_receives(fe::query("copy t from stdin"))
            .server_replies(be::copy_start('G'))
            .client_receives(be::copy_start('G'))
            .client_sends(select("1"))
            .server_receives(fe::copy_fail("unexpected message type during COPY from stdin"))
            .server_replies(be::error("57014", "COPY failed"), be::ready())
            .client_receives(be::error("57014", "COPY failed"), be::ready());
    }
    script.pool_has(0, 1, 0).server_is_kept();
    script.play();
}

TEST_CASE("COPY out") {
    SessionScript script;
    const auto data = be::copy_data("1\n") + be::copy_data("2\n");
    script.client_sends(fe::query("copy t to stdout"))
        .server_receives(fe::query("copy t to stdout"))
        .server_replies(be::copy_start('H'), data)
        .client_receives(be::copy_start('H'), data)
        .pool_has(1, 0, 0);
    SUBCASE("to the end") {
        script.server_replies(be::copy_done(), be::complete("COPY 2"), be::ready())
            .client_receives(be::copy_done(), be::complete("COPY 2"), be::ready());
    }
    SUBCASE("failing") {
        script.server_replies(be::error("22012", "division"), be::ready())
            .client_receives(be::error("22012", "division"), be::ready());
    }
    script.pool_has(0, 1, 0).server_is_kept();
    script.play();
}
