// LISTEN and NOTIFY in transaction mode: one connection listens for all clients of a pool, and each
// gets what PostgreSQL would send it, when PostgreSQL would send it.
#include "tests/integration/console_table.h"
#include "tests/integration/fixture.h"

#include <cstdlib>
#include <vector>

using namespace weir::test;

namespace {

struct Heard {
    std::uint32_t pid = 0;
    std::string channel;
    std::string payload;
};

Heard heard(const BackendMessage& message) {
    REQUIRE(message.type == 'A');
    const std::string& body = message.body;
    Heard result;
    for (std::size_t i = 0; i < 4; ++i)
        result.pid = result.pid << 8 | static_cast<unsigned char>(body.at(i));
    const auto end = body.find('\0', 4);
    result.channel = body.substr(4, end - 4);
    result.payload = body.substr(end + 1, body.size() - end - 2);
    return result;
}

Heard next(RawClient& client) {
    return heard(client.receive());
}

// Payloads of the notifications among messages, with spaces between.
std::string payloads(const BackendMessages& messages) {
    std::string all;
    for (const auto& message : messages) {
        if (message.type == 'A') all += (all.empty() ? "" : " ") + heard(message).payload;
    }
    return all;
}

void notify(Pg& client, const std::string& channel, const std::string& payload = "") {
    client.exec("select pg_notify($1, $2)", {channel, payload});
}

// What a client has been sent until now: a notification behind it closes the list.
std::string so_far(RawClient& client, Pg& notifier, const std::string& channel) {
    notify(notifier, channel, "END");
    std::string all;
    for (;;) {
        const auto payload = next(client).payload;
        if (payload == "END") return all;
        all += (all.empty() ? "" : " ") + payload;
    }
}

std::string listener(const Fixture& fixture, const std::string& column) {
    Pg console = fixture.proxy.console();
    return cell(console.exec("SHOW LISTENERS"), "database", fixture.database.name(), column);
}

int pins(const Fixture& fixture) {
    return fixture.proxy.console().exec("SHOW PINS").rows();
}

// The backend of the connection that listens.
std::string listening_backend(const Fixture& fixture) {
    return "pid = " + listener(fixture, "remote_pid");
}

}  // namespace

TEST_CASE(
    "an idle client gets notifications at once, in order, and keeps no server" * ours_only()
) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    const int before = fixture.database.backends();
    CHECK(types(client.simple("listen events")) == "CZ");
    CHECK(fixture.database.backends() == before + 1);
    Pg direct = fixture.database.connect();
    for (int i = 0; i < 300; ++i)
        notify(direct, "events", std::to_string(i));
    for (int i = 0; i < 300; ++i) {
        const auto got = next(client);
        CHECK(got.channel == "events");
        CHECK(got.payload == std::to_string(i));
        CHECK(got.pid == static_cast<std::uint32_t>(direct.pid()));
    }
    // Of one transaction, too; each once.
    direct.exec("begin; notify events, 'a'; notify other, 'x'; notify events, 'b'; commit");
    CHECK(next(client).payload == "a");
    CHECK(next(client).payload == "b");
    Pg through = fixture.connect();
    notify(through, "events", "c");
    const auto got = next(client);
    CHECK(got.payload == "c");
    CHECK(got.pid != client.key_pid());
    CHECK(got.pid < 1U << 22);
    CHECK(pins(fixture) == 0);
    CHECK(listener(fixture, "clients") == "1");
    CHECK(listener(fixture, "channels") == "1");
}

TEST_CASE("LISTEN and UNLISTEN act when their transaction commits" * ours_only()) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    RawClient client = fixture.raw();
    client.simple("listen always");
    SUBCASE("committed") {
        client.simple("begin");
        client.simple("listen a");
        notify(direct, "a", "early");
        client.simple("select 1");
        CHECK(payloads(client.simple("commit")) == "");
        notify(direct, "a", "late");
        CHECK(so_far(client, direct, "always") == "late");
    }
    SUBCASE("committed without a server") {
        client.simple("begin");
        client.simple("listen a");
        client.simple("commit");
        notify(direct, "a", "late");
        CHECK(so_far(client, direct, "always") == "late");
    }
    SUBCASE("rolled back") {
        for (const char* between : {"select 1", "select 1/0", ""}) {
            client.simple("begin");
            client.simple("listen a");
            if (*between != '\0') client.simple(between);
            client.simple(between == std::string("select 1/0") ? "commit" : "rollback");
            notify(direct, "a", "never");
        }
        CHECK(so_far(client, direct, "always") == "");
        CHECK(listener(fixture, "channels") == "1");
    }
    SUBCASE("UNLISTEN in a block") {
        client.simple("begin");
        client.simple("unlisten always");
        client.simple("rollback");
        CHECK(so_far(client, direct, "always") == "");
        client.simple("listen a");
        client.simple("begin");
        client.simple("select 1");
        client.simple("unlisten a");
        notify(direct, "a", "dropped with the COMMIT");
        notify(direct, "always", "kept");
        wait_until("both have come", [&] { return listener(fixture, "notifications") == "3"; });
        CHECK(payloads(client.simple("commit")) == "kept");
        notify(direct, "a", "never");
        CHECK(so_far(client, direct, "always") == "");
    }
    SUBCASE("savepoints") {
        client.simple("begin");
        client.simple("listen a");
        client.simple("savepoint s");
        client.simple("listen b");
        client.simple("savepoint t");
        client.simple("listen c");
        client.simple("rollback to s");
        client.simple("listen d");
        client.simple("savepoint u");
        client.simple("listen e");
        client.simple("release u");
        client.simple("commit");
        for (const char* channel : {"a", "b", "c", "d", "e"})
            notify(direct, channel, channel);
        CHECK(so_far(client, direct, "always") == "a d e");
    }
    SUBCASE("savepoints in one string, and an error") {
        client.simple("begin");
        client.simple("listen a");
        client.simple("savepoint s; select 1");
        client.simple("listen b");
        client.simple("select 1/0");
        client.simple("rollback to s; release s");
        client.simple("commit");
        notify(direct, "a", "a");
        notify(direct, "b", "b");
        CHECK(so_far(client, direct, "always") == "a");
    }
    SUBCASE("a savepoint from before") {
        client.simple("begin");
        client.simple("savepoint s");
        client.simple("listen a");
        client.simple("rollback to s");
        client.simple("listen b");
        client.simple("commit");
        notify(direct, "a", "a");
        notify(direct, "b", "b");
        CHECK(so_far(client, direct, "always") == "b");
    }
}

TEST_CASE("a client's own notifications come before its ReadyForQuery, as its own" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    RawClient other = fixture.raw();
    client.simple("listen a");
    other.simple("listen a");
    for (int i = 0; i < 20; ++i) {
        const std::string text = std::to_string(i);
        const auto answer = client.simple("notify a, '" + text + "'");
        CHECK(types(answer) == "CAZ");
        CHECK(heard(answer.at(1)).pid == client.key_pid());
        CHECK(heard(answer.at(1)).payload == text);
        const auto got = next(other);
        CHECK(got.pid != other.key_pid());
        CHECK(got.pid < 1U << 22);
        // By the same server; and the first must not take the second's for its own.
        const auto again = other.simple("select pg_notify('a', '" + text + "')");
        CHECK(types(again) == "TDCAZ");
        CHECK(heard(again.at(3)).pid == other.key_pid());
        const auto foreign = next(client);
        CHECK(foreign.pid != client.key_pid());
        CHECK(foreign.pid < 1U << 22);
    }
    // Without waiting for anything in between.
    Pg silent = fixture.connect();
    for (int i = 0; i < 100; ++i) {
        notify(silent, "a", "foreign");
        const auto answer = client.simple("notify a, 'own'");
        int own = 0;
        for (const auto& message : answer) {
            if (message.type != 'A') continue;
            const auto got = heard(message);
            CHECK((got.pid == client.key_pid()) == (got.payload == "own"));
            own += got.payload == "own" ? 1 : 0;
        }
        CHECK(own == 1);
        // Before it asked, before it was answered, or after.
        if (payloads(answer) == "own") CHECK(next(client).payload == "foreign");
    }
}

TEST_CASE("own notifications: blocks, triggers, the extended protocol" * ours_only()) {
    const Fixture fixture{2};
    fixture.database.connect().exec(
        "create table t (a int); grant all on t to public;"
        "create function tell() returns trigger language plpgsql as "
        "$$ begin perform pg_notify('a', 'trigger'); return new; end $$;"
        "create trigger tell after insert on t for each row execute function tell();"
    );
    RawClient client = fixture.raw();
    client.simple("listen a");
    client.simple("begin");
    CHECK(types(client.simple("notify a, '1'")) == "CZ");
    CHECK(types(client.simple("select 1")) == "TDCZ");
    CHECK(types(client.simple("insert into t values (1)")) == "CZ");
    const auto committed = client.simple("commit");
    CHECK(types(committed) == "CAAZ");
    CHECK(payloads(committed) == "1 trigger");
    CHECK(heard(committed.at(1)).pid == client.key_pid());
    client.simple("begin");
    client.simple("notify a, '2'");
    CHECK(types(client.simple("rollback")) == "CZ");
    const auto extended = client.exchange(
        parse("", "select pg_notify('a', $1)") + bind_message("", "", {"3"}) + execute() +
        sync_message()
    );
    CHECK(types(extended) == "12DCAZ");
    CHECK(heard(extended.at(4)).pid == client.key_pid());
    CHECK(types(client.simple("insert into t values (1)")) == "CAZ");
    // LISTEN and NOTIFY in one transaction.
    client.simple("begin");
    client.simple("listen b");
    client.simple("notify b, 'self'");
    CHECK(payloads(client.simple("commit")) == "self");
    CHECK(pins(fixture) == 0);
}

TEST_CASE("nothing is delivered within a transaction" * ours_only()) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    RawClient client = fixture.raw();
    client.simple("listen a");
    for (const char* begin : {"begin", "begin; select 1"}) {
        client.simple(begin);
        notify(direct, "a", "1");
        CHECK(types(client.simple("select 1")) == "TDCZ");
        CHECK_FALSE(client.readable_within(std::chrono::milliseconds(100)));
        CHECK(types(client.simple("commit")) == "CAZ");
    }
    // A block that never had a server.
    client.simple("begin");
    notify(direct, "a", "1");
    CHECK_FALSE(client.readable_within(std::chrono::milliseconds(100)));
    CHECK(types(client.simple("commit")) == "CAZ");
}

TEST_CASE("one server connection for as many clients as listen" * ours_only()) {
    const Fixture fixture{1, {{"max_client_conn", 400}}};
    std::vector<RawClient> clients;
    for (int i = 0; i < 200; ++i) {
        clients.push_back(fixture.raw());
        clients.back().simple("listen everybody");
        clients.back().simple("listen own_" + std::to_string(i));
    }
    // The pool's only server, if there was a need for it, and the one that listens.
    CHECK(fixture.database.backends() <= 2);
    CHECK(listener(fixture, "clients") == "200");
    CHECK(listener(fixture, "channels") == "201");
    Pg direct = fixture.database.connect();
    notify(direct, "own_7", "for one");
    notify(direct, "everybody", "for all");
    CHECK(next(clients[7]).payload == "for one");
    for (auto& client : clients)
        CHECK(next(client).payload == "for all");
    clients.clear();
    wait_until("nobody listens", [&] { return listener(fixture, "channels") == "0"; });
}

TEST_CASE("LISTEN needs no server of the pool" * ours_only()) {
    const Fixture fixture{1, {{"query_wait_timeout", 2}}};
    Pg holder = fixture.connect();
    RawClient client = fixture.raw();
    holder.exec("begin");
    holder.exec("select 1");
    client.simple("listen a");
    CHECK(types(client.simple("unlisten b")) == "CZ");
    Pg direct = fixture.database.connect();
    notify(direct, "a", "x");
    CHECK(next(client).payload == "x");
    holder.exec("commit");
}

TEST_CASE("UNLISTEN of who has never listened needs no server at all" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    fixture.database.terminate();
    wait_until("none is left", [&] { return fixture.database.backends() == 0; });
    CHECK(types(client.simple("unlisten *")) == "CZ");
    CHECK(types(client.simple("unlisten a; unlisten b")) == "CCZ");
    CHECK(fixture.database.backends() == 0);
}

TEST_CASE("the ways to stop listening" * ours_only()) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    RawClient client = fixture.raw();
    const char* const ways[] = {
        "unlisten a",
        "unlisten *",
        "discard all",
        "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;",
        "select 1; unlisten a",
    };
    for (const char* way : ways) {
        CAPTURE(way);
        client.simple("listen a");
        notify(direct, "a", "1");
        CHECK(next(client).payload == "1");
        client.simple(way);
        CHECK(types(client.simple("listen b")) == "CZ");
        notify(direct, "a", "2");
        CHECK(so_far(client, direct, "b") == "");
    }
    // None of it if it fails.
    client.simple("listen a");
    client.simple("unlisten *; select 1/0");
    CHECK(so_far(client, direct, "a") == "");
    client.simple("begin");
    client.simple("select 1; unlisten *");
    client.simple("rollback");
    CHECK(so_far(client, direct, "a") == "");
    CHECK(pins(fixture) == 0);
}

TEST_CASE("LISTEN by the extended protocol" * ours_only()) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    Pg client = fixture.connect();
    CHECK(client.exec("listen a", Parameters{}).tag() == "LISTEN");
    client.prepare("l", "listen b");
    CHECK(client.exec_prepared("l").tag() == "LISTEN");
    client.exec("begin");
    CHECK(client.exec("listen c", Parameters{}).tag() == "LISTEN");
    client.exec("commit", Parameters{});
    const auto expect = [&](const std::string& channel) {
        PGnotify* got = nullptr;
        wait_until("a notification", [&] {
            PQconsumeInput(client.raw());
            return (got = PQnotifies(client.raw())) != nullptr;
        });
        CHECK(std::string(got->relname) == channel);
        PQfreemem(got);
    };
    for (const char* channel : {"a", "b", "c"}) {
        notify(direct, channel);
        expect(channel);
    }
    // libpq tells its own by this.
    client.exec("notify a");
    PGnotify* own = PQnotifies(client.raw());
    REQUIRE(own != nullptr);
    CHECK(own->be_pid == PQbackendPID(client.raw()));
    PQfreemem(own);
    RawClient raw = fixture.raw();
    const auto answer = raw.exchange(
        parse("", "listen a") + bind_message("", "") + describe_portal("") + execute() +
        sync_message()
    );
    CHECK(types(answer) == "12nCZ");
    // The unnamed statement is there, and a named one.
    CHECK(types(raw.exchange(bind_message("", "") + execute() + sync_message())) == "2CZ");
    CHECK(
        types(raw.exchange(
            parse("n", "listen a") + bind_message("", "n") + execute() + sync_message()
        )) == "12CZ"
    );
    CHECK(types(raw.exchange(bind_message("", "n") + execute() + sync_message())) == "2CZ");
    CHECK(pins(fixture) == 0);
}

TEST_CASE("names of channels are PostgreSQL's" * ours_only()) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    RawClient client = fixture.raw();
    const std::string longest(63, 'x');
    client.simple("listen Folded; listen \"As Is\"; listen \"q\"\"q\"; listen " + longest + "yz");
    for (const std::string& channel :
         {std::string("folded"), std::string("As Is"), std::string("q\"q"), longest}) {
        notify(direct, channel, "1");
        CHECK(next(client).channel == channel);
    }
    // What is no text in the database's encoding is refused, and hurts nobody else.
    CHECK(first(client.simple("listen \"\xff\""), 'E').sqlstate() == "22021");
    notify(direct, "folded", "1");
    CHECK(next(client).channel == "folded");
}

TEST_CASE("other clients get nothing, whatever server they have" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw();
    RawClient other = fixture.raw();
    client.simple("listen a");
    Pg direct = fixture.database.connect();
    for (int i = 0; i < 20; ++i) {
        client.simple("select 1");
        notify(direct, "a", std::to_string(i));
        CHECK(types(other.simple("select 1")) == "TDCZ");
        CHECK(other.simple("select count(*) from pg_listening_channels()").at(1).row()[0] == "0");
        client.simple("notify a, 'own'");
    }
    CHECK_FALSE(other.readable_within(std::chrono::milliseconds(200)));
}

TEST_CASE("a lost listening connection is a lost connection" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    RawClient in_block = fixture.raw();
    RawClient other = fixture.raw();
    client.simple("listen a");
    in_block.simple("listen b");
    in_block.simple("begin");
    in_block.simple("select 1");
    CHECK(fixture.database.terminate(listening_backend(fixture)) == 1);
    const auto messages = client.receive_messages_to_end();
    CHECK(first(messages, 'E').sqlstate() == "57P01");
    CHECK(first(messages, 'E').error_field('S') == "FATAL");
    // A transaction is ended first.
    CHECK(types(in_block.simple("select 1")) == "TDCZ");
    CHECK(types(in_block.simple("commit")) == "CZ");
    CHECK(first(in_block.receive_messages_to_end(), 'E').sqlstate() == "57P01");
    CHECK(types(other.simple("select 1")) == "TDCZ");
    // The next one gets a new one.
    CHECK(types(other.simple("listen a")) == "CZ");
    Pg direct = fixture.database.connect();
    notify(direct, "a", "1");
    CHECK(next(other).payload == "1");
}

TEST_CASE("listen_lost = notice: the client is told, and goes on" * ours_only()) {
    const Fixture fixture{2, {{"listen_lost", "notice"}}};
    RawClient client = fixture.raw();
    client.simple("listen a");
    CHECK(fixture.database.terminate(listening_backend(fixture)) == 1);
    const auto notice = client.receive();
    REQUIRE(notice.type == 'N');
    CHECK(notice.error_field('S') == "WARNING");
    CHECK(notice.error_field('M').find("notifications may be missing") != std::string::npos);
    wait_until("it listens again", [&] { return listener(fixture, "state") == "listening"; });
    // Its LISTEN is answered before this one's.
    RawClient second = fixture.raw();
    second.simple("listen a");
    Pg direct = fixture.database.connect();
    notify(direct, "a", "again");
    CHECK(next(client).payload == "again");
    CHECK(next(second).payload == "again");
}

TEST_CASE("who does not read is told, not left out" * ours_only()) {
    const Fixture fixture{2};
    RawClient slow = fixture.raw();
    RawClient quick = fixture.raw();
    slow.simple("listen a");
    quick.simple("listen a");
    Pg direct = fixture.database.connect();
    const std::string fill(7000, 'x');
    constexpr int rounds = 40, each = 50;
    for (int round = 0; round < rounds; ++round) {
        direct.exec(
            "select pg_notify('a', i || '" + fill + "') from generate_series(" +
            std::to_string(round * each) + ", " + std::to_string(round * each + each - 1) + ") i"
        );
        for (int i = 0; i < each; ++i)
            CHECK(std::atoi(next(quick).payload.c_str()) == round * each + i);
    }
    // What has come is without a gap, and then it ends; of the last message there may be a part.
    const std::string bytes = slow.receive_to_end();
    int count = 0;
    for (std::size_t at = 0; at + 5 <= bytes.size();) {
        std::size_t size = 1;
        for (std::size_t i = 1; i <= 4; ++i)
            size += std::size_t{static_cast<unsigned char>(bytes[at + i])} << (32 - 8 * i);
        if (at + size > bytes.size()) break;
        if (bytes[at] == 'A') {
            const auto got = heard({'A', bytes.substr(at + 5, size - 5)});
            CHECK(std::atoi(got.payload.c_str()) == count++);
        }
        at += size;
    }
    CHECK(count > 0);
    CHECK(count < rounds * each);
    CHECK(fixture.proxy.log().find("too many notifications") != std::string::npos);
}

TEST_CASE("in a long transaction, too much is told when it ends" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.simple("listen a");
    client.simple("begin");
    client.simple("select 1");
    Pg direct = fixture.database.connect();
    direct.exec(
        "select pg_notify('a', i || '" + std::string(7000, 'x') +
        "') from generate_series(1, 300) i"
    );
    wait_until("all have come", [&] { return listener(fixture, "notifications") == "300"; });
    CHECK(types(client.simple("select 1")) == "TDCZ");
    CHECK(types(client.simple("commit")) == "CZ");
    CHECK(first(client.receive_messages_to_end(), 'E').sqlstate() == "53400");
}

TEST_CASE("a LISTEN that cannot be had is an error, and fails the transaction" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.simple("select 1");
    const std::string name = fixture.database.name();
    fixture.database.cluster().admin().exec(
        "alter database \"" + name + "\" with allow_connections false"
    );
    const auto refused = client.simple("listen a");
    CHECK(types(refused) == "EZ");
    CHECK(first(refused, 'E').error_field('S') == "ERROR");
    CHECK(first(refused, 'E').sqlstate() == "55000");
    CHECK(types(client.simple("select 1")) == "TDCZ");
    for (const char* before : {"", "select 1"}) {
        client.simple("begin");
        if (*before != '\0') client.simple(before);
        CHECK(client.simple("listen a").back().transaction_status() == 'E');
        CHECK(first(client.simple("select 1"), 'E').sqlstate() == "25P02");
        CHECK(client.simple("commit").front().command_tag() == "ROLLBACK");
    }
    fixture.database.cluster().admin().exec(
        "alter database \"" + name + "\" with allow_connections true"
    );
    CHECK(types(client.simple("listen a")) == "CZ");
}

TEST_CASE("in a failed transaction LISTEN is refused" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.simple("begin");
    client.simple("select 1/0");
    CHECK(first(client.simple("listen a"), 'E').sqlstate() == "25P02");
    client.simple("rollback");
    Pg direct = fixture.database.connect();
    client.simple("listen b");
    notify(direct, "a", "never");
    CHECK(so_far(client, direct, "b") == "");
    CHECK(pins(fixture) == 0);
}

TEST_CASE("PREPARE TRANSACTION after LISTEN is refused as PostgreSQL does" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.simple("listen always");
    client.simple("begin");
    client.simple("listen a");
    client.simple("select 1");
    const auto refused = client.simple("prepare transaction 'x'");
    CHECK(first(refused, 'E').sqlstate() == "0A000");
    CHECK(refused.back().transaction_status() == 'I');
    Pg direct = fixture.database.connect();
    notify(direct, "a", "never");
    CHECK(so_far(client, direct, "always") == "");
}

TEST_CASE("a LISTEN that only the server sees keeps it, and is heard once" * ours_only()) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    RawClient client = fixture.raw();
    client.simple("listen a");
    client.simple("select 1; listen a; listen b");
    CHECK(pins(fixture) == 1);
    notify(direct, "a", "1");
    notify(direct, "b", "2");
    BackendMessages both{client.receive(), client.receive()};
    const auto got = payloads(both);
    CHECK((got == "1 2" || got == "2 1"));
    const auto own = client.simple("notify b, '3'");
    CHECK(payloads(own) == "3");
    for (const auto& message : own) {
        if (message.type == 'A') CHECK(heard(message).pid == client.key_pid());
    }
    CHECK_FALSE(client.readable_within(std::chrono::milliseconds(100)));
    client.simple("unlisten *");
    wait_until("the pin is lifted", [&] { return pins(fixture) == 0; });
    client.simple("listen c");
    notify(direct, "a", "never");
    CHECK(so_far(client, direct, "c") == "");
}

TEST_CASE("RECONNECT ends what listened on the old server" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw();
    client.simple("listen a");
    fixture.proxy.console().exec("RECONNECT");
    CHECK(first(client.receive_messages_to_end(), 'E').sqlstate() == "57P01");
}

TEST_CASE("pg_listening_channels() shows a client's own, and nobody else's" * ours_only()) {
    const Fixture fixture{1};
    const std::string question =
        "select string_agg(c, ' ' order by c) from pg_listening_channels() c";
    Pg client = fixture.connect();
    Pg other = fixture.connect();
    client.exec("listen b; listen \"A a\"");
    other.exec("listen c");
    for (int i = 0; i < 3; ++i) {
        CHECK(client.value(question) == "A a b");
        CHECK(other.value(question, Parameters{}) == "c");
    }
    client.exec("begin");
    client.exec("unlisten b");
    // Not before it is committed.
    CHECK(client.value(question) == "A a b");
    client.exec("commit");
    CHECK(client.value(question) == "A a");
    Pg none = fixture.connect();
    CHECK(none.exec(question).is_null(0, 0));
    CHECK(pins(fixture) == 0);
    // The one that has asked and goes leaves nothing.
    client.send("select pg_sleep(10) from pg_listening_channels()");
    wait_until("it runs", [&] {
        return fixture.database.backends("query like 'select pg_sleep%' and state = 'active'") == 1;
    });
    client.drop();
    CHECK(none.exec(question).is_null(0, 0));
}

TEST_CASE("a client with an encoding of its own listens by its own server" * ours_only()) {
    const Fixture fixture{2};
    RawClient client = fixture.raw({{"client_encoding", "LATIN1"}});
    CHECK(types(client.simple("listen a")) == "CZ");
    CHECK(pins(fixture) == 1);
    Pg direct = fixture.database.connect();
    notify(direct, "a", "\xc3\xa4");
    CHECK(next(client).payload == "\xe4");
}
