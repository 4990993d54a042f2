// PgBouncer's files: [pgbouncer], [databases], [users], [peers].
#pragma once

#include "conf/ini_reader.h"
#include "conf/loading.h"

#include <string>
#include <string_view>

namespace weir::conf {

// `file` names the text in problems. Without pool_mode, session mode, as in PgBouncer. A setting of
// PgBouncer's that does not act here is one warning, however often it appears; what PgBouncer does
// not know either is an error. Our own keys (workers, defer_begin) may stand under [pgbouncer].
Loaded load_pgbouncer_ini(std::string_view text, const std::string& file);
Loaded load_pgbouncer_ini(std::string_view text, const std::string& file, const FileReader& read);

}  // namespace weir::conf
