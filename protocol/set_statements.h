// SQL that brings the run-time parameters of one session to another: SET and RESET, with every name
// and value quoted so that nothing in them can be executed.
#pragma once

#include "protocol/parameter_set.h"

#include <string>
#include <string_view>
#include <vector>

namespace weir::protocol {

// What has to be done on a server that has `server` to serve a client that has `client`:
// SET or RESET statements, one per element, in the order in which they must run: values are set
// under the user who has logged in; session_authorization and role come last.
// `changed_names` gets each name that may change. `uncertain` names are always set or reset.
// `login_user` is the server's session_authorization when it was opened; empty if not known.
std::vector<std::string> statements_between(
    const ParameterSet& server,
    const ParameterSet& client,
    const std::vector<std::string>& uncertain,
    std::vector<std::string>& changed_names,
    std::string_view login_user = {}
);
// `SET name TO value`, or the same by set_config, with both quoted so that nothing in them can be
// executed.
std::string set_statement(std::string_view name, std::string_view value);
// A string constant that means `text` whatever standard_conforming_strings is.
std::string quote_literal(std::string_view text);
std::string quote_identifier(std::string_view name);
// Splits a list of identifiers as SplitIdentifierString does; nothing if it is not one.
std::vector<std::string> split_identifiers(std::string_view list, bool& valid);

}  // namespace weir::protocol
