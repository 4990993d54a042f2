// What a client calls its prepared statements, when messages are skipped, fail or take names away.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;

namespace {

const auto division = be::error("22012", "division by zero");

// Statement weir_2 is prepared as s1 on the only server.
SessionScript prepared_as_s1(ScriptOptions options = {}) {
    SessionScript script{options};
    script.client_sends(fe::parse("s1", select_1), fe::sync())
        .server_receives(fe::parse("weir_2", select_1), fe::sync())
        .server_replies(be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .pool_has(0, 1, 0);
    return script;
}

// The client has `name` as weir_2.
SessionScript& has(SessionScript& script, std::string_view name) {
    return script.client_sends(use(name))
        .server_receives(use("weir_2"))
        .server_replies(used(), be::ready())
        .client_receives(used(), be::ready());
}

// The client has no statement `name`.
SessionScript& has_not(SessionScript& script, std::string_view name) {
    const auto unknown = "weir_unknown:" + std::string(name);
    const auto error = [](std::string_view shown) {
        return be::error(
            "26000", "prepared statement \"" + std::string(shown) + "\" does not exist"
        );
    };
    return script.client_sends(use(name))
        .server_receives(use(unknown))
        .server_replies(error(unknown), be::ready())
        .client_receives(error(name), be::ready());
}

}  // namespace

TEST_CASE("Names: messages that the server skips change nothing") {
    auto script = prepared_as_s1();
    script.client_sends(fe::parse("", "select 1/0"), fe::bind("", ""), fe::execute(), fe::flush())
        .server_receives(fe::parse("", "select 1/0"), fe::bind("", ""), fe::execute(), fe::flush())
        .server_replies(be::parse_complete(), be::bind_complete(), division)
        .client_receives(be::parse_complete(), be::bind_complete(), division)
        .client_sends(
            fe::close('S', "s1"),
            fe::parse("late", select_1),
            fe::flush(),
            fe::parse("later", "select 7"),
            fe::query("deallocate all")
        )
        .client_receives("")
        .server_receives("")
        .client_sends(fe::sync())
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(be::ready());
    has(script, "s1");
    has_not(script, "late");
    has_not(script, "later");
    script.server_is_kept();
    script.play();
}

TEST_CASE("Names: messages skipped because pgweir itself has answered an error change nothing") {
    ScriptOptions options;
    options.clients = {{}, {}};
    options.pool_size = 1;
    auto script = prepared_as_s1(options);
    const auto begun = fe::parse("", "select 2") + fe::bind("", "") + fe::execute() + fe::flush();
    // Another client takes the server.
    script.with_client(1)
        .client_sends(fe::query("begin"), fe::query("select 1"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .server_receives(fe::injected("begin"), fe::query("select 1"))
        .server_replies(be::injected_done("BEGIN"), be::complete("SELECT 1"), be::ready('T'))
        .client_receives(be::complete("SELECT 1"), be::ready('T'))
        .with_client(0)
        .client_sends(begun)
        .pool_has(1, 0, 1)
        .client_cancels()
        .client_receives(be::own_error("57014", "canceling statement due to user request"))
        .client_sends(fe::close('S', "s1"), fe::parse("late", select_1), fe::flush())
        .client_receives("")
        .client_sends(fe::parse("later", "select 7"), fe::sync())
        .client_receives(be::ready())
        .with_client(1)
        .client_sends(fe::query("commit"))
        .server_receives(fe::query("commit"))
        .server_replies(be::complete("COMMIT"), be::ready())
        .client_receives(be::complete("COMMIT"), be::ready())
        .with_client(0);
    has(script, "s1");
    has_not(script, "late");
    has_not(script, "later");
    script.play();
}

TEST_CASE("Names: the same name twice in one group is PostgreSQL's 42P05") {
    auto script = prepared_as_s1();
    const auto taken = [](std::string_view name) {
        return be::error(
            "42P05", "prepared statement \"" + std::string(name) + "\" already exists"
        );
    };
    SUBCASE("texts that are new") {
        script.client_sends(fe::parse("p", "select 5"), fe::parse("p", "select 6"), fe::sync())
            .server_receives(
                fe::parse("weir_4", "select 5"), fe::parse("weir_4", "select 6"), fe::sync()
            )
            .server_replies(be::parse_complete(), taken("weir_4"))
            .client_receives(be::parse_complete(), taken("p"))
            .server_replies(be::ready())
            .client_receives(be::ready())
            .client_sends(use("p"))
            .server_receives(use("weir_4"))
            .server_replies(used(), be::ready())
            .client_receives(used(), be::ready());
    }
    SUBCASE("a text that the server knows") {
        script.client_sends(fe::parse("p", select_1), fe::parse("p", select_1), fe::sync())
            .client_receives(be::parse_complete())
            .server_receives(fe::parse("weir_2", select_1), fe::sync())
            .server_replies(taken("weir_2"), be::ready())
            // The statement has two names here; either is true.
            .check("42P05", [](ScriptWorld& world) {
                const auto got = world.network->received(world.clients[0]);
                return got == be::error("42P05", "prepared statement \"p\" already exists") +
                                  be::ready() ||
                       got == be::error("42P05", "prepared statement \"s1\" already exists") +
                                  be::ready();
            });
        has(script, "p");
    }
    SUBCASE("the unnamed statement stays") {
        script.client_sends(fe::parse("", "select 5"), fe::parse("s1", "select 6"), fe::sync())
            .server_receives(fe::parse("", "select 5"), fe::parse("weir_2", "select 6"), fe::sync())
            .server_replies(be::parse_complete(), taken("weir_2"), be::ready())
            .client_receives(be::parse_complete(), taken("s1"), be::ready())
            .client_sends(use(""))
            .server_receives(use(""))
            .server_replies(used(), be::ready())
            .client_receives(used(), be::ready());
    }
    SUBCASE("closed in between it is free") {
        script
            .client_sends(
                fe::parse("p", select_1), fe::close('S', "p"), fe::parse("p", select_1), fe::sync()
            )
            .client_receives(be::parse_complete(), be::close_complete(), be::parse_complete())
            .server_receives(fe::sync())
            .server_replies(be::ready())
            .client_receives(be::ready());
        has(script, "p");
    }
    has(script, "s1").server_is_kept();
    script.play();
}

TEST_CASE("Names: DEALLOCATE by the simple protocol takes the name, and the server's statement") {
    auto script = prepared_as_s1();
    SUBCASE("done") {
        script.client_sends(fe::query("deallocate prepare s1"))
            .server_receives(fe::query("DEALLOCATE \"weir_2\""))
            .server_replies(be::complete("DEALLOCATE"), be::ready())
            .client_receives(be::complete("DEALLOCATE"), be::ready());
        has_not(script, "s1");
    }
    SUBCASE("failed") {
        script.client_sends(fe::query("deallocate s1"))
            .server_receives(fe::query("DEALLOCATE \"weir_2\""))
            .server_replies(be::error("57014", "canceling"), be::ready())
            .client_receives(be::error("57014", "canceling"), be::ready());
        has(script, "s1");
    }
    SUBCASE("a name that the client does not have") {
        const auto error = be::error("26000", "prepared statement \"s2\" does not exist");
        script.client_sends(fe::query("deallocate s2"))
            .server_receives(fe::query("deallocate s2"))
            .server_replies(error, be::ready())
            .client_receives(error, be::ready());
        has(script, "s1");
    }
    script.server_is_kept();
    script.play();
}

TEST_CASE("Names: DEALLOCATE by the extended protocol") {
    auto script = prepared_as_s1();
    const auto run = fe::bind("", "") + fe::execute() + fe::sync();
    script.client_sends(fe::parse("", "deallocate s1"), run)
        .server_receives(fe::parse("", "DEALLOCATE \"weir_2\""), run);
    SUBCASE("done") {
        script
            .server_replies(
                be::parse_complete(), be::bind_complete(), be::complete("DEALLOCATE"), be::ready()
            )
            .client_receives(
                be::parse_complete(), be::bind_complete(), be::complete("DEALLOCATE"), be::ready()
            );
        has_not(script, "s1");
        script.server_is_kept();
    }
    SUBCASE("failed") {
        script
            .server_replies(
                be::parse_complete(),
                be::bind_complete(),
                be::error("57014", "canceling"),
                be::ready()
            )
            .client_receives(
                be::parse_complete(),
                be::bind_complete(),
                be::error("57014", "canceling"),
                be::ready()
            );
        has(script, "s1").server_is_kept();
    }
    script.play();
}

TEST_CASE("Names: DEALLOCATE ALL leaves those that are parsed behind it in the same group") {
    auto script = prepared_as_s1();
    script
        .client_sends(
            fe::parse("", "deallocate all"),
            fe::bind("", ""),
            fe::execute(),
            fe::parse("n", "select 9"),
            fe::sync()
        )
        .server_receives(
            fe::parse("", "deallocate all"),
            fe::bind("", ""),
            fe::execute(),
            fe::parse("weir_4", "select 9"),
            fe::sync()
        )
        .server_replies(
            be::parse_complete(),
            be::bind_complete(),
            be::complete("DEALLOCATE ALL"),
            be::parse_complete(),
            be::ready()
        )
        .client_receives(
            be::parse_complete(),
            be::bind_complete(),
            be::complete("DEALLOCATE ALL"),
            be::parse_complete(),
            be::ready()
        );
    has_not(script, "s1");
    script.client_sends(use("n"))
        .server_receives(use("weir_4"))
        .server_replies(used(), be::ready())
        .client_receives(used(), be::ready())
        // The server has lost the other one.
        .client_sends(fe::parse("s1", select_1), use("s1"))
        .check("s1 is prepared anew", [](ScriptWorld& world) {
            return world.network->received(world.servers[0]).starts_with("P");
        });
    script.play();
}

TEST_CASE("Names: DEALLOCATE ALL without a server leaves other clients theirs") {
    ScriptOptions options;
    options.clients = {{}, {}};
    auto script = prepared_as_s1(options);
    script.with_client(1)
        .client_sends(fe::parse("mine", select_1), fe::sync())
        .client_receives(be::parse_complete(), be::ready())
        .client_sends(fe::query("deallocate all"))
        .client_receives(be::complete("DEALLOCATE ALL"), be::ready())
        .server_receives("");
    has_not(script, "mine");
    script.with_client(0);
    has(script, "s1").server_is_kept();
    script.play();
}
