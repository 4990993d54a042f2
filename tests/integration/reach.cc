// What a statement reaches beyond its own text, what is defined while it runs, and what stands
// behind a ROLLBACK: none of it runs under another client's settings, and none of it stays behind.
#include "tests/integration/fixture.h"

#include <string>
#include <vector>

using namespace weir::test;

namespace {

using Texts = std::vector<const char*>;

void set_up(const Database& database) {
    Pg direct = database.connect();
    direct.exec(
        "do $$ begin create role one_role; exception when duplicate_object then null; end $$;"
        "do $$ begin create role two_role; exception when duplicate_object then null; end $$;"
        "grant one_role, two_role to app; grant create on schema public to public;"
        "create function evil() returns int language plpgsql as "
        "$$ begin perform set_config('role', 'one_role', false); perform pg_advisory_lock(7);"
        " return 1; end $$;"
        "create function fires() returns trigger language plpgsql as "
        "$$ begin perform evil(); return null; end $$;"
        "create function locks(int) returns int immutable language plpgsql as "
        "$$ begin perform pg_advisory_lock(8); return $1; end $$;"
        // Like one of PostgreSQL's own, with other arguments.
        "create function log(text) returns int language plpgsql as "
        "$$ begin return evil(); end $$;"
        "create table parent (a int primary key); grant all on parent to public;"
        "create table child (a int references parent); grant all on child to public;"
        "create trigger t after truncate on child for each statement execute function fires();"
        "create table plain (a int); grant all on plain to public;"
        "alter table plain owner to app;"
        "create view evil_view as select evil() as a; grant all on evil_view to public;"
        "create table indexed (a int); insert into indexed values (1);"
        "create index on indexed (locks(a)); alter table indexed owner to app;"
        "create procedure commits() language plpgsql as "
        "$$ begin set role one_role; commit; raise exception 'late'; end $$;"
    );
}

const char* const look =
    "select current_user || ' ' || (select count(*) from pg_locks where locktype = 'advisory')";

}  // namespace

TEST_CASE(
    "what a statement reaches, and what is made as it runs, stays with its client" * ours_only()
) {
    const Fixture fixture{1};
    set_up(fixture.database);
    const Texts deeds[] = {
        {"do $$ begin set role one_role; commit; raise exception 'late'; end $$"},
        {"call commits()"},
        {"begin",
         "create function made() returns int language sql as 'select evil()'",
         "select made()",
         "commit"},
        {"begin",
         "create function made_not() returns int language sql as 'select evil()'",
         "select made_not()",
         "rollback"},
        {"create function made_now() returns int language sql as 'select evil()';"
         "select made_now()"},
        {"begin",
         "create trigger t before insert on plain for each statement execute function fires()",
         "insert into plain values (1)",
         "drop trigger t on plain",
         "commit"},
        {"create function pg_temp.f() returns int language sql as 'select evil()'",
         "select pg_temp.f()",
         "drop function pg_temp.f()"},
        {"truncate parent cascade"},
        {"select log('x'::text)"},
        {"select table_to_xml('evil_view', false, false, '')"},
        {"create materialized view m as select 1 as a with no data; drop materialized view m",
         "create materialized view seen as select a from evil_view with no data",
         "refresh materialized view seen"},
        {"analyze indexed"},
        {"vacuum analyze indexed"},
        {"reindex table indexed"},
        {"prepare p as select evil()", "execute p"},
        {"select pg_advisory_lock(41)",
         "set role one_role",
         "select 1/0",
         "select pg_advisory_unlock(41)"},
    };
    for (const auto& deed : deeds) {
        CAPTURE(deed.front());
        {
            Pg client = fixture.connect();
            for (const char* text : deed)
                client.try_exec(text);
        }
        Pg next = fixture.connect();
        CHECK(next.value(look) == "app 0");
    }
}

TEST_CASE("what runs behind a ROLLBACK runs under the client's own settings" * ours_only()) {
    const Fixture fixture{1};
    set_up(fixture.database);
    Pg one = fixture.connect();
    Pg two = fixture.connect();
    one.exec("set role one_role");
    two.exec("set role two_role");
    const Texts texts[] = {
        {"begin", "select 1", "rollback and chain", "select current_user", "commit"},
        {"rollback; select current_user"},
        {"begin", "select 1", "rollback; select current_user"},
        {"select 1; rollback; select current_user"},
        {"begin", "select 1/0", "commit; select current_user"},
        {"begin", "select 1/0", "commit and chain", "select current_user", "commit"},
        {"begin; select 1; rollback; select current_user"},
    };
    for (const auto& steps : texts) {
        CAPTURE(steps.front());
        CAPTURE(steps.back());
        CHECK(two.value("select current_user") == "two_role");
        for (const char* step : steps) {
            const Result result = one.try_exec(step);
            if (std::string(step).find("current_user") != std::string::npos) {
                CHECK(result.value() == "one_role");
            }
        }
        CHECK(one.value("select current_user") == "one_role");
    }
    // What was never set is not taken over from another client.
    two.exec("set app.tenant = 'two'");
    one.exec("begin");
    one.exec("set local app.tenant = 'one'");
    one.exec("rollback");
    CHECK(one.value("select current_setting('app.tenant', true)") == "");
    CHECK(two.value("select current_setting('app.tenant', true)") == "two");
    // VACUUM is refused in a transaction: it has its settings all the same.
    two.exec("set role none");
    CHECK(one.try_exec("vacuum parent").good());
}

TEST_CASE("a trigger that is made while a statement waits counts for it" * ours_only()) {
    const Fixture fixture{2};
    set_up(fixture.database);
    Pg maker = fixture.connect();
    Pg writer = fixture.connect();
    writer.exec("insert into plain values (0)");
    maker.exec("begin");
    maker.exec("create trigger t before insert on plain for each statement execute function fires()"
    );
    writer.send("insert into plain values (1)");
    holds_for(
        "it waits", [&] { return !writer.answered(); }, std::chrono::milliseconds(200)
    );
    maker.exec("commit");
    CHECK(writer.finish().good());
    writer.exec("select pg_advisory_unlock_all()");
    for (int i = 0; i < 4; ++i) {
        Pg next = fixture.connect();
        CHECK(next.value("select current_user") == "app");
    }
}

TEST_CASE("a RESET goes to the client's own start, and a SET behind it counts" * ours_only()) {
    const Fixture fixture{1};
    Pg client = fixture.connect("options='-c timezone=Asia/Tokyo -c work_mem=5MB'");
    Pg other = fixture.connect();
    const auto both = [&] {
        other.exec("select 1");
        return client.value(
            "select current_setting('timezone') || ' ' || "
            "current_setting('work_mem')"
        );
    };
    CHECK(both() == "Asia/Tokyo 5MB");
    client.exec("reset all; set timezone = 'Europe/Berlin'; set work_mem = '6MB'");
    CHECK(both() == "Europe/Berlin 6MB");
    CHECK(client.parameter_status("TimeZone") == "Europe/Berlin");
    client.exec("begin; reset timezone; set timezone = 'Europe/Paris'; commit");
    CHECK(both() == "Europe/Paris 6MB");
    client.exec("set work_mem = '7MB'; reset work_mem; set timezone = 'UTC'; reset timezone");
    CHECK(both() == "Asia/Tokyo 5MB");
    CHECK(client.parameter_status("TimeZone") == "Asia/Tokyo");
}

TEST_CASE(
    "a statement that returns other columns than the client was told is refused" * ours_only()
) {
    const Fixture fixture{2, {{"lend_policy", "rotate"}}};
    Pg direct = fixture.database.connect();
    direct.exec("create table t (a int); insert into t values (1); grant all on t to public");
    RawClient client = fixture.raw();
    client.exchange(parse("s", "select a from t") + describe_statement("s") + sync_message());
    const std::string use = bind_message("", "s") + execute() + sync_message();
    for (int i = 0; i < 3; ++i)
        CHECK(types(client.exchange(use)) == "2DCZ");
    direct.exec("alter table t alter a type real using a::real");
    for (int i = 0; i < 3; ++i) {
        const BackendMessages answer = client.exchange(use);
        CHECK(types(answer) == "EZ");
        CHECK(first(answer, 'E').sqlstate() == "0A000");
        CHECK(first(answer, 'E').error_field('R') == "RevalidateCachedQuery");
    }
    // As drivers do then.
    client.exchange(close_statement("s") + sync_message());
    client.exchange(parse("s", "select a from t") + describe_statement("s") + sync_message());
    for (int i = 0; i < 3; ++i)
        CHECK(types(client.exchange(use)) == "2DCZ");
}
