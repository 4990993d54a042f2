// Every statement of PostgreSQL's regression SQL (tests/corpus/postgresql-15).
#include "protocol/sql_lexer.h"
#include "router/long_text.h"
#include "router/pg_query_parser.h"
#include "router/statement.h"
#include "router/statement_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace weir::router {

namespace {

// What psql would send: without meta-commands and COPY data. Roughly: a few statements with
// variables, or with a meta-command in their middle, stay wrong.
std::string without_psql_lines(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::string text;
    std::string line;
    bool in_data = false;
    bool in_copy = false;
    while (std::getline(file, line)) {
        if (in_data) {
            in_data = line != "\\.";
            continue;
        }
        const auto starts_with = [&](std::string_view word) {
            return line.size() >= word.size() &&
                   protocol::is_word(std::string_view{line}.substr(0, word.size()), word);
        };
        if (starts_with("\\")) continue;
        if (starts_with("copy ")) in_copy = true;
        if (in_copy && line.find(';') != std::string::npos) {
            std::string lower = line;
            std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
                return static_cast<char>(std::tolower(c));
            });
            in_data = lower.find("from stdin") != std::string::npos &&
                      lower.find("-- fail") == std::string::npos;
            in_copy = false;
        }
        // A meta-command that sends what stands before it.
        for (const char* command :
             {"\\gset", "\\gexec", "\\gdesc", "\\crosstabview", "\\g", "\\;"}) {
            const std::size_t at = line.find(command);
            if (at != std::string::npos && line.find('\'', at) == std::string::npos) {
                line.resize(at);
                line += ';';
                break;
            }
        }
        text += line;
        text += '\n';
    }
    return text;
}

std::vector<std::string> corpus() {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator{WEIR_SQL_CORPUS})
        if (entry.path().extension() == ".sql") paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> statements;
    for (const auto& path : paths) {
        const std::string text = without_psql_lines(path);
        protocol::StatementSplitter splitter{text};
        std::string_view statement;
        while (splitter.next(statement))
            statements.emplace_back(statement);
    }
    return statements;
}

bool same(const Statement& a, const Statement& b) {
    return a.kinds == b.kinds && a.settings == b.settings && a.transaction == b.transaction &&
           a.name == b.name && a.pin_detail == b.pin_detail && a.pins == b.pins && a.pin == b.pin &&
           a.parsed == b.parsed && a.is_read_only == b.is_read_only && a.may_write == b.may_write &&
           a.literals_matter == b.literals_matter && a.has_locking_clause == b.has_locking_clause &&
           a.creates_relation == b.creates_relation &&
           a.reads_sequence_state == b.reads_sequence_state &&
           a.may_advance_sequence == b.may_advance_sequence &&
           a.reads_session_state == b.reads_session_state && a.not_in_pipeline == b.not_in_pipeline;
}

// Everything but what hangs on a literal.
bool same_but_literals(const Statement& a, const Statement& b) {
    return a.kinds == b.kinds && a.transaction == b.transaction && a.name == b.name &&
           a.pins == b.pins && a.pin == b.pin && a.is_read_only == b.is_read_only &&
           a.may_write == b.may_write && a.not_in_pipeline == b.not_in_pipeline &&
           a.reads == b.reads;
}

}  // namespace

TEST_CASE("corpus: every statement is analysed, nearly all are known, the same each time") {
    const std::vector<std::string> statements = corpus();
    REQUIRE(statements.size() > 30000);
    std::size_t unparsable = 0;
    std::array<std::size_t, static_cast<std::size_t>(StatementKind::last) + 1> kinds{};
    for (const std::string& text : statements) {
        CAPTURE(text);
        const StatementPtr statement = analyse(text);
        if (!statement->parsed) {
            ++unparsable;
            // No node of PostgreSQL 15's grammar is missing in the walker's tables.
            const bool refused =
                statement->pin == PinReason::unparsable || statement->pin == PinReason::too_long;
            CHECK(refused);
            continue;
        }
        CHECK(same(*statement, *analyse(text)));
        // The splitter cuts where the parser does.
        CHECK(statement->kinds.size() == 1);
        ++kinds[static_cast<std::size_t>(statement->kind())];
    }
    MESSAGE(statements.size(), " statements, ", unparsable, " unparsable");
    // Deliberate syntax errors, psql variables, and what the preprocessing above gets wrong.
    CHECK(unparsable < statements.size() / 50);
    // Each kind but the ones that cannot come out of a parse occurs.
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        const auto kind = static_cast<StatementKind>(i);
        if (kind == StatementKind::unknown || kind == StatementKind::empty) continue;
        if (kind == StatementKind::utility_other || kind == StatementKind::alter_system) continue;
        CAPTURE(text(kind));
        CHECK(kinds[i] > 0);
    }
}

TEST_CASE("corpus: the cache answers as the parser does") {
    // Small, so that entries come and go.
    StatementCache cache{{.entries = 500, .bytes = 1U << 20U}};
    for (const std::string& text : corpus()) {
        const StatementPtr expected = analyse(text);
        const StatementPtr& found = cache.find_or_analyse(text);
        // A syntax error may hide behind a literal: such a text fails on the server, too.
        if (!expected->parsed) continue;
        CAPTURE(text);
        if (expected->literals_matter)
            CHECK(same(*found, *expected));
        else
            CHECK(same_but_literals(*found, *expected));
    }
    CHECK(cache.entries() <= 500);
    CHECK(cache.bytes() <= 1U << 20U);
    CHECK(cache.counters().evictions > 0);
    CHECK(cache.counters().blind_hits > 0);
}

TEST_CASE("corpus: judging by words is never less careful than parsing") {
    std::size_t free_by_words = 0;
    std::size_t free_by_tree = 0;
    for (const std::string& text : corpus()) {
        const StatementPtr by_tree = analyse(text);
        if (!by_tree->parsed) continue;
        const StatementPtr by_words = analyse_long_text(text);
        CAPTURE(text);
        const bool query =
            by_tree->kind() == StatementKind::select || by_tree->kind() == StatementKind::insert;
        if (query && by_tree->pin == PinReason::none) ++free_by_tree;
        if (by_words->pin != PinReason::none) continue;
        if (query) ++free_by_words;
        CHECK(by_tree->pin == PinReason::none);
        for (const SettingChange& change : by_tree->settings)
            CHECK(change.is_local);
        CHECK(by_words->kinds == by_tree->kinds);
        CHECK(by_words->may_write);
        if (by_tree->reads_sequence_state) CHECK(by_words->reads_sequence_state);
    }
    // ... and not useless.
    CHECK(free_by_words > free_by_tree * 9 / 10);
}

}  // namespace weir::router
