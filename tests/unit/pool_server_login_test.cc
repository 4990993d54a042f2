#include "pool/server_login.h"
#include "protocol/message.h"
#include "protocol/scram.h"
#include "tests/unit/support/certificates.h"
#include "tests/unit/support/login_bench.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

using namespace weir;
using namespace weir::protocol;
using namespace weir::test;
using namespace std::chrono_literals;

namespace {

std::string text(const char* characters, std::size_t size) {
    return {characters, size};
}

#define BYTES(literal) text(literal, sizeof(literal) - 1)

std::string written(const MessageWriter& out) {
    return std::string(as_text(out.view()));
}

std::string message(char type, const std::string& body) {
    MessageWriter out;
    out.begin(type).text(body).end();
    return written(out);
}

const std::string ok = BYTES("R\0\0\0\x08\0\0\0\0");
const std::string ready = BYTES("Z\0\0\0\5I");
const std::string key_data = BYTES(
    "K\0\0\0\x0c\0\0\0\x07"
    "abcd"
);

std::string parameter(const std::string& name, const std::string& value) {
    return message('S', name + '\0' + value + '\0');
}

std::string authentication(std::uint32_t method, const std::string& data) {
    MessageWriter out;
    out.begin('R').u32(method).text(data).end();
    return written(out);
}

// A listening socket whose connections the test answers, and one login to it.
class ServerBench : public Bench {
public:
    explicit ServerBench(bool over_unix = false) {
        address.storage.ss_family = over_unix ? AF_UNIX : AF_INET;
        if (over_unix) {
            std::string pattern = "/tmp/weir-unit-server.XXXXXX";
            directory = ::mkdtemp(pattern.data());
            address = *pool::SocketAddress::unix_socket(pool::unix_socket_path(directory, 5432));
            target.host = directory;
        } else {
            auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
            v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            address.size = sizeof *v4;
            target.host = "127.0.0.1";
        }
        listening = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (::bind(listening, address.get(), address.size) != 0 || ::listen(listening, 8) != 0) {
            throw std::runtime_error("no listening socket");
        }
        if (!over_unix) target.port = pool::SocketAddress::local_of(listening).port();
        target.database = "shop";
        target.user = "bob";
    }

    ~ServerBench() {
        ::close(listening);
        run_until([this] { return !running; });
        if (!directory.empty()) std::filesystem::remove_all(directory);
    }

    void start(std::chrono::milliseconds timeout = 10s) {
        outcome.reset();
        running = true;
        auto script = log_in(pool::Clock::now() + timeout);
        asio::co_spawn(io, std::move(script), asio::detached);
    }

    // The next connection to the scripted server.
    int accept() {
        int fd = -1;
        run_until([&] {
            fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            return fd >= 0 || !running;
        });
        return fd;
    }

    // What the login came to.
    Result<pool::LoggedInServer>& result() {
        run_until([this] { return !running; });
        if (!outcome) throw std::runtime_error("the login did not end");
        return *outcome;
    }

    Error failure() {
        auto& ended = result();
        REQUIRE(ended.has_error());
        return ended.error();
    }

    void use_tls(conf::SslMode mode, const std::string& ca_file) {
        pool::TlsSettings settings;
        settings.mode = mode;
        settings.ca_file = ca_file;
        target.tls = *pool::TlsContext::for_servers(settings);
    }

    pool::ServerTarget target;
    pool::ServerCredentials credentials;
    pool::ServerLogin login{threads};
    pool::SocketAddress address;
    std::string directory;
    int listening = -1;
    bool running = false;
    std::optional<Result<pool::LoggedInServer>> outcome;

private:
    asio::awaitable<void> log_in(pool::Clock::time_point deadline) {
        auto ended = co_await login.log_in(target, credentials, deadline);
        outcome.emplace(std::move(ended));
        running = false;
    }
};

// The startup packet `client` sends, parsed.
StartupMessage read_startup(Peer& client) {
    const auto header = client.receive(4);
    REQUIRE(header.size() == 4);
    const auto size = startup_packet_size(as_bytes(header));
    REQUIRE(size.has_value());
    const auto whole = header + client.receive(*size - 4);
    const auto packet = parse_startup_packet(as_bytes(whole));
    REQUIRE(packet.has_value());
    return std::get<StartupMessage>(*packet);
}

}  // namespace

TEST_CASE("Server login: trust; parameters in order, the key, notices swallowed") {
    for (const bool over_unix : {false, true}) {
        ServerBench bench(over_unix);
        bench.target.startup_parameters = {{"client_encoding", "UTF8"}};
        bench.start();
        Peer server(bench, bench.accept());
        const auto startup = read_startup(server);
        CHECK(startup.user == "bob");
        CHECK(startup.database == "shop");
        CHECK(startup.parameters == Settings{{"client_encoding", "UTF8"}});
        CHECK(startup.version == ProtocolVersion{3, 0});
        const auto notice = message('N', BYTES("SNOTICE\0C00000\0Mhello\0\0"));
        const auto whole = notice + ok + parameter("a", "1") + notice + parameter("b", "2") +
                           key_data + parameter("a", "3") + ready + "later";
        for (const char c : whole) {
            server.send({&c, 1});
            bench.io.restart();
            bench.io.poll();
        }
        auto& result = bench.result();
        REQUIRE(result.has_value());
        CHECK(result->parameters == Settings{{"a", "3"}, {"b", "2"}});
        CHECK(result->cancel_key == CancelKey{7, "abcd"});
        CHECK(result->address == (over_unix ? "unix" : "127.0.0.1"));
        CHECK(result->port == (over_unix ? 0 : bench.target.port));
        CHECK(result->tls_text.empty());
        CHECK(result->transport);
    }
}

TEST_CASE("Server login: hostile and broken servers") {
    struct Row {
        std::string name;
        std::string bytes;  // after the startup packet, then the server closes
        std::string code;
        std::string message;
    };

    const auto sasl = authentication(10, BYTES("SCRAM-SHA-256\0\0"));
    const Row rows[] = {
        {"its own error",
         message('E', BYTES("SFATAL\0VFATAL\0C3D000\0Mno database\0\0")),
         "3D000",
         "no database"},
        {"an error after AuthenticationOk",
         ok + message('E', BYTES("SFATAL\0C53300\0Mfull\0\0")),
         "53300",
         "full"},
        {"an error without SQLSTATE", message('E', BYTES("SFATAL\0Mboo\0\0")), "XX000", "boo"},
        {"an empty error", message('E', BYTES("\0")), "XX000", "without a message"},
        {"a broken error", message('E', BYTES("SFATAL\0Mboo")), "08P01", "ErrorResponse"},
        {"closes at once", "", "08006", "unexpected eof"},
        {"closes inside a message", ok.substr(0, 7), "08006", "unexpected eof"},
        {"frame of length 3", BYTES("R\0\0\0\3"), "08P01", "bad packet header"},
        {"frame of 1 GB", BYTES("R\x40\0\0\0"), "08P01", "bad packet header"},
        {"frame of 4 GB", BYTES("R\xff\xff\xff\xff"), "08P01", "bad packet header"},
        {"ReadyForQuery first", ready, "08P01", "unexpected message type"},
        {"unknown message", ok + message('~', ""), "08P01", "unexpected message type"},
        {"a row", ok + message('D', BYTES("\0\0")), "08P01", "unexpected message type"},
        {"negotiation nobody asked for",
         message('v', BYTES("\0\3\0\0\0\0\0\0")),
         "08P01",
         "unexpected message type"},
        {"in a transaction", ok + key_data + BYTES("Z\0\0\0\5T"), "08P01", "inside a transaction"},
        {"broken status", ok + BYTES("Z\0\0\0\5?"), "08P01", "ReadyForQuery"},
        {"key of 3 bytes", ok + BYTES("K\0\0\0\x0b\0\0\0\1abc"), "08P01", "BackendKeyData"},
        {"key of 257 bytes",
         ok + message('K', BYTES("\0\0\0\1") + std::string(257, 'k')),
         "08P01",
         "BackendKeyData"},
        {"Kerberos", authentication(2, ""), "08P01", "not supported"},
        {"SASL without a known mechanism",
         authentication(10, BYTES("OTHER\0\0")),
         "08P01",
         "no SASL mechanism"},
        {"SASL continued before it began", authentication(11, "r=x"), "08P01", "not supported"},
        {"AuthenticationOk instead of the SCRAM challenge",
         sasl + ok + key_data + ready,
         "08P01",
         "SASL out of order"},
        {"md5 salt too long", authentication(5, "12345"), "08P01", "MD5Password"},
        {"asks twice",
         authentication(5, "1234") + authentication(5, "1234"),
         "08P01",
         "a second time"},
        {"floods", ok, "08P01", "too much"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        ServerBench bench;
        bench.credentials.password = "secret";
        bench.start();
        Peer server(bench, bench.accept());
        read_startup(server);
        server.send(row.bytes);
        if (row.name == "floods") {
            for (int i = 0; i < 40; ++i)
                server.send(parameter("p", std::string(60000, 'x')));
        }
        if (row.code == "08006") server.close();
        const auto error = bench.failure();
        CAPTURE(error.message);
        const auto where = error.message + " " + error.detail;
        CHECK(error.code.text() == row.code);
        CHECK(where.find(row.message) != std::string::npos);
    }
}

TEST_CASE("Server login: clear text only where nobody listens, or where it is allowed") {
    ServerBench bench(true);
    bench.credentials.password = "secret";
    bench.start();
    Peer server(bench, bench.accept());
    read_startup(server);
    server.send(authentication(3, ""));
    CHECK(server.receive_message() == message('p', BYTES("secret\0")));
    server.send(ok + key_data + ready);
    CHECK(bench.result().has_value());
}

TEST_CASE("Server login: md5 with a password and with its secret; other secrets are of no use") {
    const auto secret = *md5_secret("bob", "secret");
    for (const std::string& password : {std::string("secret"), secret}) {
        ServerBench bench;
        bench.credentials.password = password;
        bench.start();
        Peer server(bench, bench.accept());
        read_startup(server);
        server.send(authentication(5, "1234"));
        const Md5Salt salt{std::byte{'1'}, std::byte{'2'}, std::byte{'3'}, std::byte{'4'}};
        CHECK(server.receive_message() == message('p', *md5_response(secret, salt) + '\0'));
        server.send(ok + ready);
        CHECK(bench.result().has_value());
    }
    for (const auto& [method, data] :
         {std::pair(3, std::string()), std::pair(10, BYTES("SCRAM-SHA-256\0\0"))}) {
        ServerBench bench;
        bench.credentials.password = secret;
        bench.start();
        Peer server(bench, bench.accept());
        read_startup(server);
        server.send(authentication(static_cast<std::uint32_t>(method), data));
        CHECK(bench.failure().code == sqlstate::invalid_password);
        CHECK(bench.failure().message.find("wrong password type") != std::string::npos);
    }
}

namespace {

enum class Lie { none, signature, no_final, nonce, salt, iterations, long_nonce };

// The server's side of SCRAM; true if it went to the end.
void serve_scram(Peer& server, const ScramSecret& secret, Lie lie) {
    read_startup(server);
    server.send(authentication(10, BYTES("SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")));
    const auto initial = server.receive_message();
    REQUIRE(initial.size() > 5);
    const auto parsed = parse_sasl_initial_response(as_bytes(initial).subspan(5));
    REQUIRE(parsed.has_value());
    CHECK(parsed->mechanism == "SCRAM-SHA-256");
    ScramServer scram("servernonce");
    const auto salt = lie == Lie::salt ? std::string("another salt") : secret.salt;
    auto challenge = scram.challenge(*parsed->initial_response, salt, secret.iterations);
    REQUIRE(challenge.has_value());
    if (lie == Lie::nonce) challenge->replace(2, 3, "XXX");
    if (lie == Lie::iterations) challenge->replace(challenge->find(",i="), 7, ",i=2147483648");
    if (lie == Lie::long_nonce) challenge->insert(challenge->find(",s="), 5000, 'n');
    server.send(authentication(11, *challenge));
    const auto answer = server.receive_message();
    if (answer.empty()) return;
    REQUIRE(scram.take_final(answer.substr(5)).has_value());
    auto final_message = scram.verify(secret);
    REQUIRE(final_message.has_value());
    if (lie == Lie::signature) final_message = "v=" + base64_encode(sha256(as_bytes("lie")));
    if (lie != Lie::no_final) server.send(authentication(12, *final_message));
    server.send(ok + key_data + ready);
}

}  // namespace

TEST_CASE("Server login: SCRAM with a password, and with learnt keys alone") {
    const auto keys = *scram_keys("secret", "0123456789abcdef", 4096);
    for (const bool by_keys : {false, true}) {
        ServerBench bench;
        if (by_keys) {
            bench.credentials.scram_keys = keys;
            bench.credentials.password = keys.secret().text();
        } else {
            bench.credentials.password = "secret";
        }
        for (int round = 0; round < 2; ++round) {
            bench.start();
            Peer server(bench, bench.accept());
            serve_scram(server, keys.secret(), Lie::none);
            CHECK(bench.result().has_value());
        }
    }
}

TEST_CASE("Server login: a SCRAM server that does not know the secret is refused") {
    const auto keys = *scram_keys("secret", "0123456789abcdef", 4096);
    const std::pair<Lie, const char*> rows[] = {
        {Lie::signature, "invalid server signature"},
        {Lie::no_final, "SASL out of order"},
        {Lie::nonce, "invalid SCRAM nonce"},
        {Lie::salt, "another SCRAM secret"},
        {Lie::iterations, "excessive SCRAM iteration count"},
        {Lie::long_nonce, "SCRAM message too long"},
    };
    for (const auto& [lie, expected] : rows) {
        CAPTURE(std::string(expected));
        ServerBench bench;
        bench.credentials.scram_keys = keys;
        bench.start();
        Peer server(bench, bench.accept());
        serve_scram(server, keys.secret(), lie);
        CHECK(bench.failure().message.find(expected) != std::string::npos);
    }
}

TEST_CASE("Server login: a silent server, a refused connection, a name that does not exist") {
    {
        ServerBench bench;
        bench.start(200ms);
        Peer server(bench, bench.accept());
        CHECK(bench.failure().message == "connect timeout");
    }
    {
        ServerBench bench;
        ::close(std::exchange(bench.listening, -1));
        bench.start();
        CHECK(bench.failure().code == sqlstate::cannot_connect);
        CHECK(bench.failure().message == "connect failed");
    }
    {
        ServerBench bench;
        bench.target.host = "no-such-host.invalid";
        bench.start();
        CHECK(bench.failure().message == "server DNS lookup failed");
    }
    {
        ServerBench bench;
        bench.target.host = "localhost";  // ::1 first, perhaps; the server is on 127.0.0.1 only
        bench.start();
        Peer server(bench, bench.accept());
        read_startup(server);
        server.send(ok + ready);
        CHECK(bench.result().has_value());
    }
}

TEST_CASE("Server login: TLS refused, injected, or answered with nonsense") {
    const auto& files = Certificates::shared();
    const std::string ssl_request = BYTES("\0\0\0\x08\x04\xd2\x16\x2f");

    struct Row {
        conf::SslMode mode;
        std::string answer;
        std::string message;
    };
    using enum conf::SslMode;
    const Row rows[] = {
        {require, "N", "server refused TLS"},
        {verify_ca, "N", "server refused TLS"},
        {verify_full, "N", "server refused TLS"},
        {require, "Sx", "received unencrypted data after SSL response"},
        {prefer, "Nx", "received unencrypted data after SSL response"},
        {require, "E", "invalid response to SSLRequest"},
        {prefer, "R", "invalid response to SSLRequest"},
        {require, "S", "TLS handshake with the server failed"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.answer);
        ServerBench bench;
        bench.use_tls(row.mode, files.ca_file);
        bench.start();
        Peer server(bench, bench.accept());
        CHECK(server.receive(8) == ssl_request);
        server.send(row.answer);
        if (row.answer == "S") {
            CHECK(server.receive(1) == "\x16");  // its ClientHello: the answer has been taken
            server.send(std::string(200, 'x'));
        }
        CHECK(bench.failure().message == row.message);
    }
    ServerBench bench;
    bench.use_tls(prefer, files.ca_file);
    bench.start();
    Peer server(bench, bench.accept());
    CHECK(server.receive(8) == ssl_request);
    server.send("N");
    read_startup(server);
    server.send(ok + ready);
    CHECK(bench.result().has_value());
}

TEST_CASE("Server login: allow tries without TLS first and then with, as the server wishes") {
    ServerBench bench;
    bench.use_tls(conf::SslMode::allow, Certificates::shared().ca_file);
    bench.start();
    {
        Peer plain(bench, bench.accept());
        read_startup(plain);
        plain.send(message('E', BYTES("SFATAL\0C28000\0Mno pg_hba.conf entry\0\0")));
        CHECK(plain.receive_all().empty());
    }
    Peer second(bench, bench.accept());
    CHECK(second.receive(8) == BYTES("\0\0\0\x08\x04\xd2\x16\x2f"));
    second.close();
    CHECK(bench.failure().message == "no pg_hba.conf entry");
}

TEST_CASE("Server login: send_cancel sends the key and returns at the end of that connection") {
    ServerBench bench;
    bool done = false;
    const auto send = [](ServerBench& own, bool& ended) -> asio::awaitable<void> {
        CancelKey key{7, std::string(32, 'k')};
        auto sent = co_await own.login.send_cancel(
            own.target, std::move(key), false, pool::Clock::now() + 10s
        );
        CHECK(sent.has_value());
        ended = true;
    };
    auto sending = send(bench, done);
    bench.running = true;
    asio::co_spawn(bench.io, std::move(sending), asio::detached);
    Peer server(bench, bench.accept());
    CHECK(server.receive(44) == BYTES("\0\0\0\x2c\x04\xd2\x16\x2e\0\0\0\7") + std::string(32, 'k'));
    CHECK_FALSE(bench.run_until([&] { return done; }, 50ms));
    server.close();
    CHECK(bench.run_until([&] { return done; }));
    bench.running = false;
}
