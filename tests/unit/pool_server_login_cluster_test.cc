// Logins to a real PostgreSQL 15, by every method, plain and over TLS, and a real cancel.
#include "pool/server_login.h"
#include "tests/support/cluster.h"
#include "tests/support/tls_files.h"
#include "tests/unit/support/login_bench.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <doctest/doctest.h>

#include <algorithm>

using namespace weir;
using namespace weir::test;
using namespace std::chrono_literals;

namespace {

class ClusterBench : public Bench {
public:
    ClusterBench() {
        target.host = "127.0.0.1";
        target.port = Cluster::shared().port();
        target.database = "postgres";
        target.user = role_trust;
    }

    protocol::Result<pool::LoggedInServer> log_in() {
        std::optional<protocol::Result<pool::LoggedInServer>> outcome;
        auto script = log_in_into(outcome);
        boost::asio::co_spawn(io, std::move(script), boost::asio::detached);
        run_until([&] { return outcome.has_value(); });
        return std::move(outcome.value());
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

private:
    asio::awaitable<void> log_in_into(std::optional<protocol::Result<pool::LoggedInServer>>& outcome
    ) {
        const auto deadline = pool::Clock::now() + 20s;
        auto ended = co_await login.log_in(target, credentials, deadline);
        outcome.emplace(std::move(ended));
    }
};

void check_session(const pool::LoggedInServer& server) {
    const auto has = [&](const char* name) {
        return std::any_of(
            server.parameters.begin(),
            server.parameters.end(),
            [&](const auto& parameter) { return parameter.first == name; }
        );
    };
    CHECK(has("server_version"));
    CHECK(has("session_authorization"));
    CHECK(server.cancel_key.process_id > 0);
    CHECK(server.cancel_key.secret.size() == 4);
}

}  // namespace

TEST_CASE("Server login, PostgreSQL 15: trust, password, md5 and SCRAM") {
    for (const char* role : {role_trust, role_clear, role_md5, role_scram}) {
        CAPTURE(std::string(role));
        ClusterBench bench;
        bench.target.user = role;
        bench.target.startup_parameters = {{"application_name", "weir"}};
        bench.credentials.password = role_password;
        for (int round = 0; round < 2; ++round) {
            const auto server = bench.log_in();
            REQUIRE(server.has_value());
            check_session(*server);
        }
        if (role == role_trust) continue;
        bench.credentials.password = "wrong";
        const auto refused = bench.log_in();
        REQUIRE(refused.has_error());
        CHECK(refused.error().code == protocol::sqlstate::invalid_password);
    }
}

TEST_CASE("Server login, PostgreSQL 15: SCRAM with keys instead of a password") {
    auto& admin = Cluster::shared().admin();
    const auto stored = admin.value(
        "SELECT rolpassword FROM pg_authid WHERE rolname = '" + std::string(role_scram) + "'"
    );
    const auto secret = protocol::ScramSecret::parse(stored);
    REQUIRE(secret);
    const auto keys = protocol::scram_keys(role_password, secret->salt, secret->iterations);
    CHECK(keys->secret().text() == stored);
    ClusterBench bench;
    bench.target.user = role_scram;
    bench.credentials.password = stored;
    bench.credentials.scram_keys = keys;
    CHECK(bench.log_in().has_value());
}

TEST_CASE("Server login, PostgreSQL 15: the server's own errors, and the Unix socket") {
    ClusterBench bench;
    bench.target.database = "no such database";
    auto refused = bench.log_in();
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == protocol::sqlstate::invalid_database);
    CHECK(refused.error().message == "database \"no such database\" does not exist");
    bench.target.database = "postgres";
    bench.target.host = Cluster::shared().socket_dir();
    const auto server = bench.log_in();
    REQUIRE(server.has_value());
    CHECK(server->address == "unix");
}

TEST_CASE("Server login, PostgreSQL 15: TLS in every mode") {
    using enum conf::SslMode;
    const auto& files = TlsFiles::shared();
    for (const auto mode : {prefer, require, verify_ca, verify_full}) {
        ClusterBench bench;
        bench.use_tls(mode, files.ca());
        bench.target.user = role_scram;
        bench.credentials.password = role_password;
        const auto server = bench.log_in();
        REQUIRE(server.has_value());
        CHECK(server->tls_text.starts_with("TLSv1.3/"));
        check_session(*server);
    }
    ClusterBench foreign;
    foreign.use_tls(verify_ca, files.foreign_ca());
    const auto refused = foreign.log_in();
    REQUIRE(refused.has_error());
    CHECK(refused.error().message == "TLS handshake with the server failed");
}

TEST_CASE("Server login, PostgreSQL 15: a cancel request ends the running query, TLS or not") {
    for (const bool over_tls : {false, true}) {
        ClusterBench bench;
        if (over_tls) bench.use_tls(conf::SslMode::require, "");
        auto server = bench.log_in();
        REQUIRE(server.has_value());
        protocol::MessageWriter query;
        query.begin('Q').c_string("SELECT pg_sleep(30)").end();
        REQUIRE(server->transport.write(query.view()).size == query.size());
        const auto pid = std::to_string(server->cancel_key.process_id);
        bench.run_until([&] {
            return Cluster::shared().admin().value(
                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND "
                       "pid = " +
                       pid
                   ) == "1";
        });
        bool done = false;
        const auto cancel = [](ClusterBench& own, protocol::CancelKey key, bool tls, bool& ended
                            ) -> asio::awaitable<void> {
            const auto deadline = pool::Clock::now() + 20s;
            auto sent = co_await own.login.send_cancel(own.target, std::move(key), tls, deadline);
            CHECK(sent.has_value());
            ended = true;
        };
        auto canceling = cancel(bench, server->cancel_key, over_tls, done);
        boost::asio::co_spawn(bench.io, std::move(canceling), boost::asio::detached);
        CHECK(bench.run_until([&] { return done; }));
        std::string answer;
        std::array<std::byte, 4096> buffer{};
        bench.run_until([&] {
            const auto read = server->transport.read(buffer);
            answer.append(as_text(Bytes(buffer).first(read.size)));
            return answer.find("57014") != std::string::npos;
        });
        CHECK(answer.find("57014") != std::string::npos);
    }
}
