// WorkerRouting: what the sessions of one worker share to decide where statements run. Its thread.
#pragma once

#include "pool/io/timer_queue.h"
#include "pool/replica_choice.h"
#include "router/read_verdict_cache.h"

#include <boost/unordered/unordered_flat_map.hpp>

#include <memory>

namespace weir::proxy {

class CatalogState;

// Statements that were judged to be fit for a replica, and that a replica has refused: they stay on
// the primary for an hour, so that each wrong guess costs once.
class MisjudgedReads {
public:
    void add(const router::StatementPtr& statement, pool::TimePoint now);

    bool contains(const router::StatementPtr& statement, pool::TimePoint now) {
        return !until_.empty() && is_among(statement, now);
    }

private:
    bool is_among(const router::StatementPtr& statement, pool::TimePoint now);

    boost::unordered_flat_map<router::StatementPtr, pool::TimePoint> until_;
};

struct WorkerRouting {
    explicit WorkerRouting(std::uint64_t seed) : random(seed) {}

    // The verdict on a text; a newer snapshot of the same catalog makes the old one go.
    router::ReadVerdict judge(
        const router::StatementPtr& statement,
        const CatalogState& state,
        const std::shared_ptr<const router::Catalog>& catalog,
        const router::ReadContext& context
    );

    router::ReadVerdictCache verdicts;
    MisjudgedReads misjudged;
    pool::ChoiceRandom random;

private:
    boost::unordered_flat_map<const CatalogState*, std::shared_ptr<const router::Catalog>> newest_;
};

}  // namespace weir::proxy
