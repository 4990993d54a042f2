// Settings as text: SHOW CONFIG, SET, --print-config, --convert, and the example file.
#pragma once

#include "conf/keys.h"
#include "conf/loading.h"
#include "conf/settings.h"
#include "protocol/error.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

// One row of SHOW CONFIG, in PgBouncer's spelling: booleans 0/1, durations in seconds.
struct ConfigRow {
    std::string key;
    std::string value;
    std::string default_value;  // TOML's: pool_mode is transaction
    bool changeable = false;
};

// Sorted by key, as PgBouncer does. A secret has no value here.
std::vector<ConfigRow> config_rows(const Settings& settings);

// The console's SET: `settings` with one key changed, checked as a whole. Errors: 42704 unknown
// key, 55P02 not changeable while running, 22023 bad value or impossible combination.
// `key` in any case; `value` without quotes.
protocol::Result<Settings> with_setting(
    const Settings& settings, std::string_view key, std::string_view value
);

enum class Secrets {
    hidden,   // a comment says that there is one
    written,  // for --convert, whose result must work; warn the user that the file holds passwords
};

enum class Which {
    all,      // every global key (--print-config)
    changed,  // only what differs from the default (--convert)
};

// A TOML file that loads to the same settings (except for hidden secrets).
std::string to_toml(const Settings& settings, Which keys, Secrets secrets);

// --convert: `loaded` (of an ini file) as TOML; what does not act becomes a comment at the top.
// The result is loaded again before it is handed out; `wrong` says why it would not be the same
// (TOML is UTF-8, an ini file need not be). REQUIRES: loaded.ok().
Read<std::string> convert_to_toml(const Loaded& loaded);

// conf/pgweir.example.toml: every key, its default and its sentence. A test holds the file to it;
// `WEIR_WRITE_EXAMPLE=1 test_conf` writes it anew.
std::string example_toml();

}  // namespace weir::conf
