// What the tests of conf/ share.
#pragma once

#include "conf/load_pgbouncer_ini.h"
#include "conf/load_toml.h"

#include <string>

namespace weir::conf {

inline std::string fixture(const std::string& name) {
    return std::string(WEIR_SOURCE_DIR) + "/tests/fixtures/conf/" + name;
}

// All errors as lines, in order.
inline std::string lines(const std::vector<Problem>& problems) {
    std::string text;
    for (const Problem& problem : problems)
        text += problem.to_string() + '\n';
    return text;
}

inline Loaded toml(std::string_view text) {
    return load_toml(text, "t.toml");
}

inline Loaded ini(std::string_view text) {
    return load_pgbouncer_ini(text, "p.ini");
}

}  // namespace weir::conf
