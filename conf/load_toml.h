// pgweir.toml: [pgweir], [databases.NAME], [users.NAME].
#pragma once

#include "conf/loading.h"

#include <string>
#include <string_view>

namespace weir::conf {

// `file` names the text in problems. An unknown key or section is an error. A duration is a
// number of seconds or a text ("250ms", "5s", "1h", "2d"); a list is an array, or a text with
// commas.
Loaded load_toml(std::string_view text, const std::string& file);

}  // namespace weir::conf
