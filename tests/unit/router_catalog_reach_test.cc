// Which statements a change of names concerns.
#include "router/catalog.h"
#include "router/pg_query_parser.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir::router {

namespace {

// A view over a table with a trigger, whose function calls another; a partitioned table.
std::shared_ptr<const Catalog> a_catalog() {
    return Catalog::build({
        {'f', "20001", "noted", "plpgsql/", "begin perform called(); return new; end"},
        {'f', "20002", "called", "sql/", "select count(*) from looked_at"},
        {'f', "20003", "same", "sql/", "select helper($1)"},
        {'e', "20003", "pg_operator", "", ""},
        {'f', "20004", "on_ddl", "plpgsql/", "begin perform ddl_helper(); end"},
        {'v', "20004", "", "", ""},
        {'u', "watched", "20001", "w", ""},
        {'r', "view", "watched", "r", ""},
        {'r', "parent", "child", "r", ""},
    });
}

ChangedNames changed_by(std::string_view ddl) {
    const auto statement = analyse(ddl);
    ChangedNames changed;
    if (statement->changes_only_names) {
        changed.add(statement->changed_names);
    } else {
        changed.add_anything();
    }
    return changed;
}

// The DDL concerns the statement.
bool concerns(std::string_view ddl, std::string_view statement) {
    const auto catalog = a_catalog();
    auto changed = changed_by(ddl);
    catalog->reach().complete(changed);
    return catalog->reach().meets(*analyse(statement), changed);
}

}  // namespace

TEST_CASE("catalog reach: what is named, and what that meets") {
    constexpr auto trigger = "create trigger t after insert on watched execute function noted()";
    CHECK(concerns(trigger, "insert into watched values (1)"));
    CHECK(concerns(trigger, "select * from view"));
    CHECK_FALSE(concerns(trigger, "insert into plain values (1)"));
    CHECK_FALSE(concerns(trigger, "select called()"));
    constexpr auto function = "create or replace function called() returns int return 1";
    CHECK(concerns(function, "update watched set a = 1"));
    CHECK(concerns(function, "update view set a = 1"));
    CHECK(concerns(function, "select x.called from x"));
    CHECK(concerns(function, "select (x).called from x"));
    CHECK_FALSE(concerns(function, "select * from looked_at"));
    CHECK(concerns("create view looked_at as select 1", "delete from watched"));
    CHECK_FALSE(concerns("create view v as select * from watched", "delete from watched"));
}

TEST_CASE("catalog reach: a function of PostgreSQL's own may have a namesake now") {
    CHECK(concerns("create function lower(text) returns text return $1", "select lower('A')"));
    CHECK_FALSE(concerns("create function lower(text) returns text return $1", "select upper('A')")
    );
}

TEST_CASE("catalog reach: tables below and above") {
    CHECK(concerns("alter table parent add a int default f()", "select * from child"));
    CHECK(concerns(
        "create trigger t before insert on parent execute function f()",
        "insert into child values (1)"
    ));
    CHECK(concerns("create table c partition of parent default", "select * from parent"));
    CHECK(concerns("create table c () inherits (plain)", "select * from plain"));
    CHECK(concerns("alter table x inherit plain", "select * from plain"));
    CHECK(concerns(
        "alter table x add foreign key (a) references plain on delete cascade", "delete from plain"
    ));
    CHECK_FALSE(concerns("alter table child add a int default f()", "select * from plain"));
    // What refers to it may get a trigger later, which is DDL of that table alone.
    CHECK(concerns("create table x (a int references plain on delete cascade)", "delete from plain")
    );
    CHECK(concerns(
        "create table x (a int, foreign key (a) references plain on update set null)",
        "update plain set a = 1"
    ));
    CHECK(concerns("create trigger t after truncate on x execute function f()", "truncate plain"));
}

TEST_CASE("catalog reach: a new name of what there is") {
    CHECK(concerns("alter table x rename to y", "select * from y"));
    CHECK(concerns("alter function x() rename to y", "select y()"));
    CHECK_FALSE(concerns("alter table x rename to y", "select * from z"));
    CHECK(concerns("alter type x rename to y", "select * from z"));
}

TEST_CASE("catalog reach: what is met without a name") {
    constexpr auto any = "select * from plain";
    CHECK(concerns("create operator === (function = f, leftarg = text)", any));
    CHECK(concerns("create cast (a as b) with function f(a)", any));
    CHECK(concerns("create domain d as int check (f(value))", any));
    CHECK(concerns("create event trigger e on ddl_command_end execute function f()", any));
    CHECK(concerns("create extension x", any));
    CHECK(concerns("commit prepared 'x'", any));
    CHECK(concerns("do $$ begin execute 'create table x ()'; end $$", any));
    CHECK(concerns("not to be parsed", any));
    // The function of an operator, or what that calls.
    CHECK(concerns("create or replace function same(int) returns int return 1", any));
    CHECK(concerns("create function helper(int) returns int return 1", any));
    // That of an event trigger.
    constexpr auto of_ddl = "create function ddl_helper() returns int return 1";
    CHECK(concerns(of_ddl, "create table x ()"));
    CHECK_FALSE(concerns(of_ddl, any));
}

TEST_CASE("catalog reach: a statement of which not all names are known is concerned") {
    constexpr auto ddl = "create view v as select 1";
    CHECK(concerns(ddl, "vacuum"));
    CHECK(concerns(ddl, "not to be parsed"));
    CHECK_FALSE(concerns(ddl, "vacuum plain"));
}

TEST_CASE("catalog reach: several statements of one text") {
    constexpr auto ddl = "create view v as select 1; create function f() returns int return 1";
    CHECK(concerns(ddl, "select * from v"));
    CHECK(concerns(ddl, "select f()"));
    CHECK_FALSE(concerns(ddl, "select g() from w"));
    CHECK(concerns("create view v as select 1; drop table x, y", "select * from v"));
    CHECK(concerns("select 1 into t; create view v as select 1", "select * from t"));
}

TEST_CASE("changed names: too many are anything") {
    ChangedNames changed;
    std::vector<std::uint32_t> names;
    for (std::uint32_t i = 0; i <= ChangedNames::max_names; ++i)
        names.push_back(i);
    changed.add(names);
    CHECK(changed.anything);
    CHECK(changed.names.empty());
}

}  // namespace weir::router
