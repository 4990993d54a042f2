// ReadCauses: what stands against running something on a replica, as a set that only grows.
#pragma once

#include "router/read_reason.h"

#include <cstdint>
#include <string_view>

namespace weir::router {

class ReadCauses {
public:
    enum Cause : std::uint16_t {
        volatile_function = 1U << 0,  // presumed to write
        locking = 1U << 1,            // FOR UPDATE in a view
        sequence = 1U << 2,           // nextval, setval
        node = 1U << 3,               // silent, wrong or refused on a replica
        dynamic_sql = 1U << 4,
        unlogged = 1U << 5,
        foreign = 1U << 6,
        catalog = 1U << 7,  // reads a system catalog
    };

    constexpr ReadCauses() = default;

    // NOLINTNEXTLINE(google-explicit-constructor): one cause is a set.
    constexpr ReadCauses(Cause cause) : bits_{cause} {}

    constexpr bool any() const { return bits_ != 0; }

    constexpr bool has(Cause cause) const { return (bits_ & cause) != 0; }

    constexpr ReadCauses without(ReadCauses other) const {
        ReadCauses left;
        left.bits_ = static_cast<std::uint16_t>(bits_ & ~other.bits_);
        return left;
    }

    // In a READ ONLY transaction a primary refuses these as a replica does, with the same 25006.
    static constexpr ReadCauses refused_alike() {
        ReadCauses causes{volatile_function};
        causes |= locking;
        causes |= sequence;
        return causes;
    }

    constexpr ReadCauses& operator|=(ReadCauses other) {
        bits_ = static_cast<std::uint16_t>(bits_ | other.bits_);
        return *this;
    }

    constexpr bool operator==(const ReadCauses&) const = default;

    // REQUIRES: any(). The one that is told.
    constexpr ReadReason reason() const {
        if (has(unlogged)) return ReadReason::unlogged_relation;
        if (has(foreign)) return ReadReason::foreign_table;
        if (has(node)) return ReadReason::node_function;
        if (has(dynamic_sql)) return ReadReason::dynamic_sql;
        if (has(sequence)) return ReadReason::sequence_function;
        if (has(volatile_function)) return ReadReason::volatile_function;
        if (has(locking)) return ReadReason::locking_clause;
        return ReadReason::catalog_relation;
    }

private:
    std::uint16_t bits_ = 0;
};

}  // namespace weir::router
