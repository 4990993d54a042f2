#include "router/read_verdict_cache.h"

#include <bit>
#include <utility>

namespace weir::router {

namespace {

// Sessions of one kind have equal paths, if not the same one.
bool same_path(const SearchPathPtr& one, const SearchPathPtr& other) {
    return one == other || (one != nullptr && other != nullptr && *one == *other);
}

bool same_flags(const ReadContext& one, const ReadContext& other) {
    return one.block == other.block && one.serializable == other.serializable &&
           one.default_read_only == other.default_read_only &&
           one.default_serializable == other.default_serializable &&
           one.temporary_objects == other.temporary_objects &&
           one.catalog_reads == other.catalog_reads;
}

std::size_t hash_of(const Statement* statement) {
    // Addresses of one size class differ in their middle bits.
    return (reinterpret_cast<std::uintptr_t>(statement) * 0x9e3779b97f4a7c15ULL) >> 32U;
}

}  // namespace

ReadVerdictCache::ReadVerdictCache(std::size_t entries)
    : entries_(std::bit_ceil(std::max(entries, ways))), sets_{entries_.size() / ways} {}

ReadVerdict ReadVerdictCache::find_or_classify(
    const StatementPtr& statement,
    const std::shared_ptr<const Catalog>& catalog,
    const ReadContext& context
) {
    Entry* const set = &entries_[(hash_of(statement.get()) & (sets_ - 1)) * ways];
    for (Entry* entry = set; entry != set + ways; ++entry) {
        if (entry->statement != statement || entry->catalog != catalog ||
            !same_flags(entry->context, context) || !same_path(entry->context.path, context.path))
            continue;
        entry->used = true;
        ++counters_.hits;
        return entry->verdict;
    }
    ++counters_.misses;
    const ReadVerdict verdict = classify_read(*statement, catalog.get(), context);
    Entry& victim = set[next_victim_++ % ways];
    // One that was used since it was last looked at here stays.
    if (!std::exchange(victim.used, false)) victim = {statement, catalog, context, verdict, false};
    return verdict;
}

void ReadVerdictCache::forget(const Catalog* catalog) {
    for (Entry& entry : entries_)
        if (entry.catalog.get() == catalog) entry = {};
}

}  // namespace weir::router
