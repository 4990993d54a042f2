#include "pool/io/memory_backend.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace weir::pool {

MemoryNetwork::Stream& MemoryNetwork::stream(int descriptor) {
    const auto found = streams_.find(descriptor);
    if (found == streams_.end()) throw std::logic_error("no stream of this network");
    return found->second;
}

const MemoryNetwork::Stream& MemoryNetwork::stream(int descriptor) const {
    return const_cast<MemoryNetwork*>(this)->stream(descriptor);
}

int MemoryNetwork::connect() {
    const int descriptor = next_descriptor_++;
    streams_[descriptor];
    return descriptor;
}

void MemoryNetwork::send(int descriptor, std::string_view bytes) {
    auto& stream = this->stream(descriptor);
    if (stream.closed || stream.ended) return;
    stream.under_way.append(bytes);
}

void MemoryNetwork::end(int descriptor) {
    stream(descriptor).ended = true;
}

void MemoryNetwork::reset(int descriptor) {
    auto& stream = this->stream(descriptor);
    stream.under_way.clear();
    stream.arrived.clear();
    stream.ended = true;
    stream.end_arrived = false;
    stream.failed = Failure::reset;
}

std::string MemoryNetwork::received(int descriptor) {
    return std::exchange(stream(descriptor).sent, {});
}

void MemoryNetwork::set_room(int descriptor, std::size_t bytes) {
    stream(descriptor).room = bytes;
}

bool MemoryNetwork::closed(int descriptor) const {
    return stream(descriptor).closed;
}

bool MemoryNetwork::drained(int descriptor) const {
    const auto& stream = this->stream(descriptor);
    return stream.under_way.empty() && stream.arrived.empty();
}

void MemoryNetwork::fail_at(std::size_t operation, Failure failure) {
    fail_operation_ = operation;
    failure_ = failure;
}

// The next piece, when the last one was used; with the end if there is no more. What was not used
// does not hide the end.
void MemoryNetwork::arrive(Stream& stream) const {
    if (stream.arrived.empty() && !stream.under_way.empty()) {
        const auto size = std::min(read_size_, stream.under_way.size());
        stream.arrived = stream.under_way.substr(0, size);
        stream.under_way.erase(0, size);
        stream.edge = true;
    }
    if (stream.under_way.empty() && stream.ended && !stream.end_arrived) {
        stream.end_arrived = true;
        stream.edge = true;
    }
}

std::optional<MemoryNetwork::Failure> MemoryNetwork::next_operation(Stream& stream) {
    if (++operations_ == fail_operation_) {
        if (failure_ == Failure::stalls) return failure_;
        stream.failed = failure_;
    }
    return stream.failed;
}

MemoryBackend::MemoryBackend(std::shared_ptr<MemoryNetwork> network)
    : network_(std::move(network)) {}

MemoryBackend::~MemoryBackend() {
    for (auto& [descriptor, stream] : network_->streams_) {
        if (stream.backend == this) stream.backend = nullptr;
    }
}

void MemoryBackend::add(int descriptor, std::uint64_t key) {
    auto& stream = network_->stream(descriptor);
    if (stream.backend != nullptr) throw std::logic_error("a stream is registered twice");
    if (stream.closed) throw std::logic_error("a closed stream is registered");
    stream.backend = this;
    stream.key = key;
    stream.wants_write = false;
    network_->arrive(stream);
    stream.edge = !stream.arrived.empty() || stream.end_arrived;
}

void MemoryBackend::want_write(int descriptor, std::uint64_t key, bool wanted) {
    auto& stream = network_->stream(descriptor);
    if (stream.backend != this || stream.key != key) {
        throw std::logic_error("want_write for a stream that is not registered here");
    }
    stream.wants_write = wanted;
}

void MemoryBackend::remove(int descriptor) {
    auto& stream = network_->stream(descriptor);
    if (stream.backend != this) throw std::logic_error("a stream is removed twice");
    stream.backend = nullptr;
}

std::size_t MemoryBackend::wait(std::span<IoEvent> events, std::optional<Duration>) {
    std::size_t filled = 0;
    for (auto& [descriptor, stream] : network_->streams_) {
        if (stream.backend != this || filled == events.size()) continue;
        network_->arrive(stream);
        stream.burst = network_->write_size_;
        const bool may_write = stream.room > 0 && stream.burst > 0;
        const bool writable = stream.wants_write && stream.write_blocked && may_write;
        if (!stream.edge && !writable) continue;
        auto& event = events[filled++];
        event.key = stream.key;
        event.hangup = stream.edge && stream.end_arrived;
        event.readable = stream.edge;
        event.writable = writable;
        stream.edge = false;
        if (writable) stream.write_blocked = false;
    }
    quiet_ = filled == 0;
    return filled;
}

IoResult MemoryBackend::recv(int descriptor, std::span<std::byte> buffer) {
    auto& stream = network_->stream(descriptor);
    if (stream.closed) return {IoStatus::failed, 0, EBADF};
    if (const auto failure = network_->next_operation(stream)) {
        switch (*failure) {
            case MemoryNetwork::Failure::end:
                return {IoStatus::end};
            case MemoryNetwork::Failure::reset:
                return {IoStatus::failed, 0, ECONNRESET};
            case MemoryNetwork::Failure::stalls:
                stream.edge = !stream.arrived.empty() || stream.end_arrived;
                return {IoStatus::want_read};
        }
    }
    if (stream.arrived.empty()) {
        if (stream.end_arrived) return {IoStatus::end};
        return {IoStatus::want_read};
    }
    const auto size = std::min(buffer.size(), stream.arrived.size());
    std::memcpy(buffer.data(), stream.arrived.data(), size);
    stream.arrived.erase(0, size);
    return {IoStatus::ok, size};
}

IoResult MemoryBackend::send(int descriptor, Bytes bytes) {
    auto& stream = network_->stream(descriptor);
    if (stream.closed) return {IoStatus::failed, 0, EBADF};
    const auto failure = network_->next_operation(stream);
    if (failure == MemoryNetwork::Failure::end) return {IoStatus::failed, 0, EPIPE};
    if (failure == MemoryNetwork::Failure::reset) return {IoStatus::failed, 0, ECONNRESET};
    const auto size = failure ? 0 : std::min({bytes.size(), stream.room, stream.burst});
    if (size < bytes.size()) stream.write_blocked = true;
    if (size == 0) return {IoStatus::want_write};
    stream.sent.append(as_text(bytes.first(size)));
    if (stream.room != MemoryNetwork::unlimited) stream.room -= size;
    if (stream.burst != MemoryNetwork::unlimited) stream.burst -= size;
    return {IoStatus::ok, size};
}

void MemoryBackend::close(int descriptor) {
    auto& stream = network_->stream(descriptor);
    if (stream.backend != nullptr && stream.backend != this) {
        throw std::logic_error("a stream is closed that is registered elsewhere");
    }
    stream.backend = nullptr;
    stream.closed = true;
}

}  // namespace weir::pool
