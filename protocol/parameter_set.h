// ParameterSet: the run-time parameters (GUCs) a session has, as far as they are followed.
//
// Sets are immutable and interned: equal sets are one object, so "does this server fit this
// client" is a comparison of two pointers. Names compare as PostgreSQL's do (ASCII, without case).
#pragma once

#include "protocol/types.h"

#include <memory>
#include <vector>

namespace weir::protocol {

// As PostgreSQL folds names that are not quoted.
constexpr char lower_ascii(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

class ParameterSet;
using ParameterSetRef = std::shared_ptr<const ParameterSet>;

struct Parameter {
    std::string name;
    std::string value;
    // PostgreSQL reports it by ParameterStatus (GUC_REPORT); otherwise it was set by us.
    bool reported = false;
    // A custom parameter as RESET leaves it: its name is known to the session, its value (empty
    // here) is not what a session says that has never heard of it.
    bool is_default = false;

    bool operator==(const Parameter&) const = default;
};

class ParameterSet {
public:
    const std::vector<Parameter>& parameters() const { return parameters_; }

    const Parameter* find(std::string_view name) const;
    // Value of a parameter, empty if it is not in the set.
    std::string_view value(std::string_view name) const;

    // There are custom parameters in it.
    bool has_custom() const { return has_custom_; }

    // The set with no parameter.
    static ParameterSetRef none();
    // `set` with one parameter added or changed. Any thread.
    static ParameterSetRef with(const ParameterSetRef& set, Parameter parameter);
    static ParameterSetRef without(const ParameterSetRef& set, std::string_view name);
    static ParameterSetRef make(std::vector<Parameter> parameters);

private:
    explicit ParameterSet(std::vector<Parameter> parameters);

    std::vector<Parameter> parameters_;  // by name, without case
    bool has_custom_ = false;
};

// Names that PostgreSQL reports but nobody can SET: they are the server's, not the session's.
bool is_server_fact(std::string_view parameter_name);
// ASCII case-insensitive equality, as guc_name_compare.
bool same_parameter_name(std::string_view a, std::string_view b);
// Of two parts ("app.tenant"): PostgreSQL makes a placeholder for it that nothing removes, so a
// session that has seen the name answers current_setting(name, true) with '' instead of NULL.
bool is_custom_parameter(std::string_view name);
// `server` has seen custom names that `client` has not.
bool has_foreign_custom(const ParameterSet& server, const ParameterSet& client);

}  // namespace weir::protocol
