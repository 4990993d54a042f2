// TLS towards clients and servers.
#include "tests/integration/fixture.h"
#include "tests/support/tls_files.h"

#include <openssl/ssl.h>

using namespace weir::test;

namespace {

ProxyConfig with_client_tls(const Database& database, const std::string& sslmode) {
    ProxyConfig config = ProxyConfig::for_database(database, 3);
    config.use_client_tls(sslmode);
    return config;
}

bool server_side_is_encrypted(Pg& client) {
    return client.value("select ssl from pg_stat_ssl where pid = pg_backend_pid()") == "t";
}

// Cluster's hba lets everybody in with and without TLS; this one demands it.
Cluster& tls_only_cluster() {
    static Cluster cluster{[] {
        Cluster::Options options;
        options.hba = {"hostnossl all all all reject"};
        options.max_connections = 20;
        return options;
    }()};
    return cluster;
}

ProxyConfig with_server_tls(const Database& database, const std::string& sslmode) {
    ProxyConfig config = ProxyConfig::for_database(database, 2);
    config.settings["server_tls_sslmode"] = sslmode;
    config.settings["server_tls_ca_file"] = TlsFiles::shared().ca().string();
    config.settings["query_wait_timeout"] = 3;
    config.settings["server_login_retry"] = 1;
    return config;
}

}  // namespace

TEST_CASE("client_tls_sslmode allow, prefer: both kinds of client are served") {
    const Database database{Cluster::shared()};
    for (const char* mode : {"allow", "prefer"}) {
        CAPTURE(mode);
        const Proxy proxy{with_client_tls(database, mode)};
        Pg encrypted = proxy.connect("sslmode=require");
        CHECK(PQsslInUse(encrypted.raw()) == 1);
        CHECK(encrypted.value("select 1") == "1");
        Pg plain = proxy.connect("sslmode=disable");
        CHECK(PQsslInUse(plain.raw()) == 0);
        CHECK(plain.value("select 1") == "1");
    }
}

TEST_CASE("client_tls_sslmode require: a plain client is refused") {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "require")};
    CHECK(login_error(proxy.conninfo(role_trust, "sslmode=disable")));
    Pg encrypted = proxy.connect("sslmode=require");
    CHECK(encrypted.value("select 1") == "1");
    // TLS is not for Unix sockets.
    Pg local{proxy.unix_conninfo()};
    CHECK(local.value("select 1") == "1");
}

TEST_CASE("client_tls_sslmode disable: SSLRequest is answered with N") {
    const Fixture fixture;
    RawClient client = RawClient::tcp(fixture.proxy.port());
    client.send(ssl_request());
    CHECK(client.receive_bytes(1) == "N");
    client.login(role_trust, fixture.database.name());
}

TEST_CASE("the certificate is good for verify-full") {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "require")};
    Pg client =
        proxy.connect("sslmode=verify-full sslrootcert=" + TlsFiles::shared().ca().string());
    CHECK(client.value("select 1") == "1");
}

TEST_CASE("bytes sent before the answer to SSLRequest are refused (CVE-2021-23214)") {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "prefer")};
    RawClient client = RawClient::tcp(proxy.port());
    client.send(
        ssl_request() + startup({{"user", role_trust}, {"database", database.name()}}) +
        query("select 'injected'")
    );
    const std::string answer = client.receive_to_end();
    CHECK(answer.find("injected") == std::string::npos);
    CHECK(answer.find('Z') == std::string::npos);
}

TEST_CASE("plain text after the S is refused" * ours_only()) {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "prefer")};
    RawClient client = RawClient::tcp(proxy.port());
    client.send(ssl_request());
    REQUIRE(client.receive_bytes(1) == "S");
    client.send(startup({{"user", role_trust}, {"database", database.name()}}));
    CHECK(client.receive_to_end().find("server_version") == std::string::npos);
    Pg next = proxy.connect();
    CHECK(next.value("select 1") == "1");
}

TEST_CASE("TLS 1.0 and 1.1 are refused") {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "prefer")};
    for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
        CAPTURE(version);
        RawClient client = RawClient::tcp(proxy.port());
        CHECK_THROWS(client.start_tls(version));
    }
    RawClient client = RawClient::tcp(proxy.port());
    client.start_tls(TLS1_2_VERSION);
    client.login(role_trust, database.name());
}

TEST_CASE("TLS: a second SSLRequest inside is refused") {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "prefer")};
    RawClient client = RawClient::tcp(proxy.port());
    client.start_tls();
    client.send(ssl_request());
    const std::string answer = client.receive_to_end();
    CHECK(answer.find('S') != 0);
}

TEST_CASE("TLS: startup and first query in one segment, and big results") {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "require")};
    RawClient client = RawClient::tcp(proxy.port());
    client.start_tls();
    client.send(startup({{"user", role_trust}, {"database", database.name()}}) + query("select 9"));
    client.receive_until('Z');
    CHECK(first_value(client.receive_until('Z')) == "9");
    // Many records at once, and values larger than a record.
    const BackendMessages rows =
        client.simple("select repeat('x', 100000) from generate_series(1, 100)");
    CHECK(rows.size() == 103);
    client.send(query("select length('" + std::string(3'000'000, 'y') + "')"));
    CHECK(first_value(client.receive_until('Z')) == "3000000");
}

TEST_CASE("server_tls_sslmode: prefer, require and verify-full encrypt, disable does not") {
    const Database database{Cluster::shared()};
    for (const char* mode : {"prefer", "require", "verify-ca", "verify-full"}) {
        CAPTURE(mode);
        const Proxy proxy{with_server_tls(database, mode)};
        Pg client = proxy.connect();
        CHECK(server_side_is_encrypted(client));
    }
    const Proxy proxy{with_server_tls(database, "disable")};
    Pg client = proxy.connect();
    CHECK_FALSE(server_side_is_encrypted(client));
}

TEST_CASE("server_tls_sslmode disable at a server that demands TLS: the client is told") {
    const Database database{tls_only_cluster()};
    const Proxy proxy{with_server_tls(database, "disable")};
    CHECK(login_error(proxy.conninfo()));
    const Proxy good{with_server_tls(database, "require")};
    Pg client = good.connect();
    CHECK(server_side_is_encrypted(client));
}

TEST_CASE("server_tls_sslmode verify-full refuses a certificate of another CA") {
    const Database database{Cluster::shared()};
    ProxyConfig config = with_server_tls(database, "verify-full");
    config.settings["server_tls_ca_file"] = TlsFiles::shared().foreign_ca().string();
    const Proxy proxy{config};
    CHECK(login_error(proxy.conninfo()));
    CHECK(database.backends() == 0);
}

TEST_CASE("server_tls_sslmode verify-full refuses a certificate for another name") {
    Cluster::Options options;
    options.max_connections = 20;
    options.settings = {
        "ssl_cert_file = '" + TlsFiles::shared().other_certificate().string() + "'",
        "ssl_key_file = '" + TlsFiles::shared().other_key().string() + "'"};
    Cluster cluster{options};
    const Database database{cluster};
    const Proxy refusing{with_server_tls(database, "verify-full")};
    CHECK(login_error(refusing.conninfo()));
    const Proxy content{with_server_tls(database, "verify-ca")};
    Pg client = content.connect();
    CHECK(server_side_is_encrypted(client));
}

TEST_CASE("fifty TLS clients on a pool of three") {
    const Database database{Cluster::shared()};
    const Proxy proxy{with_client_tls(database, "require")};
    std::vector<std::unique_ptr<Pg>> clients;
    for (int i = 0; i < 50; ++i) {
        clients.push_back(std::make_unique<Pg>(proxy.conninfo(role_trust, "sslmode=require")));
    }
    for (const auto& client : clients)
        client->send("select repeat('z', 50000)");
    for (const auto& client : clients)
        CHECK(client->finish().value().size() == 50000);
    CHECK(database.backends() <= 3);
}
