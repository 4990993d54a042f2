// The part of catalog_query() that tells what is against reading on a replica: rows B, R, T, O, K
// and E of CatalogRow. By catalog_query.cc's rules for names.
#pragma once

#include <string>

namespace weir::router {

// Tables of the WITH clause, each followed by a comma.
std::string read_catalog_tables();

// SELECTs of its rows, each preceded by UNION ALL.
std::string read_catalog_rows();

}  // namespace weir::router
