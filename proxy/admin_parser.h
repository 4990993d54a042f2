// The console's language: PgBouncer's commands and those of clusters, in any case, with or without
// ";".
//
// More tolerant than PgBouncer: SQL comments, several commands in one text, an empty text, and
// names with "-", ".", ":" or letters beyond ASCII without quotes.
#pragma once

#include "protocol/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

enum class AdminVerb : std::uint8_t {
    disable,
    drain,
    enable,
    explain_route,  // EXPLAIN ROUTE database SQL, to the end of the text
    fence,
    forget_timeline,
    kill,
    kill_client,
    pause,
    reconnect,
    reload,
    resume,
    set,
    set_weight,  // SET WEIGHT host = number
    show,        // SELECT is the same
    shutdown,
    undrain,
    unfence,
    wait_close,
};

struct AdminCommand {
    AdminVerb verb = AdminVerb::show;
    // The only one, the key of SET, the host of SET WEIGHT; empty if there is none.
    std::string argument;
    std::string value;  // of SET; what stands behind the topic of SHOW; the SQL of EXPLAIN ROUTE
    std::string text;   // as the client wrote it, cut where it is very long
};

// The commands of a text, none for an empty one. Error: 08P01 in PgBouncer's words; then nothing of
// the text is to be run.
protocol::Result<std::vector<AdminCommand>> parse_admin(std::string_view text);

// PgBouncer's answer to what it does not understand. `text` is cut where it is long.
protocol::Error invalid_command(std::string_view text);

// ASCII, without case.
bool same_word(std::string_view a, std::string_view b);

}  // namespace weir::proxy
