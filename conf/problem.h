// Problem: one thing that is wrong (or to be warned of) in a configuration file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

struct Place {
    std::string file;
    unsigned line = 0;  // from 1; 0 = the file as a whole
    bool operator==(const Place&) const = default;
};

struct Problem {
    Place place;
    std::string key;   // "pgweir.pool_mode", "databases.app.port"; empty = none in particular
    std::string text;  // what is wrong and what is allowed; never a secret

    bool operator==(const Problem&) const = default;
    // "pgweir.toml:12: pgweir.pool_mode: is not one of the choices; allowed: session, ..."
    std::string to_string() const;
};

struct Problems {
    std::vector<Problem> errors;
    std::vector<Problem> warnings;
};

// Where each key stood, for rules that are checked after loading. The section of the global keys
// is called "pgweir" in both formats here; `key` as in Problem::key.
using Origins = std::map<std::string, Place, std::less<>>;

}  // namespace weir::conf
