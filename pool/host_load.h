// HostLoad: what one host is doing for all workers, and how fast it answers.
#pragma once

#include "pool/topology.h"

#include <atomic>
#include <chrono>
#include <cstdint>

namespace weir::pool {

// Any thread; relaxed. The numbers steer the choice of a replica, so a lost update costs nothing.
class alignas(64) HostLoad {
public:
    using Microseconds = std::chrono::microseconds;

    // A request goes to the host, or a transaction begins there.
    void began() { outstanding_.fetch_add(1, std::memory_order_relaxed); }

    // It has ended after `time`. REQUIRES: began() before.
    void ended(Microseconds time) {
        outstanding_.fetch_sub(1, std::memory_order_relaxed);
        served_.fetch_add(1, std::memory_order_relaxed);
        const auto before = latency_.load(std::memory_order_relaxed);
        const auto now = static_cast<double>(time.count());
        latency_.store(before == 0 ? now : before + (now - before) / 16, std::memory_order_relaxed);
    }

    // It has ended without an answer.
    void failed() {
        outstanding_.fetch_sub(1, std::memory_order_relaxed);
        errors_.fetch_add(1, std::memory_order_relaxed);
    }

    // What it was is forgotten: the host was away.
    void forget_latency() { latency_.store(0, std::memory_order_relaxed); }

    std::uint32_t outstanding() const { return outstanding_.load(std::memory_order_relaxed); }

    // Exponentially weighted average over about 16 requests, in microseconds; 0 = not known.
    double latency() const { return latency_.load(std::memory_order_relaxed); }

    std::uint64_t served() const { return served_.load(std::memory_order_relaxed); }

    std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint32_t> outstanding_{0};
    std::atomic<double> latency_{0};
    std::atomic<std::uint64_t> served_{0};
    std::atomic<std::uint64_t> errors_{0};
};

}  // namespace weir::pool
