#include "proxy/catalog_state.h"

#include <algorithm>

namespace weir::proxy {

namespace {

// For so long after DDL statements are looked at one by one, before the catalog is read again for
// all of them.
constexpr auto old_after = std::chrono::seconds(1);

}  // namespace

void CatalogState::outdate(router::ChangedNames changed) {
    const std::lock_guard lock(mutex_);
    note_outdated(std::move(changed));
}

void CatalogState::note_outdated(router::ChangedNames changed) {
    const auto epoch = epoch_.load(std::memory_order_relaxed) + 1;
    if (outdated_.size() == outdated_limit) changed.add_anything();
    add_changed(changed);
    // Of what comes behind those that have changed anything no snapshot before them has to know.
    if (changed.anything) outdated_.clear();
    outdated_.push_back({epoch, std::move(changed)});
    epoch_.store(epoch, std::memory_order_release);
}

void CatalogState::add_changed(const router::ChangedNames& changed) {
    changed_.add_all_of(changed);
    if (snapshot_.catalog != nullptr) {
        snapshot_.catalog->reach().complete(changed_);
    } else {
        changed_.add_anything();
    }
}

void CatalogState::publish(Snapshot snapshot) {
    const std::lock_guard lock(mutex_);
    if (snapshot.epoch < snapshot_.epoch) return;
    snapshot_ = std::move(snapshot);
    snapshot_.version = version_.load(std::memory_order_relaxed) + 1;
    changed_ = {};
    std::erase_if(outdated_, [&](const Outdated& one) { return one.epoch <= snapshot_.epoch; });
    for (const Outdated& one : outdated_)
        add_changed(one.names);
    old_since_.reset();
    version_.store(snapshot_.version, std::memory_order_release);
}

bool CatalogState::still_holds(std::uint64_t epoch, const router::Statement& statement) const {
    const std::lock_guard lock(mutex_);
    if (epoch != snapshot_.epoch || snapshot_.catalog == nullptr || changed_.anything) return false;
    return !snapshot_.catalog->reach().meets(statement, changed_);
}

bool CatalogState::meets(const router::Statement& statement, const router::ChangedNames& names)
    const {
    const std::lock_guard lock(mutex_);
    return meets_locked(statement, names);
}

bool CatalogState::meets_change(const router::Statement& statement, const CatalogChange* own)
    const {
    const std::lock_guard lock(mutex_);
    return std::any_of(changes_.begin(), changes_.end(), [&](const CatalogChange* change) {
        return change != own && meets_locked(statement, change->changes_);
    });
}

bool CatalogState::meets_locked(const router::Statement& statement, router::ChangedNames names)
    const {
    if (snapshot_.catalog == nullptr) return true;
    // It may meet them only since something else has changed.
    names.add_all_of(changed_);
    snapshot_.catalog->reach().complete(names);
    return snapshot_.catalog->reach().meets(statement, names);
}

bool CatalogState::take_old(pool::TimePoint now) {
    const std::lock_guard lock(mutex_);
    if (snapshot_.catalog == nullptr || outdated_.empty()) return false;
    if (!old_since_) old_since_ = now;
    if (now - *old_since_ < old_after) return false;
    old_since_ = now;
    return true;
}

CatalogChange::CatalogChange(std::shared_ptr<CatalogState> state, router::ChangedNames changes)
    : state_(std::move(state)), changes_(std::move(changes)) {
    const std::lock_guard lock(state_->mutex_);
    state_->changes_.push_back(this);
    state_->changing_.fetch_add(1, std::memory_order_acq_rel);
}

void CatalogChange::add(const router::ChangedNames& changes) {
    const std::lock_guard lock(state_->mutex_);
    changes_.add_all_of(changes);
}

CatalogChange::~CatalogChange() {
    const std::lock_guard lock(state_->mutex_);
    std::erase(state_->changes_, this);
    if (!in_vain_) state_->note_outdated(std::move(changes_));
    state_->changing_.fetch_sub(1, std::memory_order_acq_rel);
}

}  // namespace weir::proxy
