// PREPARE, EXECUTE and DEALLOCATE of SQL: the names follow the client, and keep no server.
#include "proxy/state_inquiry.h"
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using proxy::pin_bit;
using router::PinReason;

namespace {

// Two clients and two servers, never the same one twice.
SessionScript rotating() {
    ScriptOptions options;
    options.servers = 2;
    options.clients = {{}, {}};
    options.lend_policy = pool::LendPolicy::rotate;
    return SessionScript{options};
}

SessionScript two_on_one() {
    ScriptOptions options;
    options.clients = {{}, {}};
    options.pool_size = 1;
    return SessionScript{options};
}

SessionScript& runs(SessionScript& script, const std::string& text, const std::string& answer) {
    return script.client_sends(fe::query(text))
        .server_receives(fe::query(text))
        .server_replies(answer, be::ready())
        .client_receives(answer, be::ready());
}

SessionScript& runs_with(
    SessionScript& script,
    const std::string& text,
    const std::string& answer,
    const std::string& brought,
    const std::string& done
) {
    return script.client_sends(fe::query(text))
        .server_receives(fe::brought(brought), fe::query(text))
        .server_replies(be::brought_done(done), answer, be::ready())
        .client_receives(answer, be::ready());
}

const std::string prepare = "prepare p as select 1";

}  // namespace

TEST_CASE("SQL names: EXECUTE on another server, where PREPARE goes ahead of it") {
    auto script = rotating();
    runs(script, prepare, be::complete("PREPARE")).with_server(1);
    runs_with(script, "execute p", selected(), fe::injected(prepare), be::injected_done("PREPARE"));
    // It is there now.
    script.with_server(0);
    runs(script, "execute p", selected()).pool_has(0, 2, 0);
    script.play();
}

TEST_CASE("SQL names: one of another client is neither seen nor in the way") {
    auto script = two_on_one();
    runs(script, prepare, be::complete("PREPARE")).with_client(1);
    const auto drop = fe::injected("DEALLOCATE \"p\"");
    const auto dropped = be::injected_done("DEALLOCATE");
    SUBCASE("EXECUTE of what the client has not prepared") {
        const auto unknown = be::error("26000", "prepared statement \"p\" does not exist");
        runs_with(script, "execute p", unknown, drop, dropped);
    }
    SUBCASE("another statement of that name") {
        runs_with(script, "prepare p as select 2", be::complete("PREPARE"), drop, dropped);
        script.with_client(0);
        runs_with(
            script,
            "execute p",
            selected(),
            drop + fe::injected(prepare),
            dropped + be::injected_done("PREPARE")
        );
    }
    SUBCASE("what may name any") {
        const std::string opaque = "do $$ begin execute x; end $$";
        script.client_sends(fe::query(opaque))
            .server_receives(fe::brought(drop), fe::query(opaque))
            .server_replies(be::brought_done(dropped), be::complete("DO"), be::ready())
            .client_receives(be::complete("DO"), be::ready());
    }
    SUBCASE("the view of them") {
        const std::string view = "select * from pg_prepared_statements";
        runs_with(script, view, selected(), drop, dropped);
    }
    script.play();
}

// Found by the property test.
TEST_CASE("SQL names: the view of them shows what was prepared under another role, too") {
    auto script = rotating();
    const std::string view = "select * from pg_prepared_statements";
    const std::string set_role = "set role r";
    proxy::StateInquiry inquiry;
    inquiry.names = {"role"};
    runs(script, prepare, be::complete("PREPARE")).with_server(1);
    script.client_sends(fe::query(set_role))
        .server_receives(fe::query(set_role), fe::query(proxy::inquiry_text(inquiry)))
        .server_replies(be::complete("SET"), be::ready())
        .server_replies(be::row_of({"r"}), be::complete("SELECT 1"), be::ready())
        .client_receives(be::complete("SET"), be::ready())
        .with_server(0);
    runs_with(
        script, view, selected(), fe::injected("SET \"role\" TO 'r'"), be::injected_done("SET")
    );
    script.with_server(1);
    const auto look_up_as = [](const std::string& role) {
        const auto set = [](const std::string& name, const std::string& value) {
            return fe::injected(
                "SELECT pg_catalog.set_config('" + name + "', " + value + ", true)"
            );
        };
        return set("session_authorization", "NULL") + set("search_path", "NULL") +
               set("row_security", "NULL") + set("role", role);
    };
    const auto done = be::injected_done("SELECT 1");
    runs_with(
        script,
        view,
        selected(),
        look_up_as("NULL") + fe::injected(prepare) + look_up_as("'r'"),
        done + done + done + done + be::injected_done("PREPARE") + done + done + done + done
    );
    script.play();
}

TEST_CASE("SQL names: a PREPARE that fails on another server fails the request") {
    auto script = rotating();
    runs(script, "prepare p as select * from t", be::complete("PREPARE")).with_server(1);
    script.client_sends(fe::query("execute p"))
        .server_receives(
            fe::brought(fe::injected("prepare p as select * from t")), fe::query("execute p")
        )
        .server_replies(be::brought_refused(
            be::parse_complete() + be::bind_complete() +
            be::error("42P01", "relation \"t\" does not exist")
        ))
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(be::own_error("42P01", "relation \"t\" does not exist"), be::ready())
        .server_is_kept()
        // The server does not have it.
        .with_server(0);
    runs(script, "execute p", selected()).pool_has(0, 2, 0);
    script.play();
}

TEST_CASE("SQL names: in a transaction they come without a Sync of their own") {
    auto script = rotating();
    runs(script, prepare, be::complete("PREPARE"));
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .with_server(1)
        .client_sends(select("1"))
        .server_receives(fe::injected("begin"), select("1"))
        .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
        .client_receives(selected(), be::ready('T'))
        .client_sends(fe::query("execute p"))
        .server_receives(fe::injected(prepare), fe::query("execute p"))
        .server_replies(be::injected_done("PREPARE"), selected(), be::ready('T'))
        .client_receives(selected(), be::ready('T'))
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready())
        .pool_has(0, 2, 0);
    script.play();
}

TEST_CASE("SQL names: EXECUTE does what its PREPARE says") {
    SessionScript script;
    proxy::StateInquiry inquiry;
    inquiry.names = {"work_mem"};
    runs(
        script, "prepare p as select set_config('work_mem', '2MB', false)", be::complete("PREPARE")
    )
        .pool_has(0, 1, 0);
    runs(script, "execute p", selected())
        .server_receives(fe::query(proxy::inquiry_text(inquiry)))
        .server_replies(be::row_of({"2MB"}), be::complete("SELECT 1"), be::ready())
        .pool_has(0, 1, 0);
    runs(script, "deallocate p", be::complete("DEALLOCATE")).server_receives("");
    script.play();
}

TEST_CASE("SQL names: EXECUTE keeps the server for what its PREPARE reaches") {
    SessionScript script;
    runs(script, "prepare p as select pg_advisory_lock(1)", be::complete("PREPARE"))
        .pool_has(0, 1, 0);
    runs(script, "execute p", selected()).pool_has(1, 0, 0);
    script.play();
}

TEST_CASE("SQL names: EXECUTE of what was prepared by the protocol, and the other way round") {
    auto script = rotating();
    SUBCASE("Parse, then EXECUTE") {
        script.client_sends(fe::parse("s", "select 1"), fe::sync())
            .server_receives(fe::parse("weir_2", "select 1"), fe::sync())
            .server_replies(be::parse_complete(), be::ready())
            .client_receives(be::parse_complete(), be::ready())
            .with_server(1);
        runs_with(
            script, "execute s", selected(), fe::parse("s", "select 1"), be::parse_complete()
        );
    }
    SUBCASE("PREPARE, then Bind") {
        const auto use = [](std::string_view name) {
            return fe::bind("", name) + fe::execute() + fe::sync();
        };
        runs(script, prepare, be::complete("PREPARE")).with_server(1);
        script.client_sends(use("p"))
            .server_receives(fe::brought(fe::injected(prepare)), use("p"))
            .server_replies(
                be::brought_done(be::injected_done("PREPARE")),
                be::bind_complete(),
                selected(),
                be::ready()
            )
            .client_receives(be::bind_complete(), selected(), be::ready());
    }
    script.play();
}

TEST_CASE("SQL names: PREPARE by the extended protocol, done and refused") {
    auto script = rotating();
    const auto group = fe::parse("", prepare) + fe::bind("", "") + fe::execute() + fe::sync();
    const auto begun = be::parse_complete() + be::bind_complete();
    script.client_sends(group).server_receives(group);
    SUBCASE("done") {
        const auto done = begun + be::complete("PREPARE") + be::ready();
        script.server_replies(done).client_receives(done).with_server(1);
        runs_with(
            script, "execute p", selected(), fe::injected(prepare), be::injected_done("PREPARE")
        );
    }
    SUBCASE("refused") {
        const auto refused = begun + be::error("42704", "type \"x\" does not exist") + be::ready();
        const auto unknown = be::error("26000", "prepared statement \"p\" does not exist");
        script.server_replies(refused).client_receives(refused).with_server(1);
        runs(script, "execute p", unknown);
    }
    script.pool_has(0, 2, 0);
    script.play();
}

TEST_CASE("SQL names: a client that leaves while one is under way does not leave it behind") {
    SessionScript script;
    script.client_sends(fe::query(prepare))
        .server_receives(fe::query(prepare))
        .client_ends()
        .server_is_closed(pool::CloseReason::reset_failed);
    script.play();
}

TEST_CASE("SQL names: among other statements of one text PREPARE keeps the server") {
    SessionScript script;
    proxy::StateInquiry inquiry;
    inquiry.pins = pin_bit(PinReason::sql_prepare);
    const auto asked = fe::query(proxy::inquiry_text(inquiry));
    runs(script, "prepare p as select 1; select 1", be::complete("PREPARE") + selected())
        .server_receives(asked)
        .server_replies(be::row_of({"t"}), be::complete("SELECT 1"), be::ready())
        .pool_has(1, 0, 0);
    runs(script, "deallocate p", be::complete("DEALLOCATE"))
        .server_receives(asked)
        .server_replies(be::row_of({"f"}), be::complete("SELECT 1"), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}
