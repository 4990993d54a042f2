#include "router/read_catalog_builder.h"

#include "router/read_facts.h"
#include "router/replica_functions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace weir::router {

namespace {

constexpr int most_arguments = 255;  // NameUse has no more; PostgreSQL takes 100

// The parts of a CatalogRow's column, separated by '/'; the last has what is left.
template <std::size_t count>
std::array<std::string_view, count> parts_of(std::string_view text) {
    std::array<std::string_view, count> parts;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t end =
            i + 1 == count ? text.size() : std::min(text.find('/'), text.size());
        parts[i] = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

int number_of(std::string_view text) {
    return std::atoi(std::string{text}.c_str());
}

// Marks that the query gives for a stored expression.
ReadCauses causes_of_marks(std::string_view marks) {
    ReadCauses causes;
    const auto add = [&](char mark, ReadCauses cause) {
        if (marks.find(mark) != std::string_view::npos) causes |= cause;
    };
    add('B', ReadCauses::node);
    add('S', ReadCauses::sequence);
    add('L', ReadCauses::locking);
    add('C', ReadCauses::catalog);
    return causes;
}

// Of a word that may name a system catalog or one of its views.
ReadCauses causes_of_catalog(const std::string& word) {
    if (word == "information_schema") return ReadCauses::catalog;
    if (word.compare(0, 3, "pg_") != 0 || word == "pg_catalog" || replica_causes(word)) return {};
    return is_shared_catalog(word) ? ReadCauses::catalog : ReadCauses::node;
}

// Session state that a body makes or needs, whatever the function says of itself.
ReadCauses causes_of_body(std::string_view language, const BodyEffects& body) {
    ReadCauses causes;
    for (std::size_t i = 0; i < body.effects.pins.size(); ++i) {
        if (!body.effects.pins[i]) continue;
        const auto reason = static_cast<PinReason>(i);
        if (reason == PinReason::dynamic_sql)
            causes |= ReadCauses::dynamic_sql;
        else if (reason != PinReason::unknown_function || language == "sql" || language == "plpgsql")
            causes |= ReadCauses::node;
    }
    if (body.effects.unlocks_advisory || body.effects.reads_sequences || body.reads_node_setting)
        causes |= ReadCauses::node;
    return causes;
}

}  // namespace

ReadCatalogBuilder::NodeId ReadCatalogBuilder::new_node() {
    nodes_.emplace_back();
    return nodes_.size() - 1;
}

ReadCatalogBuilder::NodeId ReadCatalogBuilder::node(const std::string& key) {
    const auto found = keys_.find(key);
    return found != keys_.end() ? found->second : keys_.emplace(key, new_node()).first->second;
}

void ReadCatalogBuilder::add_rows(const std::vector<CatalogRow>& rows) {
    // Others ask for functions by oid.
    for (const CatalogRow& row : rows)
        if (row.kind == 'f') add_function(row);
    for (const CatalogRow& row : rows)
        add_row(row);
}

void ReadCatalogBuilder::add_row(const CatalogRow& row) {
    switch (row.kind) {
        case 'a':
            if (const auto found = by_oid_.find(row.a); found != by_oid_.end())
                functions_[found->second].of_row = true;
            return;
        case 'p':
            return use(node("f" + row.a), node("f" + row.b));
        case 'e':
            return add_unnamed(row);
        case 'E':
            return use(node(row.a), node(row.b));
        case 'R':
            return add_relation(row);
        case 'B':
            return add_relations(row);
        case 'T':
            return add_type(row);
        case 'O':
            return add_operator(row);
        case 'K':
            return add_cast(row);
        default:
            return;
    }
}

void ReadCatalogBuilder::add_function(const CatalogRow& row) {
    const auto [language, extension, volatility, arguments, defaults, variadic, marks, schema] =
        parts_of<8>(row.c);
    const NodeId made = node("f" + row.a);
    // Those of pg_catalog are known by name.
    if (schema.empty() && volatility == "-") {
        if (const auto causes = replica_causes(row.b)) nodes_[made].causes |= *causes;
        return;
    }
    FunctionRow function;
    function.node = made;
    function.name = row.b;
    function.function.schema = schema;
    function.function.most_arguments = variadic == "t" ? most_arguments : number_of(arguments);
    function.function.least_arguments = std::max(0, number_of(arguments) - number_of(defaults));
    function.in_c = language == "c";
    nodes_[made].causes |= causes_of_marks(marks);
    if (volatility != "i" && volatility != "s")
        nodes_[made].causes |= ReadCauses::volatile_function;
    if (extension == "dblink" || row.b.compare(0, 6, "dblink") == 0)
        nodes_[made].causes |= ReadCauses::node;
    by_oid_.emplace(row.a, functions_.size());
    functions_.push_back(std::move(function));
}

void ReadCatalogBuilder::add_body(
    const std::string& oid, std::string_view language, const BodyEffects& body
) {
    const auto found = by_oid_.find(oid);
    if (found == by_oid_.end()) return;
    const NodeId made = functions_[found->second].node;
    nodes_[made].causes |= causes_of_body(language, body);
    bodies_.push_back({made, body.calls, body.words});
    const auto unnamed = unnamed_.find(oid);
    if (unnamed == unnamed_.end()) return;
    if (language != "sql" && language != "plpgsql") return use(unnamed->second, made);
    nodes_[unnamed->second].causes |= causes_of_body(language, body);
    if (body.writes) nodes_[unnamed->second].causes |= ReadCauses::volatile_function;
    bodies_.push_back({unnamed->second, body.calls, body.words});
}

// a: oid, b: schema, c: name, d: relkind, relpersistence, marks
void ReadCatalogBuilder::add_relation(const CatalogRow& row) {
    const NodeId made = node("r" + row.a);
    nodes_[made].causes |=
        causes_of_marks(std::string_view{row.d}.substr(std::min<std::size_t>(2, row.d.size())));
    if (row.d.size() < 2 || row.d[0] == 'f') nodes_[made].causes |= ReadCauses::foreign;
    if (row.d.size() > 1 && row.d[1] == 'u') nodes_[made].causes |= ReadCauses::unlogged;
    relations_.push_back({made, row.b, row.c});
}

// a: schema, b: names of relations, one a line
void ReadCatalogBuilder::add_relations(const CatalogRow& row) {
    ReadCatalog::Schema& schema = catalog_.schemas_[row.a];
    schema.names = row.b;
    std::string_view rest = schema.names;
    schema.plain.reserve(static_cast<std::size_t>(std::count(rest.begin(), rest.end(), '\n')) + 1);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        schema.plain.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::sort(schema.plain.begin(), schema.plain.end());
    catalog_.relation_count_ += schema.plain.size();
}

// a: name, b: oid, c: marks
void ReadCatalogBuilder::add_type(const CatalogRow& row) {
    const NodeId made = node("t" + row.b);
    nodes_[made].causes |= causes_of_marks(row.c);
    types_.emplace_back(row.a, made);
    std::uint32_t oid = 0;
    std::from_chars(row.b.data(), row.b.data() + row.b.size(), oid);
    types_by_oid_.emplace_back(oid, made);
}

// a: name, b: oid of its function, c: provolatile, "m" if it is in an operator family
void ReadCatalogBuilder::add_operator(const CatalogRow& row) {
    const NodeId made = new_node();
    if (row.c.empty() || row.c[0] == 'v') nodes_[made].causes |= ReadCauses::volatile_function;
    use(made, node("f" + row.b));
    operators_.emplace_back(row.a, made);
    if (row.c.size() > 1) use_unnamed(row.b);
}

// a: name of the target type, b: oid of the function, c: pg_cast.castcontext
void ReadCatalogBuilder::add_cast(const CatalogRow& row) {
    types_.emplace_back(row.a, node("f" + row.b));
    if (row.c == "i") use_unnamed(row.b);
}

// Operators, casts and checks of domains have their own rows, and types are made of C functions.
void ReadCatalogBuilder::add_unnamed(const CatalogRow& row) {
    for (const std::string_view named : {"pg_operator", "pg_cast", "pg_constraint", "pg_type"})
        if (row.b.size() >= named.size() &&
            std::string_view{row.b}.substr(row.b.size() - named.size()) == named)
            return;
    use_unnamed(row.a);
}

// A C function in such a place computes, whatever it is declared.
void ReadCatalogBuilder::use_unnamed(const std::string& oid) {
    const auto function = by_oid_.find(oid);
    if (function == by_oid_.end() || functions_[function->second].in_c) return;
    const auto [found, is_new] = unnamed_.emplace(oid, 0);
    if (!is_new) return;
    found->second = new_node();
    use(implicit_, found->second);
}

// By name, in whatever schema; tables, keywords and the like are among the names.
void ReadCatalogBuilder::resolve(const Body& body) {
    for (const std::string& name : body.calls) {
        if (const auto causes = replica_causes(name)) nodes_[body.node].causes |= *causes;
        if (const auto found = keys_.find("n" + name); found != keys_.end())
            use(body.node, found->second);
    }
    for (const std::string& name : body.words) {
        if (const auto found = keys_.find("R" + name); found != keys_.end())
            use(body.node, found->second);
        nodes_[body.node].causes |= causes_of_catalog(name);
    }
}

void ReadCatalogBuilder::close() {
    std::vector<NodeId> changed;
    for (NodeId id = 0; id < nodes_.size(); ++id)
        if (nodes_[id].causes.any()) changed.push_back(id);
    while (!changed.empty()) {
        const NodeId id = changed.back();
        changed.pop_back();
        for (const NodeId user : nodes_[id].users) {
            ReadCauses merged = nodes_[user].causes;
            merged |= nodes_[id].causes;
            if (merged == nodes_[user].causes) continue;
            nodes_[user].causes = merged;
            changed.push_back(user);
        }
    }
}

void ReadCatalogBuilder::take_names() {
    for (FunctionRow& row : functions_) {
        row.function.causes = nodes_[row.node].causes;
        const bool takes_one =
            row.function.least_arguments <= 1 && row.function.most_arguments >= 1;
        if (row.function.causes.any() && takes_one) {
            catalog_.attributes_[attribute_hash(row.name, true)] |= row.function.causes;
            if (row.of_row)
                catalog_.attributes_[attribute_hash(row.name, false)] |= row.function.causes;
        }
        catalog_.functions_[row.name].push_back(std::move(row.function));
    }
    for (const RelationRow& row : relations_)
        catalog_.schemas_[row.schema].special[row.name] |= nodes_[row.node].causes;
    for (const auto& [name, id] : types_)
        catalog_.types_[name] |= nodes_[id].causes;
    for (const auto& [oid, id] : types_by_oid_)
        catalog_.types_by_oid_[oid] = nodes_[id].causes;
    for (const auto& [name, id] : operators_)
        catalog_.operators_[name] |= nodes_[id].causes;
    catalog_.implicit_ = nodes_[implicit_].causes;
    catalog_.function_count_ = functions_.size();
    catalog_.relation_count_ += relations_.size();
}

ReadCatalog ReadCatalogBuilder::build() {
    for (const FunctionRow& row : functions_)
        use(node("n" + row.name), row.node);
    for (const RelationRow& row : relations_)
        use(node("R" + row.name), row.node);
    for (const Body& body : bodies_)
        resolve(body);
    close();
    take_names();
    return std::move(catalog_);
}

}  // namespace weir::router
