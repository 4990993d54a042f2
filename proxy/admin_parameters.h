// The parameters of a Bind message as values of queries.
#pragma once

#include "protocol/error.h"
#include "protocol/field_cursor.h"
#include "proxy/admin_result.h"

#include <string_view>
#include <vector>

namespace weir::proxy {

// Formats, count and values of a Bind message, as the manual has them. `types` are those of the
// statement's parameters. An Error is what the client is to be told; a message that is cut short is
// for the caller to see (fields.ok()).
protocol::Result<std::vector<Value>> read_parameters(
    protocol::FieldCursor& fields,
    std::string_view statement,
    const std::vector<protocol::Oid>& types
);

}  // namespace weir::proxy
