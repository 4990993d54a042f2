// What PostgreSQL's own functions do on a replica. Neither provolatile nor an error tells it: some
// stable ones fail or mean another node, some volatile ones are harmless, and some do silently the
// wrong thing (an advisory lock is taken on the wrong node).
#pragma once

#include "router/read_causes.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace weir::router {

// Of a function of pg_catalog by its name; none if it is not known, as are those of later versions.
std::optional<ReadCauses> replica_causes(std::string_view name);

// Those that must run on the primary although provolatile does not tell it, and those that may run
// anywhere although they are volatile: for a query over pg_proc.
std::vector<std::string_view> stable_node_functions();
std::vector<std::string_view> harmless_volatile_functions();

// A setting that a primary and a replica answer differently; names in any case.
bool is_node_setting(std::string_view name);
std::span<const std::string_view> node_settings();

// A relation of pg_catalog that has the same rows on a replica: not those that tell of the node.
bool is_shared_catalog(std::string_view name);

}  // namespace weir::router
