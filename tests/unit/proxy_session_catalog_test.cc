// What a statement reaches beyond its text is looked up in the database's catalog, which a session
// reads when it needs it.
#include "proxy/state_inquiry.h"
#include "tests/unit/support/session_script.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::test;
using proxy::pin_bit;
using router::PinReason;

namespace {

const std::string reads_the_catalog =
    fe::query(std::string(proxy::catalog_query_settings) + std::string(router::catalog_query()));

std::string catalog_row(const router::CatalogRow& row) {
    return be::row_of({std::string(1, row.kind), row.a, row.b, row.c, row.d});
}

std::string function_row(const std::string& oid, const std::string& name, const std::string& body) {
    return catalog_row({'f', oid, name, "plpgsql/", body});
}

std::string end_of_catalog() {
    return be::complete("SET") + be::complete("SET") + be::complete("SELECT 1") + be::ready();
}

std::string asks_for(std::vector<std::string> names, proxy::PinSet pins = 0) {
    proxy::StateInquiry inquiry;
    inquiry.pins = pins;
    inquiry.names = std::move(names);
    return fe::query(proxy::inquiry_text(inquiry));
}

std::string says(const be::Values& values) {
    return be::row_of(values) + be::complete("SELECT 1") + be::ready();
}

SessionScript without_catalog() {
    ScriptOptions options;
    options.catalog_known = false;
    options.clients = {{}, {}};
    return SessionScript{options};
}

// The catalog is read before the request.
SessionScript& reads_first(
    SessionScript& script, const std::string& request, const std::string& rows
) {
    return script.client_sends(request)
        .server_receives(reads_the_catalog)
        .server_replies(rows, end_of_catalog())
        .client_receives("")
        .server_receives(request)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
}

// One request and what the server gets and says for it; the client gets the same.
SessionScript& asks_and_gets(SessionScript& script, const std::string& request) {
    return script.client_sends(request)
        .server_receives(request)
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
}

}  // namespace

TEST_CASE("Catalog: it is read before the first request, and then it is there for all") {
    auto script = without_catalog();
    reads_first(script, select("harmless()"), function_row("20001", "harmless", "begin end"))
        .pool_has(0, 1, 0);
    asks_and_gets(script, select("harmless()")).server_receives("").with_client(1);
    asks_and_gets(script, select("harmless()")).server_receives("").pool_has(0, 1, 0);
    script.play();
}

// Found by PostgreSQL's own tests: one such function, and every text that read a table kept its
// server.
TEST_CASE("Catalog: a function that is called like a column counts where its name is") {
    auto script = without_catalog();
    const auto rows = function_row("20001", "f", "begin perform pg_advisory_lock(1); end") +
                      catalog_row({'a', "20001", "", "", ""});
    const auto column = fe::query("select t.a, (t).b, f from t");
    reads_first(script, column, rows).pool_has(0, 1, 0);
    std::string call;
    SUBCASE("of a table") {
        call = "select t.f from t";
    }
    SUBCASE("of a value") {
        call = "select (row(1, 2)).f";
    }
    script.client_sends(fe::query(call))
        .server_receives(fe::query(call))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_receives(asks_for({}, pin_bit(PinReason::advisory_lock)))
        .server_replies(says({"t"}))
        .pool_has(1, 0, 0);
    script.play();
}

// Found by PostgreSQL's own tests: it was looked up when the transaction had ended, and kept the
// server for good.
TEST_CASE("Catalog: a text that PostgreSQL cannot read either has not run") {
    auto script = without_catalog();
    const auto rows = function_row("20001", "f", "begin perform pg_advisory_lock(1); end") +
                      catalog_row({'u', "t", "20001", "w", ""});
    const auto text = fe::query("selekt 1");
    const auto error = be::error("42601", "syntax error", "scanner_yyerror", "ERROR", "scan.l");
    script.client_sends(text)
        .server_receives(reads_the_catalog)
        .server_replies(rows, end_of_catalog())
        .client_receives("")
        .server_receives(text)
        .does(
            "definitions change meanwhile",
            [](ScriptWorld& world) { world.entry->catalog->outdate(); }
        )
        .server_replies(error, be::ready())
        .client_receives(error, be::ready())
        .pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Catalog: a large one is built aside; who needs it waits, and others do not") {
    auto script = without_catalog();
    const auto rows = function_row(
        "20001", "f", "begin perform pg_advisory_lock(1); end --" + std::string(100'000, 'x')
    );
    SUBCASE("before the request") {
        reads_first(script, select("f()"), rows);
    }
    SUBCASE("when its transaction has ended") {
        reads_first(script, select("1"), "");
        script.client_sends(fe::query("begin"))
            .client_receives(be::complete("BEGIN"), be::ready('T'))
            .client_sends(select("1"))
            .server_receives(fe::injected("begin"), select("1"))
            .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
            .client_receives(selected(), be::ready('T'))
            .does("DDL elsewhere", [](ScriptWorld& world) { world.entry->catalog->outdate(); })
            .client_sends(select("f()"))
            .server_receives(select("f()"))
            .server_replies(selected(), be::ready('T'))
            .client_receives(selected(), be::ready('T'))
            .client_sends(fe::query("commit"))
            .server_receives(fe::query("commit"))
            .server_replies(be::complete("COMMIT"), be::ready())
            .client_receives(be::complete("COMMIT"), be::ready())
            .server_receives(reads_the_catalog)
            .server_replies(rows, end_of_catalog());
    }
    script.server_receives(asks_for({}, pin_bit(PinReason::advisory_lock)))
        .server_replies(says({"t"}))
        .pool_has(1, 0, 0);
    script.play();
}

TEST_CASE("Catalog: a server that reads it often has the query prepared") {
    auto script = without_catalog();
    const auto outdate = [&] {
        script.does("the catalog is outdated", [](ScriptWorld& world) {
            world.entry->catalog->outdate();
        });
    };
    const auto rows = function_row("20001", "f", "begin end");
    const std::string query{router::catalog_query()};
    const auto settings_and = [](const std::string& text) {
        return fe::query(std::string(proxy::catalog_query_settings) + text);
    };
    const auto reads_by = [&](const std::string& how) {
        script.client_sends(select("f()"))
            .server_receives(how)
            .server_replies(rows, end_of_catalog())
            .client_receives("");
        asks_and_gets(
            script.server_receives(select("f()"))
                .server_replies(selected(), be::ready())
                .client_receives(selected(), be::ready()),
            select("f()")
        );
        outdate();
    };
    for (int i = 0; i < 3; ++i)
        reads_by(reads_the_catalog);
    reads_by(settings_and("PREPARE weir_catalog AS " + query + "; EXECUTE weir_catalog"));
    reads_by(settings_and("EXECUTE weir_catalog"));
    SUBCASE("until all prepared statements are dropped") {
        const auto drop = fe::query("select 1; deallocate all");
        script.client_sends(drop)
            .server_receives(settings_and("EXECUTE weir_catalog"))
            .server_replies(rows, end_of_catalog())
            .client_receives("")
            .server_receives(drop)
            .server_replies(selected(), be::complete("DEALLOCATE ALL"), be::ready())
            .client_receives(selected(), be::complete("DEALLOCATE ALL"), be::ready());
        outdate();
        reads_by(settings_and("PREPARE weir_catalog AS " + query + "; EXECUTE weir_catalog"));
    }
    SUBCASE("if PostgreSQL has lost it, it is sent again as it is") {
        script.client_sends(select("f()"))
            .server_receives(settings_and("EXECUTE weir_catalog"))
            .server_replies(be::complete("SET"), be::error("26000", "does not exist"), be::ready())
            .server_receives(reads_the_catalog)
            .server_replies(rows, end_of_catalog())
            .server_receives(select("f()"))
            .server_replies(selected(), be::ready())
            .client_receives(selected(), be::ready());
        outdate();
        reads_by(reads_the_catalog);
    }
    script.play();
}

TEST_CASE("Catalog: what controls a transaction needs none") {
    auto script = without_catalog();
    asks_and_gets(script, fe::query("show work_mem")).server_receives("").pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Catalog: settings that a function sets are asked for, its locks keep the server") {
    auto script = without_catalog();
    const auto rows =
        function_row("20001", "f", "begin perform set_config('app.t', x, false); end") +
        function_row("20002", "g", "begin perform pg_advisory_lock(1); perform f(1); end");
    reads_first(script, select("g()"), rows)
        .server_receives(asks_for({"app.t"}, pin_bit(PinReason::advisory_lock)))
        .server_replies(says({"t", "x"}))
        .pool_has(1, 0, 0)
        .client_sends(select("pg_advisory_unlock(1)"))
        .server_receives(select("pg_advisory_unlock(1)"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_receives(asks_for({}, pin_bit(PinReason::advisory_lock)))
        .server_replies(says({"f"}))
        .pool_has(0, 1, 0)
        .client_sends(select("f()"))
        .server_receives(select("f()"), asks_for({"app.t"}))
        .server_replies(selected(), be::ready(), says({"y"}))
        .client_receives(selected(), be::ready())
        .with_client(1)
        .client_sends(select("1"))
        .server_receives(fe::brought(fe::injected("RESET \"app\".\"t\"")), select("1"))
        .server_replies(be::brought_done(be::injected_done("RESET")), selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Catalog: a trigger counts for the statement that fires it, not for one that reads") {
    auto script = without_catalog();
    const auto rows = function_row("20001", "t", "begin set role bob; return new; end") +
                      catalog_row({'u', "audited", "20001", "w", ""});
    reads_first(script, fe::query("insert into audited values (1)"), rows)
        .server_receives(asks_for({"role"}))
        .server_replies(says({"none"}))
        .pool_has(0, 1, 0);
    asks_and_gets(script, fe::query("select * from audited")).server_receives("");
    asks_and_gets(script, fe::query("insert into other values (1)")).server_receives("");
    asks_and_gets(script, fe::query("delete from audited"))
        .server_receives(asks_for({"role"}))
        .server_replies(says({"bob"}))
        .pool_has(0, 1, 0)
        .with_client(1)
        .client_sends(select("1"))
        .server_receives(fe::brought(fe::injected("RESET ROLE")), select("1"))
        .server_replies(be::brought_done(be::injected_done("RESET")), selected(), be::ready())
        .client_receives(selected(), be::ready());
    script.play();
}

TEST_CASE("Catalog: what no text names counts for every text") {
    auto script = without_catalog();
    // The check of a domain.
    const auto rows = function_row("20001", "f", "begin execute x; end") +
                      catalog_row({'e', "20001", "domain", "", ""});
    reads_first(script, select("'x'::checked"), rows)
        .server_receives("")
        .pool_has(1, 0, 0)
        .client_ends()
        .server_is_closed(pool::CloseReason::client_pinned);
    script.play();
}

TEST_CASE("Catalog: DDL that may change it makes it outdated when its transaction has ended") {
    auto script = without_catalog();
    const auto function = fe::query("create function f() returns int language sql as 'select 1'");
    reads_first(script, function, "");
    reads_first(script, select("f()"), function_row("20001", "f", "begin end"));
    asks_and_gets(script, fe::query("create table t (a int)"));
    asks_and_gets(script, select("f()"));
    asks_and_gets(script, fe::query("create view v as select set_config('a', 'b', false)"))
        .with_client(1);
    reads_first(script, fe::query("select * from v"), "").pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Catalog: an operator is met without being named") {
    auto script = without_catalog();
    reads_first(
        script, select("1"), function_row("20001", "f", "begin perform pg_advisory_lock(1); end")
    );
    asks_and_gets(script, fe::query("create operator === (function = texteq, leftarg = text)"));
    reads_first(script, select("1"), "").pool_has(0, 1, 0);
    script.play();
}

TEST_CASE("Catalog: DDL does not concern what meets nothing of its names") {
    auto script = without_catalog();
    const auto rows = function_row("20001", "f", "begin perform g(); end") +
                      function_row("20002", "locks", "begin perform pg_advisory_lock(1); end") +
                      catalog_row({'u', "audited", "20001", "w", ""}) +
                      catalog_row({'r', "shown", "audited", "w", ""});
    reads_first(script, select("f()"), rows);
    SUBCASE("of a function that a trigger's function calls") {
        asks_and_gets(script, fe::query("create function g() returns int return 1"))
            .server_receives("")
            .with_client(1);
        asks_and_gets(script, fe::query("insert into other values (1)")).server_receives("");
        reads_first(script, fe::query("insert into shown values (1)"), "");
    }
    SUBCASE("of a trigger") {
        asks_and_gets(
            script,
            fe::query("create trigger a after insert on plain for each row execute function f()")
        )
            .server_receives("")
            .with_client(1);
        asks_and_gets(script, fe::query("insert into shown values (1)")).server_receives("");
        reads_first(script, fe::query("insert into plain values (1)"), "");
    }
    SUBCASE("of what lies above a table") {
        asks_and_gets(script, fe::query("alter table shown add c int default f()")).with_client(1);
        asks_and_gets(script, fe::query("select * from plain")).server_receives("");
        reads_first(script, fe::query("select * from audited"), "");
    }
    script.pool_has(0, 1, 0).play();
}

TEST_CASE("Catalog: names that DDL of others is changing do not concern what does not meet them") {
    auto script = without_catalog();
    std::shared_ptr<proxy::CatalogChange> change;
    const auto insert = fe::query("insert into audited values (1)");
    reads_first(script, insert, "");
    router::ChangedNames names;
    std::string name;
    SUBCASE("not met") {
        name = "other";
    }
    SUBCASE("met") {
        name = "audited";
    }
    names.names.insert(router::name_hash(name));
    script.client_sends(insert)
        .server_receives(insert)
        .does(
            "COMMIT is sent",
            [&](ScriptWorld& world) {
                change = std::make_shared<proxy::CatalogChange>(world.entry->catalog, names);
            }
        )
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready());
    if (name == "audited") {
        script.server_receives(reads_the_catalog).server_replies(end_of_catalog());
    } else {
        script.server_receives("");
    }
    script.pool_has(0, 1, 0).does("all is over", [&](ScriptWorld&) { change.reset(); });
    script.play();
}

TEST_CASE(
    "Catalog: what ran while DDL was being committed elsewhere is looked up by what is there then"
) {
    auto script = without_catalog();
    std::shared_ptr<proxy::CatalogChange> change;
    const auto insert = fe::query("insert into audited values (1)");
    reads_first(script, insert, "");
    // It has waited for the lock of CREATE TRIGGER, and goes on before that session has heard of
    // its COMMIT.
    script.client_sends(insert)
        .server_receives(insert)
        .does(
            "COMMIT is sent",
            [&](ScriptWorld& world) {
                change = std::make_shared<proxy::CatalogChange>(
                    world.entry->catalog, router::ChangedNames::all()
                );
            }
        )
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .server_receives(reads_the_catalog);
    SUBCASE("it is answered later") {}
    // What is defined from then on has nothing to do with it.
    SUBCASE("it is answered meanwhile") {
        script.does("COMMIT is answered", [&](ScriptWorld&) { change.reset(); });
    }
    script
        .server_replies(
            function_row("20001", "t", "begin set role bob; return new; end"),
            catalog_row({'u', "audited", "20001", "w", ""}),
            end_of_catalog()
        )
        .server_receives(asks_for({"role"}))
        .server_replies(says({"bob"}))
        .pool_has(0, 1, 0)
        .does("all is over", [&](ScriptWorld&) { change.reset(); });
    script.play();
}

TEST_CASE("Catalog: in a block what it was not there for is looked up at the end") {
    auto script = without_catalog();
    const auto function = fe::query("create function f() returns int language sql as 'select 1'");
    const auto rows = function_row("20001", "f", "begin perform set_config('a.b', x, false); end");
    script.client_sends(fe::query("begin"))
        .client_receives(be::complete("BEGIN"), be::ready('T'))
        .client_sends(select("1"))
        .server_receives(reads_the_catalog)
        .server_replies(end_of_catalog())
        .server_receives(fe::injected("begin"), select("1"))
        .server_replies(be::injected_done("BEGIN"), selected(), be::ready('T'))
        .client_receives(selected(), be::ready('T'))
        .does("DDL elsewhere", [](ScriptWorld& world) { world.entry->catalog->outdate(); })
        .client_sends(select("f()"))
        .server_receives(select("f()"))
        .server_replies(selected(), be::ready('T'))
        .client_receives(selected(), be::ready('T'));
    SUBCASE("it ends") {
        script.client_sends(fe::query("commit"))
            .server_receives(fe::query("commit"))
            .server_replies(be::complete("COMMIT"), be::ready())
            .client_receives(be::complete("COMMIT"), be::ready())
            .server_receives(reads_the_catalog)
            .server_replies(rows, end_of_catalog())
            .server_receives(asks_for({"a.b"}))
            .server_replies(says({"x"}))
            .pool_has(0, 1, 0);
    }
    SUBCASE("the client leaves") {
        script.client_ends().server_is_closed(pool::CloseReason::client_pinned);
    }
    script.play();
}

TEST_CASE("Catalog: where it cannot be read, a function that is not known keeps the server") {
    auto script = without_catalog();
    script.client_sends(select("f()")).server_receives(reads_the_catalog);
    SUBCASE("refused") {
        script.server_replies(be::error("42501", "permission denied"), be::ready());
    }
    SUBCASE("not what was asked for") {
        script.server_replies(be::row("1"), end_of_catalog());
    }
    script.server_receives(select("f()"))
        .server_replies(selected(), be::ready())
        .client_receives(selected(), be::ready())
        .pool_has(1, 0, 0)
        .with_client(1)
        .client_sends(select("1"))
        .pool_has(1, 0, 1);
    script.play();
}

TEST_CASE("Catalog: opaque functions keep the server for good") {
    auto script = without_catalog();
    reads_first(script, select("f()"), function_row("20001", "f", "begin execute x; end"))
        .pool_has(1, 0, 0)
        .client_ends()
        .server_is_closed(pool::CloseReason::client_pinned);
    script.play();
}
