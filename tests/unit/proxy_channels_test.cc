// What a session listens to, and what one connection listens to for all of them.
#include "proxy/channel_book.h"
#include "proxy/channel_table.h"
#include "proxy/session_channels.h"

#include <doctest/doctest.h>

#include <string>

namespace weir::proxy {

namespace {

using K = router::StatementKind;

NotificationRef of(const std::string& channel, std::string payload = "", std::int32_t pid = 5) {
    return std::make_shared<const Notification>(Notification{pid, channel, std::move(payload)});
}

void listen(SessionChannels& channels, const std::string& name) {
    channels.hold(name);
    channels.note(K::listen, name);
}

std::string active(const SessionChannels& channels) {
    std::string all;
    for (const auto& [name, is_active] : channels.channels())
        all += is_active ? name : "(" + name + ")";
    return all;
}

std::string joined(const std::vector<std::string>& names) {
    std::string all;
    for (const auto& name : names)
        all += name;
    return all;
}

router::Statement statement(std::vector<K> kinds, std::vector<router::ScopeChange> scopes = {}) {
    router::Statement made;
    made.kinds = std::move(kinds);
    made.scopes = std::move(scopes);
    return made;
}

std::string payloads(const SessionChannels& channels) {
    std::string all;
    for (const auto& queued : channels.queue())
        all += queued.notification->payload;
    return all;
}

}  // namespace

TEST_CASE("SessionChannels: what is noted acts at the commit, and never after a rollback") {
    SessionChannels channels;
    CHECK(channels.empty());
    listen(channels, "a");
    listen(channels, "b");
    CHECK(active(channels) == "(a)(b)");
    CHECK(joined(channels.transaction_ended(true)) == "");
    CHECK(active(channels) == "ab");
    listen(channels, "c");
    channels.note(K::unlisten, "a");
    CHECK(joined(channels.transaction_ended(false)) == "c");
    CHECK(active(channels) == "ab");
    channels.note(K::unlisten, "a");
    channels.note(K::unlisten, "nonsense");
    CHECK(joined(channels.transaction_ended(true)) == "a");
    // UNLISTEN * and what comes behind it.
    channels.note(K::unlisten, "");
    listen(channels, "d");
    CHECK(joined(channels.transaction_ended(true)) == "b");
    CHECK(active(channels) == "d");
    CHECK(joined(channels.drop_all()) == "d");
    CHECK(channels.empty());
}

TEST_CASE("SessionChannels: savepoints take back what came after them") {
    SessionChannels channels;
    listen(channels, "a");
    channels.note(K::savepoint, "s");
    listen(channels, "b");
    SUBCASE("rolled back to, twice") {
        channels.note(K::rollback_to, "s");
        CHECK(joined(channels.take_unused()) == "b");
        listen(channels, "c");
        channels.note(K::rollback_to, "s");
        CHECK(joined(channels.transaction_ended(true)) == "c");
        CHECK(active(channels) == "a");
    }
    SUBCASE("released") {
        channels.note(K::release, "s");
        channels.transaction_ended(true);
        CHECK(active(channels) == "ab");
    }
    SUBCASE("released, so that the name means an older one") {
        channels.note(K::savepoint, "s");
        listen(channels, "c");
        channels.note(K::release, "s");
        channels.note(K::rollback_to, "s");
        CHECK(joined(channels.transaction_ended(true)) == "bc");
        CHECK(active(channels) == "a");
    }
    SUBCASE("one from before there was anything takes all") {
        channels.note(K::rollback_to, "older");
        CHECK(joined(channels.transaction_ended(true)) == "ab");
        CHECK(active(channels) == "");
    }
    SUBCASE("releasing one from before releases all that are in it") {
        channels.note(K::release, "older");
        channels.note(K::rollback_to, "s");
        CHECK(joined(channels.transaction_ended(true)) == "ab");
    }
}

TEST_CASE("SessionChannels: tags of a string of statements") {
    SessionChannels channels;
    listen(channels, "a");
    const auto mixed = statement(
        {K::savepoint, K::insert, K::rollback_to, K::unlisten, K::commit},
        {{K::savepoint, "s"}, {K::rollback_to, "s"}, {K::unlisten, "a"}}
    );
    CHECK(channels.follows(mixed));
    channels.sent(mixed);
    for (const char* tag : {"SAVEPOINT", "INSERT 0 1", "ROLLBACK", "UNLISTEN"}) {
        CHECK(joined(channels.done(tag)) == "");
        CHECK(channels.has_pending());
    }
    CHECK(joined(channels.done("COMMIT")) == "a");
    CHECK(channels.empty());
    // A failed transaction's COMMIT.
    listen(channels, "b");
    channels.sent(statement({K::commit}));
    CHECK(joined(channels.done("ROLLBACK")) == "b");
    CHECK_FALSE(channels.follows(statement({K::commit})));
    CHECK_FALSE(channels.follows(statement({K::savepoint})));
    // Without a log only what ends listening counts.
    listen(channels, "c");
    channels.transaction_ended(true);
    auto discard = statement({K::discard});
    discard.discard_all = discard.unlisten_all = true;
    CHECK(channels.follows(discard));
    channels.sent(discard);
    channels.done("DISCARD ALL");
    CHECK(active(channels) == "c");
    CHECK(joined(channels.transaction_ended(true)) == "c");
}

TEST_CASE("SessionChannels: what waits is what PostgreSQL would deliver") {
    SessionChannels channels;
    listen(channels, "a");
    CHECK(channels.enqueue(of("a", "early")));
    CHECK(payloads(channels) == "");
    channels.commit_sent();
    channels.enqueue(of("a", "1"));
    channels.enqueue(of("other", "x"));
    channels.transaction_ended(true);
    CHECK(payloads(channels) == "1");
    channels.set_own_process(7);
    channels.enqueue(of("a", "2", 7));
    channels.enqueue(of("a", "3", 8));
    CHECK_FALSE(channels.queue()[0].own);
    CHECK(channels.queue()[1].own);
    CHECK_FALSE(channels.queue()[2].own);
    channels.dequeue();
    CHECK(payloads(channels) == "23");
    channels.note(K::unlisten, "a");
    channels.transaction_ended(true);
    CHECK(payloads(channels) == "");
    // A commit that fails.
    listen(channels, "b");
    channels.commit_sent();
    channels.enqueue(of("b", "1"));
    channels.transaction_ended(false);
    CHECK(payloads(channels) == "");
}

TEST_CASE("SessionChannels: what may wait is bounded, and none is skipped") {
    SessionChannels channels;
    listen(channels, "a");
    channels.transaction_ended(true);
    const std::string payload(8000, 'x');
    std::size_t bytes = 0;
    while (bytes + of("a", payload)->size() <= SessionChannels::queue_limit) {
        CHECK(channels.enqueue(of("a", payload)));
        bytes += of("a", payload)->size();
    }
    // What was delivered makes room.
    channels.dequeue();
    CHECK(channels.enqueue(of("a", payload)));
    CHECK_FALSE(channels.enqueue(of("a", payload)));
    CHECK(channels.queue().empty());
    CHECK(channels.enqueue(of("a", payload)));
}

TEST_CASE("ChannelBook: one LISTEN for all who want a channel, UNLISTEN for the last") {
    ChannelBook book;
    book.add(1, 0, "a");
    book.add(2, 3, "a");
    book.add(2, 3, "a");
    book.add(2, 3, "q\"q");
    CHECK(book.take_commands() == "LISTEN \"a\";LISTEN \"q\"\"q\";");
    CHECK(book.take_commands() == "");
    CHECK(book.workers_of("a") == std::vector<unsigned>{0, 3});
    CHECK(book.workers_of("b").empty());
    CHECK(book.sessions() == 2);
    CHECK(book.channels() == 2);
    book.remove(1, "a");
    book.remove(1, "a");
    book.remove(7, "a");
    CHECK(book.take_commands() == "");
    CHECK(book.workers() == std::vector<unsigned>{3});
    book.remove_all(2);
    CHECK(book.empty());
    CHECK(book.channels() == 0);
    CHECK(book.take_commands() == "UNLISTEN \"a\";UNLISTEN \"q\"\"q\";");
    // There and back between two batches.
    book.add(1, 0, "a");
    book.remove_all(1);
    CHECK(book.take_commands() == "");
}

TEST_CASE("ChannelBook: what was refused, and what a lost connection listened to, is asked again") {
    ChannelBook book;
    book.add(1, 0, "a");
    CHECK(book.take_commands() == "LISTEN \"a\";");
    book.add(2, 0, "bad");
    book.remove(1, "a");
    CHECK(book.take_commands() == "UNLISTEN \"a\";LISTEN \"bad\";");
    book.refused();
    book.remove_all(2);
    CHECK(book.take_commands() == "UNLISTEN \"a\";");
    book.add(1, 0, "a");
    book.add(1, 0, "b");
    const std::vector<std::string> only{"b"};
    CHECK(book.take_commands(only) == "LISTEN \"b\";");
    CHECK(book.take_commands() == "LISTEN \"a\";");
    book.forget_listened();
    CHECK(book.take_commands() == "LISTEN \"a\";LISTEN \"b\";");
}

TEST_CASE("ChannelTable: sessions by channel and pool") {
    ChannelTable table;
    const auto* const pool = reinterpret_cast<const PoolEntry*>(&table);
    const auto* const other = reinterpret_cast<const PoolEntry*>(&pool);
    table.add(pool, "a", 1);
    table.add(pool, "b", 1);
    table.add(pool, "a", 2);
    table.add(other, "a", 3);
    CHECK(table.listening(pool) == std::vector<std::uint64_t>{1, 2});
    CHECK(table.listening_to(pool, "a").size() == 2);
    table.remove(pool, "a", 1);
    table.remove(pool, "a", 1);
    CHECK(table.listening_to(pool, "a") == std::vector<std::uint64_t>{2});
    table.remove(pool, "a", 2);
    table.remove(pool, "b", 1);
    CHECK(table.listening(pool).empty());
    CHECK(table.listening_to(other, "a") == std::vector<std::uint64_t>{3});
}

}  // namespace weir::proxy
