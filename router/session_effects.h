// SessionEffects: what code that PostgreSQL runs (a function, or what a relation's use reaches) may
// leave in the session.
#pragma once

#include "router/statement.h"

#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::router {

struct SessionEffects {
    // More settings than this, and they are not listed one by one: PinReason::set_config.
    static constexpr std::size_t max_touches = 64;

    std::bitset<static_cast<std::size_t>(PinReason::last) + 1> pins;
    std::vector<std::string> touches;  // settings it may set for the session; lower case, sorted
    bool unlocks_advisory = false;
    // currval and lastval; nextval and setval. No effects by themselves: see any().
    bool reads_sequences = false;
    bool may_advance_sequence = false;
    bool changes_catalog = false;  // DDL
    bool changes_effects = false;  // ... of Statement::changes_catalog_effects' kind

    bool any() const {
        return pins.any() || !touches.empty() || unlocks_advisory || changes_catalog;
    }

    bool uses_sequences() const { return reads_sequences || may_advance_sequence; }

    bool has(PinReason reason) const { return pins[static_cast<std::size_t>(reason)]; }

    void pin(PinReason reason);

    // A setting by its name, in any case. Those that end with the transaction leave nothing.
    void touch(std::string_view name);

    // The union; true if it is more than before.
    bool merge(const SessionEffects& other);

    bool operator==(const SessionEffects&) const = default;

private:
    void insert(std::string name);
};

// What a function without any effect has.
const SessionEffects& no_session_effects();

}  // namespace weir::router
