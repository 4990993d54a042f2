// Value: one setting's value without its type in Settings, with the rules to read and write it.
//
// A Rule says what a key accepts. Everything that reads or prints a setting (both file formats,
// SET, SHOW CONFIG, --print-config) goes through the functions here, so they cannot disagree.
#pragma once

#include "conf/secret.h"
#include "conf/settings.h"

#include <boost/system/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weir::conf {

enum class Kind {
    boolean,
    integer,
    octal,     // permission bits
    duration,  // a bare number is a number of Rule::unit
    text,
    secret,
    list,    // texts; in one text: separated by commas
    choice,  // one of Rule::choices
    hosts,   // of a cluster: a list of "host:port", or of tables in a TOML file
};

struct Rule {
    Kind kind = Kind::text;
    // integer, octal: the range. duration: the range in milliseconds.
    std::int64_t low = 0;
    std::int64_t high = 0;
    Milliseconds unit = std::chrono::seconds(1);  // duration: what a bare number counts
    bool whole_units = false;                     // duration: the kernel takes no fractions
    bool lower_case = false;                      // list: items are folded
    std::span<const std::string_view> choices;
};

// monostate: not set (an optional setting that is inherited). A choice is its index.
struct Choice {
    std::size_t index = 0;
    bool operator==(const Choice&) const = default;
};

using Value = std::variant<
    std::monostate,
    bool,
    std::int64_t,
    Milliseconds,
    std::string,
    Secret,
    std::vector<std::string>,
    Choice,
    std::vector<HostSettings>>;

// A value, or what is wrong with the input: "is not a number; allowed: 0 to 3".
template <class T>
struct Read {
    T value{};
    std::string wrong;  // empty: the value is good

    bool ok() const { return wrong.empty(); }
};

// From the text of an ini file or of the console's SET.
Read<Value> read_value(const Rule& rule, std::string_view text);

// From a typed file. The caller has checked that `number` is finite.
Read<Value> read_number(const Rule& rule, double number);

// "250ms", "5s", "1.5m", "1h", "2d", or a number of `unit`. Fractions below a millisecond are
// rounded up, so that a timeout never becomes 0, which means "off".
Read<Milliseconds> read_duration(std::string_view text, Milliseconds unit);

// "0 to 3", "session, transaction, statement", ...
std::string allowed(const Rule& rule);

// As PgBouncer's SHOW CONFIG spells it: 0/1, seconds, comma lists. Not set: "". A secret: "".
std::string show_text(const Rule& rule, const Value& value);

// As a TOML value. A secret is written out: whether it may be is the caller's decision.
// REQUIRES: the value is set.
std::string toml_text(const Rule& rule, const Value& value);

// `text` as a TOML basic string, quotes included.
std::string toml_quote(std::string_view text);

// The part of `text` between blanks, tabs and line ends.
std::string_view trim(std::string_view text);
// ASCII only, as PostgreSQL folds identifiers and PgBouncer its keys.
std::string to_lower(std::string_view text);
// The items between commas, trimmed; empty items are left out.
std::vector<std::string> split_list(std::string_view text);

}  // namespace weir::conf
