// Loads a configuration file of either format.
#pragma once

#include "conf/loading.h"

#include <string>
#include <string_view>

namespace weir::conf {

enum class Format { toml, ini };

// By the name's ending (.toml, .ini), else by the sections in `text`: [pgbouncer] and a plain
// [databases] are PgBouncer's.
Format format_of(std::string_view path, std::string_view text);

// All problems at once; a file that cannot be read is one problem.
Loaded load_file(const std::string& path);

}  // namespace weir::conf
