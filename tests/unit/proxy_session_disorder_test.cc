// Ends in the middle of something, large groups, peers that break the protocol.
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using pool::CloseReason;
using pool::MemoryNetwork;

namespace {

std::string copy_in(std::string_view end) {
    return fe::parse("", "copy t from stdin") + fe::bind("", "") + fe::execute() + std::string(end);
}

std::string copy_started() {
    return be::parse_complete() + be::bind_complete() + be::copy_start('G');
}

}  // namespace

TEST_CASE("Disorder: a client that breaks the protocol with answers still to take") {
    SessionScript script;
    const auto answer = be::row(std::string(200, 'x')) + be::complete("SELECT 1");
    const auto nonsense = message('y', "abc");
    SUBCASE("its request is done") {
        script.client_takes(10)
            .client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(answer, be::ready())
            .client_sends(nonsense)
            .client_receives((answer + be::ready()).substr(0, 10))
            .client_is_gone()
            .server_receives("")
            .server_is_kept();
    }
    SUBCASE("its request runs") {
        script.client_takes(10)
            .client_sends(select("1"))
            .server_receives(select("1"))
            .server_replies(answer)
            .client_sends(nonsense)
            .client_receives(answer.substr(0, 10))
            .client_lives()
            .server_replies(be::ready())
            .client_is_gone()
            .server_is_kept();
    }
    SUBCASE("in a transaction") {
        script.client_sends(fe::query("begin"), select("1"))
            .client_receives(be::complete("BEGIN"), be::ready('T'))
            .client_takes(10)
            .server_receives(fe::injected("begin"), select("1"))
            .server_replies(be::injected_done("BEGIN"), answer, be::ready('T'))
            .client_sends(nonsense)
            .client_receives(answer.substr(0, 10))
            .client_is_gone()
            .server_receives(fe::query("ROLLBACK"))
            .server_replies(be::complete("ROLLBACK"), be::ready())
            .server_is_kept();
    }
    script.play();
}

TEST_CASE("Disorder: groups of any size reach the server whole and in order") {
    ScriptOptions options;
    options.read_sizes = {7'000, 70'000, MemoryNetwork::unlimited};
    SessionScript script{options};
    std::size_t size = 0;
    SUBCASE("64 KB") {
        size = 66'000;
    }
    SUBCASE("200 KB") {
        size = 200'000;
    }
    SUBCASE("256 KB") {
        size = 256 * 1024 + 1;
    }
    SUBCASE("600 KB") {
        size = 600'000;
    }
    std::string group = fe::parse("", "select $1");
    std::string answer = be::parse_complete();
    const auto use = fe::bind("", "", {std::string(3'000, 'v')}) + fe::execute();
    while (group.size() < size) {
        group += use;
        answer += be::bind_complete() + selected();
    }
    script.client_sends(group, fe::sync())
        .server_receives(group, fe::sync())
        .pool_has(1, 0, 0)
        .server_replies(answer)
        .client_receives(answer)
        .pool_has(1, 0, 0)
        .server_replies(be::ready())
        .client_receives(be::ready())
        .pool_has(0, 1, 0)
        .client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_is_kept();
    script.play();
}

TEST_CASE("Disorder: an error in a group that goes in pieces drops the rest of it") {
    ScriptOptions options;
    options.read_sizes = {60'000, MemoryNetwork::unlimited};
    SessionScript script{options};
    std::string begun = fe::parse("", "select 1/$1");
    const auto bind = fe::bind("", "", {std::string(10'000, 'v')});
    const auto use = bind + fe::execute();
    while (begun.size() + bind.size() <= 256 * 1024)
        begun += use;
    // With this one it is more than is kept.
    begun += bind;
    const auto error = be::error("22012", "division by zero");
    script.client_sends(begun)
        .server_receives(begun)
        .server_replies(be::parse_complete(), be::bind_complete(), error)
        .client_receives(be::parse_complete(), be::bind_complete(), error)
        .client_sends(fe::execute(), use, use, fe::sync())
        .server_receives(fe::sync())
        .server_replies(be::ready())
        .client_receives(be::ready())
        .pool_has(0, 1, 0)
        .server_is_kept();
    script.play();
}

TEST_CASE("Disorder: a server is not given back in the middle of a CopyData") {
    ScriptOptions options;
    options.read_sizes = {9'000, MemoryNetwork::unlimited};
    SessionScript script{options};
    const auto data = fe::copy_data(std::string(100'000, 'd'));
    const auto failed = be::error("22P02", "invalid input") + be::ready();
    script.client_sends(fe::query("copy t from stdin"))
        .server_receives(fe::query("copy t from stdin"))
        .server_replies(be::copy_start('G'))
        .client_receives(be::copy_start('G'));
    SUBCASE("the client has sent half of it") {
        script.client_sends(data.substr(0, 40'000))
            .server_receives(data.substr(0, 40'000))
            .server_replies(failed)
            .client_receives(failed)
            .pool_has(1, 0, 0)
            .client_sends(data.substr(40'000))
            .server_receives(data.substr(40'000));
    }
    SUBCASE("the server has taken half of it") {
        script.server_takes(30'000)
            .client_sends(data)
            .server_receives(data.substr(0, 30'000))
            .server_replies(failed)
            .client_receives(failed)
            .pool_has(1, 0, 0)
            .server_takes(MemoryNetwork::unlimited)
            .server_receives(data.substr(30'000));
    }
    SUBCASE("its client leaves there") {
        script.client_sends(data.substr(0, 40'000))
            .server_receives(data.substr(0, 40'000))
            .server_replies(failed)
            .client_receives(failed)
            .client_ends()
            .server_receives("")
            .server_is_closed(CloseReason::reset_failed);
        script.play();
        return;
    }
    script.pool_has(0, 1, 0).server_is_kept();
    script.play();
}

TEST_CASE("Disorder: what a client has executed without a Sync is rolled back when it dies") {
    SessionScript script;
    const auto begun =
        fe::parse("", "insert into t values (1)") + fe::bind("", "") + fe::execute() + fe::flush();
    const auto inserted = be::parse_complete() + be::bind_complete() + be::complete("INSERT 0 1");
    const auto rolled_back = be::complete("ROLLBACK") + be::ready();
    script.client_sends(begun).server_receives(begun);
    SUBCASE("answered") {
        script.server_replies(inserted)
            .client_receives(inserted)
            .client_ends()
            .cancels_asked(0)
            .server_receives(fe::query("ROLLBACK"), fe::sync())
            .server_replies(rolled_back, be::ready());
    }
    SUBCASE("answered, goodbye instead of Sync") {
        script.server_replies(inserted)
            .client_receives(inserted)
            .client_sends(fe::terminate())
            .server_receives(fe::query("ROLLBACK"), fe::sync())
            .server_replies(rolled_back, be::ready());
    }
    SUBCASE("running") {
        script.client_ends()
            .cancels_asked(1)
            .server_receives(fe::query("ROLLBACK"), fe::sync())
            .server_replies(inserted, rolled_back, be::ready())
            .cancel_ends();
    }
    SUBCASE("failed: nothing but Sync counts") {
        script.server_replies(be::error("23505", "duplicate key"))
            .client_receives(be::error("23505", "duplicate key"))
            .client_ends()
            .server_receives(fe::sync())
            .server_replies(be::ready())
            .cancel_ends();
    }
    script.client_is_gone().server_is_kept();
    script.play();
}

TEST_CASE("Disorder: a client that leaves in the middle of a row") {
    SessionScript script;
    const auto row = be::row(std::string(9'000, 'r'));
    script.client_sends(select("1"))
        .server_receives(select("1"))
        .server_replies(row.substr(0, 5'000))
        .client_receives(row.substr(0, 5'000))
        .client_ends()
        .cancels_asked(1)
        .server_receives(fe::sync())
        .server_replies(row.substr(5'000), row, be::error("57014", "canceling"))
        .server_replies(be::ready(), be::ready())
        .cancel_ends()
        .server_is_kept();
    script.play();
}

TEST_CASE("Disorder: Parse and Terminate in one segment") {
    ScriptOptions options;
    options.clients = {{}, {}};
    SessionScript script{options};
    script.with_client(1)
        .client_sends(fe::parse("known", "select 1"), fe::sync())
        .server_receives(fe::parse("weir_2", "select 1"), fe::sync())
        .server_replies(be::parse_complete(), be::ready())
        .client_receives(be::parse_complete(), be::ready())
        .with_client(0);
    SUBCASE("a text that is new") {
        script.client_sends(fe::parse("s", "select 2"), fe::terminate())
            .client_is_gone()
            .server_receives(fe::parse("weir_4", "select 2"), fe::query("ROLLBACK"), fe::sync())
            .server_replies(
                be::parse_complete(), be::complete("ROLLBACK"), be::ready(), be::ready()
            )
            .cancel_ends();
    }
    SUBCASE("a text that the server knows") {
        script.client_sends(fe::parse("s", "select 1"), fe::terminate())
            .client_is_gone()
            .server_receives(fe::query("ROLLBACK"), fe::sync())
            .server_replies(be::complete("ROLLBACK"), be::ready(), be::ready())
            .cancel_ends();
    }
    script.pool_has(0, 1, 0)
        .server_is_kept()
        .with_client(1)
        .client_sends(select("3"))
        .server_receives(select("3"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Disorder: what a client sends before its welcome waits for it") {
    ScriptOptions options;
    options.welcome_known = false;
    SUBCASE("while its server is asked") {
        SessionScript script{options};
        script.server_receives(fe::sync())
            .client_sends(select("1"), select("2"))
            .client_receives("")
            .server_receives("")
            .server_replies(be::ready())
            .client_receives(welcome_of(0))
            .server_receives(select("1"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_receives(select("2"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_is_kept();
        script.play();
    }
    SUBCASE("while there is no server") {
        options.servers = 0;
        SessionScript script{options};
        script.client_sends(select("1"), select("2"))
            .client_receives("")
            .pool_has(0, 0, 1)
            .server_opens()
            .server_receives(fe::sync())
            .server_replies(be::ready())
            .client_receives(welcome_of(0))
            .server_receives(select("1"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready())
            .server_receives(select("2"));
        script.play();
    }
    SUBCASE("nonsense") {
        SessionScript script{options};
        script.server_receives(fe::sync())
            .client_sends(message('y'))
            .server_replies(be::ready())
            .client_receives(
                welcome_of(0), be::own_error("08P01", "invalid frontend message type 121", true)
            )
            .client_is_gone()
            .server_is_kept();
        script.play();
    }
}

TEST_CASE("Disorder: a server that breaks the protocol costs its own client only") {
    ScriptOptions options;
    options.servers = 2;
    options.clients = {{}, {}};
    SessionScript script{options};
    std::string nonsense, what;
    SUBCASE("ErrorResponse without its end") {
        nonsense = message('E', std::string("SERROR\0C22012\0Mx", 16));
        what = "a broken ErrorResponse";
    }
    SUBCASE("empty ErrorResponse") {
        nonsense = message('E');
        what = "a broken ErrorResponse";
    }
    SUBCASE("ReadyForQuery without a status") {
        nonsense = message('Z');
        what = "a broken ReadyForQuery";
    }
    SUBCASE("an answer to something else") {
        nonsense = be::bind_complete();
        what = "a message out of order";
    }
    SUBCASE("a row for FunctionCall") {
        nonsense = be::function_result("x");
        what = "a message out of order";
    }
    SUBCASE("a type that does not exist") {
        nonsense = message('~', "abc");
        what = "a message out of order";
    }
    SUBCASE("a length of 0") {
        nonsense = std::string("C\0\0\0\0", 5);
        what = "a message with an impossible length";
    }
    SUBCASE("a length of 3") {
        nonsense = std::string("D\0\0\0\3", 5);
        what = "a message with an impossible length";
    }
    SUBCASE("a length above the limit") {
        nonsense = "D\x7f\xff\xff\xff";
        what = "a message with an impossible length";
    }
    SUBCASE("a length with the highest bit") {
        nonsense = "Z\xff\xff\xff\xff";
        what = "a message with an impossible length";
    }
    SUBCASE("an answer too long to be looked at") {
        nonsense = std::string("C\x3f\0\0\0", 5);
        what = "a message that is too long";
    }
    // Server 1 came last and is lent first.
    script.client_sends(select("1"))
        .with_client(1)
        .client_sends(select("2"))
        .pool_has(2, 0, 0)
        .with_client(0)
        .with_server(1)
        .server_receives(select("1"))
        .server_replies(be::row("1"), nonsense)
        .client_receives(
            be::row("1"),
            be::own_error(
                "08P01", "the server sent " + what, true, "The connection to the server was closed."
            )
        )
        .client_is_gone()
        .server_is_closed(CloseReason::protocol_violation)
        .with_client(1)
        .with_server(0)
        .client_receives("")
        .server_receives(select("2"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .client_lives()
        .server_is_kept();
    script.play();
}

TEST_CASE("Disorder: a server that breaks the protocol while nobody of its own is there") {
    SessionScript script;
    SUBCASE("idle") {
        script.server_replies(be::row("1")).server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("idle, impossible length") {
        script.server_replies(std::string("N\0\0\0\0", 5))
            .server_is_closed(CloseReason::server_closed);
    }
    SUBCASE("while it is put in order") {
        script.client_sends(fe::query("begin"), select("1"))
            .client_receives(be::complete("BEGIN"), be::ready('T'))
            .server_receives(fe::injected("begin"), select("1"))
            .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
            .client_receives(selected(), be::ready('T'))
            .client_ends()
            .server_receives(fe::query("ROLLBACK"))
            .server_replies(be::bind_complete())
            .server_is_closed(CloseReason::protocol_violation);
    }
    script.pool_has(0, 0, 0);
    script.play();
}

TEST_CASE("Disorder: a COPY that fails with a Sync under way leaves its server in doubt") {
    SessionScript script;
    const auto error = be::error("22P02", "invalid input");
    script.client_sends(copy_in(fe::sync()))
        .server_receives(copy_in(fe::sync()))
        .server_replies(copy_started())
        .client_receives(copy_started())
        .client_sends(fe::copy_data("x\n"))
        .server_receives(fe::copy_data("x\n"));
    SUBCASE("it was ignored: the next one is answered") {
        script.server_replies(error)
            .client_receives(error)
            .client_sends(fe::copy_data("y\n"), fe::copy_done(), fe::sync())
            .server_receives(fe::sync())
            .server_replies(be::ready())
            .client_receives(be::ready())
            // One more answer might come.
            .server_is_closed(CloseReason::reset_failed)
            .pool_has(0, 0, 0);
    }
    SUBCASE("it was read behind the error: it is answered itself") {
        script.server_replies(error, be::ready())
            .client_receives(error, be::ready())
            .client_sends(fe::copy_data("y\n"), fe::copy_done(), fe::sync())
            .client_receives(be::ready())
            .server_receives("")
            .server_is_kept()
            .pool_has(0, 1, 0);
    }
    SUBCASE("its client leaves then") {
        script.server_replies(error).client_receives(error).client_ends().server_is_closed(
            CloseReason::reset_failed
        );
    }
    script.play();
}
