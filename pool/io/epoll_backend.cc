#include "pool/io/epoll_backend.h"

#include <algorithm>
#include <cerrno>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace weir::pool {

namespace {

// No channel has this key: the eventfd.
constexpr std::uint64_t wake_key = ~std::uint64_t{0};

constexpr std::uint32_t read_events = EPOLLIN | EPOLLRDHUP | EPOLLET;

// recv() and send() without what makes them cancellation points in a process with several threads:
// two locked instructions each. Nobody cancels a worker's thread.
ssize_t receive(int descriptor, std::span<std::byte> buffer) {
    return ::syscall(SYS_recvfrom, descriptor, buffer.data(), buffer.size(), 0, nullptr, nullptr);
}

ssize_t transmit(int descriptor, Bytes bytes) {
    return ::syscall(SYS_sendto, descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL, nullptr, 0);
}

// A time-out of 0 < t < 1 ms must not become a busy loop, and none may end too early.
int milliseconds_up(std::optional<Duration> timeout) {
    if (!timeout) return -1;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(*timeout).count();
    return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 60'000));
}

}  // namespace

EpollBackend::EpollBackend() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    wake_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = wake_key;
    if (epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "epoll");
    }
}

EpollBackend::~EpollBackend() {
    ::close(wake_);
    ::close(epoll_);
}

void EpollBackend::add(int descriptor, std::uint64_t key) {
    epoll_event event{};
    event.events = read_events;
    event.data.u64 = key;
    // ENOMEM or the user's watch limit: the process cannot serve this connection at all.
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
}

void EpollBackend::want_write(int descriptor, std::uint64_t key, bool wanted) {
    epoll_event event{};
    event.events = read_events | (wanted ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
    event.data.u64 = key;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event);
}

void EpollBackend::remove(int descriptor) {
    ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

std::size_t EpollBackend::wait(std::span<IoEvent> events, std::optional<Duration> timeout) {
    events_.resize(events.size());
    const int count = ::epoll_wait(
        epoll_, events_.data(), static_cast<int>(events_.size()), milliseconds_up(timeout)
    );
    std::size_t filled = 0;
    for (int i = 0; i < count; ++i) {
        const auto& event = events_[static_cast<std::size_t>(i)];
        // The eventfd is edge triggered and never read: each write is a new edge.
        if (event.data.u64 == wake_key) continue;
        auto& out = events[filled++];
        out.key = event.data.u64;
        out.hangup = (event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        out.readable = (event.events & EPOLLIN) != 0 || out.hangup;
        out.writable = (event.events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
    }
    return filled;
}

void EpollBackend::wake() {
    const std::uint64_t one = 1;
    // Can only fail when the counter is full, and then a wake-up is under way already.
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

IoResult EpollBackend::recv(int descriptor, std::span<std::byte> buffer) {
    for (;;) {
        const auto received = receive(descriptor, buffer);
        if (received > 0) return {IoStatus::ok, static_cast<std::size_t>(received)};
        if (received == 0) return {IoStatus::end};
        if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::want_read};
        if (errno != EINTR) return {IoStatus::failed, 0, errno};
    }
}

IoResult EpollBackend::send(int descriptor, Bytes bytes) {
    for (;;) {
        const auto sent = transmit(descriptor, bytes);
        if (sent >= 0) return {IoStatus::ok, static_cast<std::size_t>(sent)};
        if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::want_write};
        if (errno != EINTR) return {IoStatus::failed, 0, errno};
    }
}

void EpollBackend::close(int descriptor) {
    ::close(descriptor);
}

}  // namespace weir::pool
