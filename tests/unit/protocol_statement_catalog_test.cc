#include "protocol/statement_catalog.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

using namespace weir::protocol;

namespace {

// What Parse has behind the name: text, NUL, no parameter types.
std::string definition(std::string text) {
    return text.append(3, '\0');
}

}  // namespace

TEST_CASE("StatementCatalog: one statement for one definition in one scope") {
    StatementCatalog catalog;
    const auto first = catalog.find_or_add(definition("select 1"), "public");
    CHECK(catalog.find_or_add(definition("select 1"), "public") == first);
    const auto scoped = catalog.find_or_add(definition("select 1"), "other");
    const auto typed = catalog.find_or_add(definition("select 1") + "int4", "public");
    CHECK(scoped != first);
    CHECK(typed != first);
    CHECK(scoped->id != first->id);
    CHECK(first->text() == "select 1");
    CHECK(first->scope == "public");
    CHECK(first->server_name == "weir_" + std::to_string(first->id));
    CHECK_FALSE(first->resident);
    CHECK_FALSE(first->proven.load());
    CHECK(catalog.size() == 3);
}

TEST_CASE("StatementCatalog: definition and scope are not confused with each other") {
    StatementCatalog catalog;
    const auto one = catalog.find_or_add("ab", "c");
    CHECK(catalog.find_or_add("a", "bc") != one);
    CHECK(catalog.find_or_add("c", "ab") != one);
    CHECK(catalog.find_or_add("", "") != one);
}

TEST_CASE("StatementCatalog: what nobody refers to is forgotten, and its id not used again") {
    StatementCatalog catalog;
    auto kept = catalog.find_or_add(definition("kept"), "");
    std::uint32_t last = kept->id;
    for (int i = 0; i < 5000; ++i) {
        const auto statement = catalog.find_or_add(definition("q" + std::to_string(i)), "");
        CHECK(statement->id > last);
        last = statement->id;
    }
    CHECK(catalog.size() == 1);
    CHECK(catalog.find_or_add(definition("kept"), "") == kept);
    CHECK(catalog.find_or_add(definition("q0"), "")->id > last);
}

TEST_CASE("StatementCatalog: a resident statement is never shared") {
    StatementCatalog catalog;
    const auto one = catalog.resident();
    const auto other = catalog.resident();
    CHECK(one->resident);
    CHECK(one->id != other->id);
    CHECK(one->server_name != other->server_name);
    CHECK(one->text().empty());
    CHECK(catalog.find_or_add("", "") != one);
}

TEST_CASE("StatementCatalog: threads that ask for the same get the same") {
    StatementCatalog catalog;
    std::vector<std::vector<StatementRef>> got(4);
    std::vector<std::thread> threads;
    for (auto& mine : got) {
        threads.emplace_back([&catalog, &mine] {
            for (int i = 0; i < 500; ++i) {
                mine.push_back(catalog.find_or_add(definition("s" + std::to_string(i)), "p"));
            }
        });
    }
    for (auto& thread : threads)
        thread.join();
    for (const auto& mine : got)
        CHECK(mine == got.front());
    CHECK(catalog.size() == 500);
}

TEST_CASE("ClientStatements: names of one client") {
    StatementCatalog catalog;
    const auto one = catalog.find_or_add(definition("one"), "");
    const auto two = catalog.find_or_add(definition("two"), "");
    ClientStatements names;
    CHECK(names.find("a") == nullptr);
    names.add("a", one);
    names.add("A", two);
    REQUIRE(names.find("a") != nullptr);
    CHECK(*names.find("a") == one);
    CHECK(*names.find("A") == two);
    CHECK(names.name_of(two->id) == "A");
    names.add("a", two);
    CHECK(*names.find("a") == two);
    CHECK(names.size() == 2);
    CHECK(names.name_of(one->id) == "");
    CHECK(names.remove("a"));
    CHECK_FALSE(names.remove("a"));
    CHECK(names.find("a") == nullptr);
    names.clear();
    CHECK(names.size() == 0);
}

TEST_CASE("PreparedSet: the least recently used goes first") {
    StatementCatalog catalog;
    std::vector<StatementRef> statements;
    PreparedSet set;
    for (int i = 0; i < 4; ++i) {
        statements.push_back(catalog.find_or_add(definition(std::to_string(i)), ""));
        set.add(statements.back());
    }
    CHECK(set.size() == 4);
    CHECK_FALSE(set.evict_over(4).has_value());
    CHECK(set.contains(statements[0]->id));
    set.add(statements[1]);
    CHECK(set.size() == 4);
    CHECK(set.evict_over(3) == statements[2]);
    CHECK_FALSE(set.evict_over(3).has_value());
    CHECK_FALSE(set.contains(statements[2]->id));
    set.remove(statements[3]->id);
    set.remove(statements[3]->id);
    CHECK(set.evict_over(0) == statements[0]);
    CHECK(set.evict_over(0) == statements[1]);
    CHECK_FALSE(set.evict_over(0).has_value());
    for (const auto& statement : statements)
        set.add(statement);
    set.keep_only({statements[2]->id, statements[0]->id, 0});
    CHECK(set.size() == 2);
    CHECK_FALSE(set.contains(statements[1]->id));
    CHECK(set.evict_over(1) == statements[0]);
    set.keep_only({});
    CHECK(set.size() == 0);
    CHECK_FALSE(set.contains(statements[2]->id));
}

TEST_CASE("PreparedSet: keeps a statement alive that no client has any more") {
    StatementCatalog catalog;
    PreparedSet set;
    set.add(catalog.find_or_add(definition("x"), ""));
    CHECK(catalog.size() == 1);
    set.keep_only({});
    CHECK(catalog.size() == 0);
}

TEST_CASE("restore_names: the client's names for the server's, everything else as it is") {
    StatementCatalog catalog;
    ClientStatements names;
    const auto one = catalog.find_or_add(definition("1"), "");
    names.add("mine", one);
    const auto id = std::to_string(one->id);
    const auto restore = [&](std::string_view text) {
        return restore_names(text, names);
    };
    CHECK(restore("") == "");
    CHECK(restore("no such thing") == "no such thing");
    CHECK(
        restore("prepared statement \"weir_" + id + "\" already exists") ==
        "prepared statement \"mine\" already exists"
    );
    CHECK(restore("weir_" + id + " weir_" + id) == "mine mine");
    CHECK(restore("weir_unknown:s1 does not exist") == "s1 does not exist");
    CHECK(restore("weir_unknown:weir_" + id) == "mine");
    // Nobody's, no number, too large, cut off.
    CHECK(restore("weir_4000000000") == "weir_4000000000");
    CHECK(restore("weir_99999999999999999999") == "weir_99999999999999999999");
    CHECK(restore("weir_-1 weir_x weir_") == "weir_-1 weir_x weir_");
    CHECK(restore("weir_unknown") == "weir_unknown");
    CHECK(restore("weirweir_weir_") == "weirweir_weir_");
}
