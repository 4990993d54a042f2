// What a replica's error means for a read that was sent to it: may it be run again elsewhere?
#pragma once

#include <cstdint>
#include <string_view>

namespace weir::router {

enum class ReplicaRefusal : std::uint8_t {
    none,                  // the statement's own error: the client gets it
    read_only,             // 25006
    not_on_standby,        // 0A000: unlogged relations, serializable, read-write mode
    recovery_in_progress,  // 55000 of functions and locks that need a primary
    no_new_id,             // XX000: a transaction id or an oid was to be assigned
    recovery_conflict,     // 40001: replay took away what it read
    connection_lost,       // 57P01, 57P02, 57P03, class 08
    perhaps_not_replayed,  // an object is not there: it may be new
    last = perhaps_not_replayed,
};

std::string_view text(ReplicaRefusal refusal);

// By SQLSTATE and the C routine (fields 'C' and 'R' of ErrorResponse): messages are localised.
// Of a statement that ran on a replica as a whole implicit transaction, or first in a READ ONLY
// one, with nothing sent to the client yet. Anything but none: run it once more, on the primary.
ReplicaRefusal retry_on_primary(std::string_view sqlstate, std::string_view routine);

// The text was judged wrongly: it must not go to a replica again. Not so for conflicts, lost
// connections and what is only late.
bool is_misjudged(ReplicaRefusal refusal);

}  // namespace weir::router
