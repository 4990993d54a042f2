// What this program is and what it was built from.
#pragma once

#include <string>
#include <string_view>

namespace weir::proxy {

// "0.1.0"
std::string_view version();
// For --version: version, commit, libraries.
std::string version_text();

}  // namespace weir::proxy
