// EventLoop and Channel on MemoryBackends, and the loop's mailbox with real threads.
#include "pool/io/epoll_backend.h"
#include "pool/io/event_loop.h"
#include "pool/io/memory_backend.h"

#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <thread>

using namespace weir;
using namespace weir::pool;
using namespace std::chrono_literals;

namespace {

// A stream and what happened to it; acts as it is told.
class Stream final : public ChannelHandler {
public:
    Stream(EventLoop& loop, MemoryNetwork& network, std::string name, std::vector<std::string>& log)
        : descriptor(network.connect()), name_(std::move(name)), log_(log) {
        channel = loop.add(Transport(descriptor), *this);
    }

    void on_ready(std::uint64_t key) override {
        log_.push_back(name_ + " ready");
        last_key = key;
        if (ready) ready();
    }

    void on_wake(std::uint64_t key) override {
        log_.push_back(name_ + " wake");
        last_key = key;
        if (wake) wake();
    }

    std::string read() {
        std::array<std::byte, 64> buffer;
        const auto result = channel.read(buffer);
        last_status = result.status;
        return std::string(as_text(Bytes(buffer).first(result.size)));
    }

    const int descriptor;
    Channel channel;
    std::function<void()> ready;
    std::function<void()> wake;
    std::uint64_t last_key = 0;
    IoStatus last_status = IoStatus::ok;

private:
    std::string name_;
    std::vector<std::string>& log_;
};

struct LoopBench {
    std::shared_ptr<MemoryNetwork> network = std::make_shared<MemoryNetwork>();
    MemoryBackend* backend = nullptr;
    std::unique_ptr<EventLoop> loop = make_loop();
    std::unique_ptr<EventLoop> other;
    std::vector<std::string> log;

    std::unique_ptr<EventLoop> make_loop() {
        auto owned = std::make_unique<MemoryBackend>(network);
        if (backend == nullptr) backend = owned.get();
        return std::make_unique<EventLoop>(std::move(owned));
    }

    std::vector<std::string> round() {
        loop->run_once(false);
        return std::exchange(log, {});
    }
};

using Log = std::vector<std::string>;

class Alarm final : public TimerHandler {
public:
    Alarm(std::string name, Log& log) : timer(*this), name_(std::move(name)), log_(log) {}

    void on_timer(TimePoint now) override {
        log_.push_back(name_);
        rang_at = now;
        if (rings) rings();
    }

    Timer timer;
    TimePoint rang_at{};
    std::function<void()> rings;

private:
    std::string name_;
    Log& log_;
};

}  // namespace

TEST_CASE("EventLoop: posted work runs in order, all of it before the wakes, one wake for many") {
    LoopBench bench;
    Stream a(*bench.loop, *bench.network, "a", bench.log);
    bench.loop->wake_channel(a.channel.key());
    bench.loop->post([&] { bench.log.push_back("1"); });
    bench.loop->post([&] {
        bench.log.push_back("2");
        bench.loop->post([&] { bench.log.push_back("posted by 2"); });
        bench.loop->wake_channel(a.channel.key());
    });
    bench.loop->post([&] { bench.log.push_back("3"); });
    CHECK(bench.backend->wakes() == 1);
    CHECK(bench.round() == Log{"1", "2", "3", "a wake", "posted by 2", "a wake"});
    CHECK(bench.backend->wakes() == 2);
    CHECK(bench.round().empty());
}

TEST_CASE("EventLoop: a wake for a channel that is gone reaches nobody, nor does one for its heir"
) {
    LoopBench bench;
    std::uint64_t old_key = 0;
    {
        Stream a(*bench.loop, *bench.network, "a", bench.log);
        old_key = a.channel.key();
    }
    Stream heir(*bench.loop, *bench.network, "heir", bench.log);
    CHECK(heir.channel.key() != old_key);
    bench.loop->wake_channel(old_key);
    bench.loop->resume_soon(old_key);
    bench.loop->resume_later(old_key);
    bench.loop->wake_channel(~std::uint64_t{0});
    CHECK(bench.round().empty());
    bench.loop->wake_channel(heir.channel.key());
    CHECK(bench.round() == Log{"heir wake"});
    CHECK(heir.last_key == heir.channel.key());
}

TEST_CASE("EventLoop: what is readable is remembered, and no system call asks for more") {
    LoopBench bench;
    Stream a(*bench.loop, *bench.network, "a", bench.log);
    // The first read is tried whether or not an event came.
    CHECK(a.channel.may_read());
    CHECK(a.read().empty());
    CHECK(a.last_status == IoStatus::want_read);
    const auto before = bench.network->operations();
    CHECK(a.read().empty());
    CHECK(bench.network->operations() == before);

    bench.network->send(a.descriptor, "hello");
    CHECK(bench.round() == Log{"a ready"});
    CHECK(a.read() == "hello");
    // A short read has emptied it.
    CHECK(a.read().empty());
    CHECK(bench.network->operations() == before + 1);
    CHECK(!a.channel.hung_up());

    bench.network->send(a.descriptor, std::string(70, 'x'));
    bench.network->end(a.descriptor);
    CHECK(bench.round() == Log{"a ready"});
    CHECK(a.channel.hung_up());
    CHECK(a.read() == std::string(64, 'x'));
    // An end that was announced needs one more read after the last byte.
    CHECK(a.read() == std::string(6, 'x'));
    CHECK(a.read().empty());
    CHECK(a.last_status == IoStatus::end);
}

TEST_CASE("EventLoop: room to write is announced once it was missed") {
    LoopBench bench;
    Stream a(*bench.loop, *bench.network, "a", bench.log);
    bench.network->set_room(a.descriptor, 3);
    const std::string text = "abcdef";
    auto result = a.channel.write(as_bytes(text));
    CHECK(result.status == IoStatus::ok);
    CHECK(result.size == 3);
    const auto before = bench.network->operations();
    CHECK(a.channel.write(as_bytes(text)).status == IoStatus::want_write);
    CHECK(bench.network->operations() == before);
    CHECK(bench.round().empty());
    bench.network->set_room(a.descriptor, MemoryNetwork::unlimited);
    CHECK(bench.round() == Log{"a ready"});
    result = a.channel.write(as_bytes(text).subspan(3));
    CHECK(result.size == 3);
    CHECK(bench.network->received(a.descriptor) == "abcdef");
    CHECK(bench.round().empty());
}

TEST_CASE("EventLoop: who is resumed soon goes on in this round, in order, before the next event") {
    LoopBench bench;
    Stream a(*bench.loop, *bench.network, "a", bench.log);
    Stream b(*bench.loop, *bench.network, "b", bench.log);
    Stream c(*bench.loop, *bench.network, "c", bench.log);
    a.ready = [&] {
        bench.loop->resume_soon(c.channel.key());
        bench.loop->resume_soon(b.channel.key());
    };
    c.wake = [&, first = true]() mutable {
        if (std::exchange(first, false)) bench.loop->resume_soon(a.channel.key());
    };
    bench.network->send(a.descriptor, "x");
    bench.network->send(b.descriptor, "x");
    CHECK(bench.round() == Log{"a ready", "c wake", "b wake", "a wake", "b ready"});
}

TEST_CASE("EventLoop: who always has more to do later keeps nobody from his turn") {
    LoopBench bench;
    Stream busy(*bench.loop, *bench.network, "busy", bench.log);
    Stream also(*bench.loop, *bench.network, "also", bench.log);
    Stream calm(*bench.loop, *bench.network, "calm", bench.log);
    busy.wake = [&] {
        bench.loop->resume_later(busy.channel.key());
    };
    also.wake = [&] {
        bench.loop->resume_later(also.channel.key());
    };
    calm.ready = [&] {
        calm.read();
    };
    bench.loop->resume_later(busy.channel.key());
    bench.loop->resume_later(also.channel.key());
    for (int i = 0; i < 100; ++i) {
        bench.network->send(calm.descriptor, "x");
        bench.loop->post([&] { bench.log.push_back("posted"); });
        REQUIRE(bench.round() == Log{"posted", "calm ready", "busy wake", "also wake"});
    }
    // A wait for ever would be a mistake now.
    bench.loop->run_once(true);
    CHECK(bench.log == Log{"busy wake", "also wake"});
}

TEST_CASE("EventLoop: a stolen stream's late events reach its old handler, never its new loop's") {
    LoopBench bench;
    bench.other = bench.make_loop();
    Stream thief(*bench.loop, *bench.network, "thief", bench.log);
    Stream prey(*bench.loop, *bench.network, "prey", bench.log);
    Stream resident(*bench.other, *bench.network, "resident", bench.log);
    const auto old_key = prey.channel.key();
    Transport stolen;
    thief.ready = [&] {
        stolen = bench.loop->steal(prey.channel);
        CHECK(!prey.channel);
        prey.channel = bench.other->add(std::move(stolen), prey);
    };
    bench.network->send(thief.descriptor, "x");
    bench.network->send(prey.descriptor, "for the prey");
    // Both events were taken by one wait.
    CHECK(bench.round() == Log{"thief ready", "prey ready"});
    CHECK(prey.last_key == old_key);
    CHECK(prey.channel.key() != old_key);
    CHECK(prey.channel.loop() == bench.other.get());
    CHECK(prey.read() == "for the prey");
    bench.other->run_once(false);
    CHECK(std::exchange(bench.log, {}) == Log{"prey ready"});
    CHECK(prey.last_key == prey.channel.key());

    // The place is free again one round later, and nothing is left of the old registration.
    bench.loop->wake_channel(old_key);
    CHECK(bench.round().empty());
    Stream next(*bench.loop, *bench.network, "next", bench.log);
    CHECK(next.channel.key() != old_key);
    bench.loop->wake_channel(old_key);
    CHECK(bench.round().empty());
    bench.other->wake_channel(old_key);
    bench.other->run_once(false);
    CHECK(bench.log.empty());
}

TEST_CASE("EventLoop: a stream that is closed or detached has no events any more") {
    LoopBench bench;
    Stream a(*bench.loop, *bench.network, "a", bench.log);
    Stream b(*bench.loop, *bench.network, "b", bench.log);
    Stream c(*bench.loop, *bench.network, "c", bench.log);
    Transport detached;
    a.ready = [&] {
        b.channel.close();
        detached = c.channel.detach();
    };
    for (const auto* stream : {&a, &b, &c})
        bench.network->send(stream->descriptor, "x");
    CHECK(bench.round() == Log{"a ready"});
    CHECK(bench.network->closed(b.descriptor));
    CHECK(!bench.network->closed(c.descriptor));
    // What came meanwhile is there when it is registered again.
    c.channel = bench.loop->add(std::move(detached), c);
    CHECK(bench.round() == Log{"c ready"});
    CHECK(c.read() == "x");
}

TEST_CASE("EventLoop: what is kept alive by a registration lives until that is gone") {
    LoopBench bench;
    bench.other = bench.make_loop();
    Log log;
    const auto kept = std::make_shared<int>(1);
    Stream handler(*bench.loop, *bench.network, "handler", bench.log);
    const int descriptor = bench.network->connect();
    auto channel = bench.loop->add(Transport(descriptor), handler, kept);
    CHECK(kept.use_count() == 2);
    auto transport = bench.loop->steal(channel);
    // Late events may still look at it.
    CHECK(kept.use_count() == 2);
    bench.loop->run_once(false);
    CHECK(kept.use_count() == 1);
    channel = bench.other->add(std::move(transport), handler, kept);
    CHECK(kept.use_count() == 2);
    channel.close();
    CHECK(kept.use_count() == 1);
}

TEST_CASE("Timers ring in order of their deadlines, once, and not too early") {
    LoopBench bench;
    auto& timers = bench.loop->timers();
    const auto start = bench.network->now();
    Alarm one("one", bench.log), two("two", bench.log), three("three", bench.log);
    timers.set(three.timer, start + 3s);
    timers.set(one.timer, start + 1s);
    timers.set(two.timer, start + 1s);
    CHECK(timers.next() == start + 1s);
    CHECK(bench.round().empty());
    bench.network->advance(1s - 1ns);
    CHECK(bench.round().empty());
    bench.network->advance(1ns);
    CHECK(bench.round() == Log{"one", "two"});
    CHECK(one.rang_at == start + 1s);
    CHECK(!one.timer.armed());
    CHECK(three.timer.armed());
    timers.set_no_later_than(three.timer, start + 9s);
    CHECK(three.timer.deadline() == start + 3s);
    timers.set_no_later_than(three.timer, start + 2s);
    CHECK(three.timer.deadline() == start + 2s);
    timers.set(three.timer, start + 5s);
    CHECK(three.timer.deadline() == start + 5s);
    bench.network->advance(4s);
    CHECK(bench.round() == Log{"three"});
    CHECK(!timers.next());
}

TEST_CASE("Timers: a handler may set, cancel and destroy timers, its own among them") {
    LoopBench bench;
    auto& timers = bench.loop->timers();
    const auto start = bench.network->now();
    Alarm again("again", bench.log);
    again.rings = [&] {
        if (again.rang_at < start + 3s) timers.set(again.timer, again.rang_at + 1s);
    };
    auto victim = std::make_unique<Alarm>("victim", bench.log);
    Alarm canceled("canceled", bench.log);
    Alarm killer("killer", bench.log);
    killer.rings = [&] {
        victim.reset();
        canceled.timer.cancel();
    };
    timers.set(again.timer, start + 1s);
    timers.set(killer.timer, start + 1s);
    timers.set(victim->timer, start + 1s);
    timers.set(canceled.timer, start + 1s);
    bench.network->advance(1s);
    CHECK(bench.round() == Log{"again", "killer"});
    bench.network->advance(1s);
    CHECK(bench.round() == Log{"again"});
    bench.network->advance(5s);
    CHECK(bench.round() == Log{"again"});
    CHECK(!timers.next());
}

TEST_CASE("EventLoop: threads post, each one's work in its order; stop ends the wait") {
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 5'000;
    EventLoop loop(std::make_unique<EpollBackend>());
    std::array<std::size_t, threads> next{};
    std::size_t out_of_order = 0;
    std::thread runner([&] { loop.run(); });
    std::vector<std::thread> posters;
    for (std::size_t thread = 0; thread < threads; ++thread) {
        posters.emplace_back([&, thread] {
            for (std::size_t i = 0; i < each; ++i) {
                loop.post([&, thread, i] { out_of_order += next[thread]++ != i ? 1 : 0; });
            }
        });
    }
    for (auto& poster : posters)
        poster.join();
    std::atomic<bool> done{false};
    loop.post([&] { done = true; });
    while (!done)
        std::this_thread::yield();
    loop.stop();
    runner.join();
    CHECK(out_of_order == 0);
    for (const auto count : next)
        CHECK(count == each);
}
