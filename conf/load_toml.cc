#include "conf/load_toml.h"

#include "conf/host_list.h"

#include <toml++/toml.h>

#include <array>
#include <cmath>

namespace weir::conf {

namespace {

std::string_view kind_name(const toml::node& node) {
    if (node.is_table()) return "a table";
    if (node.is_array()) return "an array";
    if (node.is_string()) return "a text";
    if (node.is_integer() || node.is_floating_point()) return "a number";
    if (node.is_boolean()) return "a boolean";
    return "a date or time";
}

Read<Value> wrong_type(const Rule& rule, const toml::node& node) {
    return {
        .value = {}, .wrong = "is " + std::string(kind_name(node)) + "; allowed: " + allowed(rule)};
}

// Only what the key's type is in TOML: 1 is no boolean, "5" no integer.
Read<Value> read_node(const Rule& rule, const toml::node& node) {
    const auto* text = node.as_string();
    switch (rule.kind) {
        case Kind::boolean:
            if (const auto* flag = node.as_boolean()) return {.value = flag->get(), .wrong = {}};
            break;
        case Kind::integer:
            if (const auto* number = node.as_integer()) {
                return read_value(rule, std::to_string(number->get()));
            }
            break;
        case Kind::duration:
            if (const auto* number = node.as_integer()) {
                return read_number(rule, static_cast<double>(number->get()));
            }
            if (const auto* number = node.as_floating_point()) {
                if (std::isfinite(number->get())) return read_number(rule, number->get());
                break;
            }
            if (text != nullptr) return read_value(rule, text->get());
            break;
        case Kind::list: {
            const auto* array = node.as_array();
            if (text != nullptr) return read_value(rule, text->get());
            if (array == nullptr) break;
            std::vector<std::string> items;
            for (const toml::node& item : *array) {
                if (!item.is_string()) return wrong_type(rule, node);
                // An item with a comma would be two in SHOW CONFIG and in an ini file.
                const std::string& word = item.as_string()->get();
                if (trim(word).empty() || word.find(',') != std::string::npos) {
                    return {.value = {}, .wrong = "has an item that is empty or has a comma"};
                }
                items.push_back(rule.lower_case ? to_lower(trim(word)) : std::string(trim(word)));
            }
            return {.value = std::move(items), .wrong = {}};
        }
        case Kind::hosts:
            // An array has its own way: TomlLoader::hosts.
            if (text != nullptr) return read_value(rule, text->get());
            break;
        case Kind::octal:
            // 0o777 is an integer, "0777" a text.
            if (const auto* number = node.as_integer()) {
                if (number->get() >= rule.low && number->get() <= rule.high) {
                    return {.value = number->get(), .wrong = {}};
                }
                return {.value = {}, .wrong = "is out of range; allowed: " + allowed(rule)};
            }
            [[fallthrough]];
        case Kind::text:
        case Kind::secret:
        case Kind::choice:
            if (text != nullptr) return read_value(rule, text->get());
            break;
    }
    return wrong_type(rule, node);
}

class TomlLoader {
public:
    explicit TomlLoader(const std::string& file) : file_(file) {}

    Loaded load(std::string_view text) && {
        loading_.origins[""] = Place{file_, 0};
        try {
            toml::table root = toml::parse(text, std::string_view(file_));
            sections(root);
        } catch (const toml::parse_error& error) {
            Place place{file_, error.source().begin.line};
            loading_.error(
                std::move(place), "", "is not TOML: " + std::string(error.description())
            );
            // What was not read cannot be judged.
            Loaded loaded;
            loaded.problems = std::move(loading_.problems);
            return loaded;
        }
        return std::move(loading_).finish();
    }

private:
    Place place(const toml::node& node) const { return {file_, node.source().begin.line}; }

    void sections(const toml::table& root) {
        constexpr std::array<std::string_view, 3> known{"pgweir", "databases", "users"};
        for (const auto& [key, node] : root) {
            std::string name(key.str());
            // The table node of [a.b] stands where it is first named; a plain key has a line, too.
            if (name != known[0] && name != known[1] && name != known[2]) {
                std::string hint = suggestion(name, known);
                if (name == "pgbouncer") hint = "; in TOML it is called \"pgweir\"";
                if (find_global_key(name) != nullptr) hint = "; it belongs under [pgweir]";
                if (hint.empty()) hint = "; allowed: [pgweir], [databases.NAME], [users.NAME]";
                loading_.error(place(node), name, "unknown key or section" + hint);
                continue;
            }
            const toml::table* table = node.as_table();
            if (table == nullptr) {
                loading_.error(place(node), name, "must be a table");
            } else if (name == "pgweir") {
                keys(*table, loading_.settings, global_keys(), name);
            } else if (name == "databases") {
                named(*table, loading_.settings.databases, database_keys(), name);
            } else {
                named(*table, loading_.settings.users, user_keys(), name);
            }
        }
    }

    template <class Owner, class Map>
    void named(
        const toml::table& table,
        Map& owners,
        std::span<const Key<Owner>> known,
        const std::string& section
    ) {
        for (const auto& [key, node] : table) {
            std::string path = section + '.' + std::string(key.str());
            if (const toml::table* inner = node.as_table()) {
                loading_.origins.insert_or_assign(path, place(node));
                keys(*inner, owners[std::string(key.str())], known, path);
            } else {
                loading_.error(place(node), path, "must be a table: [" + section + ".NAME]");
            }
        }
    }

    template <class Owner>
    void keys(
        const toml::table& table,
        Owner& owner,
        std::span<const Key<Owner>> known,
        const std::string& section
    ) {
        for (const auto& [key, node] : table) {
            std::string_view name = key.str();
            std::string path = section + '.' + std::string(name);
            const Key<Owner>* found = nullptr;
            for (const Key<Owner>& candidate : known) {
                if (candidate.name == name) found = &candidate;
            }
            if (found == nullptr) {
                unknown(place(node), std::move(path), name, names_of(known));
                continue;
            }
            if (found->rule.kind == Kind::hosts && node.is_array()) {
                Read<Value> read{.value = hosts(*node.as_array(), path), .wrong = {}};
                loading_.store(owner, *found, std::move(read), place(node), path);
                continue;
            }
            loading_.store(owner, *found, read_node(found->rule, node), place(node), path);
        }
    }

    // Texts and tables, each with its own place and its own problems: "databases.app.hosts[1]".
    std::vector<HostSettings> hosts(const toml::array& array, const std::string& path) {
        std::vector<HostSettings> hosts;
        for (const toml::node& node : array) {
            const std::string item = path + '[' + std::to_string(hosts.size()) + ']';
            HostSettings& host = hosts.emplace_back();
            loading_.origins.insert_or_assign(item, place(node));
            if (const auto* text = node.as_string()) {
                Read<HostSettings> read = read_host(text->get());
                if (!read.ok()) loading_.error(place(node), item, read.wrong);
                host = std::move(read.value);
            } else if (const toml::table* table = node.as_table()) {
                keys(*table, host, host_keys(), item);
            } else {
                const Rule rule{.kind = Kind::hosts, .choices = {}};
                loading_.error(place(node), item, wrong_type(rule, node).wrong);
            }
        }
        return hosts;
    }

    void unknown(
        Place where,
        std::string path,
        std::string_view name,
        const std::vector<std::string_view>& known
    ) {
        std::string text = "unknown key" + suggestion(name, known);
        if (is_inactive(name)) text = "a setting of PgBouncer's that does not exist here yet";
        loading_.error(std::move(where), std::move(path), std::move(text));
    }

    static bool is_inactive(std::string_view name) {
        for (const InactiveKey& key : inactive_global_keys()) {
            if (key.name == name) return true;
        }
        for (const InactiveKey& key : inactive_database_keys()) {
            if (key.name == name) return true;
        }
        return false;
    }

    std::string file_;
    Loading loading_;
};

}  // namespace

Loaded load_toml(std::string_view text, const std::string& file) {
    Loaded loaded = TomlLoader(file).load(text);
    return loaded;
}

}  // namespace weir::conf
