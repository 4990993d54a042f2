// Prepared statements of the protocol in transaction mode: each client's names are its own, on
// whatever server it runs, and errors are PostgreSQL's.
#include "tests/integration/fixture.h"

#include <memory>
#include <vector>

using namespace weir::test;

namespace {

// Occupies one server by a transaction, so that others run elsewhere.
class Occupied {
public:
    explicit Occupied(const Fixture& fixture) : client_(fixture.connect()) {
        client_.exec("begin");
    }

private:
    Pg client_;
};

const std::string run_a = bind_message("", "a") + execute() + sync_message();

}  // namespace

TEST_CASE("a prepared statement runs on servers that have never seen it" * ours_only()) {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    Pg other = fixture.connect();
    const std::string first_pid = in_transaction_pid(other);
    client.prepare("a", "select pg_backend_pid(), $1::int");
    const std::string pid = client.exec_prepared("a", {"1"}).value();
    CHECK(pid != first_pid);
    other.exec("commit");
    // Whichever is free now, both servers must do.
    Pg blocker = fixture.connect();
    blocker.exec("begin");
    Pg second_blocker = fixture.connect();
    for (int i = 0; i < 4; ++i)
        CHECK(client.exec_prepared("a", {"2"}).value(0, 1) == "2");
    blocker.exec("commit");
    second_blocker.exec("begin");
    for (int i = 0; i < 4; ++i)
        CHECK(client.exec_prepared("a", {"3"}).value(0, 1) == "3");
}

TEST_CASE("the same name means each client's own statement" * ours_only()) {
    const Fixture fixture{1};
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    one.prepare("a", "select 'one'");
    two.prepare("a", "select 'two'");
    for (int i = 0; i < 3; ++i) {
        CHECK(one.exec_prepared("a").value() == "one");
        CHECK(two.exec_prepared("a").value() == "two");
    }
}

TEST_CASE("a name that is taken is 42P05, and the connection lives" * ours_only()) {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    client.prepare("a", "select 1");
    const Result again = client.try_prepare("a", "select 2");
    CHECK(again.sqlstate() == "42P05");
    CHECK(again.error().find("\"a\"") != std::string::npos);
    CHECK(client.exec_prepared("a").value() == "1");
}

TEST_CASE("a name that is not there is 26000, and the connection lives" * ours_only()) {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    const Result result = client.try_exec_prepared("nothing");
    CHECK(result.sqlstate() == "26000");
    CHECK(result.error().find("\"nothing\"") != std::string::npos);
    RawClient raw = fixture.raw();
    const BackendMessages described = raw.exchange(describe_statement("nothing") + sync_message());
    CHECK(first(described, 'E').sqlstate() == "26000");
    CHECK(types(described) == "EZ");
    CHECK(first_value(raw.simple("select 1")) == "1");
}

TEST_CASE("Close frees the name; closing what is not there is no error" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    CHECK(types(client.exchange(parse("a", "select 1") + sync_message())) == "1Z");
    CHECK(types(client.exchange(close_statement("a") + sync_message())) == "3Z");
    CHECK(types(client.exchange(close_statement("never") + sync_message())) == "3Z");
    CHECK(first(client.exchange(run_a), 'E').sqlstate() == "26000");
    CHECK(types(client.exchange(parse("a", "select 2") + run_a)) == "12DCZ");
}

TEST_CASE("DEALLOCATE ALL and DISCARD ALL forget this client's statements only" * ours_only()) {
    const Fixture fixture{1};
    for (const char* command : {"deallocate all", "discard all", "DEALLOCATE PREPARE ALL"}) {
        CAPTURE(command);
        Pg one = fixture.connect();
        Pg two = fixture.connect();
        one.prepare("a", "select 'one'");
        two.prepare("a", "select 'two'");
        one.exec(command);
        CHECK(one.try_exec_prepared("a").sqlstate() == "26000");
        CHECK(two.exec_prepared("a").value() == "two");
        one.prepare("a", "select 'new'");
        CHECK(one.exec_prepared("a").value() == "new");
    }
}

TEST_CASE("the unnamed statement is kept across transactions and servers" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    CHECK(types(client.exchange(parse("", "select 'kept'") + sync_message())) == "1Z");
    RawClient other = fixture.raw();
    other.exchange(parse("", "select 'another'") + sync_message());
    const std::string run = bind_message("", "") + execute() + sync_message();
    CHECK(first_value(client.exchange(run)) == "kept");
    CHECK(first_value(other.exchange(run)) == "another");
    const Occupied one_server{fixture};
    CHECK(first_value(client.exchange(run)) == "kept");
    CHECK(first_value(other.exchange(run)) == "another");
    // A simple query drops the unnamed statement, as in PostgreSQL.
    client.simple("select 1");
    CHECK(first(client.exchange(run), 'E').sqlstate() == "26000");
}

TEST_CASE(
    "an error in a pipeline skips to Sync, and skipped Parses have not happened" * ours_only()
) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    const BackendMessages failed = client.exchange(
        parse("before", "select 1") + parse("bad", "selec") + parse("after", "select 2") +
        bind_message("", "before") + execute() + sync_message()
    );
    CHECK(types(failed) == "1EZ");
    CHECK(first(failed, 'E').sqlstate() == "42601");
    const auto run = [&](const std::string& name) {
        return types(client.exchange(bind_message("", name) + execute() + sync_message()));
    };
    CHECK(run("before") == "2DCZ");
    CHECK(run("bad") == "EZ");
    CHECK(run("after") == "EZ");
    CHECK(types(client.exchange(parse("after", "select 2") + sync_message())) == "1Z");
    CHECK(run("after") == "2DCZ");
}

TEST_CASE("a statement known to the catalog is an error's victim as well" * ours_only()) {
    const Fixture fixture{1};
    RawClient first_client = fixture.raw();
    first_client.exchange(parse("x", "select 11") + sync_message());
    first_client.exchange(bind_message("", "x") + execute() + sync_message());
    // Now "select 11" is known and would need no server.
    RawClient client = fixture.raw();
    CHECK(
        types(client.exchange(parse("b", "selec") + parse("x", "select 11") + sync_message())) ==
        "EZ"
    );
    CHECK(
        first(client.exchange(bind_message("", "x") + execute() + sync_message()), 'E')
            .sqlstate() == "26000"
    );
}

TEST_CASE("many Syncs in one pipeline are answered in order" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    std::string bytes;
    for (int i = 0; i < 1000; ++i) {
        bytes += parse("", "select " + std::to_string(i)) + bind_message("", "") + execute() +
                 sync_message();
    }
    client.send(bytes);
    for (int i = 0; i < 1000; ++i) {
        const BackendMessages answer = client.receive_until('Z');
        REQUIRE(types(answer) == "12DCZ");
        REQUIRE(first_value(answer) == std::to_string(i));
    }
}

TEST_CASE("a statement whose result type has changed by DDL is healed" * ours_only()) {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("create table t (a int); insert into t values (1)");
    client.prepare("a", "select * from t");
    CHECK(client.exec_prepared("a").columns() == 1);
    Pg other = fixture.connect();
    other.exec("alter table t add b int default 7");
    CHECK(client.exec_prepared("a").columns() == 2);
    CHECK(client.exec_prepared("a").value(0, 1) == "7");
}

TEST_CASE(
    "inside a transaction that has done something, 0A000 is the client's to know" * ours_only()
) {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("create table t (a int); insert into t values (1)");
    client.prepare("a", "select * from t");
    client.exec_prepared("a");
    client.exec("begin");
    client.exec("insert into t values (2)");
    client.exec("alter table t add b int");
    CHECK(client.try_exec_prepared("a").sqlstate() == "0A000");
    CHECK(client.transaction_status() == 'E');
    client.exec("rollback");
    CHECK(client.exec_prepared("a").rows() == 1);
}

TEST_CASE("the same text under another search_path is another statement" * ours_only()) {
    const Fixture fixture{1};
    Pg direct = fixture.database.connect();
    direct.exec(
        "create schema s1; create table s1.t as select 'one' as v;"
        "create schema s2; create table s2.t as select 2 as v;"
        "grant usage on schema s1, s2 to public;"
        "grant select on s1.t, s2.t to public"
    );
    Pg one = fixture.connect("options='-c search_path=s1'");
    Pg two = fixture.connect("options='-c search_path=s2'");
    one.prepare("a", "select v from t");
    two.prepare("a", "select v from t");
    for (int i = 0; i < 3; ++i) {
        CHECK(one.exec_prepared("a").value() == "one");
        CHECK(two.exec_prepared("a").value() == "2");
    }
}

TEST_CASE(
    "max_prepared_statements bounds what a server holds, not what a client may" * ours_only()
) {
    const Fixture fixture{1, {{"max_prepared_statements", 10}}};
    Pg client = fixture.connect();
    for (int i = 0; i < 50; ++i) {
        client.prepare("p" + std::to_string(i), "select " + std::to_string(i));
    }
    for (int i = 0; i < 50; ++i) {
        CHECK(client.exec_prepared("p" + std::to_string(i)).value() == std::to_string(i));
    }
    for (int i = 49; i >= 0; --i) {
        CHECK(client.exec_prepared("p" + std::to_string(i)).value() == std::to_string(i));
    }
}

TEST_CASE("Describe of a statement gives parameters and columns on any server" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.exchange(parse("a", "select $1::int as n, $2::text as t") + sync_message());
    const Occupied one_server{fixture};
    const BackendMessages answer = client.exchange(describe_statement("a") + sync_message());
    CHECK(types(answer) == "tTZ");
    CHECK(first(answer, 'T').column_names() == std::vector<std::string>{"n", "t"});
}

TEST_CASE("Flush delivers what was asked for so far") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.send(parse("", "select 1") + flush_message());
    CHECK(client.receive().type == '1');
    client.send(bind_message("", "") + execute() + flush_message());
    CHECK(types(client.receive_until('C')) == "2DC");
    CHECK(types(client.exchange(sync_message())) == "Z");
}

TEST_CASE("a known text needs no server to be prepared" * ours_only()) {
    const Fixture fixture{1};
    Pg first_client = fixture.connect();
    first_client.prepare("a", "select 'known'");
    first_client.exec_prepared("a");
    const Occupied the_server{fixture};
    RawClient client = fixture.raw();
    CHECK(types(client.exchange(parse("mine", "select 'known'") + sync_message())) == "1Z");
}
