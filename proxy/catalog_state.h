// CatalogState: the catalog snapshot of one database, shared by its pools' sessions.
//
// A session that needs one and finds none reads it on its own server, when its transaction has
// ended, and publishes it. DDL that was seen makes it outdated at once; DDL past pgweir is noticed
// when it is read again (refresh_wanted, once a minute).
#pragma once

#include "pool/io/timer_queue.h"
#include "router/catalog.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace weir::proxy {

// Goes before router::catalog_query() in one string. The query runs in whatever session needs it,
// but not under that client's limits (others wait for it, too), nor by the planner's settings of
// the client: with hash joins off it takes minutes.
inline constexpr std::string_view catalog_query_settings =
    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL jit = off; "
    "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; "
    "SET LOCAL enable_nestloop = on; SET LOCAL enable_seqscan = on; "
    "SET LOCAL enable_indexscan = on; SET LOCAL enable_indexonlyscan = on; "
    "SET LOCAL enable_bitmapscan = on; SET LOCAL enable_sort = on; "
    "SET LOCAL enable_hashagg = on; SET LOCAL enable_material = on; "
    "SET LOCAL max_parallel_workers_per_gather = 0; "
    "SET LOCAL join_collapse_limit = 8; SET LOCAL from_collapse_limit = 8; "
    "SET LOCAL work_mem = '16MB'; ";

// What it is called where it is prepared.
inline constexpr std::string_view catalog_query_name = "weir_catalog";

class CatalogChange;

class CatalogState {
public:
    struct Snapshot {
        std::uint64_t epoch = 0;  // 0 = there is none
        // Null: it is too large; what any name reaches is not known.
        std::shared_ptr<const router::Catalog> catalog;
        pool::TimePoint read_at{};
        std::uint64_t version = 0;  // counts what was published
    };

    // Any thread. A snapshot of another epoch is outdated, but for those of whom still_holds() says
    // so.
    std::uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }

    // DDL: something of these names is something else now.
    void outdate(router::ChangedNames changed = router::ChangedNames::all());

    // The snapshot of `epoch` is outdated, but nothing that the statement meets has changed since.
    // False, too, if that snapshot is not current().
    bool still_holds(std::uint64_t epoch, const router::Statement& statement) const;

    // It meets one of these names, by the snapshot that there is and what has changed since.
    bool meets(const router::Statement& statement, const router::ChangedNames& names) const;

    // ... one that some CatalogChange that lives, other than `own`, may change.
    bool meets_change(const router::Statement& statement, const CatalogChange* own) const;

    // True for one of those that ask, if the snapshot has been outdated for a while: it reads it
    // again, though all statements do without.
    bool take_old(pool::TimePoint now);

    Snapshot current() const {
        const std::lock_guard lock(mutex_);
        return snapshot_;
    }

    // `snapshot.epoch` is what epoch() said before it was read.
    void publish(Snapshot snapshot);

    // Of current(): one of the same epoch may have been read again.
    std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

    // Some CatalogChange lives.
    bool is_changing() const { return changing_.load(std::memory_order_acquire) > 0; }

    void want_refresh() { refresh_wanted_.store(true, std::memory_order_relaxed); }

    bool refresh_wanted() const { return refresh_wanted_.load(std::memory_order_relaxed); }

    // True for one of those that ask: it reads the catalog again.
    bool take_refresh() {
        return refresh_wanted_.load(std::memory_order_relaxed) &&
               refresh_wanted_.exchange(false, std::memory_order_acq_rel);
    }

private:
    friend class CatalogChange;

    struct Outdated {
        std::uint64_t epoch;  // from here on
        router::ChangedNames names;
    };

    // More DDL than this since the last snapshot, and it has changed anything.
    static constexpr std::size_t outdated_limit = 1000;

    void note_outdated(router::ChangedNames changed);
    void add_changed(const router::ChangedNames& changed);
    bool meets_locked(const router::Statement& statement, router::ChangedNames names) const;

    std::atomic<std::uint64_t> epoch_{1};
    std::atomic<unsigned> changing_{0};
    std::atomic<std::uint64_t> version_{0};
    std::atomic<bool> refresh_wanted_{false};
    mutable std::mutex mutex_;
    Snapshot snapshot_;
    std::vector<Outdated> outdated_;       // since snapshot_
    router::ChangedNames changed_;         // all of them, completed by snapshot_
    std::vector<CatalogChange*> changes_;  // that live
    std::optional<pool::TimePoint> old_since_;
};

// While it lives, a transaction with DDL may be committing. What a statement reached that ran
// meanwhile cannot be told by any snapshot read before that statement ended: whoever waited for the
// transaction's locks goes on before the session that commits has heard of it.
class CatalogChange {
public:
    CatalogChange(std::shared_ptr<CatalogState> state, router::ChangedNames changes);
    CatalogChange(const CatalogChange&) = delete;
    CatalogChange& operator=(const CatalogChange&) = delete;

    // More DDL that may be committed with it.
    void add(const router::ChangedNames& changes);

    // Nothing was committed.
    void was_in_vain() { in_vain_ = true; }

    // Outdates the catalog first, unless it was in vain.
    ~CatalogChange();

private:
    friend class CatalogState;

    std::shared_ptr<CatalogState> state_;
    router::ChangedNames changes_;  // guarded by the state's mutex
    bool in_vain_ = false;
};

}  // namespace weir::proxy
