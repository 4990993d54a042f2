// PostgreSQL's catalog as the console has it: databases, users, settings and the console's tables
// are in it, all else is empty. So psql's \d and \l and the start-up queries of clients are
// answered.
#pragma once

#include "proxy/admin_show.h"
#include "proxy/sql_database.h"

#include <span>
#include <string_view>

namespace weir::proxy {

// "relation column:type ..." for each, see pg_catalog_columns.cc.
std::span<const std::string_view> pg_catalog_relations();

// The columns of a relation of pg_catalog, or of information_schema with its prefix; nullptr: none.
// They live as long as the process.
const Columns* pg_catalog_columns(std::string_view relation);

// Its rows.
std::vector<Row> pg_catalog_rows(
    std::string_view relation, const ShowContext& context, const SqlSession& session
);

}  // namespace weir::proxy
