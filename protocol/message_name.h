// What the manual calls a message (55.7), by its type byte.
#pragma once

#include <string_view>

namespace weir::protocol {

// "unknown" for what is none.
std::string_view frontend_message_name(char type);
std::string_view backend_message_name(char type);

}  // namespace weir::protocol
