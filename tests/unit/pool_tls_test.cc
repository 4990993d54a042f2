#include "pool/io/control_stream.h"
#include "pool/io/tls.h"
#include "tests/unit/support/certificates.h"
#include "tests/unit/support/login_bench.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;

namespace {

const Certificates& files() {
    return Certificates::shared();
}

pool::TlsSettings server_side() {
    pool::TlsSettings settings;
    settings.mode = conf::SslMode::require;
    settings.cert_file = files().cert_file;
    settings.key_file = files().key_file;
    return settings;
}

pool::TlsSettings client_side(conf::SslMode mode, const std::string& ca_file) {
    pool::TlsSettings settings;
    settings.mode = mode;
    settings.ca_file = ca_file;
    return settings;
}

struct End {
    std::string error;
    std::string tls_text;
    bool postgresql = false;
    bool done = false;
};

asio::awaitable<void> shake(pool::ControlStream& stream, End& end) {
    auto shaken = co_await stream.handshake();
    if (!shaken) {
        end.error = shaken.error().message + ": " + shaken.error().detail;
    } else {
        end.tls_text = pool::tls_text(stream.transport());
        end.postgresql = pool::negotiated_postgresql(stream.transport());
    }
    end.done = true;
}

// Both ends of one handshake; the second reaches the server as `host`.
std::pair<End, End> handshake(
    const pool::TlsSettings& server, const pool::TlsSettings& client, const std::string& host
) {
    Bench bench;
    const auto [near, far] = tcp_pair();
    End accepting, connecting;
    {
        pool::ControlStream left(
            bench.io.get_executor(), pool::Transport(far), pool::Clock::now() + 10s
        );
        pool::ControlStream right(
            bench.io.get_executor(), pool::Transport(near), pool::Clock::now() + 10s
        );
        const auto server_context = *pool::TlsContext::for_clients(server);
        const auto client_context = *pool::TlsContext::for_servers(client);
        REQUIRE(server_context->accept(left.transport()).has_value());
        REQUIRE(client_context->connect(right.transport(), host).has_value());
        auto one = shake(left, accepting);
        auto other = shake(right, connecting);
        asio::co_spawn(bench.io, std::move(one), asio::detached);
        asio::co_spawn(bench.io, std::move(other), asio::detached);
        bench.run_until([&] { return connecting.done; });
        // The other end may still wait for bytes that never come.
        right.release().close();
        bench.run_until([&] { return accepting.done; });
    }
    return {accepting, connecting};
}

}  // namespace

TEST_CASE("TLS: the client's modes against certificates that fit, do not fit, are foreign") {
    using enum conf::SslMode;

    struct Row {
        conf::SslMode mode;
        std::string ca_file;
        std::string host;
        std::string error;
    };

    const Row rows[] = {
        {require, "", "127.0.0.1", ""},
        {require, files().foreign_ca_file, "wrong.example", ""},
        {verify_ca, files().ca_file, "wrong.example", ""},
        {verify_full, files().ca_file, "127.0.0.1", ""},
        {verify_full, files().ca_file, "localhost", ""},
        {verify_ca, files().foreign_ca_file, "127.0.0.1", "certificate verify failed"},
        {verify_full, files().foreign_ca_file, "127.0.0.1", "certificate verify failed"},
        {verify_full, files().ca_file, "wrong.example", "certificate verify failed"},
        {verify_full, files().ca_file, "127.0.0.2", "certificate verify failed"},
        {verify_full, files().ca_file, "127.0.0.1.example", "certificate verify failed"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.host);
        CAPTURE(row.error);
        const auto [server, client] =
            handshake(server_side(), client_side(row.mode, row.ca_file), row.host);
        if (row.error.empty()) {
            CHECK(client.error.empty());
            CHECK(client.tls_text.starts_with("TLSv1.3/"));
            CHECK(client.tls_text == server.tls_text);
            CHECK(server.postgresql);
        } else {
            CHECK(client.error.find(row.error) != std::string::npos);
        }
    }
}

TEST_CASE("TLS: versions as configured, never below 1.2") {
    auto server = server_side();
    auto client = client_side(conf::SslMode::require, "");
    client.protocols = "tlsv1.2";
    CHECK(handshake(server, client, "localhost").second.tls_text.starts_with("TLSv1.2/"));
    server.protocols = "tlsv1.3";
    CHECK_FALSE(handshake(server, client, "localhost").second.error.empty());
    server.protocols = "tlsv1.0, tlsv1.1";
    CHECK(pool::TlsContext::for_clients(server).has_error());
    server.protocols = "nonsense";
    CHECK(pool::TlsContext::for_clients(server).has_error());
}

TEST_CASE("TLS: bad files and values are errors with the file's name, not a broken context") {
    const auto message_of = [](const pool::TlsSettings& settings) {
        const auto context = pool::TlsContext::for_clients(settings);
        return context ? std::string("accepted") : context.error().message;
    };
    CHECK(message_of(server_side()) == "accepted");
    auto settings = server_side();
    settings.key_file = "/nowhere/key";
    CHECK(message_of(settings).find("/nowhere/key") != std::string::npos);
    settings = server_side();
    settings.cert_file.clear();
    CHECK(message_of(settings).find("client_tls_cert_file") != std::string::npos);
    settings = server_side();
    settings.cert_file = files().ca_file;  // not the key's
    CHECK(message_of(settings).find("key") != std::string::npos);
    settings = server_side();
    settings.ca_file = files().key_file;
    CHECK(message_of(settings).find("CA") != std::string::npos);
    settings = server_side();
    settings.ciphers = "NO-SUCH-CIPHER";
    CHECK(message_of(settings).find("ciphers") != std::string::npos);
    settings = server_side();
    settings.ecdh_curve = "no-such-curve";
    CHECK(message_of(settings).find("curve") != std::string::npos);
    settings = server_side();
    settings.mode = conf::SslMode::verify_ca;
    CHECK(message_of(settings) != "accepted");
}
