#include "router/pg_query_parser.h"
#include "router/statement_cache.h"
#include "tests/unit/support/allocations.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <string>

namespace weir::router {

TEST_CASE("StatementCache: literals share an entry, other differences do not") {
    StatementCache cache;
    const Statement* first =
        cache.find_or_analyse("SELECT a FROM t WHERE id = 5 AND b = 'x'").get();
    CHECK(cache.find_or_analyse("SELECT a FROM t WHERE id = 77 AND b = E'it\\'s'").get() == first);
    CHECK(cache.find_or_analyse("SELECT a FROM t WHERE id = 5 AND b = $$x$$").get() == first);
    CHECK(cache.entries() == 1);
    CHECK(cache.counters().misses == 1);
    CHECK(cache.counters().blind_hits == 2);
    for (const char* other : {
             "SELECT a FROM u WHERE id = 5 AND b = 'x'",
             "SELECT a FROM t WHERE id = 'x' AND b = 5",
             "SELECT a FROM t WHERE id = 5 AND b = NULL",
             "SELECT a FROM t WHERE id = 5 AND b = 'x' /*+ hint */",
             "/*+ hint */ SELECT a FROM t WHERE id = 5 AND b = 'x'",
             "SELECT \"a\" FROM t WHERE id = 5 AND b = 'x'",
             "SELECT a FROM t WHERE id = 5 AND b = $1",
         }) {
        CAPTURE(other);
        CHECK(cache.find_or_analyse(other).get() != first);
    }
}

TEST_CASE("StatementCache: texts that begin alike are told apart, in whatever order they come") {
    StatementCache cache;
    const std::string begin = "SELECT abalance FROM pgbench_accounts WHERE ";
    const auto kind_of = [&](const std::string& text) {
        return cache.find_or_analyse(text)->relations;
    };
    for (int i = 0; i < 50; ++i) {
        const auto number = std::to_string(i * 7919);
        CAPTURE(number);
        CHECK(kind_of(begin + "aid = " + number).size() == 1);
        CHECK(kind_of(begin + "aid = (SELECT a FROM t WHERE b = " + number + ")").size() == 2);
        CHECK(kind_of(begin + "aid = (SELECT a FROM t, u WHERE b = '" + number + "')").size() == 3);
        CHECK(cache.find_or_analyse(begin + "aid = " + number)->is_plain_select);
        CHECK_FALSE(cache.find_or_analyse(begin + "aid = nextval('s') + " + number)->is_plain_select
        );
    }
    CHECK(cache.counters().blind_hits > 100);
}

TEST_CASE("Statement: what is more than a SELECT that reads is no plain one") {
    for (const char* plain : {"SELECT 1", "SELECT a, count(*) FROM s.t WHERE b = $1 GROUP BY a"}) {
        CAPTURE(plain);
        CHECK(analyse(plain)->is_plain_select);
    }
    for (const char* other : {
             "",
             "SELECT 1; SELECT 2",
             "SELECT f(1)",
             "SELECT 1 INTO t",
             "SELECT a === b FROM t",
             "SELECT lastval()",
             "SELECT nextval('s')",
             "SELECT pg_notify('c', '')",
             "SELECT pg_advisory_lock(1)",
             "SELECT pg_advisory_unlock(1)",
             "SELECT set_config('a.b', 'c', true)",
             "SELECT * FROM pg_prepared_statements",
             "WITH x AS (DELETE FROM t RETURNING a) SELECT a FROM x",
             "INSERT INTO t VALUES (1)",
             "SHOW work_mem",
             "BEGIN",
             "TABLE",
         }) {
        CAPTURE(other);
        CHECK_FALSE(analyse(other)->is_plain_select);
    }
}

TEST_CASE("StatementCache: a meaning that hangs on a literal is remembered by the exact text") {
    StatementCache cache;
    CHECK(cache.find_or_analyse("SELECT set_config('a.b', 'c', true)")->pin == PinReason::none);
    CHECK_FALSE(cache.find_or_analyse("SELECT set_config('a.b', 'c', 'f')")->settings[0].is_local);
    CHECK(cache.find_or_analyse("SET work_mem = '1MB'")->settings[0].value == "1MB");
    CHECK(cache.find_or_analyse("SET work_mem = '2MB'")->settings[0].value == "2MB");
    CHECK(cache.counters().misses == 4);
    CHECK(cache.find_or_analyse("SET work_mem = '1MB'")->settings[0].value == "1MB");
    CHECK(cache.counters().exact_hits == 1);
    // What an identifier says may hang on the literal behind UESCAPE.
    CHECK(
        cache.find_or_analyse("SELECT U&\"set!0073eed\" UESCAPE '#' (1)")->pin ==
        PinReason::unknown_function
    );
    CHECK(
        cache.find_or_analyse("SELECT U&\"set!0073eed\" UESCAPE '!' (1)")->pin == PinReason::setseed
    );
}

TEST_CASE("StatementCache: a syntax error is remembered by the exact text") {
    StatementCache cache;
    CHECK(cache.find_or_analyse("SELECT 1 FRM t WHERE")->pin == PinReason::unparsable);
    CHECK(cache.find_or_analyse("SELECT 1 FRM t WHERE")->pin == PinReason::unparsable);
    CHECK(cache.counters().exact_hits == 1);
    CHECK(cache.find_or_analyse("SELECT 2 FRM t WHERE")->pin == PinReason::unparsable);
    CHECK(cache.counters().misses == 2);
}

TEST_CASE("StatementCache: texts that cannot be read are not remembered") {
    StatementCache cache;
    const std::string text = "SELECT '\\', '\xc3\xa4'";
    CHECK(cache.find_or_analyse(text)->pin == PinReason::none);
    CHECK(
        cache.find_or_analyse(text, {.standard_conforming_strings = false})->pin ==
        PinReason::unknown_encoding
    );
    CHECK(
        cache.find_or_analyse(text, {.ascii_safe_encoding = false})->pin ==
        PinReason::unknown_encoding
    );
    CHECK(cache.find_or_analyse(text)->pin == PinReason::none);
    const std::string long_text = "SELECT '" + std::string(parser_text_limit, 'x') + "'";
    CHECK(cache.find_or_analyse(long_text)->pin == PinReason::none);
    CHECK(cache.counters().unkeyed == 3);
    CHECK(cache.entries() == 1);
}

TEST_CASE("StatementCache: limits hold, and what is used stays") {
    StatementCache cache{{.entries = 100, .bytes = 1U << 20U}};
    const std::string hot = "SELECT hot FROM t";
    const StatementPtr kept = cache.find_or_analyse(hot);
    for (int i = 0; i < 1000; ++i) {
        cache.find_or_analyse("SELECT c" + std::to_string(i) + " FROM t");
        CHECK(cache.find_or_analyse(hot).get() == kept.get());
        CHECK(cache.entries() <= 100);
    }
    CHECK(cache.counters().evictions >= 900);

    StatementCache small{{.entries = 1000, .bytes = 8192}};
    for (int i = 0; i < 100; ++i) {
        small.find_or_analyse("SELECT " + std::string(static_cast<std::size_t>(i * 10 + 1), 'c'));
        CHECK(small.bytes() <= 8192);
    }
    CHECK(small.entries() > 0);
    CHECK(small.find_or_analyse("SELECT " + std::string(9000, 'c'))->pin == PinReason::none);
    CHECK(small.bytes() <= 8192);

    StatementCache none{{.entries = 0, .bytes = 0}};
    CHECK(none.find_or_analyse("SELECT 1")->is_read_only);
    CHECK(none.entries() == 0);
}

TEST_CASE("StatementCache: a statement outlives its entry for who copied the pointer") {
    StatementCache cache{{.entries = 1, .bytes = 1U << 20U}};
    const StatementPtr kept = cache.find_or_analyse("LISTEN a");
    cache.find_or_analyse("LISTEN b");
    CHECK(kept->name == "a");
}

TEST_CASE("StatementCache: a hit allocates nothing and takes less than a parse") {
    StatementCache cache;
    const std::string prepared =
        "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2";
    const std::string simple =
        "UPDATE pgbench_accounts SET abalance = abalance + -4521 WHERE aid = 83123";
    for (const std::string& text : {prepared, simple}) {
        cache.find_or_analyse(text);
        const test::AllocationCount count;
        constexpr int rounds = 100000;
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < rounds; ++i)
            if (cache.find_or_analyse(text)->kind() != StatementKind::update) std::abort();
        const std::chrono::duration<double, std::nano> spent =
            std::chrono::steady_clock::now() - start;
        CHECK(count.allocations() == 0);
        const double nanoseconds = spent.count() / rounds;
        MESSAGE(nanoseconds, " ns per hit: ", text);
    }
}

}  // namespace weir::router
