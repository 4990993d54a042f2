#include "conf/show.h"

#include "conf/load_toml.h"
#include "conf/validate.h"

#include <algorithm>

namespace weir::conf {

namespace {

constexpr protocol::SqlState cant_change_runtime_param{"55P02"};

// A key of letters, digits, "_" and "-" is bare in TOML; others are quoted.
std::string toml_key(std::string_view name) {
    constexpr std::string_view bare =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    bool is_bare = !name.empty() && name.find_first_not_of(bare) == std::string_view::npos;
    return is_bare ? std::string(name) : toml_quote(name);
}

std::string assignment(std::string_view name, const Rule& rule, const Value& value) {
    return std::string(name) + " = " + toml_text(rule, value) + '\n';
}

template <class Owner>
std::string section(
    std::string_view name, const Owner& owner, std::span<const Key<Owner>> keys, Secrets secrets
) {
    std::string text = "\n[" + std::string(name) + "]\n";
    const Owner defaults;
    for (const Key<Owner>& key : keys) {
        Value value = key.get(owner);
        if (value == key.get(defaults)) continue;
        if (key.rule.kind == Kind::secret && secrets == Secrets::hidden) {
            text += "# " + std::string(key.name) + " is set, and not shown\n";
        } else {
            text += assignment(key.name, key.rule, value);
        }
    }
    return text;
}

// What the example shows for a key of a database or user: its default, or a typical value where
// unset means "inherited".
template <class Owner>
std::string example_value(const Key<Owner>& key) {
    Value value = key.get(Owner{});
    if (!std::holds_alternative<std::monostate>(value)) return toml_text(key.rule, value);
    switch (key.rule.kind) {
        case Kind::integer:
            return "20";
        case Kind::duration:
            return "\"1h\"";
        case Kind::choice:
            return toml_quote(key.rule.choices.front());
        default:
            return "\"...\"";
    }
}

// "# Its sentence. One of: a, b."
template <class Owner>
std::string example_doc(const Key<Owner>& key) {
    std::string text = "# " + std::string(key.doc);
    if (key.rule.kind == Kind::choice) text += " One of: " + allowed(key.rule) + '.';
    return text + (key.live ? "\n" : " (restart)\n");
}

template <class Owner>
std::string example_section(std::string_view heading, std::span<const Key<Owner>> keys) {
    std::string text = std::string(heading);
    for (const Key<Owner>& key : keys) {
        text += example_doc(key);
        text += "# " + std::string(key.name) + " = " + example_value(key) + '\n';
    }
    return text;
}

}  // namespace

std::vector<ConfigRow> config_rows(const Settings& settings) {
    const Settings defaults;
    std::vector<ConfigRow> rows;
    for (const Key<Settings>& key : global_keys()) {
        rows.push_back(
            {std::string(key.name),
             show_text(key.rule, key.get(settings)),
             show_text(key.rule, key.get(defaults)),
             key.live}
        );
    }
    std::sort(rows.begin(), rows.end(), [](auto& a, auto& b) { return a.key < b.key; });
    return rows;
}

protocol::Result<Settings> with_setting(
    const Settings& settings, std::string_view key, std::string_view value
) {
    std::string name = to_lower(trim(key));
    const Key<Settings>* found = find_global_key(name);
    if (found == nullptr) {
        return protocol::error(
            protocol::sqlstate::undefined_object,
            "unrecognized configuration parameter \"" + name + "\"" +
                suggestion(name, names_of(global_keys()))
        );
    }
    if (!found->live) {
        return protocol::error(
            cant_change_runtime_param,
            "parameter \"" + name + "\" cannot be changed without restarting pgweir"
        );
    }
    if (found->rule.kind == Kind::secret) {
        return protocol::error(
            cant_change_runtime_param,
            "parameter \"" + name + "\" is a secret: it is changed in the file, by RELOAD"
        );
    }
    Read<Value> read = read_value(found->rule, value);
    if (!read.ok()) {
        return protocol::error(
            protocol::sqlstate::invalid_parameter_value,
            "invalid value for parameter \"" + name + "\": " + read.wrong
        );
    }
    Settings changed = settings;
    found->set(changed, read.value);
    Problems problems = validate(changed);
    if (!problems.errors.empty()) {
        return protocol::error(
            protocol::sqlstate::invalid_parameter_value,
            "parameter \"" + name +
                "\" cannot have this value: " + problems.errors.front().to_string()
        );
    }
    return changed;
}

std::string to_toml(const Settings& settings, Which keys, Secrets secrets) {
    std::string text = "[pgweir]\n";
    const Settings defaults;
    for (const Key<Settings>& key : global_keys()) {
        Value value = key.get(settings);
        const bool is_default = value == key.get(defaults);
        if (keys == Which::changed && is_default) continue;
        if (key.rule.kind == Kind::secret && secrets == Secrets::hidden && !is_default) {
            text += "# " + std::string(key.name) + " is set, and not shown\n";
        } else {
            text += assignment(key.name, key.rule, value);
        }
    }
    for (const auto& [name, database] : settings.databases) {
        text += section("databases." + toml_key(name), database, database_keys(), secrets);
    }
    for (const auto& [name, user] : settings.users) {
        text += section("users." + toml_key(name), user, user_keys(), secrets);
    }
    return text;
}

Read<std::string> convert_to_toml(const Loaded& loaded) {
    std::string text = "# Converted from " + loaded.origins.at("").file +
                       ". Passwords are taken over: keep this file as private as that one.\n";
    for (const Problem& warning : loaded.problems.warnings) {
        text += "# Not taken over as it stands: " + warning.key + ": " + warning.text + '\n';
    }
    text += '\n' + to_toml(*loaded.settings, Which::changed, Secrets::written);
    Loaded again = load_toml(text, "the converted file");
    if (!again.ok()) return {{}, again.problems.errors.front().to_string()};
    if (*again.settings != *loaded.settings) return {{}, "the converted file has other settings"};
    return {std::move(text), {}};
}

std::string example_toml() {
    std::string text =
        "# Every setting of pgweir with its default. Durations are numbers of seconds or texts:\n"
        "# \"250ms\", \"5s\", \"1h\", \"2d\". \"pgweir --check FILE\" tells all mistakes at once.\n"
        "# Settings marked (restart) take effect at the next start, all others on RELOAD.\n"
        "\n[pgweir]\n";
    const Settings defaults;
    std::string_view group;
    for (const Key<Settings>& key : global_keys()) {
        if (key.group != group) text += "\n# ---- " + std::string(key.group) + " ----\n";
        group = key.group;
        text += example_doc(key);
        text += assignment(key.name, key.rule, key.get(defaults));
    }
    text += example_section(
        "\n# ---- Databases ----\n"
        "# One section for each database that clients may ask for; \"*\" stands for all others.\n"
        "# A key that is left out is inherited.\n"
        "# [databases.mydb]\n",
        database_keys()
    );
    text += example_section(
        "\n# ---- Hosts ----\n"
        "# One section for each host of a database, instead of its key hosts.\n"
        "# [[databases.mycluster.hosts]]\n",
        host_keys()
    );
    text += example_section(
        "\n# ---- Users ----\n"
        "# Only for users who need other values. A key that is left out is inherited.\n"
        "# [users.alice]\n",
        user_keys()
    );
    return text;
}

}  // namespace weir::conf
