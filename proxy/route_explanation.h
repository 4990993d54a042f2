// What EXPLAIN ROUTE says of a text, for the console and for a client's own connection.
#pragma once

#include "router/read_route.h"

#include <string>

namespace weir::proxy {

// "public.t (only reads), writes (volatile function)": the names of this kind in the text, each
// with what stands against a replica. `catalog` null: that is said of each that needs one.
std::string names_explained(
    const router::Statement& statement,
    router::NameKind kind,
    const router::Catalog* catalog,
    const router::ReadContext& context
);

// schema.name, or name.
std::string qualified(const router::NameUse& name);

}  // namespace weir::proxy
