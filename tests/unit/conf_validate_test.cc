#include "conf/validate.h"
#include "tests/unit/conf_support.h"

#include <doctest/doctest.h>

namespace weir::conf {

namespace {

struct Row {
    const char* name;
    void (*change)(Settings&);
    const char* key;  // of the only error, "" = none
};

Settings working() {
    Settings settings;
    settings.auth_file = "/users";
    settings.databases["app"].host = "db";
    return settings;
}

}  // namespace

TEST_CASE("validate: each rule alone") {
    CHECK(validate(working()).errors.empty());
    CHECK(validate(working()).warnings.empty());
    for (const Row& row : {
             Row{"no socket at all",
                 [](Settings& s) { s.unix_socket_dir = ""; },
                 "pgweir.listen_addr"},
             {"TCP only",
              [](Settings& s) {
                  s.unix_socket_dir = "";
                  s.listen_addr = {"*"};
              },
              ""},
             {"HTTP on loopback needs no password",
              [](Settings& s) {
                  s.http_listen = {"127.0.0.1:9127", "[::1]:9127", "localhost:1"};
              },
              ""},
             {"HTTP for everybody",
              [](Settings& s) { s.http_listen = {"0.0.0.0:9127"}; },
              "pgweir.http_listen"},
             {"HTTP on a name that others may reach",
              [](Settings& s) { s.http_listen = {"db1:9127"}; },
              "pgweir.http_listen"},
             {"HTTP for everybody, as is wished",
              [](Settings& s) {
                  s.http_listen = {"*:9127"};
                  s.http_allow_unauthenticated = true;
              },
              ""},
             {"HTTP beyond loopback with a token",
              [](Settings& s) {
                  s.http_listen = {"10.0.0.1:9127"};
                  s.http_token = Secret("t");
              },
              ""},
             {"HTTP without a port",
              [](Settings& s) { s.http_listen = {"127.0.0.1"}; },
              "pgweir.http_listen"},
             {"HTTP on a port that is none",
              [](Settings& s) { s.http_listen = {"127.0.0.1:0"}; },
              "pgweir.http_listen"},
             {"HTTP user without password",
              [](Settings& s) { s.http_user = "u"; },
              "pgweir.http_password"},
             {"HTTPS with half a key pair",
              [](Settings& s) { s.http_tls_key_file = "/k"; },
              "pgweir.http_tls_cert_file"},
             {"relative directory",
              [](Settings& s) { s.unix_socket_dir = "tmp"; },
              "pgweir.unix_socket_dir"},
             {"abstract socket", [](Settings& s) { s.unix_socket_dir = "@x"; }, ""},
             // "/" + 91 + "/.s.PGSQL.6432" = 92 + 15
             {"path of 107",
              [](Settings& s) { s.unix_socket_dir = "/" + std::string(92, 'd'); },
              ""},
             {"path of 108",
              [](Settings& s) { s.unix_socket_dir = "/" + std::string(93, 'd'); },
              "pgweir.unix_socket_dir"},
             {"min above size", [](Settings& s) { s.min_pool_size = 21; }, "pgweir.min_pool_size"},
             {"min equal", [](Settings& s) { s.min_pool_size = 20; }, ""},
             {"unlimited",
              [](Settings& s) {
                  s.min_pool_size = 21;
                  s.default_pool_size = 0;
              },
              ""},
             {"database's min",
              [](Settings& s) { s.databases["app"].min_pool_size = 21; },
              "databases.app.min_pool_size"},
             {"database's size",
              [](Settings& s) {
                  s.databases["app"].pool_size = 3;
                  s.min_pool_size = 4;
              },
              "databases.app.pool_size"},
             {"require without files",
              [](Settings& s) {
                  s.client_tls_sslmode = SslMode::require;
                  s.client_tls_cert_file = "c";
              },
              "pgweir.client_tls_key_file"},
             {"require with files",
              [](Settings& s) {
                  s.client_tls_sslmode = SslMode::require;
                  s.client_tls_cert_file = "c";
                  s.client_tls_key_file = "k";
              },
              ""},
             {"verify without ca",
              [](Settings& s) {
                  s.client_tls_sslmode = SslMode::verify_full;
                  s.client_tls_cert_file = "c";
                  s.client_tls_key_file = "k";
              },
              "pgweir.client_tls_ca_file"},
             {"server ca",
              [](Settings& s) { s.server_tls_sslmode = SslMode::verify_ca; },
              "pgweir.server_tls_ca_file"},
             {"server require", [](Settings& s) { s.server_tls_sslmode = SslMode::require; }, ""},
             {"server key alone",
              [](Settings& s) { s.server_tls_key_file = "k"; },
              "pgweir.server_tls_cert_file"},
             {"bad protocols",
              [](Settings& s) { s.client_tls_protocols = "sslv3"; },
              "pgweir.client_tls_protocols"},
             {"bad server protocols",
              [](Settings& s) { s.server_tls_protocols = ""; },
              "pgweir.server_tls_protocols"},
             {"console's name",
              [](Settings& s) { s.databases["pgweir"].host = "x"; },
              "databases.pgweir"},
             {"host needed",
              [](Settings& s) {
                  s.unix_socket_dir = "";
                  s.listen_addr = {"*"};
                  s.databases["app"].host = "";
              },
              "databases.app.host"},
             {"server's path",
              [](Settings& s) { s.databases["app"].host = "/" + std::string(99, 'd'); },
              "databases.app.host"},
             {"any without user",
              [](Settings& s) { s.auth_type = AuthType::any; },
              "databases.app.user"},
             {"any with user",
              [](Settings& s) {
                  s.auth_type = AuthType::any;
                  s.databases["app"].user = "u";
              },
              ""},
         }) {
        CAPTURE(row.name);
        Settings settings = working();
        row.change(settings);
        Problems problems = validate(settings);
        CAPTURE(lines(problems.errors));
        std::size_t expected = row.key[0] == '\0' ? 0 : 1;
        REQUIRE(problems.errors.size() == expected);
        if (expected == 1) CHECK(problems.errors[0].key == row.key);
    }
}

TEST_CASE("validate: TLS without any file names both") {
    Settings settings = working();
    settings.client_tls_sslmode = SslMode::allow;
    CHECK(validate(settings).errors.size() == 2);
}

TEST_CASE("validate: max_pinned below the pool's size, or without one, is no warning") {
    Settings settings = working();
    settings.max_pinned = 19;
    CHECK(validate(settings).warnings.empty());
    settings.max_pinned = 2'000'000'000;
    settings.default_pool_size = 0;
    CHECK(validate(settings).warnings.empty());
    settings.default_pool_size = 2'000'000'000;
    settings.reserve_pool_size = 2'000'000'000;
    CHECK(validate(settings).warnings.empty());
}

TEST_CASE("validate: warnings") {
    for (const Row& row : {
             Row{"no auth_file", [](Settings& s) { s.auth_file = ""; }, "pgweir.auth_file"},
             {"reserve off",
              [](Settings& s) {
                  s.reserve_pool_size = 1;
                  s.reserve_pool_timeout = Milliseconds(0);
              },
              "pgweir.reserve_pool_size"},
             {"max_pinned not below the pool",
              [](Settings& s) {
                  s.default_pool_size = 5;
                  s.reserve_pool_size = 2;
                  s.max_pinned = 7;
              },
              "pgweir.max_pinned"},
             {"two ways of lending",
              [](Settings& s) {
                  s.server_round_robin = true;
                  s.lend_policy = LendPolicy::rotate;
              },
              "pgweir.server_round_robin"},
             {"password alone",
              [](Settings& s) { s.databases["app"].password = Secret("x"); },
              "databases.app.password"},
             {"itself",
              [](Settings& s) {
                  s.databases["app"].host = "";
                  s.databases["app"].port = 6432;
              },
              "databases.app.port"},
             {"any and admins",
              [](Settings& s) {
                  s.auth_type = AuthType::any;
                  s.databases["app"].user = "u";
                  s.admin_users = {"a"};
              },
              "pgweir.admin_users"},
         }) {
        CAPTURE(row.name);
        Settings settings = working();
        row.change(settings);
        Problems problems = validate(settings);
        CHECK(problems.errors.empty());
        REQUIRE(problems.warnings.size() == 1);
        CHECK(problems.warnings[0].key == row.key);
    }
}

TEST_CASE("validate: a problem stands where the key stood, else at the file") {
    Origins origins{{"", {"f.toml", 0}}, {"pgweir.min_pool_size", {"f.toml", 7}}};
    Settings settings = working();
    settings.min_pool_size = 30;
    CHECK((validate(settings, origins).errors.at(0).place == Place{"f.toml", 7}));
    settings = working();
    settings.unix_socket_dir = "";
    CHECK((validate(settings, origins).errors.at(0).place == Place{"f.toml", 0}));
}

TEST_CASE("estimate_descriptors: clients, servers and the rest") {
    Settings settings;
    settings.max_client_conn = 1000;
    DescriptorEstimate none = estimate_descriptors(settings, 2);
    CHECK(none.clients == 1000);
    CHECK(none.servers == 0);
    CHECK(none.bounded);
    CHECK(none.others < 200);
    CHECK(none.total() == none.clients + none.servers + none.others);
    CHECK(estimate_descriptors(settings, 4).others > none.others);

    settings.reserve_pool_size = 5;
    settings.databases["forced"].user = "u";
    CHECK(estimate_descriptors(settings, 2).servers == 25);
    CHECK(estimate_descriptors(settings, 2).bounded);
    settings.databases["forced"].max_db_connections = 10;
    CHECK(estimate_descriptors(settings, 2).servers == 10);
    settings.databases["free"].max_db_connections = 50;
    CHECK(estimate_descriptors(settings, 2).servers == 60);
    CHECK(estimate_descriptors(settings, 2).bounded);
    settings.databases["open"];
    CHECK(estimate_descriptors(settings, 2).servers == 85);
    CHECK_FALSE(estimate_descriptors(settings, 2).bounded);
}

}  // namespace weir::conf
