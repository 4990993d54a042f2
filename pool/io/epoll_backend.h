// EpollBackend: one epoll set and one eventfd to wake it.
#pragma once

#include "pool/io/io_backend.h"

#include <sys/epoll.h>
#include <vector>

namespace weir::pool {

class EpollBackend final : public IoBackend {
public:
    // Throws std::system_error if the kernel has no descriptors left.
    EpollBackend();
    EpollBackend(const EpollBackend&) = delete;
    EpollBackend& operator=(const EpollBackend&) = delete;
    ~EpollBackend() override;

    void add(int descriptor, std::uint64_t key) override;
    void want_write(int descriptor, std::uint64_t key, bool wanted) override;
    void remove(int descriptor) override;
    [[gnu::hot]] std::size_t wait(std::span<IoEvent> events, std::optional<Duration> timeout)
        override;
    void wake() override;
    [[gnu::hot]] IoResult recv(int descriptor, std::span<std::byte> buffer) override;
    [[gnu::hot]] IoResult send(int descriptor, Bytes bytes) override;
    void close(int descriptor) override;

    TimePoint now() override { return Clock::now(); }

private:
    int epoll_ = -1;
    int wake_ = -1;
    std::vector<epoll_event> events_;
};

}  // namespace weir::pool
