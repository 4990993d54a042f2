#include "router/session_effects.h"

#include <algorithm>
#include <utility>

namespace weir::router {

void SessionEffects::pin(PinReason reason) {
    if (reason != PinReason::none) pins.set(static_cast<std::size_t>(reason));
}

void SessionEffects::touch(std::string_view name) {
    std::string lower{name};
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (lower == "transaction_isolation" || lower == "transaction_read_only" ||
        lower == "transaction_deferrable")
        return;
    // It seeds random() and is no value that could be read back.
    if (lower == "seed") {
        pin(PinReason::setseed);
        return;
    }
    // Another session user resets the role.
    if (lower == "session_authorization") insert("role");
    insert(std::move(lower));
}

void SessionEffects::insert(std::string name) {
    const auto place = std::lower_bound(touches.begin(), touches.end(), name);
    if (place != touches.end() && *place == name) return;
    if (touches.size() == max_touches)
        pin(PinReason::set_config);
    else
        touches.insert(place, std::move(name));
}

bool SessionEffects::merge(const SessionEffects& other) {
    const auto pins_before = pins;
    const std::size_t touches_before = touches.size();
    const bool flags_change = (other.unlocks_advisory && !unlocks_advisory) ||
                              (other.changes_catalog && !changes_catalog) ||
                              (other.changes_effects && !changes_effects) ||
                              (other.reads_sequences && !reads_sequences) ||
                              (other.may_advance_sequence && !may_advance_sequence);
    pins |= other.pins;
    for (const std::string& name : other.touches)
        insert(name);
    unlocks_advisory |= other.unlocks_advisory;
    changes_catalog |= other.changes_catalog;
    changes_effects |= other.changes_effects;
    reads_sequences |= other.reads_sequences;
    may_advance_sequence |= other.may_advance_sequence;
    return flags_change || pins != pins_before || touches.size() != touches_before;
}

const SessionEffects& no_session_effects() {
    static const SessionEffects none;
    return none;
}

}  // namespace weir::router
