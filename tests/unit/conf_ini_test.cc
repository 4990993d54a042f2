#include "conf/ini_reader.h"
#include "tests/unit/conf_support.h"

#include <doctest/doctest.h>

namespace weir::conf {

namespace {

IniFile read(std::string_view text) {
    return read_ini(
        text,
        "p.ini",
        [](const std::string& path, std::string& into, std::string& wrong) {
            if (path == "loop.ini") into = "%include loop.ini\n";
            if (path == "ok.ini") into = "[users]\nu = pool_size=1\n";
            wrong = into.empty() ? "is not there" : "";
            return wrong.empty();
        }
    );
}

std::string pairs(std::string_view text) {
    ConnectString string = read_connect_string(text);
    std::string all;
    for (const Pair& pair : string.pairs)
        all += pair.key + "=<" + pair.value + ">";
    return all + string.wrong;
}

}  // namespace

TEST_CASE("read_ini: sections, keys, comments and blanks") {
    IniFile file =
        read("; c\n# c\n\n [Sec] \r\n a = b ; not a comment \r\n\"q \"\"k\"=v\n x.y-z_* =\n");
    CHECK(lines(file.errors) == "");
    REQUIRE(file.entries.size() == 3);
    CHECK(file.entries[0].section == "sec");
    CHECK(file.entries[0].key == "a");
    CHECK(file.entries[0].value == "b ; not a comment");
    CHECK(file.entries[0].place.line == 5);
    CHECK(file.entries[1].key == "q \"k");
    CHECK(file.entries[1].value == "v");
    CHECK(file.entries[2].key == "x.y-z_*");
    CHECK(file.entries[2].value == "");
}

TEST_CASE("read_ini: each syntax error has its line, and reading goes on") {
    IniFile file = read(
        "early = 1\n[open\n[s] rest\nno_equals\n= 1\n\"open = 1\nk v = 1\n%include\n"
        "%include gone.ini\n%include loop.ini\n%include ok.ini\nz = 1\n"
    );
    std::string all = lines(file.errors);
    CAPTURE(all);
    for (const char* expected :
         {"p.ini:1: \"early\" stands before any section",
          "p.ini:2: the section's name has no \"]\"",
          "p.ini:3: there is more after the section's name",
          "p.ini:4: there is no \"=\" after \"no_equals\"",
          "p.ini:5: is not a \"key = value\" line",
          "p.ini:6: is not a \"key = value\" line",
          "p.ini:7: there is no \"=\" after \"k\"",
          "p.ini:8: is not a \"key = value\" line",
          "p.ini:9: the included file \"gone.ini\" is not there",
          "loop.ini:1: includes are nested too deeply"}) {
        CAPTURE(expected);
        CHECK(all.find(expected) != std::string::npos);
    }
    CHECK(file.errors.size() == 10);
    // An included file's section ends with it.
    REQUIRE(file.entries.size() == 2);
    CHECK(file.entries[0].section == "users");
    CHECK(file.entries[0].place == Place{"ok.ini", 2});
    CHECK(file.entries[1].section == "s");
}

TEST_CASE("read_connect_string: quotes and blanks") {
    struct Row {
        const char* text;
        const char* expected;
    };

    for (Row row : {
             Row{"", ""},
             {"host=a port=1", "host=<a>port=<1>"},
             {" host = a  port= 1 ", "host=<a>port=<1>"},
             {"a='x y' b='it''s' c=''", "a=<x y>b=<it's>c=<>"},
             {"a='''' b=x'y", "a=<'>b=<x'y>"},
             {"a= b=c", "a=<b=c>"},
             {"a=", "a=<>"},
             {"a", "has a word without \"=\""},
             {"a b=1", "has a word without \"=\""},
             {"=1", "has \"=\" without a key before it"},
             {"a='x", "has a ' without its end in the value of a"},
             {"a='x''", "has a ' without its end in the value of a"},
             {"a='x'y", "has no blank after the quoted value of a"},
         }) {
        CAPTURE(row.text);
        CHECK(pairs(row.text) == row.expected);
    }
}

TEST_CASE("load_pgbouncer_ini: the file of issue 2 loads without error or warning") {
    Read<std::string> text = read_file(fixture("issue.ini"));
    REQUIRE(text.ok());
    Loaded loaded = load_pgbouncer_ini(text.value, "issue.ini");
    CHECK(lines(loaded.problems.errors) == "");
    CHECK(lines(loaded.problems.warnings) == "");
    REQUIRE(loaded.ok());
    const Settings& s = *loaded.settings;
    CHECK(s.listen_addr == std::vector<std::string>{"*"});
    CHECK(s.listen_port == 6432);
    CHECK(s.auth_type == AuthType::md5);
    CHECK(s.auth_file == "/etc/pgbouncer/userlist.txt");
    CHECK(s.pool_mode == PoolMode::transaction);
    CHECK(s.max_client_conn == 1000);
    CHECK(s.default_pool_size == 25);
    CHECK(s.reserve_pool_size == 5);
    CHECK(s.reserve_pool_timeout == std::chrono::seconds(3));
    REQUIRE(s.databases.size() == 1);
    const DatabaseSettings& mydb = s.databases.at("mydb");
    CHECK(mydb.host == "localhost");
    CHECK(mydb.port == 5432);
    CHECK(mydb.dbname == "production");
}

TEST_CASE("load_pgbouncer_ini: a grown file, with one warning for each thing that does not act") {
    Read<std::string> text = read_file(fixture("everything.ini"));
    REQUIRE(text.ok());
    Loaded loaded = load_pgbouncer_ini(text.value, fixture("everything.ini"));
    std::string all = lines(loaded.problems.errors);
    // Without unix_socket_dir a database needs a host.
    CHECK(
        all == fixture("everything.ini") +
                   ":4: databases.foodb.host: is needed, since unix_socket_dir is empty\n" +
                   fixture("everything.ini") +
                   ":5: databases.nondefaultdb.host: is needed, since unix_socket_dir is empty\n"
    );
    std::string repaired = text.value;
    repaired.replace(repaired.find("unix_socket_dir ="), 17, "unix_socket_dir = /s");
    loaded = load_pgbouncer_ini(repaired, fixture("everything.ini"));
    REQUIRE(loaded.ok());
    std::string warnings = lines(loaded.problems.warnings);
    CAPTURE(warnings);
    for (const char* key :
         {":8: databases.load_balance_hosts: accepted, but does not act",
          ":8: databases.auth_user: accepted, but does not act",
          ":8: databases.many.host: host lists do not exist here yet",
          ": peers: peers do not exist here yet",
          ": pgbouncer.auth_query: accepted",
          ": pgbouncer.pkt_buf: accepted",
          ": pgbouncer.syslog: accepted"}) {
        CAPTURE(key);
        CHECK(warnings.find(key) != std::string::npos);
    }
    CHECK(loaded.problems.warnings.size() == 7);
    const Settings& s = *loaded.settings;
    CHECK(s.listen_addr == std::vector<std::string>{"127.0.0.1", "::1"});
    CHECK(s.pool_mode == PoolMode::statement);
    CHECK(s.auth_file == "/included/userlist.txt");
    CHECK(s.max_db_connections == 7);
    CHECK(s.ignore_startup_parameters == std::vector<std::string>{"extra_float_digits", "options"});
    CHECK(s.admin_users == std::vector<std::string>{"alice", "Bob"});
    CHECK(s.server_check_query == "");
    CHECK(s.server_lifetime == Milliseconds(1500));
    CHECK(s.tcp_user_timeout == Milliseconds(250));
    CHECK(s.databases.size() == 7);
    const DatabaseSettings& weird = s.databases.at("we\"ird db");
    CHECK(weird.host == "/var/run/postgresql");
    CHECK(weird.port == 5433);
    CHECK(weird.dbname == "a 'b");
    CHECK(weird.password == Secret("it's; a #secret"));
    CHECK(s.databases.at("nondefaultdb").reserve_pool_size == 10);
    CHECK(s.databases.at("bardb").client_encoding == "UNICODE");
    CHECK(s.databases.at("bardb").connect_query == "SELECT 1");
    CHECK(s.databases.at("many").host == "h1");
    CHECK(s.users.at("user1").pool_mode == PoolMode::session);
    CHECK(s.users.at("user2").query_timeout == Milliseconds(2500));
}

TEST_CASE("load_pgbouncer_ini: without pool_mode it is session mode") {
    Loaded loaded = ini("[pgbouncer]\nauth_file = u\n");
    REQUIRE(loaded.ok());
    CHECK(loaded.settings->pool_mode == PoolMode::session);
    Settings expected;
    expected.pool_mode = PoolMode::session;
    expected.auth_file = "u";
    CHECK(*loaded.settings == expected);
}

TEST_CASE("load_pgbouncer_ini: all problems at once") {
    Loaded loaded =
        ini("[pgbouncer]\npool_mdoe = session\nauth_type = hba\nmax_client_conn = many\n"
            "[databases]\na = host=x prot=1\nb = host='x\nc = port=99999\npgbouncer = host=x\n"
            "[users]\nu = pool_mode=x\n[extra]\nk = 1\nl = 2\n[pgbouncer]\nworkers = 2\n");
    REQUIRE_FALSE(loaded.ok());
    std::string all = lines(loaded.problems.errors);
    CAPTURE(all);
    for (const char* expected :
         {"p.ini:2: pgbouncer.pool_mdoe: unknown key; did you mean \"pool_mode\"?",
          "p.ini:3: pgweir.auth_type: is not one of the choices; allowed: trust, any, plain, md5, "
          "scram-sha-256",
          "p.ini:4: pgweir.max_client_conn: is not a whole number",
          "p.ini:6: databases.a.prot: unknown key; did you mean \"port\"?",
          "p.ini:7: databases.b: has a ' without its end in the value of host",
          "p.ini:8: databases.c.port: is out of range; allowed: 1 to 65535",
          "p.ini:9: databases.pgbouncer: this name belongs to the console",
          "p.ini:11: users.u.pool_mode: is not one of the choices",
          "p.ini:13: extra: unknown section"}) {
        CAPTURE(expected);
        CHECK(all.find(expected) != std::string::npos);
    }
    CHECK(loaded.problems.errors.size() == 9);
}

TEST_CASE("load_pgbouncer_ini: no piece of a password stands in a problem") {
    for (const char* password :
         {"'hunter2", "'x'hunter2", "x hunter2", "x hunter2=y", "x =hunter2", "'x''hunter2"}) {
        CAPTURE(password);
        Loaded loaded =
            ini("[databases]\na = host=h user=u password=" + std::string(password) + "\n");
        CHECK(loaded.problems.errors.size() == 1);
        CHECK(lines(loaded.problems.errors).find("hunter2") == std::string::npos);
    }
}

TEST_CASE("load_pgbouncer_ini: every setting of PgBouncer's is known") {
    // SHOW CONFIG of PgBouncer 1.18, and what came later (1.19 to 1.25).
    for (const char* key :
         {"admin_users",
          "application_name_add_host",
          "auth_dbname",
          "auth_file",
          "auth_hba_file",
          "auth_ident_file",
          "auth_ldap_options",
          "auth_query",
          "auth_type",
          "auth_user",
          "autodb_idle_timeout",
          "cancel_wait_timeout",
          "client_idle_timeout",
          "client_login_timeout",
          "client_tls13_ciphers",
          "client_tls_ca_file",
          "client_tls_cert_file",
          "client_tls_ciphers",
          "client_tls_dheparams",
          "client_tls_ecdhcurve",
          "client_tls_key_file",
          "client_tls_protocols",
          "client_tls_sslmode",
          "conffile",
          "default_pool_size",
          "disable_pqexec",
          "dns_max_ttl",
          "dns_nxdomain_ttl",
          "dns_zone_check_period",
          "idle_transaction_timeout",
          "ignore_startup_parameters",
          "job_name",
          "listen_addr",
          "listen_backlog",
          "listen_port",
          "log_connections",
          "log_disconnections",
          "log_pooler_errors",
          "log_stats",
          "logfile",
          "max_client_conn",
          "max_db_client_connections",
          "max_db_connections",
          "max_packet_size",
          "max_prepared_statements",
          "max_user_client_connections",
          "max_user_connections",
          "min_pool_size",
          "peer_id",
          "pidfile",
          "pkt_buf",
          "pool_mode",
          "query_timeout",
          "query_wait_notify",
          "query_wait_timeout",
          "reserve_pool_size",
          "reserve_pool_timeout",
          "resolv_conf",
          "sbuf_loopcnt",
          "scram_iterations",
          "server_check_delay",
          "server_check_query",
          "server_connect_timeout",
          "server_fast_close",
          "server_idle_timeout",
          "server_lifetime",
          "server_login_retry",
          "server_reset_query",
          "server_reset_query_always",
          "server_round_robin",
          "server_tls13_ciphers",
          "server_tls_ca_file",
          "server_tls_cert_file",
          "server_tls_ciphers",
          "server_tls_key_file",
          "server_tls_protocols",
          "server_tls_sslmode",
          "service_name",
          "so_reuseport",
          "stats_period",
          "stats_users",
          "suspend_timeout",
          "syslog",
          "syslog_facility",
          "syslog_ident",
          "tcp_defer_accept",
          "tcp_keepalive",
          "tcp_keepcnt",
          "tcp_keepidle",
          "tcp_keepintvl",
          "tcp_socket_buffer",
          "tcp_user_timeout",
          "track_extra_parameters",
          "transaction_timeout",
          "unix_socket_dir",
          "unix_socket_group",
          "unix_socket_mode",
          "user",
          "verbose"}) {
        CAPTURE(key);
        Loaded loaded = ini("[pgbouncer]\n" + std::string(key) + " = 1\n");
        CHECK(lines(loaded.problems.errors).find("unknown key") == std::string::npos);
    }
}

}  // namespace weir::conf
