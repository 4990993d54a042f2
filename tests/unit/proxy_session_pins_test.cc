// Pins: their limit, their time, what the client is told, what is counted.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;
using pool::CloseReason;
using proxy::PinEvent;
using router::PinReason;

namespace {

// Nobody can be asked whether a library is still loaded.
const std::string load = "load 'x'";
const auto failing_parse = fe::parse("", "pgweir: too many pinned connections");

// What a client gets instead of a server of its own.
std::string pin_refused(std::string_view detail = "loaded library, x") {
    auto error = protocol::error(
        protocol::sqlstate::configuration_limit_exceeded,
        "too many pinned connections",
        "Try again later, or raise max_pinned; SHOW PINS on the console says who keeps a server "
        "connection."
    );
    error.detail =
        "This request would keep its server connection for the session: " + std::string(detail) +
        ".";
    protocol::MessageWriter out;
    protocol::write_error(error, out);
    return text_of(out);
}

std::string pin_notice(std::string_view reason, std::string_view detail) {
    protocol::MessageWriter out;
    protocol::write_notice(
        "NOTICE",
        protocol::SqlState("00000"),
        "pgweir keeps this server connection for the session: " + std::string(reason),
        out,
        detail
    );
    return text_of(out);
}

std::string run(std::string_view text) {
    return fe::parse("", text) + fe::bind("", "") + fe::execute();
}

std::string done(std::string_view tag) {
    return be::parse_complete() + be::bind_complete() + be::complete(tag);
}

SessionScript& loads(SessionScript& script, std::string_view notice = {}) {
    return script.client_sends(fe::query(load))
        .server_receives(fe::query(load))
        .server_replies(be::complete("LOAD"), be::ready())
        .client_receives(std::string(notice), be::complete("LOAD"), be::ready());
}

// Client 0 keeps server 0, and may as the only one; client 1 speaks.
SessionScript one_is_pinned(std::size_t servers = 2, ScriptOptions options = {}) {
    options.servers = servers;
    options.pool_size = servers;
    options.lend_policy = pool::LendPolicy::round_robin;
    options.clients = {{}, {}};
    options.max_pinned = 1;
    SessionScript script{options};
    loads(script).pool_has(1, servers - 1, 0).with_client(1).with_server(1);
    return script;
}

std::uint64_t count(ScriptWorld& world, PinReason reason, PinEvent event) {
    return world.entry->pins.value(reason, event);
}

}  // namespace

TEST_CASE("Pins: one more than max_pinned fails before it is sent, and the client lives") {
    auto script = one_is_pinned();
    SUBCASE("Query") {
        script.client_sends(fe::query(load));
    }
    SUBCASE("extended query") {
        script.client_sends(run(load), fe::sync());
    }
    script.client_receives(pin_refused(), be::ready())
        .server_receives("")
        .pool_has(1, 1, 0)
        .check(
            "the refusal is counted",
            [](ScriptWorld& world) { return count(world, PinReason::load, PinEvent::refused) == 1; }
        )
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        // When the other has left it is his turn.
        .with_client(0)
        .client_ends()
        .with_client(1)
        .pool_has(0, 1, 0)
        .check("nobody is pinned", [](ScriptWorld& world) {
            return world.entry->pool.pinned() == 0;
        });
    loads(script).pool_has(1, 0, 0).check("one is pinned", [](ScriptWorld& world) {
        return world.entry->pool.pinned() == 1 &&
               count(world, PinReason::load, PinEvent::begun) == 2 &&
               count(world, PinReason::load, PinEvent::left) == 1;
    });
    script.play();
}

TEST_CASE("Pins: whoever is pinned may do more of it") {
    auto script = one_is_pinned();
    script.with_client(0).with_server(0);
    loads(script).pool_has(1, 1, 0);
    script.play();
}

TEST_CASE("Pins: a transaction fails where it is when its request is refused") {
    auto script = one_is_pinned();
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(select("1"))
        .server_receives(fe::injected("begin"), select("1"))
        .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
        .client_receives(selected(), be::ready('T'));
    SUBCASE("Query") {
        script.client_sends(fe::query(load))
            .server_receives(failing_parse, fe::sync())
            .client_receives("")
            .server_replies(be::error("42601", "syntax error"), be::ready('E'))
            .client_receives(pin_refused(), be::ready('E'));
    }
    SUBCASE("extended query") {
        script.client_sends(run(load), fe::sync())
            .server_receives(failing_parse, fe::sync())
            .server_replies(be::error("42601", "syntax error"), be::ready('E'))
            .client_receives(pin_refused(), be::ready('E'));
    }
    SUBCASE("extended query with Flush: the rest up to Sync is skipped") {
        script.client_sends(run(load), fe::flush())
            .server_receives(failing_parse)
            .server_replies(be::error("42601", "syntax error"))
            .client_receives(pin_refused())
            .client_sends(run("select 1"), fe::flush())
            .server_receives("")
            .client_receives("")
            .client_sends(fe::sync())
            .server_receives(fe::sync())
            .server_replies(be::ready('E'))
            .client_receives(be::ready('E'));
    }
    const auto aborted = be::error("25P02", "current transaction is aborted");
    script.client_sends(select("2"))
        .server_receives(select("2"))
        .server_replies(aborted, be::ready('E'))
        .client_receives(aborted, be::ready('E'))
        .client_sends(fe::query("rollback"))
        .server_receives(fe::query("rollback"))
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .client_receives(be::complete("ROLLBACK"), be::ready())
        .server_is_kept()
        .pool_has(1, 1, 0);
    script.play();
}

TEST_CASE("Pins: a deferred BEGIN fails without a server") {
    auto script = one_is_pinned();
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(fe::query(load))
        .client_receives(pin_refused(), be::ready('E'))
        .server_receives("")
        .pool_has(1, 1, 0)
        .client_sends(fe::query("commit"))
        .client_receives(be::complete("ROLLBACK"), be::ready());
    script.play();
}

TEST_CASE("Pins: the refusal stands behind the answers to what was sent before it") {
    auto script = one_is_pinned();
    script.client_sends(run("select 1"), fe::flush(), run(load), fe::sync())
        .server_receives(run("select 1"), fe::flush(), failing_parse, fe::sync())
        .server_replies(done("SELECT 1"))
        .client_receives(done("SELECT 1"))
        .server_replies(be::error("42601", "syntax error"), be::ready())
        .client_receives(pin_refused(), be::ready())
        .server_is_kept()
        .pool_has(1, 1, 0);
    script.play();
}

TEST_CASE("Pins: an error before the refused request is the only one") {
    auto script = one_is_pinned();
    const auto division = be::error("22012", "division by zero");
    script.client_sends(run("select 1/0"), fe::flush(), run(load), fe::sync())
        .server_receives(run("select 1/0"), fe::flush(), failing_parse, fe::sync())
        .server_replies(be::parse_complete(), be::bind_complete(), division, be::ready())
        .client_receives(be::parse_complete(), be::bind_complete(), division, be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("Pins: a refused request does not stand in the queue") {
    auto script = one_is_pinned(1);
    script.client_sends(fe::query(load))
        .client_receives(pin_refused(), be::ready())
        .pool_has(1, 0, 0);
    script.play();
}

TEST_CASE("Pins: refused after it has waited, the server goes back") {
    ScriptOptions options;
    options.servers = 2;
    options.clients = {{}, {}, {}};
    options.max_pinned = 1;
    options.lend_policy = pool::LendPolicy::round_robin;
    SessionScript script{options};
    for (const std::size_t each : {0U, 1U}) {
        script.with_client(each)
            .with_server(each)
            .client_sends(fe::query("begin; select 1"))
            .server_receives(fe::query("begin; select 1"))
            .server_replies(be::complete("BEGIN"), selected(), be::ready('T'))
            .client_receives(be::complete("BEGIN"), selected(), be::ready('T'));
    }
    script.with_client(2)
        .client_sends(fe::query(load))
        .pool_has(2, 0, 1)
        .with_client(0)
        .with_server(0)
        .client_sends(fe::query(load))
        .server_receives(fe::query(load))
        .server_replies(be::complete("LOAD"), be::ready('T'))
        .client_receives(be::complete("LOAD"), be::ready('T'))
        .with_client(1)
        .with_server(1)
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready())
        .with_client(2)
        .client_receives(pin_refused(), be::ready())
        .server_receives("")
        .server_is_kept()
        .pool_has(1, 1, 0);
    script.play();
}

TEST_CASE("Pins: of a large refused request nothing is sent, and the next one is") {
    ScriptOptions options;
    options.read_sizes = {50'000, pool::MemoryNetwork::unlimited};
    auto script = one_is_pinned(2, options);
    script.client_sends(fe::query("select '" + std::string(400'000, 'x') + "'"))
        .client_receives(pin_refused("text too long"), be::ready())
        .server_receives("")
        .pool_has(1, 1, 0)
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Pins: pin_idle_timeout ends a session that keeps a server and is idle") {
    ScriptOptions options;
    options.limits.pin_idle_timeout = 30s;
    SessionScript script{options};
    auto gone = protocol::fatal(
        protocol::sqlstate::idle_session_timeout,
        "terminating connection due to pin_idle_timeout: loaded library kept a server connection",
        "End what keeps the server connection before the session is idle; SHOW PINS on the console "
        "shows it."
    );
    gone.detail = "x";
    protocol::MessageWriter out;
    protocol::write_error(gone, out);
    SUBCASE("after its last request") {
        loads(script)
            .time_passes(29s)
            .client_sends(select("1"))
            .server_receives(select("1"))
            .time_passes(60s)
            .client_lives()
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .time_passes(29s)
            .client_lives()
            .time_passes(1s);
    }
    SUBCASE("not within a transaction") {
        script.client_sends(fe::query("begin; " + load))
            .server_receives(fe::query("begin; " + load))
            .server_replies(be::complete("BEGIN"), be::complete("LOAD"), be::ready('T'))
            .client_receives(be::complete("BEGIN"), be::complete("LOAD"), be::ready('T'))
            .time_passes(100s)
            .client_lives()
            .client_sends(fe::query("commit"))
            .server_receives(fe::query("commit"))
            .server_replies(be::complete("COMMIT"), be::ready())
            .client_receives(be::complete("COMMIT"), be::ready())
            .time_passes(29s)
            .client_lives()
            .time_passes(1s);
    }
    script.client_receives(text_of(out))
        .client_is_gone()
        .server_is_closed(CloseReason::client_pinned);
    script.play();
}

TEST_CASE("Pins: pin_idle_timeout is nothing to a client without a pin") {
    ScriptOptions options;
    options.limits.pin_idle_timeout = 30s;
    SessionScript script{options};
    script.client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .time_passes(100s)
        .client_lives();
    script.play();
}

TEST_CASE("Pins: pin_notice tells the client why, before the answer") {
    ScriptOptions options;
    std::string first = pin_notice("unparsable text", "");
    std::string second = pin_notice("loaded library", "x");
    SUBCASE("off") {
        first = second = "";
    }
    SUBCASE("first") {
        options.limits.pin_notice = conf::PinNotice::first;
        second = "";
    }
    SUBCASE("always") {
        options.limits.pin_notice = conf::PinNotice::always;
    }
    SessionScript script{options};
    const auto syntax_error =
        be::error("42601", "syntax error", "scanner_yyerror", "ERROR", "scan.l");
    script.client_sends(fe::query("selec 1"))
        .client_receives(first)
        .server_receives(fe::query("selec 1"))
        .server_replies(syntax_error, be::ready())
        .client_receives(syntax_error, be::ready())
        // PostgreSQL does not know it either: the pin is lifted.
        .pool_has(0, 1, 0);
    loads(script, second).pool_has(1, 0, 0).check("both are counted", [](ScriptWorld& world) {
        return count(world, PinReason::unparsable, PinEvent::begun) == 1 &&
               count(world, PinReason::unparsable, PinEvent::lifted) == 1 &&
               count(world, PinReason::load, PinEvent::begun) == 1 &&
               count(world, PinReason::load, PinEvent::lifted) == 0 &&
               world.entry->pool.pinned() == 1;
    });
    script.play();
}

TEST_CASE("Pins: what SHOW PINS says of a client") {
    ScriptOptions options;
    options.servers = 1;
    SessionScript script{options};
    const auto looks = [&](std::string activity) {
        script.does("look", [activity = std::move(activity)](ScriptWorld& world) {
            world.worker->with_all_sessions(
                [&](proxy::ClientSession& session) {
                    const auto view = session.view();
                    // A server that was lost before the request was sent is replaced.
                    if (view.pin.empty() || view.server_id == 0) return;
                    CHECK(view.pin == "loaded library");
                    CHECK(view.pin_detail == "x");
                    CHECK(view.pin_statement == "LOAD");
                    CHECK(view.server_id == world.connections[0]->id());
                    if (view.activity != activity) CHECK(world.client_gone(0));
                },
                {}
            );
        });
    };
    loads(script);
    looks("idle");
    script.client_sends(fe::query("begin")).server_receives(fe::query("begin"));
    looks("active");
    script.server_replies(be::complete("BEGIN"), be::ready('T'))
        .client_receives(be::complete("BEGIN"), be::ready('T'));
    looks("idle in transaction");
    script.play();
}

TEST_CASE("Rotate: a session does not get the server it had last") {
    ScriptOptions options;
    options.servers = 2;
    options.lend_policy = pool::LendPolicy::rotate;
    options.clients = {{}, {}};
    SessionScript script{options};
    for (const std::size_t server : {0U, 1U, 0U}) {
        script.with_server(server)
            .client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    SUBCASE("unless it keeps it") {
        script.with_server(1);
        loads(script);
        loads(script).pool_has(1, 1, 0);
    }
    SUBCASE("unless there can be no other") {
        // The other one keeps server 1, so server 0 is all there is.
        script.with_client(1).with_server(1);
        loads(script).with_client(0);
        for (const std::size_t repeats : {1U, 2U, 3U}) {
            script.with_server(0)
                .client_sends(select("1"))
                .server_receives(select("1"))
                .server_replies(selected(), be::ready())
                .client_receives(selected(), be::ready())
                .check("repeats", [repeats](ScriptWorld& world) {
                    return world.entry->pool.repeats() == repeats;
                });
        }
    }
    script.play();
}
