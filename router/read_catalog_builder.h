// Makes a ReadCatalog of the rows of catalog_query(): CatalogBuilder's other half.
#pragma once

#include "router/catalog_row.h"
#include "router/function_body.h"
#include "router/read_catalog.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::router {

// A graph like CatalogBuilder's: a node has causes, and hands them to its users.
class ReadCatalogBuilder {
public:
    // All of them, before the bodies.
    void add_rows(const std::vector<CatalogRow>& rows);

    // What is in the body of a function of those rows. `language`: pg_language.lanname.
    void add_body(const std::string& oid, std::string_view language, const BodyEffects& body);

    // Once, at the end.
    ReadCatalog build();

private:
    using NodeId = std::size_t;

    struct Node {
        ReadCauses causes;
        std::vector<NodeId> users;
    };

    struct FunctionRow {
        NodeId node;
        std::string name;
        ReadCatalog::Function function;
        bool in_c = false;
        bool of_row = false;  // may be called as t.name
    };

    struct RelationRow {
        NodeId node;
        std::string schema;
        std::string name;
    };

    // What is in a body; names are resolved when all rows are there.
    struct Body {
        NodeId node;
        std::vector<std::string> calls;
        std::vector<std::string> words;
    };

    NodeId new_node();
    NodeId node(const std::string& key);

    void use(NodeId user, NodeId used) { nodes_[used].users.push_back(user); }

    void add_row(const CatalogRow& row);
    void add_function(const CatalogRow& row);
    void add_relation(const CatalogRow& row);
    void add_relations(const CatalogRow& row);
    void add_type(const CatalogRow& row);
    void add_operator(const CatalogRow& row);
    void add_cast(const CatalogRow& row);
    void add_unnamed(const CatalogRow& row);
    void use_unnamed(const std::string& oid);
    void resolve(const Body& body);
    void close();
    void take_names();

    ReadCatalog catalog_;
    std::vector<Node> nodes_;
    ReadCatalog::ByName<NodeId> keys_;
    ReadCatalog::ByName<std::size_t> by_oid_;  // index of functions_
    std::vector<FunctionRow> functions_;
    std::vector<RelationRow> relations_;
    std::vector<Body> bodies_;
    // By oid: of those that are called without a name, what their bodies are seen to do. A cast is
    // seldom declared, and to believe its volatility would keep everything on the primary.
    ReadCatalog::ByName<NodeId> unnamed_;
    std::vector<std::pair<std::string, NodeId>> types_;
    std::vector<std::pair<std::uint32_t, NodeId>> types_by_oid_;
    std::vector<std::pair<std::string, NodeId>> operators_;
    NodeId implicit_ = new_node();
};

}  // namespace weir::router
