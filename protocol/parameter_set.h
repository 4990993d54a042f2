// ParameterSet: the run-time parameters (GUCs) a session has, as far as they are followed.
//
// Sets are immutable and interned: equal sets are one object, so "does this server fit this
// client" is a comparison of two pointers. Names compare as PostgreSQL's do (ASCII, without case).
#pragma once

#include "protocol/types.h"

#include <memory>
#include <vector>

namespace weir::protocol {

class ParameterSet;
using ParameterSetRef = std::shared_ptr<const ParameterSet>;

struct Parameter {
    std::string name;
    std::string value;
    // PostgreSQL reports it by ParameterStatus (GUC_REPORT); otherwise it was set by us.
    bool reported = false;
};

class ParameterSet {
public:
    const std::vector<Parameter>& parameters() const { return parameters_; }

    const Parameter* find(std::string_view name) const;
    // Value of a parameter, empty if it is not in the set.
    std::string_view value(std::string_view name) const;

    // The set with no parameter.
    static ParameterSetRef none();
    // `set` with one parameter added or changed. Any thread.
    static ParameterSetRef with(const ParameterSetRef& set, Parameter parameter);
    static ParameterSetRef without(const ParameterSetRef& set, std::string_view name);
    static ParameterSetRef make(std::vector<Parameter> parameters);

private:
    explicit ParameterSet(std::vector<Parameter> parameters) : parameters_(std::move(parameters)) {}

    std::vector<Parameter> parameters_;  // by name, without case
};

// Names that PostgreSQL reports but nobody can SET: they are the server's, not the session's.
bool is_server_fact(std::string_view parameter_name);
// ASCII case-insensitive equality, as guc_name_compare.
bool same_parameter_name(std::string_view a, std::string_view b);

// What has to be done on a server that has `server` to serve a client that has `client`:
// SET or RESET statements, one per element; `changed_names` gets the names in the same order.
// `uncertain` names are always set or reset.
std::vector<std::string> statements_between(
    const ParameterSet& server,
    const ParameterSet& client,
    const std::vector<std::string>& uncertain,
    std::vector<std::string>& changed_names
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
