// Where a known read runs: the remembered verdict, what it needs, and which replica has it.
#include "bench/micro.h"
#include "bench/wire.h"
#include "pool/consistency.h"
#include "pool/replica_choice.h"
#include "router/read_verdict_cache.h"
#include "router/statement_cache.h"

#include <cstdlib>
#include <deque>
#include <memory>

namespace weir::bench {

namespace {

using namespace std::chrono_literals;

// A primary and two replicas that are a little behind, a session that has written a while ago.
struct Routed {
    router::StatementCache texts;
    router::ReadVerdictCache verdicts;
    router::StatementPtr statement = texts.find_or_analyse(prepared_text);
    router::ReadContext context;
    pool::Topology topology;
    std::deque<pool::HostLoad> loads;
    std::vector<const pool::HostLoad*> load_pointers;
    pool::CommitSamples samples;
    pool::SessionToken token;
    pool::NewestWrite newest_write;
    pool::ReadPolicy policy;
    pool::ChoiceRandom random;
    pool::SteadyTime now = std::chrono::steady_clock::now();

    Routed() {
        for (std::size_t i = 0; i < 3; ++i) {
            pool::HostView host;
            host.weight = 100;
            host.role = i == 0 ? pool::HostRole::primary : pool::HostRole::replica;
            host.state = pool::HostState::healthy;
            host.healthy_since = now - 1min;
            host.timeline = 1;
            host.replay_lsn = pool::Lsn{5000};
            host.lag = {100, 3ms, false};
            topology.hosts.push_back(host);
            load_pointers.push_back(&loads.emplace_back());
        }
        topology.primaries = {0};
        topology.timeline = 1;
        token.wrote(now - 1s);
        samples.add({now - 500ms, pool::Lsn{4000}, 1});
    }

    void route() {
        const auto verdict = verdicts.find_or_classify(statement, nullptr, context);
        const auto need =
            pool::read_need(pool::Consistency::session, token, newest_write, samples, now);
        const auto choice =
            pool::choose_for_read(topology, load_pointers, need, policy, now, random);
        // Without a catalog it is for the primary; the time is the same.
        if (verdict.on_replica() || !choice.host || topology.is_primary(*choice.host)) std::abort();
    }
};

const Micro known_read("route/known_read", [] {
    return [routed = std::make_shared<Routed>()] {
        routed->route();
    };
});

}  // namespace

}  // namespace weir::bench
