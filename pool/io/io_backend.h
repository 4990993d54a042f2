// IoBackend: what an EventLoop needs from the system - readiness, bytes and the time.
//
// EpollBackend is the system's; MemoryBackend plays scripted peers with chosen read sizes and a
// clock that is moved by hand. A completion-based backend (io_uring) fits behind the same calls:
// recv() then takes from what has completed.
#pragma once

#include "pool/io/transport.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace weir::pool {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

struct IoEvent {
    std::uint64_t key = 0;
    bool readable = false;
    bool writable = false;
    bool hangup = false;  // the peer has closed; what it sent before may still be unread
};

class IoBackend {
public:
    virtual ~IoBackend() = default;

    // Edge triggered: each change to readable gives one event with `key`. A descriptor that is
    // readable when it is added gives an event, too.
    virtual void add(int descriptor, std::uint64_t key) = 0;
    // Events for writable are given only while they are wanted.
    virtual void want_write(int descriptor, std::uint64_t key, bool wanted) = 0;
    // Any thread. Events taken by wait() before may still be under way.
    virtual void remove(int descriptor) = 0;
    // Blocks until an event, wake() or the time-out (none: no limit); returns the events filled.
    virtual std::size_t wait(std::span<IoEvent> events, std::optional<Duration> timeout) = 0;
    // Any thread: the current or next wait() returns.
    virtual void wake() = 0;

    virtual IoResult recv(int descriptor, std::span<std::byte> buffer) = 0;
    virtual IoResult send(int descriptor, Bytes bytes) = 0;
    virtual void close(int descriptor) = 0;  // unregisters it first if it is registered here
    virtual TimePoint now() = 0;
};

}  // namespace weir::pool
