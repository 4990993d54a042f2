// The session follows its client: settings by PostgreSQL's own values, and servers that are kept
// only as long as PostgreSQL holds something on them. Most tests have one server for two clients:
// what is not given back makes the other one wait.
#include "tests/integration/fixture.h"

#include <atomic>
#include <cstdlib>
#include <random>
#include <sys/socket.h>
#include <thread>

using namespace weir::test;

namespace {

// A client that is not kept waiting by another one's pin.
void gets_a_server(Pg& client) {
    client.send("select 1");
    CHECK(client.finish().value() == "1");
}

void waits(Pg& client) {
    client.send("select 1");
    holds_for(
        "it waits", [&] { return !client.answered(); }, std::chrono::milliseconds(100)
    );
}

struct Change {
    const char* name;
    std::vector<const char*> deeds;
    const char* look;
    const char* after;  // what its client sees from then on
};

const Change changes[] = {
    {"units", {"set work_mem = 2048"}, "show work_mem", "2MB"},
    {"list", {"set search_path to a, \"B c\", public"}, "show search_path", "a, \"B c\", public"},
    {"empty list", {"set search_path to ''"}, "show search_path", "\"\""},
    {"in a block", {"begin", "set work_mem = '3MB'", "commit"}, "show work_mem", "3MB"},
    {"in one text", {"begin; set work_mem = '3MB'; commit"}, "show work_mem", "3MB"},
    {"two texts in one", {"set work_mem = '3MB'; set lock_timeout = 5"}, "show work_mem", "3MB"},
    {"rolled back", {"begin", "set work_mem = '3MB'", "rollback"}, "show work_mem", "4MB"},
    {"failed", {"begin", "set work_mem = '3MB'", "select 1/0", "commit"}, "show work_mem", "4MB"},
    {"set twice, the second time rolled back",
     {"set work_mem = '2MB'", "begin", "set work_mem = '3MB'", "rollback"},
     "show work_mem",
     "2MB"},
    {"to a savepoint",
     {"begin",
      "set work_mem = '5MB'",
      "savepoint s",
      "set work_mem = '6MB'",
      "rollback to s",
      "commit"},
     "show work_mem",
     "5MB"},
    {"released",
     {"begin", "savepoint s", "set work_mem = '6MB'", "release s", "commit"},
     "show work_mem",
     "6MB"},
    {"local", {"begin", "set local work_mem = '6MB'", "commit"}, "show work_mem", "4MB"},
    {"session and local",
     {"begin", "set work_mem = '5MB'", "set local work_mem = '6MB'", "commit"},
     "show work_mem",
     "5MB"},
    {"from current",
     {"begin", "set local work_mem = '6MB'", "set work_mem from current", "commit"},
     "show work_mem",
     "6MB"},
    {"by a function", {"select set_config('work_mem', '7MB', false)"}, "show work_mem", "7MB"},
    {"computed",
     {"select set_config('work_mem', (8 * 1024)::text, 1 = 0)"},
     "show work_mem",
     "8MB"},
    {"characteristics",
     {"set session characteristics as transaction read only"},
     "show default_transaction_read_only",
     "on"},
    {"custom",
     {"set app.tenant = 'x''y\\z'"},
     "select current_setting('app.tenant', true)",
     "x'y\\z"},
    {"custom, empty", {"set app.tenant = ''"}, "select current_setting('app.tenant', true)", ""},
    {"custom, reset",
     {"set app.tenant = 'x'", "reset app.tenant"},
     "select current_setting('app.tenant', true) is null",
     "f"},
    {"custom, local",
     {"begin", "set local app.tenant = 'x'", "commit"},
     "select current_setting('app.tenant', true) is null",
     "f"},
    {"custom, rolled back",
     {"begin", "set app.tenant = 'x'", "rollback"},
     "select current_setting('app.tenant', true) is null",
     "f"},
    {"reset", {"set work_mem = '2MB'", "reset work_mem"}, "show work_mem", "4MB"},
    {"reset, rolled back",
     {"set work_mem = '2MB'", "begin", "reset work_mem", "rollback"},
     "show work_mem",
     "2MB"},
    {"reset to a savepoint",
     {"set work_mem = '2MB'", "begin", "savepoint s", "reset work_mem", "rollback to s", "commit"},
     "show work_mem",
     "2MB"},
    {"reset all", {"set work_mem = '2MB'", "reset all"}, "show work_mem", "4MB"},
    {"discard all", {"set work_mem = '2MB'", "discard all"}, "show work_mem", "4MB"},
    {"role", {"set role state_role"}, "select current_user", "state_role"},
    {"role, none", {"set role state_role", "set role none"}, "select current_user", role_trust},
    {"role, reset all keeps it",
     {"set role state_role", "reset all"},
     "select current_user",
     "state_role"},
    {"role, discarded", {"set role state_role", "discard all"}, "select current_user", role_trust},
    {"role in a block that fails",
     {"begin", "set role state_role", "select 1/0", "rollback"},
     "select current_user",
     role_trust},
};

}  // namespace

TEST_CASE("what a client sets is its own, whoever has the server in between" * ours_only()) {
    const Fixture fixture{1};
    Pg direct = fixture.database.connect();
    direct.exec("create role state_role");
    direct.exec(std::string("grant state_role to ") + role_trust);
    Pg other = fixture.connect();
    const std::string look_at_all =
        "select concat_ws('|', current_setting('work_mem'), current_setting('search_path'), "
        "current_setting('lock_timeout'), current_setting('default_transaction_read_only'), "
        "current_user, coalesce(nullif(current_setting('app.tenant', true), ''), 'none'))";
    const std::string untouched = other.value(look_at_all);
    for (const Change& change : changes) {
        CAPTURE(change.name);
        Pg client = fixture.connect();
        for (const char* deed : change.deeds)
            client.try_exec(deed);
        CHECK(client.value(change.look) == change.after);
        CHECK(other.value(look_at_all) == untouched);
        CHECK(client.value(change.look) == change.after);
    }
    CHECK(fixture.database.backends() == 1);
    direct.exec("drop role state_role");
}

TEST_CASE("SET SESSION AUTHORIZATION follows, and each client is told who it is" * ours_only()) {
    const Fixture fixture{1};
    Pg direct = fixture.database.connect();
    direct.exec("create role state_role");
    direct.exec(std::string("alter role ") + role_trust + " superuser");
    {
        Pg one = fixture.connect();
        Pg two = fixture.connect();
        one.exec("set session authorization state_role");
        for (int i = 0; i < 3; ++i) {
            CHECK(one.value("select session_user") == "state_role");
            CHECK(one.parameter_status("session_authorization") == "state_role");
            CHECK(one.parameter_status("is_superuser") == "off");
            CHECK(two.value("select session_user") == role_trust);
            CHECK(two.parameter_status("session_authorization") == role_trust);
            CHECK(two.parameter_status("is_superuser") == "on");
        }
        one.exec("reset session authorization");
        CHECK(one.parameter_status("is_superuser") == "on");
        two.exec("select 1");
        CHECK(one.value("select session_user") == role_trust);
    }
    direct.exec(std::string("alter role ") + role_trust + " nosuperuser");
    direct.exec("drop role state_role");
}

TEST_CASE("a request does not run under another role when its own is gone" * ours_only()) {
    const Fixture fixture{1};
    Pg direct = fixture.database.connect();
    direct.exec("create role gone_role");
    direct.exec(std::string("grant gone_role to ") + role_trust);
    direct.exec("create table seen (a int)");
    direct.exec(std::string("grant all on seen to ") + role_trust);
    Pg client = fixture.connect();
    Pg other = fixture.connect();
    client.exec("set role gone_role");
    other.exec("select 1");
    direct.exec("drop role gone_role");
    CHECK(client.try_exec("insert into seen values (1)").sqlstate() == "22023");
    CHECK(client.try_exec("insert into seen values (2)", {}).sqlstate() == "22023");
    CHECK(direct.value("select count(*) from seen") == "0");
    CHECK(other.value("select 1") == "1");
}

TEST_CASE("a server is kept while PostgreSQL holds something on it, and no longer" * ours_only()) {
    const Fixture fixture{1};

    struct Hold {
        const char* name;
        std::vector<const char*> takes;
        const char* gives_up;
    };

    const Hold holds[] = {
        {"advisory lock", {"select pg_advisory_lock(7)"}, "select pg_advisory_unlock(7)"},
        {"advisory lock, twice",
         {"select pg_advisory_lock(7)", "select pg_advisory_lock(7), pg_advisory_unlock(7)"},
         "select pg_advisory_unlock(7)"},
        {"advisory lock, shared",
         {"select pg_advisory_lock_shared(7, 8)"},
         "select pg_advisory_unlock_all()"},
        {"advisory lock in a block that fails",
         {"begin", "select pg_advisory_lock(7)", "select 1/0", "rollback"},
         "select pg_advisory_unlock(7)"},
        {"temporary table", {"create temp table t (a int)"}, "drop table t"},
        {"temporary view", {"create temp view t as select 1"}, "discard temp"},
        {"temporary table by search_path",
         {"set search_path to pg_temp, public", "create table t (a int)"},
         "drop table t"},
        {"cursor WITH HOLD", {"declare c cursor with hold for select 1"}, "close c"},
        {"PREPARE in a string of several",
         {"prepare p as select 1; select 1", "execute p"},
         "deallocate p"},
        {"LISTEN in a string", {"select 1; listen x"}, "unlisten x"},
        {"everything",
         {"select pg_advisory_lock(7)",
          "create temp table t (a int)",
          "prepare p as select 1",
          "select 1; listen x",
          "set work_mem = '2MB'"},
         "discard all"},
    };
    for (const Hold& hold : holds) {
        CAPTURE(hold.name);
        Pg keeper = fixture.connect();
        Pg other = fixture.connect();
        for (const char* sql : hold.takes)
            keeper.try_exec(sql);
        waits(other);
        keeper.exec(hold.gives_up);
        CHECK(other.finish().value() == "1");
    }
    // What is not had is not kept.
    const std::vector<const char*> nothing[] = {
        {"create temp table t (a nonsense)"},
        {"create temp table t (a int) on commit drop"},
        {"begin", "create temp table t (a int)", "rollback"},
        {"begin", "declare c cursor with hold for select 1", "rollback"},
        {"begin", "listen x", "rollback"},
        {"listen x"},
        {"select pg_advisory_xact_lock(7)"},
    };
    for (const auto& texts : nothing) {
        CAPTURE(texts.back());
        Pg client = fixture.connect();
        Pg other = fixture.connect();
        for (const char* sql : texts)
            client.try_exec(sql);
        gets_a_server(other);
    }
    // The pool's, and the one that listens.
    CHECK(fixture.database.backends() == 2);
}

TEST_CASE("a lock that another one has is tried for, and keeps no server" * ours_only()) {
    const Fixture fixture{1};
    Pg direct = fixture.database.connect();
    direct.exec("select pg_advisory_lock(7)");
    Pg client = fixture.connect();
    Pg other = fixture.connect();
    CHECK(client.value("select pg_try_advisory_lock(7)") == "f");
    gets_a_server(other);
}

TEST_CASE(
    "names that were prepared beside a temporary table mean what they say later" * ours_only()
) {
    const Fixture fixture{2};
    Pg direct = fixture.database.connect();
    direct.exec("create table t as select 'public'::text as a");
    direct.exec("grant select on t to public");
    Pg client = fixture.connect();
    Pg other = fixture.connect();
    other.prepare("s", "select a from t");
    CHECK(other.exec_prepared("s").value() == "public");
    client.exec("create temp table t as select 1 as a");
    client.prepare("s", "select a from t");
    CHECK(client.exec_prepared("s").value() == "1");
    CHECK(other.exec_prepared("s").value() == "public");
    client.exec("drop table t");
    client.prepare("s2", "select a from t");
    CHECK(client.exec_prepared("s2").value() == "public");
    CHECK(other.exec_prepared("s").value() == "public");
}

// Row-level security by a custom setting, many tenants on few servers, clients that die at any
// moment. WEIR_TENANT_SECONDS: how long (5).
TEST_CASE("no tenant ever sees a row of another one" * ours_only()) {
    const char* const wish = std::getenv("WEIR_TENANT_SECONDS");
    const std::chrono::seconds duration(wish != nullptr ? std::atoi(wish) : 5);
    constexpr int tenants = 200;
    const Fixture fixture{5};
    Pg direct = fixture.database.connect();
    direct.exec(
        "create table orders (organization int, note text);"
        "insert into orders select i % 200, 'x' from generate_series(0, 1999) i;"
        "alter table orders enable row level security;"
        "create policy own on orders using (organization = "
        "nullif(current_setting('app.current_organization_id', true), '')::int);"
        "grant select on orders to public"
    );
    std::atomic<int> foreign{0};
    std::atomic<int> looked{0};
    const auto until = std::chrono::steady_clock::now() + duration;
    const auto work = [&](unsigned seed) {
        std::mt19937 random(seed);
        const std::string look =
            "select count(*), min(organization), max(organization) from orders";
        while (std::chrono::steady_clock::now() < until) {
            Pg client = fixture.connect();
            const std::string tenant = std::to_string(random() % tenants);
            const auto set = [&](const char* local) {
                client.exec(
                    "select set_config('app.current_organization_id', $1, " + std::string(local) +
                        ")",
                    {tenant}
                );
            };
            const auto sees_own = [&](const Result& result) {
                ++looked;
                const bool own = result.value(0, 0) == "10" && result.value(0, 1) == tenant &&
                                 result.value(0, 2) == tenant;
                if (!own) ++foreign;
            };
            // Before it has said who it is, it sees nothing.
            if (client.exec(look).value(0, 0) != "0") ++foreign;
            for (auto turns = random() % 8; turns > 0; --turns) {
                switch (random() % 4) {
                    case 0:
                        set("false");
                        sees_own(client.exec(look));
                        sees_own(client.exec(look));
                        break;
                    case 1:
                        client.exec("begin");
                        set("true");
                        sees_own(client.exec(look));
                        client.exec(random() % 2 == 0 ? "commit" : "rollback");
                        break;
                    case 2:
                        client.exec("begin");
                        client.exec("set app.current_organization_id = " + tenant);
                        sees_own(client.exec(look, Parameters{}));
                        client.exec("commit");
                        sees_own(client.exec(look, Parameters{}));
                        break;
                    default:
                        client.exec("set app.current_organization_id to " + tenant);
                        client.exec("discard all");
                        if (client.exec(look).value(0, 0) != "0") ++foreign;
                }
            }
            // Leaves in the middle of what it is doing.
            if (random() % 3 == 0) {
                client.send("set app.current_organization_id = " + tenant + "; " + look);
                shutdown(PQsocket(client.raw()), SHUT_RDWR);
            }
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 16; ++i)
        threads.emplace_back(work, i);
    for (auto& thread : threads)
        thread.join();
    CHECK(foreign == 0);
    CHECK(looked > 50);
    CHECK(fixture.database.backends() <= 5);
    MESSAGE(looked.load() << " looks by " << tenants << " tenants, none at another's rows");
}
