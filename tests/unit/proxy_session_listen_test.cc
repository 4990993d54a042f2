// LISTEN and notifications of sessions whose listening connection is the script.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

#include <utility>

namespace weir::test {

using namespace std::chrono_literals;

namespace {

using proxy::ListenerAnswer;
using proxy::ListenerEvent;
using proxy::ListenerLost;

// Answers all that has been asked.
void answer(ScriptWorld& world, std::shared_ptr<const protocol::Error> error = nullptr) {
    for (auto& request : std::exchange(world.listener_asked, {})) {
        if (request.ticket == 0) continue;
        world.worker->hear(
            world.entry.get(), {ListenerAnswer{request.session, request.ticket, error}}
        );
    }
}

SessionScript& answers(SessionScript& script) {
    return script.does("listener answers", [](ScriptWorld& world) { answer(world); });
}

SessionScript& refuses(SessionScript& script) {
    return script.does("listener refuses", [](ScriptWorld& world) {
        answer(
            world,
            std::make_shared<const protocol::Error>(
                protocol::error(protocol::SqlState("0A000"), "no")
            )
        );
    });
}

SessionScript& hears(
    SessionScript& script, std::int32_t pid, std::string channel, std::string payload
) {
    return script.does("notification " + payload, [=](ScriptWorld& world) {
        world.worker->hear(
            world.entry.get(),
            {std::make_shared<const proxy::Notification>(proxy::Notification{pid, channel, payload}
            )}
        );
    });
}

SessionScript& loses(SessionScript& script, bool listens_again) {
    return script.does("listener is lost", [=](ScriptWorld& world) {
        world.worker->hear(world.entry.get(), {ListenerLost{listens_again}});
    });
}

SessionScript& asks(SessionScript& script, std::string listen, std::string unlisten = "") {
    return script.check("asks for " + listen + " and not " + unlisten, [=](ScriptWorld& world) {
        std::string wanted, unwanted;
        for (const auto& request : world.listener_asked) {
            for (const auto& channel : request.listen)
                wanted += channel;
            for (const auto& channel : request.unlisten)
                unwanted += channel;
        }
        return wanted == listen && unwanted == unlisten;
    });
}

std::string notification(std::int32_t pid, std::string_view channel, std::string_view payload) {
    protocol::MessageWriter out;
    out.begin('A').i32(pid).c_string(channel).c_string(payload).end();
    return text_of(out);
}

// The one client listens to x, outside of a transaction.
SessionScript& listens(SessionScript& script) {
    script.client_sends(fe::query("listen x")).client_receives("");
    asks(script, "x");
    answers(script);
    return script.client_receives(be::complete("LISTEN"), be::ready()).server_receives("");
}

const std::string done = be::complete("NOTIFY") + be::ready();

}  // namespace

TEST_CASE("Listen: answered without a server, when the listening connection has it") {
    SessionScript script;
    listens(script).pool_has(0, 1, 0);
    hears(script, 9, "x", "1").client_receives(notification(9, "x", "1"));
    hears(script, 9, "y", "2").client_receives("");
    // What it has needs no asking.
    script.client_sends(fe::query("listen x; unlisten y; listen x"))
        .client_receives(
            be::complete("LISTEN"), be::complete("UNLISTEN"), be::complete("LISTEN"), be::ready()
        );
    asks(script, "");
    script.client_sends(fe::query("unlisten *"))
        .client_receives(be::complete("UNLISTEN"), be::ready());
    asks(script, "", "x");
    hears(script, 9, "x", "3").client_receives("").pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: UNLISTEN of who has nothing asks nobody") {
    SessionScript script;
    script.client_sends(fe::query("unlisten x"))
        .client_receives(be::complete("UNLISTEN"), be::ready())
        .client_sends(fe::query("unlisten *"))
        .client_receives(be::complete("UNLISTEN"), be::ready())
        .check("nobody is asked", [](ScriptWorld& world) { return world.listener_asked.empty(); })
        .server_receives("");
    script.play();
}

TEST_CASE("Listen: the extended protocol") {
    SessionScript script;
    const auto run = fe::bind("", "") + fe::describe('P', "") + fe::execute() + fe::sync();
    script.client_sends(fe::parse("", "listen x"), run).client_receives("");
    answers(script);
    script
        .client_receives(
            be::parse_complete(),
            be::bind_complete(),
            be::no_data(),
            be::complete("LISTEN"),
            be::ready()
        )
        // The unnamed statement is there.
        .client_sends(run)
        .client_receives(be::bind_complete(), be::no_data(), be::complete("LISTEN"), be::ready())
        .server_receives("")
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: refused, the transaction with it") {
    SessionScript script;
    const auto refused = be::own_error("0A000", "no");
    SUBCASE("outside of a block") {
        script.client_sends(fe::query("listen x"));
        refuses(script).client_receives(refused, be::ready());
    }
    SUBCASE("in a block without a server") {
        script.client_sends(fe::query("begin"))
            .client_receives(be::complete("BEGIN"), be::ready('T'))
            .client_sends(fe::query("listen x"));
        refuses(script)
            .client_receives(refused, be::ready('E'))
            .client_sends(fe::query("commit"))
            .client_receives(be::complete("ROLLBACK"), be::ready());
    }
    SUBCASE("in a block of a server") {
        script.client_sends(fe::query("begin; select 1"))
            .server_receives(fe::query("begin; select 1"))
            .server_replies(be::complete("BEGIN"), selected(), be::ready('T'))
            .client_receives(be::complete("BEGIN"), selected(), be::ready('T'))
            .client_sends(fe::query("listen x"))
            .client_receives("");
        refuses(script)
            .server_receives(fe::parse("", "pgweir: no"), fe::sync())
            .server_replies(be::error("42601", "syntax error"), be::ready('E'))
            .client_receives(refused, be::ready('E'))
            .client_sends(fe::query("rollback"))
            .server_receives(fe::query("rollback"))
            .server_replies(be::complete("ROLLBACK"), be::ready())
            .client_receives(be::complete("ROLLBACK"), be::ready());
    }
    hears(script, 9, "x", "1").client_receives("").pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: in a block from COMMIT on, or never") {
    SessionScript script;
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(fe::query("listen x"))
        .client_receives("");
    answers(script).client_receives(be::complete("LISTEN"), be::ready('T'));
    hears(script, 9, "x", "early");
    SUBCASE("committed, no server") {
        script.client_sends(fe::query("commit"))
            .client_receives(be::complete("COMMIT"), be::ready());
        hears(script, 9, "x", "1").client_receives(notification(9, "x", "1"));
    }
    SUBCASE("rolled back, no server") {
        script.client_sends(fe::query("rollback"))
            .client_receives(be::complete("ROLLBACK"), be::ready());
        asks(script, "", "x");
        hears(script, 9, "x", "1").client_receives("");
    }
    SUBCASE("with a server") {
        script.client_sends(select("1"))
            .server_receives(fe::injected("begin"), select("1"))
            .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
            .client_receives(selected(), be::ready('T'));
        SUBCASE("committed: what comes meanwhile is not lost") {
            script.client_sends(fe::query("commit")).server_receives(fe::query("commit"));
            hears(script, 9, "x", "1")
                .client_receives("")
                .server_replies(be::complete("COMMIT"), be::ready())
                .client_receives(be::complete("COMMIT"), notification(9, "x", "1"), be::ready());
        }
        SUBCASE("the commit fails") {
            const auto failed = be::error("23505", "deferred");
            script.client_sends(fe::query("commit")).server_receives(fe::query("commit"));
            hears(script, 9, "x", "1")
                .server_replies(failed, be::ready())
                .client_receives(failed, be::ready());
            asks(script, "", "x");
        }
        SUBCASE("a string of several") {
            const auto string = fe::query("savepoint s; rollback to s; commit");
            script.client_sends(string)
                .server_receives(string)
                .server_replies(
                    be::complete("SAVEPOINT"),
                    be::complete("ROLLBACK"),
                    be::complete("COMMIT"),
                    be::ready()
                )
                .client_receives(
                    be::complete("SAVEPOINT"),
                    be::complete("ROLLBACK"),
                    be::complete("COMMIT"),
                    be::ready()
                );
            hears(script, 9, "x", "1").client_receives(notification(9, "x", "1"));
        }
    }
    script.pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: delivered between transactions only") {
    SessionScript script;
    listens(script)
        .client_sends(fe::query("begin; select 1"))
        .server_receives(fe::query("begin; select 1"))
        .server_replies(be::complete("BEGIN"), selected(), be::ready('T'))
        .client_receives(be::complete("BEGIN"), selected(), be::ready('T'));
    hears(script, 9, "x", "1")
        .client_receives("")
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"));
    hears(script, 9, "x", "2")
        .client_receives("")
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(
            be::complete("COMMIT"),
            notification(9, "x", "1"),
            notification(9, "x", "2"),
            be::ready()
        )
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: what a client notifies itself comes before its ReadyForQuery, as its own") {
    SessionScript script;
    const auto notify = fe::query("notify x");
    listens(script)
        .client_sends(notify)
        .server_receives(notify)
        .server_replies(done)
        .client_receives(be::complete("NOTIFY"))
        // The server is the session's until its notifications are here.
        .pool_has(1, 0, 0)
        .client_sends(select("1"))
        .server_receives("");
    hears(script, 9, "x", "other");
    // The server's process and the client's.
    hears(script, 1001, "x", "own").client_receives("");
    answers(script)
        .client_receives(notification(9, "x", "other"), notification(1, "x", "own"), be::ready())
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: what another has notified by the same server is not its own") {
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    const auto notify = fe::query("notify x");
    listens(script)
        .with_client(1)
        .client_sends(notify)
        .server_receives(notify)
        .server_replies(done)
        .client_receives(done)
        .with_client(0)
        .client_sends(notify)
        .server_receives("")
        .pool_has(1, 0, 0);
    answers(script).server_receives(notify).server_replies(done).client_receives(
        be::complete("NOTIFY")
    );
    answers(script).client_receives(be::ready()).pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: who does not listen asks nobody and waits for nothing") {
    SessionScript script;
    script.client_sends(fe::query("notify x"))
        .server_receives(fe::query("notify x"))
        .server_replies(done)
        .client_receives(done)
        .check("nobody is asked", [](ScriptWorld& world) { return world.listener_asked.empty(); })
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Listen: a server that is lost behind the transaction is not missed") {
    ScriptOptions options;
    options.servers = 2;
    SessionScript script{options};
    listens(script)
        .with_server(1)
        .client_sends(fe::query("notify x"))
        .server_receives(fe::query("notify x"))
        .server_replies(done)
        .client_receives(be::complete("NOTIFY"))
        .server_ends()
        .client_lives();
    answers(script).client_receives(be::ready()).client_lives();
    script.play();
}

TEST_CASE("Listen: a lost listening connection") {
    SessionScript script;
    const auto lost = be::own_error(
        "57P01",
        "terminating connection because the connection that listens for it was lost",
        true,
        "Notifications may have been missed: connect and LISTEN again."
    );
    listens(script);
    SUBCASE("ends who is idle") {
        loses(script, false).client_receives(lost).client_is_gone();
    }
    SUBCASE("ends who is in a transaction when that has ended") {
        script.client_sends(fe::query("begin"))
            .client_receives(be::complete("BEGIN"), be::ready('T'));
        loses(script, false)
            .client_receives("")
            .client_sends(fe::query("commit"))
            .client_receives(be::complete("COMMIT"), be::ready(), lost)
            .client_is_gone();
    }
    SUBCASE("or is told of") {
        protocol::MessageWriter out;
        protocol::write_notice(
            "WARNING",
            protocol::sqlstate::connection_failure,
            "the connection that listens for this session was lost; notifications may be missing",
            out,
            "pgweir listens again."
        );
        loses(script, true).client_receives(text_of(out));
        hears(script, 9, "x", "1").client_receives(notification(9, "x", "1")).client_lives();
    }
    script.play();
}

TEST_CASE("Listen: DISCARD ALL and strings of resets end it, if they succeed") {
    SessionScript script;
    listens(script);
    SUBCASE("without a server") {
        script.client_sends(fe::query("discard all"))
            .client_receives(be::complete("DISCARD ALL"), be::ready());
        asks(script, "", "x");
    }
    SUBCASE("in a string") {
        const auto string = fe::query("close all; unlisten *");
        script.client_sends(string)
            .server_receives(string)
            .server_replies(be::complete("CLOSE CURSOR ALL"), be::complete("UNLISTEN"), be::ready())
            .client_receives(
                be::complete("CLOSE CURSOR ALL"), be::complete("UNLISTEN"), be::ready()
            );
        asks(script, "", "x");
    }
    SUBCASE("in a string that fails") {
        const auto string = fe::query("unlisten *; select 1/0");
        const auto failed = be::error("22012", "division by zero");
        script.client_sends(string)
            .server_receives(string)
            .server_replies(be::complete("UNLISTEN"), failed, be::ready())
            .client_receives(be::complete("UNLISTEN"), failed, be::ready());
        hears(script, 9, "x", "1").client_receives(notification(9, "x", "1"));
    }
    script.play();
}

TEST_CASE("Listen: a client that takes nothing is told and ended, none is left out") {
    ScriptOptions options;
    options.read_sizes = {pool::MemoryNetwork::unlimited};
    options.stalls = false;
    SessionScript script{options};
    listens(script).client_takes(0);
    script.does("many notifications", [](ScriptWorld& world) {
        const auto one = std::make_shared<const proxy::Notification>(proxy::Notification{
            9, "x", std::string(7999, 'x')});
        std::vector<ListenerEvent> events(200, one);
        world.worker->hear(world.entry.get(), std::move(events));
    });
    script.client_lives();
    SUBCASE("it reads after all") {
        script.client_takes(pool::MemoryNetwork::unlimited)
            .check("it is told", [](ScriptWorld& world) {
                const auto got = world.network->received(world.clients.at(0));
                return got.find("53400") != std::string::npos &&
                       got.find("FATAL") != std::string::npos;
            });
    }
    SUBCASE("it never does") {
        script.time_passes(61s);
    }
    script.client_is_gone();
    script.play();
}

TEST_CASE("Listen: what else keeps the session's server does not get in its way") {
    SessionScript script;
    const auto temp = fe::query("create temp table t (a int)");
    listens(script).client_sends(temp).server_receives(temp).server_replies(
        be::complete("CREATE TABLE"), be::ready()
    );
    answers(script).client_receives(be::complete("CREATE TABLE"), be::ready());
    script.does("asked for the state", [](ScriptWorld& world) {
        world.network->received(world.servers.at(0));
    });
    hears(script, 9, "x", "1").client_receives(notification(9, "x", "1"));
    script.play();
}

}  // namespace weir::test
