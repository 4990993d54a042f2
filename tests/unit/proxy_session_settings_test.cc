// Settings follow their client: what a server lacks travels with the request.
#include "proxy/state_inquiry.h"
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;

namespace {

const std::string set_x = "SET \"application_name\" TO 'x'";

std::string named(std::string_view name) {
    return be::parameter_status("application_name", name);
}

// Two clients on one server; the first has set its application_name to x, the server has it.
SessionScript with_a_name() {
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    script.client_sends(fe::query("set application_name to x"))
        .server_receives(fe::query("set application_name to x"))
        .server_replies(be::complete("SET"), named("x"), be::ready())
        .client_receives(be::complete("SET"), named("x"), be::ready())
        .pool_has(0, 1, 0);
    return script;
}

}  // namespace

TEST_CASE("Settings: another client's are brought to the server with the request") {
    auto script = with_a_name();
    script.with_client(1)
        .client_sends(select("1"))
        .server_receives(fe::brought(fe::injected(set_empty)), select("1"))
        .server_replies(be::brought_done(be::injected_done(), named("")), selected(), be::ready())
        .client_receives(selected(), be::ready())
        // It has it now.
        .client_sends(select("2"))
        .server_receives(select("2"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .with_client(0)
        .client_sends(select("3"))
        .server_receives(fe::brought(fe::injected(set_x)), select("3"))
        .server_replies(be::brought_done(be::injected_done(), named("x")), selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("Settings: a SET to what another client has left on the server is the client's") {
    auto script = with_a_name();
    script.with_client(1)
        .client_sends(fe::query("set application_name to x"))
        .server_receives(
            fe::brought(fe::injected(set_empty)), fe::query("set application_name to x")
        )
        .server_replies(
            be::brought_done(be::injected_done(), named("")),
            be::complete("SET"),
            named("x"),
            be::ready()
        )
        .client_receives(be::complete("SET"), named("x"), be::ready())
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("Settings: they are there for what PostgreSQL refuses behind others, without waiting") {
    auto script = with_a_name();
    script.with_client(1)
        .client_sends(fe::query("vacuum"))
        .server_receives(fe::brought(fe::injected(set_empty)), fe::query("vacuum"))
        .server_replies(
            be::brought_done(be::injected_done(), named("")), be::complete("VACUUM"), be::ready()
        )
        .client_receives(be::complete("VACUUM"), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Settings: one that fails stops the request; the client gets error and ReadyForQuery") {
    auto script = with_a_name();
    const auto refused =
        be::parse_complete() + be::bind_complete() + be::error("22023", "invalid value");
    const auto told = be::own_error("22023", "invalid value");
    script.with_client(1);
    SUBCASE("before a Query") {
        script.client_sends(select("1"))
            .server_receives(fe::brought(fe::injected(set_empty)), select("1"))
            .server_replies(be::brought_refused(refused))
            .server_receives(fe::sync())
            .server_replies(be::ready())
            .client_receives(told, be::ready());
    }
    SUBCASE("before an extended query") {
        const auto group =
            fe::parse("", "select 1") + fe::bind("", "") + fe::execute() + fe::sync();
        script.client_sends(group)
            .server_receives(fe::brought(fe::injected(set_empty)), group)
            .server_replies(be::brought_refused(refused), be::ready())
            .client_receives(told, be::ready());
    }
    // The server is what it was: its transaction was rolled back.
    script.client_lives()
        .server_is_kept()
        .client_sends(select("2"))
        .server_receives(fe::brought(fe::injected(set_empty)), select("2"))
        .server_replies(be::brought_done(be::injected_done(), named("")), selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Settings: a server that cannot be rid of what another client has set is closed") {
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    const auto refused = be::parse_complete() + be::bind_complete() +
                         be::error("22023", "role \"gone\" does not exist");
    proxy::StateInquiry inquiry;
    inquiry.names = {"role"};
    script.client_sends(fe::query("set role bob"))
        .server_receives(fe::query("set role bob"), fe::query(proxy::inquiry_text(inquiry)))
        .server_replies(be::complete("SET"), be::ready())
        .server_replies(be::row_of({"bob"}), be::complete("SELECT 1"), be::ready())
        .client_receives(be::complete("SET"), be::ready())
        .with_client(1)
        .client_sends(select("1"))
        .server_receives(fe::brought(fe::injected("RESET ROLE")), select("1"))
        .server_replies(be::brought_refused(refused))
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(be::own_error("22023", "role \"gone\" does not exist"), be::ready())
        .client_lives()
        .server_is_closed(pool::CloseReason::reset_failed);
    script.play();
}

TEST_CASE("Settings: a request that is passed on in pieces does not run without its settings") {
    ScriptOptions options;
    options.clients = {{}, {}};
    options.read_sizes = {50'000, pool::MemoryNetwork::unlimited};
    SessionScript script{options};
    const auto big = fe::query("select '" + std::string(400'000, 'x') + "'");
    script.client_sends(fe::query("set application_name to x"))
        .server_receives(fe::query("set application_name to x"))
        .server_replies(be::complete("SET"), named("x"), be::ready())
        .client_receives(be::complete("SET"), named("x"), be::ready())
        .with_client(1)
        .client_sends(big)
        .server_receives(fe::injected(set_empty), fe::sync());
    SUBCASE("accepted") {
        script.server_replies(be::injected_done(), named(""), be::ready())
            .server_receives(big)
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    SUBCASE("refused") {
        script
            .server_replies(
                be::parse_complete(), be::bind_complete(), be::error("22023", "no"), be::ready()
            )
            .client_receives(be::own_error("22023", "no"), be::ready())
            .server_receives("")
            .client_lives()
            // Pinned by what it was about to run, on a server that still lacks its settings.
            .pool_has(1, 0, 0)
            .client_sends(select("1"))
            .server_receives(fe::brought(fe::injected(set_empty)), select("1"))
            .server_replies(
                be::brought_done(be::injected_done(), named("")), selected(), be::ready()
            )
            .client_receives(selected(), be::ready());
    }
    script.play();
}

TEST_CASE("Settings: what was brought holds when the request fails, or is rolled back") {
    auto script = with_a_name();
    script.with_client(1)
        .client_sends(select("1/0"))
        .server_receives(fe::brought(fe::injected(set_empty)), select("1/0"))
        .server_replies(
            be::brought_done(be::injected_done(), named("")),
            be::error("22012", "division"),
            be::ready()
        )
        .client_receives(be::error("22012", "division"), be::ready())
        .client_sends(select("2"))
        .server_receives(select("2"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Settings: what is not reported is brought in the same way") {
    SessionScript script;
    script.client_connects({{"search_path", "a"}})
        .server_receives(fe::injected("SET \"search_path\" TO 'a'"), fe::sync())
        .server_replies(be::injected_done(), be::ready())
        .with_client(1)
        .client_receives(welcome_of(1))
        .with_client(0)
        .client_sends(select("1/0"))
        .server_receives(fe::brought(fe::injected("RESET \"search_path\"")), select("1/0"))
        .server_replies(
            be::brought_done(be::injected_done("RESET")),
            be::error("22012", "division"),
            be::ready()
        )
        .client_receives(be::error("22012", "division"), be::ready())
        .check(
            "the server's search_path is known",
            [](ScriptWorld& world) { return world.connections[0]->uncertain.empty(); }
        )
        .client_sends(select("3"))
        .server_receives(select("3"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Settings: a transaction begun in words fails with its settings, then BEGIN is due again"
) {
    auto script = with_a_name();
    script.with_client(1)
        .client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(select("1"))
        .server_receives(fe::brought(fe::injected(set_empty)), fe::injected("begin"), select("1"))
        .server_replies(
            be::brought_done(be::injected_done(), named("")),
            be::injected_done("BEGIN"),
            selected(),
            be::ready('T')
        )
        .client_receives(selected(), be::ready('T'))
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("Settings: RESET ALL goes to what the client started with") {
    auto script = with_a_name();
    // No server has to be asked.
    script.client_sends(fe::query("reset all"))
        .server_receives("")
        .client_receives(be::complete("RESET"), named(""), be::ready())
        .client_sends(select("1"))
        .server_receives(fe::brought(fe::injected(set_empty)), select("1"))
        .server_replies(be::brought_done(be::injected_done(), named("")), selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Settings: a lent server's notice or last words never end up in the client's request") {
    // The second server is idle on another worker that is busy; it has something to say.
    ScriptOptions options;
    options.servers = 2;
    options.clients = {{}, {}};
    options.second_worker = true;
    // What comes right after the look may be seen in the client's request: a notice does no harm.
    options.stalls = false;
    options.read_sizes = {pool::MemoryNetwork::unlimited};
    SessionScript script{options};
    script.client_sends(fe::query("begin"), select("1"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .with_server(0)
        .server_receives(fe::injected("begin"), select("1"))
        .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
        .client_receives(selected(), be::ready('T'))
        .with_client(1)
        .with_server(1);
    SUBCASE("notice") {
        script.server_replies(be::notice("I am here"))
            .client_sends(select("2"))
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    SUBCASE("last words") {
        script
            .server_replies(be::error(
                "57P01",
                "terminating connection due to administrator command",
                "ProcessInterrupts",
                "FATAL"
            ))
            .server_ends()
            .client_sends(select("2"))
            .client_receives("")
            .server_receives("")
            .server_is_closed(pool::CloseReason::server_closed)
            .pool_has(1, 0, 1)
            .server_opens()
            .with_server(2)
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
    }
    script.play();
}
