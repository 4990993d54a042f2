// What a text is: remembered by its bytes, by its shape, and parsed anew.
#include "bench/micro.h"
#include "bench/wire.h"
#include "router/statement_cache.h"

#include <cstdlib>
#include <memory>

namespace weir::bench {

namespace {

using router::StatementCache;

// Looks texts up in turn; the counters prove at the end of each round that the look-ups were what
// the name says.
Body look_up(
    StatementCache::Limits limits,
    std::vector<std::string> texts,
    std::uint64_t StatementCache::Counters::*kind
) {
    auto cache = std::make_shared<StatementCache>(limits);
    for (const auto& text : texts)
        cache->find_or_analyse(text);
    return [cache, texts = std::move(texts), kind, next = std::size_t{0}]() mutable {
        const auto before = cache->counters().*kind;
        if (cache->find_or_analyse(texts[next]) == nullptr) std::abort();
        if (cache->counters().*kind != before + 1) std::abort();
        if (++next == texts.size()) next = 0;
    };
}

std::vector<std::string> account_queries() {
    std::vector<std::string> texts;
    for (unsigned i = 0; i < 64; ++i)
        texts.push_back(account_query(i * 7919));
    return texts;
}

// Different columns, so that each is a shape of its own.
std::vector<std::string> different_queries() {
    std::vector<std::string> texts;
    for (unsigned i = 0; i < 64; ++i) {
        texts.push_back(
            "SELECT abalance, c" + std::to_string(i) + " FROM pgbench_accounts WHERE aid = 4711;"
        );
    }
    return texts;
}

const Micro exact("classify/exact_hit", [] {
    return look_up({}, {std::string(prepared_text)}, &StatementCache::Counters::exact_hits);
});

const Micro blind("classify/literal_blind_hit", [] {
    return look_up({}, account_queries(), &StatementCache::Counters::blind_hits);
});

const Micro miss("classify/miss", [] {
    return look_up({.entries = 8}, different_queries(), &StatementCache::Counters::misses);
});

}  // namespace

}  // namespace weir::bench
