// Texts longer than the parser's cap, judged by their words.
#pragma once

#include "router/statement.h"

#include <string_view>

namespace weir::router {

// Does not pin if every statement begins with SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE,
// MERGE or COPY and every name before a parenthesis is a keyword, a relation or alias with a list
// of columns, or a function of pg_catalog without an effect on the session. Linear in the text.
StatementPtr analyse_long_text(std::string_view text);

// Whether a text that is not understood may end a transaction and go on: it has COMMIT, ROLLBACK,
// ABORT, END or CHAIN outside of literals and comments.
// REQUIRES: protocol::TextRules{} hold for the text.
bool may_go_on_after_end(std::string_view text);

// The same of a text that cannot be read: those words anywhere in it.
bool has_ending_words(std::string_view text);

}  // namespace weir::router
