// PinCounts: how often clients of one pool kept their server beyond a transaction, by reason, since
// the start. Any thread; the counters are shared because pins are rare.
#pragma once

#include "router/statement.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weir::proxy {

enum class PinEvent : std::uint8_t {
    begun,
    lifted,   // what it was for is gone
    left,     // the client has left with it
    refused,  // by max_pinned
    last = refused,
};

class PinCounts {
public:
    void count(router::PinReason reason, PinEvent event) {
        at(reason, event).fetch_add(1, std::memory_order_relaxed);
    }

    std::uint64_t value(router::PinReason reason, PinEvent event) const {
        return counters_[static_cast<std::size_t>(reason)][static_cast<std::size_t>(event)].load(
            std::memory_order_relaxed
        );
    }

private:
    using Counter = std::atomic<std::uint64_t>;

    Counter& at(router::PinReason reason, PinEvent event) {
        return counters_[static_cast<std::size_t>(reason)][static_cast<std::size_t>(event)];
    }

    static constexpr std::size_t reasons = static_cast<std::size_t>(router::PinReason::last) + 1;
    static constexpr std::size_t events = static_cast<std::size_t>(PinEvent::last) + 1;
    std::array<std::array<Counter, events>, reasons> counters_{};
};

}  // namespace weir::proxy
