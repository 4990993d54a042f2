// LoginCounts: how the logins of one side went: ours to servers, or clients' to us. The control
// thread's.
#pragma once

#include "pool/histogram.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace weir::pool {

class LoginCounts {
public:
    void succeeded(std::chrono::nanoseconds took) {
        using std::chrono::duration_cast;
        using std::chrono::microseconds;
        const auto time = static_cast<std::uint64_t>(duration_cast<microseconds>(took).count());
        durations_.record(time);
        total_time_ += time;
    }

    void failed(std::string_view sqlstate) { count(failures_, sqlstate); }

    // `text` as tls_text() has it; empty: without TLS, which is no handshake.
    void encrypted(std::string_view text) {
        if (!text.empty()) count(handshakes_, text.substr(0, text.find('/')));
    }

    void handshake_failed() { ++failed_handshakes_; }

    // Of those that succeeded, in microseconds.
    const CoarseCounts& durations() const { return durations_; }

    std::uint64_t total_time() const { return total_time_; }

    // By SQLSTATE.
    const std::map<std::string, std::uint64_t>& failures() const { return failures_; }

    // By the version of TLS.
    const std::map<std::string, std::uint64_t>& handshakes() const { return handshakes_; }

    std::uint64_t failed_handshakes() const { return failed_handshakes_; }

private:
    // A server may invent SQLSTATEs; beyond these they are one.
    static constexpr std::size_t most = 50;

    static void count(std::map<std::string, std::uint64_t>& counts, std::string_view name) {
        const std::string key(name);
        ++(counts.contains(key) || counts.size() < most ? counts[key] : counts["other"]);
    }

    CoarseCounts durations_;
    std::uint64_t total_time_ = 0;
    std::map<std::string, std::uint64_t> failures_, handshakes_;
    std::uint64_t failed_handshakes_ = 0;
};

}  // namespace weir::pool
