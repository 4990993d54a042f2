// A text without its values: what may be shown of a statement wherever people look (console, log,
// metrics), and what its fingerprint is taken of.
//
// Literals, comments, and words that stand where a value is wanted (SET x TO word, PASSWORD word)
// are gone; names stay. Lists of values (IN, ARRAY, rows of VALUES) are cut to their first one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir::protocol {

enum class MaskStyle : unsigned char {
    // $1, $2 ... in the place of each value, behind the parameters that the text has itself; cut
    // lists end in "..."; white space as PostgreSQL needs it, one blank at most.
    shown,
    // A constant of the same kind in the place of each value, so that the parser still reads it;
    // unquoted words in lower case.
    parsed,
};

// REQUIRES: TextRules{} hold for the text. At most the first `limit` bytes of it are looked at; a
// token that has no end, or is cut by the limit, counts as a value.
// `quoted_names`: "x" counts as a value, too (a text that PostgreSQL's parser refuses may have
// meant a string).
std::string masked_text(
    std::string_view text, MaskStyle style, std::size_t limit, bool quoted_names = false
);

// The value of traceparent (W3C Trace Context, "00-<32 hex>-<16 hex>-<2 hex>") in `text` as
// sqlcommenter writes it into a comment, or as it is; empty if there is none. Views the text.
std::string_view find_traceparent(std::string_view text);

}  // namespace weir::protocol
