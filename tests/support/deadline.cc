#include "tests/support/deadline.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace weir::test {

int patience() {
    const char* text = std::getenv("WEIR_TEST_PATIENCE");
    return text == nullptr ? 1 : std::max(1, std::atoi(text));
}

Deadline::Deadline(std::chrono::milliseconds after)
    : end_(std::chrono::steady_clock::now() + after * patience()) {}

bool Deadline::passed() const {
    return std::chrono::steady_clock::now() >= end_;
}

int Deadline::left_ms() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end_ - std::chrono::steady_clock::now()
    );
    return static_cast<int>(std::max<long long>(0, left.count()));
}

void wait_until(
    const std::string& what, const std::function<bool()>& holds, std::chrono::milliseconds wait
) {
    const Deadline deadline{wait};
    while (!holds()) {
        if (deadline.passed()) throw std::runtime_error("waited in vain: " + what);
        sleep_ms(5);
    }
}

void holds_for(
    const std::string& what, const std::function<bool()>& holds, std::chrono::milliseconds duration
) {
    const auto end = std::chrono::steady_clock::now() + duration;
    do {
        if (!holds()) throw std::runtime_error("does not hold: " + what);
        sleep_ms(5);
    } while (std::chrono::steady_clock::now() < end);
}

void sleep_ms(int milliseconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

}  // namespace weir::test
