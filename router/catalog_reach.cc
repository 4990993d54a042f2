#include "router/catalog_reach.h"

#include "router/statement.h"

#include <algorithm>

namespace weir::router {

namespace {

// From name to name; every name once.
class Walk {
public:
    explicit Walk(const std::unordered_map<std::uint32_t, std::vector<std::uint32_t>>& uses)
        : uses_{uses} {}

    template <class Names>
    void start(const Names& names) {
        for (const std::uint32_t name : names)
            visit(name);
    }

    void visit(std::uint32_t name) {
        if (seen_.insert(name).second) waiting_.push_back(name);
    }

    void go() {
        while (!waiting_.empty()) {
            const auto found = uses_.find(waiting_.back());
            waiting_.pop_back();
            if (found != uses_.end()) start(found->second);
        }
    }

    const std::unordered_set<std::uint32_t>& seen() const { return seen_; }

private:
    const std::unordered_map<std::uint32_t, std::vector<std::uint32_t>>& uses_;
    std::unordered_set<std::uint32_t> seen_;
    std::vector<std::uint32_t> waiting_;
};

template <class Names>
void start_at(Walk& walk, const Names& names) {
    for (const auto& name : names)
        walk.visit(name_hash(name));
}

}  // namespace

void CatalogReach::finish() {
    for (auto* const names : {&everywhere_, &on_ddl_}) {
        Walk walk{uses_};
        walk.start(*names);
        walk.go();
        names->assign(walk.seen().begin(), walk.seen().end());
        std::sort(names->begin(), names->end());
    }
    for (auto* const uses : {&uses_, &below_}) {
        for (auto& [name, used] : *uses) {
            std::sort(used.begin(), used.end());
            used.erase(std::unique(used.begin(), used.end()), used.end());
            used.shrink_to_fit();
        }
    }
}

bool CatalogReach::meets(const Statement& statement, const ChangedNames& changed) const {
    if (changed.anything || !statement.parsed) return true;
    if (changed.names.empty()) return false;
    // Names that were not all read; for TRUNCATE, tables that refer to those that are.
    if (statement.truncates || !statement.knows_relations ||
        (!statement.reads.known && !statement.relations.empty()))
        return true;
    Walk walk{uses_};
    start_at(walk, statement.functions);
    start_at(walk, statement.possible_functions);
    start_at(walk, statement.builtin_functions);
    start_at(walk, statement.relations);
    walk.start(statement.reads.attributes);
    if (statement.defines) walk.start(on_ddl_);
    walk.go();
    return std::any_of(walk.seen().begin(), walk.seen().end(), [&](std::uint32_t name) {
        return changed.names.contains(name);
    });
}

void CatalogReach::complete(ChangedNames& changed) const {
    if (changed.anything) return;
    Walk walk{below_};
    walk.start(changed.names);
    walk.go();
    changed.add(walk.seen());
    const bool everywhere =
        std::any_of(changed.names.begin(), changed.names.end(), [&](std::uint32_t name) {
            return std::binary_search(everywhere_.begin(), everywhere_.end(), name);
        });
    if (everywhere) changed.add_anything();
}

}  // namespace weir::router
