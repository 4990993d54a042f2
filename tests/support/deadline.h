// Deadlines of the tests: nothing waits for ever, and nothing sleeps for a fixed time.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace weir::test {

// Factor on every deadline, from the environment's WEIR_TEST_PATIENCE (sanitizers are slow).
int patience();

class Deadline {
public:
    // `after` is multiplied by patience().
    explicit Deadline(std::chrono::milliseconds after);

    bool passed() const;
    // What is left, for poll(): 0 if passed.
    int left_ms() const;

private:
    std::chrono::steady_clock::time_point end_;
};

inline constexpr std::chrono::milliseconds default_wait{10'000};

// Polls `holds` every few milliseconds; throws with `what` if it never holds.
void wait_until(
    const std::string& what,
    const std::function<bool()>& holds,
    std::chrono::milliseconds wait = default_wait
);

// Watches `holds` for the whole time; throws with `what` if it fails once.
void holds_for(
    const std::string& what, const std::function<bool()>& holds, std::chrono::milliseconds duration
);

void sleep_ms(int milliseconds);

}  // namespace weir::test
