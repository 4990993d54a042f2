// StatementCache: the Statement of a text, remembered. One per worker.
//
// A text whose meaning hangs on no literal is remembered by its literal-blind key
// (protocol/sql_lexer.h), so `id = 5` and `id = 77` share one entry; every other text by its exact
// bytes. A hit allocates nothing.
#pragma once

#include "protocol/sql_lexer.h"
#include "router/statement.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace weir::router {

class StatementCache {
public:
    struct Limits {
        std::size_t entries = 4096;
        std::size_t bytes = 8U << 20U;  // texts and statements, estimated
    };

    struct Counters {
        std::uint64_t exact_hits = 0;
        std::uint64_t blind_hits = 0;
        std::uint64_t misses = 0;   // parsed
        std::uint64_t unkeyed = 0;  // too long or not readable: answered without the cache
        std::uint64_t evictions = 0;
    };

    StatementCache();
    explicit StatementCache(Limits limits);
    ~StatementCache();
    StatementCache(const StatementCache&) = delete;
    StatementCache& operator=(const StatementCache&) = delete;

    // The Statement of `text`, parsed if it is not remembered. The reference is good until the next
    // call; copy the pointer to keep it. Never null, never throws for what is in the text.
    // Not thread-safe: one cache per worker.
    [[gnu::hot]] const StatementPtr& find_or_analyse(
        std::string_view text, protocol::TextRules rules = {}
    );

    const Counters& counters() const;
    std::size_t entries() const;
    std::size_t bytes() const;

private:
    struct Store;
    std::unique_ptr<Store> store_;
};

}  // namespace weir::router
