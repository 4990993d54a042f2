// The rest of the conversation: COPY, portals, notices, function calls, big results, pipelines.
#include "tests/integration/fixture.h"

#include <libpq/libpq-fs.h>

#include <algorithm>

using namespace weir::test;

TEST_CASE("several statements in one query, several queries in one packet") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    CHECK(types(client.simple("select 1; select 2; create table t (a int)")) == "TDCTDCCZ");
    client.send(query("select 'first'") + query("select 'second'"));
    CHECK(first_value(client.receive_until('Z')) == "first");
    CHECK(first_value(client.receive_until('Z')) == "second");
    CHECK(types(client.simple("")) == "IZ");
}

TEST_CASE("COPY in: data arrives, errors and CopyFail leave the connection usable") {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    client.exec("create table t (a int, b text)");
    std::vector<std::string> chunks;
    for (int i = 0; i < 5000; ++i)
        chunks.push_back(std::to_string(i) + "\tsome text\n");
    CHECK(client.copy_in("copy t from stdin", chunks).tag() == "COPY 5000");
    CHECK(client.value("select count(*) from t") == "5000");
    CHECK(client.copy_in("copy t from stdin", {"not a number\tx\n"}).sqlstate() == "22P02");
    CHECK(client.value("select count(*) from t") == "5000");

    RawClient raw = fixture.raw();
    raw.send(query("copy t from stdin"));
    raw.receive_until('G');
    const BackendMessages failed = raw.exchange(copy_data("1\tx\n") + copy_fail("no more"));
    CHECK(first(failed, 'E').sqlstate() == "57014");
    CHECK(first_value(raw.simple("select count(*) from t")) == "5000");
}

TEST_CASE("COPY in: what a client sends after an error is swallowed") {
    const Fixture fixture{1};
    Pg setup = fixture.connect();
    setup.exec("create table t (a int)");
    RawClient client = fixture.raw();
    client.send(query("copy t from stdin") + copy_data("broken\n"));
    client.receive_until('Z');
    for (int i = 0; i < 100; ++i)
        client.send(copy_data("1\n"));
    client.send(copy_done());
    CHECK(first_value(client.simple("select 'in sync'")) == "in sync");
    CHECK(setup.value("select count(*) from t") == "0");
}

TEST_CASE("COPY out, also to a client that does not read at once") {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    const std::string rows = client.copy_out("copy (select generate_series(1, 100000)) to stdout");
    CHECK(rows.size() == 588895);
    CHECK(client.value("select 1") == "1");
}

TEST_CASE("COPY by the extended protocol") {
    const Fixture fixture{1};
    Pg setup = fixture.connect();
    setup.exec("create table t (a int)");
    RawClient client = fixture.raw();
    client.send(parse("", "copy t from stdin") + bind_message("", "") + execute());
    client.send(flush_message());
    client.receive_until('G');
    const BackendMessages answer =
        client.exchange(copy_data("1\n2\n") + copy_done() + sync_message());
    CHECK(first(answer, 'C').command_tag() == "COPY 2");
    CHECK(first_value(client.simple("select sum(a) from t")) == "3");
}

TEST_CASE("portals with row limits inside a transaction") {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.simple("begin");
    CHECK(
        types(client.exchange(
            parse("", "select generate_series(1, 5)") + bind_message("p", "") + execute("p", 2) +
            sync_message()
        )) == "12DDsZ"
    );
    CHECK(types(client.exchange(execute("p", 2) + sync_message())) == "DDsZ");
    CHECK(types(client.exchange(execute("p", 2) + sync_message())) == "DCZ");
    CHECK(types(client.exchange(close_portal("p") + sync_message())) == "3Z");
    CHECK(first(client.exchange(execute("p") + sync_message()), 'E').sqlstate() == "34000");
    client.simple("rollback");
    CHECK(first_value(client.simple("select 1")) == "1");
}

TEST_CASE("notices arrive in between and in order") {
    const Fixture fixture{1};
    Pg client = fixture.connect();
    client.exec("do $$ begin for i in 1..50 loop raise notice 'number %', i; end loop; end $$");
    const auto notices = client.take_notices();
    REQUIRE(notices.size() == 50);
    CHECK(notices[0].find("number 1") != std::string::npos);
    CHECK(notices[49].find("number 50") != std::string::npos);
}

TEST_CASE("the function call message") {
    const Fixture fixture{1};
    Pg setup = fixture.connect();
    const auto oid = static_cast<std::uint32_t>(
        std::stoul(setup.value("select 'pg_catalog.int4pl(int, int)'::regprocedure::oid"))
    );
    RawClient client = fixture.raw();
    const BackendMessages answer = client.exchange(function_call(oid, {"40", "2"}));
    CHECK(types(answer) == "VZ");
    CHECK(first(answer, 'V').body.substr(4) == "42");
    CHECK(types(client.exchange(function_call(99999999, {}))) == "EZ");
    CHECK(first_value(client.simple("select 1")) == "1");
}

TEST_CASE("200 MB of rows and values of 30 MB pass in bounded memory") {
    Fixture fixture{1};
    RawClient client = fixture.raw();
    client.simple("select 1");
    const long before = resident_kib(fixture.proxy.pid());
    long most = before;
    std::size_t received = 0;
    const auto count = [&](const std::string& sql) {
        client.send(query(sql));
        for (int i = 0;; ++i) {
            const BackendMessage message = client.receive();
            received += message.body.size();
            if (message.type == 'Z') break;
            REQUIRE(message.type != 'E');
            if (i % 1000 == 0) most = std::max(most, resident_kib(fixture.proxy.pid()));
        }
        most = std::max(most, resident_kib(fixture.proxy.pid()));
    };
    count("select repeat('x', 1000) from generate_series(1, 200000)");
    CHECK(received > 200'000'000);
    count("select repeat('y', 30000000) from generate_series(1, 3)");
    CHECK(received > 290'000'000);
    // A sanitizer's shadow and quarantine are no figure of ours.
    if (patience() == 1) CHECK(most - before < 16 * 1024);
    CHECK(first_value(client.simple("select 1")) == "1");
}

TEST_CASE("a query of 20 MB passes") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.set_wait(std::chrono::seconds(30));
    const std::string literal(20'000'000, 'q');
    CHECK(first_value(client.simple("select length('" + literal + "')")) == "20000000");
    CHECK(
        first_value(client.exchange(extended("select length($1)", {literal}) + sync_message())) ==
        "20000000"
    );
}

TEST_CASE("a client that does not read holds up nobody and grows nothing") {
    Fixture fixture{2};
    RawClient slow = fixture.raw();
    Pg other = fixture.connect();
    other.exec("select 1");
    const long before = resident_kib(fixture.proxy.pid());
    slow.send(query("select repeat('x', 1000) from generate_series(1, 200000)"));
    for (int i = 0; i < 50; ++i) {
        CHECK(other.value("select " + std::to_string(i)) == std::to_string(i));
    }
    if (patience() == 1) CHECK(resident_kib(fixture.proxy.pid()) - before < 16 * 1024);
    std::size_t rows = 0;
    while (slow.receive().type != 'Z')
        ++rows;
    CHECK(rows == 200002);
}

TEST_CASE("fifty thousand Syncs are answered one for one") {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    client.set_wait(std::chrono::seconds(30));
    std::string syncs;
    for (int i = 0; i < 1000; ++i)
        syncs += sync_message();
    for (int round = 0; round < 50; ++round) {
        client.send(syncs);
        for (int i = 0; i < 1000; ++i)
            REQUIRE(client.receive().type == 'Z');
    }
}

TEST_CASE("a pipeline of transactions keeps its order and its errors") {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.send(
        query("begin") + query("select 1/0") + query("select 'not run'") + query("rollback") +
        query("select 'run'")
    );
    CHECK(client.receive_until('Z').back().transaction_status() == 'T');
    CHECK(client.receive_until('Z').back().transaction_status() == 'E');
    CHECK(first(client.receive_until('Z'), 'E').sqlstate() == "25P02");
    CHECK(client.receive_until('Z').back().transaction_status() == 'I');
    CHECK(first_value(client.receive_until('Z')) == "run");
}

TEST_CASE("statements that cannot run in a transaction block still run") {
    const Fixture fixture{1, {{"pool_mode", "transaction"}}};
    // The settings of this client must not be sent in one transaction with its VACUUM.
    Pg other = fixture.connect("application_name=other");
    other.exec("create table t (a int)");
    Pg client = fixture.connect("application_name=mine");
    CHECK(client.exec("vacuum t").tag() == "VACUUM");
    other.exec("select 1");
    CHECK(client.exec("vacuum t", Parameters{}).tag() == "VACUUM");
    other.exec("select 1");
    CHECK(client.exec("begin isolation level serializable").tag() == "BEGIN");
    CHECK(client.value("show transaction_isolation") == "serializable");
    client.exec("commit");
}

TEST_CASE("large objects and cursors inside a transaction") {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("begin");
    client.exec("declare c cursor for select generate_series(1, 10)");
    CHECK(client.exec("fetch 4 from c").rows() == 4);
    const Oid oid = lo_creat(client.raw(), INV_READ | INV_WRITE);
    REQUIRE(oid != 0);
    const int fd = lo_open(client.raw(), oid, INV_WRITE);
    CHECK(lo_write(client.raw(), fd, "0123456789", 10) == 10);
    lo_close(client.raw(), fd);
    CHECK(client.exec("fetch all from c").rows() == 6);
    client.exec("commit");
    CHECK(client.value("select length(lo_get(" + std::to_string(oid) + "))") == "10");
}

TEST_CASE("two-phase commit") {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    client.exec("create table t (a int)");
    client.exec("begin; insert into t values (1); prepare transaction 'weir'");
    CHECK(client.transaction_status() == 'I');
    Pg other = fixture.connect();
    CHECK(other.exec("commit prepared 'weir'").tag() == "COMMIT PREPARED");
    CHECK(client.value("select count(*) from t") == "1");
}
