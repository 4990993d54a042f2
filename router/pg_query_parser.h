// The Statement of a text, by libpg_query's raw parse tree. The only user of that library.
//
// Never throws, exits or overflows the stack for what is in the text (bad_alloc aside). Safe from
// several threads at once: the library keeps its memory contexts per thread.
#pragma once

#include "protocol/sql_lexer.h"
#include "router/statement.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::router {

// Longer texts are not given to the parser but judged by their words.
inline constexpr std::size_t parser_text_limit = 16 * 1024;

// Under rules other than the default ones, or with a NUL in it, the text is opaque.
StatementPtr analyse(std::string_view text, protocol::TextRules rules = {});

// Whether the library's trees have the layout that this program was compiled for: parses known
// texts and compares. Call it once at start-up, and do not start if it is false; `why` says what
// was wrong.
bool self_test(std::string& why);

}  // namespace weir::router
