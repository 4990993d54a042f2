#include "pool/io/event_loop.h"

#include <array>
#include <cassert>

namespace weir::pool {

Channel& Channel::operator=(Channel&& other) noexcept {
    if (this != &other) {
        close();
        loop_ = std::exchange(other.loop_, nullptr);
        slot_ = std::exchange(other.slot_, nullptr);
        key_ = std::exchange(other.key_, 0);
    }
    return *this;
}

Channel::~Channel() {
    close();
}

IoResult Channel::read(std::span<std::byte> buffer) {
    if (!slot_->readable) return {IoStatus::want_read};
    if (slot_->transport.is_tls()) {
        auto result = slot_->transport.read(buffer);
        // TLS 1.3 key updates may have to write first; the peer's answer makes it readable again.
        if (result.status == IoStatus::want_write) result.status = IoStatus::want_read;
        if (result.status == IoStatus::want_read) slot_->readable = false;
        return result;
    }
    const auto result = loop_->backend_->recv(slot_->transport.descriptor(), buffer);
    // A short read has emptied the socket: the next byte, or the end, is a new edge. Only an end
    // that has been announced already needs one more read.
    if (result.status == IoStatus::want_read ||
        (result.status == IoStatus::ok && result.size < buffer.size() && !slot_->hangup)) {
        slot_->readable = false;
    }
    return result;
}

IoResult Channel::write(Bytes bytes) {
    if (!slot_->writable) return {IoStatus::want_write};
    const int descriptor = slot_->transport.descriptor();
    const bool tls = slot_->transport.is_tls();
    const auto result =
        tls ? slot_->transport.write(bytes) : loop_->backend_->send(descriptor, bytes);
    const bool blocked = result.status == IoStatus::want_write ||
                         (result.status == IoStatus::ok && result.size < bytes.size() && !tls);
    if (blocked) {
        slot_->writable = false;
        slot_->write_events = true;
        loop_->backend_->want_write(descriptor, key_, true);
    } else if (slot_->write_events) {
        slot_->write_events = false;
        loop_->backend_->want_write(descriptor, key_, false);
    }
    return result;
}

void Channel::close() {
    if (loop_ == nullptr) return;
    const int descriptor = slot_->transport.descriptor();
    if (descriptor >= 0) {
        if (slot_->transport.is_tls()) {
            loop_->backend_->remove(descriptor);
            slot_->transport.close();
        } else {
            slot_->transport.release();
            // Which unregisters it, too.
            loop_->backend_->close(descriptor);
        }
    }
    loop_->free_slot(key_);
    loop_ = nullptr;
}

void Channel::close_when_told() {
    if (loop_ == nullptr) return;
    std::array<std::byte, 4096> unwanted;
    // Bounded: who goes on sending is reset after all.
    for (int reads = 0; reads < 16; ++reads) {
        // What has come since the loop last looked counts, too.
        slot_->readable = true;
        if (read(unwanted).status != IoStatus::ok) break;
    }
    close();
}

Transport Channel::detach() {
    loop_->backend_->remove(slot_->transport.descriptor());
    Transport transport = std::move(slot_->transport);
    loop_->free_slot(key_);
    loop_ = nullptr;
    return transport;
}

namespace {

std::atomic<unsigned> next_loop_number{0};

}  // namespace

EventLoop::EventLoop(std::unique_ptr<IoBackend> backend)
    : number_(next_loop_number.fetch_add(1, std::memory_order_relaxed)),
      backend_(std::move(backend)),
      now_(backend_->now()),
      events_(256),
      read_buffer_(buffer_size) {}

// Whoever is kept alive by its registration looks at the loop when it goes: the registrations end
// while the loop is whole.
EventLoop::~EventLoop() {
    free_stolen();
    std::vector<std::shared_ptr<void>> keep_alives;
    for (const auto& slot : slots_)
        keep_alives.push_back(std::move(slot->keep_alive));
}

namespace {

// The loop that this thread runs.
thread_local const EventLoop* running = nullptr;

}  // namespace

void EventLoop::run() {
    running = this;
    while (!stopped_.load(std::memory_order_acquire))
        run_once(true);
    running = nullptr;
}

void EventLoop::run_once(bool block) {
    run_mailbox();
    if (!resumed_.empty()) run_resumed();
    const auto count = backend_->wait(events_, wait_limit(block));
    now_ = backend_->now();
    for (std::size_t i = 0; i < count; ++i) {
        if (i + 1 < count) prefetch(events_[i + 1]);
        dispatch(events_[i]);
        if (!resumed_.empty()) run_resumed();
    }
    timers_.run(now_);
    run_mailbox();
    if (!resumed_.empty()) run_resumed();
    if (!yielded_.empty()) run_yielded();
}

std::optional<Duration> EventLoop::wait_limit(bool block) const {
    if (!block || !resumed_.empty() || !yielded_.empty()) return Duration::zero();
    // A post() that comes after this look wakes the wait by the backend.
    if (mailbox_filled_.load(std::memory_order_acquire) ||
        stopped_.load(std::memory_order_acquire)) {
        return Duration::zero();
    }
    const auto next = timers_.next();
    if (!next) return std::nullopt;
    return std::max(*next - now_, Duration::zero());
}

void EventLoop::stop() {
    stopped_.store(true, std::memory_order_release);
    backend_->wake();
}

void EventLoop::post(UniqueFunction work) {
    {
        const std::lock_guard lock(mailbox_mutex_);
        mailbox_.push_back(std::move(work));
        if (mailbox_filled_.exchange(true, std::memory_order_acq_rel)) return;
    }
    // The loop's own thread looks into the mailbox before it waits.
    if (running != this) backend_->wake();
}

void EventLoop::wake_channel(std::uint64_t key) {
    {
        const std::lock_guard lock(mailbox_mutex_);
        woken_.push_back(key);
        if (mailbox_filled_.exchange(true, std::memory_order_acq_rel)) return;
    }
    if (running != this) backend_->wake();
}

void EventLoop::run_mailbox() {
    if (stolen_filled_.load(std::memory_order_acquire)) free_stolen();
    if (!mailbox_filled_.load(std::memory_order_acquire)) return;
    {
        const std::lock_guard lock(mailbox_mutex_);
        mail_.swap(mailbox_);
        mail_woken_.swap(woken_);
        mailbox_filled_.store(false, std::memory_order_release);
    }
    for (auto& work : mail_)
        work();
    mail_.clear();
    for (const auto key : mail_woken_) {
        if (auto* slot = find(key)) slot->handler->on_wake(key);
    }
    mail_woken_.clear();
}

void EventLoop::run_resumed() {
    // Who is resumed may resume others; those run in the same round, in order.
    while (!resumed_.empty()) {
        resuming_.swap(resumed_);
        for (const auto key : resuming_) {
            if (auto* slot = find(key)) slot->handler->on_wake(key);
        }
        resuming_.clear();
    }
}

// Who yields again meanwhile has its turn in the next round: one that always has more to do must
// not keep the others from theirs.
void EventLoop::run_yielded() {
    auto keys = std::exchange(yielded_, {});
    for (const auto key : keys) {
        if (auto* slot = find(key)) slot->handler->on_wake(key);
        run_resumed();
    }
}

// What the next event's handler looks at first is on its way while this one's works.
void EventLoop::prefetch(const IoEvent& event) const {
    const auto index = index_of(event.key);
    if (index >= slots_.size()) return;
    // An address and no more: the handler may be gone.
    const auto handler = reinterpret_cast<std::uintptr_t>(slots_[index]->handler);
    for (std::size_t line = 0; line < prefetched_lines; ++line)
        __builtin_prefetch(reinterpret_cast<const void*>(handler + line * 64));
}

void EventLoop::dispatch(const IoEvent& event) {
    auto* slot = find(event.key);
    if (slot == nullptr) return;
    slot->readable |= event.readable;
    slot->hangup |= event.hangup;
    slot->writable |= event.writable;
    slot->handler->on_ready(event.key);
}

Channel EventLoop::add(
    Transport transport, ChannelHandler& handler, std::shared_ptr<void> keep_alive
) {
    std::size_t index;
    if (free_slots_.empty()) {
        index = slots_.size();
        slots_.push_back(std::make_unique<Slot>());
    } else {
        index = free_slots_.back();
        free_slots_.pop_back();
    }
    auto& slot = *slots_[index];
    slot.transport = std::move(transport);
    slot.handler = &handler;
    slot.keep_alive = std::move(keep_alive);
    slot.used = true;
    slot.readable = true;
    slot.writable = true;
    slot.hangup = false;
    slot.write_events = false;
    Channel channel;
    channel.loop_ = this;
    channel.slot_ = &slot;
    channel.key_ = key_of(index, slot.generation);
    backend_->add(slot.transport.descriptor(), channel.key_);
    return channel;
}

Transport EventLoop::steal(Channel& channel) {
    auto* slot = channel.slot_;
    backend_->remove(slot->transport.descriptor());
    Transport transport = std::move(slot->transport);
    {
        const std::lock_guard lock(mailbox_mutex_);
        stolen_.push_back(channel.key_);
        stolen_filled_.store(true, std::memory_order_release);
    }
    channel.loop_ = nullptr;
    return transport;
}

void EventLoop::free_stolen() {
    std::vector<std::uint64_t> keys;
    {
        const std::lock_guard lock(mailbox_mutex_);
        keys.swap(stolen_);
        stolen_filled_.store(false, std::memory_order_release);
    }
    for (const auto key : keys)
        free_slot(key);
}

EventLoop::Slot* EventLoop::find(std::uint64_t key) {
    const auto index = index_of(key);
    if (index >= slots_.size()) return nullptr;
    auto& slot = *slots_[index];
    return slot.used && key_of(index, slot.generation) == key ? &slot : nullptr;
}

void EventLoop::free_slot(std::uint64_t key) {
    auto* slot = find(key);
    if (slot == nullptr) return;
    slot->used = false;
    ++slot->generation;
    slot->transport = Transport();
    // The last reference may destroy objects that look at the loop: let it go last.
    const auto keep_alive = std::move(slot->keep_alive);
    free_slots_.push_back(index_of(key));
}

}  // namespace weir::pool
