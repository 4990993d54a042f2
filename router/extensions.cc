#include "router/extensions.h"

#include <algorithm>
#include <iterator>

namespace weir::router {

namespace {

// Their C code computes, reads or logs, and leaves nothing that a session could tell from a fresh
// one. Of PostgreSQL's contrib: those whose libraries neither run SQL given to them nor set a
// setting that outlives the call (by what they import: SPI_*, SetConfigOption, PQconnect*).
// amcheck and postgres_fdw set settings within a call and put them back; postgres_fdw keeps its
// remote connections, which no function of SQL runs on. tcn and lo act by NOTIFY and on large
// objects, in the transaction. Sorted.
constexpr std::string_view harmless_extensions[] = {
    "adminpack",
    "amcheck",
    "autoinc",
    "bloom",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "file_fdw",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intagg",
    "intarray",
    "ip4r",
    "isn",
    "lo",
    "ltree",
    "moddatetime",
    "old_snapshot",
    "pageinspect",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_surgery",
    "pg_trgm",
    "pg_visibility",
    "pg_walinspect",
    "pgaudit",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plpgsql",
    "postgis",
    "postgis_sfcgal",
    "postgres_fdw",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
    "xml2",
};

// Functions of those and of other extensions; all of one without a function's name.
struct KnownEffect {
    std::string_view extension;
    std::string_view function;  // a prefix
    PinReason pin;
};

constexpr KnownEffect known_effects[] = {
    {"dblink", "", PinReason::dblink},
    // "Weak" input is a variable of the library, not a setting (before PostgreSQL 18).
    {"isn", "isn_weak", PinReason::unknown_function},
    // Paths over the rows of a query that they are given as text.
    {"pgrouting", "", PinReason::dynamic_sql},
    // inline_code_handler and the like are DO's.
    {"plpgsql", "", PinReason::unknown_function},
    // They call any function, given by its oid.
    {"postgis", "st_mapalgebra", PinReason::dynamic_sql},
    {"postgis", "_st_mapalgebra", PinReason::dynamic_sql},
    // DELETE and UPDATE of the tables that the trigger's arguments name.
    {"refint", "", PinReason::dynamic_sql},
    {"tablefunc", "connectby", PinReason::dynamic_sql},
    {"tablefunc", "crosstab", PinReason::dynamic_sql},
    {"xml2", "xpath_table", PinReason::dynamic_sql},
};

constexpr bool is_sorted_list() {
    return std::is_sorted(std::begin(harmless_extensions), std::end(harmless_extensions));
}

static_assert(is_sorted_list());

}  // namespace

SessionEffects effects_of_c_function(std::string_view extension, std::string_view function) {
    SessionEffects effects;
    for (const KnownEffect& known : known_effects) {
        if (known.extension != extension) continue;
        if (function.substr(0, known.function.size()) == known.function) effects.pin(known.pin);
    }
    if (effects.any()) return effects;
    if (extension == "pg_trgm" && function == "set_limit") {
        effects.touch("pg_trgm.similarity_threshold");
        return effects;
    }
    if (!std::binary_search(
            std::begin(harmless_extensions), std::end(harmless_extensions), extension
        ))
        effects.pin(PinReason::unknown_function);
    return effects;
}

}  // namespace weir::router
