// What running a function may do to the session, by the words of its body.
#pragma once

#include "router/session_effects.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::router {

struct BodyEffects {
    SessionEffects effects;  // of the body itself, without what it calls

    // The names that stand before a parenthesis: functions of any schema, but also tables, types
    // and words of the grammar. As PostgreSQL stores them, the last part of a qualified name.
    // Sorted, unique. The effects of built-in ones are in `effects` already.
    std::vector<std::string> calls;

    // All its names and keywords, those of `calls` too. Sorted, unique.
    std::vector<std::string> words;

    // May do more to relations than read them.
    bool writes = false;

    bool truncates = false;  // TRUNCATE is among its words

    // Asks for a setting that a primary and a replica answer differently, or for one that is not
    // known: current_setting('transaction_read_only'), SHOW in_hot_standby.
    bool reads_node_setting = false;
};

// `language` and `body` as in pg_language.lanname and pg_proc.prosrc (or the deparsed BEGIN ATOMIC
// body). Reads sql and plpgsql; for "internal", `body` is the name of a function of pg_catalog. All
// other languages are opaque. What is not understood is PinReason::unknown_function.
// REQUIRES: protocol::TextRules{} hold for the body.
BodyEffects effects_of_body(std::string_view language, std::string_view body);

}  // namespace weir::router
