// What the loaders share: reading a file, storing a value with its place, reporting problems.
#pragma once

#include "conf/keys.h"
#include "conf/problem.h"
#include "conf/settings.h"

#include <optional>
#include <string>
#include <string_view>

namespace weir::conf {

// What became of a file. `settings` is there exactly if there are no errors.
struct Loaded {
    std::optional<Settings> settings;
    Problems problems;
    Origins origins;

    bool ok() const { return settings.has_value(); }
};

// Collects while a file is read. The settings hold defaults where a value was wrong, so that
// reading can go on and find the other problems.
struct Loading {
    Settings settings;
    Problems problems;
    Origins origins;

    void error(Place place, std::string key, std::string text);
    void warn(Place place, std::string key, std::string text);

    // Stores `read` into `owner`, or reports it. `path` is the key's full name.
    template <class Owner>
    void store(
        Owner& owner, const Key<Owner>& key, Read<Value> read, const Place& place, std::string path
    ) {
        if (!read.ok()) return error(place, std::move(path), std::move(read.wrong));
        key.set(owner, read.value);
        origins.insert_or_assign(std::move(path), place);
    }

    // The cross-field rules, then the verdict.
    Loaded finish() &&;
};

// The whole file, or what is wrong with it ("No such file or directory"). At most 16 MiB.
Read<std::string> read_file(const std::string& path);

}  // namespace weir::conf
