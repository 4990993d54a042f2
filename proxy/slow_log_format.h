// Lines of the slow log.
#pragma once

#include "conf/settings.h"

#include <string>
#include <string_view>

namespace weir::proxy {

struct SlowStatement;

// With its end of line. What others have chosen (names, texts) cannot end a line early, and what
// is not UTF-8 becomes U+FFFD.
//
// json: one object. text: two lines as PostgreSQL writes them with
// log_line_prefix = '%t [%p]: user=%u,db=%d,app=%a,client=%h '; [%p] is the client's id, and the
// DETAIL has what PostgreSQL does not know.
std::string slow_log_line(const SlowStatement& statement, conf::SlowLogFormat format);

// `text` in quotes, as JSON has it.
std::string json_quote(std::string_view text);

}  // namespace weir::proxy
