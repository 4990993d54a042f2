// StateInquiry: what a server is asked when a transaction has ended that may have changed the
// session: the values of settings, and whether state that keeps the server with its client is
// still there. PostgreSQL's own answer counts, not the text of statements (SET datestyle = 'YMD'
// after German makes "German, YMD"; a savepoint takes values back; a lock may not have been had).
#pragma once

#include "protocol/types.h"
#include "router/statement.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

// Sets of reasons to keep a server: a bit for each.
using PinSet = std::uint64_t;

constexpr PinSet pin_bit(router::PinReason reason) {
    return reason == router::PinReason::none ? 0 : PinSet{1} << static_cast<unsigned>(reason);
}

static_assert(static_cast<unsigned>(router::PinReason::last) < 64);

// REQUIRES: one at least.
constexpr router::PinReason first_pin(PinSet pins) {
    return static_cast<router::PinReason>(std::countr_zero(pins));
}

// State of which PostgreSQL can say that there is none left. DISCARD ALL ends it, too.
inline constexpr PinSet askable_pins =
    pin_bit(router::PinReason::advisory_lock) | pin_bit(router::PinReason::temp_object) |
    pin_bit(router::PinReason::hold_cursor) | pin_bit(router::PinReason::sql_prepare) |
    pin_bit(router::PinReason::listen) | pin_bit(router::PinReason::set_setting);

struct StateAnswer {
    PinSet held = 0;  // of those asked about
    std::vector<std::optional<std::string>>
        values;  // in the order of the names; NULL: unknown there
};

struct StateInquiry {
    PinSet pins = 0;                 // of askable_pins
    std::vector<std::string> names;  // of settings
    std::size_t kept = 0;            // so many of them, the first, are not of the last transaction
    // Only values that were set in the session count: NULL for those that it began with.
    bool only_own = false;
    std::vector<std::string> moot;  // those of them whose answer means nothing for the client
    std::optional<StateAnswer> answer;
};

// One SELECT of one row. Whatever the session's search_path, role and quoting rules are, it means
// the same.
std::string inquiry_text(const StateInquiry& inquiry);
// From the body of the DataRow it brings; nothing if that is no answer to it.
std::optional<StateAnswer> read_state_answer(const StateInquiry& inquiry, Bytes row_body);

}  // namespace weir::proxy
