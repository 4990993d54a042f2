#include "protocol/message.h"
#include "tests/unit/support/client_login_bench.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <random>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;

TEST_CASE("Client login: trust, with everything the session needs to know") {
    LoginBench bench;
    test::Peer client(bench, bench.connect());
    client.send(
        startup(
            {{"user", "bob"},
             {"database", "shop"},
             {"application_name", "psql"},
             {"options", "-c work_mem=1MB"}}
        ) +
        message('Q', BYTES("select 1\0"))
    );
    CHECK(client.receive(9) == authentication_ok);
    REQUIRE(bench.settled());
    REQUIRE(bench.delivered.size() == 1);
    auto& logged_in = bench.delivered[0];
    CHECK(logged_in.user == "bob");
    CHECK(logged_in.database == "shop");
    CHECK(logged_in.settings == Settings{{"work_mem", "1MB"}, {"application_name", "psql"}});
    CHECK(logged_in.version == ProtocolVersion{3, 0});
    CHECK(logged_in.address == "127.0.0.1");
    CHECK(logged_in.port > 0);
    CHECK(logged_in.local_port > 0);
    CHECK_FALSE(logged_in.unix_socket);
    CHECK(logged_in.tls_text.empty());
    CHECK(bench.permits == 1);
    // The query travelled with the startup packet and waits for the session.
    CHECK(logged_in.transport.unread() == message('Q', BYTES("select 1\0")));
    // The descriptor is the session's: open, and unknown to Asio.
    CHECK(logged_in.transport.write(as_bytes("x")).status == pool::IoStatus::ok);
    bench.delivered.clear();
    CHECK(bench.permits == 0);
}

TEST_CASE("Client login: startup and password byte by byte") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::plain;
    test::Peer client(bench, bench.connect());
    for (const char c : startup({{"user", "bob"}})) {
        client.send({&c, 1});
        bench.io.restart();
        bench.io.poll();
    }
    CHECK(client.receive(9) == BYTES("R\0\0\0\x08\0\0\0\3"));
    for (const char c : message('p', BYTES("secret\0"))) {
        client.send({&c, 1});
        bench.io.restart();
        bench.io.poll();
    }
    CHECK(client.receive(9) == authentication_ok);
    REQUIRE(bench.settled());
    CHECK(bench.delivered.size() == 1);
}

TEST_CASE("Client login: hostile startup packets are refused") {
    struct Row {
        std::string name;
        std::string bytes;
        const char* code;  // "" = closed without a word
    };

    const auto user_bob = BYTES("user\0bob\0");
    const Row rows[] = {
        {"start-len0", BYTES("\0\0\0\0"), "08P01"},
        {"start-len3", BYTES("\0\0\0\3"), "08P01"},
        {"start-len4", BYTES("\0\0\0\4"), "08P01"},
        {"start-len7", BYTES("\0\0\0\7\0\3\0"), "08P01"},
        {"start-len-neg", BYTES("\xff\xff\xff\xf0\0\3\0\0"), "08P01"},
        {"start-len-2^31-1", BYTES("\x7f\xff\xff\xff\0\3\0\0"), "08P01"},
        {"start-len-10001", BYTES("\0\0\x27\x11\0\3\0\0"), "08P01"},
        {"start-http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "08P01"},
        {"start-ssh", "SSH-2.0-OpenSSH_9.2\r\n", "08P01"},
        {"start-tls-hello-raw", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "08P01"},
        {"start-ver2", packet(BYTES("\0\2\0\0") + user_bob + BYTES("\0")), "0A000"},
        {"start-ver4", packet(BYTES("\0\4\0\0") + user_bob + BYTES("\0")), "0A000"},
        {"start-ver-garbage", packet(BYTES("\xde\xad\xbe\xef") + user_bob + BYTES("\0")), "0A000"},
        {"start-no-terminator", packet(version_3_0 + user_bob), "08P01"},
        {"start-no-user", packet(version_3_0 + BYTES("database\0d\0\0")), "28000"},
        {"start-empty-user", packet(version_3_0 + BYTES("user\0\0\0")), "28000"},
        {"start-odd-params", packet(version_3_0 + user_bob + BYTES("database\0\0")), "08P01"},
        {"start-bytes-after-term", packet(version_3_0 + user_bob + BYTES("\0zz")), "08P01"},
        {"start-user-200KB-name",
         packet(version_3_0 + BYTES("user\0") + std::string(200000, 'u')),
         "08P01"},
        {"start-cancel-short", packet(BYTES("\x04\xd2\x16\x2e\0\0\0\1")), "08P01"},
        {"start-cancel-long",
         packet(BYTES("\x04\xd2\x16\x2e\0\0\0\1") + std::string(3000, 'k')),
         "08P01"},
        {"start-query-before-startup", message('Q', BYTES("select 1\0")), "08P01"},
        {"start-x-then-eof", message('X', ""), "08P01"},
        {"half a startup", startup({{"user", "bob"}}).substr(0, 9), ""},
        {"silent", "", ""},
        {"replication", startup({{"user", "bob"}, {"replication", "database"}}), "0A000"},
        {"inj-param-name", startup({{"user", "bob"}, {"a; drop table x", "1"}}), "42704"},
        {"options", startup({{"user", "bob"}, {"options", "-x"}}), "0A000"},
        {"unknown user", startup({{"user", "alice"}}), "28000"},
        {"missing database", startup({{"user", "bob"}, {"database", "missing"}}), "3D000"},
        {"tls-inject-cve-2021-23214", ssl_request() + startup({{"user", "bob"}}), "08P01"},
        {"gssenc-inject", gssenc_request() + startup({{"user", "bob"}}), "08P01"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        LoginBench bench;
        test::Peer client(bench, bench.connect());
        client.send(row.bytes);
        client.half_close();
        CHECK(error_code(client.receive_all()) == row.code);
        CHECK(client.closed);
        CHECK(bench.settled());
        CHECK(bench.delivered.empty());
        CHECK(bench.permits == 0);
    }
}

TEST_CASE("Client login: PgBouncer's texts where it has one") {
    const std::pair<std::string, const char*> rows[] = {
        {ssl_request() + "x", "received unencrypted data after SSL request"},
        {gssenc_request() + "x", "received unencrypted data after GSSAPI encryption request"},
        {packet(version_3_0 + BYTES("\0")), "no username supplied"},
        {packet(version_3_0 + BYTES("user\0b\0")),
         "invalid startup packet layout: expected terminator as last byte"},
        {startup({{"user", "alice"}}), "\"trust\" authentication failed"},
        {startup({{"user", "bob"}, {"options", "-x"}}),
         "unsupported options startup parameter: only '-c config=val' and '--config=val' are "
         "allowed"},
    };
    for (const auto& [bytes, expected] : rows) {
        CAPTURE(expected);
        LoginBench bench;
        test::Peer client(bench, bench.connect());
        client.send(bytes);
        CHECK(contains(client.receive_all(), BYTES("\0M") + expected));
    }
}

TEST_CASE("Client login: requests for encryption without TLS here, in either order, once each") {
    for (const auto& [first, second] :
         {std::pair(ssl_request(), gssenc_request()), std::pair(gssenc_request(), ssl_request())}) {
        LoginBench bench;
        test::Peer client(bench, bench.connect());
        client.send(first);
        CHECK(client.receive(1) == "N");
        client.send(second);
        CHECK(client.receive(1) == "N");
        client.send(startup({{"user", "bob"}}));
        CHECK(client.receive(9) == authentication_ok);
    }
    for (const auto& request : {ssl_request(), gssenc_request()}) {
        LoginBench bench;
        test::Peer client(bench, bench.connect());
        client.send(request);
        CHECK(client.receive(1) == "N");
        client.send(request);
        CHECK(error_code(client.receive_all()) == "08P01");
    }
}

TEST_CASE("Client login: protocol negotiation is told once, before authentication") {
    LoginBench bench;
    test::Peer client(bench, bench.connect());
    client.send(startup({{"user", "bob"}, {"_pq_.grease", "1"}}, {3, 9999}));
    const auto negotiated = BYTES("v\0\0\0\x18\0\3\0\2\0\0\0\1_pq_.grease\0");
    CHECK(client.receive(negotiated.size()) == negotiated);
    CHECK(client.receive(9) == authentication_ok);
    REQUIRE(bench.settled());
    CHECK(bench.delivered.at(0).version == ProtocolVersion{3, 2});
    CHECK(bench.delivered.at(0).settings.empty());
}

TEST_CASE("Client login: cancel requests, short and long keys, bytes behind them ignored") {
    for (const auto& key : {CancelKey{5, "abcd"}, CancelKey{-5, std::string(256, 'k')}}) {
        LoginBench bench;
        test::Peer client(bench, bench.connect());
        MessageWriter out;
        write_cancel_request(key, out);
        client.send(written(out) + "extra");
        CHECK(client.receive_all().empty());
        CHECK(client.closed);
        REQUIRE(bench.settled());
        REQUIRE(bench.cancels.size() == 1);
        CHECK(bench.cancels[0] == key);
    }
}

TEST_CASE("Client login: no room is told before authentication, and the permit comes back") {
    LoginBench bench;
    bench.full = true;
    test::Peer client(bench, bench.connect());
    client.send(startup({{"user", "nobody"}}));
    CHECK(error_code(client.receive_all()) == "53300");
}

TEST_CASE("Client login: one deadline for everything; slow clients cost nobody else anything") {
    LoginBench bench;
    bench.settings->client_login_timeout = 300ms;
    std::vector<std::unique_ptr<test::Peer>> slow;
    for (int i = 0; i < 100; ++i) {
        slow.push_back(std::make_unique<test::Peer>(bench, bench.connect()));
        // Silent, half a length, half a packet, and at the password.
        const auto whole = startup({{"user", "bob"}});
        slow.back()->send(whole.substr(0, i % 3 == 0 ? 0 : i % 3 == 1 ? 2 : 9));
    }
    test::Peer good(bench, bench.connect());
    good.send(startup({{"user", "bob"}}));
    CHECK(good.receive(9) == authentication_ok);
    CHECK(bench.run_until([&] { return bench.logins.under_way() == 100; }));
    for (const auto& client : slow) {
        const auto told = client->receive_all();
        CHECK(client->closed);
        CHECK(error_code(told) == "57014");
        CHECK(contains(told, "client_login_timeout"));
        client->close();
    }
    CHECK(bench.settled());
}

TEST_CASE("Client login: the owner of the process enters the console over the Unix socket") {
    LoginBench bench;
    bench.settings->auth_type = conf::AuthType::scram_sha_256;
    for (const char* name : {"pgbouncer", "pgweir"}) {
        test::Peer client(bench, bench.connect_unix());
        client.send(startup({{"user", name}, {"database", "pgbouncer"}}));
        CHECK(client.receive(9) == authentication_ok);
        REQUIRE(bench.settled());
        CHECK(bench.delivered.back().owner);
        CHECK(bench.delivered.back().console);
        CHECK(bench.delivered.back().unix_socket);
        CHECK(bench.delivered.back().address == "unix");
    }
    // Not over TCP, not under another name, not for another database.
    const Settings others[] = {
        {{"user", "bob"}, {"database", "pgbouncer"}},
        {{"user", "pgbouncer"}, {"database", "shop"}}};
    for (const auto& parameters : others) {
        test::Peer client(bench, bench.connect_unix());
        client.send(startup(parameters));
        CHECK(client.receive(1) == "R");
        CHECK(client.receive(8) == BYTES("\0\0\0\x17\0\0\0\x0a"));
    }
    test::Peer client(bench, bench.connect());
    client.send(startup({{"user", "pgbouncer"}, {"database", "pgbouncer"}}));
    CHECK(client.receive(9) == BYTES("R\0\0\0\x17\0\0\0\x0a"));
}

TEST_CASE("Client login: random bytes, and connections that leave at once") {
    LoginBench bench;
    std::mt19937 random(3);
    for (int round = 0; round < 300; ++round) {
        test::Peer client(bench, bench.connect());
        if (round % 3 == 0) continue;
        std::string bytes(random() % 300, '\0');
        for (char& c : bytes)
            c = static_cast<char>(random());
        if (round % 3 == 1) bytes = packet(version_3_0 + bytes);
        client.send(bytes);
        client.half_close();
        client.receive_all();
        CHECK(client.closed);
    }
    CHECK(bench.settled());
    CHECK(bench.delivered.empty());
}

namespace {

// A client with TLS: a coroutine on the same thread that does what `script` says after the
// handshake. How the handshake went is in `outcome`.
struct TlsClient {
    explicit TlsClient(LoginBench& bench_) : bench(bench_) {}

    asio::awaitable<void> run(
        int descriptor, bool direct, std::string to_send, std::size_t replies
    ) {
        pool::ControlStream stream(
            bench.io.get_executor(), pool::Transport(descriptor), pool::Clock::now() + 10s
        );
        if (!direct) {
            const auto request = ssl_request();
            const auto bytes = as_bytes(request);
            (void)co_await stream.write(bytes);
            (void)co_await stream.fill();
            answer = std::exchange(stream.unread(), {});
        }
        auto put = context->connect(stream.transport(), "127.0.0.1");
        if (!alpn) SSL_set_alpn_protos(stream.transport().tls(), nullptr, 0);
        if (max_version != 0) {
            SSL_set_min_proto_version(stream.transport().tls(), TLS1_VERSION);
            SSL_set_max_proto_version(stream.transport().tls(), max_version);
        }
        auto shaken = co_await stream.handshake();
        handshake_ok = shaken.has_value();
        if (handshake_ok) {
            const auto bytes = as_bytes(to_send);
            (void)co_await stream.write(bytes);
            while (stream.unread().size() < replies) {
                auto more = co_await stream.fill();
                if (!more) break;
            }
            received = stream.unread();
        }
        done = true;
    }

    bool start(int descriptor, bool direct, std::string to_send, std::size_t replies) {
        pool::TlsSettings own;
        own.mode = mode;
        own.ca_file = ca_file;
        own.cert_file = cert_file;
        own.key_file = cert_file.empty() ? "" : test::Certificates::shared().key_file;
        context = *pool::TlsContext::for_servers(own);
        auto script = run(descriptor, direct, std::move(to_send), replies);
        asio::co_spawn(bench.io, std::move(script), asio::detached);
        return bench.run_until([this] { return done; });
    }

    LoginBench& bench;
    std::shared_ptr<const pool::TlsContext> context;
    conf::SslMode mode = conf::SslMode::verify_full;
    std::string ca_file = test::Certificates::shared().ca_file;
    std::string cert_file;
    bool alpn = true;
    int max_version = 0;
    bool done = false;
    bool handshake_ok = false;
    std::string answer;
    std::string received;
};

}  // namespace

TEST_CASE("Client login: TLS by SSLRequest; startup, password and first query in one record") {
    LoginBench bench;
    bench.use_tls(conf::SslMode::require);
    TlsClient client(bench);
    const auto query = message('Q', BYTES("select 1\0"));
    REQUIRE(client.start(bench.connect(), false, startup({{"user", "bob"}}) + query, 9));
    CHECK(client.answer == "S");
    CHECK(client.handshake_ok);
    CHECK(client.received == authentication_ok);
    REQUIRE(bench.settled());
    CHECK(bench.delivered.at(0).tls_text.starts_with("TLSv1.3/TLS_"));
    CHECK(bench.delivered.at(0).transport.is_tls());
    CHECK(bench.delivered.at(0).transport.unread() == query);
}

TEST_CASE("Client login: direct TLS with ALPN, and none without") {
    LoginBench bench;
    bench.use_tls(conf::SslMode::prefer);
    TlsClient client(bench);
    REQUIRE(client.start(bench.connect(), true, startup({{"user", "bob"}}), 9));
    CHECK(client.received == authentication_ok);
    TlsClient without(bench);
    without.alpn = false;
    REQUIRE(without.start(bench.connect(), true, startup({{"user", "bob"}}), 9));
    CHECK(error_code(without.received) == "08P01");
}

TEST_CASE("Client login: TLS demanded, old versions, foreign certificates, encryption twice") {
    LoginBench bench;
    bench.use_tls(conf::SslMode::require);
    SUBCASE("plain clients are refused") {
        test::Peer client(bench, bench.connect());
        client.send(startup({{"user", "bob"}}));
        const auto told = client.receive_all();
        CHECK(error_code(told) == "28000");
        CHECK(contains(told, "SSL required"));
    }
    SUBCASE("but not on the Unix socket, which has no TLS") {
        test::Peer client(bench, bench.connect_unix());
        client.send(ssl_request());
        CHECK(client.receive(1) == "N");
        client.send(startup({{"user", "bob"}}));
        CHECK(client.receive(9) == authentication_ok);
    }
    SUBCASE("TLS 1.1") {
        TlsClient client(bench);
        client.max_version = TLS1_1_VERSION;
        REQUIRE(client.start(bench.connect(), false, "", 0));
        CHECK_FALSE(client.handshake_ok);
    }
    SUBCASE("plain text after the answer") {
        test::Peer client(bench, bench.connect());
        client.send(ssl_request());
        CHECK(client.receive(1) == "S");
        client.send(startup({{"user", "bob"}}));
        CHECK_FALSE(contains(client.receive_all(), authentication_ok));
        CHECK(client.closed);
    }
    SUBCASE("SSLRequest inside TLS") {
        TlsClient client(bench);
        REQUIRE(client.start(bench.connect(), false, ssl_request(), 1));
        CHECK(error_code(client.received) == "08P01");
    }
    SUBCASE("verify-full: no certificate, the right one") {
        bench.use_tls(conf::SslMode::verify_full, true);
        TlsClient without(bench);
        REQUIRE(without.start(bench.connect(), false, startup({{"user", "bob"}}), 9));
        CHECK(without.received.empty());
        TlsClient with(bench);
        with.cert_file = test::Certificates::shared().cert_file;
        REQUIRE(with.start(bench.connect(), false, startup({{"user", "bob"}}), 9));
        CHECK(with.received == authentication_ok);
    }
    CHECK(bench.settled());
}
