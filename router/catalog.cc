#include "router/catalog.h"

#include "router/body_tokens.h"
#include "router/builtins.h"
#include "router/extensions.h"
#include "router/function_body.h"
#include "router/read_catalog_builder.h"

#include <utility>

namespace weir::router {

namespace {

constexpr unsigned long first_user_oid = 16384;  // FirstNormalObjectId

// oids come from the server's own query.
bool is_users(std::string_view oid) {
    unsigned long value = 0;
    for (const char c : oid)
        value = value * 10 + static_cast<unsigned long>(c - '0');
    return value >= first_user_oid;
}

// It runs what is not to be seen, and that may use sequences.
void add_hidden_sequences(SessionEffects& effects) {
    if (!effects.has(PinReason::unknown_function) && !effects.has(PinReason::dynamic_sql)) return;
    effects.reads_sequences = true;
    effects.may_advance_sequence = true;
}

bool counts(const SessionEffects& effects) {
    return effects.any() || effects.uses_sequences();
}

std::string_view language_of(const CatalogRow& function) {
    return std::string_view{function.c}.substr(0, function.c.find('/'));
}

}  // namespace

// A graph: a node has effects, and hands them to its users until nothing changes any more. Cycles
// (recursion, foreign keys in a ring) end there by themselves, for effects only grow.
class CatalogBuilder {
public:
    explicit CatalogBuilder(std::vector<CatalogRow> rows) : rows_{std::move(rows)} {}

    std::shared_ptr<const Catalog> build() {
        // Names first: a body counts for the functions and relations that there are.
        for (const CatalogRow& row : rows_)
            add_names(row);
        reads_.add_rows(rows_);
        for (const CatalogRow& row : rows_)
            if (row.kind == 'a') add_attribute(row);
        for (CatalogRow& row : rows_)
            if (row.kind == 'f') add_function(row);
        for (const CatalogRow& row : rows_)
            add_uses(row);
        for (const CatalogRow& row : rows_)
            add_reach(row);
        catalog_->reach_.finish();
        close();
        return result();
    }

private:
    using NodeId = std::size_t;

    struct Node {
        SessionEffects effects;
        std::vector<NodeId> users;
    };

    struct Function {
        NodeId node;
        const CatalogRow* row;
        bool in_c;
    };

    struct RelationNodes {
        NodeId reading;
        NodeId any_use;
        NodeId truncating;
    };

    NodeId new_node() {
        nodes_.emplace_back();
        return nodes_.size() - 1;
    }

    NodeId named(Catalog::ByName<NodeId>& nodes, const std::string& name) {
        const auto found = nodes.find(name);
        return found != nodes.end() ? found->second : nodes.emplace(name, new_node()).first->second;
    }

    RelationNodes& relation(const std::string& name) {
        const auto found = relations_.find(name);
        if (found != relations_.end()) return found->second;
        const NodeId reading = new_node();
        const NodeId any_use = new_node();
        const RelationNodes nodes{reading, any_use, new_node()};
        add_use(nodes.any_use, nodes.reading);
        add_use(nodes.truncating, nodes.any_use);
        // Its rule calls set_config with what it is given.
        if (name == "pg_settings") nodes_[nodes.any_use].effects.pin(PinReason::set_config);
        return relations_.emplace(name, nodes).first->second;
    }

    void add_use(NodeId user, NodeId used) { nodes_[used].users.push_back(user); }

    void add_names(const CatalogRow& row) {
        if (row.kind == 'f') {
            const NodeId node = new_node();
            functions_by_oid_.emplace(row.a, Function{node, &row, language_of(row) == "c"});
            if (is_users(row.a)) add_use(named(functions_, row.b), node);
        } else if (row.kind == 'n') {
            if (find_builtin_function(row.a) == nullptr) catalog_->other_functions_.insert(row.a);
        } else if (row.kind == 'o') {
            catalog_->operators_.insert(row.a);
        } else if (row.kind == 'u') {
            relation(row.a);
        } else if (row.kind == 'r') {
            relation(row.a);
            relation(row.b);
        }
    }

    void add_attribute(const CatalogRow& row) {
        const auto found = functions_by_oid_.find(row.a);
        if (found == functions_by_oid_.end()) return;
        add_use(named(attributes_, found->second.row->b), found->second.node);
    }

    void add_uses(const CatalogRow& row) {
        if (row.kind == 's') add_set_clause(row);
        if (row.kind == 'u') add_used_function(row);
        if (row.kind == 'r') add_reached_relation(row);
        if (row.kind == 'v') use_function(on_ddl_, row.a);
        const auto function = functions_by_oid_.find(row.a);
        if (function == functions_by_oid_.end()) return;
        if (row.kind == 'p') use_function(function->second.node, row.b);
        if (row.kind == 'e' && !function->second.in_c) use_function(everywhere_, row.a);
    }

    // The same by names alone; see catalog_reach.h.
    void add_reach(const CatalogRow& row) {
        CatalogReach& reach = catalog_->reach_;
        // One that is not there is PostgreSQL's own, without effects.
        const auto function = [&](const std::string& oid) {
            const auto found = functions_by_oid_.find(oid);
            return name_hash(found == functions_by_oid_.end() ? "" : found->second.row->b);
        };
        if (row.kind == 'u') reach.add_use(name_hash(row.a), function(row.b));
        if (row.kind == 'r') reach.add_below(name_hash(row.a), name_hash(row.b));
        if (row.kind == 'p') reach.add_use(function(row.a), function(row.b));
        if (row.kind == 'e') reach.add_everywhere(function(row.a));
        if (row.kind == 'v') reach.add_on_ddl(function(row.a));
    }

    void use_function(NodeId user, const std::string& oid) {
        const auto found = functions_by_oid_.find(oid);
        // Not there: a built-in function without effects.
        if (found != functions_by_oid_.end()) add_use(user, found->second.node);
    }

    void add_used_function(const CatalogRow& row) {
        const RelationNodes nodes = relation(row.a);
        use_function(row.c == "r" ? nodes.reading : nodes.any_use, row.b);
    }

    void add_reached_relation(const CatalogRow& row) {
        const RelationNodes from = relation(row.a);
        const RelationNodes to = relation(row.b);
        if (row.c != "w") add_use(from.truncating, to.truncating);
        if (row.c == "t") return;
        add_use(from.any_use, to.any_use);
        if (row.c == "r") add_use(from.reading, to.reading);
    }

    void add_function(CatalogRow& row) {
        const NodeId node = functions_by_oid_.find(row.a)->second.node;
        const std::string_view language = language_of(row);
        if (language == "c") {
            const std::size_t slash = row.c.find('/');
            std::string_view extension =
                slash == std::string::npos ? "" : std::string_view{row.c}.substr(slash + 1);
            extension = extension.substr(0, extension.find('/'));
            nodes_[node].effects.merge(effects_of_c_function(extension, row.b));
            add_hidden_sequences(nodes_[node].effects);
            return;
        }
        const BodyEffects body = effects_of_body(language, row.d);
        for (const std::string& name : body.words)
            catalog_->reach_.add_use(name_hash(row.b), name_hash(name));
        reads_.add_body(row.a, language, body);
        std::string{}.swap(row.d);  // many of them are large
        nodes_[node].effects.merge(body.effects);
        add_hidden_sequences(nodes_[node].effects);
        if (body.effects.changes_catalog) add_use(node, on_ddl_);
        for (const std::string& name : body.calls)
            if (const auto found = functions_.find(name); found != functions_.end())
                add_use(node, found->second);
        for (const std::string& name : body.words) {
            if (const auto found = relations_.find(name); found != relations_.end())
                add_use(node, used_by(body, found->second));
            if (const auto found = attributes_.find(name); found != attributes_.end())
                add_use(node, found->second);
        }
    }

    static NodeId used_by(const BodyEffects& body, const RelationNodes& relation) {
        if (body.truncates) return relation.truncating;
        return body.writes ? relation.any_use : relation.reading;
    }

    // The setting is put back when the function ends; what was made under it stays.
    void add_set_clause(const CatalogRow& row) {
        const auto function = functions_by_oid_.find(row.a);
        if (function == functions_by_oid_.end()) return;
        SessionEffects& effects = nodes_[function->second.node].effects;
        const std::string name = folded(row.b);
        // A custom setting leaves its placeholder.
        if (name.find('.') != std::string::npos) effects.touch(name);
        // Its body was not read by the rules that hold in it.
        if (name == "standard_conforming_strings" && folded(row.c) != "on")
            effects.pin(PinReason::unknown_encoding);
        if (name == "search_path" && effects.changes_catalog &&
            folded(row.c).find("pg_temp") != std::string::npos)
            effects.pin(PinReason::temp_object);
    }

    void close() {
        std::vector<NodeId> changed;
        for (NodeId node = 0; node < nodes_.size(); ++node)
            if (nodes_[node].effects != no_session_effects()) changed.push_back(node);
        while (!changed.empty()) {
            const NodeId node = changed.back();
            changed.pop_back();
            for (const NodeId user : nodes_[node].users)
                if (user != node && nodes_[user].effects.merge(nodes_[node].effects))
                    changed.push_back(user);
        }
    }

    std::shared_ptr<const Catalog> result() {
        take_functions();
        take_relations();
        catalog_->reads_ = reads_.build();
        catalog_->everywhere_ = std::move(nodes_[everywhere_].effects);
        catalog_->on_ddl_ = std::move(nodes_[on_ddl_].effects);
        catalog_->plain_ = catalog_->relations_.empty() && catalog_->attributes_.empty() &&
                           !catalog_->overload_effects_ && !counts(catalog_->everywhere_);
        if (!catalog_->plain_ || counts(catalog_->on_ddl_)) catalog_->harmless_ = false;
        return std::move(catalog_);
    }

    void take_functions() {
        for (const auto& [name, node] : functions_) {
            if (counts(nodes_[node].effects)) {
                catalog_->harmless_ = false;
                if (find_builtin_function(name) != nullptr) catalog_->overload_effects_ = true;
            }
            catalog_->functions_.emplace(name, std::move(nodes_[node].effects));
        }
        for (const auto& [name, node] : attributes_)
            if (nodes_[node].effects.any())
                catalog_->attributes_[attribute_hash(name, false)].merge(nodes_[node].effects);
    }

    void take_relations() {
        for (const auto& [name, nodes] : relations_) {
            // Hardly any table is without a sequence; what writes says so itself.
            const SessionEffects& most = nodes_[nodes.truncating].effects;
            if (!most.any() && !most.reads_sequences && !counts(nodes_[nodes.reading].effects))
                continue;
            catalog_->relations_.emplace(
                name,
                Catalog::RelationEffects{
                    std::move(nodes_[nodes.reading].effects),
                    std::move(nodes_[nodes.any_use].effects),
                    std::move(nodes_[nodes.truncating].effects)}
            );
        }
    }

    std::shared_ptr<Catalog> catalog_ = std::make_shared<Catalog>();
    ReadCatalogBuilder reads_;
    std::vector<CatalogRow> rows_;
    std::vector<Node> nodes_;
    Catalog::ByName<Function> functions_by_oid_;
    Catalog::ByName<NodeId> functions_;   // one for all of a name
    Catalog::ByName<NodeId> attributes_;  // the same
    Catalog::ByName<RelationNodes> relations_;
    NodeId everywhere_ = new_node();
    NodeId on_ddl_ = new_node();
};

std::shared_ptr<const Catalog> Catalog::build(std::vector<CatalogRow> rows) {
    return CatalogBuilder{std::move(rows)}.build();
}

const SessionEffects* Catalog::function(std::string_view name) const {
    const auto found = functions_.find(name);
    return found == functions_.end() ? nullptr : &found->second;
}

const SessionEffects* Catalog::attribute(std::uint32_t hash) const {
    const auto found = attributes_.find(hash);
    return found == attributes_.end() ? nullptr : &found->second;
}

namespace {

// Null for nothing.
const SessionEffects* if_it_counts(const SessionEffects& effects) {
    return counts(effects) ? &effects : nullptr;
}

}  // namespace

bool Catalog::knows_function(std::string_view name) const {
    return functions_.contains(name) || other_functions_.contains(name);
}

const Catalog::RelationEffects* Catalog::find_relation(std::string_view name) const {
    const auto found = relations_.find(name);
    return found == relations_.end() ? nullptr : &found->second;
}

const SessionEffects* Catalog::relation(std::string_view name) const {
    const auto* found = find_relation(name);
    return found == nullptr ? nullptr : if_it_counts(found->any_use);
}

const SessionEffects* Catalog::truncating(std::string_view name) const {
    const auto* found = find_relation(name);
    return found == nullptr ? nullptr : if_it_counts(found->truncating);
}

const SessionEffects* Catalog::reading(std::string_view name) const {
    const auto* found = find_relation(name);
    return found == nullptr ? nullptr : if_it_counts(found->reading);
}

}  // namespace weir::router
