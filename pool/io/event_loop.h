// EventLoop: one worker thread's loop over an IoBackend. Channel: one stream registered with it.
//
// A descriptor is registered once, edge triggered, and stays so; the loop remembers what is
// readable, so that the steady state of a request is one wait, one recv and one send per side.
// Handlers run to completion and are never called while another handler runs.
//
// Why handlers and not coroutines: a session waits for up to five things at once (client bytes,
// server bytes, room to write, a lease, a deadline or a cancel) and any may come first. One
// function that makes all progress that is possible is simpler than a select over awaitables, has
// no frames and nothing to cancel.
#pragma once

#include "pool/io/io_backend.h"
#include "pool/io/timer_queue.h"
#include "pool/io/unique_function.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace weir::pool {

class EventLoop;

// Called on the loop's thread only.
class ChannelHandler {
public:
    // Something changed: bytes, an end, or room to write. read() and write() tell what.
    virtual void on_ready(std::uint64_t channel) = 0;
    // Somebody called wake_channel(), resume_soon() or resume_later() for this channel.
    virtual void on_wake(std::uint64_t channel) = 0;

protected:
    ~ChannelHandler() = default;
};

// A registered stream. Belongs to the loop's thread, except where a function says otherwise.
class Channel {
public:
    Channel() = default;

    Channel(Channel&& other) noexcept { *this = std::move(other); }

    Channel& operator=(Channel&& other) noexcept;
    ~Channel();

    explicit operator bool() const { return loop_ != nullptr; }

    EventLoop* loop() const { return loop_; }

    // Identifies the registration in this loop for ever: (slot, generation).
    std::uint64_t key() const { return key_; }

    // As Transport::read and write, without a system call when readiness is known to be missing.
    [[gnu::hot]] IoResult read(std::span<std::byte> buffer);
    [[gnu::hot]] IoResult write(Bytes bytes);
    bool may_read() const;
    // The peer has closed; what it sent before may still be unread.
    bool hung_up() const;
    void set_handler(ChannelHandler& handler);

    // Unregisters and closes the descriptor.
    void close();
    // The same for a peer that was just told why: with bytes of it unread, close() would be a
    // reset, on which it loses what it had not read yet.
    void close_when_told();
    // Unregisters and gives the stream back, to be registered elsewhere or awaited by Asio.
    Transport detach();

private:
    friend class EventLoop;
    struct Slot;
    EventLoop* loop_ = nullptr;
    Slot* slot_ = nullptr;  // stable as long as the registration exists
    std::uint64_t key_ = 0;
};

// What the loop knows of one registration. `transport` is moved out by whoever owns the stream
// (the loop's thread, or a thief under its lock); all else is touched by the loop's thread only.
struct Channel::Slot {
    Transport transport;
    ChannelHandler* handler = nullptr;
    std::shared_ptr<void> keep_alive;
    std::uint32_t generation = 0;
    bool readable = false;
    bool writable = true;
    bool hangup = false;
    bool write_events = false;
    bool used = false;
};

inline bool Channel::may_read() const {
    return slot_->readable;
}

inline bool Channel::hung_up() const {
    return slot_->hangup;
}

inline void Channel::set_handler(ChannelHandler& handler) {
    slot_->handler = &handler;
}

class EventLoop {
public:
    // What one recv takes at most.
    static constexpr std::size_t buffer_size = 64 * 1024;
    // Lines of the cache.
    static constexpr std::size_t prefetched_lines = 6;

    explicit EventLoop(std::unique_ptr<IoBackend> backend);
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop();

    // Runs until stop(). The thread that calls it is the loop's thread.
    void run();
    // One round: posted work, one wait (not blocking if `block` is false), events, timers.
    [[gnu::hot]] void run_once(bool block);
    // Any thread.
    void stop();
    // Any thread: runs `work` on the loop's thread, in order of posting.
    void post(UniqueFunction work);
    // Any thread: calls on_wake() of the channel's handler, if the channel still exists then.
    void wake_channel(std::uint64_t key);

    // Loop's thread: as wake_channel(), without the mailbox, right after the handler now running.
    void resume_soon(std::uint64_t key) { resumed_.push_back(key); }

    // Loop's thread: the same, after all others that have something to do had their turn.
    void resume_later(std::uint64_t key) { yielded_.push_back(key); }

    // Registers a stream. `keep_alive` is held until the registration is gone from the loop.
    // The first read() is tried whether or not an event came.
    Channel add(
        Transport transport, ChannelHandler& handler, std::shared_ptr<void> keep_alive = {}
    );

    // Any thread, for a channel whose owner has given it up under a lock both sides take (an idle
    // server): takes the stream away from this loop. The loop frees its registration later; until
    // then stale events may still reach the handler, which must recognise them.
    Transport steal(Channel& channel);

    // Time of this round; refreshed after each wait. Loop's thread.
    TimePoint now() const { return now_; }

    TimerQueue& timers() { return timers_; }

    // Scratch for one read; valid until the handler returns. Loop's thread.
    std::span<std::byte> read_buffer() { return read_buffer_; }

    IoBackend& backend() { return *backend_; }

private:
    friend class Channel;

    using Slot = Channel::Slot;

    // Generation, number of the loop, index: unique among all loops, so that a stale event of a
    // stream that has moved is never taken for one of its new registration.
    std::uint64_t key_of(std::size_t index, std::uint32_t generation) const {
        return std::uint64_t{generation} << 32 | std::uint64_t{number_ & 0xffU} << 24 | index;
    }

    static std::size_t index_of(std::uint64_t key) { return key & 0xffffffU; }

    [[gnu::hot]] Slot* find(std::uint64_t key);
    void free_slot(std::uint64_t key);
    [[gnu::hot]] void run_mailbox();
    void free_stolen();
    [[gnu::hot]] void run_resumed();
    void run_yielded();
    [[gnu::hot]] void dispatch(const IoEvent& event);
    void prefetch(const IoEvent& event) const;
    [[gnu::hot]] std::optional<Duration> wait_limit(bool block) const;

    const unsigned number_;
    std::unique_ptr<IoBackend> backend_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<std::size_t> free_slots_;
    std::vector<std::uint64_t> resumed_;
    std::vector<std::uint64_t> resuming_;
    std::vector<std::uint64_t> yielded_;
    TimerQueue timers_;
    TimePoint now_;
    std::vector<IoEvent> events_;
    std::vector<std::byte> read_buffer_;
    std::atomic<bool> stopped_{false};

    std::mutex mailbox_mutex_;
    std::vector<UniqueFunction> mailbox_;      // guarded by mailbox_mutex_
    std::vector<std::uint64_t> woken_;         // guarded by mailbox_mutex_
    std::atomic<bool> mailbox_filled_{false};  // something is in the two above
    std::vector<std::uint64_t> stolen_;        // guarded by mailbox_mutex_
    std::atomic<bool> stolen_filled_{false};   // wakes nobody: freeing a slot can wait
    std::vector<UniqueFunction> mail_;
    std::vector<std::uint64_t> mail_woken_;
};

}  // namespace weir::pool
