#include "proxy/own_query.h"

#include <doctest/doctest.h>

using weir::proxy::own_query;
using Kind = weir::proxy::OwnQuery::Kind;

TEST_CASE("own_query: what is pgweir's to answer") {
    CHECK(own_query("SHOW pgweir.last_route")->kind == Kind::last_route);
    CHECK(own_query(" show PGWEIR . lsn_token ;; ")->kind == Kind::lsn_token);
    CHECK(own_query("/* x */ show pgweir.route -- y")->kind == Kind::route);
    CHECK(own_query("show pgweir.consistency")->column() == "pgweir.consistency");
    const auto explained = own_query("Explain ROUTE select 1; select 2");
    REQUIRE(explained);
    CHECK(explained->kind == Kind::explain_route);
    CHECK(explained->sql == " select 1; select 2");
    CHECK(explained->tag() == "EXPLAIN");
    CHECK(explained->column() == "QUERY PLAN");
    for (const char* other :
         {"",
          "s",
          "show",
          "show search_path",
          "show pgweir.min_lsn",
          "show pgweir.last_route; select 1",
          "show \"pgweir\".\"last_route\" x",
          "select 'show pgweir.last_route'",
          "explain select 1",
          "explain (route) select 1",
          "set pgweir.route = 'primary'"}) {
        CAPTURE(other);
        CHECK_FALSE(own_query(other));
    }
}
