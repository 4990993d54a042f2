#include "pool/consistency.h"

#include <doctest/doctest.h>

#include <thread>

using namespace weir::pool;
using namespace std::chrono_literals;

namespace {

SteadyTime at(std::chrono::milliseconds since) {
    return SteadyTime(std::chrono::hours(1)) + since;
}

void add(CommitSamples& samples, std::chrono::milliseconds started, std::uint64_t lsn) {
    samples.add({at(started), Lsn{lsn}, 1});
}

// A primary and a replica that has replayed up to `replayed`.
Topology cluster(std::uint64_t replayed, Timeline timeline = 1) {
    Topology topology;
    topology.timeline = timeline;
    topology.timeline_began = Lsn{timeline == 1 ? 1U : 1000U};
    topology.hosts.resize(2);
    topology.primaries = {0};
    topology.hosts[1].role = HostRole::replica;
    topology.hosts[1].timeline = timeline;
    topology.hosts[1].replay_lsn = Lsn{replayed};
    return topology;
}

}  // namespace

TEST_CASE("CommitSamples: the earliest that was started after the event") {
    CommitSamples samples;
    CHECK_FALSE(samples.first_after(at(0ms)));
    CHECK(samples.newest_started() == SteadyTime());
    for (int i = 0; i < 100; ++i)
        add(samples, i * 10ms, 1000 + static_cast<std::uint64_t>(i));
    CHECK(samples.first_after(at(-1ms))->lsn == Lsn{1000});
    CHECK(samples.first_after(at(5ms))->lsn == Lsn{1001});
    // Not one that was started at the very moment: the commit may have come after it.
    CHECK(samples.first_after(at(10ms))->lsn == Lsn{1002});
    CHECK(samples.first_after(at(989ms))->lsn == Lsn{1099});
    CHECK_FALSE(samples.first_after(at(990ms)));
    CHECK(samples.newest_started() == at(990ms));
    // An event that is older than all that is remembered: the oldest there is.
    for (int i = 100; i < 1000; ++i)
        add(samples, i * 10ms, 1000 + static_cast<std::uint64_t>(i));
    const auto oldest = samples.first_after(at(0ms));
    REQUIRE(oldest);
    CHECK(oldest->lsn == Lsn{1000 + 1000 - 256});
}

TEST_CASE("CommitSamples: readers beside the writer never see a torn sample") {
    CommitSamples samples;
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::thread reader([&] {
        while (!stop.load()) {
            const auto newest = samples.newest_started();
            for (const auto before : {1ms, 50ms, 100000ms}) {
                const auto sample = samples.first_after(newest - before);
                if (!sample) continue;
                const auto since = (sample->started - at(0ms)) / 1ms;
                if (sample->lsn.value != static_cast<std::uint64_t>(since) * 3 + 1) ++wrong;
                if (sample->started <= newest - before) ++wrong;
            }
        }
    });
    for (int i = 0; i < 300000; ++i)
        add(samples, i * 1ms, static_cast<std::uint64_t>(i) * 3 + 1);
    stop = true;
    reader.join();
    CHECK(wrong == 0);
}

TEST_CASE("SessionToken: a sample that was started before the commit does not count") {
    CommitSamples samples;
    SessionToken session;
    CHECK((session.need(samples) == LsnToken{}));
    add(samples, 0ms, 100);
    session.wrote(at(5ms));
    CHECK(session.is_dirty());
    CHECK_FALSE(session.need(samples));
    // Under way while the CommandComplete arrived: it may have been answered before the commit.
    add(samples, 4ms, 200);
    CHECK_FALSE(session.need(samples));
    add(samples, 6ms, 300);
    add(samples, 7ms, 400);
    CHECK((session.need(samples) == LsnToken{Lsn{300}, 1}));
    CHECK_FALSE(session.is_dirty());
    // Known is known.
    add(samples, 8ms, 500);
    CHECK((session.need(samples) == LsnToken{Lsn{300}, 1}));
    session.wrote(at(9ms));
    CHECK_FALSE(session.need(samples));
    add(samples, 10ms, 600);
    CHECK((session.need(samples) == LsnToken{Lsn{600}, 1}));
    session.clear();
    CHECK((session.need(samples) == LsnToken{}));
}

TEST_CASE("SessionToken: SET pgweir.min_lsn raises, never lowers") {
    CommitSamples samples;
    SessionToken session;
    session.need_at_least({Lsn{500}, 2});
    session.need_at_least({Lsn{400}, 2});
    CHECK((session.need(samples) == LsnToken{Lsn{500}, 2}));
    session.need_at_least({Lsn{900}, 1});
    CHECK((session.need(samples) == LsnToken{Lsn{500}, 2}));
    session.need_at_least({});
    CHECK((session.need(samples) == LsnToken{Lsn{500}, 2}));
    session.need_at_least({Lsn{100}, 3});
    CHECK((session.need(samples) == LsnToken{Lsn{100}, 3}));
}

TEST_CASE("read_need: none, session, global and strict") {
    CommitSamples samples;
    SessionToken reader;
    SessionToken writer;
    NewestWrite database;
    add(samples, 0ms, 100);
    const auto need = [&](Consistency consistency, SteadyTime arrived) {
        return read_need(consistency, reader, database, samples, arrived);
    };
    using enum Consistency;
    CHECK((need(none, at(1ms)) == LsnToken{}));
    CHECK((need(session, at(1ms)) == LsnToken{}));
    CHECK((need(global, at(1ms)) == LsnToken{}));
    CHECK_FALSE(need(strict, at(1ms)));

    // Somebody else writes.
    writer.wrote(at(2ms));
    database.wrote(at(2ms));
    CHECK((need(none, at(3ms)) == LsnToken{}));
    CHECK((need(session, at(3ms)) == LsnToken{}));
    CHECK_FALSE(need(global, at(3ms)));
    add(samples, 4ms, 200);
    CHECK((need(global, at(5ms)) == LsnToken{Lsn{200}, 1}));
    // Strict: a sample that was started after the read arrived, and not one of before.
    CHECK_FALSE(need(strict, at(5ms)));
    add(samples, 6ms, 300);
    CHECK((need(strict, at(5ms)) == LsnToken{Lsn{300}, 1}));
    // What is asked for with SET holds in all of them but none.
    reader.need_at_least({Lsn{1000}, 1});
    CHECK((need(global, at(5ms)) == LsnToken{Lsn{1000}, 1}));
    CHECK((need(strict, at(5ms)) == LsnToken{Lsn{1000}, 1}));
    CHECK((need(none, at(5ms)) == LsnToken{}));
}

TEST_CASE("NewestWrite: the latest of several threads") {
    NewestWrite newest;
    CHECK_FALSE(newest.at());
    std::thread other([&] {
        for (int i = 0; i < 10000; i += 2)
            newest.wrote(at(i * 1ms));
    });
    for (int i = 1; i < 10000; i += 2)
        newest.wrote(at(i * 1ms));
    other.join();
    CHECK(newest.at() == at(9999ms));
    newest.wrote(at(1ms));
    CHECK(newest.at() == at(9999ms));
}

TEST_CASE("has_replayed: who has what a read needs") {
    CHECK(has_replayed(cluster(0), 0, {Lsn{500}, 1}));
    CHECK(has_replayed(cluster(0), 1, {}));
    CHECK(has_replayed(cluster(500), 1, {Lsn{500}, 1}));
    CHECK(has_replayed(cluster(500), 1, {Lsn{500}, 0}));
    CHECK_FALSE(has_replayed(cluster(499), 1, {Lsn{500}, 1}));
    CHECK_FALSE(has_replayed(cluster(0), 1, {Lsn{1}, 1}));
}

TEST_CASE("has_replayed: a change of timeline voids what was needed beyond it") {
    // Timeline 2 began at 1000. What was written on 1 beyond that is lost; what stands before is
    // not.
    const Topology now = cluster(1000, 2);
    CHECK((on_current_timeline({Lsn{5000}, 1}, now) == LsnToken{Lsn{1000}, 2}));
    CHECK((on_current_timeline({Lsn{900}, 1}, now) == LsnToken{Lsn{900}, 2}));
    CHECK((on_current_timeline({Lsn{5000}, 2}, now) == LsnToken{Lsn{5000}, 2}));
    CHECK((on_current_timeline({Lsn{5000}, 0}, now) == LsnToken{Lsn{5000}, 0}));
    CHECK((on_current_timeline({Lsn{5000}, 3}, now) == LsnToken{Lsn{5000}, 3}));
    CHECK(has_replayed(now, 1, {Lsn{5000}, 1}));
    CHECK_FALSE(has_replayed(now, 1, {Lsn{5000}, 2}));
    CHECK_FALSE(has_replayed(cluster(999, 2), 1, {Lsn{5000}, 1}));
    // A replica that still follows timeline 1 has another history at the same position.
    Topology behind = cluster(9000, 2);
    behind.hosts[1].timeline = 1;
    CHECK_FALSE(has_replayed(behind, 1, {Lsn{5000}, 1}));
    CHECK(has_replayed(behind, 1, {}));
}

TEST_CASE("LsnToken: text, both ways") {
    for (const char* text : {"", "0/16B3748", "2:0/16B3748", "4294967295:FFFFFFFF/FFFFFFFF"}) {
        CAPTURE(text);
        const auto token = parse_lsn_token(text);
        REQUIRE(token);
        CHECK(to_text(*token) == text);
    }
    CHECK((parse_lsn_token("0/0") == LsnToken{}));
    for (const char* text :
         {"x", ":0/1", "0:0/1", "-1:0/1", "1:", "1:0", "4294967296:0/1", "1:2:0/1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_lsn_token(text));
    }
}
