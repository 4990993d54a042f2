// What is known of the C functions of extensions, whose code nobody can read.
#pragma once

#include "router/session_effects.h"

#include <string_view>

namespace weir::router {

// Of a function in C by the extension that owns it (empty: none) and its name. Not listed:
// PinReason::unknown_function.
SessionEffects effects_of_c_function(std::string_view extension, std::string_view function);

}  // namespace weir::router
