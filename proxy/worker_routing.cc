#include "proxy/worker_routing.h"

namespace weir::proxy {

namespace {

constexpr auto remembered_for = std::chrono::hours(1);
// More are forgotten all at once: each costs one refusal again.
constexpr std::size_t remembered_limit = 1000;

}  // namespace

void MisjudgedReads::add(const router::StatementPtr& statement, pool::TimePoint now) {
    if (until_.size() >= remembered_limit) until_.clear();
    until_.insert_or_assign(statement, now + remembered_for);
}

bool MisjudgedReads::is_among(const router::StatementPtr& statement, pool::TimePoint now) {
    const auto found = until_.find(statement);
    if (found == until_.end()) return false;
    if (now < found->second) return true;
    until_.erase(found);
    return false;
}

router::ReadVerdict WorkerRouting::judge(
    const router::StatementPtr& statement,
    const CatalogState& state,
    const std::shared_ptr<const router::Catalog>& catalog,
    const router::ReadContext& context
) {
    auto& newest = newest_[&state];
    if (newest != catalog) {
        if (newest != nullptr) verdicts.forget(newest.get());
        newest = catalog;
    }
    return verdicts.find_or_classify(statement, catalog, context);
}

}  // namespace weir::proxy
