// Texts made to kill a parser: none may crash, exit or hang; what is refused is opaque.
#include "router/pg_query_parser.h"
#include "router/statement.h"

#include <doctest/doctest.h>

#include <atomic>
#include <pthread.h>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace weir::router {

namespace {

std::string repeated(std::string_view piece, std::size_t count) {
    std::string result;
    result.reserve(piece.size() * count);
    for (std::size_t i = 0; i < count; ++i)
        result += piece;
    return result;
}

std::string sum_of(std::size_t bytes) {
    return "SELECT 1" + repeated("+1", bytes / 2);
}

// Nested constructs, each repeated so that the text is near the parser's limit or above it.
std::vector<std::string> hostile_texts() {
    std::vector<std::string> texts;
    for (const std::size_t size : {9000U, 16000U, 16384U, 60000U, 400000U}) {
        const auto nested =
            [&](std::string_view open, std::string_view middle, std::string_view close) {
                const std::size_t count = size / (open.size() + close.size());
                texts.push_back(
                    "SELECT " + repeated(open, count) + std::string{middle} + repeated(close, count)
                );
            };
        texts.push_back(sum_of(size));
        nested("(", "1", ")");
        nested("NOT ", "true", "");
        nested("- ", "a", "");
        nested("@ ", "1", "");
        nested("(SELECT ", "1", ")");
        nested("1+(", "1", ")");
        nested("f(", "1", ")");
        nested("ARRAY[", "1", "]");
        nested("CASE WHEN ", "true", " THEN 1 END");
        nested("ROW(", "1", ")");
        nested("coalesce(", "1", ",2)");
        nested("", "1", "::int");
        nested("", "a", "[1]");
        nested("", "a", " COLLATE \"C\"");
        nested("", "a", " IS NULL");
        nested("EXISTS (SELECT 1 WHERE ", "true", ")");
        nested("1 IN (SELECT ", "1", ")");
        nested("", "1 ", "UNION SELECT 1 ");
        nested("1 UNION (SELECT ", "1", ")");
        nested("1 FROM (SELECT ", "1", ") AS a");
        nested("1 FROM (a JOIN ", "b", " ON true)");
        nested("", "1 FROM a", ", a");
        nested("", "1", " AND true");
        nested("", "1", "; SELECT 1");
        nested("", "1", ",'a'");
        nested("/*", "", "");
        nested("/*", "1", "*/");
        nested("(", "", "");
        nested("'", "", "");
        nested("$a$", "", "");
        nested("\"", "", "");
        texts.push_back(
            repeated("WITH a AS (", size / 20) + "SELECT 1" + repeated(") SELECT 1", size / 20)
        );
        texts.push_back(repeated("EXPLAIN ", size / 8) + "SELECT 1");
        texts.push_back(repeated("CREATE SCHEMA a ", size / 16));
        texts.push_back(repeated("PREPARE a AS ", size / 13) + "SELECT 1");
        texts.push_back("COPY (" + sum_of(size) + ") TO STDOUT");
        texts.push_back("CREATE VIEW v AS " + sum_of(size));
        texts.push_back("SET a.b = " + repeated("1,", size / 2) + "1");
        texts.push_back("INSERT INTO t VALUES (1)" + repeated(",(2)", size / 4));
        texts.push_back(std::string(size, ';'));
        texts.push_back(std::string(size, ' '));
        texts.push_back(std::string(size, '\x80'));
        texts.push_back(std::string(size, '\0'));
    }
    // The source of a multiple assignment is shared by its columns: 2^n visits if walked for each.
    std::string update = "SELECT 1";
    for (int i = 0; i < 200; ++i)
        update = "WITH x AS (UPDATE t SET (a,b,c) = (" + update + ")) SELECT 1";
    texts.push_back(update);
    return texts;
}

// Runs `body` on a thread with this much stack.
void on_stack_of(std::size_t bytes, void (*body)()) {
    pthread_attr_t attributes;
    REQUIRE(pthread_attr_init(&attributes) == 0);
    REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
    pthread_t thread;
    const auto run = [](void* function) -> void* {
        reinterpret_cast<void (*)()>(function)();
        return nullptr;
    };
    REQUIRE(pthread_create(&thread, &attributes, run, reinterpret_cast<void*>(body)) == 0);
    REQUIRE(pthread_join(thread, nullptr) == 0);
    pthread_attr_destroy(&attributes);
}

void analyse_hostile_texts() {
    for (const std::string& text : hostile_texts()) {
        const StatementPtr statement = analyse(text);
        if (!statement) std::abort();
    }
}

}  // namespace

TEST_CASE("analyse: hostile texts on a thread with 8 MiB of stack") {
    on_stack_of(8U << 20U, analyse_hostile_texts);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST_CASE("analyse: hostile texts on a thread with 1 MiB of stack") {
    on_stack_of(1U << 20U, analyse_hostile_texts);
}

#endif

TEST_CASE("analyse: long sums are known up to the parser's limit and harmless beyond") {
    CHECK(analyse(sum_of(9000))->is_read_only);
    CHECK(analyse(sum_of(16000))->is_read_only);
    for (const std::size_t size : {60000U, 400000U}) {
        const StatementPtr statement = analyse(sum_of(size));
        CHECK(statement->pin == PinReason::none);
        CHECK(statement->kind() == StatementKind::select);
        CHECK_FALSE(statement->is_read_only);
    }
}

TEST_CASE("analyse: what is nested too deep is opaque") {
    const StatementPtr statement = analyse("SELECT " + repeated("- ", 5000) + "a");
    CHECK(statement->pin == PinReason::too_deep);
    CHECK_FALSE(statement->parsed);
    CHECK(statement->not_in_pipeline);
    // An effect below the limit is not lost with it.
    CHECK(analyse("SELECT " + repeated("NOT ", 3000) + "setseed(1)")->pin != PinReason::none);
}

TEST_CASE("analyse: a UNION of a thousand is known") {
    std::string text = "SELECT 1";
    for (int i = 0; i < 1000; ++i)
        text += " UNION SELECT 1";
    CHECK(analyse(text)->is_read_only);
    CHECK(analyse(text + " UNION SELECT setseed(1)")->pin == PinReason::setseed);
}

TEST_CASE("analyse: from several threads at once") {
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&wrong, i] {
            for (int round = 0; round < 500; ++round) {
                const std::string name = "f" + std::to_string(i) + "_" + std::to_string(round);
                const StatementPtr good = analyse("SELECT " + name + "(1) FROM t");
                if (good->pin_detail != name) ++wrong;
                if (analyse("SELECT FROM " + name + " WHERE")->pin != PinReason::unparsable)
                    ++wrong;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("analyse: random changes of real statements") {
    std::mt19937 random{20261121};
    const std::string seeds[] = {
        "WITH a AS (SELECT $1::int, E'x\\'y' FROM t) UPDATE t SET (a, b) = (SELECT 1, 2) WHERE c = "
        "ANY ('{1}')",
        "SET LOCAL search_path = a, \"b\"; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT AND "
        "CHAIN",
        "CREATE TABLE t (a int PRIMARY KEY, CHECK (a > 1)) PARTITION BY RANGE (a); COPY t FROM "
        "STDIN",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND u.b THEN UPDATE SET a = $q$x$q$ WHEN "
        "NOT MATCHED THEN INSERT VALUES (1)",
    };
    for (int round = 0; round < 20000; ++round) {
        std::string text = seeds[random() % 4];
        for (std::size_t i = 0; i < 1 + random() % 4; ++i) {
            const std::size_t at = random() % text.size();
            switch (random() % 3) {
                case 0:
                    text[at] = static_cast<char>(random() % 256);
                    break;
                case 1:
                    text.erase(at, 1 + random() % 8);
                    break;
                default:
                    text.insert(at, text.substr(random() % text.size(), random() % 12));
            }
            if (text.empty()) text = ";";
        }
        const StatementPtr statement = analyse(text);
        REQUIRE(statement != nullptr);
        if (!statement->parsed) REQUIRE(statement->pin != PinReason::none);
    }
}

}  // namespace weir::router
