// MemoryNetwork: streams whose far ends a test holds, and a clock that is moved by hand.
// MemoryBackend: an IoBackend on such a network; the loops of one network share its streams.
//
// Flow: connect() gives a descriptor to put into a Transport; the test speaks by send() and end()
// and reads by received(). Bytes arrive in pieces of the chosen size, one piece per wait() that
// finds the last one used, each with an edge of its own, as segments do. One thread.
#pragma once

#include "pool/io/io_backend.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weir::pool {

class MemoryBackend;

class MemoryNetwork {
public:
    static constexpr std::size_t unlimited = ~std::size_t{0};

    enum class Failure {
        end,     // recv: the peer has closed; send: it takes no more (EPIPE)
        reset,   // either fails with ECONNRESET
        stalls,  // recv: want_read; send: want_write, and an edge later
    };

    // A connected stream: its near end's descriptor. It is no descriptor of the system's, and
    // higher than any of those can be, so that closing it by mistake harms nothing.
    int connect();

    // --- the far end ---

    void send(int descriptor, std::string_view bytes);
    // The far end closes: recv gives the end after what was sent.
    void end(int descriptor);
    // The far end breaks off: what is under way is lost, both directions fail.
    void reset(int descriptor);
    // What the near end has sent since the last call.
    std::string received(int descriptor);
    // How much more the near end may send before it has to wait; not limited at first.
    void set_room(int descriptor, std::size_t bytes);
    // The near end was closed.
    bool closed(int descriptor) const;
    // Nothing is under way to the near end and it has used all.
    bool drained(int descriptor) const;

    // --- the weather ---

    // How much arrives at a time, and how much a send takes between two waits.
    void set_read_size(std::size_t bytes) { read_size_ = bytes; }

    void set_write_size(std::size_t bytes) { write_size_ = bytes; }

    // The `operation`-th recv or send of all (from 1) fails so; its stream stays that way, unless
    // it only stalls.
    void fail_at(std::size_t operation, Failure failure);

    // How many recv and send there were.
    std::size_t operations() const { return operations_; }

    TimePoint now() const { return now_; }

    void advance(Duration duration) { now_ += duration; }

private:
    friend class MemoryBackend;

    struct Stream {
        std::string under_way;  // to the near end, not arrived
        std::string arrived;
        std::string sent;  // by the near end
        std::size_t room = unlimited;
        std::size_t burst = unlimited;  // what a send takes until the next wait
        bool ended = false;             // by the far end
        bool end_arrived = false;
        bool closed = false;
        bool write_blocked = false;  // a send found no room
        std::optional<Failure> failed;
        MemoryBackend* backend = nullptr;
        std::uint64_t key = 0;
        bool wants_write = false;
        bool edge = false;  // readable has changed since the last event
    };

    Stream& stream(int descriptor);
    const Stream& stream(int descriptor) const;
    void arrive(Stream& stream) const;
    std::optional<Failure> next_operation(Stream& stream);

    std::map<int, Stream> streams_;
    int next_descriptor_ = 1'500'000'000;
    std::size_t read_size_ = unlimited;
    std::size_t write_size_ = unlimited;
    std::size_t operations_ = 0;
    std::size_t fail_operation_ = 0;
    Failure failure_ = Failure::end;
    // Near the real time, which servers and pools take in some places.
    TimePoint now_ = Clock::now();
};

class MemoryBackend final : public IoBackend {
public:
    explicit MemoryBackend(std::shared_ptr<MemoryNetwork> network);
    ~MemoryBackend() override;

    void add(int descriptor, std::uint64_t key) override;
    void want_write(int descriptor, std::uint64_t key, bool wanted) override;
    void remove(int descriptor) override;
    // Never blocks: nobody else could make an event. An event is lost to nobody if `events` is too
    // short: it comes the next time.
    std::size_t wait(std::span<IoEvent> events, std::optional<Duration> timeout) override;

    void wake() override { ++wakes_; }

    IoResult recv(int descriptor, std::span<std::byte> buffer) override;
    IoResult send(int descriptor, Bytes bytes) override;
    void close(int descriptor) override;

    TimePoint now() override { return network_->now(); }

    // How often wake() was called.
    std::size_t wakes() const { return wakes_; }

    // The last wait() gave no event.
    bool quiet() const { return quiet_; }

private:
    std::shared_ptr<MemoryNetwork> network_;
    std::size_t wakes_ = 0;
    bool quiet_ = true;
};

}  // namespace weir::pool
