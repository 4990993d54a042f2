// What clients say to every server, and queries: the part of the console's language that is
// PostgreSQL's and not PgBouncer's.
#pragma once

#include "proxy/admin_parser.h"

#include <optional>

namespace weir::proxy {

// `piece` is one statement without its semicolon, `begin` where it stands in the client's text.
// Nothing: it is none of these. `text` of the command is left to the caller.
std::optional<AdminCommand> parse_sql_or_session(std::string_view piece, std::size_t begin);

}  // namespace weir::proxy
