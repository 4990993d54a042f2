// Which slow statements are explained, and what of their plans is shown.
#include "proxy/slow_explain.h"

#include <doctest/doctest.h>

namespace weir::proxy {

namespace {

SlowStatement slow(std::string text) {
    auto fingerprint = std::make_shared<router::Fingerprint>();
    fingerprint->id = 1;
    fingerprint->text = std::move(text);
    SlowStatement statement;
    statement.fingerprint = std::move(fingerprint);
    statement.on_replica = true;
    return statement;
}

}  // namespace

TEST_CASE("SlowExplain: only what ran on a replica, whole, alone, and well") {
    CHECK(may_explain(slow("SELECT a FROM t")));
    CHECK(may_explain(slow("with x as (select 1) select * from x")));
    for (const char* text :
         {"",
          "update t set a = $1",
          "fetch c",
          "select 1; select 2",
          "select a in ($1, ...)",
          "selected"}) {
        CAPTURE(text);
        CHECK_FALSE(may_explain(slow(text)));
    }
    CHECK_FALSE(may_explain(slow("select " + std::string(5000, 'a'))));
    auto primary = slow("select 1");
    primary.on_replica = false;
    CHECK_FALSE(may_explain(primary));
    auto failed = slow("select 1");
    failed.sqlstate = "57014";
    CHECK_FALSE(may_explain(failed));
    auto another = slow("select 1");
    another.other_role = true;
    CHECK_FALSE(may_explain(another));
    CHECK(may_explain_on(slow("select a from \"t$1\""), 15));
    CHECK_FALSE(may_explain_on(slow("select a from t where b = $1"), 15));
    CHECK(may_explain_on(slow("select a from t where b = $1"), 16));
}

TEST_CASE("SlowExplain: a plan without its values") {
    for (const char* line :
         {"Seq Scan on t  (cost=0.00..35.50 rows=10 width=4)",
          "  ->  Function Scan on generate_series g  (cost=0.00..1.00 rows=5 width=0)"}) {
        CHECK(masked_plan_line(line) == line);
    }
    for (const char* line :
         {"  Filter: (name = 'S3CRET'::text)",
          "  Filter: (name = '  (cost=S3CRET'::text)",
          "  Index Cond: (id = ANY ('{S3CRET}'::text[]))",
          "  Output: E'S3CRET\\n', $$S3CRET$$"}) {
        const auto masked = masked_plan_line(line);
        CAPTURE(masked);
        CHECK(masked.find("S3CRET") == std::string::npos);
        CHECK(masked.starts_with(std::string(line).substr(0, std::string(line).find(':') + 2)));
    }
    CHECK(masked_plan_line("  Filter: (id = 4711)").find("4711") == std::string::npos);
}

}  // namespace weir::proxy
