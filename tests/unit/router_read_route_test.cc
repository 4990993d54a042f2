// classify_read(): what the session has said, without a catalog and with a small one.
#include "router/pg_query_parser.h"
#include "router/read_route.h"
#include "router/read_verdict_cache.h"
#include "router/route_hint.h"
#include "tests/unit/support/allocations.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

namespace weir::router {

namespace {

using Block = ReadContext::Block;

std::shared_ptr<const Catalog> small_catalog() {
    return Catalog::build({
        {'B', "public", "t\nt2", "", ""},
        {'R', "20001", "public", "ul", "ru"},
        {'R', "20002", "public", "v", "vpB"},
        {'f', "20003", "writes", "sql//v/0/0/f//public", "INSERT INTO t VALUES (1)"},
        {'f', "20004", "reads", "sql//s/1/0/f//public", "SELECT 1"},
        {'f', "20005", "locks", "sql//v/0/0/f//public", "SELECT pg_advisory_lock(1)"},
        {'f', "20006", "in_python", "plpython3u//v/0/0/f//public", "pass"},
        {'f', "20007", "trusted", "c/postgis/i/1/0/f//public", ""},
        {'f', "20008", "dblink_exec", "c/dblink/s/1/0/f//public", ""},
    });
}

ReadContext context_of(std::string_view path = "\"$user\", public") {
    ReadContext context;
    context.path = std::make_shared<const SearchPath>(*SearchPath::parse(path, "app"));
    return context;
}

ReadVerdict judge(
    std::string_view sql,
    const ReadContext& context = context_of(),
    const Catalog* catalog = nullptr
) {
    static const auto small = small_catalog();
    return classify_read(*analyse(sql), catalog == nullptr ? small.get() : catalog, context);
}

ReadTarget target(std::string_view sql, const ReadContext& context = context_of()) {
    return judge(sql, context).target;
}

ReadReason reason(std::string_view sql, const ReadContext& context = context_of()) {
    return judge(sql, context).reason;
}

ReadVerdict without_catalog(std::string_view sql) {
    return classify_read(*analyse(sql), nullptr, context_of());
}

}  // namespace

TEST_CASE("read route: every reason has a text of its own") {
    std::vector<std::string_view> texts;
    for (int i = 0; i <= static_cast<int>(ReadReason::last); ++i) {
        const auto found = text(static_cast<ReadReason>(i));
        for (const auto& other : texts)
            CHECK(other != found);
        texts.push_back(found);
    }
}

TEST_CASE("read route: without a catalog what has names is for the primary") {
    CHECK(without_catalog("SELECT * FROM t").reason == ReadReason::no_catalog);
    CHECK(without_catalog("SELECT 1 + 1").reason == ReadReason::no_catalog);
    CHECK(without_catalog("SELECT lower('A')").reason == ReadReason::no_catalog);
    CHECK(without_catalog("SELECT 1").target == ReadTarget::replica_ok);
    CHECK(without_catalog("SELECT pg_catalog.lower('A')").target == ReadTarget::replica_ok);
    CHECK(without_catalog("SET work_mem = 1").target == ReadTarget::any);
    CHECK(without_catalog("SELECT nextval('s')").reason == ReadReason::sequence_function);
}

TEST_CASE("read route: what is not understood is for the primary") {
    for (const std::string& sql :
         {std::string{"SELEC 1"},
          std::string{"MERGE INTO t USING t2 ON true WHEN MATCHED THEN DELETE RETURNING 1"},
          std::string{"SELECT JSON_VALUE('{}', '$.a')) "},
          "SELECT 1" + std::string(20000, ' ')}) {
        CAPTURE(sql.substr(0, 60));
        CHECK_FALSE(judge(sql).on_replica());
    }
    CHECK(target("") == ReadTarget::any);
    CHECK(target("-- nothing") == ReadTarget::any);
}

TEST_CASE("read route: transaction blocks") {
    ReadContext plain = context_of();
    ReadContext read_write = plain;
    read_write.block = Block::read_write;
    ReadContext read_only = plain;
    read_only.block = Block::read_only;
    ReadContext serializable = read_only;
    serializable.serializable = true;

    CHECK(reason("SELECT * FROM t", read_write) == ReadReason::read_write_transaction);
    CHECK(reason("SHOW work_mem", read_write) == ReadReason::read_write_transaction);
    CHECK(target("COMMIT", read_write) == ReadTarget::primary);
    CHECK(target("COMMIT", read_only) == ReadTarget::replica_ok);
    CHECK(target("COMMIT", plain) == ReadTarget::any);
    CHECK(target("SELECT * FROM t", read_only) == ReadTarget::replica_ok);
    CHECK(reason("SELECT * FROM t", serializable) == ReadReason::serializable);
    // Refused on both with the same error; not what is silent, or only a replica refuses.
    CHECK(target("SELECT writes()", read_only) == ReadTarget::replica_ok);
    CHECK_FALSE(judge("SELECT writes()", read_only).retry_safe);
    CHECK(judge("SELECT reads(1)", read_only).retry_safe);
    CHECK(target("SELECT nextval('s')", read_only) == ReadTarget::replica_ok);
    CHECK(target("SELECT locks()", read_only) == ReadTarget::primary);
    CHECK(target("SELECT pg_advisory_xact_lock(1)", read_only) == ReadTarget::primary);
    CHECK(target("SELECT lo_create(0)", read_only) == ReadTarget::primary);
    CHECK(target("SELECT pg_notify('a', 'b')", read_only) == ReadTarget::primary);
    CHECK(target("TABLE ul", read_only) == ReadTarget::primary);
    CHECK(target("TABLE v", read_only) == ReadTarget::primary);
    CHECK(target("INSERT INTO t VALUES (1)", read_only) == ReadTarget::primary);
    CHECK(target("LOCK TABLE t IN ROW EXCLUSIVE MODE", read_only) == ReadTarget::replica_ok);
    CHECK(target("LOCK TABLE t", read_only) == ReadTarget::primary);
    CHECK(target("FETCH 1 FROM c", read_only) == ReadTarget::replica_ok);
    CHECK(target("FETCH 1 FROM c", read_write) == ReadTarget::primary);
    CHECK(target("SET TRANSACTION READ WRITE", read_only) == ReadTarget::primary);
    CHECK(target("SET transaction_read_only = off", read_only) == ReadTarget::primary);
    CHECK(target("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", read_only) == ReadTarget::primary);
    CHECK(target("SET TRANSACTION SNAPSHOT 'x'", read_only) == ReadTarget::primary);
    CHECK(target("SET TRANSACTION READ ONLY", read_write) == ReadTarget::replica_ok);
}

TEST_CASE("read route: defaults of the session") {
    ReadContext context = context_of();
    context.default_read_only = true;
    CHECK(target("BEGIN", context) == ReadTarget::replica_ok);
    CHECK(target("BEGIN READ WRITE", context) == ReadTarget::primary);
    CHECK(target("SELECT writes()", context) == ReadTarget::replica_ok);
    context.default_serializable = true;
    CHECK(reason("SELECT * FROM t", context) == ReadReason::serializable);
    CHECK(reason("BEGIN", context) == ReadReason::serializable);
    CHECK(target("BEGIN ISOLATION LEVEL REPEATABLE READ", context) == ReadTarget::replica_ok);
    CHECK(target("SET x.y = 1", context) != ReadTarget::pin);
}

TEST_CASE("read route: advance follows a session") {
    ReadContext context = context_of();
    const auto run = [&](std::string_view sql) {
        advance(context, *analyse(sql));
    };
    run("BEGIN READ ONLY");
    CHECK(context.block == Block::read_only);
    run("COMMIT AND CHAIN");
    CHECK(context.block == Block::read_only);
    run("SET TRANSACTION READ WRITE");
    CHECK(context.block == Block::read_write);
    run("ROLLBACK");
    CHECK(context.block == Block::none);
    run("BEGIN; SELECT 1");
    CHECK(context.block == Block::read_write);
    run("END; BEGIN ISOLATION LEVEL SERIALIZABLE");
    CHECK(context.serializable);
    run("ABORT");
    CHECK_FALSE(context.serializable);
    run("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
    CHECK(context.default_read_only);
    run("SET default_transaction_read_only = off");
    CHECK_FALSE(context.default_read_only);
    CHECK(context.path != nullptr);
    run("SET search_path = x");
    CHECK(context.path == nullptr);
    run("CREATE TEMP TABLE x (a int)");
    CHECK(context.temporary_objects);
    CHECK(target("SELECT * FROM t", context) == ReadTarget::pin);
    CHECK(target("SELECT * FROM public.t", context) == ReadTarget::replica_ok);
}

TEST_CASE("read route: an unknown path means any schema") {
    ReadContext context;
    CHECK(target("SELECT * FROM t", context) == ReadTarget::replica_ok);
    CHECK(target("SELECT writes()", context) == ReadTarget::primary);
    CHECK(target("SELECT * FROM ul", context) == ReadTarget::primary);
    CHECK(target("SELECT * FROM t", context_of("elsewhere")) == ReadTarget::primary);
    CHECK(reason("SELECT writes()", context_of("elsewhere")) == ReadReason::unknown_function);
}

TEST_CASE("read route: functions by language and extension") {
    CHECK(target("SELECT in_python()") == ReadTarget::primary);
    CHECK(target("SELECT trusted(1)") == ReadTarget::replica_ok);
    CHECK(target("SELECT trusted(1, 2)") == ReadTarget::primary);
    CHECK(target("SELECT dblink_exec('x')") == ReadTarget::primary);
}

TEST_CASE("read route: the name that decided") {
    const StatementPtr statement = analyse("SELECT lower(v), public.writes() FROM t");
    const ReadVerdict verdict = classify_read(*statement, small_catalog().get(), context_of());
    CHECK(verdict.reason == ReadReason::volatile_function);
    const NameUse name = name_of(*statement, verdict);
    CHECK(name.kind == NameKind::function);
    CHECK(name.schema == "public");
    CHECK(name.name == "writes");
    CHECK(name_of(*statement, judge("SELECT 1")).name.empty());
}

TEST_CASE("read route: catalog_reads") {
    ReadContext context = context_of();
    context.catalog_reads = true;
    CHECK(target("SELECT * FROM pg_class", context) == ReadTarget::replica_ok);
    CHECK(target("SELECT * FROM information_schema.tables", context) == ReadTarget::replica_ok);
    CHECK(target("SELECT * FROM pg_catalog.pg_attribute", context) == ReadTarget::replica_ok);
    for (const char* name : {"pg_stat_activity", "pg_locks", "pg_settings", "pg_cursors"})
        CHECK(target("SELECT * FROM " + std::string{name}, context) == ReadTarget::primary);
}

TEST_CASE("read route: search paths") {
    const auto schemas = [](std::string_view setting) {
        return SearchPath::parse(setting, "me")->schemas;
    };
    using Names = std::vector<std::string>;
    CHECK(schemas("\"$user\", public") == Names{"me", "public"});
    CHECK(schemas("A, \"B \"\"c\", pg_temp,d") == Names{"a", "B \"c", "d"});
    CHECK(schemas("") == Names{});
    CHECK(schemas("\"\"") == Names{""});
    CHECK(SearchPath::parse("a, pg_catalog", "")->names_pg_catalog);
    for (const char* wrong : {"a,", ",a", "\"a", "a b", "\"$user\""}) {
        CAPTURE(wrong);
        CHECK_FALSE(SearchPath::parse(wrong, "").has_value());
    }
}

TEST_CASE("read route: hints") {
    CHECK(route_hint("/*+ route=primary */ SELECT 1").target == ReadTarget::primary);
    CHECK(
        route_hint(" -- x\n/* a /* b */ */ /* pgweir: Replica */SELECT 1").target ==
        ReadTarget::replica_ok
    );
    CHECK(route_hint("/* pgweir: route=primary */").target == ReadTarget::primary);
    for (const char* none :
         {"SELECT /*+ route=primary */ 1",
          "/* route=primary */ SELECT 1",
          "/*+ route=elsewhere */ SELECT 1",
          "/* traceparent='00' */ SELECT 1",
          "-- route=primary",
          "/*+ route=primary",
          "/* pgweir: primary, please */",
          "/* pgweir: host= */",
          "/* pgweir: */",
          "/*/",
          "/**/",
          ""}) {
        CAPTURE(none);
        CHECK_FALSE(route_hint(none).any());
    }
    const auto hint =
        route_hint("/* pgweir: replica, host=10.0.0.2:5432 Consistency=none */ SELECT 1");
    CHECK(hint.target == ReadTarget::replica_ok);
    CHECK(hint.host == "10.0.0.2:5432");
    CHECK(hint.consistency == "none");
    CHECK(route_hint("/* pgweir:host=b */ SELECT 1").host == "b");
    const ReadVerdict write = judge("INSERT INTO t VALUES (1)");
    CHECK(with_hint(write, ReadTarget::replica_ok) == write);
    CHECK(with_hint(judge("SELECT 1"), ReadTarget::primary).reason == ReadReason::hint);
    CHECK(with_hint(judge("SELECT 1"), {}).on_replica());
}

TEST_CASE("read route: verdicts combine to the greatest") {
    const auto combined = [](std::vector<std::string> texts) {
        std::vector<StatementPtr> kept;
        std::vector<const Statement*> statements;
        for (const std::string& sql : texts) {
            kept.push_back(analyse(sql));
            statements.push_back(kept.back().get());
        }
        return classify_reads(statements, small_catalog().get(), context_of());
    };
    CHECK(combined({}).target == ReadTarget::any);
    CHECK(combined({"SET work_mem = 1", "SELECT 1"}).target == ReadTarget::replica_ok);
    CHECK(combined({"SELECT 1", "INSERT INTO t VALUES (1)"}).target == ReadTarget::primary);
    CHECK(combined({"BEGIN", "SELECT 1", "COMMIT"}).target == ReadTarget::primary);
    CHECK(combined({"BEGIN READ ONLY", "SELECT writes()", "COMMIT"}).on_replica());
    CHECK(combined({"SELECT 1", "LISTEN a"}).target == ReadTarget::pin);
    CHECK(combined({"SELECT reads(1)", "SELECT 2"}).retry_safe);
}

TEST_CASE("ReadVerdictCache: the same verdict, without an allocation") {
    ReadVerdictCache cache{64};
    const auto catalog = small_catalog();
    ReadContext context = context_of();
    const std::vector<StatementPtr> statements{
        analyse("SELECT * FROM t WHERE id = $1"),
        analyse("SELECT writes()"),
        analyse("SELECT * FROM t a JOIN t2 b ON a.id = b.id WHERE lower(a.v) = 'x' ORDER BY 1"),
    };
    for (const StatementPtr& statement : statements)
        CHECK(
            cache.find_or_classify(statement, catalog, context) ==
            classify_read(*statement, catalog.get(), context)
        );
    CHECK(cache.counters().misses == 3);
    CHECK(cache.find_or_classify(statements[0], catalog, context).on_replica());
    CHECK(cache.counters().hits == 1);
    context.block = Block::read_write;
    CHECK_FALSE(cache.find_or_classify(statements[0], catalog, context).on_replica());
    // Another session's path of the same schemas.
    CHECK(cache.find_or_classify(statements[0], catalog, context_of()).on_replica());
    CHECK(cache.counters().hits == 2);
    CHECK_FALSE(cache.find_or_classify(statements[0], nullptr, context_of()).on_replica());
    CHECK_FALSE(cache.find_or_classify(statements[0], catalog, context_of("x")).on_replica());
    cache.forget(catalog.get());
    const auto misses = cache.counters().misses;
    CHECK(cache.find_or_classify(statements[0], catalog, context_of()).on_replica());
    CHECK(cache.counters().misses == misses + 1);

    const ReadContext other = context_of();
    constexpr int rounds = 100000;
    std::size_t replicas = 0;
    const test::AllocationCount count;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i)
        replicas += cache.find_or_classify(statements[0], catalog, other).on_replica() ? 1 : 0;
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
    CHECK(count.allocations() == 0);
    CHECK(replicas == rounds);
    const double nanoseconds = time.count() / rounds;
    MESSAGE(nanoseconds, " ns per remembered verdict");
}

}  // namespace weir::router
