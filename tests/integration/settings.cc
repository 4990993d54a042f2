// Session settings follow the client from server to server.
#include "tests/integration/fixture.h"

using namespace weir::test;

TEST_CASE("the settings that PostgreSQL reports follow each client") {
    const Fixture fixture{1};
    Pg one = fixture.connect("application_name=one");
    Pg two = fixture.connect("application_name=two client_encoding=LATIN1");
    one.exec("set timezone = 'Asia/Tokyo'");
    two.exec("set datestyle = 'German'");
    for (int i = 0; i < 3; ++i) {
        CHECK(one.value("show application_name") == "one");
        CHECK(two.value("show application_name") == "two");
        CHECK(one.value("show timezone") == "Asia/Tokyo");
        CHECK(two.value("show timezone") != "Asia/Tokyo");
        CHECK(one.value("select date '2026-11-21'") == "2026-11-21");
        CHECK(two.value("select date '2026-11-21'") == "21.11.2026");
        CHECK(two.value("show client_encoding") == "LATIN1");
        CHECK(one.value("show client_encoding") == "UTF8");
        CHECK(two.value("select U&'\\00e9'") == "\xe9");
        CHECK(one.value("select U&'\\00e9'") == "\xc3\xa9");
    }
    CHECK(fixture.database.backends() == 1);
}

TEST_CASE("a client is told of its own settings only") {
    const Fixture fixture{1};
    Pg one = fixture.connect("application_name=one");
    Pg two = fixture.connect("application_name=two");
    one.exec("set datestyle = 'SQL, DMY'");
    CHECK(one.parameter_status("DateStyle") == "SQL, DMY");
    two.exec("select 1");
    CHECK(two.parameter_status("DateStyle") == "ISO, MDY");
    one.exec("select 1");
    CHECK(one.parameter_status("DateStyle") == "SQL, DMY");
    CHECK(one.parameter_status("application_name") == "one");
    CHECK(two.parameter_status("application_name") == "two");
}

TEST_CASE("injected settings send no ParameterStatus the client does not need") {
    const Fixture fixture{1};
    RawClient one = fixture.raw({{"application_name", "one"}});
    RawClient two = fixture.raw({{"application_name", "two"}});
    for (int i = 0; i < 3; ++i) {
        CHECK(types(one.simple("select 1")) == "TDCZ");
        CHECK(types(two.simple("select 1")) == "TDCZ");
    }
}

TEST_CASE("a setting of a transaction that was rolled back is gone" * ours_only()) {
    const Fixture fixture{2};
    Pg client = fixture.connect();
    const std::string before = client.value("show timezone");
    client.exec("begin");
    client.exec("set timezone = 'Asia/Tokyo'");
    client.exec("rollback");
    CHECK(client.value("show timezone") == before);
    CHECK(client.parameter_status("TimeZone") == before);
    client.exec("begin");
    client.exec("set local timezone = 'Asia/Tokyo'");
    CHECK(client.value("show timezone") == "Asia/Tokyo");
    client.exec("commit");
    CHECK(client.value("show timezone") == before);
}

TEST_CASE("an empty application_name is a value" * ours_only()) {
    const Fixture fixture{1};
    Pg named = fixture.connect("application_name=named");
    named.exec("select 1");
    Pg client = fixture.connect();
    client.exec("set application_name = ''");
    named.exec("select 1");
    CHECK(client.value("show application_name") == "");
}

TEST_CASE("values with quotes, backslashes and any length" * ours_only()) {
    const Fixture fixture{1};
    // PostgreSQL cuts names at 63 bytes and shows only printable ASCII.
    const std::string name = "it's \"q\\uoted\" " + std::string(40, 'n');
    RawClient one = fixture.raw({{"application_name", name}});
    RawClient two = fixture.raw({{"application_name", "two"}});
    CHECK(first_value(two.simple("show application_name")) == "two");
    CHECK(first_value(one.simple("show application_name")) == name);
    CHECK(first_value(one.simple("select 'alive'")) == "alive");
}

TEST_CASE("startup parameters hold for the session, whatever the server" * ours_only()) {
    const Fixture fixture{1};
    RawClient one = fixture.raw(
        {{"statement_timeout", "12345"},
         {"search_path", "\"my schema\", public"},
         {"extra_float_digits", "2"}}
    );
    RawClient two = fixture.raw();
    for (int i = 0; i < 2; ++i) {
        CHECK(first_value(one.simple("show statement_timeout")) == "12345ms");
        CHECK(first_value(one.simple("show search_path")) == "\"my schema\", public");
        CHECK(first_value(one.simple("show extra_float_digits")) == "2");
        CHECK(first_value(two.simple("show statement_timeout")) == "0");
        CHECK(first_value(two.simple("show extra_float_digits")) == "1");
    }
    CHECK(fixture.database.backends() == 1);
}

TEST_CASE("startup options: every spelling" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw(
        {{"options",
          "-c statement_timeout=11s -cwork_mem=5MB --lock_timeout=7s "
          "-c search_path=\"a\\ b\""}}
    );
    RawClient other = fixture.raw();
    CHECK(first_value(other.simple("show statement_timeout")) == "0");
    CHECK(first_value(client.simple("show statement_timeout")) == "11s");
    CHECK(first_value(client.simple("show work_mem")) == "5MB");
    CHECK(first_value(client.simple("show lock_timeout")) == "7s");
    CHECK(first_value(client.simple("show search_path")).find("a b") != std::string::npos);
}

TEST_CASE("a startup parameter PostgreSQL refuses is refused with its SQLSTATE" * ours_only()) {
    const Fixture fixture;
    const auto refusal = [&](const StartupParameters& parameters) {
        RawClient client = RawClient::tcp(fixture.proxy.port());
        return first(client.try_login(role_trust, fixture.database.name(), "", parameters), 'E')
            .sqlstate();
    };
    CHECK(refusal({{"statement_timeout", "soon"}}) == "22023");
    CHECK(refusal({{"no_such_setting", "1"}}) == "42704");
    Pg next = fixture.connect();
    CHECK(next.value("select 1") == "1");
}

TEST_CASE("ignore_startup_parameters swallows what it names") {
    const Fixture fixture{1, {{"ignore_startup_parameters", "extra_float_digits,search_path"}}};
    RawClient client = fixture.raw({{"extra_float_digits", "2"}, {"search_path", "nowhere"}});
    CHECK(first_value(client.simple("show search_path")).find("nowhere") == std::string::npos);
}

TEST_CASE("RESET and DISCARD ALL go back to the client's own startup values" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = fixture.raw({{"timezone", "Asia/Tokyo"}, {"statement_timeout", "9s"}});
    for (const char* reset : {"reset all", "discard all", "reset timezone"}) {
        CAPTURE(reset);
        client.simple("set timezone = 'Europe/Berlin'");
        CHECK(first_value(client.simple("show timezone")) == "Europe/Berlin");
        client.simple(reset);
        CHECK(first_value(client.simple("show timezone")) == "Asia/Tokyo");
        CHECK(first_value(client.simple("show statement_timeout")) == "9s");
    }
}

TEST_CASE("standard_conforming_strings = off means what it says to this client only") {
    // Backslashes that are escapes are not read: such a text is opaque, and keeps its server.
    const Fixture fixture{2};
    Pg off = fixture.connect();
    Pg on = fixture.connect();
    off.exec("set standard_conforming_strings = off");
    CHECK(on.value("select 'a\\\\b'") == "a\\\\b");
    CHECK(off.value("select 'a\\\\b'") == "a\\b");
    CHECK(on.value("select 'a\\\\b'") == "a\\\\b");
}

TEST_CASE("a SET outside of a block follows its client and keeps no server" * ours_only()) {
    const Fixture fixture{1};
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    one.exec("set statement_timeout = '7s'");
    two.exec("set extra_float_digits to 0");
    // The extended protocol, as JDBC does it.
    one.exec("set lock_timeout = 3000", Parameters{});
    for (int i = 0; i < 3; ++i) {
        CHECK(one.value("show statement_timeout") == "7s");
        CHECK(one.value("show lock_timeout") == "3s");
        CHECK(one.value("select 0.1::float8 + 0.2::float8") == "0.30000000000000004");
        CHECK(two.value("show statement_timeout") == "0");
        CHECK(two.value("show lock_timeout") == "0");
        CHECK(two.value("select 0.1::float8 + 0.2::float8") == "0.3");
    }
    // A refused one changes nothing.
    CHECK(one.try_exec("set statement_timeout = 'never'").sqlstate() == "22023");
    two.exec("select 1");
    CHECK(one.value("show statement_timeout") == "7s");
    one.exec("reset statement_timeout");
    two.exec("select 1");
    CHECK(one.value("show statement_timeout") == "0");
    one.exec("reset all");
    two.exec("reset all");
    CHECK(one.value("show lock_timeout") == "0");
    CHECK(two.value("show extra_float_digits") == "1");
    CHECK(fixture.database.backends() == 1);
}

TEST_CASE("a SET in a pipeline that fails does not hold" * ours_only()) {
    const Fixture fixture{1};
    RawClient one = fixture.raw();
    RawClient two = fixture.raw();
    const auto run = [](const std::string& sql) {
        return parse("", sql) + bind_message("", "") + execute("");
    };
    one.exchange(run("set statement_timeout = '7s'") + run("select 1/0") + sync_message());
    CHECK(first_value(two.simple("show statement_timeout")) == "0");
    CHECK(first_value(one.simple("show statement_timeout")) == "0");
    // Parsed and never run.
    one.exchange(parse("s", "set statement_timeout = '8s'") + sync_message());
    CHECK(first_value(one.simple("show statement_timeout")) == "0");
    one.exchange(bind_message("", "s") + execute("") + sync_message());
    CHECK(first_value(two.simple("show statement_timeout")) == "0");
    CHECK(first_value(one.simple("show statement_timeout")) == "8s");
}

TEST_CASE("ALTER ROLE ... SET holds for who comes after it" * ours_only()) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    const std::string role = role_trust;
    const auto reset = [&] {
        direct.exec(
            "alter role " + role + " in database " + fixture.database.name() + " reset all"
        );
    };
    reset();
    Pg client = fixture.connect();
    const std::string before = client.value("show work_mem");
    const std::string zone = client.value("show timezone");
    Pg admin = fixture.connect();
    // Whoever is what: only a superuser may do it for others.
    const Result altered = admin.try_exec(
        "alter role " + role + " in database " + fixture.database.name() +
        " set timezone = 'Asia/Tokyo'"
    );
    REQUIRE(altered.sqlstate().empty());
    wait_until("the servers are renewed", [&] {
        Pg next = fixture.connect();
        return next.value("show timezone") == "Asia/Tokyo";
    });
    Pg next = fixture.connect();
    CHECK(next.parameter_status("TimeZone") == "Asia/Tokyo");
    // What was reported to a session stays what it was, as on a direct connection.
    CHECK(client.value("show timezone") == zone);
    admin.exec("begin");
    admin.exec(
        "alter role " + role + " in database " + fixture.database.name() + " set work_mem = '9MB'"
    );
    admin.exec("rollback");
    CHECK(fixture.connect().value("show work_mem") == before);
    reset();
}
