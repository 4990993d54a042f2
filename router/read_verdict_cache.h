// ReadVerdictCache: verdicts remembered by statement, catalog and context. One per worker.
#pragma once

#include "router/read_route.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace weir::router {

class ReadVerdictCache {
public:
    struct Counters {
        std::uint64_t hits = 0;
        std::uint64_t misses = 0;
    };

    // Rounded up to a power of two, at least four. It keeps so many statements and catalogs alive.
    explicit ReadVerdictCache(std::size_t entries = 4096);

    // classify_read(), if it is not remembered. A hit allocates nothing, and neither does a miss.
    // `catalog` may be null. REQUIRES: `statement` is not null.
    [[gnu::hot]] ReadVerdict find_or_classify(
        const StatementPtr& statement,
        const std::shared_ptr<const Catalog>& catalog,
        const ReadContext& context
    );

    // Drops what refers to this catalog, so that it goes when a newer snapshot has come.
    void forget(const Catalog* catalog);

    const Counters& counters() const { return counters_; }

private:
    static constexpr std::size_t ways = 4;

    struct Entry {
        StatementPtr statement;
        std::shared_ptr<const Catalog> catalog;
        ReadContext context;
        ReadVerdict verdict;
        bool used = false;
    };

    std::vector<Entry> entries_;
    std::size_t sets_;
    std::size_t next_victim_ = 0;
    Counters counters_;
};

}  // namespace weir::router
