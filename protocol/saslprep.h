// SASLprep (RFC 4013) of passwords, as far as PostgreSQL's servers and libpq agree on it.
#pragma once

#include <string>
#include <string_view>

namespace weir::protocol {

// The prepared password: mapped and in NFKC. ASCII is returned as it is. What is not valid UTF-8,
// becomes empty or holds prohibited characters is returned unchanged, as PostgreSQL does.
//
// Simplification: PostgreSQL also returns text unchanged that has code points unassigned in Unicode
// 3.2 or breaks the rules for mixed directions. Here such text is normalised, which differs only if
// the same password also holds characters that NFKC changes.
std::string saslprep(std::string_view password);

}  // namespace weir::protocol
