// SequenceHabit: whether clients ask for currval() or lastval() behind a statement, as seen so far.
//
// What they tell is kept by PostgreSQL in the session that ran the statement, so a server is kept
// for a moment for a client that may ask. Learned by use, not part of what a text says. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace weir::router {

class SequenceHabit {
public:
    // Unknown so far: who asks does it at once.
    static constexpr std::chrono::milliseconds short_hold{20};
    // The same, of a database and user that ask behind other texts.
    static constexpr std::chrono::milliseconds middle_hold{200};
    // Others were asked for behind this text.
    static constexpr std::chrono::milliseconds long_hold{1000};

    SequenceHabit() = default;

    // What was learned belongs to one object: a copy is a new text.
    SequenceHabit(const SequenceHabit&) {}

    SequenceHabit& operator=(const SequenceHabit&) { return *this; }

    void was_asked() { credit_.store(asked, std::memory_order_relaxed); }

    // The client's next statement was another one.
    void was_not_asked() {
        const auto credit = credit_.load(std::memory_order_relaxed);
        if (credit > 0) credit_.store(static_cast<std::uint8_t>(credit - 1));
    }

    // How long its server is worth keeping after its transaction; 0 = not at all. `others_ask`: it
    // is known that somebody of this database and user does, behind whatever text.
    std::chrono::milliseconds hold(bool others_ask) const {
        const auto credit = credit_.load(std::memory_order_relaxed);
        if (credit == 0) return std::chrono::milliseconds::zero();
        if (credit > unknown) return long_hold;
        return others_ask ? middle_hold : short_hold;
    }

private:
    static constexpr std::uint8_t unknown = 16;
    static constexpr std::uint8_t asked = 24;
    std::atomic<std::uint8_t> credit_{unknown};
};

}  // namespace weir::router
