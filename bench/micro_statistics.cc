// Statistics of a statement that is known: the row is found and its numbers go up.
#include "bench/micro.h"
#include "proxy/query_table.h"

#include <memory>
#include <string>
#include <vector>

namespace weir::bench {

namespace {

const Micro known("statistics/known_statement", [] {
    struct State {
        proxy::QueryTable table{2000};
        std::vector<router::FingerprintRef> fingerprints;
        std::uint32_t owner = table.owner_of("bench", "bench");
        pool::TimePoint now = pool::Clock::now();
        std::size_t next = 0;
    };

    auto state = std::make_shared<State>();
    for (std::uint64_t i = 1; i <= 64; ++i) {
        auto fingerprint = std::make_shared<router::Fingerprint>();
        fingerprint->id = i * 0x9e3779b97f4a7c15U;
        fingerprint->text = "SELECT " + std::to_string(i);
        state->fingerprints.push_back(std::move(fingerprint));
    }
    return [state] {
        auto& s = *state;
        s.table.begin_group();
        auto& row = s.table.find(s.fingerprints[s.next++ % 64], s.owner, s.now);
        proxy::QueryExecution done;
        done.rows = 1;
        done.bytes_in = 90;
        done.bytes_out = 80;
        done.total_time = 150'000 + s.next % 4096 * 100;
        done.server_time = done.total_time;
        done.application = 1;
        proxy::QueryTable::record(row, done, s.now);
    };
});

}  // namespace

}  // namespace weir::bench
