// What the calls in a text do to a Statement: shared by the tree's and the words' way of reading.
#pragma once

#include "router/pg_query_tree.h"
#include "router/statement.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::router {

// A name, if it is not there yet.
void add_once(std::vector<std::string>& names, std::string_view name);

void add_pin(Statement& statement, PinReason reason, std::string_view detail);

// The effects of one function call; notes whether the text can still be read-only in `reads_only`.
void add_call(Statement& statement, const weir_call& call, bool& reads_only);

// One SET, RESET or set_config with a constant name, and the pins that its name alone means.
void add_setting(Statement& statement, SettingChange change);

}  // namespace weir::router
