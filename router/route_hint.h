// Hints: what a comment at the beginning of a text says about where to run it.
#pragma once

#include "router/read_reason.h"

#include <optional>
#include <string_view>

namespace weir::router {

// Of the comments before the first word: /*+ route=primary */ or /* pgweir: primary */, with
// route=replica and replica likewise. The first of them counts. A hint can only make more of a
// verdict: combine it so that `replica` sends no write anywhere it cannot run.
std::optional<ReadTarget> route_hint(std::string_view text);

}  // namespace weir::router
