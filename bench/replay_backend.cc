#include "bench/replay_backend.h"

#include <cstring>
#include <utility>

namespace weir::bench {

void ReplayBackend::add(int descriptor, std::uint64_t key) {
    (descriptor == client ? client_key_ : server_key_) = key;
}

std::size_t ReplayBackend::wait(std::span<pool::IoEvent> events, std::optional<pool::Duration>) {
    std::size_t count = 0;
    if (std::exchange(client_edge_, false)) events[count++] = {client_key_, true, false, false};
    if (std::exchange(server_edge_, false)) events[count++] = {server_key_, true, false, false};
    return count;
}

pool::IoResult ReplayBackend::recv(int descriptor, std::span<std::byte> buffer) {
    const bool from_client = descriptor == client;
    if (!std::exchange(from_client ? client_readable_ : server_readable_, false)) {
        return {pool::IoStatus::want_read};
    }
    const auto& bytes = from_client ? requests_[next_++ % requests_.size()] : reply_;
    std::memcpy(buffer.data(), bytes.data(), bytes.size());
    return {pool::IoStatus::ok, bytes.size()};
}

pool::IoResult ReplayBackend::send(int descriptor, Bytes bytes) {
    if (descriptor == client) {
        sent_to_client_ += bytes.size();
    } else {
        sent_to_server_ += bytes.size();
        server_readable_ = server_edge_ = true;
    }
    return {pool::IoStatus::ok, bytes.size()};
}

}  // namespace weir::bench
