// PostgreSQL's names for its own types.
#pragma once

#include "protocol/types.h"

#include <string_view>

namespace weir::proxy {

// As format_type() says it; empty for what is not built in, or hardly ever seen.
std::string_view builtin_type_name(protocol::Oid type);

}  // namespace weir::proxy
