// Nothing of one client's session is seen by the next one on the same server (hostile.md, leak-*),
// and each client sees its own (as far as the proxy keeps it: by pinning, if not otherwise).
#include "tests/integration/fixture.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

using namespace weir::test;

namespace {

struct Leak {
    const char* name;
    const char* deed;   // what the first client does
    const char* look;   // what the second client asks
    const char* clean;  // the answer a fresh session gets, "ERROR" for an error
};

constexpr Leak leaks[] = {
    {"set-guc", "set work_mem = '77MB'", "show work_mem", "4MB"},
    {"search-path", "set search_path = hidden", "show search_path", "\"$user\", public"},
    {"set-role", "set role other_role", "select current_user", "app"},
    {"session-auth", "set session authorization app", "select session_user", "app"},
    {"temp-table", "create temp table leaked as select 1", "select to_regclass('leaked')", ""},
    {"prepare-sql", "prepare leaked as select 1", "execute leaked", "ERROR"},
    {"prepare-view",
     "prepare leaked as select 1",
     "select count(*) from pg_prepared_statements",
     "0"},
    {"advisory-lock", "select pg_advisory_lock(4711)", "select pg_try_advisory_lock(4711)", "f"},
    {"listen", "listen leaked", "select count(*) from pg_listening_channels()", "0"},
    {"with-hold-cursor",
     "declare leaked cursor with hold for select 1",
     "select count(*) from pg_cursors",
     "0"},
    {"custom-guc-tenant", "set app.tenant = '7'", "select current_setting('app.tenant', true)", ""},
    {"read-only-default",
     "set default_transaction_read_only = on",
     "show default_transaction_read_only",
     "off"},
    {"set-config-fn", "select set_config('work_mem', '78MB', false)", "show work_mem", "4MB"},
    {"set-config-in-do",
     "do $$ begin perform set_config('work_mem', '79MB', false); end $$",
     "show work_mem",
     "4MB"},
    {"set-in-function", "select sets_work_mem()", "show work_mem", "4MB"},
    {"set-by-trigger", "insert into triggering values (1)", "show work_mem", "4MB"},
    {"set-by-rule", "insert into ruled values (1)", "show work_mem", "4MB"},
    {"set-by-default", "insert into defaulting default values", "show work_mem", "4MB"},
    {"set-by-view", "select * from viewing", "show work_mem", "4MB"},
    {"set-by-domain", "select '88MB'::sets_by_check", "show work_mem", "4MB"},
    {"set-by-cascade", "delete from referenced", "show work_mem", "4MB"},
    {"role-by-procedure", "call sets_role()", "select current_user", "app"},
    {"seed-currval", "select nextval('numbers')", "select currval('numbers')", "ERROR"},
    {"lastval", "select nextval('numbers')", "select lastval()", "ERROR"},
    {"role-in-do",
     "do $$ begin execute 'set role other_role'; end $$",
     "select current_user",
     "app"},
    {"set-in-transaction", "begin; set work_mem = '80MB'; commit", "show work_mem", "4MB"},
    {"explain-analyze",
     "explain analyze select set_config('work_mem', '81MB', false)",
     "show work_mem",
     "4MB"},
    {"prepared-set-config",
     "prepare p as select set_config('work_mem', '82MB', false); execute p",
     "show work_mem",
     "4MB"},
    {"comment-disguise", "/* x */ -- y\n set work_mem = '83MB'", "show work_mem", "4MB"},
    {"second-of-two", "select 1; set work_mem = '84MB'", "show work_mem", "4MB"},
    {"load",
     "load 'auto_explain'; set auto_explain.log_min_duration = '1h'",
     "select current_setting('auto_explain.log_min_duration', true)",
     ""},
};

void set_up(const Database& database) {
    Pg direct = database.connect();
    direct.exec(
        "do $$ begin create role other_role; exception when duplicate_object then null; end $$;"
        "grant other_role to app;"
        "create sequence numbers; grant all on numbers to public;"
        "create function sets_work_mem() returns void language sql as "
        "$$ select set_config('work_mem', '85MB', false) $$;"
        "create table triggering (a int); grant all on triggering to public;"
        "create function on_insert() returns trigger language plpgsql as "
        "$$ begin perform set_config('work_mem', '86MB', false); return new; end $$;"
        "create trigger t before insert on triggering for each row execute function on_insert();"
        "create table ruled (a int); grant all on ruled to public;"
        "create rule r as on insert to ruled do instead select sets_work_mem();"
        "create table defaulting (a text default set_config('work_mem', '87MB', false));"
        "grant all on defaulting to public;"
        "create view viewing as select sets_work_mem() is null as a; grant all on viewing to "
        "public;"
        "create domain sets_by_check as text check (set_config('work_mem', value, false) <> '');"
        "create table referenced (a int primary key); grant all on referenced to public;"
        "create table referencing (a int references referenced on delete cascade);"
        "grant all on referencing to public;"
        "create trigger t before delete on referencing for each row execute function on_insert();"
        "insert into referenced values (1); insert into referencing values (1);"
        "create procedure sets_role() language plpgsql as $$ begin set role other_role; end $$;"
    );
}

std::string answer(Pg& client, const std::string& sql) {
    const Result result = client.try_exec(sql);
    if (!result.good()) return "ERROR";
    return result.rows() == 0 ? "" : result.value();
}

}  // namespace

TEST_CASE("what one client leaves in its session, the next one does not see" * ours_only()) {
    const Fixture fixture{1};
    set_up(fixture.database);
    for (const Leak& leak : leaks) {
        CAPTURE(leak.name);
        {
            Pg first = fixture.connect();
            first.try_exec(leak.deed);
        }
        // The only server there can be is free again, or closed.
        Pg second = fixture.connect();
        if (std::string(leak.name) == "advisory-lock") {
            // Its holder is gone: the lock can be had.
            CHECK(answer(second, leak.look) == "t");
            continue;
        }
        CHECK(answer(second, leak.look) == leak.clean);
    }
}

TEST_CASE("while both are there, on two servers, neither sees the other's" * ours_only()) {
    const Fixture fixture{2};
    set_up(fixture.database);
    for (const Leak& leak : leaks) {
        CAPTURE(leak.name);
        Pg first = fixture.connect();
        Pg second = fixture.connect();
        first.try_exec(leak.deed);
        for (int i = 0; i < 3; ++i)
            CHECK(answer(second, leak.look) == leak.clean);
    }
}

TEST_CASE("a client sees its own session state again, between others' queries" * ours_only()) {
    const Fixture fixture{2};
    set_up(fixture.database);
    Pg other = fixture.connect();
    const auto seen_again = [&](const char* deed, const char* look) {
        Pg client = fixture.connect();
        client.exec(deed);
        other.exec("select 1");
        const std::string value = client.value(look);
        other.exec("select 2");
        return client.value(look) == value ? value : value + " and then something else";
    };
    CHECK(seen_again("set work_mem = '77MB'", "show work_mem") == "77MB");
    CHECK(seen_again("set role other_role", "select current_user") == "other_role");
    CHECK(seen_again("create temp table mine as select 7 as a", "select a from mine") == "7");
    CHECK(seen_again("prepare mine as select 8", "execute mine") == "8");
    CHECK(seen_again("set app.tenant = '9'", "select current_setting('app.tenant')") == "9");
    CHECK(seen_again("select nextval('numbers')", "select currval('numbers') > 0") == "t");
    CHECK(
        seen_again(
            "select pg_advisory_lock(5)",
            "select count(*) from pg_locks where locktype = 'advisory' and objid = 5"
        ) == "1"
    );
}

TEST_CASE(
    "a client that keeps its server leaves room for nobody, and nothing of its own behind" *
    ours_only()
) {
    const Fixture fixture{1};
    bool cleaned = false;
    SUBCASE("what DISCARD ALL ends") {
        cleaned = true;
    }
    SUBCASE("what it does not end") {}
    int pid = 0;
    {
        Pg keeper = fixture.connect();
        keeper.exec("create temp table mine (a int)");
        if (!cleaned) keeper.exec("select setseed(0.5)");
        pid = backend_pid(keeper);
        Pg waiter = fixture.connect();
        waiter.send("select 1");
        holds_for(
            "the other one waits",
            [&] { return !waiter.answered(); },
            std::chrono::milliseconds(200)
        );
        CHECK(fixture.database.backends() == 1);
    }
    Pg next = fixture.connect();
    CHECK(next.value("select to_regclass('mine')") == "");
    CHECK((backend_pid(next) == pid) == cleaned);
}

TEST_CASE("names and parameters are no way to inject SQL" * ours_only()) {
    const Fixture fixture{1};
    Pg direct = fixture.database.connect();
    direct.exec("create table victim (a int)");
    const std::string evil = "x'; drop table victim; --";
    const auto try_startup = [&](const std::string& user, const StartupParameters& more) {
        RawClient client = RawClient::tcp(fixture.proxy.port());
        const BackendMessages messages = client.try_login(user, fixture.database.name(), "", more);
        if (!messages.empty() && messages.back().type == 'Z') {
            // The settings are applied with the first query.
            client.send(query("select 1") + terminate_message());
            client.receive_messages_to_end();
        }
    };
    for (const char* name :
         {"application_name",
          "client_encoding",
          "search_path",
          "datestyle",
          "timezone",
          "options",
          "statement_timeout"}) {
        CAPTURE(name);
        try_startup(role_trust, {{name, evil}});
        try_startup(role_trust, {{name, "\\'" + evil}});
    }
    try_startup(role_trust, {{evil, "1"}});
    try_startup(evil, {});
    try_startup(
        role_trust, {{"standard_conforming_strings", "off"}, {"application_name", "\\" + evil}}
    );
    CHECK(direct.value("select to_regclass('victim')") == "victim");
    CHECK_FALSE(fixture.proxy.log().empty());
}

TEST_CASE("names in the log cannot begin a line of their own" * ours_only()) {
    const Fixture fixture{1};
    RawClient client = RawClient::tcp(fixture.proxy.port());
    client.try_login(
        "evil\nFAKELINE", fixture.database.name(), "", {{"application_name", "a\nFAKELINE\x1b[2J"}}
    );
    RawClient again = fixture.raw({{"application_name", "a\nFAKELINE"}});
    again.simple("select 1");
    CHECK(fixture.proxy.log().find("\nFAKELINE") == std::string::npos);
    CHECK(fixture.proxy.log().find('\x1b') == std::string::npos);
}

// INSERT and SELECT lastval() are two transactions here: the server that has the value is kept for
// who may be about to ask, and sought for who asks later.
TEST_CASE("lastval() tells a client its own value, or that there is none" * ours_only()) {
    const Fixture fixture{5};
    Pg direct = fixture.database.connect();
    direct.exec(
        "create table entries (id serial primary key, owner int);"
        "grant all on entries, entries_id_seq to public"
    );
    std::atomic<int> own{0};
    std::atomic<int> foreign{0};
    std::atomic<int> undefined{0};
    const auto work = [&](int owner) {
        Pg client = fixture.connect();
        const std::string insert =
            "insert into entries (owner) values (" + std::to_string(owner) + ")";
        for (int i = 0; i < 20; ++i) {
            client.exec(insert);
            const Result last = client.try_exec("select lastval()");
            if (last.sqlstate() == "55000") {
                ++undefined;
                continue;
            }
            const auto found = client.value("select owner from entries where id = " + last.value());
            ++(found == std::to_string(owner) ? own : foreign);
        }
    };
    std::vector<std::thread> clients;
    for (int owner = 0; owner < 50; ++owner)
        clients.emplace_back(work, owner);
    for (auto& client : clients)
        client.join();
    MESSAGE(own.load(), " own, ", undefined.load(), " not there any more");
    CHECK(foreign == 0);
    CHECK(own + undefined == 1000);
    // Who is slower than a server is kept for it may find its value gone; nearly nobody is.
    CHECK(own > 900);
}

TEST_CASE("lastval() is sought where it is" * ours_only()) {
    const Fixture fixture{3};
    Pg direct = fixture.database.connect();
    direct.exec("create sequence numbers; grant all on numbers to public");
    Pg client = fixture.connect();
    Pg first = fixture.connect();
    Pg second = fixture.connect();
    const auto value = client.value("select nextval('numbers')");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    // Its server is somebody else's meanwhile, and is not the one that was used last.
    first.exec("begin; select 1");
    second.exec("begin; select 1");
    client.exec("select 1");
    first.exec("commit");
    client.exec("select 1");
    second.exec("commit");
    CHECK(client.value("select lastval()") == value);
    CHECK(client.value("select currval('numbers')") == value);
}
