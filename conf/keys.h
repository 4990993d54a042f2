// The key tables: every setting once, with its rule, its documentation and its place in Settings.
//
// They drive both loaders, SHOW CONFIG, SET, --print-config, --convert, the reload comparison and
// conf/pgweir.example.toml. A new setting is one member in settings.h and one line in
// global_keys.cc or section_keys.cc.
#pragma once

#include "conf/settings.h"
#include "conf/value.h"

#include <span>
#include <string_view>

namespace weir::conf {

template <class Owner>
struct Key {
    std::string_view name;
    std::string_view group;  // heading in the example file
    Rule rule;
    bool live = true;      // may change while running (RELOAD, SET)
    std::string_view doc;  // one sentence

    Value (*get)(const Owner&) = nullptr;
    // REQUIRES: `value` came from read_value or read_number with `rule`, or from get.
    void (*set)(Owner&, const Value& value) = nullptr;
};

// In the order of the example file, groups together.
std::span<const Key<Settings>> global_keys();
std::span<const Key<DatabaseSettings>> database_keys();
std::span<const Key<UserSettings>> user_keys();
// Of one table in a database's hosts.
std::span<const Key<HostSettings>> host_keys();

// nullptr if there is none. `name` in lower case.
const Key<Settings>* find_global_key(std::string_view name);

// A key of PgBouncer's that does not act here: an ini file with it is accepted with this warning.
struct InactiveKey {
    std::string_view name;
    std::string_view why;
};

// For [pgbouncer], [databases] and [users] of an ini file.
std::span<const InactiveKey> inactive_global_keys();
std::span<const InactiveKey> inactive_database_keys();
std::span<const InactiveKey> inactive_user_keys();

// The candidate that `word` most likely means, or empty: at most a third of its letters differ.
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates);

// "; did you mean \"pool_mode\"?", or empty.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

template <class KeyType>
std::vector<std::string_view> names_of(std::span<const KeyType> keys) {
    std::vector<std::string_view> names;
    names.reserve(keys.size());
    for (const KeyType& key : keys)
        names.push_back(key.name);
    return names;
}

}  // namespace weir::conf
