// The console's SQL: PostgreSQL's text on SQLite, its types, its errors and its bounds.
#include "proxy/sql_database.h"

#include <doctest/doctest.h>

using namespace weir;
using namespace weir::proxy;
using namespace std::string_literals;

namespace {

const Columns pool_columns{
    {"database", ColumnType::text},
    {"user", ColumnType::text},
    {"cl_waiting", ColumnType::int4},
    {"total", ColumnType::numeric},
};

ColumnsRef find(std::string_view name) {
    return name == "pools" || name == "pg_class" ? constant_columns(pool_columns) : nullptr;
}

const SqlSession session{"boss", "pgweir", "PostgreSQL 15.0", {{"timezone", "GMT"}}};

const std::vector<SqlRows> rows{{
    "pools",
    {{"a"s, "x"s, std::int64_t{3}, std::int64_t{30}},
     {"b"s, "x"s, std::int64_t{1}, std::int64_t{10}},
     {"a"s, "y"s, std::int64_t{4}, std::int64_t{5}},
     {"C"s, Value{}, std::int64_t{0}, Value{}}},
}};

std::string text_of(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const auto* fraction = std::get_if<double>(&value)) return number_text(*fraction);
    return "NULL";
}

protocol::Result<Table> run(
    std::string_view sql, const std::vector<Value>& parameters = {}, const SqlLimits& limits = {}
) {
    const auto prepared = prepare_sql(sql, find, session);
    if (!prepared) return prepared.error();
    const std::atomic<bool> stop = false;
    return run_sql(**prepared, rows, parameters, session, stop, limits);
}

// "a|b;c|d"
std::string result(std::string_view sql, const std::vector<Value>& parameters = {}) {
    const auto table = run(sql, parameters);
    if (!table) return std::string(table.error().code.text()) + ": " + table.error().message;
    std::string text;
    for (const auto& row : table->rows) {
        if (&row != table->rows.data()) text.push_back(';');
        for (const auto& value : row)
            text.append(&value == row.data() ? "" : "|").append(text_of(value));
    }
    return text;
}

}  // namespace

TEST_CASE("console SQL: queries as PostgreSQL's users write them") {
    const std::pair<std::string, std::string> cases[] = {
        {"SELECT database, sum(cl_waiting) FROM pools GROUP BY 1 ORDER BY 1", "C|0;a|7;b|1"},
        {"select p.user from pools p where p.cl_waiting > 1 order by cl_waiting desc limit 1", "y"},
        {"select a.database from pools a join pools b on a.cl_waiting = b.cl_waiting - 1"
         " order by 1",
         "C;a"},
        {"TABLE pools LIMIT 1", "a|x|3|30"},
        {"values (1), (2)", "1;2"},
        {"with t as (select 1 as x) select x + 1 from t", "2"},
        {"select count(*) filter (where cl_waiting > 2) from public.pools", "2"},
        {"select '5'::int + 1, 2.5::int, '1.5'::numeric * 2", "6|2|3"},
        {"select cast('7' as integer), cast(cl_waiting as text) || '!' from pools limit 1", "7|3!"},
        {"select 't'::bool, 'off'::boolean", "1|0"},
        {"select 'x'::regclass, int '3', 5::pg_catalog.oid::pg_catalog.text", "x|3|5"},
        {"select database from pools where database like 'A%'", ""},
        {"select database from pools where database ilike 'A%' and cl_waiting=3", "a"},
        {"select database from pools where database ~ '^[bC]$' order by 1", "C;b"},
        {"select database from pools where database !~* '^(B|c)$' and cl_waiting < 4", "a"},
        {"select 1 from pg_catalog.pg_class c where c.database OPERATOR(pg_catalog.~) '^(x)$' "
         "COLLATE pg_catalog.default",
         ""},
        {"select database from pools where database = any(array['b','z'])", "b"},
        {"select database from pools where cl_waiting <> all(array[3,4,0])", "b"},
        {"select 'a' = any('{b,a}'), ('{b,a}'::text[])[2]", "1|a"},
        {"select E'a\\tb\\'\\x41', $$it's$$, $x$y$x$, U&'\\0041'", "a\tb'A|it's|y|A"},
        {"select current_user, current_database(), current_schema, version()",
         "boss|pgweir|public|PostgreSQL 15.0"},
        {"select current_setting('TimeZone'), current_setting('no.such', true)", "GMT|NULL"},
        {"select string_agg(database, '+') from (select database from pools order by 1) x",
         "C+a+a+b"},
        {"select left('h\xc3\xa4user', 2), split_part('a,b,c', ',', 2), strpos('abc', 'c')",
         "h\xc3\xa4|b|3"},
        {"select \"user\" is null from pools where database = 'C'", "1"},
        {"select pg_size_pretty(123456789), concat('a', 1, null)", "118 MB|a1"},
        {"select x from unnest('{a,\"b,c\"}') x order by 1", "a;b,c"},
        {"select array(select y || '!' from pg_catalog.unnest(array[database]) as t(y)) from pools"
         " limit 1",
         "a!"},
        {"select p.tableoid > 0 from pools p limit 1", "1"},
        {"select 1;", "1"},
        {"select 1 as a, 2 b -- comment", "1|2"},
        {"select null as default, 1 as select, x.\"table\" from (select 2 as table) x", "NULL|1|2"},
        {"select name, n + 1 from (values ('a', 1), ('b', 2)) s(name, n) order by 2 desc",
         "b|3;a|2"},
        {"with t as materialized (select 3 as x) select x from t as not_t", "3"},
    };
    for (const auto& [sql, expected] : cases) {
        CAPTURE(sql);
        CHECK(result(sql) == expected);
    }
}

TEST_CASE("console SQL: names and types of columns are known before there are rows") {
    const auto described = [](std::string_view sql) {
        const auto prepared = prepare_sql(sql, find, session);
        REQUIRE(prepared.has_value());
        std::string text;
        for (const auto& column : *(*prepared)->columns)
            text.append(column.name).append(":").append(std::to_string(type_oid(column.type))) +=
                ' ';
        return text;
    };
    CHECK(described("select * from pools") == "database:25 user:25 cl_waiting:23 total:1700 ");
    CHECK(
        described("select count(*), sum(cl_waiting), sum(total) s, max(cl_waiting), avg(total)"
                  " from pools") == "count:20 sum:20 s:1700 max:23 avg:1700 "
    );
    CHECK(
        described("select 1, 'x', true, cl_waiting > 1 as many, p.*, cl_waiting + 1 from pools p"
        ) ==
        "?column?:23 ?column?:25 bool:16 many:16 database:25 user:25 cl_waiting:23 "
        "total:1700 ?column?:23 "
    );
    CHECK(
        described("select case when total > 1 then cl_waiting else 0 end, database::text,"
                  " '1'::int8 from pools") == "case:23 database:25 int8:20 "
    );
}

TEST_CASE("console SQL: parameters have the types of what they are compared with") {
    const auto prepared = prepare_sql(
        "select * from pools where cl_waiting > $1 and database = $2 and total in ($3)"
        " and \"user\" = any($4) and $5::int8 > 1 limit $6",
        find,
        session,
        {0, 0, 701}
    );
    REQUIRE(prepared.has_value());
    CHECK((*prepared)->parameters == std::vector<protocol::Oid>{23, 25, 701, 1009, 20, 20});
    CHECK(
        result(
            "select database from pools where cl_waiting > $2 and \"user\" = any($1)",
            {"{x,z}"s, std::int64_t{1}}
        ) == "a"
    );
    CHECK(result("select $1::text", {Value{}}) == "NULL");
}

TEST_CASE("console SQL: errors are PostgreSQL's, with their positions") {
    struct Case {
        const char* sql;
        const char* code;
        const char* message;
        const char* position;
    };

    const Case cases[] = {
        {"select nope from pools", "42703", "column \"nope\" does not exist", "8"},
        {"select * from nope", "42P01", "relation \"nope\" does not exist", ""},
        {"select 1 fro pools", "42601", "syntax error at or near \"pools\"", "14"},
        {"select 'x'::int4 + nofun(1)", "42883", "function nofun() does not exist", "20"},
        {"select \"nope\"", "42703", "column \"nope\" does not exist", "8"},
        {"select 'open", "42601", "syntax error at or near \"'open\"", "8"},
        {"select (1", "42601", "syntax error at end of input", ""},
        {"select 'abc'::int", "22P02", "invalid input syntax for type integer: \"abc\"", ""},
        {"select 1 where 'a' ~ '('", "2201B", nullptr, ""},
        {"select a.database from pools a, pools b where database = 'a'", "42702", nullptr, "47"},
        {"select current_setting('no.such')", "42704", nullptr, ""},
    };
    for (const auto& row : cases) {
        CAPTURE(row.sql);
        const auto table = run(row.sql);
        REQUIRE_FALSE(table.has_value());
        CHECK(table.error().code.text() == row.code);
        if (row.message != nullptr) CHECK(table.error().message == row.message);
        CHECK(table.error().position == row.position);
    }
}

TEST_CASE("console SQL: what would write, open files or load code is refused") {
    for (const std::string sql :
         {"ATTACH DATABASE '/tmp/x' AS y",
          "DETACH main",
          "PRAGMA temp_store_directory = '/tmp'",
          "PRAGMA journal_mode",
          "VACUUM INTO '/tmp/console-vacuum'",
          "CREATE TABLE t (a)",
          "CREATE VIRTUAL TABLE t USING fts5(a)",
          "INSERT INTO pools VALUES (1, 2, 3, 4)",
          "DELETE FROM pools",
          "UPDATE pools SET total = 0",
          "DROP TABLE pools",
          "BEGIN",
          "EXPLAIN ATTACH 'x' AS y",
          "ANALYZE",
          "REINDEX",
          "select load_extension('/tmp/x')",
          "select randomblob(1000000000)",
          "select hex(zeroblob(1000000000))",
          "select fts3_tokenizer('simple')",
          "select readfile('/etc/passwd')",
          "select * from sqlite_master",
          "select * from sqlite_schema",
          "select * from pragma_database_list",
          "select * from pragma_function_list('x')",
          "select 1; select 2",
          "with x as (select 1) delete from pools returning *",
          "",
          ";"}) {
        CAPTURE(sql);
        CHECK_FALSE(run(sql).has_value());
    }
}

TEST_CASE("console SQL: time, memory, result and text are bounded") {
    const SqlLimits small{std::chrono::milliseconds(100), 1000, 100'000};
    const auto code = [&](std::string_view sql) {
        const auto table = run(sql, {}, small);
        return table ? std::string() : std::string(table.error().code.text());
    };
    const std::string bomb =
        "with recursive n(i) as (select 1 union all select i + 1 from n) select ";
    CHECK(code(bomb + "count(*) from n") == "57014");
    CHECK(code(bomb + "i from n") == "54000");
    CHECK(
        code("select count(*) from pools a, pools b, pools c, pools d, pools e, pools f, pools g,"
             " pools h, pools i, pools j, pools k, pools l, pools m") == "57014"
    );
    CHECK(result("select coalesce(length(printf('%2000000000d', 1)), 0) < 300000") == "1");
    CHECK(code("select length(replace(printf('%200000d', 1), ' ', '1234567890'))") == "54000");
    CHECK(
        code("with recursive n(t) as (select 'x' union all select t || t from n) select"
             " max(length(t)) from n") == "54000"
    );
    CHECK(code("select " + std::string(5000, '(') + "1" + std::string(5000, ')')) != "");
    std::string sum = "select 1";
    for (int i = 0; i < 5000; ++i)
        sum.append("+1");
    CHECK(code(sum) == "54000");
    std::string casts = "select 1";
    for (int i = 0; i < 5000; ++i)
        casts.append("::text");
    CHECK(code(casts) == "54000");
    CHECK(code("select '" + std::string(100'000, 'x') + "'") == "54000");
    CHECK(code("select $101") == "42P02");
    CHECK(code("select 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' ~ '(a*)*(a*)*(a*)*b'") == "");
    CHECK(code("select 'a' ~ '((a{1,100}){1,100}){1,100}'") == "2201B");
    CHECK(code("select '" + std::string(30'000, 'a') + "' like '%a%a%a%a%a%a%a%a%a%b'") == "");
    // Memory that sorting and aggregates would like to have.
    CHECK(
        code("with recursive n(i, t) as (select 1, printf('%100000d', 1) union all select i + 1,"
             " t from n limit 100000) select count(distinct t || i) from n") != ""
    );
}

TEST_CASE("console SQL: a query is stopped by its flag") {
    const auto prepared = prepare_sql(
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
        find,
        session
    );
    REQUIRE(prepared.has_value());
    const std::atomic<bool> stop = true;
    const auto table = run_sql(**prepared, rows, {}, session, stop);
    REQUIRE_FALSE(table.has_value());
    CHECK(table.error().message == "canceling statement due to user request");
}

TEST_CASE("console SQL: any tokens end in an answer") {
    constexpr std::string_view words[] = {
        "select ", "from ", "pools ", "(",    ")",    "[",           "]",         "::",    "int",
        "array",   "any",   "=",      "~",    ",",    ".",           "*",         "'a'",   "$1",
        "cast(",   " as ",  "x",      "case", "when", "then",        " end ",     "E'\\x", "\"",
        "collate", "->",    "with ",  ";",    "||",   "pg_catalog.", "operator(", "1",     "\xff"};
    std::uint32_t state = 7;
    for (int round = 0; round < 3000; ++round) {
        std::string sql = round % 2 == 0 ? "select " : "";
        for (int i = 0; i < 12; ++i) {
            state = state * 1664525U + 1013904223U;
            sql.append(words[(state >> 16U) % std::size(words)]);
        }
        const auto rewritten = rewrite_sql(sql);
        if (rewritten) {
            for (const auto& output : rewritten->outputs)
                type_of_expression(output.tokens, [](auto) { return std::nullopt; });
        } else {
            CHECK_FALSE(rewritten.error().message.empty());
        }
        if (round % 20 == 0) run(sql);
    }
}

TEST_CASE("console SQL: fractions as binary numeric") {
    const auto hex = [](const std::string& bytes) {
        std::string text;
        for (const char c : bytes) {
            constexpr std::string_view digits = "0123456789abcdef";
            text.push_back(digits[static_cast<unsigned char>(c) >> 4U]);
            text.push_back(digits[static_cast<unsigned char>(c) & 15U]);
        }
        return text;
    };
    // As PostgreSQL's numeric_send gives them.
    CHECK(hex(binary_numeric("12.5")) == "0002000000000001000c1388");
    CHECK(hex(binary_numeric("-0.001")) == "0001ffff40000003000a");
    CHECK(hex(binary_numeric("10000")) == "00010001000000000001");
    CHECK(hex(binary_numeric("0")) == "0000000000000000");
    CHECK(hex(binary_numeric("1.5e-07")) == "0001fffe00000008000f");
    CHECK(hex(binary_numeric("nan")) == "00000000c0000000");
    CHECK(binary_numeric("-123456789") == binary_numeric(std::int64_t{-123456789}));
}
