// Hints: what a comment at the beginning of a text says about where to run it.
#pragma once

#include "router/read_reason.h"

#include <optional>
#include <string_view>

namespace weir::router {

struct RouteHint {
    std::optional<ReadTarget> target;  // primary, or replica_ok
    // As they stand in the comment; empty: not given. Views of the text.
    std::string_view host;
    std::string_view consistency;

    bool any() const { return target || !host.empty() || !consistency.empty(); }
};

// Of the comments before the first word: /* pgweir: primary */, or /*+ route=primary */ for short.
// After "pgweir:" the words `primary` and `replica` (or route=...), host=..., consistency=... may
// stand together, separated by blanks or commas; with another word it is no hint. The first hint
// counts. A hint can only make more of a verdict: `replica` sends no write anywhere it cannot run.
RouteHint route_hint(std::string_view text);

}  // namespace weir::router
