// classify_read() over a real PostgreSQL's catalog: the tables of tests/corpus/routing.
#include "router/pg_query_parser.h"
#include "router/read_route.h"
#include "router/route_hint.h"
#include "tests/support/cluster.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace weir;
using namespace weir::test;
using router::Catalog;
using router::ReadContext;
using router::ReadReason;
using router::ReadTarget;
using router::ReadVerdict;
using router::SearchPath;
using router::StatementPtr;

namespace {

const std::string folder = WEIR_ROUTING_CORPUS;

std::string file_text(const std::string& name) {
    std::ifstream file{folder + "/" + name};
    REQUIRE(file.good());
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + separator.size());
    }
}

// COPY's text format.
std::string unescaped(std::string_view field) {
    std::string text;
    for (std::size_t i = 0; i < field.size(); ++i) {
        if (field[i] != '\\' || i + 1 == field.size()) {
            text += field[i];
            continue;
        }
        const char c = field[++i];
        text += c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
    return text;
}

std::shared_ptr<const Catalog> read_catalog(Pg& pg) {
    const Result found = pg.try_exec(std::string(router::catalog_query()));
    REQUIRE_MESSAGE(found.good(), found.error());
    std::vector<router::CatalogRow> rows;
    for (int i = 0; i < found.rows(); ++i)
        rows.push_back(
            {found.value(i, 0)[0],
             found.value(i, 1),
             found.value(i, 2),
             found.value(i, 3),
             found.value(i, 4)}
        );
    return Catalog::build(std::move(rows));
}

// A database with the schema of a file, and its catalog.
class World {
public:
    explicit World(const std::string& schema) : database_{Cluster::shared()} {
        Pg pg = database_.connect();
        const Result made = pg.try_exec(file_text(schema));
        REQUIRE_MESSAGE(made.good(), made.error());
        catalog = read_catalog(pg);
    }

    Pg connect() const { return database_.connect(); }

    std::shared_ptr<const Catalog> catalog;

private:
    Database database_;
};

router::SearchPathPtr path_of(std::string_view setting) {
    auto path = SearchPath::parse(setting, "postgres");
    REQUIRE(path.has_value());
    return std::make_shared<const SearchPath>(std::move(*path));
}

// What the pooler knows of a session: it has seen its statements, and asks the server for the
// values of settings that those have changed.
class Session {
public:
    Session() { context.path = path_of("\"$user\", public"); }

    void run(const std::string& sql) {
        const StatementPtr statement = router::analyse(sql);
        router::advance(context, *statement);
        for (const auto& change : statement->settings)
            if (change.name == "search_path" && change.value) context.path = path_of(*change.value);
    }

    ReadContext context;
};

bool is_among(const std::string& word, const std::string& list) {
    for (const std::string& part : split(list, ","))
        if (part == word) return true;
    return false;
}

struct Row {
    std::string id, setup, sql, route, also_ok;
};

std::vector<Row> corpus() {
    std::vector<Row> rows;
    const std::string text = file_text("corpus.tsv");
    for (const std::string& line : split(text, "\n")) {
        const auto fields = split(line, "\t");
        if (fields.size() < 6 || fields[0] == "id") continue;
        rows.push_back({fields[0], unescaped(fields[1]), unescaped(fields[2]), fields[3], fields[4]}
        );
    }
    return rows;
}

ReadVerdict judge(const Row& row, const Catalog* catalog) {
    Session session;
    std::vector<std::string> texts{row.sql};
    if (row.setup == "[pipeline]")
        texts = split(row.sql, " ;; ");
    else if (!row.setup.empty() && row.setup[0] != '[')
        for (const std::string& sql : split(row.setup, " ;; "))
            session.run(sql);
    std::vector<StatementPtr> statements;
    std::vector<const router::Statement*> several;
    for (const std::string& sql : texts) {
        statements.push_back(router::analyse(sql));
        several.push_back(statements.back().get());
    }
    const auto verdict = router::classify_reads(several, catalog, session.context);
    return router::with_hint(verdict, router::route_hint(row.sql).target);
}

}  // namespace

TEST_CASE("routing: the sample corpus") {
    const World world{"schema.sql"};
    int exact = 0;
    int unsafe = 0;
    int total = 0;
    for (const Row& row : corpus()) {
        const ReadVerdict verdict = judge(row, world.catalog.get());
        const std::string target{text(verdict.target)};
        const bool right = target == row.route || is_among(target, row.also_ok);
        const bool replica_is_right = row.route == "replica" || row.route == "any" ||
                                      is_among("replica", row.also_ok) ||
                                      is_among("any", row.also_ok);
        ++total;
        exact += right ? 1 : 0;
        const bool wrong_replica = verdict.on_replica() && !replica_is_right;
        unsafe += wrong_replica ? 1 : 0;
        if (!right)
            MESSAGE(
                row.id,
                " ",
                row.sql,
                ": ",
                target,
                " (",
                std::string{text(verdict.reason)},
                "), not ",
                row.route
            );
        CHECK_FALSE(wrong_replica);
    }
    MESSAGE(exact, " of ", total, " exact, ", unsafe, " unsafe");
    CHECK(total > 150);
    CHECK(exact * 100 >= total * 97);
}

// Beyond the grade: what is judged fit for a replica runs in a read-only session.
TEST_CASE("routing: hard cases") {
    const World world{"hard.sql"};
    Pg pg = world.connect();
    REQUIRE(pg.try_exec("SET default_transaction_read_only = on").good());
    int missed = 0;
    int total = 0;
    for (const std::string& line : split(file_text("hard.tsv"), "\n")) {
        const auto fields = split(line, "\t");
        if (fields.size() < 3 || fields[0] == "search_path") continue;
        const std::string setting = fields[0].empty() ? "\"$user\", public" : unescaped(fields[0]);
        const std::string sql = unescaped(fields[2]);
        CAPTURE(setting);
        CAPTURE(sql);
        ReadContext context;
        context.path = path_of(setting);
        const StatementPtr statement = router::analyse(sql);
        const ReadVerdict verdict = router::classify_read(*statement, world.catalog.get(), context);
        ++total;
        const bool wanted = fields[1] == "replica";
        if (verdict.on_replica() != wanted) {
            const auto name = router::name_of(*statement, verdict);
            MESSAGE(
                "[",
                setting,
                "] ",
                sql,
                ": ",
                std::string{text(verdict.target)},
                " (",
                std::string{text(verdict.reason)},
                " ",
                std::string{name.name},
                ")"
            );
        }
        if (wanted)
            missed += verdict.on_replica() ? 0 : 1;
        else
            CHECK_FALSE(verdict.on_replica());
        if (!verdict.on_replica() || !verdict.retry_safe) continue;
        pg.try_exec("ROLLBACK; SET search_path = " + setting);
        CHECK(pg.try_exec(sql).sqlstate() != "25006");
        pg.try_exec("ROLLBACK");
    }
    MESSAGE(total, " rows, ", missed, " missed offloads");
    CHECK(missed == 0);
}
