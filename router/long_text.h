// Texts longer than the parser's cap, judged by their words.
#pragma once

#include "router/statement.h"

#include <string_view>

namespace weir::router {

// Does not pin if every statement begins with SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE,
// MERGE or COPY and every name before a parenthesis is a keyword, a relation or alias with a list
// of columns, or a function of pg_catalog without an effect on the session. Linear in the text.
StatementPtr analyse_long_text(std::string_view text);

}  // namespace weir::router
