// What a transaction leaves behind in the session is asked of PostgreSQL: settings follow their
// client with PostgreSQL's own values, and a pin ends when the state is gone.
#include "proxy/state_inquiry.h"
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using pool::CloseReason;
using proxy::pin_bit;
using router::PinReason;

namespace {

using Names = std::vector<std::string>;
using Values = be::Values;

std::string asks(Names names, proxy::PinSet pins = 0) {
    proxy::StateInquiry inquiry;
    inquiry.pins = pins;
    inquiry.names = std::move(names);
    return fe::query(proxy::inquiry_text(inquiry));
}

std::string answers(const Values& values) {
    return be::row_description() + be::row_of(values) + be::complete("SELECT 1") + be::ready();
}

// Two clients on one server.
SessionScript two_clients() {
    ScriptOptions options;
    options.clients = {{}, {}};
    return SessionScript{options};
}

SessionScript& selects(SessionScript& script, const std::string& injected, std::string_view tag) {
    return script.client_sends(select("1"))
        .server_receives(injected, select("1"))
        .server_replies(be::brought_done(be::injected_done(tag)), selected(), be::ready())
        .client_receives(selected(), be::ready());
}

}  // namespace

TEST_CASE("State: a SET is followed by a question, and PostgreSQL's value follows the client") {
    auto script = two_clients();
    script.client_sends(fe::query("set work_mem = 2048"))
        .server_receives(fe::query("set work_mem = 2048"), asks({"work_mem"}))
        .server_replies(be::complete("SET"), be::ready(), answers({"2MB"}))
        .client_receives(be::complete("SET"), be::ready())
        .pool_has(0, 1, 0)
        .with_client(1);
    selects(script, fe::brought(fe::injected("RESET \"work_mem\"")), "RESET").with_client(0);
    selects(script, fe::brought(fe::injected("SET \"work_mem\" TO '2MB'")), "SET").server_is_kept();
    script.play();
}

TEST_CASE("State: the question about a block goes behind its COMMIT") {
    auto script = two_clients();
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(fe::query("set work_mem = 2048"))
        .server_receives(fe::injected("begin"), fe::query("set work_mem = 2048"))
        .server_replies(be::injected_done("BEGIN"), be::complete("SET"), be::ready('T'))
        .client_receives(be::complete("SET"), be::ready('T'))
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"), asks({"work_mem"}))
        .server_replies(be::complete("COMMIT"), be::ready(), answers({"2MB"}))
        .client_receives(be::complete("COMMIT"), be::ready())
        .pool_has(0, 1, 0)
        .with_client(1);
    selects(script, fe::brought(fe::injected("RESET \"work_mem\"")), "RESET");
    script.play();
}

TEST_CASE("State: where one answer does not tell the end of the transaction, it is asked after it"
) {
    auto script = two_clients();
    const std::string text = "begin; set work_mem = 2048; commit";
    script.client_sends(fe::query(text))
        .server_receives(fe::query(text))
        .server_replies(
            be::complete("BEGIN"), be::complete("SET"), be::complete("COMMIT"), be::ready()
        )
        .client_receives(
            be::complete("BEGIN"), be::complete("SET"), be::complete("COMMIT"), be::ready()
        )
        .server_receives(asks({"work_mem"}))
        .pool_has(1, 0, 0)
        .server_replies(answers({"2MB"}))
        .client_receives("")
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("State: a rollback takes back what the transaction has set, not what was brought for it"
) {
    auto script = two_clients();
    script.client_sends(fe::query("set work_mem = 2048"))
        .server_receives(fe::query("set work_mem = 2048"), asks({"work_mem"}))
        .server_replies(be::complete("SET"), be::ready(), answers({"2MB"}))
        .client_receives(be::complete("SET"), be::ready())
        .with_client(1);
    selects(script, fe::brought(fe::injected("RESET \"work_mem\"")), "RESET")
        .with_client(0)
        .client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(fe::query("set work_mem = 3072"))
        .server_receives(
            fe::brought(fe::injected("SET \"work_mem\" TO '2MB'")),
            fe::injected("begin"),
            fe::query("set work_mem = 3072")
        )
        .server_replies(
            be::brought_done(be::injected_done()),
            be::injected_done("BEGIN"),
            be::complete("SET"),
            be::ready('T')
        )
        .client_receives(be::complete("SET"), be::ready('T'))
        .client_sends(fe::query("rollback"))
        .server_receives(fe::query("rollback"), asks({"work_mem"}))
        .server_replies(be::complete("ROLLBACK"), be::ready(), answers({"4MB"}))
        .client_receives(be::complete("ROLLBACK"), be::ready())
        .pool_has(0, 1, 0)
        // The server still has what was brought for the client before.
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("State: the name of a custom setting stays on the server, its value does not") {
    auto script = two_clients();
    const std::string local = "select set_config('app.t', 'x', true)";
    script.client_sends(fe::query(local))
        .server_receives(fe::query(local), asks({"app.t"}))
        .server_replies(selected(), be::ready(), answers({""}))
        .client_receives(selected(), be::ready())
        // The next time there is nothing to ask.
        .client_sends(fe::query(local))
        .server_receives(fe::query(local))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .with_client(1)
        .client_sends(select("1"))
        .server_receives(fe::brought(fe::injected("RESET \"app\".\"t\"")), select("1"))
        .server_replies(be::brought_done(be::injected_done("RESET")), selected(), be::ready())
        .client_receives(selected(), be::ready())
        .client_sends(select("2"))
        .server_receives(select("2"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("State: strict_custom_settings: a server with names of others is closed instead") {
    ScriptOptions options;
    options.clients = {{}, {}};
    options.limits.strict_custom_settings = true;
    SessionScript script{options};
    const std::string set = "set app.t = 'x'";
    script.client_sends(fe::query(set))
        .server_receives(fe::query(set), asks({"app.t"}))
        .server_replies(be::complete("SET"), be::ready(), answers({"x"}))
        .client_receives(be::complete("SET"), be::ready())
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .with_client(1);
    SUBCASE("for who has not used them") {
        script.client_sends(select("2"))
            .client_receives("")
            .server_is_closed(pool::CloseReason::foreign_settings)
            .client_lives()
            .server_opens()
            .with_server(1)
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    SUBCASE("not for who is just setting them") {
        const std::string own = "set app.t = 'y'";
        script.client_sends(fe::query(own))
            .server_receives(
                fe::brought(fe::injected("RESET \"app\".\"t\"")), fe::query(own), asks({"app.t"})
            )
            .server_replies(
                be::brought_done(be::injected_done("RESET")),
                be::complete("SET"),
                be::ready(),
                answers({"y"})
            )
            .client_receives(be::complete("SET"), be::ready())
            .server_is_kept();
    }
    script.play();
}

// Found by the property test: RESET of what cannot be set failed the next client's request.
TEST_CASE("State: what a client leaves in a block may be no setting at all") {
    auto script = two_clients();
    const std::string set = "set server_version = '1'";
    const auto refused = be::error("55P02", "parameter \"server_version\" cannot be changed");
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(fe::query(set))
        .server_receives(fe::injected("begin"), fe::query(set))
        .server_replies(be::injected_done("BEGIN"), refused, be::ready('E'))
        .client_receives(refused, be::ready('E'))
        .client_ends()
        .server_receives(fe::query("ROLLBACK"))
        .server_replies(be::complete("ROLLBACK"), be::ready())
        .server_receives(fe::query("DISCARD ALL"))
        .server_replies(be::complete("DISCARD ALL"), be::ready())
        .with_client(1)
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

// Found by the property test: the value of what cannot be set was carried from server to server.
TEST_CASE("State: what stands behind COMMIT in a text that failed may be no setting at all") {
    auto script = two_clients();
    const std::string text = "set \"SERVER_version\" = '1'; commit; set lock_timeout = 5";
    const auto refused = be::error("55P02", "parameter \"server_version\" cannot be changed");
    proxy::StateInquiry inquiry;
    inquiry.names = {"SERVER_version", "lock_timeout"};
    inquiry.only_own = true;
    const auto asked = proxy::inquiry_text(inquiry);
    // pg_settings is searched by the name in lower case.
    CHECK(asked.find("'server_version'") != std::string::npos);
    script.client_sends(fe::query(text))
        .server_receives(fe::query(text))
        .server_replies(refused, be::ready())
        .client_receives(refused, be::ready())
        .server_receives(fe::query(asked))
        .server_replies(answers({std::nullopt, std::nullopt}))
        .with_client(1)
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("State: the role comes off first and on last") {
    auto script = two_clients();
    script.client_sends(fe::query("set role bob"))
        .server_receives(fe::query("set role bob"), asks({"role"}))
        .server_replies(be::complete("SET"), be::ready(), answers({"bob"}))
        .client_receives(be::complete("SET"), be::ready())
        .client_sends(fe::query("set work_mem = 2048"))
        .server_receives(fe::query("set work_mem = 2048"), asks({"work_mem"}))
        .server_replies(be::complete("SET"), be::ready(), answers({"2MB"}))
        .client_receives(be::complete("SET"), be::ready())
        .with_client(1)
        .client_sends(select("1"))
        .server_receives(
            fe::brought(fe::injected("RESET ROLE") + fe::injected("RESET \"work_mem\"")),
            select("1")
        )
        .server_replies(
            be::brought_done(be::injected_done("RESET") + be::injected_done("RESET")),
            selected(),
            be::ready()
        )
        .client_receives(selected(), be::ready())
        .with_client(0)
        .client_sends(select("2"))
        .server_receives(
            fe::brought(
                fe::injected("SET \"work_mem\" TO '2MB'") + fe::injected("SET \"role\" TO 'bob'")
            ),
            select("2")
        )
        .server_replies(
            be::brought_done(be::injected_done() + be::injected_done()), selected(), be::ready()
        )
        .client_receives(selected(), be::ready())
        .client_sends(fe::query("reset role"))
        .server_receives("")
        .client_receives(be::complete("RESET"), be::ready())
        .client_sends(select("3"))
        .server_receives(fe::brought(fe::injected("RESET ROLE")), select("3"))
        .server_replies(be::brought_done(be::injected_done("RESET")), selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("State: a RESET needs no server where it is known what comes of it") {
    auto script = two_clients();
    script.client_sends(fe::query("set work_mem = 2048"))
        .server_receives(fe::query("set work_mem = 2048"), asks({"work_mem"}))
        .server_replies(be::complete("SET"), be::ready(), answers({"2MB"}))
        .client_receives(be::complete("SET"), be::ready());
    const auto is_asked = [&](const char* text, const char* tag) {
        script.client_sends(fe::query(text))
            .server_receives(fe::query(text))
            .server_replies(be::complete(tag), be::ready())
            .client_receives(be::complete(tag), be::ready());
    };
    SUBCASE("by one name") {
        script.client_sends(fe::query("reset work_mem"))
            .client_receives(be::complete("RESET"), be::ready());
        selects(script, fe::brought(fe::injected("RESET \"work_mem\"")), "RESET");
    }
    SUBCASE("by SET ... TO DEFAULT") {
        script.client_sends(fe::query("set work_mem to default"))
            .client_receives(be::complete("SET"), be::ready());
        selects(script, fe::brought(fe::injected("RESET \"work_mem\"")), "RESET");
    }
    SUBCASE("not of a name that may be none") {
        is_asked("reset no_such_name", "RESET");
    }
    SUBCASE("not one that ends with the transaction there is not") {
        is_asked("set local work_mem to default", "SET");
    }
    script.play();
}

TEST_CASE("State: a pin ends when PostgreSQL no longer holds the state") {
    SessionScript script;
    const std::string lock = "select pg_try_advisory_lock(1)";
    const std::string unlock = "select pg_advisory_unlock(1)";
    const auto ask = asks({}, pin_bit(PinReason::advisory_lock));
    script.client_sends(fe::query(lock))
        .server_receives(fe::query(lock))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_receives(ask);
    SUBCASE("it was not had") {
        script.server_replies(answers({"f"})).pool_has(0, 1, 0);
    }
    SUBCASE("it is given up") {
        script.server_replies(answers({"t"}))
            .pool_has(1, 0, 0)
            // What cannot give it up is not followed by a question.
            .client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_receives("")
            .client_sends(fe::query(unlock))
            .server_receives(fe::query(unlock))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_receives(ask)
            .server_replies(answers({"f"}))
            .pool_has(0, 1, 0);
    }
    SUBCASE("the client leaves with it") {
        script.server_replies(answers({"t"}))
            .client_ends()
            .server_receives(fe::query("DISCARD ALL"))
            .server_replies(be::complete("DISCARD ALL"), be::ready())
            .pool_has(0, 1, 0);
    }
    script.client_receives("").server_is_kept();
    script.play();
}

TEST_CASE("State: settings that were set while pinned follow when the pin ends") {
    auto script = two_clients();
    const std::string lock = "select pg_advisory_lock(1), set_config('work_mem', '2MB', false)";
    const std::string unlock = "select pg_advisory_unlock(1)";
    const auto ask = asks({"work_mem"}, pin_bit(PinReason::advisory_lock));
    script.client_sends(fe::query(lock))
        .server_receives(fe::query(lock))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_receives(ask)
        .server_replies(answers({"t", "2MB"}))
        .client_sends(fe::query("set work_mem = 3072"))
        .server_receives(fe::query("set work_mem = 3072"))
        .server_replies(be::complete("SET"), be::ready())
        .client_receives(be::complete("SET"), be::ready())
        .client_sends(fe::query(unlock))
        .server_receives(fe::query(unlock))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_receives(ask)
        .server_replies(answers({"f", "3MB"}))
        .pool_has(0, 1, 0)
        .with_client(1);
    selects(script, fe::brought(fe::injected("RESET \"work_mem\"")), "RESET").with_client(0);
    selects(script, fe::brought(fe::injected("SET \"work_mem\" TO '3MB'")), "SET");
    script.play();
}

// Found by PostgreSQL's regression suite (publication): the next request ran under the login's
// role.
TEST_CASE("State: what was set while pinned is asked for before a RESET is made good") {
    auto script = two_clients();
    const auto does = [&](const char* text, const char* tag) {
        script.client_sends(fe::query(text))
            .server_receives(fe::query(text))
            .server_replies(be::complete(tag), be::ready())
            .client_receives(be::complete(tag), be::ready());
    };
    does("load 'anything'", "LOAD");
    does("set role bob", "SET");
    does("reset work_mem", "RESET");
    script.server_receives(asks({"role"})).server_replies(answers({"bob"}));
    script.client_sends(select("1"))
        .server_receives(
            fe::brought(
                fe::injected("RESET ROLE") + fe::injected("RESET \"work_mem\"") +
                fe::injected("SET \"role\" TO 'bob'")
            ),
            select("1")
        )
        .server_replies(
            be::brought_done(
                be::injected_done("RESET") + be::injected_done("RESET") + be::injected_done("SET")
            ),
            selected(),
            be::ready()
        )
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("State: servers are renewed after ALTER ROLE, unless it was rolled back") {
    SessionScript script;
    const std::string alter = "alter role bob in database d set work_mem = 1";
    const auto done = be::complete("ALTER ROLE");
    SUBCASE("it has committed") {
        script.client_sends(fe::query(alter))
            .server_receives(fe::query(alter))
            .server_replies(done, be::ready())
            .client_receives(done, be::ready())
            .check("of this role", [](ScriptWorld& world) {
                return world.sessions_were_changed ==
                       std::vector<router::NewSessions>{{"bob", "d"}};
            });
    }
    SUBCASE("it was rolled back") {
        script.client_sends(fe::query("begin; " + alter + "; rollback"))
            .server_receives(fe::query("begin; " + alter + "; rollback"))
            .server_replies(be::complete("BEGIN"), done, be::complete("ROLLBACK"), be::ready())
            .client_receives(be::complete("BEGIN"), done, be::complete("ROLLBACK"), be::ready())
            .check("of nobody", [](ScriptWorld& world) {
                return world.sessions_were_changed.empty();
            });
    }
    script.play();
}

TEST_CASE("State: a question that is refused keeps the server, and is put again later") {
    SessionScript script;
    script.client_sends(fe::query("set statement_timeout = 1"))
        .server_receives(fe::query("set statement_timeout = 1"), asks({"statement_timeout"}))
        .server_replies(
            be::complete("SET"), be::ready(), be::error("57014", "canceling"), be::ready()
        )
        .client_receives(be::complete("SET"), be::ready())
        .server_receives("")
        .pool_has(1, 0, 0)
        .client_sends(fe::query("set statement_timeout = 0"))
        .server_receives(fe::query("set statement_timeout = 0"))
        .server_replies(be::complete("SET"), be::ready())
        .client_receives(be::complete("SET"), be::ready())
        .server_receives(asks({"statement_timeout"}, pin_bit(PinReason::set_setting)))
        .server_replies(answers({"0"}))
        .client_receives("")
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("State: whoever leaves behind a SET costs no cancel request, and nobody has his value") {
    auto script = two_clients();
    script.client_sends(fe::query("set work_mem = 2048"))
        .server_receives(fe::query("set work_mem = 2048"), asks({"work_mem"}))
        .server_replies(be::complete("SET"), be::ready())
        .client_receives(be::complete("SET"), be::ready())
        .client_ends()
        .cancels_asked(0)
        .server_receives(fe::sync())
        .server_replies(answers({"2MB"}), be::ready())
        .pool_has(0, 1, 0)
        .with_client(1);
    selects(script, fe::brought(fe::injected("RESET \"work_mem\"")), "RESET").server_is_kept();
    script.play();
}

TEST_CASE("State: a client that leaves with what no question answers closes its server") {
    SessionScript script;
    script.client_sends(fe::query("select setseed(0.5)"))
        .server_receives(fe::query("select setseed(0.5)"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_receives("")
        .client_ends()
        .server_is_closed(CloseReason::client_pinned)
        .pool_has(0, 0, 0);
    script.play();
}

TEST_CASE("State inquiry: an answer that is none is not believed") {
    proxy::StateInquiry inquiry;
    inquiry.pins = pin_bit(PinReason::listen);
    inquiry.names = {"a"};
    const auto answer = [&](const Values& values) {
        const auto row = be::row_of(values);
        return proxy::read_state_answer(inquiry, as_bytes(row).subspan(5));
    };
    REQUIRE(answer({"t", "x"}));
    CHECK(answer({"t", "x"})->held == inquiry.pins);
    CHECK(answer({"f", std::nullopt})->held == 0);
    CHECK(answer({"f", std::nullopt})->values == Values{std::nullopt});
    CHECK(answer({std::nullopt, ""})->held == inquiry.pins);
    CHECK_FALSE(answer({"t"}));
    CHECK_FALSE(answer({"t", "x", "y"}));
    const auto cut = be::row_of({"t", "x"});
    for (std::size_t size = 5; size < cut.size(); ++size) {
        const auto body = as_bytes(std::string_view(cut).substr(5, size - 5));
        CHECK_FALSE(proxy::read_state_answer(inquiry, body));
    }
}
