// The text of a BEGIN that has not been sent yet.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

// PostgreSQL's tag for the spelling that was used: "BEGIN" or "START TRANSACTION".
std::string_view begin_tag(std::string_view begin);

// One BEGIN that does what `begin` and then `set`, a SET [LOCAL] TRANSACTION with modes, do: of
// modes that contradict each other the last counts. None if it is spelled otherwise, or long.
// REQUIRES: both are single statements of these kinds that PostgreSQL's grammar has accepted.
std::optional<std::string> begin_with_modes(std::string_view begin, std::string_view set);

}  // namespace weir::proxy
