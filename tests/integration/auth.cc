// Logins: every auth_type towards clients, every method towards servers.
#include "tests/integration/fixture.h"
#include "tests/support/scram_client.h"

using namespace weir::test;

namespace {

// A proxy that asks for `auth_type`; the server lets `app` in by trust.
struct AuthFixture : Fixture {
    explicit AuthFixture(const std::string& auth_type) : Fixture(5, {{"auth_type", auth_type}}) {}

    BackendMessages login(const std::string& user, const std::string& password) const {
        RawClient client = RawClient::tcp(proxy.port());
        return client.try_login(user, database.name(), password);
    }
};

std::uint32_t asked_for(const BackendMessages& messages) {
    return first(messages, 'R').authentication_code();
}

bool logged_in(const BackendMessages& messages) {
    return messages.back().type == 'Z';
}

// Logs in by SCRAM; the answer may be an exception of the raw client's as well.
bool scram_works(const Proxy& proxy, const std::string& user, const std::string& password) {
    return !login_error(proxy.conninfo(user, "password='" + password + "'"));
}

// In a conninfo, a backslash and a quote want a backslash.
constexpr const char* quoted_password = "s3cret\\\\pa\\'ss";

}  // namespace

TEST_CASE("auth_type trust asks for nothing") {
    const AuthFixture fixture{"trust"};
    const BackendMessages messages = fixture.login(role_trust, "");
    REQUIRE(logged_in(messages));
    CHECK(asked_for(messages) == 0);
}

TEST_CASE("auth_type plain asks for the password in clear text") {
    const AuthFixture fixture{"plain"};
    const BackendMessages messages = fixture.login(role_trust, role_password);
    REQUIRE(logged_in(messages));
    CHECK(asked_for(messages) == 3);
    CHECK_FALSE(logged_in(fixture.login(role_trust, "wrong")));
    CHECK_FALSE(logged_in(fixture.login(role_trust, "")));
}

TEST_CASE("auth_type md5 asks for a salted hash") {
    const AuthFixture fixture{"md5"};
    const BackendMessages messages = fixture.login(role_trust, role_password);
    REQUIRE(logged_in(messages));
    CHECK(asked_for(messages) == 5);
    CHECK_FALSE(logged_in(fixture.login(role_trust, "wrong")));
}

TEST_CASE("auth_type scram-sha-256 proves both sides") {
    const AuthFixture fixture{"scram-sha-256"};
    RawClient client = RawClient::tcp(fixture.proxy.port());
    const BackendMessages messages =
        client.login(role_trust, fixture.database.name(), role_password);
    CHECK(asked_for(messages) == 10);
    CHECK(first_value(client.simple("select 5")) == "5");
    CHECK_FALSE(scram_works(fixture.proxy, role_trust, "wrong"));
    CHECK(scram_works(fixture.proxy, role_trust, quoted_password));
}

TEST_CASE("md5 secrets of the userlist are good for md5") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database);
    config.settings["auth_type"] = "md5";
    Pg& admin = Cluster::shared().admin();
    config.userlist = {
        {role_trust, "md5" + admin.value("select md5($1)", {std::string("pw") + role_trust})}};
    const Proxy proxy{config};
    CHECK(scram_works(proxy, role_trust, "pw"));
    CHECK_FALSE(scram_works(proxy, role_trust, "other"));
}

TEST_CASE("SCRAM secrets of the userlist are good for md5 and scram-sha-256 settings") {
    const Database database{Cluster::shared()};
    for (const char* auth_type : {"md5", "scram-sha-256"}) {
        CAPTURE(auth_type);
        ProxyConfig config = ProxyConfig::for_database(database);
        config.settings["auth_type"] = auth_type;
        config.userlist = {{role_trust, scram_secret("pencil", "0123456789abcdef", 4096)}};
        const Proxy proxy{config};
        CHECK(scram_works(proxy, role_trust, "pencil"));
        CHECK_FALSE(scram_works(proxy, role_trust, "crayon"));
    }
}

TEST_CASE("an unknown user cannot be told from a wrong password") {
    for (const char* auth_type : {"plain", "md5"}) {
        CAPTURE(auth_type);
        const AuthFixture fixture{auth_type};
        const BackendMessages unknown = fixture.login("nobody", "x");
        const BackendMessages wrong = fixture.login(role_trust, "x");
        CHECK(types(unknown) == types(wrong));
        CHECK(first(unknown, 'E').sqlstate() == first(wrong, 'E').sqlstate());
        const auto without_name = [](std::string text, const std::string& name) {
            const auto at = text.find(name);
            return at == std::string::npos ? text : text.erase(at, name.size());
        };
        CHECK(
            without_name(first(unknown, 'E').error_field('M'), "nobody") ==
            without_name(first(wrong, 'E').error_field('M'), role_trust)
        );
    }
}

TEST_CASE("SCRAM: an unknown user gets a challenge with a stable salt" * ours_only()) {
    const AuthFixture fixture{"scram-sha-256"};
    const auto challenge = [&](const std::string& user) {
        RawClient client = RawClient::tcp(fixture.proxy.port());
        client.send(startup({{"user", user}, {"database", fixture.database.name()}}));
        REQUIRE(client.receive().authentication_code() == 10);
        ScramClient scram{"x"};
        const std::string first = scram.client_first();
        client.send(message(
            'p', cstring("SCRAM-SHA-256") + int32(static_cast<std::int64_t>(first.size())) + first
        ));
        const BackendMessage answer = client.receive();
        REQUIRE(answer.type == 'R');
        const auto salt = answer.body.find(",s=");
        return answer.body.substr(salt);
    };
    CHECK(challenge("nobody") == challenge("nobody"));
    CHECK(challenge("nobody") != challenge("somebody"));
    CHECK(challenge("nobody").size() == challenge(role_trust).size());
}

TEST_CASE("a wrong password is 28P01 and FATAL" * ours_only()) {
    for (const char* auth_type : {"plain", "md5"}) {
        CAPTURE(auth_type);
        const AuthFixture fixture{auth_type};
        const BackendMessages messages = fixture.login(role_trust, "wrong");
        CHECK(first(messages, 'E').sqlstate() == "28P01");
        CHECK(first(messages, 'E').error_field('S') == "FATAL");
    }
}

TEST_CASE("a server's password, md5 and scram-sha-256 methods are answered from the userlist") {
    const Fixture fixture;
    for (const char* role : {role_clear, role_md5, role_scram}) {
        CAPTURE(role);
        Pg client{fixture.proxy.conninfo(role)};
        CHECK(client.value("select current_user") == role);
    }
}

TEST_CASE("a server's password of the database line is used") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database);
    config.databases[database.name()]["user"] = role_scram;
    config.databases[database.name()]["password"] = role_password;
    const Proxy proxy{config};
    Pg client = proxy.connect();
    CHECK(client.value("select current_user") == role_scram);
}

TEST_CASE("a server that refuses our password: the client is told, the proxy lives") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database);
    config.userlist = {{role_scram, "not it"}, {role_trust, role_password}};
    config.settings["server_login_retry"] = 1;
    config.settings["query_wait_timeout"] = 5;
    const Proxy proxy{config};
    const auto error = login_error(proxy.conninfo(role_scram));
    REQUIRE(error);
    CHECK(std::string(error->what()).find("password") != std::string::npos);
    Pg other = proxy.connect();
    CHECK(other.value("select 1") == "1");
}

TEST_CASE("pass-through: a SCRAM secret in the userlist is enough for a SCRAM server") {
    const Database database{Cluster::shared()};
    ProxyConfig config = ProxyConfig::for_database(database);
    config.settings["auth_type"] = "scram-sha-256";
    // The very secret the server has, as auth_file usually holds it.
    config.userlist = {
        {role_scram,
         Cluster::shared().admin().value(
             "select rolpassword from pg_authid where rolname = $1", {std::string(role_scram)}
         )}};
    const Proxy proxy{config};
    Pg client{proxy.conninfo(role_scram, std::string("password='") + quoted_password + "'")};
    CHECK(client.value("select current_user") == role_scram);
    CHECK_FALSE(scram_works(proxy, role_scram, "wrong"));
}

TEST_CASE("a query before the login is finished is refused") {
    const AuthFixture fixture{"md5"};
    RawClient client = RawClient::tcp(fixture.proxy.port());
    client.send(startup({{"user", role_trust}, {"database", fixture.database.name()}}));
    CHECK(client.receive().type == 'R');
    client.send(query("select 1"));
    const BackendMessages rest = client.receive_messages_to_end();
    CHECK(types(rest).find('Z') == std::string::npos);
    CHECK(types(rest).find('D') == std::string::npos);
}

TEST_CASE("client_login_timeout closes who does not log in") {
    Fixture fixture{5, {{"auth_type", "md5"}, {"client_login_timeout", 1}}};
    RawClient silent = RawClient::tcp(fixture.proxy.port());
    RawClient half = RawClient::tcp(fixture.proxy.port());
    half.send(startup({{"user", role_trust}, {"database", fixture.database.name()}}).substr(0, 12));
    RawClient slow = RawClient::tcp(fixture.proxy.port());
    slow.send(startup({{"user", role_trust}, {"database", fixture.database.name()}}));
    silent.receive_to_end();
    half.receive_to_end();
    CHECK(slow.receive_to_end().find('R') == 0);
}

TEST_CASE("no password and no secret appears in the log" * ours_only()) {
    Fixture fixture{5, {{"auth_type", "scram-sha-256"}, {"verbose", 2}}};
    CHECK(scram_works(fixture.proxy, role_trust, quoted_password));
    CHECK_FALSE(scram_works(fixture.proxy, role_trust, "obviously-wrong"));
    CHECK(fixture.proxy.log().find(role_password) == std::string::npos);
    CHECK(fixture.proxy.log().find("obviously-wrong") == std::string::npos);
}
